//! `ptdump [-a] PID [ADDRESS]`: the page tables of a process as a tree, runs of similar leaves in one
//! line (with `-a` all leaves); with an address, the walk to it, status 1 where it has no page.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;

use guest_user::bytes::{self, Bytes};
use guest_user::options::{Options, Order};
use guest_user::proc::pagetable::{self, Detail};
use guest_user::sys::{args, file, io};
use guest_user::{complain, print};

guest_user::program!(main);

/// Exit status of an address without a page.
const EXIT_ABSENT: i32 = 1;
/// Exit status of other trouble.
const EXIT_TROUBLE: i32 = 2;

fn main() -> i32 {
    let options = Options::parse(args::args(), b"a", b"", Order::Anywhere);
    let Some(options) = options else { return usage() };
    let (pid, address) = match options.operands[..] {
        [pid] => (pid, None),
        [pid, address] => match bytes::address(address) {
            Some(address) => (pid, Some(address)),
            None => return usage(),
        },
        _ => return usage(),
    };
    let path = format!("/proc/{}/pagetable", Bytes(pid));
    let text = match file::read_file(path.as_bytes()) {
        Ok(text) => text,
        Err(error) => {
            complain!("{path}: {error}");
            return EXIT_TROUBLE;
        }
    };
    let records = pagetable::parse(&text);
    let Some(address) = address else {
        let detail = if options.has(b'a') { Detail::All } else { Detail::Folded };
        print!("{}", pagetable::tree(&records, detail));
        return 0;
    };
    let (walk, physical) = pagetable::walk(&records, address);
    print!("{walk}");
    if physical.is_some() { 0 } else { EXIT_ABSENT }
}

fn usage() -> i32 {
    io::usage("ptdump [-a] PID [ADDRESS]");
    EXIT_TROUBLE
}
