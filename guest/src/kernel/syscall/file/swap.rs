//! System calls that switch swap areas on and off.

use alloc::sync::Arc;

use guest::errno::Errno;
use guest::fs::Kind;
use linux_raw_sys::general as linux;

use super::{Answer, locate};
use crate::arch::trap::TrapFrame;
use crate::block::{self, Disk};
use crate::fs::names::who;
use crate::mm::swap;

/// Flags of `swapon`: what to discard is not looked at, since nothing is.
const PREFER: u32 = 0x8000;
const PRIORITY: u32 = 0x7fff;
const DISCARD: u32 = 0x7_0000;

/// The disk that a path leads to.
fn disk(path: u64) -> Result<Arc<dyn Disk>, Errno> {
    if !who().is_root() {
        return Err(Errno::EPERM);
    }
    let place = locate(linux::AT_FDCWD as u64, path, 0)?;
    if place.inode.kind() != Kind::BlockDevice {
        return Err(Errno::EINVAL);
    }
    block::find(place.inode.stat().special).ok_or(Errno::ENXIO)
}

pub(super) fn swapon(frame: &mut TrapFrame) -> Answer {
    let flags = frame.a(1) as u32;
    let disk = disk(frame.a(0))?;
    if flags & !(PREFER | PRIORITY | DISCARD) != 0 {
        return Err(Errno::EINVAL);
    }
    let priority = (flags & PREFER != 0).then_some((flags & PRIORITY) as i16);
    swap::switch_on(disk, priority).map(|()| 0)
}

pub(super) fn swapoff(frame: &mut TrapFrame) -> Answer {
    swap::switch_off(&disk(frame.a(0))?).map(|()| 0)
}
