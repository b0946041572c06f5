//! `compute.calls`: a recursion and small functions that are called through pointers. An operation
//! is a call.

use core::hint::black_box;

use crate::random::Random;

/// Calls of a round, but for a few.
pub(crate) const CALLS: u64 = DIRECT + INDIRECT;
/// The number whose Fibonacci number a round finds.
const DEPTH: u64 = 15;
/// Calls that this takes.
const DIRECT: u64 = 2 * 987 - 1;
/// Calls through pointers.
const INDIRECT: u64 = 1024;

/// Does so many rounds.
pub(crate) fn run(rounds: u64) -> u64 {
    let functions = black_box(FUNCTIONS);
    let mut random = Random::new();
    (0..rounds).fold(0, |sum: u64, _| {
        let fibonacci = fibonacci(black_box(DEPTH));
        (0..INDIRECT).fold(sum ^ fibonacci, |value, _| {
            functions[random.next() as usize % functions.len()](value)
        })
    })
}

/// The Fibonacci number, the slow way.
#[inline(never)]
fn fibonacci(number: u64) -> u64 {
    if number < 2 {
        return number;
    }
    // Kept from becoming a loop.
    black_box(fibonacci(number - 1)) + black_box(fibonacci(number - 2))
}

const FUNCTIONS: [fn(u64) -> u64; 8] = [
    |value| value.wrapping_add(0x9e37),
    |value| value ^ value >> 29,
    |value| value.wrapping_mul(0x2545_f491_4f6c_dd1d),
    |value| value.rotate_left(21),
    |value| if value & 1 == 0 { value >> 1 } else { value.wrapping_mul(3) },
    |value| !value,
    |value| value.swap_bytes(),
    |value| value.wrapping_sub(value << 3),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fibonacci_numbers() {
        let numbers: Vec<u64> = (0..10).map(fibonacci).collect();
        assert_eq!(numbers, [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]);
        // Finding the n-th takes twice the next one, less one, calls.
        assert_eq!(2 * fibonacci(DEPTH + 1) - 1, DIRECT);
    }
}
