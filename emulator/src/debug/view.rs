//! [`View`]: what debugging texts read of a machine that stands still: harts, bus, symbols. It
//! reads as a debugger does, past permissions but never past what reading could change: no A or D
//! bit, no TLB entry, no device register. `inspect/` makes texts of it, `monitor.rs` and
//! `post_mortem/` choose among them.

use std::fmt;

use super::symbols::{Symbol, Symbols};
use crate::addr::{Access, PAGE_SIZE_BYTES, PhysAddr, Privilege, VirtAddr};
use crate::bus::Bus;
use crate::csr::CsrAddr;
use crate::hart::Hart;
use crate::mmu::{Context, Refusal, WalkFault};

/// Of a symbol's name, as much is shown beside an address.
const MAX_NAME_CHARS: usize = 40;

/// An address farther behind a symbol of unknown size does not belong to it.
const MAX_UNSIZED_BYTES: u64 = 64 << 10;

/// A machine as debugging texts see it.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// All harts; index and `mhartid` agree.
    pub harts: &'a [&'a Hart],
    /// RAM and devices.
    pub bus: &'a Bus,
    /// Symbols of the program, if it has any.
    pub symbols: &'a Symbols,
    /// Index of the hart that is asked about.
    pub current: usize,
}

/// What an address is an address of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// The address space of the current hart.
    Virtual,
    /// The one that the current hart has in this mode, with `satp` as it is.
    Mode(Privilege),
    /// The bus.
    Physical,
}

/// Why bytes cannot be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// The page tables lead nowhere.
    NotMapped(WalkFault),
    /// A device is there, and reading one can change it; this register.
    Device(String),
    /// Nothing answers at this physical address.
    Nothing(PhysAddr),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMapped(fault) => write!(f, "not mapped, {fault}"),
            Self::Device(register) => write!(f, "{register} is a device, reading could change it"),
            Self::Nothing(at) => write!(f, "nothing is at physical address {:#x}", at.0),
        }
    }
}

impl<'a> View<'a> {
    /// The hart that is asked about.
    pub fn hart(&self) -> &'a Hart {
        self.harts[self.current]
    }

    /// The same view, of the hart with this index.
    pub fn of(&self, hart: usize) -> Self {
        assert!(hart < self.harts.len(), "no such hart");
        Self { current: hart, ..*self }
    }

    /// ` <symbol+0x4>` for an address that belongs to a symbol, else nothing. Long names are cut.
    pub fn label(&self, at: u64) -> String {
        let nearest = self.symbols.nearest(at);
        let belongs = |(symbol, distance): &(Symbol<'_>, u64)| {
            symbol.len_bytes > 0 || *distance < MAX_UNSIZED_BYTES
        };
        let Some((symbol, distance)) = nearest.filter(belongs) else { return String::new() };
        let mut name: String = symbol.name.chars().take(MAX_NAME_CHARS).collect();
        if name.len() < symbol.name.len() {
            name.push_str("...");
        }
        let offset = if distance == 0 { String::new() } else { format!("+{distance:#x}") };
        format!(" <{name}{offset}>")
    }

    /// The value of a CSR of the hart; `None` where it has no such one.
    pub fn csr(&self, addr: CsrAddr) -> Option<u64> {
        self.hart().csr.peek(addr, &self.hart().csr_cx(self.bus))
    }

    /// The value of a CSR that every hart has.
    pub(super) fn csr_named(&self, name: &str) -> u64 {
        CsrAddr::named(name).and_then(|addr| self.csr(addr)).unwrap_or(0)
    }

    /// Where the byte at `at` of `space` is, whoever may touch it. The address space of M-mode is
    /// the physical one.
    ///
    /// # Errors
    /// The reason why page tables lead nowhere.
    pub fn resolve(&self, space: Space, at: u64) -> Result<PhysAddr, WalkFault> {
        let mmu = &self.hart().mmu;
        let now = *mmu.context(Access::Fetch);
        let privilege = match space {
            Space::Physical => Privilege::Machine,
            Space::Mode(privilege) => privilege,
            Space::Virtual => now.privilege,
        };
        let (va, cx) = (VirtAddr(at), Context { privilege, ..now });
        if !cx.translates() {
            return Ok(PhysAddr(va.0));
        }
        // With SUM and MXR, what S-mode may not load are pages that only take stores: none.
        let cx = Context { privilege: Privilege::Supervisor, sum: true, mxr: true, ..cx };
        match mmu.explain_in(&Context { adue: true, ..cx }, self.bus, va, Access::Load).pa {
            Ok(pa) | Err(Refusal::Protection(pa)) => Ok(pa),
            Err(Refusal::Walk(fault)) => Err(fault),
        }
    }

    /// Fills `bytes` from physical address `at`.
    ///
    /// # Errors
    /// [`Unread`] where not all of it is RAM; `bytes` then holds nothing useful.
    fn read_physical(&self, at: PhysAddr, bytes: &mut [u8]) -> Result<(), Unread> {
        let len_bytes = bytes.len() as u64;
        if let Some(offset) = self.bus.ram.offset_of(at, len_bytes) {
            bytes.copy_from_slice(self.bus.ram.slice(offset, len_bytes));
            return Ok(());
        }
        // The first byte that is not RAM tells why.
        let in_ram = |at| self.bus.ram.offset_of(at, 1).is_some();
        let mut at = at;
        if in_ram(at) {
            at = self.bus.ram.base().wrapping_add(self.bus.ram.len_bytes());
        }
        Err(self.bus.register_at(at).map_or(Unread::Nothing(at), Unread::Device))
    }

    /// Fills `bytes` from address `at` of `space`.
    ///
    /// # Errors
    /// [`Unread`] where not all of it is RAM.
    pub fn read(&self, space: Space, at: u64, bytes: &mut [u8]) -> Result<(), Unread> {
        let (mut at, mut rest) = (at, bytes);
        while !rest.is_empty() {
            let left = (PAGE_SIZE_BYTES - VirtAddr(at).page_offset()) as usize;
            let (part, others) = rest.split_at_mut(left.min(rest.len()));
            self.read_physical(self.resolve(space, at).map_err(Unread::NotMapped)?, part)?;
            at = at.wrapping_add(part.len() as u64);
            rest = others;
        }
        Ok(())
    }
}
