//! A debugger's view of memory: RAM only, since reading a device has effects; as the hart sees it
//! that the user looks at, or by physical address. [`View`](crate::debug::View) knows where it is;
//! writing, which a view does not do, is here.

use crate::addr::{PAGE_SIZE_BYTES, VirtAddr};
use crate::debug::view::Space;
use crate::machine::Machine;

/// No such memory, or no RAM.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotThere;

/// Fills `data` from memory at `start` of a `space` of the hart with index `hart`.
///
/// # Errors
/// [`NotThere`] where any byte is not in RAM.
pub(super) fn read(
    machine: &Machine,
    (hart, space): (usize, Space),
    start: u64,
    data: &mut [u8],
) -> Result<(), NotThere> {
    machine.inspect(hart, |view| view.read(space, start, data)).map_err(|_| NotThere)
}

/// Writes `data` to memory at `start` of a `space` of the hart with index `hart`, whatever the
/// page tables say of writing.
///
/// # Errors
/// [`NotThere`] where any byte is not in RAM; nothing is written then.
pub(super) fn write(
    machine: &mut Machine,
    (hart, space): (usize, Space),
    start: u64,
    data: &[u8],
) -> Result<(), NotThere> {
    let mut parts = Vec::new();
    let (mut at, mut rest) = (VirtAddr(start), data);
    while !rest.is_empty() {
        let to_page_end = (PAGE_SIZE_BYTES - at.page_offset()) as usize;
        let (part, others) = rest.split_at(to_page_end.min(rest.len()));
        let pa = machine.inspect(hart, |view| view.resolve(space, at.0)).map_err(|_| NotThere)?;
        let offset = machine.bus.ram.offset_of(pa, part.len() as u64).ok_or(NotThere)?;
        parts.push((offset, part));
        at = at.wrapping_add(part.len() as u64);
        rest = others;
    }
    // Only now that all of it is known to be there.
    parts.into_iter().for_each(|(offset, part)| machine.bus.ram.write(offset, part));
    Ok(())
}
