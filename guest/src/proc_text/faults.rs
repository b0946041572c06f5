//! [`FaultRecords`]: the last page faults of a process, with what was done about each and what that
//! cost.

use alloc::collections::VecDeque;
use core::fmt;

use crate::mm::space::{Repair, Trouble};
use crate::walk::Access;

/// How many faults are remembered.
const RECORDS: usize = 256;

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Thread that it happened to.
    pub tid: u32,
    /// What was wanted.
    pub access: Access,
    /// Where.
    pub va: u64,
    /// Instruction of user mode; where the kernel touched the page on its behalf, its `ecall`.
    pub pc: u64,
    /// What was done.
    pub outcome: Result<Repair, Trouble>,
    /// Guest instructions that this took.
    pub insns: u64,
}

/// The last page faults of a process.
#[derive(Clone, Debug, Default)]
pub struct FaultRecords {
    recorded: u64,
    records: VecDeque<Record>,
}

impl FaultRecords {
    /// Remembers a fault; the oldest one is forgotten where there are too many. Without memory for
    /// it, it is not remembered.
    pub fn push(&mut self, record: Record) {
        if self.records.len() == RECORDS {
            self.records.pop_front();
        } else if self.records.try_reserve(1).is_err() {
            return;
        }
        self.records.push_back(record);
        self.recorded += 1;
    }
}

/// `SEQ TID ACCESS VA PC ACTION INSNS`, a line each.
impl fmt::Display for FaultRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.recorded - self.records.len() as u64;
        for (sequence, record) in (first..).zip(&self.records) {
            let Record { tid, va, pc, insns, .. } = record;
            let access = match record.access {
                Access::Load => "read",
                Access::Store => "write",
                Access::Fetch => "exec",
            };
            let action = match record.outcome {
                Ok(repair) => repair.name(),
                Err(trouble) => signal_name(trouble),
            };
            writeln!(f, "{sequence} {tid} {access} {va:#x} {pc:#x} {action} {insns}")?;
        }
        Ok(())
    }
}

/// The signal that follows from trouble, with its code.
fn signal_name(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::NotMapped => "SIGSEGV/MAPERR",
        Trouble::Denied => "SIGSEGV/ACCERR",
        Trouble::Bus => "SIGBUS/ADRERR",
        Trouble::OutOfMemory => "SIGKILL/OOM",
        // Whoever waits for the page has a record of how that ended.
        Trouble::Swapped { .. } | Trouble::Busy(_) => "swapped",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(va: u64) -> Record {
        let outcome = Ok(Repair::ZeroFill);
        Record { tid: 7, access: Access::Store, va, pc: 0x10100, outcome, insns: 1500 }
    }

    #[test]
    fn a_line_says_what_was_done() {
        let mut log = FaultRecords::default();
        log.push(record(0x20000));
        let denied = Err(Trouble::Denied);
        log.push(Record { access: Access::Fetch, outcome: denied, ..record(0x30000) });
        let want = "0 7 write 0x20000 0x10100 zero-fill 1500\n\
                    1 7 exec 0x30000 0x10100 SIGSEGV/ACCERR 1500\n";
        assert_eq!(log.to_string(), want);
    }

    #[test]
    fn the_oldest_are_forgotten_but_counted() {
        let mut log = FaultRecords::default();
        (0..RECORDS as u64 + 3).for_each(|va| log.push(record(va << 12)));
        let text = log.to_string();
        assert_eq!(text.lines().count(), RECORDS);
        assert!(text.starts_with("3 7 write 0x3000 "));
    }
}
