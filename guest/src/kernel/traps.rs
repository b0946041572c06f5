//! What traps mean: from user mode calls, page faults and exceptions, from the kernel only
//! interrupts, forgiven faults of user copies, and the end. `arch/trap.rs` comes here.

use core::sync::atomic::{AtomicU64, Ordering};

use guest::mm::addr::USER_END;
use guest::walk::Access;

use crate::arch::hart::work;
use crate::arch::ipi::{self, Message};
use crate::arch::trap::TrapFrame;
use crate::arch::{cpu, fixup, hart, uaccess};
use crate::{debug, dev, mm, sched, syscall, task, time};

/// `scause`: an interrupt, and which.
const INTERRUPT: u64 = 1 << 63;
const SOFTWARE: u64 = INTERRUPT | 1;
const TIMER: u64 = INTERRUPT | 5;
const EXTERNAL: u64 = INTERRUPT | 9;
/// `scause`: exceptions that are treated apart.
const ILLEGAL_INSTRUCTION: u64 = 2;
const FETCH_PAGE_FAULT: u64 = 12;
const LOAD_PAGE_FAULT: u64 = 13;
const STORE_PAGE_FAULT: u64 = 15;

/// What a page fault was about.
fn page_fault_access(scause: u64) -> Option<Access> {
    match scause {
        FETCH_PAGE_FAULT => Some(Access::Fetch),
        LOAD_PAGE_FAULT => Some(Access::Load),
        STORE_PAGE_FAULT => Some(Access::Store),
        _ => None,
    }
}

/// A call of user mode; interrupts are on.
pub(crate) extern "C" fn system_call(frame: &mut TrapFrame) {
    syscall::dispatch(frame);
}

/// Any other trap out of user mode; interrupts are off.
pub(crate) extern "C" fn from_user(frame: &mut TrapFrame, scause: u64, stval: u64) {
    if scause & INTERRUPT != 0 {
        return interrupt(scause);
    }
    if let Some(access) = page_fault_access(scause) {
        cpu::interrupts_on();
        return mm::user_fault(frame, stval, access);
    }
    if scause == ILLEGAL_INSTRUCTION && sched::fp::first_use(frame) {
        return;
    }
    cpu::interrupts_on();
    task::user_exception(frame, scause, stval);
}

/// Something is to be done before user mode goes on; interrupts are off, before and afterwards.
pub(crate) extern "C" fn before_user(frame: &mut TrapFrame) {
    let wanted = hart::this().work.swap(0, Ordering::Acquire);
    if wanted & work::RESCHEDULE != 0 {
        sched::make_way();
    }
    if sched::take_held() {
        cpu::interrupts_on();
        task::pause_while_suspended();
        cpu::interrupts_off();
    }
    if sched::take_interrupted() {
        cpu::interrupts_on();
        task::before_user(frame);
        cpu::interrupts_off();
    }
}

/// A trap out of the kernel; interrupts are off.
pub(crate) extern "C" fn from_kernel(frame: &mut TrapFrame, scause: u64, stval: u64) {
    if scause & INTERRUPT != 0 {
        return interrupt(scause);
    }
    let Some(target) = fixup::target(frame.pc()) else {
        debug::kernel_exception(frame, scause, stval);
    };
    if let Some(access) = page_fault_access(scause) {
        if stval >= USER_END {
            debug::kernel_exception(frame, scause, stval);
        }
        if uaccess::takes_faults(frame) {
            cpu::interrupts_on();
            let repaired = mm::copy_fault(stval, access);
            cpu::interrupts_off();
            if repaired.is_ok() {
                return;
            }
        }
    }
    frame.set_pc(target);
}

/// A trap out of the kernel whose stack has no room for it; the emergency stack is in use.
pub(crate) extern "C" fn stack_overflow(frame: &mut TrapFrame, scause: u64, stval: u64) {
    debug::kernel_stack_overflow(frame, scause, stval);
}

/// The first thing that a new task does; interrupts are off.
pub(crate) extern "C" fn task_begins() {
    sched::finish();
}

/// The function of a thread of the kernel has returned.
pub(crate) extern "C" fn task_returns() {
    sched::exit();
}

/// Only this hart counts.
fn count(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

fn interrupt(scause: u64) {
    match scause {
        TIMER => {
            count(&hart::this().clock_interrupts);
            time::interrupt();
        }
        SOFTWARE => {
            count(&hart::this().hart_interrupts);
            ipi::receive(|message| match message {
                Message::Look => sched::look(),
                Message::Settle => sched::settle(),
                Message::Stop => debug::stop_hart(),
            });
        }
        EXTERNAL => dev::interrupt(),
        _ => panic!("an interrupt that nobody has enabled: scause {scause:#x}"),
    }
}
