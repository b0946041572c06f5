//! What a kernel or firmware file is: [`Kernel`] tells the formats apart and reads them, what is
//! compressed included.

use std::sync::Arc;

use super::super::elf::{ElfFile, MAX_FILE_BYTES, Program, RamRange};
use super::compressed::unpack;
use super::error::PayloadError;
use super::image::{self, Image};

const ELF_MAGIC: &[u8] = b"\x7fELF";
/// Bytes shown of a file that is unknown.
const SHOWN_BYTES: usize = 4;

/// Firmware from a file.
#[derive(Debug)]
pub(super) enum FirmwareFile {
    /// Says where it goes.
    Elf(Box<ElfProgram>),
    /// Goes to the start of RAM.
    Raw(Arc<Vec<u8>>),
}

/// A kernel.
#[derive(Debug)]
pub(super) enum Kernel {
    Elf(Box<ElfProgram>),
    Image(Image),
}

/// A program, and how it lies in RAM.
#[derive(Debug)]
pub(super) struct ElfProgram {
    pub(super) file: ElfFile,
    pub(super) program: Program,
}

impl ElfProgram {
    fn parse(bytes: Arc<Vec<u8>>, ram: RamRange) -> Result<Box<Self>, PayloadError> {
        let file = ElfFile::parse(bytes)?;
        let program = file.place(ram)?;
        Ok(Box::new(Self { file, program }))
    }

    /// Whether it takes the byte that is the first of RAM.
    pub(super) fn covers_first_byte(&self, ram: RamRange) -> bool {
        self.program.loads().iter().any(|load| load.first == ram.first)
    }
}

/// A file that is nothing but the beginning of the magic is taken for a broken ELF file.
fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(ELF_MAGIC) || ELF_MAGIC.starts_with(bytes)
}

impl Kernel {
    /// Reads a kernel file for this RAM.
    pub(super) fn parse(file: Arc<Vec<u8>>, ram: RamRange) -> Result<Self, PayloadError> {
        let content = unpack(file, ram.len_bytes().min(MAX_FILE_BYTES))?;
        if content.is_empty() {
            return Err(PayloadError::Empty);
        }
        if is_elf(&content) {
            return ElfProgram::parse(content, ram).map(Self::Elf);
        }
        if image::is_image(&content) {
            return Image::parse(content).map(Self::Image);
        }
        if let Some(name) = image::foreign(&content) {
            return Err(PayloadError::Foreign(name));
        }
        let start = content.iter().take(SHOWN_BYTES).map(|byte| format!("{byte:02x}"));
        Err(PayloadError::Unknown { found: start.collect::<Vec<_>>().join(" ") })
    }
}

impl FirmwareFile {
    /// Reads a firmware file for this RAM.
    pub(super) fn parse(file: Arc<Vec<u8>>, ram: RamRange) -> Result<Self, PayloadError> {
        if file.is_empty() {
            return Err(PayloadError::Empty);
        }
        if is_elf(&file) {
            return ElfProgram::parse(file, ram).map(Self::Elf);
        }
        Ok(Self::Raw(file))
    }
}
