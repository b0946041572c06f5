//! [`Tree`]: the directories of a file system in memory, with the rules for making, linking,
//! removing and renaming. Its owner holds a lock while it calls; what a file holds is behind
//! [`Node`]. Paths are walked in `path.rs`, permissions judged in `access.rs`.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::access::{Wish, check, check_sticky};
use super::{Attributes, Identity, Kind, Time};
use crate::errno::Errno;

mod entries;
mod rename;
#[cfg(test)]
mod tests;

use entries::Entries;
pub use rename::{Manner, Name};

/// A file in a tree: a handle, a clone of which is the same file.
pub trait Node: Clone {
    /// Its number: no two in a tree have the same.
    fn number(&self) -> u64;
    /// What is known of it.
    fn attributes(&self) -> Attributes;
    /// Changes what is known of it.
    fn change(&self, change: impl FnOnce(&mut Attributes));
    /// It was made with this name or got it by renaming, in the directory with that number.
    fn named(&self, directory: u64, name: &Arc<[u8]>);
    /// It has lost a name.
    fn unnamed(&self, directory: u64, name: &[u8]);
}

/// Who does something, and when.
#[derive(Clone, Debug)]
pub struct Actor {
    /// On whose behalf.
    pub who: Identity,
    /// The present.
    pub now: Time,
}

/// Directories, by the numbers of their nodes.
#[derive(Debug)]
pub struct Tree<N> {
    directories: BTreeMap<u64, Directory<N>>,
}

#[derive(Debug)]
struct Directory<N> {
    node: N,
    /// The directory around it; the root's is the root.
    parent: u64,
    name: Arc<[u8]>,
    entries: Entries<N>,
}

/// An entry as `read` shows it.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'t, N> {
    /// Where to go on behind it.
    pub cookie: u64,
    /// Its name.
    pub name: &'t [u8],
    /// What has it.
    pub node: &'t N,
}

impl<N: Node> Tree<N> {
    /// A tree of one empty directory.
    pub fn new(root: N) -> Self {
        root.change(|attributes| attributes.links = 2);
        let number = root.number();
        let name = Arc::from(&b""[..]);
        let root = Directory { node: root, parent: number, name, entries: Entries::new() };
        Self { directories: BTreeMap::from([(number, root)]) }
    }

    /// Forgets everything.
    pub fn clear(&mut self) -> impl Sized + use<N> {
        core::mem::take(&mut self.directories)
    }

    /// A directory that is still in the tree; ENOENT once it has been removed.
    fn directory(&self, number: u64) -> Result<&Directory<N>, Errno> {
        self.directories.get(&number).ok_or(Errno::ENOENT)
    }

    fn directory_mut(&mut self, number: u64) -> &mut Directory<N> {
        self.directories.get_mut(&number).expect("it was there a moment ago")
    }

    /// What has this name.
    ///
    /// # Errors
    /// ENOENT.
    pub fn lookup(&self, directory: u64, name: &[u8]) -> Result<N, Errno> {
        self.directory(directory)?.entries.find(name).cloned().ok_or(Errno::ENOENT)
    }

    /// How many entries a directory has; none once it has been removed.
    pub fn count(&self, directory: u64) -> usize {
        self.directory(directory).map_or(0, |directory| directory.entries.len())
    }

    /// The directory around this one.
    ///
    /// # Errors
    /// ENOENT: it has been removed.
    pub fn parent(&self, directory: u64) -> Result<N, Errno> {
        self.numbered(self.directory(directory)?.parent)
    }

    /// The directory with this number.
    ///
    /// # Errors
    /// ENOENT: it has been removed.
    pub fn numbered(&self, directory: u64) -> Result<N, Errno> {
        Ok(self.directory(directory)?.node.clone())
    }

    /// Path of a name in a directory, from the tree's root; `None` once that has been removed. An
    /// empty name stands for the directory itself.
    pub fn path(&self, mut directory: u64, name: &[u8]) -> Option<Vec<u8>> {
        let mut parts = Vec::from([name]);
        loop {
            let at = self.directories.get(&directory)?;
            if at.parent == directory {
                break;
            }
            parts.push(&at.name);
            directory = at.parent;
        }
        let mut path = Vec::new();
        for part in parts.iter().rev().filter(|part| !part.is_empty()) {
            path.push(b'/');
            path.extend_from_slice(part);
        }
        Some(if path.is_empty() { b"/".to_vec() } else { path })
    }

    /// Calls `visit` with the entries behind `cookie` until it yields false.
    ///
    /// # Errors
    /// ENOENT: the directory has been removed.
    pub fn read(
        &self,
        directory: u64,
        cookie: u64,
        mut visit: impl FnMut(Listed<'_, N>) -> bool,
    ) -> Result<(), Errno> {
        let entries = self.directory(directory)?.entries.behind(cookie);
        for (cookie, name, node) in entries {
            if !visit(Listed { cookie, name, node }) {
                break;
            }
        }
        Ok(())
    }

    /// A directory in which `actor` may change names.
    fn writable(&self, directory: u64, actor: &Actor) -> Result<&Directory<N>, Errno> {
        let directory = self.directory(directory)?;
        let wish = Wish::WRITE | Wish::EXECUTE;
        check(&directory.node.attributes(), &actor.who, wish)?;
        Ok(directory)
    }

    /// Makes something: `make` gets the directory's attributes.
    ///
    /// # Errors
    /// EEXIST, EACCES, ENOENT (the directory has been removed), ENOSPC, and those of `make`.
    pub fn create(
        &mut self,
        directory: u64,
        name: &[u8],
        actor: &Actor,
        make: impl FnOnce(&Attributes) -> Result<N, Errno>,
    ) -> Result<N, Errno> {
        let into = self.directory(directory)?;
        if into.entries.find(name).is_some() {
            return Err(Errno::EEXIST);
        }
        let into = self.writable(directory, actor)?;
        let node = make(&into.node.attributes())?;
        let name = self.insert(directory, name, &node, actor)?;
        node.named(directory, &name);
        let links = if node.attributes().kind == Kind::Directory { 2 } else { 1 };
        node.change(|attributes| attributes.links = links);
        if links == 2 {
            let made =
                Directory { node: node.clone(), parent: directory, name, entries: Entries::new() };
            self.directories.insert(node.number(), made);
        }
        Ok(node)
    }

    /// Puts a name in, and tells the directory and the node.
    fn insert(
        &mut self,
        directory: u64,
        name: &[u8],
        node: &N,
        actor: &Actor,
    ) -> Result<Arc<[u8]>, Errno> {
        let is_directory = node.attributes().kind == Kind::Directory;
        let name: Arc<[u8]> = Arc::from(name);
        let into = self.directory_mut(directory);
        into.entries.insert(&name, node.clone())?;
        into.node.change(|attributes| {
            (attributes.modified, attributes.changed) = (actor.now, actor.now);
            attributes.links += u32::from(is_directory);
        });
        Ok(name)
    }

    /// Takes a name out, and tells the directory.
    fn remove(&mut self, directory: u64, name: &[u8], actor: &Actor) -> N {
        let from = self.directory_mut(directory);
        let node = from.entries.remove(name).expect("it was found a moment ago");
        let is_directory = node.attributes().kind == Kind::Directory;
        from.node.change(|attributes| {
            (attributes.modified, attributes.changed) = (actor.now, actor.now);
            attributes.links -= u32::from(is_directory);
        });
        node
    }

    /// A node loses a name; a directory, which has but one, leaves the tree.
    fn unlinked(&mut self, node: &N, actor: &Actor) {
        let is_directory = node.attributes().kind == Kind::Directory;
        node.change(|attributes| {
            attributes.links = if is_directory { 0 } else { attributes.links - 1 };
            attributes.changed = actor.now;
        });
        if is_directory {
            self.directories.remove(&node.number());
        }
    }

    /// Another name for something that is in the tree.
    ///
    /// # Errors
    /// EPERM for directories, ENOENT for what has no name any more, EEXIST, EACCES, EMLINK.
    pub fn link(
        &mut self,
        directory: u64,
        name: &[u8],
        node: &N,
        actor: &Actor,
    ) -> Result<(), Errno> {
        if self.directory(directory)?.entries.find(name).is_some() {
            return Err(Errno::EEXIST);
        }
        self.writable(directory, actor)?;
        let attributes = node.attributes();
        match attributes.links {
            _ if attributes.kind == Kind::Directory => return Err(Errno::EPERM),
            0 => return Err(Errno::ENOENT),
            u32::MAX => return Err(Errno::EMLINK),
            _ => {}
        }
        self.insert(directory, name, node, actor)?;
        node.change(|attributes| {
            attributes.links += 1;
            attributes.changed = actor.now;
        });
        Ok(())
    }

    /// What has this name, if `actor` may take the name away.
    fn removable(&self, directory: u64, name: &[u8], actor: &Actor) -> Result<N, Errno> {
        let node = self.lookup(directory, name)?;
        let from = self.writable(directory, actor)?;
        check_sticky(&from.node.attributes(), &node.attributes(), &actor.who)?;
        Ok(node)
    }

    /// Takes a name away; what had it, to be dropped outside locks.
    ///
    /// # Errors
    /// ENOENT, EISDIR, EACCES, EPERM.
    pub fn unlink(&mut self, directory: u64, name: &[u8], actor: &Actor) -> Result<N, Errno> {
        let node = self.removable(directory, name, actor)?;
        if node.attributes().kind == Kind::Directory {
            return Err(Errno::EISDIR);
        }
        self.remove(directory, name, actor);
        node.unnamed(directory, name);
        self.unlinked(&node, actor);
        Ok(node)
    }

    /// Takes an empty directory away.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR, ENOTEMPTY, EACCES, EPERM.
    pub fn remove_directory(
        &mut self,
        directory: u64,
        name: &[u8],
        actor: &Actor,
    ) -> Result<N, Errno> {
        let node = self.removable(directory, name, actor)?;
        if node.attributes().kind != Kind::Directory {
            return Err(Errno::ENOTDIR);
        }
        if !self.directory(node.number())?.entries.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        self.remove(directory, name, actor);
        node.unnamed(directory, name);
        self.unlinked(&node, actor);
        Ok(node)
    }
}
