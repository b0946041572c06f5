//! Execution engines. [`Engine`] is what the machine drives; the first one is the interpreter of
//! decoded basic blocks: `block.rs` keeps the blocks, `interp.rs` gives the instruction meanings
//! their effect on a hart, and this file runs one after the other.
//!
//! Invariants:
//! - Blocks are keyed by physical address, so neither `satp` writes nor fences touch them; only
//!   writes to code do, through the tracker of `bus/ram.rs`.
//! - A block lies within one page of RAM. Whatever does not (an instruction that straddles two
//!   pages, code under a PMP region smaller than a page) is fetched anew each time.
//! - Interrupts are looked at when a budget begins and after instructions that may unmask one.

mod block;
mod debuggable;
mod interp;
mod stops;

use std::io;

use crate::addr::{Access, PAGE_OFFSET_MASK, PAGE_SIZE_BYTES, VirtAddr, Width};
use crate::bus::{Bus, RamOffset};
use crate::csr::Recording;
use crate::hart::Hart;
use crate::hart::observe::{FenceOrigin, NoObserver, Observer};
use crate::isa::{self, Extensions, Insn};
use crate::system::Next;
use crate::trap::{Exception, Trap};
use block::{BlockCache, BlockId, BlockKey};
pub use debuggable::Debuggable;
use interp::{Interp, report_fences, report_walks};
use stops::{Blocks, Listening};
pub use stops::{Place, Stops, WatchKind, Watchpoint};

/// Code is fetched in pieces of this size.
const FETCH_BYTES: u64 = Width::Half.bytes();

/// Why an engine has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The budget is used up.
    Budget,
    /// The hart waits for an interrupt.
    Wait,
    /// A device was accessed or tracked memory written: the machine should have a look.
    Attention,
    /// The hart has trapped into firmware that is not the guest's: serve it.
    Firmware,
    /// The hart stands before an instruction that [`Stops::breakpoints`] names.
    Breakpoint,
    /// The last instruction has used memory that [`Stops::watchpoints`] names.
    Watchpoint {
        /// The first watched byte that it has used.
        at: VirtAddr,
        /// What the watchpoint is for.
        kind: WatchKind,
    },
    /// The hart, one of [`Stops::stepping`], has executed an instruction or taken a trap.
    Step,
}

/// Runs guest instructions on a hart.
pub trait Engine: Send {
    /// Runs `hart` for `budget_insns` instructions; a block that has begun is finished. Takes
    /// traps as they come. Whatever the guest does, this returns: after the budget, or earlier
    /// for the reasons of [`Exit`].
    fn run(&mut self, hart: &mut Hart, bus: &mut Bus, budget_insns: u64) -> Exit;

    /// Replaces what harts stop at. Only an engine with an active observer can watch memory.
    fn set_stops(&mut self, stops: Stops);

    /// Forgets everything derived from guest memory, which is about to be replaced.
    fn reset(&mut self);

    /// The run is over: observers hand on what they hold back.
    ///
    /// # Errors
    /// The first failure of an observer to hand anything on.
    fn finish(&mut self) -> io::Result<()>;
}

/// Where execution goes on.
enum Step {
    /// At a cached block.
    Block(BlockId),
    /// At an instruction that no cached block may hold.
    Uncached(Insn),
}

/// The interpreter of decoded basic blocks, reporting to `observer`.
#[derive(Debug)]
pub struct Interpreter<O> {
    extensions: Extensions,
    blocks: BlockCache,
    /// Blocks of one instruction each, for harts that step; while one does, the others.
    single_blocks: Option<Box<BlockCache>>,
    observer: Listening<O>,
    /// Where an instruction puts what it raises, until the trap is taken.
    exception: Option<Exception>,
}

impl Interpreter<NoObserver> {
    /// An interpreter that nobody watches.
    pub fn new(extensions: Extensions) -> Self {
        Self::with_observer(extensions, NoObserver)
    }
}

impl<O: Observer> Interpreter<O> {
    /// An interpreter that tells `observer` of every architectural change.
    pub fn with_observer(extensions: Extensions, observer: O) -> Self {
        let observer = Listening::new(observer);
        let (blocks, single_blocks, exception) = (BlockCache::new(), None, None);
        Self { extensions, blocks, single_blocks, observer, exception }
    }

    /// The way from `hart.pc` through translation to a block. `None` where it ends in an
    /// exception, which is then in its slot, or at a breakpoint.
    #[inline(always)]
    fn find(&mut self, hart: &mut Hart, bus: &mut Bus) -> Option<Step> {
        if O::ACTIVE {
            self.observer.lookup(Access::Fetch, hart.pc, FETCH_BYTES);
        }
        if let Some(at) = hart.mmu.lookup(hart.pc, Access::Fetch)
            && let Some(id) = self.blocks.find(BlockKey::new(at, hart.privilege))
        {
            return Some(Step::Block(id));
        }
        self.find_slow(hart, bus).map_err(|exception| self.exception = exception).ok()
    }

    /// [`find`](Self::find) where the TLB has no entry or the block is new, or kept out of the
    /// cache, so that whoever comes there comes here.
    #[inline(never)]
    fn find_slow(&mut self, hart: &mut Hart, bus: &mut Bus) -> Result<Step, Option<Exception>> {
        // Before the fetch, which may fail there.
        if self.observer.meets_breakpoint(hart) {
            return Err(None);
        }
        let pc = hart.pc;
        let found = fetch_lookup(hart, bus, pc);
        if O::ACTIVE {
            report_walks(hart, &mut self.observer, hart.privilege, pc);
        }
        let found = found.map_err(Some)?;
        let Some(at) = found.filter(|_| !self.observer.is_cut(pc.page_offset())) else {
            return self.fetch_uncached(hart, bus);
        };
        let key = BlockKey::new(at, hart.privilege);
        if let Some(id) = self.blocks.find(key) {
            return Ok(Step::Block(id));
        }
        let insns = self.decode(bus, at);
        let Some(last) = insns.last() else {
            return self.fetch_uncached(hart, bus);
        };
        let len_bytes = 2 * u64::from(last.at) + last.len_bytes();
        bus.ram.track(at, len_bytes);
        hart.mmu.forbid_stores(at);
        if O::ACTIVE {
            self.observer.decoded(hart.privilege, pc, bus.ram.slice(at, len_bytes));
        }
        Ok(Step::Block(self.blocks.insert(key, insns, len_bytes)))
    }

    /// Decodes from `at` to the end of the block or the page, or to a breakpoint. Empty where the
    /// first instruction is illegal or straddles the page.
    fn decode(&self, bus: &Bus, at: RamOffset) -> Vec<Insn> {
        let page_left = PAGE_SIZE_BYTES - (at.0 & PAGE_OFFSET_MASK);
        let bytes = bus.ram.slice(at, page_left);
        let mut insns = Vec::new();
        let mut offset = 0;
        while insns.len() < block::BLOCK_MAX_INSNS {
            let Some(low) = bytes.get(offset..offset + 2) else { break };
            let page_offset = (at.0 & PAGE_OFFSET_MASK) + offset as u64;
            if offset > 0 && self.observer.ends_before(page_offset) {
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
            if insn.op.flow() != isa::Flow::Next {
                break;
            }
        }
        insns
    }

    /// The one instruction at `hart.pc`, each halfword translated that needs it. Nothing is to be
    /// executed, and nothing was raised, where that is a breakpoint.
    fn fetch_uncached(
        &mut self,
        hart: &mut Hart,
        bus: &mut Bus,
    ) -> Result<Step, Option<Exception>> {
        if self.observer.meets_breakpoint(hart) {
            return Err(None);
        }
        let low = self.fetch_half(hart, bus, hart.pc)?;
        let bits = if is_compressed(low) {
            low.into()
        } else {
            let high = self.fetch_half(hart, bus, hart.pc.wrapping_add(2))?;
            u32::from(high) << 16 | u32::from(low)
        };
        if O::ACTIVE {
            let len = if is_compressed(low) { 2 } else { 4 };
            self.observer.decoded(hart.privilege, hart.pc, &bits.to_le_bytes()[..len]);
        }
        let insn = isa::decode(bits, &self.extensions);
        Ok(Step::Uncached(insn.ok_or(Exception::IllegalInstruction(bits))?))
    }

    fn fetch_half(
        &mut self,
        hart: &mut Hart,
        bus: &mut Bus,
        at: VirtAddr,
    ) -> Result<u16, Exception> {
        let found = hart.mmu.translate(bus, at, Access::Fetch, FETCH_BYTES);
        if O::ACTIVE {
            self.observer.lookup(Access::Fetch, at, FETCH_BYTES);
            report_walks(hart, &mut self.observer, hart.privilege, hart.pc);
        }
        // Code is fetched from RAM only: reading a device has side effects.
        let offset = bus.ram.offset_of(found?, FETCH_BYTES);
        let offset = offset.ok_or(Exception::AccessFault(Access::Fetch, at))?;
        Ok(bus.ram.load(offset, Width::Half) as u16)
    }

    /// Drops the blocks of pages whose code was overwritten. Whether anything was overwritten.
    fn drop_overwritten(&mut self, bus: &mut Bus) -> bool {
        let hits = bus.ram.take_hits();
        for &hit in &hits {
            let at = bus.ram.offset_of(hit, 1).expect("the tracker reports RAM");
            self.blocks.drop_page(at);
            self.single_blocks.iter_mut().for_each(|blocks| blocks.drop_page(at));
            bus.ram.untrack_page(at);
        }
        !hits.is_empty()
    }

    fn take_exception(&mut self, hart: &mut Hart, exception: Exception, epc: VirtAddr) {
        if O::ACTIVE {
            self.observer.exception(&exception, hart.privilege, epc);
        }
        hart.take_trap(Trap::Exception(exception), epc);
    }

    /// Takes the exception in the slot, which the fetch at `hart.pc` has raised; none has been
    /// where that is a breakpoint.
    #[cold]
    #[inline(never)]
    fn take_fetch_exception(&mut self, hart: &mut Hart) -> Next {
        if let Some(exception) = self.exception.take() {
            let pc = hart.pc;
            self.take_exception(hart, exception, pc);
        }
        Next::CONTINUE
    }

    /// Takes the pending interrupt of highest priority, if one may be taken now.
    fn take_interrupt(&mut self, hart: &mut Hart) {
        if self.observer.steps(hart) {
            return;
        }
        if let Some(interrupt) = hart.pending_interrupt() {
            if O::ACTIVE {
                self.observer.interrupt(interrupt, hart.privilege, hart.pc);
            }
            hart.take_trap(Trap::Interrupt(interrupt), hart.pc);
        }
    }

    /// Runs from `hart.pc` until something other than the next block has to be looked at: the
    /// deadline, a trap, an effect of a system instruction, a device.
    fn run_blocks(&mut self, hart: &mut Hart, bus: &mut Bus, deadline_insns: u64) -> Next {
        let Some(mut step) = self.find(hart, bus) else {
            return self.take_fetch_exception(hart);
        };
        loop {
            let (insns, len_bytes) = match &step {
                Step::Block(id) => self.blocks.code(*id),
                Step::Uncached(insn) => (std::slice::from_ref(insn), insn.len_bytes()),
            };
            let pc = hart.pc;
            let (observer, exception) = (&mut self.observer, &mut self.exception);
            let mut interp = Interp::new(hart, bus, observer, exception, insns.len(), len_bytes);
            let outcome = interp.run(insns);
            let (next_pc, next) = (interp.next_pc, interp.next);
            match outcome {
                Ok(()) => {
                    hart.insns += insns.len() as u64;
                    hart.pc = next_pc;
                }
                Err(at) => {
                    let exception = self.exception.take().expect("raised by the instruction");
                    let epc = pc.wrapping_add(2 * u64::from(at));
                    hart.insns += insns.partition_point(|insn| insn.at < at) as u64;
                    self.take_exception(hart, exception, epc);
                }
            }
            let held = O::ACTIVE && self.observer.has_hit();
            let quiet = outcome.is_ok() && next == Next::CONTINUE && !held;
            if !quiet || hart.insns >= deadline_insns || bus.attention || bus.ram.has_hits() {
                return next;
            }
            step = match self.follow(step, pc, hart, bus) {
                Some(step) => step,
                None => return self.take_fetch_exception(hart),
            };
        }
    }

    /// The step after `step`, which began at `pc`: by its link where the next pc is on the same
    /// virtual page (no fence has come between), else by translation. `None` as of
    /// [`find`](Self::find).
    #[inline(always)]
    fn follow(&mut self, step: Step, pc: VirtAddr, hart: &mut Hart, bus: &mut Bus) -> Option<Step> {
        let from = match step {
            Step::Block(from) if pc.page_base() == hart.pc.page_base() => from,
            _ => {
                self.note_jump(&step, pc, hart);
                return self.find(hart, bus);
            }
        };
        let offset = hart.pc.page_offset();
        if let Some(id) = self.blocks.linked(from, offset) {
            return Some(Step::Block(id));
        }
        let step = self.find(hart, bus)?;
        if let Step::Block(to) = step {
            self.blocks.link(from, offset, to);
        }
        Some(step)
    }
}

impl<O> Interpreter<O> {
    /// Notes on the hart's trail that `step`, which began at `pc`, has left its page by a jump.
    #[inline(always)]
    fn note_jump(&self, step: &Step, pc: VirtAddr, hart: &mut Hart) {
        let last = match step {
            Step::Block(id) => self.blocks.code(*id).0.last().expect("blocks are not empty"),
            Step::Uncached(_) if pc.page_base() == hart.pc.page_base() => return,
            Step::Uncached(insn) => insn,
        };
        if last.op.flow() != isa::Flow::Next {
            hart.trail.jump(pc.wrapping_add(2 * u64::from(last.at)), hart.pc);
        }
    }
}

impl<O: Observer + Send> Engine for Interpreter<O> {
    fn run(&mut self, hart: &mut Hart, bus: &mut Bus, budget_insns: u64) -> Exit {
        self.blocks.limit();
        if O::ACTIVE {
            self.begin_turn(hart);
        }
        // Who wrote to RAM since the last run, a device or a debugger, may have written code.
        if bus.ram.has_hits() && self.drop_overwritten(bus) {
            bus.attention = true;
        }
        let steps = self.observer.steps(hart);
        if steps {
            self.swap_blocks();
        }
        let exit = self.run_turn(hart, bus, if steps { 1 } else { budget_insns });
        if steps {
            self.swap_blocks();
        }
        if O::ACTIVE {
            self.observer.pause();
        }
        match exit {
            Exit::Budget | Exit::Attention if steps => Exit::Step,
            exit => exit,
        }
    }

    fn set_stops(&mut self, stops: Stops) {
        assert!(O::ACTIVE || stops.watchpoints.is_empty(), "nobody hears of accesses to memory");
        if self.observer.set(stops) == Blocks::Unfit {
            self.reset();
        }
    }

    fn reset(&mut self) {
        self.blocks = BlockCache::new();
        self.single_blocks = None;
    }

    fn finish(&mut self) -> io::Result<()> {
        self.observer.finish()
    }
}

impl<O: Observer> Interpreter<O> {
    /// Changes between the blocks of harts that run and those of harts that step.
    #[cold]
    fn swap_blocks(&mut self) {
        let other = self.single_blocks.get_or_insert_with(|| Box::new(BlockCache::new()));
        std::mem::swap(&mut self.blocks, other);
        self.observer.change_pace();
        self.blocks.limit();
    }

    /// Makes `hart` tell what it does, and passes on what was done to it since its last turn.
    fn begin_turn(&mut self, hart: &mut Hart) {
        hart.csr.record(Recording::On);
        hart.mmu.watch();
        self.observer.turn(hart.id());
        report_fences(hart, &mut self.observer, FenceOrigin::Remote);
        report_walks(hart, &mut self.observer, hart.privilege, hart.pc);
    }

    /// As [`Engine::run`].
    #[inline(always)]
    fn run_turn(&mut self, hart: &mut Hart, bus: &mut Bus, budget_insns: u64) -> Exit {
        let deadline_insns = hart.insns.saturating_add(budget_insns);
        self.take_interrupt(hart);
        // A trap retires nothing: bound the loop by traps too, so that a hart which only traps
        // still returns.
        let mut turns = budget_insns;
        while hart.insns < deadline_insns && turns > 0 {
            if hart.is_in_host_firmware() {
                return Exit::Firmware;
            }
            turns -= 1;
            let next = self.run_blocks(hart, bus, deadline_insns);
            let overwritten = bus.ram.has_hits() && self.drop_overwritten(bus);
            // After an access to a device the lines that the hart has sampled may be out of date:
            // the machine samples them anew before the next turn, which begins with interrupts.
            if next.has(Next::CHECK_INTERRUPTS) && !bus.attention {
                self.take_interrupt(hart);
            }
            if next.has(Next::WAIT) && hart.csr.pending() == 0 {
                return Exit::Wait;
            }
            if let Some(exit) = self.observer.take_hit() {
                return exit;
            }
            if overwritten || bus.attention {
                return Exit::Attention;
            }
        }
        Exit::Budget
    }
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

#[cfg(test)]
mod tests;
