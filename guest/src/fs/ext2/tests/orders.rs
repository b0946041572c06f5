//! The parts by themselves: the order of writes, blocks that wait, times, rights, the list of
//! files without names, and that nothing is lost.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::bitmap::Later;
use super::super::bytes::put32;
use super::super::cache::Cache;
use super::super::map::way;
use super::super::{Access, Error, New, ROOT_INODE};
use super::format::{LARGE, SMALL, format};
use super::memory::{MemoryDisk, NOW, content, mount};
use super::tools;
use super::world::root;
use crate::errno::Errno;
use crate::fs::access::{Change, Stamp};
use crate::fs::tree::{Actor, Manner};
use crate::fs::{Identity, Kind, Time};

proptest! {
    /// Each block holds the number of its last change; what is ordered is on the disk in order.
    #[test]
    fn blocks_are_written_in_order(
        steps in prop::collection::vec((0_u32..12, 0_u32..12, any::<bool>()), 1..80),
    ) {
        let mut cache = Cache::new(MemoryDisk::new(vec![0; 12 * 1024]), 1024, 5);
        // After the write of `then` with at least that number, `first` has at least that one.
        let mut orders = Vec::new();
        let mut last = [0_u8; 12];
        for (number, (first, then, is_ordered)) in (1_u8..).zip(steps) {
            cache.change(first).expect("read")[0] = number;
            last[first as usize] = number;
            if is_ordered && first != then {
                cache.order(first, then).expect("ordered");
                cache.change(then).expect("read")[0] = number;
                last[then as usize] = number;
                orders.push((first as usize, then as usize, number));
            }
        }
        cache.sync().expect("synced");
        let disk = cache.into_disk();
        let mut seen = [0_u8; 12];
        for (position, bytes) in disk.written() {
            seen[position as usize / 1024] = bytes[0];
            for (first, then, number) in &orders {
                prop_assert!(seen[*then] < *number || seen[*first] >= *number);
            }
        }
        prop_assert_eq!(seen, last);
    }

    #[test]
    fn freed_blocks_wait(ranges in prop::collection::vec((0_u32..200, 1_u32..9), 0..40)) {
        let (mut later, mut model) = (Later::default(), BTreeSet::new());
        for (start, count) in ranges {
            let range = start..start + count;
            if range.clone().all(|block| !model.contains(&block)) {
                later.add(range.start, range.end);
                model.extend(range);
            }
        }
        for block in 0..220 {
            let end = later.end_around(block);
            prop_assert_eq!(end.is_some(), model.contains(&block));
            if let Some(end) = end {
                prop_assert!((block..end).all(|block| model.contains(&block)));
                prop_assert!(!model.contains(&end));
            }
        }
    }
}

#[test]
fn ways_lead_through_trees() {
    const FANOUT: u32 = 256;
    for (block, root, rest) in [
        (0, 0, &[][..]),
        (11, 11, &[]),
        (12, 12, &[0]),
        (267, 12, &[255]),
        (268, 13, &[0, 0]),
        (268 + 65535, 13, &[255, 255]),
        (268 + 65536, 14, &[0, 0, 0]),
        (268 + 65536 + 256 * 7 + 3, 14, &[0, 7, 3]),
    ] {
        let way = way(block, FANOUT).expect("a way");
        assert_eq!((way.root(), way.rest()), (root, rest), "{block}");
    }
    let blocks = 268 + 65536 + 256_u64.pow(3);
    assert!(way(blocks - 1, FANOUT).is_some() && way(blocks, FANOUT).is_none());
}

#[test]
fn times_are_kept() {
    let time = |seconds, nanoseconds| Time { seconds, nanoseconds };
    // What larger inodes keep, and what smaller ones do.
    for (given, large, small) in [
        (time(0, 0), time(0, 0), time(0, 0)),
        (
            time(1_700_000_000, 999_999_999),
            time(1_700_000_000, 999_999_999),
            time(1_700_000_000, 0),
        ),
        (time(-1, 5), time(-1, 5), time(-1, 0)),
        (time(1 << 31, 7), time(1 << 31, 7), time((1 << 31) - 1, 0)),
        (time(15_032_385_535, 1), time(15_032_385_535, 1), time((1 << 31) - 1, 0)),
        (time(1 << 40, 0), time(15_032_385_535, 0), time((1 << 31) - 1, 0)),
        (time(-1 << 40, 0), time(-1 << 31, 0), time(-1 << 31, 0)),
    ] {
        for (plan, want) in [(LARGE, large), (SMALL, small)] {
            let mut system = mount(format(plan), Access::ReadWrite);
            let change = Change::Times { accessed: Stamp::At(given), modified: Stamp::Keep };
            system.change(ROOT_INODE, change, &root()).expect("changed");
            system.sync().expect("synced");
            let mut system = mount(system.into_disk().into_image(), Access::ReadOnly);
            let attributes = system.attributes(ROOT_INODE).expect("the root");
            assert_eq!((attributes.accessed, attributes.changed.seconds), (want, NOW.seconds));
        }
    }
}

#[test]
fn rights_are_checked() {
    let mut system = mount(format(SMALL), Access::ReadWrite);
    let user = Actor { who: Identity::new(5, 6), now: NOW };
    let other = Actor { who: Identity::new(7, 7), now: NOW };
    let plain = New::Plain(Kind::Regular, 0o644);
    let make = |at, name: &[u8], new, by: &Actor, system: &mut super::super::Ext2<MemoryDisk>| {
        system.create(at, name, new, by)
    };
    assert_eq!(make(ROOT_INODE, b"x", plain, &user, &mut system), Err(Errno::EACCES.into()));
    let directory = New::Plain(Kind::Directory, 0o3777);
    let shared = make(ROOT_INODE, b"tmp", directory, &root(), &mut system).expect("made");
    let change = Change::Owner { uid: None, gid: Some(44) };
    system.change(shared, change, &root()).expect("changed");
    let file = make(shared, b"mine", plain, &user, &mut system).expect("made");
    let attributes = system.attributes(file).expect("a file");
    assert_eq!((attributes.uid, attributes.gid, attributes.permissions), (5, 44, 0o644));
    let inner = New::Plain(Kind::Directory, 0o755);
    let inner = make(shared, b"inner", inner, &user, &mut system).expect("made");
    assert_eq!(system.attributes(inner).expect("there").permissions, 0o2755);
    // The directory is sticky.
    assert_eq!(system.unlink(shared, b"mine", &other), Err(Errno::EPERM.into()));
    let (from, to) = ((shared, &b"mine"[..]), (shared, &b"yours"[..]));
    assert_eq!(system.rename(from, to, Manner::Replace, &other), Err(Errno::EPERM.into()));
    assert_eq!(system.unlink(shared, b"mine", &user), Ok(Some(file)));
    assert_eq!(system.lookup(shared, b"mine"), Err(Errno::ENOENT.into()));
    assert_eq!(system.lookup(inner, b"x").map_err(Error::errno), Err(Errno::ENOENT));
    for (name, errno) in [
        (&b""[..], Errno::ENOENT),
        (b".", Errno::EEXIST),
        (b"..", Errno::EEXIST),
        (b"a/b", Errno::EINVAL),
        (&[b'x'; 256], Errno::ENAMETOOLONG),
    ] {
        assert_eq!(make(shared, name, plain, &root(), &mut system), Err(errno.into()));
    }
    system.release(file, NOW).expect("released");
    let mut system = mount(system.into_disk().into_image(), Access::ReadOnly);
    assert_eq!(make(ROOT_INODE, b"x", plain, &root(), &mut system), Err(Error::ReadOnly));
}

/// Makes and removes until nothing fits any more: all is free again afterwards.
#[test]
fn what_is_taken_comes_back() {
    for plan in [SMALL, LARGE] {
        let mut system = mount(format(plan), Access::ReadWrite);
        let before = system.numbers().expect("numbers");
        for round in 0..3 {
            let mut made = Vec::new();
            let outcome = loop {
                let name = format!("{}{}", made.len(), "n".repeat(60));
                let new = match made.len() % 3 {
                    0 => New::Plain(Kind::Directory, 0o755),
                    1 => New::Link(&[b'l'; 100]),
                    _ => New::Plain(Kind::Regular, 0o644),
                };
                let file = match system.create(ROOT_INODE, name.as_bytes(), new, &root()) {
                    Ok(file) => file,
                    Err(error) => break error,
                };
                made.push((name, file));
                if made.len() % 3 == 0 && round > 0 {
                    let _ = system.allocate_run(file, (5, 40), &Identity::ROOT);
                    let _ = system.allocate(file, 300);
                    system.resize(file, 1 << 20, NOW).expect("resized");
                }
            };
            assert_eq!(outcome, Error::NoSpace);
            let numbers = system.numbers().expect("numbers");
            assert!(numbers.blocks_free == 0 || numbers.inodes_free == 0, "{numbers:?}");
            for (name, file) in made {
                let is_directory = system.attributes(file).expect("there").kind == Kind::Directory;
                let gone = if is_directory {
                    system.remove_directory(ROOT_INODE, name.as_bytes(), &root()).map(Some)
                } else {
                    system.unlink(ROOT_INODE, name.as_bytes(), &root())
                };
                assert_eq!(gone, Ok(Some(file)));
                system.release(file, NOW).expect("released");
            }
        }
        // The root has grown, and does not shrink.
        let root_blocks = system.stat(ROOT_INODE, 0).expect("the root").blocks * 512;
        let grown = (root_blocks as usize / plan.block_bytes - 1) as u32;
        let after = system.numbers().expect("numbers");
        assert_eq!(after.inodes_free, before.inodes_free);
        assert_eq!(after.blocks_free + grown, before.blocks_free);
    }
}

/// Files without a name, freed in any order and at the next mount, with a power cut after every
/// write.
#[test]
fn files_without_names_are_freed() {
    // Factors that spread the numbers of the files: from the first to the last, the other way
    // round, and with jumps.
    for factor in [1, NAMELESS - 1, 7] {
        let order: Vec<usize> = (1..NAMELESS).map(|index| index * factor % NAMELESS).collect();
        free_nameless(&order);
    }
}

/// How many files lose their names.
const NAMELESS: usize = 41;

/// Frees files that have lost their names, but for four, in this order.
fn free_nameless(order: &[usize]) {
    let mut system = mount(format(SMALL), Access::ReadWrite);
    let before = system.numbers().expect("numbers");
    let mut files = Vec::new();
    for index in 0..NAMELESS {
        let (name, new) = (format!("{index}"), New::Plain(Kind::Regular, 0o600));
        let file = system.create(ROOT_INODE, name.as_bytes(), new, &root()).expect("made");
        system.allocate(file, index as u64).expect("allocated");
        files.push((name, file));
    }
    system.sync().expect("synced");
    let (mut image, from) = (system.disk().image(), system.disk().writes());
    for (name, file) in &files {
        assert_eq!(system.unlink(ROOT_INODE, name.as_bytes(), &root()), Ok(Some(*file)));
        system.hold(*file).expect("held");
        assert_eq!(system.attributes(*file).map(|file| file.links), Ok(0));
    }
    for (count, index) in order[4..].iter().enumerate() {
        let (_, file) = files[*index];
        system.release(file, NOW).expect("released");
        assert_eq!(system.release(file, NOW), Err(Errno::EINVAL.into()));
        if count % 5 == 0 {
            system.sync().expect("synced");
        }
    }
    system.sync().expect("synced");
    let has_tools = tools::are_there("e2fsck of files without names");
    for (position, bytes) in system.disk().written().split_off(from) {
        image[position as usize..][..bytes.len()].copy_from_slice(&bytes);
        if has_tools {
            let judged = tools::e2fsck(&["-p"], &image);
            assert!(judged.code <= 1, "{}", judged.said);
        }
    }
    assert_eq!(image, system.disk().image());
    let mut system = mount(image, Access::ReadWrite);
    assert!(!system.was_clean());
    assert_eq!(system.numbers(), Ok(before));
    system.unmount(NOW).expect("unmounted");
    if has_tools {
        let judged = tools::e2fsck(&["-fn"], &system.into_disk().into_image());
        assert_eq!(judged.code, 0, "{}", judged.said);
    }
}

#[test]
fn debugfs_sees_the_same() {
    if !tools::are_there("debugfs_sees_the_same") {
        return;
    }
    let mut system = mount(format(LARGE), Access::ReadWrite);
    let directory = New::Plain(Kind::Directory, 0o711);
    let directory = system.create(ROOT_INODE, b"d", directory, &root()).expect("made");
    let new = New::Plain(Kind::Regular, 0o640);
    let file = system.create(directory, b"file", new, &root()).expect("made");
    let block = system.allocate(file, 0).expect("allocated");
    use super::super::Disk;
    let mut bytes = vec![0; 4096];
    bytes[..5].copy_from_slice(b"hello");
    system.disk().write(u64::from(block) * 4096, &bytes).expect("written");
    system.resize(file, 5, NOW).expect("resized");
    system.create(directory, b"link", New::Link(b"file"), &root()).expect("made");
    let device = New::Device(Kind::BlockDevice, 0o660, 0x12_3456_7800 & 0xffff_ffff | 0x11);
    system.create(directory, b"device", device, &root()).expect("made");
    system.unmount(NOW).expect("unmounted");
    let mut image = system.into_disk().into_image();
    assert_eq!(tools::debugfs("cat /d/file", &mut image), "hello");
    let told = tools::debugfs("stat /d/file", &mut image);
    for part in [
        "Type: regular",
        "Mode:  0640",
        "Links: 1   Blockcount: 8",
        "Size: 5",
        // 123,456,789 ns, above two bits.
        "mtime: 0x6553f100:1d6f3454",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert!(tools::debugfs("stat /d/link", &mut image).contains("Fast link dest: \"file\""));
    assert!(tools::debugfs("stat /d/device", &mut image).contains("Type: block special"));
    // And the other way round.
    for request in ["mkdir /e", "ln /d/file /e/other", "mknod pipe p", "symlink /e/s target"] {
        tools::debugfs(request, &mut image);
    }
    let mut system = mount(image, Access::ReadOnly);
    let made = system.lookup(ROOT_INODE, b"e").expect("a directory");
    assert_eq!(system.lookup(made, b"other"), Ok(file));
    assert_eq!(content(&mut system, file), b"hello");
    let pipe = system.lookup(ROOT_INODE, b"pipe").expect("a pipe");
    assert_eq!(system.attributes(pipe).map(|pipe| pipe.kind), Ok(Kind::Fifo));
    let link = system.lookup(made, b"s").expect("a link");
    assert_eq!(system.read_link(link).as_deref(), Ok(&b"target"[..]));
}

/// A block of extended attributes that two files share goes with the second.
#[test]
fn extended_attributes_are_freed_with_their_last_file() {
    if !tools::are_there("extended_attributes_are_freed_with_their_last_file") {
        return;
    }
    let mut system = mount(format(SMALL), Access::ReadWrite);
    let before = system.numbers().expect("numbers");
    for name in [b"a", b"b"] {
        let new = New::Plain(Kind::Regular, 0o644);
        system.create(ROOT_INODE, name, new, &root()).expect("made");
    }
    system.unmount(NOW).expect("unmounted");
    let mut image = system.into_disk().into_image();
    // EXT2_FEATURE_COMPAT_EXT_ATTR.
    put32(&mut image, 1024 + 92, 8);
    tools::debugfs("ea_set /a user.x value", &mut image);
    // The inodes are 11 and 12, in the table's second block; the numbers of the block of
    // attributes are at 104, those of sectors at 28.
    let (a, b) = (5 * 1024 + 10 * 128, 5 * 1024 + 11 * 128);
    let attributes: [u8; 4] = image[a + 104..a + 108].try_into().expect("four");
    let block = u32::from_le_bytes(attributes);
    assert_ne!(block, 0);
    image[b + 104..b + 108].copy_from_slice(&attributes);
    put32(&mut image, b + 28, 2);
    put32(&mut image, block as usize * 1024 + 4, 2);
    tools::assert_clean(&image);
    for name in [b"a", b"b"] {
        let mut system = mount(image, Access::ReadWrite);
        let gone = system.unlink(ROOT_INODE, name, &root()).expect("unlinked").expect("the last");
        system.release(gone, NOW).expect("released");
        system.unmount(NOW).expect("unmounted");
        image = system.into_disk().into_image();
        tools::assert_clean(&image);
    }
    assert_eq!(mount(image, Access::ReadOnly).numbers(), Ok(before));
}

/// An index that e2fsck has made is read past, and given up when names change.
#[test]
fn indexed_directories_are_directories() {
    const NAMES: u32 = 300;
    if !tools::are_there("indexed_directories_are_directories") {
        return;
    }
    let mut system = mount(tools::mke2fs(&["-b", "1024"], 4096, None), Access::ReadWrite);
    let plain = New::Plain(Kind::Regular, 0o644);
    let directory = New::Plain(Kind::Directory, 0o755);
    let directory = system.create(ROOT_INODE, b"d", directory, &root()).expect("made");
    let name = |index: u32| format!("a name with number {index}").into_bytes();
    for index in 0..NAMES {
        system.create(directory, &name(index), plain, &root()).expect("made");
    }
    system.unmount(NOW).expect("unmounted");
    let mut image = tools::e2fsck(&["-fyD"], &system.into_disk().into_image()).image;
    let told = tools::debugfs("stat /d", &mut image);
    assert!(told.contains("Flags: 0x1000"), "no index: {told}");
    let mut system = mount(image, Access::ReadWrite);
    for index in 0..NAMES {
        system.lookup(directory, &name(index)).expect("found");
    }
    system.create(directory, b"another", plain, &root()).expect("made");
    let gone = system.unlink(directory, &name(7), &root()).expect("unlinked").expect("the last");
    system.release(gone, NOW).expect("released");
    system.unmount(NOW).expect("unmounted");
    let mut image = system.into_disk().into_image();
    assert!(tools::debugfs("stat /d", &mut image).contains("Flags: 0x0"));
    tools::assert_clean(&image);
}
