//! What /proc tells of mounts, of open files and of interrupts.

use alloc::format;
use alloc::vec::Vec;

use guest_user::bytes;
use guest_user::errno::Errno;
use guest_user::sys::file::{self, File};
use linux_raw_sys::general as g;

use crate::Case;
use crate::world::call;

pub(crate) const CASES: &[Case] =
    &[("proc-mounts", mounts), ("proc-fdinfo", open_files), ("proc-interrupts", interrupts)];

/// Each mount has a line, as long as it is there.
fn mounts() {
    let count = || {
        let text = file::read_file(b"/proc/mounts").expect("mounts");
        let is_proc = |line: &&[u8]| bytes::fields(line).nth(1) == Some(b"/proc");
        bytes::lines(&text).filter(is_proc).count()
    };
    assert_eq!(count(), 1);
    file::mount(b"proc", b"/proc", b"proc", 0).expect("mount");
    assert_eq!(count(), 2);
    call(g::__NR_umount2, &[c"/proc".as_ptr() as usize, 0]).expect("umount2");
    assert_eq!(count(), 1);
}

fn open_files() {
    let path = b"/tmp/vmtest-fdinfo";
    let flags = g::O_CREAT | g::O_RDWR | g::O_APPEND | g::O_CLOEXEC;
    let open = File::open_with(path, flags, 0o600).expect("a file");
    open.write_all(b"seven..").expect("room");
    let text = |fd: i32| file::read_file(format!("/proc/self/fdinfo/{fd}").as_bytes());
    let told = text(open.fd()).expect("fdinfo");
    let value = |name: &[u8]| -> Vec<u8> {
        let mut lines = bytes::lines(&told).filter_map(|line| bytes::split_once(line, b'\t'));
        lines.find(|(own, _)| *own == name).expect("a line").1.to_vec()
    };
    let number = |name: &[u8], radix| bytes::number(&value(name), radix).expect("a number");
    assert_eq!(number(b"pos:", 10), 7);
    let kept = g::O_RDWR | g::O_APPEND | g::O_CLOEXEC;
    assert_eq!(number(b"flags:", 8) as u32 & (kept | g::O_CREAT), kept);
    assert_eq!(number(b"ino:", 10), open.stat().expect("fstat").st_ino);
    assert!(number(b"mnt_id:", 10) > 0);
    assert_eq!(call(g::__NR_fcntl, &[open.fd() as usize, g::F_SETFD as usize, 0]), Ok(0));
    let without = text(open.fd()).expect("fdinfo");
    assert_ne!(without, told, "it stays open at exec");
    assert_eq!(text(99), Err(Errno::NOENT));
    file::unlink(path).expect("unlink");
}

/// The clock interrupts whoever waits.
fn interrupts() {
    let count = || {
        let text = file::read_file(b"/proc/interrupts").expect("interrupts");
        let harts = bytes::fields(bytes::lines(&text).next().expect("a line of heads")).count();
        let is_clock = |line: &&[u8]| line.ends_with(b"riscv-timer");
        let clock = bytes::lines(&text).find(is_clock).expect("a clock");
        let counts = bytes::fields(clock).skip(1).take(harts);
        counts.map(|field| bytes::decimal(field).expect("a number")).sum::<u64>()
    };
    let before = count();
    guest_user::sys::time::sleep(core::time::Duration::from_millis(3)).expect("sleep");
    assert!(count() > before);
}
