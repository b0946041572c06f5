//! Why the machine has stopped, on one screen: [`screen`] puts the cause into words first, gives
//! advice, and then shows what it was drawn from: the walks that were denied, registers, the code
//! that matters, the last control-flow events. `trap_loop.rs` and `rest.rs` find the cause,
//! `raised.rs` looks into one exception, `illegal.rs` into one instruction.

mod illegal;
mod raised;
mod rest;
mod trap_loop;

use super::inspect::walk::Inquiry;
use super::inspect::{cause_name, code, map, mode_letter, registers, trail};
use super::view::{Space, View};
use crate::addr::Privilege;

/// Instructions shown on each side of the pc.
const CODE_EACH_SIDE: usize = 2;
/// Harts shown besides the one that the screen is about.
const MAX_OTHER_HARTS: usize = 7;
/// Lines of a screen: what is less important is left out where it would become longer.
const SCREEN_LINES: usize = 62;
/// Words are wrapped at this column.
const COLUMNS: usize = 96;

/// Why a run has ended although the program did not end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A hart raises the same exception over and over in its own trap handler.
    TrapLoop {
        /// Index of the hart.
        hart: usize,
    },
    /// All harts wait for interrupts and none can come.
    Asleep,
    /// The limit of instructions was reached.
    InsnLimit,
    /// The limit of time was reached.
    Timeout,
}

/// An instruction worth seeing, and the address space that it is in.
type CodePlace = (Space, u64);

/// What was found out.
struct Verdict<'a> {
    /// The view of the hart that it is about.
    view: View<'a>,
    /// A sentence or two.
    cause: String,
    /// What to do about it.
    advice: String,
    /// The translations that failed, the one that began it first.
    walks: Vec<Inquiry<'a>>,
    /// Code to be shown besides that at the pc, in the order in which it was executed.
    places: Vec<CodePlace>,
}

impl<'a> Verdict<'a> {
    /// Nothing was found out about the current hart of `view` yet.
    fn new(view: &View<'a>) -> Self {
        let (cause, advice) = (String::new(), String::new());
        Self { view: *view, cause, advice, walks: Vec::new(), places: Vec::new() }
    }
}

/// The cause in words: a sentence or two, without a line feed.
pub fn cause(view: &View<'_>, why: Why) -> String {
    verdict(view, why).cause
}

/// The screen: about 60 lines of about 100 columns, each ended by a line feed.
pub fn screen(view: &View<'_>, why: Why) -> String {
    let Verdict { view, cause, advice, walks, places } = verdict(view, why);
    let mut words = wrap("cause:  ", &cause);
    words.extend(wrap("advice: ", &advice));
    let registers = hart(&view);
    let heading = "last traps, trap returns and jumps to other pages:".to_owned();
    let events = trail::events(&view).into_iter().map(|line| format!("  {line}"));
    let events: Vec<_> = std::iter::once(heading).chain(events).collect();
    let mut left = SCREEN_LINES.saturating_sub(words.len() + registers.len() + events.len() + 2);
    let walks = what_fits(walks.iter().map(Inquiry::lines), &mut left);
    let listing = what_fits(listing(&view, places).into_iter(), &mut left);
    let sections = [walks, vec![registers], listing, vec![events]].into_iter().flatten();
    let lines = words
        .into_iter()
        .chain(sections.flat_map(|lines| std::iter::once(String::new()).chain(lines)));
    lines.flat_map(|line| [line, "\n".to_owned()]).collect()
}

/// The first section, and of the others those for which there is room in the lines that are left.
fn what_fits(sections: impl Iterator<Item = Vec<String>>, left: &mut usize) -> Vec<Vec<String>> {
    let mut fitting = Vec::new();
    for section in sections {
        let lines = section.len() + 1;
        if fitting.is_empty() || lines <= *left {
            *left = left.saturating_sub(lines);
            fitting.push(section);
        }
    }
    fitting
}

fn verdict<'a>(view: &View<'a>, why: Why) -> Verdict<'a> {
    match why {
        Why::TrapLoop { hart } => trap_loop::verdict(&view.of(hart)),
        Why::Asleep => rest::asleep(view),
        Why::InsnLimit => rest::busy(view, "the limit of instructions"),
        Why::Timeout => rest::busy(view, "the time limit"),
    }
}

/// The current hart with its registers, and a line for each of the others.
fn hart(view: &View<'_>) -> Vec<String> {
    let word = |name: &str| format!("{name:<8} {:016x}", view.csr_named(name));
    let meaning = |name: &str| cause_name(view.csr_named(name)).unwrap_or("(no known cause)");
    let mut lines = vec![format!("hart {}: {}", view.current, map::hart(view))];
    let others = (0..view.harts.len()).filter(|index| *index != view.current);
    lines.extend(
        others.take(MAX_OTHER_HARTS).map(|i| format!("hart {i}: {}", map::hart(&view.of(i)))),
    );
    let hidden = view.harts.len().saturating_sub(1 + MAX_OTHER_HARTS);
    if hidden > 0 {
        lines.push(format!("and {hidden} harts more"));
    }
    lines.extend(registers::integer(view));
    for names in [["mepc", "mtval", "mtvec", "mscratch"], ["sepc", "stval", "stvec", "sscratch"]] {
        lines.push(format!(" {}", names.map(word).join(" ")));
    }
    lines.push(format!(" {}", ["mstatus", "satp", "medeleg", "mideleg"].map(word).join(" ")));
    // 0 is what a register holds that no trap has written.
    let causes = ["mcause", "scause"].into_iter().filter(|name| view.csr_named(name) != 0);
    lines.extend(causes.map(|name| format!(" {} {}", word(name), meaning(name))));
    lines
}

/// The code at `places` and at the pc, but for what has been shown already.
fn listing(view: &View<'_>, places: Vec<CodePlace>) -> Vec<Vec<String>> {
    let here = (Space::Virtual, view.hart().pc.0);
    let (mut shown, mut windows) = (Vec::new(), Vec::new());
    for (space, at) in places.into_iter().chain([here]) {
        if !shown.contains(&at) {
            let window = code::around(view, space, at, CODE_EACH_SIDE);
            shown.extend(window.iter().map(|(at, _)| *at));
            windows.push(window.into_iter().map(|(_, line)| line).collect());
        }
    }
    windows
}

/// `text` in lines of at most [`COLUMNS`], after `label`.
fn wrap(label: &str, text: &str) -> Vec<String> {
    let mut lines = vec![label.to_owned()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("never empty");
        let starts = line.trim().is_empty() || line.as_str() == label;
        if !starts && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            lines.push(format!("{}{word}", " ".repeat(label.len())));
        } else {
            line.push_str(if starts { "" } else { " " });
            line.push_str(word);
        }
    }
    lines
}

/// `hart 0 in M-mode`.
fn hart_in_mode(view: &View<'_>, privilege: Privilege) -> String {
    format!("hart {} in {}-mode", view.current, mode_letter(privilege))
}

/// `name` after `a` or `an`.
fn article(name: &str) -> String {
    format!("{} {name}", if name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" })
}

/// `0x80000000 <start>`.
fn place(view: &View<'_>, at: u64) -> String {
    format!("{at:#x}{}", view.label(at))
}

#[cfg(test)]
mod tests;
