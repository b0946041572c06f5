//! `lsfd [-p PID] [NAME]`: which process has which file open, and how: descriptors, and the
//! directories and the program of each process. With a name, only files whose path holds it.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use alloc::vec::Vec;

use guest_user::options::{Options, Order};
use guest_user::proc::files::{HEAD, Info, Open, kind};
use guest_user::sys::{args, dir, file, io};
use guest_user::{bytes, complain, println};

guest_user::program!(main);

const USAGE: &str = "lsfd [-p PID] [NAME]";
/// What a process has besides descriptors: in /proc, and as it is shown.
const OTHERS: [(&str, &str); 3] = [("cwd", "cwd"), ("root", "rtd"), ("exe", "exe")];

fn main() -> i32 {
    let options = Options::parse(args::args(), b"", b"p", Order::Anywhere);
    let Some(options) = options.filter(|options| options.operands.len() <= 1) else {
        return io::usage(USAGE);
    };
    let part = options.operands.first().copied().unwrap_or_default();
    let mut pids: Vec<u64> = match options.value(b'p') {
        Some(word) => bytes::decimal(word).into_iter().collect(),
        None => match dir::entries(b"/proc") {
            Ok(entries) => entries.iter().filter_map(|e| bytes::decimal(&e.name)).collect(),
            Err(error) => {
                complain!("/proc: {error}");
                return 1;
            }
        },
    };
    if pids.is_empty() {
        return io::usage(USAGE);
    }
    pids.sort_unstable();
    println!("{HEAD}");
    let found = pids.iter().filter(|pid| list(**pid, part)).count();
    i32::from(found == 0)
}

/// Lists what a process has open; false: there is no such process.
fn list(pid: u64, part: &[u8]) -> bool {
    let name = file::read_file(format!("/proc/{pid}/comm").as_bytes());
    let Ok(command) = name else { return false };
    let command = command.strip_suffix(b"\n").unwrap_or(&command);
    let show = |link: &str, how: &str, info: Option<Info>| {
        // It may be closed by now, or not ours to see.
        let path = format!("/proc/{pid}/{link}");
        let Ok(name) = file::read_link(path.as_bytes()) else { return };
        if !part.is_empty() && !name.windows(part.len()).any(|window| window == part) {
            return;
        }
        let stat = file::stat(path.as_bytes());
        let (kind, inode) = stat.map_or(("?", 0), |stat| (kind(stat.st_mode), stat.st_ino));
        let (mode, position) = info.map_or(("---", 0), |info| (info.mode(), info.position));
        let open = Open { command, pid, how, mode, kind, inode, position, name: &name };
        println!("{}", open.line());
    };
    for (link, how) in OTHERS {
        show(link, how, None);
    }
    let descriptors = dir::entries(format!("/proc/{pid}/fd").as_bytes()).unwrap_or_default();
    let mut numbers: Vec<u64> =
        descriptors.iter().filter_map(|entry| bytes::decimal(&entry.name)).collect();
    numbers.sort_unstable();
    for number in numbers {
        let info = file::read_file(format!("/proc/{pid}/fdinfo/{number}").as_bytes());
        let info = info.ok().map(|text| Info::parse(&text));
        show(&format!("fd/{number}"), &format!("{number}"), info);
    }
    true
}
