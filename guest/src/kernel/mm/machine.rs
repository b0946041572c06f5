//! [`HereMachine`]: this machine, as `guest::mm` sees it on behalf of one address space: the books,
//! the direct map, and which harts may have entries of the space in their TLBs.
//!
//! What harts remember of which space is `guest::mm::asid`'s; here is what they do about it.

use core::sync::atomic::{AtomicU16, Ordering};

use guest::mm::asid::{Asids, Context, Fence, Flush};
use guest::mm::counters::Event;
use guest::mm::{Machine, Memory, ObjectAccess, OutOfMemory, PageError, Reach, Vpn};
use guest::{Flags, Ppn, Pte};

use super::{Object, books, boot, commit, direct};
use crate::arch::hart::{self, HartMask, MAX_HARTS};
use crate::arch::tlb;
use crate::sync::SpinLock;

/// The numbers of address spaces; made when the first one is turned on. Contexts are only used
/// with this locked.
static ASIDS: SpinLock<Option<Asids>> = SpinLock::new(None);

fn with_asids<R>(f: impl FnOnce(&mut Asids) -> R) -> R {
    let mut asids = ASIDS.lock();
    f(asids.get_or_insert_with(|| Asids::new(tlb::asid_bits(), MAX_HARTS)))
}

/// This machine, for one address space.
#[derive(Debug)]
pub(crate) struct HereMachine {
    /// `None` until a hart runs in the space, and for good where there is no space.
    context: SpinLock<Option<Context>>,
    /// What `satp` calls the space on the harts that run in it.
    asid: AtomicU16,
}

impl HereMachine {
    /// For a space that no hart knows of.
    pub(super) const fn new() -> Self {
        Self { context: SpinLock::new(None), asid: AtomicU16::new(0) }
    }

    /// Turns the space with this root on, on this hart; interrupts are off.
    pub(super) fn activate(&self, root: Ppn) {
        let hart = hart::index();
        let switch =
            with_asids(|asids| asids.switch(hart, self.context.lock().get_or_insert_default()));
        self.asid.store(switch.asid, Ordering::Relaxed);
        tlb::set_satp(switch.asid, root);
        match switch.flush {
            Flush::None => {}
            Flush::Asid(asid) => tlb::fence_asid(HartMask(1 << hart), asid),
            Flush::All => tlb::fence_all_local(),
        }
    }
}

/// The machine for pages that are no address space's: files, shared memory.
pub(crate) fn machine() -> &'static HereMachine {
    static MACHINE: HereMachine = HereMachine::new();
    &MACHINE
}

/// Turns the kernel's own table on, on this hart; interrupts are off.
pub(crate) fn activate_kernel() {
    tlb::set_satp(0, boot::kernel_root());
    with_asids(|asids| asids.leave(hart::index()));
}

impl Machine for HereMachine {
    type Object = Object;

    #[inline]
    fn memory<R>(&self, f: impl FnOnce(&mut Memory) -> R) -> R {
        books::memory(f)
    }

    #[inline]
    fn commit(&self, pages: u64, own_pages: u64) -> Result<(), OutOfMemory> {
        commit::commit(pages, own_pages)
    }

    #[inline]
    fn uncommit(&self, pages: u64) {
        commit::uncommit(pages);
    }

    #[inline]
    fn pte(&self, table: Ppn, index: usize) -> Pte {
        direct::pte(table, index)
    }

    #[inline]
    fn swap_pte(&self, table: Ppn, index: usize, pte: Pte) -> Pte {
        direct::swap_pte(table, index, pte)
    }

    #[inline]
    fn exchange_pte(&self, table: Ppn, index: usize, old: Pte, new: Pte) -> Result<(), Pte> {
        direct::exchange_pte(table, index, old, new)
    }

    #[inline]
    fn clear_pte(&self, table: Ppn, index: usize, bits: Flags) -> Pte {
        direct::clear_pte(table, index, bits)
    }

    fn zero(&self, frame: Ppn) {
        direct::zero(frame);
    }

    fn copy(&self, from: Ppn, to: Ppn) {
        direct::copy(from, to);
    }

    fn object_page(
        &self,
        object: &Object,
        index: u64,
        access: ObjectAccess,
    ) -> Result<Ppn, PageError> {
        object.0.map_page(index, access)
    }

    fn fence(&self, reach: Reach) {
        let fence = with_asids(|asids| self.context.lock().as_mut().map(|own| asids.fence(own)));
        let Some(Fence { asid, harts }) = fence.filter(|fence| fence.harts != 0) else { return };
        match reach {
            Reach::Pages(pages) => tlb::fence_pages(HartMask(harts), asid, pages),
            Reach::Space => tlb::fence_asid(HartMask(harts), asid),
        }
        let harts = u64::from(harts.count_ones());
        books::count(Event::TlbFlush, harts);
        books::count(Event::TlbIpi, harts - 1);
    }

    fn refresh(&self, page: Vpn) {
        tlb::fence_page_local(self.asid.load(Ordering::Relaxed), page);
    }

    fn sync_code(&self) {
        tlb::sync_code();
    }
}
