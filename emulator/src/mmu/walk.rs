//! [`walk`]: the page-table walk of Sv39, Sv48 and Sv57 as a pure function over [`PteMemory`].
//! Comments carry the step numbers of the manual's algorithm (Privileged ISA, "Virtual Address
//! Translation Process"). `mmu/mod.rs` turns a [`WalkFault`] into an exception; a [`Steps`]
//! recorder can watch every level, and costs nothing when it is `()`.

use std::fmt;

use super::pte::{NAPOT_PAGES_SHIFT, PTE_SIZE_BYTES, Pte};
use super::{Context, Mode};
use crate::addr::{Access, PAGE_SHIFT, PhysAddr, Privilege, VirtAddr};

/// Bits of a virtual page number that index one table.
pub const VPN_BITS: u32 = 9;

/// The memory that holds page tables, with its physical checks (PMA, PMP) applied.
pub trait PteMemory {
    /// The entry at `at`; `None` where the hart may not read there.
    fn read_pte(&mut self, at: PhysAddr) -> Option<u64>;

    /// Replaces the entry at `at` by `new` if it still equals `old`, and says whether it did;
    /// `None` where the hart may not write there.
    fn update_pte(&mut self, at: PhysAddr, old: u64, new: u64) -> Option<bool>;
}

/// Why a walk failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WalkFault {
    /// The upper bits of the address do not repeat its sign bit.
    NotCanonical,
    /// The entry cannot be read: an access fault.
    Unreadable,
    /// V is clear.
    NotValid,
    /// W is set and R is clear.
    WriteOnly,
    /// One of the reserved bits 60:54 is set.
    ReservedBits,
    /// PBMT holds the reserved value or is set without Svpbmt.
    MemoryType,
    /// N without Svnapot, above the last level, or with a size that is not defined.
    Napot,
    /// D, A, U, N or PBMT in an entry that points to a table.
    PointerAttributes,
    /// The last level holds a pointer instead of a leaf.
    NoLeaf,
    /// A superpage whose physical page is not aligned to its size.
    MisalignedSuperpage,
    /// The U bit keeps this privilege mode out.
    Privilege,
    /// R, W or X do not allow the access.
    Permission,
    /// A is clear and hardware does not set it.
    NotAccessed,
    /// D is clear and hardware does not set it.
    NotDirty,
    /// A or D must be set, but the entry cannot be written: an access fault.
    Unwritable,
}

impl WalkFault {
    /// Whether the physical side refused, so that an access fault is due and not a page fault.
    pub const fn is_access_fault(self) -> bool {
        matches!(self, Self::Unreadable | Self::Unwritable)
    }
}

impl fmt::Display for WalkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotCanonical => "address is not canonical",
            Self::Unreadable => "entry cannot be read",
            Self::NotValid => "V is clear",
            Self::WriteOnly => "W without R is reserved",
            Self::ReservedBits => "a reserved bit is set",
            Self::MemoryType => "PBMT is reserved or not enabled",
            Self::Napot => "N is not allowed here or its size is not defined",
            Self::PointerAttributes => "a pointer must have D, A, U, N and PBMT clear",
            Self::NoLeaf => "no leaf at the last level",
            Self::MisalignedSuperpage => "superpage is not aligned",
            Self::Privilege => "U does not let this privilege mode in",
            Self::Permission => "R, W, X do not allow the access",
            Self::NotAccessed => "A is clear",
            Self::NotDirty => "D is clear",
            Self::Unwritable => "A or D must be set but the entry cannot be written",
        })
    }
}

/// A successful translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The leaf entry, with A and D as they are after the walk.
    pub pte: Pte,
    /// Where the leaf entry is.
    pub pte_at: PhysAddr,
    /// Level of the leaf; 0 maps base pages.
    pub level: u8,
    /// G was set in the leaf or in an entry above it.
    pub global: bool,
    /// log2 of the size in bytes of the range that the leaf maps (NAPOT ranges included).
    pub size_shift: u8,
    /// The translated address.
    pub pa: PhysAddr,
}

/// One entry looked at by a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Level of the table; counts down to 0.
    pub level: u8,
    /// Where the entry is.
    pub pte_at: PhysAddr,
    /// The entry; zero where it could not be read.
    pub pte: Pte,
    /// What came of it.
    pub verdict: Verdict,
}

/// What came of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It points to the table at the next level.
    Pointer,
    /// It maps the address.
    Leaf,
    /// It maps the address, and A or D were set in it.
    Updated,
    /// It changed before A or D could be set: it is read again.
    Raced,
    /// It stopped the walk.
    Fault(WalkFault),
}

/// Somebody who wants to see the steps of a walk.
pub trait Steps {
    /// Called once per entry looked at, in order.
    fn step(&mut self, step: Step);
}

/// Nobody looks: compiles to nothing.
impl Steps for () {
    #[inline(always)]
    fn step(&mut self, _step: Step) {}
}

impl Steps for Vec<Step> {
    fn step(&mut self, step: Step) {
        self.push(step);
    }
}

/// Translates `va` for `access` in `cx`, whose `satp` must not be Bare, through the tables in
/// `memory`; sets A and D in the leaf where `cx.adue` asks for it.
///
/// # Errors
/// [`WalkFault`]: the first check of the manual's algorithm that failed.
pub fn walk(
    memory: &mut impl PteMemory,
    va: VirtAddr,
    access: Access,
    cx: &Context,
    steps: &mut impl Steps,
) -> Result<Leaf, WalkFault> {
    if !is_canonical(va, cx.satp.mode) {
        return Err(WalkFault::NotCanonical);
    }
    // Step 1: start at the root, at the highest level.
    let root = PhysAddr(cx.satp.root_ppn << PAGE_SHIFT);
    descend(memory, (va, access, cx), root, cx.satp.mode.levels() - 1, steps)
}

/// The rest of a [`walk`] for `va` that an earlier one with the same `satp` has taken to a table:
/// from where that is, and of which level. Of entries above it, the leaf shows no G.
///
/// # Errors
/// As for the whole walk.
pub(super) fn resume(
    memory: &mut impl PteMemory,
    what: (VirtAddr, Access, &Context),
    (table, level): (PhysAddr, u32),
    steps: &mut impl Steps,
) -> Result<Leaf, WalkFault> {
    descend(memory, what, table, level, steps)
}

/// Steps 2 to 10, from the table at `level` downwards.
#[inline(always)]
fn descend(
    memory: &mut impl PteMemory,
    (va, access, cx): (VirtAddr, Access, &Context),
    mut table: PhysAddr,
    mut level: u32,
    steps: &mut impl Steps,
) -> Result<Leaf, WalkFault> {
    let mut global = false;
    loop {
        let pte_at = table.wrapping_add(entry_index(va, level) * PTE_SIZE_BYTES);
        // Step 2: fetch the entry; PMA and PMP speak first.
        let fetched = memory.read_pte(pte_at);
        let pte = Pte(fetched.unwrap_or(0));
        let verdict = match fetched {
            None => Verdict::Fault(WalkFault::Unreadable),
            Some(_) => judge(memory, pte, pte_at, level, (access, cx)),
        };
        steps.step(Step { level: level as u8, pte_at, pte, verdict });
        match verdict {
            Verdict::Fault(fault) => return Err(fault),
            Verdict::Pointer => {
                // Step 4: go down. `judge` lets no pointer through at level 0.
                global |= pte.has(Pte::G);
                table = pte.page();
                level -= 1;
            }
            // Step 9: the entry is not what was judged; back to step 2.
            Verdict::Raced => {}
            Verdict::Leaf | Verdict::Updated => {
                let pte = if verdict == Verdict::Updated { marked(pte, access) } else { pte };
                return Ok(leaf(pte, pte_at, level, global || pte.has(Pte::G), va));
            }
        }
    }
}

/// Which entry of its table at `level` translates `va`.
#[inline(always)]
pub(super) const fn entry_index(va: VirtAddr, level: u32) -> u64 {
    va.0 >> (PAGE_SHIFT + VPN_BITS * level) & ((1 << VPN_BITS) - 1)
}

/// Whether the bits of `va` above those that `mode` translates all equal the highest translated
/// one. Source: Privileged ISA, "Addressing and Memory Protection" of Sv39, Sv48 and Sv57.
fn is_canonical(va: VirtAddr, mode: Mode) -> bool {
    canonical(va, mode) == va
}

/// `va` with the bits above those that `mode` translates made to repeat the highest of them.
pub fn canonical(va: VirtAddr, mode: Mode) -> VirtAddr {
    let unused = u64::BITS - PAGE_SHIFT - VPN_BITS * mode.levels();
    VirtAddr((((va.0 << unused) as i64) >> unused) as u64)
}

/// Steps 3 to 9 for one entry.
fn judge(
    memory: &mut impl PteMemory,
    pte: Pte,
    pte_at: PhysAddr,
    level: u32,
    (access, cx): (Access, &Context),
) -> Verdict {
    if let Err(fault) = check_encoding(pte, level, cx) {
        return Verdict::Fault(fault);
    }
    // Step 4: leaf or pointer.
    if !pte.is_leaf() {
        return if level == 0 { Verdict::Fault(WalkFault::NoLeaf) } else { Verdict::Pointer };
    }
    if let Err(fault) = check_leaf(pte, level, access, cx) {
        return Verdict::Fault(fault);
    }
    // Step 9: A must be set, and D for a store.
    let marked = marked(pte, access);
    if marked == pte {
        return Verdict::Leaf;
    }
    if !cx.adue {
        let accessed = pte.has(Pte::A);
        return Verdict::Fault(if accessed { WalkFault::NotDirty } else { WalkFault::NotAccessed });
    }
    match memory.update_pte(pte_at, pte.0, marked.0) {
        None => Verdict::Fault(WalkFault::Unwritable),
        Some(false) => Verdict::Raced,
        Some(true) => Verdict::Updated,
    }
}

/// Step 3: invalid entries, and everything that is reserved.
fn check_encoding(pte: Pte, level: u32, cx: &Context) -> Result<(), WalkFault> {
    if !pte.has(Pte::V) {
        return Err(WalkFault::NotValid);
    }
    if pte.has(Pte::W) && !pte.has(Pte::R) {
        return Err(WalkFault::WriteOnly);
    }
    if pte.has_any(Pte::RESERVED) {
        return Err(WalkFault::ReservedBits);
    }
    if !pte.is_leaf() {
        let attributes = Pte::D | Pte::A | Pte::U | Pte::N | Pte::PBMT;
        return if pte.has_any(attributes) { Err(WalkFault::PointerAttributes) } else { Ok(()) };
    }
    if pte.has(Pte::PBMT) || pte.has_any(Pte::PBMT) && !cx.pbmt {
        return Err(WalkFault::MemoryType);
    }
    if pte.has(Pte::N) && !(cx.napot && level == 0 && pte.is_napot_64k()) {
        return Err(WalkFault::Napot);
    }
    Ok(())
}

/// What is wrong with `pte` at `level` whoever asks and for whatever: steps 3 to 5.
pub fn defect(pte: Pte, level: u32, cx: &Context) -> Option<WalkFault> {
    match check_encoding(pte, level, cx) {
        Err(fault) => Some(fault),
        Ok(()) if !pte.is_leaf() => (level == 0).then_some(WalkFault::NoLeaf),
        Ok(()) => is_misaligned(pte, level).then_some(WalkFault::MisalignedSuperpage),
    }
}

fn is_misaligned(leaf: Pte, level: u32) -> bool {
    leaf.ppn() & (pages(level) - 1) != 0
}

/// Steps 5 to 8 for a leaf (step 7 speaks of shadow stacks, which this hart does not have).
fn check_leaf(pte: Pte, level: u32, access: Access, cx: &Context) -> Result<(), WalkFault> {
    // Step 5: a superpage must be aligned to its size.
    if is_misaligned(pte, level) {
        return Err(WalkFault::MisalignedSuperpage);
    }
    // Step 6: the U bit against privilege mode and SUM.
    if !pte.lets_in(cx.privilege, access, cx.sum) {
        return Err(WalkFault::Privilege);
    }
    // Step 8: R, W, X, and MXR for loads.
    if !pte.allows(access, cx.mxr) {
        return Err(WalkFault::Permission);
    }
    Ok(())
}

/// What the common leaves look like that pass steps 3 to 9 for one kind of access in one kind of
/// context, with A and D as they are: readable, and with neither N nor PBMT, so that nothing else
/// about the context counts. Other leaves may pass too: [`resume`] knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain {
    mask: u64,
    /// The bits of `mask` that are set.
    set: u64,
}

impl Plain {
    /// For each of [`Access::ALL`] in S- or U-mode, with SUM or without it.
    pub(super) const fn row(privilege: Privilege, sum: bool) -> [Self; 3] {
        let [fetch, load, store] = Access::ALL;
        let of = Self::of;
        [Self::of(privilege, sum, fetch), of(privilege, sum, load), of(privilege, sum, store)]
    }

    const fn of(privilege: Privilege, sum: bool, access: Access) -> Self {
        // Steps 3, 8 and 9.
        let permission = match access {
            Access::Fetch => Pte::X,
            Access::Load => Pte::R,
            Access::Store => Pte::W,
        };
        let set = marked(Pte(Pte::V | Pte::R | permission), access).0;
        let mask = set | Pte::RESERVED | Pte::PBMT | Pte::N;
        // Step 6.
        let (user, kernel) = (Pte(Pte::U), Pte(0));
        match (user.lets_in(privilege, access, sum), kernel.lets_in(privilege, access, sum)) {
            (true, true) => Self { mask, set },
            (in_user_pages, _) => {
                Self { mask: mask | Pte::U, set: if in_user_pages { set | Pte::U } else { set } }
            }
        }
    }

    /// Whether `pte`, of a table at `level`, is such a leaf.
    #[inline(always)]
    pub(super) const fn admits(self, pte: Pte, level: u32) -> bool {
        // Step 5 is about the low bits of the PPN.
        pte.0 & (self.mask | Pte::new(pages(level) - 1, 0).0) == self.set
    }

    /// Whether `pte`, of a table at the last level, is such a leaf but for being part of a NAPOT
    /// range that `cx` allows.
    #[inline(always)]
    pub(super) const fn admits_napot(self, pte: Pte, cx: &Context) -> bool {
        pte.has(Pte::N) && cx.napot && pte.is_napot_64k() && self.admits(Pte(pte.0 & !Pte::N), 0)
    }
}

/// Base pages that a leaf at `level` maps.
#[inline(always)]
const fn pages(level: u32) -> u64 {
    1 << (VPN_BITS * level)
}

/// `pte` with the bits set that step 9 demands for `access`.
const fn marked(pte: Pte, access: Access) -> Pte {
    Pte(pte.0 | Pte::A | if matches!(access, Access::Store) { Pte::D } else { 0 })
}

/// Step 10: the address, from the leaf above its size and from `va` below it.
#[inline(always)]
pub fn leaf(pte: Pte, pte_at: PhysAddr, level: u32, global: bool, va: VirtAddr) -> Leaf {
    let napot = if pte.has(Pte::N) { NAPOT_PAGES_SHIFT } else { 0 };
    let size_shift = PAGE_SHIFT + VPN_BITS * level + napot;
    let within = (1 << size_shift) - 1;
    let pa = PhysAddr(pte.page().0 & !within | va.0 & within);
    Leaf { pte, pte_at, level: level as u8, global, size_shift: size_shift as u8, pa }
}

#[cfg(test)]
mod tests;
