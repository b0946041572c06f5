//! The trail of the current hart as lines, oldest first; what repeats is written once.

use super::{View, cause, mode_letter};
use crate::hart::trail::{Event, Turn};
use crate::trap::{Exception, Trap};

/// The longest sequence of events that is looked for as a repetition.
const MAX_PERIOD: usize = 4;

/// The last control-flow events.
pub(in crate::debug) fn events(view: &View<'_>) -> Vec<String> {
    let trail = &view.hart().trail;
    let mut lines: Vec<_> = trail.events().map(|event| line(view, event)).collect();
    if lines.is_empty() {
        return vec!["none yet".to_owned()];
    }
    if trail.repeats() == 0 {
        return fold(&lines);
    }
    // The trail keeps one round of a loop: the trap comes once before it and once after it.
    while let [.., one, other] = lines.as_slice()
        && one == other
    {
        lines.pop();
    }
    let stride = match trail.stride() {
        0 => String::new(),
        bytes => format!(", each {bytes:#x} further down"),
    };
    let mut lines = fold(&lines);
    lines.push(format!(
        "        (this trap {}{stride})",
        times_text(trail.repeats().saturating_add(1))
    ));
    lines
}

/// A number of times; a large one is rounded down to a power of ten, since chance decides it.
fn times_text(times: u32) -> String {
    match times {
        0..1000 => format!("{times} times"),
        _ => format!("more than {} times", 10_u32.pow(times.ilog10())),
    }
}

fn line(view: &View<'_>, event: &Event) -> String {
    let place = |at: u64| format!("{at:#x}{}", view.label(at));
    let (from, to) = (place(event.from.0), place(event.to.0));
    match event.turn {
        Turn::Jump => format!("jump    {from} -> {to}"),
        Turn::TrapReturn => format!("return  {from} -> {to}"),
        Turn::Trap(trap, privilege) => {
            let value = match trap {
                Trap::Interrupt(_)
                | Trap::Exception(Exception::EnvironmentCall(_) | Exception::Breakpoint(_)) => None,
                // Of a fetch, the address is that of the instruction.
                Trap::Exception(it) => Some(it.tval()).filter(|value| *value != event.from.0),
            };
            let value = value.map_or(String::new(), |value| format!(" {value:#x}"));
            let (name, mode) = (cause::trap_name(trap), mode_letter(privilege));
            format!("trap    {name}{value} in {mode}-mode at {from} -> {to}")
        }
    }
}

/// The lines, where sequences that repeat are written once, with their number.
fn fold(lines: &[String]) -> Vec<String> {
    let mut folded = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let rest = &lines[at..];
        let (period, times) = (1..=MAX_PERIOD)
            .map(|period| (period, times(rest, period)))
            .find(|(period, times)| times - 1 > usize::from(*period > 1))
            .unwrap_or((1, 1));
        folded.extend(rest[..period].iter().cloned());
        match (period, times) {
            (_, 1) => {}
            (1, _) => folded.push(format!("        ({times} times)")),
            _ => folded.push(format!("        (these {period}, {times} times)")),
        }
        at += period * times;
    }
    folded
}

/// How often the first `period` lines come one after the other, at least once.
fn times(lines: &[String], period: usize) -> usize {
    let Some(first) = lines.get(..period) else { return 1 };
    lines.chunks_exact(period).take_while(|chunk| *chunk == first).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_written_once() {
        for (events, expect) in [
            ("", ""),
            ("abc", "abc"),
            ("aa", "a2"),
            ("aaab", "a3b"),
            ("abab", "abab"),
            ("ababab", "ab3"),
            ("xabcabcabcaby", "xabc3aby"),
            ("abcdeabcdeabcde", "abcdeabcdeabcde"),
        ] {
            let lines: Vec<_> = events.chars().map(String::from).collect();
            let times = |line: &String| match line.rsplit_once(' ') {
                Some((before, _)) => before.rsplit([' ', '(']).next().unwrap_or("").to_owned(),
                None => line.clone(),
            };
            assert_eq!(fold(&lines).iter().map(times).collect::<String>(), expect, "{events}");
        }
    }
}
