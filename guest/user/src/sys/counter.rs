//! The hart's counters, as far as the kernel lets programs read them.
//!
//! Source: Unprivileged ISA, "Zicntr Extension for Base Counters and Timers".

use core::arch::asm;

/// A counter. Reading one that the kernel keeps to itself raises an illegal-instruction exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Instructions that this hart has retired, in every mode.
    Instructions,
    /// Its clock's cycles.
    Cycles,
    /// Ticks of the machine's timer.
    Time,
}

impl Counter {
    /// Its value.
    #[inline(always)]
    pub fn read(self) -> u64 {
        let value;
        // SAFETY: reading a counter changes no register but the result, and no memory.
        unsafe {
            match self {
                Self::Instructions => asm!("rdinstret {}", out(reg) value, options(nostack)),
                Self::Cycles => asm!("rdcycle {}", out(reg) value, options(nostack)),
                Self::Time => asm!("rdtime {}", out(reg) value, options(nostack)),
            }
        }
        value
    }
}
