//! What is printed for QEMU's users and their scripts: the options in QEMU's form (`-help`) and the
//! version in QEMU's words; also the items of `-d`. Options come from the definitions in `args.rs`;
//! what clap itself prints (`--help`, `-V`) is for everybody.

use std::ffi::OsString;

use clap::Arg;

use super::command;
use crate::debug::trace::TraceItems;
use crate::isa::Extensions;

/// The QEMU whose command line this one was compared with.
const QEMU_VERSION: &str = "7.2.0";

/// The text that the command line `words` asks for, if it asks for one of these.
pub(super) fn asked_for(words: &[OsString]) -> Option<String> {
    if words.windows(2).any(|pair| pair[0] == "-d" && pair[1] == "help") {
        return Some(TraceItems::help());
    }
    match words.get(1)?.to_str()? {
        "-help" => Some(options()),
        "-version" | "--version" => Some(version()),
        _ => None,
    }
}

/// Makefiles, such as that of xv6, compare what follows these first words with the version that
/// they need; so the line has to begin with them.
fn version() -> String {
    let (own, isa) = (env!("CARGO_PKG_VERSION"), Extensions::ALL.isa_string());
    format!("QEMU emulator version {QEMU_VERSION} compatible: pagewalk {own}\n{isa}\n")
}

/// The options of a run, a line each, as QEMU lists them: some Makefiles look for one in it.
fn options() -> String {
    let mut command = command();
    command.build();
    let run = command.find_subcommand("run").expect("it is defined");
    let mut text = format!(
        "pagewalk {}\nusage: pagewalk [options] FILE\n\
         pagewalk --help tells of other commands, pagewalk run --help more of these options.\n",
        env!("CARGO_PKG_VERSION")
    );
    let mut heading = None;
    for arg in run.get_arguments().filter(|arg| !arg.is_positional() && !arg.is_hide_set()) {
        if heading != arg.get_help_heading() {
            heading = arg.get_help_heading();
            text.push_str(&format!("\n{}:\n", heading.unwrap_or("Other")));
        }
        text.push_str(&line(arg));
    }
    text
}

/// One option: `-memory SIZE` and its help.
fn line(arg: &Arg) -> String {
    const HELP_COLUMN: usize = 24;
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("-{long}"));
    let names: Vec<_> = short.into_iter().chain(long).collect();
    let takes_value = arg.get_action().takes_values();
    let values = arg.get_value_names().filter(|_| takes_value).unwrap_or_default();
    let left = [names.join(" or "), values.join(" ")].join(" ");
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    format!("{:<HELP_COLUMN$} {help}\n", left.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_has_a_line() {
        let text = options();
        for option in ["gdb", "m", "smp", "drive", "s", "S", "no-reboot", "h"] {
            let begins = |line: &&str| {
                line.strip_prefix(&format!("-{option}")).is_some_and(|rest| rest.starts_with(' '))
            };
            let found: Vec<_> = text.lines().filter(begins).collect();
            assert_eq!(found.len(), 1, "-{option}: {found:?}");
            let words = found[0].split("  ").last().unwrap();
            assert!(words.len() > 10, "{}", found[0]);
        }
    }

    #[test]
    fn only_scripts_get_these() {
        let asked = |line: &str| {
            let words: Vec<_> = line.split(' ').map(OsString::from).collect();
            asked_for(&words).and_then(|text| text.lines().next().map(str::to_owned))
        };
        let own = env!("CARGO_PKG_VERSION");
        let version = format!("QEMU emulator version {QEMU_VERSION} compatible: pagewalk {own}");
        for (line, expect) in [
            ("p --version", Some(version.clone())),
            ("p -version", Some(version)),
            ("p -help", Some(format!("pagewalk {own}"))),
            ("p -d help", Some("Log items (comma separated):".to_owned())),
            ("p -d int k", None),
            ("p --help", None),
            ("p -V", None),
            ("p run -help", None),
            ("p k", None),
            ("p", None),
        ] {
            assert_eq!(asked(line), expect, "{line}");
        }
    }
}
