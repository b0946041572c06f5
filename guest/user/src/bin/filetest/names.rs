//! Directories and names: made, found, listed, renamed, taken away, also while what they lead to is
//! in use.

use alloc::format;
use alloc::vec::Vec;

use guest_user::Errno;
use guest_user::sys::dir;
use guest_user::sys::file::{self, File};
use linux_raw_sys::general as g;

use crate::Case;
use crate::world::{PAGE, bytes, expect_file, map, write_file};

pub(crate) const CASES: &[Case] = &[
    ("names-made", made),
    ("names-many", many),
    ("names-links", links),
    ("names-renamed", renamed),
    ("names-refused", refused),
    ("names-gone-open", unlinked_while_open),
    ("names-gone-mapped", unlinked_while_mapped),
    ("names-gone-current", removed_while_current),
];

/// What is made is there, as what it was made.
fn made() {
    drop(write_file(b"plain", b"content"));
    file::make_directory(b"directory", 0o750).expect("mkdir");
    file::symbolic_link(b"plain", b"link").expect("symlink");
    let long = [b'x'; 200];
    file::symbolic_link(&long, b"long").expect("symlink");
    expect_file(b"link", b"content");
    assert_eq!(file::read_link(b"long").as_deref(), Ok(&long[..]));
    let stat = file::stat(b"directory").expect("stat");
    assert_eq!((stat.st_mode & 0o777, stat.st_nlink), (0o750, 2));
    assert_eq!(file::stat_link(b"link").expect("lstat").st_size, 5);
    file::set_mode(b"plain", 0o640).expect("chmod");
    assert_eq!(file::stat(b"plain").expect("stat").st_mode & 0o777, 0o640);
    let name = [b'n'; 255];
    drop(write_file(&name, b"long name"));
    expect_file(&name, b"long name");
}

/// A directory that takes many blocks.
fn many() {
    const FILES: usize = 300;
    let name = |number: usize| format!("d/a file with number {number}").into_bytes();
    file::make_directory(b"d", 0o755).expect("mkdir");
    for number in 0..FILES {
        drop(write_file(&name(number), &bytes(number as u64, 10)));
    }
    let listed = dir::entries(b"d").expect("list").len();
    assert_eq!(listed, FILES + [".", ".."].len());
    for number in (0..FILES).step_by(2) {
        file::unlink(&name(number)).expect("unlink");
    }
    for number in 0..FILES {
        match number % 2 {
            0 => assert_eq!(file::stat(&name(number)).err(), Some(Errno::NOENT)),
            _ => expect_file(&name(number), &bytes(number as u64, 10)),
        }
    }
}

/// Several names of one file.
fn links() {
    drop(write_file(b"one", b"same"));
    file::link(b"one", b"two").expect("link");
    let [one, two] = [&b"one"[..], b"two"].map(|name| file::stat(name).expect("stat"));
    assert_eq!((one.st_ino, one.st_nlink), (two.st_ino, 2));
    drop(write_file(b"one", b"other"));
    expect_file(b"two", b"other");
    file::unlink(b"one").expect("unlink");
    assert_eq!(file::stat(b"two").expect("stat").st_nlink, 1);
}

fn renamed() {
    drop(write_file(b"from", b"moved"));
    drop(write_file(b"victim", b"gone"));
    file::make_directory(b"a", 0o755).expect("mkdir");
    file::make_directory(b"a/b", 0o755).expect("mkdir");
    let open = File::open(b"victim").expect("open");
    file::rename(b"from", b"victim").expect("rename");
    expect_file(b"victim", b"moved");
    let mut text = Vec::new();
    open.read_to_end(&mut text).expect("read");
    assert_eq!(text, b"gone");
    assert_eq!(file::rename(b"a", b"a/b/c"), Err(Errno::INVAL));
    file::rename(b"a/b", b"c").expect("rename");
    assert_eq!(file::stat(b"a").expect("stat").st_nlink, 2);
    assert_eq!(file::stat(b"c/..").expect("stat").st_ino, file::stat(b".").expect("stat").st_ino);
}

/// What may not be, is not.
fn refused() {
    file::make_directory(b"d", 0o755).expect("mkdir");
    drop(write_file(b"d/f", b""));
    let cases: [(&str, guest_user::errno::Result<()>, Errno); 8] = [
        ("mkdir", file::make_directory(b"d", 0o755), Errno::EXIST),
        ("rmdir", file::remove_directory(b"d"), Errno::NOTEMPTY),
        ("rmdir", file::remove_directory(b"d/f"), Errno::NOTDIR),
        ("unlink", file::unlink(b"d"), Errno::ISDIR),
        ("unlink", file::unlink(b"d/none"), Errno::NOENT),
        ("link", file::link(b"d", b"e"), Errno::PERM),
        ("link", file::link(b"d/f", b"/tmp/f"), Errno::XDEV),
        ("rename", file::rename(b"d/f", b"/tmp/f"), Errno::XDEV),
    ];
    for (call, outcome, want) in cases {
        assert_eq!(outcome, Err(want), "{call}");
    }
    let name = [b'n'; 256];
    assert_eq!(file::make_directory(&name, 0o755), Err(Errno::NAMETOOLONG));
}

/// A file goes with its last descriptor.
fn unlinked_while_open() {
    let content = bytes(1, 3 * PAGE);
    let file = write_file(b"f", &content);
    file::unlink(b"f").expect("unlink");
    assert_eq!(file::stat(b"f").err(), Some(Errno::NOENT));
    assert_eq!(file.stat().expect("fstat").st_nlink, 0);
    let mut found = alloc::vec![0; content.len()];
    assert_eq!(file.read_at(&mut found, 0), Ok(content.len()));
    assert!(found == content);
    file.write_at(b"more", content.len() as u64).expect("write");
    file.sync().expect("fsync");
    drop(file);
    drop(write_file(b"f", b"another"));
    expect_file(b"f", b"another");
}

/// And with its last mapping.
fn unlinked_while_mapped() {
    let file = write_file(b"f", &bytes(2, 2 * PAGE));
    let memory = map(&file, 2, g::MAP_SHARED);
    drop(file);
    file::unlink(b"f").expect("unlink");
    memory.write(PAGE, 42);
    file::sync_all().expect("sync");
    assert_eq!(
        (memory.read(0).to_le_bytes()[..] == bytes(2, 8)[..], memory.read(PAGE)),
        (true, 42)
    );
}

/// A directory that is gone has nothing in it, and leads nowhere new.
fn removed_while_current() {
    file::make_directory(b"d", 0o755).expect("mkdir");
    file::change_directory(b"d").expect("chdir");
    file::remove_directory(b"../d").expect("rmdir");
    assert_eq!(file::make_directory(b"e", 0o755), Err(Errno::NOENT));
    assert_eq!(file::working_directory().err(), Some(Errno::NOENT));
    file::change_directory(b"/").expect("chdir");
}
