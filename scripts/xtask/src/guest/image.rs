//! Executables on their way into the bundle: [`strip`] leaves out what is not loaded,
//! [`system_map`] lists the symbols of the kernel.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use goblin::elf::Elf;
use goblin::elf::header::header64::SIZEOF_EHDR;
use goblin::elf::section_header::{self, SectionHeader};
use goblin::elf::sym::{self, Sym};

/// The executable as far as it is loaded: without sections, symbols and debug information.
///
/// # Errors
/// Where it is no executable for 64 bits.
pub(super) fn strip(executable: &[u8]) -> Result<Vec<u8>> {
    let elf = Elf::parse(executable).context("reading an executable")?;
    anyhow::ensure!(elf.is_64 && elf.little_endian, "the executable is for another machine");
    let ends = elf.program_headers.iter().map(|header| header.p_offset + header.p_filesz);
    let table = u64::from(elf.header.e_phnum) * u64::from(elf.header.e_phentsize);
    let end = ends.chain([elf.header.e_phoff + table]).max().unwrap_or_default();
    let kept = executable.get(..end as usize).context("the executable is cut off")?;
    let mut kept = kept.to_vec();
    for field in [E_SHOFF, E_SHNUM, E_SHSTRNDX] {
        kept[field].fill(0);
    }
    Ok(kept)
}

/// Fields of the header that tell of sections.
const E_SHOFF: std::ops::Range<usize> = 0x28..0x30;
const E_SHNUM: std::ops::Range<usize> = 0x3c..0x3e;
const E_SHSTRNDX: std::ops::Range<usize> = 0x3e..0x40;

const _: () = assert!(E_SHSTRNDX.end == SIZEOF_EHDR, "they are the last ones");

/// The functions and data of an executable as `nm -C` lists them: a line each with address, kind
/// and name, sorted by address.
///
/// # Errors
/// Where it is no executable.
pub(super) fn system_map(executable: &[u8]) -> Result<String> {
    let elf = Elf::parse(executable).context("reading an executable")?;
    let mut rows = Vec::new();
    for symbol in elf.syms.iter().filter(names_something) {
        let Some(name) = elf.strtab.get_at(symbol.st_name) else { continue };
        // Those of the compiler, which mark code and data within a section, name nothing.
        if name.is_empty() || name.starts_with('$') || name.starts_with(".L") {
            continue;
        }
        let section = elf.section_headers.get(symbol.st_shndx);
        let name = format!("{:#}", rustc_demangle::demangle(name));
        rows.push((symbol.st_value, kind(&symbol, section), name));
    }
    rows.sort_unstable();
    rows.dedup();
    let mut map = String::new();
    for (address, kind, name) in rows {
        writeln!(map, "{address:016x} {kind} {name}")?;
    }
    Ok(map)
}

fn names_something(symbol: &Sym) -> bool {
    let is_defined = symbol.st_shndx != section_header::SHN_UNDEF as usize;
    is_defined && matches!(symbol.st_type(), sym::STT_FUNC | sym::STT_OBJECT | sym::STT_NOTYPE)
}

/// The letter of `nm`: text, data, bss, read-only or absolute; small where the symbol is local.
fn kind(symbol: &Sym, section: Option<&SectionHeader>) -> char {
    let has = |section: &SectionHeader, flag: u32| section.sh_flags & u64::from(flag) != 0;
    let letter = match section {
        None => 'A',
        Some(section) if has(section, section_header::SHF_EXECINSTR) => 'T',
        Some(section) if section.sh_type == section_header::SHT_NOBITS => 'B',
        Some(section) if has(section, section_header::SHF_WRITE) => 'D',
        Some(_) => 'R',
    };
    if symbol.st_bind() == sym::STB_LOCAL { letter.to_ascii_lowercase() } else { letter }
}

#[cfg(test)]
mod tests {
    use super::*;
    use goblin::elf::program_header::PT_LOAD;

    /// An executable that is at hand: this one.
    fn executable() -> Vec<u8> {
        std::fs::read(std::env::current_exe().unwrap()).unwrap()
    }

    #[test]
    fn what_is_loaded_stays() {
        let whole = executable();
        let stripped = strip(&whole).unwrap();
        assert!(stripped.len() < whole.len());
        let [before, after] = [&whole, &stripped].map(|bytes| Elf::parse(bytes).unwrap());
        assert_eq!(before.program_headers, after.program_headers);
        assert!(after.section_headers.is_empty() && after.syms.is_empty());
        let loads = before.program_headers.iter().filter(|header| header.p_type == PT_LOAD);
        for header in loads {
            let mut loaded = header.file_range();
            loaded.start = loaded.start.max(SIZEOF_EHDR);
            assert_eq!(whole[loaded.clone()], stripped[loaded]);
        }
        assert!(strip(b"#!/bin/sh").is_err());
    }

    #[test]
    fn symbols_are_listed_by_address() {
        let map = system_map(&executable()).unwrap();
        let addresses: Vec<_> = map.lines().map(|line| &line[..16]).collect();
        assert!(addresses.is_sorted() && addresses.len() > 100);
        let name = concat!(module_path!(), "::executable");
        let line = map.lines().find(|line| line.ends_with(name)).expect(name);
        assert!(line[16..].starts_with(" t ") || line[16..].starts_with(" T "), "{line}");
    }
}
