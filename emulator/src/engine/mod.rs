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
mod dispatch;
mod interp;
mod stops;

use std::io;

use crate::addr::{Access, PAGE_OFFSET_MASK, PAGE_SIZE_BYTES, VirtAddr, Width};
use crate::bus::{Bus, RamOffset};
use crate::csr::Recording;
use crate::hart::Hart;
use crate::hart::observe::{FenceOrigin, NoObserver, Observer};
use crate::isa::{self, Extensions, Flow, Insn, Op};
use crate::system::Next;
use crate::trap::{Exception, Trap};
use block::{BlockCache, BlockId, BlockKey};
pub use debuggable::Debuggable;
use dispatch::{Code, Turn};
use interp::{report_fences, report_walks};
use stops::{Cut, Listening};
pub use stops::{Place, Stops, WatchKind, Watchpoint};

/// Instructions of a block that is a loop: it stands there as often as fits.
const LOOP_MAX_INSNS: usize = 64;

/// A turn ends after so many exceptions, however large its budget is.
const TRAPS_MAX: u64 = 1 << 20;

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

/// What is at a pc where no cached block is.
enum Elsewhere {
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

/// The interpreter of decoded basic blocks, reporting to `observer`.
#[derive(Debug)]
pub struct Interpreter<O> {
    extensions: Extensions,
    blocks: Blocks<O>,
    /// Blocks of one instruction each, for harts that step; while one does, the others.
    single_blocks: Option<Box<Blocks<O>>>,
    turn: Turn<Listening<O>>,
}

type Blocks<O> = BlockCache<Code<Listening<O>>>;

impl Interpreter<NoObserver> {
    /// An interpreter that nobody watches.
    pub fn new(extensions: Extensions) -> Self {
        Self::with_observer(extensions, NoObserver)
    }
}

impl<O: Observer> Interpreter<O> {
    /// An interpreter that tells `observer` of every architectural change.
    pub fn with_observer(extensions: Extensions, observer: O) -> Self {
        let turn = Turn::new(Listening::new(observer));
        Self { extensions, blocks: BlockCache::new(), single_blocks: None, turn }
    }

    /// The way from `hart.pc` through translation to a block.
    #[inline(always)]
    fn find(&mut self, hart: &mut Hart, bus: &mut Bus) -> Result<BlockId, Elsewhere> {
        if O::ACTIVE {
            self.turn.observer.lookup(Access::Fetch, hart.pc, FETCH_BYTES);
        }
        if let Some(at) = hart.mmu.lookup(hart.pc, Access::Fetch)
            && let Some(id) = self.blocks.find(BlockKey::new(at, hart.privilege))
        {
            return Ok(id);
        }
        self.find_slow(hart, bus)
    }

    /// [`find`](Self::find) where the TLB has no entry or the block is new, or kept out of the
    /// cache, so that whoever comes there comes here.
    #[inline(never)]
    fn find_slow(&mut self, hart: &mut Hart, bus: &mut Bus) -> Result<BlockId, Elsewhere> {
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
        bus.ram.track(at, len_bytes);
        hart.mmu.forbid_stores(at);
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

    /// Takes the pending interrupt of highest priority, if one may be taken now.
    fn take_interrupt(&mut self, hart: &mut Hart) {
        if self.turn.observer.steps(hart) {
            return;
        }
        if let Some(interrupt) = hart.pending_interrupt() {
            if O::ACTIVE {
                self.turn.observer.interrupt(interrupt, hart.privilege, hart.pc);
            }
            hart.take_trap(Trap::Interrupt(interrupt), hart.pc);
        }
    }

    /// Runs from `hart.pc` until something other than the next block has to be looked at: the
    /// deadline, an interrupt, a device, firmware.
    fn run_blocks(&mut self, hart: &mut Hart, bus: &mut Bus, deadline_insns: u64) -> Next {
        let mut id = match self.find(hart, bus) {
            Ok(id) => id,
            Err(elsewhere) => return self.run_elsewhere(elsewhere, hart, bus),
        };
        loop {
            let (code, len_bytes) = self.blocks.code(id);
            let from = hart.pc;
            let mut links = false;
            match self.turn.run(hart, bus, code, len_bytes).rest() {
                Ok(behind) => {
                    hart.insns += (code.len() - behind) as u64;
                    hart.pc = self.turn.next_pc;
                    if self.turn.next == Next::CONTINUE {
                        // No fence has come between: what is on the same virtual page is on the
                        // same physical page.
                        links = from.page_base() == hart.pc.page_base();
                        if !links {
                            note_jump(&code[code.len() - 1 - behind].insn, from, hart);
                        }
                    }
                }
                Err(behind) => self.turn.take_exception(hart, code, behind),
            }
            if (!links || O::ACTIVE) && !self.may_go_on(hart) || hart.insns >= deadline_insns {
                return self.turn.take_next();
            }
            let offset = hart.pc.page_offset();
            if links && let Some(next) = self.blocks.linked(id, offset) {
                id = next;
                continue;
            }
            match self.find(hart, bus) {
                Ok(next) => {
                    if links {
                        self.blocks.link(id, offset, next);
                    }
                    id = next;
                }
                Err(elsewhere) => return self.run_elsewhere(elsewhere, hart, bus),
            }
        }
    }

    /// Whether another block may be run, found by translation, before anything else is looked at.
    #[inline]
    fn may_go_on(&mut self, hart: &Hart) -> bool {
        // Finding a block anew is all that the first two ask for: code is never stale here.
        const EASY: Next = Next::RETRANSLATE.or(Next::FLUSH_CODE).or(Next::CHECK_INTERRUPTS);
        let next = self.turn.next;
        let is_quiet = !next.has(Next::CHECK_INTERRUPTS) || hart.csr.pending() == 0;
        if !is_quiet || !next.is_within(EASY) {
            return false;
        }
        self.turn.next = Next::CONTINUE;
        let stops = O::ACTIVE && self.turn.observer.has_hit();
        !stops && self.turn.traps_left > 0 && !hart.is_in_host_firmware()
    }

    /// Does what is due at `hart.pc`, where no cached block is.
    #[cold]
    #[inline(never)]
    fn run_elsewhere(&mut self, elsewhere: Elsewhere, hart: &mut Hart, bus: &mut Bus) -> Next {
        let insn = match elsewhere {
            Elsewhere::Uncached(insn) => insn,
            Elsewhere::Breakpoint => return Next::CONTINUE,
            Elsewhere::Fault(exception) => {
                self.turn.trap(hart, exception, hart.pc);
                return Next::CONTINUE;
            }
        };
        let (code, from) = ([Code::new(insn)], hart.pc);
        match self.turn.run(hart, bus, &code, insn.len_bytes()).rest() {
            Ok(_) => {
                hart.insns += 1;
                hart.pc = self.turn.next_pc;
                if from.page_base() != hart.pc.page_base() {
                    note_jump(&insn, from, hart);
                }
            }
            Err(behind) => self.turn.take_exception(hart, &code, behind),
        }
        self.turn.take_next()
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

/// Notes on the hart's trail where `last`, the last instruction of a block at `from`, has led, if it
/// was a jump.
#[inline(always)]
fn note_jump(last: &Insn, from: VirtAddr, hart: &mut Hart) {
    if last.op.flow() != Flow::Next {
        hart.trail.jump(from.wrapping_add(2 * u64::from(last.at)), hart.pc);
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
        let steps = self.turn.observer.steps(hart);
        if steps {
            self.swap_blocks();
        }
        let exit = self.run_turn(hart, bus, if steps { 1 } else { budget_insns });
        if steps {
            self.swap_blocks();
        }
        if O::ACTIVE {
            self.turn.observer.pause();
        }
        match exit {
            Exit::Budget | Exit::Attention if steps => Exit::Step,
            exit => exit,
        }
    }

    fn set_stops(&mut self, stops: Stops) {
        assert!(O::ACTIVE || stops.watchpoints.is_empty(), "nobody hears of accesses to memory");
        if self.turn.observer.set(stops) == Cut::Otherwise {
            self.reset();
        }
    }

    fn reset(&mut self) {
        self.blocks = BlockCache::new();
        self.single_blocks = None;
    }

    fn finish(&mut self) -> io::Result<()> {
        self.turn.observer.finish()
    }
}

impl<O: Observer> Interpreter<O> {
    /// Changes between the blocks of harts that run and those of harts that step.
    #[cold]
    fn swap_blocks(&mut self) {
        let other = self.single_blocks.get_or_insert_with(|| Box::new(BlockCache::new()));
        std::mem::swap(&mut self.blocks, other);
        self.turn.observer.change_pace();
        self.blocks.limit();
    }

    /// Makes `hart` tell what it does, and passes on what was done to it since its last turn.
    fn begin_turn(&mut self, hart: &mut Hart) {
        hart.csr.record(Recording::On);
        hart.mmu.watch();
        self.turn.observer.turn(hart.id());
        report_fences(hart, &mut self.turn.observer, FenceOrigin::Remote);
        report_walks(hart, &mut self.turn.observer, hart.privilege, hart.pc);
    }

    /// As [`Engine::run`].
    #[inline(always)]
    fn run_turn(&mut self, hart: &mut Hart, bus: &mut Bus, budget_insns: u64) -> Exit {
        let deadline_insns = hart.insns.saturating_add(budget_insns);
        self.turn.ialign_mask = hart.ialign_mask();
        self.take_interrupt(hart);
        self.turn.traps_left = budget_insns.min(TRAPS_MAX) as i64;
        while hart.insns < deadline_insns && self.turn.traps_left > 0 {
            if hart.is_in_host_firmware() {
                return Exit::Firmware;
            }
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
            if let Some(exit) = self.turn.observer.take_hit() {
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
