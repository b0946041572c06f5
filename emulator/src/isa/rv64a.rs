//! Meanings of the A extension. The aq and rl bits order nothing here: harts take turns on one
//! host thread, so every access is already sequentially consistent.

use super::Insn;
use super::emit::{Amo, Emit};
use crate::addr::Width;

/// `lr.w`, `lr.d`: a load that makes a reservation.
#[inline(always)]
pub(super) fn load_reserved<E: Emit>(e: &mut E, i: &Insn, width: Width) -> Result<(), E::Fault> {
    let at = e.x(i.rs1);
    let value = e.load_reserved(at, width)?;
    e.set_x(i.rd, value);
    Ok(())
}

/// `sc.w`, `sc.d`: a store where the reservation still holds; `rd` tells.
#[inline(always)]
pub(super) fn store_conditional<E: Emit>(
    e: &mut E,
    i: &Insn,
    width: Width,
) -> Result<(), E::Fault> {
    let (at, value) = (e.x(i.rs1), e.x(i.rs2));
    let failed = e.store_conditional(at, width, value)?;
    e.set_x(i.rd, failed);
    Ok(())
}

/// Atomic read-modify-write; `rd` gets the old value.
#[inline(always)]
pub(super) fn amo<E: Emit>(e: &mut E, i: &Insn, op: Amo, width: Width) -> Result<(), E::Fault> {
    let (at, value) = (e.x(i.rs1), e.x(i.rs2));
    let old = e.amo(op, at, width, value)?;
    e.set_x(i.rd, old);
    Ok(())
}
