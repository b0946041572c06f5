//! The monitor: [`execute`] answers one line of a user, typed at the console's monitor or behind
//! gdb's `monitor`. One table holds the commands; none of them changes anything. Where QEMU has a
//! command, its spelling and layout are kept. The texts are made in `inspect/`.

use super::inspect::dump::{self, Format};
use super::inspect::walk::Inquiry;
use super::inspect::{expression, map, registers, table, tlb, trail};
use super::view::{Space, View};
use crate::addr::{Access, Privilege, VirtAddr};

/// What a command says: lines, or one line about what is wrong with the question.
type Answer = Result<Vec<String>, String>;

/// One command.
struct Command {
    /// One word, or `info` and another.
    name: &'static str,
    arguments: &'static str,
    help: &'static str,
    run: fn(&View<'_>, &[&str]) -> Answer,
}

#[rustfmt::skip]
const COMMANDS: &[Command] = &[
    Command { name: "help",           arguments: "[COMMAND]",         run: help,         help: "this list" },
    Command { name: "info mem",       arguments: "[HART]",            run: info_mem,     help: "the mappings of the current address space" },
    Command { name: "info tlb",       arguments: "[HART]",            run: info_tlb,     help: "what the TLB holds" },
    Command { name: "info registers", arguments: "[-a | HART]",       run: info_registers, help: "registers; -a: of all harts" },
    Command { name: "info harts",     arguments: "",                  run: info_harts,   help: "where each hart is" },
    Command { name: "info trail",     arguments: "[HART]",            run: info_trail,   help: "the last jumps to other pages, traps and trap returns" },
    Command { name: "info mtree",     arguments: "",                  run: info_mtree,   help: "the address map: RAM and devices" },
    Command { name: "info symbol",    arguments: "ADDR",              run: info_symbol,  help: "the symbol that an address belongs to" },
    Command { name: "tr",             arguments: "ADDR [r|w|x] [u|s|m]", run: translate, help: "the page walk for a load, store or fetch, level by level" },
    Command { name: "gva2gpa",        arguments: "ADDR",              run: gva2gpa,      help: "the physical address of a virtual one" },
    Command { name: "x",              arguments: "[/NFU] ADDR",       run: examine,      help: "memory at a virtual address; N units, format xduocsi, size bhwg" },
    Command { name: "xp",             arguments: "[/NFU] ADDR",       run: examine_physical, help: "memory at a physical address" },
    Command { name: "p",              arguments: "[/F] VALUE",        run: print,        help: "a value: numbers, registers ($a0, $satp), symbols, + and -" },
];

/// What may be mistyped in a name that is still recognised: one letter in this many.
const LETTERS_PER_SLIP: usize = 3;

/// The answer to `line`, each line of it ended by a line feed. Whatever the line, nothing changes.
pub fn execute(view: &View<'_>, line: &str) -> String {
    // `x/4i $pc`: the format is a word of its own.
    let line = match line.trim_start().split_once('/') {
        Some((word, rest)) if !word.contains(char::is_whitespace) => format!("{word} /{rest}"),
        _ => line.to_owned(),
    };
    let words: Vec<_> = line.split_whitespace().collect();
    let answer = if words.is_empty() { Ok(Vec::new()) } else { answer(view, &words) };
    let lines = answer.unwrap_or_else(|complaint| vec![complaint]);
    lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect()
}

fn answer(view: &View<'_>, words: &[&str]) -> Answer {
    let (command, arguments) = find(words)?;
    (command.run)(view, arguments).map_err(|complaint| {
        let Command { name, arguments, .. } = command;
        format!("{complaint} (usage: {})", format!("{name} {arguments}").trim_end())
    })
}

/// The command that `words` begin with, which may be cut short where it stays clear, and the
/// other words.
fn find<'a, 'w>(words: &'a [&'w str]) -> Result<(&'static Command, &'a [&'w str]), String> {
    let len = if words[0] == "info" { 2.min(words.len()) } else { 1 };
    let (name, arguments) = (words[..len].join(" "), &words[len..]);
    if let Some(command) = COMMANDS.iter().find(|command| command.name == name) {
        return Ok((command, arguments));
    }
    let begun: Vec<_> = COMMANDS.iter().filter(|c| c.name.starts_with(&name)).collect();
    match begun[..] {
        [command] if name != "info" => return Ok((command, arguments)),
        [_, _, ..] => {
            let names: Vec<_> = begun.iter().map(|command| command.name).collect();
            return Err(format!("'{name}' could be: {}", names.join(", ")));
        }
        _ => {}
    }
    let distance = |command: &&Command| strsim::damerau_levenshtein(command.name, &name);
    let nearest = COMMANDS
        .iter()
        .min_by_key(distance)
        .filter(|command| distance(command) <= name.len().div_ceil(LETTERS_PER_SLIP));
    let advice = match nearest {
        Some(command) => format!("did you mean '{}'?", command.name),
        None => "'help' lists the commands".to_owned(),
    };
    Err(format!("unknown command: '{name}'; {advice}"))
}

fn help(_: &View<'_>, words: &[&str]) -> Answer {
    let one = if words.is_empty() { None } else { Some(find(words)?.0) };
    let line = |command: &Command| {
        let usage = format!("{} {}", command.name, command.arguments);
        format!("{:<24} {}", usage.trim_end(), command.help)
    };
    Ok(one.map_or_else(|| COMMANDS.iter().map(line).collect(), |command| vec![line(command)]))
}

/// The view of the hart that the words name, or of the current one.
fn of_hart<'a>(view: &View<'a>, words: &[&str]) -> Result<View<'a>, String> {
    match words {
        [] => Ok(*view),
        [word] => {
            let index = expression::number(word).and_then(|number| usize::try_from(number).ok());
            let index = index.filter(|index| *index < view.harts.len());
            Ok(view.of(index.ok_or_else(|| format!("no hart is called '{word}'"))?))
        }
        [_, word, ..] => Err(too_much(word)),
    }
}

fn too_much(word: &str) -> String {
    format!("'{word}' is too much")
}

/// The value of all words together.
fn value(view: &View<'_>, words: &[&str]) -> Result<u64, String> {
    if words.is_empty() {
        return Err("an address or value is missing".to_owned());
    }
    expression::evaluate(view, &words.join(" "))
}

fn no_words(words: &[&str]) -> Result<(), String> {
    words.first().map_or(Ok(()), |word| Err(too_much(word)))
}

fn info_mem(view: &View<'_>, words: &[&str]) -> Answer {
    Ok(table::mappings(&of_hart(view, words)?))
}

fn info_tlb(view: &View<'_>, words: &[&str]) -> Answer {
    Ok(tlb::entries(&of_hart(view, words)?))
}

fn info_registers(view: &View<'_>, words: &[&str]) -> Answer {
    match words {
        ["-a"] => {
            Ok((0..view.harts.len()).flat_map(|hart| registers::all(&view.of(hart))).collect())
        }
        _ => Ok(registers::all(&of_hart(view, words)?)),
    }
}

fn info_harts(view: &View<'_>, words: &[&str]) -> Answer {
    no_words(words)?;
    Ok(map::harts(view))
}

fn info_trail(view: &View<'_>, words: &[&str]) -> Answer {
    Ok(trail::events(&of_hart(view, words)?))
}

fn info_mtree(view: &View<'_>, words: &[&str]) -> Answer {
    no_words(words)?;
    Ok(map::regions(view))
}

fn info_symbol(view: &View<'_>, words: &[&str]) -> Answer {
    let at = value(view, words)?;
    Ok(vec![match view.symbols.nearest(at) {
        Some((symbol, 0)) => format!("{} at {at:#x}", symbol.name),
        Some((symbol, distance)) => format!("{} + {distance:#x} at {at:#x}", symbol.name),
        None => format!("no symbol matches {at:#x}"),
    }])
}

fn translate(view: &View<'_>, words: &[&str]) -> Answer {
    let (mut words, mut access, mut privilege) = (words, Access::Load, None);
    while let [before @ .., word] = words
        && !before.is_empty()
    {
        match *word {
            "r" => access = Access::Load,
            "w" => access = Access::Store,
            "x" => access = Access::Fetch,
            "u" => privilege = Some(Privilege::User),
            "s" => privilege = Some(Privilege::Supervisor),
            "m" => privilege = Some(Privilege::Machine),
            _ => break,
        }
        words = before;
    }
    let va = VirtAddr(value(view, words)?);
    let mut lines = Inquiry::new(view, va, access, privilege).lines();
    if privilege.is_none() {
        lines.extend(stale(view, va, access));
    }
    Ok(lines)
}

/// What the TLB says of `va`, where that is not what a walk says now.
fn stale(view: &View<'_>, va: VirtAddr, access: Access) -> Option<String> {
    let mmu = &view.hart().mmu;
    let cached = view.bus.ram.base().wrapping_add(mmu.lookup(va, access)?.0);
    let walked = mmu.explain(view.bus, va, access).pa;
    (walked != Ok(cached)).then(|| {
        format!("  but the TLB still holds {:#x}: the tables have changed, no fence came", cached.0)
    })
}

fn gva2gpa(view: &View<'_>, words: &[&str]) -> Answer {
    let at = value(view, words)?;
    Ok(vec![match view.resolve(Space::Virtual, at) {
        Ok(pa) => format!("gpa: {:#x}", pa.0),
        Err(_) => "Unmapped".to_owned(),
    }])
}

/// The format in front of the other words, if there is one.
fn format<'a, 'w>(words: &'a [&'w str]) -> Result<(Format, &'a [&'w str]), String> {
    match words {
        [first, rest @ ..] if first.starts_with('/') => Ok((Format::parse(&first[1..])?, rest)),
        _ => Ok((Format::parse("")?, words)),
    }
}

fn examine(view: &View<'_>, words: &[&str]) -> Answer {
    let (format, words) = format(words)?;
    Ok(dump::memory(view, Space::Virtual, value(view, words)?, format))
}

fn examine_physical(view: &View<'_>, words: &[&str]) -> Answer {
    let (format, words) = format(words)?;
    Ok(dump::memory(view, Space::Physical, value(view, words)?, format))
}

fn print(view: &View<'_>, words: &[&str]) -> Answer {
    let (format, words) = format(words)?;
    let value = value(view, words)?;
    Ok(vec![format!("{}{}", format.value(value), view.label(value))])
}

#[cfg(test)]
mod tests;
