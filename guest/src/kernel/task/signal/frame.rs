//! The frame on the user's stack that a handler runs on, `struct rt_sigframe` of Linux's riscv64
//! (arch/riscv/kernel/signal.c), and the way back from it.
//!
//! By words: siginfo 0..16; the context from 16 on: flags, link, the other stack (3), the mask; at
//! 38 pc and x1 to x31; at 70 f0 to f31 and fcsr; at 134 the end of the list of further state.

use core::sync::atomic::Ordering;

use guest::errno::{Answer, Errno};
use guest::task::signal::{Flags, SigSet};
use linux_raw_sys::general as linux;

use super::super::Thread;
use super::deliver::Delivery;
use super::{Own, force_segv};
use crate::arch::trap::TrapFrame;
use crate::mm::user;
use crate::sched::{self, fp as fpu};

/// Size of the frame.
pub(crate) const FRAME_BYTES: u64 = 8 * 136;
const CONTEXT: usize = 16;
const STACK: usize = CONTEXT + 2;
const MASK: usize = CONTEXT + 5;
const REGISTERS: usize = 38;
const FLOATS: usize = 70;
/// The word whose upper half must be 0, and behind it the header `END_MAGIC`, size 0.
const RESERVED: usize = 134;
/// Bytes before the context; the handler's third argument is there.
const CONTEXT_OFFSET_BYTES: u64 = 8 * CONTEXT as u64;

/// Base, size and flags of the other stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OtherStack {
    pub(super) base: u64,
    pub(super) size: u64,
    pub(super) flags: u64,
}

impl OtherStack {
    pub(super) const DISABLED: Self = Self { base: 0, size: 0, flags: linux::SS_DISABLE as u64 };

    fn contains(&self, pointer: u64) -> bool {
        pointer > self.base && pointer - self.base <= self.size
    }

    /// Whether a handler runs on it now.
    pub(super) fn is_in_use(&self, pointer: u64) -> bool {
        self.flags & u64::from(linux::SS_AUTODISARM) == 0 && self.contains(pointer)
    }

    /// `ss_flags` as a program sees them.
    pub(super) fn told_flags(&self, pointer: u64) -> u64 {
        let state = match () {
            () if self.size == 0 => linux::SS_DISABLE,
            () if self.is_in_use(pointer) => linux::SS_ONSTACK,
            () => 0,
        };
        u64::from(state) | self.flags & u64::from(linux::SS_AUTODISARM)
    }
}

impl Own {
    pub(super) fn other_stack(&self) -> OtherStack {
        let [base, size, flags] = [0, 1, 2].map(|word| self.stack[word].load(Ordering::Relaxed));
        OtherStack { base, size, flags }
    }

    /// A new process has the other stack of the one that made it.
    pub(in crate::task) fn copy_other_stack(&self, from: &Own) {
        self.set_other_stack(from.other_stack());
    }

    /// A new program has none.
    pub(in crate::task) fn forget_other_stack(&self) {
        self.set_other_stack(OtherStack::DISABLED);
    }

    pub(super) fn set_other_stack(&self, stack: OtherStack) {
        for (word, value) in self.stack.iter().zip([stack.base, stack.size, stack.flags]) {
            word.store(value, Ordering::Relaxed);
        }
    }
}

/// Where the frame goes; `None` where a handler has used its stack up.
fn place(stack: &OtherStack, pointer: u64, flags: Flags) -> Option<u64> {
    let on_it = stack.is_in_use(pointer);
    let top = if flags.has(Flags::ON_STACK) && stack.size != 0 && !on_it {
        stack.base + stack.size
    } else {
        pointer
    };
    let at = top.checked_sub(FRAME_BYTES)? & !15;
    (!on_it || stack.contains(at)).then_some(at)
}

/// Puts a frame on the user's stack, and lets user mode go on in the handler.
///
/// # Errors
/// EFAULT where there is no room.
pub(super) fn push(
    thread: &Thread,
    frame: &mut TrapFrame,
    delivery: &Delivery,
) -> Result<(), Errno> {
    let Delivery { info, action, mask, .. } = delivery;
    let stack = thread.own.other_stack();
    let pointer = frame.x[2];
    let at = place(&stack, pointer, action.flags).ok_or(Errno::EFAULT)?;
    let word_at = |index: usize| at + 8 * index as u64;
    let mut head = [0; MASK + 1];
    head[..CONTEXT].copy_from_slice(&info.to_words());
    head[STACK] = stack.base;
    head[STACK + 1] = stack.told_flags(pointer);
    head[STACK + 2] = stack.size;
    head[MASK] = mask.0;
    user::write(at, &head)?;
    user::write(word_at(REGISTERS), &frame.x)?;
    fpu::with_current(|floats| user::write(word_at(FLOATS), floats))?;
    user::write(word_at(RESERVED), &[0u64; 2])?;
    if stack.flags & u64::from(linux::SS_AUTODISARM) != 0 {
        thread.own.set_other_stack(OtherStack::DISABLED);
    }
    frame.set_pc(action.handler);
    frame.x[1] = thread.process.trampoline.load(Ordering::Relaxed);
    frame.x[2] = at;
    frame.x[10] = u64::from(info.number());
    frame.x[11] = at;
    frame.x[12] = at + CONTEXT_OFFSET_BYTES;
    Ok(())
}

/// `rt_sigreturn`: everything is as the frame says. A frame that cannot be is a SIGSEGV.
///
/// # Errors
/// None that the program sees.
pub(crate) fn return_from_handler(frame: &mut TrapFrame) -> Answer {
    let thread = sched::current_thread();
    thread.own.kept_call.store(0, Ordering::Relaxed);
    if restore(thread, frame).is_err() {
        force_segv();
    }
    Ok(frame.a(0))
}

fn restore(thread: &Thread, frame: &mut TrapFrame) -> Result<(), Errno> {
    let at = frame.x[2];
    if !at.is_multiple_of(8) {
        return Err(Errno::EFAULT);
    }
    let word_at = |index: usize| at.wrapping_add(8 * index as u64);
    // The program may have changed anything in it.
    let [reserved, end] = user::read::<[u64; 2]>(word_at(RESERVED))?;
    if reserved >> 32 != 0 || end != 0 {
        return Err(Errno::EINVAL);
    }
    let [base, flags, size, mask] = user::read::<[u64; 4]>(word_at(STACK))?;
    let mask = SigSet(mask).blockable();
    if mask != thread.mask() {
        thread.process.signals.lock().set_mask(thread, mask);
    }
    fpu::change_current(|floats| user::read_to(word_at(FLOATS), floats))?;
    user::read_to(word_at(REGISTERS), &mut frame.x)?;
    let stack = OtherStack { base, flags, size };
    if stack != thread.own.other_stack() {
        // One that it may not have does not stop the return: Linux ignores that, too.
        let _ = super::call::change_other_stack(&thread.own, stack, frame.x[2]);
    }
    Ok(())
}
