//! [`HereMachine`]: this machine, as `guest::mm` sees it on behalf of one address space: the books,
//! the direct map, and which harts may have entries of the space in their TLBs.
//!
//! What harts remember of which space is `guest::mm::asid`'s; here is what they do about it.

use guest::mm::asid::{Asids, Context, Fence, Flush, Switch};
use guest::mm::{Machine, Memory, ObjectAccess, OutOfMemory, PageError, Reach, Vpn};
use guest::{Flags, Ppn, Pte};

use super::{Object, books, boot, commit, direct};
use crate::arch::hart::{self, HartMask, MAX_HARTS};
use crate::arch::tlb;
use crate::sync::SpinLock;

/// The numbers of address spaces; made when the first one is turned on. Contexts change only with
/// this locked, as does `satp` once tasks run.
static ASIDS: SpinLock<Option<Asids>> = SpinLock::new(None);

#[inline]
fn with_asids<R>(f: impl FnOnce(&mut Asids) -> R) -> R {
    let mut asids = ASIDS.lock();
    f(asids.get_or_insert_with(|| Asids::new(tlb::asid_bits(), MAX_HARTS)))
}

/// This machine, for one address space.
#[derive(Debug)]
pub(crate) struct HereMachine {
    context: Context,
}

impl HereMachine {
    /// For a space that no hart knows of.
    pub(super) const fn new() -> Self {
        Self { context: Context::new() }
    }

    /// Turns the space with this root on, on this hart; interrupts are off.
    pub(super) fn activate(&self, root: Ppn) {
        with_asids(|asids| {
            let Switch { asid, flush } = asids.switch(hart::index(), &self.context);
            if let Flush::Asid(asid) = flush {
                tlb::fence_asid_local(asid);
            }
            tlb::set_satp(asid, root);
            if flush == Flush::All {
                tlb::fence_all_local();
            }
        });
    }
}

/// The machine for pages that are no address space's: files, shared memory.
pub(crate) fn machine() -> &'static HereMachine {
    static MACHINE: HereMachine = HereMachine::new();
    &MACHINE
}

/// Turns the kernel's own table on, on this hart; interrupts are off.
pub(crate) fn activate_kernel() {
    with_asids(|asids| {
        tlb::set_satp(0, boot::kernel_root());
        asids.leave(hart::index());
    });
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

    fn object_pages(&self, object: &Object, first: u64, frames: &mut [Option<Ppn>]) {
        object.0.map_present(first, frames);
    }

    fn fence(&self, reach: Reach) {
        let Fence { asid, harts } = with_asids(|asids| asids.fence(&self.context));
        if harts == 0 {
            return;
        }
        match reach {
            Reach::Pages(pages) => tlb::fence_pages(HartMask(harts), asid, pages),
            Reach::Space => tlb::fence_asid(HartMask(harts), asid),
        }
    }

    fn refresh(&self, page: Vpn) {
        tlb::fence_page_local(self.context.asid(), page);
    }

    fn sync_code(&self) {
        tlb::sync_code();
    }
}
