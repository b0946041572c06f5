//! `mem [COUNT [SECONDS]]`: takes memory from the heap, prints its address, and counts in it once a
//! second, endlessly or up to COUNT. Two of them show the same address, each with its own counter:
//! the memory behind it is private.
//!
//! After the program in "Operating Systems: Three Easy Pieces", "Introduction to Operating
//! Systems", section "Virtualizing Memory".

#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use core::hint::black_box;
use core::time::Duration;

use guest_user::bytes;
use guest_user::println;
use guest_user::sys::mapping::PAGE_SIZE_BYTES;
use guest_user::sys::{args, io, process, time};

guest_user::program!(main);

const USAGE: &str = "mem [COUNT [SECONDS]]";

/// A page of the heap, of which the first word counts.
#[repr(align(4096))]
struct Page([u64; PAGE_SIZE_BYTES / 8]);

fn main() -> i32 {
    let mut words = args::args();
    let count = words.next().map(bytes::decimal);
    let pause = words.next().map(guest_user::duration::seconds);
    let (Some(count), Some(pause), None) = (
        count.unwrap_or(Some(u64::MAX)),
        pause.unwrap_or(Some(Duration::from_secs(1))),
        words.next(),
    ) else {
        return io::usage(USAGE);
    };
    let pid = process::id();
    let mut page = Box::new(Page([0; PAGE_SIZE_BYTES / 8]));
    let p = &mut page.0[0];
    println!("({pid}) address of p: {:#x}", core::ptr::from_mut(p) as usize);
    for _ in 0..count {
        // Nobody caught a signal, so nothing interrupts it.
        let _ = io::flush();
        let _ = time::sleep(pause);
        *black_box(&mut *p) += 1;
        println!("({pid}) p: {}", *p);
    }
    0
}
