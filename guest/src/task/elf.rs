//! [`Image`]: what an executable file says about the memory of the process that will run it.
//!
//! Reads the [`Header`] and then the table of program headers, [`Parts`], of a 64-bit RISC-V ELF file
//! (System V ABI, "Object Files", "Program Loading", "Dynamic Linking"); the file may be hostile. It
//! may name another, its interpreter, that is mapped as well and runs first. The kernel maps what
//! comes out: [`super::stack`] makes the stack that goes with it.

use alloc::vec::Vec;

use crate::PAGE_SIZE_BYTES;
use crate::errno::Errno;
use crate::mm::addr::USER_END;

/// Bytes of the header at the start of the file.
pub const HEADER_BYTES: usize = 64;
/// Bytes of an entry of the table of program headers.
pub const ENTRY_BYTES: usize = 56;
/// Limit of that table: Linux reads no more.
const TABLE_MAX_BYTES: usize = 64 << 10;
/// Limits of the path of an interpreter, with the 0 behind it: Linux's, whose `PATH_MAX` the second is.
const INTERPRETER_MIN_BYTES: u64 = 2;
const INTERPRETER_MAX_BYTES: u64 = linux_raw_sys::general::PATH_MAX as u64;
/// Where a position-independent program goes while nothing is random: two thirds of user space,
/// as Linux's `ELF_ET_DYN_BASE`.
pub const PIE_BASE: u64 = USER_END / 3 * 2 / PAGE_SIZE_BYTES * PAGE_SIZE_BYTES;

const MAGIC: [u8; 4] = *b"\x7fELF";
/// ELFCLASS64, ELFDATA2LSB, EV_CURRENT.
const IDENTITY: [u8; 3] = [2, 1, 1];
const ET_EXEC: u16 = 2;
const ET_DYN: u16 = 3;
const EM_RISCV: u16 = 243;
const PT_LOAD: u32 = 1;
const PT_INTERP: u32 = 3;
const PF_X: u32 = 1;
const PF_W: u32 = 2;
const PF_R: u32 = 4;

/// Why a file cannot be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElfError {
    /// It is no ELF file at all.
    NotElf,
    /// It is one that this machine or this reader does not take; what is wrong with it.
    Unsuitable(&'static str),
}

impl ElfError {
    /// What `execve` answers where this is the program.
    pub const fn errno(self) -> Errno {
        Errno::ENOEXEC
    }

    /// What `execve` answers where this is the interpreter of the program.
    pub const fn errno_of_interpreter(self) -> Errno {
        Errno::ELIBBAD
    }

    /// What is wrong, for the log.
    pub const fn reason(self) -> &'static str {
        match self {
            ElfError::NotElf => "not an ELF file",
            ElfError::Unsuitable(reason) => reason,
        }
    }
}

/// The header, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    kind: u16,
    entry: u64,
    table_offset: u64,
    entries: u16,
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

impl Header {
    /// Reads it from the first bytes of a file.
    ///
    /// # Errors
    /// [`ElfError`]; too short a file is not ELF.
    pub fn read(start: &[u8]) -> Result<Self, ElfError> {
        if start.len() < HEADER_BYTES || start[..4] != MAGIC {
            return Err(ElfError::NotElf);
        }
        let kind = u16_at(start, 16);
        for (good, reason) in [
            (start[4..7] == IDENTITY, "not a 64-bit little-endian ELF file"),
            (u16_at(start, 18) == EM_RISCV, "not for RISC-V"),
            (matches!(kind, ET_EXEC | ET_DYN), "neither an executable nor a shared object"),
            (usize::from(u16_at(start, 54)) == ENTRY_BYTES, "program headers of odd size"),
        ] {
            if !good {
                return Err(ElfError::Unsuitable(reason));
            }
        }
        let entries = u16_at(start, 56);
        if entries == 0 || usize::from(entries) * ENTRY_BYTES > TABLE_MAX_BYTES {
            return Err(ElfError::Unsuitable("no program headers, or too many"));
        }
        Ok(Self { kind, entry: u64_at(start, 24), table_offset: u64_at(start, 32), entries })
    }

    /// Where in the file the table of program headers is: (offset, length), in bytes.
    pub fn table(&self) -> (u64, usize) {
        (self.table_offset, usize::from(self.entries) * ENTRY_BYTES)
    }

    /// Whether it may be loaded anywhere.
    pub fn is_position_independent(&self) -> bool {
        self.kind == ET_DYN
    }
}

/// A part of the file that is mapped, with the zeros behind it. Addresses are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// First byte of its first page.
    pub start: u64,
    /// Number of the file's page that lies there.
    pub first_page: u64,
    /// Bytes that the file fills, counted from `start`; 0: none.
    pub file_bytes: u64,
    /// Bytes in all, counted from `start`; what the file does not fill is zeros.
    pub total_bytes: u64,
    /// May it be read, written, executed.
    pub access: [bool; 3],
}

const fn page_up(bytes: u64) -> u64 {
    bytes.next_multiple_of(PAGE_SIZE_BYTES)
}

impl Segment {
    /// Bytes from `start` that pages of the file cover.
    pub const fn mapped_bytes(&self) -> u64 {
        page_up(self.file_bytes)
    }

    /// The end of the last page of the file, (address, length), that has to be zeros.
    pub fn partial_zeros(&self) -> Option<(u64, u64)> {
        let length = self.mapped_bytes() - self.file_bytes;
        let wanted = self.total_bytes > self.file_bytes && self.access[1];
        (wanted && length != 0).then_some((self.start + self.file_bytes, length))
    }

    /// Pages of zeros behind those of the file: (address, bytes).
    pub fn zero_pages(&self) -> Option<(u64, u64)> {
        let (file, all) = (self.mapped_bytes(), page_up(self.total_bytes));
        (all > file).then_some((self.start + file, all - file))
    }

    /// First page behind it.
    pub const fn end(&self) -> u64 {
        self.start + page_up(self.total_bytes)
    }
}

/// A program header, unchecked.
#[derive(Clone, Copy, Debug)]
struct Entry {
    kind: u32,
    flags: u32,
    offset: u64,
    va: u64,
    file_bytes: u64,
    memory_bytes: u64,
    alignment_bytes: u64,
}

impl Entry {
    fn read(bytes: &[u8]) -> Self {
        Self {
            kind: u32_at(bytes, 0),
            flags: u32_at(bytes, 4),
            offset: u64_at(bytes, 8),
            va: u64_at(bytes, 16),
            file_bytes: u64_at(bytes, 32),
            memory_bytes: u64_at(bytes, 40),
            alignment_bytes: u64_at(bytes, 48),
        }
    }

    /// The segment, moved by `bias`; `bounds` is where it may lie.
    fn segment(&self, file_size: u64, bias: u64, bounds: (u64, u64)) -> Result<Segment, ElfError> {
        let bad = |reason| Err(ElfError::Unsuitable(reason));
        let slack = self.va % PAGE_SIZE_BYTES;
        if self.offset % PAGE_SIZE_BYTES != slack {
            return bad("a segment's address and offset differ within the page");
        }
        if self.file_bytes > self.memory_bytes {
            return bad("a segment is larger in the file than in memory");
        }
        let file_end = self.offset.checked_add(self.file_bytes);
        if self.file_bytes != 0 && file_end.is_none_or(|end| end > file_size) {
            return bad("a segment lies behind the end of the file");
        }
        let va = self.va.wrapping_add(bias);
        let end = va.checked_add(self.memory_bytes).filter(|end| *end <= bounds.1);
        if end.is_none() || va < bounds.0 {
            return bad("a segment lies outside user space");
        }
        let access = [PF_R, PF_W, PF_X].map(|flag| self.flags & flag != 0);
        Ok(Segment {
            start: va - slack,
            first_page: self.offset / PAGE_SIZE_BYTES,
            file_bytes: if self.file_bytes == 0 { 0 } else { self.file_bytes + slack },
            total_bytes: self.memory_bytes + slack,
            access,
        })
    }
}

/// A program as it will lie in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Where it begins to run.
    pub entry: u64,
    /// Its parts, upwards; a part may begin on the last page of the one before, and then wins.
    pub segments: Vec<Segment>,
    /// Where its table of program headers lies in memory; 0: nowhere.
    pub table: u64,
    /// How many entries that has.
    pub entries: u16,
    /// First page behind it: the heap begins here.
    pub end: u64,
    /// What all its addresses differ by from those in the file, modulo 2^64.
    pub bias: u64,
}

/// The program headers of a file: what of it goes into memory, and what else that takes.
#[derive(Clone, Debug)]
pub struct Parts {
    header: Header,
    entries: Vec<Entry>,
}

impl Parts {
    /// Reads them from the table of program headers.
    ///
    /// # Errors
    /// [`ElfError`].
    pub fn read(header: Header, table: &[u8]) -> Result<Self, ElfError> {
        let entries: Vec<Entry> = table.chunks_exact(ENTRY_BYTES).map(Entry::read).collect();
        if entries.len() != usize::from(header.entries) {
            return Err(ElfError::Unsuitable("the program headers are cut off"));
        }
        Ok(Self { header, entries })
    }

    /// Where in the file the path of its interpreter is, if it wants one: (offset, length), in
    /// bytes. The first counts, as on Linux.
    ///
    /// # Errors
    /// [`ElfError`] where the path is too short or too long.
    pub fn interpreter(&self) -> Result<Option<(u64, usize)>, ElfError> {
        let Some(entry) = self.entries.iter().find(|entry| entry.kind == PT_INTERP) else {
            return Ok(None);
        };
        if !(INTERPRETER_MIN_BYTES..=INTERPRETER_MAX_BYTES).contains(&entry.file_bytes) {
            return Err(ElfError::Unsuitable(
                "the path of its interpreter is too short or too long",
            ));
        }
        Ok(Some((entry.offset, entry.file_bytes as usize)))
    }

    /// What is loaded, upwards.
    fn loaded(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.kind == PT_LOAD && entry.memory_bytes != 0)
    }

    /// First page of what is loaded, as an address in the file.
    fn first_page(&self) -> u64 {
        self.loaded().next().map_or(0, |entry| entry.va / PAGE_SIZE_BYTES * PAGE_SIZE_BYTES)
    }

    /// Bytes of memory from the first page to the last, whole pages.
    ///
    /// # Errors
    /// [`ElfError`] where that makes no sense.
    pub fn extent_bytes(&self) -> Result<u64, ElfError> {
        let outside = ElfError::Unsuitable("a segment lies outside user space");
        let last = self.loaded().last().ok_or(NOTHING_TO_LOAD)?;
        let end = last.va.checked_add(last.memory_bytes).ok_or(outside)?;
        let extent = end.checked_sub(self.first_page()).ok_or(OUT_OF_ORDER)?;
        if extent > USER_END { Err(outside) } else { Ok(page_up(extent)) }
    }

    /// What its address in memory should be a multiple of, a power of two; 1: anything.
    pub fn alignment_bytes(&self) -> u64 {
        let wishes = self.loaded().map(|entry| entry.alignment_bytes);
        wishes.filter(|wish| wish.is_power_of_two()).max().unwrap_or(1)
    }

    /// Places a file of `file_size` bytes. If it is position-independent, its first page goes to
    /// `base`, which is page-aligned. Nothing may lie below `lowest`.
    ///
    /// # Errors
    /// [`ElfError`].
    pub fn place(&self, file_size: u64, base: u64, lowest: u64) -> Result<Image, ElfError> {
        let is_moved = self.header.is_position_independent();
        let bias = if is_moved { base.wrapping_sub(self.first_page()) } else { 0 };
        let bounds = (lowest, USER_END);
        let mut segments: Vec<Segment> = Vec::new();
        let mut last_end = 0;
        let mut in_memory = 0;
        for entry in self.loaded() {
            let segment = entry.segment(file_size, bias, bounds)?;
            let va = entry.va.wrapping_add(bias);
            if va < last_end {
                return Err(OUT_OF_ORDER);
            }
            last_end = va + entry.memory_bytes;
            let (offset, _) = self.header.table();
            if entry.offset <= offset && offset - entry.offset < entry.file_bytes {
                in_memory = va + (offset - entry.offset);
            }
            segments.push(segment);
        }
        let end = segments.last().map(Segment::end).ok_or(NOTHING_TO_LOAD)?;
        let entry = self.header.entry.wrapping_add(bias);
        if entry >= USER_END {
            return Err(ElfError::Unsuitable("it begins outside user space"));
        }
        Ok(Image { entry, segments, table: in_memory, entries: self.header.entries, end, bias })
    }
}

const NOTHING_TO_LOAD: ElfError = ElfError::Unsuitable("nothing in it is to be loaded");
const OUT_OF_ORDER: ElfError = ElfError::Unsuitable("segments overlap or are out of order");

/// The path of an interpreter in what the file has for it: up to the first 0, and there must be one
/// at the end.
///
/// # Errors
/// [`ElfError`].
pub fn interpreter_path(bytes: &[u8]) -> Result<&[u8], ElfError> {
    match bytes.split(|byte| *byte == 0).next() {
        Some(path) if bytes.last() == Some(&0) => Ok(path),
        _ => Err(ElfError::Unsuitable("the path of its interpreter does not end")),
    }
}

#[cfg(test)]
mod tests;
