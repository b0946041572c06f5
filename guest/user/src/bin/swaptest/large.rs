//! Programs larger than RAM: pages in order, backwards and in any order, a sort, a product of
//! matrices, each policy of replacement, memory that is locked.

use core::str;

use guest_user::sys::file::{self, File};
use guest_user::sys::mapping::Mapping;

use crate::Case;
use crate::world::{
    PAGE, Random, check, fill, private, push_out, quarters_of_ram, verify, word, write,
};

pub(crate) const CASES: &[Case] = &[
    ("page-linear", linear),
    ("page-shuffle", shuffle),
    ("quicksort", sort),
    ("matrix", matrix),
    ("policies", policies),
    ("locked", locked),
];

/// Four times RAM is written, and read forwards and backwards; half of it is changed.
fn linear() {
    let memory = private(quarters_of_ram(16));
    let pages = memory.len() / PAGE;
    fill(&memory, 1);
    verify(&memory, 1);
    (0..pages).rev().for_each(|page| check(&memory, 1, page));
    (0..pages).step_by(2).for_each(|page| write(&memory, 2, page));
    (0..pages).for_each(|page| check(&memory, 2 - page as u64 % 2, page));
}

/// Pages of twice RAM in any order, read and written.
fn shuffle() {
    const SEEDS: u64 = 7;
    let memory = private(quarters_of_ram(8));
    let pages = memory.len() / PAGE;
    fill(&memory, 0);
    let mut random = Random(12345);
    for _ in 0..2 * pages {
        let page = random.below(pages);
        let seed = (0..SEEDS).find(|seed| memory.read(page * PAGE) == word(*seed, page));
        let seed = seed.unwrap_or_else(|| panic!("page {page} has what nobody has written"));
        check(&memory, seed, page);
        if random.below(2) == 0 {
            write(&memory, (seed + 1) % SEEDS, page);
        }
    }
}

/// Records that are sorted, in bytes: a key at the beginning, what belongs to it at the end.
const RECORD: usize = 1024;

fn belongs(key: u64) -> u64 {
    key.rotate_left(17) ^ 0x5555_5555_5555_5555
}

/// Fills memory with records.
pub(crate) fn fill_records(memory: &Mapping, records: core::ops::Range<usize>, seed: u64) {
    for record in records {
        let key = word(seed, record);
        memory.write(record * RECORD, key);
        memory.write(record * RECORD + RECORD - 8, belongs(key));
    }
}

/// How many records memory has room for.
pub(crate) fn records_of(memory: &Mapping) -> usize {
    memory.len() / RECORD
}

/// The key of a record, which is whole.
pub(crate) fn key(memory: &Mapping, record: usize) -> u64 {
    let key = memory.read(record * RECORD);
    let rest = memory.read(record * RECORD + RECORD - 8);
    assert_eq!(rest, belongs(key), "record {record}");
    key
}

fn exchange(memory: &Mapping, one: usize, other: usize) {
    for word in [0, RECORD - 8] {
        let (one, other) = (one * RECORD + word, other * RECORD + word);
        let value = memory.read(one);
        memory.write(one, memory.read(other));
        memory.write(other, value);
    }
}

/// Hoare's quicksort; the larger part is the loop's, so that the stack stays short.
pub(crate) fn quicksort(memory: &Mapping, mut start: usize, mut end: usize) {
    while end - start > 1 {
        let pivot = key(memory, start + (end - 1 - start) / 2);
        let (mut low, mut high) = (start, end - 1);
        loop {
            while key(memory, low) < pivot {
                low += 1;
            }
            while key(memory, high) > pivot {
                high -= 1;
            }
            if low >= high {
                break;
            }
            exchange(memory, low, high);
            low += 1;
            high -= 1;
        }
        let middle = high + 1;
        if middle - start < end - middle {
            quicksort(memory, start, middle);
            start = middle;
        } else {
            quicksort(memory, middle, end);
            end = middle;
        }
    }
}

/// Four times RAM is sorted.
fn sort() {
    let memory = private(quarters_of_ram(16));
    let records = records_of(&memory);
    fill_records(&memory, 0..records, 3);
    let sum = (0..records).fold(0, |sum: u64, record| sum.wrapping_add(key(&memory, record)));
    quicksort(&memory, 0, records);
    let (mut last, mut left) = (0, sum);
    for record in 0..records {
        let key = key(&memory, record);
        assert!(last <= key, "record {record}");
        (last, left) = (key, left.wrapping_sub(key));
    }
    assert_eq!(left, 0, "the records are those that were there");
}

/// Three matrices that have four times RAM together, an element each quarter of a page: the product
/// in tiles, compared with what it must be.
fn matrix() {
    const ELEMENT: usize = PAGE / 4;
    const TILE: usize = 32;
    let elements = quarters_of_ram(16) * PAGE / ELEMENT / 3;
    let size = elements.isqrt();
    let new = || private((size * size * ELEMENT).div_ceil(PAGE));
    let (left, right, product) = (new(), new(), new());
    let at = |row: usize, column: usize| (row * size + column) * ELEMENT;
    for row in 0..size {
        for column in 0..size {
            left.write(at(row, column), (row + 1) as u64);
            right.write(at(row, column), (column + 3) as u64);
        }
    }
    for first in (0..size).step_by(TILE) {
        let rows = first..(first + TILE).min(size);
        for middle in 0..size {
            for row in rows.clone() {
                let factor = left.read(at(row, middle));
                for column in (0..size).step_by(5) {
                    let at_product = at(row, column);
                    let more = factor * right.read(at(middle, column));
                    product.write(at_product, product.read(at_product) + more);
                }
            }
        }
    }
    for row in 0..size {
        for column in (0..size).step_by(5) {
            let want = (row + 1) * (column + 3) * size;
            assert_eq!(product.read(at(row, column)), want as u64, "{row} {column}");
        }
    }
}

/// Which policies there are, and that each of them keeps what is written.
fn policies() {
    const PATH: &[u8] = b"/proc/sys/vm/replacement";
    let chosen = file::read_file(PATH).expect("a policy");
    let choose = |name: &[u8]| {
        let file = File::open_with(PATH, linux_raw_sys::general::O_WRONLY, 0).expect(".");
        file.write_all(name).unwrap_or_else(|error| panic!("{}: {error}", name.escape_ascii()));
    };
    for name in ["fifo", "clock", "aging", "two-list", "wsclock", "clock-pro"] {
        choose(name.as_bytes());
        let memory = private(quarters_of_ram(6));
        let pages = memory.len() / PAGE;
        fill(&memory, 4);
        // A part that is always wanted, and all the rest now and then.
        for page in 0..pages {
            check(&memory, 4, page);
            check(&memory, 4, page % (pages / 16));
        }
    }
    let name = chosen.trim_ascii();
    let name = name.split(|byte| *byte == b'[' || *byte == b']').nth(1).unwrap_or(name);
    choose(str::from_utf8(name).expect("a name").as_bytes());
}

/// What is locked in RAM stays there while everything else leaves.
fn locked() {
    let memory = private(quarters_of_ram(1) / 2);
    fill(&memory, 5);
    push_out();
    memory.lock(0, memory.len()).expect("mlock");
    push_out();
    let map = File::open(b"/proc/self/pagemap").expect("pagemap");
    for page in 0..memory.len() / PAGE {
        let mut entry = [0; 8];
        let offset = (memory.start() / PAGE + page) * 8;
        assert_eq!(map.read_at(&mut entry, offset as u64), Ok(8));
        assert!(u64::from_le_bytes(entry) >> 63 == 1, "locked page {page} is not in RAM");
    }
    verify(&memory, 5);
}
