//! Compares the two commit logs of a program as they are written, and shows the first difference.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::BufRead;
use std::path::Path;

use anyhow::{Context, Result};
use pagewalk::csr::CsrAddr;
use pagewalk::isa::{Extensions, decode, disassemble};

use super::program::CODE;
use super::simulator::{Running, Simulators};

/// Lines shown before a difference.
const CONTEXT_LINES: usize = 24;
/// Before a commit line says where it is.
const PREFIX: &str = "core   0: ";

/// What a comparison found.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The logs agree to the program's end.
    Same,
    /// A text that shows how they do not.
    Different(String),
}

/// What a comparison found, and how much it compared.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) insns: u64,
    pub(super) traps: u64,
    pub(super) outcome: Outcome,
}

/// Runs `elf` on both simulators up to the instruction at `end`.
///
/// # Errors
/// A simulator that cannot be run or read.
pub(super) fn run(simulators: &Simulators, elf: &Path, end: u64) -> Result<Report> {
    let mut spike = simulators.start_spike(elf)?;
    let mut pagewalk = simulators.start_pagewalk(elf)?;
    let report = compare(&mut spike, &mut pagewalk, end);
    let complaints = [("spike", spike.stop()), ("pagewalk", pagewalk.stop())];
    let mut report = report?;
    if let Outcome::Different(text) = &mut report.outcome {
        for (name, complaint) in complaints {
            for line in complaint.lines() {
                let _ = writeln!(text, "{name} says: {line}");
            }
        }
    }
    Ok(report)
}

fn compare(spike: &mut Running, pagewalk: &mut Running, end: u64) -> Result<Report> {
    let mut context = VecDeque::with_capacity(CONTEXT_LINES + 1);
    let (mut insns, mut traps) = (0, 0);
    let [mut expected, mut found] = [String::new(), String::new()];
    next_from(&mut spike.log, &mut expected, Stage::Reset).context("reading Spike's log")?;
    next_from(&mut pagewalk.log, &mut found, Stage::Reset).context("reading Pagewalk's log")?;
    let outcome = loop {
        if expected != found {
            break Outcome::Different(show(&context, &expected, &found));
        }
        let Some(pc) = commit_pc(&expected) else {
            if expected.is_empty() {
                break Outcome::Different("both logs end before the program does\n".to_owned());
            }
            traps += u64::from(expected.contains("exception"));
            advance(&mut context, &expected);
            next_from(&mut spike.log, &mut expected, Stage::Running)?;
            next_from(&mut pagewalk.log, &mut found, Stage::Running)?;
            continue;
        };
        insns += 1;
        if pc == end {
            break Outcome::Same;
        }
        advance(&mut context, &expected);
        next_from(&mut spike.log, &mut expected, Stage::Running)?;
        next_from(&mut pagewalk.log, &mut found, Stage::Running)?;
    };
    Ok(Report { insns, traps, outcome })
}

/// Whether the program has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A simulator's own boot code may come first.
    Reset,
    Running,
}

/// The next line that tells of an instruction or a trap; empty at the end.
fn next_from(log: &mut impl BufRead, line: &mut String, stage: Stage) -> Result<()> {
    loop {
        line.clear();
        log.read_line(line)?;
        if line.is_empty() || is_compared(line) && (stage == Stage::Running || is_first(line)) {
            return Ok(());
        }
    }
}

/// Whether a line is neither disassembly nor a symbol nor a count of repetitions.
fn is_compared(line: &str) -> bool {
    let Some(rest) = line.strip_prefix(PREFIX) else { return false };
    !rest.starts_with("0x") && !rest.starts_with(">>>>") && !rest.starts_with("Executed")
}

fn is_first(line: &str) -> bool {
    commit_pc(line) == Some(CODE)
}

/// Address and bits of the instruction of a commit line.
fn commit(line: &str) -> Option<(u64, u32)> {
    let mut words = line.strip_prefix(PREFIX)?.split_ascii_whitespace();
    let (_privilege, pc, bits) = (words.next()?, words.next()?, words.next()?);
    let bits = bits.strip_prefix("(0x")?.strip_suffix(')')?;
    let pc = u64::from_str_radix(pc.strip_prefix("0x")?, 16).ok()?;
    Some((pc, u32::from_str_radix(bits, 16).ok()?))
}

fn commit_pc(line: &str) -> Option<u64> {
    commit(line).map(|(pc, _)| pc)
}

fn advance(context: &mut VecDeque<String>, line: &str) {
    if context.len() == CONTEXT_LINES {
        context.pop_front();
    }
    context.push_back(line.to_owned());
}

fn show(context: &VecDeque<String>, expected: &str, found: &str) -> String {
    let mut text = String::from("\ndifference:\n");
    for line in context {
        annotate(&mut text, "         ", line);
    }
    annotate(&mut text, "spike    ", expected);
    annotate(&mut text, "pagewalk ", found);
    text
}

/// A line of a log with what the instruction is.
fn annotate(text: &mut String, who: &str, line: &str) {
    let line = if line.is_empty() { "(the log ends)" } else { line.trim_end() };
    let insn = commit(line).and_then(|(pc, bits)| {
        decode(bits, &Extensions::ALL).map(|insn| disassemble(&insn, pc, |csr| CsrAddr(csr).name()))
    });
    let _ = match insn {
        Some(insn) => writeln!(text, "{who}{line:<72}  {insn}"),
        None => writeln!(text, "{who}{line}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_commits_and_traps_are_compared() {
        for (line, compared) in [
            ("core   0: 3 0x0000000080000000 (0x0001)", true),
            ("core   0: exception trap_machine_ecall, epc 0x0000000080000220", true),
            ("core   0:           tval 0x0000000000000000", true),
            ("core   0: 0x0000000080000000 (0x00000001) c.nop", false),
            ("core   0: >>>>  main", false),
            ("core   0: Executed 2 times", false),
            ("something else", false),
        ] {
            assert_eq!(is_compared(line), compared, "{line}");
        }
    }

    #[test]
    fn boot_code_is_skipped() {
        let log = "core   0: 3 0x0000000000001000 (0x00000297) x5  0x0000000000001000\n\
                   core   0: exception trap_machine_ecall, epc 0x0000000000001004\n\
                   core   0: 3 0x0000000080000000 (0x0001)\n\
                   core   0: >>>>  main\n\
                   core   0: 3 0x0000000080000002 (0x0001)\n";
        let (mut log, mut line) = (log.as_bytes(), String::new());
        next_from(&mut log, &mut line, Stage::Reset).unwrap();
        assert_eq!(commit(&line), Some((0x8000_0000, 1)));
        next_from(&mut log, &mut line, Stage::Running).unwrap();
        assert_eq!(commit_pc(&line), Some(0x8000_0002));
        next_from(&mut log, &mut line, Stage::Running).unwrap();
        assert_eq!(line, "");
    }
}
