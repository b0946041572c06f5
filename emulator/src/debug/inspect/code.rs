//! Code as text: one instruction with the symbol that it goes to, the lines around an address.

use super::View;
use crate::csr::CsrAddr;
use crate::debug::symbols::Symbols;
use crate::debug::view::{Space, Unread};
use crate::isa::{self, Extensions, Insn};

/// A function that starts at most this far before an address is disassembled from its start.
const FUNCTION_MAX_BYTES: u64 = 4096;

/// The assembly text of `insn` at address `at`, with the symbol that it goes to.
pub fn assembly(insn: &Insn, at: u64, symbols: &Symbols) -> String {
    let mut text = isa::disassemble(insn, at, |number| CsrAddr(number).name());
    let target = isa::disasm::target(insn, at);
    if let Some((symbol, distance)) = target.and_then(|target| symbols.nearest(target)) {
        text.extend([" <", &symbol.name]);
        if distance != 0 {
            text.push_str(&format!("+{distance:#x}"));
        }
        text.push('>');
    }
    text
}

/// The bits of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::debug) struct Fetched {
    pub(in crate::debug) bits: u32,
    pub(in crate::debug) len_bytes: u64,
}

impl Fetched {
    /// The instruction, if it is one.
    pub(in crate::debug) fn decode(self) -> Option<Insn> {
        isa::decode(self.bits, &Extensions::ALL)
    }
}

/// The instruction at `at` in `space`.
pub(in crate::debug) fn fetch(view: &View<'_>, space: Space, at: u64) -> Result<Fetched, Unread> {
    let half = |at| {
        let mut half = [0; 2];
        view.read(space, at, &mut half).map(|()| u32::from(u16::from_le_bytes(half)))
    };
    let low = half(at)?;
    if low & 3 != 3 {
        return Ok(Fetched { bits: low, len_bytes: 2 });
    }
    Ok(Fetched { bits: half(at.wrapping_add(2))? << 16 | low, len_bytes: 4 })
}

/// The instruction at `at` in `space` as a line, and its length in bytes.
pub(in crate::debug) fn line(
    view: &View<'_>,
    space: Space,
    at: u64,
) -> Result<(String, u64), Unread> {
    let fetched = fetch(view, space, at)?;
    let Fetched { bits, len_bytes } = fetched;
    let digits = 2 * len_bytes as usize;
    let text = match fetched.decode() {
        Some(insn) => assembly(&insn, at, view.symbols),
        None => "(no instruction)".to_owned(),
    };
    let place = format!("{at:#x}{}:", view.label(at));
    Ok((format!("{place:<32}  {:<8}  {text}", format!("{bits:0digits$x}")), len_bytes))
}

/// The instructions of `space` before and after the one at `pc`, which is marked, with their
/// addresses.
pub(in crate::debug) fn around(
    view: &View<'_>,
    space: Space,
    pc: u64,
    each_side: usize,
) -> Vec<(u64, String)> {
    let mut places = before(view, space, pc, each_side);
    let mut at = pc;
    for _ in 0..=each_side {
        places.push(at);
        let Ok(fetched) = fetch(view, space, at) else { break };
        at = at.wrapping_add(fetched.len_bytes);
    }
    let mark = |at| if at == pc { "=>" } else { "  " };
    let text = |at| match line(view, space, at) {
        Ok((text, _)) => format!("{} {text}", mark(at)),
        Err(unread) => format!("{} {at:#x}: {unread}", mark(at)),
    };
    places.into_iter().map(|at| (at, text(at))).collect()
}

/// Where the last `count` instructions before `pc` start: counted from the start of the function
/// where it is known, else from the farthest place from which instructions lead exactly to `pc`.
fn before(view: &View<'_>, space: Space, pc: u64, count: usize) -> Vec<u64> {
    let function = view.symbols.nearest(pc).filter(|(_, offset)| *offset <= FUNCTION_MAX_BYTES);
    let function = function.and_then(|(_, offset)| chain(view, space, pc, offset));
    let guess =
        || (0..=2 * count as u64).rev().find_map(|halves| chain(view, space, pc, 2 * halves));
    let mut places = function.or_else(guess).unwrap_or_default();
    places.drain(..places.len().saturating_sub(count));
    places
}

/// The instructions from `distance` bytes before `pc` on, if they lead exactly there.
fn chain(view: &View<'_>, space: Space, pc: u64, distance: u64) -> Option<Vec<u64>> {
    let mut places = Vec::new();
    let mut left = distance;
    while left > 0 {
        let at = pc.wrapping_sub(left);
        let fetched = fetch(view, space, at).ok()?;
        fetched.decode()?;
        places.push(at);
        left = left.checked_sub(fetched.len_bytes)?;
    }
    Some(places)
}
