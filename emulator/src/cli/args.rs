//! The command line: every option defined once, with the help that documents it; those of
//! `pagewalk run` alone are in `args/run.rs`. QEMU's way to write options is `qemu.rs`'s affair,
//! what the text of a value means that of `values.rs`, `devices.rs` and `streams.rs`.

mod program;
mod run;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::values;
use crate::csr::ASID_MAX_BITS;
use crate::isa::Extensions;
use crate::machine::Config;
use crate::machine::config::{ClockSource, DEFAULT_RAM_BYTES, Limits, OnTrapLoop};
pub(super) use program::ProgramArgs;
pub(super) use run::{
    BootSpec, DebugArgs, DeviceSpec, FirmwareSpec, GdbSpec, ProgramSpec, RunArgs, StatsForm,
};

const ABOUT: &str = "Runs RISC-V (RV64) programs on an emulated machine: QEMU's virt";

const LONG_ABOUT: &str = "\
Runs RISC-V (RV64) programs on an emulated machine.

The machine has the memory map, the devices and the habits of QEMU's virt: RAM at 0x80000000, \
CLINT, PLIC, a 16550 serial port, eight virtio slots, a real-time clock, the test finisher; \
`pagewalk dts` tells all. A program is a riscv64 ELF or a Linux kernel; without any, the guest \
operating system runs that comes with pagewalk. One that lies at the very \
start of RAM starts in M-mode, as for Spike or for QEMU with -bios none; any other starts in \
S-mode, with SBI calls answered by pagewalk itself or by firmware from -bios FILE. It ends the run \
through SBI, through the finisher, or through HTIF (the symbol tohost).

A riscv64 ELF for Linux, linked statically, runs too: as the first process of that guest, with the \
ARGS behind it, and with this standard input, output and error. Its exit code is pagewalk's, or 128 \
and the number of the signal that has killed it. Its file system is in RAM; --root DIR adds to it.

`pagewalk FILE` is short for `pagewalk run FILE`; `pagewalk run --help` lists the options.";

const AFTER_HELP: &str = "\
Exit codes:
  0-255  what the program ended with: tohost >> 1, or the finisher's code; a code whose
         low byte does not show that it is not 0 becomes 255
  0      also: Ctrl-A x, or a reboot where -no-reboot is given
  1      pagewalk test: a test has failed
  2      wrong usage, or a file that cannot be used
  101    a mistake in pagewalk itself
  120    --max-insns was reached
  121    trap loop: a hart faults in its own trap handler, for ever
  122    every hart waits for an interrupt (wfi) that cannot come
  123    the power was cut: --disk-errors cut=N
  124    --timeout was reached
  125    the host failed: a full disk, a closed pipe
  130    SIGINT; 129, 131, 143: SIGHUP, SIGQUIT, SIGTERM; a second one ends the run at once
  141    a program for Linux wrote to a closed pipe

Environment:
  PAGEWALK_GUEST           a directory with kernel and initramfs.cpio of another guest
  PAGEWALK_LOG, RUST_LOG   what to log to standard error: error, warn, info, debug, trace,
                           also by module; trace names every device register touched

Examples:
  pagewalk
  pagewalk hello.elf
  pagewalk -m 64M --root files ./program -n x <input
  pagewalk -m 1G --max-insns 1000000000 kernel.elf
  pagewalk -machine virt -cpu rv64,zbb=off -bios none -m 128M -nographic -kernel kernel.elf
  pagewalk -smp 4 -m 1G -kernel Image -initrd initrd.gz -append console=ttyS0
  pagewalk -s -S kernel.elf      and in gdb: target remote :1234
  pagewalk test --filter rv64ui riscv-tests/isa
  pagewalk disasm hello.elf";

/// Everything that can be said.
#[derive(Debug, Parser)]
#[command(
    name = "pagewalk",
    about = ABOUT,
    after_help = "`pagewalk FILE` runs a program; `pagewalk run --help` lists the options.",
    long_about = LONG_ABOUT,
    after_long_help = AFTER_HELP,
    version,
    max_term_width = 100,
    override_usage = "pagewalk [OPTIONS] [FILE [ARGS]...]\n       pagewalk <COMMAND> [OPTIONS] ..."
)]
pub(super) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(super) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Run a program (the default)
    #[command(args_override_self = true)]
    Run(Box<RunArgs>),
    /// Run test programs in parallel and judge them by their exit codes
    Test(TestArgs),
    /// Disassemble a program
    Disasm(DisasmArgs),
    /// Print the device tree of a machine
    Dts(DtsArgs),
}

/// The machine to build.
#[derive(Debug, Args)]
#[command(next_help_heading = "Machine")]
pub(super) struct MachineArgs {
    /// Machine to be
    #[arg(long, short = 'M', value_name = "NAME", default_value = "virt")]
    machine: MachineName,

    /// Processor, with extensions switched on or off: rv64,zbb=off,svadu=off
    ///
    /// max has everything that --version names; rv64 lacks Svade, so that hardware sets A and D bits
    /// from the start, as in QEMU; rv64i has the base only.
    #[arg(long, value_name = "MODEL", default_value = "rv64", value_parser = Extensions::parse)]
    cpu: Extensions,

    /// Bits of the harts' address-space identifiers, 0 to 16; a system must do with what there is
    #[arg(long, value_name = "N", default_value_t = ASID_MAX_BITS,
          value_parser = clap::value_parser!(u32).range(0..=i64::from(ASID_MAX_BITS)))]
    asid_bits: u32,

    /// Number of harts
    #[arg(long, value_name = "N", default_value = "1", value_parser = values::harts)]
    smp: usize,

    /// Size of RAM: a number of MiB, or one with the suffix K, M, G or T [default: 128M; of a
    /// program for Linux: 256M]
    #[arg(short = 'm', long = "memory", value_name = "SIZE", value_parser = values::ram_bytes)]
    pub(super) ram_bytes: Option<u64>,

    /// What makes the guest's time pass [default: insn; of pagewalk test: warp]
    #[arg(long, value_name = "SOURCE", value_enum)]
    clock: Option<Clock>,
}

/// Machines that can be asked for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum MachineName {
    /// QEMU's generic RISC-V board
    Virt,
}

/// What can make time pass.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Clock {
    /// instructions; while all harts wait, the host's time
    Insn,
    /// instructions; while all harts wait, time jumps: the same input gives the same run
    Warp,
    /// the host's time
    Host,
}

impl MachineArgs {
    /// What the machine is built from.
    pub(super) fn config(&self, default_clock: ClockSource) -> Config {
        let MachineName::Virt = self.machine;
        let clock = match self.clock {
            None => default_clock,
            Some(Clock::Insn) => ClockSource::Insns,
            Some(Clock::Warp) => ClockSource::Warp,
            Some(Clock::Host) => ClockSource::Host,
        };
        Config {
            ram_bytes: self.ram_bytes.unwrap_or(DEFAULT_RAM_BYTES),
            harts: self.smp,
            extensions: self.cpu,
            asid_bits: self.asid_bits,
            clock,
            ..Config::default()
        }
    }
}

/// What bounds a run.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitArgs {
    /// Stop after N instructions
    #[arg(long, value_name = "N")]
    max_insns: Option<u64>,

    /// Stop after this time on the host, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = values::seconds)]
    timeout: Option<Duration>,
}

impl LimitArgs {
    /// What bounds a run, with a limit of instructions where the user sets none.
    pub(super) fn limits(&self, default_insns: Option<u64>) -> Limits {
        Limits { max_insns: self.max_insns.or(default_insns), timeout: self.timeout }
    }
}

/// What becomes of a hart that faults in its own trap handler.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum TrapLoop {
    /// the run ends, and says why
    Stop,
    /// it goes on, as on a real machine
    Continue,
}

impl From<TrapLoop> for OnTrapLoop {
    fn from(choice: TrapLoop) -> Self {
        match choice {
            TrapLoop::Stop => Self::Stop,
            TrapLoop::Continue => Self::Continue,
        }
    }
}

/// `pagewalk test`.
#[derive(Debug, Args)]
#[command(
    after_help = "A test passes when it ends with code 0. By the convention of riscv-tests a \
                  failing one ends\nwith the number of the test case that failed. Exit code: 0 \
                  when all pass, 1 when some fail,\n2 when there is nothing to test."
)]
pub(super) struct TestArgs {
    #[command(flatten)]
    pub(super) machine: MachineArgs,

    #[command(flatten)]
    pub(super) limits: LimitArgs,

    /// Run only tests whose path contains this text
    #[arg(long, value_name = "SUBSTRING")]
    pub(super) filter: Option<String>,

    /// Report as one JSON object
    #[arg(long)]
    pub(super) json: bool,

    /// Tests to run at a time [default: the host's cores]
    #[arg(long, short, value_name = "N")]
    pub(super) jobs: Option<std::num::NonZeroUsize>,

    /// Test programs; of a directory, every riscv64 executable in it and below
    #[arg(value_name = "PATH", required = true)]
    pub(super) paths: Vec<PathBuf>,
}

/// `pagewalk disasm`.
#[derive(Debug, Args)]
pub(super) struct DisasmArgs {
    /// The program: a riscv64 ELF
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
}

/// `pagewalk dts`.
#[derive(Debug, Args)]
#[command(after_help = "The tree is what a kernel is told of a machine with these options.")]
pub(super) struct DtsArgs {
    #[command(flatten)]
    pub(super) machine: MachineArgs,

    /// Print the device tree blob in FILE instead
    #[arg(long, value_name = "FILE")]
    pub(super) dtb: Option<PathBuf>,

    /// Write the tree to FILE as a blob, and print nothing
    #[arg(long, value_name = "FILE")]
    pub(super) binary: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::super::streams::Owner;
    use super::*;
    use crate::debug::trace::TraceItems;
    use crate::device::virtio::block::Latency;

    #[test]
    fn definitions_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    /// The options of a run, as `line` has them after the command's name.
    fn run(line: &str) -> Box<RunArgs> {
        let words = std::iter::once("pagewalk").chain(line.split_whitespace());
        let Verb::Run(args) = super::super::parse(words.map(Into::into).collect()).unwrap().verb
        else {
            panic!("{line} is no run");
        };
        args
    }

    /// What xv6's Makefile says, which runs unchanged.
    const XV6: &str = "-machine virt -bios none -kernel kernel/kernel -m 128M -smp 3 -nographic \
        -global virtio-mmio.force-legacy=false -drive file=fs.img,if=none,format=raw,id=x0 \
        -device virtio-blk-device,drive=x0,bus=virtio-mmio-bus.0";

    #[test]
    fn xv6_is_understood() {
        use super::super::devices::{Disk, Medium, Plugged};
        use super::super::streams::{Monitor, Stream};
        for (debugger, gdb) in [
            ("", None),
            ("-S -gdb tcp::26000", Some((26000, true))),
            ("-S -s -p 26000", Some((26000, true))),
            ("-s", Some((1234, false))),
        ] {
            let args = run(&format!("{XV6} {debugger}"));
            let boot = args.boot.spec().unwrap();
            assert_eq!(boot.firmware, FirmwareSpec::None);
            assert_eq!(boot.program, ProgramSpec::Kernel("kernel/kernel".into()));
            let config = args.machine.config(ClockSource::Insns);
            assert_eq!((config.ram_bytes, config.harts), (128 << 20, 3));
            let DeviceSpec { slots, is_legacy_forced, streams, .. } =
                args.devices.spec(Owner::Consoles).unwrap();
            let (is_snapshot, is_read_only) = (false, false);
            let medium = Medium::Image { file: "fs.img".into(), is_snapshot, is_read_only };
            let (id, latency, errors) = ("x0".to_owned(), Latency::NONE, None);
            let disk = Disk { id, medium, latency, errors };
            assert_eq!(slots[0], Some(Plugged::Block(disk)));
            assert!(slots[1..].iter().all(Option::is_none) && !is_legacy_forced);
            assert_eq!((streams.serial, streams.monitor), (Stream::Stdio, Monitor::Shared));
            let spec = args.debug.gdb().unwrap();
            let found = spec.map(|gdb| (gdb.address.port, gdb.is_stopped));
            assert_eq!(found, gdb, "{debugger}");
        }
    }

    #[test]
    fn firmware_and_kernels() {
        use FirmwareSpec as F;
        let (file, kernel) = (ProgramSpec::File("k".into()), ProgramSpec::Kernel("k".into()));
        for (line, firmware, program, append) in [
            ("k", F::Default, &file, None),
            ("-append a k", F::Default, &file, Some("a")),
            ("-initrd i k", F::Default, &kernel, None),
            ("-bios default -kernel k", F::Default, &kernel, None),
            ("-bios none k", F::None, &kernel, None),
            ("-bios fw.bin", F::File("fw.bin".into()), &ProgramSpec::None, None),
            ("-bios fw.bin -kernel k -append -x", F::File("fw.bin".into()), &kernel, Some("-x")),
            ("-bios none -append a -append b k", F::None, &kernel, Some("b")),
        ] {
            let boot = run(line).boot.spec().unwrap();
            assert_eq!(boot.firmware, firmware, "{line}");
            assert_eq!(boot.program, *program, "{line}");
            assert_eq!(boot.append.as_deref(), append, "{line}");
        }
    }

    #[test]
    fn without_a_program_the_guest_runs() {
        for line in ["", "-m 64M", "-bios default -append quiet"] {
            let boot = run(line).boot.spec().unwrap();
            assert_eq!((boot.program, boot.firmware), (ProgramSpec::Guest, FirmwareSpec::Default));
        }
        for line in ["-bios none", "-initrd i", "-bios f -append a", "-bios f -initrd i"] {
            assert!(run(line).boot.spec().is_err(), "{line}");
        }
    }

    #[test]
    fn whats_left_out_has_a_default() {
        let args = run("k");
        let devices = args.devices.spec(Owner::Consoles).unwrap();
        assert!(devices.is_legacy_forced && devices.slots.iter().all(Option::is_none));
        assert_eq!(args.debug.gdb(), Ok(None));
        assert_eq!(args.machine.config(ClockSource::Insns).clock, ClockSource::Insns);
        assert_eq!(
            run("--clock host k").machine.config(ClockSource::Warp).clock,
            ClockSource::Host
        );
        let args = run("-d int,mmu -d in_asm,exec -trace-mode u,s k");
        let items =
            args.debug.log_items.iter().fold(TraceItems::default(), |all, item| all | *item);
        assert_eq!(Ok(items), "int,mmu,in_asm,exec".parse());
        assert_eq!(args.debug.trace_mode, Some("s,u".parse().unwrap()));
    }
}
