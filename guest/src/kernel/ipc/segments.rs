//! System V shared memory: the segments that there are. A segment is an object as mmap makes them;
//! its place in the table keeps it until it is removed, and then its areas do.
//!
//! Who has attached it is not counted on the way: an area may be split, copied by fork or gone with
//! its process. Whoever asks looks at all spaces.

use alloc::format;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::ops::Range;
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use guest::errno::Errno;
use guest::fs::Identity;
use guest::ipc::ids::{self, Found, NewOwner, Permissions, READ, Table, WRITE};
use guest::ipc::layout::SegmentStatus;
use guest::ipc::segments::{EXECUTE, GOING, LOCKED, Limits, NO_RESERVE, Place, READ_ONLY};
use guest::ipc::text;
use guest::mm::addr::USER_END;
use guest::mm::space::{self, Request};
use guest::mm::vma::Purpose;
use guest::mm::{Backing, CellId, ObjectAccess, PageError, PageRange, Prot, Sharing, Vpn};
use guest::{PAGE_SIZE_BYTES, Ppn};
use linux_raw_sys::general as linux;

use super::{Lookup, by_current, limits, seconds, who};
use crate::mm::shared::{Promise, SharedMemory};
use crate::mm::{self, AddressSpace, Object, ObjectKind, Paged, memory, tunables};
use crate::sync::SpinLock;
use crate::task::{Pid, Process};

/// A segment.
struct Segment {
    /// [`NO_ID`] until it has one.
    id: AtomicI32,
    key: i32,
    pages: u64,
    memory: SharedMemory,
}

const NO_ID: i32 = -1;
/// Device number under which segments stand in /proc/PID/maps.
const DEVICE: u64 = 1;

/// What the table has of a segment.
struct Record {
    segment: Weak<Segment>,
    /// The same, until it is removed.
    kept: Option<Arc<Segment>>,
    status: SegmentStatus,
}

static SEGMENTS: SpinLock<Table<Record>> = SpinLock::new(Table::new());
/// Pages of all of them.
static PAGES: AtomicU64 = AtomicU64::new(0);
/// How many there are: where there are none, nobody need look for areas of any.
static COUNT: AtomicU64 = AtomicU64::new(0);

impl Paged for Segment {
    fn map_page(&self, index: u64, access: ObjectAccess) -> Result<Ppn, PageError> {
        self.memory.map_page(index, access)
    }
    fn map_present(&self, first: u64, frames: &mut [Option<Ppn>]) {
        self.memory.map_present(first, frames);
    }
    fn identity(&self) -> (u64, u64) {
        (DEVICE, self.id.load(Ordering::Relaxed) as u64)
    }
    fn path(&self) -> Vec<u8> {
        format!("/SYSV{:08x} (deleted)", self.key).into_bytes()
    }
    fn for_each_page(&self, visit: &mut dyn FnMut(u64, CellId)) {
        self.memory.for_each_page(visit);
    }
    fn has_page(&self, index: u64) -> bool {
        self.memory.has_page(index)
    }
    fn punch(&self, pages: Range<u64>) -> Result<(), Errno> {
        self.memory.punch_as(self.identity(), pages)
    }
    fn kind(&self) -> ObjectKind {
        self.memory.kind()
    }
    fn segment(&self) -> Option<i32> {
        Some(self.id.load(Ordering::Relaxed))
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        PAGES.fetch_sub(self.pages, Ordering::Relaxed);
        COUNT.fetch_sub(1, Ordering::Relaxed);
        let id = *self.id.get_mut();
        if id != NO_ID {
            let gone = SEGMENTS.lock().remove(id);
            drop(gone);
        }
    }
}

impl Segment {
    /// A new one, which no identifier leads to yet.
    fn new(key: i32, pages: u64, promise: Promise) -> Result<Arc<Self>, Errno> {
        let memory = SharedMemory::new(pages, promise)?;
        PAGES.fetch_add(pages, Ordering::Relaxed);
        COUNT.fetch_add(1, Ordering::Relaxed);
        let segment = Arc::new(Self { id: AtomicI32::new(NO_ID), key, pages, memory });
        let paged: Arc<dyn Paged> = segment.clone();
        mm::announce(&paged);
        Ok(segment)
    }

    /// Pages in RAM and pages in swap.
    fn resident(&self) -> [u64; 2] {
        let mut pages = [0; 2];
        self.for_each_page(&mut |_, cell| {
            let is_away = memory(|memory| memory.cells.frame(cell).is_none());
            pages[usize::from(is_away)] += 1;
        });
        pages
    }
}

/// The identifier that the next one is to have; -1: nobody has chosen any.
pub(crate) fn next_id() -> i32 {
    SEGMENTS.lock().wanted()
}

/// Chooses that.
pub(crate) fn set_next_id(id: i32) {
    SEGMENTS.lock().want(id);
}

/// `shmget`: the identifier.
///
/// # Errors
/// EINVAL, ENOENT, EEXIST, EACCES, ENOSPC, ENOMEM.
pub(crate) fn get(key: i32, size_bytes: u64, flags: u32, process: &Process) -> Result<i32, Errno> {
    let who = who();
    let fits = |record: &Record| match size_bytes > record.status.size_bytes {
        true => Err(Errno::EINVAL),
        false => Ok(()),
    };
    if let Found::Existing(id) = SEGMENTS.lock().find(key, flags, &who, fits)? {
        return Ok(id);
    }
    let limits =
        Limits { size_bytes: limits::SEGMENT_BYTES.get(), pages: limits::SEGMENTS_PAGES.get() };
    let pages = limits.pages(size_bytes, PAGES.load(Ordering::Relaxed))?;
    let by_page = flags & NO_RESERVE != 0 && !tunables::is_never_overcommitted();
    let promise = match process.space() {
        Some(space) if !by_page => Promise::Whole { own_pages: space.lock().vmas().totals().pages },
        _ => Promise::ByPage,
    };
    let segment = Segment::new(key, pages, promise)?;
    let by = by_current();
    let (changed, creator) = (by.now, by.pid);
    let status = SegmentStatus { size_bytes, changed, creator, ..SegmentStatus::default() };
    let record = Record { segment: Arc::downgrade(&segment), kept: Some(segment.clone()), status };
    let mut segments = SEGMENTS.lock();
    // Somebody else may have been faster; what was made in vain goes with the lock free.
    let made = match segments.find(key, flags, &who, fits) {
        Ok(Found::Existing(id)) => Err((Ok(id), record)),
        Err(errno) => Err((Err(errno), record)),
        Ok(Found::Missing) => {
            let permissions = Permissions::new(key, flags, &who);
            let inserted = segments.insert(permissions, record, limits::SEGMENTS.get() as usize);
            inserted.map_err(|(errno, record)| (Err(errno), record))
        }
    };
    if let Ok(id) = made {
        segment.id.store(id, Ordering::Relaxed);
    }
    drop(segments);
    made.or_else(|(result, _record)| result)
}

/// What `shmat` is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attach {
    /// Where.
    pub(crate) place: Place,
    /// `SHM_x`.
    pub(crate) flags: u32,
}

/// `shmat`: the address and the length of the new area.
///
/// # Errors
/// EINVAL, EIDRM, EACCES, ENOMEM.
pub(crate) fn attach(id: i32, wish: Attach, process: &Process) -> Result<(u64, u64), Errno> {
    let (who, by) = (who(), by_current());
    let (mut prot, mut rights, mut max_prot) = (Prot::READ_WRITE, READ | WRITE, Prot::ALL);
    if wish.flags & READ_ONLY != 0 {
        (prot, rights, max_prot) = (Prot::READ, READ, Prot::READ_EXEC);
    }
    if wish.flags & EXECUTE != 0 {
        (prot.exec, rights) = (true, rights | ids::EXECUTE);
    }
    let segment = find(id, &who, rights)?;
    let length_bytes = segment.pages * PAGE_SIZE_BYTES;
    let Place { at, replaces } = wish.place;
    let place = match (at, replaces) {
        (0, _) => space::Place::Anywhere { hint: 0 },
        (at, true) => space::Place::Fixed(at),
        (at, false) => space::Place::FixedNoReplace(at),
    };
    let object = Object(segment);
    let request = Request {
        place,
        length_bytes,
        prot,
        max_prot,
        sharing: Sharing::Shared,
        backing: Backing::Object { object, first: 0 },
        purpose: Purpose::Mapping,
        no_reserve: true,
    };
    let space = process.space().ok_or(Errno::EFAULT)?;
    // What is unmapped is looked at from now on.
    space.begin_to_lock();
    let mapped = space.lock_for(process).map(space.machine(), request);
    let start = mapped.map_err(|errno| match errno {
        // Something is there.
        Errno::EEXIST => Errno::EINVAL,
        errno => errno,
    })?;
    if let Ok(entry) = SEGMENTS.lock().get(id) {
        let status = &mut entry.object.status;
        (status.attached, status.user) = (by.now, by.pid);
    }
    Ok((start, length_bytes))
}

/// The segment, if these rights are granted.
fn find(id: i32, who: &Identity, rights: u32) -> Result<Arc<Segment>, Errno> {
    let mut segments = SEGMENTS.lock();
    let entry = segments.get(id)?;
    entry.permissions.check(who, rights)?;
    entry.object.segment.upgrade().ok_or(Errno::EIDRM)
}

/// `shmdt`: takes away what was attached at this address, as far as it is there; address and
/// length of what has gone.
///
/// # Errors
/// EINVAL.
pub(crate) fn detach(at: u64, process: &Process) -> Result<Vec<(u64, u64)>, Errno> {
    if !at.is_multiple_of(PAGE_SIZE_BYTES) {
        return Err(Errno::EINVAL);
    }
    let space = process.space().ok_or(Errno::EINVAL)?;
    let mut locked = space.lock();
    let (mut found, mut gone) = (None, Vec::new());
    for area in locked.vmas().iter().filter(|area| area.pages.start >= Vpn::of(at)) {
        let Some((object, first)) = area.object_at(area.pages.start) else { continue };
        let is_part = area.pages.start.0 - Vpn::of(at).0 == first;
        let id = object.0.segment().filter(|_| is_part);
        if id.is_some() && (found.is_none() || found == id) {
            found = id;
            gone.push((area.pages.start.base(), area.pages.pages() * PAGE_SIZE_BYTES));
        }
    }
    for (start, length_bytes) in &gone {
        locked.unmap(space.machine(), *start, *length_bytes)?;
    }
    drop(locked);
    let id = found.ok_or(Errno::EINVAL)?;
    detached(&[id], process.pid);
    Ok(gone)
}

/// Identifiers of the segments that a space shows, one for each area.
pub(super) fn attached(space: &AddressSpace) -> Vec<i32> {
    attached_in(space, 0, USER_END)
}

/// Whether there are any: where there are none, nobody need look for them.
#[inline]
pub(crate) fn exist() -> bool {
    COUNT.load(Ordering::Relaxed) > 0
}

/// Identifiers of those that it shows in a range.
pub(crate) fn attached_in(space: &AddressSpace, start: u64, length_bytes: u64) -> Vec<i32> {
    let Some(range) = PageRange::of_user(start, length_bytes) else { return Vec::new() };
    let locked = space.lock();
    let areas = locked.vmas().overlapping(range);
    areas.filter_map(|area| area.object_at(area.pages.start)?.0.0.segment()).collect()
}

/// A process has detached these.
pub(crate) fn detached(ids: &[i32], pid: Pid) {
    mark(ids, |status, now| (status.detached, status.user) = (now, pid));
}

/// The current process was copied, and with it what it has attached in `space`.
pub(super) fn copied(space: &AddressSpace) {
    let ids = attached(space);
    if ids.is_empty() {
        return;
    }
    space.begin_to_lock();
    let pid = by_current().pid;
    mark(&ids, |status, now| (status.attached, status.user) = (now, pid));
}

fn mark(ids: &[i32], mut change: impl FnMut(&mut SegmentStatus, u64)) {
    if ids.is_empty() {
        return;
    }
    let now = seconds();
    let mut segments = SEGMENTS.lock();
    for id in ids {
        // It may have gone with its last area.
        if let Ok(entry) = segments.get(*id) {
            change(&mut entry.object.status, now);
        }
    }
}

/// How many areas show each of these segments.
fn count_areas(ids: &[i32]) -> Vec<u64> {
    let mut counts = alloc::vec![0; ids.len()];
    mm::for_each_space(|space| {
        for id in attached(space) {
            if let Some(at) = ids.iter().position(|own| *own == id) {
                counts[at] += 1;
            }
        }
    });
    counts
}

/// Everything about a segment: its identifier, its permissions, its status.
///
/// # Errors
/// EINVAL, EIDRM, EACCES.
pub(crate) fn status(id: i32, lookup: Lookup) -> Result<(i32, Permissions, SegmentStatus), Errno> {
    let who = who();
    let (id, permissions, mut status) = {
        let mut segments = SEGMENTS.lock();
        let entry = lookup.find(&mut segments, id, &who)?;
        (entry.id(), entry.permissions, entry.object.status)
    };
    status.areas = count_areas(&[id])[0];
    Ok((id, permissions, status))
}

/// Changes owner and permissions.
///
/// # Errors
/// EINVAL, EIDRM, EPERM.
pub(crate) fn change(id: i32, owner: NewOwner) -> Result<(), Errno> {
    let who = who();
    let mut segments = SEGMENTS.lock();
    let entry = segments.get(id)?;
    entry.permissions.check_owner(&who)?;
    entry.permissions.change(owner);
    entry.object.status.changed = seconds();
    Ok(())
}

/// `IPC_RMID`: it goes with its last area.
///
/// # Errors
/// EINVAL, EIDRM, EPERM.
pub(crate) fn remove(id: i32) -> Result<(), Errno> {
    let who = who();
    let kept = {
        let mut segments = SEGMENTS.lock();
        segments.get(id)?.permissions.check_owner(&who)?;
        segments.forget_key(id)?;
        let entry = segments.get(id)?;
        entry.permissions.mode |= GOING;
        entry.object.kept.take()
    };
    // Without any area it goes here, which takes the lock.
    drop(kept);
    Ok(())
}

/// `SHM_LOCK` and `SHM_UNLOCK`: whether its pages stay in RAM.
///
/// # Errors
/// EINVAL, EIDRM, EPERM, ENOMEM.
pub(crate) fn set_locked(id: i32, locked: bool, process: &Process) -> Result<(), Errno> {
    let who = who();
    let segment = {
        let mut segments = SEGMENTS.lock();
        let entry = segments.get(id)?;
        if !who.is_root() {
            entry.permissions.check_owner(&who)?;
            if locked && process.limit(linux::RLIMIT_MEMLOCK) == 0 {
                return Err(Errno::EPERM);
            }
        }
        entry.object.segment.upgrade().ok_or(Errno::EIDRM)?
    };
    if locked {
        segment.memory.lock()?
    } else {
        segment.memory.unlock()
    }
    if let Ok(entry) = SEGMENTS.lock().get(id) {
        let mode = &mut entry.permissions.mode;
        *mode = if locked { *mode | LOCKED } else { *mode & !LOCKED };
    }
    Ok(())
}

/// How many segments there are and the highest place; and pages of all: promised, in RAM, in swap.
pub(crate) fn usage() -> [u64; 5] {
    let [mut resident, mut swapped] = [0; 2];
    let (count, highest, all) = {
        let segments = SEGMENTS.lock();
        let all: Vec<_> =
            segments.iter().filter_map(|entry| entry.object.segment.upgrade()).collect();
        (segments.count(), segments.highest(), all)
    };
    for segment in &all {
        let [here, away] = segment.resident();
        (resident, swapped) = (resident + here, swapped + away);
    }
    [count as u64, highest as u64, PAGES.load(Ordering::Relaxed), resident, swapped]
}

/// /proc/sysvipc/shm.
///
/// # Errors
/// EIO.
pub(crate) fn show(out: &mut String) -> Result<(), Errno> {
    out.push_str(text::SEGMENTS_HEAD);
    let all: Vec<_> = {
        let segments = SEGMENTS.lock();
        let entries = segments.iter().filter_map(|entry| {
            let segment = entry.object.segment.upgrade()?;
            Some((entry.id(), entry.permissions, entry.object.status, segment))
        });
        entries.collect()
    };
    let ids: Vec<i32> = all.iter().map(|(id, ..)| *id).collect();
    let counts = count_areas(&ids);
    for ((id, permissions, status, segment), areas) in all.into_iter().zip(counts) {
        let bytes = segment.resident().map(|pages| pages * PAGE_SIZE_BYTES);
        let status = SegmentStatus { areas, ..status };
        let line = text::segment(id, &permissions, &status, bytes);
        write!(out, "{line}").map_err(|_| Errno::EIO)?;
    }
    Ok(())
}
