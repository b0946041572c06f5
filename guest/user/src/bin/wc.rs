//! `wc [-lwc] [FILE...]`: counts lines, words and bytes.

#![no_std]
#![no_main]

use guest_user::bytes::Bytes;
use guest_user::options::{Options, Order};
use guest_user::sys::file::{self, File};
use guest_user::sys::io::STDIN;
use guest_user::sys::{args, io};
use guest_user::{Result, complain, print, println};

guest_user::program!(main);

const BUFFER_BYTES: usize = 4096;

/// Lines, words and bytes.
#[derive(Default)]
struct Counts([u64; 3]);

fn main() -> i32 {
    let options = Options::parse(args::args(), b"lwc", b"", Order::Anywhere);
    let Some(options) = options else { return io::usage("wc [-lwc] [FILE...]") };
    if options.operands.is_empty() {
        return match count(STDIN) {
            Ok(counts) => {
                show(&options, &counts, b"");
                0
            }
            Err(error) => {
                complain!("{error}");
                1
            }
        };
    }
    let mut status = 0;
    let mut total = Counts::default();
    for path in &options.operands {
        match File::open(path).and_then(|file| count(file.fd())) {
            Ok(counts) => {
                show(&options, &counts, path);
                total.0.iter_mut().zip(counts.0).for_each(|(sum, more)| *sum += more);
            }
            Err(error) => {
                complain!("{}: {error}", Bytes(path));
                status = 1;
            }
        }
    }
    if options.operands.len() > 1 {
        show(&options, &total, b"total");
    }
    status
}

fn count(fd: i32) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut in_word = false;
    let mut buffer = [0; BUFFER_BYTES];
    loop {
        let length = file::retry(|| file::read(fd, &mut buffer))?;
        if length == 0 {
            return Ok(counts);
        }
        for byte in &buffer[..length] {
            let blank = byte.is_ascii_whitespace();
            counts.0[0] += u64::from(*byte == b'\n');
            counts.0[1] += u64::from(!blank && !in_word);
            in_word = !blank;
        }
        counts.0[2] += length as u64;
    }
}

fn show(options: &Options<'_>, counts: &Counts, name: &[u8]) {
    let all = options.last_of(b"lwc").is_none();
    let asked = b"lwc".iter().zip(counts.0).filter(|(letter, _)| all || options.has(**letter));
    let mut columns = 0;
    for (_, count) in asked {
        if columns > 0 {
            print!(" ");
        }
        columns += 1;
        let alone = !all && b"lwc".iter().filter(|letter| options.has(**letter)).count() == 1;
        if alone { print!("{count}") } else { print!("{count:7}") }
    }
    if name.is_empty() { println!() } else { println!(" {}", Bytes(name)) }
}
