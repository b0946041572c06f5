//! What is loaded where before the first instruction, as QEMU's `virt` does it: [`Boot`] is what
//! the user gives, [`Boot::plan`] decides, [`Plan`] is what the machine carries out at each reset.
//!
//! `kernel.rs` tells what a file is (`image.rs` and `compressed.rs` know the formats that
//! [`elf`](super::elf) does not), `place.rs` finds room for it, `error.rs` has what can be wrong.

mod compressed;
mod error;
mod image;
mod kernel;
mod place;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::config::Config;
use super::device_tree::{self, Chosen, DeviceTree, MAX_BLOB_BYTES, TreeError};
use super::elf::{MAX_FILE_BYTES, Mailbox, RamRange};
use super::memory_map;
use crate::addr::{PhysAddr, Privilege};
use crate::bus::Ram;
use crate::debug::symbols::Symbols;
pub use error::{BootError, Part, PayloadError, Region, Role};
use kernel::{ElfProgram, FirmwareFile, Kernel};
use place::Layout;

/// A file that the user gives, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Its name, for messages.
    pub path: PathBuf,
    /// Its content.
    pub bytes: Arc<Vec<u8>>,
}

impl Payload {
    /// Content that is called `path`.
    pub fn new(path: impl Into<PathBuf>, bytes: Vec<u8>) -> Self {
        Self { path: path.into(), bytes: Arc::new(bytes) }
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`BootError`] where the host cannot read it, or it is larger than [`MAX_FILE_BYTES`].
    pub fn read(path: &Path) -> Result<Self, BootError> {
        let failed = |source| BootError::Read { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(failed)?;
        // A byte more tells a file of the limit's size from a larger one.
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        let payload = Self::new(path, bytes);
        if payload.bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(payload.failed(PayloadError::FileTooLarge));
        }
        Ok(payload)
    }

    /// Adds bytes behind its content.
    pub fn append(&mut self, bytes: &[u8]) {
        Arc::make_mut(&mut self.bytes).extend_from_slice(bytes);
    }

    fn failed(&self, source: PayloadError) -> BootError {
        BootError::Load { path: self.path.clone(), source }
    }

    fn part(&self, role: Role) -> Part {
        Part { role, path: Some(self.path.clone()) }
    }
}

/// What runs before the kernel, in M-mode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Firmware {
    /// Nothing: the kernel starts in M-mode.
    None,
    /// The emulator itself answers the kernel's SBI calls, and takes no RAM for it. A program that
    /// lies at the very start of RAM, where firmware would, wants none: it starts in M-mode.
    #[default]
    BuiltIn,
    /// A file: a flat binary for the start of RAM, or an ELF file.
    File(Payload),
}

/// What a machine is to be booted with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boot {
    /// What runs first.
    pub firmware: Firmware,
    /// The program: an ELF file or a Linux `Image`, perhaps compressed.
    pub kernel: Option<Payload>,
    /// The initial RAM disk.
    pub initrd: Option<Payload>,
    /// The kernel's command line.
    pub append: Option<String>,
    /// A device tree blob, instead of the one that describes the machine.
    pub dtb: Option<Payload>,
}

/// Bytes that go into RAM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Where.
    pub at: PhysAddr,
    bytes: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Write {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.range.clone()]
    }
}

/// Which harts run from the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harts {
    /// All.
    All,
    /// The first; the others are stopped until they are asked to start.
    Boot,
}

/// How harts start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Address of the first instruction.
    pub pc: PhysAddr,
    /// Mode: M-mode, or S-mode where the firmware is built in.
    pub mode: Privilege,
    /// Who starts.
    pub harts: Harts,
}

/// What a machine does at reset before the first instruction. Each hart that starts finds its id
/// in `a0`.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What goes into RAM, which is zero elsewhere.
    pub writes: Vec<Write>,
    /// How harts start.
    pub start: Start,
    /// Register `a1`: address of the device tree; 0 where the program left no room for one.
    pub a1: u64,
    /// Register `a2`: address of what dynamic firmware wants to know; 0 without firmware.
    pub a2: u64,
    /// The HTIF mailbox of an ELF program.
    pub mailbox: Option<Mailbox>,
    /// The symbols of an ELF program.
    pub symbols: Symbols,
}

impl Plan {
    /// Puts everything where it belongs in `ram`, whose size is that of the config that the plan
    /// was made for.
    ///
    /// # Panics
    /// Where `ram` is smaller.
    pub fn load_into(&self, ram: &mut Ram) {
        for write in &self.writes {
            let bytes = write.bytes();
            let at = ram.offset_of(write.at, bytes.len() as u64);
            ram.write(at.expect("the plan was checked against RAM"), bytes);
        }
    }
}

/// What OpenSBI's dynamic firmware is told through `a2`.
///
/// Source: OpenSBI documentation, "OpenSBI Firmware with Dynamic Information *FW_DYNAMIC*", and
/// `include/sbi/fw_dynamic.h`.
mod dynamic {
    /// "OSBI", the other way round.
    pub(super) const MAGIC: u64 = 0x4942_534f;
    pub(super) const VERSION: u64 = 2;
    /// The next stage runs in S-mode.
    pub(super) const NEXT_MODE: u64 = 1;
    pub(super) const OPTIONS: u64 = 0;
    pub(super) const BOOT_HART: u64 = 0;
    pub(super) const WORDS: usize = 6;

    /// The information's words; `next` is the address of the next stage.
    pub(super) fn info(next: u64) -> [u64; WORDS] {
        [MAGIC, VERSION, next, NEXT_MODE, OPTIONS, BOOT_HART]
    }
}

/// A program that has been put into RAM.
#[derive(Debug)]
struct Loaded {
    /// Its first instruction.
    pc: PhysAddr,
    /// Its first byte.
    first: PhysAddr,
    /// Its last byte.
    last: PhysAddr,
    /// The mode that it starts in where nothing from a file runs before it.
    mode: Privilege,
    mailbox: Option<Mailbox>,
    symbols: Symbols,
}

impl Boot {
    /// A machine that runs `kernel` on its own.
    pub fn of(kernel: Payload) -> Self {
        Self { kernel: Some(kernel), ..Self::default() }
    }

    /// Decides what goes where in a machine built from `config`.
    ///
    /// # Errors
    /// [`BootError`] where a file cannot be used or things do not fit.
    pub fn plan(&self, config: &Config) -> Result<Plan, BootError> {
        let ram = RamRange::new(memory_map::RAM, config.ram_bytes);
        let mut layout = Layout::new(ram);
        let firmware = match &self.firmware {
            Firmware::File(file) => Some(put_firmware(file, &mut layout)?),
            Firmware::None | Firmware::BuiltIn => None,
        };
        let kernel = match &self.kernel {
            Some(file) => Some(self.put_kernel(file, firmware.as_ref(), &mut layout)?),
            None => None,
        };
        let start = match (&firmware, &kernel) {
            (Some(firmware), _) => firmware.start(),
            (None, Some(kernel)) => kernel.start(),
            (None, None) => return Err(BootError::NothingToRun),
        };
        let (a1, a2) = self.put_tree(config, start, kernel.as_ref(), &mut layout)?;
        let program = kernel.or(firmware).expect("one of them starts");
        let Loaded { mailbox, symbols, .. } = program;
        Ok(Plan { writes: layout.writes, start, a1, a2, mailbox, symbols })
    }

    fn put_kernel(
        &self,
        file: &Payload,
        firmware: Option<&Loaded>,
        layout: &mut Layout,
    ) -> Result<Loaded, BootError> {
        let ram = layout.ram;
        let kernel = Kernel::parse(Arc::clone(&file.bytes), ram).map_err(|e| file.failed(e))?;
        let part = file.part(Role::Kernel);
        match kernel {
            Kernel::Elf(elf) => {
                let is_alone = self.firmware == Firmware::None || elf.covers_first_byte(ram);
                let mode = if is_alone { Privilege::Machine } else { Privilege::Supervisor };
                Loaded::put(elf, part, mode, layout)
            }
            Kernel::Image(image) => {
                let (offset, mode) = if self.firmware == Firmware::None {
                    (0, Privilege::Machine)
                } else {
                    // Where firmware is built in, the kernel lies where it would behind a file.
                    let firmware_end = firmware.map_or(ram.first.0 + 1, |f| f.last.0 + 1);
                    let behind = (firmware_end - ram.first.0).next_multiple_of(image::ALIGN_BYTES);
                    (image.text_offset.max(behind), Privilege::Supervisor)
                };
                let at = ram.first.wrapping_add(offset);
                layout.put(part, at, image.len_bytes, &image.bytes)?;
                let last = at.wrapping_add(image.len_bytes - 1);
                let (mailbox, symbols) = (None, Symbols::default());
                Ok(Loaded { pc: at, first: at, last, mode, mailbox, symbols })
            }
        }
    }

    /// Puts the device tree into RAM, what firmware wants to know behind it, and the initial RAM
    /// disk, of which the tree tells. Yields the values of `a1` and `a2`.
    fn put_tree(
        &self,
        config: &Config,
        start: Start,
        kernel: Option<&Loaded>,
        layout: &mut Layout,
    ) -> Result<(u64, u64), BootError> {
        // The tree's size does not depend on where the RAM disk lies, but the reverse is true.
        let nowhere = PhysAddr(0)..PhysAddr(0);
        let initrd = self.initrd.as_ref().map(|_| nowhere);
        let draft = self.tree(config, initrd)?.len();
        let info_at = draft.next_multiple_of(size_of::<u64>());
        let info_bytes = match &self.firmware {
            Firmware::File(_) => dynamic::WORDS * size_of::<u64>(),
            Firmware::None | Firmware::BuiltIn => 0,
        };
        let len_bytes = (info_at + info_bytes) as u64;
        let path = self.dtb.as_ref().map(|file| file.path.clone());
        let part = Part { role: Role::DeviceTree, path };
        let at = match layout.tree_place(&part, len_bytes) {
            Ok(at) => at,
            Err(error) if self.can_do_without_tree(start) => {
                log::warn!("{error}: the program starts without one");
                return Ok((0, 0));
            }
            Err(error) => return Err(error),
        };
        layout.claim(part, at, at.wrapping_add(len_bytes - 1))?;
        let initrd = self.put_initrd(kernel, layout)?;
        let mut blob = self.tree(config, initrd)?;
        assert_eq!(blob.len(), draft, "only addresses have changed");
        if info_bytes == 0 {
            layout.write(at, &Arc::new(blob));
            return Ok((at.0, 0));
        }
        blob.resize(info_at, 0);
        let info = dynamic::info(kernel.map_or(0, |kernel| kernel.pc.0));
        blob.extend(info.iter().flat_map(|word| word.to_le_bytes()));
        layout.write(at, &Arc::new(blob));
        Ok((at.0, at.0 + info_at as u64))
    }

    /// Whether the program may have taken all of RAM for itself: one that runs on the bare
    /// machine, and is not given anything that only a device tree can tell of.
    fn can_do_without_tree(&self, start: Start) -> bool {
        let is_bare = start.mode == Privilege::Machine && self.kernel.is_some();
        let firmware_is_file = matches!(self.firmware, Firmware::File(_));
        let is_told = self.append.is_some() || self.initrd.is_some() || self.dtb.is_some();
        is_bare && !firmware_is_file && !is_told
    }

    /// The device tree blob, with the initial RAM disk at `initrd`.
    fn tree(&self, config: &Config, initrd: Option<Range<PhysAddr>>) -> Result<Vec<u8>, BootError> {
        let chosen = Chosen { bootargs: self.append.clone(), initrd };
        let Some(file) = &self.dtb else {
            return Ok(device_tree::describe(config, &chosen).to_blob()?);
        };
        override_tree(&file.bytes, &chosen).map_err(|error| file.failed(error.into()))
    }

    fn put_initrd(
        &self,
        kernel: Option<&Loaded>,
        layout: &mut Layout,
    ) -> Result<Option<Range<PhysAddr>>, BootError> {
        if self.append.is_some() && kernel.is_none() {
            return Err(BootError::NoKernel("a kernel command line"));
        }
        let Some(file) = &self.initrd else { return Ok(None) };
        let kernel = kernel.ok_or(BootError::NoKernel("an initial RAM disk"))?;
        let len_bytes = file.bytes.len() as u64;
        if len_bytes == 0 {
            return Err(file.failed(PayloadError::Empty));
        }
        let at = layout.initrd_place(kernel.first, len_bytes);
        layout.put(file.part(Role::Initrd), at, len_bytes, &file.bytes)?;
        Ok(Some(at..at.wrapping_add(len_bytes)))
    }
}

/// The user's own blob, which says of the machine what it likes; only what the user tells the
/// kernel besides is put into it.
fn override_tree(blob: &[u8], chosen: &Chosen) -> Result<Vec<u8>, TreeError> {
    let mut tree = DeviceTree::parse(blob)?;
    if *chosen == Chosen::default() {
        let len_bytes = blob.len() as u64;
        let fits = len_bytes <= MAX_BLOB_BYTES;
        return if fits { Ok(blob.to_vec()) } else { Err(TreeError::TooLarge(len_bytes)) };
    }
    tree.choose(chosen);
    tree.to_blob()
}

fn put_firmware(file: &Payload, layout: &mut Layout) -> Result<Loaded, BootError> {
    let (ram, mode) = (layout.ram, Privilege::Machine);
    let part = file.part(Role::Firmware);
    let parsed = FirmwareFile::parse(Arc::clone(&file.bytes), ram);
    match parsed.map_err(|error| file.failed(error))? {
        FirmwareFile::Elf(elf) => Loaded::put(elf, part, mode, layout),
        FirmwareFile::Raw(bytes) => {
            let (at, len_bytes) = (ram.first, bytes.len() as u64);
            layout.put(part, at, len_bytes, &bytes)?;
            let last = at.wrapping_add(len_bytes - 1);
            let (mailbox, symbols) = (None, Symbols::default());
            Ok(Loaded { pc: at, first: at, last, mode, mailbox, symbols })
        }
    }
}

impl Loaded {
    fn put(
        elf: Box<ElfProgram>,
        part: Part,
        mode: Privilege,
        layout: &mut Layout,
    ) -> Result<Self, BootError> {
        layout.put_program(&part, &elf)?;
        let ElfProgram { file, program } = *elf;
        let firsts = program.loads().iter().map(|load| load.first);
        let lasts = program.loads().iter().map(|load| load.last);
        let (first, last) = firsts.min().zip(lasts.max()).expect("a program has a segment");
        let (pc, mailbox, symbols) = (program.entry, program.mailbox, file.into_symbols());
        Ok(Self { pc, first, last, mode, mailbox, symbols })
    }

    /// M-mode is all harts' own affair; in S-mode the kernel asks for them.
    fn start(&self) -> Start {
        let harts = if self.mode == Privilege::Machine { Harts::All } else { Harts::Boot };
        Start { pc: self.pc, mode: self.mode, harts }
    }
}
