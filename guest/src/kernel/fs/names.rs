//! Places and the way to them: [`Place`] is a file as reached through a mount, [`FsContext`] where
//! the paths of a process begin, [`Walk`] follows them for somebody.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use guest::errno::Errno;
use guest::fs::access::{Wish, check};
use guest::fs::path::{self, Goal, Namespace, Target, Walked};
use guest::fs::tree::Actor;
use guest::fs::{Identity, Kind, Time};
use linux_raw_sys::general as linux;

use super::inode::Inode;
use super::mount::{self, Mount};
use crate::task;

/// A file as reached through a mount; pipes and the like are reached through none.
#[derive(Clone)]
pub(crate) struct Place {
    /// The file.
    pub(crate) inode: Arc<dyn Inode>,
    /// The mount.
    pub(crate) mount: Option<Arc<Mount>>,
}

impl Place {
    /// Something that has no name anywhere.
    pub(crate) fn nameless(inode: Arc<dyn Inode>) -> Self {
        Self { inode, mount: None }
    }

    fn same_mount(&self, other: &Place) -> bool {
        match (&self.mount, &other.mount) {
            (Some(mine), Some(theirs)) => Arc::ptr_eq(mine, theirs),
            _ => false,
        }
    }

    /// Whether it is the same file in the same mount.
    pub(crate) fn is(&self, other: &Place) -> bool {
        let identity = |place: &Place| (place.inode.number(), place.inode.device());
        identity(self) == identity(other) && self.same_mount(other)
    }

    /// EXDEV unless both are in the same mount.
    pub(crate) fn check_same_mount(&self, other: &Place) -> Result<(), Errno> {
        if self.same_mount(other) { Ok(()) } else { Err(Errno::EXDEV) }
    }

    /// EROFS where it is mounted for reading only.
    pub(crate) fn check_writable(&self) -> Result<(), Errno> {
        let read_only = self.mount.as_ref().is_some_and(|mount| mount.has(linux::MS_RDONLY));
        if read_only { Err(Errno::EROFS) } else { Ok(()) }
    }

    /// EBUSY where something is mounted on what has this name in it.
    pub(crate) fn check_uncovered(&self, name: &[u8]) -> Result<(), Errno> {
        match self.inode.lookup(name) {
            Ok(inode) if mount::is_covered(&*inode) => Err(Errno::EBUSY),
            _ => Ok(()),
        }
    }

    /// Whether it may be used so: EACCES, EROFS.
    pub(crate) fn check(&self, who: &Identity, wish: Wish) -> Result<(), Errno> {
        let attributes = self.inode.attributes();
        let content = matches!(attributes.kind, Kind::Regular | Kind::Directory | Kind::Symlink);
        if wish.0 & Wish::WRITE.0 != 0 && content {
            self.check_writable()?;
        }
        check(&attributes, who, wish)
    }

    /// Its path from the root of everything.
    pub(crate) fn path(&self) -> Vec<u8> {
        let inner = self.inode.path();
        let Some((mount, covered)) =
            self.mount.as_ref().and_then(|mount| mount.covers().map(|covered| (mount, covered)))
        else {
            return inner;
        };
        let inner = mount.strip(inner);
        let mut path = covered.path();
        match &inner[..] {
            b"/" => path,
            _ if path == b"/" => inner,
            _ => {
                path.extend_from_slice(&inner);
                path
            }
        }
    }

    /// Number of the directory around it, for `..`.
    pub(crate) fn parent_number(&self) -> u64 {
        self.parent(&super::root()).inode.number()
    }

    /// The directory around it, as far up as `root`.
    fn parent(&self, root: &Place) -> Place {
        let mut at = self.clone();
        loop {
            if at.is(root) {
                return at;
            }
            let is_top = at.mount.as_ref().is_some_and(|mount| mount.is_root(&*at.inode));
            if !is_top && let Some(inode) = at.inode.parent() {
                return mount::topmost(Place { inode, mount: at.mount });
            }
            // The root of a file system: on to what it covers.
            match at.mount.as_ref().and_then(|mount| mount.covers().cloned()) {
                Some(covered) => at = covered,
                None => return at,
            }
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({}:{})", self.inode.device(), self.inode.number())
    }
}

/// Working directory, root and umask.
#[derive(Clone, Debug)]
pub(crate) struct FsContext {
    /// Where paths that begin with a slash begin.
    pub(crate) root: Place,
    /// Where the others begin.
    pub(crate) current: Place,
    /// Permissions that new files do not get.
    pub(crate) umask: u16,
}

/// The umask that the first process has.
const FIRST_UMASK: u16 = 0o022;

impl FsContext {
    /// At the root of the tree.
    pub(crate) fn new() -> Self {
        let root = super::root();
        Self { root: root.clone(), current: root, umask: FIRST_UMASK }
    }

    /// Path of the working directory.
    pub(crate) fn cwd(&self) -> Vec<u8> {
        self.path_of(&self.current)
    }

    /// The path of a place as seen from this root.
    pub(crate) fn path_of(&self, place: &Place) -> Vec<u8> {
        self.seen(place.path()).unwrap_or_else(|path| [&b"(unreachable)"[..], &path].concat())
    }

    /// A path from the root of everything, as seen from this root; as it is where it leads nowhere
    /// below this.
    pub(crate) fn seen(&self, path: Vec<u8>) -> Result<Vec<u8>, Vec<u8>> {
        let root = self.root.path();
        if root == b"/" {
            return Ok(path);
        }
        match path.strip_prefix(&root[..]) {
            Some(b"") => Ok(b"/".to_vec()),
            Some(inner) if inner[0] == b'/' => Ok(inner.to_vec()),
            _ => Err(path),
        }
    }

    /// Replaces the umask; the old one.
    pub(crate) fn set_umask(&mut self, umask: u16) -> u16 {
        core::mem::replace(&mut self.umask, umask & 0o777)
    }
}

/// The present, as files keep it.
pub(crate) fn now() -> Time {
    Time::of_ns(crate::time::real_now())
}

/// A path from the root of everything, as the current process sees it, if it does.
pub(crate) fn as_seen(path: Vec<u8>) -> Vec<u8> {
    let process = task::current_process_or_none();
    let Some(context) = process.map(|process| process.fs().lock().clone()) else { return path };
    context.seen(path).unwrap_or_else(|path| path)
}

/// On whose behalf the current process works.
pub(crate) fn who() -> Identity {
    let Some(process) = task::current_process_or_none() else { return Identity::ROOT };
    let (credentials, groups) = process.identity();
    Identity { uid: credentials.euid, gid: credentials.egid, groups }
}

/// The current process, now.
pub(crate) fn actor() -> Actor {
    Actor { who: who(), now: now() }
}

/// The way along paths for somebody.
pub(crate) struct Walk {
    root: Place,
    who: Identity,
}

impl Walk {
    /// From this root.
    pub(crate) fn new(root: Place, who: Identity) -> Self {
        Self { root, who }
    }

    /// Follows `path` from `start`.
    pub(crate) fn go<'p>(
        &self,
        start: Place,
        path: &'p [u8],
        goal: Goal,
    ) -> Result<Walked<'p, Place>, Errno> {
        path::walk(self, start, path, goal)
    }
}

impl Namespace for Walk {
    type Place = Place;

    fn root(&self) -> Place {
        self.root.clone()
    }

    fn kind(&self, place: &Place) -> Kind {
        place.inode.kind()
    }

    fn may_search(&self, directory: &Place) -> Result<(), Errno> {
        if self.who.is_root() {
            return Ok(());
        }
        check(&directory.inode.attributes(), &self.who, Wish::EXECUTE)
    }

    fn lookup(&self, directory: &Place, name: &[u8]) -> Result<Place, Errno> {
        let inode = directory.inode.lookup(name)?;
        Ok(mount::topmost(Place { inode, mount: directory.mount.clone() }))
    }

    fn parent(&self, directory: &Place) -> Place {
        directory.parent(&self.root)
    }

    fn follow(&self, link: &Place) -> Result<Target<Place>, Errno> {
        link.inode.follow()
    }
}
