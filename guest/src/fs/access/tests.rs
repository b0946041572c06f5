//! Who may do what, row by row.

use super::*;

const NOW: Time = Time { seconds: 9, nanoseconds: 0 };

fn file(kind: Kind, permissions: u16) -> Attributes {
    Attributes::new(kind, permissions, &Identity::new(10, 20), Time::default())
}

#[test]
fn kinds_are_linuxs() {
    for (mode, kind, entry) in [
        (0o100_644, Some(Kind::Regular), 8),
        (0o040_755, Some(Kind::Directory), 4),
        (0o120_777, Some(Kind::Symlink), 10),
        (0o020_666, Some(Kind::CharDevice), 2),
        (0o010_600, Some(Kind::Fifo), 1),
        (0o000_644, None, 0),
        (0o170_000, None, 0),
    ] {
        assert_eq!(Kind::of_mode(mode), kind);
        if let Some(kind) = kind {
            assert_eq!((kind.mode(), kind.entry_type()), (mode & 0o170_000, entry));
        }
    }
}

#[test]
fn permissions_bind_everybody_but_root() {
    let read_execute = Wish::READ | Wish::EXECUTE;
    for (permissions, uid, gid, wish, allowed) in [
        (0o640, 10, 99, Wish::WRITE, true),
        (0o640, 11, 20, Wish::READ, true),
        (0o640, 11, 20, Wish::WRITE, false),
        (0o640, 11, 99, Wish::READ, false),
        // The owner's bits bind the owner, even where others have more.
        (0o077, 10, 20, Wish::READ, false),
        (0o705, 11, 20, Wish::READ, false),
        (0o705, 11, 99, read_execute, true),
        (0o000, 0, 0, Wish::READ | Wish::WRITE, true),
        (0o666, 0, 0, Wish::EXECUTE, false),
        (0o001, 0, 0, Wish::EXECUTE, true),
        (0o000, 99, 99, Wish::NONE, true),
    ] {
        let found = check(&file(Kind::Regular, permissions), &Identity::new(uid, gid), wish);
        assert_eq!(found.is_ok(), allowed, "{permissions:o} {uid}:{gid} {wish:?}");
    }
    assert!(check(&file(Kind::Directory, 0), &Identity::ROOT, Wish::EXECUTE).is_ok());
}

#[test]
fn members_of_the_group_are_those_of_any_group() {
    let groups = Groups::new(vec![30, 7, 20]);
    assert_eq!(groups.as_slice(), [7, 20, 30]);
    for (gid, groups, allowed) in [
        (20, Groups::NONE, true),
        (5, groups, true),
        (5, Groups::new(vec![19, 21]), false),
        (5, Groups::NONE, false),
    ] {
        let who = Identity { uid: 11, gid, groups };
        let found = check(&file(Kind::Regular, 0o640), &who, Wish::READ);
        assert_eq!(found.is_ok(), allowed, "{who:?}");
        // Members get the group's bits even where others have more.
        let found = check(&file(Kind::Regular, 0o607), &who, Wish::READ);
        assert_eq!(found.is_ok(), !allowed, "{who:?}");
    }
}

#[test]
fn a_sticky_directory_keeps_what_is_others() {
    let victim = file(Kind::Regular, 0o666);
    for (permissions, uid, allowed) in
        [(0o777, 11, true), (0o1777, 11, false), (0o1777, 10, true), (0o1777, 0, true)]
    {
        let directory = Attributes { uid: 0, ..file(Kind::Directory, permissions) };
        let found = check_sticky(&directory, &victim, &Identity::new(uid, 20));
        assert_eq!(found.is_ok(), allowed, "{permissions:o} {uid}");
    }
}

#[test]
fn changes_are_the_owners() {
    let stranger = &Identity::new(11, 21);
    let owner = &Identity::new(10, 20);
    let member = &Identity { groups: Groups::new(vec![20, 3]), ..Identity::new(10, 5) };
    let times = |stamp| Change::Times { accessed: stamp, modified: stamp };
    let give = Change::Owner { uid: Some(11), gid: None };
    let group = |gid| Change::Owner { uid: None, gid: Some(gid) };
    for (permissions, change, who, expect) in [
        (0o600, Change::Permissions(0o644), stranger, Err(Errno::EPERM)),
        (0o600, Change::Permissions(0o644), owner, Ok(0o644)),
        (0o600, Change::Permissions(0o2755), &Identity::new(10, 5), Ok(0o755)),
        (0o600, Change::Permissions(0o2755), member, Ok(0o2755)),
        (0o600, group(3), member, Ok(0o600)),
        (0o600, group(4), member, Err(Errno::EPERM)),
        (0o600, give, owner, Err(Errno::EPERM)),
        (0o4755, give, &Identity::ROOT, Ok(0o755)),
        (0o600, group(20), owner, Ok(0o600)),
        (0o600, group(21), owner, Err(Errno::EPERM)),
        (0o600, times(Stamp::Now), stranger, Err(Errno::EACCES)),
        (0o606, times(Stamp::Now), stranger, Ok(0o606)),
        (0o606, times(Stamp::At(NOW)), stranger, Err(Errno::EPERM)),
        (0o600, times(Stamp::Keep), stranger, Ok(0o600)),
    ] {
        let mut changed = file(Kind::Regular, permissions);
        let found = apply(&mut changed, change, who, NOW).map(|()| changed.permissions);
        assert_eq!(found, expect, "{change:?} by {who:?}");
    }
}

#[test]
fn a_writer_takes_the_right_to_run_as_somebody() {
    for (permissions, uid, expect) in
        [(0o6755, 11, 0o755), (0o6745, 11, 0o2745), (0o6755, 0, 0o6755)]
    {
        let mut written = file(Kind::Regular, permissions);
        written.written(NOW, &Identity::new(uid, 0));
        assert_eq!((written.permissions, written.modified), (expect, NOW));
    }
}

#[test]
fn a_set_group_directory_hands_its_group_on() {
    let directory = file(Kind::Directory, 0o2755);
    let who = &Identity::new(1, 1);
    let inner = inherit(&directory, Kind::Directory, 0o755, who, NOW);
    assert_eq!((inner.uid, inner.gid, inner.permissions), (1, 20, 0o2755));
    let inner = inherit(&directory, Kind::Regular, 0o644, who, NOW);
    assert_eq!((inner.gid, inner.permissions), (20, 0o644));
    let member = &Identity { groups: Groups::new(vec![20]), ..Identity::new(1, 1) };
    for (permissions, who, expect) in [
        (0o2755, who, 0o755),
        (0o2745, who, 0o2745),
        (0o2755, member, 0o2755),
        (0o2755, &Identity::ROOT, 0o2755),
    ] {
        let inner = inherit(&directory, Kind::Regular, permissions, who, NOW);
        assert_eq!(inner.permissions, expect, "{permissions:o} by {who:?}");
    }
}
