//! Programs for Linux on Pagewalk and on qemu-riscv64, which hands their system calls to this
//! host's Linux: both must print the same and end the same way. The programs are those of
//! `programs/`, compiled with Debian's cross compiler, and Debian's busybox. On the release build
//! only; what is missing here is said once, and what needs it counts as ignored.

#![forbid(unsafe_code)]

#[path = "linux_programs/cases.rs"]
mod cases;
#[path = "../emulator/src/machine/cpio.rs"]
#[expect(dead_code, unused_imports, reason = "no link is written here, and it is tested elsewhere")]
mod cpio;
#[path = "linux_programs/disk.rs"]
mod disk;
#[path = "linux_programs/linux.rs"]
mod linux;
mod operating_system;
#[path = "linux_programs/terminal.rs"]
mod terminal;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use cases::{BUSYBOX, Case, Judge, LARGE, PROGRAMS};
use libtest_mimic::{Arguments, Failed, Trial};
use operating_system::GUEST;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Where programs are compiled to, and run.
const WORK: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/linux-programs");
/// Far more than any program here takes.
const TIMEOUT_SECONDS: &str = "120";
/// How a shell shows that a signal has ended a program.
const SIGNALLED: i32 = 128;
/// Where no program is found but those of the shell.
const NO_PATH: &str = "/nonexistent";

/// A machine: its name, and the options that make it.
type Machine = (&'static str, &'static [&'static str]);

/// Those that every program runs on: one hart, several, and several with so little RAM that what it
/// has leaves for the swap area.
const MACHINES: [Machine; 3] = [
    ("harts1", &["-smp", "1"]),
    ("harts4", &["-smp", "4"]),
    (LITTLE_RAM, &["-smp", "4", "-m", "12M", "--swap", "64M"]),
];
/// On which [`LARGE`] programs do not run.
const LITTLE_RAM: &str = "little-ram-harts4";

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let common = missing_commonly();
    let compiler = common.clone().or_else(|| missing_tool(COMPILER));
    let busybox = common.or_else(|| busybox().err());
    let no_disk = disk::missing();
    if let Some(reason) = &no_disk {
        report(&format!("tests on disks are skipped: {reason}"));
    }
    let mut trials = Vec::new();
    for (group, cases, missing) in
        [("programs", PROGRAMS, &compiler), ("busybox", BUSYBOX, &busybox)]
    {
        let before = trials.len();
        for case in cases {
            for machine in MACHINES {
                let name = format!("{group}::{}::{}", case.name, machine.0);
                let trial = Trial::test(name, move || compare(case, machine));
                let lacks_disk = case.on_disk && no_disk.is_some();
                let lacks_ram = machine.0 == LITTLE_RAM && is_large(case);
                trials.push(trial.with_ignored_flag(missing.is_some() || lacks_disk || lacks_ram));
            }
        }
        if group == "busybox" {
            let trial = Trial::test("busybox::terminal", on_a_terminal);
            trials.push(trial.with_ignored_flag(missing.is_some()));
        }
        if let Some(reason) = missing {
            let count = trials.len() - before;
            report(&format!("{count} tests of {group} are skipped: {reason}"));
        }
    }
    // It takes long: only when asked for.
    trials.push(Trial::test("linux::recorded", recorded).with_ignored_flag(true));
    libtest_mimic::run(&arguments, trials).exit();
}

/// Whether a program cannot run in little RAM; says why not.
fn is_large(case: &Case) -> bool {
    let reason = LARGE.iter().find(|(name, _)| *name == case.name);
    if let Some((name, reason)) = reason {
        report(&format!("{name} is skipped on {LITTLE_RAM}: {reason}"));
    }
    reason.is_some()
}

const COMPILER: &str = "riscv64-linux-gnu-gcc";
const PEER: &str = "qemu-riscv64";

/// Why nothing can be run here at all, in a line.
fn missing_commonly() -> Option<String> {
    if cfg!(debug_assertions) {
        return Some("they run on the release build only".to_owned());
    }
    missing_tool(PEER).or_else(|| GUEST.as_ref().err().cloned())
}

fn missing_tool(tool: &str) -> Option<String> {
    let version = Command::new(tool).arg("--version").output();
    let found = version.is_ok_and(|output| output.status.success());
    (!found).then(|| format!("{tool} is not installed; scripts/setup --peers installs it"))
}

fn busybox() -> Result<PathBuf, String> {
    fetched("busybox").ok_or_else(|| {
        "target/linux/busybox is not there; scripts/setup --peers fetches it".to_owned()
    })
}

/// A file that scripts/linux has fetched, if it has.
fn fetched(name: &str) -> Option<PathBuf> {
    let target = Path::new(WORK).ancestors().nth(2).expect("two levels below");
    Some(target.join("linux").join(name)).filter(|path| path.exists())
}

/// A program that has been compiled or is just being so: where it is, or why not.
type Slot = Arc<OnceLock<Result<PathBuf, String>>>;

static COMPILED: Mutex<BTreeMap<&str, Slot>> = Mutex::new(BTreeMap::new());

/// A program of `programs/`, compiled when it is first asked for.
fn compiled(name: &'static str) -> Result<PathBuf, String> {
    let slot = COMPILED.lock().expect("nobody panics with it").entry(name).or_default().clone();
    slot.get_or_init(|| compile(name).map_err(|error| error.to_string())).clone()
}

fn compile(name: &str) -> io::Result<PathBuf> {
    let folder = Path::new(WORK).join("bin");
    fs::create_dir_all(&folder)?;
    let program = folder.join(name);
    let source = Path::new(ROOT).join(format!("tests/programs/{name}.c"));
    let mut compiler = Command::new(COMPILER);
    compiler.args(["-static", "-O2", "-pthread", "-w", "-o"]).arg(&program).arg(source);
    let output = compiler.arg("-lm").output()?;
    if output.status.success() {
        return Ok(program);
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// What a run has come to.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    code: i32,
    stdout: String,
    /// Where no signal has ended the program: whoever reports that says it in its own words.
    stderr: Option<String>,
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = code(output.status);
        let stderr = (code <= SIGNALLED).then(|| text(&output.stderr));
        Self { code, stdout: text(&output.stdout), stderr }
    }
}

/// The exit code, as a shell has it.
fn code(status: ExitStatus) -> i32 {
    status.code().or(status.signal().map(|signal| SIGNALLED + signal)).expect("it has ended")
}

/// Runs a case on both, and says what is not the same.
fn compare(case: &Case, machine: Machine) -> Result<(), Failed> {
    let program = match case.source {
        Some(name) => compiled(name)?,
        None => busybox()?,
    };
    let folder = Path::new(WORK).join(format!("{}-{}", case.name, machine.0));
    let _old = fs::remove_dir_all(&folder);
    // Each has files of its own, which it may change.
    let [at_peer, at_pagewalk] = ["peer", "pagewalk"].map(|name| folder.join(name));
    for root in [&at_peer, &at_pagewalk] {
        fs::create_dir_all(root)?;
        for (name, content) in case.files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().expect("below the folder"))?;
            fs::write(path, content)?;
        }
    }
    let input = case.input.bytes();
    let want = match case.judge {
        Judge::Peer => {
            let mut peer = peer(case, &at_peer)?;
            Outcome::from(run(peer.arg(&program).args(case.args), &input)?)
        }
        Judge::Linux(_) => {
            let stdout = fs::read_to_string(linux::golden(case))?;
            Outcome { code: 0, stdout, stderr: Some(String::new()) }
        }
    };
    let mut pagewalk = pagewalk(case, machine, &at_pagewalk)?;
    let image = case.on_disk.then(|| folder.join("disk.img"));
    if let Some(image) = &image {
        disk::make(image)?;
        pagewalk.arg("-drive").arg(format!("file={},if=virtio", image.display()));
    }
    pagewalk.arg(&program).args(case.args);
    let got = Outcome::from(run(&mut pagewalk, &input)?);
    image.as_deref().map_or(Ok(()), disk::judge)?;
    let _left = fs::remove_dir_all(&folder);
    if want == got { Ok(()) } else { Err(difference(&want, &got).into()) }
}

/// The peer, but for the program.
fn peer(case: &Case, folder: &Path) -> Result<Command, Failed> {
    // Both are found along the path of this process, not that of the program.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let find = |name: &str| {
        let mut places = std::env::split_paths(&path).map(|folder| folder.join(name));
        places.find(|place| place.exists()).ok_or_else(|| format!("{name} is not installed"))
    };
    let mut peer = Command::new(find("timeout")?);
    peer.arg(TIMEOUT_SECONDS).arg(find(PEER)?);
    let applets = match case.source {
        Some(_) => NO_PATH,
        None => APPLETS.as_ref().map_err(ToString::to_string)?.to_str().ok_or("not UTF-8")?,
    };
    peer.current_dir(folder).env_clear().env("PATH", applets).envs(case.env.iter().copied());
    Ok(peer)
}

/// A directory with a script for each applet of busybox. Its shell starts applets by starting
/// itself, which the peer does not allow; then it looks along the path.
static APPLETS: LazyLock<io::Result<PathBuf>> = LazyLock::new(|| {
    let folder = Path::new(WORK).join("applets");
    fs::create_dir_all(&folder)?;
    let busybox = busybox().map_err(io::Error::other)?;
    let peer = Command::new("sh").args(["-c", "command -v \"$0\"", PEER]).output()?;
    let peer = String::from_utf8_lossy(&peer.stdout).trim().to_owned();
    let list = Command::new(&peer).arg(&busybox).arg("--list").output()?;
    for name in String::from_utf8_lossy(&list.stdout).lines() {
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\nexec {peer} {} {name} \"$@\"\n", busybox.display()))?;
        fs::set_permissions(path, PermissionsExt::from_mode(0o755))?;
    }
    Ok(folder)
});

/// Pagewalk, but for the program.
fn pagewalk(case: &Case, machine: Machine, folder: &Path) -> Result<Command, Failed> {
    let mut pagewalk = Command::new(env!("CARGO_BIN_EXE_pagewalk"));
    pagewalk.env("PAGEWALK_GUEST", GUEST.as_ref()?);
    pagewalk.args(machine.1).args(["--timeout", TIMEOUT_SECONDS, "--root"]).arg(folder);
    pagewalk.args(["--env", &format!("PATH={NO_PATH}")]);
    for (name, value) in case.env {
        pagewalk.args(["--env", &format!("{name}={value}")]);
    }
    Ok(pagewalk)
}

/// What is kept of Linux is what it says.
fn recorded() -> Result<(), Failed> {
    let Some(kernel) = fetched("kernel") else {
        report("Linux is not asked: target/linux/kernel is not there; scripts/linux fetches it");
        return Ok(());
    };
    let cases = PROGRAMS.iter().filter(|case| matches!(case.judge, Judge::Linux(_)));
    // On a disk or not, it is the same.
    let cases = cases.filter(|case| !case.on_disk);
    let cases: Vec<_> = cases.collect();
    linux::recorded(&kernel, &busybox()?, &cases)
}

/// Busybox's shell on a terminal, which there is no peer for.
fn on_a_terminal() -> Result<(), Failed> {
    let case = &BUSYBOX[0];
    let folder = Path::new(WORK).join("terminal");
    fs::create_dir_all(&folder)?;
    terminal::talk(&mut pagewalk(case, MACHINES[0], &folder)?, &busybox()?)
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

fn difference(want: &Outcome, got: &Outcome) -> String {
    let first = |want: &str, got: &str| {
        let same = want.lines().zip(got.lines()).take_while(|(a, b)| a == b).count();
        let line = |text: &str| text.lines().nth(same).unwrap_or("(end of text)").to_owned();
        format!("line {}:\n    expected {}\n    got      {}", same + 1, line(want), line(got))
    };
    let mut said = String::new();
    if want.code != got.code {
        said += &format!("exit code: expected {}, got {}\n", want.code, got.code);
    }
    if want.stdout != got.stdout {
        said += &format!("standard output, {}\n", first(&want.stdout, &got.stdout));
    }
    if want.stderr != got.stderr {
        let [a, b] = [want, got].map(|o| o.stderr.as_deref().unwrap_or_default());
        said += &format!("standard error, {}\n", first(a, b));
    }
    said
}

#[expect(clippy::print_stderr, reason = "the harness has no other way to say why it skips")]
fn report(text: &str) {
    eprintln!("{text}");
}
