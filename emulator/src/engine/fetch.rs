//! From a pc to code: [`Interpreter::find_slow`] translates, decodes and keeps blocks. Neighbour:
//! `mod.rs` runs them, and comes here where it knows no block.

use super::block::{self, BlockId, BlockKey};
use super::dispatch::Code;
use super::interp::report_walks;
use super::{FETCH_BYTES, Interpreter};
use crate::addr::{Access, PAGE_OFFSET_MASK, PAGE_SIZE_BYTES, VirtAddr, Width};
use crate::bus::{Bus, RamOffset};
use crate::hart::Hart;
use crate::hart::observe::Observer;
use crate::isa::{self, Flow, Insn, Op};
use crate::trap::Exception;

/// Instructions of a block that is a loop: it stands there as often as fits.
const LOOP_MAX_INSNS: usize = 64;

/// What is at a pc where no cached block is.
pub(super) enum Elsewhere {
    /// An instruction that no cached block may hold.
    Uncached(Insn),
    /// Nothing that can be fetched.
    Fault(Exception),
    /// A breakpoint.
    Breakpoint,
}

impl From<Exception> for Elsewhere {
    fn from(exception: Exception) -> Self {
        Self::Fault(exception)
    }
}

impl<O: Observer> Interpreter<O> {
    /// [`find`](Self::find) where the TLB has no entry or the block is new, or kept out of the
    /// cache, so that whoever comes there comes here.
    #[inline(never)]
    pub(super) fn find_slow(
        &mut self,
        hart: &mut Hart,
        bus: &mut Bus,
    ) -> Result<BlockId, Elsewhere> {
        // Before the fetch, which may fail there.
        if self.turn.observer.meets_breakpoint(hart) {
            return Err(Elsewhere::Breakpoint);
        }
        let pc = hart.pc;
        let found = fetch_lookup(hart, bus, pc);
        if O::ACTIVE {
            report_walks(hart, &mut self.turn.observer, hart.privilege, pc);
        }
        let Some(at) = found?.filter(|_| !self.turn.observer.is_cut(pc.page_offset())) else {
            return Err(self.fetch_uncached(hart, bus));
        };
        let key = BlockKey::new(at, hart.privilege);
        if let Some(id) = self.blocks.find(key) {
            return Ok(id);
        }
        let insns = self.decode(bus, at);
        let Some(last) = insns.last() else {
            return Err(self.fetch_uncached(hart, bus));
        };
        let len_bytes = 2 * u64::from(last.at) + last.len_bytes();
        if bus.ram.track(at, len_bytes) {
            hart.mmu.forbid_stores(at);
        }
        if O::ACTIVE {
            self.turn.observer.decoded(hart.privilege, pc, bus.ram.slice(at, len_bytes));
        }
        let code = chain(&insns, self.turn.observer.ends_before(pc.page_offset()));
        Ok(self.blocks.insert(key, code, len_bytes))
    }

    /// Decodes from `at` to the end of the block or the page, or to a breakpoint. Empty where the
    /// first instruction is illegal or straddles the page. A branch forward does not end a block:
    /// most are not taken, and those that are leave it.
    fn decode(&self, bus: &Bus, at: RamOffset) -> Vec<Insn> {
        let page_left = PAGE_SIZE_BYTES - (at.0 & PAGE_OFFSET_MASK);
        let bytes = bus.ram.slice(at, page_left);
        let mut insns = Vec::new();
        let mut offset = 0;
        while insns.len() < block::BLOCK_MAX_INSNS {
            let Some(low) = bytes.get(offset..offset + 2) else { break };
            let page_offset = (at.0 & PAGE_OFFSET_MASK) + offset as u64;
            if offset > 0 && self.turn.observer.ends_before(page_offset) {
                break;
            }
            let low = u16::from_le_bytes([low[0], low[1]]);
            let high = bytes.get(offset + 2..offset + 4).map(|h| u16::from_le_bytes([h[0], h[1]]));
            let bits = match (is_compressed(low), high) {
                (true, _) => low.into(),
                (false, Some(high)) => u32::from(high) << 16 | u32::from(low),
                (false, None) => break,
            };
            let Some(mut insn) = isa::decode(bits, &self.extensions) else { break };
            insn.at = (offset / 2) as u8;
            offset += insn.len_bytes() as usize;
            insns.push(insn);
            let goes_on = match insn.op.flow() {
                Flow::Next | Flow::Check => true,
                Flow::Branch => insn.imm > 0,
                Flow::Jump | Flow::Ends => false,
            };
            if !goes_on {
                break;
            }
        }
        insns
    }

    /// The one instruction at `hart.pc`, each halfword translated that needs it.
    fn fetch_uncached(&mut self, hart: &mut Hart, bus: &mut Bus) -> Elsewhere {
        if self.turn.observer.meets_breakpoint(hart) {
            return Elsewhere::Breakpoint;
        }
        match self.fetch_insn(hart, bus) {
            Ok(insn) => Elsewhere::Uncached(insn),
            Err(exception) => Elsewhere::Fault(exception),
        }
    }

    fn fetch_insn(&mut self, hart: &mut Hart, bus: &mut Bus) -> Result<Insn, Exception> {
        let low = self.fetch_half(hart, bus, hart.pc)?;
        let bits = if is_compressed(low) {
            low.into()
        } else {
            let high = self.fetch_half(hart, bus, hart.pc.wrapping_add(2))?;
            u32::from(high) << 16 | u32::from(low)
        };
        if O::ACTIVE {
            let len = if is_compressed(low) { 2 } else { 4 };
            self.turn.observer.decoded(hart.privilege, hart.pc, &bits.to_le_bytes()[..len]);
        }
        isa::decode(bits, &self.extensions).ok_or(Exception::IllegalInstruction(bits))
    }

    fn fetch_half(
        &mut self,
        hart: &mut Hart,
        bus: &mut Bus,
        at: VirtAddr,
    ) -> Result<u16, Exception> {
        let found = hart.mmu.translate(bus, at, Access::Fetch, FETCH_BYTES);
        if O::ACTIVE {
            self.turn.observer.lookup(Access::Fetch, at, FETCH_BYTES);
            report_walks(hart, &mut self.turn.observer, hart.privilege, hart.pc);
        }
        // Code is fetched from RAM only: reading a device has side effects.
        let offset = bus.ram.offset_of(found?, FETCH_BYTES);
        let offset = offset.ok_or(Exception::AccessFault(Access::Fetch, at))?;
        Ok(bus.ram.load(offset, Width::Half) as u16)
    }
}

/// A block of `insns`. A loop of its own stands there several times, unless it `is_cut`.
fn chain<O: Observer>(insns: &[Insn], is_cut: bool) -> Vec<Code<O>> {
    let (last, body) = insns.split_last().expect("blocks are not empty");
    let once = || body.iter().copied().map(Code::new);
    let mut chain = Vec::with_capacity(insns.len());
    if !is_cut && leads_back(last) {
        while chain.len() + 2 * insns.len() <= LOOP_MAX_INSNS {
            chain.extend(once());
            chain.push(Code::repeating(*last));
        }
    }
    chain.extend(once());
    chain.push(Code::new(*last));
    chain
}

/// Whether `last`, at the end of a block, leads to its start, if anywhere but to what follows.
fn leads_back(last: &Insn) -> bool {
    let is_jump = last.op == Op::Jal && last.rd == 0;
    (is_jump || last.op.flow() == Flow::Branch) && last.imm == -2 * i32::from(last.at)
}

/// Whether an instruction with this first halfword is 16 bits long.
const fn is_compressed(low: u16) -> bool {
    low & 3 != 3
}

/// Translates `pc` for fetch. `None` where the page is not uniformly executable RAM.
fn fetch_lookup(
    hart: &mut Hart,
    bus: &mut Bus,
    pc: VirtAddr,
) -> Result<Option<RamOffset>, Exception> {
    if let Some(at) = hart.mmu.lookup(pc, Access::Fetch) {
        return Ok(Some(at));
    }
    hart.mmu.translate(bus, pc, Access::Fetch, FETCH_BYTES)?;
    Ok(hart.mmu.lookup(pc, Access::Fetch))
}
