//! Swap areas: what their disks hold.

pub mod header;
