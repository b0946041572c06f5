//! What the superblock says and is told: how often it was mounted, whether it was unmounted, and
//! which blocks are kept for whom.

use super::super::bytes::{get16, get32, put16, put32};
use super::super::{Access, Error, Ext2, New, Options, ROOT_INODE};
use super::format::{LARGE, SMALL, format};
use super::memory::{MemoryDisk, NOW, mount};
use super::world::root;
use crate::fs::access::Groups;
use crate::fs::tree::{Actor, Manner};
use crate::fs::{Identity, Kind};

/// Where it is.
const AT: usize = 1024;
const MOUNTS_AT: usize = AT + 52;
const STATE_AT: usize = AT + 58;

fn words(image: &[u8]) -> (u16, u16) {
    (get16(image, STATE_AT), get16(image, MOUNTS_AT))
}

/// Linux's ext2 does the same: `ext2_setup_super`, `ext2_sync_super`, `ext2_put_super`.
#[test]
fn the_state_says_whether_it_was_unmounted() {
    // What it was; what it is while it is mounted, and afterwards.
    for (state, mounted, after) in [(1, 0, 1), (0, 0, 0), (3, 2, 3), (2, 2, 2)] {
        let mut image = format(SMALL);
        put16(&mut image, STATE_AT, state);
        let (_, mounts) = words(&image);
        let mut system = mount(image, Access::ReadWrite);
        assert_eq!(system.was_clean(), state == 1);
        assert_eq!(words(&system.disk().image()), (mounted, mounts + 1), "{state}");
        let new = New::Plain(Kind::Directory, 0o755);
        system.create(ROOT_INODE, b"d", new, &root()).expect("made");
        system.sync().expect("synced");
        assert_eq!(words(&system.disk().image()), (mounted, mounts + 1), "{state}");
        system.unmount(NOW).expect("unmounted");
        let image = system.into_disk().into_image();
        assert_eq!(words(&image), (after, mounts + 1), "{state}");
        let system = mount(image.clone(), Access::ReadOnly);
        assert!(system.disk().writes() == 0 && system.into_disk().into_image() == image);
    }
    // What made no sense meanwhile stays noted.
    let mut system = mount(format(SMALL), Access::ReadWrite);
    system.note_errors().expect("noted");
    system.unmount(NOW).expect("unmounted");
    assert_eq!(words(&system.disk().image()).0, 3);
    let mut image = format(SMALL);
    put16(&mut image, MOUNTS_AT, u16::MAX);
    let mounts = words(&mount(image, Access::ReadWrite).disk().image()).1;
    assert_eq!(mounts, u16::MAX);
}

#[test]
fn features_that_are_not_known() {
    const INCOMPATIBLE_AT: usize = AT + 96;
    const READ_ONLY_AT: usize = AT + 100;
    let mounted = |at: usize, flag: u32| {
        let mut image = format(LARGE);
        let flags = get32(&image, at) | flag;
        put32(&mut image, at, flags);
        let options = Options { buffers: 8, access: Access::ReadWrite, now: NOW };
        Ext2::mount(MemoryDisk::new(image), options).map(|system| system.access())
    };
    for bit in 0..32 {
        let flag = 1 << bit;
        // EXT2_FEATURE_INCOMPAT_FILETYPE; EXT2_FEATURE_RO_COMPAT_{SPARSE_SUPER,LARGE_FILE}.
        let want = if flag == 2 { Ok(Access::ReadWrite) } else { Err(Error::Unsupported(flag)) };
        assert_eq!(mounted(INCOMPATIBLE_AT, flag), want, "{flag:#x}");
        let want = if flag <= 2 { Access::ReadWrite } else { Access::ReadOnly };
        assert_eq!(mounted(READ_ONLY_AT, flag), Ok(want), "{flag:#x}");
        assert_eq!(mounted(AT + 92, flag), Ok(Access::ReadWrite), "{flag:#x}");
    }
}

/// Takes blocks until there is none for `who`; how many are left then.
fn take_all(system: &mut Ext2<MemoryDisk>, file: u32, who: &Identity) -> u32 {
    for block in 0.. {
        match system.allocate_run(file, (block, 3), who) {
            Ok(taken) => assert!(taken.count >= 1),
            Err(error) => {
                assert_eq!(error, Error::NoSpace);
                break;
            }
        }
    }
    system.numbers().expect("numbers").blocks_free
}

/// The last free blocks are root's, and of the user and the group that the superblock names.
#[test]
fn reserved_blocks_are_for_some() {
    const RESERVED: u32 = 50;
    let in_group = Identity { groups: Groups::new(vec![8]), ..Identity::new(5, 5) };
    for (uid, gid, who, may) in [
        (0, 0, Identity::ROOT, true),
        (0, 0, Identity::new(5, 5), false),
        // Group 0 is nobody's choice.
        (0, 0, Identity::new(5, 0), false),
        (5, 0, Identity::new(5, 5), true),
        (6, 8, Identity::new(5, 8), true),
        (6, 8, in_group, true),
        (6, 8, Identity::new(5, 5), false),
    ] {
        let mut image = format(SMALL);
        put32(&mut image, AT + 8, RESERVED);
        put16(&mut image, AT + 80, uid);
        put16(&mut image, AT + 82, gid);
        let mut system = mount(image, Access::ReadWrite);
        let by = Actor { who: who.clone(), now: NOW };
        let everybody = New::Plain(Kind::Directory, 0o777);
        let directory = system.create(ROOT_INODE, b"d", everybody, &root()).expect("made");
        let file = New::Plain(Kind::Regular, 0o666);
        let file = system.create(directory, b"f", file, &by).expect("made");
        let left = take_all(&mut system, file, &who);
        // An indirect block may have been asked for with the last one.
        let is_good = if may { left <= 1 } else { left == RESERVED };
        assert!(is_good, "{who:?}: {left} are left");
        // What needs a block for a name does not get one either.
        let mut made = Ok(0);
        for name in 0..200_u32 {
            let name = format!("{name:x>250}").into_bytes();
            made = system.link(directory, &name, file, &by).map(|()| 0);
            if made.is_err() {
                break;
            }
        }
        assert_eq!(made, Err(Error::NoSpace));
        let new = New::Plain(Kind::Directory, 0o755);
        assert_eq!(system.create(directory, b"more", new, &by), Err(Error::NoSpace));
        let (from, to) = ((directory, &b"f"[..]), (directory, &[b'y'; 250][..]));
        let renamed = system.rename(from, to, Manner::NoReplace, &by);
        // There is room for three such names in its block, or none.
        assert!(matches!(renamed, Ok(None) | Err(Error::NoSpace)), "{renamed:?}");
        if !may {
            let new = New::Plain(Kind::Directory, 0o755);
            system.create(directory, b"roots", new, &root()).expect("there are some for root");
            assert!(take_all(&mut system, file, &Identity::ROOT) <= 1);
        }
    }
}
