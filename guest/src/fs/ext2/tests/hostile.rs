//! Images that make no sense, and disks that fail: errors, and never a panic, a hang or an access
//! outside.

use proptest::prelude::*;

use super::super::bytes::{put16, put32};
use super::super::{Access, Error, Ext2, Fault, New, Options, ROOT_INODE};
use super::format::{LARGE, SMALL, format};
use super::memory::{MemoryDisk, NOW, mount};
use super::world::{Deed, World, root};
use super::writing::deeds;
use crate::errno::Errno;
use crate::fs::tree::Manner;
use crate::fs::{Identity, Kind};

/// Most blocks that are read for all that is done with a small image, however it may look.
const READS_MAX: usize = 400_000;
/// Most files that are looked at.
const FILES_MAX: usize = 300;

/// A file system with something of everything in it.
fn furnished(image: Vec<u8>) -> Vec<u8> {
    let mut world = World::new(image);
    for (index, pick) in (0..40_u8).zip([3, 7, 50, 11, 0, 200, 90].into_iter().cycle()) {
        world.apply(Deed::Create(index, index * 5));
        world.apply(Deed::MakeDirectory(pick, index * 3 + 1));
        world.apply(Deed::MakeLink(index, pick, index * 4));
        world.apply(Deed::Write(index, pick.wrapping_mul(index), index));
        world.apply(Deed::Write(index, index * 6, index));
    }
    world.apply(Deed::Unlink(0, 0, true));
    world.unmount().0
}

/// Uses all that can be found, in every way; errors are fine.
fn use_everything(image: Vec<u8>) {
    let options = Options { buffers: 8, access: Access::ReadWrite, now: NOW };
    let Ok(mut system) = Ext2::mount(MemoryDisk::new(image), options) else { return };
    let mut found = vec![ROOT_INODE];
    let mut names = Vec::new();
    let mut next = 0;
    while next < found.len().min(FILES_MAX) {
        let directory = found[next];
        next += 1;
        let mut left = FILES_MAX;
        let _ = system.list(directory, 0, &mut |entry| {
            names.push((directory, entry.name.to_vec(), entry.inode));
            if !found.contains(&entry.inode) {
                found.push(entry.inode);
            }
            left -= 1;
            left > 0
        });
    }
    names.truncate(FILES_MAX);
    for inode in &found {
        let _ = system.parent(*inode);
        let _ = system.read_link(*inode);
        for block in [0, 11, 12, 300, 70_000, 1 << 40] {
            let _ = system.map_run(*inode, block, 100);
        }
        let _ = system.allocate_run(*inode, (3, 4), &Identity::ROOT);
        let _ = system.allocate(*inode, 500);
    }
    for (index, (directory, name, inode)) in names.iter().enumerate() {
        let other = names[(index * 7 + 3) % names.len()].0;
        let _ = system.lookup(*directory, name);
        let outcome = match index % 5 {
            0 => system.unlink(*directory, name, &root()),
            1 => system.remove_directory(*directory, name, &root()).map(Some),
            2 => system.rename((*directory, name), (other, b"new"), Manner::Replace, &root()),
            3 => system.resize(*inode, 5000, NOW).map(|()| None),
            _ => system.link(other, b"another", *inode, &root()).map(|()| None),
        };
        if let Ok(Some(gone)) = outcome {
            let _ = system.hold(gone);
            let _ = system.release(gone, NOW);
        }
    }
    let _ = system.create(ROOT_INODE, b"made", New::Plain(Kind::Directory, 0o755), &root());
    let _ = system.numbers();
    let _ = system.unmount(NOW);
    assert!(system.disk().reads() < READS_MAX, "{} reads", system.disk().reads());
}

/// Blocks with metadata: the first ones of each group, and those that directories and trees of
/// indirect blocks have.
fn metadata(image: &[u8], block_bytes: usize) -> Vec<usize> {
    let mut blocks: Vec<usize> = (0..16).collect();
    for block in 16..image.len() / block_bytes {
        let bytes = &image[block * block_bytes..][..block_bytes];
        let is_uniform = bytes[1..].iter().all(|byte| *byte == bytes[1]);
        if !is_uniform {
            blocks.push(block);
        }
    }
    blocks
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn bytes_that_are_changed_do_no_harm(
        is_small in any::<bool>(),
        changes in prop::collection::vec((any::<u16>(), any::<u16>(), any::<u8>()), 1..12),
    ) {
        let plan = if is_small { SMALL } else { LARGE };
        let mut image = furnished(format(plan));
        let blocks = metadata(&image, plan.block_bytes);
        for (block, at, byte) in changes {
            let block = blocks[usize::from(block) % blocks.len()];
            image[block * plan.block_bytes + usize::from(at) % plan.block_bytes] = byte;
        }
        use_everything(image);
    }

    #[test]
    fn numbers_that_are_changed_do_no_harm(
        is_small in any::<bool>(),
        changes in prop::collection::vec((any::<u16>(), any::<u16>(), 0_u32..3000), 1..8),
    ) {
        let plan = if is_small { SMALL } else { LARGE };
        let mut image = furnished(format(plan));
        let blocks = metadata(&image, plan.block_bytes);
        for (block, at, number) in changes {
            let block = blocks[usize::from(block) % blocks.len()];
            let at = usize::from(at) % (plan.block_bytes / 4) * 4;
            put32(&mut image[block * plan.block_bytes..], at, number);
        }
        use_everything(image);
    }

    #[test]
    fn a_disk_that_fails_is_no_reason_to_panic(
        deeds in deeds(30..31),
        writes in 0_usize..60,
    ) {
        let mut world = World::new(format(SMALL));
        deeds.iter().for_each(|deed| world.apply(*deed));
        world.system.sync().expect("synced");
        let image = world.system.disk().image();
        let options = Options { buffers: 8, access: Access::ReadWrite, now: NOW };
        let mut system = Ext2::mount(MemoryDisk::new(image), options).expect("mounted");
        system.disk().fail_after(Some(writes));
        let mut failed = false;
        for index in 0..200_u32 {
            let name = format!("file {index} with a long name that soon fills all blocks");
            let made = system.create(ROOT_INODE, name.as_bytes(), New::Link(b"x"), &root());
            failed |= made == Err(Error::Io);
        }
        prop_assert!(failed || system.sync() == Err(Error::Io));
        system.disk().fail_after(None);
        prop_assert_eq!(system.sync(), Ok(()));
    }
}

/// A file system with one thing that is wrong.
fn with(change: impl FnOnce(&mut [u8])) -> Result<Ext2<MemoryDisk>, Error> {
    let mut image = format(SMALL);
    change(&mut image);
    let options = Options { buffers: 8, access: Access::ReadWrite, now: NOW };
    Ext2::mount(MemoryDisk::new(image), options)
}

#[test]
fn superblocks_are_checked() {
    const AT: usize = 1024;
    let corrupt = |at| Err(Error::Corrupt { what: Fault::Superblock, at });
    let group = |at| Err(Error::Corrupt { what: Fault::Group, at });
    // Offset of four bytes, what they become, what mounting says.
    for (at, value, want) in [
        (AT + 56, 0, Err(Error::NotExt2)),
        (AT + 96, 0x42, Err(Error::Unsupported(0x40))),
        (AT + 24, 3, Err(Error::Unsupported(3))),
        (AT + 4, 1025, corrupt(4)),
        (AT + 4, 1, corrupt(4)),
        (AT + 20, 0, corrupt(20)),
        (AT + 32, 0, corrupt(32)),
        (AT + 32, 8193, corrupt(32)),
        (AT + 40, 0, corrupt(40)),
        (AT, 191, corrupt(0)),
        (AT + 84, 2, corrupt(84)),
        (AT + 88, 100, corrupt(88)),
        (AT + 88, 2048, corrupt(88)),
        (2048, 1, group(0)),
        (2048 + 32, 3, group(1)),
        (2048 + 8, 3, group(0)),
        (2048 + 64 + 8, 1020, group(2)),
        (AT + 100, 0x402, Ok(Access::ReadOnly)),
        (AT + 92, 0xffff_ffff, Ok(Access::ReadWrite)),
    ] {
        let mounted = with(|image| put32(&mut image[at..], 0, value));
        assert_eq!(mounted.map(|system| system.access()), want, "{at} {value:#x}");
    }
    let options = Options { buffers: 8, access: Access::ReadOnly, now: NOW };
    let tiny = Ext2::mount(MemoryDisk::new(vec![0; 1024]), options);
    assert_eq!(tiny.map(|_| ()), Err(Error::NotExt2));
}

#[test]
fn directories_are_checked() {
    // The root's block is behind eight of inodes.
    let block = 13;
    for (at, value, is_good) in [(4, 11, false), (4, 0, false), (4, 4000, false), (16, 8, false)] {
        let mut system = with(|image| put16(&mut image[block * 1024..], at, value)).expect("good");
        let found = system.lookup(ROOT_INODE, b"name");
        let want = Error::Corrupt { what: Fault::Entry, at: block as u64 };
        assert_eq!(found == Err(want), !is_good, "{at} {value}: {found:?}");
        assert_eq!(want.errno(), Errno::EUCLEAN);
    }
    // An entry that leads to an inode of the file system's own, one to an unused one.
    for (inode, fault) in [(7, Fault::InodeNumber), (40, Fault::UnusedInode)] {
        let mut system = with(|image| {
            let entries = &mut image[block * 1024..][..1024];
            put16(entries, 16, 12);
            put32(entries, 24, inode);
            put16(entries, 28, 1000);
            entries[30..33].copy_from_slice(b"\x01\x01x");
        })
        .expect("good");
        let want = Error::Corrupt { what: fault, at: inode.into() };
        assert_eq!(system.lookup(ROOT_INODE, b"x"), Err(want));
        // Only what a power cut can leave may be taken away.
        let gone = system.unlink(ROOT_INODE, b"x", &root());
        assert_eq!(gone, if inode == 40 { Ok(None) } else { Err(want) });
    }
}

#[test]
fn blocks_of_the_file_system_itself_are_nobodys() {
    let mut system = mount(format(SMALL), Access::ReadWrite);
    let file = system.create(ROOT_INODE, b"f", New::Plain(Kind::Regular, 0o644), &root());
    let file = file.expect("made");
    let block = system.allocate(file, 0).expect("allocated");
    system.unmount(NOW).expect("unmounted");
    let clean = system.into_disk().into_image();
    // The first inode that is no special one, and its first pointer.
    let pointer = 5 * 1024 + 10 * 128 + 40;
    assert_eq!(clean[pointer..pointer + 4], block.to_le_bytes());
    for (number, is_good) in [
        (block, true),
        (0, true),
        (1, false),
        (2, false),
        (3, false),
        (5, false),
        (12, false),
        (1024, false),
    ] {
        let mut image = clean.clone();
        put32(&mut image[pointer..], 0, number);
        let mut system = mount(image, Access::ReadWrite);
        let mapped = system.map(file, 0);
        let want = Error::Corrupt { what: Fault::BlockNumber, at: file.into() };
        assert_eq!(mapped != Err(want), is_good, "{number}");
    }
}

#[test]
fn indirect_blocks_in_circles_are_found_out() {
    let mut image = format(SMALL);
    let mut system = mount(image, Access::ReadWrite);
    let file = system.create(ROOT_INODE, b"f", New::Plain(Kind::Regular, 0o644), &root());
    let file = file.expect("made");
    let far = 12 + 256 + 65536;
    system.allocate(file, far).expect("allocated");
    system.resize(file, (far + 1) * 1024, NOW).expect("resized");
    system.unmount(NOW).expect("unmounted");
    image = system.into_disk().into_image();
    // Every pointer of the tree's root leads to the root.
    let pointer = 5 * 1024 + 10 * 128 + 40 + 14 * 4;
    let tree = u32::from_le_bytes(image[pointer..pointer + 4].try_into().expect("four"));
    for index in 0..256 {
        put32(&mut image[tree as usize * 1024..], index * 4, tree);
    }
    let mut system = mount(image, Access::ReadWrite);
    let shortened = system.resize(file, 0, NOW);
    assert_eq!(shortened, Err(Error::Corrupt { what: Fault::Bitmap, at: tree.into() }));
    system.note_errors().expect("noted");
    system.unmount(NOW).expect("unmounted");
    let system = mount(system.into_disk().into_image(), Access::ReadOnly);
    assert!(!system.was_clean());
}
