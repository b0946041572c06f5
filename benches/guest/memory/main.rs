//! `bench-memory`: loads and stores that hit the TLB, and such that miss it: one access a page,
//! over more and more pages, in ascending order or in none. On the bare machine it runs in S-mode
//! under Sv39; built for the host, the same code gives the native figures. An operation is one
//! access.

#![cfg_attr(target_os = "none", no_std, no_main)]

mod chase;
mod line;
#[cfg(target_os = "none")]
#[path = "../mapped.rs"]
mod mapped;
#[path = "../measure.rs"]
mod measure;
#[path = "../compute/random.rs"]
mod random;
mod scatter;
mod sweep;

use line::{LINES_IN_PAGE, Line};
use measure::row;

/// Page counts of the rows, up to 512 MiB.
const PAGES: [usize; 6] = [16, 256, 4096, 16_384, 65_536, MAX_PAGES];
const MAX_PAGES: usize = 131_072;
const MAX_LINES: usize = MAX_PAGES * LINES_IN_PAGE;
/// Few enough for every TLB.
const FEW_PAGES: usize = 16;

/// Measures in this memory; `order` is room for a slot of each page.
fn rows(lines: &'static [Line], order: &mut [&'static Line]) {
    let few = &lines[..FEW_PAGES * LINES_IN_PAGE];
    few.iter().zip(1..).for_each(|(line, value)| line.value.set(value));
    chase::link(chase::wide_circle(few));
    row("hit.latency", chase::wide_circle(few).count() as u64, |operations, watch| {
        let end = watch.time(|| chase::follow(&few[0], operations));
        chase::checksum(end)
    });
    row("hit.throughput", sweep::hits_in_pass(few), |operations, watch| {
        watch.time(|| sweep::hit(few, operations))
    });
    for pages in PAGES {
        let (lines, order) = (&lines[..pages * LINES_IN_PAGE], &mut order[..pages]);
        strides(lines, pages);
        wanderings(lines, order, pages);
    }
}

/// One access a page, in ascending order.
fn strides(lines: &[Line], pages: usize) {
    row(format_args!("miss.read.stride.{pages}"), pages as u64, |operations, watch| {
        line::fill(lines);
        watch.time(|| sweep::read(lines, operations))
    });
    row(format_args!("miss.write.stride.{pages}"), pages as u64, |operations, watch| {
        line::fill(lines);
        watch.time(|| sweep::write(lines, operations));
        line::checksum(lines)
    });
}

/// One access a page, in random order.
fn wanderings(lines: &'static [Line], order: &mut [&'static Line], pages: usize) {
    line::fill(lines);
    scatter::shuffle(lines, order);
    chase::link(order.iter().copied());
    row(format_args!("miss.read.random.{pages}"), pages as u64, |operations, watch| {
        let end = watch.time(|| chase::follow(order[0], operations));
        chase::checksum(end)
    });
    row(format_args!("miss.write.random.{pages}"), pages as u64, |operations, watch| {
        line::fill(lines);
        watch.time(|| scatter::write(order, operations));
        line::checksum(lines)
    });
}

#[cfg(not(target_os = "none"))]
fn main() {
    let lines = (0..MAX_LINES + LINES_IN_PAGE).map(|_| Line::default());
    let lines: &'static [Line] = Vec::leak(lines.collect());
    let lines = &lines[lines.as_ptr().align_offset(line::PAGE_BYTES)..][..MAX_LINES];
    rows(lines, &mut vec![&lines[0]; MAX_PAGES]);
}

#[cfg(target_os = "none")]
mod bare {
    use guest_runtime::{entry, exit_by_mailbox, ram};

    use super::{Line, MAX_LINES, MAX_PAGES, mapped, rows};

    /// With the memory, its page tables, the order and the program.
    const RAM_BYTES: u64 = 640 << 20;

    entry!(main);

    fn main() {
        mapped::enter(RAM_BYTES, measured)
    }

    extern "C" fn measured() -> ! {
        let lines: &'static [Line] = ram::lend(MAX_LINES, |_| Line::default());
        let order = ram::lend(MAX_PAGES, |_| &lines[0]);
        mapped::turn_on();
        rows(lines, order);
        exit_by_mailbox(0)
    }
}
