//! The guest operating system on the real command: its own test programs, the tour of virtual memory
//! and the table of costs, each with several harts and processors, a shell in 4 MiB, and disks. What
//! is printed is read, and its numbers are held against each other: `guest_os/tour.rs`, for the scenes
//! about sharing `guest_os/sharing.rs`. The same on machines that swap, and the tests and tools of
//! swapping, are `guest_os/swapping.rs`'s; files on disks `guest_os/files.rs`'s, Debian's programs on a
//! disk `guest_os/dynamic.rs`'s. The kernel's tests of itself and its ends are
//! `guest_os/selftest.rs`'s, that pagewalk needs no other file for all this `guest_os/embedded.rs`'s. On
//! the release build only; what is missing here is said once, and then all counts as ignored.

#![forbid(unsafe_code)]

#[path = "guest_os/dynamic.rs"]
mod dynamic;
#[path = "guest_os/embedded.rs"]
mod embedded;
#[path = "guest_os/files.rs"]
mod files;
mod operating_system;
#[path = "guest_os/output.rs"]
mod output;
#[path = "guest_os/selftest.rs"]
mod selftest;
#[path = "guest_os/sharing.rs"]
mod sharing;
#[path = "guest_os/swapping.rs"]
mod swapping;
#[path = "guest_os/tour.rs"]
mod tour;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::SystemTime;

use libtest_mimic::{Arguments, Failed, Trial};
use operating_system::GUEST;
use output::Scene;

/// Far more than any run here takes.
const TIMEOUT_SECONDS: &str = "600";
/// Far more than any run here executes.
const MAX_INSNS: &str = "100000000000";

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
const EVERYWHERE: [(&str, Work); 6] = [
    ("vmtest", vmtest),
    ("vmdemo", vmdemo),
    ("typed", typed),
    ("swapping", swapping::tour),
    ("swapping-vmtest", swapping::usual_tests),
    ("swaptest", swapping::tests),
];

fn main() {
    let start = SystemTime::now();
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
    trials.push(Trial::test("slow_disks", slow_disks));
    trials.push(Trial::test("power_cut", power_cut));
    trials.push(Trial::test("v2p", sharing::v2p));
    trials.push(Trial::test("swap_tools", swapping::tools));
    trials.extend(swapping::trials());
    let lacking = files::missing();
    if let Some(tool) = lacking {
        report(&format!("tests of files on disks are skipped: there is no {tool}"));
    }
    let files = files::trials().into_iter();
    trials.extend(files.map(|trial| trial.with_ignored_flag(lacking.is_some())));
    let lacking = dynamic::missing();
    let programs = dynamic::trials();
    if let Some(reason) = &lacking {
        let count = programs.len();
        report(&format!("{count} tests of dynamically linked programs are skipped: {reason}"));
    }
    trials.extend(programs.into_iter().map(|trial| {
        let skipped = lacking.is_some() || trial.has_ignored_flag();
        trial.with_ignored_flag(skipped)
    }));
    let ignored = missing.is_some();
    // Another guest is tested than that of this checkout.
    let is_other = std::env::var_os("PAGEWALK_GUEST").is_some();
    trials.extend(
        selftest::trials(&MACHINES).into_iter().map(|trial| trial.with_ignored_flag(is_other)),
    );
    let is_new = !ignored && !is_other && embedded::is_newer(start);
    if is_new {
        report("whether pagewalk has its guest is not tested: it was built before the guest");
    }
    let embedded = Trial::test("embedded", embedded::check);
    trials.push(embedded.with_ignored_flag(is_other || is_new));
    let trials = trials.into_iter().map(|trial| {
        let skipped = ignored || trial.has_ignored_flag();
        trial.with_ignored_flag(skipped)
    });
    let trials = trials.collect();
    libtest_mimic::run(&arguments, trials).exit();
}

/// Boots the guest with these options, types these lines, and waits for the end; what it wrote,
/// with line feeds alone. Any exit code but 0 is a failure.
fn boot(options: &[&str], typed: &[&str]) -> Result<String, Failed> {
    boot_from(GUEST.as_ref()?, options, typed, 0)
}

/// The same with the guest in this directory, and any exit code but this.
fn boot_from(guest: &Path, options: &[&str], typed: &[&str], code: i32) -> Result<String, Failed> {
    let mut pagewalk = Command::new(env!("CARGO_BIN_EXE_pagewalk"));
    pagewalk.env("PAGEWALK_GUEST", guest);
    pagewalk.args(["run", "-nographic", "--timeout", TIMEOUT_SECONDS, "--max-insns", MAX_INSNS]);
    pagewalk.args(options);
    finish(&mut pagewalk, typed, code)
}

/// Types these lines to a pagewalk, and waits for its end with this exit code; what it wrote.
fn finish(pagewalk: &mut Command, typed: &[&str], code: i32) -> Result<String, Failed> {
    let mut input = typed.join("\n");
    input.push('\n');
    let Output { status, stdout, stderr } = run(pagewalk, input.as_bytes())?;
    let stdout = String::from_utf8_lossy(&stdout).replace("\r\n", "\n");
    if status.code() == Some(code) {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&stderr);
    Err(format!("{status}\nstdout: {}\nstderr: {stderr}", last_lines(&stdout)).into())
}

/// As [`boot`], whatever the end is.
fn end_of(options: &[&str], typed: &[&str]) -> Result<Output, Failed> {
    let mut pagewalk = Command::new(env!("CARGO_BIN_EXE_pagewalk"));
    pagewalk.env("PAGEWALK_GUEST", GUEST.as_ref()?);
    pagewalk.args(["run", "-nographic", "--timeout", TIMEOUT_SECONDS, "--max-insns", MAX_INSNS]);
    pagewalk.args(options);
    let mut input = typed.join("\n");
    input.push('\n');
    Ok(run(&mut pagewalk, input.as_bytes())?)
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
    output::passed(&text)
}

/// The whole tour, as a person takes it: from the shell.
fn vmdemo(machine: &[&str]) -> Result<(), Failed> {
    play_tour(machine, tour::Swap::Absent)
}

fn play_tour(machine: &[&str], swap: tour::Swap) -> Result<(), Failed> {
    let options = [machine, &["-append", "quiet"]].concat();
    let text = boot(&options, &["vmdemo", "vmdemo all", "cat /proc/sys/vm/audit", "exit"])?;
    let scenes = Scene::read_all(&text)?;
    let names: Vec<&str> = scenes.iter().map(|scene| scene.name).collect();
    let listed = output::listed(&text);
    check(!names.is_empty() && names == listed, || format!("{names:?} of {listed:?} were played"))?;
    for scene in &scenes {
        tour::check(scene, swap).map_err(|error| {
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
const LIMITS_INSNS: [(&str, u64); 35] = [
    ("getppid", 150),
    ("fork-exit-wait", 90_000),
    ("fork-per-page", 125),
    ("fork-per-area", 220),
    ("fork-per-shared", 5),
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
    ("munmap-per-page", 185),
    ("mmap-munmap", 2100),
    ("mmap-touch-munmap", 3600),
    ("mprotect", 1300),
    ("signal", 1900),
    ("sigsegv", 2250),
    ("pipe-byte", 1020),
    ("pipe-64k", 49_000),
    ("pipe-round-trip", 4000),
    ("fifo-round-trip", 4000),
    ("mq-64", 1300),
    ("msg-64", 1400),
    ("semop", 1450),
    ("shmat-shmdt", 3100),
    ("read-4k", 1900),
    ("splice-64k", 110_000),
    ("open-close", 4500),
    ("stat", 3700),
    ("file-fault", 250),
    ("file-copy", 2500),
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

/// A disk image of so many zeroes, and the option that plugs it in.
fn image(name: &str, len_bytes: usize) -> io::Result<(PathBuf, String)> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, vec![0; len_bytes])?;
    let option = format!("file={},if=virtio", path.display());
    Ok((path, option))
}

/// Disks read the same however slow they are, and only take longer.
fn slow_disks() -> Result<(), Failed> {
    let (_, drive) = image("slow.img", 64 << 10)?;
    let lines = ["cat /dev/vda | wc -c", "cat /dev/vdb | wc -c", "cat /proc/uptime", "exit"];
    let mut times = Vec::new();
    for latency in ["none", "ssd", "5ms,1ms"] {
        let disks = ["-drive", &drive, "-swap", "1M", "-disk-latency", latency];
        let text = boot(&[&disks[..], &["-clock", "warp", "-append", "quiet"]].concat(), &lines)?;
        let has = |wanted| text.lines().any(|line| line == wanted);
        check(has("65536") && has("1048576"), || {
            format!("{latency}: the disks have other sizes:\n{}", last_lines(&text))
        })?;
        let uptime = |line: &str| line.split_once(' ').and_then(|(first, _)| first.parse().ok());
        let uptime: Option<f64> = text.lines().rev().find_map(uptime);
        times.push(uptime.ok_or("no time since the start")?);
    }
    check(times.is_sorted_by(|fast, slow| fast < slow), || format!("seconds: {times:?}"))
}

/// Where the power is cut at a write, those before it are in the image, and no later one.
fn power_cut() -> Result<(), Failed> {
    let lines = ["for i in 1 2 3 4 5; do echo $i > /dev/vda; done", "exit"];
    for (options, code, kept) in [
        (&["-disk-errors", "cut=1"][..], Some(123), b"\0\0"),
        (&["-disk-errors", "cut=4"], Some(123), b"3\n"),
        (&["-disk-errors", "cut=5", "-disk-latency", "hdd"], Some(123), b"4\n"),
        (&["-disk-errors", "cut=6"], Some(0), b"5\n"),
        (&["-disk-errors", "cut=4,drive=swap", "-swap", "1M"], Some(0), b"5\n"),
    ] {
        let (path, drive) = image("cut.img", 64 << 10)?;
        let machine = ["-drive", &drive, "-clock", "warp", "-append", "quiet"];
        let end = end_of(&[&machine[..], options].concat(), &lines)?;
        let bytes = fs::read(path)?;
        check(end.status.code() == code && bytes.starts_with(kept), || {
            format!("{options:?}: {:?}, and the image begins {:?}", end.status, &bytes[..2])
        })?;
    }
    Ok(())
}

fn check(holds: bool, what: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(what().into()) }
}

#[expect(clippy::print_stderr, reason = "the harness has no other way to say why it skips")]
fn report(text: &str) {
    eprintln!("{text}");
}
