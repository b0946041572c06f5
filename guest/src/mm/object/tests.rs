//! Pages against a map, and what becomes of frames that are let go of.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::mm::frames::Kind;
use crate::mm::toy::{ToyMachine, ToyOptions};
use crate::mm::{Memory, Owner};
use crate::pte::{Flags, Pte};

fn toy(frames: usize) -> ToyMachine {
    ToyMachine::new(ToyOptions { frames, ..ToyOptions::default() })
}

fn count(machine: &ToyMachine, kind: Kind) -> u64 {
    machine.memory(|memory| memory.frames.count(kind))
}

#[derive(Clone, Copy, Debug)]
enum Step {
    New(u64),
    Map(u64, ObjectAccess),
    Truncate(u64),
    Punch(u64, u64),
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0_u64..200,
        2 => (0_u32..64).prop_map(|bit| 1 << bit),
        1 => any::<u64>(),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => number().prop_map(Step::New),
        2 => number().prop_map(|index| Step::Map(index, ObjectAccess::Write)),
        2 => number().prop_map(|index| Step::Map(index, ObjectAccess::IfPresent)),
        1 => number().prop_map(Step::Truncate),
        1 => (number(), number()).prop_map(|(start, end)| Step::Punch(start, end)),
    ]
}

proptest! {
    #[test]
    fn pages_are_a_map(steps in vec(step(), 1..120)) {
        let machine = toy(40);
        let (mut pages, mut model) = (Pages::default(), BTreeMap::new());
        let mut orphans = 0;
        for step in steps {
            let room = machine.memory(|memory| memory.frames.free_frames()) > 0;
            match step {
                Step::New(index) => {
                    let page = pages.pin_page(&machine, index, ObjectAccess::Write);
                    page.iter().for_each(|frame| Pages::unpin_page(&machine, *frame));
                    prop_assert_eq!(page.is_ok(), room || model.contains_key(&index));
                    if let Ok(frame) = page {
                        prop_assert_eq!(model.entry(index).or_insert((frame, 0)).0, frame);
                    }
                }
                Step::Map(index, access) => {
                    let want = match (model.get_mut(&index), access) {
                        (Some((frame, mapped)), _) => {
                            *mapped += 1;
                            Ok(*frame)
                        }
                        (None, ObjectAccess::IfPresent) => Err(PageError::Absent),
                        (None, _) if !room => Err(PageError::OutOfMemory),
                        (None, _) => {
                            let frame = pages.map_page(&machine, index, access);
                            model.insert(index, (frame.expect("there is room"), 1));
                            continue;
                        }
                    };
                    prop_assert_eq!(pages.map_page(&machine, index, access), want);
                }
                Step::Punch(start, end) => {
                    pages.punch(&machine, start..end);
                    let gone = model.extract_if(start..end.max(start), |_, _| true);
                    orphans += gone.filter(|(_, (_, mapped))| *mapped > 0).count() as u64;
                }
                Step::Truncate(first) => {
                    pages.truncate(&machine, first);
                    let gone = model.split_off(&first);
                    orphans += gone.values().filter(|(_, mapped)| *mapped > 0).count() as u64;
                }
            }
            let mut found = Vec::new();
            pages.for_each(&mut |index, cell| {
                found.push((index, machine.memory(|memory| memory.cells.frame(cell)).expect("in RAM")));
            });
            let want: Vec<_> = model.iter().map(|(index, (frame, _))| (*index, *frame)).collect();
            prop_assert_eq!(&found, &want);
            prop_assert_eq!(pages.count(), want.len() as u64);
            prop_assert_eq!(count(&machine, Kind::Object), want.len() as u64 + orphans);
            for (frame, mapped) in model.values() {
                prop_assert_eq!(machine.memory(|memory| memory.frames.mapped(*frame)), *mapped);
            }
        }
    }
}

#[test]
fn new_pages_are_zeros_and_adopted_ones_are_kept() {
    let machine = toy(4);
    let mut pages = Pages::default();
    let page = pages.pin_page(&machine, 9, ObjectAccess::Read).expect("a frame");
    assert_eq!((machine.peek(page, 0), machine.peek(page, 511)), (0, 0));
    let frame = machine.memory(|memory| memory.frames.alloc(Class::Kernel, Owner::Kernel));
    let frame = frame.expect("a frame");
    machine.poke(frame, 3, 77);
    assert_eq!(pages.adopt(&machine, 1 << 40, frame), Ok(()));
    assert_eq!(pages.map_page(&machine, 1 << 40, ObjectAccess::IfPresent), Ok(frame));
    assert_eq!(machine.peek(frame, 3), 77);
    assert_eq!([8, 9 + 64, (1 << 40) + 1].map(|index| pages.cell(index)), [None; 3]);
}

#[test]
fn a_page_let_go_of_stays_until_nobody_maps_it() {
    let machine = toy(4);
    let mut pages = Pages::default();
    let free = || machine.memory(|memory| memory.frames.free_frames());
    let frame = pages.map_page(&machine, 0, ObjectAccess::Read).expect("a frame");
    let other = pages.pin_page(&machine, 1, ObjectAccess::Write).expect("a frame");
    pages.truncate(&machine, 0);
    assert_eq!((free(), count(&machine, Kind::Object), pages.count()), (2, 2, 0));
    Pages::unpin_page(&machine, other);
    assert_eq!((free(), count(&machine, Kind::Object)), (3, 1));
    machine.memory(|memory| memory.frames.map(frame));
    let drop_mapping = |memory: &mut Memory| memory.drop_mapping(Pte::new(frame, Flags::V));
    assert_eq!((machine.memory(drop_mapping), free()), (Kind::Object, 3));
    assert_eq!(machine.memory(drop_mapping), Kind::Object);
    assert_eq!(free(), 4);
}
