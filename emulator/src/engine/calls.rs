//! What instructions do by calls: memory accesses that miss the TLB, atomics, system instructions.
//! Neighbour: `interp.rs` calls them, and has the common cases inline.
//!
//! They take what they need as arguments, never the [`Interp`](super::interp::Interp): as long as
//! nobody else can see that, it is no memory, only host registers.

use super::dispatch::Turn;
use super::interp::Raised;
use crate::addr::{VirtAddr, Width};
use crate::bus::Bus;
use crate::hart::Hart;
use crate::isa::Insn;
use crate::isa::emit::{Amo, SystemOp};
use crate::system::{self, Next};
use crate::trap::Exception;

impl<O> Turn<O> {
    /// Puts what `result` has raised into the slot for it, and sees to it that the engine looks
    /// around where a device was accessed or code overwritten.
    #[inline]
    fn conclude<T>(&mut self, bus: &Bus, result: Result<T, Exception>) -> Result<T, Raised> {
        if bus.attention || bus.ram.has_hits() {
            self.next = self.next | Next::LOOK_AROUND;
        }
        result.map_err(|exception| self.raise(exception))
    }

    #[cold]
    #[inline(never)]
    pub(super) fn raise(&mut self, exception: Exception) -> Raised {
        self.exception = Some(exception);
        Raised
    }
}

#[cold]
#[inline(never)]
pub(super) fn load_slow<O>(
    hart: &mut Hart,
    bus: &mut Bus,
    turn: &mut Turn<O>,
    va: VirtAddr,
    width: Width,
) -> Result<u64, Raised> {
    bus.advance_clock(hart.insns);
    let result = hart.mmu.load_missed(bus, va, width);
    turn.conclude(bus, result)
}

#[cold]
#[inline(never)]
pub(super) fn store_slow<O>(
    hart: &mut Hart,
    bus: &mut Bus,
    turn: &mut Turn<O>,
    va: VirtAddr,
    (width, value): (Width, u64),
) -> Result<(), Raised> {
    bus.advance_clock(hart.insns);
    let result = hart.mmu.store_missed(bus, va, width, value);
    turn.conclude(bus, result)
}

#[inline(never)]
pub(super) fn load_reserved<O>(
    hart: &mut Hart,
    bus: &mut Bus,
    turn: &mut Turn<O>,
    va: VirtAddr,
    width: Width,
) -> Result<u64, Raised> {
    let result = hart.mmu.load_reserved(bus, va, width);
    let (value, reservation) = turn.conclude(bus, result)?;
    hart.reservation = Some(reservation);
    Ok(value)
}

/// Whether it stored.
#[inline(never)]
pub(super) fn store_conditional<O>(
    hart: &mut Hart,
    bus: &mut Bus,
    turn: &mut Turn<O>,
    va: VirtAddr,
    (width, value): (Width, u64),
) -> Result<bool, Raised> {
    let result = hart.mmu.store_conditional(bus, va, width, value, hart.reservation);
    let stored = turn.conclude(bus, result)?;
    // Whatever became of it, a store-conditional ends the reservation.
    hart.reservation = None;
    Ok(stored)
}

/// The old value and the new one.
#[inline(never)]
pub(super) fn amo<O>(
    hart: &mut Hart,
    bus: &mut Bus,
    turn: &mut Turn<O>,
    (op, va): (Amo, VirtAddr),
    (width, operand): (Width, u64),
) -> Result<(u64, u64), Raised> {
    let mut new = 0;
    let result = hart.mmu.amo(bus, va, width, |old| {
        new = op.eval(width, old, operand);
        new
    });
    Ok((turn.conclude(bus, result)?, new))
}

/// Runs `op` with time and counters exact: `next_pc` is the address of the next instruction, and
/// `retired` were before it in its block. Whether control leaves the block.
#[inline(never)]
pub(super) fn system<O>(
    hart: &mut Hart,
    bus: &mut Bus,
    turn: &mut Turn<O>,
    (op, i): (SystemOp, &Insn),
    (next_pc, retired): (VirtAddr, u64),
) -> Result<bool, Raised> {
    let (pc, insns) = (hart.pc, hart.insns);
    (hart.pc, hart.insns) = (next_pc, insns + retired);
    bus.advance_clock(hart.insns);
    let result = system::execute(op, hart, bus, i);
    let to = hart.pc;
    (hart.pc, hart.insns) = (pc, insns);
    let next = turn.conclude(bus, result)?;
    turn.next = turn.next | next;
    let leaves = to != next_pc || turn.next != Next::CONTINUE;
    if leaves {
        turn.next_pc = to;
    }
    Ok(leaves)
}
