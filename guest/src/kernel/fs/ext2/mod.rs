//! ext2 on a disk: [`System`] is a mounted one, behind one lock that sleeps; its rules are
//! `guest::fs::ext2`'s. `inode.rs` and `file.rs` have its files, one object for each, `content.rs`
//! what they hold, `home.rs` and `disk.rs` how that gets to the disk, `flusher.rs` the thread that writes it there.
//!
//! Order of locks: an address space, the content of a file, the file system.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use guest::errno::Errno;
use guest::fs::Identity;
use guest::fs::ext2::{self, Access, Error, Ext2, Options, ROOT_INODE, STATFS_MAGIC};
use guest::fs::layout::Statfs;

use self::disk::{KernelDisk, Stretch};
use self::inode::Node;
use super::inode::Inode;
use super::mount::FileSystem;
use super::names::now;
use crate::block::{self, Disk, Operation, Reservation};
use crate::debug::{self, Level};
use crate::mm::{reclaim, total_frames, write_back};
use crate::sync::{Mutex, SpinLock};

mod content;
mod disk;
mod file;
mod flusher;
mod home;
mod inode;

pub(crate) use flusher::{shut_down, sync_all};

/// Its name in /proc/filesystems.
pub(crate) const KIND: &str = "ext2";
/// Blocks of metadata that may be in memory: at least, and one for so many frames.
const BUFFERS_MIN: usize = 16;
const BUFFERS_MAX: usize = 512;
const FRAMES_PER_BUFFER: u64 = 64;
/// Files that are remembered when nobody uses them: at least, and one for so many frames.
const NODES_MIN: usize = 32;
const FRAMES_PER_NODE: u64 = 16;

/// A file system on a disk.
pub(crate) struct System {
    disk: Arc<dyn Disk>,
    block_bytes: u32,
    max_file_bytes: u64,
    state: Mutex<State>,
    /// Nothing may be changed: the disk says so, or it makes no sense.
    is_read_only: AtomicBool,
    /// Files without a name that nobody uses any more.
    released: SpinLock<Vec<u32>>,
    /// How often it is mounted.
    mounts: AtomicUsize,
    /// The disk is for nothing else as long as it is.
    reservation: SpinLock<Option<Reservation>>,
}

/// What its lock protects.
struct State {
    ext2: Ext2<KernelDisk>,
    /// Files that are in use, or were lately.
    nodes: BTreeMap<u32, Known>,
    /// Files without a name that are in use.
    nameless: usize,
}

/// What is known of a file in use.
struct Known {
    node: Weak<Node>,
    /// It stays, though nobody uses it.
    kept: Option<Arc<Node>>,
}

/// All that are mounted, or still used.
static SYSTEMS: SpinLock<Vec<Arc<System>>> = SpinLock::new(Vec::new());

fn systems() -> Vec<Arc<System>> {
    SYSTEMS.lock().clone()
}

/// Mounts what is on the disk with this number as a device. What is mounted already is the same.
///
/// # Errors
/// ENXIO: no such disk; EINVAL: no ext2; EBUSY: it is mounted the other way, or in use for something
/// else; the disk's.
pub(crate) fn mount(number: u64, access: Access) -> Result<Arc<System>, Errno> {
    /// Mounts come one by one.
    static MOUNTING: Mutex<()> = Mutex::new(());
    let _alone = MOUNTING.lock();
    if let Some(system) = systems().into_iter().find(|system| system.disk.number() == number) {
        if access == Access::ReadWrite && system.is_read_only() {
            return Err(Errno::EBUSY);
        }
        system.mounts.fetch_add(1, Ordering::AcqRel);
        return Ok(system);
    }
    let disk = block::find(number).ok_or(Errno::ENXIO)?;
    let reservation = Reservation::new(&*disk)?;
    write_back::serve_files()?;
    let buffers = (total_frames() / FRAMES_PER_BUFFER) as usize;
    let buffers = buffers.clamp(BUFFERS_MIN, BUFFERS_MAX);
    let options = Options { buffers, access, now: now() };
    let ext2 = Ext2::mount(KernelDisk::new(disk.clone())?, options).map_err(|error| {
        debug::log(Level::Error, format_args!("{}: ext2: {error}", disk.name()));
        error.errno()
    })?;
    if !ext2.was_clean() {
        let line = format_args!("{}: ext2: was not unmounted cleanly, or has errors", disk.name());
        debug::log(Level::Warning, line);
    }
    let system = Arc::new(System {
        block_bytes: ext2.block_bytes(),
        max_file_bytes: ext2.max_file_bytes(),
        is_read_only: AtomicBool::new(ext2.access() == Access::ReadOnly),
        state: Mutex::new(State { ext2, nodes: BTreeMap::new(), nameless: 0 }),
        released: SpinLock::new(Vec::new()),
        mounts: AtomicUsize::new(1),
        reservation: SpinLock::new(Some(reservation)),
        disk,
    });
    system.node(ROOT_INODE)?;
    SYSTEMS.lock().push(system.clone());
    flusher::start_once();
    Ok(system)
}

impl State {
    /// The file with this number, as the one object that it is.
    fn node(&mut self, system: &Arc<System>, number: u32) -> Result<Arc<Node>, Error> {
        if let Some(node) = self.nodes.get(&number).and_then(|known| known.node.upgrade()) {
            return Ok(node);
        }
        let node = Node::new(system.clone(), &self.ext2.stat(number, 0)?);
        self.know(&node);
        Ok(node)
    }

    fn know(&mut self, node: &Arc<Node>) {
        let known = Known { node: Arc::downgrade(node), kept: Some(node.clone()) };
        self.nodes.insert(node.number32(), known);
        let limit = nodes_max();
        if self.nodes.len() > limit {
            // Those whose content is worth nothing go at once.
            self.nodes.retain(|_, known| !known.is_idle() || known.has_content());
            if self.nodes.len() > limit {
                write_back::wake();
            }
        }
    }

    /// A file has lost its last name: it is freed now, or when nobody uses it any more.
    fn lost_name(&mut self, system: &System, number: u32) -> Result<Option<Known>, Error> {
        let in_use = self.nodes.get(&number).is_some_and(|known| !known.is_idle());
        if !in_use {
            let known = self.nodes.remove(&number);
            self.ext2.release(number, now())?;
            return Ok(known);
        }
        self.nameless += 1;
        let mut released = system.released.lock();
        released.try_reserve(self.nameless).map_err(|_| Error::NoMemory)?;
        drop(released);
        let kept = self.nodes.get_mut(&number).and_then(|known| {
            let kept = known.kept.take()?;
            kept.lose_name();
            Some(kept)
        });
        self.ext2.hold(number)?;
        Ok(kept.map(|node| Known { node: Weak::new(), kept: Some(node) }))
    }

    /// Frees files without a name that nobody uses any more.
    fn free_released(&mut self, system: &System) -> Result<(), Error> {
        loop {
            let Some(number) = system.released.lock().pop() else { return Ok(()) };
            self.nodes.remove(&number);
            self.nameless -= 1;
            self.ext2.release(number, now())?;
        }
    }
}

impl Known {
    /// Whether nobody uses it.
    fn is_idle(&self) -> bool {
        match &self.kept {
            Some(node) => Arc::strong_count(node) == 1,
            None => false,
        }
    }

    fn has_content(&self) -> bool {
        self.kept.as_ref().is_some_and(|node| node.content().is_ok())
    }
}

/// Files that are remembered when nobody uses them.
fn nodes_max() -> usize {
    ((total_frames() / FRAMES_PER_NODE) as usize).max(NODES_MIN)
}

impl System {
    /// Number of the disk, as that of the file system.
    fn device(&self) -> u64 {
        self.disk.number()
    }

    fn block_bytes(&self) -> u32 {
        self.block_bytes
    }

    fn max_file_bytes(&self) -> u64 {
        self.max_file_bytes
    }

    fn is_read_only(&self) -> bool {
        self.is_read_only.load(Ordering::Relaxed)
    }

    /// Runs `f` with the file system locked.
    fn with<R>(&self, f: impl FnOnce(&mut State) -> Result<R, Error>) -> Result<R, Errno> {
        let mut state = self.state.lock();
        f(&mut state).map_err(|error| self.note(&mut state, error))
    }

    /// The same for what changes something: EROFS.
    fn change<R>(&self, f: impl FnOnce(&mut State) -> Result<R, Error>) -> Result<R, Errno> {
        if self.is_read_only() {
            return Err(Errno::EROFS);
        }
        self.with(f)
    }

    /// The same for a call that changes names, at whose door there has to be memory.
    fn alter<R>(&self, f: impl FnOnce(&mut State) -> Result<R, Error>) -> Result<R, Errno> {
        reclaim::throttle()?;
        self.change(f)
    }

    /// Something has failed. What makes no sense is only read from now on.
    fn note(&self, state: &mut State, error: Error) -> Errno {
        if matches!(error, Error::Corrupt { .. }) {
            let was = self.is_read_only.swap(true, Ordering::Relaxed);
            let end = if was { "" } else { "; only to be read from now on" };
            let name = self.disk.name();
            debug::log(Level::Error, format_args!("{name}: ext2: {error}{end}"));
            if !was {
                // Where this fails, too, there is nothing left to be done.
                let _ = state.ext2.note_errors();
                let _ = state.ext2.sync();
            }
        }
        error.errno()
    }

    fn node(self: &Arc<Self>, number: u32) -> Result<Arc<Node>, Errno> {
        self.with(|state| state.node(self, number))
    }

    /// Where a block of a file is on the disk, and how many behind it, `limit` at most, are next to
    /// it, or holes, too. What is written on behalf of somebody gets a place.
    fn find(
        &self,
        number: u32,
        (block, limit): (u64, u32),
        writer: Option<&Identity>,
    ) -> Result<(Option<u32>, u32), Errno> {
        let Some(writer) = writer else {
            let run = self.with(|state| state.ext2.map_run(number, block, limit))?;
            return Ok((run.block, run.count));
        };
        let run = (block, limit);
        let taken = self.change(|state| state.ext2.allocate_run(number, run, writer))?;
        Ok((Some(taken.block), taken.count))
    }

    fn transfer(&self, operation: Operation, stretch: Stretch<'_>) -> Result<(), Errno> {
        disk::move_pages(&*self.disk, operation, stretch)
    }

    fn resize(&self, number: u32, size: u64) -> Result<(), Errno> {
        self.change(|state| state.ext2.resize(number, size, now()))
    }

    /// Lets it be changed, or not.
    fn set_access(self: &Arc<Self>, access: Access) -> Result<(), Errno> {
        let only_read = access == Access::ReadOnly;
        if self.is_read_only() == only_read {
            return Ok(());
        }
        if only_read {
            self.sync()?;
        }
        self.with(|state| {
            // Files without a name go with their last user, which is a change. And what makes no
            // sense stays as it is.
            let is_broken = !only_read && state.ext2.access() == Access::ReadWrite;
            if only_read && state.nameless > 0 {
                return Ok(Err(Errno::EBUSY));
            }
            if is_broken {
                return Ok(Err(Errno::EROFS));
            }
            state.ext2.set_access(access, now())?;
            self.is_read_only.store(only_read, Ordering::Relaxed);
            Ok(Ok(()))
        })?
    }

    /// Whether somebody uses one of its files, but for the root as what is mounted.
    fn is_used(&self) -> bool {
        let state = self.state.lock();
        state.nodes.iter().any(|(number, known)| {
            let users = known.node.strong_count() - usize::from(known.kept.is_some());
            let by_mounts =
                if *number == ROOT_INODE { self.mounts.load(Ordering::Acquire) } else { 0 };
            users > by_mounts
        })
    }
}

impl FileSystem for Arc<System> {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn root(&self) -> Arc<dyn Inode> {
        match self.node(ROOT_INODE) {
            Ok(root) => root,
            Err(_) => unreachable!("the root was there when it was mounted, and stays in use"),
        }
    }

    fn statfs(&self) -> Statfs {
        let numbers = self.with(|state| state.ext2.numbers());
        let (blocks, blocks_free) =
            numbers.map_or((0, 0), |numbers| (numbers.blocks.into(), numbers.blocks_free.into()));
        Statfs {
            magic: STATFS_MAGIC,
            block_bytes: self.block_bytes.into(),
            blocks,
            blocks_free,
            device: self.device(),
            flags: 0,
        }
    }

    fn is_read_only(&self) -> bool {
        System::is_read_only(self)
    }

    fn is_used(&self) -> bool {
        self.mounts.load(Ordering::Acquire) == 1 && System::is_used(self)
    }

    fn set_access(&self, access: Access) -> Result<(), Errno> {
        System::set_access(self, access)
    }

    fn mounted(&self) {
        self.mounts.fetch_add(1, Ordering::AcqRel);
    }

    fn sync(&self) -> Result<(), Errno> {
        System::sync(self)
    }

    fn unmounted(&self) {
        self.mounts.fetch_sub(1, Ordering::AcqRel);
        flusher::finish_unused();
    }
}

/// What New says, as the file system says it.
fn new_of<'a>(new: &super::inode::New<'a>) -> ext2::New<'a> {
    use super::inode::New;
    match *new {
        New::Plain(kind, permissions) => ext2::New::Plain(kind, permissions),
        New::Device(kind, permissions, device) => ext2::New::Device(kind, permissions, device),
        New::Link(text) => ext2::New::Link(text),
    }
}
