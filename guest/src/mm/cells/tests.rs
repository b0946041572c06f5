//! Cells by themselves, and a search of all that two spaces of two pages can do with three frames.

mod search;

use super::*;
use crate::mm::frames::List;
use crate::pte::Pte;

/// What other tests ask.
impl Cells {
    /// Whether it was changed since it is being written.
    pub(crate) fn is_spoiled(&self, cell: CellId) -> bool {
        self.cells[cell.index()].flags & SPOILED != 0
    }

    /// Makes these books, of the same size, say what `other` says.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.cells.copy_from_slice(other.cells);
        let cells = core::mem::take(&mut self.cells);
        *self = Self { cells, ..*other };
    }
}

fn cells(count: usize) -> Cells {
    Cells::new(vec![Cell::DEAD; count].leak())
}

fn create(cells: &mut Cells, frame: u64) -> CellId {
    let cell = cells.vacant().expect("room");
    cells.create(cell, Ppn(frame), Mark::FRESH);
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
    use Event::{
        Create, End, Evict, GiveUp, GoHome, Hold, LetGo, Lose, Read, Returned, Save, Spoil, Write,
        Written,
    };
    use State::{Dead, Home, Lost, Reading, Resident, Swapped, Writing};
    let events = [
        Create, Hold, LetGo, End, Spoil, Write, Written, Evict, Read, Returned, Lose, GiveUp, Save,
        GoHome,
    ];
    let allowed = [
        (Dead, vec![(Create, Resident)]),
        (
            Resident,
            vec![
                (Hold, Resident),
                (LetGo, Resident),
                (End, Dead),
                (Spoil, Resident),
                (Write, Writing),
                (Evict, Swapped),
                (Save, Resident),
                (GoHome, Home),
            ],
        ),
        (Writing, vec![(Hold, Writing), (LetGo, Writing), (Spoil, Writing), (Written, Resident)]),
        (
            Reading,
            vec![
                (Hold, Reading),
                (LetGo, Reading),
                (Returned, Resident),
                (Lose, Lost),
                (GiveUp, Swapped),
            ],
        ),
        (Swapped, vec![(Hold, Swapped), (LetGo, Swapped), (End, Dead), (Read, Reading)]),
        (Lost, vec![(Hold, Lost), (LetGo, Lost), (End, Dead)]),
        (Home, vec![(Hold, Home), (LetGo, Home), (End, Dead)]),
    ];
    assert_eq!(allowed.each_ref().map(|(state, _)| *state), State::ALL);
    for (state, rows) in allowed {
        for event in events {
            let want = rows.iter().find(|row| row.0 == event).map(|row| row.1);
            let found = std::panic::catch_unwind(|| next(state, event)).ok();
            assert_eq!(found, want, "{state:?} {event:?}");
        }
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
    assert_eq!((cells.frame(one), cells.end(one)), (Some(Ppn(9)), (Some(Ppn(9)), None)));
    assert_eq!((cells.state(one), cells.frame(one)), (State::Dead, None));
    assert_eq!(cells.iter_live().collect::<Vec<_>>(), [two]);
    assert_eq!(create(&mut cells, 11), one);
    assert_eq!(cells.vacant(), None);
}

#[test]
fn dead_cells_come_back_last_in_first_out() {
    let mut cells = cells(4);
    let [one, two, three] = [7, 8, 9].map(|frame| create(&mut cells, frame));
    assert!(cells.end_unmapped(three));
    cells.end(one);
    let again = [7, 8, 9].map(|frame| create(&mut cells, frame));
    assert_eq!(again, [one, three, id(4)]);
    assert_eq!(cells.frame(two), Some(Ppn(8)));
}

/// Gives a cell more than its frame.
type More = fn(&mut Cells, CellId);

#[test]
fn what_has_more_than_a_frame_does_not_end_with_its_mapping() {
    let slot = SlotId::FIRST;
    let more: [(&str, More); 4] = [
        ("a holder", |cells, cell| cells.hold(cell)),
        ("a thread", |cells, cell| cells.keep(cell)),
        ("a slot", |cells, cell| {
            cells.write(cell, SlotId::FIRST);
            cells.written(cell, Ok(()));
        }),
        ("a transfer", |cells, cell| {
            cells.write(cell, SlotId::FIRST);
        }),
    ];
    for (what, more) in more {
        let mut cells = cells(2);
        let cell = create(&mut cells, 9);
        more(&mut cells, cell);
        assert!(!cells.end_unmapped(cell), "{what}");
        assert_eq!(cells.own_frame(cell), Some(Ppn(9)), "{what}");
    }
    let mut cells = cells(2);
    let cell = create(&mut cells, 9);
    cells.write(cell, slot);
    assert_eq!(cells.count(State::Writing), 1);
    assert_eq!(cells.spoil(cell), None);
    assert_eq!(cells.written(cell, Ok(())), (Ppn(9), Some(slot)));
    assert_eq!((cells.slot(cell), cells.count(State::Writing)), (None, 0));
}

#[test]
fn storage_grows_behind_the_cells_that_live() {
    let mut cells = cells(2);
    let [one, two] = [7, 8].map(|frame| create(&mut cells, frame));
    cells.end(one);
    cells.hold(two);
    cells.extend(|old| {
        let mut longer = old.to_vec();
        longer.resize(4, Cell { holders: 77, place: 77, ..Cell::DEAD });
        longer.leak()
    });
    assert_eq!((cells.capacity(), cells.holders(two)), (4, 1));
    assert_eq!([9, 10, 11].map(|frame| create(&mut cells, frame)), [one, id(3), id(4)]);
    assert_eq!((cells.vacant(), cells.holders(id(3)), cells.live()), (None, 0, 4));
}

#[test]
fn pages_of_files_are_counted_by_what_their_home_has() {
    let counts = |cells: &Cells| (cells.files().resident, cells.files().changed);
    let mut cells = cells(3);
    let [one, two] = [7, 8].map(|frame| create(&mut cells, frame));
    for cell in [one, two] {
        cells.give_to_object(cell);
        cells.give_to_file(cell);
    }
    assert_eq!(
        (counts(&cells), cells.list(one), cells.slot(one)),
        ((2, 0), Some(List::Standby), None)
    );
    assert_eq!(cells.spoil(one), None);
    assert_eq!((counts(&cells), cells.list(one)), ((2, 1), Some(List::Changed)));
    assert_eq!((cells.has_copy(one), cells.has_copy(two), cells.is_file(one)), (false, true, true));
    assert!(cells.save(one) && !cells.save(one) && !cells.save(two));
    assert_eq!(counts(&cells), (2, 0));
    cells.evict(two, 5);
    assert_eq!(
        (counts(&cells), cells.state(two), cells.count(State::Home)),
        ((1, 0), State::Home, 1)
    );
    assert_eq!((cells.frame(two), cells.stamp(two), cells.list(two)), (None, None, None));
    assert!(!cells.save(two));
    for cell in [one, two] {
        if cells.state(cell) == State::Resident {
            cells.spoil(cell);
        }
        assert_eq!(cells.let_go(cell), 0);
    }
    assert_eq!((cells.end(two), counts(&cells)), ((None, None), (1, 1)));
    assert!(cells.end_unmapped(one));
    assert_eq!((counts(&cells), cells.live()), ((0, 0), 0));
    let next = create(&mut cells, 9);
    assert!(!cells.is_file(next));
}
