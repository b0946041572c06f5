//! Renaming in a [`Tree`]: replacing, exchanging, moving directories about.

use super::super::access::{Wish, check, check_sticky};
use super::super::{Attributes, Kind};
use super::{Actor, Directory, Node, Tree};
use crate::errno::Errno;

/// What becomes of something that has the new name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It goes.
    Replace,
    /// It stays, and the call fails with EEXIST: RENAME_NOREPLACE.
    NoReplace,
    /// It gets the old name: RENAME_EXCHANGE.
    Exchange,
}

/// A name in a directory.
#[derive(Clone, Copy, Debug)]
pub struct Name<'a> {
    /// Number of the directory.
    pub directory: u64,
    /// The name.
    pub name: &'a [u8],
}

impl<N: Node> Tree<N> {
    /// Gives what has the name `from` the name `to`; what lost its name by that, to be dropped
    /// outside locks.
    ///
    /// # Errors
    /// ENOENT, EEXIST, EACCES, EPERM, EISDIR, ENOTDIR, ENOTEMPTY, EINVAL (into itself), ENOSPC.
    pub fn rename(
        &mut self,
        from: Name<'_>,
        to: Name<'_>,
        manner: Manner,
        actor: &Actor,
    ) -> Result<Option<N>, Errno> {
        let node = self.lookup(from.directory, from.name)?;
        let victim = match self.lookup(to.directory, to.name) {
            Ok(_) if manner == Manner::NoReplace => return Err(Errno::EEXIST),
            Ok(victim) => Some(victim),
            Err(Errno::ENOENT) if manner != Manner::Exchange => None,
            Err(errno) => return Err(errno),
        };
        if self.is_around(&node, to.directory) {
            return Err(Errno::EINVAL);
        }
        if let Some(victim) = &victim
            && self.is_around(victim, from.directory)
        {
            let exchange = manner == Manner::Exchange;
            return Err(if exchange { Errno::EINVAL } else { Errno::ENOTEMPTY });
        }
        if victim.as_ref().is_some_and(|victim| victim.number() == node.number()) {
            return Ok(None);
        }
        self.check_move(from, to.directory, &node, actor)?;
        match victim {
            None => {
                self.writable(to.directory, actor)?;
                self.move_to_free_name(from, to, actor)?;
                Ok(None)
            }
            Some(victim) if manner == Manner::Exchange => {
                self.check_move(to, from.directory, &victim, actor)?;
                self.exchange(from, to, actor);
                Ok(None)
            }
            Some(victim) => {
                self.removable(to.directory, to.name, actor)?;
                self.check_replace(&node.attributes(), &victim)?;
                self.replace(from, to, &victim, actor);
                Ok(Some(victim))
            }
        }
    }

    /// Whether `node` is a directory that `inner` is, or is in.
    fn is_around(&self, node: &N, mut inner: u64) -> bool {
        let number = node.number();
        while inner != number {
            match self.directories.get(&inner) {
                Some(Directory { parent, .. }) if *parent != inner => inner = *parent,
                _ => return false,
            }
        }
        true
    }

    /// Whether `node` may lose the name `from` and go to the directory `to`: a directory that
    /// gets another `..` must be writable itself.
    fn check_move(&self, from: Name<'_>, to: u64, node: &N, actor: &Actor) -> Result<(), Errno> {
        let source = self.writable(from.directory, actor)?;
        let attributes = node.attributes();
        check_sticky(&source.node.attributes(), &attributes, &actor.who)?;
        if attributes.kind == Kind::Directory && from.directory != to {
            check(&attributes, &actor.who, Wish::WRITE)?;
        }
        Ok(())
    }

    fn check_replace(&self, node: &Attributes, victim: &N) -> Result<(), Errno> {
        let is_directory = node.kind == Kind::Directory;
        match (is_directory, victim.attributes().kind == Kind::Directory) {
            (true, false) => Err(Errno::ENOTDIR),
            (false, true) => Err(Errno::EISDIR),
            (true, true) if !self.directory(victim.number())?.entries.is_empty() => {
                Err(Errno::ENOTEMPTY)
            }
            _ => Ok(()),
        }
    }

    fn move_to_free_name(
        &mut self,
        from: Name<'_>,
        to: Name<'_>,
        actor: &Actor,
    ) -> Result<(), Errno> {
        let node = self.lookup(from.directory, from.name)?;
        let name = self.insert(to.directory, to.name, &node, actor)?;
        self.remove(from.directory, from.name, actor);
        self.moved(&node, to.directory, name, actor);
        Ok(())
    }

    fn replace(&mut self, from: Name<'_>, to: Name<'_>, victim: &N, actor: &Actor) {
        let node = self.remove(from.directory, from.name, actor);
        self.put_under(&node, to, actor);
        victim.unnamed(to.directory, to.name);
        self.unlinked(victim, actor);
    }

    fn exchange(&mut self, from: Name<'_>, to: Name<'_>, actor: &Actor) {
        let node = self.lookup(from.directory, from.name).expect("it was found a moment ago");
        let other = self.put_under(&node, to, actor);
        self.put_under(&other, from, actor);
    }

    /// Puts `node` under a name that something has, which is what this yields.
    fn put_under(&mut self, node: &N, to: Name<'_>, actor: &Actor) -> N {
        let is_directory = |node: &N| u32::from(node.attributes().kind == Kind::Directory);
        let target = self.directory_mut(to.directory);
        let old = target.entries.replace(to.name, node.clone()).expect("it was found");
        target.node.change(|attributes| {
            (attributes.modified, attributes.changed) = (actor.now, actor.now);
            attributes.links = attributes.links + is_directory(node) - is_directory(&old);
        });
        let name = to.name.into();
        self.moved(node, to.directory, name, actor);
        old
    }

    fn moved(&mut self, node: &N, to: u64, name: alloc::sync::Arc<[u8]>, actor: &Actor) {
        node.change(|attributes| attributes.changed = actor.now);
        node.named(to, &name);
        if let Some(directory) = self.directories.get_mut(&node.number()) {
            (directory.parent, directory.name) = (to, name);
        }
    }
}
