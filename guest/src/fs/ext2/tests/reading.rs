//! What mke2fs wrote is read as it was meant.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use super::super::{Access, Ext2, ROOT_INODE};
use super::memory::{MemoryDisk, content, mount};
use super::tools::{self, Folder};
use crate::fs::Kind;

/// Ways to make an image: options of mke2fs.
pub(super) const VARIANTS: [&[&str]; 6] = [
    &["-b", "1024"],
    &["-b", "2048", "-I", "128"],
    &["-b", "4096"],
    &["-b", "1024", "-I", "512", "-O", "^dir_index,^resize_inode"],
    &["-b", "1024", "-I", "128", "-O", "^filetype"],
    &["-b", "1024", "-g", "1024", "-N", "512"],
];

/// Some files of many kinds in a folder.
fn fill(folder: &Path) {
    let bytes = |length: usize| -> Vec<u8> {
        (0..length).map(|index| (index * 7 + index / 251) as u8).collect()
    };
    for (name, length) in
        [("empty", 0), ("one", 1), ("direct", 12 * 1024), ("indirect", 70_000), ("double", 600_000)]
    {
        fs::write(folder.join(name), bytes(length)).expect("written");
    }
    fs::set_permissions(folder.join("one"), fs::Permissions::from_mode(0o4751)).expect("changed");
    let sparse = fs::File::create(folder.join("sparse")).expect("made");
    use std::os::unix::fs::FileExt;
    sparse.write_all_at(b"far away", 80 << 20).expect("written");
    symlink("short", folder.join("fast")).expect("made");
    symlink("x".repeat(59), folder.join("fast59")).expect("made");
    symlink("y".repeat(60), folder.join("slow60")).expect("made");
    symlink("z".repeat(900), folder.join("slow900")).expect("made");
    fs::hard_link(folder.join("one"), folder.join("another")).expect("linked");
    let many = folder.join("many");
    fs::create_dir(&many).expect("made");
    for index in 0..200 {
        fs::create_dir(many.join(format!("a directory with number {index}"))).expect("made");
        fs::write(many.join(format!("{index}")), format!("{index}")).expect("written");
    }
}

/// All names of a directory.
pub(super) fn names(system: &mut Ext2<MemoryDisk>, directory: u32) -> BTreeMap<String, (u32, u8)> {
    let mut names = BTreeMap::new();
    let mut cookie = 0;
    loop {
        // One at a time, so that cookies are used.
        let mut found = None;
        system
            .list(directory, cookie, &mut |entry| {
                let name = String::from_utf8(entry.name.to_vec()).expect("text");
                found = Some((name, entry.inode, entry.kind, entry.next));
                false
            })
            .expect("listed");
        let Some((name, inode, kind, next)) = found else { return names };
        assert!(next > cookie);
        cookie = next;
        assert_eq!(names.insert(name, (inode, kind)), None);
    }
}

fn compare(system: &mut Ext2<MemoryDisk>, directory: u32, folder: &Path) {
    let mut names = names(system, directory);
    names.remove("lost+found");
    let on_host: Vec<_> = fs::read_dir(folder).expect("listed").flatten().collect();
    assert_eq!(names.len(), on_host.len());
    for entry in on_host {
        let name = entry.file_name().into_string().expect("text");
        let (inode, kind) = names[&name];
        assert_eq!(system.lookup(directory, name.as_bytes()), Ok(inode));
        let (stat, meta) = (system.stat(inode, 9).expect("stat"), entry.metadata().expect("meta"));
        let what = &stat.attributes;
        assert_eq!((what.mode(), what.uid, what.gid), (meta.mode(), meta.uid(), meta.gid()));
        assert!(kind == 0 || kind == what.kind.entry_type());
        assert_eq!(what.modified.seconds, meta.mtime());
        match what.kind {
            Kind::Directory => {
                assert_eq!(system.parent(inode), Ok(directory));
                compare(system, inode, &entry.path());
            }
            Kind::Symlink => {
                let text = fs::read_link(entry.path()).expect("a link");
                let text = text.to_str().expect("text").as_bytes();
                assert_eq!(system.read_link(inode).as_deref(), Ok(text));
            }
            _ => {
                assert_eq!((stat.size_bytes, u64::from(what.links)), (meta.len(), meta.nlink()));
                let wanted = fs::read(entry.path()).expect("read");
                assert!(content(system, inode) == wanted, "{name}");
            }
        }
    }
}

#[test]
fn what_mke2fs_wrote_is_read() {
    if !tools::are_there("what_mke2fs_wrote_is_read") {
        return;
    }
    let folder = Folder::new();
    fill(folder.path());
    for options in VARIANTS {
        let mut image = tools::mke2fs(options, 8192, Some(folder.path()));
        let report = tools::debugfs("stats", &mut image);
        let mut system = mount(image, Access::ReadOnly);
        assert!(system.was_clean());
        compare(&mut system, ROOT_INODE, folder.path());
        let numbers = system.numbers().expect("numbers");
        let reported = |what: &str| -> u32 {
            let line = report.lines().find(|line| line.starts_with(what)).expect("a line");
            line.rsplit(' ').next().expect("a word").parse().expect("a number")
        };
        assert_eq!(numbers.blocks_free, reported("Free blocks:"));
        assert_eq!(numbers.inodes_free, reported("Free inodes:"));
        assert_eq!(numbers.inodes, reported("Inode count:"));
        let overhead = reported("Overhead clusters:");
        assert_eq!(numbers.blocks + overhead, reported("Block count:"), "{options:?}");
    }
}
