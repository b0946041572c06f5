//! Slots against a map, and who is asked first.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;

fn cell(id: u32) -> CellId {
    CellId(NonZeroU32::new(id).expect("not 0"))
}

fn area(pages: usize, bad: &[u32], priority: i16) -> Area {
    Area::new(Area::storage(pages).expect("the host has memory"), bad, priority)
}

fn areas(list: impl IntoIterator<Item = Area>) -> SwapAreas {
    let mut areas = SwapAreas::new();
    for area in list {
        areas.add(area).expect("room");
    }
    areas
}

/// Asks for a cluster for cells from `first` on.
fn take(areas: &mut SwapAreas, first: u32, count: usize) -> Vec<SlotId> {
    let cells: Vec<_> = (first..).take(count).map(cell).collect();
    let mut out = vec![SlotId::FIRST; count];
    let given = areas.alloc_cluster(&cells, &mut out);
    out.truncate(given);
    out
}

#[test]
fn slots_have_names_of_their_own() {
    for (area, page) in [(0, 1), (7, 1), (3, 0x777), (7, PAGES_MAX as u32 - 1)] {
        let slot = SlotId::new(area, page).expect("a slot");
        assert_eq!((slot.area(), slot.page()), (area, page));
    }
    for (area, page) in [(0, 0), (7, 0), (AREAS, 1), (0, PAGES_MAX as u32)] {
        assert_eq!(SlotId::new(area, page), None);
    }
}

#[test]
fn headers_and_bad_pages_are_never_given() {
    let mut areas = areas([area(10, &[3, 4, 99], 0)]);
    assert_eq!((areas.total(), areas.available()), (7, 7));
    let pages = |slots: Vec<SlotId>| slots.iter().map(|slot| slot.page()).collect::<Vec<_>>();
    assert_eq!(pages(take(&mut areas, 1, 8)), [1, 2]);
    assert_eq!(pages(take(&mut areas, 11, 8)), [5, 6, 7, 8, 9]);
    assert_eq!(pages(take(&mut areas, 21, 8)), []);
    let two = SlotId::new(0, 2).expect("a slot");
    areas.retire(two);
    areas.free(SlotId::new(0, 6).expect("a slot"));
    assert_eq!((areas.total(), areas.used(), areas.cell_of(two)), (6, 5, None));
    assert_eq!(pages(take(&mut areas, 31, 8)), [6]);
    let content = |page| areas.area(0).expect("it is there").content(page);
    for (page, want) in [
        (0, Some(Content::Header)),
        (1, Some(Content::Of(cell(1)))),
        (2, Some(Content::Bad)),
        (3, Some(Content::Bad)),
        (6, Some(Content::Of(cell(31)))),
        (10, None),
    ] {
        assert_eq!(content(page), want, "{page}");
    }
    areas.free(SlotId::new(0, 6).expect("a slot"));
    assert_eq!(areas.area(0).expect("it is there").content(6), Some(Content::Nothing));
}

#[test]
fn the_highest_priority_comes_first_and_equals_take_turns() {
    let mut areas = areas([area(4, &[], -1), area(9, &[], 5), area(9, &[], 5)]);
    let mut given = Vec::new();
    for first in (1..).step_by(10).take(10) {
        given.push(take(&mut areas, first, 3).first().map(|slot| slot.area()));
    }
    let want = [1, 2, 1, 2, 1, 2, 0].map(Some);
    assert_eq!(given[..7], want);
    assert_eq!(given[7..], [None; 3]);
    areas.set_giving(1, Gives::Nothing);
    areas.free(SlotId::new(1, 1).expect("a slot"));
    assert_eq!(take(&mut areas, 200, 1), []);
    assert!(areas.remove(1).is_none());
    while let Some((slot, _)) = areas.first_used(1, 0) {
        areas.free(slot);
    }
    assert_eq!(
        (areas.available(), areas.remove(1).map(|storage| storage.len())),
        (0, Some(9 + REGIONS))
    );
}

#[test]
fn neighbours_are_the_used_slots_of_the_same_window() {
    let mut areas = areas([area(40, &[9], 0)]);
    take(&mut areas, 101, 8);
    take(&mut areas, 110, 30);
    areas.free(SlotId::new(0, 12).expect("a slot"));
    let near = |page, window| {
        let slot = SlotId::new(0, page).expect("a slot");
        let near = areas.neighbours(slot, window);
        near.map(|(slot, cell)| (slot.page(), cell.0.get())).collect::<Vec<_>>()
    };
    let want = [(8, 108), (11, 111), (13, 113), (14, 114), (15, 115)];
    assert_eq!(near(10, 8), want);
    assert_eq!(near(1, 1), []);
    assert_eq!(near(1, 4), [(2, 102), (3, 103)]);
}

#[derive(Clone, Debug)]
enum Step {
    Take(usize),
    Free(usize),
    Retire(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1usize..40).prop_map(Step::Take),
        4 => any::<usize>().prop_map(Step::Free),
        1 => any::<usize>().prop_map(Step::Retire),
    ]
}

proptest! {
    #[test]
    fn slots_are_a_map(
        sizes in vec(1usize..200, 1..4),
        steps in vec(step(), 1..200),
    ) {
        let mut areas = areas(sizes.iter().map(|pages| area(*pages, &[], 0)));
        let mut total: usize = sizes.iter().map(|pages| pages - 1).sum();
        let (mut model, mut next) = (BTreeMap::new(), 1);
        for step in steps {
            let nth = |model: &BTreeMap<SlotId, CellId>, nth: usize| {
                model.keys().nth(nth % model.len().max(1)).copied()
            };
            match step {
                Step::Take(count) => {
                    let slots = take(&mut areas, next, count);
                    prop_assert_eq!(slots.is_empty(), model.len() == total);
                    for (slot, id) in slots.iter().zip(next..) {
                        prop_assert!(model.insert(*slot, cell(id)).is_none());
                    }
                    let in_a_row = slots.windows(2).all(|two| two[0].0.get() + 1 == two[1].0.get());
                    prop_assert!(in_a_row);
                    next += count as u32;
                }
                Step::Free(which) => {
                    if let Some(slot) = nth(&model, which) {
                        model.remove(&slot);
                        areas.free(slot);
                    }
                }
                Step::Retire(which) => {
                    if let Some(slot) = nth(&model, which) {
                        model.remove(&slot);
                        areas.retire(slot);
                        total -= 1;
                    }
                }
            }
            prop_assert_eq!((areas.used(), areas.total()), (model.len() as u64, total as u64));
            let mut found = BTreeMap::new();
            for number in 0..sizes.len() {
                let mut page = 0;
                while let Some((slot, cell)) = areas.first_used(number, page) {
                    found.insert(slot, cell);
                    page = slot.page() + 1;
                }
            }
            prop_assert_eq!(&found, &model);
        }
    }
}
