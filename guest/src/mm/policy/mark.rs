//! [`Mark`]: what the replacement policies remember of a page. It belongs to the page, not to the
//! policy: it stays with the page while its content is out of RAM, which is how a policy knows
//! pages that come back, and it stays when the policy changes, so it says whose notes it carries.

use super::Kind;

/// What the policies remember of a page; all zeros for one that nothing is known of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Pages that had come in before it did, wrapping.
    arrival: u32,
    /// A policy's own time.
    pub(super) time: u16,
    /// A policy's own measure of use.
    pub(super) age: u8,
    /// Below [`WRITER_SHIFT`] a policy's own flags; from there on who wrote them, the time and the
    /// age: one more than the policy's [`Kind`], 0 for nobody.
    flags: u8,
}

/// Bits for a policy's own flags.
const WRITER_SHIFT: u32 = 4;
const FLAGS: u8 = (1 << WRITER_SHIFT) - 1;

const _: () = assert!(size_of::<Mark>() <= 8 && Kind::ALL.len() < 1 << (u8::BITS - WRITER_SHIFT));

impl Mark {
    /// Of a page that nothing is known of.
    pub const FRESH: Self = Self { arrival: 0, time: 0, age: 0, flags: 0 };

    /// Of a page that comes in for the first time; `now` pages have come in before, wrapping.
    #[inline]
    pub const fn arrived(now: u32) -> Self {
        Self { arrival: now, ..Self::FRESH }
    }

    /// It comes in again.
    pub(super) const fn arrives(&mut self, now: u32) {
        self.arrival = now;
    }

    /// Pages that had come in before it did, wrapping.
    pub(super) const fn arrival(self) -> u32 {
        self.arrival
    }

    /// Whether the policy's notes are on it.
    pub(super) const fn is_of(self, kind: Kind) -> bool {
        self.flags >> WRITER_SHIFT == kind as u8 + 1
    }

    /// Makes it the policy's, without a note; when it came in stays.
    pub(super) const fn claim(&mut self, kind: Kind) {
        *self = Self { flags: (kind as u8 + 1) << WRITER_SHIFT, ..Self::arrived(self.arrival) };
    }

    /// Forgets all notes, as if it had come in just now.
    pub(super) const fn clear(&mut self) {
        *self = Self::arrived(self.arrival);
    }

    /// Whether one of these flags is set.
    pub(super) const fn has(self, flags: u8) -> bool {
        self.flags & flags & FLAGS != 0
    }

    /// Sets flags.
    pub(super) const fn set(&mut self, flags: u8) {
        self.flags |= flags & FLAGS;
    }

    /// Takes flags away.
    pub(super) const fn unset(&mut self, flags: u8) {
        self.flags &= !(flags & FLAGS);
    }
}
