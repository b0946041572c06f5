//! [`Page`]: memory of a driver that its device knows: what is small and stays.

use alloc::boxed::Box;

use guest::virtio::queue::{Buffer, Direction};
use guest::{PAGE_SIZE_BYTES, Ppn};

use crate::mm::direct;

pub(super) const PAGE_BYTES: usize = PAGE_SIZE_BYTES as usize;

/// A page that the device reads or writes.
#[derive(Debug)]
pub(super) struct Page(Box<Aligned>);

#[derive(Debug)]
#[repr(align(4096))]
struct Aligned(#[expect(dead_code, reason = "used as a frame")] [u8; PAGE_BYTES]);

impl Page {
    pub(super) fn new() -> Self {
        Self(Box::new(Aligned([0; PAGE_BYTES])))
    }

    pub(super) fn frame(&self) -> Ppn {
        direct::frame_at(&raw const *self.0 as u64)
    }

    pub(super) fn buffer(&self, start: usize, length_bytes: usize, direction: Direction) -> Buffer {
        let address = self.frame().base() + start as u64;
        Buffer { address, length_bytes: length_bytes as u32, direction }
    }
}
