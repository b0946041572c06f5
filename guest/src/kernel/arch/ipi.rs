//! Messages between harts: a bit in the other hart's data, and a software interrupt.

use core::sync::atomic::Ordering;

use guest_runtime::sbi::{self, extension};

use super::cpu;
use super::hart::{self, HartMask};

/// What another hart is to do. The number is a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// Look at its run queue, its timers and `Hart::work`.
    Look = 1,
    /// Bring the books of the task that runs there up to now.
    Settle = 4,
    /// Stop for good: another one has panicked.
    Stop = 2,
}

/// Sends to every hart of the mask.
pub(crate) fn send(harts: HartMask, message: Message) {
    if harts.0 == 0 {
        return;
    }
    for index in harts.iter() {
        hart::get(index).messages.fetch_or(message as u32, Ordering::Release);
    }
    sbi::call(extension::IPI, 0, &[harts.firmware(), 0]);
}

/// In the handler: takes the messages of this hart; calls `act` with each.
pub(crate) fn receive(mut act: impl FnMut(Message)) {
    cpu::clear_software_interrupt();
    let messages = hart::this().messages.swap(0, Ordering::AcqRel);
    for message in [Message::Look, Message::Settle, Message::Stop] {
        if messages & message as u32 != 0 {
            act(message);
        }
    }
}
