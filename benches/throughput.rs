//! Guest instructions a second: an integer and a floating-point program in S-mode under Sv39,
//! run by the interpreter in this process. Where qemu-system-riscv64 is installed, the same
//! program files run there too, as whole processes (so with its start-up time).
//!
//! The programs are `bench-integer` and `bench-float` of the guest; `cargo xtask guest` builds
//! them. Without a compiler for the guest there is nothing to measure, and the bench says so.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pagewalk::engine::Interpreter;
use pagewalk::machine::board::Devices;
use pagewalk::machine::boot::{Boot, Payload};
use pagewalk::machine::console::{Console, Input};
use pagewalk::machine::{Config, Limits, Machine, Stop};

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(8));
    targets = throughput
}
criterion_main!(benches);

fn throughput(criterion: &mut Criterion) {
    let programs = match guest_programs() {
        Ok(programs) => programs,
        Err(reason) => return say(&format!("throughput: skipped: {reason}")),
    };
    let qemu = Command::new(QEMU).arg("--version").stdout(Stdio::null()).status().is_ok();
    if !qemu {
        say(&format!("throughput: {QEMU} is not installed: no comparison"));
    }
    for name in ["bench-integer", "bench-float"] {
        let Some(program) = programs.iter().find(|path| path.ends_with(name)) else {
            panic!("cargo xtask guest has not built {name}");
        };
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(run_here(program)));
        group.bench_function("pagewalk", |bencher| bencher.iter(|| run_here(black_box(program))));
        if qemu {
            group.bench_function("qemu", |bencher| bencher.iter(|| run_in_qemu(program)));
        }
        group.finish();
    }
}

/// Runs `program` to its end; the number of instructions it retired.
fn run_here(program: &Path) -> u64 {
    let config = Config::default();
    let boot = Boot::of(Payload::read(program).expect("a guest program"));
    let plan = boot.plan(&config).expect("it fits");
    let engine = Box::new(Interpreter::new(config.extensions));
    let console = Console::new(std::io::sink());
    let (devices, input) = (Devices::default(), Input::none());
    let machine = Machine::new(config, plan, devices, engine, console, input);
    let mut machine = machine.expect("there is memory");
    assert_eq!(machine.run(&Limits::default()), Stop::Exit(0));
    machine.retired_insns()
}

const QEMU: &str = "qemu-system-riscv64";

fn run_in_qemu(program: &Path) {
    let status = Command::new(QEMU)
        .args(["-machine", "virt", "-bios", "none", "-display", "none", "-serial", "null"])
        .arg("-kernel")
        .arg(program)
        .stdin(Stdio::null())
        .status()
        .expect("qemu starts");
    assert!(status.success(), "qemu: {status}");
}

/// Builds the guest; the paths of its programs, or why there are none.
fn guest_programs() -> Result<Vec<PathBuf>, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["xtask", "guest"])
        .output()
        .map_err(|error| format!("cargo xtask guest: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let paths = String::from_utf8(output.stdout).expect("paths are UTF-8");
    Ok(paths.lines().map(PathBuf::from).collect())
}

#[expect(clippy::print_stderr, reason = "what a bench has to say goes beside its results")]
fn say(text: &str) {
    eprintln!("{text}");
}
