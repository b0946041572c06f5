//! The debug console extension. Its buffers are physical memory, and only RAM will do.

use super::{Answer, Args, Cx, Done, Error, SUCCESS};
use crate::addr::PhysAddr;
use crate::bus::RamOffset;

/// Bytes that one call moves at most, so that no call takes long; the caller asks again.
const TRANSFER_MAX_BYTES: u64 = 64 * 1024;

/// The caller's buffer: all of it has to be RAM, and as much of it is used as one call moves.
///
/// Source: "Binary Encoding", "Shared memory physical address range parameter".
fn buffer(cx: &mut Cx<'_>, args: &Args) -> Result<(RamOffset, u64), Error> {
    let [len_bytes, low, high, ..] = *args;
    if len_bytes == 0 {
        return Ok((RamOffset(0), 0));
    }
    let offset = match high {
        0 => cx.platform.ram().offset_of(PhysAddr(low), len_bytes),
        _ => None,
    };
    Ok((offset.ok_or(Error::InvalidParam)?, len_bytes.min(TRANSFER_MAX_BYTES)))
}

pub(super) fn write(cx: &mut Cx<'_>, args: &Args) -> Answer {
    let (offset, len_bytes) = buffer(cx, args)?;
    let bytes = cx.platform.ram().slice(offset, len_bytes).to_vec();
    cx.platform.print(&bytes);
    Ok(Done::Value(len_bytes))
}

pub(super) fn read(cx: &mut Cx<'_>, args: &Args) -> Answer {
    let (offset, len_bytes) = buffer(cx, args)?;
    let bytes: Vec<u8> = (0..len_bytes).map_while(|_| cx.platform.input()).collect();
    cx.platform.ram().write(offset, &bytes);
    Ok(Done::Value(bytes.len() as u64))
}

pub(super) fn write_byte(cx: &mut Cx<'_>, &[byte, ..]: &Args) -> Answer {
    cx.platform.print(&[byte as u8]);
    SUCCESS
}
