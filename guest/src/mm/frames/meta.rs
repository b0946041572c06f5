//! [`FrameMeta`]: what is written down of one frame, in 20 bytes, and the changes of its owner.

use core::num::NonZeroU32;

use super::super::CellId;

/// Whose a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Not RAM, or not ours: firmware, the device tree, holes.
    Reserved,
    /// Nobody's.
    Free,
    /// A page table's.
    Table,
    /// The kernel's: image, heap, stacks, its own books.
    Kernel,
    /// A cell's: anonymous memory.
    Anon(CellId),
    /// A cell's that an object holds or has held: a page of a file or of shared memory.
    Object(CellId),
    /// The one page of zeros.
    Zero,
}

impl Owner {
    /// The kind of owner.
    pub const fn kind(self) -> Kind {
        match self {
            Owner::Reserved => Kind::Reserved,
            Owner::Free => Kind::Free,
            Owner::Table => Kind::Table,
            Owner::Kernel => Kind::Kernel,
            Owner::Anon(_) => Kind::Anon,
            Owner::Object(_) => Kind::Object,
            Owner::Zero => Kind::Zero,
        }
    }

    /// The cell whose it is.
    pub const fn cell(self) -> Option<CellId> {
        match self {
            Owner::Anon(cell) | Owner::Object(cell) => Some(cell),
            _ => None,
        }
    }
}

/// An [`Owner`] without its name: what frames are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// [`Owner::Reserved`].
    Reserved,
    /// [`Owner::Free`].
    Free,
    /// [`Owner::Table`].
    Table,
    /// [`Owner::Kernel`].
    Kernel,
    /// [`Owner::Anon`].
    Anon,
    /// [`Owner::Object`].
    Object,
    /// [`Owner::Zero`].
    Zero,
}

impl Kind {
    /// All kinds, in order.
    pub const ALL: [Kind; 7] = [
        Kind::Reserved,
        Kind::Free,
        Kind::Table,
        Kind::Kernel,
        Kind::Anon,
        Kind::Object,
        Kind::Zero,
    ];

    /// In one word, lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Reserved => "reserved",
            Kind::Free => "free",
            Kind::Table => "table",
            Kind::Kernel => "kernel",
            Kind::Anon => "anon",
            Kind::Object => "object",
            Kind::Zero => "zero",
        }
    }

    /// Whether processes may see such frames.
    pub const fn is_mappable(self) -> bool {
        self as u8 >= Kind::Anon as u8
    }
}

/// Instead of an order: the frame is free and lies within a block.
pub(super) const INNER: u8 = 0xff;
/// Instead of an order: the frame is on the stack of hot ones.
pub(super) const HOT: u8 = 0xfe;
/// Instead of an order: the frame is on the first of the lists of idle ones; on the others with
/// less, down to this.
pub(super) const LISTED: u8 = 0xfd;
const LISTED_LAST: u8 = LISTED + 1 - super::List::ALL.len() as u8;
/// No frame, where an index is expected: the end of a list.
pub(super) const NOBODY: u32 = u32::MAX;

/// What is written down of one frame.
#[derive(Clone, Copy, Debug)]
pub struct FrameMeta {
    pub(super) kind: Kind,
    /// Free: the order of the block that begins here, [`INNER`] or [`HOT`]. A cell's and idle:
    /// [`LISTED`] or less, by which list it is on.
    pub(super) order: u8,
    pub(super) pins: u16,
    pub(super) mapped: u32,
    /// Free, or idle: the next one on its list.
    pub(super) link: u32,
    /// Free and the beginning of a block, or idle: the one before it on its list.
    pub(super) back: u32,
    /// A cell's: the cell.
    pub(super) cell: u32,
}

const _: () = assert!(size_of::<FrameMeta>() == 20);

/// Of frames that are cells'.
const NAMED: &str = "the cell is written down with the kind";

impl FrameMeta {
    /// Of a frame that nobody may have; what storage for entries is filled with.
    pub const RESERVED: Self = Self {
        kind: Kind::Reserved,
        order: INNER,
        pins: 0,
        mapped: 0,
        link: NOBODY,
        back: NOBODY,
        cell: 0,
    };

    /// Whose kind it is.
    #[inline]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// How many PTEs map it.
    #[inline]
    pub const fn mapped(&self) -> u32 {
        self.mapped
    }

    /// Whether somebody has pinned it.
    #[inline]
    pub const fn is_pinned(&self) -> bool {
        self.pins != 0
    }

    /// Whether no PTE maps it and nobody has pinned it.
    #[inline]
    pub const fn is_idle(&self) -> bool {
        self.mapped == 0 && self.pins == 0
    }

    /// The cell that lives in it.
    #[inline]
    pub fn cell(&self) -> Option<CellId> {
        let is_cells = matches!(self.kind, Kind::Anon | Kind::Object);
        NonZeroU32::new(self.cell).filter(|_| is_cells).map(CellId)
    }

    #[inline]
    pub(super) fn owner(&self) -> Owner {
        match self.kind {
            Kind::Reserved => Owner::Reserved,
            Kind::Free => Owner::Free,
            Kind::Table => Owner::Table,
            Kind::Kernel => Owner::Kernel,
            Kind::Anon => Owner::Anon(self.cell().expect(NAMED)),
            Kind::Object => Owner::Object(self.cell().expect(NAMED)),
            Kind::Zero => Owner::Zero,
        }
    }

    /// Whether it is on one of the lists of idle frames.
    #[inline]
    pub(super) fn is_listed(&self) -> bool {
        matches!(self.order, LISTED_LAST..=LISTED)
    }

    /// It is free and gets an owner; the owner's kind.
    #[inline]
    pub(super) fn take(&mut self, owner: Owner) -> Kind {
        assert!(self.kind == Kind::Free, "{:?} frame on the list of free ones", self.kind);
        self.write_owner(owner)
    }

    /// It has an owner and loses it; the owner's kind.
    #[inline]
    pub(super) fn release(&mut self) -> Kind {
        let kind = self.kind;
        if matches!(kind, Kind::Free | Kind::Reserved) || self.mapped != 0 || self.pins != 0 {
            self.freed_in_use();
        }
        debug_assert!(!self.is_listed(), "listed frame freed: {self:?}");
        self.kind = Kind::Free;
        self.order = INNER;
        kind
    }

    #[cold]
    #[inline(never)]
    fn freed_in_use(&self) -> ! {
        panic!("frame freed that is in use, or nobody's: {self:?}");
    }

    /// Its owner changes; the kinds of both.
    #[inline]
    pub(super) fn change_owner(&mut self, owner: Owner) -> (Kind, Kind) {
        let old = self.kind;
        assert!(old != Kind::Free, "free frame given away");
        let new = self.write_owner(owner);
        assert!(self.mapped == 0 || new.is_mappable(), "mapped frame given to {new:?}");
        (old, new)
    }

    #[inline]
    fn write_owner(&mut self, owner: Owner) -> Kind {
        assert!(owner != Owner::Free, "only free() makes frames free");
        if let Owner::Anon(cell) | Owner::Object(cell) = owner {
            self.cell = cell.0.get();
        }
        self.kind = owner.kind();
        self.kind
    }
}

impl Default for FrameMeta {
    fn default() -> Self {
        Self::RESERVED
    }
}
