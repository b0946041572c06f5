//! [`Table`]: what System V's three kinds of objects have in common: keys, identifiers that are not
//! used again soon, who may do what.
//!
//! Source: POSIX, "XSI Interprocess Communication"; `sysvipc(7)`; numbers are Linux's.

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
    places: Vec<Option<Entry<T>>>,
    /// Keys that lead to a place, ascending.
    keys: Vec<(i32, u16)>,
    count: usize,
    /// The place that was given away last.
    last: Option<usize>,
    sequence: u16,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self::new()
    }
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
        Self { places: Vec::new(), keys: Vec::new(), count: 0, last: None, sequence: 0 }
    }

    /// How many objects there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The highest place in use, as `IPC_INFO` tells it; 0 for none.
    pub fn highest(&self) -> usize {
        self.places.iter().rposition(Option::is_some).unwrap_or(0)
    }

    /// All objects, by place.
    pub fn iter(&self) -> impl Iterator<Item = &Entry<T>> {
        self.places.iter().flatten()
    }

    /// All objects, by place.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry<T>> {
        self.places.iter_mut().flatten()
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
        let entry = place.ok().and_then(|at| self.places[usize::from(self.keys[at].1)].as_ref());
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
        let index = self.next_place();
        let more = (index + 1).saturating_sub(self.places.len());
        let room = self.places.try_reserve(more).and_then(|()| self.keys.try_reserve(1));
        if room.is_err() {
            return Err((Errno::ENOMEM, object));
        }
        self.places.resize_with(self.places.len() + more, || None);
        // An identifier is not used again before its place has been so often as there are numbers.
        if self.last.is_some_and(|last| index <= last) {
            self.sequence = self.sequence.wrapping_add(1);
        }
        let permissions = Permissions { sequence: self.sequence, ..permissions };
        if permissions.key != PRIVATE {
            let at = self.keys.partition_point(|(key, _)| *key < permissions.key);
            self.keys.insert(at, (permissions.key, index as u16));
        }
        self.last = Some(index);
        self.count += 1;
        Ok(self.places[index].insert(Entry { permissions, object, index }).id())
    }

    /// The next free place, in turn, of half as many more than are taken: it is never far.
    fn next_place(&self) -> usize {
        const LEAST: usize = 64;
        let places = (self.count * 3 / 2).clamp(LEAST, OBJECTS_MAX);
        let from = self.last.map_or(0, |last| last + 1);
        let is_free = |index: &usize| self.places.get(*index).is_none_or(Option::is_none);
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
        let index = usize::try_from(id).map_err(|_| Errno::EINVAL)? % OBJECTS_MAX;
        self.places.get_mut(index).and_then(Option::as_mut).ok_or(Errno::EINVAL)
    }

    /// Takes one out.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn remove(&mut self, id: i32) -> Result<Entry<T>, Errno> {
        self.get(id)?;
        self.forget_key(id)?;
        let index = id as usize % OBJECTS_MAX;
        let entry = self.places[index].take().ok_or(Errno::EINVAL)?;
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
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::fs::access::Groups;

    fn permissions(key: i32, mode: u32) -> Permissions {
        Permissions::new(key, mode, &Identity::new(7, 70))
    }

    #[test]
    fn rights_are_those_of_owner_group_and_others() {
        let mut object = permissions(1, 0o640);
        (object.uid, object.gid) = (8, 80);
        let in_group = Identity { groups: Groups::new(vec![70, 5]), ..Identity::new(3, 3) };
        for (who, wanted, expect) in [
            (Identity::new(7, 1), READ | WRITE, Ok(())),
            (Identity::new(8, 1), READ | WRITE, Ok(())),
            (Identity::new(8, 1), EXECUTE, Err(Errno::EACCES)),
            (Identity::new(3, 80), READ, Ok(())),
            (Identity::new(3, 80), WRITE, Err(Errno::EACCES)),
            (in_group, READ, Ok(())),
            (Identity::new(3, 3), READ, Err(Errno::EACCES)),
            (Identity::new(3, 3), 0, Ok(())),
            (Identity::new(3, 3), 0o600, Err(Errno::EACCES)),
            (Identity::ROOT, READ | WRITE | EXECUTE, Ok(())),
        ] {
            assert_eq!(object.check(&who, wanted), expect, "{who:?} {wanted:o}");
        }
        for (uid, expect) in [(7, Ok(())), (8, Ok(())), (0, Ok(())), (9, Err(Errno::EPERM))] {
            assert_eq!(object.check_owner(&Identity::new(uid, 80)), expect, "{uid}");
        }
        object.change(NewOwner { uid: 9, gid: 90, mode: 0o7604 });
        assert_eq!((object.uid, object.gid, object.mode), (9, 90, 0o604));
    }

    #[test]
    fn keys_lead_to_what_is_there() {
        let mut table = Table::new();
        let (owner, other) = (Identity::new(7, 70), Identity::new(3, 3));
        let id = table.insert(permissions(5, 0o600), 'a', 9).unwrap();
        let fits = |_: &char| Ok(());
        for (key, flags, who, expect) in [
            (5, 0, &owner, Ok(Found::Existing(id))),
            (5, CREATE | 0o600, &owner, Ok(Found::Existing(id))),
            (5, CREATE | EXCLUSIVE, &owner, Err(Errno::EEXIST)),
            (5, EXCLUSIVE, &owner, Ok(Found::Existing(id))),
            (5, 0o700, &owner, Err(Errno::EACCES)),
            (5, 0o400, &other, Err(Errno::EACCES)),
            (5, 0, &other, Ok(Found::Existing(id))),
            (6, 0, &owner, Err(Errno::ENOENT)),
            (6, CREATE, &owner, Ok(Found::Missing)),
            (PRIVATE, 0, &owner, Ok(Found::Missing)),
        ] {
            assert_eq!(table.find(key, flags, who, fits), expect, "{key} {flags:o}");
        }
        assert_eq!(table.find(5, 0, &owner, |_| Err(Errno::EINVAL)), Err(Errno::EINVAL));
        table.forget_key(id).unwrap();
        assert_eq!(table.find(5, 0, &owner, fits), Err(Errno::ENOENT));
        assert_eq!(table.get(id).map(|entry| entry.object), Ok('a'));
    }

    #[test]
    fn identifiers_are_not_used_again_at_once() {
        let mut table = Table::new();
        let first = table.insert(permissions(PRIVATE, 0), 'a', 2).unwrap();
        let second = table.insert(permissions(PRIVATE, 0), 'b', 2).unwrap();
        assert_eq!((first, second, table.count(), table.highest()), (0, 1, 2, 1));
        assert_eq!(table.insert(permissions(PRIVATE, 0), 'c', 2), Err((Errno::ENOSPC, 'c')));
        assert_eq!(table.remove(first).map(|entry| entry.object), Ok('a'));
        assert_eq!(table.get(first).err(), Some(Errno::EINVAL));
        for expect in (2..64).chain([1 << 15]) {
            let id = table.insert(permissions(PRIVATE, 0), 'd', 2).unwrap();
            assert_eq!(id, expect);
            if id < 1 << 15 {
                table.remove(id).unwrap();
            }
        }
        assert_eq!(table.get(first).err(), Some(Errno::EIDRM));
        assert_eq!(table.at_place_of(0).map(|entry| entry.object), Ok('d'));
        for id in [-1, 2, i32::MAX] {
            assert_eq!(table.get(id).err(), Some(Errno::EINVAL), "{id}");
        }
    }

    proptest! {
        /// A table does what a map from identifiers and a map from keys do.
        #[test]
        fn the_table_does_as_two_maps(
            steps in prop::collection::vec((0..3u8, 0..12i32), 1..200),
        ) {
            let mut table = Table::new();
            let mut model = BTreeMap::<i32, (i32, usize)>::new();
            let mut ever = Vec::new();
            for (number, (kind, key)) in steps.into_iter().enumerate() {
                let known = model.iter().find(|(_, (own, _))| *own == key && key != PRIVATE);
                let known = known.map(|(id, _)| *id);
                match kind {
                    0 if known.is_none() => {
                        let id = table.insert(permissions(key, 0o600), number, 8);
                        prop_assert_eq!(id.is_ok(), model.len() < 8);
                        if let Ok(id) = id {
                            prop_assert!(!ever.contains(&id));
                            ever.push(id);
                            model.insert(id, (key, number));
                        }
                    }
                    1 => {
                        let id = ever.get(key as usize).copied().unwrap_or(-1);
                        let removed = table.remove(id).ok().map(|entry| entry.object);
                        prop_assert_eq!(removed, model.remove(&id).map(|(_, number)| number));
                    }
                    _ => {
                        let found = table.find(key, 0, &Identity::ROOT, |_| Ok(())).ok();
                        let expect = match (key, known) {
                            (PRIVATE, _) => Some(Found::Missing),
                            (_, known) => known.map(Found::Existing),
                        };
                        prop_assert_eq!(found, expect);
                    }
                }
                prop_assert_eq!(table.count(), model.len());
                for id in &ever {
                    let found = table.get(*id).ok().map(|entry| entry.object);
                    prop_assert_eq!(found, model.get(id).map(|(_, number)| *number));
                }
            }
        }
    }
}
