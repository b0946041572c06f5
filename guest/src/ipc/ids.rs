//! [`Table`]: what System V's three kinds of objects have in common: keys, identifiers that are not
//! used again soon, who may do what.
//!
//! Source: POSIX, "XSI Interprocess Communication"; `sysvipc(7)`; numbers are Linux's.

use alloc::collections::TryReserveError;
use alloc::vec::Vec;

use crate::errno::Errno;
use crate::fs::Identity;

/// The key of what only an identifier leads to.
pub const PRIVATE: i32 = 0;
/// Flag of the `get` calls: make what is not there.
pub const CREATE: u32 = 0o1000;
/// Flag of the `get` calls, with [`CREATE`]: and it must not be there.
pub const EXCLUSIVE: u32 = 0o2000;
/// Flag of operations: nobody waits.
pub const NO_WAIT: u32 = 0o4000;
/// Command: away with it.
pub const REMOVE: u32 = 0;
/// Command: change owner and permissions.
pub const SET: u32 = 1;
/// Command: tell everything.
pub const STATUS: u32 = 2;
/// Command: tell limits.
pub const INFO: u32 = 3;

/// Permission to look.
pub const READ: u32 = 0o444;
/// Permission to change.
pub const WRITE: u32 = 0o222;
/// Permission to run code in it.
pub const EXECUTE: u32 = 0o111;

/// Most objects of a kind: the places that an identifier can name.
pub const OBJECTS_MAX: usize = 1 << INDEX_BITS;
const INDEX_BITS: u32 = 15;
/// Bits of a mode that are permissions.
const PERMISSION_BITS: u32 = 0o777;

/// Whose an object is, and who may do what with it: `struct ipc_perm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// What it is found by.
    pub key: i32,
    /// Owner.
    pub uid: u32,
    /// The owner's group.
    pub gid: u32,
    /// Who made it.
    pub creator_uid: u32,
    /// Their group.
    pub creator_gid: u32,
    /// Permission bits, and flags above them that belong to a kind.
    pub mode: u32,
    /// How often places have been used again, when this was made.
    pub sequence: u16,
}

impl Permissions {
    /// Of something that `who` makes.
    pub const fn new(key: i32, mode: u32, who: &Identity) -> Self {
        let (uid, gid) = (who.uid, who.gid);
        let mode = mode & PERMISSION_BITS;
        Self { key, uid, gid, creator_uid: uid, creator_gid: gid, mode, sequence: 0 }
    }

    /// Whether `who` may do what these bits stand for, in any of their three places.
    ///
    /// # Errors
    /// EACCES.
    pub fn check(&self, who: &Identity, wanted: u32) -> Result<(), Errno> {
        let wanted = (wanted >> 6 | wanted >> 3 | wanted) & 0o7;
        let shift = match () {
            () if who.uid == self.uid || who.uid == self.creator_uid => 6,
            () if who.is_in(self.gid) || who.is_in(self.creator_gid) => 3,
            () => 0,
        };
        let granted = self.mode >> shift;
        if wanted & !granted == 0 || who.is_root() { Ok(()) } else { Err(Errno::EACCES) }
    }

    /// Whether `who` may change or remove it.
    ///
    /// # Errors
    /// EPERM.
    pub fn check_owner(&self, who: &Identity) -> Result<(), Errno> {
        let is_theirs = who.uid == self.uid || who.uid == self.creator_uid;
        if is_theirs || who.is_root() { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// Another owner, and other permissions.
    pub fn change(&mut self, new: NewOwner) {
        (self.uid, self.gid) = (new.uid, new.gid);
        self.mode = self.mode & !PERMISSION_BITS | new.mode & PERMISSION_BITS;
    }
}

/// What `IPC_SET` changes of any kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewOwner {
    /// Owner.
    pub uid: u32,
    /// The owner's group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
}

/// An object in its place.
#[derive(Debug)]
pub struct Entry<T> {
    /// Whose it is.
    pub permissions: Permissions,
    /// What it is.
    pub object: T,
    index: usize,
}

impl<T> Entry<T> {
    /// Its identifier.
    pub fn id(&self) -> i32 {
        i32::from(self.permissions.sequence) << INDEX_BITS | self.index as i32
    }
}

/// The objects of a kind, by identifier and by key.
#[derive(Debug)]
pub struct Table<T> {
    /// In pieces of [`PIECE`]: no memory for many is wanted at once.
    places: Vec<Vec<Option<Entry<T>>>>,
    /// Keys that lead to a place, ascending.
    keys: Vec<(i32, u16)>,
    count: usize,
    /// The place that was given away last.
    last: Option<usize>,
    sequence: u16,
    /// The identifier that the next object is to have, if somebody has said so.
    wanted: Option<i32>,
}

/// Places that memory is taken for at once.
const PIECE: usize = 64;

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// The place of an identifier that is not negative.
const fn place_of(id: i32) -> usize {
    id as usize % OBJECTS_MAX
}

/// What a `get` call has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// This is meant.
    Existing(i32),
    /// It is to be made.
    Missing,
}

impl<T> Table<T> {
    /// Empty.
    pub const fn new() -> Self {
        Self {
            places: Vec::new(),
            keys: Vec::new(),
            count: 0,
            last: None,
            sequence: 0,
            wanted: None,
        }
    }

    /// How many objects there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The highest place in use, as `IPC_INFO` tells it; 0 for none.
    pub fn highest(&self) -> usize {
        self.places.iter().flatten().flatten().next_back().map_or(0, |entry| entry.index)
    }

    /// All objects, by place.
    pub fn iter(&self) -> impl Iterator<Item = &Entry<T>> {
        self.places.iter().flatten().flatten()
    }

    /// All objects, by place.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry<T>> {
        self.places.iter_mut().flatten().flatten()
    }

    /// The beginning of a `get` call with these flags: what the key means. `fits` is the kind's own
    /// condition on what is there.
    ///
    /// # Errors
    /// ENOENT, EEXIST, EACCES; those of `fits`.
    pub fn find(
        &self,
        key: i32,
        flags: u32,
        who: &Identity,
        fits: impl FnOnce(&T) -> Result<(), Errno>,
    ) -> Result<Found, Errno> {
        let place = self.keys.binary_search_by_key(&key, |(key, _)| *key);
        let entry = place.ok().and_then(|at| self.place(usize::from(self.keys[at].1)));
        match entry {
            _ if key == PRIVATE => Ok(Found::Missing),
            None if flags & CREATE == 0 => Err(Errno::ENOENT),
            None => Ok(Found::Missing),
            Some(_) if flags & CREATE != 0 && flags & EXCLUSIVE != 0 => Err(Errno::EEXIST),
            Some(entry) => {
                fits(&entry.object)?;
                entry.permissions.check(who, flags)?;
                Ok(Found::Existing(entry.id()))
            }
        }
    }

    /// Puts something in under a key that leads to nothing; its identifier.
    ///
    /// # Errors
    /// ENOSPC where there are `limit` of them, ENOMEM; and what was to be put in.
    pub fn insert(
        &mut self,
        permissions: Permissions,
        object: T,
        limit: usize,
    ) -> Result<i32, (Errno, T)> {
        if self.count >= limit.min(OBJECTS_MAX) {
            return Err((Errno::ENOSPC, object));
        }
        let wanted = self.wanted.take();
        let index = match wanted {
            None => self.next_place(),
            Some(id) => {
                match (place_of(id)..OBJECTS_MAX).find(|index| self.place(*index).is_none()) {
                    Some(index) => index,
                    None => return Err((Errno::ENOSPC, object)),
                }
            }
        };
        if self.make_room(index).is_err() {
            return Err((Errno::ENOMEM, object));
        }
        let sequence = match wanted {
            Some(id) => (id >> INDEX_BITS) as u16,
            None => {
                // An identifier is not used again before its place has been so often as there are
                // numbers.
                if self.last.is_some_and(|last| index <= last) {
                    self.sequence = self.sequence.wrapping_add(1);
                }
                self.last = Some(index);
                self.sequence
            }
        };
        let permissions = Permissions { sequence, ..permissions };
        if permissions.key != PRIVATE {
            let at = self.keys.partition_point(|(key, _)| *key < permissions.key);
            self.keys.insert(at, (permissions.key, index as u16));
        }
        self.count += 1;
        let place = &mut self.places[index / PIECE][index % PIECE];
        Ok(place.insert(Entry { permissions, object, index }).id())
    }

    /// The identifier that the next object shall have, or the next free place behind its own; -1:
    /// nobody has said any.
    pub fn wanted(&self) -> i32 {
        self.wanted.unwrap_or(-1)
    }

    /// Chooses that. Restarting a process that was written down takes it.
    pub fn want(&mut self, id: i32) {
        self.wanted = Some(id).filter(|id| *id >= 0);
    }

    /// What is in a place.
    fn place(&self, index: usize) -> Option<&Entry<T>> {
        self.places.get(index / PIECE).and_then(|piece| piece[index % PIECE].as_ref())
    }

    /// Makes places up to this one, and room for a key.
    fn make_room(&mut self, index: usize) -> Result<(), TryReserveError> {
        self.keys.try_reserve(1)?;
        while self.places.len() <= index / PIECE {
            let mut piece = Vec::new();
            piece.try_reserve_exact(PIECE)?;
            piece.resize_with(PIECE, || None);
            self.places.try_reserve(1)?;
            self.places.push(piece);
        }
        Ok(())
    }

    /// The next free place, in turn, of half as many more than are taken: it is never far.
    fn next_place(&self) -> usize {
        const LEAST: usize = 64;
        let places = (self.count * 3 / 2).clamp(LEAST, OBJECTS_MAX);
        let from = self.last.map_or(0, |last| last + 1);
        let is_free = |index: &usize| self.place(*index).is_none();
        let mut turn = (from..places).chain(0..places);
        turn.find(is_free).expect("fewer are taken than there are")
    }

    /// The object with this identifier.
    ///
    /// # Errors
    /// EINVAL where nothing is in its place, EIDRM where something else is.
    pub fn get(&mut self, id: i32) -> Result<&mut Entry<T>, Errno> {
        let entry = self.at_place_of(id)?;
        if entry.id() == id { Ok(entry) } else { Err(Errno::EIDRM) }
    }

    /// What is in the place that an identifier names, or the number of a place: for the `STAT`
    /// commands.
    ///
    /// # Errors
    /// EINVAL.
    pub fn at_place_of(&mut self, id: i32) -> Result<&mut Entry<T>, Errno> {
        if id < 0 {
            return Err(Errno::EINVAL);
        }
        let index = place_of(id);
        let place = self.places.get_mut(index / PIECE).map(|piece| &mut piece[index % PIECE]);
        place.and_then(Option::as_mut).ok_or(Errno::EINVAL)
    }

    /// Takes one out.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn remove(&mut self, id: i32) -> Result<Entry<T>, Errno> {
        self.get(id)?;
        self.forget_key(id)?;
        let index = place_of(id);
        let place = &mut self.places[index / PIECE][index % PIECE];
        let entry = place.take().ok_or(Errno::EINVAL)?;
        self.count -= 1;
        Ok(entry)
    }

    /// Only its identifier leads to it from now on.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn forget_key(&mut self, id: i32) -> Result<(), Errno> {
        let entry = self.get(id)?;
        let key = core::mem::replace(&mut entry.permissions.key, PRIVATE);
        if key != PRIVATE {
            let at = self.keys.partition_point(|(other, _)| *other < key);
            self.keys.remove(at);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
