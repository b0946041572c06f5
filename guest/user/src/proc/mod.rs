//! The texts in /proc, read and made into others: [`table`] of names with numbers, [`stat`] of a
//! process, [`memory`] for `free` and `vmstat`, [`maps`], [`pagemap`], and what this kernel has
//! beyond Linux: [`pagetable`] and [`faults`].

#![forbid(unsafe_code)]

pub mod faults;
pub mod maps;
pub mod memory;
pub mod pagemap;
pub mod pagetable;
pub mod stat;
pub mod table;
