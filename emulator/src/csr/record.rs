//! What a commit log hears about written CSRs: nothing unless somebody asked. Names and aliases
//! are Spike's, because logs are compared with its: a write to a view is logged as a write to
//! what it views.

use std::vec::Drain;

use super::table;
use super::{CsrAddr, CsrCx, CsrFile};

/// Spike keeps the software-written part of `mip` in `mvip` and logs it too.
const MVIP: CsrAddr = CsrAddr(0x309);

/// Writes since the last [`CsrFile::take_written`].
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    on: bool,
    written: Vec<(CsrAddr, u64)>,
}

impl Record {
    pub(super) fn is_on(&self) -> bool {
        self.on
    }
}

/// The registers that a write to `addr` is logged as.
fn logged_as(addr: CsrAddr) -> &'static [CsrAddr] {
    match addr {
        table::SSTATUS => &[table::MSTATUS],
        table::SIE => &[table::SIE, table::MIE],
        table::SIP | table::MIP => &[MVIP, table::MIP],
        table::FCSR => &[table::FFLAGS, table::FRM],
        _ => &[],
    }
}

/// The manual's name of `addr`, numbered where it is one of a row's many.
pub(super) fn name(addr: CsrAddr) -> Option<String> {
    if addr == MVIP {
        return Some("mvip".to_owned());
    }
    let row = table::row(addr)?;
    if row.first == row.last {
        return Some(row.name.to_owned());
    }
    let stem = row.name.trim_end_matches(|c: char| c.is_ascii_digit());
    let first: u16 = row.name[stem.len()..].parse().unwrap_or(0);
    Some(format!("{stem}{}", first + (addr.0 - row.first.0)))
}

impl CsrFile {
    /// Starts or stops recording the CSRs that instructions write; either way forgets the past.
    pub fn record(&mut self, recording: Recording) {
        self.record = Record { on: recording == Recording::On, written: Vec::new() };
        self.settle_fs();
    }

    /// Takes the CSRs written since the last call, each once with its latest value, as a commit
    /// log names them. Traps are not writes.
    #[inline]
    pub fn take_written(&mut self) -> Drain<'_, (CsrAddr, u64)> {
        self.record.written.drain(..)
    }

    /// Notes that `addr` was written and now holds `value`.
    pub(super) fn note(&mut self, addr: CsrAddr, value: u64) {
        if !self.record.on {
            return;
        }
        match self.record.written.iter_mut().find(|written| written.0 == addr) {
            Some(written) => written.1 = value,
            None => self.record.written.push((addr, value)),
        }
    }

    /// Notes a write to `addr` by an instruction; `before` is the software-written `mip` before.
    #[cold]
    #[inline(never)]
    pub(super) fn note_write(&mut self, addr: CsrAddr, before: u64, cx: &CsrCx) {
        let addrs = match logged_as(addr) {
            [] => &[addr],
            aliases => aliases,
        };
        for &addr in addrs {
            let value = match table::row(addr) {
                // The counters already stand at what the next instruction reads.
                Some(row) if matches!(addr, table::MCYCLE | table::MINSTRET) => {
                    row.read(self, addr, &CsrCx { insns: cx.insns.wrapping_add(1), ..*cx })
                }
                Some(row) => row.read(self, addr, cx),
                None => self.mvip(before),
            };
            self.note(addr, value);
        }
    }
}

/// Whether written CSRs are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// [`CsrFile::take_written`] yields what was written.
    On,
    /// Nothing is kept.
    Off,
}

#[cfg(test)]
mod tests {
    use super::super::tests::{FS_INITIAL, MSTATUS, file, write};
    use super::*;

    #[test]
    fn writes_are_logged_under_the_names_of_a_commit_log() {
        // The values are those that Spike logs.
        type Logged = &'static [(&'static str, u64)];
        let cases: &[(u16, u64, Logged)] = &[
            (0x340, 5, &[("mscratch", 5)]),
            (0x341, 5, &[("mepc", 4)]),
            (0x100, 0, &[("mstatus", 0xa_0000_0000)]),
            (0x003, 9, &[("fflags", 9), ("frm", 0), ("mstatus", 0x8000_000a_0000_6000)]),
            (0x104, u64::MAX, &[("mie", 0x200), ("sie", 0x200)]),
            (0x144, u64::MAX, &[("mip", 0x22), ("mvip", 0x22)]),
            (0x344, u64::MAX, &[("mip", 0x222), ("mvip", 0x222)]),
            (0x344, 0, &[("mip", 0), ("mvip", 0x22)]),
            (0x30a, 0x20, &[("menvcfg", 0)]),
            (0x323, 7, &[("mhpmevent3", 0)]),
            (0xb03, 7, &[]),
            (0xb02, 7, &[("minstret", 7)]),
            (0x3c0, 7, &[]),
        ];
        for &(addr, value, logged) in cases {
            let mut f = file();
            write(&mut f, MSTATUS, FS_INITIAL);
            write(&mut f, 0x303, 0x200);
            write(&mut f, 0x344, 0x22);
            f.record(Recording::On);
            write(&mut f, addr, value);
            let named = |(addr, value): (CsrAddr, u64)| (addr.name().expect("known"), value);
            let mut found: Vec<_> = f.take_written().map(named).collect();
            found.sort();
            let logged: Vec<_> = logged.iter().map(|&(n, v)| (n.to_owned(), v)).collect();
            assert_eq!(found, logged, "{addr:#x} <- {value:#x}");
        }
    }
}
