//! System calls that switch swap areas on and off.

use alloc::sync::Arc;

use guest::errno::Errno;
use guest::fs::Kind;
use linux_raw_sys::general as linux;

use super::{Answer, locate};
use crate::arch::trap::TrapFrame;
use crate::block::{self, Disk};
use crate::fs::inode::Flags;
use crate::fs::names::who;
use crate::fs::on_disk::{SwapFile, swap_number};
use crate::fs::{OpenFile, Place};
use crate::mm::swap;

/// Flags of `swapon`: what to discard is not looked at, since nothing is.
const PREFER: u32 = 0x8000;
const PRIORITY: u32 = 0x7fff;
const DISCARD: u32 = 0x7_0000;

/// What a path leads to.
fn area(path: u64) -> Result<Place, Errno> {
    if !who().is_root() {
        return Err(Errno::EPERM);
    }
    locate(linux::AT_FDCWD as u64, path, 0)
}

/// The disk that it is, or the file that is used as one.
fn disk(place: Place) -> Result<Arc<dyn Disk>, Errno> {
    match place.inode.kind() {
        Kind::BlockDevice => block::find(place.inode.stat().special).ok_or(Errno::ENXIO),
        Kind::Regular => {
            if swap::list().iter().any(|own| own.disk.number() == swap_number(&*place.inode)) {
                return Err(Errno::EBUSY);
            }
            let flags = Flags(linux::O_RDONLY);
            let file = place.inode.clone().open(flags)?;
            let file: Arc<dyn Disk> = SwapFile::new(OpenFile::new(place, file, flags))?;
            Ok(file)
        }
        _ => Err(Errno::EINVAL),
    }
}

pub(super) fn swapon(frame: &mut TrapFrame) -> Answer {
    let flags = frame.a(1) as u32;
    let place = area(frame.a(0))?;
    if flags & !(PREFER | PRIORITY | DISCARD) != 0 {
        return Err(Errno::EINVAL);
    }
    let priority = (flags & PREFER != 0).then_some((flags & PRIORITY) as i16);
    swap::switch_on(disk(place)?, priority).map(|()| 0)
}

pub(super) fn swapoff(frame: &mut TrapFrame) -> Answer {
    let place = area(frame.a(0))?;
    let number = match place.inode.kind() {
        Kind::BlockDevice => place.inode.stat().special,
        Kind::Regular => swap_number(&*place.inode),
        _ => return Err(Errno::EINVAL),
    };
    swap::switch_off(number).map(|()| 0)
}
