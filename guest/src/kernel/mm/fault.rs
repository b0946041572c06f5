//! Page faults of processes: on the way to `guest::mm`'s repair and, where there is none, to a
//! signal; counted and, where somebody wants to see them, recorded.

use guest::mm::Space;
use guest::mm::counters::Event;
use guest::mm::space::{Repair, Trouble};
use guest::proc_text::faults::Record;
use guest::walk::Access;
use linux_raw_sys::general::{BUS_ADRERR, SEGV_ACCERR, SEGV_MAPERR, SIGBUS, SIGKILL, SIGSEGV};

use super::books::count;
use super::machine::HereMachine;
use super::{AddressSpace, address_space, heap, memory, stack};
use crate::arch::cpu;
use crate::arch::trap::TrapFrame;
use crate::arch::uaccess::{self, BadAddress};
use crate::debug::{self, Level};
use crate::sched;
use crate::task::{Process, Thread, signal};

/// Stands for the program counter of a fault that happened in the kernel, until it is recorded.
const IN_CALL: u64 = u64::MAX;

/// A page fault of user mode: repairs it, records it, or forces the signal. May sleep.
pub(crate) fn user_fault(frame: &mut TrapFrame, va: u64, access: Access) {
    let before = cpu::instructions();
    let thread = sched::current_thread();
    let Some(space) = sched::current_space() else { return };
    let outcome = repair(&space, &thread.process, va, access);
    let entry = Record { tid: thread.tid, access, va, pc: frame.pc(), outcome, insns: 0 };
    note(&thread.process, entry, before);
    if let Err(trouble) = outcome {
        punish(thread, va, access, trouble);
    }
}

/// A page fault at a user address in `uaccess`: repaired or not. May sleep.
///
/// # Errors
/// The system call has to answer EFAULT.
pub(crate) fn copy_fault(va: u64, access: Access) -> Result<(), BadAddress> {
    let before = cpu::instructions();
    let thread = sched::current_thread();
    let space = sched::current_space().ok_or(BadAddress)?;
    let outcome = repair(&space, &thread.process, va, access);
    let entry = Record { tid: thread.tid, access, va, pc: IN_CALL, outcome, insns: 0 };
    note(&thread.process, entry, before);
    match outcome {
        Ok(_) => Ok(()),
        Err(Trouble::OutOfMemory) => {
            punish(thread, va, access, Trouble::OutOfMemory);
            Err(BadAddress)
        }
        Err(_) => Err(BadAddress),
    }
}

/// Repairs a fault in the space of `process`.
fn repair(
    space: &AddressSpace,
    process: &Process,
    va: u64,
    access: Access,
) -> Result<Repair, Trouble> {
    let mut guard = space.lock_for(process);
    match guard.fault(space.machine(), va, access) {
        Err(Trouble::OutOfMemory) => after_trimming(&mut guard, space.machine(), va, access),
        outcome => outcome,
    }
}

/// Tries again with the frames that the kernel only keeps for convenience.
#[cold]
fn after_trimming(
    space: &mut Space<HereMachine>,
    machine: &HereMachine,
    va: u64,
    access: Access,
) -> Result<Repair, Trouble> {
    trim();
    space.fault(machine, va, access)
}

/// Gives back all frames that the kernel only keeps for convenience.
pub(crate) fn trim() {
    address_space::forget_gone();
    stack::trim();
    heap::trim();
}

/// Counts a fault, and records it if the process wants that.
#[inline]
fn note(process: &Process, entry: Record, before: u64) {
    let log = process.faults();
    log.count_minor();
    if log.is_recording() {
        let insns = cpu::instructions().wrapping_sub(before);
        let pc = if entry.pc == IN_CALL { call_site() } else { entry.pc };
        log.record(Record { insns, pc, ..entry });
    }
    // What was done about it `guest::mm` has counted.
    count(Event::Fault, 1);
}

/// The `ecall` that led to the kernel; without one (signals are delivered after interrupts, too),
/// where user mode goes on.
#[cold]
fn call_site() -> u64 {
    const ECALL: [u8; 4] = 0x0000_0073_u32.to_le_bytes();
    let next = sched::user_pc();
    let before = next.wrapping_sub(ECALL.len() as u64);
    let mut bytes = [0; ECALL.len()];
    let is_call = uaccess::try_copy_in(&mut bytes, before) == bytes.len() && bytes == ECALL;
    if is_call { before } else { next }
}

/// What follows from trouble for the thread that met it.
#[cold]
fn punish(thread: &Thread, va: u64, access: Access, trouble: Trouble) {
    let (signal, code) = match trouble {
        Trouble::NotMapped => (SIGSEGV, SEGV_MAPERR),
        Trouble::Denied => (SIGSEGV, SEGV_ACCERR),
        Trouble::Bus => (SIGBUS, BUS_ADRERR),
        Trouble::OutOfMemory => return kill_for_memory(thread),
    };
    signal::force_fault(signal as u8, code as i32, va, access);
}

/// The process has touched what there is no memory for.
fn kill_for_memory(thread: &Thread) {
    count(Event::OomKill, 1);
    let free = memory(|memory| memory.frames.free_frames());
    let pid = thread.process.pid;
    let name = thread.process.name();
    let name = core::str::from_utf8(&name).unwrap_or("?");
    let line = format_args!("Out of memory: killed process {pid} ({name}), {free} frames are free");
    debug::log(Level::Error, line);
    // It is running, so it exists.
    let _ = signal::send(pid, SIGKILL as u8);
}
