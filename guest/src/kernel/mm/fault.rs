//! Page faults of processes: on the way to `guest::mm`'s repair and, where there is none, to a
//! signal; counted and, where somebody wants to see them, recorded.

use guest::mm::CellId;
use guest::mm::counters::Event;
use guest::mm::space::{ReadHow, Repair, Trouble};
use guest::proc_text::faults::Record;
use guest::walk::Access;
use linux_raw_sys::general::{BUS_ADRERR, SEGV_ACCERR, SEGV_MAPERR, SIGBUS, SIGSEGV};

use super::books::count;
use super::reclaim::{self, Patience};
use super::transfer::{self, Copied};
use super::{AddressSpace, memory};
use crate::arch::cpu;
use crate::arch::trap::TrapFrame;
use crate::arch::uaccess::{self, BadAddress};
use crate::sched;
use crate::task::{Process, Thread, signal};

/// Where a fault happened.
#[derive(Clone, Copy, Debug)]
enum Site {
    /// In user mode, at this address.
    User(u64),
    /// In the kernel, which touches user memory for a system call.
    Call,
}

impl Site {
    /// The address in user mode that is to be recorded.
    #[cold]
    fn pc(self) -> u64 {
        match self {
            Self::User(pc) => pc,
            Self::Call => call_site(),
        }
    }
}

/// What a fault was about, and what came of it.
#[derive(Clone, Copy, Debug)]
struct Fault {
    va: u64,
    access: Access,
    site: Site,
    outcome: Result<Repair, Trouble>,
    /// Instructions that the hart had executed when it happened.
    before: u64,
}

/// A page fault of user mode: repairs it, records it, or forces the signal. May sleep.
pub(crate) fn user_fault(frame: &mut TrapFrame, va: u64, access: Access) {
    let before = cpu::instructions();
    let thread = sched::current_thread();
    let Some(space) = sched::current_space() else { return };
    let outcome = repair(&space, &thread.process, va, access);
    note(thread, Fault { va, access, site: Site::User(frame.pc()), outcome, before });
    if let Err(trouble) = outcome {
        punish(va, access, trouble);
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
    note(thread, Fault { va, access, site: Site::Call, outcome, before });
    match outcome {
        Ok(_) => Ok(()),
        Err(_) => Err(BadAddress),
    }
}

/// Repairs a fault in the space of `process`; whatever has to be waited for is.
fn repair(
    space: &AddressSpace,
    process: &Process,
    va: u64,
    access: Access,
) -> Result<Repair, Trouble> {
    if space.is_reaped() {
        // It is about to end, and must not see what is left.
        return Err(Trouble::OutOfMemory);
    }
    let outcome = space.lock_for(process).fault(space.machine(), va, access);
    match outcome {
        Err(trouble @ (Trouble::Swapped { .. } | Trouble::Busy(_) | Trouble::OutOfMemory)) => {
            repair_slowly(space, process, (va, access), trouble)
        }
        outcome => outcome,
    }
}

/// Waits until the trouble is over and tries again, until there is none that time can heal.
#[cold]
fn repair_slowly(
    space: &AddressSpace,
    process: &Process,
    (va, access): (u64, Access),
    mut trouble: Trouble,
) -> Result<Repair, Trouble> {
    let mut patience = Patience::new();
    let mut came_in = false;
    loop {
        came_in |= !matches!(trouble, Trouble::OutOfMemory);
        let outcome = match trouble {
            Trouble::Swapped { cell, how: ReadHow::Private } => copy_in(space, va, cell),
            _ => {
                patience.wait_out(trouble)?;
                space.lock_for(process).fault(space.machine(), va, access)
            }
        };
        match outcome {
            Ok(_) if came_in => {
                process.faults().count_major();
                count(Event::MajorFault, 1);
                return Ok(Repair::SwapIn);
            }
            Ok(repair) => return Ok(repair),
            Err(next) => trouble = next,
        }
        if !matches!(trouble, Trouble::Swapped { .. } | Trouble::Busy(_) | Trouble::OutOfMemory) {
            return Err(trouble);
        }
    }
}

/// Repairs a store to a page that others share, which is in a slot: by a copy from there.
fn copy_in(space: &AddressSpace, va: u64, cell: CellId) -> Result<Repair, Trouble> {
    let frame = match reclaim::stall(|| transfer::copy_of(cell))? {
        Copied::Into(frame) => frame,
        // The next look at the page tells more.
        Copied::NotSwapped => return Ok(Repair::Spurious),
        Copied::Failed => return Err(Trouble::Bus),
    };
    let repair = space.lock().fault_with_copy(space.machine(), va, cell, frame);
    memory(|memory| memory.stop_keeping(cell));
    repair
}

/// Counts a fault, and records it if the process wants that.
#[inline]
fn note(thread: &Thread, fault: Fault) {
    let log = thread.process.faults();
    log.count_minor();
    if log.is_recording() {
        let Fault { va, access, site, outcome, before } = fault;
        let insns = cpu::instructions().wrapping_sub(before);
        log.record(Record { tid: thread.tid, access, va, pc: site.pc(), outcome, insns });
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
fn punish(va: u64, access: Access, trouble: Trouble) {
    let (signal, code) = match trouble {
        Trouble::NotMapped => (SIGSEGV, SEGV_MAPERR),
        Trouble::Denied => (SIGSEGV, SEGV_ACCERR),
        // Nobody has brought it in: the device has failed.
        Trouble::Bus | Trouble::Swapped { .. } | Trouble::Busy(_) => (SIGBUS, BUS_ADRERR),
        // It was chosen to end, and does so on its way back to user mode.
        Trouble::OutOfMemory => return,
    };
    signal::force_fault(signal as u8, code as i32, va, access);
}
