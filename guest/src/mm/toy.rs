//! [`ToyMachine`]: a [`Machine`] for tests. Its harts keep every translation, pointers to tables
//! included, until a fence of the right reach makes them forget it; its frames begin with rubbish;
//! its allocations fail when told to. Whoever reaches a frame that is nobody's is caught.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::cells::{self, Cells};
use super::commit::{Asker, Ledger, Overcommit, Policy};
use super::frames::{Class, FrameMeta, Frames, Owner};
use super::{Machine, Memory, ObjectAccess, OutOfMemory, PageError, PageRange, Reach, SlotId, Vpn};
use crate::pte::{Flags, Ppn, Pte};
use crate::table::{FrameMemory, PageTable};
use crate::walk::{Access, Finding, Walk, WalkOptions};
use crate::{ENTRIES, LEVELS, PAGE_SIZE_BYTES, leaf_size_bytes};

mod disk;
mod object;

pub(crate) use object::ToyObject;

/// First frame of RAM.
pub(crate) const FIRST: Ppn = Ppn(0x8_0000);
/// What is in a frame that nobody has written.
const RUBBISH: u64 = 0xdead_beef_dead_beef;
/// Root entries of the kernel's half that are in use: a gigapage each.
const KERNEL_ENTRIES: [usize; 2] = [258, 510];

/// Who sets A and D.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdUpdate {
    /// Software, in a page fault.
    Svade,
    /// The hart.
    Svadu,
}

/// What machine it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ToyOptions {
    /// Frames besides those that the machine takes itself.
    pub(crate) frames: usize,
    /// How many cells may live at once.
    pub(crate) cells: usize,
    /// How many harts.
    pub(crate) harts: usize,
    /// Who sets A and D.
    pub(crate) ad: AdUpdate,
    /// Whether harts also keep entries that are invalid.
    pub(crate) keeps_invalid: bool,
    /// Pages of a swap area, its header among them; 0: there is none.
    pub(crate) swap_pages: usize,
}

impl Default for ToyOptions {
    fn default() -> Self {
        Self {
            frames: 64,
            cells: 64,
            harts: 1,
            ad: AdUpdate::Svade,
            keeps_invalid: false,
            swap_pages: 0,
        }
    }
}

/// Why an access did not happen: a page fault of this kind at this address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ToyFault {
    pub(crate) va: u64,
    pub(crate) access: Access,
}

/// Names an address space to the TLBs.
type Asid = usize;
/// An entry of a table.
type Place = (Ppn, usize);

/// An entry as a hart remembers it.
#[derive(Clone, Copy, Debug)]
struct Cached {
    pte: Pte,
    /// The pages that are translated through it.
    pages: PageRange,
    is_pointer: bool,
}

#[derive(Debug, Default)]
struct Hart {
    tlb: BTreeMap<(Asid, Place), Cached>,
}

#[derive(Debug)]
struct Shared {
    options: ToyOptions,
    memory: RefCell<Memory>,
    ram: RefCell<Vec<[u64; ENTRIES]>>,
    harts: RefCell<Vec<Hart>>,
    kernel_root: Ppn,
    asids: Cell<Asid>,
    ledger: Ledger,
    /// What may be promised; `None`: anything.
    limit_pages: Cell<Option<u64>>,
    fences: Cell<u64>,
    /// What is in slots.
    disk: RefCell<BTreeMap<SlotId, disk::Page>>,
    transfers: RefCell<Vec<disk::Transfer>>,
}

/// A machine as one address space sees it: fences are of this space. [`sibling`](Self::sibling)
/// is the same machine for another one.
#[derive(Debug)]
pub(crate) struct ToyMachine {
    shared: Rc<Shared>,
    asid: Asid,
    hart: Cell<usize>,
}

impl ToyMachine {
    pub(crate) fn new(options: ToyOptions) -> Self {
        // One for zeros and one for the kernel's root.
        let total = options.frames + 2;
        let mut frames = Frames::new(FIRST, vec![FrameMeta::RESERVED; total].leak());
        frames.donate(FIRST..Ppn(FIRST.0 + total as u64));
        frames.set_min_free_kbytes(0);
        let cells = Cells::new(vec![cells::Cell::DEAD; options.cells].leak());
        let mut memory = Memory::new(frames, cells).expect("frames");
        let kernel_root = memory.frames.alloc(Class::Kernel, Owner::Table).expect("frames");
        let harts = (0..options.harts).map(|_| Hart::default()).collect();
        let machine = Self {
            shared: Rc::new(Shared {
                options,
                memory: RefCell::new(memory),
                ram: RefCell::new(vec![[RUBBISH; ENTRIES]; total]),
                harts: RefCell::new(harts),
                kernel_root,
                asids: Cell::new(1),
                ledger: Ledger::new(),
                limit_pages: Cell::new(None),
                fences: Cell::new(0),
                disk: RefCell::default(),
                transfers: RefCell::default(),
            }),
            asid: 0,
            hart: Cell::new(0),
        };
        machine.fill(machine.memory(|memory| memory.zero_frame()), 0);
        machine.fill(kernel_root, 0);
        if options.swap_pages > 0 {
            machine.add_swap(options.swap_pages);
        }
        let flags = Flags::V | Flags::R | Flags::W | Flags::G | Flags::A | Flags::D;
        for index in KERNEL_ENTRIES {
            machine.swap_pte(kernel_root, index, Pte::new(Ppn((index as u64) << 18), flags));
        }
        machine
    }

    /// The same machine for another address space.
    pub(crate) fn sibling(&self) -> Self {
        let asid = self.shared.asids.get();
        self.shared.asids.set(asid + 1);
        Self { shared: Rc::clone(&self.shared), asid, hart: Cell::new(self.hart.get()) }
    }

    /// The table whose upper half every space has.
    pub(crate) fn kernel_root(&self) -> Ppn {
        self.shared.kernel_root
    }

    /// Accesses through this handle are this hart's from now on.
    pub(crate) fn on_hart(&self, hart: usize) {
        assert!(hart < self.shared.options.harts);
        self.hart.set(hart);
    }

    /// Pages that are promised to all spaces.
    pub(crate) fn committed_pages(&self) -> u64 {
        self.shared.ledger.pages()
    }

    /// From now on fewer pages than these are promised; `None`: as many as anybody wants.
    pub(crate) fn limit_promises(&self, pages: Option<u64>) {
        self.shared.limit_pages.set(pages);
    }

    /// How many fences there have been, of all spaces.
    pub(crate) fn fences(&self) -> u64 {
        self.shared.fences.get()
    }

    /// The `nth` allocation of a frame from now fails, 1 being the next; `None`: none does.
    pub(crate) fn fail_nth(&self, nth: Option<u64>) {
        self.memory(|memory| memory.frames.fail_nth(nth));
    }

    /// Whether the failure asked for has not happened yet.
    pub(crate) fn failure_is_due(&self) -> bool {
        self.memory(|memory| memory.frames.failure_is_due())
    }

    /// A load in U-mode of the aligned doubleword at `va`.
    pub(crate) fn load(&self, root: Ppn, va: u64) -> Result<u64, ToyFault> {
        let (frame, word) = self.translate(root, va, Access::Load)?;
        Ok(self.shared.ram.borrow()[Self::ram_index(frame)][word])
    }

    /// A store in U-mode of the aligned doubleword at `va`.
    pub(crate) fn store(&self, root: Ppn, va: u64, value: u64) -> Result<(), ToyFault> {
        let (frame, word) = self.translate(root, va, Access::Store)?;
        let owner = self.memory(|memory| memory.frames.owner(frame));
        assert!(owner != Owner::Zero, "{va:#x} is stored in the page of zeros");
        self.shared.ram.borrow_mut()[Self::ram_index(frame)][word] = value;
        Ok(())
    }

    /// A fetch in U-mode of the aligned doubleword at `va`.
    pub(crate) fn fetch(&self, root: Ppn, va: u64) -> Result<u64, ToyFault> {
        let (frame, word) = self.translate(root, va, Access::Fetch)?;
        Ok(self.shared.ram.borrow()[Self::ram_index(frame)][word])
    }

    /// A doubleword of a frame, past all translation.
    pub(crate) fn peek(&self, frame: Ppn, word: usize) -> u64 {
        self.shared.ram.borrow()[Self::ram_index(frame)][word]
    }

    /// Writes a doubleword of a frame, past all translation.
    pub(crate) fn poke(&self, frame: Ppn, word: usize, value: u64) {
        self.shared.ram.borrow_mut()[Self::ram_index(frame)][word] = value;
    }

    /// `sfence.vma` of one page on this hart alone, as after a fault that turns out spurious.
    pub(crate) fn fence_here(&self, page: Vpn) {
        let hart = &mut self.shared.harts.borrow_mut()[self.hart.get()];
        let kept = |cached: &Cached| cached.is_pointer || !cached.pages.contains(page);
        hart.tlb.retain(|(asid, _), cached| *asid != self.asid || kept(cached));
    }

    fn translate(&self, root: Ppn, va: u64, access: Access) -> Result<(Ppn, usize), ToyFault> {
        assert!(va.is_multiple_of(8), "{va:#x}");
        let fault = ToyFault { va, access };
        let mut cx = HartView { machine: self, page: Vpn::of(va), level: Cell::new(0) };
        let walk = |cx: &HartView<'_>| {
            cx.level.set(LEVELS);
            let options = WalkOptions { user: true, ..WalkOptions::default() };
            Walk::new(cx, PageTable::at(root), va, access, options)
        };
        let mut found = walk(&cx);
        if self.shared.options.ad == AdUpdate::Svadu {
            let last = found.steps().last().copied().ok_or(fault)?;
            if let Finding::Needs(bit @ (Flags::A | Flags::D)) = last.finding {
                // The hart sets the bit in memory, where the entry may have changed.
                let fresh = self.pte(last.table, last.index);
                if fresh.with_flags(fresh.flags() | Flags::A | Flags::D)
                    == last.pte.with_flags(last.pte.flags() | Flags::A | Flags::D)
                {
                    let dirty = if access == Access::Store { Flags::D } else { Flags::NONE };
                    let flags = fresh.flags() | bit | Flags::A | dirty;
                    self.swap_pte(last.table, last.index, fresh.with_flags(flags));
                }
                cx.write_pte(last.table, last.index, self.pte(last.table, last.index));
                found = walk(&cx);
            }
        }
        let Some(Finding::Grants(pa)) = found.finding() else { return Err(fault) };
        let frame = Ppn::of(pa);
        let owner = self.memory(|memory| memory.frames.owner(frame));
        assert!(owner.kind().is_mappable(), "{va:#x} reaches {frame:?}, which is {owner:?}");
        Ok((frame, (pa % PAGE_SIZE_BYTES) as usize / 8))
    }

    fn ram_index(frame: Ppn) -> usize {
        (frame.0 - FIRST.0) as usize
    }

    fn fill(&self, frame: Ppn, value: u64) {
        self.shared.ram.borrow_mut()[Self::ram_index(frame)] = [value; ENTRIES];
    }

    fn assert_unlocked(&self) {
        assert!(self.shared.memory.try_borrow_mut().is_ok(), "within memory()");
    }

    fn assert_unmapped(&self, frame: Ppn) {
        self.memory(|memory| {
            let owner = memory.frames.owner(frame);
            assert!(owner != Owner::Free && owner != Owner::Zero, "{owner:?} {frame:?} written");
            // The entry that it is made for may be counted already.
            assert!(memory.frames.mapped(frame) <= 1, "{frame:?} is written while mapped");
        });
    }
}

/// Tables as the current hart sees them, through what it remembers.
struct HartView<'a> {
    machine: &'a ToyMachine,
    /// For which page they are read.
    page: Vpn,
    /// Level of the entry that was read last.
    level: Cell<usize>,
}

impl HartView<'_> {
    fn remember(&self, table: Ppn, index: usize, pte: Pte) {
        let span = leaf_size_bytes(self.level.get()) / PAGE_SIZE_BYTES;
        let pages = PageRange::sized(Vpn(self.page.0 & !(span - 1)), span);
        let is_pointer = pte.is_valid() && !pte.is_leaf();
        let key = (self.machine.asid, (table, index));
        let hart = &mut self.machine.shared.harts.borrow_mut()[self.machine.hart.get()];
        hart.tlb.insert(key, Cached { pte, pages, is_pointer });
    }
}

impl FrameMemory for HartView<'_> {
    fn read_pte(&self, table: Ppn, index: usize) -> Pte {
        self.level.set(self.level.get() - 1);
        let machine = self.machine;
        let key = (machine.asid, (table, index));
        let harts = &machine.shared.harts;
        let cached = harts.borrow()[machine.hart.get()].tlb.get(&key).copied();
        if let Some(cached) = cached {
            return cached.pte;
        }
        let owner = machine.memory(|memory| memory.frames.owner(table));
        assert!(owner == Owner::Table, "{table:?} is walked as a table, but is {owner:?}");
        let pte = machine.pte(table, index);
        if pte.is_valid() || machine.shared.options.keeps_invalid {
            self.remember(table, index, pte);
        }
        pte
    }

    /// Only what the hart remembers of the entry, which is the one read last.
    fn write_pte(&mut self, table: Ppn, index: usize, pte: Pte) {
        self.remember(table, index, pte);
    }
}

impl Machine for ToyMachine {
    type Object = ToyObject;

    fn memory<R>(&self, f: impl FnOnce(&mut Memory) -> R) -> R {
        f(&mut self.shared.memory.borrow_mut())
    }

    fn commit(&self, pages: u64, own_pages: u64) -> Result<(), OutOfMemory> {
        let limit = self.shared.limit_pages.get();
        let policy = Policy {
            overcommit: limit.map_or(Overcommit::Always, |_| Overcommit::Never),
            ram_pages: self.shared.options.frames as u64,
            limit_pages: limit.unwrap_or(0),
            admin_reserve_pages: 0,
            user_reserve_pages: 0,
        };
        self.shared.ledger.commit(pages, &policy, Asker { pages: own_pages, is_privileged: true })
    }

    fn uncommit(&self, pages: u64) {
        self.shared.ledger.uncommit(pages);
    }

    fn pte(&self, table: Ppn, index: usize) -> Pte {
        Pte(self.peek(table, index))
    }

    fn swap_pte(&self, table: Ppn, index: usize, pte: Pte) -> Pte {
        let old = self.pte(table, index);
        self.poke(table, index, pte.0);
        old
    }

    fn exchange_pte(&self, table: Ppn, index: usize, old: Pte, new: Pte) -> Result<(), Pte> {
        let found = self.pte(table, index);
        if found != old {
            return Err(found);
        }
        self.poke(table, index, new.0);
        Ok(())
    }

    fn zero(&self, frame: Ppn) {
        self.assert_unlocked();
        self.assert_unmapped(frame);
        self.fill(frame, 0);
    }

    fn copy(&self, from: Ppn, to: Ppn) {
        self.assert_unlocked();
        self.assert_unmapped(to);
        let mut ram = self.shared.ram.borrow_mut();
        ram[Self::ram_index(to)] = ram[Self::ram_index(from)];
    }

    fn object_page(
        &self,
        object: &ToyObject,
        index: u64,
        access: ObjectAccess,
    ) -> Result<Ppn, PageError> {
        self.assert_unlocked();
        object.page(self, index, access)
    }

    fn object_pages(&self, object: &ToyObject, first: u64, frames: &mut [Option<Ppn>]) {
        self.assert_unlocked();
        object.present(self, first, frames);
    }

    fn fence(&self, reach: Reach) {
        self.assert_unlocked();
        self.shared.fences.set(self.shared.fences.get() + 1);
        for hart in self.shared.harts.borrow_mut().iter_mut() {
            hart.tlb.retain(|(asid, _), cached| {
                *asid != self.asid
                    || match reach {
                        Reach::Space => false,
                        Reach::Pages(pages) => {
                            cached.is_pointer || cached.pages.intersection(pages).is_none()
                        }
                    }
            });
        }
    }

    fn refresh(&self, page: Vpn) {
        self.fence_here(page);
    }
}

#[cfg(test)]
mod tests;
