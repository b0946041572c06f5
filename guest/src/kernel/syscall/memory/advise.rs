//! madvise, msync, mincore: calls about mappings that leave them as they are.

use alloc::vec::Vec;

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::mm::addr::USER_END;
use guest::mm::space::PageState;
use guest::mm::{AtFork, PageRange, Sharing, Space, Vpn};
use linux_raw_sys::general as linux;

use super::super::Answer;
use super::{Caller, is_aligned, page_aligned};
use crate::arch::trap::TrapFrame;
use crate::arch::uaccess;
use crate::mm::{HereMachine, Object};

/// A range as these calls take it: `start` aligned, the length rounded up, perhaps no page at all.
///
/// # Errors
/// `EINVAL`.
fn range(start: u64, length_bytes: u64) -> Result<PageRange, Errno> {
    if !is_aligned(start) {
        return Err(Errno::EINVAL);
    }
    let length = page_aligned(length_bytes).ok_or(Errno::EINVAL)?;
    let end = start.checked_add(length).ok_or(Errno::EINVAL)?;
    Ok(PageRange::new(Vpn::of(start), Vpn::of(end)))
}

/// Whether every page of the range is in some area.
fn is_mapped(space: &Space<HereMachine>, range: PageRange) -> bool {
    let areas = space.vmas().overlapping(range);
    let pages = areas.filter_map(|area| area.pages.intersection(range)).map(PageRange::pages);
    pages.sum::<u64>() == range.pages()
}

/// What an advice asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Advice {
    /// Nothing that matters here.
    Hint,
    /// About pages that nobody will want soon, or that somebody will.
    Residence(Residence),
    Discard,
    /// Only private anonymous memory.
    DiscardLazily,
    Populate,
    /// A hole in the object.
    Remove,
    /// What a child gets, where it was to get that, if it is said.
    Fork(Option<AtFork>, AtFork),
}

/// Whether pages shall be in RAM.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Residence {
    /// They are needed soon.
    Fetch,
    /// They go first.
    Cold,
    /// They go now.
    PushOut,
}

impl Advice {
    fn of(number: u32) -> Option<Self> {
        match number {
            linux::MADV_NORMAL
            | linux::MADV_RANDOM
            | linux::MADV_SEQUENTIAL
            | linux::MADV_DONTDUMP
            | linux::MADV_DODUMP => Some(Self::Hint),
            linux::MADV_WILLNEED => Some(Self::Residence(Residence::Fetch)),
            linux::MADV_COLD => Some(Self::Residence(Residence::Cold)),
            linux::MADV_PAGEOUT => Some(Self::Residence(Residence::PushOut)),
            linux::MADV_DONTNEED | linux::MADV_DONTNEED_LOCKED => Some(Self::Discard),
            linux::MADV_FREE => Some(Self::DiscardLazily),
            linux::MADV_POPULATE_READ | linux::MADV_POPULATE_WRITE => Some(Self::Populate),
            linux::MADV_REMOVE => Some(Self::Remove),
            linux::MADV_DONTFORK => Some(Self::Fork(None, AtFork::Leave)),
            linux::MADV_DOFORK => Some(Self::Fork(Some(AtFork::Leave), AtFork::Keep)),
            linux::MADV_WIPEONFORK => Some(Self::Fork(None, AtFork::Wipe)),
            linux::MADV_KEEPONFORK => Some(Self::Fork(Some(AtFork::Wipe), AtFork::Keep)),
            _ => None,
        }
    }
}

pub(super) fn madvise(frame: &mut TrapFrame) -> Answer {
    let (start, length_bytes, number) = (frame.a(0), frame.a(1), frame.a(2) as u32);
    let advice = Advice::of(number).ok_or(Errno::EINVAL)?;
    let range = range(start, length_bytes)?;
    if range.is_empty() {
        return Ok(0);
    }
    let caller = Caller::new()?;
    let mut space = caller.lock();
    match advice {
        Advice::Hint if is_mapped(&space, range) => Ok(0),
        Advice::Hint => Err(Errno::ENOMEM),
        Advice::Residence(residence) => {
            let is_locked = caller.space.locked().pages_in(range) > 0;
            if is_locked && residence != Residence::Fetch {
                return Err(Errno::EINVAL);
            }
            let is_mapped = is_mapped(&space, range);
            drop(space);
            match residence {
                Residence::Fetch => caller.space.fetch(range),
                Residence::Cold => caller.space.make_cold(range),
                Residence::PushOut => caller.space.push_out(range),
            }
            if is_mapped { Ok(0) } else { Err(Errno::ENOMEM) }
        }
        Advice::Discard | Advice::DiscardLazily => {
            let keeps_locked = number != linux::MADV_DONTNEED_LOCKED;
            if keeps_locked && caller.space.locked().pages_in(range) > 0 {
                return Err(Errno::EINVAL);
            }
            let is_private = |sharing, has_object: bool| sharing == Sharing::Private && !has_object;
            let mut areas = space.vmas().overlapping(range);
            if advice == Advice::DiscardLazily
                && areas.any(|area| {
                    !is_private(area.sharing, area.object_at(area.pages.start).is_some())
                })
            {
                return Err(Errno::EINVAL);
            }
            drop(areas);
            space.discard(caller.machine(), start, length_bytes).map(|()| 0)
        }
        Advice::Fork(from, to) => {
            space.set_at_fork(range, from, to)?;
            if is_mapped(&space, range) { Ok(0) } else { Err(Errno::ENOMEM) }
        }
        Advice::Remove => {
            drop(space);
            remove(&caller, range).map(|()| 0)
        }
        Advice::Populate if !is_mapped(&space, range) => Err(Errno::ENOMEM),
        Advice::Populate => {
            let writes = number == linux::MADV_POPULATE_WRITE;
            let areas = space.vmas().overlapping(range);
            let mut prots =
                areas.map(|area| if writes { area.prot.write } else { area.prot.readable() });
            if prots.any(|granted| !granted) {
                return Err(Errno::EINVAL);
            }
            drop(prots);
            drop(space);
            caller.space.populate(range).map(|()| 0).map_err(|_| Errno::EFAULT)
        }
    }
}

/// Makes holes in objects by way of their mappings; nothing behind the first that is refused.
fn remove(caller: &Caller, range: PageRange) -> Result<(), Errno> {
    let mut left = range;
    let mut is_whole = true;
    while !left.is_empty() {
        let found = {
            let space = caller.lock();
            let Some(area) = space.vmas().overlapping(left).next() else { break };
            let part = area.pages.intersection(left).ok_or(Errno::EINVAL)?;
            is_whole &= part.start == left.start;
            if caller.space.locked().pages_in(part) > 0 {
                return Err(Errno::EINVAL);
            }
            let (object, first) = area.object_at(part.start).ok_or(Errno::EINVAL)?;
            if area.sharing != Sharing::Shared || !area.max_prot.write {
                return Err(Errno::EACCES);
            }
            (object.clone(), first, part)
        };
        let (object, first, part) = found;
        object.0.punch(first..first + part.pages())?;
        left = PageRange::new(part.end, range.end);
    }
    if is_whole && left.is_empty() { Ok(()) } else { Err(Errno::ENOMEM) }
}

pub(super) fn msync(frame: &mut TrapFrame) -> Answer {
    let (start, length_bytes, flags) = (frame.a(0), frame.a(1), frame.a(2) as u32);
    let (later, now) = (linux::MS_ASYNC, linux::MS_SYNC);
    if flags & !(later | now | linux::MS_INVALIDATE) != 0 || !is_aligned(start) {
        return Err(Errno::EINVAL);
    }
    if flags & later != 0 && flags & now != 0 {
        return Err(Errno::EINVAL);
    }
    // As Linux has it, a length that is none when rounded up is none.
    if page_aligned(length_bytes).is_none() {
        return Ok(0);
    }
    let range = range(start, length_bytes).map_err(|_| Errno::ENOMEM)?;
    if range.is_empty() {
        return Ok(0);
    }
    let caller = Caller::new()?;
    let space = caller.lock();
    if flags & linux::MS_INVALIDATE != 0 && caller.space.locked().pages_in(range) > 0 {
        return Err(Errno::EBUSY);
    }
    if !is_mapped(&space, range) {
        return Err(Errno::ENOMEM);
    }
    // The pages of an object are the object's: whoever reads it sees what was stored. Only that it
    // survives takes time.
    let mut objects: Vec<Object> = Vec::new();
    if flags & now != 0 {
        for area in space.vmas().overlapping(range).filter(|area| area.sharing == Sharing::Shared) {
            let Some((object, _)) = area.object_at(area.pages.start) else { continue };
            if !objects.contains(object) {
                objects.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                objects.push(object.clone());
            }
        }
    }
    drop(space);
    objects.iter().try_for_each(|object| object.0.sync())?;
    Ok(0)
}

/// Pages that mincore looks at before it lets others at the space.
const CHUNK_PAGES: u64 = 1024;

pub(super) fn mincore(frame: &mut TrapFrame) -> Answer {
    let (start, length_bytes, vector) = (frame.a(0), frame.a(1), frame.a(2));
    if !is_aligned(start) {
        return Err(Errno::EINVAL);
    }
    let is_user = |at: u64, bytes: u64| at.checked_add(bytes).is_some_and(|end| end <= USER_END);
    if !is_user(start, length_bytes) {
        return Err(Errno::ENOMEM);
    }
    let range = range(start, length_bytes)?;
    if !is_user(vector, range.pages()) {
        return Err(Errno::EFAULT);
    }
    let caller = Caller::new()?;
    let mut residence = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let chunk = PageRange::new(at, at.add(CHUNK_PAGES).min(range.end));
        residence.clear();
        residence.try_reserve(chunk.pages() as usize).map_err(|_| Errno::EAGAIN)?;
        residence.resize(chunk.pages() as usize, 0_u8);
        {
            let space = caller.lock();
            if !is_mapped(&space, chunk) {
                return Err(Errno::ENOMEM);
            }
            look(&space, caller.machine(), chunk, &mut residence);
        }
        let to = vector + (at.0 - range.start.0);
        uaccess::copy_out(to, &residence).map_err(|_| Errno::EFAULT)?;
        at = chunk.end;
    }
    Ok(0)
}

/// Marks the pages of `range` that are in RAM, in this space or as an object's.
fn look(space: &Space<HereMachine>, machine: &HereMachine, range: PageRange, marks: &mut [u8]) {
    space.pages(machine, range, &mut |page, state| {
        if matches!(state, PageState::Present { .. }) {
            marks[(page.0 - range.start.0) as usize] = 1;
        }
    });
    for area in space.vmas().overlapping(range) {
        for page in area.pages.intersection(range).into_iter().flat_map(PageRange::iter) {
            let Some((object, index)) = area.object_at(page) else { break };
            let mark = &mut marks[(page.0 - range.start.0) as usize];
            if *mark == 0 && object.0.has_page(index) {
                *mark = 1;
            }
        }
    }
}

const _: () = assert!(CHUNK_PAGES < PAGE_SIZE_BYTES);
