//! What files hold: read, written, appended, cut, with holes; programs that run from the disk.

use alloc::vec::Vec;

use guest_user::Errno;
use guest_user::status::Status;
use guest_user::sys::file::{self, File};
use guest_user::sys::{process, spawn};
use linux_raw_sys::general as g;

use crate::Case;
use crate::world::{PAGE, blocks, byte, bytes, expect_file, open, wait_for, write_file};

pub(crate) const CASES: &[Case] = &[
    ("content-pieces", pieces),
    ("content-append", append),
    ("content-truncate", truncate),
    ("content-sparse", sparse),
    ("content-random", random),
    ("content-large", large),
    ("content-sync", synced),
    ("content-full", full),
    ("content-program", program),
];

/// Pieces of many sizes, across pages and blocks.
fn pieces() {
    let content = bytes(3, 100_000);
    let file = write_file(b"f", b"");
    let mut at = 0;
    for size in (1..).map(|step: usize| step * 37 % 5000 + 1) {
        let end = (at + size).min(content.len());
        file.write_all(&content[at..end]).expect("write");
        at = end;
        if at == content.len() {
            break;
        }
    }
    expect_file(b"f", &content);
    let mut piece = [0; 777];
    for at in (0..content.len() - piece.len()).step_by(991) {
        assert_eq!(file.read_at(&mut piece, at as u64), Ok(piece.len()));
        assert!(piece[..] == content[at..at + piece.len()], "at {at}");
    }
    assert_eq!(file.read_at(&mut piece, 100_000), Ok(0));
    assert_eq!(file.read_at(&mut piece, 99_999), Ok(1));
}

/// Two who append to one file do not overwrite each other.
fn append() {
    let flags = g::O_WRONLY | g::O_CREAT | g::O_APPEND;
    let ends: [File; 2] = [(); 2].map(|()| File::open_with(b"f", flags, 0o644).expect("open"));
    for round in 0..1000_u32 {
        ends[round as usize % 2].write_all(&round.to_le_bytes()).expect("write");
    }
    let all: Vec<u8> = (0..1000_u32).flat_map(u32::to_le_bytes).collect();
    expect_file(b"f", &all);
}

/// What is cut off does not come back.
fn truncate() {
    let content = bytes(4, 5 * PAGE);
    let file = write_file(b"f", &content);
    for size in [4 * PAGE + 1, 4 * PAGE, 3 * PAGE + 1023, 1025, 1] {
        file.truncate(size as u64).expect("ftruncate");
        assert_eq!(file.stat().expect("fstat").st_size as usize, size);
        expect_file(b"f", &content[..size]);
        file.truncate(6 * PAGE as u64).expect("ftruncate");
        let mut longer = content[..size].to_vec();
        longer.resize(6 * PAGE, 0);
        expect_file(b"f", &longer);
        file.truncate(size as u64).expect("ftruncate");
    }
    file.truncate(0).expect("ftruncate");
    assert_eq!(blocks(b"f"), 0);
    assert_eq!(file.truncate(1 << 50), Err(Errno::FBIG));
}

/// Holes take no room, and are zeros.
fn sparse() {
    const FAR: u64 = 3 << 20;
    let file = write_file(b"f", b"begin");
    assert_eq!(file.write_at(b"end", FAR), Ok(3));
    assert_eq!(file.stat().expect("fstat").st_size as u64, FAR + 3);
    assert!(blocks(b"f") < 100, "{} blocks", blocks(b"f"));
    let mut zeros = [1; PAGE];
    assert_eq!(file.read_at(&mut zeros, FAR / 2), Ok(PAGE));
    assert_eq!(zeros, [0; PAGE]);
    let hole = file.find(0, g::SEEK_HOLE).expect("a hole");
    assert!(hole > 0 && hole <= PAGE as u64, "hole at {hole}");
    let data = file.find(hole, g::SEEK_DATA).expect("data");
    assert!(data > FAR - PAGE as u64 && data <= FAR, "data at {data}");
    assert_eq!(file.find(FAR + 3, g::SEEK_DATA), Err(Errno::NXIO));
    // In the midst of it, what was a hole gets content.
    assert_eq!(file.write_at(b"middle", FAR / 2 + 5), Ok(6));
    assert_eq!(file.read_at(&mut zeros, FAR / 2), Ok(PAGE));
    assert_eq!(zeros[..12], *b"\0\0\0\0\0middle\0");
}

/// Any order of writes and cuts leaves what it should.
fn random() {
    const MOST: usize = 200_000;
    let file = write_file(b"f", b"");
    let mut want: Vec<u8> = Vec::new();
    let mut state = 88_172_645_463_325_252_u64;
    let mut below = |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % end as u64) as usize
    };
    for round in 0..150 {
        let (at, count) = (below(MOST), below(9000) + 1);
        if round % 10 == 9 {
            file.truncate(at as u64).expect("ftruncate");
            want.resize(at, 0);
        } else {
            let piece = bytes(round, count);
            assert_eq!(file.write_at(&piece, at as u64), Ok(count));
            want.resize(want.len().max(at + count), 0);
            want[at..at + count].copy_from_slice(&piece);
        }
        if round % 25 == 24 {
            file.sync().expect("fsync");
            expect_file(b"f", &want);
        }
    }
    expect_file(b"f", &want);
}

/// A file with indirect blocks, two deep.
fn large() {
    const BYTES: u64 = 1 << 20;
    let file = write_file(b"f", b"");
    for at in (0..BYTES).step_by(1 << 16) {
        let piece: Vec<u8> = (at..at + (1 << 16)).map(|at| byte(5, at)).collect();
        file.write_all(&piece).expect("write");
    }
    file.sync().expect("fsync");
    let mut piece = alloc::vec![0; 1 << 16];
    for at in (0..BYTES >> 16).rev().map(|part| part << 16) {
        assert_eq!(file.read_at(&mut piece, at), Ok(1 << 16));
        let wrong = piece.iter().zip(at..).position(|(found, at)| *found != byte(5, at));
        assert_eq!(wrong, None, "from {at} on");
    }
}

/// Nothing is left to be written after fsync.
fn synced() {
    let file = write_file(b"f", &bytes(6, 10 * PAGE));
    file.sync().expect("fsync");
    let directory = File::open(b".").expect("open");
    directory.sync().expect("fsync");
    file::sync_all().expect("sync");
}

/// Where the disk is full, whoever writes is told, and what there was remains.
fn full() {
    let kept = bytes(7, 5000);
    drop(write_file(b"kept", &kept));
    let file = write_file(b"f", b"");
    let piece = bytes(8, 1 << 16);
    let error = loop {
        if let Err(error) = file.write_all(&piece) {
            break error;
        }
    };
    assert_eq!(error, Errno::NOSPC);
    file.sync().expect("fsync");
    expect_file(b"kept", &kept);
    drop(file);
    file::unlink(b"f").expect("unlink");
    drop(write_file(b"f", &piece));
    expect_file(b"f", &piece);
}

/// A program that was copied to the disk runs, and nobody writes it meanwhile.
fn program() {
    let bytes = file::read_file(b"/bin/true").expect("a program");
    drop(write_file(b"true", &bytes));
    file::set_mode(b"true", 0o755).expect("chmod");
    for _ in 0..3 {
        let child = spawn::spawn(c"./true", [c"true"].into_iter(), [].into_iter());
        assert_eq!(wait_for(child.expect("vfork")), Status::Exited(0));
    }
    let bytes = file::read_file(b"/bin/sleep").expect("a program");
    drop(write_file(b"sleep", &bytes));
    file::set_mode(b"sleep", 0o755).expect("chmod");
    let child = spawn::spawn(c"./sleep", [c"sleep", c"1000"].into_iter(), [].into_iter());
    let child = child.expect("vfork");
    assert_eq!(File::open_with(b"sleep", g::O_WRONLY, 0).err(), Some(Errno::TXTBSY));
    file::unlink(b"sleep").expect("unlink");
    process::kill(child, g::SIGKILL).expect("kill");
    assert_eq!(wait_for(child), Status::Killed(g::SIGKILL));
    drop(open(b"true"));
}
