//! More than fits into RAM, and many at once.

use alloc::format;
use alloc::vec::Vec;

use guest::mm::swap::header::{self, HEADER_BYTES, UUID_BYTES};
use guest_user::Errno;
use guest_user::status::Status;
use guest_user::sys::file::{self, File};
use guest_user::sys::mapping::Mapping;
use guest_user::sys::swap;
use linux_raw_sys::general as g;

use crate::Case;
use crate::world::{PAGE, bytes, expect_file, map, meminfo, start, wait_for, write_file};

pub(crate) const CASES: &[Case] = &[
    ("pressure-written", written),
    ("pressure-mapped", mapped),
    ("pressure-anonymous", anonymous),
    ("pressure-crowd", crowd),
    ("swap-file", swap_file),
];

/// Pages of a file: more than RAM, but no more than half of the disk.
fn more_than_ram() -> usize {
    const DISK_PAGES: usize = (32 << 20) / PAGE;
    (meminfo("MemTotal") * 5 / 4).min(DISK_PAGES)
}

/// A page of the file with this seed.
fn page(seed: u64, index: usize) -> Vec<u8> {
    bytes(seed << 20 | index as u64, PAGE)
}

fn check(file: &File, seed: u64, index: usize) {
    let mut found = alloc::vec![0; PAGE];
    assert_eq!(file.read_at(&mut found, (index * PAGE) as u64), Ok(PAGE));
    assert!(found == page(seed, index), "page {index}");
}

/// A file that is larger than RAM, by read and write.
fn written() {
    let pages = more_than_ram();
    let file = write_file(b"f", b"");
    for index in 0..pages {
        file.write_all(&page(1, index)).expect("write");
    }
    (0..pages).for_each(|index| check(&file, 1, index));
    for index in (0..pages).rev().step_by(7) {
        check(&file, 1, index);
    }
}

/// The same by mappings.
fn mapped() {
    let pages = more_than_ram();
    let file = write_file(b"f", b"");
    file.truncate((pages * PAGE) as u64).expect("ftruncate");
    let memory = map(&file, pages, g::MAP_SHARED);
    for index in 0..pages {
        memory.write(index * PAGE, index as u64);
        memory.write(index * PAGE + PAGE - 8, !(index as u64));
    }
    for index in 0..pages {
        let found = [memory.read(index * PAGE), memory.read(index * PAGE + PAGE - 8)];
        assert_eq!(found, [index as u64, !(index as u64)], "page {index}");
    }
    drop(memory);
    let mut word = [0; 8];
    for index in (0..pages).rev() {
        assert_eq!(file.read_at(&mut word, (index * PAGE) as u64), Ok(8));
        assert_eq!(u64::from_le_bytes(word), index as u64, "page {index}");
    }
}

/// Pages of files make room for other memory.
fn anonymous() {
    let pages = meminfo("MemTotal") / 2;
    let file = write_file(b"f", b"");
    for index in 0..pages {
        file.write_all(&page(3, index)).expect("write");
    }
    let memory = Mapping::private(pages * PAGE).expect("memory");
    (0..pages).for_each(|index| memory.write(index * PAGE, index as u64));
    (0..pages).for_each(|index| check(&file, 3, index));
    (0..pages).for_each(|index| assert_eq!(memory.read(index * PAGE), index as u64));
}

/// A file is used for swapping: nobody writes it meanwhile, and what was pushed out comes back.
fn swap_file() {
    const AREA_PAGES: usize = 600;
    const PUSHED_PAGES: usize = 300;
    let total = || meminfo("SwapTotal");
    let before = total();
    let mut header = [0; HEADER_BYTES];
    header::write(&mut header, AREA_PAGES as u32 - 1, [7; UUID_BYTES], b"");
    drop(write_file(b"area", &header));
    assert_eq!(swap::switch_on(b"area", None), Err(Errno::INVAL), "no page but the header");
    let file = File::open_with(b"area", g::O_RDWR, 0).expect("open");
    assert_eq!(file.truncate((AREA_PAGES * PAGE) as u64), Ok(()));
    drop(file);
    assert_eq!(swap::switch_on(b"area", None), Err(Errno::INVAL), "it has holes");
    let file = write_file(b"area", &header);
    (1..AREA_PAGES).for_each(|index| file.write_all(&page(5, index)).expect("write"));
    drop(file);
    // Before the areas that may be there.
    assert_eq!(swap::switch_on(b"area", Some(100)), Ok(()));
    let more = total() - before;
    assert!(more > AREA_PAGES / 2 && more < AREA_PAGES, "{more} pages more");
    assert_eq!(swap::switch_on(b"area", None), Err(Errno::BUSY));
    let opened = File::open_with(b"area", g::O_RDWR, 0);
    assert_eq!(opened.err(), Some(Errno::TXTBSY));
    let free = meminfo("SwapFree");
    let memory = Mapping::private(PUSHED_PAGES * PAGE).expect("memory");
    (0..PUSHED_PAGES).for_each(|index| memory.write(index * PAGE, !(index as u64)));
    memory.advise(0, memory.len(), g::MADV_PAGEOUT).expect("madvise");
    assert!(meminfo("SwapFree") + PUSHED_PAGES / 2 <= free, "little was pushed out");
    (0..PUSHED_PAGES / 2).for_each(|index| assert_eq!(memory.read(index * PAGE), !(index as u64)));
    assert_eq!(swap::switch_off(b"area"), Ok(()));
    (0..PUSHED_PAGES).for_each(|index| assert_eq!(memory.read(index * PAGE), !(index as u64)));
    assert_eq!((total(), swap::switch_off(b"area")), (before, Err(Errno::INVAL)));
    // What lies beside its pages was not touched.
    let file = File::open_with(b"area", g::O_RDWR, 0).expect("it can be written again");
    let mut found = [0; HEADER_BYTES];
    assert_eq!(file.read_at(&mut found, 0), Ok(HEADER_BYTES));
    assert!(found == header);
}

/// Several processes work on files of their own and on one that all have.
fn crowd() {
    const CHILDREN: usize = 4;
    const ROUNDS: u64 = 12;
    drop(write_file(b"all", &[0; PAGE]));
    let children: [i32; CHILDREN] = core::array::from_fn(|child| {
        start(|| {
            let common = File::open_with(b"all", g::O_RDWR, 0).expect("open");
            let common = map(&common, 1, g::MAP_SHARED);
            for round in 0..ROUNDS {
                let name = format!("f{child}-{}", round % 3).into_bytes();
                let content = bytes(round, 40_000 + child * 1000);
                let file = write_file(&name, &content);
                if round % 4 == 0 {
                    file.sync().expect("fsync");
                }
                expect_file(&name, &content);
                file::rename(&name, &format!("g{child}").into_bytes()).expect("rename");
                common.write(child * 8, round + 1);
            }
        })
    });
    for child in children {
        assert_eq!(wait_for(child), Status::Exited(0));
    }
    let all = file::read_file(b"all").expect("read");
    for child in 0..CHILDREN {
        assert_eq!(all[child * 8..child * 8 + 8], ROUNDS.to_le_bytes(), "child {child}");
        expect_file(&format!("g{child}").into_bytes(), &bytes(ROUNDS - 1, 40_000 + child * 1000));
    }
}
