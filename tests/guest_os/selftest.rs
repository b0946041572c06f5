//! The kernel's tests of itself, on a kernel that is built with them; and its ends, each with the
//! screen that says where and why, by name.

use std::path::PathBuf;
use std::sync::LazyLock;

use libtest_mimic::{Failed, Trial};

use crate::{Machine, boot_from, check, last_lines, operating_system};

/// The guest with that kernel, built when it is first asked for.
static GUEST: LazyLock<Result<PathBuf, String>> =
    LazyLock::new(|| operating_system::build(&["--selftest"]));

/// What the kernel ends with when it has panicked.
const EXIT_PANIC: i32 = 101;
/// What the first line of its screen begins with.
const PANIC: &str = "*** kernel panic: ";

/// An end: its name, how the screen begins, and functions among those that it names, the innermost
/// first.
type End = (&'static str, &'static str, &'static [&'static str]);

const ENDS: [End; 3] = [
    ("panic", "as was asked for", &["selftest::run", "boot::go_on"]),
    ("fault", "load page fault (scause 13) at 0x", &["selftest::run", "boot::go_on"]),
    // More than are shown have called each other.
    (
        "overflow",
        "kernel stack overflow: store page fault at 0x",
        &["selftest::overflow", "selftest::overflow"],
    ),
];

/// All of it on each machine.
pub(crate) fn trials(machines: &'static [Machine]) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (machine, options) in machines {
        trials.push(Trial::test(format!("selftest::{machine}"), move || tests(options)));
        for end in &ENDS {
            let name = format!("selftest-{}::{machine}", end.0);
            trials.push(Trial::test(name, move || ends(options, end)));
        }
    }
    trials
}

/// All tests pass. (A kernel without them would go on to the shell, which ends well, too.)
fn tests(machine: &[&str]) -> Result<(), Failed> {
    let options = [machine, &["-append", "selftest"]].concat();
    let text = boot_from(GUEST.as_ref()?, &options, &["exit"], 0)?;
    let passed = text.lines().filter(|line| line.contains(": ok, ")).count();
    check(passed > 0 && !text.contains("FAILED"), || last_lines(&text))
}

/// The kernel ends as it was asked to, and says how that came about.
fn ends(machine: &[&str], (which, message, functions): &End) -> Result<(), Failed> {
    let argument = format!("selftest={which}");
    let options = [machine, &["-append", &argument]].concat();
    let text = boot_from(GUEST.as_ref()?, &options, &["exit"], EXIT_PANIC)?;
    let screen = text.split_once(PANIC).map_or("", |(_, screen)| screen);
    let one = !screen.contains("***");
    check(one && screen.starts_with(message), || format!("no {message:?}: {}", last_lines(&text)))?;
    check(screen.contains("\nhart 0, task boot, "), || format!("not where it was: {screen}"))?;
    let (_, callers) = screen.split_once("called from:\n").ok_or("no callers")?;
    let mut names = callers.lines().filter_map(|line| {
        let (name, offset) = line.split_whitespace().nth(1)?.rsplit_once("+0x")?;
        u64::from_str_radix(offset, 16).ok().map(|_| name)
    });
    let in_order = functions.iter().all(|wanted| names.any(|name| name.ends_with(wanted)));
    check(in_order, || format!("{functions:?} are not in this order in: {callers}"))?;
    if *which == "overflow" { below_the_stack(screen) } else { Ok(()) }
}

/// It is the page below the stack that stopped it: the stack pointer has only just left the stack,
/// and nothing beyond was reached.
fn below_the_stack(screen: &str) -> Result<(), Failed> {
    const PAGE_BYTES: u64 = 4096;
    let number = |name: &str| {
        let (_, rest) = screen.split_once(name)?;
        let digits = rest.split(|c: char| !c.is_ascii_hexdigit()).next()?;
        u64::from_str_radix(digits, 16).ok()
    };
    let [address, sp, frame] = [number("stval 0x"), number("sp 0x"), number("s0 ")]
        .map(|found| found.ok_or("an address is missing"));
    let (address, sp, frame) = (address?, sp?, frame?);
    let page = |address: u64| address / PAGE_BYTES;
    check(page(address) == page(sp) && page(frame) == page(sp) + 1, || {
        format!("{address:#x} is not just below a stack, with sp {sp:#x} and s0 {frame:#x}")
    })
}
