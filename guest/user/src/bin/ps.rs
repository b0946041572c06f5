//! `ps [PID...]`: the processes, with the size of their address spaces and how much of each is in
//! memory, in KiB.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use alloc::vec::Vec;

use guest_user::bytes::{self, Bytes};
use guest_user::options::{Options, Order};
use guest_user::proc::stat::ProcessStat;
use guest_user::sys::io::STDOUT;
use guest_user::sys::{args, dir, file, io, terminal};
use guest_user::{complain, println};

guest_user::program!(main);

const USAGE: &str = "ps [-aefux] [PID...]";
const PAGE_KIB: u64 = 4;

fn main() -> i32 {
    // All processes are shown anyway; the letters are those that people type.
    let words = args::args().filter(|word| !matches!(*word, b"aux" | b"ax" | b"a" | b"x" | b"u"));
    let Some(options) = Options::parse(words, b"aAefuxw", b"p", Order::Anywhere) else {
        return io::usage(USAGE);
    };
    let asked = options.value(b'p').into_iter().chain(options.operands.iter().copied());
    let mut pids = Vec::new();
    for word in asked.flat_map(|word| word.split(|byte| *byte == b',')) {
        match bytes::decimal(word) {
            Some(pid) => pids.push(pid),
            None => return io::usage(USAGE),
        }
    }
    let all = pids.is_empty();
    if all {
        match dir::entries(b"/proc") {
            Ok(entries) => pids.extend(entries.iter().filter_map(|e| bytes::decimal(&e.name))),
            Err(error) => {
                complain!("/proc: {error}");
                return 1;
            }
        }
    }
    pids.sort_unstable();
    println!("    PID    PPID STAT     VSZ    RSS COMMAND");
    let found = pids.iter().filter(|pid| show(**pid)).count();
    // Of all, one may have ended meanwhile.
    i32::from(found == 0)
}

/// Prints a process's line; false: there is no such process.
fn show(pid: u64) -> bool {
    let Ok(text) = file::read_file(format!("/proc/{pid}/stat").as_bytes()) else { return false };
    let Some(stat) = ProcessStat::parse(&text) else { return false };
    let arguments = file::read_file(format!("/proc/{pid}/cmdline").as_bytes()).unwrap_or_default();
    let end = arguments.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    let mut command: Vec<u8> = arguments[..end]
        .iter()
        .map(|byte| if byte.is_ascii_control() { b' ' } else { *byte })
        .collect();
    if command.is_empty() {
        let mark: [&[u8]; 2] =
            if stat.state == b'Z' { [b"[", b"] <defunct>"] } else { [b"[", b"]"] };
        command = [mark[0], stat.name, mark[1]].concat();
    }
    let line = format!(
        "{pid:7} {:7} {:4} {:7} {:6} {}",
        stat.parent,
        stat.letters(),
        stat.size_bytes >> 10,
        stat.resident_pages * PAGE_KIB,
        Bytes(&command)
    );
    let columns = terminal::columns(STDOUT).unwrap_or(usize::MAX);
    let end = line.char_indices().nth(columns).map_or(line.len(), |(at, _)| at);
    println!("{}", &line[..end]);
    true
}
