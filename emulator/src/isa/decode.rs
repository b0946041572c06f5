//! Bits to [`Insn`] and back. A 32-bit instruction is found through an index over its opcode,
//! funct3 and five highest bits, built once from the table; 16-bit ones expand in `rvc.rs`.

use super::extension::Extensions;
use super::format::Fields;
use super::table::{Op, Row, TABLE};
use super::{Insn, rvc};
use std::sync::LazyLock;

/// Bits that choose the bucket: opcode but for its constant low end, funct3, and the top five.
const KEY_MASK: u32 = 0xf800_707c;
const KEYS: usize = 1 << 13;

/// Rows of the table by bucket: those of bucket `k` are `rows[start[k]..start[k + 1]]`.
struct Index {
    start: Vec<u16>,
    rows: Vec<u16>,
}

static INDEX: LazyLock<Index> = LazyLock::new(Index::new);

impl Index {
    fn new() -> Self {
        let mut buckets = vec![Vec::new(); KEYS];
        for (number, row) in (0u16..).zip(TABLE) {
            let free = KEY_MASK & !row.pattern.mask;
            // Every subset of the key bits that the pattern leaves open.
            let mut subset = free;
            loop {
                buckets[key(row.pattern.value | subset)].push(number);
                if subset == 0 {
                    break;
                }
                subset = (subset - 1) & free;
            }
        }
        let mut index = Self { start: vec![0], rows: Vec::new() };
        for bucket in buckets {
            index.rows.extend(bucket);
            index.start.push(index.rows.len() as u16);
        }
        index
    }

    fn bucket(&self, bits: u32) -> &[u16] {
        let key = key(bits);
        &self.rows[usize::from(self.start[key])..usize::from(self.start[key + 1])]
    }
}

const fn key(bits: u32) -> usize {
    (bits >> 27 << 8 | (bits >> 12 & 7) << 5 | (bits >> 2 & 31)) as usize
}

/// Decodes the instruction that starts with `bits`; only the low half counts where that is a
/// 16-bit one. None where the encoding means nothing with these extensions.
pub fn decode(bits: u32, extensions: &Extensions) -> Option<Insn> {
    if bits & 3 != 3 {
        return rvc::expand(bits as u16, extensions);
    }
    let row = find(bits)?;
    if !extensions.has_all(row.extensions) {
        return None;
    }
    Some(insn(row.op, row.format.extract(bits), bits))
}

/// The row whose pattern `bits` has; there is at most one.
fn find(bits: u32) -> Option<&'static Row> {
    let candidates = INDEX.bucket(bits).iter().map(|&row| &TABLE[usize::from(row)]);
    candidates.into_iter().find(|row| row.pattern.matches(bits))
}

/// The instruction `op` with these operands, fetched as `bits`.
pub(super) const fn insn(op: Op, fields: Fields, bits: u32) -> Insn {
    let Fields { rd, rs1, rs2, rs3, rm, imm } = fields;
    Insn { op, rd, rs1, rs2, rs3, rm, at: 0, imm, bits }
}

/// The 32 bits of `op` with these operands. Operands that `op` does not have are ignored;
/// registers beyond 31 and immediates out of range are a mistake of the caller.
pub fn encode(op: Op, fields: &Fields) -> u32 {
    let row = op.row();
    let bits = row.pattern.value | row.format.insert(fields);
    debug_assert!(row.pattern.matches(bits), "{op:?} {fields:?} does not fit");
    bits
}

#[cfg(test)]
mod tests;
