//! Numbers that can be changed while the system runs, under /proc/sys, and the limits of address
//! spaces that follow from them and from a process's resource limits.

use core::sync::atomic::{AtomicU64, Ordering};

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::mm::space::Limits;
use guest::proc_text::tunable::Tunable;
use linux_raw_sys::general::{RLIMIT_AS, RLIMIT_DATA, RLIMIT_STACK};

use super::books::memory;
use super::load;
use crate::task::Process;

/// What stands for "no limit" in limits of resources.
const INFINITY: u64 = u64::MAX;
/// Stack of a process whose limit nobody has looked at yet, in bytes.
const DEFAULT_STACK_BYTES: u64 = 8 << 20;

static OVERCOMMIT_MEMORY: Tunable = Tunable::new("vm/overcommit_memory", 0, 0..=2);
static OVERCOMMIT_RATIO: Tunable = Tunable::new("vm/overcommit_ratio", 50, 0..=i32::MAX as u64);
/// In KiB; 0 leaves it to the ratio.
static OVERCOMMIT_KBYTES: Tunable = Tunable::new("vm/overcommit_kbytes", 0, 0..=u64::MAX >> 1);
static ADMIN_RESERVE_KBYTES: Tunable =
    Tunable::new("vm/admin_reserve_kbytes", 0, 0..=u64::MAX >> 1);
static USER_RESERVE_KBYTES: Tunable = Tunable::new("vm/user_reserve_kbytes", 0, 0..=u64::MAX >> 1);
static MAX_MAP_COUNT: Tunable = Tunable::new("vm/max_map_count", 65530, 0..=i32::MAX as u64);
static MMAP_MIN_ADDR: Tunable = Tunable::new("vm/mmap_min_addr", 65536, 0..=1 << 30);
static FAULT_AROUND_BYTES: Tunable = Tunable::new("vm/fault_around_bytes", 65536, 0..=2 << 20);
/// Shows what the books say, so the value here is only a mark.
static MIN_FREE_KBYTES: Tunable = Tunable::new("vm/min_free_kbytes", 0, 0..=i32::MAX as u64);
static RANDOMIZE_VA_SPACE: Tunable = Tunable::new("kernel/randomize_va_space", 0, 0..=2);
static PID_MAX: Tunable = Tunable::new("kernel/pid_max", 32768, 301..=4_194_304);

/// Whether processes are suspended where memory is too short for all.
static LOAD_CONTROL: Tunable = Tunable::new("vm/load_control", 1, 0..=1);
static PAGE_CLUSTER: Tunable = Tunable::new("vm/page-cluster", 3, 0..=5);

/// All of them, for /proc/sys.
static ALL: [&Tunable; 13] = [
    &OVERCOMMIT_MEMORY,
    &OVERCOMMIT_RATIO,
    &OVERCOMMIT_KBYTES,
    &ADMIN_RESERVE_KBYTES,
    &USER_RESERVE_KBYTES,
    &MAX_MAP_COUNT,
    &MMAP_MIN_ADDR,
    &FAULT_AROUND_BYTES,
    &MIN_FREE_KBYTES,
    &RANDOMIZE_VA_SPACE,
    &PID_MAX,
    &LOAD_CONTROL,
    &PAGE_CLUSTER,
];

/// Increases whenever limits of address spaces may have changed.
static LIMITS_VERSION: AtomicU64 = AtomicU64::new(1);

/// Paths of all of them below /proc/sys.
pub(crate) fn paths() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|tunable| tunable.path())
}

fn find(path: &str) -> Result<&'static Tunable, Errno> {
    ALL.iter().copied().find(|tunable| tunable.path() == path).ok_or(Errno::ENOENT)
}

/// What it is.
///
/// # Errors
/// `ENOENT`: there is no such path.
pub(crate) fn get(path: &str) -> Result<u64, Errno> {
    let tunable = find(path)?;
    if core::ptr::eq(tunable, &MIN_FREE_KBYTES) {
        return Ok(memory(|memory| memory.frames.min_free_kbytes()));
    }
    Ok(tunable.get())
}

/// Sets it from what was written.
///
/// # Errors
/// `ENOENT`, or `EINVAL`: no number, or one out of range.
pub(crate) fn store(path: &str, text: &str) -> Result<(), Errno> {
    let tunable = find(path)?;
    let value = tunable.store(text)?;
    if core::ptr::eq(tunable, &MIN_FREE_KBYTES) {
        memory(|memory| memory.frames.set_min_free_kbytes(value));
    }
    if core::ptr::eq(tunable, &LOAD_CONTROL) {
        load::change();
    }
    // Of these two the one written last decides.
    if core::ptr::eq(tunable, &OVERCOMMIT_RATIO) {
        OVERCOMMIT_KBYTES.set(0);
    } else if core::ptr::eq(tunable, &OVERCOMMIT_KBYTES) {
        OVERCOMMIT_RATIO.set(0);
    }
    limits_changed();
    Ok(())
}

/// kernel.randomize_va_space: 0 nothing, 1 stack and mappings, 2 the heap, too.
pub(crate) fn randomize_va_space() -> u64 {
    RANDOMIZE_VA_SPACE.get()
}

/// kernel.pid_max: process numbers stay below it.
pub(crate) fn pid_max() -> u32 {
    PID_MAX.get() as u32
}

/// vm.mmap_min_addr: the lowest address that may be mapped.
pub(crate) fn lowest_address() -> u64 {
    MMAP_MIN_ADDR.get()
}

/// vm.overcommit_memory: 0 heuristic, 1 always, 2 never.
pub(crate) fn overcommit_memory() -> u64 {
    OVERCOMMIT_MEMORY.get()
}

/// Whether nothing is promised that might not be kept.
pub(crate) fn is_never_overcommitted() -> bool {
    overcommit_memory() == 2
}

/// vm.overcommit_kbytes: what may be promised then; 0: the ratio says.
pub(super) fn overcommit_kbytes() -> u64 {
    OVERCOMMIT_KBYTES.get()
}

/// vm.admin_reserve_kbytes and vm.user_reserve_kbytes: what of it is not for everyone.
pub(super) fn reserves_kbytes() -> (u64, u64) {
    (ADMIN_RESERVE_KBYTES.get(), USER_RESERVE_KBYTES.get())
}

/// Sets the reserves from the RAM that is free once the kernel has started.
pub(crate) fn choose_reserves() {
    const PARTS: u64 = 32;
    const ADMIN_MAX_KBYTES: u64 = 8 << 10;
    const USER_MAX_KBYTES: u64 = 128 << 10;
    let free_kbytes = memory(|memory| memory.frames.free_frames()) * (PAGE_SIZE_BYTES / 1024);
    ADMIN_RESERVE_KBYTES.set((free_kbytes / PARTS).min(ADMIN_MAX_KBYTES));
    USER_RESERVE_KBYTES.set((free_kbytes / PARTS).min(USER_MAX_KBYTES));
}

/// vm.overcommit_ratio, in percent of RAM.
pub(crate) fn overcommit_ratio() -> u64 {
    OVERCOMMIT_RATIO.get()
}

/// vm.load_control.
pub(super) fn load_control() -> bool {
    LOAD_CONTROL.get() != 0
}

/// vm.page-cluster: so many pages, as a power of two, are read from swap together at most.
pub(super) fn page_cluster() -> u32 {
    PAGE_CLUSTER.get() as u32
}

/// To be called when limits of a process have changed: its space looks them up again.
pub(crate) fn limits_changed() {
    LIMITS_VERSION.fetch_add(1, Ordering::Relaxed);
}

/// What the limits of a space are compared with to see whether they are still right.
#[inline]
pub(super) fn limits_version() -> u64 {
    LIMITS_VERSION.load(Ordering::Relaxed)
}

/// The limits of a process's address space.
pub(super) fn limits(process: &Process) -> Limits {
    Limits {
        total_bytes: process.limit(RLIMIT_AS),
        data_bytes: process.limit(RLIMIT_DATA),
        stack_bytes: process.limit(RLIMIT_STACK),
        ..no_limits()
    }
}

/// Limits of a space that is no process's yet.
pub(super) fn no_limits() -> Limits {
    Limits {
        min_address: MMAP_MIN_ADDR.get(),
        total_bytes: INFINITY,
        data_bytes: INFINITY,
        stack_bytes: DEFAULT_STACK_BYTES,
        areas: MAX_MAP_COUNT.get() as usize,
        fault_around_pages: FAULT_AROUND_BYTES.get() / PAGE_SIZE_BYTES,
    }
}
