//! Exceptions of user mode that are neither page faults nor calls: each is a signal (as Linux's
//! arch/riscv/kernel/traps.c has them).

use guest::task::signal::{Number, SIGBUS, SIGILL, SIGSEGV, SIGTRAP};
use linux_raw_sys::general as linux;

use super::signal;
use crate::arch::trap::TrapFrame;

/// Signal and code by `scause`: "Supervisor Cause Register" in the privileged manual.
const SIGNALS: [(Number, u32); 8] = [
    (SIGBUS, linux::BUS_ADRALN),
    (SIGSEGV, linux::SEGV_ACCERR),
    (SIGILL, linux::ILL_ILLOPC),
    (SIGTRAP, linux::TRAP_BRKPT),
    (SIGBUS, linux::BUS_ADRALN),
    (SIGSEGV, linux::SEGV_ACCERR),
    (SIGBUS, linux::BUS_ADRALN),
    (SIGSEGV, linux::SEGV_ACCERR),
];

/// An exception of user mode other than a page fault or a call: forces its signal.
pub(crate) fn user_exception(frame: &mut TrapFrame, scause: u64, _stval: u64) {
    let found = SIGNALS.get(usize::try_from(scause).unwrap_or(usize::MAX));
    let (number, code) = found.copied().unwrap_or((SIGILL, linux::ILL_ILLTRP));
    signal::force(number, code as i32, frame.pc());
}
