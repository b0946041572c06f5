//! mlock and its family. Without swap, what is in RAM stays there, so locking is bringing in and
//! counting; the limit and the counts are those of Linux.

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::locked::Future;
use guest::mm::addr::USER_END;
use guest::mm::{PageRange, Vpn};
use linux_raw_sys::general as linux;

use super::super::Answer;
use super::{Caller, page_aligned};
use crate::arch::trap::TrapFrame;

/// Locked pages that the process may have.
fn limit_pages(caller: &Caller) -> u64 {
    if caller.is_privileged() {
        return u64::MAX;
    }
    caller.process.limit(linux::RLIMIT_MEMLOCK) / PAGE_SIZE_BYTES
}

/// Whether the process may lock anything at all.
fn can_lock(caller: &Caller) -> Result<u64, Errno> {
    let limit = limit_pages(caller);
    let is_allowed = limit > 0 || caller.process.limit(linux::RLIMIT_MEMLOCK) > 0;
    caller.space.begin_to_lock();
    is_allowed.then_some(limit).ok_or(Errno::EPERM)
}

/// Whether so many more pages may be locked that are about to be mapped.
pub(super) fn may_lock_more(caller: &Caller, pages: u64) -> Result<(), Errno> {
    let limit = can_lock(caller)?;
    let _space = caller.lock();
    let locked = caller.space.locked().pages();
    if pages.saturating_add(locked) <= limit { Ok(()) } else { Err(Errno::EAGAIN) }
}

/// Whether a page of the range is locked.
pub(super) fn is_locked(caller: &Caller, start: u64, length_bytes: u64) -> bool {
    if !caller.space.has_locked() {
        return false;
    }
    let _space = caller.lock();
    let range = PageRange::of_user(start, length_bytes);
    range.is_some_and(|range| caller.space.locked().pages_in(range) > 0)
}

/// Locks a mapping that has just been made and brings it in.
pub(super) fn lock_mapping(caller: &Caller, start: u64, length_bytes: u64) {
    let Some(range) = PageRange::of_user(start, length_bytes) else { return };
    let space = caller.lock();
    let added = caller.space.locked().add(range);
    drop(space);
    if added.is_ok() {
        let _ = caller.space.populate(range);
    }
}

/// Does what mlockall said of new mappings.
pub(super) fn after_mapping(caller: &Caller, start: u64, length_bytes: u64) {
    if !caller.space.has_locked() {
        return;
    }
    let future = caller.space.locked().future;
    let start = start / PAGE_SIZE_BYTES * PAGE_SIZE_BYTES;
    match future {
        Future::Pageable => {}
        Future::Locked => lock_mapping(caller, start, length_bytes),
        Future::LockedOnFault => {
            if let Some(range) = PageRange::of_user(start, length_bytes) {
                let _space = caller.lock();
                // The lock is a promise about swapping; without memory for it none is given.
                let _ = caller.space.locked().add(range);
            }
        }
    }
}

/// Forgets the locks of pages that are no longer mapped.
pub(super) fn after_unmapping(caller: &Caller, start: u64, length_bytes: u64) {
    if !caller.space.has_locked() {
        return;
    }
    let Some(range) = PageRange::of_user(start, length_bytes) else { return };
    let mut locked = caller.space.locked();
    let _ = locked.remove(range);
}

pub(super) fn mlock(frame: &mut TrapFrame) -> Answer {
    lock(frame.a(0), frame.a(1), Future::Locked)
}

pub(super) fn mlock2(frame: &mut TrapFrame) -> Answer {
    match frame.a(2) as u32 {
        0 => lock(frame.a(0), frame.a(1), Future::Locked),
        linux::MLOCK_ONFAULT => lock(frame.a(0), frame.a(1), Future::LockedOnFault),
        _ => Err(Errno::EINVAL),
    }
}

/// The pages that a byte range touches; `None` for no byte.
fn touched(start: u64, length_bytes: u64) -> Result<Option<PageRange>, Errno> {
    let offset = start % PAGE_SIZE_BYTES;
    // So long that it is none again: Linux does not mind.
    let length = length_bytes.checked_add(offset).and_then(page_aligned).unwrap_or(0);
    let start = start - offset;
    let end = start.checked_add(length).ok_or(Errno::EINVAL)?;
    if length == 0 {
        return Ok(None);
    }
    if end > USER_END {
        return Err(Errno::ENOMEM);
    }
    Ok(Some(PageRange::new(Vpn::of(start), Vpn::of(end))))
}

/// Whether every page of the range is in some area.
fn is_mapped(caller: &Caller, range: PageRange) -> bool {
    let space = caller.lock();
    let areas = space.vmas().overlapping(range);
    areas.filter_map(|area| area.pages.intersection(range)).map(PageRange::pages).sum::<u64>()
        == range.pages()
}

fn lock(start: u64, length_bytes: u64, when: Future) -> Answer {
    let caller = Caller::new()?;
    let limit = can_lock(&caller)?;
    let Some(range) = touched(start, length_bytes)? else { return Ok(0) };
    {
        let locked = caller.space.locked();
        let new = range.pages() - locked.pages_in(range);
        if locked.pages().saturating_add(new) > limit {
            return Err(Errno::ENOMEM);
        }
    }
    if !is_mapped(&caller, range) {
        return Err(Errno::ENOMEM);
    }
    let space = caller.lock();
    caller.space.locked().add(range)?;
    drop(space);
    if when == Future::LockedOnFault {
        return Ok(0);
    }
    caller.space.populate(range).map(|()| 0).map_err(|_| Errno::ENOMEM)
}

pub(super) fn munlock(frame: &mut TrapFrame) -> Answer {
    let caller = Caller::new()?;
    let Some(range) = touched(frame.a(0), frame.a(1))? else { return Ok(0) };
    if !is_mapped(&caller, range) {
        return Err(Errno::ENOMEM);
    }
    let _space = caller.lock();
    caller.space.locked().remove(range)?;
    Ok(0)
}

pub(super) fn mlockall(frame: &mut TrapFrame) -> Answer {
    let flags = frame.a(0) as u32;
    let known = linux::MCL_CURRENT | linux::MCL_FUTURE | linux::MCL_ONFAULT;
    if flags == 0 || flags & !known != 0 || flags == linux::MCL_ONFAULT {
        return Err(Errno::EINVAL);
    }
    let caller = Caller::new()?;
    let limit = can_lock(&caller)?;
    let on_fault = flags & linux::MCL_ONFAULT != 0;
    let space = caller.lock();
    let is_current = flags & linux::MCL_CURRENT != 0;
    if is_current && space.vmas().totals().pages > limit {
        return Err(Errno::ENOMEM);
    }
    let mut locked = caller.space.locked();
    locked.future = match (flags & linux::MCL_FUTURE != 0, on_fault) {
        (false, _) => Future::Pageable,
        (true, false) => Future::Locked,
        (true, true) => Future::LockedOnFault,
    };
    if !is_current {
        return Ok(0);
    }
    for area in space.vmas().iter() {
        locked.add(area.pages)?;
    }
    drop(locked);
    drop(space);
    if !on_fault {
        // As on Linux, what cannot be brought in is no error.
        let _ = caller.space.populate(PageRange::new(Vpn(0), Vpn::USER_END));
    }
    Ok(0)
}

pub(super) fn munlockall(_: &mut TrapFrame) -> Answer {
    let caller = Caller::new()?;
    let _space = caller.lock();
    caller.space.locked().clear();
    Ok(0)
}
