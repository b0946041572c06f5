//! What an address space is asked for and what it answers: [`Request`], [`Limits`], [`Repair`],
//! [`Trouble`], [`PageState`], [`Counters`].

use super::{Backing, CellId, Prot, Purpose, Sharing, SlotId};
use crate::pte::{Ppn, Pte};

/// Where a new area goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Anywhere, at the hint if that is free; from the top of the mapping region downwards.
    Anywhere {
        /// Wanted address, 0 for none.
        hint: u64,
    },
    /// Exactly here, whatever is there is unmapped (MAP_FIXED).
    Fixed(u64),
    /// Exactly here, or EEXIST (MAP_FIXED_NOREPLACE).
    FixedNoReplace(u64),
}

/// A wish for an area.
#[derive(Clone, Debug)]
pub struct Request<O> {
    /// Where.
    pub place: Place,
    /// How long; rounded up to pages.
    pub length_bytes: u64,
    /// What is allowed now.
    pub prot: Prot,
    /// What may ever be.
    pub max_prot: Prot,
    /// Who sees what is written.
    pub sharing: Sharing,
    /// What is there; memory shared without a file is an object, too.
    pub backing: Backing<O>,
    /// What for.
    pub purpose: Purpose,
    /// Its pages never count as promised (MAP_NORESERVE).
    pub no_reserve: bool,
}

/// A wish to move or resize a mapping (mremap).
#[derive(Clone, Copy, Debug)]
pub struct Remap {
    /// Where it begins.
    pub start: u64,
    /// How long it is; 0 asks for a second mapping of a shared one.
    pub old_bytes: u64,
    /// How long it shall be.
    pub new_bytes: u64,
    /// How far it may be moved.
    pub mobility: Mobility,
    /// What becomes of the old range after a move.
    pub rest: Rest,
}

/// Where mremap may put a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mobility {
    /// Only where it is.
    Stay,
    /// Elsewhere, if it does not fit where it is (MREMAP_MAYMOVE).
    MayMove,
    /// Exactly here, whatever is there is unmapped (MREMAP_FIXED).
    Fixed(u64),
}

/// What mremap leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing.
    Unmapped,
    /// The area, without its pages (MREMAP_DONTUNMAP).
    Mapped,
}

/// What a space may not exceed, and what may be switched; the kernel fills it in per process.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Lowest address that may be mapped.
    pub min_address: u64,
    /// RLIMIT_AS.
    pub total_bytes: u64,
    /// RLIMIT_DATA.
    pub data_bytes: u64,
    /// RLIMIT_STACK: how far the stack grows.
    pub stack_bytes: u64,
    /// vm.max_map_count.
    pub areas: usize,
    /// Pages around a fault on an object that are mapped with it if they are there; 0: none.
    pub fault_around_pages: u64,
}

/// What a fault was repaired by, for counting and for /proc/PID/faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Repair {
    /// The page of zeros was mapped for reading.
    ZeroPage,
    /// A new frame of zeros was mapped.
    ZeroFill,
    /// An object's page was mapped as it is.
    FileMap,
    /// A private copy of an object's page was made.
    FileCopy,
    /// A shared object's page was mapped for writing.
    SharedMap,
    /// A cell with several references was copied.
    CowCopy,
    /// The only reference was made writable.
    CowReuse,
    /// Only A or D was missing, or the TLB was behind.
    Spurious,
    /// The stack grew down to the page, which then got what it lacked.
    GrowStack,
    /// A page that was in RAM, but in no entry, was mapped again.
    Rescue,
    /// A page that may be written and executed, but never both at once, changed sides.
    Flip,
    /// The page was brought in from swap.
    SwapIn,
}

impl Repair {
    /// Its name in /proc/PID/faults.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ZeroPage => "zero-page",
            Self::ZeroFill => "zero-fill",
            Self::FileMap => "file-map",
            Self::FileCopy => "file-copy",
            Self::SharedMap => "shared-map",
            Self::CowCopy => "cow-copy",
            Self::CowReuse => "cow-reuse",
            Self::Spurious => "spurious",
            Self::GrowStack => "grow-stack",
            Self::Rescue => "rescue",
            Self::Flip => "flip",
            Self::SwapIn => "swap-in",
        }
    }
}

/// Why a fault cannot be repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// No area: SIGSEGV, SEGV_MAPERR.
    NotMapped,
    /// The area forbids it: SIGSEGV, SEGV_ACCERR.
    Denied,
    /// Behind the object's end, or unreadable: SIGBUS, BUS_ADRERR.
    Bus,
    /// No memory: the out-of-memory policy decides.
    OutOfMemory,
    /// The page is in swap. Whoever has waited for it without the space's lock asks again.
    Swapped {
        /// Which it is. A cell that an entry names stays until the space is unlocked, or
        /// [kept](crate::mm::Memory::keep); an object's may be gone already, and another one.
        cell: CellId,
        /// What is to be read.
        how: ReadHow,
    },
    /// The page is being read; as for [`Trouble::Swapped`].
    Busy(CellId),
}

/// How a page is brought in from swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadHow {
    /// The cell gets a frame: [`begin_read`](crate::mm::Memory::begin_read).
    Whole,
    /// Only one of several who have it will write: its slot is read straight into a frame for that
    /// one, [`fault_with_copy`](super::Space::fault_with_copy) puts that in, the cell stays.
    Private,
}

/// What is known of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageState {
    /// Nothing.
    Absent,
    /// In this frame.
    Present {
        /// Which.
        frame: Ppn,
        /// The entry; V is clear where the page is in RAM, but PROT_NONE hides it.
        pte: Pte,
        /// Nobody else maps it.
        exclusive: bool,
        /// It is an object's.
        object: bool,
    },
    /// In swap alone, or on its way from there.
    Swapped {
        /// Where.
        slot: SlotId,
    },
}

/// What a space has and had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Valid entries that map anonymous pages, the page of zeros not counted: RssAnon.
    pub resident_anon: u64,
    /// Valid entries that map pages of objects: RssFile and RssShmem.
    pub resident_object: u64,
    /// Valid entries that map the page of zeros.
    pub zero_mapped: u64,
    /// Page tables, the root included: VmPTE.
    pub tables: u64,
    /// Most pages that areas ever had: VmPeak.
    pub peak_pages: u64,
    /// Most pages that were ever resident: VmHWM.
    pub peak_resident: u64,
}

impl Counters {
    /// Pages that are there: VmRSS.
    pub const fn resident(&self) -> u64 {
        self.resident_anon + self.resident_object
    }

    /// Valid leaf entries.
    pub const fn mapped(&self) -> u64 {
        self.resident() + self.zero_mapped
    }

    /// Remembers how many pages are there now.
    pub(super) fn note_resident(&mut self) {
        self.peak_resident = self.peak_resident.max(self.resident());
    }
}
