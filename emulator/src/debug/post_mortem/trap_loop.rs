//! The root of a trap loop, from the hart's trail: what was raised first, and why the trap handler
//! could not take it.

use super::raised::Raised;
use super::{CodePlace, Verdict, hart_in_mode, place};
use crate::addr::{Access, Privilege};
use crate::debug::view::{Space, View};
use crate::hart::trail::{Event, Turn};

/// A handler's code is at most this long: what faults farther away is something that it calls.
const HANDLER_MAX_BYTES: u64 = 256;

/// Number of the stack pointer.
const SP: u8 = 2;

/// How a hart got caught.
struct Loop<'a> {
    view: View<'a>,
    /// The exception that its handler raises.
    caught: Raised,
    /// The exception that came first, if that was another one.
    first: Option<Raised>,
    /// What came before all that.
    arrival: Option<Event>,
}

/// What has become of the current hart.
pub(super) fn verdict<'a>(view: &View<'a>) -> Verdict<'a> {
    let events: Vec<_> = view.hart().trail.events().copied().collect();
    let since_return = events.iter().rposition(|event| event.turn == Turn::TrapReturn);
    let start = since_return.map_or(0, |at| at + 1);
    let is_exception = |event: &Event| Raised::new(event).is_some();
    let (Some(at), Some(caught)) =
        (events[start..].iter().position(is_exception), events.iter().rev().find_map(Raised::new))
    else {
        let cause = format!("{} traps for ever.", hart_in_mode(view, view.hart().privilege));
        return Verdict { cause, ..Verdict::new(view) };
    };
    let first = Raised::new(&events[start + at]).filter(|first| !first.repeats(&caught));
    let arrival = (start + at).checked_sub(1).map(|before| events[before]);
    let found = Loop { view: *view, caught, first, arrival };
    Verdict {
        view: *view,
        cause: found.cause(),
        advice: found.advice(),
        walks: first.iter().chain([&caught]).filter_map(|raised| raised.inquiry(view)).collect(),
        places: found.places(),
    }
}

impl Loop<'_> {
    /// The register that says where the handler is.
    fn register(&self) -> &'static str {
        if self.caught.privilege == Privilege::Machine { "mtvec" } else { "stvec" }
    }

    /// Whether there is no handler that could be executed.
    fn is_unfetchable(&self) -> bool {
        self.caught.is_fetch() && self.caught.epc == self.caught.handler
    }

    /// The jump or trap return to where the first exception was raised.
    fn jump(&self) -> Option<Event> {
        let first = self.first.as_ref().unwrap_or(&self.caught);
        let led_there = |event: &Event| event.to.0 == first.epc && Raised::new(event).is_none();
        self.arrival.filter(|event| first.is_fetch() && led_there(event))
    }

    /// What happened first, as a sentence; `None` where the trail does not go back that far.
    fn beginning(&self) -> Option<String> {
        let view = &self.view;
        let first = self.first.as_ref().unwrap_or(&self.caught);
        let who = hart_in_mode(view, first.privilege);
        let to = place(view, first.epc);
        let how = match self.jump() {
            Some(Event { turn: Turn::TrapReturn, from, .. }) => {
                format!("the trap return at {} led {who} to {to}", place(view, from.0))
            }
            Some(Event { from, .. }) => {
                format!("{who} jumped from {} to {to}", place(view, from.0))
            }
            // The handler itself is the first that cannot be fetched: the next sentence says it.
            None if self.first.is_none() => return None,
            None => {
                let why = first.why(view).map_or(String::new(), |why| format!(": {why}"));
                let (name, insn) = (first.name(), first.instruction(view));
                return Some(format!("{who} hit {name} at {insn}{why}. "));
            }
        };
        let why = first.why(view).unwrap_or_default();
        Some(format!("{how}: {}, {why}. ", first.name()))
    }

    fn cause(&self) -> String {
        let (view, caught) = (&self.view, &self.caught);
        let beginning = self.beginning();
        let beginning = beginning.unwrap_or_else(|| format!("hart {}: ", view.current));
        let handler = format!("trap handler ({} {})", self.register(), place(view, caught.handler));
        let why = caught.why(view).map_or(String::new(), |why| format!(": {why}"));
        if self.is_unfetchable() {
            return format!("{beginning}Its {handler} cannot be fetched{why}.");
        }
        let (name, insn) = (caught.name(), caught.instruction(view));
        let what = match caught.epc.wrapping_sub(caught.handler) {
            0 => "The first instruction of its",
            1..HANDLER_MAX_BYTES => "Its",
            _ => "Code that is called from its",
        };
        let stack = self.stack();
        format!("{beginning}{what} {handler} itself hits {name} at {insn}{why}{stack}.")
    }

    /// Whether it is the stack that the handler cannot reach.
    fn uses_stack(&self) -> bool {
        let is_data = self.caught.access().is_some_and(|(access, _)| access != Access::Fetch);
        is_data && self.caught.insn(&self.view).is_some_and(|insn| insn.rs1 == SP)
    }

    fn stack(&self) -> String {
        if !self.uses_stack() {
            return String::new();
        }
        let sp = self.view.hart().x[usize::from(SP)];
        match self.view.hart().trail.stride() {
            0 => format!("; sp is {sp:#x}"),
            bytes => format!("; sp is {sp:#x} and goes down by {bytes:#x} with each trap"),
        }
    }

    /// Whether the access was denied while page tables were in use.
    fn is_paged(&self, raised: &Raised) -> bool {
        raised.inquiry(&self.view).is_some_and(|inquiry| inquiry.translates())
    }

    fn advice(&self) -> String {
        let first = self.first.as_ref().unwrap_or(&self.caught);
        let inquiry = first.inquiry(&self.view);
        let root = if inquiry.is_some_and(|inquiry| inquiry.is_protected()) {
            "Before mret, PMP must open memory to the modes below M: pmpaddr0 = -1 with pmpcfg0 = \
             0x1f opens all of it. "
        } else if !first.is_fetch() {
            ""
        } else if self.jump().is_some_and(|event| event.turn == Turn::Jump) {
            "Look at the code that jumped: a function pointer was wild or null, or a return \
             address overwritten. "
        } else if self.is_paged(first) {
            "Code that writes satp must itself be mapped, executable, where it runs. "
        } else {
            ""
        };
        let register = self.register();
        let handler = if !self.is_unfetchable() && self.uses_stack() {
            "The trap handler must be on a stack that is there before it pushes: it swaps sp with \
             mscratch or sscratch where it cannot trust it. If this is its own stack, it has \
             overflowed."
        } else if !self.is_unfetchable() {
            "A trap handler must be able to save registers without a trap of its own."
        } else if self.caught.handler == 0 {
            return format!("{root}Set {register} before anything can trap.");
        } else if self.is_paged(&self.caught) {
            "The trap handler must be mapped executable, without U, in every address space."
        } else {
            return format!("{root}{register} must hold the address of code in RAM.");
        };
        format!("{root}{handler}")
    }

    /// The code to show: where it began, and what the handler does.
    fn places(&self) -> Vec<CodePlace> {
        let first = self.first.as_ref().unwrap_or(&self.caught);
        // A jump has been made in the mode that could not fetch; a trap return, in a higher one.
        let from = match self.jump() {
            Some(Event { turn: Turn::Jump, from, .. }) => Some(from.0),
            _ => (!first.is_fetch()).then_some(first.epc),
        };
        let began = from.map(|from| (Space::Mode(first.privilege), from));
        let faults = (!self.is_unfetchable())
            .then_some((Space::Mode(self.caught.privilege), self.caught.epc));
        began.into_iter().chain(faults).collect()
    }
}
