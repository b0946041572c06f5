//! Files whose content is made when they are read: what `proc` is written with. A file system of
//! them is [`Synthetic`]; `inode.rs` turns a [`Node`] into an inode.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::fs::layout::Statfs;

use super::OpenFile;
use super::inode::Inode;
use super::mount::FileSystem;

mod inode;

use inode::SyntheticInode;

/// A directory that is made up.
pub(crate) trait Directory: Send + Sync {
    /// Names of what is in it now; their kinds are those of the nodes. Names that are numbers come
    /// behind the others.
    fn names(&self) -> Vec<String>;
    /// What has this name.
    fn lookup(&self, name: &str) -> Option<Node>;
    /// User and group that it, and what is in it, belongs to.
    fn owner(&self) -> (u32, u32) {
        (0, 0)
    }
}

/// A text that is made up, and may be written.
pub(crate) trait Text: Send + Sync {
    /// Writes it; called once per open file, at its first read or after seeking to the start.
    fn show(&self, out: &mut String) -> Result<(), Errno>;
    /// Takes what a `write` brings.
    fn store(&self, _text: &str) -> Result<(), Errno> {
        Err(Errno::EACCES)
    }
}

/// Bytes at any offset: pagemap, mem.
pub(crate) trait Bytes: Send + Sync {
    /// How many were read; 0 at the end.
    fn read_at(&self, offset: u64, to: &mut [u8]) -> Result<usize, Errno>;
    /// How many were written.
    fn write_at(&self, _offset: u64, _from: &[u8]) -> Result<usize, Errno> {
        Err(Errno::EACCES)
    }
}

/// One thing in a directory, with its permission bits.
#[derive(Clone)]
pub(crate) enum Node {
    /// Names.
    Directory(u16, Arc<dyn Directory>),
    /// A text.
    Text(u16, Arc<dyn Text>),
    /// Bytes.
    Bytes(u16, Arc<dyn Bytes>),
    /// Where it points to.
    Link(Arc<dyn Fn() -> Vec<u8> + Send + Sync>),
    /// A link straight to a file that somebody has open, which need not have a name.
    Open(Arc<dyn Fn() -> Option<Arc<OpenFile>> + Send + Sync>),
}

/// A file system of made-up files.
pub(crate) struct Synthetic {
    kind: &'static str,
    magic: u64,
    root: Arc<SyntheticInode>,
}

impl Synthetic {
    /// With this directory as its root.
    pub(crate) fn new(kind: &'static str, magic: u64, device: u64, root: Node) -> Arc<Self> {
        let root = SyntheticInode::root(device, root);
        Arc::new(Self { kind, magic, root })
    }
}

impl FileSystem for Synthetic {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn root(&self) -> Arc<dyn Inode> {
        self.root.clone()
    }

    fn statfs(&self) -> Statfs {
        Statfs {
            magic: self.magic,
            block_bytes: PAGE_SIZE_BYTES,
            blocks: 0,
            blocks_free: 0,
            device: self.root.device(),
            flags: 0,
        }
    }
}
