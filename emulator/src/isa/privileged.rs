//! The one meaning of all instructions that act on more than registers and memory: CSR access,
//! traps and returns, fences, cache-block operations. The bodies live in the `system` room.

use super::Insn;
use super::emit::{Emit, SystemOp};

/// Hands over to the machine state.
#[inline(always)]
pub(super) fn system<E: Emit>(e: &mut E, i: &Insn, op: SystemOp) -> Result<(), E::Fault> {
    e.system(op, i)
}
