//! Calls into the Supervisor Execution Environment (RISC-V SBI specification): the instruction,
//! and the numbers of extensions, functions and errors.

use core::arch::asm;

/// Extension identifiers.
pub mod extension {
    /// Legacy: one extension per function, from here on.
    pub const LEGACY_SET_TIMER: u64 = 0x00;
    /// Legacy: prints a byte.
    pub const LEGACY_PUTCHAR: u64 = 0x01;
    /// Legacy: reads a byte, -1 if there is none.
    pub const LEGACY_GETCHAR: u64 = 0x02;
    /// Legacy: clears this hart's software interrupt.
    pub const LEGACY_CLEAR_IPI: u64 = 0x03;
    /// Legacy: interrupts the harts of a mask in memory.
    pub const LEGACY_SEND_IPI: u64 = 0x04;
    /// Legacy: `fence.i` on the harts of a mask in memory.
    pub const LEGACY_FENCE_I: u64 = 0x05;
    /// Legacy: `sfence.vma` on the harts of a mask in memory.
    pub const LEGACY_SFENCE_VMA: u64 = 0x06;
    /// Base.
    pub const BASE: u64 = 0x10;
    /// Timer, "TIME".
    pub const TIME: u64 = 0x5449_4d45;
    /// Interrupts between harts, "sPI".
    pub const IPI: u64 = 0x73_5049;
    /// Fences on other harts, "RFNC".
    pub const RFENCE: u64 = 0x5246_4e43;
    /// Hart state management, "HSM".
    pub const HSM: u64 = 0x48_534d;
    /// System reset, "SRST".
    pub const SRST: u64 = 0x5352_5354;
    /// Performance counters, "PMU".
    pub const PMU: u64 = 0x50_4d55;
    /// Debug console, "DBCN".
    pub const DBCN: u64 = 0x4442_434e;
}

/// Function identifiers of HSM.
pub mod hsm {
    /// Starts a hart.
    pub const START: u64 = 0;
    /// Stops the calling hart.
    pub const STOP: u64 = 1;
    /// Asks for the state of a hart.
    pub const STATUS: u64 = 2;
    /// Suspends the calling hart.
    pub const SUSPEND: u64 = 3;
}

/// Error codes.
pub mod error {
    /// All went well.
    pub const SUCCESS: i64 = 0;
    /// It went wrong for no reason that has a code.
    pub const FAILED: i64 = -1;
    /// No such extension, function or service.
    pub const NOT_SUPPORTED: i64 = -2;
    /// A parameter is none of those allowed.
    pub const INVALID_PARAM: i64 = -3;
    /// The caller may not do this.
    pub const DENIED: i64 = -4;
    /// An address is none that may be used.
    pub const INVALID_ADDRESS: i64 = -5;
    /// It is so already.
    pub const ALREADY_AVAILABLE: i64 = -6;
}

/// What a call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 0 or one of [`error`]; what a legacy extension returns.
    pub error: i64,
    /// The value; only defined where there is no error.
    pub value: u64,
}

impl Answer {
    /// Its value, or the error.
    pub fn ok(self) -> Result<u64, i64> {
        if self.error == error::SUCCESS { Ok(self.value) } else { Err(self.error) }
    }
}

/// Calls a function, with the arguments in `a0` and on. Addresses among them must lie in
/// [`frames`](crate::frames) where the firmware writes there.
pub fn call(extension: u64, function: u64, arguments: &[u64]) -> Answer {
    let mut a = [0; 6];
    a[..arguments.len()].copy_from_slice(arguments);
    let (error, value);
    // SAFETY: firmware keeps every other register and, but for the addresses that are spoken of
    // above, all memory.
    unsafe {
        asm!(
            "ecall",
            inlateout("a0") a[0] as i64 => error, inlateout("a1") a[1] => value,
            in("a2") a[2], in("a3") a[3], in("a4") a[4], in("a5") a[5],
            in("a6") function, in("a7") extension,
        );
    }
    Answer { error, value }
}
