//! Page faults. `decide.rs` says what is to be done, this does it: at most two short looks into the
//! books, no allocation from the heap, no search but the one for the area. Content is made before
//! an entry shows it, and given up behind the fence that hides it.

use super::decide::{Area, FaultAction, Kind, Source, decide};
use super::sweep::{release, release_frame};
use super::tables::{
    Leaf, NewTables, RIGHTS, RIGHTS_TO_WRITE, Way, rights_to_read, update, user_leaf, walk,
};
use super::{
    Absent, Access, CellId, Class, Counters, Flags, Machine, Memory, ObjectAccess, OutOfMemory,
    PageError, PageRange, Ppn, Pte, Reach, ReadHow, Repair, Space, Trouble, Vma, Vpn,
};
use crate::ENTRIES;
use crate::mm::counters::Event;

/// Pages that are mapped around a fault with one look at their object.
const RUN_PAGES: usize = 16;

impl<M: Machine> Space<M> {
    /// Repairs a fault at `va`. The hart that faulted has forgotten what it had cached of the page
    /// when this returns.
    ///
    /// # Errors
    /// [`Trouble`]; nothing has changed then, but that a stack may have grown.
    pub fn fault(&mut self, machine: &M, va: u64, access: Access) -> Result<Repair, Trouble> {
        let page = Vpn::of(va);
        if page >= Vpn::USER_END {
            return Err(Trouble::NotMapped);
        }
        let (index, grown) = match self.vmas.locate(page) {
            Some(index) => (index, None),
            None => {
                (self.grow_stack(machine, page).ok_or(Trouble::NotMapped)?, Some(Repair::GrowStack))
            }
        };
        let area = self.vmas.at(index).expect("it has just been found");
        let way = walk(machine, self.root, page);
        let fault = Fault {
            machine,
            area,
            counters: &mut self.counters,
            page,
            access,
            way,
            around_pages: self.limits.fault_around_pages,
        };
        let repair = fault.repair(way.entry(machine, page))?;
        self.counters.note_resident();
        Ok(grown.unwrap_or(repair))
    }
}

/// Pages that had to be waited for.
impl<M: Machine> Space<M> {
    /// Repairs a store at `va` that was [`ReadHow::Private`](super::ReadHow::Private) trouble:
    /// `frame`, which is the caller's (owner Kernel) and has the content of `cell`, is mapped
    /// instead of that, if its entry still names it. The caller has
    /// [kept](crate::mm::Memory::keep) the cell since. If the frame cannot be used it is freed.
    ///
    /// # Errors
    /// [`Trouble::OutOfMemory`].
    pub fn fault_with_copy(
        &mut self,
        machine: &M,
        va: u64,
        cell: CellId,
        frame: Ppn,
    ) -> Result<Repair, Trouble> {
        let page = Vpn::of(va);
        let area = self.vmas.find(page).filter(|area| area.prot.write);
        let way = walk(machine, self.root, page);
        let word = cell.absent_pte();
        let wants = area.is_some() && way.entry(machine, page) == word;
        let supply = machine.memory(|memory| {
            let made = if wants { memory.cell_of_frame(frame).map(Some) } else { Ok(None) };
            if !matches!(made, Ok(Some(_))) {
                memory.frames.free(frame);
                return made;
            }
            memory.frames.map(frame);
            memory.counters.count(Event::CowCopied);
            made
        })?;
        let Way::Leaf(table) = way else { return Ok(Repair::Spurious) };
        if supply.is_none() {
            return Ok(Repair::Spurious);
        }
        machine.swap_pte(table, Leaf::index(page), user_leaf(frame, RIGHTS_TO_WRITE));
        machine.refresh(page);
        machine.memory(|memory| release(memory, word));
        self.counters.resident_anon += 1;
        self.counters.note_resident();
        Ok(Repair::CowCopy)
    }
}

/// A fault at work.
struct Fault<'a, M: Machine> {
    machine: &'a M,
    area: &'a Vma<M::Object>,
    counters: &'a mut Counters,
    page: Vpn,
    access: Access,
    way: Way,
    around_pages: u64,
}

/// What the books gave for a repair.
#[derive(Clone, Copy, Debug, Default)]
struct Supply {
    tables: NewTables,
    /// The frame to be mapped, which counts as mapped.
    frame: Ppn,
}

/// A leaf that may be written, but has not been: D is left to the hart, or to a fault.
fn clean_leaf(frame: Ppn) -> Pte {
    let leaf = user_leaf(frame, RIGHTS_TO_WRITE);
    leaf.with_flags(leaf.flags().without(Flags::D))
}

/// A new cell in a frame that counts as mapped; the frame.
fn new_page(memory: &mut Memory, action: FaultAction) -> Result<Ppn, OutOfMemory> {
    let (_, frame) = memory.new_cell(Class::User)?;
    memory.frames.map(frame);
    if action == FaultAction::FillZero {
        memory.counters.count(Event::ZeroFilled);
    }
    Ok(frame)
}

impl Supply {
    /// What `action` takes that maps something where nothing was.
    fn take(memory: &mut Memory, action: FaultAction, way: Way) -> Result<Self, OutOfMemory> {
        let tables = NewTables::take(memory, way)?;
        let frame = if action.makes_cell() {
            match new_page(memory, action) {
                Ok(frame) => frame,
                Err(error) => {
                    tables.give_back(memory);
                    return Err(error);
                }
            }
        } else if action == FaultAction::MapZero {
            let zero = memory.zero_frame();
            memory.frames.map(zero);
            memory.counters.count(Event::ZeroMapped);
            zero
        } else {
            Ppn(0)
        };
        Ok(Self { tables, frame })
    }
}

/// The cell that lives in this frame is about to be written.
#[cold]
#[inline(never)]
fn spoil_in(memory: &mut Memory, frame: Ppn) {
    if let Some(cell) = memory.cell_in(frame) {
        memory.spoil(cell);
    }
}

/// Maps the hidden cell that is in this frame.
#[inline(never)]
fn rescue(memory: &mut Memory, frame: Ppn, action: FaultAction) {
    let cell = memory.cell_in(frame).expect("a hidden cell");
    if action == FaultAction::RescueToWrite {
        memory.spoil(cell);
    }
    memory.show_cell(cell, frame);
}

/// A new cell that is to get the content of one in an idle frame; its frame, which counts as mapped.
/// The other one is pinned until the content has been copied.
#[inline(never)]
fn copy_of_hidden(memory: &mut Memory, source: Ppn) -> Result<Ppn, OutOfMemory> {
    memory.pin(source);
    let frame = new_page(memory, FaultAction::CopyHidden);
    match frame {
        Ok(_) => memory.counters.count(Event::CowCopied),
        Err(OutOfMemory) => memory.unpin(source),
    }
    frame
}

/// How the repair of an entry that holds something goes on, outside the books.
#[derive(Clone, Copy, Debug)]
struct Step {
    action: FaultAction,
    /// The frame to be mapped, which counts as mapped.
    frame: Ppn,
    /// The frame to be copied.
    source: Ppn,
}

impl Step {
    /// Decides, and takes what the decision needs.
    fn take(memory: &mut Memory, area: Area, word: Pte, access: Access) -> Result<Self, Trouble> {
        let kind = Kind::of(memory, word);
        let action = decide(area, kind, access)?;
        let source = match Absent::decode(word) {
            None => word.ppn(),
            Some(Absent::Cell(cell)) => memory.cells.frame(cell).unwrap_or_default(),
            _ => Ppn(0),
        };
        let frame = match action {
            FaultAction::Rescue | FaultAction::RescueClean | FaultAction::RescueToWrite => {
                rescue(memory, source, action);
                source
            }
            FaultAction::Reuse | FaultAction::Touch => {
                if action == FaultAction::Reuse {
                    memory.counters.count(Event::CowReused);
                }
                if access == Access::Store && kind.has_slot() {
                    spoil_in(memory, source);
                }
                Ppn(0)
            }
            FaultAction::CopyHidden => copy_of_hidden(memory, source)?,
            _ if action.makes_cell() => {
                let frame = new_page(memory, action)?;
                if memory.cell_in(source).is_some() {
                    memory.counters.count(Event::CowCopied);
                }
                frame
            }
            _ => Ppn(0),
        };
        Ok(Self { action, frame, source })
    }
}

impl<M: Machine> Fault<'_, M> {
    fn repair(mut self, word: Pte) -> Result<Repair, Trouble> {
        let behind = self.area.object_at(self.page);
        let source = if behind.is_some() { Source::Object } else { Source::Zeros };
        let area = Area { prot: self.area.prot, sharing: self.area.sharing, source };
        if word.0 != 0 {
            let access = self.access;
            let step = self.machine.memory(|memory| Step::take(memory, area, word, access))?;
            return self.change_entry(word, step);
        }
        let action = decide(area, Kind::Empty, self.access)?;
        match behind {
            None => self.fill(action),
            Some((object, index)) => self.map_object(action, object, index),
        }
    }

    /// Maps zeros where nothing is.
    fn fill(&mut self, action: FaultAction) -> Result<Repair, Trouble> {
        let way = self.way;
        let supply = self.machine.memory(|memory| Supply::take(memory, action, way))?;
        if action == FaultAction::MapZero {
            self.counters.zero_mapped += 1;
            self.install(supply, rights_to_read(self.area.prot));
            return Ok(Repair::ZeroPage);
        }
        self.machine.zero(supply.frame);
        self.counters.resident_anon += 1;
        self.install(supply, RIGHTS_TO_WRITE);
        Ok(Repair::ZeroFill)
    }

    /// Maps or copies an object's page where nothing is.
    fn map_object(
        &mut self,
        action: FaultAction,
        object: &M::Object,
        index: u64,
    ) -> Result<Repair, Trouble> {
        let page = self.object_page(action, object, index)?;
        let mut supply = Supply::default();
        if self.way.missing() > 0 || action.makes_cell() {
            let way = self.way;
            supply = self.machine.memory(|memory| {
                let supply = Supply::take(memory, action, way);
                if supply.is_err() {
                    release_frame(memory, Pte::new(page, Flags::V));
                }
                supply
            })?;
        }
        if action == FaultAction::CopyObject {
            self.machine.copy(page, supply.frame);
            self.counters.resident_anon += 1;
            self.install(supply, RIGHTS_TO_WRITE);
            self.machine.memory(|memory| release_frame(memory, Pte::new(page, Flags::V)));
            return Ok(Repair::FileCopy);
        }
        supply.frame = page;
        self.counters.resident_object += 1;
        if action == FaultAction::ShareObject {
            self.install(supply, RIGHTS_TO_WRITE);
            return Ok(Repair::SharedMap);
        }
        self.install(supply, rights_to_read(self.area.prot));
        self.map_around(object);
        Ok(Repair::FileMap)
    }

    /// The object's page, as the action wants it.
    fn object_page(
        &self,
        action: FaultAction,
        object: &M::Object,
        index: u64,
    ) -> Result<Ppn, Trouble> {
        let access = match action {
            FaultAction::ShareObject => ObjectAccess::Write,
            _ => ObjectAccess::Read,
        };
        self.machine.object_page(object, index, access).map_err(|error| match error {
            PageError::OutOfMemory => Trouble::OutOfMemory,
            PageError::Swapped(cell) => Trouble::Swapped { cell, how: ReadHow::Whole },
            PageError::BeyondEnd
            | PageError::Io
            | PageError::Full
            | PageError::AtHome
            | PageError::Absent => Trouble::Bus,
        })
    }

    /// Maps the supply's frame where nothing is.
    fn install(&mut self, supply: Supply, rights: Flags) {
        let table = supply.tables.link(self.machine, self.way, self.page, self.counters);
        self.way = Way::Leaf(table);
        self.show(table, user_leaf(supply.frame, rights));
    }

    /// Makes this the entry, where nothing is mapped.
    #[inline]
    fn show(&self, table: Ppn, leaf: Pte) {
        if leaf.flags().has(Flags::X) {
            self.machine.sync_code();
        }
        self.machine.swap_pte(table, Leaf::index(self.page), leaf);
        self.machine.refresh(self.page);
    }

    /// Maps the pages around the one that was mapped, as far as they are in memory, its leaf table
    /// and its area reach.
    fn map_around(&mut self, object: &M::Object) {
        let Way::Leaf(table) = self.way else { return };
        let pages = self.around_pages.clamp(1, ENTRIES as u64);
        let table_start = self.page.0 & !(ENTRIES as u64 - 1);
        let start = self.page.0 - (self.page.0 - table_start) % pages;
        let end = (start + pages).min(table_start + ENTRIES as u64);
        let window = PageRange::new(Vpn(start), Vpn(end));
        let Some(PageRange { start, end }) = window.intersection(self.area.pages) else { return };
        let rights = rights_to_read(self.area.prot);
        let is_empty = |page: &u64| self.machine.pte(table, Leaf::index(Vpn(*page))).0 == 0;
        let mut at = start.0;
        while at < end.0 {
            let Some((_, index)) = self.area.object_at(Vpn(at)) else { return };
            let run = (at..end.0).take(RUN_PAGES).take_while(is_empty).count();
            let frames = &mut [None; RUN_PAGES][..run];
            if run > 0 {
                self.machine.object_pages(object, index, frames);
            }
            for (page, frame) in (at..).zip(frames) {
                let Some(frame) = *frame else { continue };
                self.counters.resident_object += 1;
                self.machine.swap_pte(table, Leaf::index(Vpn(page)), user_leaf(frame, rights));
            }
            // Behind a run is a page that is mapped.
            at += run.max(1) as u64;
        }
    }

    /// Repairs where the entry holds something.
    fn change_entry(&mut self, word: Pte, step: Step) -> Result<Repair, Trouble> {
        let read = rights_to_read(self.area.prot);
        match step.action {
            FaultAction::Touch => {
                let store = self.access == Access::Store;
                let touched = if store { Flags::A.with(Flags::D) } else { Flags::A };
                self.grant(word, word.flags().with(touched));
                Ok(Repair::Spurious)
            }
            FaultAction::Reuse => {
                self.grant(word, RIGHTS_TO_WRITE.with(Flags::A).with(Flags::D));
                Ok(Repair::CowReuse)
            }
            FaultAction::Flip => {
                self.grant(word, read.with(Flags::A));
                Ok(Repair::Flip)
            }
            FaultAction::Rescue | FaultAction::RescueClean | FaultAction::RescueToWrite => {
                let leaf = match step.action {
                    FaultAction::Rescue => user_leaf(step.frame, read),
                    FaultAction::RescueClean => clean_leaf(step.frame),
                    _ => user_leaf(step.frame, RIGHTS_TO_WRITE),
                };
                let Way::Leaf(table) = self.way else { unreachable!("the entry holds something") };
                self.counters.resident_anon += 1;
                self.show(table, leaf);
                Ok(Repair::Rescue)
            }
            FaultAction::FillZero => {
                self.machine.zero(step.frame);
                self.counters.resident_anon += 1;
                self.replace(step.frame);
                Ok(Repair::ZeroFill)
            }
            FaultAction::CopyMapped | FaultAction::CopyHidden => {
                self.machine.copy(step.source, step.frame);
                if step.action == FaultAction::CopyHidden {
                    self.machine.memory(|memory| memory.unpin(step.source));
                }
                self.counters.resident_anon += 1;
                let objects = self.counters.resident_object;
                self.replace(step.frame);
                let was_object = self.counters.resident_object != objects;
                Ok(if was_object { Repair::FileCopy } else { Repair::CowCopy })
            }
            FaultAction::ShareObject => self.share_object(word),
            FaultAction::MapZero | FaultAction::MapObject | FaultAction::CopyObject => {
                unreachable!("something is there")
            }
        }
    }

    /// Makes an object's page writable that was mapped for reading.
    fn share_object(&mut self, word: Pte) -> Result<Repair, Trouble> {
        let Some((object, index)) = self.area.object_at(self.page) else {
            unreachable!("an object's page is mapped")
        };
        let frame = self.object_page(FaultAction::ShareObject, object, index)?;
        if frame == word.ppn() {
            // It was mapped already: that counts once.
            self.machine.memory(|memory| memory.frames.unmap(frame));
            self.grant(word, RIGHTS_TO_WRITE.with(Flags::A).with(Flags::D));
        } else {
            self.counters.resident_object += 1;
            self.replace(frame);
        }
        Ok(Repair::SharedMap)
    }

    /// Gives the entry these of R, W, X, A and D, but takes neither A nor D from it; fences if it
    /// loses a right.
    fn grant(&mut self, word: Pte, bits: Flags) {
        let Way::Leaf(table) = self.way else { unreachable!("the entry holds something") };
        let index = Leaf::index(self.page);
        let granted = |pte: Pte| {
            let kept = pte.flags().without(RIGHTS);
            pte.with_flags(kept.with(bits))
        };
        let old = update(self.machine, table, index, word, granted);
        if bits.has(Flags::X) && !old.flags().has(Flags::X) {
            self.machine.sync_code();
        }
        if old.flags().has_any(RIGHTS.without(bits)) {
            self.machine.fence(Reach::Pages(PageRange::sized(self.page, 1)));
        } else {
            self.machine.refresh(self.page);
        }
    }

    /// Maps `frame` for writing instead of what the entry holds, and gives that up.
    fn replace(&mut self, frame: Ppn) {
        let Way::Leaf(table) = self.way else { unreachable!("the entry holds something") };
        let new = user_leaf(frame, RIGHTS_TO_WRITE);
        let old = self.machine.swap_pte(table, Leaf::index(self.page), new);
        if old.is_valid() {
            self.machine.fence(Reach::Pages(PageRange::sized(self.page, 1)));
        } else {
            self.machine.refresh(self.page);
        }
        let held = self.machine.memory(|memory| release(memory, old));
        self.counters.lose(held);
    }
}
