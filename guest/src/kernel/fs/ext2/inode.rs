//! [`Node`]: a file of an ext2 file system as long as it is in use, or might be again. What is known
//! of it is the file system's; a node has what only files in use have.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicBool, Ordering};

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::fs::access::Change;
use guest::fs::ext2::{Error, ROOT_INODE};
use guest::fs::layout::{Dirent, Stat};
use guest::fs::tree::{Actor, Manner};
use guest::fs::{Attributes, Identity, Kind, Time};
use guest::mm::space::Copies;

use super::super::inode::{File, Flags, Inode, New};
use super::super::listing::Listing;
use super::super::on_disk::OnDisk;
use super::super::pipe::{self, FifoEnd};
use super::super::{device, names};
use super::content::Content;
use super::home::Home;
use super::{State, System, new_of};
use crate::mm::reclaim::Patience;
use crate::mm::{Paged, announce, clean_mappings, cut_out, write_back};
use crate::sync::{Mutex, SpinLock};

/// A file of an ext2 file system.
pub(super) struct Node {
    pub(super) system: Arc<System>,
    number: u32,
    kind: Kind,
    special: u64,
    body: Body,
    /// The directory with the name that it was last found by, and that.
    name: SpinLock<(u32, Arc<[u8]>)>,
    has_no_name: AtomicBool,
    /// Held while it is written back, which has several steps.
    saving: Mutex<()>,
}

/// What there is of a file in use, besides what the file system has.
enum Body {
    Regular(Content),
    Fifo(FifoEnd),
    Other,
}

/// What stat tells of something that cannot be read.
fn unreadable(kind: Kind) -> Attributes {
    Attributes::new(kind, 0, &Identity::ROOT, Time::default())
}

impl Node {
    /// The file of which stat tells this.
    pub(super) fn new(system: Arc<System>, stat: &Stat) -> Arc<Self> {
        let kind = stat.attributes.kind;
        let body = match kind {
            Kind::Regular => Body::Regular(Content::new(stat.size_bytes)),
            Kind::Fifo => Body::Fifo(FifoEnd::new()),
            _ => Body::Other,
        };
        let node = Arc::new(Self {
            system,
            number: stat.number as u32,
            kind,
            special: stat.special,
            body,
            name: SpinLock::new((0, Arc::from(&b""[..]))),
            has_no_name: AtomicBool::new(false),
            saving: Mutex::new(()),
        });
        if node.content().is_ok() {
            let paged: Arc<dyn Paged> = node.clone();
            announce(&paged);
        }
        node
    }

    /// Its number, as the file system has it.
    pub(super) fn number32(&self) -> u32 {
        self.number
    }

    /// What it holds; EINVAL for what holds nothing.
    pub(super) fn content(&self) -> Result<&Content, Errno> {
        match &self.body {
            Body::Regular(content) => Ok(content),
            _ => Err(Errno::EINVAL),
        }
    }

    pub(super) fn home(&self) -> Home<'_> {
        Home { system: &self.system, number: self.number }
    }

    /// It has no name any more: it is freed when nobody uses it.
    pub(super) fn lose_name(&self) {
        self.has_no_name.store(true, Ordering::Release);
    }

    pub(super) fn identity(&self) -> (u64, u64) {
        (self.system.device(), self.number.into())
    }

    /// Writes all that was changed.
    pub(super) fn write_back(&self) -> Result<(), Errno> {
        let content = self.content()?;
        let _alone = self.saving.lock();
        if content.take_mapped() {
            clean_mappings(self.identity());
            // The mappings are still there, as far as anybody knows.
            content.keep_mapped();
        }
        content.save(self.home())
    }

    /// It was found under this name.
    fn found(&self, directory: u32, name: &[u8]) {
        let is_known = {
            let known = self.name.lock();
            known.0 == directory && *known.1 == *name
        };
        if !is_known {
            let name = Arc::from(name);
            // The old one is dropped with the lock free.
            let _old = core::mem::replace(&mut *self.name.lock(), (directory, name));
        }
    }

    fn directory(&self) -> Result<(), Errno> {
        if self.kind == Kind::Directory { Ok(()) } else { Err(Errno::ENOTDIR) }
    }

    /// Something was written to it.
    pub(super) fn written(&self) {
        let (now, who) = (names::now(), names::who());
        // The content is there, whatever becomes of the time.
        let _ = self.system.change(|state| {
            state.ext2.update(self.number, |attributes| attributes.written(now, &who))
        });
    }

    /// It was read: the time is kept as with relatime.
    pub(super) fn was_read(&self) {
        const DAY_SECONDS: i64 = 86_400;
        let now = names::now();
        let _ = self.system.change(|state| {
            let Attributes { accessed, modified, changed, .. } =
                state.ext2.attributes(self.number)?;
            let old = now.seconds - accessed.seconds >= DAY_SECONDS;
            if accessed <= modified || accessed <= changed || old {
                state.ext2.update(self.number, |attributes| attributes.accessed = now)?;
            }
            Ok(())
        });
    }

    /// The name that a directory has in the one around it, and number of that.
    fn name_of(state: &mut State, directory: u32) -> Result<(u32, Vec<u8>), Error> {
        let around = state.ext2.parent(directory)?;
        let mut found = Vec::new();
        state.ext2.list(around, 0, &mut |entry| {
            if entry.inode == directory {
                found.extend_from_slice(entry.name);
            }
            found.is_empty()
        })?;
        Ok((around, found))
    }

    /// The path of a directory.
    fn directory_path(state: &mut State, mut directory: u32) -> Result<Vec<u8>, Error> {
        let mut names = Vec::new();
        while directory != ROOT_INODE {
            let (around, name) = Self::name_of(state, directory)?;
            names.push(name);
            directory = around;
        }
        let mut path = Vec::new();
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        Ok(path)
    }

    /// The node behind an inode of the same file system; EXDEV for others.
    fn fellow(&self, inode: Arc<dyn Inode>) -> Result<Arc<Self>, Errno> {
        let node = inode.as_any().downcast::<Self>().map_err(|_| Errno::EXDEV)?;
        if Arc::ptr_eq(&node.system, &self.system) { Ok(node) } else { Err(Errno::EXDEV) }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if *self.has_no_name.get_mut() {
            // There is room: it was made when the name went.
            self.system.released.lock().push(self.number);
            write_back::wake();
        }
    }
}

impl Inode for Node {
    fn device(&self) -> u64 {
        self.system.device()
    }
    fn number(&self) -> u64 {
        self.number.into()
    }
    fn kind(&self) -> Kind {
        self.kind
    }
    fn special(&self) -> u64 {
        self.special
    }
    fn attributes(&self) -> Attributes {
        let attributes = self.system.with(|state| state.ext2.attributes(self.number));
        attributes.unwrap_or_else(|_| unreadable(self.kind))
    }
    fn stat(&self) -> Stat {
        let device = self.system.device();
        let stat = self.system.with(|state| state.ext2.stat(self.number, device));
        stat.unwrap_or_else(|_| Stat {
            device,
            number: self.number.into(),
            attributes: unreadable(self.kind),
            special: self.special,
            size_bytes: 0,
            blocks: 0,
            block_bytes: PAGE_SIZE_BYTES as u32,
        })
    }

    fn path(&self) -> Vec<u8> {
        if self.number == ROOT_INODE {
            return b"/".to_vec();
        }
        let (directory, name) = self.name.lock().clone();
        let is_gone = self.has_no_name.load(Ordering::Acquire);
        let path = self.system.with(|state| match self.kind {
            Kind::Directory if !is_gone => Self::directory_path(state, self.number),
            _ => Self::directory_path(state, directory)
                .map(|path| [&path, &b"/"[..], &name].concat()),
        });
        let mut path = path.unwrap_or_else(|_| [b"/", &name[..]].concat());
        if is_gone {
            path.extend_from_slice(b" (deleted)");
        }
        path
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn open(self: Arc<Self>, flags: Flags) -> Result<Arc<dyn File>, Errno> {
        match (&self.body, self.kind) {
            (Body::Regular(content), _) => {
                content.writers.opened(flags)?;
                Ok(self)
            }
            (Body::Fifo(end), _) => pipe::open_fifo(end, flags),
            (_, Kind::Directory) => Ok(Arc::new(Listing)),
            (_, Kind::CharDevice | Kind::BlockDevice) => {
                device::open(self.kind, self.special, flags)
            }
            (_, Kind::Symlink) => Err(Errno::ELOOP),
            _ => Err(Errno::ENXIO),
        }
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        self.directory()?;
        let node = self.system.with(|state| {
            let number = state.ext2.lookup(self.number, name)?;
            state.node(&self.system, number)
        })?;
        node.found(self.number, name);
        Ok(node)
    }

    fn parent(&self) -> Option<Arc<dyn Inode>> {
        if self.number == ROOT_INODE {
            return None;
        }
        // From a directory that has been removed `..` still leads to where it was.
        let asks = self.kind == Kind::Directory && !self.has_no_name.load(Ordering::Acquire);
        let found = self.system.with(|state| {
            let known = self.name.lock().0;
            let number = if asks { state.ext2.parent(self.number)? } else { known };
            state.node(&self.system, number)
        });
        found.ok().map(|node| node as Arc<dyn Inode>)
    }

    fn list(&self, behind: u64, visit: &mut dyn FnMut(Dirent<'_>) -> bool) -> Result<(), Errno> {
        self.directory()?;
        self.system.with(|state| {
            state.ext2.list(self.number, behind, &mut |entry| {
                let (number, next) = (entry.inode.into(), entry.next);
                visit(Dirent { number, next, kind: entry.kind, name: entry.name })
            })
        })
    }

    fn create(&self, name: &[u8], new: New<'_>, by: &Actor) -> Result<Arc<dyn Inode>, Errno> {
        let node = self.system.alter(|state| {
            let number = state.ext2.create(self.number, name, new_of(&new), by)?;
            state.node(&self.system, number)
        })?;
        node.found(self.number, name);
        Ok(node)
    }

    fn link(&self, name: &[u8], target: Arc<dyn Inode>, by: &Actor) -> Result<(), Errno> {
        let target = self.fellow(target)?;
        self.system.alter(|state| state.ext2.link(self.number, name, target.number, by))?;
        target.found(self.number, name);
        Ok(())
    }

    fn unlink(&self, name: &[u8], by: &Actor) -> Result<(), Errno> {
        let _gone =
            self.system.alter(|state| match state.ext2.unlink(self.number, name, by)? {
                Some(number) => state.lost_name(&self.system, number),
                None => Ok(None),
            })?;
        Ok(())
    }

    fn remove_directory(&self, name: &[u8], by: &Actor) -> Result<(), Errno> {
        let _gone = self.system.alter(|state| {
            let number = state.ext2.remove_directory(self.number, name, by)?;
            state.lost_name(&self.system, number)
        })?;
        Ok(())
    }

    fn rename(
        &self,
        from: &[u8],
        to: (Arc<dyn Inode>, &[u8]),
        manner: Manner,
        by: &Actor,
    ) -> Result<(), Errno> {
        let (into, name) = (self.fellow(to.0)?, to.1);
        let (moved, _gone) = self.system.alter(|state| {
            let number = state.ext2.lookup(self.number, from)?;
            let moved = state.node(&self.system, number)?;
            let to = (into.number, name);
            let gone = match state.ext2.rename((self.number, from), to, manner, by)? {
                Some(number) => state.lost_name(&self.system, number)?,
                None => None,
            };
            Ok((moved, gone))
        })?;
        moved.found(into.number, name);
        Ok(())
    }

    fn read_link(&self) -> Result<Vec<u8>, Errno> {
        if self.kind != Kind::Symlink {
            return Err(Errno::EINVAL);
        }
        self.system.with(|state| state.ext2.read_link(self.number))
    }

    fn change(&self, change: Change, by: &Actor) -> Result<(), Errno> {
        self.system.change(|state| state.ext2.change(self.number, change, by))
    }

    fn truncate(&self, size_bytes: u64) -> Result<(), Errno> {
        let content = self.content()?;
        if self.system.is_read_only() {
            return Err(Errno::EROFS);
        }
        content.writers.check()?;
        if size_bytes > self.system.max_file_bytes() {
            return Err(Errno::EFBIG);
        }
        let before = content.work(&mut Patience::new(), |data| {
            let before = data.size;
            data.truncate(self.home(), size_bytes)?;
            Ok(before)
        })?;
        if size_bytes < before {
            let gone = size_bytes.div_ceil(PAGE_SIZE_BYTES)..u64::MAX;
            cut_out(self.identity(), gone, Copies::Gone);
        }
        self.written();
        Ok(())
    }

    fn on_disk(&self) -> Option<&dyn OnDisk> {
        self.content().is_ok().then_some(self)
    }

    fn deny_writing(&self) -> Result<(), Errno> {
        self.content()?.writers.deny()
    }

    fn allow_writing(&self) {
        if let Ok(content) = self.content() {
            content.writers.allow();
        }
    }
}
