//! Execution engines. [`Engine`] is what the machine drives; the first one is the interpreter of
//! decoded blocks: `fetch.rs` makes them, `block.rs` keeps them, `dispatch.rs` goes through the
//! instructions of one, `interp.rs` gives their meanings an effect on a hart, and this file runs one
//! block after the other.
//!
//! Invariants:
//! - A block is entered at its start, and left at its end, by a branch or by an exception; a loop of
//!   one block may stand in it several times.
//! - Blocks are keyed by physical address, so neither `satp` writes nor fences touch them; only
//!   writes to code do, through the tracker of `bus/ram.rs`.
//! - A block lies within one page of RAM. Whatever does not (an instruction that straddles two
//!   pages, code under a PMP region smaller than a page) is fetched anew each time.
//! - Interrupts are looked at when a budget begins and after instructions that may unmask one.

mod block;
mod calls;
mod debuggable;
mod dispatch;
mod fetch;
mod interp;
mod stops;

use std::io;

use crate::addr::{Access, VirtAddr, Width};
use crate::bus::Bus;
use crate::csr::Recording;
use crate::hart::Hart;
use crate::hart::observe::{FenceOrigin, NoObserver, Observer};
use crate::isa::{Extensions, Flow, Insn};
use crate::system::Next;
use crate::trap::Trap;
use block::{BlockCache, BlockId, BlockKey, Overwritten};
pub use debuggable::Debuggable;
use dispatch::{Code, Turn};
use fetch::Elsewhere;
use interp::{report_fences, report_walks};
use stops::{Cut, Listening};
pub use stops::{Place, Stops, WatchKind, Watchpoint};

/// Code is fetched in pieces of this size.
const FETCH_BYTES: u64 = Width::Half.bytes();

/// A turn ends after so many exceptions, however large its budget is.
const TRAPS_MAX: u64 = 1 << 20;

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
    /// Runs `hart` for `budget_insns` instructions. Takes traps as they come. Whatever the guest
    /// does, this returns: after the budget, or earlier for the reasons of [`Exit`].
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

    /// Drops the blocks whose code was overwritten. Whether somebody else waits for what was stored.
    #[cold]
    #[inline(never)]
    fn drop_overwritten(&mut self, bus: &mut Bus) -> bool {
        for hit in bus.ram.take_hits() {
            let at = bus.ram.offset_of(hit, 1).expect("the tracker reports RAM");
            if let Some(blocks) = &mut self.single_blocks {
                blocks.drop_page(at);
            }
            if self.blocks.overwritten(at) == Overwritten::Wholly {
                bus.ram.untrack_page(at);
            }
        }
        bus.ram.take_alarm()
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
            let (mut code, mut len_bytes) = self.blocks.code(id);
            let room_insns = deadline_insns - hart.insns;
            if code.len() as u64 > room_insns {
                if room_insns == 0 {
                    return self.turn.take_next();
                }
                (code, len_bytes) = start_of(code, room_insns);
            }
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
            if (!links || O::ACTIVE) && !self.may_go_on(hart) {
                return self.turn.take_next();
            }
            let offset = hart.pc.page_offset();
            if links && let Some(next) = self.blocks.linked(id, offset) {
                id = next;
                continue;
            }
            if hart.insns >= deadline_insns {
                return self.turn.take_next();
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

/// The first `count` instructions of a block that has more, and their length in bytes.
#[cold]
fn start_of<O>(code: &[Code<O>], count: u64) -> (&[Code<O>], u64) {
    let (start, behind) = code.split_at(count as usize);
    (start, 2 * u64::from(behind[0].insn.at))
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
        hart.mmu.attach(&bus.ram);
        if O::ACTIVE {
            self.begin_turn(hart);
        }
        // Who wrote to RAM since the last run, a device or a debugger, may have written code.
        if bus.ram.has_hits() && self.drop_overwritten(bus) {
            bus.attention = true;
        }
        if bus.attention {
            // Also what another hart has done to a device just before.
            self.turn.next = Next::LOOK_AROUND;
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
            let is_alarmed = bus.ram.has_hits() && self.drop_overwritten(bus);
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
            if is_alarmed || bus.attention {
                return Exit::Attention;
            }
        }
        Exit::Budget
    }
}

#[cfg(test)]
mod tests;
