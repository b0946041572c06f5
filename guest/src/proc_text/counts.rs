//! /proc/interrupts, and what /proc/PID/fdinfo/N says of an open file.

use core::fmt;

/// One kind of interrupt.
#[derive(Clone, Copy, Debug)]
pub struct Interrupt<'a> {
    /// Number or short name.
    pub label: &'a str,
    /// How often each hart took it.
    pub counts: &'a [u64],
    /// Who raises it, and what for.
    pub text: &'a str,
}

/// Columns of a label with its colon.
const LABEL_WIDTH: usize = 4;

/// The first line of /proc/interrupts, for so many harts.
pub fn interrupts_head(harts: usize) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        write!(f, "{:11}", "")?;
        (0..harts).try_for_each(|hart| write!(f, "CPU{hart:<8}"))?;
        writeln!(f)
    })
}

/// A line of /proc/interrupts.
impl fmt::Display for Interrupt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A longer label takes the blank behind its colon.
        let blank = if self.label.len() < LABEL_WIDTH { " " } else { "" };
        write!(f, "{:>width$}:{blank}", self.label, width = LABEL_WIDTH - 1)?;
        self.counts.iter().try_for_each(|count| write!(f, "{count:>10} "))?;
        writeln!(f, " {}", self.text)
    }
}

/// An open file as /proc/PID/fdinfo/N tells of it.
#[derive(Clone, Copy, Debug)]
pub struct OpenFile {
    /// Where reading and writing go on.
    pub position: u64,
    /// Its O_ flags.
    pub flags: u32,
    /// Number of its mount.
    pub mount: u32,
    /// Its number in its file system.
    pub inode: u64,
}

/// The text of /proc/PID/fdinfo/N.
impl fmt::Display for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, flags, mount, inode } = *self;
        writeln!(f, "pos:\t{position}\nflags:\t0{flags:o}\nmnt_id:\t{mount}\nino:\t{inode}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_linuxs() {
        assert_eq!(interrupts_head(2).to_string(), "           CPU0       CPU1       \n");
        for (label, counts, text, want) in [
            (
                "10",
                &[33, 0][..],
                "SiFive PLIC  10",
                " 10:         33          0  SiFive PLIC  10\n",
            ),
            ("IPI0", &[5], "Rescheduling", "IPI0:         5  Rescheduling\n"),
        ] {
            assert_eq!(Interrupt { label, counts, text }.to_string(), want);
        }
    }

    #[test]
    fn open_files_are_four_lines() {
        let file = OpenFile { position: 12, flags: 0o2_000_002, mount: 3, inode: 77 };
        assert_eq!(file.to_string(), "pos:\t12\nflags:\t02000002\nmnt_id:\t3\nino:\t77\n");
    }
}
