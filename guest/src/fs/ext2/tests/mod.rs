//! Tests of ext2, on images that e2fsprogs makes and judges (`tools.rs`) and on small ones made
//! here (`format.rs`); on a disk that remembers what was written when (`memory.rs`). `world.rs`
//! does the same things to a file system and to a model of it; `cuts.rs` leaves out one order of
//! writes after the other.

mod cuts;
mod deeds;
mod format;
mod hostile;
mod memory;
mod orders;
mod power;
mod reading;
mod superblock;
mod tools;
mod world;
mod writing;

pub(super) use cuts::is_left_out;
