//! Bad addresses of every kind into every call that takes one: EFAULT, and nothing else happens.

use guest_user::errno::Errno;
use guest_user::sys::file;
use linux_raw_sys::general as g;

use crate::Case;
use crate::world::{PAGE, call, map, protect, store, unmap};

pub(crate) const CASES: &[Case] = &[
    ("pointers-written-to", written_to),
    ("pointers-read-from", read_from),
    ("pointers-partial", partial),
];

/// Addresses where the kernel must not write; where `read_only` is, it may read.
fn bad(read_only: usize) -> [usize; 7] {
    let hole = map(PAGE);
    unmap(hole, PAGE);
    [0, hole, 1 << 38, 0xffff_ffff_8020_0000, usize::MAX - 7, 1 << 63, read_only]
}

fn read_only_page() -> usize {
    let page = map(PAGE);
    store(page, 0);
    protect(page, PAGE, g::PROT_READ).expect("mprotect");
    page
}

/// Calls that fill a buffer.
fn written_to() {
    let (reader, writer) = file::pipe().expect("pipe");
    writer.write_all(&[1; 512]).expect("room");
    let directory = file::File::open_with(b"/", g::O_RDONLY | g::O_DIRECTORY, 0).expect("/");
    let (reader, directory) = (reader.fd() as usize, directory.fd() as usize);
    let text = b"/\0".as_ptr() as usize;
    for at in bad(read_only_page()) {
        for (name, number, arguments) in [
            ("read", g::__NR_read, [reader, at, 16, 0]),
            ("pipe2", g::__NR_pipe2, [at, 0, 0, 0]),
            ("fstat", g::__NR_fstat, [reader, at, 0, 0]),
            ("newfstatat", g::__NR_newfstatat, [0, text, at, 0]),
            ("getdents64", g::__NR_getdents64, [directory, at, 512, 0]),
            ("uname", g::__NR_uname, [at, 0, 0, 0]),
            ("clock_gettime", g::__NR_clock_gettime, [0, at, 0, 0]),
            ("getrandom", g::__NR_getrandom, [at, 16, 0, 0]),
            ("rt_sigprocmask", g::__NR_rt_sigprocmask, [0, 0, at, 8]),
            ("rt_sigaction", g::__NR_rt_sigaction, [10, 0, at, 8]),
            ("sigaltstack", g::__NR_sigaltstack, [0, at, 0, 0]),
            ("prlimit64", g::__NR_prlimit64, [0, 7, 0, at]),
            ("sysinfo", g::__NR_sysinfo, [at, 0, 0, 0]),
            ("getrusage", g::__NR_getrusage, [0, at, 0, 0]),
        ] {
            // For these null means that nobody asks.
            if at == 0
                && ["rt_sigprocmask", "rt_sigaction", "sigaltstack", "prlimit64"].contains(&name)
            {
                continue;
            }
            assert_eq!(call(number, &arguments), Err(Errno::FAULT), "{name} to {at:#x}");
        }
    }
    // None of them has taken anything out of the pipe.
    let room = map(PAGE);
    assert_eq!(call(g::__NR_read, &[reader, room, PAGE]), Ok(512));
}

/// Calls that read a text, a buffer or a structure.
fn read_from() {
    let (_reader, writer) = file::pipe().expect("pipe");
    let writer = writer.fd() as usize;
    let here = g::AT_FDCWD as usize;
    let hole = map(PAGE);
    unmap(hole, PAGE);
    for at in [hole, 1 << 38, 0xffff_ffff_8020_0000, usize::MAX - 7, 1 << 63] {
        for (name, number, arguments) in [
            ("write", g::__NR_write, [writer, at, 16, 0]),
            ("writev", g::__NR_writev, [writer, at, 1, 0]),
            ("openat", g::__NR_openat, [here, at, 0, 0]),
            ("execve", g::__NR_execve, [at, 0, 0, 0]),
            ("chdir", g::__NR_chdir, [at, 0, 0, 0]),
            ("mkdirat", g::__NR_mkdirat, [here, at, 0, 0]),
            ("unlinkat", g::__NR_unlinkat, [here, at, 0, 0]),
            ("faccessat", g::__NR_faccessat, [here, at, 0, 0]),
            ("readlinkat", g::__NR_readlinkat, [here, at, hole, 16]),
            ("newfstatat", g::__NR_newfstatat, [here, at, hole, 0]),
            ("rt_sigaction", g::__NR_rt_sigaction, [10, at, 0, 8]),
            ("rt_sigprocmask", g::__NR_rt_sigprocmask, [0, at, 0, 8]),
            ("nanosleep", g::__NR_nanosleep, [at, 0, 0, 0]),
            ("ppoll", g::__NR_ppoll, [at, 1, 0, 0]),
            ("futex", g::__NR_futex, [at & !3, 0, 0, 0]),
        ] {
            assert_eq!(call(number, &arguments), Err(Errno::FAULT), "{name} from {at:#x}");
        }
    }
    let path = b"/proc/self/exe\0".as_ptr() as usize;
    assert_eq!(call(g::__NR_execve, &[path, hole, 0]), Err(Errno::FAULT), "arguments");
}

/// A buffer that ends in the middle: what fits is done, or nothing, but never more.
fn partial() {
    let area = map(2 * PAGE);
    unmap(area + PAGE, PAGE);
    let edge = area + PAGE;
    let (reader, writer) = file::pipe().expect("pipe");
    let (reader, writer) = (reader.fd() as usize, writer.fd() as usize);
    // Half of what is to be written is not there.
    let written = call(g::__NR_write, &[writer, edge - 8, 16]);
    assert!(matches!(written, Ok(8) | Err(Errno::FAULT)), "{written:?}");
    if written.is_err() {
        call(g::__NR_write, &[writer, edge - 8, 8]).expect("there");
    }
    let read = call(g::__NR_read, &[reader, edge - 4, 8]);
    assert!(matches!(read, Ok(4) | Err(Errno::FAULT)), "{read:?}");
    // A text that runs into the hole.
    store(edge - 8, u64::from_ne_bytes(*b"/no/end/"));
    let here = g::AT_FDCWD as usize;
    assert_eq!(call(g::__NR_openat, &[here, edge - 8, 0, 0]), Err(Errno::FAULT));
    // One that just fits.
    store(edge - 8, u64::from_ne_bytes(*b"/no/end\0"));
    assert_eq!(call(g::__NR_openat, &[here, edge - 8, 0, 0]), Err(Errno::NOENT));
}
