//! The system reset extension and the legacy shutdown.

use super::{Answer, Args, Cx, Done, Error};
use crate::bus::PowerRequest;

const SHUTDOWN: u32 = 0;
const COLD_REBOOT: u32 = 1;
/// The same as a cold one: nothing in the machine outlives it that outlives no other.
const WARM_REBOOT: u32 = 2;

const NO_REASON: u32 = 0;
const SYSTEM_FAILURE: u32 = 1;

/// Types and reasons are 32 bits wide; those of vendors and implementations are not implemented.
pub(super) fn system_reset(cx: &mut Cx<'_>, &[reset_type, reason, ..]: &Args) -> Answer {
    let (reset_type, reason) = (reset_type as u32, reason as u32);
    // A shutdown for failure is a failed run.
    let code = match reason {
        NO_REASON => 0,
        SYSTEM_FAILURE => 1,
        _ => return Err(Error::InvalidParam),
    };
    cx.platform.power(match reset_type {
        SHUTDOWN => PowerRequest::Off(code),
        COLD_REBOOT | WARM_REBOOT => PowerRequest::Reset,
        _ => return Err(Error::InvalidParam),
    });
    Ok(Done::Elsewhere)
}

pub(super) fn shutdown(cx: &mut Cx<'_>, _: &Args) -> Answer {
    cx.platform.power(PowerRequest::Off(0));
    Ok(Done::Elsewhere)
}
