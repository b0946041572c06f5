//! Page replacement: which pages have to leave RAM. [`Policy`] is what each of them does, [`Kind`]
//! which there are, [`Replacement`] the one that was chosen, [`Mark`] what they remember of a page.
//!
//! They choose as a scan of page tables goes round: the hand passes the resident pages in a fixed
//! circle, reads and clears their accessed bits, and for each asks whether it is to go. No lists
//! are kept and nothing is allocated, so a policy may be asked while the books are locked, and
//! another one may take over at any moment. `working_set.rs` beside this room makes something else
//! of the same scan; `lab/` lets the policies compete on reference strings.

mod aging;
mod chosen;
mod clock;
mod clock_pro;
mod fifo;
pub mod lab;
mod mark;
mod two_list;
mod wsclock;

pub use chosen::{CIRCLES_MAX, Kind, Replacement};
pub use mark::Mark;

/// What the hand sees of a page as it passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its accessed bit was set, and is not any more.
    pub accessed: bool,
    /// Its content would have to be written before the frame is free.
    pub dirty: bool,
    /// How long its process has run, in ticks of [`TICK_NS`], wrapping.
    pub time: u32,
}

/// Tick of a process's own time, in nanoseconds: about a millisecond.
pub const TICK_NS: u64 = 1 << 20;

/// What is to become of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Keep,
    /// Its mapping goes; unless it is accessed again before the frame is needed, so does its content.
    Trim,
}

/// How a page comes in again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refault {
    /// Pages that have come in before now, wrapping: what [`Mark::arrived`] is told for a new one.
    pub now: u32,
    /// Pages that were evicted since this one was.
    pub distance: u32,
    /// Pages that are resident.
    pub resident: u32,
}

/// A way to choose the pages that leave RAM.
///
/// The hand is moved in rounds, until enough pages are trimmed; the circle goes on from round to
/// round. A policy may pass a page over however long; [`Replacement`] sees to it that a round ends.
pub trait Policy {
    /// A round begins: so many pages are wanted. A circle of the hand is about `resident` pages
    /// long: those that are mapped and may be trimmed.
    fn begin(&mut self, want: u32, resident: u32);

    /// The hand passes a page, through each mapping that it has.
    fn look(&mut self, mark: &mut Mark, seen: Seen) -> Verdict;

    /// The content of a page that was trimmed leaves RAM.
    fn evicted(&mut self, mark: &mut Mark);

    /// It comes in again. [`Replacement`] has written down when.
    fn returned(&mut self, mark: &mut Mark, refault: Refault);
}

#[cfg(test)]
mod tests;
