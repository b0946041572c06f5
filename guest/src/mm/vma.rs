//! [`Vma`]: a range of pages that a process has asked for, and [`VmaMap`], all of them: what
//! `space/` consults at every fault. Pure bookkeeping: no page table is known here.

use super::{PageRange, Vpn};

mod map;
#[cfg(test)]
mod tests;

pub use map::{Totals, VmaMap};

/// What may be done with a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Prot {
    /// Loads.
    pub read: bool,
    /// Stores.
    pub write: bool,
    /// Fetches.
    pub exec: bool,
}

impl Prot {
    /// Nothing.
    pub const NONE: Prot = Prot { read: false, write: false, exec: false };
    /// Loads.
    pub const READ: Prot = Prot { read: true, write: false, exec: false };
    /// Loads and stores.
    pub const READ_WRITE: Prot = Prot { read: true, write: true, exec: false };
    /// Loads and fetches.
    pub const READ_EXEC: Prot = Prot { read: true, write: false, exec: true };
    /// Everything.
    pub const ALL: Prot = Prot { read: true, write: true, exec: true };

    /// Whether nothing may be done.
    pub const fn is_none(self) -> bool {
        !self.read && !self.write && !self.exec
    }

    /// Whether everything that is allowed here is allowed by `most`, too.
    pub const fn within(self, most: Prot) -> bool {
        (!self.read || most.read) && (!self.write || most.write) && (!self.exec || most.exec)
    }

    /// Whether loads are granted. Sv39 reserves writable pages that are not readable, so stores
    /// bring loads with them, as on Linux.
    pub const fn readable(self) -> bool {
        self.read || self.write
    }
}

/// Who sees what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// This process.
    Private,
    /// All who map the object.
    Shared,
}

/// What is in a page that nobody has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backing<O> {
    /// Zeros.
    Anonymous,
    /// The object's page; `first` is the one behind the area's first page.
    Object {
        /// Which.
        object: O,
        /// Number of the object's page behind the first page of the area.
        first: u64,
    },
}

/// Whether the pages of an area count as promised to its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// Not before the area is private and may be written.
    Free,
    /// They do, and as a rule will until they are unmapped: Linux's VM_ACCOUNT.
    Charged,
    /// They never do: Linux's VM_NORESERVE.
    Never,
}

/// What an area is for, as /proc/PID/maps names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// mmap.
    Mapping,
    /// Grows with brk.
    Heap,
    /// Grows down when it is touched.
    Stack,
    /// The page with the return from signal handlers.
    Vdso,
}

/// What becomes of an area in a child that fork makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtFork {
    /// It has it, too.
    #[default]
    Keep,
    /// It has none of it: MADV_DONTFORK.
    Leave,
    /// It has it, with nothing in it: MADV_WIPEONFORK.
    Wipe,
}

/// One area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vma<O> {
    /// Where.
    pub pages: PageRange,
    /// What is allowed.
    pub prot: Prot,
    /// What mprotect may allow at most.
    pub max_prot: Prot,
    /// Who sees what is written.
    pub sharing: Sharing,
    /// What is there.
    pub backing: Backing<O>,
    /// What for.
    pub purpose: Purpose,
    /// Whether that is promised.
    pub charge: Charge,
    /// What becomes of it in a child.
    pub at_fork: AtFork,
}

impl<O> Vma<O> {
    /// The object and the number of its page behind `page`, which is in the area; `None` for
    /// anonymous memory.
    pub fn object_at(&self, page: Vpn) -> Option<(&O, u64)> {
        match &self.backing {
            Backing::Anonymous => None,
            Backing::Object { object, first } => {
                Some((object, first + (page.0 - self.pages.start.0)))
            }
        }
    }

    /// First page that no other area may use unasked: a stack keeps its distance.
    pub fn start_with_gap(&self) -> Vpn {
        match self.purpose {
            Purpose::Stack => Vpn(self.pages.start.0.saturating_sub(Self::STACK_GAP_PAGES)),
            _ => self.pages.start,
        }
    }

    /// Pages that stay free below a stack: a frame larger than a page must not jump into another
    /// area unseen.
    pub const STACK_GAP_PAGES: u64 = 256;
}

impl<O: Clone + PartialEq> Vma<O> {
    /// The same area, only as far as `range`, which is part of it, goes.
    #[must_use]
    pub fn part(&self, range: PageRange) -> Self {
        assert!(self.pages.covers(range), "{range:?} is part of {:?}", self.pages);
        let backing = match &self.backing {
            Backing::Anonymous => Backing::Anonymous,
            Backing::Object { object, first } => Backing::Object {
                object: object.clone(),
                first: first + (range.start.0 - self.pages.start.0),
            },
        };
        Self { pages: range, backing, ..*self }
    }

    /// Whether `next` begins where this one ends and is nothing but its continuation.
    fn continues_in(&self, next: &Self) -> bool {
        let backing = || match (&self.backing, &next.backing) {
            (Backing::Anonymous, Backing::Anonymous) => true,
            (
                Backing::Object { object, first },
                Backing::Object { object: other, first: other_first },
            ) => first + self.pages.pages() == *other_first && object == other,
            _ => false,
        };
        self.pages.end == next.pages.start
            && self.prot == next.prot
            && self.max_prot == next.max_prot
            && self.sharing == next.sharing
            && self.purpose == next.purpose
            && self.charge == next.charge
            && self.at_fork == next.at_fork
            && backing()
    }
}
