//! brk: the heap behind the program's data, to the byte.

use super::{
    AtFork, Backing, Charge, Errno, Machine, PAGE_SIZE_BYTES, PageRange, Prot, Purpose, Sharing,
    Space, Vma, Vpn,
};
use crate::mm::addr::USER_END;

/// Where the heap is; its areas are whole pages.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heap {
    start: u64,
    end: u64,
}

/// First page that lies wholly behind `address`.
fn page_behind(address: u64) -> Vpn {
    Vpn(address.div_ceil(PAGE_SIZE_BYTES))
}

impl<M: Machine> Space<M> {
    /// Where the heap begins; exec sets it once.
    pub fn place_break(&mut self, start: u64) {
        self.heap = Heap { start, end: start };
    }

    /// Where the heap begins and ends (the program break), in bytes.
    pub fn heap(&self) -> (u64, u64) {
        (self.heap.start, self.heap.end)
    }

    /// brk: the break as it is afterwards; unchanged where the wish cannot be met.
    pub fn set_break(&mut self, machine: &M, wanted: u64) -> u64 {
        if self.heap.start <= wanted
            && wanted <= USER_END
            && self.move_break(machine, wanted).is_ok()
        {
            self.heap.end = wanted;
        }
        self.settle(machine);
        self.heap.end
    }

    fn move_break(&mut self, machine: &M, wanted: u64) -> Result<(), Errno> {
        if wanted - self.heap.start > self.limits.data_bytes {
            return Err(Errno::ENOMEM);
        }
        let (old, new) = (page_behind(self.heap.end), page_behind(wanted));
        if new < old {
            return self.unmap_pages(machine, PageRange::new(new, old));
        }
        if new == old {
            return Ok(());
        }
        // A page stays free between the heap and what is above it.
        let distance = PageRange::new(old, new.add(1));
        if new >= Vpn::USER_END || !self.vmas.is_free(distance) {
            return Err(Errno::ENOMEM);
        }
        let vma = Vma {
            pages: PageRange::new(old, new),
            prot: Prot::READ_WRITE,
            max_prot: Prot::ALL,
            sharing: Sharing::Private,
            backing: Backing::Anonymous,
            purpose: Purpose::Heap,
            charge: Charge::Charged,
            at_fork: AtFork::Keep,
        };
        if self.vmas.count() > self.limits.areas || !self.may_grow(vma.pages.pages(), &vma) {
            return Err(Errno::ENOMEM);
        }
        self.commit_like(machine, vma.pages.pages(), &vma)?;
        self.vmas.insert(vma)?;
        self.note_pages();
        Ok(())
    }
}
