//! Floating-point state of user mode, saved and restored only where it was touched (sstatus.FS).
//!
//! A task begins with FS off. Its first floating-point instruction traps, and [`turn_on`] gives it
//! the registers. A switch saves them where they are dirty and loads those of a task that has any.

use core::arch::naked_asm;
use core::cell::UnsafeCell;
use core::fmt;

use guest_runtime::csr;

use super::trap::TrapFrame;

/// `sstatus.FS`: off, unchanged since they were loaded, changed.
const STATUS_FS: u64 = 3 << 13;
const FS_CLEAN: u64 = 2 << 13;
const FS_DIRTY: u64 = 3 << 13;

/// f0 to f31 and fcsr.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FpState {
    /// f0 to f31.
    pub(crate) f: [u64; 32],
    /// Rounding mode and flags, in the lower half.
    pub(crate) fcsr: u64,
}

impl FpState {
    /// As a program begins: all zero.
    pub(crate) const ZERO: Self = Self { f: [0; 32], fcsr: 0 };
}

/// A task's state while the registers are another's.
pub(crate) struct SavedFp(UnsafeCell<FpState>);

// SAFETY: only the task itself, and the hart that switches from or to it, look inside: never two
// at a time. The functions below say so.
unsafe impl Sync for SavedFp {}

impl fmt::Debug for SavedFp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedFp").finish_non_exhaustive()
    }
}

/// Takes the unit away from whoever begins with this frame, until the first use.
pub(crate) fn turn_off(frame: &mut TrapFrame) {
    frame.status &= !STATUS_FS;
}

/// `status` of a frame that somebody up the stack may have borrowed.
///
/// # Safety
/// It is the frame of the task that runs here, and interrupts are off.
unsafe fn change_status(frame: *mut TrapFrame, change: impl FnOnce(u64) -> u64) -> u64 {
    // SAFETY: the frame lies at the top of the task's stack, always.
    unsafe {
        let status = &raw mut (*frame).status;
        let before = status.read_volatile();
        let after = change(before);
        if after != before {
            status.write_volatile(after);
        }
        before
    }
}

impl SavedFp {
    /// Of a new task.
    pub(crate) const fn new(state: FpState) -> Self {
        Self(UnsafeCell::new(state))
    }

    /// On leaving a task whose user mode has this frame: saves what it has changed.
    ///
    /// # Safety
    /// The task is the one that runs here, the frame is its own, and interrupts are off.
    pub(crate) unsafe fn leave(&self, frame: *mut TrapFrame) {
        // SAFETY: by the contract; the registers are this task's, and on.
        unsafe {
            let clean = |status| {
                if status & STATUS_FS == FS_DIRTY { status & !STATUS_FS | FS_CLEAN } else { status }
            };
            if change_status(frame, clean) & STATUS_FS == FS_DIRTY {
                csr::set::<{ csr::SSTATUS }>(STATUS_FS);
                store_registers(self.0.get());
            }
        }
    }

    /// On going on with a task whose user mode has this frame: loads what it has, if it has any.
    ///
    /// # Safety
    /// As for [`leave`](Self::leave).
    pub(crate) unsafe fn enter(&self, frame: *mut TrapFrame) {
        // SAFETY: by the contract; the unit is on, and kernel code does not use its registers.
        unsafe {
            if change_status(frame, |status| status) & STATUS_FS != 0 {
                csr::set::<{ csr::SSTATUS }>(STATUS_FS);
                load_registers(self.0.get());
            }
        }
    }

    /// The first floating-point instruction of a task; false where the unit is on already.
    ///
    /// # Safety
    /// As for [`leave`](Self::leave).
    pub(crate) unsafe fn turn_on(&self, frame: *mut TrapFrame) -> bool {
        let on = |status| if status & STATUS_FS == 0 { status | FS_CLEAN } else { status };
        // SAFETY: by the contract.
        unsafe {
            if change_status(frame, on) & STATUS_FS != 0 {
                return false;
            }
            self.enter(frame);
        }
        true
    }

    /// The state as it is now, all zero where the unit was never used.
    ///
    /// # Safety
    /// As for [`leave`](Self::leave).
    pub(crate) unsafe fn get(&self, frame: *mut TrapFrame) -> FpState {
        // SAFETY: by the contract; nobody else accesses it.
        unsafe {
            self.leave(frame);
            *self.0.get()
        }
    }

    /// The state as it is now, where it is kept: there it stays, as long as the task does not go
    /// back to user mode.
    ///
    /// # Safety
    /// As for [`leave`](Self::leave), but interrupts may come back on; the reference is not used
    /// once the task goes back to user mode, or beside that of [`change`](Self::change).
    pub(crate) unsafe fn saved(&self, frame: *mut TrapFrame) -> &FpState {
        // SAFETY: by the contract; what was saved is clean, so that switching away from the task
        // does not save it once more.
        unsafe {
            self.leave(frame);
            &*self.0.get()
        }
    }

    /// The state where it is kept, to be changed; the unit is off until it is used again.
    ///
    /// # Safety
    /// As for [`saved`](Self::saved).
    #[expect(clippy::mut_from_ref, reason = "the cell is the running task's alone")]
    pub(crate) unsafe fn change(&self, frame: *mut TrapFrame) -> &mut FpState {
        // SAFETY: by the contract; with the unit off, switching neither saves nor loads it.
        unsafe {
            change_status(frame, |status| status & !STATUS_FS);
            &mut *self.0.get()
        }
    }

    /// Replaces the state; the unit is off until it is used again.
    ///
    /// # Safety
    /// As for [`leave`](Self::leave).
    pub(crate) unsafe fn set(&self, frame: *mut TrapFrame, state: &FpState) {
        // SAFETY: by the contract; nobody else accesses it.
        unsafe {
            *self.0.get() = *state;
            change_status(frame, |status| status & !STATUS_FS);
        }
    }
}

macro_rules! each_float {
    ($insn:literal) => {
        concat!(
            $insn,
            " f0, 0(a0)\n",
            $insn,
            " f1, 8(a0)\n",
            $insn,
            " f2, 16(a0)\n",
            $insn,
            " f3, 24(a0)\n",
            $insn,
            " f4, 32(a0)\n",
            $insn,
            " f5, 40(a0)\n",
            $insn,
            " f6, 48(a0)\n",
            $insn,
            " f7, 56(a0)\n",
            $insn,
            " f8, 64(a0)\n",
            $insn,
            " f9, 72(a0)\n",
            $insn,
            " f10, 80(a0)\n",
            $insn,
            " f11, 88(a0)\n",
            $insn,
            " f12, 96(a0)\n",
            $insn,
            " f13, 104(a0)\n",
            $insn,
            " f14, 112(a0)\n",
            $insn,
            " f15, 120(a0)\n",
            $insn,
            " f16, 128(a0)\n",
            $insn,
            " f17, 136(a0)\n",
            $insn,
            " f18, 144(a0)\n",
            $insn,
            " f19, 152(a0)\n",
            $insn,
            " f20, 160(a0)\n",
            $insn,
            " f21, 168(a0)\n",
            $insn,
            " f22, 176(a0)\n",
            $insn,
            " f23, 184(a0)\n",
            $insn,
            " f24, 192(a0)\n",
            $insn,
            " f25, 200(a0)\n",
            $insn,
            " f26, 208(a0)\n",
            $insn,
            " f27, 216(a0)\n",
            $insn,
            " f28, 224(a0)\n",
            $insn,
            " f29, 232(a0)\n",
            $insn,
            " f30, 240(a0)\n",
            $insn,
            " f31, 248(a0)\n",
        )
    };
}

#[unsafe(naked)]
unsafe extern "C" fn store_registers(to: *mut FpState) {
    naked_asm!(
        // Link-time optimisation forgets the target's features.
        ".option push",
        ".option arch, +d",
        each_float!("fsd"),
        "frcsr t0",
        "sw t0, 256(a0)",
        ".option pop",
        "ret",
    )
}

#[unsafe(naked)]
unsafe extern "C" fn load_registers(from: *const FpState) {
    naked_asm!(
        ".option push",
        ".option arch, +d",
        each_float!("fld"),
        "lw t0, 256(a0)",
        "fscsr t0",
        ".option pop",
        "ret",
    )
}
