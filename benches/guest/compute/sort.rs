//! `compute.sort`: quicksort, whose comparisons no branch predictor foresees. An operation sorts in
//! an item.

use crate::random::Random;

/// Items that a round sorts.
pub(crate) const ITEMS: u64 = LEN as u64;
const LEN: usize = 1024;
/// Runs no longer than this are sorted by insertion.
const SHORT: usize = 12;

/// Sorts random items so many times, each time others.
pub(crate) fn run(rounds: u64) -> u64 {
    let mut random = Random::new();
    let mut items = [0u32; LEN];
    let mut sum = 0u64;
    for _ in 0..rounds {
        items.fill_with(|| random.next() as u32);
        sort(&mut items);
        let mix = |sum: u64, item: &u32| sum.wrapping_mul(31).wrapping_add(u64::from(*item));
        sum = items.iter().step_by(37).fold(sum, mix);
    }
    sum
}

#[inline(never)]
fn sort(items: &mut [u32]) {
    let mut rest = items;
    while rest.len() > SHORT {
        let (lower, upper) = partition(rest);
        // The shorter part first: so the stack stays small.
        let (shorter, longer) =
            if lower.len() < upper.len() { (lower, upper) } else { (upper, lower) };
        sort(shorter);
        rest = longer;
    }
    insertion_sort(rest);
}

/// Splits into two parts, neither of them empty: no item of the first is above one of the second.
fn partition(items: &mut [u32]) -> (&mut [u32], &mut [u32]) {
    let pivot = median(items[0], items[items.len() / 2], items[items.len() - 1]);
    let (mut low, mut high) = (0, items.len() - 1);
    loop {
        while items[low] < pivot {
            low += 1;
        }
        while items[high] > pivot {
            high -= 1;
        }
        if low >= high {
            return items.split_at_mut(low.max(1));
        }
        items.swap(low, high);
        low += 1;
        high -= 1;
    }
}

fn median(a: u32, b: u32, c: u32) -> u32 {
    a.min(b).max(a.max(b).min(c))
}

fn insertion_sort(items: &mut [u32]) {
    for sorted in 1..items.len() {
        let item = items[sorted];
        let mut at = sorted;
        while at > 0 && items[at - 1] > item {
            items[at] = items[at - 1];
            at -= 1;
        }
        items[at] = item;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_sorted() {
        let mut random = Random::new();
        for len in 0..200 {
            for different in [1, 2, 7, u64::MAX] {
                let mut items: Vec<u32> =
                    (0..len).map(|_| (random.next() % different) as u32).collect();
                let mut expect = items.clone();
                expect.sort_unstable();
                sort(&mut items);
                assert_eq!(items, expect);
                sort(&mut items);
                assert_eq!(items, expect, "sorted before");
            }
        }
    }
}
