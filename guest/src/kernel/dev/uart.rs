//! The serial line: a 16550. Output is polled, input interrupts.

use core::sync::atomic::{AtomicBool, Ordering};

use guest::board::Device;

use super::{Registers, plic};
use crate::fs;
use crate::sync::{Once, SpinLock};

/// Receiver and transmitter buffers.
const DATA: u64 = 0;
/// Which interrupts it raises.
const INTERRUPT_ENABLE: u64 = 1;
const RECEIVED: u8 = 1;
/// FIFO control: on. Changing that empties both.
const FIFO_CONTROL: u64 = 2;
const FIFO_ON: u8 = 1;
/// Line status: a byte is there; there is room for one.
const LINE_STATUS: u64 = 5;
const DATA_READY: u8 = 1;
const TRANSMITTER_EMPTY: u8 = 1 << 5;
/// How often the transmitter is asked before a byte is given up: a line without a clock.
const PATIENCE_TURNS: u32 = 1 << 20;

static REGISTERS: Once<Registers> = Once::new();
/// Whose turn it is to write.
static TURN: SpinLock<()> = SpinLock::new(());
/// Whether the transmitter takes bytes.
static IS_DEAD: AtomicBool = AtomicBool::new(false);

pub(super) fn begin(device: Device) {
    REGISTERS.set(Registers::new(device.registers));
}

/// Lets input interrupt.
pub(super) fn listen(device: Device) {
    let Some(registers) = REGISTERS.get() else { return };
    // What came before is not to be lost with what the FIFOs hold.
    receive(0);
    registers.write_u8(FIFO_CONTROL, FIFO_ON);
    if device.interrupt != 0 {
        plic::register_interrupt(device.interrupt, "ttyS0", receive, 0);
        registers.write_u8(INTERRUPT_ENABLE, RECEIVED);
    }
}

fn receive(_: usize) {
    let Some(registers) = REGISTERS.get() else { return };
    while registers.read_u8(LINE_STATUS) & DATA_READY != 0 {
        fs::console_input(registers.read_u8(DATA));
    }
}

/// Writes to the serial line, with nothing added; for the terminal and the kernel's log.
pub(crate) fn console_write(bytes: &[u8]) {
    let _turn = TURN.lock();
    panic_write(bytes);
}

/// The same, whoever else writes.
pub(crate) fn panic_write(bytes: &[u8]) {
    let Some(registers) = REGISTERS.get() else { return };
    for byte in bytes {
        let mut patience = if IS_DEAD.load(Ordering::Relaxed) { 1 } else { PATIENCE_TURNS };
        while registers.read_u8(LINE_STATUS) & TRANSMITTER_EMPTY == 0 {
            patience -= 1;
            if patience == 0 {
                return IS_DEAD.store(true, Ordering::Relaxed);
            }
        }
        registers.write_u8(DATA, *byte);
    }
}
