//! The context switch: what the calling convention makes a function keep, of a task that does not
//! run; and where a new task begins.

use core::arch::naked_asm;
use core::cell::UnsafeCell;
use core::fmt;

use super::trap::{TrapFrame, user_return};

/// Callee-saved registers: ra, sp, s0 to s11.
#[repr(C)]
struct Registers {
    ra: u64,
    sp: u64,
    s: [u64; 12],
}

/// The registers of a task that does not run.
pub(crate) struct Context(UnsafeCell<Registers>);

// SAFETY: only `switch` looks inside, and its contract says when it may.
unsafe impl Sync for Context {}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

impl Context {
    /// Of a task that has nothing to go on with: it runs already, on a stack of its own.
    pub(crate) const fn running() -> Self {
        Self(UnsafeCell::new(Registers { ra: 0, sp: 0, s: [0; 12] }))
    }

    /// Of a task that begins in the kernel with `main(argument)`, on the stack that ends at
    /// `stack_top`.
    pub(crate) fn kernel(stack_top: u64, main: fn(usize), argument: usize) -> Self {
        let mut registers =
            Registers { ra: kernel_start as *const () as u64, sp: stack_top, s: [0; 12] };
        (registers.s[1], registers.s[2]) = (main as usize as u64, argument as u64);
        Self(UnsafeCell::new(registers))
    }

    /// Of a task that begins by entering user mode with the frame at the top of its stack, where
    /// this puts it. The stack is nobody else's.
    ///
    /// # Safety
    /// `stack_top` is the end of a mapped stack that nobody uses.
    pub(crate) unsafe fn user(stack_top: u64, frame: &TrapFrame) -> Self {
        let at = super::trap::frame_of_stack(stack_top);
        // SAFETY: the frame fits there, and the stack is free by the contract.
        unsafe { at.write(*frame) };
        let ra = user_start as *const () as u64;
        Self(UnsafeCell::new(Registers { ra, sp: at as u64, s: [0; 12] }))
    }
}

/// Saves what this task goes on with in `from`, and goes on with `to`.
///
/// # Safety
/// Interrupts are off. `to` is the context of a task that does not run, that no other hart can
/// switch to, and whose stack is intact; `from` is that of the task that does.
pub(crate) unsafe fn switch(from: &Context, to: &Context) {
    // SAFETY: by the contract nobody else accesses either.
    unsafe { switch_registers(from.0.get(), to.0.get()) }
}

#[unsafe(naked)]
unsafe extern "C" fn switch_registers(from: *mut Registers, to: *const Registers) {
    naked_asm!(
        "sd ra, 0(a0)",
        "sd sp, 8(a0)",
        "sd s0, 16(a0)",
        "sd s1, 24(a0)",
        "sd s2, 32(a0)",
        "sd s3, 40(a0)",
        "sd s4, 48(a0)",
        "sd s5, 56(a0)",
        "sd s6, 64(a0)",
        "sd s7, 72(a0)",
        "sd s8, 80(a0)",
        "sd s9, 88(a0)",
        "sd s10, 96(a0)",
        "sd s11, 104(a0)",
        "ld ra, 0(a1)",
        "ld sp, 8(a1)",
        "ld s0, 16(a1)",
        "ld s1, 24(a1)",
        "ld s2, 32(a1)",
        "ld s3, 40(a1)",
        "ld s4, 48(a1)",
        "ld s5, 56(a1)",
        "ld s6, 64(a1)",
        "ld s7, 72(a1)",
        "ld s8, 80(a1)",
        "ld s9, 88(a1)",
        "ld s10, 96(a1)",
        "ld s11, 104(a1)",
        "ret",
    )
}

/// Where a task of the kernel begins: its function in s1, the argument in s2.
#[unsafe(naked)]
unsafe extern "C" fn kernel_start() {
    naked_asm!(
        "call {begin}",
        "csrsi sstatus, 2",
        "mv   a0, s2",
        "jalr s1",
        "call {exit}",
        begin = sym crate::traps::task_begins,
        exit = sym crate::traps::task_returns,
    )
}

/// Where a task of user mode begins, with sp at its frame.
#[unsafe(naked)]
unsafe extern "C" fn user_start() {
    naked_asm!(
        "call {begin}",
        "tail {user_return}",
        begin = sym crate::traps::task_begins,
        user_return = sym user_return,
    )
}
