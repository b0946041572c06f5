//! Disks that fail. Who reads what cannot be read is told so, each time, and reads everything else;
//! who asks whether all was written is told once that it was not; nobody waits for ever.

use alloc::format;

use guest_user::errno::Errno;
use guest_user::status::Status;
use guest_user::sys::dir;
use guest_user::sys::file::{self, File};
use guest_user::sys::mapping::Mapping;
use linux_raw_sys::{errno, general as g};

use crate::Case;
use crate::world::{PAGE, bytes, expect_file, outcome, start, wait_for};

pub(crate) const CASES: &[Case] = &[("bad-block", bad_block), ("errors", errors)];

/// A file one of whose pages cannot be read.
const BROKEN: &[u8] = b"/files/rand";

/// Reads, and reads through mappings, everything but the one page that has the bad block.
fn bad_block() {
    let file = File::open_with(BROKEN, g::O_RDONLY, 0).expect("open");
    let pages = (file.stat().expect("stat").st_size as usize).div_ceil(PAGE);
    let mut page = [0; PAGE];
    let mut is_bad = |index: usize| match file.read_at(&mut page, (index * PAGE) as u64) {
        Ok(count) => {
            assert!(count == PAGE || index + 1 == pages, "{count} bytes of page {index}");
            false
        }
        Err(Errno(errno::EIO)) => true,
        Err(error) => panic!("page {index}: {error}"),
    };
    let mut bad = (0..pages).filter(|index| is_bad(*index));
    let first = bad.next().expect("the disk has a bad block");
    assert_eq!(bad.next(), None, "only one is bad");
    assert!(is_bad(first), "it cannot come back");
    let memory = Mapping::of_file(&file, pages * PAGE, g::PROT_READ, g::MAP_SHARED).expect("mmap");
    for index in 0..pages {
        let end = outcome(|| _ = memory.read(index * PAGE));
        let want = if index == first { Status::Killed(g::SIGBUS) } else { Status::Exited(0) };
        assert_eq!(end, want, "page {index}");
    }
    // What reads several pages stops where it must, and only then says why.
    let whole = file::read_file(BROKEN);
    assert_eq!(whole.map(|text| text.len()), Err(Errno(errno::EIO)));
    let mut before = alloc::vec![0; 3 * PAGE];
    let (start, want) = if first >= 2 { (first - 2, 2 * PAGE) } else { (0, first * PAGE) };
    if want > 0 {
        assert_eq!(file.read_at(&mut before, (start * PAGE) as u64), Ok(want));
    }
}

/// Files of several processes on a disk that fails now and then, with its tables, too.
fn errors() {
    const CHILDREN: u64 = 4;
    const ROUNDS: u64 = 40;
    const DOTS: [&str; 2] = [".", ".."];
    let children = [0; CHILDREN as usize].iter().zip(0..).map(|(_, child)| {
        start(|| {
            let failed = (0..ROUNDS).filter(|round| is_refused(child, *round)).count();
            assert!((failed as u64) < ROUNDS, "nothing works");
        })
    });
    let children: alloc::vec::Vec<i32> = children.collect();
    for child in children {
        assert_eq!(wait_for(child), Status::Exited(0));
    }
    let left = dir::entries(b".").expect("it can be listed").len();
    assert!(left > DOTS.len(), "nothing has failed");
}

/// Makes a file, has it written, and takes it away; whether the disk has failed to do any of that.
/// As long as it is in memory, the content is right all the same.
fn is_refused(child: u64, round: u64) -> bool {
    let name = format!("f{child}-{round}").into_bytes();
    let content = bytes(child << 20 | round, 20_000);
    let done = File::open_with(&name, g::O_RDWR | g::O_CREAT, 0o644).and_then(|file| {
        file.write_all(&content)?;
        let synced = file.sync();
        assert!(matches!(synced, Ok(()) | Err(Errno(errno::EIO))), "{synced:?}");
        if round % 8 == 0 {
            expect_file(&name, &content);
        }
        synced
    });
    match done.and_then(|()| file::unlink(&name)) {
        Ok(()) => false,
        Err(Errno(errno::EIO | errno::ENOENT)) => true,
        Err(other) => panic!("round {round}: {other}"),
    }
}
