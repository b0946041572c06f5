//! Inodes of made-up files, and what they do when they are open.

use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::fs::access::Change;
use guest::fs::layout::Dirent;
use guest::fs::path::Target;
use guest::fs::tree::Actor;
use guest::fs::{Attributes, Identity, Kind};

use super::super::buffer::{Buffer, moved_or};
use super::super::inode::{File, Flags, Inode, New};
use super::super::listing::Listing;
use super::super::names::{Place, as_seen, now};
use super::{Bytes, Directory, Node, Text};
use crate::sync::Mutex;

/// A made-up file. Numbers are hashes of paths, so that they stay.
pub(super) struct SyntheticInode {
    device: u64,
    number: u64,
    parent: Option<Arc<SyntheticInode>>,
    name: Vec<u8>,
    node: Node,
    owner: (u32, u32),
    /// Itself, for those in it.
    me: Weak<SyntheticInode>,
}

/// Number of the root.
const ROOT_NUMBER: u64 = 1;

/// FNV-1a over a name, going on from the number of its directory.
fn number_of(directory: u64, name: &[u8]) -> u64 {
    const PRIME: u64 = 0x100_0000_01b3;
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
    let hash = name.iter().fold(directory.wrapping_mul(PRIME) ^ u64::from(b'/'), step);
    // Programs that keep 32 bits of it still tell files apart.
    (hash >> 32 ^ hash) & 0x7fff_ffff | 0x100
}

impl SyntheticInode {
    pub(super) fn root(device: u64, node: Node) -> Arc<Self> {
        let (number, name, owner) = (ROOT_NUMBER, Vec::new(), (0, 0));
        Arc::new_cyclic(|me: &Weak<Self>| {
            let me = me.clone();
            Self { device, number, parent: None, name, node, owner, me }
        })
    }

    fn directory(&self) -> Result<&Arc<dyn Directory>, Errno> {
        match &self.node {
            Node::Directory(_, directory) => Ok(directory),
            _ => Err(Errno::ENOTDIR),
        }
    }

    fn child(&self, name: &[u8]) -> Result<Arc<Self>, Errno> {
        let text = core::str::from_utf8(name).map_err(|_| Errno::ENOENT)?;
        let node = self.directory()?.lookup(text).ok_or(Errno::ENOENT)?;
        let owner = match &node {
            Node::Directory(_, directory) => directory.owner(),
            _ => self.owner,
        };
        Ok(Arc::new_cyclic(|me: &Weak<Self>| Self {
            device: self.device,
            number: number_of(self.number, name),
            parent: self.me.upgrade(),
            name: name.to_vec(),
            node,
            owner,
            me: me.clone(),
        }))
    }
}

fn kind_of(node: &Node) -> Kind {
    match node {
        Node::Directory(..) => Kind::Directory,
        Node::Text(..) | Node::Bytes(..) => Kind::Regular,
        Node::Link(_) | Node::Open(_) => Kind::Symlink,
    }
}

/// Where an entry stands in its directory: numbers by their value, behind all others.
fn position(index: usize, name: &str) -> u64 {
    const NUMBERS: u64 = 1 << 32;
    let number = name.parse::<u32>().map(|number| NUMBERS + u64::from(number));
    number.unwrap_or(index as u64 + 1)
}

impl Inode for SyntheticInode {
    fn device(&self) -> u64 {
        self.device
    }
    fn number(&self) -> u64 {
        self.number
    }
    fn kind(&self) -> Kind {
        kind_of(&self.node)
    }

    fn attributes(&self) -> Attributes {
        const LINK: u16 = 0o777;
        let permissions = match &self.node {
            Node::Directory(mode, _) | Node::Text(mode, _) | Node::Bytes(mode, _) => *mode,
            Node::Link(_) | Node::Open(_) => LINK,
        };
        let owner = Identity::new(self.owner.0, self.owner.1);
        let mut attributes = Attributes::new(self.kind(), permissions, &owner, now());
        attributes.links = if self.kind() == Kind::Directory { 2 } else { 1 };
        attributes
    }

    fn path(&self) -> Vec<u8> {
        let Some(parent) = &self.parent else { return b"/".to_vec() };
        let mut path = parent.path();
        if path != b"/" {
            path.push(b'/');
        }
        path.extend_from_slice(&self.name);
        path
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn open(self: Arc<Self>, _flags: Flags) -> Result<Arc<dyn File>, Errno> {
        match &self.node {
            Node::Directory(..) => Ok(Arc::new(Listing)),
            Node::Text(_, text) => {
                Ok(Arc::new(TextFile { text: text.clone(), shown: Mutex::new(None) }))
            }
            Node::Bytes(_, bytes) => Ok(Arc::new(BytesFile(bytes.clone()))),
            Node::Link(_) | Node::Open(_) => Err(Errno::ELOOP),
        }
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        Ok(self.child(name)?)
    }

    fn parent(&self) -> Option<Arc<dyn Inode>> {
        self.parent.clone().map(|parent| parent as Arc<dyn Inode>)
    }

    fn list(&self, behind: u64, visit: &mut dyn FnMut(Dirent<'_>) -> bool) -> Result<(), Errno> {
        let directory = self.directory()?;
        for (index, name) in directory.names().iter().enumerate() {
            let next = position(index, name);
            if next <= behind {
                continue;
            }
            // It may have gone since the names were listed.
            let Some(node) = directory.lookup(name) else { continue };
            let number = number_of(self.number, name.as_bytes());
            let kind = kind_of(&node).entry_type();
            if !visit(Dirent { number, next, kind, name: name.as_bytes() }) {
                break;
            }
        }
        Ok(())
    }

    fn create(&self, _name: &[u8], new: New<'_>, _by: &Actor) -> Result<Arc<dyn Inode>, Errno> {
        let regular = matches!(new, New::Plain(Kind::Regular, _));
        Err(if regular { Errno::EACCES } else { Errno::EPERM })
    }

    fn read_link(&self) -> Result<Vec<u8>, Errno> {
        match &self.node {
            Node::Link(text) => {
                let text = text();
                if text.is_empty() { Err(Errno::ENOENT) } else { Ok(text) }
            }
            Node::Open(file) => Ok(as_seen(file().ok_or(Errno::ENOENT)?.path())),
            _ => Err(Errno::EINVAL),
        }
    }

    fn follow(&self) -> Result<Target<Place>, Errno> {
        match &self.node {
            Node::Open(file) => {
                let file = file().ok_or(Errno::ENOENT)?;
                Ok(Target::Place(file.place().clone()))
            }
            _ => self.read_link().map(Target::Path),
        }
    }

    fn change(&self, _change: Change, _by: &Actor) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }

    /// Opening such a file with O_TRUNC changes nothing.
    fn truncate(&self, _size_bytes: u64) -> Result<(), Errno> {
        Ok(())
    }
}

/// Longest text that is written at once.
const STORE_BYTES: usize = PAGE_SIZE_BYTES as usize;

/// An open text.
struct TextFile {
    text: Arc<dyn Text>,
    /// As it was when it was read from its beginning.
    shown: Mutex<Option<String>>,
}

impl File for TextFile {
    fn read(&self, at: &mut u64, to: &mut Buffer<'_>, _flags: Flags) -> Result<usize, Errno> {
        let mut shown = self.shown.lock();
        if *at == 0 || shown.is_none() {
            let mut text = String::new();
            self.text.show(&mut text)?;
            *shown = Some(text);
        }
        let text = shown.as_deref().unwrap_or("").as_bytes();
        let rest = text.get(usize::try_from(*at).unwrap_or(usize::MAX)..).unwrap_or(&[]);
        let count = to.put(rest)?;
        *at += count as u64;
        Ok(count)
    }

    fn write(&self, at: &mut u64, from: &mut Buffer<'_>, _flags: Flags) -> Result<usize, Errno> {
        if from.remaining() > STORE_BYTES {
            return Err(Errno::EINVAL);
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(from.remaining()).map_err(|_| Errno::ENOMEM)?;
        bytes.resize(from.remaining(), 0);
        let count = from.get(&mut bytes)?;
        let text = core::str::from_utf8(&bytes).map_err(|_| Errno::EINVAL)?;
        self.text.store(text)?;
        *at += count as u64;
        Ok(count)
    }
}

/// Open bytes.
struct BytesFile(Arc<dyn Bytes>);

/// Bytes that are copied at once.
const CHUNK_BYTES: usize = 1024;

impl File for BytesFile {
    fn read(&self, at: &mut u64, to: &mut Buffer<'_>, _flags: Flags) -> Result<usize, Errno> {
        let mut done = 0;
        while to.remaining() > 0 {
            let mut chunk = [0; CHUNK_BYTES];
            let wanted = chunk.len().min(to.remaining());
            let step = self.0.read_at(*at, &mut chunk[..wanted]);
            match step.and_then(|count| to.put(&chunk[..count])) {
                Ok(0) => break,
                Ok(count) => {
                    *at += count as u64;
                    done += count;
                }
                Err(errno) => return moved_or(done, errno),
            }
        }
        Ok(done)
    }

    fn write(&self, at: &mut u64, from: &mut Buffer<'_>, _flags: Flags) -> Result<usize, Errno> {
        let mut done = 0;
        while from.remaining() > 0 {
            let mut chunk = [0; CHUNK_BYTES];
            let step = from.get(&mut chunk);
            match step.and_then(|count| self.0.write_at(*at, &chunk[..count])) {
                Ok(0) => break,
                Ok(count) => {
                    *at += count as u64;
                    done += count;
                }
                Err(errno) => return moved_or(done, errno),
            }
        }
        Ok(done)
    }
}
