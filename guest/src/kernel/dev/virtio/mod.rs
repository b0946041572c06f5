//! Virtio devices: [`start`] finds them and has each driven by its kind's driver. [`transport`] is
//! what all of them have in common; their queues are `guest::virtio::queue`.

mod block;
mod console;
mod page;
mod transport;

use guest::virtio::block::DEVICE_ID as BLOCK;
use guest::virtio::console::DEVICE_ID as CONSOLE;

use super::board;
use crate::debug::{Level, klog};
use transport::Transport;

/// Finds the devices and starts them. Interrupts may come from now on.
pub(super) fn start() {
    for device in &board().virtio {
        let Some(transport) = Transport::find(*device) else { continue };
        let started = match transport.kind() {
            BLOCK => block::start(transport, device.interrupt),
            CONSOLE => console::start(transport, device.interrupt),
            other => {
                klog!(Level::Info, "virtio device of kind {other}: nobody drives it");
                continue;
            }
        };
        if let Err(error) = started {
            klog!(Level::Warning, "virtio device at {:#x}: {error}", device.registers.start);
        }
    }
}
