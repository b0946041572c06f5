//! The way along a path: `.`, `..`, symbolic links, slashes at the end. What the names lead to
//! comes in as a [`Namespace`]: the kernel's has mounts, the tests' is a table.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::Kind;
use crate::errno::Errno;

/// Longest name in a directory.
pub const NAME_MAX_BYTES: usize = 255;
/// Longest path, with the zero at its end.
pub const PATH_MAX_BYTES: usize = 4096;
/// Most symbolic links on one way.
pub const LINKS_MAX: usize = 40;

/// What names lead to.
pub trait Namespace {
    /// Something with a name.
    type Place: Clone;

    /// Where paths that begin with a slash begin.
    fn root(&self) -> Self::Place;
    /// What it is.
    fn kind(&self, place: &Self::Place) -> Kind;
    /// Whether names may be looked up in this directory.
    ///
    /// # Errors
    /// EACCES.
    fn may_search(&self, directory: &Self::Place) -> Result<(), Errno>;
    /// What has this name, on top of whatever is mounted there.
    ///
    /// # Errors
    /// ENOENT.
    fn lookup(&self, directory: &Self::Place, name: &[u8]) -> Result<Self::Place, Errno>;
    /// The directory around this one; the root's is the root.
    fn parent(&self, directory: &Self::Place) -> Self::Place;
    /// Where a symbolic link leads.
    ///
    /// # Errors
    /// The link's own.
    fn follow(&self, link: &Self::Place) -> Result<Target<Self::Place>, Errno>;
}

/// Where a symbolic link leads.
#[derive(Clone, Debug)]
pub enum Target<P> {
    /// Along this path, from the link's directory on.
    Path(Vec<u8>),
    /// Straight there, as from /proc/PID/fd.
    Place(P),
}

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// To the directory of the last name, which may be missing.
    Parent,
    /// To what the last name says, if only a link.
    Entry,
    /// To what the last name says, along links.
    Target,
}

/// Where a path leads.
#[derive(Clone, Debug)]
pub struct Walked<'p, P> {
    /// The directory of the last name.
    pub parent: P,
    /// The last name; what may be made there. Empty, where the path ends in no name but in a
    /// slash, `.` or `..`.
    pub name: Cow<'p, [u8]>,
    /// What it leads to; `None` where nothing is there, or nobody looked.
    pub place: Option<P>,
    /// Slashes follow the name: it must be a directory.
    pub slashes: bool,
}

impl<P> Walked<'_, P> {
    /// What it leads to.
    ///
    /// # Errors
    /// ENOENT.
    pub fn found(self) -> Result<P, Errno> {
        self.place.ok_or(Errno::ENOENT)
    }
}

/// Follows `path` from `start`.
///
/// # Errors
/// ENOENT (also for an empty path), ENOTDIR, EACCES, ENAMETOOLONG, ELOOP.
pub fn walk<'p, N: Namespace>(
    names: &N,
    start: N::Place,
    path: &'p [u8],
    goal: Goal,
) -> Result<Walked<'p, N::Place>, Errno> {
    if path.is_empty() {
        return Err(Errno::ENOENT);
    }
    if path.len() >= PATH_MAX_BYTES {
        return Err(Errno::ENAMETOOLONG);
    }
    let at = if path[0] == b'/' { names.root() } else { start };
    Walker { names, at, text: Cow::Borrowed(path), next: 0, links: 0 }.run(goal)
}

/// A way that is being gone.
struct Walker<'n, 'p, N: Namespace> {
    names: &'n N,
    at: N::Place,
    text: Cow<'p, [u8]>,
    next: usize,
    links: usize,
}

/// Part of a path: where it lies in the text, and what comes behind.
struct Component {
    start: usize,
    end: usize,
    last: bool,
    slashes: bool,
}

impl<'p, N: Namespace> Walker<'_, 'p, N> {
    fn run(mut self, goal: Goal) -> Result<Walked<'p, N::Place>, Errno> {
        loop {
            let part = self.component();
            if part.start == part.end {
                return Ok(self.arrived());
            }
            if self.names.kind(&self.at) != Kind::Directory {
                return Err(Errno::ENOTDIR);
            }
            self.names.may_search(&self.at)?;
            let name = &self.text[part.start..part.end];
            match name {
                b"." => continue,
                b".." => {
                    self.at = self.names.parent(&self.at);
                    continue;
                }
                _ if name.len() > NAME_MAX_BYTES => return Err(Errno::ENAMETOOLONG),
                _ => {}
            }
            if part.last && goal == Goal::Parent {
                return Ok(self.ended(&part, None));
            }
            let mut place = match self.names.lookup(&self.at, name) {
                Ok(place) => place,
                Err(Errno::ENOENT) if part.last => return Ok(self.ended(&part, None)),
                Err(errno) => return Err(errno),
            };
            let through = !part.last || part.slashes || goal == Goal::Target;
            if through && self.names.kind(&place) == Kind::Symlink {
                match self.follow(&place)? {
                    Target::Place(target) => place = target,
                    Target::Path(target) => {
                        self.insert(target, &part)?;
                        continue;
                    }
                }
            }
            if !part.last {
                self.at = place;
                continue;
            }
            if part.slashes && self.names.kind(&place) != Kind::Directory {
                return Err(Errno::ENOTDIR);
            }
            return Ok(self.ended(&part, Some(place)));
        }
    }

    /// The next part, empty at the end of the text.
    fn component(&mut self) -> Component {
        let text = &self.text[..];
        let start = next_where(text, self.next, |byte| byte != b'/');
        let end = next_where(text, start, |byte| byte == b'/');
        let behind = next_where(text, end, |byte| byte != b'/');
        self.next = end;
        Component { start, end, last: behind == text.len(), slashes: behind > end }
    }

    fn follow(&mut self, link: &N::Place) -> Result<Target<N::Place>, Errno> {
        self.links += 1;
        if self.links > LINKS_MAX { Err(Errno::ELOOP) } else { self.names.follow(link) }
    }

    /// Goes on along a link's text, and then along what was behind the link.
    fn insert(&mut self, mut target: Vec<u8>, link: &Component) -> Result<(), Errno> {
        if target.is_empty() {
            return Err(Errno::ENOENT);
        }
        if target[0] == b'/' {
            self.at = self.names.root();
        }
        target.extend_from_slice(&self.text[link.end..]);
        (self.text, self.next) = (Cow::Owned(target), 0);
        Ok(())
    }

    /// The path has ended in a directory without naming it.
    fn arrived(self) -> Walked<'p, N::Place> {
        let place = Some(self.at.clone());
        Walked { parent: self.at, name: Cow::Borrowed(&[]), place, slashes: false }
    }

    fn ended(self, part: &Component, place: Option<N::Place>) -> Walked<'p, N::Place> {
        let name = match self.text {
            Cow::Borrowed(text) => Cow::Borrowed(&text[part.start..part.end]),
            Cow::Owned(text) => Cow::Owned(text[part.start..part.end].to_vec()),
        };
        Walked { parent: self.at, name, place, slashes: part.slashes }
    }
}

/// The first index from `from` on whose byte is wanted, or the end.
fn next_where(text: &[u8], from: usize, wanted: impl Fn(u8) -> bool) -> usize {
    text[from..].iter().position(|byte| wanted(*byte)).map_or(text.len(), |found| from + found)
}

#[cfg(test)]
mod tests;
