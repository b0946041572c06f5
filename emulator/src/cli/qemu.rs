//! QEMU's habits on the command line: long options with a single dash become clap's, options of
//! QEMU that this machine does not have are told apart from misspelt ones, and a command line
//! without a verb is one to run.

use std::ffi::OsString;

use clap::Command;
use clap::error::ErrorKind;

/// The verb of a command line that names none.
const DEFAULT_VERB: &str = "run";

/// Options that QEMU has and people type, and that pagewalk does not have.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("accel", "accelerators"),
    ("boot", "a choice of what to boot from"),
    ("daemonize", "a life in the background"),
    ("enable-kvm", "accelerators"),
    ("fsdev", "shared directories"),
    ("hda", "IDE disks; use -drive"),
    ("icount", "that choice; use --clock"),
    ("loadvm", "saved machines"),
    ("net", "a network"),
    ("netdev", "a network"),
    ("nic", "a network"),
    ("numa", "memory nodes"),
    ("object", "objects"),
    ("plugin", "plug-ins"),
    ("qmp", "QMP"),
    ("semihosting", "semihosting"),
    ("trace", "QEMU's events; use -d"),
    ("usb", "USB"),
    ("vga", "displays"),
    ("virtfs", "shared directories"),
    ("vnc", "displays"),
];

/// The command line `words` (the program's name first) as clap is to see it.
///
/// # Errors
/// A usage error where an option of QEMU is not supported.
pub(super) fn modernise(
    words: Vec<OsString>,
    command: &mut Command,
) -> Result<Vec<OsString>, clap::Error> {
    let mut words = words.into_iter();
    let mut modern: Vec<_> = words.next().into_iter().collect();
    let words: Vec<_> = words.collect();
    // A path need not be text; a verb is.
    let first = words.first().map(|word| word.to_string_lossy());
    let (verb, rest) = match first.as_deref() {
        Some("-h" | "--help" | "-V" | "--version" | "-version" | "help") => {
            modern.extend(words);
            return Ok(modern);
        }
        Some(word) if command.find_subcommand(word).is_some() => (word, &words[1..]),
        Some(_) | None => (DEFAULT_VERB, words.as_slice()),
    };
    modern.push(verb.into());
    let takes_program = verb == DEFAULT_VERB;
    let verb = command.find_subcommand_mut(verb).expect("it was just found");
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        let Some(text) = word.to_str().filter(|text| is_option(text)) else {
            modern.push(word.clone());
            if word == "--" || takes_program {
                // From the program's name on, words are the program's own.
                let own = rest.as_slice();
                let mark = (word != "--" && !own.is_empty()).then(|| OsString::from("--"));
                modern.extend(mark.into_iter().chain(own.iter().cloned()));
                return Ok(modern);
            }
            continue;
        };
        refuse_unsupported(text, verb)?;
        let text = double_dash(word).unwrap_or(word.clone());
        let takes_next = takes_next(&text, verb);
        modern.push(text);
        if takes_next {
            modern.extend(rest.next().cloned());
        }
    }
    Ok(modern)
}

fn is_option(word: &str) -> bool {
    word.len() > 1 && word.starts_with('-') && word != "--"
}

/// `-word` as `--word`. A single letter, and a letter with its value behind it (`-m128M`), stay.
fn double_dash(word: &OsString) -> Option<OsString> {
    let name = word.to_str()?.strip_prefix('-')?;
    let is_long = name.len() > 1 && name.bytes().take(2).all(|byte| byte.is_ascii_alphabetic());
    is_long.then(|| format!("--{name}").into())
}

fn refuse_unsupported(word: &str, verb: &mut Command) -> Result<(), clap::Error> {
    let name = word.trim_start_matches('-').split('=').next().unwrap_or_default();
    if verb.get_arguments().any(|arg| arg.get_long() == Some(name)) {
        return Ok(());
    }
    let Some((_, what)) = UNSUPPORTED.iter().find(|(unsupported, _)| *unsupported == name) else {
        return Ok(());
    };
    let text = format!("QEMU's option -{name} is not supported: pagewalk does not have {what}");
    Err(verb.error(ErrorKind::UnknownArgument, text))
}

/// Whether the word after the option `word` is its value.
fn takes_next(word: &OsString, verb: &Command) -> bool {
    let Some(word) = word.to_str() else { return false };
    verb.get_arguments().any(|arg| {
        let long = arg.get_long().is_some_and(|long| word.strip_prefix("--") == Some(long));
        let short = arg.get_short().is_some_and(|short| word == format!("-{short}"));
        (long || short) && arg.get_action().takes_values() && !arg.is_require_equals_set()
    })
}

#[cfg(test)]
mod tests {
    use super::super::args::Cli;
    use super::*;
    use clap::CommandFactory;

    fn modern(line: &str) -> Result<String, String> {
        let words = line.split_whitespace().map(OsString::from).collect();
        let mut command = Cli::command();
        command.build();
        let words = modernise(words, &mut command).map_err(|error| error.to_string())?;
        Ok(words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn lines() {
        for (line, expect) in [
            ("p", "p run"),
            ("p -m 1G", "p run -m 1G"),
            ("p --help", "p --help"),
            ("p a.elf", "p run a.elf"),
            ("p run a.elf", "p run a.elf"),
            ("p test a b", "p test a b"),
            ("p ./test", "p run ./test"),
            ("p -m 1G a.elf", "p run -m 1G a.elf"),
            ("p -m1G a.elf", "p run -m1G a.elf"),
            ("p -machine virt -m 128M a.elf", "p run --machine virt -m 128M a.elf"),
            ("p -bios none -kernel k -nographic", "p run --bios none --kernel k --nographic"),
            ("p -cpu=rv64 k", "p run --cpu=rv64 k"),
            ("p -s -S -p 26000 -d int -D f k", "p run -s -S -p 26000 -d int -D f k"),
            ("p --stats k -x", "p run --stats k -- -x"),
            ("p -gdb tcp::1 -kernel k", "p run --gdb tcp::1 --kernel k"),
            ("p --stats k -x", "p run --stats k -- -x"),
            ("p -append -x -kernel k -no-reboot", "p run --append -x --kernel k --no-reboot"),
            ("p -machin virt k", "p run --machin virt -- k"),
            ("p a.elf -foo --bar", "p run a.elf -- -foo --bar"),
            ("p test d -filter x", "p test d --filter x"),
            ("p -nographic a.elf -drive", "p run --nographic a.elf -- -drive"),
            ("p test -filter run d", "p test --filter run d"),
            ("p -- -odd", "p run -- -odd"),
        ] {
            assert_eq!(modern(line).as_deref(), Ok(expect), "{line}");
        }
    }

    #[test]
    fn unsupported_options_are_named() {
        for option in ["-netdev", "-net", "-icount", "-vnc", "--accel", "-nic"] {
            let error = modern(&format!("p {option} x k")).unwrap_err();
            let name = option.trim_start_matches('-');
            assert!(error.contains(&format!("-{name} is not supported")), "{error}");
        }
    }
}
