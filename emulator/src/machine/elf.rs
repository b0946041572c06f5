//! Program files: [`ElfFile::read`] takes one in and checks its shape, [`ElfFile::place`] checks
//! that it can run in a given RAM, [`Program::load_into`] puts it there. Nothing in the file is
//! trusted: every offset is checked, every allocation is bounded by the file's own size.

mod error;
mod place;

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::Elf;
use goblin::elf::header::{self, Header, machine_to_str};
use goblin::elf::program_header::{self, ProgramHeader};
use goblin::elf::section_header::{self, SectionHeader};
use goblin::elf::sym::{self, Symtab};

use crate::addr::{PhysAddr, Rights, VirtAddr};
use crate::debug::symbols::{Row, SymbolKind, Symbols, printable};
pub use error::{ElfError, LoadError};
pub use place::{Mailbox, Program, RamRange};

/// A larger file is refused unread.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// A longer name is cut: a hostile file could give each of its sections the whole file as a name.
const MAX_SECTION_NAME_BYTES: usize = 256;

const HEADER_BYTES: usize = 64;
const PROGRAM_HEADER_BYTES: u16 = 56;
const SECTION_HEADER_BYTES: u16 = 64;
const SYMBOL_BYTES: u64 = 24;

const CTX: Ctx = Ctx { container: Container::Big, le: Endian::Little };

/// A piece of the program as it is to lie in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Number of its program header.
    pub index: usize,
    /// Address that the program uses for it.
    pub at: VirtAddr,
    /// Address where it is loaded.
    pub load_at: PhysAddr,
    /// Size in memory in bytes, at least 1; what the file does not fill is zero.
    pub len_bytes: u64,
    /// What the program wants to do with it.
    pub rights: Rights,
    /// Where its bytes are in the file.
    file: Range<usize>,
}

impl Segment {
    /// Last byte, by load address.
    pub fn last(&self) -> PhysAddr {
        self.load_at.wrapping_add(self.len_bytes - 1)
    }
}

/// A stretch of code, for disassembly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code<'a> {
    /// Name of the section; of the segment where there are no sections.
    pub name: String,
    /// Address of the first byte.
    pub at: VirtAddr,
    /// The code.
    pub bytes: &'a [u8],
}

/// A riscv64 program file of sound shape.
#[derive(Debug)]
pub struct ElfFile {
    bytes: Arc<Vec<u8>>,
    entry: u64,
    is_dynamic: bool,
    /// End of the ELF header and the program headers in the file.
    headers_end: usize,
    /// The dynamic linker that the program asks for.
    interpreter: Option<String>,
    segments: Vec<Segment>,
    sections: Vec<SectionHeader>,
    section_names: Range<usize>,
    symbols: Symbols,
}

impl ElfFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`LoadError`] names the file and the trouble.
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        let failed = |source| LoadError::Read { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(failed)?;
        // One byte more tells a file of the limit's size from a larger one.
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        Self::parse(bytes).map_err(|source| LoadError::Elf { path: path.to_owned(), source })
    }

    /// Checks the shape of a program file.
    ///
    /// # Errors
    /// [`ElfError`] where it is no riscv64 program.
    pub fn parse(bytes: impl Into<Arc<Vec<u8>>>) -> Result<Self, ElfError> {
        let bytes = bytes.into();
        let header = parse_header(&bytes)?;
        let headers = program_headers(&bytes, &header)?;
        let segments = segments(&bytes, &headers)?;
        let interpreter = interpreter(&bytes, &headers)?;
        let sections = section_headers(&bytes, &header)?;
        let symbols = symbols(&bytes, &sections)?;
        let names = sections.get(usize::from(header.e_shstrndx));
        let section_names = match names {
            Some(names) => file_range(&bytes, names.sh_offset, names.sh_size, "section names")?,
            None => 0..0,
        };
        let table_end = header.e_phoff as usize + headers.len() * usize::from(PROGRAM_HEADER_BYTES);
        let headers_end = table_end.max(HEADER_BYTES);
        let is_dynamic = header.e_type == header::ET_DYN;
        let entry = header.e_entry;
        Ok(Self {
            bytes,
            entry,
            is_dynamic,
            headers_end,
            interpreter,
            segments,
            sections,
            section_names,
            symbols,
        })
    }

    /// The symbols of the program.
    pub fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    /// The symbols, where nothing else of the file is wanted any more.
    pub fn into_symbols(self) -> Symbols {
        self.symbols
    }

    /// The dynamic linker that the program asks for.
    pub fn interpreter(&self) -> Option<&str> {
        self.interpreter.as_deref()
    }

    /// The whole file.
    pub(super) fn bytes(&self) -> &Arc<Vec<u8>> {
        &self.bytes
    }

    /// What is to be loaded.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The code in the file: executable sections, or segments where there are none.
    pub fn code(&self) -> Vec<Code<'_>> {
        let sections = self.sections.iter().filter(|section| {
            section.is_executable() && section.sh_type == section_header::SHT_PROGBITS
        });
        let mut code: Vec<_> = sections
            .filter_map(|section| {
                let range = file_range(&self.bytes, section.sh_offset, section.sh_size, "").ok()?;
                let name = self.section_name(section);
                Some(Code { name, at: VirtAddr(section.sh_addr), bytes: &self.bytes[range] })
            })
            .collect();
        if code.is_empty() {
            let executable = self.segments.iter().filter(|segment| segment.rights.execute);
            code.extend(executable.map(|segment| Code {
                name: format!("segment {}", segment.index),
                at: segment.at,
                bytes: &self.bytes[segment.file.clone()],
            }));
        }
        code
    }

    fn section_name(&self, section: &SectionHeader) -> String {
        let names = &self.bytes[self.section_names.clone()];
        let name = names.get(section.sh_name..).unwrap_or_default();
        let name = &name[..name.len().min(MAX_SECTION_NAME_BYTES)];
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        printable(&name[..end]).into_owned()
    }
}

/// Whether a file that starts with these bytes claims to be a riscv64 executable, sound or not.
pub fn claims_riscv64_executable(start: &[u8]) -> bool {
    let is = |at: usize, expect: &[u8]| start.get(at..at + expect.len()) == Some(expect);
    let executable = is(16, &header::ET_EXEC.to_le_bytes());
    is(0, header::ELFMAG)
        && is(header::EI_CLASS, &[header::ELFCLASS64])
        && is(header::EI_DATA, &[header::ELFDATA2LSB])
        && is(18, &header::EM_RISCV.to_le_bytes())
        && executable
}

/// The `len` bytes at `offset`, if the file has them.
fn file_range(
    bytes: &[u8],
    offset: u64,
    len: u64,
    what: impl Into<String>,
) -> Result<Range<usize>, ElfError> {
    let end = u128::from(offset) + u128::from(len);
    if end > bytes.len() as u128 {
        let len_bytes = bytes.len() as u64;
        return Err(ElfError::Truncated { what: what.into(), end, len_bytes });
    }
    Ok(offset as usize..end as usize)
}

fn parse_header(bytes: &[u8]) -> Result<Header, ElfError> {
    if bytes.is_empty() {
        return Err(ElfError::Empty);
    }
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(ElfError::FileTooLarge { limit_bytes: MAX_FILE_BYTES });
    }
    let start = &bytes[..bytes.len().min(header::ELFMAG.len())];
    if !header::ELFMAG.starts_with(start) {
        let found: Vec<_> = start.iter().map(|byte| format!("{byte:02x}")).collect();
        return Err(ElfError::NotElf { found: found.join(" ") });
    }
    if let Some(class) = bytes.get(header::EI_CLASS).filter(|c| **c != header::ELFCLASS64) {
        return Err(ElfError::Class(*class));
    }
    if let Some(data) = bytes.get(header::EI_DATA).filter(|d| **d != header::ELFDATA2LSB) {
        return Err(ElfError::Data(*data));
    }
    file_range(bytes, 0, HEADER_BYTES as u64, "the ELF header")?;
    let header = Elf::parse_header(bytes).map_err(|e| ElfError::Malformed(e.to_string()))?;
    if header.e_machine != header::EM_RISCV {
        let name = machine_to_str(header.e_machine);
        return Err(ElfError::Machine { name, number: header.e_machine });
    }
    if header.e_type != header::ET_EXEC && header.e_type != header::ET_DYN {
        return Err(ElfError::Type(header.e_type));
    }
    Ok(header)
}

fn program_headers(bytes: &[u8], header: &Header) -> Result<Vec<ProgramHeader>, ElfError> {
    let count = u64::from(header.e_phnum);
    if count == 0 {
        return Err(ElfError::NoSegments);
    }
    let (what, found, expected) = ("program headers", header.e_phentsize, PROGRAM_HEADER_BYTES);
    if found != expected {
        return Err(ElfError::EntrySize { what, found, expected });
    }
    let len = count * u64::from(expected);
    let range = file_range(bytes, header.e_phoff, len, "the table of program headers")?;
    ProgramHeader::parse(bytes, range.start, count as usize, CTX)
        .map_err(|e| ElfError::Malformed(e.to_string()))
}

fn segments(bytes: &[u8], headers: &[ProgramHeader]) -> Result<Vec<Segment>, ElfError> {
    let mut segments = Vec::new();
    let loads = headers.iter().enumerate();
    for (index, header) in loads.filter(|(_, h)| h.p_type == program_header::PT_LOAD) {
        let (at, file_bytes, len_bytes) =
            (PhysAddr(header.p_paddr), header.p_filesz, header.p_memsz);
        if file_bytes > len_bytes {
            return Err(ElfError::SegmentSize { index, file_bytes, len_bytes });
        }
        if len_bytes == 0 {
            continue;
        }
        let wraps = |start: u64| start.checked_add(len_bytes - 1).is_none();
        if wraps(header.p_paddr) || wraps(header.p_vaddr) {
            return Err(ElfError::SegmentWraps { index, at, len_bytes });
        }
        let file = file_range(bytes, header.p_offset, file_bytes, format!("segment {index}"))?;
        let rights = Rights {
            read: header.is_read(),
            write: header.is_write(),
            execute: header.is_executable(),
        };
        // A linker script may leave the flags out: nobody can mean a segment without any use.
        let rights = if rights == Rights::NONE { Rights::ALL } else { rights };
        let virt = VirtAddr(header.p_vaddr);
        segments.push(Segment { index, at: virt, load_at: at, len_bytes, rights, file });
    }
    if segments.is_empty() {
        return Err(ElfError::NoSegments);
    }
    let mut sorted: Vec<_> = segments.iter().collect();
    sorted.sort_by_key(|segment| segment.load_at);
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0].last() >= pair[1].load_at) {
        let (a, b) = (pair[0].index.min(pair[1].index), pair[0].index.max(pair[1].index));
        return Err(ElfError::Overlap { a, b, at: pair[1].load_at });
    }
    Ok(segments)
}

fn interpreter(bytes: &[u8], headers: &[ProgramHeader]) -> Result<Option<String>, ElfError> {
    let Some(header) = headers.iter().find(|h| h.p_type == program_header::PT_INTERP) else {
        return Ok(None);
    };
    let range = file_range(bytes, header.p_offset, header.p_filesz, "the interpreter's name")?;
    let name = &bytes[range];
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    Ok(Some(printable(&name[..end.min(256)]).into_owned()))
}

fn section_headers(bytes: &[u8], header: &Header) -> Result<Vec<SectionHeader>, ElfError> {
    let count = u64::from(header.e_shnum);
    if header.e_shoff == 0 || count == 0 {
        return Ok(Vec::new());
    }
    let (what, found, expected) = ("section headers", header.e_shentsize, SECTION_HEADER_BYTES);
    if found != expected {
        return Err(ElfError::EntrySize { what, found, expected });
    }
    let len = count * u64::from(expected);
    let range = file_range(bytes, header.e_shoff, len, "the table of section headers")?;
    SectionHeader::parse(bytes, range.start, count as usize, CTX)
        .map_err(|e| ElfError::Malformed(e.to_string()))
}

fn symbols(bytes: &[u8], sections: &[SectionHeader]) -> Result<Symbols, ElfError> {
    let table = sections.iter().find(|s| s.sh_type == section_header::SHT_SYMTAB);
    let Some(table) = table else { return Ok(Symbols::default()) };
    let range = file_range(bytes, table.sh_offset, table.sh_size, "the symbol table")?;
    let names = sections.get(table.sh_link as usize).ok_or_else(|| {
        ElfError::Malformed(format!("the symbol table's names are in section {}", table.sh_link))
    })?;
    let names = file_range(bytes, names.sh_offset, names.sh_size, "the symbol names")?;
    let count = (table.sh_size / SYMBOL_BYTES) as usize;
    if count == 0 {
        return Ok(Symbols::default());
    }
    let table = Symtab::parse(bytes, range.start, count, CTX)
        .map_err(|e| ElfError::Malformed(e.to_string()))?;
    let rows = table.iter().filter_map(|symbol| {
        let kind = match sym::st_type(symbol.st_info) {
            sym::STT_FUNC => SymbolKind::Function,
            sym::STT_OBJECT | sym::STT_NOTYPE => SymbolKind::Other,
            _ => return None,
        };
        let defined = symbol.st_shndx != section_header::SHN_UNDEF as usize;
        let name = u32::try_from(symbol.st_name).ok().filter(|_| defined)?;
        // `$x` and `$d` mark code and data within a section; they name nothing.
        if bytes[names.clone()].get(name as usize) == Some(&b'$') {
            return None;
        }
        Some(Row { at: symbol.st_value, len_bytes: symbol.st_size, name, kind })
    });
    let rows = rows.collect();
    Ok(Symbols::new(rows, bytes[names].to_vec()))
}
