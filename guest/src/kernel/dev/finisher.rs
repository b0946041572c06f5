//! The end of the machine: SiFive's test finisher, or the SBI where there is none.

use guest::board::Span;
use guest_runtime::sbi::{self, extension};

use super::Registers;
use crate::arch::cpu;
use crate::sync::Once;

/// Command: power off successfully.
const PASS: u32 = 0x5555;
/// Command: power off with the exit code in the upper half.
const FAIL: u32 = 0x3333;
/// Command: start again.
const RESET: u32 = 0x7777;
/// SRST: shut down, or reboot cold; for no reason, or after a failure.
const SHUTDOWN: u64 = 0;
const COLD_REBOOT: u64 = 1;
const NO_REASON: u64 = 0;
const SYSTEM_FAILURE: u64 = 1;

static REGISTERS: Once<Registers> = Once::new();

pub(super) fn begin(span: Span) {
    REGISTERS.set(Registers::new(span));
}

/// Ends the machine with this exit code.
pub(crate) fn power_off(code: u16) -> ! {
    let command = if code == 0 { PASS } else { u32::from(code) << 16 | FAIL };
    let reason = if code == 0 { NO_REASON } else { SYSTEM_FAILURE };
    end(command, SHUTDOWN, reason)
}

/// Starts the machine again.
pub(crate) fn restart() -> ! {
    end(RESET, COLD_REBOOT, NO_REASON)
}

fn end(command: u32, kind: u64, reason: u64) -> ! {
    cpu::interrupts_off();
    if let Some(registers) = REGISTERS.get() {
        registers.write_u32(0, command);
    }
    sbi::call(extension::SRST, 0, &[kind, reason]);
    loop {
        cpu::wait_for_interrupt();
    }
}
