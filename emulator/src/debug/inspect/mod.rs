//! The texts that show a machine, each as lines without line feeds: page tables (`table.rs`), one
//! walk (`walk.rs`), the TLB (`tlb.rs`), registers and harts (`registers.rs`), code (`code.rs`),
//! memory (`dump.rs`), the address map and the trail (`map.rs`, `trail.rs`). All read a [`View`].

pub(super) mod cause;
pub(super) mod code;
pub(super) mod dump;
pub(super) mod expression;
pub(super) mod map;
pub(super) mod registers;
pub(super) mod table;
pub(super) mod tlb;
pub(super) mod trail;
pub(super) mod walk;

#[cfg(test)]
pub(super) mod tests;

use super::view::View;
use crate::addr::{Access, Privilege};

pub use cause::cause_name;
pub use code::assembly;

/// The letter of a mode.
pub(super) const fn mode_letter(privilege: Privilege) -> char {
    match privilege {
        Privilege::User => 'U',
        Privilege::Supervisor => 'S',
        Privilege::Machine => 'M',
    }
}

/// A kind of access as a verb.
pub(super) const fn verb(access: Access) -> &'static str {
    match access {
        Access::Fetch => "fetch",
        Access::Load => "load",
        Access::Store => "store",
    }
}

/// A power-of-two number of bytes, as `4K` or `2M`.
pub(super) fn size_text(shift: u32) -> String {
    const UNITS: [&str; 7] = ["B", "K", "M", "G", "T", "P", "E"];
    format!("{}{}", 1_u64 << (shift % 10), UNITS[shift as usize / 10])
}
