//! The command line: every option defined once, with the help that documents it. QEMU's spellings
//! of the same options are `qemu.rs`'s affair.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::isa::Extensions;
use crate::machine::config::{self, Config, Limits};

const ABOUT: &str = "Runs RISC-V (RV64) programs on an emulated machine: QEMU's virt";

const LONG_ABOUT: &str = "\
Runs RISC-V (RV64) programs on an emulated machine.

The machine has the memory map and the habits of QEMU's virt: RAM at 0x80000000, a 16550 serial \
port at 0x10000000, the CLINT at 0x2000000, the test finisher at 0x100000. A program is a \
statically linked riscv64 ELF that expects to start in M-mode, as for QEMU with -bios none or for \
Spike. It ends the run through HTIF (the symbol tohost) or through the finisher.

`pagewalk FILE` is short for `pagewalk run FILE`; `pagewalk run --help` lists the options.";

const AFTER_HELP: &str = "\
Exit codes:
  0-255  what the program ended with: tohost >> 1, or the finisher's code; a code whose
         low byte does not show that it is not 0 becomes 255
  1      pagewalk test: a test has failed
  2      wrong usage, or a file that cannot be used
  101    a mistake in pagewalk itself
  120    --max-insns was reached
  121    trap loop: a hart faults in its own trap handler, for ever
  122    every hart waits for an interrupt (wfi) that cannot come
  124    --timeout was reached
  125    the host failed: a full disk, a closed pipe

Environment:
  PAGEWALK_LOG, RUST_LOG   what to log to standard error: error, warn, info, debug, trace,
                           also by module; trace names every device register touched

Examples:
  pagewalk hello.elf
  pagewalk -m 1G --max-insns 1000000000 kernel.elf
  pagewalk -machine virt -cpu rv64,zbb=off -bios none -m 128M -nographic -kernel kernel.elf
  pagewalk test --filter rv64ui riscv-tests/isa
  pagewalk disasm hello.elf";

static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{}\n{}", env!("CARGO_PKG_VERSION"), Extensions::ALL.isa_string()));

/// Everything that can be said.
#[derive(Debug, Parser)]
#[command(
    name = "pagewalk",
    about = ABOUT,
    after_help = "`pagewalk FILE` runs a program; `pagewalk run --help` lists the options.",
    long_about = LONG_ABOUT,
    after_long_help = AFTER_HELP,
    version = VERSION.as_str(),
    max_term_width = 100,
    override_usage = "pagewalk [OPTIONS] FILE\n       pagewalk <COMMAND> [OPTIONS] ..."
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
    Run(RunArgs),
    /// Run test programs in parallel and judge them by their exit codes
    Test(TestArgs),
    /// Disassemble a program
    Disasm(DisasmArgs),
}

/// The machine to build and what bounds a run on it.
#[derive(Debug, Args)]
pub(super) struct MachineArgs {
    /// Size of RAM: a number of MiB, or one with the suffix K, M, G or T
    #[arg(
        short = 'm',
        long = "memory",
        value_name = "SIZE",
        default_value = "128M",
        value_parser = config::parse_size
    )]
    ram_bytes: u64,

    /// Processor, with extensions switched on or off: rv64,zbb=off,svadu=off
    ///
    /// rv64 and max have everything that --version names, rv64i only the base.
    #[arg(long, value_name = "MODEL", default_value = "rv64", value_parser = Extensions::parse)]
    cpu: Extensions,

    /// Stop after N instructions (a straight run of code that has begun is finished)
    #[arg(long, value_name = "N")]
    pub(super) max_insns: Option<u64>,

    /// Stop after this time on the host, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    timeout: Option<Duration>,

    /// Machine to be
    #[arg(long, short = 'M', value_name = "NAME", default_value = "virt")]
    machine: MachineName,

    /// Number of harts
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_harts)]
    smp: usize,
}

/// Machines that can be asked for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum MachineName {
    /// QEMU's generic RISC-V board
    Virt,
}

/// Firmware that can be asked for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Firmware {
    /// the program starts in M-mode
    None,
}

impl MachineArgs {
    /// What the machine is built from.
    pub(super) fn config(&self) -> Config {
        let MachineName::Virt = self.machine;
        Config {
            ram_bytes: self.ram_bytes,
            harts: self.smp,
            extensions: self.cpu,
            ..Config::default()
        }
    }

    /// What bounds a run, with a limit of instructions where the user sets none.
    pub(super) fn limits(&self, default_insns: Option<u64>) -> Limits {
        Limits { max_insns: self.max_insns.or(default_insns), timeout: self.timeout }
    }
}

/// `pagewalk run`.
#[derive(Debug, Args)]
#[command(after_long_help = AFTER_HELP)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) machine: MachineArgs,

    /// Write each executed instruction and what it changed to FILE, as Spike's --log-commits does
    #[arg(long, value_name = "FILE")]
    pub(super) log_commits: Option<PathBuf>,

    /// Firmware that runs before the program; none is the only one, for now
    #[arg(long, value_name = "FILE", default_value = "none")]
    bios: Firmware,

    /// The console is this terminal, and there is no other display: what pagewalk always does
    #[arg(long)]
    nographic: bool,

    /// The program, in QEMU's way of saying it
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    kernel: Option<PathBuf>,

    /// The program: a statically linked riscv64 ELF
    #[arg(value_name = "FILE", required_unless_present = "kernel")]
    file: Option<PathBuf>,

    /// Arguments for the program; one that runs without an operating system takes none
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(super) args: Vec<String>,
}

impl RunArgs {
    /// The program to run.
    pub(super) fn file(&self) -> &PathBuf {
        let (Firmware::None, _always) = (self.bios, self.nographic);
        self.file.as_ref().or(self.kernel.as_ref()).expect("clap demands one of the two")
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

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn parse_harts(text: &str) -> Result<usize, String> {
    let max = config::MAX_HARTS;
    let harts: usize = text.parse().map_err(|_| "expected a number of harts".to_owned())?;
    if (1..=max).contains(&harts) { Ok(harts) } else { Err(format!("at most {max} is possible")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn seconds() {
        for (text, millis) in [
            ("1", Some(1000)),
            ("0.5", Some(500)),
            ("0", Some(0)),
            ("-1", None),
            ("nan", None),
            ("inf", None),
            ("1e30", None),
            ("soon", None),
        ] {
            assert_eq!(parse_seconds(text).ok().map(|d| d.as_millis()), millis, "{text}");
        }
    }
}
