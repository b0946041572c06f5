//! The other reasons to stop: all harts wait for what cannot come, or a limit was reached while
//! they were busy.

use super::raised::Raised;
use super::{Verdict, article, hart_in_mode, place};
use crate::debug::inspect::cause::trap_name;
use crate::debug::inspect::code;
use crate::debug::view::{Space, View};
use crate::hart::trail::Turn;
use crate::isa::{Op, disasm};
use crate::trap::{Interrupt, Trap};

/// Rounds of trap and return on the trail that make a habit.
const HABIT_ROUNDS: usize = 4;

/// What ends a program properly.
const THE_END: &str = "A program that has ended says so to the test finisher, through HTIF or by \
                       SBI's system reset.";

/// All harts wait for interrupts and none can come.
pub(super) fn asleep<'a>(view: &View<'a>) -> Verdict<'a> {
    let waiting: Vec<_> =
        (0..view.harts.len()).map(|hart| view.of(hart)).filter(|v| wfi(v).is_some()).collect();
    // One that has something enabled has more to tell.
    let listens = |view: &&View<'_>| enabled(view) != 0;
    let view = waiting.iter().find(listens).or(waiting.first()).unwrap_or(view);
    let who = match (waiting.len(), view.harts.len()) {
        (0, _) => "no hart runs".to_owned(),
        (_, 1) => "hart 0 waits".to_owned(),
        (count, all) => format!("no hart runs, {count} of {all} wait: hart {} waits", view.current),
    };
    let at = wfi(view).map_or(String::new(), |at| format!(" in wfi at {}", place(view, at)));
    let register = enable_register(view);
    let ignored = match view.csr_named("mip") & visible(view) & !enabled(view) {
        0 => String::new(),
        bits => format!("; {} is pending, but not enabled in {register}", names(bits)),
    };
    let (cause, remedy) = if enabled(view) == 0 {
        (
            format!("{who}{at}, and no interrupt is enabled: {register} is 0{ignored}."),
            "Enable what is to wake the hart before it waits.",
        )
    } else {
        let (names, reasons) = (names(enabled(view)), reasons(view));
        (
            format!("{who}{at} for {names}, which cannot come: {reasons}{ignored}."),
            "Set up what is to wake the hart before it waits.",
        )
    };
    Verdict { cause, advice: format!("{remedy} {THE_END}"), ..Verdict::new(view) }
}

/// The interrupts that are the guest's: those of M-mode are not where that is the emulator's.
fn visible(view: &View<'_>) -> u64 {
    if view.hart().has_host_firmware() { view.csr_named("mideleg") } else { u64::MAX }
}

/// The interrupts that the guest has enabled.
fn enabled(view: &View<'_>) -> u64 {
    view.csr_named("mie") & visible(view)
}

/// Where the guest enables them.
fn enable_register(view: &View<'_>) -> &'static str {
    if view.hart().has_host_firmware() { "sie" } else { "mie" }
}

/// The address of the `wfi` behind which the current hart stands.
fn wfi(view: &View<'_>) -> Option<u64> {
    const WFI_BYTES: u64 = 4;
    let at = view.hart().pc.0.wrapping_sub(WFI_BYTES);
    let insn = code::fetch(view, Space::Virtual, at).ok()?.decode()?;
    (insn.op == Op::Wfi).then_some(at)
}

/// The interrupts of a mask.
fn interrupts(mask: u64) -> impl Iterator<Item = Interrupt> {
    Interrupt::BY_PRIORITY.into_iter().filter(move |interrupt| mask & interrupt.bit() != 0)
}

fn names(mask: u64) -> String {
    let names: Vec<_> =
        interrupts(mask).map(|interrupt| article(trap_name(Trap::Interrupt(interrupt)))).collect();
    names.join(" or ")
}

/// Why none of the enabled interrupts will ever be pending.
fn reasons(view: &View<'_>) -> String {
    let has_stimecmp = view.hart().csr.supervisor_deadline().is_some();
    let reason = |interrupt| match interrupt {
        Interrupt::MachineTimer => "mtimecmp is not set to a time that comes",
        Interrupt::SupervisorTimer if has_stimecmp => "stimecmp is not set to a time that comes",
        Interrupt::SupervisorTimer => "only firmware could raise a timer interrupt for S-mode",
        Interrupt::MachineSoftware | Interrupt::SupervisorSoftware => {
            "no hart is left that could send one"
        }
        Interrupt::MachineExternal | Interrupt::SupervisorExternal => {
            "no device has anything to say, and there is no more input"
        }
    };
    let mut reasons: Vec<_> = interrupts(enabled(view)).map(reason).collect();
    reasons.sort_unstable();
    reasons.dedup();
    reasons.join(", ")
}

/// A limit was reached while harts were running.
pub(super) fn busy<'a>(view: &View<'a>, limit: &str) -> Verdict<'a> {
    let who = hart_in_mode(view, view.hart().privilege);
    let at = place(view, view.hart().pc.0);
    let verdict = Verdict::new(view);
    if let Some(raised) = retried(view) {
        let (name, insn) = (raised.name(), raised.instruction(view));
        let why = raised.why(view).map_or(String::new(), |why| format!(": {why}"));
        return Verdict {
            cause: format!(
                "{limit} was reached while hart {} hits {name} over and over, at {insn}{why}. Its \
                 trap handler returns there without a remedy.",
                view.current
            ),
            advice: "The handler must remove the cause, or move mepc or sepc past the instruction."
                .to_owned(),
            walks: raised.inquiry(view).into_iter().collect(),
            places: vec![(Space::Mode(raised.privilege), raised.epc)],
            ..verdict
        };
    }
    let (doing, advice) = if jumps_in_place(view) {
        ("jumps in place at", THE_END)
    } else if wfi(view).is_some() {
        ("waits in wfi before", "What it waits for may never come.")
    } else {
        ("was running at", "Raise the limit if the program needs more.")
    };
    let cause = format!("{limit} was reached while {who} {doing} {at}.");
    Verdict { cause, advice: advice.to_owned(), ..verdict }
}

/// The exception that comes again each time its handler has returned.
fn retried(view: &View<'_>) -> Option<Raised> {
    let events: Vec<_> = view.hart().trail.events().collect();
    let raised: Vec<_> = events.iter().filter_map(|event| Raised::new(event)).collect();
    let last = *raised.last()?;
    let recent = raised.iter().rev().take(HABIT_ROUNDS);
    let is_habit = recent.clone().count() == HABIT_ROUNDS && recent.clone().all(|r| *r == last);
    let returns = events.iter().filter(|e| e.turn == Turn::TrapReturn && e.to.0 == last.epc);
    (is_habit && returns.count() >= HABIT_ROUNDS - 1).then_some(last)
}

/// Whether the instruction at the pc goes to itself.
fn jumps_in_place(view: &View<'_>) -> bool {
    let pc = view.hart().pc.0;
    let insn = code::fetch(view, Space::Virtual, pc).ok().and_then(code::Fetched::decode);
    insn.is_some_and(|insn| disasm::target(&insn, pc) == Some(pc))
}
