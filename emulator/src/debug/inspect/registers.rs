//! Registers of the current hart, in QEMU's layout so that what reads QEMU's output reads this.

use super::View;
use crate::isa::disasm::{F_NAMES, X_NAMES};

/// CSRs shown, in QEMU's order.
const CSRS: [&str; 17] = [
    "mhartid", "mstatus", "mip", "mie", "mideleg", "medeleg", "mtvec", "stvec", "mepc", "sepc",
    "mcause", "scause", "mtval", "stval", "mscratch", "sscratch", "satp",
];
/// Registers in one line.
const PER_LINE: usize = 4;

/// All registers.
pub(in crate::debug) fn all(view: &View<'_>) -> Vec<String> {
    let hart = view.hart();
    let word = |name: &str, value: u64| format!(" {name:<8} {value:016x}");
    let mut lines = vec![
        format!("CPU#{}", view.current),
        word("pc", hart.pc.0),
        word("priv", hart.privilege as u64),
    ];
    lines.extend(CSRS.into_iter().map(|name| word(name, view.csr_named(name))));
    lines.extend(integer(view));
    lines.extend(rows('f', &F_NAMES, &hart.f));
    lines
}

/// The integer registers.
pub(in crate::debug) fn integer(view: &View<'_>) -> Vec<String> {
    rows('x', &X_NAMES, &view.hart().x)
}

fn rows(letter: char, names: &[&str], values: &[u64]) -> Vec<String> {
    let named = names.iter().zip(values).enumerate();
    let cells: Vec<_> = named
        .map(|(number, (name, value))| {
            format!(" {:<8} {value:016x}", format!("{letter}{number}/{name}"))
        })
        .collect();
    cells.chunks(PER_LINE).map(<[String]>::concat).collect()
}
