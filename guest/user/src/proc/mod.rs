//! The texts in /proc, read and made into others: [`table`] of names with numbers, [`stat`] of a
//! process, [`memory`] for `free` and `vmstat`, [`maps`], [`pagemap`], [`swaps`], [`top`], and what
//! this kernel has beyond Linux: [`pagetable`], [`faults`], and [`chart`]s of RAM and swap areas.

#![forbid(unsafe_code)]

pub mod chart;
pub mod faults;
pub mod maps;
pub mod memory;
pub mod pagemap;
pub mod pagetable;
pub mod stat;
pub mod swaps;
pub mod table;
pub mod top;
