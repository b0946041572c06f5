//! [`Peer`]: who is measured, how it is found and how it runs a program.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::output::shortened;
use super::process::{self, End};
use super::results::PeerInfo;
use crate::lockstep::{elf, simulator};
use crate::toolchain::{Host as _, ThisHost};

/// Name of the subject.
pub(super) const PAGEWALK: &str = "pagewalk";
/// Name of QEMU's system emulator.
pub(super) const QEMU: &str = "qemu";
/// Name of the model of the instruction set.
pub(super) const SPIKE: &str = "spike";
/// Name of the host's own processor.
pub(super) const NATIVE: &str = "native";

/// Stands for the program in a command.
const PROGRAM: &str = "{}";
/// Memory of every machine.
const MEMORY: &str = "1G";
/// The same, as Spike takes it, in MiB.
const SPIKE_MEMORY: &str = "-m1024";
/// QEMU's processor, with the extensions that are off by default and that a program uses.
const QEMU_CPU: &str = "rv64,svinval=on,svnapot=on,svpbmt=on";
/// Of a question for the version.
const VERSION_LIMIT: Duration = Duration::from_secs(20);

/// Who can run programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) name: String,
    version: Option<String>,
    /// With [`PROGRAM`] somewhere.
    words: Vec<String>,
}

impl Peer {
    fn new(name: &str, version: Option<String>, words: Vec<String>) -> Self {
        Self { name: name.to_owned(), version, words }
    }

    /// Pagewalk's executable.
    pub(super) fn pagewalk(executable: &Path) -> Result<Self> {
        let executable = text(executable)?;
        let words = words(&[executable, "--clock", "host", "-m", MEMORY, PROGRAM]);
        // What it says of itself begins with the QEMU that it stands for; all of the workspace
        // has one version.
        Ok(Self::new(PAGEWALK, Some(env!("CARGO_PKG_VERSION").to_owned()), words))
    }

    /// QEMU, where it is installed.
    pub(super) fn qemu() -> Option<Self> {
        const NAME: &str = "qemu-system-riscv64";
        ThisHost.program(NAME)?;
        let mut all = words(&[NAME, "-machine", "virt", "-cpu", QEMU_CPU, "-m", MEMORY]);
        all.extend(words(&["-bios", "none", "-nographic", "-kernel", PROGRAM]));
        Some(Self::new(QEMU, version(NAME), all))
    }

    /// Spike, where it is installed. It has the serial port of `virt` and no finisher: programs end
    /// by their mailbox.
    pub(super) fn spike() -> Result<Option<Self>> {
        let Ok(executable) = simulator::find_spike(None) else { return Ok(None) };
        let (executable, isa) = (text(&executable)?, format!("--isa={}", simulator::ISA));
        let all = words(&[executable, &isa, SPIKE_MEMORY, "--real-time-clint", PROGRAM]);
        Ok(Some(Self::new(SPIKE, spike_version(executable), all)))
    }

    /// The host's processor, which runs programs that are built for it.
    pub(super) fn native() -> Self {
        let rustc = version(&ThisHost.rustc()).map(|rustc| format!("built by rustc {rustc}"));
        Self::new(NATIVE, rustc, words(&[PROGRAM]))
    }

    /// `NAME=COMMAND`, blanks between the words of the command, `{}` for the program.
    pub(super) fn parse(definition: &str) -> Result<Self> {
        let (name, command) =
            definition.split_once('=').with_context(|| format!("no `=` in {definition:?}"))?;
        let plain = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
        ensure!(!name.is_empty() && name.chars().all(plain), "{name:?} is no name for a peer");
        let all: Vec<&str> = command.split_whitespace().collect();
        ensure!(!all.is_empty(), "{definition:?} has no command");
        ensure!(command.contains(PROGRAM), "{definition:?} has no {PROGRAM} for the program");
        Ok(Self::new(name, None, words(&all)))
    }

    /// For the reader of the results.
    pub(super) fn info(&self) -> PeerInfo {
        let (name, version) = (self.name.clone(), self.version.clone());
        PeerInfo { name, version, command: self.shown() }
    }

    /// Its command without the folder of the program, which is different on every host.
    fn shown(&self) -> String {
        let mut words = self.words.clone();
        if let Some(program) = words.first_mut()
            && let Some(name) = Path::new(program).file_name()
        {
            *program = name.to_string_lossy().into_owned();
        }
        words.join(" ")
    }

    /// The same machine with another size of RAM, if its command says so with `-m`.
    pub(super) fn with_memory(&self, memory: &str) -> Self {
        let mut peer = self.clone();
        if let Some(option) = peer.words.iter().position(|word| word == "-m") {
            peer.words[option + 1] = memory.to_owned();
        }
        peer
    }

    /// Runs a program to its end.
    ///
    /// # Errors
    /// A command that cannot be started.
    pub(super) fn run(&self, program: &Path, limit: Duration) -> Result<process::Finished> {
        let program = text(program)?;
        let mut all = self.words.iter().map(|word| word.replace(PROGRAM, program));
        let mut command = Command::new(all.next().unwrap_or_default());
        process::run(command.args(all), limit)
    }
}

/// Whether a program ended well.
///
/// # Errors
/// How it ended otherwise, and the last thing that it said.
pub(super) fn check(finished: &process::Finished, limit: Duration) -> Result<()> {
    let end = match finished.end {
        End::Code(0) => return Ok(()),
        End::Code(code) => format!("exit code {code}"),
        End::Signal(signal) => format!("killed by signal {signal}"),
        End::TimeLimit => format!("not over after {} s", limit.as_secs()),
    };
    let last = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let line = text.lines().rev().find(|line| !line.trim().is_empty());
        line.map(|line| format!(": {}", shortened(line.trim())))
    };
    let said = last(&finished.stderr).or_else(|| last(&finished.stdout));
    bail!("{end}{}", said.unwrap_or_default());
}

fn words(all: &[&str]) -> Vec<String> {
    all.iter().map(|&word| word.to_owned()).collect()
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

/// The first word with a digit of what a program says of its version.
fn version(program: &str) -> Option<String> {
    let finished = process::run(Command::new(program).arg("--version"), VERSION_LIMIT).ok()?;
    first_number(&String::from_utf8_lossy(&finished.stdout))
}

/// Spike tells its version with its options.
fn spike_version(executable: &str) -> Option<String> {
    let finished = process::run(Command::new(executable).arg("--help"), VERSION_LIMIT).ok()?;
    first_number(&String::from_utf8_lossy(&finished.stderr))
}

fn first_number(text: &str) -> Option<String> {
    let mut words = text.lines().next()?.split_whitespace();
    let number = words.find(|word| word.starts_with(|char: char| char.is_ascii_digit()))?;
    Some(number.split('+').next().unwrap_or(number).to_owned())
}

/// An ELF file of a few instructions that end the machine, by the mailbox or else by the finisher:
/// what it costs to start and to stop.
pub(super) fn trivial_program() -> Vec<u8> {
    const RAM: u64 = 0x8000_0000;
    const MAILBOX: u64 = RAM + 0x1000;
    const CODE: [u32; 10] = [
        0x0000_1297, // auipc t0, 1: the mailbox
        0x0010_0313, // li t1, 1: success
        0x0062_b023, // sd t1, 0(t0)
        0x0000_83b7, // lui t2, 8: Spike looks into the mailbox now and then
        0xfff3_8393, // addi t2, t2, -1
        0xfe03_9ee3, // bnez t2, .-4
        0x0010_02b7, // lui t0, 0x100: the finisher
        0x0000_5337, // lui t1, 0x5
        0x5553_0313, // addi t1, t1, 0x555: success
        0x0062_a023, // sw t1, 0(t0)
    ];
    let bytes = CODE.iter().flat_map(|insn| insn.to_le_bytes()).collect();
    let segments = [
        elf::Segment { address: RAM, bytes },
        elf::Segment { address: MAILBOX, bytes: vec![0; 16] },
    ];
    elf::write(RAM, &segments, &[("tohost", MAILBOX), ("fromhost", MAILBOX + 8)])
}

/// Path of the executable with this name among those that were built.
///
/// # Errors
/// It is not among them.
pub(super) fn find(built: &[PathBuf], name: &str) -> Result<PathBuf> {
    let path = built.iter().find(|path| path.ends_with(name));
    path.cloned().with_context(|| format!("the build made no {name}"))
}

#[cfg(test)]
mod tests {
    use pagewalk::engine::Interpreter;
    use pagewalk::machine::board::Devices;
    use pagewalk::machine::boot::{Boot, Payload};
    use pagewalk::machine::console::{Console, Input};
    use pagewalk::machine::{Config, Limits, Machine, Stop};

    use super::*;

    /// How an ELF file ends on Pagewalk, and after how many instructions.
    fn end(name: &str, elf: &[u8]) -> (Stop, u64) {
        let path = std::env::temp_dir().join(format!("pagewalk-{name}-{}", std::process::id()));
        std::fs::write(&path, elf).unwrap();
        let payload = Payload::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let config = Config::default();
        let plan = Boot::of(payload).plan(&config).unwrap();
        let engine = Box::new(Interpreter::new(config.extensions));
        let console = Console::new(std::io::sink());
        let (devices, input) = (Devices::default(), Input::none());
        let mut machine = Machine::new(config, plan, devices, engine, console, input).unwrap();
        let limits = Limits { max_insns: Some(1_000_000), ..Limits::default() };
        (machine.run(&limits), machine.retired_insns())
    }

    #[test]
    fn the_trivial_program_ends_by_the_mailbox_or_the_finisher() {
        let elf = trivial_program();
        let (stop, by_mailbox) = end("mailbox", &elf);
        assert_eq!(stop, Stop::Exit(0));
        // Without the name of its symbol the mailbox is memory.
        let at = elf.windows(6).position(|bytes| bytes == b"tohost").expect("a symbol");
        let mut nameless = elf;
        nameless[at] = b'x';
        let (stop, by_finisher) = end("finisher", &nameless);
        assert_eq!(stop, Stop::Exit(0));
        assert!(by_mailbox < 100 && by_finisher > 1000, "{by_mailbox} and {by_finisher} insns");
    }

    #[test]
    fn versions_are_found() {
        for (text, version) in [
            ("QEMU emulator version 7.2.22 (Debian)\nCopyright", Some("7.2.22")),
            ("Spike RISC-V ISA Simulator 0.0.5.dev20+pyspike.g4\n", Some("0.0.5.dev20")),
            ("pagewalk 0.1.0", Some("0.1.0")),
            ("unknown\n1.2", None),
            ("", None),
        ] {
            assert_eq!(first_number(text).as_deref(), version, "{text}");
        }
    }
}
