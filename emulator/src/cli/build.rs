//! From what the command line says to what a machine is built from: files are read and opened
//! here, so that everything that can be wrong with them is said before anything runs.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use super::args::{BootSpec, DeviceSpec, FirmwareSpec, RunArgs};
use super::devices::{Disk as DiskSpec, Plugged};
use super::streams::Stream;
use super::values::{RtcBase, Seed};
use crate::device::virtio::Layout;
use crate::machine::Config;
use crate::machine::board::{Devices, Virtio};
use crate::machine::boot::{Boot, Firmware, Payload};
use crate::machine::config::ClockSource;
use crate::machine::console::Console;
use crate::machine::disk::{Disk, Mode};
use crate::machine::random::SplitMix;

/// Where the host has random bytes.
const HOST_RANDOM: &str = "/dev/urandom";

/// What the machine is built from.
pub(super) fn config(args: &RunArgs) -> Result<Config> {
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
    let config = args.machine.config(ClockSource::Insns);
    Ok(Config { rtc_base_ns, seed, on_trap_loop: args.on_trap_loop.into(), ..config })
}

/// What is loaded, read.
pub(super) fn boot(spec: BootSpec) -> Result<Boot> {
    let read = |path: Option<std::path::PathBuf>| path.map(|path| Payload::read(&path)).transpose();
    let firmware = match spec.firmware {
        FirmwareSpec::Default => Firmware::BuiltIn,
        FirmwareSpec::None => Firmware::None,
        FirmwareSpec::File(path) => Firmware::File(Payload::read(&path)?),
    };
    let (kernel, initrd, dtb) = (read(spec.program)?, read(spec.initrd)?, read(spec.dtb)?);
    Ok(Boot { firmware, kernel, initrd, append: spec.append, dtb })
}

/// What is plugged in, opened.
pub(super) fn devices(spec: DeviceSpec, seed: Seed) -> Result<Devices> {
    let layout = if spec.is_legacy_forced { Layout::Legacy } else { Layout::Modern };
    let mut devices = Devices { layout, ..Devices::default() };
    let mut consoles = spec.streams.consoles.into_iter().map(Some).collect::<Vec<_>>();
    for (slot, plugged) in devices.virtio.iter_mut().zip(spec.slots) {
        *slot = match plugged {
            None => None,
            Some(Plugged::Block(disk)) => Some(open(&disk)?),
            Some(Plugged::Rng) => Some(Virtio::Random(random(seed)?)),
            Some(Plugged::Serial(index)) => {
                let stream = index.and_then(|index| consoles[index].take());
                let stream = stream.unwrap_or(Stream::Null);
                let hears_input = stream == Stream::Stdio;
                Some(Virtio::Console { console: port(&stream)?, hears_input })
            }
        };
    }
    Ok(devices)
}

fn open(spec: &DiskSpec) -> Result<Virtio> {
    let mode = match (spec.is_snapshot, spec.is_read_only) {
        (true, _) => Mode::Snapshot,
        (false, true) => Mode::ReadOnly,
        (false, false) => Mode::ReadWrite,
    };
    let storage = Box::new(Disk::open(&spec.file, mode)?);
    Ok(Virtio::Disk { storage, serial: String::new() })
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
        Stream::Stdio => Console::new(AtOnce(io::stdout())),
        Stream::Null | Stream::File(_) => console(stream)?,
    })
}

/// Hands on everything as soon as it is written.
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
