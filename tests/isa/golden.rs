//! The assembly text of every row, compared with `golden/disasm.txt`. `scripts/bless` rewrites
//! that file; so does running this test with `PAGEWALK_BLESS` set.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use pagewalk::csr::CsrAddr;
use pagewalk::isa::table::TABLE;
use pagewalk::isa::{self, Extensions, Fields};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/disasm.txt");
const PC: u64 = 0x8000_0000;

/// One line for each row, with operands that no pseudo-instruction stands for.
fn listing() -> String {
    let mut text = String::new();
    for row in TABLE {
        let fields = Fields { rd: 10, rs1: 11, rs2: 12, rs3: 13, rm: 1, imm: 0x304 };
        let mut bits = row.pattern.value | row.format.insert(&fields);
        if !row.pattern.matches(bits) || row.format.extract(bits).imm == 0 {
            // A shift amount of five bits, an upper immediate.
            let imm = if row.pattern.matches(bits) { 0x1234_5000 } else { 7 };
            bits = row.pattern.value | row.format.insert(&Fields { imm, ..fields });
        }
        let insn = isa::decode(bits, &Extensions::ALL).expect("a row is legal");
        assert_eq!(insn.op, row.op);
        let line = isa::disassemble(&insn, PC, |number| CsrAddr(number).name());
        writeln!(text, "{bits:08x}  {line}").expect("a string takes everything");
    }
    text
}

#[test]
fn every_row_is_written_as_it_was() {
    let now = listing();
    if std::env::var_os("PAGEWALK_BLESS").is_some() {
        fs::write(GOLDEN, now).expect("the golden file can be written");
        return;
    }
    let golden = fs::read_to_string(Path::new(GOLDEN)).expect("the golden file can be read");
    let lines = now.lines().zip(golden.lines()).find(|(now, golden)| now != golden);
    assert_eq!(lines, None, "tests/golden/disasm.txt differs (scripts/bless rewrites it)");
    assert_eq!(now.lines().count(), golden.lines().count(), "tests/golden/disasm.txt differs");
}
