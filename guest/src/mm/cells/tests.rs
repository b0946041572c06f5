//! Cells by themselves, and a search of all that two spaces of two pages can do with three frames.

mod search;

use super::*;

fn cells(count: usize) -> Cells {
    Cells::new(vec![Cell::DEAD; count].leak())
}

fn create(cells: &mut Cells, frame: u64) -> CellId {
    let cell = cells.vacant().expect("room");
    cells.create(cell, Ppn(frame));
    cell
}

fn id(number: u32) -> CellId {
    CellId(NonZeroU32::new(number).expect("not 0"))
}

#[test]
fn absent_entries_name_cells() {
    for number in [1, 77, u32::MAX] {
        let pte = id(number).absent_pte();
        assert!(!pte.is_valid() && pte != Pte::default());
        assert_eq!(CellId::of_absent_pte(pte), Some(id(number)));
    }
    let named = id(5).absent_pte().0;
    for other in [0, named | 1, named | 1 << 2, named | 1 << 8, named ^ 1 << 1, named | 1 << 54] {
        assert_eq!(CellId::of_absent_pte(Pte(other)), None, "{other:#x}");
    }
}

#[test]
fn each_state_has_its_events() {
    use Event::{Create, End, Hold, LetGo};
    use State::{Dead, Resident};
    for (state, event, want) in [
        (Dead, Create, Some(Resident)),
        (Dead, Hold, None),
        (Dead, LetGo, None),
        (Dead, End, None),
        (Resident, Create, None),
        (Resident, Hold, Some(Resident)),
        (Resident, LetGo, Some(Resident)),
        (Resident, End, Some(Dead)),
    ] {
        let found = std::panic::catch_unwind(|| next(state, event)).ok();
        assert_eq!(found, want, "{state:?} {event:?}");
    }
}

#[test]
fn a_cell_counts_who_holds_it_until_its_end() {
    let mut cells = cells(2);
    let one = create(&mut cells, 9);
    let two = create(&mut cells, 10);
    assert_eq!((cells.vacant(), cells.live(), cells.capacity()), (None, 2, 2));
    // More holders than 16 bits can count.
    for _ in 0..1 << 17 {
        cells.hold(one);
    }
    for left in (0..1 << 17).rev() {
        assert_eq!((cells.let_go(one), cells.holders(one)), (left, left));
    }
    assert_eq!((cells.frame(one), cells.end(one)), (Some(Ppn(9)), Ppn(9)));
    assert_eq!((cells.state(one), cells.frame(one)), (State::Dead, None));
    assert_eq!(cells.iter_live().collect::<Vec<_>>(), [two]);
    assert_eq!(create(&mut cells, 11), one);
    assert_eq!(cells.vacant(), None);
}

#[test]
fn dead_cells_come_back_last_in_first_out() {
    let mut cells = cells(4);
    let [one, two, three] = [7, 8, 9].map(|frame| create(&mut cells, frame));
    for cell in [three, one] {
        cells.end(cell);
    }
    let again = [7, 8, 9].map(|frame| create(&mut cells, frame));
    assert_eq!(again, [one, three, id(4)]);
    assert_eq!(cells.frame(two), Some(Ppn(8)));
}
