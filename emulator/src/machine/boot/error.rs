//! Why a machine cannot be booted with what it was given. [`BootError`] names the file,
//! [`PayloadError`] says what is wrong with its content.

use std::fmt;
use std::path::PathBuf;

use super::super::device_tree::TreeError;
use super::super::elf::{ElfError, MAX_FILE_BYTES, RamRange};
use crate::addr::PhysAddr;

/// Something that is put into RAM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is for.
    pub role: Role,
    /// The file that it comes from; the generated device tree has none.
    pub path: Option<PathBuf>,
}

/// What a part is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Runs first, in M-mode.
    Firmware,
    /// Runs after the firmware, or alone.
    Kernel,
    /// The initial RAM disk.
    Initrd,
    /// The device tree, and behind it what firmware wants to know.
    DeviceTree,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Firmware => "firmware",
            Self::Kernel => "kernel",
            Self::Initrd => "initrd",
            Self::DeviceTree => "device tree",
        })
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "the {} {}", self.role, path.display()),
            None => write!(f, "the {}", self.role),
        }
    }
}

/// A part and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// What it is.
    pub part: Part,
    /// First byte.
    pub first: PhysAddr,
    /// Last byte.
    pub last: PhysAddr,
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}..={}", self.part, self.first, self.last)
    }
}

/// The machine cannot be booted so.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The host could not read a file.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the host says.
        source: std::io::Error,
    },
    /// A file's content cannot be used.
    #[error("cannot load {}", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// The trouble.
        source: PayloadError,
    },
    /// The machine's own tree cannot be written: a command line that is too long for it.
    #[error("cannot make a device tree")]
    Tree(#[from] TreeError),
    /// Neither a kernel nor a firmware file.
    #[error("there is nothing to run: neither a kernel nor firmware from a file is given")]
    NothingToRun,
    /// What is for a kernel, and there is none.
    #[error("{0} is for a kernel, and no kernel is given")]
    NoKernel(&'static str),
    /// A part does not fit into RAM.
    #[error("{region} lies outside RAM, which is {}..={}", ram.first, ram.last)]
    OutsideRam {
        /// The part.
        region: Region,
        /// RAM.
        ram: RamRange,
    },
    /// There is no room for a part of this size.
    #[error(
        "{part} has {len_bytes} bytes, for which there is no room in RAM, which is {}..={}",
        ram.first, ram.last
    )]
    NoRoom {
        /// The part.
        part: Part,
        /// Its size.
        len_bytes: u64,
        /// RAM.
        ram: RamRange,
    },
    /// Two parts claim the same memory.
    #[error("{a} overlaps {b}")]
    Overlap {
        /// The one.
        a: Region,
        /// The other, which has been there before.
        b: Region,
    },
}

/// The content of a file cannot be used for what it is given for.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// Not a single byte.
    #[error("the file is empty")]
    Empty,
    /// More bytes than [`MAX_FILE_BYTES`].
    #[error("the file is larger than {MAX_FILE_BYTES} bytes, the limit")]
    FileTooLarge,
    /// None of the formats of a kernel.
    #[error("not an ELF file: it starts with {found}; nor a Linux Image, nor a compressed one")]
    Unknown {
        /// The first bytes in hexadecimal.
        found: String,
    },
    /// A kernel for another architecture.
    #[error("a Linux kernel for {0}, expected one for riscv64")]
    Foreign(&'static str),
    /// An ELF file that is no program for this machine.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// No device tree blob.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The header of an Image says something that cannot be.
    #[error("the header of the Linux Image has {field} {found}, expected {expected}")]
    ImageHeader {
        /// The field.
        field: &'static str,
        /// What is in it.
        found: String,
        /// What should be.
        expected: &'static str,
    },
    /// Something lies behind the end of the file.
    #[error("truncated: {what} ends at byte {end}, the file at byte {len_bytes}")]
    Truncated {
        /// What was to be read.
        what: &'static str,
        /// Where it would have ended.
        end: u64,
        /// Size of the file.
        len_bytes: usize,
    },
    /// Compressed data that cannot be decompressed.
    #[error("its {format} data cannot be decompressed")]
    Damaged {
        /// Name of the format.
        format: &'static str,
        /// What the decoder says.
        source: std::io::Error,
    },
    /// More comes out than the machine has RAM.
    #[error(
        "its {format} data is more than {limit_bytes} bytes when decompressed, more than RAM has"
    )]
    Bomb {
        /// Name of the format.
        format: &'static str,
        /// The limit.
        limit_bytes: u64,
    },
    /// Compressed data within compressed data within compressed data.
    #[error("it is compressed more than {0} times over")]
    TooManyLayers(usize),
}
