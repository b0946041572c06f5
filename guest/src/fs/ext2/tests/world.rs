//! [`World`]: a file system beside a simple model of what it must hold; both are told the same and
//! must answer alike.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Access, Disk, Error, Ext2, New, ROOT_INODE};
use super::memory::{MemoryDisk, NOW, mount};
use crate::errno::Errno;
use crate::fs::tree::{Actor, Manner};
use crate::fs::{Identity, Kind};

/// Something to do; the numbers choose among what there is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    Create(u8, u8),
    MakeDirectory(u8, u8),
    MakeLink(u8, u8, u8),
    MakeDevice(u8, u8),
    Link(u8, u8, u8),
    /// The name goes; whether somebody has it open.
    Unlink(u8, u8, bool),
    RemoveDirectory(u8, u8),
    Rename(u8, u8, u8, u8, Manner),
    /// A block of a file is written with some bytes, that many in the last block.
    Write(u8, u8, u8),
    Truncate(u8, u8, u16),
    /// One of the open files without a name is closed.
    Close(u8),
    Sync,
}

/// A file, by its number, in the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) links: u32,
    size: u64,
    /// What each block that is no hole is filled with.
    blocks: BTreeMap<u64, u8>,
    text: Vec<u8>,
    pub(super) names: BTreeMap<Vec<u8>, u32>,
    pub(super) parent: u32,
}

/// A file system, and what it must be like.
pub(super) struct World {
    pub(super) system: Ext2<MemoryDisk>,
    pub(super) nodes: BTreeMap<u32, Node>,
    open: Vec<u32>,
    /// Names (directory and name) and files that deeds have changed since somebody cleared this.
    pub(super) touched_names: BTreeSet<(u32, Vec<u8>)>,
    pub(super) touched: BTreeSet<u32>,
}

pub(super) fn root() -> Actor {
    Actor { who: Identity::ROOT, now: NOW }
}

/// Names that are short and long, some of them of one length.
pub(super) fn name(pick: u8) -> Vec<u8> {
    let length = [1, 3, 4, 4, 12, 30, 120, 255][usize::from(pick / 4 % 8)];
    let mut name = format!("{}", pick % 32).into_bytes();
    name.resize(length.max(2), b'n');
    name
}

/// Blocks of a file that are worth writing, in units of blocks.
fn file_block(pick: u8, fanout: u64) -> u64 {
    let from = [0, 0, 0, 8, 12 + fanout - 2, 12 + fanout + fanout * fanout - 2];
    from[usize::from(pick) % from.len()] + u64::from(pick) / 16 % 6
}

impl Node {
    fn new(kind: Kind, parent: u32) -> Self {
        let links = if kind == Kind::Directory { 2 } else { 1 };
        let (blocks, text, names) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
        Self { kind, links, size: 0, blocks, text, names, parent }
    }

    /// The same with so many names.
    pub(super) fn with_links(&self, links: u32) -> Self {
        Self { links, ..self.clone() }
    }
}

impl World {
    /// On a file system with nothing in it (but lost+found).
    pub(super) fn new(image: Vec<u8>) -> Self {
        let mut system = mount(image, Access::ReadWrite);
        let mut nodes = BTreeMap::from([(ROOT_INODE, Node::new(Kind::Directory, ROOT_INODE))]);
        if let Ok(lost) = system.lookup(ROOT_INODE, b"lost+found") {
            nodes.insert(lost, Node::new(Kind::Directory, ROOT_INODE));
            let root = nodes.get_mut(&ROOT_INODE).expect("it is there");
            root.links += 1;
            root.names.insert(b"lost+found".to_vec(), lost);
        }
        let (touched_names, touched) = (BTreeSet::new(), BTreeSet::new());
        Self { system, nodes, open: Vec::new(), touched_names, touched }
    }

    fn pick(&self, pick: u8, is: impl Fn(&Node) -> bool) -> Option<u32> {
        let fit = self.nodes.iter().filter(|(_, node)| is(node)).map(|(number, _)| *number);
        let fit: Vec<u32> = fit.collect();
        (!fit.is_empty()).then(|| fit[usize::from(pick) % fit.len()])
    }

    fn directory(&self, pick: u8) -> u32 {
        let is_there = |node: &Node| node.kind == Kind::Directory && node.links > 0;
        self.pick(pick, is_there).expect("the root")
    }

    fn node(&mut self, number: u32) -> &mut Node {
        self.nodes.get_mut(&number).expect("it is in the model")
    }

    /// The two names of a renaming.
    pub(super) fn renamed(&self, deed: Deed) -> ((u32, Vec<u8>), (u32, Vec<u8>)) {
        let Deed::Rename(at, pick, to, other, _) = deed else { panic!("no renaming: {deed:?}") };
        ((self.directory(at), name(pick)), (self.directory(to), name(other)))
    }

    /// Does something to both.
    pub(super) fn apply(&mut self, deed: Deed) {
        match deed {
            Deed::Create(at, pick) => {
                self.make(at, pick, New::Plain(Kind::Regular, 0o644));
            }
            Deed::MakeDirectory(at, pick) => {
                self.make(at, pick, New::Plain(Kind::Directory, 0o755));
            }
            Deed::MakeLink(at, pick, length) => {
                let text = vec![b'a' + length % 26; usize::from(length).max(1) * 3];
                if let Some(made) = self.make(at, pick, New::Link(&text)) {
                    self.node(made).text = text;
                }
            }
            Deed::MakeDevice(at, pick) => {
                self.make(at, pick, New::Device(Kind::CharDevice, 0o600, 0x501));
            }
            Deed::Link(at, pick, file) => self.link(at, pick, file),
            Deed::Unlink(at, pick, is_open) => self.unlink(at, pick, is_open),
            Deed::RemoveDirectory(at, pick) => self.remove_directory(at, pick),
            Deed::Rename(.., manner) => {
                let (from, to) = self.renamed(deed);
                self.rename(from, to, manner);
            }
            Deed::Write(file, block, byte) => self.write(file, block, byte),
            Deed::Truncate(file, block, bytes) => self.truncate(file, block, bytes),
            Deed::Close(pick) => {
                if !self.open.is_empty() {
                    let number = self.open.remove(usize::from(pick) % self.open.len());
                    self.system.release(number, NOW).expect("released");
                    self.nodes.remove(&number);
                }
            }
            Deed::Sync => self.system.sync().expect("synced"),
        }
    }

    fn touch(&mut self, directory: u32, name: &[u8]) {
        self.touched_names.insert((directory, name.to_vec()));
    }

    fn make(&mut self, at: u8, pick: u8, new: New<'_>) -> Option<u32> {
        let (directory, name) = (self.directory(at), name(pick));
        self.touch(directory, &name);
        let made = self.system.create(directory, &name, new, &root());
        let exists = self.nodes[&directory].names.contains_key(&name);
        assert_eq!(made == Err(Errno::EEXIST.into()), exists, "{made:?}");
        let made = match made {
            Err(Error::NoSpace | Error::Refused(Errno::EEXIST)) => return None,
            made => made.expect("made"),
        };
        let node = Node::new(new.kind(), directory);
        let is_directory = u32::from(node.kind == Kind::Directory);
        assert_eq!(self.nodes.insert(made, node), None, "a number that something has");
        self.touched.insert(made);
        let around = self.node(directory);
        around.links += is_directory;
        around.names.insert(name, made);
        Some(made)
    }

    fn link(&mut self, at: u8, pick: u8, file: u8) {
        let (directory, name) = (self.directory(at), name(pick));
        let Some(file) = self.pick(file, |node| node.kind != Kind::Directory) else { return };
        self.touch(directory, &name);
        let linked = self.system.link(directory, &name, file, &root());
        let exists = self.nodes[&directory].names.contains_key(&name);
        let want = match self.nodes[&file].links {
            _ if exists => Err(Errno::EEXIST.into()),
            0 => Err(Errno::ENOENT.into()),
            _ => Ok(()),
        };
        if linked == Err(Error::NoSpace) {
            return;
        }
        assert_eq!(linked, want);
        if linked.is_ok() {
            self.node(file).links += 1;
            self.node(directory).names.insert(name, file);
        }
    }

    fn unlink(&mut self, at: u8, pick: u8, is_open: bool) {
        let (directory, name) = (self.directory(at), name(pick));
        self.touch(directory, &name);
        let gone = self.system.unlink(directory, &name, &root());
        let found = self.nodes[&directory].names.get(&name).copied();
        let Some(number) = found else {
            return assert_eq!(gone, Err(Errno::ENOENT.into()));
        };
        if self.nodes[&number].kind == Kind::Directory {
            return assert_eq!(gone, Err(Errno::EISDIR.into()));
        }
        self.node(directory).names.remove(&name);
        self.node(number).links -= 1;
        let last = self.nodes[&number].links == 0;
        assert_eq!(gone, Ok(last.then_some(number)));
        if last {
            self.lost(number, is_open);
        }
    }

    /// Something has lost its last name.
    fn lost(&mut self, number: u32, is_open: bool) {
        self.touched.insert(number);
        if is_open && self.nodes[&number].kind != Kind::Directory {
            self.system.hold(number).expect("held");
            self.open.push(number);
        } else {
            self.system.release(number, NOW).expect("released");
            self.nodes.remove(&number);
        }
    }

    fn remove_directory(&mut self, at: u8, pick: u8) {
        let (directory, name) = (self.directory(at), name(pick));
        self.touch(directory, &name);
        let gone = self.system.remove_directory(directory, &name, &root());
        let found = self.nodes[&directory].names.get(&name).copied();
        let want = match found.map(|number| (number, &self.nodes[&number])) {
            None => Err(Errno::ENOENT.into()),
            Some((_, node)) if node.kind != Kind::Directory => Err(Errno::ENOTDIR.into()),
            Some((_, node)) if !node.names.is_empty() => Err(Errno::ENOTEMPTY.into()),
            Some((number, _)) => Ok(number),
        };
        assert_eq!(gone, want);
        if let Ok(number) = gone {
            let around = self.node(directory);
            around.links -= 1;
            around.names.remove(&name);
            self.lost(number, false);
        }
    }

    fn is_around(&self, node: u32, mut inner: u32) -> bool {
        while inner != node && inner != ROOT_INODE {
            inner = self.nodes[&inner].parent;
        }
        inner == node
    }

    /// What renaming must yield: what goes away.
    fn rename_wanted(
        &self,
        from: &(u32, Vec<u8>),
        to: &(u32, Vec<u8>),
        manner: Manner,
    ) -> Result<Option<u32>, Errno> {
        let find = |at: &(u32, Vec<u8>)| self.nodes[&at.0].names.get(&at.1).copied();
        let mover = find(from).ok_or(Errno::ENOENT)?;
        let victim = find(to);
        match (victim, manner) {
            (Some(_), Manner::NoReplace) => return Err(Errno::EEXIST),
            (None, Manner::Exchange) => return Err(Errno::ENOENT),
            _ => {}
        }
        if self.is_around(mover, to.0) {
            return Err(Errno::EINVAL);
        }
        let Some(victim) = victim else { return Ok(None) };
        let exchange = manner == Manner::Exchange;
        if self.is_around(victim, from.0) {
            return Err(if exchange { Errno::EINVAL } else { Errno::ENOTEMPTY });
        }
        if exchange || victim == mover {
            return Ok(None);
        }
        let is_directory = |number: u32| self.nodes[&number].kind == Kind::Directory;
        match (is_directory(mover), is_directory(victim)) {
            (true, false) => Err(Errno::ENOTDIR),
            (false, true) => Err(Errno::EISDIR),
            (true, true) if !self.nodes[&victim].names.is_empty() => Err(Errno::ENOTEMPTY),
            (false, false) if self.nodes[&victim].links > 1 => Ok(None),
            _ => Ok(Some(victim)),
        }
    }

    fn rename(&mut self, from: (u32, Vec<u8>), to: (u32, Vec<u8>), manner: Manner) {
        let want = self.rename_wanted(&from, &to, manner);
        self.touch(from.0, &from.1);
        self.touch(to.0, &to.1);
        let moved = self.system.rename((from.0, &from.1), (to.0, &to.1), manner, &root());
        if moved == Err(Error::NoSpace) {
            return;
        }
        assert_eq!(moved, want.map_err(Error::from), "{manner:?}");
        let (Ok(gone), Some(mover)) = (moved, self.nodes[&from.0].names.get(&from.1).copied())
        else {
            return;
        };
        let victim = self.nodes[&to.0].names.get(&to.1).copied();
        if victim == Some(mover) {
            return;
        }
        self.node(from.0).names.remove(&from.1);
        self.place(mover, &from, &to);
        if let Some(victim) = victim {
            if manner == Manner::Exchange {
                self.place(victim, &to, &from);
            } else if self.nodes[&victim].kind == Kind::Directory {
                self.node(to.0).links -= 1;
            } else {
                self.node(victim).links -= 1;
            }
        }
        if let Some(gone) = gone {
            self.lost(gone, gone.is_multiple_of(2));
        }
    }

    /// Something gets a name for another one.
    fn place(&mut self, number: u32, from: &(u32, Vec<u8>), to: &(u32, Vec<u8>)) {
        self.node(to.0).names.insert(to.1.clone(), number);
        if self.nodes[&number].kind == Kind::Directory {
            self.node(number).parent = to.0;
            self.node(from.0).links -= 1;
            self.node(to.0).links += 1;
        }
    }

    fn write(&mut self, file: u8, block: u8, byte: u8) {
        let Some(number) = self.pick(file, |node| node.kind == Kind::Regular) else { return };
        let bytes = u64::from(self.system.block_bytes());
        let block = file_block(block, bytes / 4);
        self.touched.insert(number);
        let taken = match self.system.allocate_run(number, (block, 1), &Identity::ROOT) {
            Err(Error::NoSpace) => return,
            taken => taken.expect("allocated"),
        };
        let was_hole = !self.nodes[&number].blocks.contains_key(&block);
        assert_eq!(taken.was_hole, was_hole);
        let content = vec![byte; bytes as usize];
        self.system.disk().write(u64::from(taken.block) * bytes, &content).expect("written");
        let size = block * bytes + u64::from(byte) % bytes + 1;
        let node = self.node(number);
        node.blocks.insert(block, byte);
        if node.size < size {
            node.size = size;
            self.system.resize(number, size, NOW).expect("it grows");
        }
    }

    fn truncate(&mut self, file: u8, block: u8, bytes: u16) {
        let Some(number) = self.pick(file, |node| node.kind == Kind::Regular) else { return };
        let block_bytes = u64::from(self.system.block_bytes());
        let size =
            file_block(block, block_bytes / 4) * block_bytes + u64::from(bytes) % block_bytes;
        self.touched.insert(number);
        self.system.resize(number, size, NOW).expect("resized");
        let node = self.node(number);
        node.size = size;
        node.blocks.retain(|block, _| *block < size.div_ceil(block_bytes));
        // What is left of the last block is the caller's to clear: here it is filled with zeros.
        let last = size / block_bytes;
        if !size.is_multiple_of(block_bytes) && node.blocks.contains_key(&last) {
            node.blocks.insert(last, 0);
            let block = self.system.map(number, last).expect("mapped").expect("no hole");
            let zeros = vec![0; block_bytes as usize];
            let position = u64::from(block) * block_bytes;
            self.system.disk().write(position, &zeros).expect("written");
        }
    }

    /// Everything is as the model says.
    pub(super) fn compare(&mut self) {
        for (number, node) in &self.nodes {
            compare_node(&mut self.system, *number, node);
        }
    }

    /// Unmounts; the image.
    pub(super) fn unmount(mut self) -> (Vec<u8>, BTreeMap<u32, Node>) {
        self.system.unmount(NOW).expect("unmounted");
        for number in self.open {
            self.nodes.remove(&number);
        }
        (self.system.into_disk().into_image(), self.nodes)
    }
}

/// A file is as the model says.
pub(super) fn compare_node(system: &mut Ext2<MemoryDisk>, number: u32, node: &Node) {
    let stat = system.stat(number, 0).expect("it is there");
    assert_eq!((stat.attributes.kind, stat.attributes.links), (node.kind, node.links));
    match node.kind {
        Kind::Regular => {
            assert_eq!(stat.size_bytes, node.size);
            compare_content(system, number, node);
        }
        Kind::Symlink => assert_eq!(system.read_link(number).as_deref(), Ok(&node.text[..])),
        Kind::CharDevice => assert_eq!(stat.special, 0x501),
        Kind::Directory => {
            let mut names = BTreeMap::new();
            let mut add = |entry: super::super::Listed<'_>| {
                assert_eq!(names.insert(entry.name.to_vec(), entry.inode), None);
                true
            };
            system.list(number, 0, &mut add).expect("listed");
            assert_eq!(names, node.names);
            assert_eq!(system.parent(number), Ok(node.parent));
        }
        _ => {}
    }
}

/// A file's blocks are as the model says, up to its size, and it has no others.
fn compare_content(system: &mut Ext2<MemoryDisk>, number: u32, node: &Node) {
    let bytes = u64::from(system.block_bytes());
    let mut blocks = Vec::new();
    let (mut at, end) = (0, node.size.div_ceil(bytes));
    while at < end {
        let run = system.map_run(number, at, u32::MAX).expect("mapped");
        assert!(run.count >= 1);
        if let Some(first) = run.block {
            blocks.extend((0..run.count).map(|step| (at + u64::from(step), first + step)));
        }
        at += u64::from(run.count);
    }
    assert!(blocks.iter().map(|(block, _)| block).eq(node.blocks.keys()), "{number}");
    for ((file_block, block), byte) in blocks.into_iter().zip(node.blocks.values()) {
        assert_eq!(system.map(number, file_block), Ok(Some(block)));
        let mut content = vec![0; bytes as usize];
        system.disk().read(u64::from(block) * bytes, &mut content).expect("read");
        let used = (node.size - file_block * bytes).min(bytes) as usize;
        assert!(content[..used].iter().all(|found| found == byte), "{number} at {file_block}");
    }
}
