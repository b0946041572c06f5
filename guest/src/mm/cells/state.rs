//! [`State`]: where the content of a cell is, and [`next`], the table of what may happen to it.

/// Where a cell's content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Nowhere: no such cell.
    Dead,
    /// In its frame; perhaps also in its slot.
    Resident,
    /// In its frame, from which it is being written to its slot.
    Writing,
    /// In its slot, from which it is being read into its frame.
    Reading,
    /// In its slot, and nowhere else.
    Swapped,
    /// Nowhere: it could not be read.
    Lost,
    /// In its file, and nowhere else.
    Home,
}

impl State {
    /// All, in order.
    pub const ALL: [Self; 7] = [
        Self::Dead,
        Self::Resident,
        Self::Writing,
        Self::Reading,
        Self::Swapped,
        Self::Lost,
        Self::Home,
    ];
}

/// What happens to a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// It comes into being in a frame.
    Create,
    /// One more absent PTE names it, or an object does.
    Hold,
    /// One of them less.
    LetGo,
    /// Nothing names it any more.
    End,
    /// What is in its slot is not its content any more.
    Spoil,
    /// It gets a slot, and is being written to it.
    Write,
    /// It has been written, or could not be.
    Written,
    /// Its frame, which nobody maps, is taken from it.
    Evict,
    /// It gets a frame, and is being read into it.
    Read,
    /// It has been read.
    Returned,
    /// It could not be read.
    Lose,
    /// It could not be read, but perhaps can when somebody asks for it alone.
    GiveUp,
    /// Its content goes to its file, where it will be the same.
    Save,
    /// Its frame, which nobody maps, is taken from it, and its file has the content.
    GoHome,
}

/// What becomes of a cell. Events that have no row are mistakes of the caller.
#[inline]
pub(super) fn next(state: State, event: Event) -> State {
    use State::{Dead, Home, Lost, Reading, Resident, Swapped, Writing};
    match (state, event) {
        (Dead, Event::Create) => Resident,
        (Resident | Writing | Reading | Swapped | Lost | Home, Event::Hold | Event::LetGo)
        | (Resident | Writing, Event::Spoil)
        | (Resident, Event::Save) => state,
        (Resident | Swapped | Lost | Home, Event::End) => Dead,
        (Resident, Event::Write) => Writing,
        (Writing, Event::Written) | (Reading, Event::Returned) => Resident,
        (Resident, Event::Evict) | (Reading, Event::GiveUp) => Swapped,
        (Resident, Event::GoHome) => Home,
        (Swapped, Event::Read) => Reading,
        (Reading, Event::Lose) => Lost,
        _ => impossible(state, event),
    }
}

#[cold]
#[inline(never)]
fn impossible(state: State, event: Event) -> ! {
    panic!("{event:?} of a cell that is {state:?}");
}
