//! `remap_file_pages`: a part of a shared mapping shows other pages of its file. As on Linux since
//! 4.0 it becomes a mapping of its own.

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::mm::space::{Place, Request};
use guest::mm::vma::{Purpose, Vma};
use guest::mm::{Backing, PageRange, Sharing};
use linux_raw_sys::general as linux;

use super::super::Answer;
use super::{Caller, lock};
use crate::arch::trap::TrapFrame;
use crate::mm::Object;

/// The areas from the first one on, as far as the range reaches, are one in all but their place.
fn are_alike<'a>(
    mut areas: impl Iterator<Item = &'a Vma<Object>>,
    range: PageRange,
) -> Option<&'a Vma<Object>> {
    let first = areas.next().filter(|first| first.pages.start <= range.start)?;
    let mut end = first.pages.end;
    for area in areas {
        let same = area.object_at(area.pages.start).map(|(object, _)| object)
            == first.object_at(first.pages.start).map(|(object, _)| object);
        let alike = same && area.prot == first.prot && area.sharing == first.sharing;
        if area.pages.start != end || !alike {
            return None;
        }
        end = area.pages.end;
    }
    (range.end <= end).then_some(first)
}

pub(super) fn remap_file_pages(frame: &mut TrapFrame) -> Answer {
    let [start, length_bytes, prot, first, flags] =
        [0, 1, 2, 3, 4].map(|argument| frame.a(argument));
    let in_pages = |bytes: u64| bytes / PAGE_SIZE_BYTES * PAGE_SIZE_BYTES;
    let (start, length_bytes) = (in_pages(start), in_pages(length_bytes));
    let range = PageRange::of_user(start, length_bytes).filter(|range| !range.is_empty());
    let end = first.checked_add(length_bytes / PAGE_SIZE_BYTES);
    let (Some(range), Some(_), 0) = (range, end, prot) else { return Err(Errno::EINVAL) };
    let caller = Caller::new()?;
    let was_locked = lock::is_locked(&caller, start, length_bytes);
    {
        let mut space = caller.lock();
        let area = are_alike(space.vmas().overlapping(range), range)
            .filter(|area| area.sharing == Sharing::Shared && area.purpose == Purpose::Mapping);
        let area = area.ok_or(Errno::EINVAL)?;
        let (object, _) = area.object_at(area.pages.start).ok_or(Errno::EINVAL)?;
        let backing = Backing::Object { object: object.clone(), first };
        let (prot, max_prot, purpose) = (area.prot, area.max_prot, area.purpose);
        let (place, sharing, no_reserve) = (Place::Fixed(start), Sharing::Shared, false);
        let request =
            Request { place, length_bytes, prot, max_prot, sharing, backing, purpose, no_reserve };
        space.map(caller.machine(), request)?;
    }
    if was_locked {
        lock::lock_mapping(&caller, start, length_bytes);
    } else if flags & u64::from(linux::MAP_NONBLOCK) == 0 {
        caller.populate(start, length_bytes);
    }
    Ok(0)
}
