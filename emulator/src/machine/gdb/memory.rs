//! A debugger's view of memory: RAM only, since reading a device has effects; through the page
//! tables of the hart it looks at, or by physical address. Looking changes nothing, neither PTEs
//! nor the TLB.

use std::ops::Range;

use crate::addr::{Access, PAGE_SIZE_BYTES, PhysAddr, Privilege, VirtAddr};
use crate::bus::{Bus, RamOffset};
use crate::hart::Hart;
use crate::mmu::Context;

/// What addresses are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Addressing {
    /// As the hart sees them in its current mode.
    Virtual,
    /// As the bus sees them.
    Physical,
}

/// No such memory, or no RAM.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotThere;

/// Fills `data` from memory at `start`.
///
/// # Errors
/// [`NotThere`] where any byte is not in RAM.
pub(super) fn read(
    (hart, addressing): (&Hart, Addressing),
    bus: &Bus,
    start: u64,
    data: &mut [u8],
) -> Result<(), NotThere> {
    for (at, part) in locate((hart, addressing), bus, start, data.len())? {
        let len_bytes = part.len() as u64;
        data[part].copy_from_slice(bus.ram.slice(at, len_bytes));
    }
    Ok(())
}

/// Writes `data` to memory at `start`, whatever the page tables say of writing.
///
/// # Errors
/// [`NotThere`] where any byte is not in RAM; nothing is written then.
pub(super) fn write(
    (hart, addressing): (&Hart, Addressing),
    bus: &mut Bus,
    start: u64,
    data: &[u8],
) -> Result<(), NotThere> {
    for (at, part) in locate((hart, addressing), bus, start, data.len())? {
        bus.ram.write(at, &data[part]);
    }
    Ok(())
}

/// Where in RAM `len` bytes at `start` are, page by page.
fn locate(
    (hart, addressing): (&Hart, Addressing),
    bus: &Bus,
    start: u64,
    len: usize,
) -> Result<Vec<(RamOffset, Range<usize>)>, NotThere> {
    let mut parts = Vec::new();
    let mut done = 0;
    while done < len {
        let at = VirtAddr(start.checked_add(done as u64).ok_or(NotThere)?);
        let to_page_end = (PAGE_SIZE_BYTES - at.page_offset()) as usize;
        let part = done..len.min(done + to_page_end);
        let pa = match addressing {
            Addressing::Virtual => translate(hart, bus, at).ok_or(NotThere)?,
            Addressing::Physical => PhysAddr(at.0),
        };
        let offset = bus.ram.offset_of(pa, part.len() as u64).ok_or(NotThere)?;
        done = part.end;
        parts.push((offset, part));
    }
    Ok(parts)
}

/// The physical address of a byte that a debugger of S-mode or U-mode sees wherever the tables
/// map anything: it does not care for U, SUM, MXR and A, as a kernel's debugger needs to see its
/// user's memory and code that can only be executed.
fn translate(hart: &Hart, bus: &Bus, at: VirtAddr) -> Option<PhysAddr> {
    let fetch = *hart.mmu.context(Access::Fetch);
    let cx = match fetch.privilege {
        Privilege::Machine => fetch,
        Privilege::Supervisor | Privilege::User => {
            Context { privilege: Privilege::Supervisor, sum: true, mxr: true, adue: true, ..fetch }
        }
    };
    hart.mmu.explain_in(&cx, bus, at, Access::Load).pa.ok()
}
