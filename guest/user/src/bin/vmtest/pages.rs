//! Demand paging: nothing is there before it is touched, what is there is zero, and stacks grow.

use alloc::vec::Vec;

use guest_user::bytes;
use guest_user::proc::faults::Record;
use guest_user::sys::{file, process};
use linux_raw_sys::general as g;

use crate::Case;
use crate::world::{
    PAGE, PRIVATE, RW, available, call, dies_of, frame, is_present, limit_stack, load, load_byte,
    map, map_at, outcome, recurse_without_end, store, unmap,
};

pub(crate) const CASES: &[Case] = &[
    ("pages-untouched", untouched),
    ("pages-zero-read-then-write", zero_read_then_write),
    ("pages-linear", linear),
    ("pages-shuffle", shuffle),
    ("pages-sparse", sparse),
    ("pages-bss", bss),
    ("pages-no-old-data", no_old_data),
    ("pages-brk", brk),
    ("stack-recursion", recursion),
    ("stack-overflow", overflow),
    ("faults-log", log),
];

/// A mapping has no frame, and gets them page by page.
fn untouched() {
    let start = map(16 * PAGE);
    for page in 0..16 {
        assert!(!is_present(start + page * PAGE), "page {page} before it is touched");
    }
    store(start + 5 * PAGE, 1);
    for page in 0..16 {
        assert_eq!(is_present(start + page * PAGE), page == 5, "page {page}");
    }
}

/// Reading shows zeros, from one frame for all; writing gives each page a frame of its own.
fn zero_read_then_write() {
    let start = map(8 * PAGE);
    for page in 0..8 {
        assert_eq!(load(start + page * PAGE + 8), 0);
    }
    let zero = frame(start);
    assert!((1..8).all(|page| frame(start + page * PAGE) == zero), "one frame of zeros");
    for page in 0..8 {
        store(start + page * PAGE, page as u64);
        assert_eq!(load(start + page * PAGE + 8), 0, "the rest is still zero");
    }
    let mut frames: Vec<u64> = (0..8).map(|page| frame(start + page * PAGE)).collect();
    frames.sort_unstable();
    frames.dedup();
    assert_eq!(frames.len(), 8, "a frame for each page");
    assert!(!frames.contains(&zero));
}

/// Every word of two megabytes, or as many as there is room for, forwards, then backwards.
fn linear() {
    let length = (2 << 20).min(available() / 4 * PAGE);
    let start = map(length);
    for at in (0..length).step_by(64) {
        store(start + at, at as u64 ^ 0x5a5a);
    }
    for at in (0..length).step_by(64).rev() {
        assert_eq!(load(start + at), at as u64 ^ 0x5a5a);
    }
    unmap(start, length);
}

/// Pages in random order, swapped in pairs, then put in order again.
fn shuffle() {
    const PAGES: usize = 256;
    let start = map(PAGES * PAGE);
    for page in 0..PAGES {
        store(start + page * PAGE, page as u64);
    }
    let mut random = 12345_u64;
    let mut next = || {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (random >> 33) as usize % PAGES
    };
    for _ in 0..4 * PAGES {
        let (one, other) = (start + next() * PAGE, start + next() * PAGE);
        let word = load(one);
        store(one, load(other));
        store(other, word);
    }
    let mut found: Vec<u64> = (0..PAGES).map(|page| load(start + page * PAGE)).collect();
    found.sort_unstable();
    assert!(found.iter().enumerate().all(|(page, word)| *word == page as u64));
}

/// A gibibyte of which three pages are used takes three frames.
fn sparse() {
    const LENGTH: usize = 1 << 30;
    let start = map_at(0, LENGTH, RW, PRIVATE | g::MAP_NORESERVE).expect("address space");
    for at in [0, LENGTH / 2, LENGTH - PAGE] {
        store(start + at, at as u64 + 1);
    }
    let is_present = |at: &usize| is_present(start + at);
    let resident = (0..LENGTH).step_by(LENGTH / 64).chain([LENGTH - PAGE]).filter(is_present);
    assert_eq!(resident.count(), 3);
    assert_eq!(load(start + LENGTH / 2), LENGTH as u64 / 2 + 1);
    unmap(start, LENGTH);
}

static ZEROS: [core::sync::atomic::AtomicU64; 4096] =
    [const { core::sync::atomic::AtomicU64::new(0) }; 4096];

/// The part of a program that its file does not hold is zero, and writable.
fn bss() {
    use core::sync::atomic::Ordering::Relaxed;
    assert!(ZEROS.iter().all(|word| word.load(Relaxed) == 0));
    ZEROS.iter().enumerate().for_each(|(index, word)| word.store(index as u64, Relaxed));
    assert!(ZEROS.iter().enumerate().all(|(index, word)| word.load(Relaxed) == index as u64));
}

/// What a process leaves in its frames is not what the next one finds in its own.
fn no_old_data() {
    const PAGES: usize = 128;
    for round in 0..4 {
        outcome(|| {
            let start = map(PAGES * PAGE);
            (0..PAGES * PAGE).step_by(8).for_each(|at| store(start + at, 0xdead_beef + round));
        });
        let start = map(PAGES * PAGE);
        for at in (0..PAGES * PAGE).step_by(8) {
            if at % PAGE == 0 {
                // The first write makes the frame, which is zero in every other word.
                store(start + at, 1);
            } else {
                assert_eq!(load(start + at), 0, "at {at:#x} of round {round}");
            }
        }
        unmap(start, PAGES * PAGE);
    }
}

/// The heap grows, shrinks and grows again, and then it is zero again.
fn brk() {
    let set = |to: usize| call(g::__NR_brk, &[to]).expect("brk never fails, it stays");
    let start = set(0).next_multiple_of(PAGE);
    assert_eq!(set(start + 10 * PAGE), start + 10 * PAGE);
    (0..10).for_each(|page| store(start + page * PAGE, 7));
    assert_eq!(set(start + 2 * PAGE + 8), start + 2 * PAGE + 8);
    assert_eq!(load(start + 2 * PAGE), 7, "the page of the break stays");
    dies_of(g::SIGSEGV, "a page behind the break", || store(start + 3 * PAGE, 1));
    assert_eq!(set(start + 10 * PAGE), start + 10 * PAGE);
    assert_eq!(load(start + 5 * PAGE), 0, "the heap grows zeros");
    assert_eq!(load(start + PAGE), 7);
    // Neither into other mappings, nor below its start, nor out of user space.
    for wanted in [1, start - 16 * PAGE, 1 << 38, usize::MAX] {
        assert_eq!(set(wanted), start + 10 * PAGE, "brk({wanted:#x})");
    }
}

/// Recursion of about two megabytes, or as much as there is room for.
fn recursion() {
    #[inline(never)]
    fn deeper(depth: u64) -> u64 {
        let local = core::hint::black_box([depth; 128]);
        if depth == 0 { 0 } else { deeper(depth - 1) + local[depth as usize % 128] - depth + 1 }
    }
    let depth = 1800.min(available() as u64);
    assert_eq!(deeper(depth), depth);
}

/// Recursion without end is a fault, and nobody else's.
fn overflow() {
    dies_of(g::SIGSEGV, "endless recursion", || {
        limit_stack();
        core::hint::black_box(recurse_without_end(0));
    });
    // A page below the stack that no growth reaches.
    dies_of(g::SIGSEGV, "far below the stack", || {
        let local = 0_u64;
        store(core::ptr::from_ref(&local) as usize - (64 << 20), 1);
    });
    assert!(process::id() > 0);
}

/// /proc/self/faults, which Linux does not have, names the instruction that touched a page, or the
/// call in which the kernel did.
fn log() {
    let path = b"/proc/self/faults";
    let Ok(switch) = file::File::open_with(path, g::O_WRONLY, 0) else { return };
    switch.write_all(b"1").expect("to be recorded");
    let (stored, filled) = (map(PAGE), map(PAGE));
    store(stored, 1);
    call(g::__NR_getcwd, &[filled, PAGE]).expect("getcwd");
    let text = file::read_file(path).expect("faults");
    let code = |page: usize| -> [u8; 4] {
        let mut records = bytes::lines(&text).filter_map(Record::parse);
        let record = records.find(|record| record.address & !(PAGE as u64 - 1) == page as u64);
        let pc = record.expect("a record").pc as usize;
        core::array::from_fn(|byte| load_byte(pc + byte))
    };
    const ECALL: [u8; 4] = [0x73, 0, 0, 0];
    assert_eq!(code(filled), ECALL);
    assert_ne!(code(stored), ECALL);
}
