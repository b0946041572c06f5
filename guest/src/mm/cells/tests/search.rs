//! Breadth first through every state that two address spaces of two pages reach with three frames
//! and two slots, transfers between which end whenever they like, and as they like
//! (`operation.rs`; `world.rs` says what is done then, `key.rs` which worlds are the same). Each page shows what was last written through it, each slot that counts has
//! the content that counts, and an audit of each state finds nothing.

mod key;
mod operation;
mod world;

use std::collections::{HashMap, VecDeque};

use operation::Operation;
use world::World;

/// How much is allowed to happen, so that there is an end to it.
#[derive(Clone, Copy, Debug)]
struct Extent {
    pages: usize,
    frames: usize,
    slots: usize,
    operations: fn(Operation) -> bool,
}

/// What a search has found.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    states: usize,
    deepest: usize,
}

fn search(extent: Extent) -> Found {
    let operations: Vec<_> = Operation::all(extent.pages, extent.slots)
        .filter(|one| (extent.operations)(*one))
        .collect();
    let start = World::new(extent.pages, extent.frames, extent.slots);
    let mut seen = HashMap::from([(start.key(), 0_u16)]);
    let mut queue = VecDeque::from([start]);
    // Books have storage that is never given back.
    let mut spare = Vec::new();
    let (mut deepest, mut refused) = (0, 0);
    while let Some(world) = queue.pop_front() {
        let depth = seen[&world.key()] + 1;
        for operation in &operations {
            let mut next: World = spare
                .pop()
                .unwrap_or_else(|| World::new(extent.pages, extent.frames, extent.slots));
            next.copy_from(&world);
            if !next.apply(*operation) {
                refused += 1;
            }
            let key = next.key();
            if let std::collections::hash_map::Entry::Vacant(place) = seen.entry(key) {
                next.check();
                place.insert(depth);
                deepest = depth;
                queue.push_back(next);
            } else {
                spare.push(next);
            }
        }
        spare.push(world);
    }
    assert!(refused > 0);
    Found { states: seen.len(), deepest: deepest.into() }
}

// Fewer states would mean that an operation has stopped doing anything.

#[test]
fn every_state_without_swap_is_sound() {
    let operations = |operation: Operation| !operation.is_transfer();
    let extent = Extent { pages: 2, frames: 3, slots: 0, operations };
    assert_eq!(search(extent), Found { states: 1749, deepest: 13 });
}

#[test]
fn every_state_of_one_page_each_is_sound() {
    let extent = Extent { pages: 1, frames: 3, slots: 2, operations: |_| true };
    assert_eq!(search(extent), Found { states: 10192, deepest: 24 });
}

#[test]
fn every_state_of_two_pages_each_and_one_slot_is_sound() {
    let extent = Extent { pages: 2, frames: 3, slots: 1, operations: |_| true };
    assert_eq!(search(extent), Found { states: 54_567, deepest: 29 });
}

#[test]
#[ignore = "takes half a minute"]
fn every_state_of_two_pages_each_and_two_slots_is_sound() {
    let operations = |operation: Operation| {
        !operation.is_failure() && !matches!(operation, Operation::Evacuate(_))
    };
    let extent = Extent { pages: 2, frames: 3, slots: 2, operations };
    assert_eq!(search(extent), Found { states: 318_730, deepest: 27 });
}
