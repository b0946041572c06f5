//! Swap areas: which slot has whose content ([`SwapAreas`]), and the [`header`] of their disks.

pub mod header;
pub mod places;
mod slots;

pub use slots::{AREAS, Area, Content, Gives, PAGES_MAX, SlotId, SwapAreas};
