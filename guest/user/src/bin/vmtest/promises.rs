//! Overcommit: what counts as promised, and what is refused where nothing is promised that might
//! not be kept.

use core::sync::atomic::{AtomicUsize, Ordering};

use guest_user::errno::Errno;
use guest_user::status::Status;
use guest_user::sys::file::{self, File};
use guest_user::sys::process;
use linux_raw_sys::general as g;

use crate::Case;
use crate::world::{
    PAGE, PRIVATE, RW, call, limit_stack, map, map_at, meminfo, outcome, protect, store, unmap,
    wait_for,
};

pub(crate) const CASES: &[Case] = &[("commit-counts", counts), ("commit-never-over", never_over)];

/// A figure of /proc/meminfo, in pages.
/// Pages by which a step changes what is promised to all processes.
fn change<R>(step: impl FnOnce() -> R) -> isize {
    let before = meminfo("Committed_AS") as isize;
    step();
    meminfo("Committed_AS") as isize - before
}

fn counts() {
    const PAGES: usize = 64;
    const BYTES: usize = PAGES * PAGE;
    const ALL: isize = PAGES as isize;
    // What the heap of the test needs it has from now on.
    change(|| {});
    let mut at = 0;
    assert_eq!(change(|| at = map(BYTES)), ALL, "private and writable");
    let set = |pages, protection| protect(at, pages * PAGE, protection).expect("mprotect");
    assert_eq!(change(|| set(PAGES, g::PROT_READ)), -ALL, "nobody has touched it");
    assert_eq!(change(|| set(PAGES, g::PROT_NONE)), 0);
    assert_eq!(change(|| set(PAGES / 2, RW)), ALL / 2, "half of it writable");
    store(at, 1);
    assert_eq!(change(|| set(PAGES / 2, g::PROT_READ)), 0, "it has been touched");
    assert_eq!(change(|| set(PAGES, RW)), ALL / 2, "the other half");
    assert_eq!(change(|| unmap(at + PAGE, PAGE)), -1, "a hole");
    assert_eq!(change(|| map_at(at, BYTES, RW, PRIVATE | g::MAP_FIXED)), 1, "replaced");
    let may_move = g::MREMAP_MAYMOVE as usize;
    let resize = |at| call(g::__NR_mremap, &[at, BYTES, 3 * BYTES, may_move]).expect("mremap");
    assert_eq!(change(|| at = resize(at)), 2 * ALL, "mremap");
    assert_eq!(change(|| unmap(at, 3 * BYTES)), -3 * ALL, "munmap");

    let kept = |protection, flags| {
        let mut at = 0;
        let more = change(|| at = map_at(0, BYTES, protection, flags).expect("mmap"));
        assert_eq!(change(|| unmap(at, BYTES)), -more);
        more
    };
    let shared = g::MAP_SHARED | g::MAP_ANONYMOUS;
    assert_eq!(kept(g::PROT_READ, PRIVATE), 0, "read-only");
    assert_eq!(kept(RW, PRIVATE | g::MAP_NORESERVE), 0, "MAP_NORESERVE");
    assert_eq!(kept(RW, shared), ALL, "shared memory");
    assert_eq!(kept(g::PROT_READ, shared), ALL, "shared memory, whoever may write");
    assert_eq!(kept(RW, shared | g::MAP_NORESERVE), 0, "shared memory, page by page");

    let end = call(g::__NR_brk, &[0]).expect("brk").next_multiple_of(PAGE);
    call(g::__NR_brk, &[end]).expect("brk");
    assert_eq!(change(|| call(g::__NR_brk, &[end + BYTES])), ALL, "brk");
    assert_eq!(change(|| call(g::__NR_brk, &[end])), -ALL, "brk back");

    let at = map(1000 * PAGE);
    let (reader, writer) = file::pipe().expect("a pipe");
    let mut child = 0;
    let forked = change(|| {
        child = crate::world::start(|| {
            let _ = reader.read(&mut [0]);
        });
    });
    assert!((1000..1200).contains(&forked), "a copy of the process: {forked}");
    writer.write_all(b"!").expect("a byte");
    assert_eq!(wait_for(child), Status::Exited(0));
    unmap(at, 1000 * PAGE);
}

fn write(path: &[u8], value: usize) {
    let flags = g::O_WRONLY;
    let text = alloc::format!("{value}\n");
    let file = File::open_with(path, flags, 0).expect("a switch");
    file.write_all(text.as_bytes()).expect("a value");
}

const MODE: &[u8] = b"/proc/sys/vm/overcommit_memory";
const RATIO: &[u8] = b"/proc/sys/vm/overcommit_ratio";
const KBYTES: &[u8] = b"/proc/sys/vm/overcommit_kbytes";

/// Pages that may be promised besides those that are already, while [`never_over`] is at work.
static ROOM: AtomicUsize = AtomicUsize::new(0);

fn room() -> usize {
    ROOM.load(Ordering::Relaxed)
}

/// What is refused therefore.
fn too_much() -> usize {
    2 * room()
}

/// What is not.
fn enough() -> usize {
    room() / 4
}

fn never_over() {
    /// The least room: there is more where there is swap, all of which may be promised.
    const ROOM_MIN: usize = 512;
    let swap = meminfo("SwapTotal");
    write(RATIO, 50);
    assert_eq!(meminfo("CommitLimit"), meminfo("MemTotal") / 2 + swap);
    let promised = meminfo("Committed_AS");
    let limit = (promised + ROOM_MIN).max(swap + 1);
    write(KBYTES, (limit - swap) * (PAGE / 1024));
    assert_eq!(meminfo("CommitLimit"), limit);
    ROOM.store(limit - promised, Ordering::Relaxed);
    write(MODE, 2);
    let refusals: [(&str, fn()); 7] = [
        ("mmap", || {
            for flags in [PRIVATE, PRIVATE | g::MAP_NORESERVE, g::MAP_SHARED | g::MAP_ANONYMOUS] {
                assert_eq!(map_at(0, too_much() * PAGE, RW, flags), Err(Errno::NOMEM));
            }
            map_at(0, too_much() * PAGE, g::PROT_READ, PRIVATE).expect("read-only");
            map(enough() * PAGE);
        }),
        ("mprotect", || {
            let at = map_at(0, too_much() * PAGE, g::PROT_READ, PRIVATE).expect("read-only");
            assert_eq!(protect(at, too_much() * PAGE, RW), Err(Errno::NOMEM));
            protect(at, enough() * PAGE, RW).expect("not so much");
        }),
        ("mremap", || {
            let at = map(enough() * PAGE);
            let resize = |pages| {
                let arguments = [at, enough() * PAGE, pages * PAGE, g::MREMAP_MAYMOVE as usize];
                call(g::__NR_mremap, &arguments)
            };
            assert_eq!(resize(too_much()), Err(Errno::NOMEM));
            resize(2 * enough()).expect("not so much");
        }),
        ("brk", || {
            let end = call(g::__NR_brk, &[0]).expect("brk");
            assert_eq!(call(g::__NR_brk, &[end + too_much() * PAGE]), Ok(end));
            assert_eq!(call(g::__NR_brk, &[end + enough() * PAGE]), Ok(end + enough() * PAGE));
        }),
        ("fork", || {
            let at = map(room() * 2 / 3 * PAGE);
            assert_eq!(process::fork().map(drop), Err(Errno::NOMEM));
            unmap(at, room() * 2 / 3 * PAGE);
            assert_eq!(outcome(|| {}), Status::Exited(0));
        }),
        ("the stack", || {
            let status = outcome(|| {
                limit_stack();
                let _ = guest_user::sys::probe::recurse_without_end(0);
            });
            assert_eq!(status, Status::Killed(g::SIGSEGV));
            assert!(meminfo("Committed_AS") < meminfo("CommitLimit"));
        }),
        ("files in memory", || {
            let name = c"promises".as_ptr() as usize;
            let fd = call(g::__NR_memfd_create, &[name, 0]).expect("memfd_create");
            call(g::__NR_ftruncate, &[fd, too_much() * PAGE]).expect("ftruncate");
            let length = too_much() * PAGE;
            assert_eq!(call(g::__NR_fallocate, &[fd, 0, 0, length]), Err(Errno::NOSPC));
            let blocks = file::stat_fd(fd as i32).expect("fstat").st_blocks;
            assert_eq!(blocks, 0, "all or nothing");
            call(g::__NR_fallocate, &[fd, 0, 0, enough() * PAGE]).expect("not so much");
        }),
    ];
    let outcomes = refusals.map(|(what, refusal)| (what, outcome(refusal)));
    write(MODE, 0);
    write(RATIO, 50);
    let wrong = outcomes.into_iter().find(|(_, outcome)| *outcome != Status::Exited(0));
    assert_eq!(wrong, None);
}
