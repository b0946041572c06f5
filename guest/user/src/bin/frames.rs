//! `frames [-p] [-c]`: a map of RAM, a character for each frame or group of frames: whose it is.
//! With `-p`, frames of processes have the letter of their process. Colours on a terminal, or with
//! `-c`.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;

use guest_user::options::{Options, Order};
use guest_user::proc::chart::{Chart, Ink, Kind};
use guest_user::proc::pagemap::Place;
use guest_user::sys::io::STDOUT;
use guest_user::sys::mapping::PAGE_SIZE_BYTES;
use guest_user::sys::{args, file, io, pages, terminal};
use guest_user::{Errno, Result, bytes, complain, print, println};

guest_user::program!(main);

const FILE: &str = "/proc/frames";

/// Owner and state as the kernel calls them (any state: `*`), the letter, the colour, and what it
/// means. The first row that fits counts.
const KINDS: [(&str, &str, char, Option<u8>, &str); 13] = [
    ("free", "*", '.', None, "free"),
    ("reserved", "*", '#', Some(8), "reserved: firmware, holes"),
    ("kernel", "*", 'K', Some(9), "kernel"),
    ("table", "*", 'T', Some(11), "page tables"),
    ("zero", "*", '0', Some(15), "the page of zeros"),
    ("*", "modified", 'm', Some(13), "idle, only here"),
    ("*", "standby", 's', Some(5), "idle, in swap, too"),
    ("*", "writing", 'w', Some(208), "on the way to swap"),
    ("*", "reading", 'r', Some(214), "on the way from swap"),
    ("object", "*", 'f', Some(6), "files, shared memory"),
    ("anon", "shared", 'A', Some(10), "processes, shared since fork"),
    ("anon", "*", 'a', Some(2), "processes"),
    ("*", "*", '?', Some(7), "others"),
];

fn main() -> i32 {
    let options = Options::parse(args::args(), b"pc", b"", Order::Anywhere);
    let Some(options) = options.filter(|options| options.operands.is_empty()) else {
        return io::usage("frames [-p] [-c]");
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

/// Number of the first frame, and the runs: how many, and which kind.
fn read() -> Result<(u64, Vec<(u64, usize)>)> {
    let text = file::read_file(FILE.as_bytes())?;
    let (mut first, mut runs) = (None, Vec::new());
    for line in bytes::lines(&text) {
        let mut fields = bytes::fields(line);
        let (Some(start), Some(count), Some(owner), Some(state)) = (
            fields.next().and_then(bytes::address),
            fields.next().and_then(bytes::decimal),
            fields.next(),
            fields.next(),
        ) else {
            return Err(Errno::INVAL);
        };
        first.get_or_insert(start);
        let fits = |wanted: &str, is: &[u8]| wanted == "*" || wanted.as_bytes() == is;
        let kind = KINDS.iter().position(|row| fits(row.0, owner) && fits(row.1, state));
        runs.push((count, kind.unwrap_or(KINDS.len() - 1)));
    }
    Ok((first.unwrap_or(0), runs))
}

fn draw(by_process: bool, ink: Ink) -> Result<()> {
    let (first, runs) = read()?;
    let mut kinds: Vec<Kind> = KINDS.iter().map(|row| Kind::new(row.2, row.3, row.4)).collect();
    let mut owners = Vec::new();
    if by_process {
        pages::all(&mut |pid, place| {
            if let Place::Frame(frame) = place {
                owners.push((frame, pid));
            }
        })?;
    }
    let base = kinds.len();
    let (many, pids) = process_kinds(&mut kinds, owners.iter().map(|(_, pid)| *pid));
    let mut chart = Chart::new(kinds, first);
    runs.into_iter().for_each(|(count, kind)| chart.push(kind, count));
    for (frame, pid) in owners {
        let own = base + pids.iter().position(|other| *other == pid).unwrap_or(0);
        chart.change(frame, |kind| match kind {
            // The page of zeros is everybody's.
            kind if kind < base && KINDS[kind].0 == "zero" => kind,
            kind if kind >= base && kind != own => many,
            _ => own,
        });
    }
    print!("{}\n{}", chart.rows(ink), chart.legend(ink, PAGE_SIZE_BYTES as u64));
    if chart.scale() > 1 {
        println!("a character stands for {} frames", chart.scale());
    }
    Ok(())
}

/// Adds a kind for each process, and one for frames of several: that one, and the processes.
fn process_kinds(kinds: &mut Vec<Kind>, owners: impl Iterator<Item = u64>) -> (usize, Vec<u64>) {
    let mut pids: Vec<u64> = owners.collect();
    pids.dedup();
    for (index, pid) in pids.iter().enumerate() {
        kinds.push(pages::kind_of_process(index, *pid));
    }
    kinds.push(Kind::new('*', Some(15), "several processes"));
    (kinds.len() - 1, pids)
}
