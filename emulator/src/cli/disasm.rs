//! `pagewalk disasm`: the code of a program as text, section by section, with its labels.

use std::io::{self, BufWriter, ErrorKind, Write};

use anyhow::Result;

use super::HostTrouble;
use super::args::DisasmArgs;
use crate::debug::inspect::assembly;
use crate::debug::symbols::Symbols;
use crate::isa::{self, Extensions};
use crate::machine::elf::{Code, ElfFile};

/// Disassembles the file that `args` name; yields the exit code.
pub(super) fn run(args: &DisasmArgs) -> Result<u8> {
    let file = ElfFile::read(&args.file)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut print = || {
        writeln!(out, "{}:     file format elf64-littleriscv", args.file.display())?;
        for code in file.code() {
            print_section(&mut out, &code, file.symbols())?;
        }
        out.flush()
    };
    match print() {
        // Somebody has read enough: `pagewalk disasm FILE | head`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(0),
        Err(source) => Err(HostTrouble { what: "standard output".to_owned(), source }.into()),
        Ok(()) => Ok(0),
    }
}

fn print_section(out: &mut impl Write, code: &Code<'_>, symbols: &Symbols) -> io::Result<()> {
    writeln!(out, "\n\nDisassembly of section {}:", code.name)?;
    let mut offset = 0;
    while offset < code.bytes.len() {
        let at = code.at.0.wrapping_add(offset as u64);
        let labels: Vec<_> = symbols.at(at).collect();
        if !labels.is_empty() || offset == 0 {
            writeln!(out)?;
        }
        for symbol in labels {
            writeln!(out, "{at:016x} <{}>:", symbol.name)?;
        }
        let (bits, len) = fetch(&code.bytes[offset..]);
        let text = match isa::decode(bits, &Extensions::ALL) {
            Some(insn) if len == insn.len_bytes() as usize => assembly(&insn, at, symbols),
            _ => format!(".insn\t{len}, {bits:#0width$x}", width = 2 + 2 * len),
        };
        writeln!(out, "{at:8x}:\t{:<20}\t{text}", format!("{bits:0width$x}", width = 2 * len))?;
        offset += len;
    }
    Ok(())
}

/// The instruction at the start of `bytes`, which is not empty, and its length in bytes: 4 or 2,
/// or 1 for a byte that is left over.
fn fetch(bytes: &[u8]) -> (u32, usize) {
    match *bytes {
        [a, b, c, d, ..] if a & 3 == 3 => (u32::from_le_bytes([a, b, c, d]), 4),
        [a, b, ..] => (u32::from_le_bytes([a, b, 0, 0]), 2),
        [a] => (a.into(), 1),
        [] => unreachable!("the caller has bytes left"),
    }
}
