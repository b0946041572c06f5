//! Whatever is done to a file system, it holds what it must, and e2fsck finds nothing wrong.

use proptest::prelude::*;

use super::super::{Access, New, ROOT_INODE};
use super::format::{LARGE, SMALL, format};
use super::memory::{NOW, mount};
use super::reading::VARIANTS;
use super::tools;
use super::world::{Deed, World, compare_node, root};
use crate::errno::Errno;
use crate::fs::Kind;
use crate::fs::tree::Manner;

pub(super) fn deeds(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Deed>> {
    let manner = prop_oneof![
        4 => Just(Manner::Replace),
        1 => Just(Manner::NoReplace),
        1 => Just(Manner::Exchange)
    ];
    let two = || (any::<u8>(), any::<u8>());
    let deed = prop_oneof![
        6 => two().prop_map(|(at, name)| Deed::Create(at, name)),
        4 => two().prop_map(|(at, name)| Deed::MakeDirectory(at, name)),
        2 => (two(), any::<u8>()).prop_map(|((at, name), len)| Deed::MakeLink(at, name, len)),
        1 => two().prop_map(|(at, name)| Deed::MakeDevice(at, name)),
        3 => (two(), any::<u8>()).prop_map(|((at, name), file)| Deed::Link(at, name, file)),
        6 => (two(), any::<bool>()).prop_map(|((at, name), open)| Deed::Unlink(at, name, open)),
        3 => two().prop_map(|(at, name)| Deed::RemoveDirectory(at, name)),
        6 => (two(), two(), manner).prop_map(|((at, name), (to, other), manner)| {
            Deed::Rename(at, name, to, other, manner)
        }),
        10 => (two(), any::<u8>()).prop_map(|((file, at), byte)| Deed::Write(file, at, byte)),
        4 => (two(), any::<u16>()).prop_map(|((file, at), size)| Deed::Truncate(file, at, size)),
        3 => any::<u8>().prop_map(Deed::Close),
        1 => Just(Deed::Sync),
    ];
    prop::collection::vec(deed, count)
}

/// Does it all, and looks at what has become of it.
fn run(image: Vec<u8>, deeds: &[Deed], has_tools: bool) {
    let mut world = World::new(image);
    for deed in deeds {
        world.apply(*deed);
    }
    world.compare();
    let (image, nodes) = world.unmount();
    if has_tools {
        tools::assert_clean(&image);
    }
    let mut system = mount(image, Access::ReadOnly);
    assert!(system.was_clean());
    for (number, node) in &nodes {
        compare_node(&mut system, *number, node);
    }
}

/// Whenever it is only to be read, it is whole on the disk, and refuses to be changed.
#[test]
fn it_may_be_changed_now_and_then() {
    let has_tools = tools::are_there("it_may_be_changed_now_and_then");
    let mut system = mount(format(LARGE), Access::ReadWrite);
    for turn in 0..4_u8 {
        let new = New::Plain(Kind::Regular, 0o644);
        let file = system.create(ROOT_INODE, &[b'a' + turn], new, &root()).expect("made");
        system.allocate(file, 3).expect("allocated");
        system.resize(file, 4 * 4096, NOW).expect("resized");
        system.set_access(Access::ReadOnly, NOW).expect("written");
        if has_tools {
            tools::assert_clean(&system.disk().image());
        }
        assert!(mount(system.disk().image(), Access::ReadOnly).was_clean());
        let refused = system.create(ROOT_INODE, b"refused", new, &root());
        assert_eq!(refused.map_err(|error| error.errno()), Err(Errno::EROFS));
        let writes = system.disk().writes();
        system.set_access(Access::ReadOnly, NOW).expect("it is so");
        assert_eq!(system.disk().writes(), writes);
        system.set_access(Access::ReadWrite, NOW).expect("it can be");
        assert!(!mount(system.disk().image(), Access::ReadOnly).was_clean());
    }
    assert!(system.lookup(ROOT_INODE, b"d").is_ok());
}

/// A file has as many names as its inode counts, and no more.
#[test]
fn names_are_counted() {
    /// Of ext2.
    const LINKS_MAX: u32 = 32_000;
    const NAMES_PER_DIRECTORY: u32 = 1000;
    let mut system = mount(format(LARGE), Access::ReadWrite);
    let new = New::Plain(Kind::Regular, 0o644);
    let file = system.create(ROOT_INODE, b"file", new, &root()).expect("made");
    let mut links = 1;
    let refused = loop {
        let new = New::Plain(Kind::Directory, 0o755);
        let name = links.to_string();
        let directory = system.create(ROOT_INODE, name.as_bytes(), new, &root()).expect("made");
        let mut names = (0..NAMES_PER_DIRECTORY).map(|name| name.to_string());
        let refused = names.find_map(|name| {
            let linked = system.link(directory, name.as_bytes(), file, &root());
            links += u32::from(linked.is_ok());
            linked.err()
        });
        if let Some(error) = refused {
            break error.errno();
        }
    };
    assert_eq!((refused, links), (Errno::EMLINK, LINKS_MAX));
    let attributes = system.attributes(file).expect("it is there");
    assert_eq!(attributes.links, LINKS_MAX);
    system.unlink(ROOT_INODE, b"file", &root()).expect("there are others");
    system.link(ROOT_INODE, b"again", file, &root()).expect("one is free");
}

#[test]
fn images_made_here_are_good() {
    for plan in [SMALL, LARGE] {
        let image = format(plan);
        let mut system = mount(image.clone(), Access::ReadOnly);
        assert_eq!(system.lookup(ROOT_INODE, b".."), Ok(ROOT_INODE));
        if tools::are_there("images_made_here_are_good") {
            tools::assert_clean(&image);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn small_blocks_hold_what_they_must(deeds in deeds(1..200)) {
        run(format(SMALL), &deeds, tools::are_there("e2fsck of small blocks"));
    }

    #[test]
    fn large_blocks_hold_what_they_must(deeds in deeds(1..200)) {
        run(format(LARGE), &deeds, tools::are_there("e2fsck of large blocks"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_mke2fs_made_holds_what_it_must(deeds in deeds(1..250), variant in 0..VARIANTS.len()) {
        if tools::are_there("what_mke2fs_made_holds_what_it_must") {
            let image = tools::mke2fs(VARIANTS[variant], 2048, None);
            run(image, &deeds, true);
        }
    }
}
