//! [`AddressSpace`]: the memory of a process, shared by its threads: [`Space`] behind a lock that
//! sleeps, and the machine it lives on. [`Paged`] and [`Object`] are what may be mapped into it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

use guest::errno::Errno;
use guest::locked::Locked;
use guest::mm::space::{Copies, PageState, Repair, Trouble};
use guest::mm::{CellId, ObjectAccess, PageError, PageRange, Sharing, Space, Vma, Vpn};
use guest::walk::Access;
use guest::{Flags, PAGE_SIZE_BYTES, Ppn};

use super::machine::HereMachine;
use super::push_out::Pushed;
use super::reclaim::Patience;
use super::registry::Registry;
use super::{boot, direct, reclaim, tunables};
use crate::arch::uaccess::BadAddress;
use crate::sched;
use crate::sync::{Mutex, MutexGuard, SpinGuard, SpinLock};
use crate::task::Process;

mod scan;
mod usage;

use scan::Scanned;

/// Something whose pages can be mapped.
pub(crate) trait Paged: Send + Sync {
    /// Page `index`, mapped once more; see [`guest::mm::Machine::object_page`]. May sleep.
    fn map_page(&self, index: u64, access: ObjectAccess) -> Result<Ppn, PageError>;
    /// Those pages from `first` on that are in memory, as many as `frames` has room for, each mapped
    /// once more; see [`guest::mm::Machine::object_pages`].
    fn map_present(&self, first: u64, frames: &mut [Option<Ppn>]);
    /// Device and inode, as /proc/PID/maps shows them.
    fn identity(&self) -> (u64, u64);
    /// Path for /proc/PID/maps; empty where it has none.
    fn path(&self) -> Vec<u8>;
    /// Calls `visit` with each page that it has, for the audit.
    fn for_each_page(&self, visit: &mut dyn FnMut(u64, CellId));
    /// Whether page `index` is in memory, for mincore.
    fn has_page(&self, index: u64) -> bool;
    /// What its pages count as in /proc/meminfo and /proc/PID/status.
    fn kind(&self) -> ObjectKind {
        ObjectKind::File
    }
    /// Makes what was written through mappings survive: msync.
    fn sync(&self) -> Result<(), Errno> {
        Ok(())
    }
    /// Lets go of these pages, here and wherever they are mapped: MADV_REMOVE.
    fn punch(&self, _pages: Range<u64>) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }
    /// The identifier of the System V segment that it is, if it is one.
    fn segment(&self) -> Option<i32> {
        None
    }
}

/// What the pages of an object count as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ObjectKind {
    /// A file's.
    File,
    /// Of memory that only processes share.
    Shared,
}

/// A handle on something paged; equal if it is the same thing.
#[derive(Clone)]
pub(crate) struct Object(pub(crate) Arc<dyn Paged>);

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (device, inode) = self.0.identity();
        write!(f, "Object({device}:{inode})")
    }
}

/// Everything paged that was announced, for the audit.
static OBJECTS: Registry<dyn Paged> = Registry::new();

/// Lets the audit know of an object: each is announced once, when it is made.
pub(crate) fn announce(object: &Arc<dyn Paged>) {
    OBJECTS.add(object);
}

/// Calls `visit` with all objects that were announced and live.
pub(crate) fn for_each_object(visit: impl FnMut(&Arc<dyn Paged>)) {
    OBJECTS.for_each(visit);
}

/// How many there are.
pub(crate) fn object_count() -> u64 {
    OBJECTS.count()
}

/// Gives back what is kept of objects and address spaces that are gone.
pub(super) fn forget_gone() {
    OBJECTS.trim();
    SPACES.trim();
}

/// Every address space, those included that no process has yet, for the audit.
static SPACES: Registry<AddressSpace> = Registry::new();

/// Calls `visit` with all address spaces.
pub(crate) fn for_each_space(visit: impl FnMut(&Arc<AddressSpace>)) {
    SPACES.for_each(visit);
}

/// How many there are.
pub(crate) fn space_count() -> u64 {
    SPACES.count()
}

/// Takes these pages of an object, which has them no more, out of every address space. The caller
/// holds neither a space nor the object.
pub(crate) fn cut_out(identity: (u64, u64), pages: Range<u64>, copies: Copies) {
    for_each_space(|own| {
        let mut space = own.lock();
        if let Some(object) = find_object(&space, identity) {
            space.discard_object(own.machine(), &object, pages.clone(), copies);
        }
    });
}

/// Has every entry that says that a page of this file was written say so no more: the pages say it
/// themselves. The caller holds neither a space nor the object.
pub(crate) fn clean_mappings(identity: (u64, u64)) {
    for_each_space(|own| {
        let mut space = own.lock();
        if let Some(object) = find_object(&space, identity) {
            space.clean_object(own.machine(), &object);
        }
    });
}

/// Whether anybody has an object mapped so that what they write is seen by others, or may have it
/// so. The caller holds neither a space nor the object.
pub(crate) fn is_mapped_for_writing(identity: (u64, u64)) -> bool {
    let mut found = false;
    for_each_space(|own| {
        let shows = |area: &Vma<Object>| {
            let object = area.object_at(area.pages.start).map(|(object, _)| object);
            let may_write = area.sharing == Sharing::Shared && area.max_prot.write;
            may_write && object.is_some_and(|object| object.0.identity() == identity)
        };
        found = found || own.lock().vmas().iter().any(shows);
    });
    found
}

/// The object with this identity, if it is mapped.
fn find_object(space: &Space<HereMachine>, identity: (u64, u64)) -> Option<Object> {
    space.vmas().iter().find_map(|area| {
        let (object, _) = area.object_at(area.pages.start)?;
        (object.0.identity() == identity).then(|| object.clone())
    })
}

/// The address space of a process, shared by its threads.
#[derive(Debug)]
pub(crate) struct AddressSpace {
    machine: HereMachine,
    space: Mutex<Space<HereMachine>>,
    root: Ppn,
    /// Pages that mlock holds. Only used with the space locked.
    locked: SpinLock<Locked>,
    /// Whether there ever were any.
    has_locked: AtomicBool,
    /// [`tunables::limits_version`] when the space's limits were last looked up.
    limits_version: AtomicU64,
    /// What is added to the out-of-memory score of its process.
    oom_adjustment: AtomicI32,
    /// Where the pager goes on, and what it has learnt.
    scanned: SpinLock<Scanned>,
    /// What is known of its being pushed out.
    pub(super) pushed: Pushed,
    /// Its memory was freed under its processes, which end.
    is_reaped: AtomicBool,
}

impl AddressSpace {
    /// An empty one, without limits until its process first looks.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Arc<Self>, Errno> {
        let machine = HereMachine::new();
        let space = Space::new(&machine, boot::kernel_root(), tunables::no_limits())?;
        Ok(Self::wrap(machine, space))
    }

    /// A copy-on-write copy. Sleeps until there is memory for its tables.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(crate) fn fork(&self) -> Result<Arc<Self>, Errno> {
        let mut frames = FORK_FRAMES;
        let mut attempts = 0;
        let copy = loop {
            reclaim::throttle_for(frames)?;
            let mut space = self.space.lock();
            attempts += 1;
            match space.fork(&self.machine) {
                Ok(copy) => break copy,
                Err(error) if attempts == FORK_ATTEMPTS => return Err(error.into()),
                // It takes more, or there are not as many any more as there were a moment ago.
                Err(_) => frames = FORK_FRAMES + space.counters().tables,
            }
        };
        Ok(Self::wrap(HereMachine::new(), copy))
    }

    fn wrap(machine: HereMachine, space: Space<HereMachine>) -> Arc<Self> {
        let root = space.root();
        let own = Arc::new(Self {
            machine,
            space: Mutex::new(space),
            root,
            locked: SpinLock::new(Locked::default()),
            has_locked: AtomicBool::new(false),
            limits_version: AtomicU64::new(0),
            oom_adjustment: AtomicI32::new(inherited_oom_adjustment()),
            scanned: SpinLock::new(Scanned::default()),
            pushed: Pushed::default(),
            is_reaped: AtomicBool::new(false),
        });
        SPACES.add(&own);
        own
    }

    /// For exclusive use; sleeps.
    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, Space<HereMachine>> {
        self.space.lock()
    }

    /// The same, unless somebody uses it.
    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, Space<HereMachine>>> {
        self.space.try_lock()
    }

    /// For exclusive use by the process itself, whose limits count; sleeps.
    #[inline(always)]
    pub(crate) fn lock_for(&self, process: &Process) -> MutexGuard<'_, Space<HereMachine>> {
        let mut space = self.space.lock();
        let version = tunables::limits_version();
        if self.limits_version.load(Ordering::Relaxed) != version {
            self.limits_version.store(version, Ordering::Relaxed);
            space.set_limits(tunables::limits(process));
        }
        space
    }

    /// What the methods of [`Space`] want as `machine`.
    #[inline]
    pub(crate) fn machine(&self) -> &HereMachine {
        &self.machine
    }

    /// Whether mlock and its like were ever used.
    #[inline]
    pub(crate) fn has_locked(&self) -> bool {
        self.has_locked.load(Ordering::Relaxed)
    }

    /// From now on it looks at what is locked, and at segments that are detached.
    pub(crate) fn begin_to_lock(&self) {
        self.has_locked.store(true, Ordering::Relaxed);
    }

    /// Pages that mlock holds; to be used with the space locked.
    pub(crate) fn locked(&self) -> SpinGuard<'_, Locked> {
        self.locked.lock()
    }

    /// What is added to the out-of-memory score of its process: -1000 to 1000.
    pub(crate) fn oom_adjustment(&self) -> i32 {
        self.oom_adjustment.load(Ordering::Relaxed)
    }

    /// Changes that.
    pub(crate) fn set_oom_adjustment(&self, adjustment: i32) {
        self.oom_adjustment.store(adjustment, Ordering::Relaxed);
    }

    /// Makes it the one of this hart; interrupts are off. The scheduler calls this.
    pub(crate) fn activate(&self) {
        self.machine.activate(self.root);
    }

    /// Copies from it wherever it runs (for /proc/PID/cmdline, mem), bringing pages in; how many
    /// bytes there are before the first that cannot be read.
    pub(crate) fn read(&self, from: u64, to: &mut [u8]) -> usize {
        let mut done = 0;
        while done < to.len() {
            let at = from + done as u64;
            let end = to.len();
            let copied = self.with_page(at, Access::Load, |frame, offset| {
                let count = (end - done).min(PAGE_SIZE_BYTES as usize - offset);
                direct::read_frame(frame, offset, &mut to[done..done + count]);
                count
            });
            match copied {
                Ok(count) => done += count,
                Err(_) => break,
            }
        }
        done
    }

    /// Writes into it wherever it runs, breaking copy-on-write; how many bytes there are before
    /// the first that cannot be written.
    pub(crate) fn write_some(&self, to: u64, from: &[u8]) -> usize {
        let mut done = 0;
        while done < from.len() {
            let at = to + done as u64;
            let copied = self.with_page(at, Access::Store, |frame, offset| {
                let count = (from.len() - done).min(PAGE_SIZE_BYTES as usize - offset);
                direct::write_frame(frame, offset, &from[done..done + count]);
                count
            });
            match copied {
                Ok(count) => done += count,
                Err(_) => break,
            }
        }
        done
    }

    /// Writes into it before it runs (exec's stack, TLS), through faults of its own.
    ///
    /// # Errors
    /// Not all of it could be written.
    pub(crate) fn write(&self, to: u64, from: &[u8]) -> Result<(), BadAddress> {
        if self.write_some(to, from) == from.len() { Ok(()) } else { Err(BadAddress) }
    }

    /// Runs `f` with the frame behind `va`, brought in for `access`, and the offset in it.
    fn with_page<R>(
        &self,
        va: u64,
        access: Access,
        f: impl FnOnce(Ppn, usize) -> R,
    ) -> Result<R, Trouble> {
        let page = Vpn::of(va);
        if page >= Vpn::USER_END {
            return Err(Trouble::NotMapped);
        }
        let right = if access == Access::Store { Flags::W } else { Flags::R };
        let mut patience = Patience::new();
        loop {
            let mut space = self.space.lock();
            let mut outcome = Ok(Repair::Spurious);
            for _ in 0..FAULTS_PER_PAGE {
                if let PageState::Present { frame, pte, .. } = space.page(&self.machine, page)
                    && pte.is_valid()
                    && pte.flags().has(right)
                {
                    return Ok(f(frame, (va % PAGE_SIZE_BYTES) as usize));
                }
                outcome = space.fault(&self.machine, va, access);
                if outcome.is_err() {
                    break;
                }
            }
            drop(space);
            match outcome {
                Ok(_) => return Err(Trouble::Denied),
                Err(trouble) => patience.wait_out(trouble)?,
            }
        }
    }

    /// Faults ahead of time, as [`Space::populate`], whatever has to be waited for.
    ///
    /// # Errors
    /// [`Trouble`] that waiting does not end.
    pub(crate) fn populate(&self, range: PageRange) -> Result<(), Trouble> {
        let mut left = range;
        let mut patience = Patience::new();
        loop {
            let outcome = self.space.lock().populate(&self.machine, &mut left);
            match outcome {
                Ok(()) => return Ok(()),
                Err(trouble) => patience.wait_out(trouble)?,
            }
        }
    }
}

/// Frames that a copy of a space takes besides its tables: stack and books of its process.
const FORK_FRAMES: u64 = 16;
/// How often a copy is begun before there is no memory for it.
const FORK_ATTEMPTS: u32 = 4;

/// One fault may be about the table, the page, and A or D; more are none of ours.
const FAULTS_PER_PAGE: usize = 4;

impl AddressSpace {
    /// Pages that are mapped, but not counting those of zeros.
    pub(crate) fn resident(&self) -> u64 {
        self.space.lock().counters().resident()
    }
}

/// What fork and exec keep of the space that the caller runs in.
fn inherited_oom_adjustment() -> i32 {
    sched::current_space().map_or(0, |space| space.oom_adjustment())
}

impl Drop for AddressSpace {
    fn drop(&mut self) {
        self.space.lock().destroy(&self.machine);
    }
}
