//! `ipcs [-aqmsQlu]`: the message queues, segments of shared memory and semaphores that there are.
//! `-q`, `-m`, `-s` are System V's kinds, `-Q` POSIX message queues; `-l` tells limits, `-u` sums.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use alloc::vec::Vec;

use guest_user::bytes;
use guest_user::options::{Options, Order};
use guest_user::proc::sysvipc::{KINDS, Kind, Objects, QUEUES_HEAD, QueueLine};
use guest_user::sys::{args, dir, file, io};
use guest_user::{Result, complain, print, println};

guest_user::program!(main);

const USAGE: &str = "ipcs [-aqmsQlu]";
const QUEUES: &[u8] = b"/dev/mqueue";
/// Options in the order of [`KINDS`].
const LETTERS: [u8; 3] = *b"qms";

fn main() -> i32 {
    let options = Options::parse(args::args(), b"aqmsQlu", b"", Order::Anywhere);
    let Some(options) = options.filter(|options| options.operands.is_empty()) else {
        return io::usage(USAGE);
    };
    let all = options.has(b'a') || options.last_of(b"qmsQ").is_none();
    let is_wanted = |letter| all || options.has(letter);
    let show: fn(&Kind) -> Result<()> = match options.last_of(b"lu") {
        Some(b'l') => limits,
        Some(_) => sums,
        None => list,
    };
    let mut failed = false;
    let mut done = |what: &str, result: Result<()>| {
        if let Err(error) = result {
            complain!("{what}: {error}");
            failed = true;
        }
    };
    for (kind, letter) in KINDS.iter().zip(LETTERS) {
        if is_wanted(letter) {
            println!();
            done(kind.name, show(kind));
        }
    }
    if is_wanted(b'Q') && options.last_of(b"lu").is_none() {
        println!();
        done("/dev/mqueue", list_queues());
    }
    println!();
    i32::from(failed)
}

fn text(kind: &Kind) -> Result<Vec<u8>> {
    file::read_file(format!("/proc/sysvipc/{}", kind.file).as_bytes())
}

fn list(kind: &Kind) -> Result<()> {
    print!("{}", kind.table(&text(kind)?));
    Ok(())
}

fn list_queues() -> Result<()> {
    print!("{QUEUES_HEAD}");
    for entry in dir::sorted_entries(QUEUES)? {
        let path = [QUEUES, b"/", &entry.name].concat();
        // It may have gone meanwhile.
        let (Ok(stat), Ok(text)) = (file::stat(&path), file::read_file(&path)) else { continue };
        let line = QueueLine::parse(&text);
        println!("{}", line.line(&entry.name, i64::from(stat.st_uid), stat.st_mode & 0o777));
    }
    Ok(())
}

/// Numbers of a file in `/proc/sys/kernel`.
fn numbers(name: &str) -> Result<Vec<u64>> {
    let text = file::read_file(format!("/proc/sys/kernel/{name}").as_bytes())?;
    Ok(bytes::fields(&text).filter_map(bytes::decimal).collect())
}

fn limits(kind: &Kind) -> Result<()> {
    println!("------ {} Limits --------", kind.name);
    let rows: &[(&str, &str, usize, u64)] = match kind.file {
        "msg" => &[
            ("max queues system wide", "msgmni", 0, 1),
            ("max size of message (bytes)", "msgmax", 0, 1),
            ("default max size of queue (bytes)", "msgmnb", 0, 1),
        ],
        "shm" => &[
            ("max number of segments", "shmmni", 0, 1),
            ("max seg size (kbytes)", "shmmax", 0, 1024),
            ("max total shared memory (pages)", "shmall", 0, 1),
        ],
        _ => &[
            ("max number of arrays", "sem", 3, 1),
            ("max semaphores per array", "sem", 0, 1),
            ("max semaphores system wide", "sem", 1, 1),
            ("max ops per semop call", "sem", 2, 1),
        ],
    };
    for (what, name, index, unit) in rows {
        let number = numbers(name)?.get(*index).copied().unwrap_or(0) / unit;
        println!("{what} = {number}");
    }
    Ok(())
}

fn sums(kind: &Kind) -> Result<()> {
    const PAGE_BYTES: i64 = 4096;
    let text = text(kind)?;
    let objects = Objects::parse(&text);
    let count = objects.iter().count();
    let sum = |name: &str| objects.iter().map(|object| object.number(name)).sum::<i64>();
    println!("------ {} Status --------", kind.name);
    match kind.file {
        "msg" => {
            println!("allocated queues = {count}");
            println!("used headers = {}", sum("qnum"));
            println!("used space = {} bytes", sum("cbytes"));
        }
        "shm" => {
            let pages = |object: i64| (object + PAGE_BYTES - 1) / PAGE_BYTES;
            println!("segments allocated {count}");
            let all: i64 = objects.iter().map(|object| pages(object.number("size"))).sum();
            println!("pages allocated {all}");
            println!("pages resident  {}", sum("rss") / PAGE_BYTES);
            println!("pages swapped   {}", sum("swap") / PAGE_BYTES);
        }
        _ => {
            println!("used arrays = {count}");
            println!("allocated semaphores = {}", sum("nsems"));
        }
    }
    Ok(())
}
