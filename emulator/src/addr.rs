//! Addresses, page numbers, access kinds and privilege modes: the vocabulary that every other
//! room shares. Imports nothing.

use std::fmt;

/// log2 of the base page size.
pub const PAGE_SHIFT: u32 = 12;
/// Size of a base page.
pub const PAGE_SIZE_BYTES: u64 = 1 << PAGE_SHIFT;
/// Bits of an address that select a byte within its base page.
pub const PAGE_OFFSET_MASK: u64 = PAGE_SIZE_BYTES - 1;

/// An address as the running program sees it: translated by `satp`, or equal to the physical
/// address where translation is off.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtAddr(pub u64);

/// An address on the bus, after translation.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhysAddr(pub u64);

/// Address-space identifier, `satp.ASID`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Asid(pub u16);

macro_rules! address {
    ($name:ident) => {
        impl $name {
            /// First byte of the base page that holds this address.
            pub const fn page_base(self) -> Self {
                Self(self.0 & !PAGE_OFFSET_MASK)
            }

            /// Distance in bytes from the start of the base page.
            pub const fn page_offset(self) -> u64 {
                self.0 & PAGE_OFFSET_MASK
            }

            /// Number of the base page that holds this address.
            pub const fn page_number(self) -> u64 {
                self.0 >> PAGE_SHIFT
            }

            /// This address moved by `bytes`, wrapping at 2^64.
            #[must_use]
            pub const fn wrapping_add(self, bytes: u64) -> Self {
                Self(self.0.wrapping_add(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#018x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }
    };
}

address!(VirtAddr);
address!(PhysAddr);

/// Size of one memory access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Width {
    /// One byte.
    Byte,
    /// Two bytes.
    Half,
    /// Four bytes.
    Word,
    /// Eight bytes.
    Double,
}

impl Width {
    /// Number of bytes accessed.
    pub const fn bytes(self) -> u64 {
        1 << self as u32
    }

    /// Number of bits accessed.
    pub const fn bits(self) -> u32 {
        8 << self as u32
    }

    /// The low [`bits`](Self::bits) bits set.
    pub const fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits())
    }

    /// `value` cut to this width and sign-extended to 64 bits.
    pub const fn sign_extend(self, value: u64) -> u64 {
        let unused = 64 - self.bits();
        (((value << unused) as i64) >> unused) as u64
    }
}

/// What an access is for; it decides the permission bit that is looked at and the trap cause.
/// AMOs and store-conditionals are stores from the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Instruction fetch.
    Fetch,
    /// Load, and load-reserved.
    Load,
    /// Store, store-conditional, AMO and cache-block zero.
    Store,
}

impl Access {
    /// All access kinds, in the order of their cause numbers.
    pub const ALL: [Access; 3] = [Access::Fetch, Access::Load, Access::Store];
}

/// Privilege mode, encoded as in `mstatus.MPP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Privilege {
    /// U-mode.
    User = 0,
    /// S-mode.
    Supervisor = 1,
    /// M-mode.
    Machine = 3,
}

impl Privilege {
    /// The mode with this two-bit encoding; the reserved encoding 2 has none.
    pub const fn from_bits(bits: u64) -> Option<Self> {
        match bits {
            0 => Some(Self::User),
            1 => Some(Self::Supervisor),
            3 => Some(Self::Machine),
            _ => None,
        }
    }
}

/// Bytes that a PMP entry or a mapping lets through, by access kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Loads are allowed.
    pub read: bool,
    /// Stores are allowed.
    pub write: bool,
    /// Instruction fetches are allowed.
    pub execute: bool,
}

impl Rights {
    /// Everything is allowed.
    pub const ALL: Rights = Rights { read: true, write: true, execute: true };
    /// Nothing is allowed.
    pub const NONE: Rights = Rights { read: false, write: false, execute: false };

    /// Whether `access` is allowed.
    pub const fn allows(self, access: Access) -> bool {
        match access {
            Access::Fetch => self.execute,
            Access::Load => self.read,
            Access::Store => self.write,
        }
    }
}

/// One active PMP entry, decoded: the physical bytes it matches and what it grants.
///
/// Source: Privileged ISA, "Physical Memory Protection CSRs".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PmpRegion {
    /// First byte matched.
    pub first: PhysAddr,
    /// Last byte matched (inclusive, so that a region may end at the top of the address space).
    pub last: PhysAddr,
    /// What S- and U-mode may do, and M-mode too where `locked`.
    pub rights: Rights,
    /// The entry binds M-mode.
    pub locked: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths() {
        for (width, bytes, mask, extended) in [
            (Width::Byte, 1, 0xff, 0xffff_ffff_ffff_ff80),
            (Width::Half, 2, 0xffff, 0x8080),
            (Width::Word, 4, 0xffff_ffff, 0xffff_ffff_8000_8080),
            (Width::Double, 8, u64::MAX, 0x1234_5678_8000_8080),
        ] {
            assert_eq!(width.bytes(), bytes);
            assert_eq!(width.mask(), mask);
            let value = if width == Width::Half { 0x8080 } else { 0x1234_5678_8000_8080 };
            let extended = if width == Width::Half { 0xffff_ffff_ffff_8080 } else { extended };
            assert_eq!(width.sign_extend(value), extended, "{width:?}");
        }
    }

    #[test]
    fn pages() {
        let va = VirtAddr(0x1234_5678);
        assert_eq!(va.page_base(), VirtAddr(0x1234_5000));
        assert_eq!(va.page_offset(), 0x678);
        assert_eq!(va.page_number(), 0x1_2345);
        assert_eq!(VirtAddr(u64::MAX).wrapping_add(2), VirtAddr(1));
    }
}
