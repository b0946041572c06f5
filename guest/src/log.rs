//! [`LogRing`]: the last lines of the kernel's log, in a fixed piece of memory. `kernel/debug`
//! fills it, /dev/kmsg and the panic screen read it.

use core::fmt::{self, Write};

/// Longest line; the rest of a longer one is cut off.
pub const MAX_LINE_BYTES: usize = 240;
/// Bytes before a line: its number (8), its time (8), its level (1), its length (1).
const HEADER_BYTES: usize = 18;

/// What is known of a line besides its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Number of the line since boot, from 0.
    pub sequence: u64,
    /// When, in nanoseconds since boot.
    pub ns: u64,
    /// How urgent, as syslog counts.
    pub level: u8,
}

/// Text of at most [`MAX_LINE_BYTES`].
#[derive(Clone, Debug)]
pub struct Line {
    bytes: [u8; MAX_LINE_BYTES],
    length: usize,
}

impl Line {
    /// Nothing.
    pub const fn new() -> Self {
        Self { bytes: [0; MAX_LINE_BYTES], length: 0 }
    }

    /// What was written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}

/// Takes what fits; what is a line's end is none here.
impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes().take(MAX_LINE_BYTES - self.length) {
            self.bytes[self.length] = if byte == b'\n' { b' ' } else { byte };
            self.length += 1;
        }
        Ok(())
    }
}

/// Lines, of which the oldest make way for new ones.
#[derive(Debug)]
pub struct LogRing<const SIZE_BYTES: usize> {
    bytes: [u8; SIZE_BYTES],
    /// Positions count on for ever; modulo the size they are places.
    head: u64,
    tail: u64,
    /// Number of the first line that is there, and of the next one to come.
    first: u64,
    next: u64,
}

impl<const SIZE_BYTES: usize> LogRing<SIZE_BYTES> {
    /// Without lines.
    pub const fn new() -> Self {
        assert!(SIZE_BYTES > MAX_LINE_BYTES + HEADER_BYTES);
        Self { bytes: [0; SIZE_BYTES], head: 0, tail: 0, first: 0, next: 0 }
    }

    /// Adds a line.
    pub fn push(&mut self, level: u8, ns: u64, line: &Line) {
        let size_bytes = (HEADER_BYTES + line.length) as u64;
        while self.tail + size_bytes - self.head > SIZE_BYTES as u64 {
            let (_, length) = self.header(self.head);
            self.head += (HEADER_BYTES + length) as u64;
            self.first += 1;
        }
        let mut header = [0; HEADER_BYTES];
        header[..8].copy_from_slice(&self.next.to_le_bytes());
        header[8..16].copy_from_slice(&ns.to_le_bytes());
        (header[16], header[17]) = (level, line.length as u8);
        for byte in header.iter().chain(line.as_bytes()) {
            self.bytes[(self.tail % SIZE_BYTES as u64) as usize] = *byte;
            self.tail += 1;
        }
        self.next += 1;
    }

    /// The first line whose number is `sequence` or more, with its text in `line`.
    pub fn read(&self, sequence: u64, line: &mut Line) -> Option<Record> {
        if sequence >= self.next {
            return None;
        }
        let mut at = self.head;
        loop {
            let (record, length) = self.header(at);
            if record.sequence >= sequence {
                line.length = length;
                self.copy(at + HEADER_BYTES as u64, &mut line.bytes[..length]);
                return Some(record);
            }
            at += (HEADER_BYTES + length) as u64;
        }
    }

    /// Number of the oldest line that is there.
    pub const fn first(&self) -> u64 {
        self.first
    }

    /// Number of the line to come.
    pub const fn next(&self) -> u64 {
        self.next
    }

    fn header(&self, at: u64) -> (Record, usize) {
        let mut header = [0; HEADER_BYTES];
        self.copy(at, &mut header);
        let word = |at: usize| {
            let bytes = header[at..at + 8].try_into();
            u64::from_le_bytes(bytes.expect("eight bytes"))
        };
        (Record { sequence: word(0), ns: word(8), level: header[16] }, header[17] as usize)
    }

    fn copy(&self, at: u64, to: &mut [u8]) {
        for (offset, byte) in to.iter_mut().enumerate() {
            *byte = self.bytes[((at + offset as u64) % SIZE_BYTES as u64) as usize];
        }
    }
}

impl<const SIZE_BYTES: usize> Default for LogRing<SIZE_BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        let mut line = Line::new();
        line.write_str(text).expect("a line takes everything");
        line
    }

    #[test]
    fn the_last_lines_are_there() {
        let mut ring = LogRing::<300>::new();
        let mut read = Line::new();
        assert_eq!(ring.read(0, &mut read), None);
        for number in 0..100_u64 {
            ring.push((number % 8) as u8, 10 * number, &line(&format!("line {number}")));
            assert_eq!(ring.next(), number + 1);
            let kept = ring.next() - ring.first();
            assert!(kept >= (number + 1).min(11), "{kept} lines");
            let wanted = number - number.min(3);
            let record = ring.read(wanted, &mut read).expect("a recent line is there");
            let level = (wanted % 8) as u8;
            assert_eq!(record, Record { sequence: wanted, ns: 10 * wanted, level });
            assert_eq!(read.as_bytes(), format!("line {wanted}").as_bytes());
        }
        let first = ring.read(0, &mut read).expect("the oldest line");
        assert_eq!(first.sequence, ring.first());
        assert_eq!(ring.read(100, &mut read), None);
    }

    #[test]
    fn long_lines_are_cut_and_stay_lines() {
        let text = "ab\n".repeat(200);
        let cut = line(&text);
        assert_eq!(cut.as_bytes().len(), MAX_LINE_BYTES);
        assert!(cut.as_bytes().starts_with(b"ab ab "));
    }
}
