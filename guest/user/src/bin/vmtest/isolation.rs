//! Isolation: what a process must not reach, and that trying hurts nobody else.

use guest_user::errno::Errno;
use guest_user::status::Status;
use guest_user::sys::file;
use linux_raw_sys::general as g;

use crate::Case;
use crate::world::{
    PRIVILEGED, breakpoint, call, dies_of, error, execute, load, load_byte, map, outcome, store,
};

pub(crate) const CASES: &[Case] = &[
    ("isolation-null", null),
    ("isolation-kernel", kernel),
    ("isolation-text", text),
    ("isolation-data", data),
    ("isolation-privileged", privileged),
    ("isolation-breakpoint", traps),
    ("isolation-neighbour", neighbour),
    ("isolation-groups", groups),
];

/// Nothing is near address 0.
fn null() {
    for at in [0, 8, 0xff8, 0xfff8] {
        dies_of(g::SIGSEGV, "a read near null", || {
            load(at);
        });
        dies_of(g::SIGSEGV, "a write near null", || store(at, 1));
    }
    dies_of(g::SIGSEGV, "a call of null", || {
        execute(0, 0);
    });
}

/// The kernel's half, where the kernel's image, RAM and stacks are, and addresses that are none.
fn kernel() {
    for at in [
        1 << 38,
        0xffff_ffc0_0000_0000,
        0xffff_ffc0_8020_0000,
        0xffff_ffe0_0000_0000,
        0xffff_ffff_8020_0000,
        0xffff_ffff_ffff_fff8,
        0x8000_0000_0000_0000,
        0x0123_4567_89ab_cde0,
    ] {
        dies_of(g::SIGSEGV, "a read of the kernel's half", || {
            load(at);
        });
        dies_of(g::SIGSEGV, "a write to the kernel's half", || store(at, 1));
        dies_of(g::SIGSEGV, "a call into the kernel's half", || {
            execute(at, 0);
        });
    }
    // Physical addresses are no virtual ones.
    for at in [0x8020_0000, 0x1000_0000, 0x10_0000] {
        dies_of(g::SIGSEGV, "a read at a physical address", || {
            load(at);
        });
    }
}

/// Code and constants cannot be written.
fn text() {
    dies_of(g::SIGSEGV, "a write to code", || store(text as fn() as usize & !7, 0));
    let constant = b"a constant that is long enough";
    let at = constant.as_ptr() as usize + 7 & !7;
    dies_of(g::SIGSEGV, "a write to a constant", || store(at, 0));
    dies_of(g::SIGSEGV, "a call of a constant", || {
        execute(at, 0);
    });
}

/// Data and stack cannot be executed.
fn data() {
    const RETURN: u64 = 0x8067;
    let heap = map(4096);
    store(heap, RETURN);
    dies_of(g::SIGSEGV, "a call of data", || {
        execute(heap, 0);
    });
    let local = core::hint::black_box(RETURN);
    let at = core::ptr::from_ref(&local) as usize;
    dies_of(g::SIGSEGV, "a call of the stack", || {
        execute(at, 0);
    });
}

fn privileged() {
    for (name, instruction) in PRIVILEGED {
        dies_of(g::SIGILL, name, instruction);
    }
}

fn traps() {
    dies_of(g::SIGTRAP, "ebreak", breakpoint);
}

/// A process that reads everywhere it can finds nothing of another's secret.
fn neighbour() {
    const SECRET: u64 = 0x7365_6372_6574_2121;
    let mine = map(4096);
    let (reader, writer) = file::pipe().expect("pipe");
    let child = crate::world::start(|| {
        store(mine, SECRET ^ 1);
        store(mine, load(mine) ^ 1);
        writer.write_all(b"x").expect("the pipe");
        // Lives on while the other one looks.
        loop {
            let _ = guest_user::sys::time::sleep(core::time::Duration::from_secs(1));
        }
    });
    let mut byte = [0];
    assert_eq!(reader.read(&mut byte), Ok(1));
    assert_eq!(load(mine), 0, "the same address, another page");
    let fresh = map(256 * 4096);
    for at in (0..256 * 4096).step_by(8) {
        assert_ne!(load(fresh + at), SECRET);
    }
    assert_eq!(load_byte(fresh), 0);
    guest_user::sys::process::kill(child, g::SIGKILL).expect("kill");
    assert_eq!(crate::world::wait_for(child), Status::Killed(g::SIGKILL));
}

/// A file's group lets in whoever is in it by any of their groups, and binds them.
fn groups() {
    const GROUP: u32 = 77;
    const USER: usize = 1000;
    let path = b"/tmp/vmtest-groups";
    let fd = file::open(path, g::O_CREAT | g::O_RDWR, 0o600).expect("a file") as usize;
    call(g::__NR_fchown, &[fd, 0, GROUP as usize]).expect("fchown");
    let member: &[u32] = &[GROUP, 5, 90];
    let cases: [(&[u32], usize, usize, u32, u32, bool); 6] = [
        (member, USER, USER, 0o640, g::O_RDONLY, true),
        (member, USER, USER, 0o640, g::O_WRONLY, false),
        (member, USER, USER, 0o606, g::O_RDONLY, false),
        (&[5, 90], USER, USER, 0o640, g::O_RDONLY, false),
        (&[5, 90], USER, GROUP as usize, 0o640, g::O_RDONLY, true),
        (&[], USER, USER, 0o640, g::O_RDONLY, false),
    ];
    for (groups, uid, gid, mode, wish, allowed) in cases {
        call(g::__NR_fchmod, &[fd, mode as usize]).expect("fchmod");
        let status = outcome(|| {
            let list = groups.as_ptr() as usize;
            call(g::__NR_setgroups, &[groups.len(), list]).expect("setgroups");
            call(g::__NR_setgid, &[gid]).expect("setgid");
            call(g::__NR_setuid, &[uid]).expect("setuid");
            let mut told = [0_u32; 4];
            let count = call(g::__NR_getgroups, &[4, told.as_mut_ptr() as usize]);
            let mut sorted = groups.to_vec();
            sorted.sort_unstable();
            assert_eq!(&told[..count.expect("getgroups")], sorted);
            assert_eq!(error(g::__NR_setgroups, &[0, 0]), Errno::PERM);
            let opened = file::open(path, wish, 0).map(drop);
            assert_eq!(opened, if allowed { Ok(()) } else { Err(Errno::ACCES) });
        });
        assert_eq!(status, Status::Exited(0), "{groups:?} {gid} {mode:o}");
    }
    file::unlink(path).expect("unlink");
}
