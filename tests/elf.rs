//! Program files: what is wrong with a bad one is said in one line with exit code 2, and nothing
//! in a file, however mutated, makes the loader or the machine panic.

use pagewalk::addr::PhysAddr;
use pagewalk::engine::Interpreter;
use pagewalk::machine::board::Devices;
use pagewalk::machine::boot::{Boot, Payload};
use pagewalk::machine::console::{Console, Input};
use pagewalk::machine::elf::{ElfError, ElfFile, RamRange};
use pagewalk::machine::{Config, Limits, Machine, Stop};
use proptest::prelude::*;

use crate::program::{Elf, PT_INTERP, R, RAM, Scratch, Segment, W, X, pagewalk, run, to_host};

const RAM_BYTES: u64 = 128 << 20;

fn sound() -> Elf {
    let mut elf = Elf::code(&to_host(1));
    elf.segments.push(Segment::load(RAM + 0x2000, R | W, vec![1, 2, 3]));
    elf
}

fn load(bytes: Vec<u8>) -> Result<PhysAddr, ElfError> {
    let ram = RamRange { first: PhysAddr(RAM), last: PhysAddr(RAM + RAM_BYTES - 1) };
    Ok(ElfFile::parse(bytes)?.place(ram)?.entry)
}

#[test]
fn sound_program_is_taken() {
    assert_eq!(load(sound().bytes()), Ok(PhysAddr(RAM)));
    let file = ElfFile::parse(sound().bytes()).unwrap();
    assert_eq!(file.symbols().address_of("_start"), Some(RAM));
    assert_eq!(file.segments().len(), 3);
    assert_eq!(file.code().len(), 1, "without sections, executable segments are the code");
}

#[test]
fn segments_without_flags_may_hold_code() {
    let mut elf = sound();
    elf.segments.iter_mut().for_each(|segment| segment.flags = 0);
    assert_eq!(load(elf.bytes()), Ok(PhysAddr(RAM)));
}

#[test]
fn physical_addresses_are_where_it_goes() {
    let mut elf = sound();
    for segment in &mut elf.segments {
        segment.virt |= 0xffff_ffff_0000_0000;
    }
    elf.entry |= 0xffff_ffff_0000_0000;
    elf.symbols.iter_mut().for_each(|symbol| symbol.1 |= 0xffff_ffff_0000_0000);
    assert_eq!(load(elf.bytes()), Ok(PhysAddr(RAM)));
}

/// A segment that begins with the file itself, at `before` bytes before RAM, as linkers make it
/// that are told only where the code is to start.
fn with_headers_loaded(before: usize, padding: u8) -> Vec<u8> {
    let mut elf = sound();
    let headers = 64 + 56 * elf.segments.len();
    let code = elf.segments[0].bytes.clone();
    elf.segments[0].bytes = [vec![padding; before - headers], code].concat();
    let len = (before + elf.segments[0].bytes.len() - (before - headers)) as u64;
    let mut file = elf.bytes();
    for (at, word) in
        [(8, 0), (16, RAM - before as u64), (24, RAM - before as u64), (32, len), (40, len)]
    {
        file[64 + at..64 + at + 8].copy_from_slice(&word.to_le_bytes());
    }
    file
}

#[test]
fn headers_before_ram_are_left_out() {
    assert_eq!(load(with_headers_loaded(0x1000, 0)), Ok(PhysAddr(RAM)));
    assert_eq!(load(with_headers_loaded(232, 0)), Ok(PhysAddr(RAM)));
    let error = load(with_headers_loaded(0x1000, 1)).unwrap_err().to_string();
    assert!(error.contains("lies outside RAM"), "{error}");
}

#[test]
fn names_of_sections_are_cut() {
    let mut elf = sound();
    elf.symbols.insert(0, ("s".repeat(1 << 20).leak(), RAM));
    let mut file = elf.bytes();
    // The null section becomes one of code, under the name of the first symbol.
    let header = file.len() - 3 * 64;
    for (at, word) in [(0, 1_u64 << 32 | 1), (8, 6), (24, 0), (32, 8)] {
        file[header + at..header + at + 8].copy_from_slice(&word.to_le_bytes());
    }
    let file = ElfFile::parse(file).unwrap();
    let code = file.code();
    assert_eq!(code.len(), 1);
    // A file may have 65535 sections, all with the same name.
    assert!(code[0].name.starts_with("ss") && code[0].name.len() <= 1024, "{}", code[0].name.len());
}

/// What is done to a sound program, and what is then said about it.
type Case = (&'static str, fn(&mut Elf));

const MALFORMED: &[Case] = &[
    ("a 32-bit program; this machine runs 64-bit programs", |e| e.class = 1),
    ("an ELF class of 7, which does not exist; this machine", |e| e.class = 7),
    ("a big-endian program; this machine is little-endian", |e| e.data = 2),
    ("an ELF data encoding of 0", |e| e.data = 0),
    ("built for X86_64 (machine 62), expected RISC-V", |e| e.machine = 62),
    ("an object file that has not been linked, expected an executable", |e| e.kind = 1),
    ("a core dump, expected an executable", |e| e.kind = 4),
    ("an ELF file of type 99, expected an executable", |e| e.kind = 99),
    ("there is no segment to load", |e| e.segments.clear()),
    ("there is no segment to load", |e| e.segments.iter_mut().for_each(|s| s.kind = 4)),
    ("segment 2 has 3 bytes in the file but 2 in memory", |e| {
        e.segments[2].memory_bytes = Some(2);
    }),
    ("segment 2 wraps around the address space: 0x1001 bytes at", |e| {
        e.segments[2].phys = u64::MAX - 0xfff;
        e.segments[2].memory_bytes = Some(0x1001);
    }),
    ("segment 1 wraps around the address space: 0xffffffffffffffff bytes", |e| {
        e.segments[1].memory_bytes = Some(u64::MAX);
    }),
    ("segments 0 and 2 overlap at 0x0000000080000001", |e| e.segments[2].phys = RAM + 1),
    ("segments 1 and 2 overlap at 0x0000000080001000", |e| e.segments[2].phys = RAM + 0x0fff),
    ("segment 2 at 0x0000000087ffffff..=0x0000000088000001 lies outside RAM", |e| {
        e.segments[2].phys = RAM + RAM_BYTES - 1;
    }),
    ("segment 2 at 0x000000007fffffff..=0x0000000080000001 lies outside RAM", |e| {
        e.segments[2].phys = RAM - 1;
        e.segments[0].phys = RAM + 0x4000;
    }),
    ("segment 2 at 0x0000000080002000..=0x0010000080001fff lies outside RAM", |e| {
        e.segments[2].memory_bytes = Some(1 << 52);
    }),
    ("segment 2 at 0x0000000000000000..=0x0000000000000002 lies outside RAM", |e| {
        e.segments[2].phys = 0;
    }),
    ("there is no entry point", |e| e.entry = 0),
    ("the entry point 0x80000001 is odd", |e| e.entry = RAM + 1),
    ("the entry point 0x80000001 is odd", |e| {
        (e.segments[0].virt, e.entry) = (RAM + 1, RAM + 2);
    }),
    ("the entry point 0x80008000 is in no segment", |e| e.entry = RAM + 0x8000),
    ("the entry point 0x1234 is in no segment", |e| e.entry = 0x1234),
    ("the symbol tohost is at 0x10, where no RAM is", |e| e.symbols[1].1 = 0x10),
    ("the symbol fromhost is at 0x87fffff9, where no RAM is", |e| {
        e.symbols[2].1 = RAM + RAM_BYTES - 7;
    }),
    ("a position-independent executable or shared library linked at 0x0000000000000000", |e| {
        e.kind = 3;
        e.entry = 0;
        e.segments = vec![Segment::load(0, R | X, vec![0; 16])];
    }),
    ("a riscv64 Linux user program (it asks for the interpreter /lib/ld.so): it needs", |e| {
        let name = b"/lib/ld.so\0".to_vec();
        e.segments.push(Segment { kind: PT_INTERP, ..Segment::load(RAM, R, name) });
    }),
    ("a riscv64 Linux user program (it is linked at 0x0000000000010000, where no RAM is)", |e| {
        e.entry = 0x1_0004;
        e.segments = vec![Segment::load(0x1_0000, R | X, vec![0; 16])];
    }),
];

#[test]
fn malformed_programs_are_named() {
    for (expect, spoil) in MALFORMED {
        let mut elf = sound();
        spoil(&mut elf);
        let error = load(elf.bytes()).expect_err(expect).to_string();
        assert!(error.contains(expect), "expected: {expect}\nfound: {error}");
        assert!(!error.contains('\n'), "one line: {error}");
    }
}

/// The end of the header's fields with this offset and these bytes.
fn patched(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = sound().bytes();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

#[test]
fn malformed_files_are_named() {
    let sound = sound().bytes();
    let end = sound.len();
    let absurd = u64::MAX.to_le_bytes();
    for (expect, file) in [
        ("the file is empty", Vec::new()),
        ("not an ELF file: it starts with 23 21 2f 62, expected 7f 45", b"#!/bin/sh\n".to_vec()),
        ("not an ELF file: it starts with 7f 46", b"\x7fF".to_vec()),
        ("truncated: the ELF header ends at byte 64, the file at byte 3", sound[..3].to_vec()),
        ("truncated: the ELF header ends at byte 64, the file at byte 63", sound[..63].to_vec()),
        ("truncated: the table of program headers ends at byte 232", sound[..231].to_vec()),
        ("truncated: segment 0 ends at byte", sound[..240].to_vec()),
        ("truncated: the table of section headers ends", sound[..end - 1].to_vec()),
        ("the table of program headers ends at byte 18446744073709551783", patched(32, &absurd)),
        ("the table of section headers ends at byte 18446744073709551807", patched(40, &absurd)),
        ("program headers are 55 bytes long each, expected 56", patched(54, &[55, 0])),
        ("section headers are 0 bytes long each, expected 64", patched(58, &[0, 0])),
        ("truncated: segment 0 ends at byte 18446744073709551", patched(64 + 8, &absurd)),
        ("truncated: the symbol table ends at byte", patched(end - 128 + 24, &absurd)),
        ("truncated: the symbol names ends at byte", patched(end - 64 + 32, &absurd)),
        ("the symbol table's names are in section 77", patched(end - 128 + 40, &[77, 0, 0, 0])),
    ] {
        let error = load(file).expect_err(expect).to_string();
        assert!(error.contains(expect), "expected: {expect}\nfound: {error}");
    }
}

#[test]
fn command_says_it_in_one_line_with_code_2() {
    let scratch = Scratch::new();
    let mut odd = sound();
    odd.entry += 1;
    for (name, bytes, expect) in [
        ("empty", Vec::new(), "cannot load {}: the file is empty\n"),
        ("text", b"#!/b".to_vec(), "cannot load {}: not an ELF file: it starts with 23 21"),
        ("odd", odd.bytes(), "cannot load {}: the entry point 0x80000001 is odd\n"),
    ] {
        let path = scratch.file(name, &bytes);
        let ended = run(pagewalk().arg(&path));
        let expect = expect.replace("{}", path.to_str().unwrap());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{name}: {ended:?}");
        assert!(ended.stderr.starts_with(&format!("pagewalk: {expect}")), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }
    let ended = run(pagewalk().args(["-m", "4K"]).arg(scratch.file("big", &sound().bytes())));
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("lies outside RAM"), "{}", ended.stderr);
}

/// Bytes to be changed and a length to be cut to, for a file of any length.
fn mutations()
-> impl Strategy<Value = (Vec<(prop::sample::Index, u8)>, Option<prop::sample::Index>)> {
    let change = (any::<prop::sample::Index>(), any::<u8>());
    let cut = prop::option::weighted(0.3, any::<prop::sample::Index>());
    (prop::collection::vec(change, 0..12), cut)
}

fn mutate(
    mut file: Vec<u8>,
    changes: &[(prop::sample::Index, u8)],
    cut: Option<prop::sample::Index>,
    within: usize,
) -> Vec<u8> {
    for (at, byte) in changes {
        file[at.index(within)] = *byte;
    }
    if let Some(cut) = cut {
        file.truncate(cut.index(file.len() + 1));
    }
    file
}

proptest! {
    /// The headers are the first 232 bytes, so most changes hit them.
    #[test]
    fn mutated_headers_never_panic((changes, cut) in mutations()) {
        let file = mutate(sound().bytes(), &changes, cut, 232);
        let _either = load(file);
    }

    #[test]
    fn mutated_files_never_panic((changes, cut) in mutations()) {
        let file = sound().bytes();
        let within = file.len();
        let file = mutate(file, &changes, cut, within);
        if let Ok(file) = ElfFile::parse(file) {
            let _code: Vec<_> = file.code();
            let _symbol = file.symbols().nearest(RAM);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let file = [b"\x7fELF\x02\x01\x01".as_slice(), &bytes].concat();
        let _either = load(file);
    }
    /// Whatever is in a program, running it ends, and ends in one of the ways that there are.
    #[test]
    fn mutated_programs_never_panic((changes, cut) in mutations(), code in prop::collection::vec(any::<u32>(), 0..64)) {
        let mut elf = sound();
        elf.segments[0].bytes.extend(code.iter().flat_map(|insn| insn.to_le_bytes()));
        let start = 232;
        let len = elf.segments[0].bytes.len();
        let mut file = elf.bytes();
        for (at, byte) in &changes {
            file[start + at.index(len)] = *byte;
        }
        if let Some(cut) = cut {
            // Not to the end, but jump into the random part at once.
            let entry = RAM + 2 * cut.index(len / 2) as u64;
            file[24..32].copy_from_slice(&entry.to_le_bytes());
        }
        let config = Config { ram_bytes: 1 << 20, ..Config::default() };
        let engine = Box::new(Interpreter::new(config.extensions));
        let console = Console::new(std::io::sink());
        let plan = Boot::of(Payload::new("test", file)).plan(&config);
        let plan = plan.expect("the headers are sound");
        let (devices, input) = (Devices::default(), Input::none());
        let machine = Machine::new(config, plan, devices, engine, console, input);
        let mut machine = machine.expect("it fits");
        for round in 1..4 {
            let limits = Limits { max_insns: Some(round * 2000), timeout: None };
            if machine.run(&limits) == Stop::Reset {
                machine.reset();
            }
        }
    }
}
