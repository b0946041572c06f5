//! [`Pages`]: the pages of an object, by number: a file's in memory, a shared segment's.
//!
//! A page that is not there is a hole and costs nothing (`object/tree.rs`). The frames belong to
//! [`Owner::Object`]; those that processes still map when the object lets go of them become
//! [`Owner::Orphan`] and end with their last mapping.

mod tree;

use core::ops::{Range, RangeInclusive};

use self::tree::Tree;
use super::{Class, Machine, ObjectAccess, Owner, PageError};
use crate::pte::Ppn;

/// Pages by number. Its owner holds a lock while it calls, and lets go of all pages before it
/// drops this.
#[derive(Debug, Default)]
pub struct Pages {
    frames: Tree,
}

impl Pages {
    /// Page `index`, mapped once more, as [`Machine::object_page`] wants it.
    ///
    /// # Errors
    /// Never [`PageError::BeyondEnd`]: whoever owns this knows the size.
    pub fn map_page(
        &mut self,
        machine: &impl Machine,
        index: u64,
        access: ObjectAccess,
    ) -> Result<Ppn, PageError> {
        let frame = match (self.page(index), access) {
            (Some(frame), _) => frame,
            (None, ObjectAccess::IfPresent) => return Err(PageError::Absent),
            (None, ObjectAccess::Read | ObjectAccess::Write) => self.new_page(machine, index)?,
        };
        machine.memory(|memory| memory.frames.map(frame));
        Ok(frame)
    }

    /// Page `index` if it is there, for reading and writing its content under the owner's lock.
    pub fn page(&self, index: u64) -> Option<Ppn> {
        self.frames.get(index)
    }

    /// Page `index`, made of zeros if it is not there.
    ///
    /// # Errors
    /// [`PageError::OutOfMemory`].
    pub fn page_or_new(&mut self, machine: &impl Machine, index: u64) -> Result<Ppn, PageError> {
        self.page(index).map_or_else(|| self.new_page(machine, index), Ok)
    }

    /// Takes a frame that is the caller's (owner Kernel) as page `index`, which is a hole.
    ///
    /// # Errors
    /// [`PageError::OutOfMemory`]; the frame remains the caller's.
    pub fn adopt(
        &mut self,
        machine: &impl Machine,
        index: u64,
        frame: Ppn,
    ) -> Result<(), PageError> {
        self.frames.insert(index, frame).map_err(|_| PageError::OutOfMemory)?;
        machine.memory(|memory| {
            let owner = memory.frames.owner(frame);
            assert!(owner == Owner::Kernel, "{owner:?} frame adopted");
            memory.frames.set_owner(frame, Owner::Object);
        });
        Ok(())
    }

    /// Lets go of the pages from `first` on.
    pub fn truncate(&mut self, machine: &impl Machine, first: u64) {
        self.remove(machine, first..=u64::MAX);
    }

    /// Lets go of these pages, which are holes then.
    pub fn punch(&mut self, machine: &impl Machine, pages: Range<u64>) {
        if !pages.is_empty() {
            self.remove(machine, pages.start..=pages.end - 1);
        }
    }

    fn remove(&mut self, machine: &impl Machine, pages: RangeInclusive<u64>) {
        self.frames.remove(pages, &mut |frame| {
            machine.memory(|memory| match memory.frames.mapped(frame) {
                0 => memory.frames.free(frame),
                _ => memory.frames.set_owner(frame, Owner::Orphan),
            });
        });
    }

    /// How many pages are there.
    pub fn count(&self) -> u64 {
        self.frames.count()
    }

    /// Calls `visit` with number and frame of each page that is there, upwards.
    pub fn for_each(&self, visit: &mut dyn FnMut(u64, Ppn)) {
        self.frames.for_each(visit);
    }

    fn new_page(&mut self, machine: &impl Machine, index: u64) -> Result<Ppn, PageError> {
        let frame = machine.memory(|memory| memory.frames.alloc(Class::User, Owner::Kernel));
        let frame = frame.map_err(|_| PageError::OutOfMemory)?;
        machine.zero(frame);
        let adopted = self.adopt(machine, index, frame);
        adopted.inspect_err(|_| machine.memory(|memory| memory.frames.free(frame)))?;
        Ok(frame)
    }
}

#[cfg(test)]
mod tests;
