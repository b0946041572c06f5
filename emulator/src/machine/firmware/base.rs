//! The base extension: who answers here, and what it offers.

use super::{Answer, Args, Cx, Done, table};
use crate::csr::CsrAddr;

/// Major number above bit 24, minor number below.
const SPEC_VERSION: u64 = 2 << 24;

/// Which implementation this is: the letters `page`. None that the specification lists: those it
/// gives out one by one.
const IMPL_ID: u64 = 0x7061_6765;

/// The package's version: eight bits each for its three numbers.
const IMPL_VERSION: u64 = number(env!("CARGO_PKG_VERSION_MAJOR")) << 16
    | number(env!("CARGO_PKG_VERSION_MINOR")) << 8
    | number(env!("CARGO_PKG_VERSION_PATCH"));

const MVENDORID: CsrAddr = CsrAddr(0xf11);
const MARCHID: CsrAddr = CsrAddr(0xf12);
const MIMPID: CsrAddr = CsrAddr(0xf13);

const fn number(text: &str) -> u64 {
    let (digits, mut at, mut number) = (text.as_bytes(), 0, 0);
    while at < digits.len() {
        number = 10 * number + (digits[at] - b'0') as u64;
        at += 1;
    }
    assert!(number < 256, "a version number has eight bits");
    number
}

pub(super) fn spec_version(_: &mut Cx<'_>, _: &Args) -> Answer {
    Ok(Done::Value(SPEC_VERSION))
}

pub(super) fn impl_id(_: &mut Cx<'_>, _: &Args) -> Answer {
    Ok(Done::Value(IMPL_ID))
}

pub(super) fn impl_version(_: &mut Cx<'_>, _: &Args) -> Answer {
    Ok(Done::Value(IMPL_VERSION))
}

pub(super) fn probe_extension(_: &mut Cx<'_>, &[eid, ..]: &Args) -> Answer {
    Ok(Done::Value(table::offers(eid).into()))
}

pub(super) fn mvendorid(cx: &mut Cx<'_>, _: &Args) -> Answer {
    Ok(Done::Value(cx.platform.read_csr(cx.caller, MVENDORID)))
}

pub(super) fn marchid(cx: &mut Cx<'_>, _: &Args) -> Answer {
    Ok(Done::Value(cx.platform.read_csr(cx.caller, MARCHID)))
}

pub(super) fn mimpid(cx: &mut Cx<'_>, _: &Args) -> Answer {
    Ok(Done::Value(cx.platform.read_csr(cx.caller, MIMPID)))
}
