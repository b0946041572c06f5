//! Files, as far as they are policy: who may do what ([`access`]), the tree of directories
//! ([`tree`]), the way along a path ([`path`]), the archive that the first files come from
//! ([`cpio`]), the file system on disks ([`ext2`]), and how Linux lays out what it tells of files
//! ([`layout`]).
//!
//! What a file holds, locks, and mounts are the kernel's.

pub mod access;
pub mod cpio;
pub mod ext2;
pub mod layout;
pub mod path;
pub mod records;
pub mod seals;
pub mod tree;

pub use access::{Attributes, Identity, Kind, Time};
