//! [`FrameMeta`]: what is written down of one frame, in 16 bytes, and the changes of its owner.

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
    /// An object's: a page of a file or of shared memory.
    Object,
    /// An object's that has let go of it while it was mapped; free with its last mapping.
    Orphan,
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
            Owner::Object => Kind::Object,
            Owner::Orphan => Kind::Orphan,
            Owner::Zero => Kind::Zero,
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
    /// [`Owner::Orphan`].
    Orphan,
    /// [`Owner::Zero`].
    Zero,
}

impl Kind {
    /// All kinds, in order.
    pub const ALL: [Kind; 8] = [
        Kind::Reserved,
        Kind::Free,
        Kind::Table,
        Kind::Kernel,
        Kind::Anon,
        Kind::Object,
        Kind::Orphan,
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
            Kind::Orphan => "orphan",
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
/// No frame, where an index is expected: the end of a list.
pub(super) const NOBODY: u32 = u32::MAX;

/// What is written down of one frame.
#[derive(Clone, Copy, Debug)]
pub struct FrameMeta {
    pub(super) kind: Kind,
    /// Free: the order of the block that begins here, [`INNER`] or [`HOT`].
    pub(super) order: u8,
    pub(super) pins: u16,
    pub(super) mapped: u32,
    /// Free: the next one on its list. A cell's: the cell.
    pub(super) link: u32,
    /// Free and the beginning of a block: the one before it on its list.
    pub(super) back: u32,
}

const _: () = assert!(size_of::<FrameMeta>() == 16);

impl FrameMeta {
    /// Of a frame that nobody may have; what storage for entries is filled with.
    pub const RESERVED: Self =
        Self { kind: Kind::Reserved, order: INNER, pins: 0, mapped: 0, link: NOBODY, back: NOBODY };

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

    /// The cell that lives in it.
    #[inline]
    pub fn cell(&self) -> Option<CellId> {
        let cell = || CellId(NonZeroU32::new(self.link).expect("set with the kind"));
        (self.kind == Kind::Anon).then(cell)
    }

    #[inline]
    pub(super) fn owner(&self) -> Owner {
        match self.kind {
            Kind::Reserved => Owner::Reserved,
            Kind::Free => Owner::Free,
            Kind::Table => Owner::Table,
            Kind::Kernel => Owner::Kernel,
            Kind::Anon => Owner::Anon(self.cell().expect("it is a cell's")),
            Kind::Object => Owner::Object,
            Kind::Orphan => Owner::Orphan,
            Kind::Zero => Owner::Zero,
        }
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
        if let Owner::Anon(cell) = owner {
            self.link = cell.0.get();
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
