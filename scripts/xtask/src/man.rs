//! `cargo xtask man`: the manual pages of the `pagewalk` command, one for each verb, made from the
//! definitions of its options.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Command};
use clap_mangen::Man;

use crate::{root, say};

/// Options of `cargo xtask man`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Directory to write to [default: target/man]
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// Writes the pages; prints the path of each.
pub(crate) fn write(options: &Options) -> Result<ExitCode> {
    let directory = options.directory.clone().unwrap_or_else(|| root().join("target/man"));
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    for (name, text) in pages()? {
        let path = directory.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        say(path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The pages: the name of each file, and its text.
fn pages() -> Result<Vec<(String, Vec<u8>)>> {
    // The list of verbs has a `help` of clap's, which needs no page.
    let mut command = pagewalk::cli::command().disable_help_subcommand(true);
    command.build();
    let verbs = command.get_subcommands().cloned().collect::<Vec<_>>();
    let mut pages = Vec::new();
    for page in [command].into_iter().chain(verbs) {
        pages.push(render(page).context("cannot make a page")?);
    }
    Ok(pages)
}

/// One page. What follows the options is set in columns already, and stays as it is.
fn render(command: Command) -> io::Result<(String, Vec<u8>)> {
    let after = command.get_after_long_help().or(command.get_after_help());
    let after = after.map(ToString::to_string).unwrap_or_default();
    let man = Man::new(command.after_help(None::<&str>).after_long_help(None::<&str>));
    let mut text = Vec::new();
    man.render(&mut text)?;
    if !after.is_empty() {
        let after = after.replace('\\', "\\e").replace('-', "\\-").replace("\n.", "\n\\&.");
        writeln!(text, ".SH NOTES\n.nf\n{after}\n.fi")?;
    }
    Ok((man.get_filename(), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_a_page() {
        let pages = pages().unwrap();
        for (name, says) in [
            ("pagewalk.1", "--max-insns"),
            ("pagewalk-run.1", "virtio-blk-device"),
            ("pagewalk-run.1", "\n  124    --timeout was reached\n"),
            ("pagewalk-test.1", "filter"),
            ("pagewalk-disasm.1", "riscv64 ELF"),
        ] {
            let (_, text) = pages.iter().find(|(page, _)| page == name).expect(name);
            let text = String::from_utf8(text.clone()).unwrap().replace('\\', "");
            assert!(text.contains(says), "{name}: {text}");
        }
    }
}
