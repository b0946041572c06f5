//! `bench-integer`: arithmetic, table look-ups, loads, stores and unpredictable branches in S-mode
//! under Sv39. Prints a checksum, which is the same on every machine. Timed from outside, by
//! `benches/throughput.rs` and `scripts/bench`.

#![no_std]
#![no_main]

#[path = "paged.rs"]
mod paged;

use guest_runtime::{entry, exit, println};

entry!(main);

const ROUNDS: u64 = 4000;
const WORDS: usize = 4096;

fn main() {
    paged::enter(measured)
}

extern "C" fn measured() -> ! {
    paged::turn_on();
    let mut words = [0u32; WORDS];
    let mut random = 0x9e37_79b9_7f4a_7c15;
    let checksum =
        (0..ROUNDS).fold(0u64, |sum, _| sum.rotate_left(7) ^ round(&mut words, &mut random));
    println!("bench-integer: checksum {checksum:#018x}");
    exit(0)
}

/// One pass over the words: each is mixed with a random other one.
#[inline(never)]
fn round(words: &mut [u32; WORDS], random: &mut u64) -> u64 {
    let mut odd = 0;
    for at in 0..WORDS {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        let other = words[*random as usize % WORDS];
        let word = words[at].wrapping_mul(31).wrapping_add(other ^ *random as u32);
        words[at] = word;
        if word & 1 == 1 {
            odd += u64::from(word >> 3);
        }
    }
    odd
}
