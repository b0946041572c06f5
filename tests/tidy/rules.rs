//! The rules of the house, each a function from a file to what is wrong with it.

use std::fmt;

use super::houses::{House, house_of};
use super::source::Source;

/// Limit of a file, tests included.
const FILE_MAX_LINES: usize = 500;
/// Limit of a function, from `fn` to its closing brace.
const FUNCTION_MAX_LINES: usize = 70;

/// The only files and folders that may hold `unsafe`.
pub(crate) const UNSAFE_ISLANDS: [&str; 33] = [
    "emulator/src/bus/ram.rs",
    "emulator/src/mmu/direct.rs",
    "guest/runtime/src/arena.rs",
    "guest/runtime/src/board.rs",
    "guest/runtime/src/cell.rs",
    "guest/runtime/src/console.rs",
    "guest/runtime/src/csr.rs",
    "guest/runtime/src/entry.rs",
    "guest/runtime/src/float.rs",
    "guest/runtime/src/frames.rs",
    "guest/runtime/src/harts.rs",
    "guest/runtime/src/kernel.rs",
    "guest/runtime/src/mmio.rs",
    "guest/runtime/src/power.rs",
    "guest/runtime/src/ram.rs",
    "guest/runtime/src/routine.rs",
    "guest/runtime/src/run.rs",
    "guest/runtime/src/sbi.rs",
    "guest/runtime/src/supervisor.rs",
    "guest/runtime/src/user.rs",
    "guest/src/first_walk/frames.rs",
    "guest/src/kernel/arch/",
    "guest/src/kernel/dev/mmio.rs",
    "guest/src/kernel/mm/boot.rs",
    "guest/src/kernel/mm/cell_table.rs",
    "guest/src/kernel/mm/direct.rs",
    "guest/src/kernel/mm/heap.rs",
    "guest/src/kernel/mm/user.rs",
    "guest/src/kernel/sched/alive.rs",
    "guest/src/kernel/sched/fp.rs",
    "guest/src/kernel/sync/",
    "guest/user/src/bin/vmtest/world.rs",
    "guest/user/src/sys/",
];

/// Roots of crates without any island: the compiler is told so.
pub(crate) const FORBIDDING_ROOTS: [&str; 5] = [
    "emulator/src/main.rs",
    "guest/src/lib.rs",
    "scripts/xtask/src/main.rs",
    "tests/main.rs",
    "tests/e2e.rs",
];

/// Something that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    path: String,
    line: usize,
    what: String,
}

impl Violation {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Rules for every text file.
pub(crate) fn plain_text(path: &str, text: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    for (index, line) in text.split('\n').enumerate() {
        let mut complain = |what| found.push(Violation::new(path, index + 1, what));
        if line.chars().any(char::is_control) {
            complain("a control character or tab");
        }
        if line.ends_with(' ') {
            complain("blanks at the end of the line");
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        found.push(Violation::new(path, text.lines().count(), "no line feed at the end"));
    }
    found
}

/// Rules for every Rust file.
pub(crate) fn rust(source: &Source<'_>) -> Vec<Violation> {
    let rules =
        [opening, lengths, unsafe_code, forbidding_root, placeholders, imports, walk_is_pure];
    rules.iter().flat_map(|rule| rule(source)).collect()
}

fn opening(source: &Source<'_>) -> Vec<Violation> {
    let opens = source.text.starts_with("//! ");
    if opens { Vec::new() } else { vec![Violation::new(source.path, 1, "does not open with //!")] }
}

fn lengths(source: &Source<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let lines = source.text.lines().count();
    if lines > FILE_MAX_LINES {
        let what = format!("{lines} lines; at most {FILE_MAX_LINES} are allowed");
        found.push(Violation::new(source.path, lines, what));
    }
    for function in source.functions() {
        let (name, lines) = (&function.name, function.lines);
        if lines > FUNCTION_MAX_LINES {
            let what =
                format!("fn {name}: {lines} lines; at most {FUNCTION_MAX_LINES} are allowed");
            found.push(Violation::new(source.path, function.line, what));
        }
    }
    found
}

/// Whether an island, which is a file or, with a slash at the end, a folder, has this file.
pub(crate) fn is_on(island: &str, path: &str) -> bool {
    path == island || island.ends_with('/') && path.starts_with(island)
}

/// Whether the keyword occurs in code.
pub(crate) fn mentions_unsafe(source: &Source<'_>) -> bool {
    source.words().iter().any(|word| source.text_of(*word) == "unsafe")
}

fn unsafe_code(source: &Source<'_>) -> Vec<Violation> {
    if UNSAFE_ISLANDS.iter().any(|island| is_on(island, source.path)) {
        return Vec::new();
    }
    words(source, &["unsafe"], "unsafe outside its islands")
}

fn forbidding_root(source: &Source<'_>) -> Vec<Violation> {
    let code: String = source.code.iter().collect();
    if FORBIDDING_ROOTS.contains(&source.path) && !code.contains("#![forbid(unsafe_code)]") {
        return vec![Violation::new(source.path, 1, "lacks #![forbid(unsafe_code)]")];
    }
    Vec::new()
}

fn placeholders(source: &Source<'_>) -> Vec<Violation> {
    words(source, &["todo", "unimplemented"], "a placeholder")
}

fn words(source: &Source<'_>, unwanted: &[&str], what: &str) -> Vec<Violation> {
    let words = source.words().into_iter();
    let hits = words.filter(|word| unwanted.contains(&source.text_of(*word).as_str()));
    hits.map(|word| Violation::new(source.path, source.line_of(word), what)).collect()
}

/// The house a file is in, and the module that it is, from the crate's root; none for other files
/// and the root.
fn module(path: &str) -> Option<(&'static House, Vec<&str>)> {
    let (house, path) = house_of(path)?;
    let path = path.strip_suffix(".rs")?;
    let path = path.strip_suffix("/mod").unwrap_or(path);
    let module: Vec<&str> = path.split('/').collect();
    (!matches!(module[..], ["lib" | "main"])).then_some((house, module))
}

/// Every name of a room that a file reaches through `crate::` or enough `super::`, with its line.
fn rooms_reached(source: &Source<'_>, depth: usize) -> Vec<(usize, String)> {
    let mut reached = Vec::new();
    let mut supers = 0;
    for word in source.words() {
        let text = source.text_of(word);
        let next = source.after_path_separator(word);
        supers = if text == "super" { supers + 1 } else { 0 };
        let leaves_room = text == "crate"
            || text == "super" && supers >= depth + source.inline_modules_around(word);
        if let (true, Some(next)) = (leaves_room, next) {
            let heads = source.path_heads(next);
            let heads = heads.into_iter().filter(|head| head != "super" && head != "self");
            reached.extend(heads.map(|head| (source.line_of(word), head)));
        }
    }
    reached
}

fn imports(source: &Source<'_>) -> Vec<Violation> {
    let Some((house, module)) = module(source.path) else { return Vec::new() };
    let room = module[0];
    let Some(allowed) = house.imports(room) else {
        return vec![Violation::new(source.path, 1, format!("no room is called {room}"))];
    };
    rooms_reached(source, module.len())
        .into_iter()
        .filter(|(_, head)| head != room && house.has(head) && !allowed.contains(&head.as_str()))
        .map(|(line, head)| Violation::new(source.path, line, format!("{room} imports {head}")))
        .collect()
}

/// The page walk knows memory only as `PteMemory`.
fn walk_is_pure(source: &Source<'_>) -> Vec<Violation> {
    if source.path != "emulator/src/mmu/walk.rs" {
        return Vec::new();
    }
    let allowed = ["addr", "mmu"];
    let reached = rooms_reached(source, 2).into_iter();
    let wrong = reached.filter(|(_, head)| !allowed.contains(&head.as_str()));
    wrong
        .map(|(line, head)| Violation::new(source.path, line, format!("walk knows {head}")))
        .collect()
}

/// What the rules for Rust files say of `text` at `path`.
fn said(path: &str, text: &str) -> Vec<String> {
    rust(&Source::new(path, text)).iter().map(ToString::to_string).collect()
}

#[test]
fn plain_text_is_plain() {
    let check = |text: &str, want: &[&str]| {
        let found: Vec<String> = plain_text("f", text).iter().map(ToString::to_string).collect();
        assert_eq!(found, want, "{text:?}");
    };
    check("", &[]);
    check("a\n\nb\n", &[]);
    check("a\tb\n", &["f:1: a control character or tab"]);
    check("a\nb \n", &["f:2: blanks at the end of the line"]);
    check("a\r\n", &["f:1: a control character or tab"]);
    check("a\x1b[0m\n", &["f:1: a control character or tab"]);
    check("a\nb", &["f:2: no line feed at the end"]);
}

#[test]
fn files_say_what_they_are_for() {
    let path = "emulator/src/addr.rs";
    assert_eq!(said(path, "//! Purpose.\n"), [""; 0]);
    assert_eq!(said(path, "// Purpose.\n"), ["emulator/src/addr.rs:1: does not open with //!"]);
}

#[test]
fn long_files_and_functions_are_found() {
    let path = "emulator/src/addr.rs";
    let file = |lines: usize| format!("//! Purpose.\n{}", "\n".repeat(lines - 1));
    assert_eq!(said(path, &file(500)), [""; 0]);
    assert_eq!(said(path, &file(501)).len(), 1);
    let function = |lines: usize| format!("//! Purpose.\nfn f() {{{}}}\n", "\n".repeat(lines - 1));
    assert_eq!(said(path, &function(70)), [""; 0]);
    let want = "emulator/src/addr.rs:2: fn f: 71 lines; at most 70 are allowed";
    assert_eq!(said(path, &function(71)), [want]);
}

#[test]
fn unsafe_stays_on_its_islands() {
    let text = "//! No unsafe here.\n// unsafe\nfn f() { \"unsafe\"; unsafe { g() } }\n";
    let want = "emulator/src/csr/mod.rs:3: unsafe outside its islands";
    assert_eq!(said("emulator/src/csr/mod.rs", text), [want]);
    assert_eq!(said("emulator/src/bus/ram.rs", text), [""; 0]);
    let forbid = "//! Purpose.\n#![forbid(unsafe_code)]\n";
    assert_eq!(said("guest/src/lib.rs", forbid), [""; 0]);
    let without = "//! #![forbid(unsafe_code)]\n";
    let want = "guest/src/lib.rs:1: lacks #![forbid(unsafe_code)]";
    assert_eq!(said("guest/src/lib.rs", without), [want]);
}

#[test]
fn placeholders_are_found() {
    let text = "//! todo!()\nfn f() { todo!() }\nfn g() { unimplemented!(\"later\") }\n";
    let want = ["tests/x.rs:2: a placeholder", "tests/x.rs:3: a placeholder"];
    assert_eq!(said("tests/x.rs", text), want);
}

#[test]
fn import_arrows_point_down() {
    let check = |path: &str, code: &str, want: &[&str]| {
        let path = format!("emulator/src/{path}");
        let found = said(&path, &format!("//! Purpose.\n{code}\n"));
        let want: Vec<String> = want.iter().map(|what| format!("{path}:{what}")).collect();
        assert_eq!(found, want, "{code}");
    };
    check("csr/mod.rs", "use crate::{addr::X, trap};", &[]);
    check("csr/mod.rs", "use crate::hart::Hart;", &["2: csr imports hart"]);
    check("csr/pmp.rs", "use crate::{addr, bus::{Ram}};", &["2: csr imports bus"]);
    check("csr/pmp.rs", "/// See [`crate::hart`].\nfn f() {}", &[]);
    check("csr/pmp.rs", "fn f() -> crate::mmu::Mmu {}", &["2: csr imports mmu"]);
    check("csr/pmp.rs", "use super::super::mmu;", &["2: csr imports mmu"]);
    check("csr/pmp.rs", "use super::mmu;", &[]);
    check("csr/mod.rs", "use super::mmu;", &["2: csr imports mmu"]);
    check("csr/mod.rs", "mod tests { use super::mmu; }", &[]);
    check("csr/mod.rs", "mod tests { use super::super::mmu; }", &["2: csr imports mmu"]);
    check("csr/mod.rs", "mod tests { }\nuse super::mmu;", &["3: csr imports mmu"]);
    check("device/uart.rs", "use crate::bus::Device;", &[]);
    check("device/uart.rs", "use crate::hart::Hart;", &["2: device imports hart"]);
    check("isa/table.rs", "use crate::csr::X;", &["2: isa imports csr"]);
    check("engine/mod.rs", "use crate::{machine::M, isa::I};", &["2: engine imports machine"]);
    check("machine/mod.rs", "use crate::engine::E;", &[]);
    check("machine/mod.rs", "use crate::cli::E;", &["2: machine imports cli"]);
    check("cli/mod.rs", "use crate::engine::E;", &[]);
    check("attic/mod.rs", "", &["1: no room is called attic"]);
    check("mmu/walk.rs", "use crate::addr::X;", &[]);
    check("mmu/walk.rs", "use crate::bus::Bus;", &["2: walk knows bus"]);
    check("mmu/access.rs", "use crate::bus::Bus;", &[]);
    check("lib.rs", "pub use crate::cli::main;", &[]);
}
