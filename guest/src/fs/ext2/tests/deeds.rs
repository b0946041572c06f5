//! Scenes in which each order of writes is asked for (`cuts.rs` plays them).

use super::super::{Ext2, New, ROOT_INODE};
use super::cuts::Stage;
use super::memory::{MemoryDisk, NOW, mount};
use super::tools;
use super::world::root;
use crate::fs::Kind;
use crate::fs::tree::Manner;

/// Something that is done.
pub(super) struct Scene {
    pub(super) name: &'static str,
    /// What is done to an empty image before it is mounted.
    pub(super) furnish: fn(Vec<u8>) -> Vec<u8>,
    /// What is done; the power may be cut wherever it says so.
    pub(super) act: fn(&mut Stage),
    /// What a kernel does next that mounts what is left, before it uses all that is free.
    pub(super) then: fn(&mut Ext2<MemoryDisk>),
    /// What is renamed may have two names.
    pub(super) renames: bool,
    /// Two names of a directory may be left, or a block of attributes that counts too many files:
    /// e2fsck does not repair that without being told.
    pub(super) needs_force: bool,
}

/// A scene that needs nothing besides.
const fn scene(name: &'static str, act: fn(&mut Stage)) -> Scene {
    Scene { name, furnish: |image| image, act, then: |_| {}, renames: false, needs_force: false }
}

const fn renaming(name: &'static str, act: fn(&mut Stage)) -> Scene {
    Scene { renames: true, ..scene(name, act) }
}

/// All of them.
pub(super) const SCENES: &[Scene] = &[
    scene("make", make),
    scene("make in a full directory", make_in_full),
    scene("make in a long directory", make_in_long),
    scene("grow a file", grow),
    scene("shrink a file", shrink),
    scene("link", link),
    scene("unlink one of two", unlink_one),
    scene("unlink and release", unlink_and_release),
    scene("hold and release", hold_and_release),
    scene("release in the midst", release_in_the_midst),
    scene("make the list anew", make_list_anew),
    scene("remove a directory", remove_directory),
    renaming("move", move_file),
    renaming("move into a full directory", move_into_full),
    renaming("exchange", exchange),
    renaming("replace", replace),
    renaming("replace in a full directory", replace_in_full),
    renaming("replace beside a full block", replace_beside),
    renaming("replace one of two names", replace_one),
    renaming("replace in one block", replace_in_block),
    Scene { needs_force: true, ..renaming("move a directory", move_directory) },
    Scene {
        furnish: with_attributes,
        then: unlink_second,
        needs_force: true,
        ..scene("shared attributes", unlink_first)
    },
];

impl Stage {
    /// Something new; of some bytes, so that it is missed.
    fn make(&mut self, directory: u32, name: &[u8], new: New<'_>) -> u32 {
        let made = self.system.create(directory, name, new, &root()).expect("made");
        if new.kind() == Kind::Regular {
            self.system.allocate(made, 0).expect("allocated");
            self.system.resize(made, 1000, NOW).expect("resized");
        }
        made
    }

    fn file(&mut self, directory: u32, name: &[u8]) -> u32 {
        self.make(directory, name, New::Plain(Kind::Regular, 0o644))
    }

    fn directory(&mut self, name: &[u8]) -> u32 {
        self.make(ROOT_INODE, name, New::Plain(Kind::Directory, 0o755))
    }

    /// Files until a directory's blocks are full, of which each has room for three.
    fn fill_up(&mut self, directory: u32, blocks: u32) {
        // The first block has less room: `.` and `..` are there.
        for index in 0..blocks * 3 {
            self.file(directory, &long(index));
        }
        let size = self.system.stat(directory, 0).expect("there").size_bytes;
        assert_eq!(size, u64::from(blocks) << 10);
    }

    /// Uses up inodes near a directory, so that the next one is not in one block with those before.
    fn skip_inodes(&mut self, directory: u32) {
        for _ in 0..8 {
            let (new, name) = (New::Plain(Kind::CharDevice, 0o644), self.next_name());
            self.system.create(directory, &name, new, &root()).expect("made");
            let (from, to) = ((directory, &name[..]), (ROOT_INODE, &name[..]));
            self.system.rename(from, to, Manner::Replace, &root()).expect("renamed");
        }
    }

    fn rename(&mut self, from: (u32, &[u8]), to: (u32, &[u8]), manner: Manner) {
        let gone = self.system.rename(from, to, manner, &root()).expect("renamed");
        self.cut();
        if let Some(gone) = gone {
            self.system.release(gone, NOW).expect("released");
            self.cut();
        }
    }
}

/// A name of which a block has room for three.
fn long(index: u32) -> Vec<u8> {
    format!("{index:x>250}").into_bytes()
}

fn make(stage: &mut Stage) {
    stage.begin();
    for (name, new) in [
        (&b"file"[..], New::Plain(Kind::Regular, 0o644)),
        (b"directory", New::Plain(Kind::Directory, 0o755)),
        (b"link", New::Link(&[b'l'; 100])),
    ] {
        stage.skip_inodes(ROOT_INODE);
        stage.begin_again();
        stage.make(ROOT_INODE, name, new);
        stage.cut();
    }
}

fn make_in_full(stage: &mut Stage) {
    let directory = stage.directory(b"d");
    stage.fill_up(directory, 1);
    stage.skip_inodes(directory);
    stage.begin();
    stage.make(directory, &long(99), New::Plain(Kind::Directory, 0o755));
    stage.cut();
}

fn make_in_long(stage: &mut Stage) {
    let directory = stage.directory(b"d");
    stage.fill_up(directory, 13);
    stage.begin();
    stage.make(directory, &long(99), New::Link(&[b'l'; 100]));
    stage.cut();
}

fn grow(stage: &mut Stage) {
    let file = stage.file(ROOT_INODE, b"file");
    stage.system.allocate(file, 20).expect("allocated");
    stage.begin();
    for block in [5, 21, 12 + 256 + 3, 12 + 256 + 256 + 9] {
        stage.system.allocate(file, block).expect("allocated");
        stage.cut();
    }
    stage.system.resize(file, 600 << 10, NOW).expect("resized");
    stage.cut();
}

fn shrink(stage: &mut Stage) {
    let file = stage.file(ROOT_INODE, b"file");
    for block in [1, 20, 12 + 256 + 3] {
        stage.system.allocate(file, block).expect("allocated");
    }
    stage.system.resize(file, 600 << 10, NOW).expect("resized");
    stage.begin();
    for size in [25 << 10, 2 << 10, 0] {
        stage.system.resize(file, size, NOW).expect("resized");
        stage.cut();
    }
}

fn link(stage: &mut Stage) {
    let file = stage.file(ROOT_INODE, b"one");
    stage.begin();
    stage.system.link(ROOT_INODE, b"two", file, &root()).expect("linked");
    stage.cut();
}

fn unlink_one(stage: &mut Stage) {
    let file = stage.file(ROOT_INODE, b"one");
    stage.system.link(ROOT_INODE, b"two", file, &root()).expect("linked");
    stage.begin();
    assert_eq!(stage.system.unlink(ROOT_INODE, b"one", &root()), Ok(None));
    stage.cut();
}

fn unlink_and_release(stage: &mut Stage) {
    let file = stage.file(ROOT_INODE, b"file");
    stage.begin();
    assert_eq!(stage.system.unlink(ROOT_INODE, b"file", &root()), Ok(Some(file)));
    stage.cut();
    stage.system.release(file, NOW).expect("released");
    stage.cut();
}

/// Three files whose inodes are in different blocks lose their names and are held.
fn hold_three(stage: &mut Stage) -> [u32; 3] {
    let files = [b"a", b"b", b"c"].map(|name| {
        stage.skip_inodes(ROOT_INODE);
        stage.file(ROOT_INODE, name)
    });
    stage.begin();
    for (name, file) in [b"a", b"b", b"c"].into_iter().zip(files) {
        assert_eq!(stage.system.unlink(ROOT_INODE, name, &root()), Ok(Some(file)));
        stage.system.hold(file).expect("held");
        stage.cut();
    }
    files
}

fn hold_and_release(stage: &mut Stage) {
    for file in hold_three(stage).into_iter().rev() {
        stage.system.release(file, NOW).expect("released");
        stage.cut();
    }
}

fn release_in_the_midst(stage: &mut Stage) {
    let [a, b, c] = hold_three(stage);
    // What was held is on the disk: what comes is ordered by itself.
    stage.begin_again();
    for file in [b, c, a] {
        stage.system.release(file, NOW).expect("released");
        stage.cut();
    }
}

/// So much is freed in the midst of the list that it is made anew.
fn make_list_anew(stage: &mut Stage) {
    const FILES: usize = 40;
    const LEFT: usize = 3;
    let name = |index: usize| format!("file {index}").into_bytes();
    let files: Vec<u32> = (0..FILES).map(|index| stage.file(ROOT_INODE, &name(index))).collect();
    for (index, file) in files.iter().enumerate() {
        let gone = stage.system.unlink(ROOT_INODE, &name(index), &root());
        assert_eq!(gone, Ok(Some(*file)));
        stage.system.hold(*file).expect("held");
    }
    let (last, others) = files[..FILES - LEFT].split_last().expect("some");
    for file in others {
        stage.system.release(*file, NOW).expect("released");
    }
    stage.begin();
    stage.system.release(*last, NOW).expect("released");
    stage.cut();
}

fn remove_directory(stage: &mut Stage) {
    let directory = stage.directory(b"d");
    stage.begin();
    assert_eq!(stage.system.remove_directory(ROOT_INODE, b"d", &root()), Ok(directory));
    stage.cut();
    stage.system.release(directory, NOW).expect("released");
    stage.cut();
}

fn move_file(stage: &mut Stage) {
    let (from, to) = (stage.directory(b"from"), stage.directory(b"to"));
    stage.file(from, b"file");
    stage.begin();
    stage.rename((from, b"file"), (to, b"file"), Manner::NoReplace);
}

fn move_into_full(stage: &mut Stage) {
    let from = stage.directory(b"from");
    let to = stage.directory(b"to");
    stage.fill_up(to, 1);
    stage.file(from, b"file");
    stage.begin();
    stage.rename((from, b"file"), (to, &long(99)), Manner::NoReplace);
}

/// Two directories with a file in each.
fn two(stage: &mut Stage) -> (u32, u32) {
    let (one, other) = (stage.directory(b"1"), stage.directory(b"2"));
    stage.file(one, b"file");
    stage.file(other, b"file");
    (one, other)
}

fn exchange(stage: &mut Stage) {
    let (one, other) = two(stage);
    stage.begin();
    stage.rename((one, b"file"), (other, b"file"), Manner::Exchange);
}

fn replace(stage: &mut Stage) {
    let (one, other) = two(stage);
    stage.begin();
    stage.rename((one, b"file"), (other, b"file"), Manner::Replace);
}

fn replace_in_full(stage: &mut Stage) {
    let (one, other) = two(stage);
    for index in 0..3 {
        stage.file(other, &long(index));
    }
    // The block has no room for another one.
    stage.file(other, &[b'y'; 196]);
    stage.begin();
    stage.rename((one, b"file"), (other, &long(0)), Manner::Replace);
}

/// The name for now goes to a block that is there.
fn replace_beside(stage: &mut Stage) {
    let (one, other) = two(stage);
    for index in 0..6 {
        stage.file(other, &long(index));
        if index == 2 {
            stage.file(other, &[b'y'; 196]);
        }
    }
    stage.begin();
    stage.rename((one, b"file"), (other, &long(0)), Manner::Replace);
}

fn replace_one(stage: &mut Stage) {
    let (one, other) = two(stage);
    let file = stage.system.lookup(other, b"file").expect("there");
    stage.system.link(ROOT_INODE, b"second", file, &root()).expect("linked");
    stage.begin();
    stage.rename((one, b"file"), (other, b"file"), Manner::Replace);
}

fn replace_in_block(stage: &mut Stage) {
    stage.file(ROOT_INODE, b"old");
    stage.skip_inodes(ROOT_INODE);
    stage.file(ROOT_INODE, b"new");
    stage.begin();
    stage.rename((ROOT_INODE, b"old"), (ROOT_INODE, b"new"), Manner::Replace);
}

fn move_directory(stage: &mut Stage) {
    let (one, other) = two(stage);
    let new = New::Plain(Kind::Directory, 0o755);
    stage.make(one, b"d", new);
    stage.begin();
    stage.rename((one, b"d"), (other, b"d"), Manner::NoReplace);
}

/// Two files that share a block of extended attributes.
fn with_attributes(image: Vec<u8>) -> Vec<u8> {
    const COUNT_AT: usize = 4;
    let mut system = mount(image, super::super::Access::ReadWrite);
    for name in [b"a", b"b"] {
        let new = New::Plain(Kind::Regular, 0o644);
        system.create(ROOT_INODE, name, new, &root()).expect("made");
        for index in 0..16 {
            let new = New::Plain(Kind::CharDevice, 0o644);
            let name = [&name[..], &[b'0' + index]].concat();
            system.create(ROOT_INODE, &name, new, &root()).expect("made");
        }
    }
    let second = system.lookup(ROOT_INODE, b"b").expect("there");
    system.unmount(NOW).expect("unmounted");
    let mut image = system.into_disk().into_image();
    // EXT2_FEATURE_COMPAT_EXT_ATTR.
    image[1024 + 92] |= 8;
    tools::debugfs("ea_set a user.x 123456789", &mut image);
    let mut system = mount(image, super::super::Access::ReadWrite);
    let first = system.lookup(ROOT_INODE, b"a").expect("there");
    let block = system.inode(first).expect("there").attributes_block;
    assert_ne!(block, 0);
    let mut inode = system.inode(second).expect("there");
    inode.attributes_block = block;
    inode.take_blocks(1, 1024);
    system.put_inode(&inode).expect("put");
    system.unmount(NOW).expect("unmounted");
    let mut image = system.into_disk().into_image();
    image[block as usize * 1024 + COUNT_AT] = 2;
    tools::e2fsck(&["-fy"], &image).image
}

fn unlink_first(stage: &mut Stage) {
    let file = stage.system.lookup(ROOT_INODE, b"a").expect("there");
    stage.begin();
    assert_eq!(stage.system.unlink(ROOT_INODE, b"a", &root()), Ok(Some(file)));
    stage.system.release(file, NOW).expect("released");
    stage.cut();
}

fn unlink_second(system: &mut Ext2<MemoryDisk>) {
    if let Ok(Some(gone)) = system.unlink(ROOT_INODE, b"b", &root()) {
        system.release(gone, NOW).expect("released");
    }
}
