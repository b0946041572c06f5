//! Drivers: the serial line, the interrupt controller, the real-time clock, the finisher; and what
//! others need to drive more: the [`board`], [`Registers`], [`register_interrupt`].

pub(crate) mod finisher;
mod mmio;
mod plic;
mod rtc;
mod uart;
mod virtio;

use guest::board::Board;

use crate::sync::Once;

pub(crate) use mmio::Registers;
pub(crate) use plic::{for_each_source, interrupt, register_interrupt};
pub(crate) use uart::{console_write, panic_write};

static BOARD: Once<Board<'static>> = Once::new();

/// What the device tree says.
pub(crate) fn board() -> &'static Board<'static> {
    BOARD.get().expect("boot has read the device tree")
}

/// Boot has read the device tree; output works from now on.
pub(crate) fn begin(board: Board<'static>) {
    let board = BOARD.set(board);
    if let Some(device) = board.uart {
        uart::begin(device);
    }
    if let Some(registers) = board.finisher {
        finisher::begin(registers);
    }
}

/// Lets devices interrupt this hart, and asks the clock for the time of day. Memory is there.
pub(crate) fn start() {
    let board = board();
    if let Some(registers) = board.plic {
        plic::begin(registers);
        plic::take_all();
    }
    if let Some(device) = board.rtc {
        crate::time::set_real_now(rtc::read_ns(device));
    }
}

/// Bytes that disks were asked to read, and to write.
pub(crate) fn disk_bytes() -> [u64; 2] {
    crate::block::moved_bytes()
}

/// Lets input come: there is a terminal that takes it.
pub(crate) fn listen() {
    if let Some(device) = board().uart {
        uart::listen(device);
    }
    virtio::start();
}
