//! The Sv39 page-table entry: [`Pte`], its [`Flags`] and the page number it holds.
//! `table.rs` stores entries, `walk.rs` judges them.

use core::fmt;
use core::ops::BitOr;

/// Number of a physical page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ppn(pub u64);

impl Ppn {
    /// The page that holds physical address `at`.
    pub const fn of(at: u64) -> Self {
        Self(at >> 12)
    }

    /// Physical address of the first byte.
    pub const fn base(self) -> u64 {
        self.0 << 12
    }
}

/// The low eight bits of an entry.
///
/// Source: Privileged ISA, "Addressing and Memory Protection" of Sv32, whose bits Sv39 keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(u8);

impl Flags {
    /// No bit.
    pub const NONE: Flags = Flags(0);
    /// Valid.
    pub const V: Flags = Flags(1 << 0);
    /// Readable.
    pub const R: Flags = Flags(1 << 1);
    /// Writable.
    pub const W: Flags = Flags(1 << 2);
    /// Executable.
    pub const X: Flags = Flags(1 << 3);
    /// Accessible to U-mode.
    pub const U: Flags = Flags(1 << 4);
    /// Global: in every address space.
    pub const G: Flags = Flags(1 << 5);
    /// Accessed since A was last cleared.
    pub const A: Flags = Flags(1 << 6);
    /// Dirty: written since D was last cleared.
    pub const D: Flags = Flags(1 << 7);

    /// Letters of the bits, from the highest to the lowest.
    const LETTERS: [u8; 8] = *b"DAGUXWRV";

    /// Whether all bits of `other` are set.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any bit of `other` is set.
    pub const fn has_any(self, other: Flags) -> bool {
        self.0 & other.0 != 0
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// This set without the bits of `other`.
    #[must_use]
    pub const fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }
}

impl BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        self.with(other)
    }
}

/// Eight columns, `DAGUXWRV`, a dash where the bit is clear.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (column, letter) in Self::LETTERS.iter().enumerate() {
            let set = self.0 >> (7 - column) & 1 == 1;
            write!(f, "{}", if set { char::from(*letter) } else { '-' })?;
        }
        Ok(())
    }
}

/// A page-table entry as it lies in memory.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Pte(pub u64);

impl Pte {
    /// Bits that hold the page number.
    const PPN_SHIFT: u32 = 10;
    const PPN_MASK: u64 = (1 << 44) - 1;
    /// Reserved, Svpbmt and Svnapot bits: zero in every entry made here.
    const UPPER_MASK: u64 = 0x3ff << 54;

    /// An entry that maps a page (some of R, W, X in `flags`) or points to a table (none of them).
    pub const fn new(ppn: Ppn, flags: Flags) -> Self {
        Self((ppn.0 & Self::PPN_MASK) << Self::PPN_SHIFT | flags.0 as u64)
    }

    /// A valid pointer to the next level's table.
    pub const fn table(ppn: Ppn) -> Self {
        Self::new(ppn, Flags::V)
    }

    /// The page it maps, or the table it points to.
    pub const fn ppn(self) -> Ppn {
        Ppn(self.0 >> Self::PPN_SHIFT & Self::PPN_MASK)
    }

    /// The low eight bits.
    pub const fn flags(self) -> Flags {
        Flags(self.0 as u8)
    }

    /// The same entry with other low bits.
    #[must_use]
    pub const fn with_flags(self, flags: Flags) -> Self {
        Self(self.0 & !0xff | flags.0 as u64)
    }

    /// V is set.
    pub const fn is_valid(self) -> bool {
        self.flags().has(Flags::V)
    }

    /// Maps a page; otherwise, where valid, it points to a table.
    pub const fn is_leaf(self) -> bool {
        self.flags().has_any(Flags(Flags::R.0 | Flags::W.0 | Flags::X.0))
    }

    /// A combination the manual reserves: writable but not readable, or upper bits that this
    /// codec does not use, or D, A or U in a pointer.
    pub const fn is_reserved(self) -> bool {
        let flags = self.flags();
        flags.has(Flags::W) && !flags.has(Flags::R)
            || self.0 & Self::UPPER_MASK != 0
            || !self.is_leaf() && flags.has_any(Flags(Flags::D.0 | Flags::A.0 | Flags::U.0))
    }
}

impl fmt::Debug for Pte {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pte({:#x} {} ppn {:#x})", self.0, self.flags(), self.ppn().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_sit_where_the_manual_draws_them() {
        let pte = Pte::new(Ppn(0x80_0123), Flags::V | Flags::R | Flags::D);
        assert_eq!(pte.0, 0x80_0123 << 10 | 0x83);
        assert_eq!(pte.ppn(), Ppn(0x80_0123));
        assert_eq!(pte.with_flags(Flags::V).0, 0x80_0123 << 10 | 1);
        // A page number that does not fit loses its upper bits and never reaches bit 54.
        assert_eq!(Pte::new(Ppn(u64::MAX), Flags::NONE).0, 0x003f_ffff_ffff_fc00);
    }

    #[test]
    fn flags_print_as_columns() {
        for (flags, text) in [
            (Flags::NONE, "--------"),
            (Flags::V, "-------V"),
            (Flags::V | Flags::R | Flags::W | Flags::A | Flags::D, "DA---WRV"),
            (Flags(0xff), "DAGUXWRV"),
        ] {
            assert_eq!(flags.to_string(), text);
        }
    }

    #[test]
    fn kinds_of_entries() {
        let check = |bits: u64, valid, leaf, reserved| {
            let pte = Pte(bits);
            assert_eq!((pte.is_valid(), pte.is_leaf(), pte.is_reserved()), (valid, leaf, reserved));
        };
        check(0x00, false, false, false);
        check(0x01, true, false, false);
        check(0x03, true, true, false);
        check(0x05, true, true, true); // W without R
        check(0x0d, true, true, true); // W and X without R
        check(0x09, true, true, false); // execute only
        check(0x21, true, false, false); // a global pointer
        check(0x41, true, false, true); // a pointer with A
        check(0x81, true, false, true); // a pointer with D
        check(0x11, true, false, true); // a pointer with U
        check(1 << 63 | 0x03, true, true, true); // Svnapot
        check(1 << 54 | 0x03, true, true, true);
    }
}
