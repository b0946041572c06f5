//! The guest operating system on the real command: its own test programs, the tour of virtual memory
//! and the table of costs, each with several harts and processors, and a shell in 4 MiB. What is
//! printed is read, and its numbers are held against each other: `guest_os/tour.rs`. On the release
//! build only; what is missing here is said once, and then all counts as ignored.

#![forbid(unsafe_code)]

mod operating_system;
#[path = "guest_os/output.rs"]
mod output;
#[path = "guest_os/tour.rs"]
mod tour;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::process::{Command, Output, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};
use operating_system::GUEST;
use output::Scene;

/// Far more than any run here takes.
const TIMEOUT_SECONDS: &str = "120";
/// Far more than any run here executes.
const MAX_INSNS: &str = "20000000000";

/// A machine: its name, and the options that make it.
type Machine = (&'static str, &'static [&'static str]);

/// Harts alone and together, on which the hart itself or the kernel sets the bits A and D, and such
/// as cannot tell address spaces apart.
const MACHINES: [Machine; 6] = [
    ("harts1", &["-smp", "1"]),
    ("harts4", &["-smp", "4"]),
    ("svade-harts1", &["-smp", "1", "-cpu", "rv64,svade=on,svadu=off"]),
    ("svade-harts4", &["-smp", "4", "-cpu", "rv64,svade=on,svadu=off"]),
    ("max-harts4", &["-smp", "4", "-cpu", "max"]),
    ("asid0-harts4", &["-smp", "4", "--asid-bits", "0"]),
];

/// What is done on a machine, given its options.
type Work = fn(&[&str]) -> Result<(), Failed>;

/// What is done on every machine.
const EVERYWHERE: [(&str, Work); 3] = [("vmtest", vmtest), ("vmdemo", vmdemo), ("typed", typed)];

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let missing = if cfg!(debug_assertions) {
        Some("they run on the release build only".to_owned())
    } else {
        GUEST.as_ref().err().cloned()
    };
    if let Some(reason) = &missing {
        report(&format!("tests of the guest operating system are skipped: {reason}"));
    }
    let mut trials = Vec::new();
    for (name, options) in MACHINES {
        for (what, run) in EVERYWHERE {
            trials.push(Trial::test(format!("{what}::{name}"), move || run(options)));
        }
    }
    trials.push(Trial::test("small_memory", small_memory));
    trials.push(Trial::test("end_of_input", end_of_input));
    trials.push(Trial::test("oscost", oscost));
    let ignored = missing.is_some();
    let trials = trials.into_iter().map(|trial| trial.with_ignored_flag(ignored)).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

/// Boots the guest with these options, types these lines, and waits for the end; what it wrote,
/// with line feeds alone. Any exit code but 0 is a failure.
fn boot(options: &[&str], typed: &[&str]) -> Result<String, Failed> {
    let mut pagewalk = Command::new(env!("CARGO_BIN_EXE_pagewalk"));
    pagewalk.env("PAGEWALK_GUEST", GUEST.as_ref()?);
    pagewalk.args(["run", "-nographic", "--timeout", TIMEOUT_SECONDS, "--max-insns", MAX_INSNS]);
    pagewalk.args(options);
    let mut input = typed.join("\n");
    input.push('\n');
    let Output { status, stdout, stderr } = run(&mut pagewalk, input.as_bytes())?;
    let stdout = String::from_utf8_lossy(&stdout).replace("\r\n", "\n");
    if status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&stderr);
    Err(format!("{status}\nstdout: {}\nstderr: {stderr}", last_lines(&stdout)).into())
}

/// Enough of a text to see what it ended with.
fn last_lines(text: &str) -> String {
    const LINES: usize = 40;
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// Runs a command to its end, with input that it need not read.
fn run(command: &mut Command, input: &[u8]) -> io::Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take().expect("piped");
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output()
    })
}

/// The kernel's tests from the user's side, with the kernel's audit after each.
fn vmtest(machine: &[&str]) -> Result<(), Failed> {
    let options = [machine, &["-append", "init=/bin/vmtest quiet"]].concat();
    let text = boot(&options, &[])?;
    let passed = text.lines().filter(|line| line.starts_with("ok ")).count();
    let want = format!("{passed} passed, 0 failed");
    let last = text.lines().last().unwrap_or_default();
    check(passed > 0 && last == want, || format!("expected {want:?}, got {last:?}"))
}

/// The whole tour, as a person takes it: from the shell.
fn vmdemo(machine: &[&str]) -> Result<(), Failed> {
    let options = [machine, &["-append", "quiet"]].concat();
    let text = boot(&options, &["vmdemo", "vmdemo all", "cat /proc/sys/vm/audit", "exit"])?;
    let scenes = Scene::read_all(&text)?;
    let names: Vec<&str> = scenes.iter().map(|scene| scene.name).collect();
    let listed = output::listed(&text);
    check(!names.is_empty() && names == listed, || format!("{names:?} of {listed:?} were played"))?;
    for scene in &scenes {
        tour::check(scene).map_err(|error| {
            format!("scene {}: {}", scene.name, error.message().unwrap_or_default())
        })?;
    }
    check(text.lines().any(|line| line == "ok"), || "the audit found something".to_owned())
}

/// Where input ends that nobody types, whoever reads it hears that, at last the shell: its status is
/// the machine's.
fn end_of_input() -> Result<(), Failed> {
    for typed in [&[][..], &["echo begun"], &["sh", "cat > /tmp/x", "some text"]] {
        let text = boot(&["-m", "64M"], typed)?;
        check(text.contains("Welcome"), || last_lines(&text))?;
    }
    Ok(())
}

/// A shell at work: what is typed before it is there, pipelines, jobs.
fn typed(machine: &[&str]) -> Result<(), Failed> {
    let options = [machine, &["-append", "quiet"]].concat();
    let lines = [
        "echo a b c | cat | wc -w",
        "mem 2 0.1 > /tmp/one & mem 2 0.1 > /tmp/two &",
        "wait",
        "cat /tmp/one /tmp/two",
        "for i in 1 2 3; do echo line $i; done",
        "cat /proc/sys/vm/audit | head -n 1",
        "exit 0",
    ];
    let text = boot(&options, &lines)?;
    let has = |wanted: &str| text.lines().any(|line| line.trim() == wanted);
    for wanted in ["3", "line 3", "ok"] {
        check(has(wanted), || format!("no line is {wanted:?}:\n{}", last_lines(&text)))?;
    }
    two_counters(&text, 2)
}

/// Two processes show one address and count by themselves.
fn two_counters(text: &str, count: u64) -> Result<(), Failed> {
    let mut addresses = Vec::new();
    let mut counters: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for line in text.lines() {
        let Some((pid, said)) = line.strip_prefix('(').and_then(|rest| rest.split_once(") "))
        else {
            continue;
        };
        if let Some(address) = said.strip_prefix("address of p: ") {
            addresses.push(address);
        } else if let Some(number) = said.strip_prefix("p: ") {
            counters.entry(pid).or_default().push(number.parse()?);
        }
    }
    check(addresses.len() == 2 && addresses[0] == addresses[1], || {
        format!("two equal addresses are not among {addresses:?}")
    })?;
    let want: Vec<u64> = (1..=count).collect();
    check(counters.len() == 2 && counters.values().all(|counts| *counts == want), || {
        format!("two processes should count {want:?}, and did {counters:?}")
    })
}

/// Kernel, shell and two programs in 4 MiB.
fn small_memory() -> Result<(), Failed> {
    let lines = ["mem 3 0.1 & mem 3 0.1 &", "wait", "cat /proc/sys/vm/audit", "exit"];
    let text = boot(&["-m", "4M", "-append", "quiet"], &lines)?;
    two_counters(&text, 3)?;
    check(text.lines().any(|line| line == "ok"), || "the audit found something".to_owned())
}

/// Instructions that each row of `oscost` may take at most, on one hart: the same run takes the same
/// number every time. They are the kernel's goals where it has reached them.
const LIMITS_INSNS: [(&str, u64); 25] = [
    ("getppid", 150),
    ("fork-exit-wait", 90_000),
    ("fork-per-page", 140),
    ("fork-exec-exit", 280_000),
    ("vfork-exec-exit", 200_000),
    ("switch", 850),
    ("futex-round-trip", 5000),
    ("zero-fill", 1800),
    ("zero-read", 720),
    ("zero-read-write", 2000),
    ("cow-copy", 2700),
    ("cow-reuse", 680),
    ("shared-fill", 2300),
    ("munmap-per-page", 220),
    ("mmap-munmap", 2300),
    ("mmap-touch-munmap", 4000),
    ("mprotect", 1500),
    ("signal", 2200),
    ("sigsegv", 4000),
    ("pipe-byte", 1020),
    ("pipe-64k", 53_000),
    ("pipe-round-trip", 4000),
    ("read-4k", 1750),
    ("open-close", 4500),
    ("stat", 3700),
];

/// Nothing has become dearer, and every row is there.
fn oscost() -> Result<(), Failed> {
    let text = boot(&["-append", "init=/bin/oscost quiet"], &[])?;
    check(text.contains("note counted with instret"), || "instret cannot be read".to_owned())?;
    let rows = output::rows(&text)?;
    let names = rows.iter().map(|row| row.0);
    check(names.eq(LIMITS_INSNS.iter().map(|limit| limit.0)), || format!("rows {rows:?}"))?;
    let too_dear = rows.iter().zip(LIMITS_INSNS).filter(|((_, minimum, median), (_, limit))| {
        *minimum == 0 || minimum > median || median > limit
    });
    let too_dear: Vec<_> = too_dear.collect();
    check(too_dear.is_empty(), || format!("rows and their limits: {too_dear:?}"))
}

fn check(holds: bool, what: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(what().into()) }
}

#[expect(clippy::print_stderr, reason = "the harness has no other way to say why it skips")]
fn report(text: &str) {
    eprintln!("{text}");
}
