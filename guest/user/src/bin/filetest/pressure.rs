//! More than fits into RAM, and many at once.

use alloc::format;
use alloc::vec::Vec;

use guest_user::status::Status;
use guest_user::sys::file::{self, File};
use guest_user::sys::mapping::Mapping;
use linux_raw_sys::general as g;

use crate::Case;
use crate::world::{PAGE, bytes, expect_file, map, meminfo, start, wait_for, write_file};

pub(crate) const CASES: &[Case] = &[
    ("pressure-written", written),
    ("pressure-mapped", mapped),
    ("pressure-anonymous", anonymous),
    ("pressure-crowd", crowd),
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
