//! Pages against a map, and what becomes of frames that are let go of.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::mm::frames::{Kind, List};
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

#[derive(Clone, Copy, Debug)]
enum FileStep {
    Read(u64),
    Change(u64),
    Map(u64),
    Unmap(u64, bool),
    Save(u64),
    Steal(u32),
    Truncate(u64),
    Forget(u64),
}

fn file_step() -> impl Strategy<Value = FileStep> {
    let page = || 0_u64..12;
    prop_oneof![
        4 => page().prop_map(FileStep::Read),
        3 => page().prop_map(FileStep::Change),
        3 => page().prop_map(FileStep::Map),
        3 => (page(), any::<bool>()).prop_map(|(index, dirty)| FileStep::Unmap(index, dirty)),
        3 => page().prop_map(FileStep::Save),
        2 => (1_u32..4).prop_map(FileStep::Steal),
        1 => (4_u64..12).prop_map(FileStep::Truncate),
        1 => page().prop_map(FileStep::Forget),
    ]
}

/// A page of a file that is in RAM: how often it is mapped, and whether the file has another content.
#[derive(Clone, Copy, Debug, Default)]
struct InRam {
    mapped: u32,
    changed: bool,
}

fn frame_of(machine: &ToyMachine, pages: &Pages, index: u64) -> Ppn {
    let cell = pages.cell(index).expect("it is mapped");
    machine.memory(|memory| memory.cells.frame(cell)).expect("it is mapped")
}

/// The frames of those that are mapped, as often as they are.
fn frames_of(machine: &ToyMachine, pages: &Pages, of: &BTreeMap<u64, InRam>) -> Vec<Ppn> {
    let mapped = of.iter().flat_map(|(index, page)| (0..page.mapped).map(|_| *index));
    mapped.map(|index| frame_of(machine, pages, index)).collect()
}

fn unmap(machine: &ToyMachine, frame: Ppn, flags: Flags) {
    machine.memory(|memory| memory.drop_mapping(Pte::new(frame, flags)));
}

/// Pages in RAM, changed ones, and frames on the lists of changed ones, of clean ones, and of those
/// that are no file's, by the books.
fn counted(machine: &ToyMachine) -> [u64; 5] {
    machine.memory(|memory| {
        let (files, frames) = (memory.cells.files(), &memory.frames);
        let lists = [List::Changed, List::Standby, List::Modified];
        let [changed, standby, modified] = lists.map(|list| frames.listed(list));
        [files.resident.into(), files.changed.into(), changed, standby, modified]
    })
}

/// The same by the model.
fn expected(model: &BTreeMap<u64, InRam>) -> [u64; 5] {
    let count =
        |is_it: fn(&InRam) -> bool| model.values().filter(|page| is_it(page)).count() as u64;
    let idle_changed = count(|page| page.mapped == 0 && page.changed);
    let idle_clean = count(|page| page.mapped == 0 && !page.changed);
    [count(|_| true), count(|page| page.changed), idle_changed, idle_clean, 0]
}

proptest! {
    /// A changed page stays in RAM until it was saved; a clean one that nobody maps may go at any
    /// time; the books count both, and have them on the lists where they belong.
    #[test]
    fn pages_of_a_file_stay_until_the_file_has_them(steps in vec(file_step(), 1..150)) {
        let machine = toy(40);
        let (mut pages, mut model) = (Pages::default(), BTreeMap::<u64, InRam>::new());
        let before = machine.memory(|memory| memory.census());
        for step in steps {
            match step {
                FileStep::Read(index) if pages.is_away(&machine, index) => {
                    let frame = machine.memory(|memory| memory.alloc(Class::User, Owner::Kernel));
                    let frame = frame.expect("there are more frames than pages");
                    pages.adopt_file(&machine, index, frame).expect("there is a cell");
                    Pages::unpin_page(&machine, frame);
                    model.insert(index, InRam::default());
                }
                FileStep::Change(index) if pages.cell(index).is_some() => {
                    let pinned = pages.pin_page(&machine, index, ObjectAccess::Write);
                    prop_assert_eq!(pinned.is_ok(), model.contains_key(&index));
                    if let (Ok(frame), Some(page)) = (pinned, model.get_mut(&index)) {
                        Pages::unpin_page(&machine, frame);
                        page.changed = true;
                    }
                }
                FileStep::Map(index) => {
                    let mapped = pages.map_page(&machine, index, ObjectAccess::IfPresent);
                    prop_assert_eq!(mapped.is_ok(), model.contains_key(&index));
                    model.get_mut(&index).into_iter().for_each(|page| page.mapped += 1);
                }
                FileStep::Unmap(index, dirty) => {
                    if let Some(page) = model.get_mut(&index).filter(|page| page.mapped > 0) {
                        let flags = if dirty { Flags::V.with(Flags::D) } else { Flags::V };
                        unmap(&machine, frame_of(&machine, &pages, index), flags);
                        page.mapped -= 1;
                        page.changed |= dirty;
                    }
                }
                FileStep::Save(index) => {
                    let cell = pages.cell(index);
                    let saved = cell.and_then(|cell| machine.memory(|memory| memory.save(cell)));
                    let want = model.get(&index).is_some_and(|page| page.changed);
                    prop_assert_eq!(saved.is_some(), want);
                    if let (Some(frame), Some(page)) = (saved, model.get_mut(&index)) {
                        Pages::unpin_page(&machine, frame);
                        page.changed = false;
                    }
                }
                FileStep::Steal(count) => {
                    let idle = model.values().filter(|page| page.mapped == 0 && !page.changed);
                    let want = (idle.count() as u32).min(count);
                    prop_assert_eq!(machine.memory(|memory| memory.steal(count)), want);
                    model.retain(|index, _| !pages.is_away(&machine, *index));
                }
                FileStep::Truncate(first) => {
                    let gone = model.split_off(&first);
                    let frames = frames_of(&machine, &pages, &gone);
                    pages.truncate(&machine, first);
                    frames.into_iter().for_each(|frame| unmap(&machine, frame, Flags::V));
                }
                FileStep::Forget(index) => {
                    pages.forget_evicted(&machine, &[index]);
                    prop_assert_eq!(pages.cell(index).is_some(), model.contains_key(&index));
                }
                FileStep::Read(_) | FileStep::Change(_) => {}
            }
            prop_assert_eq!(counted(&machine), expected(&model));
        }
        let mapped = frames_of(&machine, &pages, &model);
        mapped.into_iter().for_each(|frame| unmap(&machine, frame, Flags::V));
        pages.truncate(&machine, 0);
        prop_assert_eq!(machine.memory(|memory| memory.census()), before);
    }
}
