//! Dispatch: [`Code`] is a decoded instruction together with the function that executes it and goes
//! on with the next one, so that a block runs as one chain of calls, each with branch prediction of
//! its own. Neighbours: `interp.rs` says what an instruction does, `block.rs` keeps the chains.
//!
//! Every call of the chain is the last thing that its caller does, and all it hands on fits host
//! registers: in optimised builds each becomes a jump. Nothing depends on that. A chain is no
//! longer than [`BLOCK_MAX_INSNS`](super::block::BLOCK_MAX_INSNS), and so is the host's stack.

use super::interp::Interp;
use crate::addr::VirtAddr;
use crate::bus::Bus;
use crate::hart::observe::Observer;
use crate::hart::{Hart, X_SINK};
use crate::isa::{self, Flow, ForEachOp, Insn, Meaning};
use crate::system::Next;
use crate::trap::{Exception, Trap};

/// A decoded instruction, ready to run.
#[derive(Debug)]
pub(super) struct Code<O> {
    run: Run<O>,
    /// Its rd is [`X_SINK`] rather than `x0`.
    pub(super) insn: Insn,
}

/// Executes the instruction `this`, then those of `rest`.
type Run<O> = fn(&mut Hart, &mut Bus, &mut Turn<O>, this: &Code<O>, rest: &[Code<O>]) -> Outcome;

/// How the execution of a block has ended: one number, since a pair would not be handed on from
/// call to call as it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome(usize);

impl Outcome {
    const RAISED: usize = 1 << 16;

    /// Control has left the block, with so many instructions behind the last one that ran.
    #[inline(always)]
    fn left(rest: usize) -> Self {
        Self(rest)
    }

    /// An instruction with so many behind it has put an exception into the slot.
    #[inline(always)]
    fn raised(rest: usize) -> Self {
        Self(rest | Self::RAISED)
    }

    /// How many instructions of the block stand behind the last one that ran; an error where that
    /// one has raised an exception.
    #[inline(always)]
    pub(super) fn rest(self) -> Result<usize, usize> {
        if self.0 & Self::RAISED == 0 { Ok(self.0) } else { Err(self.0 & !Self::RAISED) }
    }
}

impl<O: Observer> Code<O> {
    pub(super) fn new(insn: Insn) -> Self {
        Self { run: isa::for_op::<Steps<O, false>>(insn.op), insn: Self::without_x0(insn) }
    }

    /// The last instruction of a block's body, behind which the body stands once more: where it
    /// branches back to the start of the block, that is what follows.
    pub(super) fn repeating(insn: Insn) -> Self {
        Self { run: isa::for_op::<Steps<O, true>>(insn.op), insn: Self::without_x0(insn) }
    }

    fn without_x0(mut insn: Insn) -> Insn {
        let row = insn.op.row();
        // System instructions see to x0 themselves: some mean something else by it.
        let is_system = matches!(row.flow, Flow::Check | Flow::Ends);
        if insn.rd == 0 && row.format.writes_x() && !is_system {
            insn.rd = X_SINK;
        }
        insn
    }
}

/// Whether what an instruction jumps to stands behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeats {
    Yes,
    No,
}

impl Repeats {
    #[inline(always)]
    const fn from(repeats: bool) -> Self {
        if repeats { Self::Yes } else { Self::No }
    }
}

/// The function of each instruction; where it `REPEATS`, what it jumps to stands behind it.
struct Steps<O, const REPEATS: bool>(std::marker::PhantomData<O>);

impl<O: Observer, const REPEATS: bool> ForEachOp for Steps<O, REPEATS> {
    type Item = Run<O>;

    fn item<M: Meaning>() -> Run<O> {
        // What leads into another mode is never cheap, and who is observed is in no hurry.
        if O::ACTIVE || M::FLOW == Flow::Ends {
            full::<O, M, REPEATS>
        } else {
            quick::<O, M, REPEATS>
        }
    }
}

/// Executes `this`, which means `M`, if that is common and cheap.
fn quick<O: Observer, M: Meaning, const REPEATS: bool>(
    hart: &mut Hart,
    bus: &mut Bus,
    turn: &mut Turn<O>,
    this: &Code<O>,
    rest: &[Code<O>],
) -> Outcome {
    let mut interp = Interp::<O, true>::new(hart, bus, turn, rest, Repeats::from(REPEATS));
    let result = interp.execute::<M>(&this.insn);
    let leaves = interp.leaves;
    if result.is_err() {
        return full::<O, M, REPEATS>(hart, bus, turn, this, rest);
    }
    go_on::<O, M, REPEATS>(hart, bus, turn, (this, leaves), rest)
}

/// Executes `this`, which means `M`.
#[inline(never)]
fn full<O: Observer, M: Meaning, const REPEATS: bool>(
    hart: &mut Hart,
    bus: &mut Bus,
    turn: &mut Turn<O>,
    this: &Code<O>,
    rest: &[Code<O>],
) -> Outcome {
    let mut interp = Interp::<O, false>::new(hart, bus, turn, rest, Repeats::from(REPEATS));
    let result = interp.execute::<M>(&this.insn);
    let leaves = interp.leaves;
    if result.is_err() {
        return Outcome::raised(rest.len());
    }
    go_on::<O, M, REPEATS>(hart, bus, turn, (this, leaves), rest)
}

/// What comes after `this`, which means `M`.
#[inline(always)]
fn go_on<O: Observer, M: Meaning, const REPEATS: bool>(
    hart: &mut Hart,
    bus: &mut Bus,
    turn: &mut Turn<O>,
    (this, leaves): (&Code<O>, bool),
    rest: &[Code<O>],
) -> Outcome {
    let stays = match M::FLOW {
        Flow::Next => true,
        Flow::Check => !leaves,
        Flow::Branch => leaves == REPEATS,
        Flow::Jump => REPEATS,
        Flow::Ends => false,
    };
    if !stays {
        if REPEATS {
            turn.next_pc =
                hart.pc.wrapping_add(2 * u64::from(this.insn.at) + this.insn.len_bytes());
        }
        return Outcome::left(rest.len());
    }
    match rest.split_first() {
        Some((next, rest)) => (next.run)(hart, bus, turn, next, rest),
        None => Outcome::left(0),
    }
}

/// What a hart's turn carries from instruction to instruction, besides the hart and the bus.
#[derive(Debug)]
pub(super) struct Turn<O> {
    pub(super) observer: O,
    /// Where an instruction puts what it raises, until the trap is taken.
    pub(super) exception: Option<Exception>,
    /// Instructions in the block.
    pub(super) block_insns: u64,
    /// Address of the instruction that follows the block, as far as it is known.
    pub(super) next_pc: VirtAddr,
    /// What instructions want done before others follow.
    pub(super) next: Next,
    /// Address bits that must be clear in a jump target.
    pub(super) ialign_mask: u64,
    /// Exceptions before the turn ends. They retire nothing, so that a hart which only traps would
    /// never come to the end of its budget.
    pub(super) traps_left: i64,
}

impl<O: Observer> Turn<O> {
    pub(super) fn new(observer: O) -> Self {
        Self {
            observer,
            exception: None,
            block_insns: 0,
            next_pc: VirtAddr(0),
            next: Next::CONTINUE,
            ialign_mask: 0,
            traps_left: 0,
        }
    }

    /// Executes a block at `hart.pc`, up to where control leaves it or an exception is raised; what
    /// follows on it is `len_bytes` further on. The registers change as the instructions say; pc
    /// and counters are the caller's.
    #[inline(always)]
    pub(super) fn run(
        &mut self,
        hart: &mut Hart,
        bus: &mut Bus,
        block: &[Code<O>],
        len_bytes: u64,
    ) -> Outcome {
        let (first, rest) = block.split_first().expect("blocks are not empty");
        self.block_insns = block.len() as u64;
        self.next_pc = hart.pc.wrapping_add(len_bytes);
        (first.run)(hart, bus, self, first, rest)
    }

    /// Takes the exception in the slot, raised by the instruction of `block`, the one at `hart.pc`,
    /// that has so many behind it.
    #[cold]
    #[inline(never)]
    pub(super) fn take_exception(&mut self, hart: &mut Hart, block: &[Code<O>], behind: usize) {
        let exception = self.exception.take().expect("raised by the instruction");
        let retired = block.len() - 1 - behind;
        let epc = hart.pc.wrapping_add(2 * u64::from(block[retired].insn.at));
        hart.insns += retired as u64;
        self.trap(hart, exception, epc);
    }

    /// Lets `hart` trap into its handler, because of `exception` at `epc`.
    #[inline]
    pub(super) fn trap(&mut self, hart: &mut Hart, exception: Exception, epc: VirtAddr) {
        if O::ACTIVE {
            self.observer.exception(&exception, hart.privilege, epc);
        }
        self.traps_left -= 1;
        hart.take_trap(Trap::Exception(exception), epc);
    }

    /// What is to be done before other instructions follow.
    #[inline(always)]
    pub(super) fn take_next(&mut self) -> Next {
        std::mem::replace(&mut self.next, Next::CONTINUE)
    }
}
