//! Mounts: which file system covers which directory. [`Mount`] is one, [`mounts`] tells of all for
//! /proc/mounts; `names.rs` asks on its way along a path.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use guest::errno::Errno;
use guest::fs::ext2::Access;
use guest::fs::layout::Statfs;
use linux_raw_sys::general as linux;

use super::inode::Inode;
use super::names::Place;
use crate::sync::SpinLock;

/// A tree of files that can be mounted.
pub(crate) trait FileSystem: Send + Sync {
    /// Its name in /proc/filesystems.
    fn kind(&self) -> &'static str;
    /// Its root directory.
    fn root(&self) -> Arc<dyn Inode>;
    /// What statfs tells, without flags.
    fn statfs(&self) -> Statfs;
    /// Whether nothing of it may be changed, however it is mounted.
    fn is_read_only(&self) -> bool {
        false
    }
    /// Whether somebody uses it who is not known to its mount: by a mapping.
    fn is_used(&self) -> bool {
        false
    }
    /// Makes all that was written survive.
    ///
    /// # Errors
    /// The disk's.
    fn sync(&self) -> Result<(), Errno> {
        Ok(())
    }
    /// Lets it be changed, or not: MS_REMOUNT. Where there is nothing to be done but to look at the
    /// mount's flags, this does nothing.
    ///
    /// # Errors
    /// EBUSY where it cannot stay as it is; EROFS where it cannot be changed; the disk's.
    fn set_access(&self, _access: Access) -> Result<(), Errno> {
        Ok(())
    }
    /// One mount of it more than the first one.
    fn mounted(&self) {}
    /// One mount of it less.
    fn unmounted(&self) {}
}

/// A file system in its place.
pub(crate) struct Mount {
    /// Its number, never used again.
    id: u32,
    /// Which directory it covers; `None` for the root of everything.
    covers: Option<Place>,
    root: Arc<dyn Inode>,
    system: Arc<dyn FileSystem>,
    /// MS_RDONLY and so on.
    flags: AtomicU32,
    source: Vec<u8>,
    /// Files that are open for writing.
    writers: AtomicU32,
    /// Nobody has opened a file on it since somebody asked that it go then: MNT_EXPIRE.
    expires: AtomicBool,
}

/// Flags of mount(2) that stay with a mount, and how /proc/mounts and statfs name them.
const KEPT_FLAGS: [(u32, &str, u64); 7] = [
    (linux::MS_RDONLY, "ro", 1),
    (linux::MS_NOSUID, "nosuid", 2),
    (linux::MS_NODEV, "nodev", 4),
    (linux::MS_NOEXEC, "noexec", 8),
    (linux::MS_SYNCHRONOUS, "sync", 16),
    (linux::MS_NOATIME, "noatime", 1024),
    (linux::MS_RELATIME, "relatime", 4096),
];

/// All mounts, the later ones behind those that they may cover.
static MOUNTS: SpinLock<Vec<Arc<Mount>>> = SpinLock::new(Vec::new());
/// A bit per hash of a covered directory: most directories are covered by nothing, and need not
/// look.
static COVERED: AtomicU64 = AtomicU64::new(0);

fn bit(inode: &dyn Inode) -> u64 {
    1 << ((inode.number() ^ inode.device() << 3) % 64)
}

impl Mount {
    /// The directory that it covers.
    pub(super) fn covers(&self) -> Option<&Place> {
        self.covers.as_ref()
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Its root.
    pub(super) fn root(&self) -> &Arc<dyn Inode> {
        &self.root
    }

    /// Whether a file is its root.
    pub(super) fn is_root(&self, inode: &dyn Inode) -> bool {
        (self.root.number(), self.root.device()) == (inode.number(), inode.device())
    }

    /// Where its root is in its file system: not at the root there, if it was bound.
    fn base(&self) -> Vec<u8> {
        self.root.path()
    }

    /// The path from its root of a file that has the path `inner` in its file system.
    pub(super) fn strip(&self, inner: Vec<u8>) -> Vec<u8> {
        let base = self.base();
        match inner.strip_prefix(&base[..]) {
            Some(rest) if rest.first() == Some(&b'/') => rest.to_vec(),
            Some(rest) if base != b"/" => [&b"/"[..], rest].concat(),
            _ => inner,
        }
    }

    /// Somebody opens a file on it.
    pub(super) fn used(&self) {
        if self.expires.load(Ordering::Relaxed) {
            self.expires.store(false, Ordering::Relaxed);
        }
    }

    /// A file on it has been opened for writing.
    pub(super) fn begin_writing(&self) {
        self.writers.fetch_add(1, Ordering::AcqRel);
    }

    /// And closed.
    pub(super) fn end_writing(&self) {
        self.writers.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether a flag of mount(2) is set.
    pub(crate) fn has(&self, flag: u32) -> bool {
        self.flags.load(Ordering::Relaxed) & flag != 0
            || flag == linux::MS_RDONLY && self.system.is_read_only()
    }

    /// Makes all that was written to its file system survive.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn sync(&self) -> Result<(), Errno> {
        self.system.sync()
    }

    /// What statfs tells.
    pub(crate) fn statfs(&self) -> Statfs {
        let set = KEPT_FLAGS.iter().filter(|(flag, ..)| self.has(*flag));
        Statfs { flags: set.map(|(.., bit)| bit).sum(), ..self.system.statfs() }
    }

    fn is_on(&self, place: &Place) -> bool {
        self.covers.as_ref().is_some_and(|covered| covered.is(place))
    }
}

/// Mounts `system` on a directory; on nothing, it is the root of everything.
///
/// # Errors
/// ENOMEM.
pub(crate) fn mount(
    system: Arc<dyn FileSystem>,
    on: Option<Place>,
    source: &[u8],
    flags: u32,
) -> Result<Arc<Mount>, Errno> {
    let root = system.root();
    add(Mount::new(system, root, on, (source.to_vec(), flags)))
}

/// Shows what a place is at another one, too: MS_BIND.
///
/// # Errors
/// EINVAL for what is in no mount; ENOMEM.
pub(crate) fn bind(source: &Place, on: Place) -> Result<(), Errno> {
    let mount = source.mount.as_ref().ok_or(Errno::EINVAL)?;
    let (system, flags) = (mount.system.clone(), mount.flags.load(Ordering::Relaxed));
    let told = (mount.source.clone(), flags);
    add(Mount::new(system.clone(), source.inode.clone(), Some(on), told))?;
    system.mounted();
    Ok(())
}

impl Mount {
    fn new(
        system: Arc<dyn FileSystem>,
        root: Arc<dyn Inode>,
        covers: Option<Place>,
        (source, flags): (Vec<u8>, u32),
    ) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            covers,
            root,
            system,
            flags: AtomicU32::new(flags & kept_flags()),
            source,
            writers: AtomicU32::new(0),
            expires: AtomicBool::new(false),
        }
    }
}

fn kept_flags() -> u32 {
    KEPT_FLAGS.iter().map(|(flag, ..)| flag).sum()
}

fn add(mount: Mount) -> Result<Arc<Mount>, Errno> {
    let mount = Arc::new(mount);
    let mut mounts = MOUNTS.lock();
    mounts.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
    mounts.push(mount.clone());
    mark(&mounts);
    Ok(mount)
}

fn mark(mounts: &[Arc<Mount>]) {
    let covered = mounts.iter().filter_map(|mount| mount.covers.as_ref());
    let bits = covered.fold(0, |bits, place| bits | bit(&*place.inode));
    COVERED.store(bits, Ordering::Release);
}

/// What covers a directory, or the place itself.
pub(super) fn topmost(mut place: Place) -> Place {
    while COVERED.load(Ordering::Acquire) & bit(&*place.inode) != 0 {
        let mount = MOUNTS.lock().iter().rev().find(|mount| mount.is_on(&place)).cloned();
        let Some(mount) = mount else { break };
        place = Place { inode: mount.root.clone(), mount: Some(mount) };
    }
    place
}

/// Whether something is mounted on this very directory of a file system, whoever looks.
pub(super) fn is_covered(inode: &dyn Inode) -> bool {
    if COVERED.load(Ordering::Acquire) & bit(inode) == 0 {
        return false;
    }
    let same = |place: &Place| {
        (place.inode.device(), place.inode.number()) == (inode.device(), inode.number())
    };
    MOUNTS.lock().iter().any(|mount| mount.covers.as_ref().is_some_and(same))
}

/// Whether taking a mount away minds that it is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unmount {
    /// EBUSY.
    IfIdle,
    /// It goes when the last user goes: MNT_DETACH.
    Detach,
    /// EBUSY; EAGAIN the first time, and again where somebody has opened a file since: MNT_EXPIRE.
    IfExpired,
}

/// Takes the mount away whose root a place is.
///
/// # Errors
/// EINVAL where it is no such root, or that of everything; EBUSY, EAGAIN.
pub(crate) fn unmount(place: Place, how: Unmount) -> Result<(), Errno> {
    let mount = place.mount.clone().ok_or(Errno::EINVAL)?;
    let is_root = mount.is_root(&*place.inode);
    drop(place);
    if !is_root || mount.covers.is_none() {
        return Err(Errno::EINVAL);
    }
    // This may sleep, and is looked at first.
    if how != Unmount::Detach && mount.system.is_used() {
        return Err(Errno::EBUSY);
    }
    let mut mounts = MOUNTS.lock();
    let index = mounts.iter().position(|other| Arc::ptr_eq(other, &mount)).ok_or(Errno::EINVAL)?;
    // One reference is the list's, one is ours; mounts on top of it have one each.
    if Arc::strong_count(&mount) > 2 && how != Unmount::Detach {
        return Err(Errno::EBUSY);
    }
    if how == Unmount::IfExpired && !mount.expires.swap(true, Ordering::Relaxed) {
        return Err(Errno::EAGAIN);
    }
    let covered = |other: &Arc<Mount>, by: &Arc<Mount>| {
        let on = by.covers.as_ref().and_then(|place| place.mount.as_ref());
        on.is_some_and(|on| Arc::ptr_eq(on, other))
    };
    let mut gone = Vec::from([mounts.remove(index)]);
    let mut next = 0;
    while let Some(mount) = gone.get(next).cloned() {
        while let Some(index) = mounts.iter().position(|other| covered(&mount, other)) {
            gone.push(mounts.remove(index));
        }
        next += 1;
    }
    mark(&mounts);
    drop(mounts);
    let systems: Vec<_> = gone.iter().map(|mount| mount.system.clone()).collect();
    drop((mount, gone));
    systems.iter().for_each(|system| system.unmounted());
    Ok(())
}

/// Changes the flags of the mount whose root a place is, and what may be done to its file system,
/// or with MS_BIND the flags only: MS_REMOUNT.
///
/// # Errors
/// EINVAL where it is no such root; EBUSY where somebody writes; those of the file system.
pub(crate) fn remount(place: &Place, flags: u32) -> Result<(), Errno> {
    const TIMES: u32 = linux::MS_NOATIME | linux::MS_RELATIME;
    let mount = place.mount.as_ref().ok_or(Errno::EINVAL)?;
    if !mount.is_root(&*place.inode) {
        return Err(Errno::EINVAL);
    }
    let old = mount.flags.load(Ordering::Relaxed);
    let mut new = flags & kept_flags();
    if flags & (TIMES | linux::MS_STRICTATIME) == 0 {
        new |= old & TIMES;
    }
    // Nobody begins to write any more; then those are looked at who have.
    mount.flags.store(new, Ordering::SeqCst);
    let only_read = new & linux::MS_RDONLY != 0;
    let outcome = if only_read && old & linux::MS_RDONLY == 0 && is_written(mount, flags) {
        Err(Errno::EBUSY)
    } else if flags & linux::MS_BIND != 0 {
        Ok(())
    } else {
        mount.system.set_access(if only_read { Access::ReadOnly } else { Access::ReadWrite })
    };
    outcome.inspect_err(|_| mount.flags.store(old, Ordering::SeqCst))
}

/// Whether somebody writes to a file on a mount, or, but for MS_BIND, in its file system.
fn is_written(mount: &Arc<Mount>, flags: u32) -> bool {
    let has_writers = |mount: &Mount| mount.writers.load(Ordering::SeqCst) > 0;
    if flags & linux::MS_BIND != 0 {
        return has_writers(mount);
    }
    let same = |other: &&Arc<Mount>| other.root.device() == mount.root.device();
    MOUNTS.lock().iter().filter(same).any(|other| has_writers(other))
}

/// The path from the root of everything of a file that has the path `inner` in the file system
/// with this number; `inner` as it is where that is mounted nowhere.
pub(super) fn path_in(device: u64, inner: Vec<u8>) -> Vec<u8> {
    let is_it = |mount: &&Arc<Mount>| mount.root.device() == device && mount.base() == b"/";
    let mount = MOUNTS.lock().clone().iter().find(is_it).cloned();
    let Some(covered) = mount.as_ref().and_then(|mount| mount.covers.as_ref()) else {
        return inner;
    };
    let mut path = covered.path();
    if path == b"/" {
        path.clear();
    }
    path.extend_from_slice(&inner);
    path
}

/// What /proc/mounts tells of a mount.
pub(crate) struct Mounted {
    /// Its number.
    pub(crate) id: u32,
    /// The number of the mount that it is on; its own for the root of everything.
    pub(crate) around: u32,
    /// The number of its file system as a device.
    pub(crate) device: u64,
    /// What is mounted.
    pub(crate) source: Vec<u8>,
    /// Where.
    pub(crate) path: Vec<u8>,
    /// What kind of file system.
    pub(crate) kind: &'static str,
    /// Its options, separated by commas.
    pub(crate) options: Vec<u8>,
}

/// All mounts, in the order in which they were made.
pub(crate) fn mounts() -> Vec<Mounted> {
    let mounts = MOUNTS.lock().clone();
    let tell = |mount: &Arc<Mount>| {
        let place = Place { inode: mount.root.clone(), mount: Some(mount.clone()) };
        let mut options = Vec::new();
        if !mount.has(linux::MS_RDONLY) {
            options.extend_from_slice(b"rw");
        }
        for (flag, name, _) in KEPT_FLAGS {
            if mount.has(flag) {
                if !options.is_empty() {
                    options.push(b',');
                }
                options.extend_from_slice(name.as_bytes());
            }
        }
        let (source, kind) = (mount.source.clone(), mount.system.kind());
        let around = mount.covers.as_ref().and_then(|place| place.mount.as_ref());
        let (id, around) = (mount.id, around.unwrap_or(mount).id);
        let device = mount.root.device();
        Mounted { id, around, device, source, path: place.path(), kind, options }
    };
    mounts.iter().map(tell).collect()
}
