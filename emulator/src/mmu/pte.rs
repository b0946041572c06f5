//! [`Pte`]: one 64-bit page-table entry of Sv39, Sv48 or Sv57, its fields by the manual's letters,
//! and the two permission questions of the walk. Pure; `walk.rs` asks, nobody else interprets bits.

use std::fmt;

use crate::addr::{Access, PAGE_SHIFT, PhysAddr, Privilege};

/// Size of a page-table entry.
pub const PTE_SIZE_BYTES: u64 = 8;

/// Bits of a PPN field.
const PPN_BITS: u32 = 44;
/// Position of the PPN in an entry and of PBMT, N above it.
const PPN_SHIFT: u32 = 10;
const PBMT_SHIFT: u32 = 61;
/// log2 of the pages of the only NAPOT range that Svnapot defines, 64 KiB.
pub(super) const NAPOT_PAGES_SHIFT: u32 = 4;

/// A page-table entry.
///
/// Source: Privileged ISA, "Sv39: Page-Based 39-bit Virtual-Memory System", with Svnapot and Svpbmt.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Pte(pub u64);

impl Pte {
    /// Valid.
    pub const V: u64 = 1 << 0;
    /// Readable.
    pub const R: u64 = 1 << 1;
    /// Writable.
    pub const W: u64 = 1 << 2;
    /// Executable.
    pub const X: u64 = 1 << 3;
    /// Accessible to U-mode.
    pub const U: u64 = 1 << 4;
    /// Global: the same in every address space.
    pub const G: u64 = 1 << 5;
    /// Accessed since the bit was last cleared.
    pub const A: u64 = 1 << 6;
    /// Written since the bit was last cleared.
    pub const D: u64 = 1 << 7;
    /// The two bits that software may use.
    pub const RSW: u64 = 3 << 8;
    /// Bits 60:54, reserved for future standard use.
    pub const RESERVED: u64 = 0x7f << 54;
    /// Memory type (Svpbmt).
    pub const PBMT: u64 = 3 << PBMT_SHIFT;
    /// Part of a naturally aligned power-of-two range (Svnapot).
    pub const N: u64 = 1 << 63;

    /// An entry that points to, or maps, physical page `ppn`, with the given other bits.
    pub const fn new(ppn: u64, bits: u64) -> Self {
        Self((ppn & ((1 << PPN_BITS) - 1)) << PPN_SHIFT | bits)
    }

    /// Whether all of `bits` are set.
    #[inline(always)]
    pub const fn has(self, bits: u64) -> bool {
        self.0 & bits == bits
    }

    /// Whether at least one of `bits` is set.
    #[inline(always)]
    pub const fn has_any(self, bits: u64) -> bool {
        self.0 & bits != 0
    }

    /// Physical page number.
    #[inline(always)]
    pub const fn ppn(self) -> u64 {
        self.0 >> PPN_SHIFT & ((1 << PPN_BITS) - 1)
    }

    /// First byte of the physical page that the entry names.
    #[inline(always)]
    pub const fn page(self) -> PhysAddr {
        PhysAddr(self.ppn() << PAGE_SHIFT)
    }

    /// Memory type: 0 as the PMAs say, 1 non-cacheable, 2 I/O, 3 reserved.
    pub const fn pbmt(self) -> u64 {
        (self.0 & Self::PBMT) >> PBMT_SHIFT
    }

    /// Whether the entry maps a page rather than pointing to a table.
    #[inline(always)]
    pub const fn is_leaf(self) -> bool {
        self.has_any(Self::R | Self::X)
    }

    /// Whether PPN spells a NAPOT range of the one defined size.
    pub(super) const fn is_napot_64k(self) -> bool {
        let size = 1 << NAPOT_PAGES_SHIFT;
        self.ppn() & (size - 1) == size / 2
    }

    /// Whether the U bit lets `privilege` in: U-mode needs it; S-mode must not find it, except
    /// that SUM lets loads and stores (never fetches) through.
    pub(super) const fn lets_in(self, privilege: Privilege, access: Access, sum: bool) -> bool {
        match (self.has(Self::U), privilege) {
            (user_page, Privilege::User) => user_page,
            (true, _) => sum && !matches!(access, Access::Fetch),
            (false, _) => true,
        }
    }

    /// Whether R, W and X allow `access`; MXR makes executable pages loadable.
    pub(super) const fn allows(self, access: Access, mxr: bool) -> bool {
        match access {
            Access::Fetch => self.has(Self::X),
            Access::Load => self.has(Self::R) || mxr && self.has(Self::X),
            Access::Store => self.has(Self::W),
        }
    }
}

/// `ppn=0x80001 N pbmt=1 rsw=2 DAGUXWRV`, with `-` for a clear bit.
impl fmt::Display for Pte {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ppn={:#x} ", self.ppn())?;
        if self.has(Self::N) {
            write!(f, "N ")?;
        }
        for (name, value) in [
            ("pbmt", self.pbmt()),
            ("reserved", (self.0 & Self::RESERVED) >> Self::RESERVED.trailing_zeros()),
            ("rsw", (self.0 & Self::RSW) >> Self::RSW.trailing_zeros()),
        ] {
            if value != 0 {
                write!(f, "{name}={value} ")?;
            }
        }
        "DAGUXWRV".chars().enumerate().try_for_each(|(i, letter)| {
            let set = self.0 >> (7 - i) & 1 != 0;
            write!(f, "{}", if set { letter } else { '-' })
        })
    }
}

impl fmt::Debug for Pte {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pte({:#x}: {self})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_overlap_and_cover_the_entry() {
        let ppn = Pte::new(u64::MAX, 0).0;
        let flags = Pte::V | Pte::R | Pte::W | Pte::X | Pte::U | Pte::G | Pte::A | Pte::D;
        let fields = [flags, Pte::RSW, ppn, Pte::RESERVED, Pte::PBMT, Pte::N];
        assert_eq!(flags, 0xff);
        assert_eq!(fields.iter().fold(0, |all, field| all | field), u64::MAX);
        assert_eq!(fields.iter().map(|field| field.count_ones()).sum::<u32>(), 64);
    }

    #[test]
    fn text() {
        for (bits, text) in [
            (0, "ppn=0x0 --------"),
            (0x2000_04cf, "ppn=0x80001 DA--XWRV"),
            (
                Pte::new(8, Pte::N | 1 << PBMT_SHIFT | 2 << 8 | 0x3f).0,
                "ppn=0x8 N pbmt=1 rsw=2 --GUXWRV",
            ),
            (1 << 54, "ppn=0x0 reserved=1 --------"),
        ] {
            assert_eq!(Pte(bits).to_string(), text);
        }
    }

    #[test]
    fn user_bit() {
        use Access::{Fetch, Load, Store};
        use Privilege::{Supervisor, User};
        let (user, kernel) = (Pte(Pte::U), Pte(0));
        for access in [Fetch, Load, Store] {
            for sum in [false, true] {
                assert!(user.lets_in(User, access, sum) && !kernel.lets_in(User, access, sum));
                assert!(kernel.lets_in(Supervisor, access, sum));
                assert_eq!(user.lets_in(Supervisor, access, sum), sum && access != Fetch);
            }
        }
    }

    #[test]
    fn rwx_bits() {
        use Access::{Fetch, Load, Store};
        for (bits, mxr, allowed) in [
            (Pte::R, false, [false, true, false]),
            (Pte::R | Pte::W, false, [false, true, true]),
            (Pte::X, false, [true, false, false]),
            (Pte::X, true, [true, true, false]),
            (Pte::R | Pte::X, false, [true, true, false]),
            (Pte::R | Pte::W | Pte::X, true, [true, true, true]),
        ] {
            assert_eq!([Fetch, Load, Store].map(|access| Pte(bits).allows(access, mxr)), allowed);
        }
    }
}
