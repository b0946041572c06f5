//! The line of the log about a process that a fault has killed.

use core::sync::atomic::Ordering;

use guest::task::signal::{self, Number, SIGBUS, SIGILL, SIGSEGV, SIGTRAP, SigInfo, SigSet};
use guest::walk::Access;
use linux_raw_sys::general as linux;

use super::Thread;
use crate::arch::trap::TrapFrame;
use crate::debug::{self, Level};

const LOAD: u8 = 1;
const STORE: u8 = 2;
const FETCH: u8 = 3;

/// What a thread keeps about how it touched a page.
pub(super) const fn code_of(access: Access) -> u8 {
    match access {
        Access::Load => LOAD,
        Access::Store => STORE,
        Access::Fetch => FETCH,
    }
}

/// Name of a code that comes with a fault; `None` for a signal that was sent.
fn code_name(number: Number, code: i32) -> Option<&'static str> {
    let code = u32::try_from(code).ok()?;
    Some(match (number, code) {
        (SIGSEGV, linux::SEGV_MAPERR) => "MAPERR",
        (SIGSEGV, linux::SEGV_ACCERR) => "ACCERR",
        (SIGBUS, linux::BUS_ADRALN) => "ADRALN",
        (SIGBUS, linux::BUS_ADRERR) => "ADRERR",
        (SIGILL, linux::ILL_ILLOPC) => "ILLOPC",
        (SIGTRAP, linux::TRAP_BRKPT) => "BRKPT",
        (SIGSEGV, linux::SI_KERNEL) => "no room on the stack",
        _ => return None,
    })
}

/// Reports what has killed the process, if it was a fault.
pub(super) fn killed(thread: &Thread, info: &SigInfo, user: &TrapFrame) {
    let touched = thread.own.touched.swap(0, Ordering::Relaxed);
    if !SigSet::SYNCHRONOUS.contains(info.number()) {
        return;
    }
    let Some(code) = code_name(info.number(), info.code()) else { return };
    let how = match touched {
        LOAD => ", read",
        STORE => ", write",
        FETCH => ", exec",
        _ => "",
    };
    let (name, tid) = (thread.name().display(), thread.tid);
    let (signal, address, pc) = (signal::name(info.number()), info.detail(), user.pc());
    let line = format_args!("{name}[{tid}]: {signal} at {address:#x} ({code}), pc {pc:#x}{how}");
    debug::log(Level::Info, line);
}
