//! `/proc/PID/faults`: a record for each page fault, and the table of `faults`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::bytes::{self, Bytes};

/// The headings of the table.
pub const HEADINGS: &str =
    "    SEQ    TID ACCESS ADDRESS        PC             ACTION              INSNS";

/// A record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Counts from the start of the process.
    pub sequence: u64,
    /// The thread.
    pub thread: u64,
    /// `read`, `write` or `exec`.
    pub access: &'a [u8],
    /// The address that was not there.
    pub address: u64,
    /// Where the program was.
    pub pc: u64,
    /// What was done, or the signal that was sent.
    pub action: &'a [u8],
    /// Instructions that it took.
    pub instructions: u64,
}

impl Record<'_> {
    /// Reads `SEQ TID ACCESS VA PC ACTION INSNS`.
    pub fn parse(line: &[u8]) -> Option<Record<'_>> {
        let mut fields = bytes::fields(line);
        Some(Record {
            sequence: bytes::decimal(fields.next()?)?,
            thread: bytes::decimal(fields.next()?)?,
            access: fields.next()?,
            address: bytes::address(fields.next()?)?,
            pc: bytes::address(fields.next()?)?,
            action: fields.next()?,
            instructions: bytes::decimal(fields.next()?)?,
        })
    }

    fn line(&self) -> String {
        let Record { sequence, thread, access, address, pc, action, instructions } = self;
        format!(
            "{sequence:7} {thread:6} {:6} {address:#014x} {pc:#014x} {:18} {instructions:6}\n",
            Bytes(access),
            Bytes(action)
        )
    }
}

/// What was seen so far.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// The record that comes next; none before the first.
    next: Option<u64>,
    lost: u64,
    /// Actions with their number and their instructions, in order of appearance.
    sums: Vec<(Vec<u8>, u64, u64)>,
}

impl Log {
    /// Takes the file's text; the lines of the records that are new.
    pub fn update(&mut self, text: &[u8]) -> String {
        let mut lines = String::new();
        for record in bytes::lines(text).filter_map(Record::parse) {
            let next = self.next.unwrap_or(record.sequence);
            if record.sequence < next {
                continue;
            }
            if record.sequence > next {
                let lost = record.sequence - next;
                self.lost += lost;
                lines += &format!("        ({lost} more, which came too fast)\n");
            }
            self.next = Some(record.sequence + 1);
            lines += &record.line();
            match self.sums.iter_mut().find(|sum| sum.0 == record.action) {
                Some(sum) => {
                    sum.1 += 1;
                    sum.2 += record.instructions;
                }
                None => self.sums.push((record.action.to_vec(), 1, record.instructions)),
            }
        }
        lines
    }

    /// Sums by action.
    pub fn summary(&self) -> String {
        let count: u64 = self.sums.iter().map(|sum| sum.1).sum();
        let instructions: u64 = self.sums.iter().map(|sum| sum.2).sum();
        let mut text = format!("{count} page faults, {instructions} instructions");
        if self.lost > 0 {
            text += &format!(", {} not seen", self.lost);
        }
        text.push('\n');
        for (action, count, instructions) in &self.sums {
            let mean = instructions / count;
            text += &format!("{count:7} {:18} {mean:6} instructions each\n", Bytes(action));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_shown_once() {
        let mut log = Log::default();
        let first =
            b"3 9 read 0x16000 0x10234 zero-page 610\n4 9 write 0x16008 0x10238 zero-fill 1700\n";
        let lines = log.update(first);
        assert_eq!(
            lines.lines().next(),
            Some("      3      9 read   0x000000016000 0x000000010234 zero-page             610")
        );
        assert_eq!(lines.lines().count(), 2);
        assert_eq!(HEADINGS.len(), lines.lines().next().map_or(0, str::len));
        assert_eq!(log.update(first), "");
        let second = b"4 9 write 0x16008 0x10238 zero-fill 1700\n\
            7 9 write 0x17000 0x10238 zero-fill 1800\nnonsense\n";
        let lines = log.update(second);
        assert!(lines.starts_with("        (2 more"), "{lines}");
        assert_eq!(
            log.summary(),
            "3 page faults, 4110 instructions, 2 not seen\n      \
             1 zero-page             610 instructions each\n      \
             2 zero-fill            1750 instructions each\n"
        );
    }

    #[test]
    fn no_fault_is_no_table() {
        assert_eq!(Log::default().update(b""), "");
        assert_eq!(Log::default().summary(), "0 page faults, 0 instructions\n");
    }
}
