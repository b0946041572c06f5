//! What may go wrong with a disk, for tests of drivers and file systems: whoever plugs the disk in
//! decides, by [`Mishaps`].

use std::ops::Range;

/// What is done to sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// They are read.
    Read,
    /// They are written, cleared or discarded.
    Write,
}

/// What keeps a request from being carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// It fails, and nothing has happened.
    IoError,
    /// The power goes before anything happens.
    PowerCut,
}

/// What goes wrong with a disk, for tests of drivers and file systems.
pub trait Mishaps: Send {
    /// What happens to the next request that could be carried out.
    fn befall(&mut self, transfer: Transfer, sectors: Range<u64>) -> Option<Mishap>;
}
