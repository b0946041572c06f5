//! The legacy extensions that are more than another name of a newer function. They name harts by
//! the virtual address of a mask.

use super::fence::{self, ALL_HARTS, HartSet};
use super::trap::MIP;
use super::{Answer, Args, Cx, Done, Error};
use crate::addr::{Asid, VirtAddr};
use crate::trap::{Exception, Interrupt};

/// What `sbi_console_getchar` answers where there is no input.
const NO_INPUT: u64 = u64::MAX;

pub(super) fn console_getchar(cx: &mut Cx<'_>, _: &Args) -> Answer {
    Ok(Done::Value(cx.platform.input().map_or(NO_INPUT, u64::from)))
}

/// Tells whether one was pending.
pub(super) fn clear_ipi(cx: &mut Cx<'_>, _: &Args) -> Answer {
    const SSIP: u64 = Interrupt::SupervisorSoftware.bit();
    let was_pending = cx.platform.read_csr(cx.caller, MIP) & SSIP != 0;
    cx.platform.change_csr(cx.caller, MIP, SSIP, 0);
    Ok(Done::Value(was_pending.into()))
}

/// Why harts are not known.
enum Trouble {
    Mask(Error),
    Load(Exception),
}

/// The harts in the mask at `address`; all where there is no address.
fn targets(cx: &mut Cx<'_>, address: u64) -> Result<HartSet, Trouble> {
    let (mask, base) = match address {
        0 => (0, ALL_HARTS),
        _ => (cx.platform.load(cx.caller, VirtAddr(address)).map_err(Trouble::Load)?, 0),
    };
    fence::targets(cx.sbi, mask, base).map_err(Trouble::Mask)
}

/// Source: "Legacy Extensions": faults on the way to the mask are the supervisor's.
fn with_targets(
    cx: &mut Cx<'_>,
    address: u64,
    act: impl FnOnce(&mut Cx<'_>, HartSet) -> Answer,
) -> Answer {
    match targets(cx, address) {
        Ok(harts) => act(cx, harts),
        Err(Trouble::Mask(error)) => Err(error),
        Err(Trouble::Load(exception)) => Ok(Done::Raise(exception)),
    }
}

pub(super) fn send_ipi(cx: &mut Cx<'_>, &[mask, ..]: &Args) -> Answer {
    with_targets(cx, mask, |cx, to| cx.interrupt(to))
}

pub(super) fn remote_fence_i(cx: &mut Cx<'_>, &[mask, ..]: &Args) -> Answer {
    with_targets(cx, mask, |cx, on| cx.fence_code(on))
}

pub(super) fn remote_sfence_vma(cx: &mut Cx<'_>, args: &Args) -> Answer {
    let [mask, start, size_bytes, ..] = *args;
    with_targets(cx, mask, |cx, on| cx.fence_translations(on, start, size_bytes, None))
}

pub(super) fn remote_sfence_vma_asid(cx: &mut Cx<'_>, args: &Args) -> Answer {
    let [mask, start, size_bytes, asid, ..] = *args;
    let asid = Some(Asid(asid as u16));
    with_targets(cx, mask, |cx, on| cx.fence_translations(on, start, size_bytes, asid))
}
