//! [`Image`]: what an executable file says about the memory of the process that will run it.
//!
//! Reads the header and the table of program headers of a 64-bit RISC-V ELF file (System V ABI,
//! "Object Files", "Program Loading"); the file may be hostile. The kernel maps what comes out:
//! [`super::stack`] makes the stack that goes with it.

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
    /// It wants a dynamic linker.
    Dynamic,
}

impl ElfError {
    /// What `execve` answers.
    pub const fn errno(self) -> Errno {
        Errno::ENOEXEC
    }

    /// What is wrong, for the log.
    pub const fn reason(self) -> &'static str {
        match self {
            ElfError::NotElf => "not an ELF file",
            ElfError::Unsuitable(reason) => reason,
            ElfError::Dynamic => "it is dynamically linked, and there is no dynamic linker",
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
#[derive(Clone, Copy)]
struct Entry {
    kind: u32,
    flags: u32,
    offset: u64,
    va: u64,
    file_bytes: u64,
    memory_bytes: u64,
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
        let Some(va) = self.va.checked_add(bias) else {
            return bad("a segment lies outside user space");
        };
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
}

impl Image {
    /// Reads the program headers `table` of a file of `file_size` bytes. A position-independent
    /// program is moved to `pie_base`, which is page-aligned. Nothing may lie below `lowest`.
    ///
    /// # Errors
    /// [`ElfError`].
    pub fn read(
        header: &Header,
        table: &[u8],
        file_size: u64,
        pie_base: u64,
        lowest: u64,
    ) -> Result<Self, ElfError> {
        let entries: Vec<Entry> = table.chunks_exact(ENTRY_BYTES).map(Entry::read).collect();
        if entries.len() != usize::from(header.entries) {
            return Err(ElfError::Unsuitable("the program headers are cut off"));
        }
        if entries.iter().any(|entry| entry.kind == PT_INTERP) {
            return Err(ElfError::Dynamic);
        }
        let bias = if header.is_position_independent() { pie_base } else { 0 };
        let bounds = (lowest, USER_END);
        let mut segments: Vec<Segment> = Vec::new();
        let mut last_end = 0;
        let mut in_memory = 0;
        for entry in entries.iter().filter(|entry| entry.kind == PT_LOAD) {
            let segment = entry.segment(file_size, bias, bounds)?;
            if entry.memory_bytes == 0 {
                continue;
            }
            let va = entry.va + bias;
            if va < last_end {
                return Err(ElfError::Unsuitable("segments overlap or are out of order"));
            }
            last_end = va + entry.memory_bytes;
            let (offset, _) = header.table();
            if entry.offset <= offset && offset - entry.offset < entry.file_bytes {
                in_memory = va + (offset - entry.offset);
            }
            segments.push(segment);
        }
        let Some(end) = segments.last().map(Segment::end) else {
            return Err(ElfError::Unsuitable("nothing in it is to be loaded"));
        };
        let entry = header.entry.checked_add(bias).filter(|entry| *entry < USER_END);
        let Some(entry) = entry else {
            return Err(ElfError::Unsuitable("it begins outside user space"));
        };
        Ok(Self { entry, segments, table: in_memory, entries: header.entries, end })
    }
}

#[cfg(test)]
mod tests;
