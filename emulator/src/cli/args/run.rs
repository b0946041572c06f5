//! The options of `pagewalk run`, group by group as `--help` shows them: what boots, what devices
//! there are, what is watched.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::super::devices::{self, Device, Drive, Global, Wanted, Writes};
use super::super::disks::{self, DiskErrors, Swap};
use super::super::streams::{self, Chardev, Owner, Target, Wishes};
use super::super::values::{GDB_PORT, GdbAddress, GdbTarget, RtcBase, Seed};
use super::{AFTER_HELP, LimitArgs, MachineArgs, ProgramArgs, TrapLoop};
use crate::debug::trace::{Modes, Region, TraceItems};
use crate::device::virtio::block::Latency;
use crate::machine::disk::mishaps::ErrorPlan;

/// `pagewalk run`.
#[derive(Debug, Args)]
#[command(after_long_help = AFTER_HELP)]
pub(in super::super) struct RunArgs {
    #[command(flatten)]
    pub(in super::super) machine: MachineArgs,

    #[command(flatten)]
    pub(in super::super) boot: BootArgs,

    #[command(flatten)]
    pub(in super::super) program: ProgramArgs,

    #[command(flatten)]
    pub(in super::super) devices: DeviceArgs,

    #[command(flatten)]
    pub(in super::super) debug: DebugArgs,

    #[command(flatten)]
    pub(in super::super) limits: LimitArgs,

    /// What to do with a hart that faults in its own trap handler, for ever
    #[arg(long, value_name = "WHAT", value_enum, default_value = "stop", help_heading = "Limits")]
    pub(in super::super) on_trap_loop: TrapLoop,

    /// End the run where the guest asks for a reboot
    #[arg(long, help_heading = "Limits")]
    pub(in super::super) no_reboot: bool,
}

/// What is loaded before the machine starts.
#[derive(Debug, Args)]
#[command(next_help_heading = "Boot")]
pub(in super::super) struct BootArgs {
    /// The program: an ELF for riscv64, or a kernel; without any, the guest that comes along
    ///
    /// An ELF for Linux becomes the first process of that guest.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// Arguments for the program; one that runs without an operating system takes none
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(in super::super) args: Vec<OsString>,

    /// The program, in QEMU's way of saying it
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    kernel: Option<PathBuf>,

    /// Firmware that runs before the program: none, default or FILE
    ///
    /// With none the program starts in M-mode. The default is the SBI that pagewalk has built in,
    /// which starts the program in S-mode, unless the program itself is where firmware would be,
    /// at the beginning of RAM: then it is none.
    #[arg(long, value_name = "FILE")]
    bios: Option<PathBuf>,

    /// File to be put into RAM for the kernel: an initial RAM disk
    #[arg(long, value_name = "FILE")]
    initrd: Option<PathBuf>,

    /// Command line for the kernel
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    append: Option<String>,

    /// Device tree for the kernel, instead of the one that describes this machine
    #[arg(long, value_name = "FILE")]
    dtb: Option<PathBuf>,
}

/// What is loaded, and how the machine starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct BootSpec {
    pub(in super::super) firmware: FirmwareSpec,
    pub(in super::super) program: ProgramSpec,
    pub(in super::super) initrd: Option<PathBuf>,
    pub(in super::super) append: Option<String>,
    pub(in super::super) dtb: Option<PathBuf>,
}

/// What is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum ProgramSpec {
    /// The guest operating system that comes with pagewalk.
    Guest,
    /// A file that may be a program for that system.
    File(PathBuf),
    /// A file that is for the machine.
    Kernel(PathBuf),
    /// Nothing but firmware.
    None,
}

/// What runs before the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum FirmwareSpec {
    /// The SBI that is built in, unless the program is in its place.
    Default,
    /// Nothing: the program starts in M-mode.
    None,
    /// A file.
    File(PathBuf),
}

impl BootSpec {
    /// What messages about the run call it: the program, or firmware that runs alone.
    pub(in super::super) fn name(&self) -> &Path {
        match (&self.program, &self.firmware) {
            (ProgramSpec::File(path) | ProgramSpec::Kernel(path), _) => path,
            (ProgramSpec::None, FirmwareSpec::File(path)) => path,
            (ProgramSpec::Guest, _) => Path::new("the guest"),
            (ProgramSpec::None, _) => unreachable!("a specification has something to run"),
        }
    }
}

impl BootArgs {
    /// What is loaded.
    ///
    /// # Errors
    /// In words, where there is nothing to run.
    pub(in super::super) fn spec(&self) -> Result<BootSpec, String> {
        let firmware = match self.bios.as_deref() {
            None => FirmwareSpec::Default,
            Some(path) if path == "default" => FirmwareSpec::Default,
            Some(path) if path == "none" => FirmwareSpec::None,
            Some(path) => FirmwareSpec::File(path.to_owned()),
        };
        let program = match (&self.file, &self.kernel, &firmware) {
            (Some(path), _, FirmwareSpec::Default) if self.initrd.is_none() => {
                ProgramSpec::File(path.clone())
            }
            (Some(path), _, _) | (None, Some(path), _) => ProgramSpec::Kernel(path.clone()),
            (None, None, FirmwareSpec::Default) => ProgramSpec::Guest,
            (None, None, FirmwareSpec::File(_)) => ProgramSpec::None,
            (None, None, FirmwareSpec::None) => {
                return Err("nothing to run: FILE or -kernel FILE is missing".to_owned());
            }
        };
        let has_kernel = matches!(program, ProgramSpec::File(_) | ProgramSpec::Kernel(_));
        let takes_append = has_kernel || program == ProgramSpec::Guest;
        for (name, is_idle) in [
            ("initrd", self.initrd.is_some() && !has_kernel),
            ("append", self.append.is_some() && !takes_append),
        ] {
            if is_idle {
                return Err(format!("-{name} is for a kernel, and there is none"));
            }
        }
        let (initrd, append, dtb) = (self.initrd.clone(), self.append.clone(), self.dtb.clone());
        Ok(BootSpec { firmware, program, initrd, append, dtb })
    }
}

/// What is in the machine beside harts and RAM, and what it is connected to.
#[derive(Debug, Args)]
#[command(next_help_heading = "Devices")]
pub(in super::super) struct DeviceArgs {
    /// Disk image:
    /// file=FILE[,if=none|virtio][,id=ID][,snapshot=on][,readonly=on][,format=raw][,latency=SPEC]
    ///
    /// With if=virtio it gets a device of its own, else a -device names it by its id. A comma in
    /// FILE or SPEC is written twice; SPEC is that of --disk-latency.
    #[arg(long, value_name = "LIST", value_parser = Drive::parse)]
    drive: Vec<Drive>,

    /// Device: virtio-blk-device,drive=ID | virtio-rng-device | virtio-serial-device | virtconsole
    /// | virtserialport
    ///
    /// Each takes id=ID and bus=virtio-mmio-bus.N (0 to 7); without, it gets the free slot with
    /// the highest number, as in QEMU. virtconsole and virtserialport are ports of a
    /// virtio-serial-device, up to 31, and take chardev=ID, name=NAME and nr=N.
    #[arg(long, value_name = "LIST", value_parser = Device::parse)]
    device: Vec<Device>,

    /// Property of all devices of a kind: virtio-mmio.force-legacy=true|false
    ///
    /// As in QEMU, virtio devices show the registers of before virtio 1.0 unless this is false.
    #[arg(long, value_name = "PROPERTY", value_parser = Global::parse)]
    global: Option<Global>,

    /// Forget what the guest writes to disks when the run ends
    #[arg(long)]
    snapshot: bool,

    /// Disk for swapping, in this process's memory: SIZE[,latency=SPEC], up to 64G
    ///
    /// It carries the header of a swap area, so that a system can switch swapping to it on at once,
    /// takes memory for what is written to it, and is forgotten when the run ends. As a drive it is
    /// called swap.
    #[arg(long, value_name = "SIZE", value_parser = Swap::parse)]
    swap: Option<Swap>,

    /// Time that disks take, in the guest's time: none, ssd, hdd, or TIME[,TIME], such as 5ms,20us
    ///
    /// The first TIME (us, ms or s) is that of a request, the second that of each 4 KiB. ssd is
    /// 80us,8us; hdd is 8ms,40us, where the 8ms are for seeking: a request that begins where the
    /// last one ended does without. A disk serves one request after the other; data is moved when
    /// the time is over. What the guest reads is the same, only later.
    #[arg(long, value_name = "SPEC", value_parser = disks::latency, default_value = "none",
          hide_default_value = true)]
    disk_latency: Latency,

    /// What goes wrong with disks, in each run the same:
    /// [read=K/N][,write=K/N][,seed=N][,sectors=A-B[+C-D]...][,cut=N][,drive=ID]
    ///
    /// So many of so many requests fail with an I/O error, as do all to these sectors. At the N-th
    /// write the power is cut, and the run ends: writes before it are in the image, in full, it and
    /// later ones are not. With drive=ID that is for one drive, else for all; where several concern
    /// a drive, the last does.
    #[arg(long, value_name = "LIST", value_parser = DiskErrors::parse)]
    disk_errors: Vec<DiskErrors>,

    /// What the serial port is connected to: mon:stdio, stdio, none, file:FILE, chardev:ID
    /// [default: mon:stdio]
    ///
    /// With mon:stdio, Ctrl-A is a key for pagewalk (Ctrl-A h tells more), and Ctrl-C goes to the
    /// guest; with stdio, Ctrl-C ends the run.
    #[arg(long, value_name = "TARGET", value_parser = Target::serial)]
    serial: Option<Target>,

    /// What the monitor is connected to: none, stdio, chardev:ID
    #[arg(long, value_name = "TARGET", value_parser = Target::monitor, conflicts_with = "mon")]
    monitor: Option<Target>,

    /// The monitor's character device: chardev=ID
    #[arg(long, value_name = "LIST", value_parser = Target::mon)]
    mon: Option<Target>,

    /// Character device: stdio,id=ID[,mux=on] | file,id=ID,path=FILE | null,id=ID
    #[arg(long, value_name = "LIST", value_parser = Chardev::parse)]
    chardev: Vec<Chardev>,

    /// The console is this terminal, and there is no other display: what pagewalk always does
    #[arg(long)]
    nographic: bool,

    /// Display: none is the only one
    #[arg(long, value_name = "KIND", value_enum)]
    display: Option<Display>,

    /// Time of the real-time clock at the start: base=utc, 2024-01-02T03:04:05 or Unix seconds
    #[arg(long, value_name = "LIST", value_parser = RtcBase::parse, default_value = "base=utc")]
    pub(in super::super) rtc: RtcBase,

    /// What the guest's random numbers follow from: a number, or host for the host's own
    #[arg(long, value_name = "N", value_parser = Seed::parse, default_value = "0")]
    pub(in super::super) seed: Seed,
}

/// Displays that can be asked for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Display {
    /// the terminal only
    None,
}

/// What is in the machine's virtio slots, and who is connected to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct DeviceSpec {
    pub(in super::super) slots: [Option<devices::Plugged>; devices::SLOTS],
    /// What goes wrong with disks, which have the indices.
    pub(in super::super) errors: Vec<ErrorPlan>,
    pub(in super::super) is_legacy_forced: bool,
    pub(in super::super) streams: streams::Plan,
}

impl DeviceArgs {
    /// What is in the machine, where standard input and output belong to `owner`.
    ///
    /// # Errors
    /// In words, where options contradict each other.
    pub(in super::super) fn spec(&self, owner: Owner) -> Result<DeviceSpec, String> {
        let (_always, None | Some(Display::None)) = (self.nographic, self.display);
        let writes = if self.snapshot { Writes::Forgotten } else { Writes::Kept };
        let slots = devices::plug(&Wanted {
            drives: &self.drive,
            devices: &self.device,
            swap: self.swap.as_ref(),
            writes,
            latency: self.disk_latency,
            errors: &self.disk_errors,
        })?;
        let errors = self.disk_errors.iter().map(|errors| errors.plan.clone()).collect();
        let consoles: Vec<_> = self.device.iter().filter_map(Device::console_target).collect();
        let streams = streams::Plan::new(&Wishes {
            chardevs: &self.chardev,
            serial: self.serial.as_ref(),
            monitor: self.monitor.as_ref().or(self.mon.as_ref()),
            consoles: &consoles,
            owner,
        })?;
        let is_legacy_forced = self.global.unwrap_or_default().is_legacy_forced;
        Ok(DeviceSpec { slots, errors, is_legacy_forced, streams })
    }
}

/// What is watched, and by whom.
#[derive(Debug, Args)]
#[command(next_help_heading = "Debugging")]
pub(in super::super) struct DebugArgs {
    /// Wait for gdb at this place: tcp:[HOST]:PORT; HOST is this one where it is not given
    #[arg(long, value_name = "ADDRESS", value_parser = GdbTarget::parse)]
    gdb: Option<GdbTarget>,

    /// Short for -gdb tcp::1234
    #[arg(short = 's')]
    gdb_here: bool,

    /// Port for gdb, as old versions of QEMU take it
    #[arg(short = 'p', value_name = "PORT")]
    gdb_port: Option<u16>,

    /// Do not start before gdb says so
    #[arg(short = 'S')]
    is_stopped: bool,

    /// Write down what happens: int, mmu, in_asm, exec; help tells more
    #[arg(short = 'd', value_name = "ITEMS")]
    pub(in super::super) log_items: Vec<TraceItems>,

    /// Write that to FILE instead of standard error
    #[arg(short = 'D', value_name = "FILE")]
    pub(in super::super) log_file: Option<PathBuf>,

    /// Write it down only in these modes: m, s, u, with commas between them
    #[arg(long, value_name = "MODES")]
    pub(in super::super) trace_mode: Option<Modes>,

    /// Write it down only in this code: a function, or addresses as A..B or A+LENGTH
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    pub(in super::super) trace_symbol: Vec<Region>,

    /// Write each executed instruction and what it changed to FILE, as Spike's --log-commits does
    #[arg(long, value_name = "FILE")]
    pub(in super::super) log_commits: Option<PathBuf>,

    /// Print counts at the end: instructions, traps, TLB, walks, fences
    #[arg(
        long,
        value_name = "FORM",
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "text"
    )]
    pub(in super::super) stats: Option<StatsForm>,
}

/// How counts are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in super::super) enum StatsForm {
    /// a table
    Text,
    /// one JSON object
    Json,
}

/// How a debugger takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct GdbSpec {
    pub(in super::super) address: GdbAddress,
    /// Nothing runs before it says so.
    pub(in super::super) is_stopped: bool,
}

impl DebugArgs {
    /// How a debugger takes part, if any.
    ///
    /// # Errors
    /// In words, where one would be needed.
    pub(in super::super) fn gdb(&self) -> Result<Option<GdbSpec>, String> {
        let port = self.gdb_port.or(self.gdb_here.then_some(GDB_PORT));
        let here = || port.map(GdbAddress::here);
        match self.gdb.clone().map_or_else(here, |target| target.0) {
            None if self.is_stopped => {
                Err("-S: nobody could start the machine; add -s or -gdb ADDRESS".to_owned())
            }
            address => {
                let is_stopped = self.is_stopped;
                Ok(address.map(|address| GdbSpec { address, is_stopped }))
            }
        }
    }
}
