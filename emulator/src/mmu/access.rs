//! Memory accesses of instructions, in full: [`Mmu::load`], [`Mmu::store`], atomics, cache blocks
//! and fetch. The engine comes here where its hit path does not serve: TLB misses, page-crossing
//! accesses, devices. Order of checks and trap values are those of Spike, so that logs compare.

use super::Mmu;
use crate::addr::{Access, PAGE_SIZE_BYTES, PhysAddr, VirtAddr, Width};
use crate::bus::{Bus, RamOffset};
use crate::trap::Exception;

/// Size of the blocks that `cbo.*` work on.
pub const BLOCK_SIZE_BYTES: u64 = 64;

/// The two parts of an access that crosses into the next base page: where in RAM each starts.
struct Crossing {
    first: RamOffset,
    first_len_bytes: u64,
    second: RamOffset,
}

impl Crossing {
    /// Where byte number `i` of the access is.
    fn byte(&self, i: u64) -> RamOffset {
        if i < self.first_len_bytes {
            RamOffset(self.first.0 + i)
        } else {
            RamOffset(self.second.0 + (i - self.first_len_bytes))
        }
    }
}

impl Mmu {
    /// Loads `width` bytes at `va`, zero-extended; in RAM at any alignment.
    ///
    /// # Errors
    /// Page fault or access fault; its address is `va`, or the start of the second page where that
    /// one is at fault. Misaligned access to a device is an access fault.
    pub fn load(&mut self, bus: &mut Bus, va: VirtAddr, width: Width) -> Result<u64, Exception> {
        if crosses(va, width) {
            let parts = self.crossing(bus, va, Access::Load, width)?;
            let byte = |i| bus.ram.load(parts.byte(i), Width::Byte) << (8 * i);
            return Ok((0..width.bytes()).map(byte).sum());
        }
        let at = self.translate(bus, va, Access::Load, width.bytes())?;
        let fault = Exception::AccessFault(Access::Load, va);
        if is_misaligned(va, width) && bus.ram.offset_of(at, width.bytes()).is_none() {
            return Err(fault);
        }
        bus.load(at, width).map_err(|_| fault)
    }

    /// Stores the low `width` bytes of `value` at `va`; in RAM at any alignment.
    ///
    /// # Errors
    /// As [`load`](Self::load); nothing is written then, in either page.
    pub fn store(
        &mut self,
        bus: &mut Bus,
        va: VirtAddr,
        width: Width,
        value: u64,
    ) -> Result<(), Exception> {
        if crosses(va, width) {
            let parts = self.crossing(bus, va, Access::Store, width)?;
            for i in 0..width.bytes() {
                bus.ram.store(parts.byte(i), Width::Byte, value >> (8 * i));
            }
            return Ok(());
        }
        let at = self.translate(bus, va, Access::Store, width.bytes())?;
        let fault = Exception::AccessFault(Access::Store, va);
        if is_misaligned(va, width) && bus.ram.offset_of(at, width.bytes()).is_none() {
            return Err(fault);
        }
        bus.store(at, width, value).map_err(|_| fault)
    }

    /// [`load`](Self::load) where [`load_hit`](Self::load_hit) does not serve.
    #[inline(always)]
    pub(crate) fn load_missed(
        &mut self,
        bus: &mut Bus,
        va: VirtAddr,
        width: Width,
    ) -> Result<u64, Exception> {
        if is_misaligned(va, width) {
            return self.load(bus, va, width);
        }
        if let Some(at) = self.refill(&bus.ram, va, Access::Load) {
            return Ok(bus.ram.load(at, width));
        }
        let at = self.translate_in_full(bus, va, Access::Load, width.bytes())?;
        bus.load(at, width).map_err(|_| Exception::AccessFault(Access::Load, va))
    }

    /// [`store`](Self::store) where [`store_hit`](Self::store_hit) does not serve.
    #[inline(always)]
    pub(crate) fn store_missed(
        &mut self,
        bus: &mut Bus,
        va: VirtAddr,
        width: Width,
        value: u64,
    ) -> Result<(), Exception> {
        if is_misaligned(va, width) {
            return self.store(bus, va, width, value);
        }
        if let Some(at) = self.refill(&bus.ram, va, Access::Store) {
            bus.ram.store(at, width, value);
            return Ok(());
        }
        let at = self.translate_in_full(bus, va, Access::Store, width.bytes())?;
        bus.store(at, width, value).map_err(|_| Exception::AccessFault(Access::Store, va))
    }

    /// Checks both halves of a page-crossing access, first page first.
    fn crossing(
        &mut self,
        bus: &mut Bus,
        va: VirtAddr,
        access: Access,
        width: Width,
    ) -> Result<Crossing, Exception> {
        let first_len_bytes = PAGE_SIZE_BYTES - va.page_offset();
        let second_va = va.wrapping_add(first_len_bytes);
        let first = self.translate_ram(bus, va, access, first_len_bytes)?.1;
        let second = self.translate_ram(bus, second_va, access, width.bytes() - first_len_bytes)?.1;
        Ok(Crossing { first, first_len_bytes, second })
    }

    /// As [`translate`](Self::translate), for accesses that only RAM takes: anything else is an
    /// access fault.
    fn translate_ram(
        &mut self,
        bus: &mut Bus,
        va: VirtAddr,
        access: Access,
        len_bytes: u64,
    ) -> Result<(PhysAddr, RamOffset), Exception> {
        let at = self.translate(bus, va, access, len_bytes)?;
        let offset = bus.ram.offset_of(at, len_bytes);
        Ok((at, offset.ok_or(Exception::AccessFault(access, va))?))
    }

    /// As [`translate_ram`](Self::translate_ram), for atomics: they must be aligned, and that is
    /// looked at first. Spike, which like this hart does other misaligned accesses in hardware,
    /// raises an access fault: no emulation of the access could be atomic.
    fn translate_atomic(
        &mut self,
        bus: &mut Bus,
        va: VirtAddr,
        access: Access,
        width: Width,
    ) -> Result<(PhysAddr, RamOffset), Exception> {
        if is_misaligned(va, width) {
            return Err(Exception::AccessFault(access, va));
        }
        self.translate_ram(bus, va, access, width.bytes())
    }

    /// `lr`: loads `width` bytes at `va`, zero-extended, and names the physical address to reserve.
    ///
    /// # Errors
    /// Page fault, or access fault also for misaligned addresses and devices.
    pub fn load_reserved(
        &mut self,
        bus: &mut Bus,
        va: VirtAddr,
        width: Width,
    ) -> Result<(u64, PhysAddr), Exception> {
        let (at, offset) = self.translate_atomic(bus, va, Access::Load, width)?;
        Ok((bus.ram.load(offset, width), at))
    }

    /// `sc`: stores if `reservation` is the physical address of `va`, and says whether it did. The
    /// caller drops the reservation either way.
    ///
    /// # Errors
    /// As for a store of the kind of [`load_reserved`](Self::load_reserved), whether or not the
    /// reservation holds.
    pub fn store_conditional(
        &mut self,
        bus: &mut Bus,
        va: VirtAddr,
        width: Width,
        value: u64,
        reservation: Option<PhysAddr>,
    ) -> Result<bool, Exception> {
        let (at, offset) = self.translate_atomic(bus, va, Access::Store, width)?;
        let stored = reservation == Some(at);
        if stored {
            bus.ram.store(offset, width, value);
        }
        Ok(stored)
    }

    /// Atomic memory operation: replaces the value at `va` by `f` of it (its low `width` bytes;
    /// the argument is zero-extended), and returns the old one, zero-extended.
    ///
    /// # Errors
    /// As for a store of the kind of [`load_reserved`](Self::load_reserved).
    pub fn amo(
        &mut self,
        bus: &mut Bus,
        va: VirtAddr,
        width: Width,
        f: impl FnOnce(u64) -> u64,
    ) -> Result<u64, Exception> {
        let (_, offset) = self.translate_atomic(bus, va, Access::Store, width)?;
        let old = bus.ram.load(offset, width);
        bus.ram.store(offset, width, f(old));
        Ok(old)
    }

    /// `cbo.zero`: clears the block that holds `va`.
    ///
    /// # Errors
    /// Page fault or access fault for a store at the start of the block.
    pub fn zero_block(&mut self, bus: &mut Bus, va: VirtAddr) -> Result<(), Exception> {
        let block = VirtAddr(va.0 & !(BLOCK_SIZE_BYTES - 1));
        let (_, offset) = self.translate_ram(bus, block, Access::Store, BLOCK_SIZE_BYTES)?;
        bus.ram.zero(offset, BLOCK_SIZE_BYTES);
        Ok(())
    }

    /// `cbo.clean`, `cbo.flush` and `cbo.inval`: checks that `access` may be made at `va`. There
    /// are no caches, so nothing else remains to be done.
    ///
    /// # Errors
    /// Page fault or access fault at `va`, for a store whatever `access` is.
    ///
    /// Source: Unprivileged ISA, "Cache-Block Management Instructions".
    pub fn check_block(
        &mut self,
        bus: &mut Bus,
        va: VirtAddr,
        access: Access,
    ) -> Result<(), Exception> {
        match self.translate_ram(bus, va, access, 1) {
            Ok(_) => Ok(()),
            Err(Exception::PageFault(_, at)) => Err(Exception::PageFault(Access::Store, at)),
            Err(Exception::AccessFault(_, at)) => Err(Exception::AccessFault(Access::Store, at)),
            Err(other) => Err(other),
        }
    }

    /// The physical address of the halfword of code at `va`, which must be even. Code is in RAM.
    ///
    /// # Errors
    /// Page fault or access fault for a fetch at `va`.
    pub fn fetch(&mut self, bus: &mut Bus, va: VirtAddr) -> Result<PhysAddr, Exception> {
        Ok(self.translate_ram(bus, va, Access::Fetch, Width::Half.bytes())?.0)
    }
}

/// Whether an access reaches into the next base page.
fn crosses(va: VirtAddr, width: Width) -> bool {
    va.page_offset() + width.bytes() > PAGE_SIZE_BYTES
}

fn is_misaligned(va: VirtAddr, width: Width) -> bool {
    va.0 & (width.bytes() - 1) != 0
}

#[cfg(test)]
mod tests;
