//! Pages in random order: the order itself, and stores in it. The order is read from a list, whose
//! few pages are not what misses the TLB.

use core::hint::black_box;

use crate::line::{self, Line};
use crate::random::Random;

/// Puts the slots of all pages into a random order, always the same one.
pub(crate) fn shuffle(lines: &'static [Line], order: &mut [&'static Line]) {
    order.iter_mut().zip(line::slots(lines)).for_each(|(place, slot)| *place = slot);
    let mut random = Random::new();
    for last in (1..order.len()).rev() {
        order.swap(last, random.next() as usize % (last + 1));
    }
}

/// Stores so often, a multiple of the number of pages.
#[inline(never)]
pub(crate) fn write(order: &[&'static Line], operations: u64) {
    for pass in 1..=operations / order.len() as u64 {
        for line in black_box(order) {
            line.value.set(pass);
        }
    }
}
