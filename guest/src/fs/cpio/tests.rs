//! Archives that are right, wrong, and random.

use proptest::prelude::*;

use super::*;

/// Remembers what was made, as lines.
#[derive(Default)]
struct Log(Vec<String>);

impl Sink for Log {
    fn make(&mut self, entry: &Entry<'_>) -> Result<(), Errno> {
        let header = entry.header;
        let (name, data) =
            (String::from_utf8_lossy(entry.name), String::from_utf8_lossy(entry.data));
        let kind = header.kind().ok_or(Errno::EINVAL)?;
        let Header { uid, gid, special, .. } = header;
        self.0.push(format!(
            "{kind:?} {:o} {uid}:{gid} {special:?} {name} [{data}]",
            header.permissions()
        ));
        Ok(())
    }
    fn link(&mut self, existing: &[u8], entry: &Entry<'_>) -> Result<(), Errno> {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        self.0.push(format!("{} = {} [{}]", text(entry.name), text(existing), text(entry.data)));
        Ok(())
    }
}

/// An entry's bytes: number, mode, links, name, content.
fn entry(number: u32, mode: u32, links: u32, name: &str, data: &str) -> Vec<u8> {
    let mut bytes = String::from("070701");
    let special = if mode >> 12 == 2 { (5, 1) } else { (0, 0) };
    for field in [number, mode, 10, 20, links, 77, data.len() as u32, 0, 3].into_iter().chain([
        special.0,
        special.1,
        name.len() as u32 + 1,
        0,
    ]) {
        bytes += &format!("{field:08X}");
    }
    bytes += name;
    bytes.push('\0');
    let pad = |bytes: &mut String| {
        while !bytes.len().is_multiple_of(4) {
            bytes.push('\0');
        }
    };
    pad(&mut bytes);
    bytes += data;
    pad(&mut bytes);
    bytes.into_bytes()
}

fn end() -> Vec<u8> {
    entry(0, 0, 1, "TRAILER!!!", "")
}

fn run(bytes: &[u8]) -> (Result<usize, Trouble>, Vec<String>) {
    let mut log = Log::default();
    let found = unpack(bytes, &mut log).map_err(|error| error.trouble);
    (found, log.0)
}

#[test]
fn everything_that_can_be_in_an_archive() {
    let archive = [
        entry(1, 0o040_755, 2, ".", ""),
        entry(2, 0o040_700, 2, "./bin", ""),
        entry(3, 0o104_755, 1, "/bin/sh", "hello"),
        entry(4, 0o120_777, 1, "bin/ash", "sh"),
        entry(5, 0o020_600, 1, "dev/console", ""),
        end(),
    ]
    .concat();
    let (found, lines) = run(&archive);
    assert_eq!(found, Ok(5));
    assert_eq!(
        lines,
        [
            "Directory 755 10:20 (0, 0) . []",
            "Directory 700 10:20 (0, 0) bin []",
            "Regular 4755 10:20 (0, 0) bin/sh [hello]",
            "Symlink 777 10:20 (0, 0) bin/ash [sh]",
            "CharDevice 600 10:20 (5, 1) dev/console []",
        ]
    );
}

#[test]
fn names_of_one_file_are_linked_within_an_archive() {
    let archive = [
        entry(7, 0o100_644, 2, "a", ""),
        entry(8, 0o100_644, 1, "other", "x"),
        entry(7, 0o100_644, 2, "b", "content"),
        end(),
        vec![0; 508],
        entry(7, 0o100_644, 2, "c", ""),
        end(),
        vec![0; 3],
    ]
    .concat();
    let (found, lines) = run(&archive);
    assert_eq!(found, Ok(4));
    assert_eq!(lines[2], "b = a [content]");
    assert_eq!(lines[3], "Regular 644 10:20 (0, 0) c []", "the second archive knows no `a`");
}

#[test]
fn hostile_archives_are_refused() {
    let good = entry(1, 0o100_644, 1, "f", "data");
    let with = |at: usize, bytes: &[u8]| {
        let mut entry = good.clone();
        entry[at..at + bytes.len()].copy_from_slice(bytes);
        [entry, end()].concat()
    };
    let name_size = HEADER_BYTES - 16;
    for (what, archive, expect) in [
        ("nothing", Vec::new(), Ok(0)),
        ("only zeros", vec![0; 1000], Ok(0)),
        ("no archive", b"\x1f\x8b compressed".to_vec(), Err(Trouble::NoMagic)),
        ("no end", good.clone(), Err(Trouble::Truncated)),
        ("cut header", good[..50].to_vec(), Err(Trouble::Truncated)),
        ("cut name", good[..111].to_vec(), Err(Trouble::Truncated)),
        ("cut data", good[..good.len() - 4].to_vec(), Err(Trouble::Truncated)),
        ("old format", with(0, b"070707"), Err(Trouble::NoMagic)),
        ("with check sum", with(0, b"070702"), Ok(1)),
        ("bad digit", with(20, b"x"), Err(Trouble::BadNumber)),
        ("signed digit", with(14, b"+00001a4"), Err(Trouble::BadNumber)),
        ("huge data", with(54, b"ffffffff"), Err(Trouble::Truncated)),
        ("huge name", with(name_size, b"ffffffff"), Err(Trouble::BadName)),
        ("no name", with(name_size, b"00000000"), Err(Trouble::BadName)),
        ("empty name", with(name_size, b"00000001"), Err(Trouble::BadName)),
        ("name without end", with(111, b"f"), Err(Trouble::BadName)),
        ("no kind", with(14, b"00000000"), Err(Trouble::Refused(Errno::EINVAL))),
        (
            "upwards",
            [entry(1, 0o100_644, 1, "a/../../x", ""), end()].concat(),
            Err(Trouble::BadName),
        ),
        (
            "zero in a name",
            [entry(1, 0o100_644, 1, "a\0b", ""), end()].concat(),
            Err(Trouble::BadName),
        ),
        ("rubbish behind", [end(), b"\0\0rubbish".to_vec()].concat(), Err(Trouble::NoMagic)),
    ] {
        assert_eq!(run(&archive).0, expect, "{what}");
    }
}

#[test]
fn errors_say_where() {
    let archive = [entry(1, 0o100_644, 1, "f", "data"), b"070701".to_vec()].concat();
    let error = unpack(&archive, &mut Log::default()).expect_err("it is cut");
    assert_eq!(error.to_string(), "truncated archive at byte 116");
}

proptest! {
    /// Whatever the bytes: no panic, and no more entries than headers fit.
    #[test]
    fn random_bytes_do_no_harm(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        changes in prop::collection::vec((0..500usize, any::<u8>()), 0..6),
        cut in 0..600usize,
    ) {
        let (found, lines) = run(&bytes);
        prop_assert!(found.is_err() || lines.is_empty() || lines.len() <= bytes.len() / 110);
        let mut archive = [
            entry(1, 0o040_755, 2, "d", ""),
            entry(2, 0o100_644, 2, "d/f", "some data"),
            entry(2, 0o100_644, 2, "d/g", ""),
            end(),
        ].concat();
        for (at, byte) in changes {
            let length = archive.len();
            archive[at % length] = byte;
        }
        archive.truncate(cut);
        let (_, lines) = run(&archive);
        prop_assert!(lines.len() <= archive.len() / 110);
    }
}
