//! The memory-management unit of a hart: [`Mmu::translate`] joins the walk (`walk.rs`), physical
//! protection (`pmp.rs`) and the TLB (`tlb.rs`), and is the only place where a [`WalkFault`]
//! becomes an exception; `access.rs` builds loads, stores and atomics on it. Knows nothing of
//! CSRs or harts: they hand in a [`Context`].

mod access;
mod bank;
mod banks;
mod direct;
mod key;
mod pmp;
mod probe;
mod pte;
mod refill;
mod tables;
mod tlb;
mod walk;
mod walk_cache;

pub use access::BLOCK_SIZE_BYTES;
pub use key::TlbContext;
pub use pmp::Pmp;
pub use probe::{Fence, WalkRecord};
pub use pte::{PTE_SIZE_BYTES, Pte};
pub use tlb::TlbEntry;
pub use walk::{
    Leaf, PteMemory, Step, Steps, VPN_BITS, Verdict, WalkFault, canonical, defect, leaf, walk,
};

use crate::addr::{Access, Asid, PAGE_SIZE_BYTES, PhysAddr, PmpRegion, Privilege, VirtAddr, Width};
use crate::bus::{Bus, Ram, RamOffset};
use crate::trap::Exception;
use bank::Mapping;
use pmp::Reach;
use probe::Probe;
use tables::{PageTables, Untouched};
use tlb::Tlb;
use walk_cache::WalkCache;

/// Translation scheme, `satp.MODE`, encoded as there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Mode {
    /// No translation.
    #[default]
    Bare = 0,
    /// Three levels, 39-bit virtual addresses.
    Sv39 = 8,
    /// Four levels, 48-bit virtual addresses.
    Sv48 = 9,
    /// Five levels, 57-bit virtual addresses.
    Sv57 = 10,
}

impl Mode {
    /// The modes that translate.
    pub const PAGED: [Mode; 3] = [Mode::Sv39, Mode::Sv48, Mode::Sv57];

    /// Number of page-table levels; 0 for Bare.
    pub const fn levels(self) -> u32 {
        match self {
            Self::Bare => 0,
            Self::Sv39 => 3,
            Self::Sv48 => 4,
            Self::Sv57 => 5,
        }
    }

    /// The mode with this encoding; Bare for those that this hart lacks.
    const fn from_bits(bits: u64) -> Self {
        match bits {
            _ if bits == Self::Sv39 as u64 => Self::Sv39,
            _ if bits == Self::Sv48 as u64 => Self::Sv48,
            _ if bits == Self::Sv57 as u64 => Self::Sv57,
            _ => Self::Bare,
        }
    }
}

/// Supervisor address translation and protection, `satp` decoded.
///
/// Source: Privileged ISA, "Supervisor Address Translation and Protection (satp) Register".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Satp {
    /// Translation scheme.
    pub mode: Mode,
    /// Current address space.
    pub asid: Asid,
    /// Physical page number of the root table (44 bits).
    pub root_ppn: u64,
}

impl Satp {
    const MODE_SHIFT: u32 = 60;
    const ASID_SHIFT: u32 = 44;
    const PPN_MASK: u64 = (1 << Self::ASID_SHIFT) - 1;

    /// Decodes a value of the CSR. MODE encodings that this hart lacks, which the CSR never
    /// holds, read as Bare.
    #[inline(always)]
    pub const fn from_bits(bits: u64) -> Self {
        Self {
            mode: Mode::from_bits(bits >> Self::MODE_SHIFT),
            asid: Self::asid_of(bits),
            root_ppn: bits & Self::PPN_MASK,
        }
    }

    /// The address space in a value of the CSR.
    const fn asid_of(bits: u64) -> Asid {
        Asid((bits >> Self::ASID_SHIFT) as u16)
    }

    /// The value of the CSR.
    #[inline(always)]
    pub const fn to_bits(self) -> u64 {
        (self.mode as u64) << Self::MODE_SHIFT
            | (self.asid.0 as u64) << Self::ASID_SHIFT
            | self.root_ppn & Self::PPN_MASK
    }
}

/// Everything outside the page tables that translation depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// Effective privilege mode: MPRV is applied by whoever makes the context.
    pub privilege: Privilege,
    /// Root, scheme and address space.
    pub satp: Satp,
    /// `mstatus.SUM`: S-mode may load from and store to U pages.
    pub sum: bool,
    /// `mstatus.MXR`: loads may read executable pages.
    pub mxr: bool,
    /// `menvcfg.ADUE`: the walk sets A and D (Svadu) instead of faulting (Svade).
    pub adue: bool,
    /// Svnapot is on.
    pub napot: bool,
    /// `menvcfg.PBMTE`: Svpbmt is on.
    pub pbmt: bool,
}

impl Context {
    /// M-mode after reset: no translation.
    pub const RESET: Context = Context {
        privilege: Privilege::Machine,
        satp: Satp { mode: Mode::Bare, asid: Asid(0), root_ppn: 0 },
        sum: false,
        mxr: false,
        adue: false,
        napot: false,
        pbmt: false,
    };

    /// Whether addresses go through page tables.
    pub fn translates(&self) -> bool {
        self.privilege != Privilege::Machine && self.satp.mode != Mode::Bare
    }
}

/// The address translation of one hart.
#[derive(Debug)]
pub struct Mmu {
    fetch: Context,
    data: Context,
    pmp: Pmp,
    tlb: Tlb,
    walks: WalkCache,
    /// Pages that PMP leaves entirely to S- and U-mode, the walker included, and to M-mode, around
    /// one that was used last. Nothing while somebody watches: then every miss has to come the long way.
    reaches: [Reach; 2],
    /// Records misses and fences, for who watches the hart. Looked at where those happen only.
    probe: Option<Box<Probe>>,
}

impl Default for Mmu {
    fn default() -> Self {
        Self::new()
    }
}

impl Mmu {
    /// As after reset: M-mode, no protection, nothing cached.
    pub fn new() -> Self {
        let reset = Context::RESET;
        Self {
            fetch: reset,
            data: reset,
            pmp: Pmp::default(),
            tlb: Tlb::new(),
            walks: WalkCache::new(),
            reaches: [Reach::NOTHING; 2],
            probe: None,
        }
    }

    /// Sets what fetches, and what loads and stores (MPRV applied), depend on from now on.
    /// Cached translations of other contexts stay for when those come back.
    pub fn set_contexts(&mut self, fetch: Context, data: Context) {
        self.tlb.select(&fetch, &data);
        (self.fetch, self.data) = (fetch, data);
    }

    /// Sets the active PMP entries, lowest-numbered first, and drops everything that was derived
    /// from the old ones.
    pub fn set_pmp(&mut self, regions: Vec<PmpRegion>) {
        self.pmp = Pmp::new(regions);
        self.reaches = [Reach::NOTHING; 2];
        self.tlb.clear();
        self.walks.clear();
    }

    /// Makes `ram` the one that cached translations lead to, and drops those that lead to another.
    /// Who runs a hart does this first; it costs next to nothing where nothing has changed.
    #[inline(always)]
    pub fn attach(&mut self, ram: &Ram) {
        if !self.tlb.is_attached(ram) {
            self.tlb.attach(ram);
            self.walks.clear();
        }
    }

    /// Where in RAM the byte at `va` lies, if the TLB knows that `access` is allowed there. Good to
    /// the end of its base page. `None` says nothing: ask [`translate`](Self::translate).
    #[inline(always)]
    pub fn lookup(&self, va: VirtAddr, access: Access) -> Option<RamOffset> {
        self.tlb.lookup(va, access)
    }

    /// The hit path: loads `width` bytes at `va`, zero-extended, from `ram`, which this MMU must be
    /// attached to. `None` where the TLB does not know that this is allowed or `va` is not a
    /// multiple of `width`: ask [`load`](Self::load).
    #[inline(always)]
    pub(crate) fn load_hit(&self, ram: &Ram, va: VirtAddr, width: Width) -> Option<u64> {
        self.tlb.load(ram, va, width)
    }

    /// Stores the low `width` bytes of `value`; otherwise as [`load_hit`](Self::load_hit).
    #[inline(always)]
    pub(crate) fn store_hit(
        &mut self,
        ram: &mut Ram,
        va: VirtAddr,
        width: Width,
        value: u64,
    ) -> Option<()> {
        self.tlb.store(ram, va, width, value)
    }

    /// The physical address of `len_bytes` (at least one) bytes at `va`, which must not cross a
    /// base page. Walks where the TLB has no entry, checks PMP and fills the TLB.
    ///
    /// # Errors
    /// A page fault or access fault for `access` at `va`.
    pub fn translate(
        &mut self,
        bus: &mut Bus,
        va: VirtAddr,
        access: Access,
        len_bytes: u64,
    ) -> Result<PhysAddr, Exception> {
        debug_assert!(va.page_offset() + len_bytes <= PAGE_SIZE_BYTES, "access crosses a page");
        self.attach(&bus.ram);
        if let Some(at) = self.lookup(va, access) {
            return Ok(bus.ram.base().wrapping_add(at.0));
        }
        match self.refill(&bus.ram, va, access) {
            Some(at) => Ok(bus.ram.base().wrapping_add(at.0)),
            None => self.translate_in_full(bus, va, access, len_bytes),
        }
    }

    /// `Ok` where PMP allows the access.
    fn protect(
        &self,
        cx: &Context,
        pa: PhysAddr,
        (access, len_bytes): (Access, u64),
    ) -> Result<(), Refusal> {
        match self.pmp.allows(pa, len_bytes, access, cx.privilege) {
            true => Ok(()),
            false => Err(Refusal::Protection(pa)),
        }
    }

    /// Where `memory` and PMP say that the bytes are, without a look at what is cached.
    fn resolve(
        &self,
        cx: &Context,
        memory: &mut impl PteMemory,
        (va, access): (VirtAddr, Access),
        len_bytes: u64,
        steps: &mut impl Steps,
    ) -> Result<(PhysAddr, Mapping), Refusal> {
        let (pa, mapping) = if cx.translates() {
            let leaf = walk(memory, va, access, cx, steps).map_err(Refusal::Walk)?;
            (leaf.pa, Mapping::of(&leaf))
        } else {
            (PhysAddr(va.0), Mapping::NONE)
        };
        self.protect(cx, pa, (access, len_bytes))?;
        Ok((pa, mapping))
    }

    /// What `access` depends on at the moment.
    pub fn context(&self, access: Access) -> &Context {
        if access == Access::Fetch { &self.fetch } else { &self.data }
    }

    /// What the TLB holds, in no particular order.
    pub fn tlb_entries(&self) -> impl Iterator<Item = TlbEntry> {
        self.tlb.entries()
    }

    /// Physical protection as it is at the moment.
    pub fn pmp(&self) -> &Pmp {
        &self.pmp
    }

    /// The four forms of `sfence.vma`: `None` stands for `x0`. `sinval.vma` is the same.
    ///
    /// Source: Privileged ISA, "Supervisor Memory-Management Fence Instruction".
    pub fn sfence_vma(&mut self, va: Option<VirtAddr>, asid: Option<Asid>) {
        self.note_fence(Fence { va, asid });
        self.tlb.fence(va, asid);
        if va.is_none() {
            self.walks.clear();
        }
    }

    /// Drops what lets stores reach `page` without passing the write tracker, which has just
    /// begun to watch it.
    pub fn forbid_stores(&mut self, page: RamOffset) {
        self.tlb.forbid_stores(page);
    }

    /// How `va` would be translated for `access` by a fresh walk, step by step. Changes nothing:
    /// no A or D bit, no TLB entry.
    pub fn explain(&self, bus: &Bus, va: VirtAddr, access: Access) -> Explanation {
        self.explain_in(self.context(access), bus, va, access)
    }

    /// As [`explain`](Self::explain), in another context than the current one.
    pub fn explain_in(&self, cx: &Context, bus: &Bus, va: VirtAddr, access: Access) -> Explanation {
        let (mut memory, mut steps) = (Untouched { ram: &bus.ram, pmp: &self.pmp }, Vec::new());
        let found = self.resolve(cx, &mut memory, (va, access), 1, &mut steps);
        Explanation { steps, pa: found.map(|(pa, _)| pa) }
    }
}

/// How an address was translated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The entries looked at; none where addresses are not translated or not canonical.
    pub steps: Vec<Step>,
    /// Where the byte is, or what denies it.
    pub pa: Result<PhysAddr, Refusal>,
}

/// Why a byte cannot be accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The page tables deny it.
    Walk(WalkFault),
    /// PMP denies it, at this physical address.
    Protection(PhysAddr),
}

#[cfg(test)]
mod tests;
