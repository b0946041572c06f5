//! `swapmap [-p] [-c]`: maps of the swap areas, a character for each slot or group of slots: what
//! is in it. With `-p`, slots have the letters of their processes. Colours on a terminal, or with
//! `-c`.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;

use guest_user::bytes::Bytes;
use guest_user::options::{Options, Order};
use guest_user::proc::chart::{Chart, Ink, Kind};
use guest_user::proc::pagemap::Place;
use guest_user::proc::swaps;
use guest_user::sys::io::STDOUT;
use guest_user::sys::mapping::PAGE_SIZE_BYTES;
use guest_user::sys::{args, file, io, pages, terminal};
use guest_user::{Errno, Result, bytes, complain, print, println};

guest_user::program!(main);

const FILE: &str = "/proc/swapmap";

/// What the kernel calls it, the letter, the colour, and what it means.
const KINDS: [(&str, char, Option<u8>, &str); 7] = [
    ("free", '.', None, "free"),
    ("header", 'H', Some(8), "header"),
    ("bad", '!', Some(9), "cannot be used"),
    ("swapped", 'x', Some(4), "of pages that are only here"),
    ("cached", 'c', Some(6), "of pages that are in RAM, too"),
    ("writing", 'w', Some(208), "being written"),
    ("reading", 'r', Some(214), "being read"),
];

/// A run of an area's pages.
struct Run {
    area: u64,
    first: u64,
    count: u64,
    kind: usize,
}

fn main() -> i32 {
    let options = Options::parse(args::args(), b"pc", b"", Order::Anywhere);
    let Some(options) = options.filter(|options| options.operands.is_empty()) else {
        return io::usage("swapmap [-p] [-c]");
    };
    let is_coloured = options.has(b'c') || terminal::is_terminal(STDOUT);
    let ink = if is_coloured { Ink::Colours } else { Ink::Letters };
    match draw(options.has(b'p'), ink) {
        Ok(()) => 0,
        Err(error) => {
            complain!("{FILE}: {error}");
            1
        }
    }
}

fn read() -> Result<Vec<Run>> {
    let text = file::read_file(FILE.as_bytes())?;
    let run = |line| {
        let mut fields = bytes::fields(line);
        let mut number = || fields.next().and_then(bytes::decimal);
        let (area, first, count) = (number()?, number()?, number()?);
        let state = fields.next()?;
        let kind = KINDS.iter().position(|row| row.0.as_bytes() == state)?;
        Some(Run { area, first, count, kind })
    };
    bytes::lines(&text).map(|line| run(line).ok_or(Errno::INVAL)).collect()
}

fn draw(by_process: bool, ink: Ink) -> Result<()> {
    let runs = read()?;
    if runs.is_empty() {
        println!("no swap area is on");
        return Ok(());
    }
    let text = file::read_file(b"/proc/swaps")?;
    let names = swaps::parse(&text);
    let mut owners = Vec::new();
    if by_process {
        pages::all(&mut |pid, place| {
            if let Place::Swap { device, slot } = place {
                owners.push((device, slot, pid));
            }
        })?;
    }
    let mut pids: Vec<u64> = owners.iter().map(|(_, _, pid)| *pid).collect();
    pids.dedup();
    let mut areas: Vec<u64> = runs.iter().map(|run| run.area).collect();
    areas.dedup();
    for (index, area) in areas.iter().enumerate() {
        let mut kinds: Vec<Kind> = KINDS.iter().map(|row| Kind::new(row.1, row.2, row.3)).collect();
        let base = kinds.len();
        kinds.extend((0..).zip(&pids).map(|(index, pid)| pages::kind_of_process(index, *pid)));
        kinds.push(Kind::new('*', Some(15), "of several processes"));
        let many = kinds.len() - 1;
        let mut chart = Chart::new(kinds, 0);
        for run in runs.iter().filter(|run| run.area == *area) {
            debug_assert!(run.first == chart.len(), "runs are in order");
            chart.push(run.kind, run.count);
        }
        for (_, slot, pid) in owners.iter().filter(|owner| owner.0 == *area) {
            let own = base + pids.iter().position(|other| other == pid).unwrap_or(0);
            chart.change(*slot, |kind| if kind >= base && kind != own { many } else { own });
        }
        if let Some(name) = names.get(index) {
            println!("{}", Bytes(name.path));
        }
        print!("{}\n{}", chart.rows(ink), chart.legend(ink, PAGE_SIZE_BYTES as u64));
        if chart.scale() > 1 {
            println!("a character stands for {} slots", chart.scale());
        }
    }
    Ok(())
}
