//! [`List`]: the frames that are idle: their cells could do without them. Linked through the
//! frames' entries, first in, first out.
//!
//! A frame is on a list if and only if its cell is resident, no PTE maps it and nobody has pinned
//! it; on which one its cell's slot decides. [`Memory`](super::super::Memory) sees to that.

use super::meta::{FrameMeta, INNER, LISTED, NOBODY};
use super::{Frames, Kind, Ppn};

/// Which list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// The content is nowhere else: it has to be written before the frame is taken.
    Modified,
    /// A slot, or a file, has the content: the frame may be taken at once.
    Standby,
    /// A page of a file, which has to write the content before the frame is taken.
    Changed,
}

impl List {
    /// All.
    pub const ALL: [Self; 3] = [Self::Modified, Self::Standby, Self::Changed];

    /// What stands in the entries of frames on it instead of an order.
    const fn tag(self) -> u8 {
        LISTED - self as u8
    }
}

/// The ends of the lists.
#[derive(Clone, Debug)]
pub(super) struct Lists {
    heads: [u32; List::ALL.len()],
    tails: [u32; List::ALL.len()],
    lengths: [u32; List::ALL.len()],
}

impl Lists {
    pub(super) const fn new() -> Self {
        Self { heads: [NOBODY; 3], tails: [NOBODY; 3], lengths: [0; 3] }
    }

    /// What is first on a list.
    pub(super) fn head(&self, list: List) -> u32 {
        self.heads[list as usize]
    }

    /// What is last on a list.
    pub(super) fn tail(&self, list: List) -> u32 {
        self.tails[list as usize]
    }
}

impl FrameMeta {
    /// The list that it is on.
    #[inline]
    pub(super) fn list(&self) -> Option<List> {
        List::ALL.into_iter().find(|list| list.tag() == self.order)
    }

    #[cold]
    #[inline(never)]
    fn listed_twice(&self) -> ! {
        panic!("frame listed twice: {self:?}");
    }
}

impl Frames {
    /// The kinds of frames that cells have.
    pub(in crate::mm) const CELLS: [Kind; 2] = [Kind::Anon, Kind::Object];

    /// How many frames are on a list.
    pub fn listed(&self, list: List) -> u64 {
        self.lists.lengths[list as usize].into()
    }

    /// The list that the frame is on.
    pub fn list_of(&self, frame: Ppn) -> Option<List> {
        self.meta(frame)?.list()
    }

    /// The frame that has been on the list for longest.
    pub(in crate::mm) fn first_of(&self, list: List) -> Option<Ppn> {
        match self.lists.head(list) {
            NOBODY => None,
            index => Some(self.ppn(index)),
        }
    }

    /// The frame behind this one on its list.
    pub(in crate::mm) fn next_listed(&self, frame: Ppn) -> Option<Ppn> {
        let meta = self.meta(frame).filter(|meta| meta.is_listed())?;
        (meta.link != NOBODY).then(|| self.ppn(meta.link))
    }

    /// Puts a frame that is on none at the end of the list.
    #[inline]
    pub(in crate::mm) fn enlist(&mut self, frame: Ppn, list: List) {
        let index = self.index(frame);
        let tail = core::mem::replace(&mut self.lists.tails[list as usize], index);
        let meta = &mut self.meta[index as usize];
        if meta.is_listed() {
            meta.listed_twice();
        }
        (meta.order, meta.link, meta.back) = (list.tag(), NOBODY, tail);
        match tail {
            NOBODY => self.lists.heads[list as usize] = index,
            tail => self.meta[tail as usize].link = index,
        }
        self.lists.lengths[list as usize] += 1;
    }

    /// Takes a frame from the list that it is on, if it is on one.
    #[inline]
    pub(in crate::mm) fn delist(&mut self, frame: Ppn) {
        let index = self.index(frame);
        if self.meta[index as usize].is_listed() {
            self.unlink_listed(index);
        }
    }

    fn unlink_listed(&mut self, index: u32) {
        let meta = &mut self.meta[index as usize];
        let Some(list) = meta.list() else { return };
        let (next, back) = (meta.link, meta.back);
        meta.order = INNER;
        match back {
            NOBODY => self.lists.heads[list as usize] = next,
            back => self.meta[back as usize].link = next,
        }
        match next {
            NOBODY => self.lists.tails[list as usize] = back,
            next => self.meta[next as usize].back = back,
        }
        self.lists.lengths[list as usize] -= 1;
    }
}
