//! tmpfs: files in memory. [`Tmpfs`] is a tree of [`TmpNode`]s; the rules of directories are
//! `guest::fs::tree`'s, the pages of files are in `content.rs` (`sealing.rs`, `usage.rs`). It also
//! holds device nodes, FIFOs and, without a name, what memfd_create makes.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicU64, Ordering};

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::fs::access::{self, Change};
use guest::fs::layout::{Dirent, STAT_BLOCK_BYTES, Stat, Statfs};
use guest::fs::tree::{Actor, Manner, Name, Node, Tree};
use guest::fs::{Attributes, Identity, Kind, Time};
use guest::mm::space::Copies;

use super::device;
use super::inode::{File, Flags, Inode, New};
use super::listing::Listing;
use super::mount::FileSystem;
use super::pipe::{self, FifoEnd};
use crate::mm::memory;
use crate::sync::SpinLock;

mod content;
mod sealing;
mod usage;

use content::Content;
use usage::Usage;

/// Magic number in statfs, of Linux's `TMPFS_MAGIC`.
const MAGIC: u64 = 0x0102_1994;
/// Number of the root directory.
const ROOT: u64 = 1;
/// Size that an entry counts for in its directory, as on Linux.
const ENTRY_BYTES: u64 = 20;
/// Devices of file systems have major number 0; these are the minors.
static NEXT_DEVICE: AtomicU64 = AtomicU64::new(FIRST_DEVICE);
/// 1 is shared memory without a file, 2 proc, 3 pipes.
const FIRST_DEVICE: u64 = 16;

/// A file system in memory.
pub(crate) struct Tmpfs {
    kind: &'static str,
    device: u64,
    next_number: AtomicU64,
    tree: SpinLock<Tree<TmpHandle>>,
    root: Arc<TmpNode>,
    usage: Arc<Usage>,
}

/// What is wanted of a file system in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Its name in /proc/filesystems.
    pub(crate) kind: &'static str,
    /// Permissions of its root.
    pub(crate) permissions: u16,
    /// How many pages its files may have; as many as there are, by default.
    pub(crate) limit_pages: Option<u64>,
}

/// A file in memory.
pub(crate) struct TmpNode {
    system: Weak<Tmpfs>,
    device: u64,
    number: u64,
    kind: Kind,
    state: SpinLock<State>,
    body: Body,
}

struct State {
    attributes: Attributes,
    /// The directory with the name that it was made with or got by renaming, and that.
    home: (u64, Arc<[u8]>),
    /// It has lost that name, though it may have others.
    is_homeless: bool,
}

/// What there is of a file besides its attributes.
enum Body {
    Regular(Content),
    /// Its entries are in the tree.
    Directory,
    Link(Box<[u8]>),
    Device(u64),
    Fifo(FifoEnd),
    Socket,
}

/// A node as the tree knows it.
#[derive(Clone)]
struct TmpHandle(Arc<TmpNode>);

impl Node for TmpHandle {
    fn number(&self) -> u64 {
        self.0.number
    }
    fn attributes(&self) -> Attributes {
        self.0.state.lock().attributes
    }
    fn change(&self, change: impl FnOnce(&mut Attributes)) {
        change(&mut self.0.state.lock().attributes);
    }
    fn named(&self, directory: u64, name: &Arc<[u8]>) {
        let mut state = self.0.state.lock();
        (state.home, state.is_homeless) = ((directory, name.clone()), false);
    }
    fn unnamed(&self, directory: u64, name: &[u8]) {
        let mut state = self.0.state.lock();
        state.is_homeless |= state.home.0 == directory && *state.home.1 == *name;
    }
}

impl Tmpfs {
    /// An empty one.
    pub(crate) fn new(options: Options, now: Time) -> Arc<Self> {
        let Options { kind, permissions, limit_pages } = options;
        let usage = Usage::new(limit_pages.unwrap_or(u64::MAX));
        let device = NEXT_DEVICE.fetch_add(1, Ordering::Relaxed);
        let attributes = Attributes::new(Kind::Directory, permissions, &Identity::ROOT, now);
        Arc::new_cyclic(|system: &Weak<Tmpfs>| {
            let root =
                Arc::new(TmpNode::new(system.clone(), (device, ROOT), attributes, Body::Directory));
            Self {
                kind,
                device,
                next_number: AtomicU64::new(ROOT + 1),
                tree: SpinLock::new(Tree::new(TmpHandle(root.clone()))),
                root,
                usage,
            }
        })
    }

    /// A file without a name, which goes with its last user: O_TMPFILE, memfd_create.
    pub(crate) fn nameless(self: &Arc<Self>, attributes: Attributes, name: &[u8]) -> Arc<TmpNode> {
        let content = Body::Regular(Content::new(self.usage.clone()));
        let node = TmpNode::new(Arc::downgrade(self), self.identity(), attributes, content);
        node.state.lock().home = (0, Arc::from(name));
        let node = Arc::new(node);
        node.announce();
        node
    }

    fn identity(&self) -> (u64, u64) {
        (self.device, self.next_number.fetch_add(1, Ordering::Relaxed))
    }

    fn make(self: &Arc<Self>, attributes: Attributes, new: New<'_>) -> Result<TmpHandle, Errno> {
        let body = match (attributes.kind, new) {
            (_, New::Link(text)) => Body::Link(text.into()),
            (_, New::Device(_, _, device)) => Body::Device(device),
            (Kind::Regular, _) => Body::Regular(Content::new(self.usage.clone())),
            (Kind::Directory, _) => Body::Directory,
            (Kind::Fifo, _) => Body::Fifo(FifoEnd::new()),
            (Kind::Socket, _) => Body::Socket,
            _ => return Err(Errno::EINVAL),
        };
        let node = TmpNode::new(Arc::downgrade(self), self.identity(), attributes, body);
        Ok(TmpHandle(Arc::new(node)))
    }
}

/// The file system of files without names: memfd_create's.
pub(crate) fn anonymous() -> Arc<Tmpfs> {
    static ANONYMOUS: SpinLock<Option<Arc<Tmpfs>>> = SpinLock::new(None);
    const PERMISSIONS: u16 = 0o700;
    if let Some(system) = &*ANONYMOUS.lock() {
        return system.clone();
    }
    let options = Options { kind: "tmpfs", permissions: PERMISSIONS, limit_pages: None };
    let new = Tmpfs::new(options, super::names::now());
    ANONYMOUS.lock().get_or_insert(new).clone()
}

/// Nodes know their system only weakly, so that it goes with its last mount.
impl Drop for Tmpfs {
    fn drop(&mut self) {
        // The nodes are dropped once the lock is free again.
        let _nodes = { self.tree.lock().clear() };
    }
}

impl FileSystem for Tmpfs {
    fn kind(&self) -> &'static str {
        self.kind
    }
    fn root(&self) -> Arc<dyn Inode> {
        self.root.clone()
    }
    fn statfs(&self) -> Statfs {
        let (total, free) =
            memory(|memory| (memory.frames.total_frames(), memory.frames.free_frames()));
        let (used, limit) = self.usage.get();
        let (blocks, free) = (total.min(limit), free.min(limit.saturating_sub(used)));
        Statfs {
            magic: MAGIC,
            block_bytes: PAGE_SIZE_BYTES,
            blocks,
            blocks_free: free,
            device: self.device,
            flags: 0,
        }
    }
}

impl TmpNode {
    fn new(
        system: Weak<Tmpfs>,
        (device, number): (u64, u64),
        attributes: Attributes,
        body: Body,
    ) -> Self {
        let home = (0, Arc::from(&b""[..]));
        let kind = attributes.kind;
        let state = SpinLock::new(State { attributes, home, is_homeless: true });
        Self { system, device, number, kind, state, body }
    }

    fn system(&self) -> Result<Arc<Tmpfs>, Errno> {
        self.system.upgrade().ok_or(Errno::ENOENT)
    }

    /// Gives it content, as it is being unpacked: nobody's rights and no times change.
    pub(super) fn fill(&self, bytes: &[u8]) -> Result<(), Errno> {
        self.content()?.fill(bytes)
    }

    /// Changes attributes.
    pub(super) fn with_attributes<R>(&self, f: impl FnOnce(&mut Attributes) -> R) -> R {
        f(&mut self.state.lock().attributes)
    }

    /// What the file holds; EINVAL for what holds nothing.
    fn content(&self) -> Result<&Content, Errno> {
        match &self.body {
            Body::Regular(content) => Ok(content),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Something was written to it.
    fn written(&self) {
        let now = super::names::now();
        self.with_attributes(|attributes| {
            const SET_IDS: u16 = 0o6000;
            let who = match attributes.permissions & SET_IDS {
                0 => Identity::ROOT,
                _ => super::names::who(),
            };
            attributes.written(now, &who);
        });
    }

    /// It was read: the time is kept as with relatime.
    fn was_read(&self) {
        const DAY_SECONDS: i64 = 86_400;
        let now = super::names::now();
        self.with_attributes(|attributes| {
            let Attributes { accessed, modified, changed, .. } = *attributes;
            let old = now.seconds - accessed.seconds >= DAY_SECONDS;
            if accessed <= modified || accessed <= changed || old {
                attributes.accessed = now;
            }
        });
    }
}

/// The node behind an inode of this file system; EXDEV for others.
fn same_system(system: &Arc<Tmpfs>, inode: Arc<dyn Inode>) -> Result<Arc<TmpNode>, Errno> {
    let node = inode.as_any().downcast::<TmpNode>().map_err(|_| Errno::EXDEV)?;
    if node.device == system.device { Ok(node) } else { Err(Errno::EXDEV) }
}

impl Inode for TmpNode {
    fn device(&self) -> u64 {
        self.device
    }
    fn number(&self) -> u64 {
        self.number
    }
    fn kind(&self) -> Kind {
        self.kind
    }
    fn attributes(&self) -> Attributes {
        self.state.lock().attributes
    }

    fn stat(&self) -> Stat {
        let (size_bytes, pages) = match &self.body {
            Body::Regular(content) => content.size_and_pages(),
            Body::Link(text) => (text.len() as u64, 0),
            Body::Directory => {
                let entries = self.system().map_or(0, |fs| fs.tree.lock().count(self.number));
                (ENTRY_BYTES * (2 + entries as u64), 0)
            }
            Body::Device(_) | Body::Fifo(_) | Body::Socket => (0, 0),
        };
        Stat {
            device: self.device,
            number: self.number,
            attributes: self.attributes(),
            special: if let Body::Device(device) = self.body { device } else { 0 },
            size_bytes,
            blocks: pages * (PAGE_SIZE_BYTES / STAT_BLOCK_BYTES),
            block_bytes: PAGE_SIZE_BYTES as u32,
        }
    }

    fn path(&self) -> Vec<u8> {
        let ((directory, name), is_homeless) = {
            let state = self.state.lock();
            (state.home.clone(), state.is_homeless)
        };
        let system = self.system();
        let path = system.ok().and_then(|system| match self.kind {
            Kind::Directory if !is_homeless || self.number == ROOT => {
                system.tree.lock().path(self.number, b"")
            }
            _ => system.tree.lock().path(directory, &name),
        });
        let mut path = path.unwrap_or_else(|| [b"/", &name[..]].concat());
        if is_homeless && self.number != ROOT {
            path.extend_from_slice(b" (deleted)");
        }
        path
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn open(self: Arc<Self>, flags: Flags) -> Result<Arc<dyn File>, Errno> {
        match &self.body {
            Body::Regular(content) => {
                content.writers.opened(flags)?;
                Ok(self)
            }
            Body::Directory => Ok(Arc::new(Listing)),
            Body::Device(device) => device::open(self.kind, *device, flags),
            Body::Fifo(end) => pipe::open_fifo(end, flags),
            Body::Link(_) => Err(Errno::ELOOP),
            Body::Socket => Err(Errno::ENXIO),
        }
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        if self.kind != Kind::Directory {
            return Err(Errno::ENOTDIR);
        }
        let system = self.system()?;
        let found = system.tree.lock().lookup(self.number, name)?;
        Ok(found.0)
    }

    fn parent(&self) -> Option<Arc<dyn Inode>> {
        let system = self.system().ok()?;
        let tree = system.tree.lock();
        // From a directory that has been removed `..` still leads to where it was.
        let parent = tree.parent(self.number).or_else(|_| tree.numbered(self.state.lock().home.0));
        let parent = parent.ok()?.0;
        (parent.number != self.number).then_some(parent as Arc<dyn Inode>)
    }

    fn list(&self, behind: u64, visit: &mut dyn FnMut(Dirent<'_>) -> bool) -> Result<(), Errno> {
        let system = self.system()?;
        let tree = system.tree.lock();
        tree.read(self.number, behind, |entry| {
            visit(Dirent {
                number: entry.node.number(),
                next: entry.cookie,
                kind: entry.node.0.kind.entry_type(),
                name: entry.name,
            })
        })
    }

    fn create(&self, name: &[u8], new: New<'_>, by: &Actor) -> Result<Arc<dyn Inode>, Errno> {
        const LINK_PERMISSIONS: u16 = 0o777;
        let system = self.system()?;
        let (kind, permissions) = match new {
            New::Plain(kind, permissions) | New::Device(kind, permissions, _) => {
                (kind, permissions)
            }
            New::Link(_) => (Kind::Symlink, LINK_PERMISSIONS),
        };
        let made = system.tree.lock().create(self.number, name, by, |directory| {
            let attributes = access::inherit(directory, kind, permissions, &by.who, by.now);
            system.make(attributes, new)
        })?;
        made.0.announce();
        Ok(made.0)
    }

    fn link(&self, name: &[u8], target: Arc<dyn Inode>, by: &Actor) -> Result<(), Errno> {
        let system = self.system()?;
        let target = TmpHandle(same_system(&system, target)?);
        system.tree.lock().link(self.number, name, &target, by)
    }

    fn unlink(&self, name: &[u8], by: &Actor) -> Result<(), Errno> {
        let gone = self.system()?.tree.lock().unlink(self.number, name, by);
        gone.map(|_| ())
    }

    fn remove_directory(&self, name: &[u8], by: &Actor) -> Result<(), Errno> {
        let gone = self.system()?.tree.lock().remove_directory(self.number, name, by);
        gone.map(|_| ())
    }

    fn rename(
        &self,
        from: &[u8],
        to: (Arc<dyn Inode>, &[u8]),
        manner: Manner,
        by: &Actor,
    ) -> Result<(), Errno> {
        let system = self.system()?;
        let into = same_system(&system, to.0)?;
        let from = Name { directory: self.number, name: from };
        let to = Name { directory: into.number, name: to.1 };
        let gone = system.tree.lock().rename(from, to, manner, by);
        gone.map(|_| ())
    }

    fn read_link(&self) -> Result<Vec<u8>, Errno> {
        match &self.body {
            Body::Link(text) => Ok(text.to_vec()),
            _ => Err(Errno::EINVAL),
        }
    }

    fn change(&self, change: Change, by: &Actor) -> Result<(), Errno> {
        if let (Change::Permissions(new), Ok(content)) = (change, self.content()) {
            let old = self.with_attributes(|attributes| attributes.permissions);
            content.seals().check_permissions(old, new)?;
        }
        self.with_attributes(|attributes| access::apply(attributes, change, &by.who, by.now))
    }

    fn truncate(&self, size_bytes: u64) -> Result<(), Errno> {
        let content = self.content()?;
        let (before, _) = content.size_and_pages();
        content.truncate(size_bytes)?;
        if size_bytes < before {
            let gone = size_bytes.div_ceil(PAGE_SIZE_BYTES)..u64::MAX;
            crate::mm::cut_out((self.device, self.number), gone, Copies::Gone);
        }
        self.written();
        Ok(())
    }

    fn deny_writing(&self) -> Result<(), Errno> {
        self.content()?.writers.deny()
    }

    fn allow_writing(&self) {
        if let Body::Regular(content) = &self.body {
            content.writers.allow();
        }
    }
}
