//! From what the command line says to what a machine is built from: files are read and opened
//! here, so that everything that can be wrong with them is said before anything runs.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use super::args::{BootSpec, DeviceSpec, FirmwareSpec, ProgramArgs, ProgramSpec, RunArgs};
use super::devices::{Disk as DiskSpec, Medium, Plugged, Port as PlannedPort};
use super::disks::SWAP_ID;
use super::program::{self, Program, Wiring};
use super::streams::{Owner, Stream};
use super::values::{RtcBase, Seed};
use crate::device::virtio::Layout;
use crate::device::virtio::block::{Mishaps, Storage};
use crate::machine::Config;
use crate::machine::board::{Devices, Port, Virtio, WindowSize};
use crate::machine::boot::{Boot, Firmware, Payload};
use crate::machine::config::ClockSource;
use crate::machine::console::Console;
use crate::machine::disk::mishaps::Unlucky;
use crate::machine::disk::scratch::Scratch;
use crate::machine::disk::{Disk, Mode};
use crate::machine::random::SplitMix;

/// Where the host has random bytes.
const HOST_RANDOM: &str = "/dev/urandom";

/// What the machine is built from.
pub(super) fn config(args: &RunArgs, owner: Owner) -> Result<Config> {
    let rtc_base_ns = match args.devices.rtc {
        RtcBase::Unix(seconds) => {
            seconds.checked_mul(1_000_000_000).context("-rtc: the clock ends in the year 2554")?
        }
        RtcBase::Now => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            now.as_nanos().try_into().context("the host's clock is beyond the year 2554")?
        }
    };
    let seed = match args.devices.seed {
        Seed::Fixed(seed) => seed,
        Seed::Host => {
            let mut seed = [0; 8];
            random(Seed::Host)?
                .read_exact(&mut seed)
                .with_context(|| format!("reading {HOST_RANDOM}"))?;
            u64::from_le_bytes(seed)
        }
    };
    let mut config = args.machine.config(ClockSource::Insns);
    if owner != Owner::Consoles && args.machine.ram_bytes.is_none() {
        config.ram_bytes = program::RAM_BYTES;
    }
    Ok(Config { rtc_base_ns, seed, on_trap_loop: args.on_trap_loop.into(), ..config })
}

/// What is to be done.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) boot: Boot,
    /// Who has standard input and output.
    pub(super) owner: Owner,
}

/// What is loaded, read, and who then has standard input and output.
pub(super) fn job(spec: BootSpec, args: &RunArgs) -> Result<Job> {
    let name = spec.name().display().to_string();
    if let ProgramSpec::File(path) = &spec.program {
        let file = Payload::read(path)?;
        return match Program::recognise(&file) {
            Some(program) => {
                let mut boot = program.boot(&args.boot.args, &args.program)?;
                add_to(&mut boot, &spec)?;
                Ok(Job { boot, owner: Owner::Program(Wiring::of_this_process()) })
            }
            None => machine_job(Boot::of(file), &spec, args, &name),
        };
    }
    let read = |path: Option<&PathBuf>| path.map(|path| Payload::read(path)).transpose();
    let boot = match &spec.program {
        ProgramSpec::Guest => program::guest(&args.program)?,
        ProgramSpec::Kernel(path) => {
            Boot { initrd: read(spec.initrd.as_ref())?, ..Boot::of(Payload::read(path)?) }
        }
        ProgramSpec::File(_) | ProgramSpec::None => Boot::default(),
    };
    machine_job(boot, &spec, args, &name)
}

/// What runs on the machine itself.
fn machine_job(mut boot: Boot, spec: &BootSpec, args: &RunArgs, name: &str) -> Result<Job> {
    // Checked before anything runs: an option behind FILE is easily a slip.
    if let Some(first) = args.boot.args.first() {
        bail!(
            "{name}: a program without an operating system takes no arguments, but `{}` is given \
             (options go before FILE)",
            first.display()
        );
    }
    let ProgramArgs { root, env, env_all } = &args.program;
    let is_guest = spec.program == ProgramSpec::Guest;
    for (option, is_idle) in
        [("root", root.is_some() && !is_guest), ("env", !env.is_empty()), ("env-all", *env_all)]
    {
        if is_idle {
            bail!("{name}: --{option} is for programs for Linux, which this is not");
        }
    }
    add_to(&mut boot, spec)?;
    boot.firmware = match &spec.firmware {
        FirmwareSpec::Default => Firmware::BuiltIn,
        FirmwareSpec::None => Firmware::None,
        FirmwareSpec::File(path) => Firmware::File(Payload::read(path)?),
    };
    Ok(Job { boot, owner: Owner::Consoles })
}

/// Adds what the user tells the kernel.
fn add_to(boot: &mut Boot, spec: &BootSpec) -> Result<()> {
    boot.dtb = spec.dtb.as_deref().map(Payload::read).transpose()?;
    if let Some(text) = &spec.append {
        let before = boot.append.take().map(|before| before + " ").unwrap_or_default();
        boot.append = Some(before + text);
    }
    Ok(())
}

/// What is plugged in, opened. The terminal of a program has a window of this size.
pub(super) fn devices(spec: DeviceSpec, seed: Seed, window: &WindowSize) -> Result<Devices> {
    let is_legacy = spec.is_legacy_forced && spec.streams.owner == Owner::Consoles;
    let layout = if is_legacy { Layout::Legacy } else { Layout::Modern };
    let mut devices = Devices { layout, ..Devices::default() };
    // The disks that a plan concerns share its count of writes.
    let troubles =
        spec.errors.into_iter().map(|plan| (plan.writes_left(), plan)).collect::<Vec<_>>();
    for (slot, plugged) in devices.virtio.iter_mut().zip(spec.slots) {
        *slot = match plugged {
            None => None,
            Some(Plugged::Block(disk)) => {
                let trouble = disk.errors.map(|index| troubles[index].clone());
                let mishaps = trouble.map(|(writes_left, plan)| {
                    Box::new(Unlucky::new(plan, writes_left)) as Box<dyn Mishaps>
                });
                Some(open(&disk, mishaps)?)
            }
            Some(Plugged::Rng) => Some(Virtio::Random(random(seed)?)),
            Some(Plugged::Serial(ports)) => {
                let connected = |planned: PlannedPort| {
                    let stream = &spec.streams.consoles[planned.stream];
                    let PlannedPort { number, kind, name, .. } = planned;
                    let hears_input = *stream == Stream::Stdio;
                    let (console, size) = (port(stream)?, WindowSize::default());
                    Ok(Port { number, kind, name, console, hears_input, size })
                };
                let ports = ports.into_iter().map(connected).collect::<Result<_>>()?;
                Some(Virtio::Console(ports))
            }
        };
    }
    if let Owner::Program(wiring) = spec.streams.owner {
        let free = devices.virtio.iter_mut().rfind(|slot| slot.is_none());
        *free.context("no virtio slot is left for the program's standard streams")? =
            Some(Virtio::Console(wiring.ports(window)));
    }
    Ok(devices)
}

fn open(spec: &DiskSpec, mishaps: Option<Box<dyn Mishaps>>) -> Result<Virtio> {
    let (storage, serial): (Box<dyn Storage>, _) = match &spec.medium {
        Medium::Image { file, is_snapshot, is_read_only } => {
            let mode = match (is_snapshot, is_read_only) {
                (true, _) => Mode::Snapshot,
                (false, true) => Mode::ReadOnly,
                (false, false) => Mode::ReadWrite,
            };
            (Box::new(Disk::open(file, mode)?), "")
        }
        Medium::Swap(len_bytes) => (Box::new(Scratch::swap_area(*len_bytes)), SWAP_ID),
    };
    Ok(Virtio::Disk { storage, serial: serial.to_owned(), latency: spec.latency, mishaps })
}

/// Random bytes.
fn random(seed: Seed) -> Result<Box<dyn Read + Send>> {
    Ok(match seed {
        Seed::Fixed(seed) => Box::new(SplitMix::new(seed)),
        Seed::Host => {
            let file = File::open(HOST_RANDOM);
            Box::new(file.with_context(|| format!("cannot read {HOST_RANDOM}"))?)
        }
    })
}

/// A console of the guest.
pub(super) fn console(stream: &Stream) -> Result<Console> {
    Ok(match stream {
        Stream::Null => Console::new(io::sink()),
        Stream::Stdio => Console::new(BufWriter::new(io::stdout())),
        Stream::Stderr => Console::new(io::stderr()),
        Stream::File(path) => {
            let file = File::create(path);
            let file = file.with_context(|| format!("cannot write {}", path.display()))?;
            Console::new(BufWriter::new(file))
        }
    })
}

/// A virtio console of the guest. It writes whole messages, and nobody flushes what it has written.
fn port(stream: &Stream) -> Result<Console> {
    Ok(match stream {
        Stream::Stdio => Console::new(at_once(io::stdout())),
        Stream::Null | Stream::File(_) | Stream::Stderr => console(stream)?,
    })
}

/// What hands on everything to `out` as soon as it is written.
pub(super) fn at_once(out: impl Write + Send + 'static) -> impl Write + Send + 'static {
    AtOnce(out)
}

struct AtOnce<W>(W);

impl<W: Write> Write for AtOnce<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.0.write(bytes)?;
        self.0.flush()?;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
