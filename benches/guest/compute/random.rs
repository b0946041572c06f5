//! [`Random`]: the same unpredictable numbers on every machine.

/// Marsaglia's xorshift, 64 bits, shifts 13, 7 and 17.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Always the same sequence.
    pub(crate) const fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// The next number; never 0.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
