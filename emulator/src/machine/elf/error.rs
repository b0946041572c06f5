//! What can be wrong with a program file, each trouble with the numbers that show it.

use std::path::PathBuf;

use crate::addr::PhysAddr;

/// The file is no program that this machine can run.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// Not a single byte.
    #[error("the file is empty")]
    Empty,
    /// More bytes than [`super::MAX_FILE_BYTES`].
    #[error("the file is larger than {limit_bytes} bytes, the limit for a program")]
    FileTooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// No ELF magic.
    #[error("not an ELF file: it starts with {found}, expected 7f 45 4c 46")]
    NotElf {
        /// The first bytes in hexadecimal.
        found: String,
    },
    /// Something lies behind the end of the file.
    #[error("truncated: {what} ends at byte {end}, the file at byte {len_bytes}")]
    Truncated {
        /// What was to be read.
        what: String,
        /// Where it would have ended; more than 64 bits where it wraps.
        end: u128,
        /// Size of the file.
        len_bytes: u64,
    },
    /// Not ELFCLASS64.
    #[error("{}; this machine runs 64-bit programs", class_name(.0))]
    Class(u8),
    /// Not ELFDATA2LSB.
    #[error("{}; this machine is little-endian", data_name(.0))]
    Data(u8),
    /// Not EM_RISCV.
    #[error("built for {name} (machine {number}), expected RISC-V (machine 243)")]
    Machine {
        /// Name of the machine.
        name: &'static str,
        /// `e_machine`.
        number: u16,
    },
    /// Neither ET_EXEC nor ET_DYN.
    #[error("{}, expected an executable", type_name(.0))]
    Type(u16),
    /// ET_DYN whose segments do not lie in RAM as linked.
    #[error(
        "a position-independent executable or shared library linked at {first}, outside RAM: \
         link it statically at {ram}"
    )]
    Dynamic {
        /// First segment.
        first: PhysAddr,
        /// First byte of RAM.
        ram: PhysAddr,
    },
    /// A table entry has a size that the format does not allow.
    #[error("{what} are {found} bytes long each, expected {expected}")]
    EntrySize {
        /// Which table.
        what: &'static str,
        /// Size in the header.
        found: u16,
        /// Size by the format.
        expected: u16,
    },
    /// A table says something that cannot be.
    #[error("{0}")]
    Malformed(String),
    /// Nothing to load.
    #[error("there is no segment to load")]
    NoSegments,
    /// A segment has more bytes in the file than in memory.
    #[error("segment {index} has {file_bytes} bytes in the file but {len_bytes} in memory")]
    SegmentSize {
        /// Number of the program header.
        index: usize,
        /// `p_filesz`.
        file_bytes: u64,
        /// `p_memsz`.
        len_bytes: u64,
    },
    /// A segment runs past the end of the address space.
    #[error("segment {index} wraps around the address space: {len_bytes:#x} bytes at {at}")]
    SegmentWraps {
        /// Number of the program header.
        index: usize,
        /// Where it starts.
        at: PhysAddr,
        /// `p_memsz`.
        len_bytes: u64,
    },
    /// Two segments claim the same memory.
    #[error("segments {a} and {b} overlap at {at}")]
    Overlap {
        /// Number of the one program header.
        a: usize,
        /// Number of the other.
        b: usize,
        /// First byte of both.
        at: PhysAddr,
    },
    /// A segment is not in RAM.
    #[error(
        "segment {index} at {first}..={last} lies outside RAM, which is {ram_first}..={ram_last}"
    )]
    OutsideRam {
        /// Number of the program header.
        index: usize,
        /// First byte.
        first: PhysAddr,
        /// Last byte.
        last: PhysAddr,
        /// First byte of RAM.
        ram_first: PhysAddr,
        /// Last byte of RAM.
        ram_last: PhysAddr,
    },
    /// `e_entry` is zero.
    #[error("there is no entry point")]
    NoEntry,
    /// `e_entry` is odd.
    #[error("the entry point {0:#x} is odd")]
    EntryMisaligned(u64),
    /// `e_entry` lies in no segment.
    #[error("the entry point {0:#x} is in no segment")]
    EntryOutside(u64),
    /// `tohost` or `fromhost` is not eight bytes of RAM.
    #[error("the symbol {name} is at {at:#x}, where no RAM is")]
    Mailbox {
        /// The symbol.
        name: &'static str,
        /// Its address.
        at: u64,
    },
    /// A program for an operating system.
    #[error(
        "a riscv64 Linux user program ({why}): it needs an operating system; `pagewalk FILE`, \
         without -kernel and -bios, runs it on the guest that comes along, and on the machine \
         itself runs what is linked into RAM at {ram}"
    )]
    UserProgram {
        /// How it was recognised.
        why: String,
        /// First byte of RAM.
        ram: PhysAddr,
    },
}

/// A program file could not be read or is none; the source tells why.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The host could not read it.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the host says.
        source: std::io::Error,
    },
    /// It is no program.
    #[error("cannot load {}", path.display())]
    Elf {
        /// The file.
        path: PathBuf,
        /// The trouble.
        source: ElfError,
    },
}

fn class_name(class: &u8) -> String {
    match class {
        1 => "a 32-bit program".to_owned(),
        other => format!("an ELF class of {other}, which does not exist"),
    }
}

fn data_name(data: &u8) -> String {
    match data {
        2 => "a big-endian program".to_owned(),
        other => format!("an ELF data encoding of {other}, which does not exist"),
    }
}

fn type_name(kind: &u16) -> String {
    match kind {
        1 => "an object file that has not been linked".to_owned(),
        4 => "a core dump".to_owned(),
        other => format!("an ELF file of type {other}"),
    }
}
