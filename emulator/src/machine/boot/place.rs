//! Where things go in RAM. [`Layout`] takes parts one by one and refuses what lies outside RAM or
//! on something else; the rules for the parts that may lie anywhere are QEMU's.
//!
//! Source: QEMU 7.2's behaviour on its `virt` machine.

use std::ops::Range;
use std::sync::Arc;

use super::super::elf::RamRange;
use super::error::{BootError, Part, Region, Role};
use super::kernel::ElfProgram;
use super::{Write, image};
use crate::addr::{PAGE_SIZE_BYTES, PhysAddr};

/// The device tree lies below this address where RAM begins below it, so that 32-bit code can
/// reach it.
const TREE_END: u64 = 3 << 30;
/// The initial RAM disk lies as far behind the start of the kernel, which takes room as it
/// unpacks itself; half of RAM where that is less.
const INITRD_DISTANCE_BYTES: u64 = 128 << 20;

/// What has been put into RAM.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) ram: RamRange,
    pub(super) writes: Vec<Write>,
    regions: Vec<Region>,
}

impl Layout {
    pub(super) fn new(ram: RamRange) -> Self {
        Self { ram, writes: Vec::new(), regions: Vec::new() }
    }

    /// Puts a part of `len_bytes` bytes at `at`, which begins with `bytes` and is zero behind them.
    pub(super) fn put(
        &mut self,
        part: Part,
        at: PhysAddr,
        len_bytes: u64,
        bytes: &Arc<Vec<u8>>,
    ) -> Result<(), BootError> {
        self.claim(part, at, PhysAddr(at.0.saturating_add(len_bytes - 1)))?;
        self.write(at, bytes);
        Ok(())
    }

    /// Puts the segments of a program where they belong.
    pub(super) fn put_program(&mut self, part: &Part, elf: &ElfProgram) -> Result<(), BootError> {
        for load in elf.program.loads() {
            self.claim(part.clone(), load.first, load.last)?;
            self.write_range(load.first, elf.file.bytes(), load.file.clone());
        }
        Ok(())
    }

    /// Writes to a place that has been claimed.
    pub(super) fn write(&mut self, at: PhysAddr, bytes: &Arc<Vec<u8>>) {
        self.write_range(at, bytes, 0..bytes.len());
    }

    fn write_range(&mut self, at: PhysAddr, bytes: &Arc<Vec<u8>>, range: Range<usize>) {
        if !range.is_empty() {
            self.writes.push(Write { at, bytes: Arc::clone(bytes), range });
        }
    }

    /// Takes the bytes from `first` to `last` for a part.
    pub(super) fn claim(
        &mut self,
        part: Part,
        first: PhysAddr,
        last: PhysAddr,
    ) -> Result<(), BootError> {
        let region = Region { part, first, last };
        if !self.ram.holds(first, last) {
            return Err(BootError::OutsideRam { region, ram: self.ram });
        }
        if let Some(other) = self.taken(first, last) {
            return Err(BootError::Overlap { a: region, b: other.clone() });
        }
        self.regions.push(region);
        Ok(())
    }

    /// What lies between `first` and `last`.
    fn taken(&self, first: PhysAddr, last: PhysAddr) -> Option<&Region> {
        self.regions.iter().find(|region| first <= region.last && region.first <= last)
    }

    fn is_free(&self, at: PhysAddr, len_bytes: u64) -> bool {
        let last = at.wrapping_add(len_bytes - 1);
        self.ram.holds(at, last) && self.taken(at, last).is_none()
    }

    /// Where a device tree of `len_bytes` bytes goes: as far up as it can, in a megapage of its
    /// own; where there is no room for that, in pages of its own.
    pub(super) fn tree_place(&self, part: &Part, len_bytes: u64) -> Result<PhysAddr, BootError> {
        let ram_end = self.ram.first.0 + self.ram.len_bytes();
        let end = if self.ram.first.0 < TREE_END { ram_end.min(TREE_END) } else { ram_end };
        let highest = end.saturating_sub(len_bytes);
        let places = [image::ALIGN_BYTES, PAGE_SIZE_BYTES].map(|align| highest / align * align);
        let free = places.into_iter().map(PhysAddr).find(|at| self.is_free(*at, len_bytes));
        let no_room = || BootError::NoRoom { part: part.clone(), len_bytes, ram: self.ram };
        free.ok_or_else(no_room)
    }

    /// Where an initial RAM disk goes: a distance behind the start of the kernel, `kernel`, or
    /// behind its end where that is farther; just below the device tree where there it has no room,
    /// or just below the kernel where there it has none either.
    pub(super) fn initrd_place(&self, kernel: PhysAddr, len_bytes: u64) -> PhysAddr {
        let of = |role| self.regions.iter().filter(move |region| region.part.role == role);
        let kernel_end = of(Role::Kernel).map(|region| region.last.0 + 1).max();
        let distant = kernel.0 + INITRD_DISTANCE_BYTES.min(self.ram.len_bytes() / 2);
        let usual = distant.max(kernel_end.unwrap_or_default());
        let usual = PhysAddr(usual.next_multiple_of(PAGE_SIZE_BYTES));
        let below = |role| {
            let first = of(role).map(|region| region.first.0).min().unwrap_or_default();
            PhysAddr(first.saturating_sub(len_bytes)).page_base()
        };
        let places = [usual, below(Role::DeviceTree), below(Role::Kernel)];
        places.into_iter().find(|at| self.is_free(*at, len_bytes)).unwrap_or(usual)
    }
}
