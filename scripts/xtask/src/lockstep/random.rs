//! [`Random`]: a small generator of reproducible choices. The same seed makes the same program on
//! every host and in every version of this crate's dependencies.

/// A SplitMix64 sequence.
///
/// Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators".
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 uniform bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `limit`, which is not zero.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        // The bias is below 2^-32 for the small limits of this crate.
        self.bits() % limit
    }

    /// True once in `n` times.
    pub(super) fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of `choices`.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// 64 bits that are interesting to arithmetic: small numbers, powers of two and their
    /// neighbours, runs of ones, halves repeated, as well as uniform ones.
    pub(super) fn value(&mut self) -> u64 {
        let bits = self.bits();
        let shift = self.below(64);
        match self.below(12) {
            0 => bits % 16,
            1 => (bits % 16).wrapping_neg(),
            2 => 1 << shift,
            3 => (1 << shift) - 1,
            4 => (1u64 << shift).wrapping_neg(),
            5 => !(1 << shift),
            6 => bits as i32 as u64,
            7 => bits & 0xffff_ffff,
            8 => (bits & 0xffff_ffff) << 32 | bits & 0xffff_ffff,
            9 => bits >> shift,
            _ => bits,
        }
    }

    /// A signed 12-bit immediate, often an extreme or a small one.
    pub(super) fn imm12(&mut self) -> i32 {
        match self.below(6) {
            0 => self.pick(&[0, 1, -1, 2047, -2048]),
            1 => self.below(32) as i32 - 16,
            _ => self.below(4096) as i32 - 2048,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_program_for_ever() {
        let mut random = Random::new(1);
        assert_eq!(random.bits(), 0x910a_2dec_8902_5cc1);
        assert_eq!(random.bits(), 0xbeeb_8da1_658e_ec67);
    }

    #[test]
    fn choices_stay_in_range_and_reach_everything() {
        let mut random = Random::new(7);
        let mut seen = [false; 10];
        for _ in 0..1000 {
            seen[random.below(10) as usize] = true;
            assert!((-2048..2048).contains(&random.imm12()));
        }
        assert_eq!(seen, [true; 10]);
    }
}
