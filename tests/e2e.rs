//! End-to-end tests: every bare-metal program of `guest/` runs on the real command, must end with
//! exit code 0 and print what `golden/` says (`scripts/bless` rewrites that). Benchmarks run on the
//! release build only, and only their checksums must be the same. With `--include-ignored` the
//! programs also run on QEMU, which tests the programs themselves, kernels also on OpenSBI, and
//! Linux boots (`scripts/linux --check`). Where no compiler for the guest is found, all are
//! reported as ignored, with the reason.

#![forbid(unsafe_code)]

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use libtest_mimic::{Arguments, Failed, Trial};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Far more than any program here executes.
const MAX_INSNS: &str = "10000000000";
/// Far more than any program here takes, even unoptimised.
const TIMEOUT_SECONDS: &str = "300";
/// What `timeout` ends with when it had to kill.
const EXIT_TIMEOUT: i32 = 124;
/// `cargo xtask guest` found no compiler.
const EXIT_NO_TOOLCHAIN: i32 = 3;
/// `scripts/linux` could not get its files.
const EXIT_NO_FILES: i32 = 3;
/// OpenSBI as Debian's package installs it.
const OPENSBI: &str = "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin";
/// QEMU's processor, with the extensions that are off by default and that a program uses.
const QEMU_CPU: &str = "rv64,svinval=on,svnapot=on,svpbmt=on";

/// What a program needs that others do not.
#[derive(Clone, Copy, Debug)]
struct Setting {
    program: &'static str,
    harts: &'static str,
    /// It starts in S-mode, behind firmware.
    is_kernel: bool,
    input: &'static str,
}

const SETTINGS: [Setting; 3] = [
    Setting { program: "sbi", harts: "4", is_kernel: true, input: "" },
    Setting { program: "smp", harts: "4", is_kernel: false, input: "" },
    Setting { program: "uart-input", harts: "1", is_kernel: false, input: "Hello, hart.\n" },
];

/// Benchmarks measure until they have measured for long enough, so by the host's time.
fn is_benchmark(program: &str) -> bool {
    program.starts_with("bench-")
}

fn setting(program: &str) -> Setting {
    let usual = Setting { program: "", harts: "1", is_kernel: false, input: "" };
    SETTINGS.into_iter().find(|setting| setting.program == program).unwrap_or(usual)
}

fn main() {
    let mut arguments = Arguments::from_args();
    // One build serves all; they wait for it together.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let missing = missing_compiler();
    if let Some(reason) = &missing {
        report(&format!("end-to-end tests are skipped: {reason}"));
    }
    let mut trials = Vec::new();
    for program in programs(&read("guest/Cargo.toml")) {
        let (on_pagewalk, on_qemu) = (program.clone(), program.clone());
        if setting(&program).is_kernel {
            let program = program.clone();
            trials.push(
                Trial::test(format!("opensbi::{program}"), move || run_on_opensbi(&program))
                    .with_ignored_flag(true),
            );
        }
        trials.push(
            Trial::test(format!("pagewalk::{program}"), move || run_on_pagewalk(&on_pagewalk))
                .with_ignored_flag(missing.is_some()),
        );
        trials.push(
            Trial::test(format!("qemu::{program}"), move || run_on_qemu(&on_qemu))
                .with_ignored_flag(true),
        );
    }
    trials.push(Trial::test("linux", boot_linux).with_ignored_flag(true));
    libtest_mimic::run(&arguments, trials).exit();
}

/// Names of the guest's binaries for the bare machine.
fn programs(manifest: &str) -> Vec<String> {
    let bins = manifest.split("[[bin]]").skip(1);
    let bins = bins.filter(|bin| !bin.contains("required-features = [\"kernel\"]"));
    let name = |bin: &str| {
        let line = bin.lines().find_map(|line| line.strip_prefix("name = "));
        line.expect("a binary has a name").trim_matches('"').to_owned()
    };
    bins.map(name).collect()
}

/// Why the guest cannot be compiled here, in a line.
fn missing_compiler() -> Option<String> {
    let output = guest(&["--which"]);
    let complaint = String::from_utf8_lossy(&output.stderr);
    let missing = output.status.code() == Some(EXIT_NO_TOOLCHAIN);
    let reason = complaint.lines().next().unwrap_or_default().trim_start_matches("error: ");
    missing.then(|| reason.to_owned())
}

/// `cargo xtask guest`, without what of xtask needs the emulator.
fn guest(arguments: &[&str]) -> Output {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let command = &mut Command::new(cargo);
    command.args(["run", "--quiet", "--package", "xtask", "--no-default-features", "--", "guest"]);
    command.args(arguments).current_dir(ROOT).stdin(Stdio::null());
    command.output().expect("cargo can be started")
}

/// The compiled programs, built when the first is asked for.
static BUILT: LazyLock<Result<Vec<PathBuf>, String>> = LazyLock::new(|| {
    let output = guest(&[]);
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let paths = String::from_utf8(output.stdout).map_err(|error| error.to_string())?;
    Ok(paths.lines().map(PathBuf::from).collect())
});

fn built(program: &str) -> Result<&'static Path, Failed> {
    let paths = BUILT.as_ref().map_err(|complaint| Failed::from(complaint.as_str()))?;
    let path = paths.iter().find(|path| path.ends_with(program));
    Ok(path.ok_or_else(|| format!("cargo xtask guest built no {program}"))?)
}

/// The command with the program as it wants to be run, but for the program itself.
fn pagewalk(program: &str) -> Command {
    let mut pagewalk = Command::new(env!("CARGO_BIN_EXE_pagewalk"));
    pagewalk.args(["run", "--max-insns", MAX_INSNS, "--timeout", TIMEOUT_SECONDS]);
    // With Svade too, so that programs see A and D bits set by software and by the hart.
    pagewalk.args(["-cpu", "max", "-smp", setting(program).harts]);
    if is_benchmark(program) {
        pagewalk.args(["-m", "1G", "--clock", "host"]);
    }
    pagewalk
}

/// Runs the command to its end, with the program's input.
fn output(command: &mut Command, program: &str) -> io::Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(setting(program).input.as_bytes())?;
    drop(stdin);
    child.wait_with_output()
}

fn run_on_pagewalk(program: &str) -> Result<(), Failed> {
    if is_benchmark(program) && cfg!(debug_assertions) {
        return Ok(());
    }
    let output = output(pagewalk(program).arg(built(program)?), program)?;
    let console = passed(&output)?;
    let console = &if is_benchmark(program) { checksums(console) } else { console.to_owned() };
    let golden = format!("tests/golden/{program}.txt");
    if std::env::var_os("PAGEWALK_BLESS").is_some() {
        fs::write(Path::new(ROOT).join(golden), console)?;
        return Ok(());
    }
    if !output.stderr.is_empty() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(format!("something on standard error:\n{complaint}").into());
    }
    difference(&read(&golden), console).map_or(Ok(()), |difference| {
        Err(format!("{golden} differs (scripts/bless rewrites it)\n{difference}").into())
    })
}

/// Of each row of a benchmark the name and the checksum.
fn checksums(console: &str) -> String {
    let row = |line: &str| match line.split(' ').collect::<Vec<_>>()[..] {
        ["row", name, _operations, _ns, _insns, checksum] => format!("{name} {checksum}\n"),
        _ => format!("{line}\n"),
    };
    console.lines().map(row).collect()
}

/// Firmware prints more than the program does, and is free in much; so only the exit code counts.
fn run_on_opensbi(program: &str) -> Result<(), Failed> {
    if !Path::new(OPENSBI).exists() {
        report(&format!("opensbi::{program} is skipped: {OPENSBI} is not there"));
        return Ok(());
    }
    let command = &mut pagewalk(program);
    command.args(["-bios", OPENSBI, "-kernel"]).arg(built(program)?);
    passed(&output(command, program)?).map(drop)
}

/// The release build boots Linux. An unoptimised one would, too, in minutes.
fn boot_linux() -> Result<(), Failed> {
    if cfg!(debug_assertions) {
        return Ok(());
    }
    let script = Path::new(ROOT).join("scripts/linux");
    let output = Command::new(script).arg("--check").stdin(Stdio::null()).output()?;
    if output.status.code() == Some(EXIT_NO_FILES) {
        let complaint = String::from_utf8_lossy(&output.stderr);
        report(&format!("linux is skipped: {}", complaint.lines().last().unwrap_or_default()));
        return Ok(());
    }
    let said = passed(&output)?;
    report(said.trim_end());
    Ok(())
}

fn run_on_qemu(program: &str) -> Result<(), Failed> {
    let setting = setting(program);
    let mut qemu = Command::new("timeout");
    qemu.args([TIMEOUT_SECONDS, "qemu-system-riscv64", "-machine", "virt"]);
    qemu.args(["-bios", if setting.is_kernel { "default" } else { "none" }]);
    if is_benchmark(program) {
        qemu.args(["-m", "1G"]);
    } else if setting.harts == "1" {
        // Instructions are counted, and time is counted by them, as here. Several harts would run
        // for seconds each in turn.
        qemu.args(["-icount", "shift=0,sleep=off"]);
    }
    qemu.args(["-smp", setting.harts, "-cpu", QEMU_CPU, "-nographic"]);
    qemu.arg("-kernel").arg(built(program)?);
    let output = output(&mut qemu, program)?;
    if output.status.code() == Some(127) {
        report(&format!("qemu::{program} is skipped: qemu-system-riscv64 is not installed"));
        return Ok(());
    }
    passed(&output).map(drop)
}

/// The console's text of a program that ended with exit code 0.
fn passed(output: &Output) -> Result<&str, Failed> {
    let console = std::str::from_utf8(&output.stdout)?;
    match output.status.code() {
        Some(0) => Ok(console),
        Some(EXIT_TIMEOUT) => Err(format!("took too long\n{console}").into()),
        _ => {
            let complaint = String::from_utf8_lossy(&output.stderr);
            Err(format!("{}\n{console}{complaint}", output.status).into())
        }
    }
}

/// The first line that is not the same, with its number.
fn difference(want: &str, got: &str) -> Option<String> {
    let (mut want, mut got) = (want.lines(), got.lines());
    for number in 1.. {
        match (want.next(), got.next()) {
            (None, None) => break,
            (a, b) if a == b => {}
            (a, b) => {
                let [a, b] = [a, b].map(|line| line.unwrap_or("(end of text)"));
                return Some(format!("line {number}:\n  expected {a}\n  got      {b}"));
            }
        }
    }
    None
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_default()
}

#[expect(clippy::print_stderr, reason = "the harness has no other way to say why it skips")]
fn report(text: &str) {
    eprintln!("{text}");
}
