//! The texts in /proc, read and made into others: [`table`] of names with numbers, [`stat`] of a
//! process, [`memory`] for `free` and `vmstat`, [`maps`], [`pagemap`], [`swaps`], [`top`], open
//! [`files`], [`sysvipc`], and what this kernel has beyond Linux: [`pagetable`], [`faults`], and [`chart`]s of RAM and swap areas.

#![forbid(unsafe_code)]

pub mod chart;
pub mod faults;
pub mod files;
pub mod maps;
pub mod memory;
pub mod pagemap;
pub mod pagetable;
pub mod stat;
pub mod swaps;
pub mod sysvipc;
pub mod table;
pub mod top;
