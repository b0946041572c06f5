//! mmap and its relatives: where mappings go, how they split and merge, what they refuse.

use guest_user::bytes;
use guest_user::errno::Errno;
use guest_user::sys::file;
use linux_raw_sys::general as g;

use crate::Case;
use crate::world::{
    PAGE, PRIVATE, RW, available, call, dies_of, error, execute, is_present, load, load_byte, map,
    map_at, outcome, protect, store, sync_code, unmap,
};

pub(crate) const CASES: &[Case] = &[
    ("mmap-errors", errors),
    ("mmap-fixed", fixed),
    ("mmap-hole", hole),
    ("mmap-merge", merge),
    ("mmap-gaps", gaps),
    ("mmap-hints", hints),
    ("munmap-forgets", forgets),
    ("mprotect", protection),
    ("mprotect-errors", protection_errors),
    ("mprotect-write-then-execute", write_then_execute),
    ("mremap", remap),
    ("madvise-dontneed", dontneed),
    ("mincore", mincore),
    ("mmap-file", own_file),
    ("mmap-file-hole", file_hole),
    ("mmap-many", many),
];

/// The lines of `/proc/self/maps` whose ranges meet this one.
fn lines(start: usize, length: usize) -> usize {
    let text = file::read_file(b"/proc/self/maps").expect("maps");
    let meets = |line: &&[u8]| {
        let (range, _) = bytes::split_once(line, b' ').expect("a range");
        let (from, to) = bytes::split_once(range, b'-').expect("two addresses");
        let number = |text| bytes::number(text, 16).expect("hexadecimal") as usize;
        number(from) < start + length && number(to) > start
    };
    bytes::lines(&text).filter(meets).count()
}

fn errors() {
    let anonymous = PRIVATE as usize;
    let free = map(4 * PAGE);
    unmap(free, 4 * PAGE);
    let rw = RW as usize;
    let fixed = g::MAP_FIXED as usize;
    for (what, arguments, wanted) in [
        ("no length", [0, 0, rw, anonymous, usize::MAX, 0], Errno::INVAL),
        ("all addresses", [0, usize::MAX, rw, anonymous, usize::MAX, 0], Errno::NOMEM),
        ("more than there is", [0, 1 << 38, rw, anonymous, usize::MAX, 0], Errno::NOMEM),
        ("neither shared nor private", [0, PAGE, rw, 0x20, usize::MAX, 0], Errno::INVAL),
        ("not aligned", [free + 1, PAGE, rw, anonymous | fixed, usize::MAX, 0], Errno::INVAL),
        ("kernel's half", [1 << 63, PAGE, rw, anonymous | fixed, usize::MAX, 0], Errno::NOMEM),
        ("offset not aligned", [0, PAGE, rw, anonymous, usize::MAX, 1], Errno::INVAL),
        ("no such file", [0, PAGE, rw, g::MAP_PRIVATE as usize, 99, 0], Errno::BADF),
    ] {
        assert_eq!(error(g::__NR_mmap, &arguments), wanted, "{what}");
    }
    for (what, arguments, wanted) in [
        ("not aligned", [free + 8, PAGE], Errno::INVAL),
        ("no length", [free, 0], Errno::INVAL),
        ("kernel's half", [1 << 63, PAGE], Errno::INVAL),
        ("around the end", [free, usize::MAX - PAGE], Errno::INVAL),
    ] {
        assert_eq!(error(g::__NR_munmap, &arguments), wanted, "munmap, {what}");
    }
    // Where nothing is, there is nothing to do.
    call(g::__NR_munmap, &[free, 4 * PAGE]).expect("a hole");
}

fn fixed() {
    let start = map(8 * PAGE);
    (0..8).for_each(|page| store(start + page * PAGE, 100 + page as u64));
    let middle = start + 3 * PAGE;
    let replaced = map_at(middle, 2 * PAGE, RW, PRIVATE | g::MAP_FIXED).expect("replaces");
    assert_eq!(replaced, middle);
    let found: [u64; 8] = core::array::from_fn(|page| load(start + page * PAGE));
    assert_eq!(found, [100, 101, 102, 0, 0, 105, 106, 107]);
    let taken = map_at(middle, PAGE, RW, PRIVATE | g::MAP_FIXED_NOREPLACE);
    assert_eq!(taken, Err(Errno::EXIST));
    assert_eq!(load(start + 2 * PAGE), 102);
    unmap(middle, PAGE);
    let placed = map_at(middle, PAGE, RW, PRIVATE | g::MAP_FIXED_NOREPLACE);
    assert_eq!(placed, Ok(middle));
}

fn hole() {
    let start = map(6 * PAGE);
    (0..6).for_each(|page| store(start + page * PAGE, page as u64));
    unmap(start + 2 * PAGE, 2 * PAGE);
    assert_eq!(lines(start, 2 * PAGE), 1);
    assert_eq!(lines(start + 2 * PAGE, 2 * PAGE), 0);
    for page in 0..6 {
        let at = start + page * PAGE;
        if (2..4).contains(&page) {
            dies_of(g::SIGSEGV, "the hole", || {
                load(at);
            });
        } else {
            assert_eq!(load(at), page as u64);
        }
    }
    unmap(start, 6 * PAGE);
    assert_eq!(lines(start, 6 * PAGE), 0);
}

fn merge() {
    let start = map(9 * PAGE);
    unmap(start, 9 * PAGE);
    for page in [1, 3, 5, 7, 0, 2, 4, 6, 8] {
        map_at(start + page * PAGE, PAGE, RW, PRIVATE | g::MAP_FIXED).expect("fixed");
    }
    assert_eq!(lines(start, 9 * PAGE), 1, "neighbours that are alike are one");
    (0..9).for_each(|page| store(start + page * PAGE, page as u64));
    protect(start + 4 * PAGE, PAGE, g::PROT_READ).expect("mprotect");
    assert_eq!(lines(start, 9 * PAGE), 3);
    protect(start + 4 * PAGE, PAGE, RW).expect("mprotect");
    assert_eq!(lines(start, 9 * PAGE), 1);
    assert!((0..9).all(|page| load(start + page * PAGE) == page as u64));
}

/// Mappings of many sizes never overlap, and freed ranges are found again.
fn gaps() {
    let mut starts = [0; 64];
    for (index, start) in starts.iter_mut().enumerate() {
        *start = map((1 + index % 5) * PAGE);
        (0..1 + index % 5).for_each(|page| store(*start + page * PAGE, index as u64));
    }
    for (index, start) in starts.iter().enumerate().filter(|(index, _)| index % 3 == 0) {
        unmap(*start, (1 + index % 5) * PAGE);
    }
    let again = map(5 * PAGE);
    let low = starts.iter().min().expect("some");
    assert!(again >= *low, "a gap of five pages is there: {again:#x} {low:#x}");
    store(again, 1);
    for (index, start) in starts.iter().enumerate().filter(|(index, _)| index % 3 != 0) {
        for page in 0..1 + index % 5 {
            assert_eq!(load(*start + page * PAGE), index as u64);
        }
    }
}

fn hints() {
    let start = map(4 * PAGE);
    unmap(start, 4 * PAGE);
    assert_eq!(map_at(start + PAGE, PAGE, RW, PRIVATE), Ok(start + PAGE), "a free hint is taken");
    let other = map_at(start + PAGE, PAGE, RW, PRIVATE).expect("elsewhere");
    assert_ne!(other, start + PAGE, "one that is taken is not");
    let low = map_at(PAGE, PAGE, RW, PRIVATE).expect("elsewhere");
    assert!(low >= 0x8000, "{low:#x} is too near to null");
}

/// What is mapped anew is zero.
fn forgets() {
    for round in 0..8 {
        let start = map(4 * PAGE);
        (0..4).for_each(|page| assert_eq!(load(start + page * PAGE), 0, "round {round}"));
        (0..4).for_each(|page| store(start + page * PAGE, u64::MAX));
        unmap(start, 4 * PAGE);
    }
}

fn protection() {
    let start = map(3 * PAGE);
    (0..3).for_each(|page| store(start + page * PAGE, 5));
    protect(start + PAGE, PAGE, g::PROT_READ).expect("mprotect");
    assert_eq!(load(start + PAGE), 5);
    dies_of(g::SIGSEGV, "a write to a read-only page", || store(start + PAGE, 6));
    dies_of(g::SIGSEGV, "a fetch from a page without X", || {
        execute(start, 0);
    });
    protect(start + PAGE, PAGE, g::PROT_NONE).expect("mprotect");
    dies_of(g::SIGSEGV, "a read of a page without R", || {
        load(start + PAGE);
    });
    protect(start, 3 * PAGE, RW).expect("mprotect");
    assert_eq!(load(start + PAGE), 5, "its content stays");
    store(start + PAGE, 6);
}

fn protection_errors() {
    let start = map(4 * PAGE);
    unmap(start + 2 * PAGE, PAGE);
    assert_eq!(protect(start + 1, PAGE, RW), Err(Errno::INVAL));
    assert_eq!(protect(start, 4 * PAGE, g::PROT_READ), Err(Errno::NOMEM), "a hole");
    assert_eq!(protect(start, 0, RW), Ok(0));
    assert_eq!(protect(1 << 63, PAGE, RW), Err(Errno::NOMEM));
    assert_eq!(protect(start, PAGE, 0x100), Err(Errno::INVAL));
}

/// Code is written, made executable and run, then changed and run again.
fn write_then_execute() {
    // `addi a0, a0, N` and `ret`.
    let code = |n: u64| (n << 20 | 0x0005_0513) | 0x8067 << 32;
    let start = map(PAGE);
    for n in [1, 41] {
        protect(start, PAGE, RW).expect("mprotect");
        store(start, code(n));
        protect(start, PAGE, g::PROT_READ | g::PROT_EXEC).expect("mprotect");
        sync_code();
        assert_eq!(execute(start, 1), 1 + n);
        dies_of(g::SIGSEGV, "a write to code", || store(start, 0));
    }
    // Both at once, as compilers to memory ask for it.
    let both = map_at(0, PAGE, RW | g::PROT_EXEC, PRIVATE).expect("writable and executable");
    for n in [2, 3] {
        store(both, code(n));
        sync_code();
        assert_eq!(execute(both, 1), 1 + n);
    }
}

fn remap() {
    let remap = |old: usize, old_length: usize, length: usize, flags: u32, to: usize| {
        call(g::__NR_mremap, &[old, old_length, length, flags as usize, to])
    };
    let start = map(8 * PAGE);
    (0..8).for_each(|page| store(start + page * PAGE, page as u64 + 1));
    assert_eq!(remap(start, 8 * PAGE, 4 * PAGE, 0, 0), Ok(start), "it shrinks in place");
    dies_of(g::SIGSEGV, "what was cut off", || {
        load(start + 5 * PAGE);
    });
    assert_eq!(remap(start, 4 * PAGE, 6 * PAGE, 0, 0), Ok(start), "it grows into the gap");
    assert_eq!((load(start + 3 * PAGE), load(start + 4 * PAGE)), (4, 0));
    // Something is in the way: it must move, and its pages with it.
    map_at(start + 6 * PAGE, PAGE, RW, PRIVATE | g::MAP_FIXED).expect("in the way");
    assert_eq!(remap(start, 6 * PAGE, 8 * PAGE, 0, 0), Err(Errno::NOMEM));
    let moved = remap(start, 6 * PAGE, 64 * PAGE, g::MREMAP_MAYMOVE, 0).expect("moves");
    assert_ne!(moved, start);
    assert_eq!((load(moved), load(moved + 3 * PAGE), load(moved + 60 * PAGE)), (1, 4, 0));
    dies_of(g::SIGSEGV, "where it was", || {
        load(start);
    });
    let to = map(4 * PAGE);
    let flags = g::MREMAP_MAYMOVE | g::MREMAP_FIXED;
    assert_eq!(remap(moved, 4 * PAGE, 4 * PAGE, flags, to), Ok(to));
    assert_eq!(load(to + 3 * PAGE), 4);
    for (what, arguments, wanted) in [
        ("nothing there", [start, PAGE, 2 * PAGE, 0, 0], Errno::FAULT),
        ("not aligned", [to + 1, PAGE, PAGE, 0, 0], Errno::INVAL),
        ("no length", [to, PAGE, 0, 0, 0], Errno::INVAL),
        ("fixed without moving", [to, PAGE, PAGE, g::MREMAP_FIXED as usize, moved], Errno::INVAL),
        ("onto itself", [to, 2 * PAGE, 2 * PAGE, flags as usize, to + PAGE], Errno::INVAL),
    ] {
        assert_eq!(error(g::__NR_mremap, &arguments), wanted, "{what}");
    }
}

fn dontneed() {
    let start = map(4 * PAGE);
    (0..4).for_each(|page| store(start + page * PAGE, 9));
    let advise = |at: usize, advice: u32| call(g::__NR_madvise, &[at, 2 * PAGE, advice as usize]);
    advise(start + PAGE, g::MADV_DONTNEED).expect("madvise");
    assert!(!is_present(start + PAGE) && is_present(start));
    let found: [u64; 4] = core::array::from_fn(|page| load(start + page * PAGE));
    assert_eq!(found, [9, 0, 0, 9]);
    assert_eq!(advise(start + 1, g::MADV_DONTNEED), Err(Errno::INVAL));
    assert_eq!(advise(start, 4711), Err(Errno::INVAL));
    unmap(start + 2 * PAGE, 2 * PAGE);
    assert_eq!(advise(start + PAGE, g::MADV_DONTNEED), Err(Errno::NOMEM), "a hole");
}

fn mincore() {
    let start = map(4 * PAGE);
    store(start + 2 * PAGE, 1);
    let vector = map(PAGE);
    call(g::__NR_mincore, &[start, 4 * PAGE, vector]).expect("mincore");
    let found: [u8; 4] = core::array::from_fn(|page| load_byte(vector + page) & 1);
    assert_eq!(found, [0, 0, 1, 0]);
    assert_eq!(error(g::__NR_mincore, &[start + 1, PAGE, vector]), Errno::INVAL);
    assert_eq!(error(g::__NR_mincore, &[start, 4 * PAGE, 0]), Errno::FAULT);
    unmap(start + PAGE, PAGE);
    assert_eq!(error(g::__NR_mincore, &[start, 4 * PAGE, vector]), Errno::NOMEM);
}

/// A private mapping of this program's own file shows the file; writing to it changes no file.
fn own_file() {
    let program = file::File::open(b"/proc/self/exe").expect("this program");
    let fd = program.fd() as usize;
    let private = g::MAP_PRIVATE as usize;
    let start = call(g::__NR_mmap, &[0, 2 * PAGE, RW as usize, private, fd, 0]).expect("mmap");
    assert_eq!(load(start) as u32, 0x464c_457f, "ELF's magic number");
    store(start, 0);
    store(start + PAGE, 7);
    let again = call(g::__NR_mmap, &[0, PAGE, g::PROT_READ as usize, private, fd, 0]);
    assert_eq!(load(again.expect("mmap")) as u32, 0x464c_457f);
    let mut head = [0; 4];
    program.read_at(&mut head, 0).expect("readable");
    assert_eq!(&head, b"\x7fELF");
    let length = program.stat().expect("fstat").st_size as usize;
    let behind = call(g::__NR_mmap, &[0, length + 2 * PAGE, 1, private, fd, 0]).expect("mmap");
    let last = behind + (length - 1) / PAGE * PAGE;
    let in_page = length % PAGE;
    if in_page != 0 {
        assert!((in_page..PAGE).all(|at| load_byte(last + at) == 0), "the rest of the last page");
    }
    dies_of(g::SIGBUS, "a page behind the end of the file", || {
        load(last + PAGE);
    });
    let shared = g::MAP_SHARED as usize;
    let refused = error(g::__NR_mmap, &[0, PAGE, RW as usize, shared, fd, 0]);
    assert_eq!(refused, Errno::ACCES, "it is open for reading only");
}

/// A hole in a file in memory frees its pages and reads as zeros, in mappings, too; private copies
/// stay.
fn file_hole() {
    const KEEP: u32 = g::FALLOC_FL_KEEP_SIZE;
    const PUNCH: u32 = g::FALLOC_FL_PUNCH_HOLE | KEEP;
    const BLOCKS: i64 = (PAGE / 512) as i64;
    let fd = call(g::__NR_memfd_create, &[c"hole".as_ptr() as usize, 0]).expect("memfd_create");
    let file = file::File::from_fd(fd as i32);
    let allocate =
        |mode: u32, start, length| call(g::__NR_fallocate, &[fd, mode as usize, start, length]);
    let size = || {
        let stat = file.stat().expect("fstat");
        (stat.st_size as usize, stat.st_blocks / BLOCKS)
    };
    allocate(0, 0, 6 * PAGE - 5).expect("fallocate");
    assert_eq!(size(), (6 * PAGE - 5, 6));
    allocate(KEEP, 6 * PAGE, 2 * PAGE).expect("fallocate");
    assert_eq!(size(), (6 * PAGE - 5, 8), "room behind the end");
    call(g::__NR_ftruncate, &[fd, 6 * PAGE]).expect("ftruncate");
    call(g::__NR_ftruncate, &[fd, 6 * PAGE]).expect("ftruncate");
    assert_eq!(size(), (6 * PAGE, 6));

    let map = |flags: u32| {
        let arguments = [0, 6 * PAGE, RW as usize, flags as usize, fd, 0];
        call(g::__NR_mmap, &arguments).expect("mmap")
    };
    let (shared, private) = (map(g::MAP_SHARED), map(g::MAP_PRIVATE));
    let first = |start: usize| core::array::from_fn::<u64, 6, _>(|page| load(start + page * PAGE));
    (0..6).for_each(|page| store(shared + page * PAGE, 1 + page as u64));
    store(shared + 5 * PAGE - 8, 50);
    store(private + 2 * PAGE, 30);
    assert_eq!(first(private), [1, 2, 30, 4, 5, 6]);
    allocate(PUNCH, PAGE + 8, 3 * PAGE).expect("punch");
    assert_eq!(size(), (6 * PAGE, 4), "two whole pages");
    assert_eq!(first(shared), [1, 2, 0, 0, 0, 6]);
    assert_eq!(first(private), [1, 2, 30, 0, 0, 6]);
    assert_eq!(load(shared + 5 * PAGE - 8), 50, "behind the hole");
    store(shared + 3 * PAGE, 40);
    let mut word = [0; 8];
    file.read_at(&mut word, 3 * PAGE as u64).expect("a word");
    assert_eq!((u64::from_le_bytes(word), load(private + 3 * PAGE)), (40, 40));
    allocate(PUNCH, PAGE, 1 << 60).expect("punch");
    assert_eq!((size(), first(shared)), ((6 * PAGE, 1), [1, 0, 0, 0, 0, 0]));

    for (mode, start, length, wanted) in [
        (g::FALLOC_FL_PUNCH_HOLE, 0, PAGE, Errno::OPNOTSUPP),
        (g::FALLOC_FL_ZERO_RANGE, 0, PAGE, Errno::OPNOTSUPP),
        (0x8000, 0, PAGE, Errno::OPNOTSUPP),
        (PUNCH, 0, 0, Errno::INVAL),
        (PUNCH, usize::MAX, PAGE, Errno::INVAL),
        (0, 1 << 62, 1 << 62, Errno::FBIG),
    ] {
        assert_eq!(allocate(mode, start, length), Err(wanted), "mode {mode:#x}");
    }
}

/// Thousands of mappings, each alone, then none; as many as there is room for.
fn many() {
    let count = 2000.min(available() / 8);
    let start = map_at(0, 2 * count * PAGE, g::PROT_NONE, PRIVATE).expect("room");
    for index in 0..count {
        protect(start + 2 * index * PAGE, PAGE, RW).expect("mprotect");
        store(start + 2 * index * PAGE, index as u64);
    }
    assert_eq!(lines(start, 2 * count * PAGE), 2 * count);
    let child = || (0..count).for_each(|n| assert_eq!(load(start + 2 * n * PAGE), n as u64));
    assert_eq!(outcome(child).code(), 0);
    unmap(start, 2 * count * PAGE);
    assert_eq!(lines(start, 2 * count * PAGE), 0);
}
