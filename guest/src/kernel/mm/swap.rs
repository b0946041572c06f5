//! Swap areas: disks whose pages are slots. Which slot has whose content the books say, how it gets
//! there is `transfer.rs`'s.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use guest::errno::Errno;
use guest::mm::cells::State;
use guest::mm::memory::Evacuation;
use guest::mm::swap::header::{HEADER_BYTES, Header};
use guest::mm::swap::{AREAS, Area, Gives, PAGES_MAX, places};
use guest::mm::{Class, Owner, PageError, SlotId};
use guest::{PAGE_SIZE_BYTES, Ppn};

use super::books::{memory, total_frames};
use super::reclaim::{self, Patience};
use super::{cell_table, read_frame, transfer};
use crate::block::{self, Disk, Operation, Piece, Reservation, SECTOR_BYTES, Transfer};
use crate::debug::{Level, klog};
use crate::sched;
use crate::sync::{Mutex, SpinLock};

/// Priority of the first area that is given none; the next ones have less.
const FIRST_PRIORITY: i16 = -2;

/// The disks by the numbers of their areas.
static DISKS: SpinLock<[Option<Arc<dyn Disk>>; AREAS]> = SpinLock::new([const { None }; AREAS]);
/// They are for nothing else.
static RESERVED: SpinLock<[Option<Reservation>; AREAS]> = SpinLock::new([const { None }; AREAS]);
/// One area at a time is switched on or off.
static CHANGES: Mutex<()> = Mutex::new(());

/// The disk that has the slot, which is in use.
pub(super) fn disk(slot: SlotId) -> Arc<dyn Disk> {
    DISKS.lock()[slot.area()].clone().expect("an area in use has a disk")
}

/// What /proc/swaps says of an area.
pub(crate) struct Listed {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) total_pages: u64,
    pub(crate) used_pages: u64,
    pub(crate) priority: i16,
}

/// All areas, by number.
pub(crate) fn list() -> Vec<Listed> {
    let disks = DISKS.lock().clone();
    let areas = disks.into_iter().enumerate().filter_map(|(number, disk)| {
        let disk = disk?;
        memory(|memory| {
            let area = memory.slots.area(number)?;
            let (total_pages, used_pages) = (area.total(), area.used());
            Some(Listed { disk, total_pages, used_pages, priority: area.priority() })
        })
    });
    areas.collect()
}

/// Pages that slots have.
static TOTAL_PAGES: AtomicU64 = AtomicU64::new(0);

/// Pages that slots have.
pub(crate) fn total_pages() -> u64 {
    TOTAL_PAGES.load(Ordering::Relaxed)
}

/// After areas have changed.
fn count_total() {
    let total = memory(|memory| memory.slots.total());
    TOTAL_PAGES.store(total, Ordering::Relaxed);
}

/// Pages that slots have, and those of them that have no content.
pub(crate) fn pages() -> (u64, u64) {
    memory(|memory| (memory.slots.total(), memory.slots.total() - memory.slots.used()))
}

/// The first page of a disk.
fn read_header(disk: &dyn Disk) -> Result<Box<[u8; HEADER_BYTES]>, Errno> {
    if disk.sectors() < PAGE_SIZE_BYTES / SECTOR_BYTES {
        return Err(Errno::EINVAL);
    }
    let frame: Ppn = memory(|memory| memory.alloc(Class::Kernel, Owner::Kernel))?;
    let pieces = [Piece { address: frame.base(), length_bytes: PAGE_SIZE_BYTES as u32 }];
    let transfer = Transfer { operation: Operation::Read, sector: 0, pieces: &pieces };
    let read = block::wait_for(disk, transfer);
    let mut bytes = Box::new([0; HEADER_BYTES]);
    read_frame(frame, 0, &mut bytes[..]);
    memory(|memory| memory.frames.free(frame));
    read.map(|()| bytes).map_err(|_| Errno::EIO)
}

/// `swapon`: uses a disk that has the header of a swap area.
///
/// # Errors
/// `EINVAL` for one without; `EBUSY` if it is used already, or mounted; `EPERM` where there are as
/// many areas as there can be; `EROFS`, `EIO`, `ENOMEM`.
pub(crate) fn switch_on(disk: Arc<dyn Disk>, priority: Option<i16>) -> Result<(), Errno> {
    let _alone = CHANGES.lock();
    if disk.is_read_only() {
        return Err(Errno::EROFS);
    }
    let reservation = Reservation::new(&*disk)?;
    let bytes = read_header(&*disk)?;
    let header = Header::read(&bytes).map_err(|_| Errno::EINVAL)?;
    let on_disk = disk.sectors() / (PAGE_SIZE_BYTES / SECTOR_BYTES);
    let (last, bad) = (header.last_page(), header.bad_pages());
    let (pages, bad_pages) = match disk.places() {
        None => (u64::from(last) + 1, bad.collect()),
        Some(places) => places::within(places, last, bad)?,
    };
    let pages = pages.min(on_disk).min(PAGES_MAX as u64);
    if pages < 2 {
        return Err(Errno::EINVAL);
    }
    let storage = Area::storage(pages as usize)?;
    let area = |priority| Area::new(storage, &bad_pages, priority);
    let slots = memory(|memory| memory.slots.total());
    cell_table::grow(total_frames() + slots + pages)?;
    let lowest = list().iter().map(|area| area.priority).min();
    let next = lowest.map_or(FIRST_PRIORITY, |lowest| (lowest - 1).min(FIRST_PRIORITY));
    let area = area(priority.unwrap_or(next));
    // Its disk is known before it gives a slot.
    let free = DISKS.lock().iter().position(Option::is_none).ok_or(Errno::EPERM)?;
    DISKS.lock()[free] = Some(disk);
    RESERVED.lock()[free] = Some(reservation);
    let added = memory(|memory| memory.slots.add(area));
    assert!(added.is_ok_and(|number| number == free), "areas and disks have the same numbers");
    count_total();
    reclaim::look();
    Ok(())
}

/// Uses every disk that has the header of a swap area; what cannot be used is told of in the log.
pub(crate) fn switch_on_all() {
    for disk in block::disks() {
        match switch_on(disk.clone(), None) {
            Ok(()) | Err(Errno::EINVAL) => {}
            Err(errno) => klog!(Level::Error, "{}: swapon: {errno:?}", disk.name()),
        }
    }
}

/// `swapoff`: brings everything home that is on the disk with this number, and stops using it.
///
/// # Errors
/// `EINVAL` where it is not used; `ENOMEM` where there is no room; `EINTR` for a signal. Then it
/// stays in use.
pub(crate) fn switch_off(disk: u64) -> Result<(), Errno> {
    let _alone = CHANGES.lock();
    let is_it = |own: &Option<Arc<dyn Disk>>| own.as_ref().is_some_and(|own| own.number() == disk);
    let number = DISKS.lock().iter().position(is_it).ok_or(Errno::EINVAL)?;
    let has_room = memory(|memory| {
        memory.slots.set_giving(number, Gives::Nothing);
        let used = memory.slots.area(number).map_or(0, Area::used);
        // What is in RAM, too, needs no room there.
        let away = memory.cells.count(State::Swapped) + memory.cells.count(State::Reading);
        used.min(away) <= memory.frames.free_frames() + memory.slots.available()
    });
    let emptied = if has_room { empty(number) } else { Err(Errno::ENOMEM) };
    let storage = memory(|memory| match emptied {
        Ok(()) => memory.slots.remove(number),
        Err(_) => {
            memory.slots.set_giving(number, Gives::Slots);
            None
        }
    });
    emptied?;
    drop(storage);
    count_total();
    DISKS.lock()[number] = None;
    RESERVED.lock()[number] = None;
    Ok(())
}

/// Empties the slots of an area that gives out none.
fn empty(number: usize) -> Result<(), Errno> {
    let mut patience = Patience::new();
    let mut page = 0;
    loop {
        let found = memory(|memory| {
            let (slot, _) = memory.slots.first_used(number, page)?;
            Some((slot, memory.evacuate(slot)))
        });
        let Some((slot, step)) = found else {
            if page == 0 {
                return Ok(());
            }
            // Transfers that were under way may have left something behind the place.
            page = 0;
            continue;
        };
        page = slot.page();
        match step {
            Evacuation::Empty => {}
            Evacuation::Wait(cell) => transfer::wait_for(cell),
            Evacuation::Read(cell) => {
                patience.wait_out_page(PageError::Swapped(cell)).map_err(|_| Errno::EINTR)?;
                // A fast disk lets nobody else run.
                sched::yield_now();
            }
        }
        if sched::interrupted() {
            return Err(Errno::EINTR);
        }
    }
}
