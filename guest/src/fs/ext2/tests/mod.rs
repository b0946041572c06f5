//! Tests of ext2, on images that e2fsprogs makes and judges (`tools.rs`) and on small ones made
//! here (`format.rs`); on a disk that remembers what was written when (`memory.rs`). `world.rs`
//! does the same things to a file system and to a model of it.

mod format;
mod hostile;
mod memory;
mod orders;
mod power;
mod reading;
mod tools;
mod world;
mod writing;
