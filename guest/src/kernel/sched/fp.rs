//! The current task's floating-point state, for signal frames, fork and exec; `arch/fpu.rs` has the
//! registers.

use super::alive;
use crate::arch::cpu;
use crate::arch::fpu::FpState;
use crate::arch::trap::TrapFrame;

/// The current task's, as it is now; for signal frames and fork.
pub(crate) fn current() -> FpState {
    let task = alive::current_alive();
    cpu::without_interrupts(|| {
        // SAFETY: the task runs here, and interrupts are off.
        unsafe { task.fp.get(alive::user_frame(&task)) }
    })
}

/// Shows `f` the current task's as it is now.
pub(crate) fn with_current<R>(f: impl FnOnce(&FpState) -> R) -> R {
    let task = alive::current_alive();
    // SAFETY: the task runs here, with interrupts off while the unit is saved; `f` cannot keep the
    // reference, and nothing in it changes the state.
    let state = cpu::without_interrupts(|| unsafe { task.fp.saved(alive::user_frame(&task)) });
    f(state)
}

/// Lets `f` change the current task's where it is. The unit goes off until its next use.
pub(crate) fn change_current<R>(f: impl FnOnce(&mut FpState) -> R) -> R {
    let task = alive::current_alive();
    // SAFETY: as above.
    let state = cpu::without_interrupts(|| unsafe { task.fp.change(alive::user_frame(&task)) });
    f(state)
}

/// Replaces the current task's. The unit goes off until its next use.
pub(crate) fn set_current(state: &FpState) {
    let task = alive::current_alive();
    cpu::without_interrupts(|| {
        // SAFETY: as above.
        unsafe { task.fp.set(alive::user_frame(&task), state) };
    });
}

/// As at exec: all zero.
pub(crate) fn reset_current() {
    set_current(&FpState::ZERO);
}

/// A copy of the current task's, for a child that begins with `frame`: the unit is off there until
/// the child's first use.
pub(super) fn for_child(frame: &mut TrapFrame) -> FpState {
    crate::arch::fpu::turn_off(frame);
    current()
}

/// The first floating-point instruction of the current task, which has this frame; false where the
/// trap was for another reason.
pub(crate) fn first_use(frame: &mut TrapFrame) -> bool {
    let task = alive::current_alive();
    // SAFETY: the task runs here; traps of user mode begin with interrupts off.
    unsafe { task.fp.turn_on(frame) }
}
