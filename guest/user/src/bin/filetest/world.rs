//! What the tests share: bytes with a pattern that is known, files of them, and what all test
//! programs share.

use alloc::vec::Vec;

use guest_user::sys::dir;
use guest_user::sys::file::{self, File};
use guest_user::sys::mapping::{Mapping, PAGE_SIZE_BYTES};
pub(crate) use guest_user::sys::trial::{meminfo, outcome, start, wait_for};
use linux_raw_sys::general as g;

/// Size of a page.
pub(crate) const PAGE: usize = PAGE_SIZE_BYTES;

/// The byte at a position of the content that has this seed.
pub(crate) fn byte(seed: u64, at: u64) -> u8 {
    let mixed = (seed << 40 ^ at / 8).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (at % 8 * 8)) as u8
}

/// The first bytes of it.
pub(crate) fn bytes(seed: u64, count: usize) -> Vec<u8> {
    (0..count as u64).map(|at| byte(seed, at)).collect()
}

/// A file with this content, made anew.
pub(crate) fn write_file(path: &[u8], bytes: &[u8]) -> File {
    let file = File::open_with(path, g::O_RDWR | g::O_CREAT | g::O_TRUNC, 0o644).expect("open");
    file.write_all(bytes).expect("write");
    file
}

/// Asserts that a file has this content.
pub(crate) fn expect_file(path: &[u8], bytes: &[u8]) {
    let found = file::read_file(path).expect("it can be read");
    assert_eq!(found.len(), bytes.len(), "length of {}", path.escape_ascii());
    let wrong = found.iter().zip(bytes).position(|(found, byte)| found != byte);
    assert_eq!(wrong, None, "first byte that is wrong of {}", path.escape_ascii());
}

/// Opens an existing file for reading and writing.
pub(crate) fn open(path: &[u8]) -> File {
    File::open_with(path, g::O_RDWR, 0).expect("open")
}

/// Its pages, mapped with these flags, to be read and written.
pub(crate) fn map(file: &File, pages: usize, flags: u32) -> Mapping {
    Mapping::of_file(file, pages * PAGE, g::PROT_READ | g::PROT_WRITE, flags).expect("mmap")
}

/// Blocks of 512 bytes that a file has.
pub(crate) fn blocks(path: &[u8]) -> u64 {
    file::stat(path).expect("stat").st_blocks as u64
}

/// Takes a directory away, with all that is in it.
pub(crate) fn remove_all(path: &[u8]) {
    let entries = dir::entries(path).expect("it can be listed");
    let is_dot = |name: &[u8]| matches!(name, b"." | b"..");
    for entry in entries.iter().filter(|entry| !is_dot(&entry.name)) {
        let inner = [path, b"/", &entry.name[..]].concat();
        let is_directory =
            file::stat_link(&inner).is_ok_and(|stat| file::is_kind(stat.st_mode, g::S_IFDIR));
        if is_directory {
            remove_all(&inner);
        } else {
            file::unlink(&inner).expect("unlink");
        }
    }
    file::remove_directory(path).expect("rmdir");
}
