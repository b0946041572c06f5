//! Copy-on-write: what fork shares, what a write splits, and that nobody sees another's write.

use alloc::vec::Vec;

use guest_user::status::Status;
use guest_user::sys::{file, process};
use linux_raw_sys::general as g;

use crate::Case;
use crate::world::{
    PAGE, PRIVATE, RW, call, dies_of, frame, load, map, map_at, meminfo, outcome, protect, start,
    store, wait_for,
};

pub(crate) const CASES: &[Case] = &[
    ("cow-isolated", isolated),
    ("cow-frames", frames),
    ("cow-reuse", reuse),
    ("cow-300-children", three_hundred),
    ("cow-tree", tree),
    ("cow-system-call", system_call),
    ("cow-read-only", read_only),
    ("cow-zero-page", zero_page),
    ("cow-shared-memory", shared_memory),
    ("cow-discard", discard),
    ("cow-grandchildren", grandchildren),
];

const PAGES: usize = 32;

fn pattern() -> usize {
    let area = map(PAGES * PAGE);
    (0..PAGES).for_each(|page| store(area + page * PAGE, page as u64));
    area
}

fn is_pattern(area: usize) -> bool {
    (0..PAGES).all(|page| load(area + page * PAGE) == page as u64)
}

/// Neither sees what the other writes.
fn isolated() {
    let area = pattern();
    let child = start(|| {
        assert!(is_pattern(area));
        (0..PAGES).for_each(|page| store(area + page * PAGE, 1000));
        assert!((0..PAGES).all(|page| load(area + page * PAGE) == 1000));
    });
    (0..PAGES / 2).for_each(|page| store(area + page * PAGE, 2000));
    assert_eq!(wait_for(child), Status::Exited(0));
    assert!((0..PAGES / 2).all(|page| load(area + page * PAGE) == 2000));
    assert!((PAGES / 2..PAGES).all(|page| load(area + page * PAGE) == page as u64));
}

/// After fork the frames are the same; exactly the written pages get others.
fn frames() {
    let area = pattern();
    let at_page = |page| area + page * PAGE;
    let before: Vec<u64> = (0..PAGES).map(|page| frame(at_page(page))).collect();
    let status = outcome(|| {
        assert!((0..PAGES).all(|page| frame(at_page(page)) == before[page]), "all are shared");
        (0..PAGES).step_by(3).for_each(|page| store(at_page(page), 5));
        for page in 0..PAGES {
            assert_eq!(frame(at_page(page)) == before[page], page % 3 != 0, "page {page}");
        }
    });
    assert_eq!(status, Status::Exited(0));
    assert!((0..PAGES).all(|page| frame(at_page(page)) == before[page]));
}

/// Who is left alone with a page writes to it where it is.
fn reuse() {
    let area = pattern();
    let before: Vec<u64> = (0..PAGES).map(|page| frame(area + page * PAGE)).collect();
    assert_eq!(outcome(|| assert!(is_pattern(area))), Status::Exited(0));
    (0..PAGES).for_each(|page| store(area + page * PAGE, 3));
    assert!((0..PAGES).all(|page| frame(area + page * PAGE) == before[page]), "no copy was needed");
}

/// More sharers of one page than a byte can count, if there is room for them.
fn three_hundred() {
    /// Stack, tables, and what the kernel has for it.
    const PAGES_EACH: usize = 48;
    let children = 300.min(meminfo("MemFree") / PAGES_EACH);
    let area = map(PAGE);
    store(area, 77);
    let (gate_read, gate_write) = file::pipe().expect("pipe");
    let mut started = Vec::new();
    for index in 0..children as u64 {
        started.push(start(|| {
            let mut byte = [0];
            // The gate opens when nobody holds its other end any more.
            file::close(gate_write.fd()).expect("close");
            let _ = gate_read.read(&mut byte);
            assert_eq!(load(area), 77);
            store(area, index);
            assert_eq!(load(area), index);
        }));
    }
    drop(gate_write);
    for child in started {
        assert_eq!(wait_for(child), Status::Exited(0));
    }
    assert_eq!(load(area), 77);
    store(area, 78);
}

/// A binary tree of processes, each with a value of its own in the same page.
fn tree() {
    fn grow(area: usize, depth: u64, value: u64) {
        store(area, value);
        if depth > 0 {
            let left = start(|| grow(area, depth - 1, 2 * value));
            let right = start(|| grow(area, depth - 1, 2 * value + 1));
            assert_eq!(wait_for(left), Status::Exited(0));
            assert_eq!(wait_for(right), Status::Exited(0));
        }
        assert_eq!(load(area), value);
    }
    /// Stack, tables, and what the kernel has for a process.
    const PAGES_EACH: usize = 48;
    let processes = 63.min(meminfo("MemFree") / PAGES_EACH);
    grow(map(PAGE), (processes + 1).ilog2().saturating_sub(1).into(), 1);
}

/// The kernel writes into a shared page for one process: only that one sees it.
fn system_call() {
    let area = pattern();
    let (reader, writer) = file::pipe().expect("pipe");
    writer.write_all(&[0xaa; 64]).expect("room in the pipe");
    let before = frame(area);
    let status = outcome(|| {
        let read = call(g::__NR_read, &[reader.fd() as usize, area + 8, 32]);
        assert_eq!(read, Ok(32));
        assert_eq!(load(area + 8), u64::from_ne_bytes([0xaa; 8]));
        assert_ne!(frame(area), before);
    });
    assert_eq!(status, Status::Exited(0));
    assert_eq!((load(area), load(area + 8), frame(area)), (0, 0, before));
}

/// A page that may not be written is not copied by trying.
fn read_only() {
    let area = pattern();
    protect(area, PAGES * PAGE, g::PROT_READ).expect("mprotect");
    dies_of(g::SIGSEGV, "a write to a shared, read-only page", || store(area, 1));
    assert!(is_pattern(area));
    let status = outcome(|| {
        protect(area, PAGES * PAGE, RW).expect("mprotect");
        store(area, 99);
        assert_eq!(load(area), 99);
    });
    assert_eq!(status, Status::Exited(0));
    assert!(is_pattern(area));
    protect(area, PAGES * PAGE, RW).expect("mprotect");
    store(area, 1);
}

/// Pages that were only read stay the page of zeros in parent and child.
fn zero_page() {
    let area = map(2 * PAGE);
    assert_eq!((load(area), load(area + PAGE)), (0, 0));
    let zero = frame(area);
    let status = outcome(|| {
        assert_eq!(load(area), 0);
        store(area, 1);
        assert_ne!(frame(area), zero);
        assert_eq!(load(area + PAGE), 0);
    });
    assert_eq!(status, Status::Exited(0));
    assert_eq!((load(area), frame(area)), (0, zero));
}

/// Memory that is shared on purpose is not copied.
fn shared_memory() {
    let flags = g::MAP_SHARED | g::MAP_ANONYMOUS;
    let area = map_at(0, 4 * PAGE, RW, flags).expect("shared memory");
    store(area, 1);
    let status = outcome(|| {
        assert_eq!(load(area), 1);
        store(area, 2);
        store(area + 2 * PAGE, 3);
    });
    assert_eq!(status, Status::Exited(0));
    assert_eq!((load(area), load(area + 2 * PAGE)), (2, 3));
    // Private memory beside it is.
    let private = map_at(0, PAGE, RW, PRIVATE).expect("memory");
    store(private, 1);
    assert_eq!(outcome(|| store(private, 2)), Status::Exited(0));
    assert_eq!(load(private), 1);
}

/// One gives its pages up; the other keeps them.
fn discard() {
    let area = pattern();
    let status = outcome(|| {
        let length = PAGES * PAGE;
        call(g::__NR_madvise, &[area, length, g::MADV_DONTNEED as usize]).expect("madvise");
        assert!((0..PAGES).all(|page| load(area + page * PAGE) == 0));
    });
    assert_eq!(status, Status::Exited(0));
    assert!(is_pattern(area));
    assert_eq!(outcome(|| crate::world::unmap(area, PAGES * PAGE)), Status::Exited(0));
    assert!(is_pattern(area));
}

/// The middle generation goes; its child and its parent go on sharing.
fn grandchildren() {
    let area = pattern();
    let (reader, writer) = file::pipe().expect("pipe");
    let status = outcome(|| {
        store(area, 1);
        let parent = process::id();
        start(|| {
            while process::parent_id() == parent {
                process::give_way();
            }
            assert_eq!((load(area), load(area + PAGE)), (1, 1));
            store(area, 2);
            store(area + PAGE, 2);
            writer.write_all(b"x").expect("the pipe");
        });
    });
    assert_eq!(status, Status::Exited(0));
    let mut byte = [0];
    assert_eq!(reader.read(&mut byte), Ok(1));
    assert!(is_pattern(area));
}
