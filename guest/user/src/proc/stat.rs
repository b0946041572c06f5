//! `/proc/PID/stat`: what `ps` shows of a process.
//!
//! Source: Linux, "proc_pid_stat(5)".

use alloc::string::String;

use crate::bytes;

/// Some of the fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessStat<'a> {
    /// The process.
    pub pid: u64,
    /// The program's name.
    pub name: &'a [u8],
    /// One letter.
    pub state: u8,
    /// The parent.
    pub parent: u64,
    group: u64,
    session: u64,
    /// The foreground group of its terminal; none where there is none.
    foreground: Option<u64>,
    /// Page faults that waited for nothing.
    pub minor_faults: u64,
    /// Page faults that waited for a device.
    pub major_faults: u64,
    /// Time that it ran, in hundredths of a second.
    pub ticks: u64,
    nice: i64,
    threads: u64,
    /// Size of the address space.
    pub size_bytes: u64,
    /// Pages in memory.
    pub resident_pages: u64,
}

impl<'a> ProcessStat<'a> {
    /// Reads the line.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        // The name stands in parentheses and may have any characters, these too.
        let open = line.iter().position(|byte| *byte == b'(')?;
        let close = line.iter().rposition(|byte| *byte == b')')?;
        let pid = bytes::decimal(line[..open].trim_ascii())?;
        // The first field behind the name is the manual's third.
        let field = |number: usize| bytes::fields(&line[close + 1..]).nth(number - 3);
        let number = |at: usize| field(at).and_then(bytes::decimal);
        let nice = field(19)?;
        let nice = match nice.strip_prefix(b"-") {
            Some(digits) => -(bytes::decimal(digits)? as i64),
            None => bytes::decimal(nice)? as i64,
        };
        Some(Self {
            pid,
            name: line.get(open + 1..close)?,
            state: *field(3)?.first()?,
            parent: number(4)?,
            group: number(5)?,
            session: number(6)?,
            foreground: number(8).filter(|group| *group > 0),
            minor_faults: number(10)?,
            major_faults: number(12)?,
            ticks: number(14)? + number(15)?,
            nice,
            threads: number(20)?,
            size_bytes: number(23)?,
            resident_pages: number(24)?,
        })
    }

    /// The column STAT of `ps`: the state, then letters for what is special.
    pub fn letters(&self) -> String {
        let mut letters = String::from(char::from(self.state));
        for (holds, letter) in [
            (self.nice < 0, '<'),
            (self.nice > 0, 'N'),
            (self.session == self.pid, 's'),
            (self.threads > 1, 'l'),
            (self.foreground == Some(self.group), '+'),
        ] {
            if holds {
                letters.push(letter);
            }
        }
        letters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let line = b"7 (a) b) S 1 7 7 1088 7 4194560 1 0 0 0 1 2 0 0 20 0 1 0 9 8192 3 18446744073709551615 0\n";
        let stat = ProcessStat::parse(line).expect("well-formed");
        assert_eq!((stat.pid, stat.name, stat.parent), (7, &b"a) b"[..], 1));
        assert_eq!((stat.size_bytes, stat.resident_pages), (8192, 3));
        assert_eq!(stat.letters(), "Ss+");
        assert_eq!((stat.minor_faults, stat.major_faults, stat.ticks), (1, 0, 3));
        let line = b"8 (x) Z 1 9 7 0 -1 0 31 0 5 0 70 7 0 0 20 -5 2 0 9 0 0";
        assert_eq!(ProcessStat::parse(line).expect("well-formed").letters(), "Z<l");
        assert_eq!(ProcessStat::parse(b"8 (x"), None);
        assert_eq!(ProcessStat::parse(b"8 (x) Z 1"), None);
        assert_eq!(
            ProcessStat::parse(b"8 )x( Z 1 9 7 0 -1 0 0 0 0 0 0 0 0 0 20 5 2 0 9 0 0"),
            None
        );
    }
}
