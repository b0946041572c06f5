//! `compute.sieve`: the sieve of Eratosthenes, stores at many distances. An operation decides
//! whether a number is prime.

use core::hint::black_box;

/// Numbers that a round decides about, from 0 on.
pub(crate) const NUMBERS: u64 = LEN as u64;
const LEN: usize = 8192;

/// Sieves so many times.
pub(crate) fn run(rounds: u64) -> u64 {
    let mut composite = [false; LEN];
    (0..rounds).fold(0, |sum: u64, _| sum.rotate_left(9) ^ sieve(black_box(&mut composite)))
}

/// Tells primes from composite numbers; yields how many primes there are, and the last in the
/// upper half.
#[inline(never)]
fn sieve(composite: &mut [bool; LEN]) -> u64 {
    composite.fill(false);
    let (mut count, mut last) = (0, 0);
    for number in 2..LEN {
        if !composite[number] {
            (count, last) = (count + 1, number as u64);
            let mut multiple = number * number;
            while multiple < LEN {
                composite[multiple] = true;
                multiple += number;
            }
        }
    }
    last << 32 | count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primes_are_counted() {
        let mut composite = [true; LEN];
        assert_eq!(sieve(&mut composite), 8191 << 32 | 1028);
        assert!([2, 3, 5, 127, 8191].iter().all(|number| !composite[*number]));
        assert!([4, 9, 7921, 8189].iter().all(|number| composite[*number]));
    }
}
