//! `kill [-SIGNAL] PID...`: sends a signal; `kill -l` lists them.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;

use guest_user::bytes::Bytes;
use guest_user::kill::{self, Request};
use guest_user::sys::{args, process};
use guest_user::{complain, eprintln, println, signals};

guest_user::program!(main);

fn main() -> i32 {
    let words: Vec<&[u8]> = args::args().collect();
    match kill::parse(&words) {
        None => {
            eprintln!("{}", kill::USAGE);
            1
        }
        Some(Request::List) => {
            signals::all().for_each(|(number, name)| println!("{number:2} {name}"));
            0
        }
        Some(Request::Name(number)) => {
            println!("{}", signals::name(number).unwrap_or("?"));
            0
        }
        Some(Request::Send(signal, targets)) => {
            targets.iter().map(|target| send(signal, target)).fold(0, i32::max)
        }
    }
}

fn send(signal: u32, target: &[u8]) -> i32 {
    let Some(pid) = kill::target(target) else {
        complain!("{}: not a process", Bytes(target));
        return 1;
    };
    match process::kill(pid, signal) {
        Ok(()) => 0,
        Err(error) => {
            complain!("({pid}): {error}");
            1
        }
    }
}
