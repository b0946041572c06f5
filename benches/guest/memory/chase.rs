//! The dependent chase: each line says which is next, so that no access begins before the last has
//! ended.

use crate::line::{self, LINES_IN_PAGE, Line};

/// Steps of [`follow`] between two looks at the counter.
const UNROLLED: u64 = 8;

/// Some lines of every page, no two neighbours of one page, and of 16 pages none in the same set of
/// a cache.
pub(crate) fn wide_circle(lines: &'static [Line]) -> impl Iterator<Item = &'static Line> + Clone {
    const LINES: usize = 4;
    let pages = lines.len() / LINES_IN_PAGE;
    let line = |number, page| &lines[page * LINES_IN_PAGE + page * LINES % LINES_IN_PAGE + number];
    (0..LINES).flat_map(move |number| (0..pages).map(move |page| line(number, page)))
}

/// Makes a circle of the lines.
pub(crate) fn link(lines: impl Iterator<Item = &'static Line> + Clone) {
    let from_the_second = lines.clone().cycle().skip(1);
    lines.zip(from_the_second).for_each(|(line, next)| line.next.set(Some(next)));
}

/// Goes so many steps, a multiple of 8; yields where that ends.
#[inline(never)]
pub(crate) fn follow(start: &'static Line, steps: u64) -> &'static Line {
    let mut line = start;
    for _ in 0..steps / UNROLLED {
        for _ in 0..UNROLLED {
            line = next(line);
        }
    }
    line
}

#[inline(always)]
fn next(line: &Line) -> &'static Line {
    line.next.get().expect("the lines are a circle")
}

/// A checksum of the values all around the circle.
pub(crate) fn checksum(start: &'static Line) -> u64 {
    let mut sum = 0;
    let mut line = start;
    loop {
        sum = line::add(sum, line.value.get());
        line = next(line);
        if core::ptr::eq(line, start) {
            return sum;
        }
    }
}
