//! System calls: memory. Arguments are checked here in the order in which Linux does; what they
//! mean is `guest::mm::space`'s. `memory/lock.rs` holds pages in RAM, `memory/peek.rs` copies
//! between processes, `memory/advise.rs` has what only asks or advises, `memory/window.rs` shows
//! other pages of a file.

mod advise;
mod lock;
mod peek;
mod window;

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::fs::seals::Seals;
use guest::mm::space::{Mobility, Place, Remap, Request, Rest};
use guest::mm::vma::Purpose;
use guest::mm::{Backing, PageRange, Prot, Sharing, Space};
use linux_raw_sys::general as linux;

use super::{Answer, Row};
use crate::arch::trap::TrapFrame;
use crate::ipc;
use crate::mm::{HereMachine, Object, shared, tunables};
use crate::sched::{self, CurrentSpace};
use crate::sync::MutexGuard;
use crate::task::{self, Process};

pub(super) const ROWS: &[Row] = &[
    Row { number: linux::__NR_brk, name: "brk", call: brk },
    Row { number: linux::__NR_mmap, name: "mmap", call: mmap },
    Row { number: linux::__NR_munmap, name: "munmap", call: munmap },
    Row { number: linux::__NR_mprotect, name: "mprotect", call: mprotect },
    Row { number: linux::__NR_mremap, name: "mremap", call: mremap },
    Row { number: linux::__NR_madvise, name: "madvise", call: advise::madvise },
    Row { number: linux::__NR_msync, name: "msync", call: advise::msync },
    Row { number: linux::__NR_mincore, name: "mincore", call: advise::mincore },
    Row { number: linux::__NR_mlock, name: "mlock", call: lock::mlock },
    Row { number: linux::__NR_mlock2, name: "mlock2", call: lock::mlock2 },
    Row { number: linux::__NR_munlock, name: "munlock", call: lock::munlock },
    Row { number: linux::__NR_mlockall, name: "mlockall", call: lock::mlockall },
    Row { number: linux::__NR_munlockall, name: "munlockall", call: lock::munlockall },
    Row {
        number: linux::__NR_remap_file_pages,
        name: "remap_file_pages",
        call: window::remap_file_pages,
    },
    Row { number: linux::__NR_process_vm_readv, name: "process_vm_readv", call: peek::readv },
    Row { number: linux::__NR_process_vm_writev, name: "process_vm_writev", call: peek::writev },
];

/// The calling process and its address space, which it has while it runs.
struct Caller {
    process: &'static Process,
    space: CurrentSpace,
}

impl Caller {
    fn new() -> Result<Self, Errno> {
        let process = task::current_process();
        let space = sched::current_space().ok_or(Errno::EFAULT)?;
        Ok(Self { process, space })
    }

    fn lock(&self) -> MutexGuard<'_, Space<HereMachine>> {
        self.space.lock_for(self.process)
    }

    fn machine(&self) -> &HereMachine {
        self.space.machine()
    }

    /// May do what only root may.
    fn is_privileged(&self) -> bool {
        self.process.credentials().euid == 0
    }

    /// Brings the pages of a new mapping in, as far as there is memory: failing is no error.
    fn populate(&self, start: u64, length_bytes: u64) {
        if let Some(range) = PageRange::of_user(start, length_bytes) {
            let _ = self.space.populate(range);
        }
    }
}

/// Rounds a length up to pages; `None` where that overflows.
fn page_aligned(length_bytes: u64) -> Option<u64> {
    length_bytes.checked_next_multiple_of(PAGE_SIZE_BYTES)
}

fn is_aligned(address: u64) -> bool {
    address.is_multiple_of(PAGE_SIZE_BYTES)
}

/// PROT_x, those that are known.
fn prot_of(bits: u64) -> Prot {
    let has = |bit: u32| bits & u64::from(bit) != 0;
    Prot { read: has(linux::PROT_READ), write: has(linux::PROT_WRITE), exec: has(linux::PROT_EXEC) }
}

fn brk(frame: &mut TrapFrame) -> Answer {
    let caller = Caller::new()?;
    let wanted = frame.a(0);
    let (old, new) = {
        let mut space = caller.lock();
        let (_, old) = space.heap();
        (old, space.set_break(caller.machine(), wanted))
    };
    if new > old {
        lock::after_mapping(&caller, old, new - old);
    } else if new < old {
        lock::after_unmapping(&caller, new.next_multiple_of(PAGE_SIZE_BYTES), old - new);
    }
    Ok(new)
}

/// What `mmap` was asked for beside place and length.
struct Wish {
    flags: u32,
    prot: Prot,
}

impl Wish {
    fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// Whether the pages shall not count as promised; where nothing is overcommitted they do.
    fn no_reserve(&self) -> bool {
        self.has(linux::MAP_NORESERVE) && !tunables::is_never_overcommitted()
    }
}

/// Flags that MAP_SHARED_VALIDATE knows.
const VALID_FLAGS: u32 = linux::MAP_TYPE
    | linux::MAP_FIXED
    | linux::MAP_FIXED_NOREPLACE
    | linux::MAP_ANONYMOUS
    | linux::MAP_DENYWRITE
    | linux::MAP_EXECUTABLE
    | linux::MAP_GROWSDOWN
    | linux::MAP_LOCKED
    | linux::MAP_NORESERVE
    | linux::MAP_POPULATE
    | linux::MAP_NONBLOCK
    | linux::MAP_STACK
    | linux::MAP_HUGETLB;

fn mmap(frame: &mut TrapFrame) -> Answer {
    let [address, length_bytes, prot, flags, fd, offset] =
        [0, 1, 2, 3, 4, 5].map(|argument| frame.a(argument));
    if !is_aligned(offset) {
        return Err(Errno::EINVAL);
    }
    let caller = Caller::new()?;
    let wish = Wish { flags: flags as u32, prot: prot_of(prot) };
    let is_anonymous = wish.has(linux::MAP_ANONYMOUS);
    let file =
        if is_anonymous { None } else { Some(caller.process.files().lock().get(fd as u32)?) };
    if wish.has(linux::MAP_HUGETLB) || length_bytes == 0 {
        return Err(Errno::EINVAL);
    }
    let length_bytes = page_aligned(length_bytes).ok_or(Errno::ENOMEM)?;
    let pages = length_bytes / PAGE_SIZE_BYTES;
    let first = if is_anonymous { 0 } else { offset / PAGE_SIZE_BYTES };
    if wish.has(linux::MAP_LOCKED) {
        lock::may_lock_more(&caller, pages)?;
    }
    let place = if wish.has(linux::MAP_FIXED_NOREPLACE) {
        Place::FixedNoReplace(address)
    } else if wish.has(linux::MAP_FIXED) {
        Place::Fixed(address)
    } else {
        Place::Anywhere { hint: address }
    };
    let (sharing, max_prot, object) = match &file {
        Some(file) => file_mapping(&wish, file)?,
        None => anonymous_mapping(&caller, &wish, pages)?,
    };
    let backing = object.map_or(Backing::Anonymous, |object| Backing::Object { object, first });
    let grows = wish.has(linux::MAP_GROWSDOWN);
    let (prot, purpose) = (wish.prot, if grows { Purpose::Stack } else { Purpose::Mapping });
    let no_reserve = wish.no_reserve();
    let request =
        Request { place, length_bytes, prot, max_prot, sharing, backing, purpose, no_reserve };
    let start = caller.lock().map(caller.machine(), request)?;
    if wish.has(linux::MAP_LOCKED) {
        lock::lock_mapping(&caller, start, length_bytes);
    } else {
        lock::after_mapping(&caller, start, length_bytes);
        if wish.has(linux::MAP_POPULATE) && !wish.has(linux::MAP_NONBLOCK) {
            caller.populate(start, length_bytes);
        }
    }
    Ok(start)
}

/// How a mapping is shared, what may ever be done with it, and what is behind it.
type Kind = (Sharing, Prot, Option<Object>);

fn file_mapping(wish: &Wish, file: &crate::fs::OpenFile) -> Result<Kind, Errno> {
    file.file()?;
    let (reads, writes) = file.access();
    let sharing = match wish.flags & linux::MAP_TYPE {
        linux::MAP_SHARED => Sharing::Shared,
        linux::MAP_SHARED_VALIDATE if wish.flags & !VALID_FLAGS != 0 => {
            return Err(Errno::EOPNOTSUPP);
        }
        linux::MAP_SHARED_VALIDATE => Sharing::Shared,
        linux::MAP_PRIVATE => Sharing::Private,
        _ => return Err(Errno::EINVAL),
    };
    let is_shared = sharing == Sharing::Shared;
    if is_shared && wish.prot.write && !writes || !reads {
        return Err(Errno::EACCES);
    }
    let runs_nothing = file.place().mount.as_ref().is_some_and(|on| on.has(linux::MS_NOEXEC));
    if runs_nothing && wish.prot.exec {
        return Err(Errno::EPERM);
    }
    let object = file.object()?;
    let allows = |seals: Seals| seals.allow_shared_writes();
    let is_sealed = is_shared && !file.file()?.seals().is_none_or(allows);
    if is_sealed && wish.prot.write {
        return Err(Errno::EPERM);
    }
    if wish.has(linux::MAP_GROWSDOWN) {
        return Err(Errno::EINVAL);
    }
    let is_only_read = is_shared && !writes || is_sealed;
    let mut max_prot = if is_only_read { Prot::READ_EXEC } else { Prot::ALL };
    max_prot.exec &= !runs_nothing;
    Ok((sharing, max_prot, Some(object)))
}

fn anonymous_mapping(caller: &Caller, wish: &Wish, pages: u64) -> Result<Kind, Errno> {
    match wish.flags & linux::MAP_TYPE {
        linux::MAP_SHARED | linux::MAP_SHARED_VALIDATE if wish.has(linux::MAP_GROWSDOWN) => {
            Err(Errno::EINVAL)
        }
        linux::MAP_SHARED => {
            let promise = match wish.no_reserve() {
                true => shared::Promise::ByPage,
                false => shared::Promise::Whole { own_pages: caller.lock().vmas().totals().pages },
            };
            Ok((Sharing::Shared, Prot::ALL, Some(shared::new_shared(pages, promise)?)))
        }
        linux::MAP_PRIVATE => Ok((Sharing::Private, Prot::ALL, None)),
        _ => Err(Errno::EINVAL),
    }
}

fn munmap(frame: &mut TrapFrame) -> Answer {
    let caller = Caller::new()?;
    let (start, length_bytes) = (frame.a(0), frame.a(1));
    if caller.space.has_locked() {
        return unmap_watched(&caller, start, length_bytes);
    }
    caller.lock().unmap(caller.machine(), start, length_bytes)?;
    Ok(0)
}

/// The same where pages may be locked, or segments of shared memory attached.
#[cold]
fn unmap_watched(caller: &Caller, start: u64, length_bytes: u64) -> Answer {
    let shown = ipc::segments::attached_in(&caller.space, start, length_bytes);
    caller.lock().unmap(caller.machine(), start, length_bytes)?;
    ipc::segments::detached(&shown, caller.process.pid);
    lock::after_unmapping(caller, start, length_bytes);
    Ok(0)
}

/// What mlockall said of new areas holds for one that was attached, too.
pub(super) fn attached(start: u64, length_bytes: u64) -> Result<(), Errno> {
    lock::after_mapping(&Caller::new()?, start, length_bytes);
    Ok(())
}

/// The pages of an area that was detached are locked no longer.
pub(super) fn detached(start: u64, length_bytes: u64) -> Result<(), Errno> {
    lock::after_unmapping(&Caller::new()?, start, length_bytes);
    Ok(())
}

fn mprotect(frame: &mut TrapFrame) -> Answer {
    let (start, length_bytes, bits) = (frame.a(0), frame.a(1), frame.a(2));
    let known = linux::PROT_READ | linux::PROT_WRITE | linux::PROT_EXEC | linux::PROT_SEM;
    if !is_aligned(start) {
        return Err(Errno::EINVAL);
    }
    if length_bytes == 0 {
        return Ok(0);
    }
    let end = page_aligned(length_bytes).and_then(|length| start.checked_add(length));
    if end.is_none_or(|end| end <= start) {
        return Err(Errno::ENOMEM);
    }
    if bits & !u64::from(known) != 0 {
        return Err(Errno::EINVAL);
    }
    let caller = Caller::new()?;
    caller.lock().protect(caller.machine(), start, length_bytes, prot_of(bits)).map(|()| 0)
}

fn mremap(frame: &mut TrapFrame) -> Answer {
    let [start, old_bytes, new_bytes, flags, to] =
        [0, 1, 2, 3, 4].map(|argument| frame.a(argument));
    let (may_move, fixed, keep) =
        (linux::MREMAP_MAYMOVE, linux::MREMAP_FIXED, linux::MREMAP_DONTUNMAP);
    let has = |flag: u32| flags & u64::from(flag) != 0;
    if flags & !u64::from(may_move | fixed | keep) != 0
        || (has(fixed) || has(keep)) && !has(may_move)
    {
        return Err(Errno::EINVAL);
    }
    let old_bytes = page_aligned(old_bytes).ok_or(Errno::EINVAL)?;
    let new_bytes = page_aligned(new_bytes).ok_or(Errno::EINVAL)?;
    let mobility = match (has(fixed), has(may_move)) {
        (true, _) => Mobility::Fixed(to),
        (false, true) => Mobility::MayMove,
        (false, false) => Mobility::Stay,
    };
    let rest = if has(keep) { Rest::Mapped } else { Rest::Unmapped };
    let caller = Caller::new()?;
    let was_locked = lock::is_locked(&caller, start, old_bytes);
    if was_locked && new_bytes > old_bytes {
        lock::may_lock_more(&caller, (new_bytes - old_bytes) / PAGE_SIZE_BYTES)?;
    }
    let wish = Remap { start, old_bytes, new_bytes, mobility, rest };
    let moved = caller.lock().remap(caller.machine(), wish)?;
    if was_locked {
        lock::after_unmapping(&caller, start, old_bytes);
        lock::lock_mapping(&caller, moved, new_bytes);
    }
    Ok(moved)
}
