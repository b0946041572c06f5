//! The power is cut after every single write: e2fsck repairs what is left without being asked, and
//! what was synced and not touched since is all there. The same holds where a kernel mounts it
//! first.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRng, TestRunner};

use super::super::{Access, Ext2, New, ROOT_INODE};
use super::format::{LARGE, SMALL, format};
use super::memory::{MemoryDisk, NOW, mount};
use super::tools;
use super::world::{Deed, Node, World, compare_node, root};
use super::writing::deeds;
use crate::fs::tree::Manner;
use crate::fs::{Identity, Kind};

/// What there was at a sync, and what was changed until the next one.
struct Epoch {
    /// How many writes there had been.
    writes: usize,
    nodes: BTreeMap<u32, Node>,
    touched_names: BTreeSet<(u32, Vec<u8>)>,
    touched: BTreeSet<u32>,
}

/// An image, what was written then, where and in order, and when what was synced.
struct Record {
    before: Vec<u8>,
    written: Vec<(u64, Vec<u8>)>,
    epochs: Vec<Epoch>,
}

/// What e2fsck may be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repair {
    /// What is safe.
    Preen,
    /// Whatever it takes.
    Everything,
}

/// Whether a deed moves a directory: then a power cut may leave it with two names.
fn moves_directory(world: &World, deed: Deed) -> bool {
    let Deed::Rename(..) = deed else { return false };
    let (from, to) = world.renamed(deed);
    let is_directory = |(directory, name): &(u32, Vec<u8>)| {
        let found = world.nodes[directory].names.get(name);
        found.is_some_and(|number| world.nodes[number].kind == Kind::Directory)
    };
    is_directory(&from) || is_directory(&to)
}

/// Does it all, with a sync now and then.
fn record(image: Vec<u8>, deeds: &[Deed], repair: Repair) -> Record {
    const DEEDS_PER_SYNC: usize = 12;
    let mut world = World::new(image);
    world.system.sync().expect("synced");
    let before = world.system.disk().image();
    let from = world.system.disk().writes();
    let mut epochs = Vec::new();
    for chunk in deeds.chunks(DEEDS_PER_SYNC) {
        world.system.sync().expect("synced");
        world.touched.clear();
        world.touched_names.clear();
        let writes = world.system.disk().writes() - from;
        let nodes = world.nodes.clone();
        for deed in chunk {
            if repair == Repair::Everything || !moves_directory(&world, *deed) {
                world.apply(*deed);
            }
        }
        let (touched_names, touched) = (world.touched_names.clone(), world.touched.clone());
        epochs.push(Epoch { writes, nodes, touched_names, touched });
    }
    world.system.sync().expect("synced");
    let written = world.system.disk().written().split_off(from);
    Record { before, written, epochs }
}

/// What was synced and not touched since is there.
fn check_synced(system: &mut Ext2<MemoryDisk>, epoch: &Epoch, directory: u32) {
    for (name, number) in &epoch.nodes[&directory].names {
        if epoch.touched_names.contains(&(directory, name.clone())) {
            continue;
        }
        let context = || format!("{} in {directory}", String::from_utf8_lossy(name));
        assert_eq!(system.lookup(directory, name), Ok(*number), "{}", context());
        let node = &epoch.nodes[number];
        match node.kind {
            Kind::Directory => check_synced(system, epoch, *number),
            _ if epoch.touched.contains(number) => {}
            _ => {
                // Its number of links may be on the way.
                let links = system.attributes(*number).expect("it is there").links;
                compare_node(system, *number, &node.with_links(links));
            }
        }
    }
}

/// Looks at an image that a power cut has left.
fn judge(image: &[u8], epoch: &Epoch, repair: Repair, context: &str) {
    let preened = tools::e2fsck(&["-p"], image);
    let judged = match repair {
        Repair::Everything if preened.code > 1 => tools::e2fsck(&["-fy"], &preened.image),
        _ => preened,
    };
    assert!(judged.code <= 1, "{context}: {}", judged.said);
    assert!(!judged.said.contains("ultiply-claimed"), "{context}: {}", judged.said);
    tools::assert_clean(&judged.image);
    if repair == Repair::Preen {
        let mut system = mount(judged.image, Access::ReadWrite);
        check_synced(&mut system, epoch, ROOT_INODE);
    }
}

/// Takes inodes and blocks that are free now.
fn make_something(system: &mut Ext2<MemoryDisk>) {
    for index in 0..4 {
        let (name, new) = (format!("new {index}"), New::Plain(Kind::Regular, 0o644));
        let Ok(file) = system.create(ROOT_INODE, name.as_bytes(), new, &root()) else { return };
        let _ = system.allocate_run(file, (0, 12), &Identity::ROOT);
        system.resize(file, 12 << 12, NOW).expect("resized");
    }
}

/// Cuts the power after every single write.
fn cut_everywhere(image: Vec<u8>, deeds: &[Deed], repair: Repair) {
    let Record { before: mut image, written, epochs } = record(image, deeds, repair);
    for (count, (position, bytes)) in written.iter().enumerate() {
        image[*position as usize..][..bytes.len()].copy_from_slice(bytes);
        let writes = count + 1;
        let epoch = epochs.iter().rev().find(|epoch| epoch.writes <= writes).expect("the first");
        judge(&image, epoch, repair, &format!("after write {writes}"));
        // The same with a mount, which frees files without a name, and no e2fsck before.
        let mut system = mount(image.clone(), Access::ReadWrite);
        assert!(!system.was_clean());
        if repair == Repair::Preen {
            check_synced(&mut system, epoch, ROOT_INODE);
        }
        make_something(&mut system);
        system.unmount(NOW).expect("unmounted");
        let image = system.into_disk().into_image();
        judge(&image, epoch, repair, &format!("after write {writes} and a mount"));
    }
}

/// The same deeds each time.
fn some_deeds(count: usize) -> Vec<Deed> {
    let config = Config::default();
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(config, rng);
    deeds(count..count + 1).new_tree(&mut runner).expect("deeds").current()
}

#[test]
fn a_power_cut_leaves_what_e2fsck_repairs_by_itself() {
    if tools::are_there("a_power_cut_leaves_what_e2fsck_repairs_by_itself") {
        for plan in [SMALL, LARGE] {
            cut_everywhere(format(plan), &some_deeds(150), Repair::Preen);
        }
    }
}

#[test]
fn a_power_cut_while_directories_move_can_be_repaired() {
    if tools::are_there("a_power_cut_while_directories_move_can_be_repaired") {
        cut_everywhere(format(SMALL), &some_deeds(100), Repair::Everything);
    }
}

/// A file of one block.
fn make_file(system: &mut Ext2<MemoryDisk>, directory: u32, name: &[u8]) {
    let new = New::Plain(Kind::Regular, 0o644);
    let file = system.create(directory, name, new, &root()).expect("made");
    system.allocate(file, 0).expect("allocated");
    system.resize(file, 1000, NOW).expect("resized");
}

fn make_directory(system: &mut Ext2<MemoryDisk>, name: &[u8]) -> u32 {
    let new = New::Plain(Kind::Directory, 0o755);
    system.create(ROOT_INODE, name, new, &root()).expect("made")
}

/// A name of which a small block has room for three.
fn long_name(start: &str, index: usize) -> Vec<u8> {
    format!("{start}{index:0>253}").into_bytes()
}

/// Looks at what each write from one on has left.
fn preen_everywhere(system: &Ext2<MemoryDisk>, mut image: Vec<u8>, from: usize) {
    for (count, (position, bytes)) in system.disk().written().split_off(from).iter().enumerate() {
        image[*position as usize..][..bytes.len()].copy_from_slice(bytes);
        let judged = tools::e2fsck(&["-p"], &image);
        assert!(judged.code <= 1, "after write {count}: {}", judged.said);
    }
}

#[test]
fn a_directory_that_grows_has_its_names() {
    if !tools::are_there("a_directory_that_grows_has_its_names") {
        return;
    }
    let mut system = mount(format(SMALL), Access::ReadWrite);
    let directory = make_directory(&mut system, b"d");
    for index in 0..20 {
        make_file(&mut system, ROOT_INODE, &long_name("r", index));
    }
    system.sync().expect("synced");
    let (image, from) = (system.disk().image(), system.disk().writes());
    // So many that the directory needs an indirect block.
    for index in 0..60 {
        make_file(&mut system, directory, &long_name("f", index));
    }
    system.sync().expect("synced");
    preen_everywhere(&system, image, from);
}

#[test]
fn what_is_renamed_has_a_name() {
    if !tools::are_there("what_is_renamed_has_a_name") {
        return;
    }
    for manner in [Manner::Replace, Manner::Exchange, Manner::NoReplace] {
        let mut system = mount(format(SMALL), Access::ReadWrite);
        let (one, other) = (make_directory(&mut system, b"1"), make_directory(&mut system, b"2"));
        for index in 0..12 {
            make_file(&mut system, one, &long_name("f", index));
            make_file(&mut system, other, &long_name("f", index));
        }
        for index in 0..12 {
            system.sync().expect("synced");
            let (image, from) = (system.disk().image(), system.disk().writes());
            let old = long_name("f", index);
            let new = match manner {
                Manner::NoReplace => long_name("n", index),
                // Some of the same directory, in another block.
                _ if index % 3 == 0 => long_name("f", (index + 3) % 12),
                _ => long_name("f", index),
            };
            let to = if index % 3 == 0 { one } else { other };
            let gone = system.rename((one, &old), (to, &new), manner, &root());
            if let Some(gone) = gone.expect("renamed") {
                system.release(gone, NOW).expect("released");
            }
            system.sync().expect("synced");
            preen_everywhere(&system, image, from);
        }
        system.unmount(NOW).expect("unmounted");
        tools::assert_clean(&system.disk().image());
    }
}
