//! [`HostEntry`]: what the TLB holds of a page of RAM that loads or stores may reach: unsafe
//! island 2. A hit is one comparison and one addition, which yields the host's address of the byte.
//!
//! An entry is made from a page that its [`Ram`] has confirmed ([`RamPage`]), and is used with that
//! Ram only: `Mmu::attach` drops all entries where another one takes its place, and comes before
//! every run of the engine. Neighbour: `bank.rs` keeps the entries.

use super::bank::{Entry, NO_TAG};
use crate::addr::{PAGE_OFFSET_MASK, VirtAddr, Width};
use crate::bus::ram::{self, Ram, RamHome, RamOffset, RamPage};

/// A page of RAM under its virtual address.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct HostEntry {
    /// Virtual page address.
    tag: u64,
    /// The host's address of the page less `tag`, modulo the host's address space: it points into
    /// RAM once the virtual address of a byte in the page is added.
    to_host: *mut u8,
}

// SAFETY: the pointer is followed by `load` and `store` only, while they borrow the Ram that it
// points into; so whoever owns or borrows that Ram decides which thread may use the entry.
unsafe impl Send for HostEntry {}
// SAFETY: as for Send; an entry has no interior mutability.
unsafe impl Sync for HostEntry {}

impl HostEntry {
    /// Loads `width` bytes at `va`, zero-extended, from `ram`, which the entry must belong to.
    /// `None` where `va` is not in the page, or not a multiple of `width`: one comparison sees both.
    #[inline(always)]
    pub(super) fn load(&self, ram: &Ram, va: VirtAddr, width: Width) -> Option<u64> {
        if self.tag != tag_wanted(va, width) {
            return None;
        }
        let from = self.to_host.wrapping_add(va.0 as usize);
        debug_assert!(ram.holds(from, width), "an entry is used with the RAM that it belongs to");
        // SAFETY: the tag says that `va` lies in the page of the entry, aligned to `width`, so all
        // bytes do; the page is part of `ram` (see the head of this file), which is borrowed, so
        // that it lives and nobody writes to it meanwhile.
        Some(unsafe { ram::read(from, width) })
    }

    /// Stores the low `width` bytes of `value` at `va` in `ram`; otherwise as [`load`](Self::load).
    #[inline(always)]
    pub(super) fn store(
        &self,
        ram: &mut Ram,
        va: VirtAddr,
        width: Width,
        value: u64,
    ) -> Option<()> {
        if self.tag != tag_wanted(va, width) {
            return None;
        }
        let to = self.to_host.wrapping_add(va.0 as usize);
        debug_assert!(ram.holds(to, width), "an entry is used with the RAM that it belongs to");
        // SAFETY: as in `load`; the borrow is exclusive, so nobody reads meanwhile either.
        unsafe { ram::write(to, width, value) }
        Some(())
    }
}

impl Entry for HostEntry {
    const EMPTY: Self = Self { tag: NO_TAG, to_host: std::ptr::null_mut() };

    fn new(va: VirtAddr, page: RamPage) -> Self {
        let tag = va.page_base().0;
        Self { tag, to_host: page.first_byte().wrapping_sub(tag as usize) }
    }

    fn tag(&self) -> u64 {
        self.tag
    }

    #[inline(always)]
    fn forget(&mut self) {
        self.tag = NO_TAG;
    }

    #[inline(always)]
    fn place(&self, va: VirtAddr, home: RamHome) -> RamOffset {
        home.offset_of(self.to_host.wrapping_add(va.0 as usize))
    }
}

/// The tag of the page of `va`, with the bits that must be clear for `width` as they are in `va`.
#[inline(always)]
pub(super) fn tag_wanted(va: VirtAddr, width: Width) -> u64 {
    va.0 & !(PAGE_OFFSET_MASK & !(width.bytes() - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::{PAGE_SIZE_BYTES, PhysAddr};

    const BASE: PhysAddr = PhysAddr(0x8000_0000);
    const WIDTHS: [Width; 4] = [Width::Byte, Width::Half, Width::Word, Width::Double];

    /// RAM of three pages in which every halfword holds its own number.
    fn ram() -> Ram {
        let mut ram = Ram::new(BASE, 3 * PAGE_SIZE_BYTES);
        for half in 0..3 * PAGE_SIZE_BYTES / 2 {
            ram.store(RamOffset(2 * half), Width::Half, half);
        }
        ram
    }

    /// An entry for the second page, and where that begins.
    fn entry(ram: &Ram, va: VirtAddr) -> (HostEntry, u64) {
        let page = ram.page_at(BASE.wrapping_add(PAGE_SIZE_BYTES)).expect("RAM");
        (HostEntry::new(va, page), page.offset().0)
    }

    #[test]
    fn hits_are_aligned_accesses_within_the_page() {
        // At both ends of the address space, and on either side of where its sign changes.
        for page in [0, PAGE_SIZE_BYTES, 1 << 63, (1 << 63) - PAGE_SIZE_BYTES, 1_u64.wrapping_neg()]
        {
            let page = VirtAddr(page).page_base().0;
            let mut ram = ram();
            let (entry, begin) = entry(&ram, VirtAddr(page + 0x123));
            for (width, offset) in
                WIDTHS.into_iter().flat_map(|w| (0..PAGE_SIZE_BYTES).map(move |at| (w, at)))
            {
                let (va, at) = (VirtAddr(page + offset), RamOffset(begin + offset));
                let hits = offset % width.bytes() == 0;
                let there = hits.then(|| ram.load(at, width));
                assert_eq!(entry.load(&ram, va, width), there, "{va} {width:?}");
                let stored = entry.store(&mut ram, va, width, 0xa5a5_5a5a_a5a5_5a5a ^ offset);
                assert_eq!(stored.is_some(), hits, "{va} {width:?}");
                if let Some(old) = there {
                    let now = (0xa5a5_5a5a_a5a5_5a5a ^ offset) & width.mask();
                    assert_eq!(ram.load(at, width), now, "{va} {width:?}");
                    ram.store(at, width, old);
                }
            }
            assert_eq!(
                ram.slice(RamOffset(0), 3 * PAGE_SIZE_BYTES),
                self::ram().slice(RamOffset(0), 3 * PAGE_SIZE_BYTES)
            );
        }
    }

    #[test]
    fn other_pages_miss() {
        let mut ram = ram();
        let (entry, _) = entry(&ram, VirtAddr(0x5000));
        for va in [0, 0x4ff8, 0x6000, 0x5000 | 1 << 63, 0x5000 | 1 << 38, u64::MAX] {
            for width in WIDTHS {
                for entry in [entry, HostEntry::EMPTY] {
                    assert_eq!(entry.load(&ram, VirtAddr(va), width), None, "{va:#x}");
                    assert_eq!(entry.store(&mut ram, VirtAddr(va), width, 0), None, "{va:#x}");
                }
            }
        }
    }
}
