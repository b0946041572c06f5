//! `scripts/linux.d/initramfs` writes a cpio archive by hand; here it is read back, as the kernel's
//! documentation "initramfs buffer format" has it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::program::Scratch;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const HEADER_BYTES: usize = 110;

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const DATA: u32 = 0o100_644;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// An entry of the archive.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    mode: u32,
    node: (u32, u32),
    content: Vec<u8>,
}

/// Reads the archive up to its trailer.
fn entries(archive: &[u8]) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        let header = std::str::from_utf8(&archive[at..at + HEADER_BYTES]).expect("ASCII");
        assert_eq!(&header[..6], "070701", "magic at {at}");
        let field = |index: usize| {
            let digits = &header[6 + 8 * index..14 + 8 * index];
            u32::from_str_radix(digits, 16).expect("hexadecimal")
        };
        let (size_bytes, name_bytes) = (field(6) as usize, field(11) as usize);
        let name_at = at + HEADER_BYTES;
        let (name, zero) = archive[name_at..name_at + name_bytes].split_at(name_bytes - 1);
        assert_eq!(zero, [0]);
        let name = std::str::from_utf8(name).expect("UTF-8").to_owned();
        let content_at = (name_at + name_bytes).next_multiple_of(4);
        let content = archive[content_at..content_at + size_bytes].to_vec();
        at = (content_at + size_bytes).next_multiple_of(4);
        if name == "TRAILER!!!" {
            return found;
        }
        found.push(Entry { name, mode: field(1), node: (field(9), field(10)), content });
    }
}

/// What the script makes of the folder.
fn archive(folder: &Path, output: &Path) -> Vec<u8> {
    let script = Path::new(ROOT).join("scripts/linux.d/initramfs");
    let made = Command::new(script).arg(folder).arg(output).output().expect("there is a shell");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let unpacked = Command::new("gzip").arg("-dc").arg(output).output().expect("there is gzip");
    assert!(unpacked.status.success());
    unpacked.stdout
}

#[test]
fn the_initramfs_holds_what_it_should() {
    let scratch = Scratch::new();
    // Lengths of every remainder by 4.
    scratch.file("busybox", b"12345");
    fs::create_dir(scratch.path().join("modules")).expect("ours");
    for (name, content) in [("a.ko", &b"\0\x01\0"[..]), ("b.ko", b""), ("boot.order", b"a.ko\nb\n")]
    {
        fs::write(scratch.path().join("modules").join(name), content).expect("ours");
    }
    let first = archive(scratch.path(), &scratch.path().join("first.gz"));
    assert_eq!(first, archive(scratch.path(), &scratch.path().join("second.gz")));

    let script =
        |name| fs::read(Path::new(ROOT).join("scripts/linux.d").join(name)).expect("there");
    let entry = |name: &str, mode, content: &[u8]| Entry {
        name: name.to_owned(),
        mode,
        node: (0, 0),
        content: content.to_vec(),
    };
    let mut want: Vec<Entry> = ["bin", "dev", "mnt", "modules", "proc", "sbin", "sys"]
        .map(|name| entry(name, DIRECTORY, b""))
        .into();
    want.push(Entry { node: (5, 1), ..entry("dev/console", CHARACTER_DEVICE, b"") });
    want.push(entry("bin/busybox", PROGRAM, b"12345"));
    want.push(entry("init", PROGRAM, &script("init")));
    want.push(entry("sbin/modprobe", PROGRAM, &script("modprobe")));
    want.push(entry("modules/a.ko", DATA, b"\0\x01\0"));
    want.push(entry("modules/b.ko", DATA, b""));
    want.push(entry("modules/boot.order", DATA, b"a.ko\nb\n"));
    assert_eq!(entries(&first), want);
}
