//! `compute.integer`: xorshift, table look-ups, unpredictable branches. An operation mixes a word.

use crate::random::Random;

/// Words that a round mixes.
pub(crate) const WORDS: u64 = LEN as u64;
const LEN: usize = 4096;

/// Does so many rounds on the same words.
pub(crate) fn run(rounds: u64) -> u64 {
    let mut words = [0u32; LEN];
    let mut random = Random::new();
    (0..rounds).fold(0, |sum, _| sum.rotate_left(7) ^ round(&mut words, &mut random))
}

/// One pass over the words: each is mixed with a random other one. Yields a sum of the odd ones.
#[inline(never)]
fn round(words: &mut [u32; LEN], random: &mut Random) -> u64 {
    let mut odd: u64 = 0;
    for at in 0..LEN {
        let number = random.next();
        let other = words[number as usize % LEN];
        let word = words[at].wrapping_mul(31).wrapping_add(other ^ number as u32);
        words[at] = word;
        if word & 1 == 1 {
            odd += u64::from(word >> 3);
        }
    }
    odd
}
