//! Tests of [`Table`] and of what its objects have in common.

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

#[test]
fn an_identifier_can_be_chosen_once() {
    let mut table = Table::new();
    let put = |table: &mut Table<char>| table.insert(permissions(PRIVATE, 0), 'a', 9);
    assert_eq!((table.wanted(), put(&mut table)), (-1, Ok(0)));
    for (wanted, expect) in [
        (40, Ok(40)),
        // The place is taken: the next one, with the same number of turns.
        (40, Ok(41)),
        (7 << 15 | 40, Ok(7 << 15 | 42)),
        (i32::MAX, Ok(i32::MAX)),
        (i32::MAX, Err((Errno::ENOSPC, 'a'))),
    ] {
        table.want(wanted);
        assert_eq!(table.wanted(), wanted);
        assert_eq!((put(&mut table), table.wanted()), (expect, -1), "{wanted}");
    }
    // Nothing else goes on from there.
    assert_eq!(put(&mut table), Ok(1));
    assert_eq!(table.highest(), OBJECTS_MAX - 1);
    assert!(table.remove(i32::MAX).is_ok());
    assert_eq!((table.highest(), table.count()), (42, 5));
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
