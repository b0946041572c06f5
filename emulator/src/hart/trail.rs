//! The trail of a hart: its last control-flow events, always kept, so that whoever asks why a
//! machine has stopped can see how it came there; and the count that tells a trap loop. Written by
//! the hart (traps), by `system/` (trap returns) and by the engine (jumps that leave their page:
//! those within a page would drown the others in loops). A hart that is caught in its own trap
//! handler does not overwrite how it got there: of its rounds only one is kept.

use crate::addr::{Privilege, VirtAddr};
use crate::trap::{Exception, Trap};

/// Events kept.
pub const TRAIL_EVENTS: usize = 32;

/// Between an exception and its repetition: rounds of more events are noted as they come, because
/// forgetting them would leave less than they have overwritten.
const ROUND_MAX_EVENTS: usize = TRAIL_EVENTS / 2;

/// What made the hart go on elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// A jump, call, return or taken branch to another page.
    Jump,
    /// `mret` or `sret`.
    TrapReturn,
    /// A trap, taken from this mode.
    Trap(Trap, Privilege),
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub turn: Turn,
    /// Address of the instruction that jumped, returned or trapped; for an interrupt, of the one
    /// that it precedes.
    pub from: VirtAddr,
    /// Where the hart went on.
    pub to: VirtAddr,
}

impl Event {
    const NONE: Self = Self { turn: Turn::Jump, from: VirtAddr(0), to: VirtAddr(0) };
}

/// The last events of one hart.
#[derive(Clone, Debug)]
pub struct Trail {
    events: [Event; TRAIL_EVENTS],
    /// Events noted since reset, without the rounds of a loop that are not kept.
    count: usize,
    /// Events before this one have been overwritten by rounds that are not kept.
    first: usize,
    /// The last exception and its epc, unless a trap return has come since.
    last_exception: Option<(Exception, VirtAddr)>,
    /// How often it has come in a row.
    repeats: u32,
    /// By how much its value has moved down each time.
    stride: u64,
    /// What `count` was after its first repetition.
    round_at: usize,
}

impl Default for Trail {
    fn default() -> Self {
        Self {
            events: [Event::NONE; TRAIL_EVENTS],
            count: 0,
            first: 0,
            last_exception: None,
            repeats: 0,
            stride: 0,
            round_at: 0,
        }
    }
}

impl Trail {
    /// Notes a jump to another page.
    #[inline(always)]
    pub fn jump(&mut self, from: VirtAddr, to: VirtAddr) {
        self.note(Event { turn: Turn::Jump, from, to });
    }

    /// Notes a trap return.
    pub fn trap_return(&mut self, from: VirtAddr, to: VirtAddr) {
        self.note(Event { turn: Turn::TrapReturn, from, to });
        (self.last_exception, self.repeats) = (None, 0);
    }

    /// Notes a trap, taken from mode `privilege` at `epc`.
    pub fn trap(&mut self, trap: Trap, privilege: Privilege, epc: VirtAddr, to: VirtAddr) {
        let event = Event { turn: Turn::Trap(trap, privilege), from: epc, to };
        let Trap::Exception(exception) = trap else { return self.note(event) };
        match self.stride_from_last(exception, epc) {
            None => self.repeats = 0,
            Some(stride) => {
                self.stride = stride;
                self.repeats = self.repeats.saturating_add(1);
            }
        }
        self.last_exception = Some((exception, epc));
        let since_round = self.count.wrapping_sub(self.round_at);
        if self.repeats > 1 && since_round <= ROUND_MAX_EVENTS {
            self.first = self.first.max(self.count.saturating_sub(TRAIL_EVENTS));
            self.count = self.round_at - 1;
        }
        self.note(event);
        self.round_at = self.count;
    }

    /// By how much the value of `exception` lies below that of the last one, if it repeats that
    /// one: the same at the same instruction, with the same value or, as when a stack grows into
    /// nothing, with one that moves down by the same amount each time.
    fn stride_from_last(&self, exception: Exception, epc: VirtAddr) -> Option<u64> {
        let (last, last_epc) = self.last_exception?;
        let stride = last.tval().wrapping_sub(exception.tval());
        let goes_on = if self.repeats == 0 { stride as i64 >= 0 } else { stride == self.stride };
        let repeats = (last.cause(), last_epc) == (exception.cause(), epc) && goes_on;
        repeats.then_some(stride)
    }

    /// How often the last exception has repeated one like it, at the same instruction, without a
    /// trap return between them; with the same value, or with one that moves down steadily.
    pub fn repeats(&self) -> u32 {
        self.repeats
    }

    /// By how much the value of the last exception has moved down with each of its repetitions.
    pub fn stride(&self) -> u64 {
        if self.repeats == 0 { 0 } else { self.stride }
    }

    /// The events kept, oldest first.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        let first = self.count.saturating_sub(TRAIL_EVENTS).max(self.first);
        (first..self.count).map(|index| &self.events[index % TRAIL_EVENTS])
    }

    #[inline(always)]
    fn note(&mut self, event: Event) {
        self.events[self.count % TRAIL_EVENTS] = event;
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::Access;
    use crate::trap::Interrupt;

    const TIMER: Trap = Trap::Interrupt(Interrupt::MachineTimer);

    #[test]
    fn the_last_events_are_kept_in_order() {
        let mut trail = Trail::default();
        assert_eq!(trail.events().count(), 0);
        for at in 0..40 {
            trail.jump(VirtAddr(at), VirtAddr(at + 1));
        }
        let from: Vec<_> = trail.events().map(|event| event.from.0).collect();
        assert_eq!(from, (8..40).collect::<Vec<_>>());
    }

    fn load_fault(at: u64) -> Trap {
        Trap::Exception(Exception::PageFault(Access::Load, VirtAddr(at)))
    }

    /// Traps at the instruction at `epc`, into the handler at 0x100.
    fn take(trail: &mut Trail, trap: Trap, epc: u64) {
        trail.trap(trap, Privilege::Machine, VirtAddr(epc), VirtAddr(0x100));
    }

    #[test]
    fn only_the_same_exception_repeats() {
        let fault = |epc| Some((load_fault(0x800), epc));
        let moving = |at| Some((load_fault(at), 4));
        // What happens (`None` is a trap return), and the repeats and the stride after it.
        for (events, repeats) in [
            (vec![], (0, 0)),
            (vec![fault(4)], (0, 0)),
            (vec![fault(4); 3], (2, 0)),
            (vec![fault(4), Some((TIMER, 4)), fault(4)], (1, 0)),
            (vec![fault(4), fault(8)], (0, 0)),
            (vec![fault(4), None, fault(4)], (0, 0)),
            (vec![moving(0x800), moving(0x700), moving(0x600)], (2, 0x100)),
            (vec![moving(0x800), moving(0x700), moving(0x5ff)], (0, 0)),
            (vec![moving(0x800), moving(0x900)], (0, 0)),
        ] {
            let mut trail = Trail::default();
            for event in &events {
                match event {
                    Some((trap, epc)) => take(&mut trail, *trap, *epc),
                    None => trail.trap_return(VirtAddr(0), VirtAddr(0)),
                }
            }
            assert_eq!((trail.repeats(), trail.stride()), repeats, "{events:?}");
        }
    }

    /// The events as characters: `J` and `T` with the last digit of where they come from.
    fn text(trail: &Trail) -> String {
        let letter = |event: &Event| if event.turn == Turn::Jump { 'J' } else { 'T' };
        trail.events().map(|event| format!("{}{:x} ", letter(event), event.from.0 & 15)).collect()
    }

    #[test]
    fn a_loop_leaves_what_came_before_it() {
        // Jumps in each round of the loop, and what is left of it after many rounds.
        for (jumps, kept) in [
            (0, "J1 J2 J3 T4 T4 "),
            (2, "J1 J2 J3 T4 J5 J6 T4 "),
            // 21 events after the first round; each round overwrites 5 of them.
            (16, "J5 J5 J5 J5 J5 J5 J5 J5 J5 J5 J5 J5 J5 J5 J6 T4 "),
        ] {
            let mut trail = Trail::default();
            (1..=3).for_each(|at| trail.jump(VirtAddr(at), VirtAddr(0)));
            for round in 0..1000 {
                take(&mut trail, load_fault(0x800), 4);
                for jump in 0..jumps {
                    let at = if jump + 1 == jumps { 6 } else { 5 };
                    trail.jump(VirtAddr(at), VirtAddr(0));
                }
                assert_eq!(trail.repeats(), round);
            }
            take(&mut trail, load_fault(0x800), 4);
            assert_eq!(text(&trail), kept, "{jumps}");
        }
    }

    #[test]
    fn rounds_longer_than_the_trail_are_noted_as_they_come() {
        let mut trail = Trail::default();
        for _ in 0..1000 {
            take(&mut trail, load_fault(0x800), 4);
            (0..17).for_each(|_| trail.jump(VirtAddr(5), VirtAddr(0)));
        }
        assert_eq!(trail.repeats(), 999);
        let round = format!("T4 {}", "J5 ".repeat(17));
        assert_eq!(text(&trail), round.repeat(2)[3 * 4..]);
    }
}
