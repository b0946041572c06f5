//! The address map of the machine, and its harts at a glance.

use super::{View, mode_letter};
use crate::mmu::Satp;

/// The address map, as QEMU's `info mtree` writes it.
pub(in crate::debug) fn regions(view: &View<'_>) -> Vec<String> {
    let heading = "address-space: memory".to_owned();
    let region = |region: crate::bus::Region| {
        let kind = if region.is_ram() { "ram" } else { "i/o" };
        let (first, last, name) = (region.first.0, region.last.0, region.name);
        format!("  {first:016x}-{last:016x} (prio 0, {kind}): {name}")
    };
    std::iter::once(heading).chain(view.bus.regions().map(region)).collect()
}

/// A line for each hart; the current one is marked.
pub(in crate::debug) fn harts(view: &View<'_>) -> Vec<String> {
    let line = |index| {
        let mark = if index == view.current { '*' } else { ' ' };
        format!("{mark} hart {index}: {}", hart(&view.of(index)))
    };
    (0..view.harts.len()).map(line).collect()
}

/// Where the current hart is and what it is doing.
pub(in crate::debug) fn hart(view: &View<'_>) -> String {
    let hart = view.hart();
    let (mode, pc, insns) = (mode_letter(hart.privilege), hart.pc.0, hart.insns);
    let (label, scheme) = (view.label(pc), Satp::from_bits(hart.csr.satp()).mode);
    let (mip, mie) = (view.csr_named("mip"), view.csr_named("mie"));
    format!("{mode}-mode, pc {pc:#x}{label}, {scheme:?}, mip {mip:#x}, mie {mie:#x}, {insns} insns")
}
