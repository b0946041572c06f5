//! A page walk in software that keeps every step, so that a person can read what the hart did.
//! It follows the same rules as the hardware and prints as a table; it changes nothing.

use core::fmt;

use crate::pte::{Flags, Ppn, Pte};
use crate::table::{FrameMemory, PageTable};
use crate::{LEVELS, is_canonical, leaf_size_bytes, vpn};

/// What the walk is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Instruction fetch.
    Fetch,
    /// Load.
    Load,
    /// Store.
    Store,
}

/// Who walks: the state of the hart that permissions depend on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WalkOptions {
    /// From U-mode rather than S-mode.
    pub user: bool,
    /// `sstatus.SUM`: S-mode may load and store on pages of U-mode.
    pub sum: bool,
    /// `sstatus.MXR`: executable pages are readable.
    pub mxr: bool,
}

/// What the walk found at one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A pointer; the walk goes on in this table.
    Table(Ppn),
    /// A leaf that grants the access; translates to this physical address.
    Grants(u64),
    /// V is clear.
    Invalid,
    /// A reserved combination of bits.
    Reserved,
    /// A pointer at level 0, where only leaves may be.
    TooDeep,
    /// A superpage whose page number is not a multiple of its size.
    Misaligned,
    /// This bit of the leaf would have to be set.
    Needs(Flags),
    /// This bit of the leaf would have to be clear.
    Forbids(Flags),
}

/// One level of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// 2 for the root, down to 0.
    pub level: usize,
    /// The table that was read.
    pub table: Ppn,
    /// VPN\[level\].
    pub index: usize,
    /// The entry read.
    pub pte: Pte,
    /// What follows from it.
    pub finding: Finding,
}

impl Step {
    /// Physical address of the entry.
    pub const fn pte_at(&self) -> u64 {
        self.table.base() + 8 * self.index as u64
    }
}

/// A finished walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    va: u64,
    steps: [Option<Step>; LEVELS],
}

impl Walk {
    /// Walks `table` for `access` to `va`.
    pub fn new(
        memory: &impl FrameMemory,
        table: PageTable,
        va: u64,
        access: Access,
        options: WalkOptions,
    ) -> Self {
        let mut walk = Self { va, steps: [None; LEVELS] };
        if !is_canonical(va) {
            return walk;
        }
        let mut table = table.root();
        for level in (0..LEVELS).rev() {
            let index = vpn(va, level);
            let pte = memory.read_pte(table, index);
            let finding = judge(pte, level, va, access, options);
            walk.steps[LEVELS - 1 - level] = Some(Step { level, table, index, pte, finding });
            match finding {
                Finding::Table(next) => table = next,
                _ => break,
            }
        }
        walk
    }

    /// The levels visited, from the root down; none for an address that is not canonical.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().flatten()
    }

    /// Where the walk ended; `None` for an address that is not canonical.
    pub fn finding(&self) -> Option<Finding> {
        self.steps().last().map(|step| step.finding)
    }
}

/// The manual's steps 3 to 9 for one entry, A and D checked as Svade does.
///
/// Source: Privileged ISA, "Virtual Address Translation Process".
fn judge(pte: Pte, level: usize, va: u64, access: Access, options: WalkOptions) -> Finding {
    let flags = pte.flags();
    if !pte.is_valid() {
        return Finding::Invalid;
    }
    if pte.is_reserved() {
        return Finding::Reserved;
    }
    if !pte.is_leaf() {
        return if level == 0 { Finding::TooDeep } else { Finding::Table(pte.ppn()) };
    }
    let offset_mask = leaf_size_bytes(level) - 1;
    if pte.ppn().base() & offset_mask != 0 {
        return Finding::Misaligned;
    }
    let readable = flags.has(Flags::R) || options.mxr && flags.has(Flags::X);
    match access {
        Access::Fetch if !flags.has(Flags::X) => return Finding::Needs(Flags::X),
        Access::Load if !readable => return Finding::Needs(Flags::R),
        Access::Store if !flags.has(Flags::W) => return Finding::Needs(Flags::W),
        _ => {}
    }
    if options.user && !flags.has(Flags::U) {
        return Finding::Needs(Flags::U);
    }
    if !options.user && flags.has(Flags::U) && (access == Access::Fetch || !options.sum) {
        return Finding::Forbids(Flags::U);
    }
    if !flags.has(Flags::A) {
        return Finding::Needs(Flags::A);
    }
    if access == Access::Store && !flags.has(Flags::D) {
        return Finding::Needs(Flags::D);
    }
    Finding::Grants(pte.ppn().base() | va & offset_mask)
}

/// The address taken apart, a line per level, the verdict.
impl fmt::Display for Walk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let va = self.va;
        let [vpn2, vpn1, vpn0] = [vpn(va, 2), vpn(va, 1), vpn(va, 0)];
        let offset = va & (leaf_size_bytes(0) - 1);
        writeln!(
            f,
            "    va {va:#x} = VPN[2] {vpn2} | VPN[1] {vpn1} | VPN[0] {vpn0} | {offset:#x}"
        )?;
        if !is_canonical(va) {
            return writeln!(f, "    => page fault: bits 63..39 differ from bit 38");
        }
        writeln!(f, "    level  table      + 8 * VPN = pte at       pte                 DAGUXWRV")?;
        for step in self.steps() {
            writeln!(
                f,
                "    {:<5}  {:#010x} + 8 * {:<3} = {:#010x}   {:#018x}  {}  {}",
                step.level,
                step.table.base(),
                step.index,
                step.pte_at(),
                step.pte.0,
                step.pte.flags(),
                Remark(step),
            )?;
        }
        let Some(step) = self.steps().last() else { return Ok(()) };
        match step.finding {
            Finding::Grants(pa) => writeln!(f, "    => physical address {pa:#x}"),
            _ => writeln!(f, "    => page fault at level {}", step.level),
        }
    }
}

/// The finding of a step in a few words.
struct Remark<'a>(&'a Step);

impl fmt::Display for Remark<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.finding {
            Finding::Table(next) => write!(f, "table at {:#010x}", next.base()),
            Finding::Grants(_) => {
                let size = ["4 KiB page", "2 MiB megapage", "1 GiB gigapage"][self.0.level];
                write!(f, "leaf: {size} at {:#010x}", self.0.pte.ppn().base())
            }
            Finding::Invalid => write!(f, "nothing here: V=0"),
            Finding::Reserved => write!(f, "reserved bits"),
            Finding::TooDeep => write!(f, "a pointer at level 0"),
            Finding::Misaligned => write!(f, "misaligned superpage"),
            Finding::Needs(bit) => write!(f, "leaf, but {}=0", Letter(bit)),
            Finding::Forbids(bit) => write!(f, "leaf, but {}=1", Letter(bit)),
        }
    }
}

/// The letter of a single bit.
struct Letter(Flags);

impl fmt::Display for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = [
            (Flags::R, "R"),
            (Flags::W, "W"),
            (Flags::X, "X"),
            (Flags::U, "U"),
            (Flags::A, "A"),
            (Flags::D, "D"),
        ];
        let letter = letters.iter().find(|(bit, _)| *bit == self.0).map_or("?", |(_, l)| l);
        f.write_str(letter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Page;
    use crate::table::tests::fixture;

    const VA: u64 = 5 << 30 | 6 << 21 | 7 << 12;
    const USER: WalkOptions = WalkOptions { user: true, sum: false, mxr: false };
    const SUM: WalkOptions = WalkOptions { user: false, sum: true, mxr: false };
    const MXR: WalkOptions = WalkOptions { user: false, sum: false, mxr: true };
    const S: WalkOptions = WalkOptions { user: false, sum: false, mxr: false };

    /// Maps one page at `VA` with these low bits and walks to its byte 0x123.
    fn walk_one(bits: u64, access: Access, options: WalkOptions) -> Option<Finding> {
        let (mut memory, mut pool, table) = fixture(3);
        let page = Page { va: VA, level: 0 };
        table.map(&mut memory, &mut pool, page, Ppn(0x42), Flags::R).expect("free");
        memory.write_pte(Ppn(0x102), 7, Pte(0x42 << 10 | bits));
        Walk::new(&memory, table, VA + 0x123, access, options).finding()
    }

    #[test]
    fn permissions() {
        use Access::{Fetch, Load, Store};
        use Finding::{Forbids, Grants, Invalid, Needs, Reserved, TooDeep};
        let ok = Grants(0x42123);
        for (bits, access, options, want) in [
            (0xc3, Load, S, ok),
            (0xc2, Load, S, Invalid),
            (0xc5, Load, S, Reserved),
            (0x01, Load, S, TooDeep),
            (0xc3, Store, S, Needs(Flags::W)),
            (0xc3, Fetch, S, Needs(Flags::X)),
            (0xc9, Fetch, S, ok),
            (0xc9, Load, S, Needs(Flags::R)),
            (0xc9, Load, MXR, ok),
            (0xc9, Store, MXR, Needs(Flags::W)),
            (0xc7, Load, USER, Needs(Flags::U)),
            (0xd7, Load, USER, ok),
            (0xd7, Load, S, Forbids(Flags::U)),
            (0xd7, Store, SUM, ok),
            (0xd9, Fetch, SUM, Forbids(Flags::U)),
            (0x87, Load, S, Needs(Flags::A)),
            (0x47, Load, S, ok),
            (0x47, Store, S, Needs(Flags::D)),
            (0xc7, Store, S, ok),
        ] {
            assert_eq!(walk_one(bits, access, options), Some(want), "{bits:#x} {access:?}");
        }
    }

    #[test]
    fn superpages_end_the_walk_early() {
        let (mut memory, mut pool, table) = fixture(2);
        let page = Page { va: VA & !0x1f_ffff, level: 1 };
        let flags = Flags::R | Flags::A;
        table.map(&mut memory, &mut pool, page, Ppn(0x200), flags).expect("free");
        let walk = Walk::new(&memory, table, VA + 0x123, Access::Load, S);
        assert_eq!(walk.steps().count(), 2);
        assert_eq!(walk.finding(), Some(Finding::Grants(0x20_0000 + 0x7123)));
        memory.write_pte(Ppn(0x101), 6, Pte::new(Ppn(0x201), flags | Flags::V));
        let walk = Walk::new(&memory, table, VA, Access::Load, S);
        assert_eq!(walk.finding(), Some(Finding::Misaligned));
    }

    #[test]
    fn an_address_that_is_not_canonical_reads_no_table() {
        let (memory, _, table) = fixture(1);
        let walk = Walk::new(&memory, table, 1 << 38, Access::Load, S);
        assert_eq!((walk.finding(), walk.steps().count()), (None, 0));
        assert!(walk.to_string().contains("bits 63..39"));
    }

    #[test]
    fn a_walk_reads_like_a_table() {
        let (mut memory, mut pool, table) = fixture(3);
        let page = Page { va: VA, level: 0 };
        table.map(&mut memory, &mut pool, page, Ppn(0x80042), Flags::R).expect("free");
        let walk = Walk::new(&memory, table, VA + 0x123, Access::Load, S);
        let want = "    \
    va 0x140c07123 = VPN[2] 5 | VPN[1] 6 | VPN[0] 7 | 0x123
    level  table      + 8 * VPN = pte at       pte                 DAGUXWRV
    2      0x00100000 + 8 * 5   = 0x00100028   0x0000000000040401  -------V  table at 0x00101000
    1      0x00101000 + 8 * 6   = 0x00101030   0x0000000000040801  -------V  table at 0x00102000
    0      0x00102000 + 8 * 7   = 0x00102038   0x0000000020010803  ------RV  leaf, but A=0
    => page fault at level 0
";
        assert_eq!(walk.to_string(), want);
    }
}
