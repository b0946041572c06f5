//! Images in a folder of their own: opening, the three modes, and the edges of transfers.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;

/// A file that goes with the test.
struct Image(PathBuf);

impl Image {
    fn new(bytes: &[u8]) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pagewalk-disk-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, bytes).unwrap();
        Self(path)
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.0).unwrap()
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at / 512 * 7 + at % 251) as u8).collect()
}

const MODES: [Mode; 3] = [Mode::ReadWrite, Mode::ReadOnly, Mode::Snapshot];

#[test]
fn what_is_no_image_is_told() {
    let empty = Image::new(b"");
    let odd = Image::new(&[0; 513]);
    let missing = std::env::temp_dir().join("pagewalk-no-such-image");
    let directory = std::env::temp_dir();
    for (path, message) in [
        (&missing, format!("there is no disk image {}", missing.display())),
        (&directory, format!("{} is a directory, expected a raw disk image", directory.display())),
        (&empty.0, format!("the disk image {} is empty", empty.0.display())),
        (
            &odd.0,
            format!("the disk image {} has 513 bytes, expected a multiple of 512", odd.0.display()),
        ),
    ] {
        for mode in MODES {
            let error = Disk::open(path, mode).expect_err("no image");
            assert_eq!(error.to_string(), message, "{mode:?}");
        }
    }
}

#[test]
#[cfg(unix)]
fn what_is_no_file_is_told() {
    let path = Path::new("/dev/null");
    assert!(matches!(Disk::open(path, Mode::ReadWrite), Err(DiskError::Kind(_))));
}

#[test]
fn errors_of_the_host_keep_their_kind() {
    let refused =
        |kind: ErrorKind, mode| refused(Path::new("d.img"), mode, kind.into()).to_string();
    for (kind, mode, message) in [
        (
            ErrorKind::PermissionDenied,
            Mode::ReadWrite,
            "no permission to write the disk image d.img",
        ),
        (ErrorKind::PermissionDenied, Mode::Snapshot, "no permission to read the disk image d.img"),
        (ErrorKind::NotFound, Mode::ReadOnly, "there is no disk image d.img"),
        (ErrorKind::ReadOnlyFilesystem, Mode::ReadWrite, "cannot open the disk image d.img"),
    ] {
        assert_eq!(refused(kind, mode), message);
    }
}

#[test]
fn one_writer_or_many_readers() {
    let image = Image::new(&[1; 512]);
    for (first, second, together) in [
        (Mode::ReadWrite, Mode::ReadWrite, false),
        (Mode::ReadWrite, Mode::ReadOnly, false),
        (Mode::Snapshot, Mode::ReadWrite, false),
        (Mode::Snapshot, Mode::Snapshot, true),
        (Mode::ReadOnly, Mode::Snapshot, true),
    ] {
        let held = Disk::open(&image.0, first).unwrap();
        let other = Disk::open(&image.0, second);
        assert_eq!(other.is_ok(), together, "{first:?}, then {second:?}");
        assert!(together || matches!(other, Err(DiskError::Locked(_))));
        drop((held, other));
        assert!(Disk::open(&image.0, Mode::ReadWrite).is_ok(), "the lock ends with the disk");
    }
}

#[test]
fn modes() {
    for (mode, writable, kept) in [
        (Mode::ReadWrite, true, true),
        (Mode::ReadOnly, false, false),
        (Mode::Snapshot, true, false),
    ] {
        let image = Image::new(&pattern(4 * 512));
        let mut disk = Disk::open(&image.0, mode).unwrap();
        assert_eq!((disk.len_bytes(), disk.is_read_only()), (2048, !writable), "{mode:?}");
        assert_eq!(disk.write_at(512, &[9; 512]).is_ok(), writable);
        assert_eq!(disk.discard(0, 512).is_ok(), writable);
        assert_eq!(disk.write_zeroes(1024, 512).is_ok(), writable);
        assert!(disk.flush().is_ok());
        let mut now = pattern(2048);
        if writable {
            now[512..1024].fill(9);
            now[1024..1536].fill(0);
        }
        let mut read = vec![0; 2048];
        disk.read_at(0, &mut read).unwrap();
        assert_eq!(read, now, "{mode:?}");
        drop(disk);
        assert_eq!(image.bytes(), if kept { now } else { pattern(2048) }, "{mode:?}");
    }
}

#[test]
fn nothing_lies_past_the_end() {
    let image = Image::new(&pattern(1024));
    for mode in MODES {
        let mut disk = Disk::open(&image.0, mode).unwrap();
        for (offset, len) in [(1024, 1), (1023, 2), (0, 1025), (u64::MAX, 2), (u64::MAX - 1, 1)] {
            let mut to = vec![7; len];
            assert!(disk.read_at(offset, &mut to).is_err(), "{mode:?} {offset}+{len}");
            assert_eq!(to, vec![7; len], "not even in part");
            assert!(disk.write_at(offset, &to).is_err(), "{mode:?} {offset}+{len}");
            assert!(disk.discard(offset, len as u64).is_err(), "{mode:?} {offset}+{len}");
        }
        assert!(disk.read_at(1024, &mut []).is_ok());
    }
    assert_eq!(image.bytes(), pattern(1024));
}

#[test]
fn errors_name_the_image() {
    let image = Image::new(&pattern(512));
    let mut disk = Disk::open(&image.0, Mode::ReadOnly).unwrap();
    let error = disk.write_at(0, &[0]).expect_err("read-only");
    assert_eq!(error.to_string(), format!("{}: the disk is read-only", image.0.display()));
}

#[test]
fn discarded_writes_are_forgotten() {
    let image = Image::new(&pattern(4 * 4096));
    let mut disk = Disk::open(&image.0, Mode::Snapshot).unwrap();
    disk.write_at(0, &[1; 4 * 4096]).unwrap();
    // Two blocks as a whole, two in part.
    disk.discard(100, 3 * 4096).unwrap();
    let Writes::Overlay(overlay) = &disk.writes else { panic!("a snapshot") };
    assert_eq!(overlay.kept(), [0, 3]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Both ways to keep writes agree with a plain array, whatever the edges; the last block of
    /// the overlay is not whole.
    #[test]
    fn writes_at_any_place(
        acts in prop::collection::vec((0..20_480_u64, 0..9000_usize, any::<u8>(), 0..3_u8), 1..30),
    ) {
        let mut model = pattern(20_480 + 512);
        let image = Image::new(&model);
        let copy = Image::new(&model);
        let mut disks =
            [(&image, Mode::ReadWrite), (&copy, Mode::Snapshot)].map(|(image, mode)| {
                Disk::open(&image.0, mode).unwrap()
            });
        for (offset, len, byte, act) in acts {
            let len = len.min(model.len() - offset as usize);
            let range = offset as usize..offset as usize + len;
            for disk in &mut disks {
                let mut read = vec![0; len];
                match act {
                    0 => disk.write_at(offset, &vec![byte; len]).unwrap(),
                    1 => disk.write_zeroes(offset, len as u64).unwrap(),
                    _ => {
                        disk.read_at(offset, &mut read).unwrap();
                        prop_assert_eq!(&read, &model[range.clone()]);
                    }
                }
            }
            match act {
                0 => model[range].fill(byte),
                1 => model[range].fill(0),
                _ => {}
            }
        }
        drop(disks);
        prop_assert_eq!(image.bytes(), model);
        prop_assert_eq!(copy.bytes(), pattern(20_480 + 512));
    }
}
