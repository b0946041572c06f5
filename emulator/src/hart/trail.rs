//! The trail of a hart: its last control-flow events, always kept, so that whoever asks why a
//! machine has stopped can see how it came there; and the count that tells a trap loop. Written by
//! the hart (traps), by `system/` (trap returns) and by the engine (jumps that leave their page:
//! those within a page would drown the others in loops).

use crate::addr::{Privilege, VirtAddr};
use crate::trap::Trap;

/// Events kept.
pub const TRAIL_EVENTS: usize = 32;

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
    /// Events noted since reset.
    count: usize,
    /// The last exception, unless a trap return has come since.
    last_exception: Option<(Trap, VirtAddr)>,
    /// How often it has come in a row.
    repeats: u32,
}

impl Default for Trail {
    fn default() -> Self {
        Self { events: [Event::NONE; TRAIL_EVENTS], count: 0, last_exception: None, repeats: 0 }
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
        self.note(Event { turn: Turn::Trap(trap, privilege), from: epc, to });
        if matches!(trap, Trap::Exception(_)) {
            let is_same = self.last_exception == Some((trap, epc));
            self.repeats = if is_same { self.repeats.saturating_add(1) } else { 0 };
            self.last_exception = Some((trap, epc));
        }
    }

    /// How often the last exception has repeated one like it, at the same instruction with the
    /// same value, without a trap return between them.
    pub fn repeats(&self) -> u32 {
        self.repeats
    }

    /// The events kept, oldest first.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        let first = self.count.saturating_sub(TRAIL_EVENTS);
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
    use crate::trap::{Exception, Interrupt};

    const FAULT: Trap = Trap::Exception(Exception::PageFault(Access::Load, VirtAddr(8)));
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

    #[test]
    fn only_the_same_exception_repeats() {
        let at = |pc| (pc, VirtAddr(0x100));
        // What happens, and the repeats after it.
        for (events, repeats) in [
            (vec![], 0),
            (vec![Some((FAULT, at(4)))], 0),
            (vec![Some((FAULT, at(4))); 3], 2),
            (vec![Some((FAULT, at(4))), Some((TIMER, at(4))), Some((FAULT, at(4)))], 1),
            (vec![Some((FAULT, at(4))), Some((FAULT, at(8)))], 0),
            (vec![Some((FAULT, at(4))), None, Some((FAULT, at(4)))], 0),
        ] {
            let mut trail = Trail::default();
            for event in &events {
                match event {
                    Some((trap, (epc, to))) => {
                        trail.trap(*trap, Privilege::Machine, VirtAddr(*epc), *to);
                    }
                    None => trail.trap_return(VirtAddr(0), VirtAddr(0)),
                }
            }
            assert_eq!(trail.repeats(), repeats, "{events:?}");
        }
    }
}
