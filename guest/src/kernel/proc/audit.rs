//! /proc/sys/vm/audit: whether the books on memory agree with everything that uses memory, and
//! what has become more or less since the baseline. Nothing changes meanwhile: the lock of every
//! address space is held, in order of processes.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::mm::Space;
use guest::mm::audit::{Audit, Violation};
use guest::mm::frames::Kind;
use guest::mm::memory::Census;

use super::nodes::put;
use crate::mm::{self, AddressSpace, HereMachine, boot, commit, heap, memory, reclaim};
use crate::sched;
use crate::sync::{Mutex, MutexGuard, SpinLock};
use crate::task::{self, Process};

/// What there was when the baseline was taken.
static BASELINE: SpinLock<Option<Figures>> = SpinLock::new(None);
/// One audit at a time: two would wait for each other's address spaces.
static TURN: Mutex<()> = Mutex::new(());

/// Frames that an audit takes besides its tables: lists of spaces, and the text.
const SPARE_FRAMES: u64 = 8;

/// What is compared with the baseline.
#[derive(Clone, Debug)]
struct Figures {
    census: Census,
    heap_bytes: u64,
    heap_frames: u64,
    stack_frames: u64,
    objects: u64,
    spaces: u64,
    committed_pages: u64,
}

impl Figures {
    fn now() -> Self {
        mm::trim();
        let heap = heap::in_use();
        Self {
            census: memory(|memory| memory.census()),
            heap_bytes: heap.object_bytes,
            heap_frames: heap.object_frames + heap.large_frames,
            stack_frames: mm::stack_frames().0,
            objects: mm::object_count(),
            spaces: mm::space_count(),
            committed_pages: commit::committed_pages(),
        }
    }

    /// Names and values, in the order in which they are shown.
    fn rows(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let frames = Kind::ALL.into_iter().zip(self.census.frames);
        frames.map(|(kind, frames)| (frame_row(kind), frames)).chain([
            ("cells", self.census.cells),
            ("slots", self.census.slots),
            ("heap_bytes", self.heap_bytes),
            ("heap_frames", self.heap_frames),
            ("stack_frames", self.stack_frames),
            ("objects", self.objects),
            ("spaces", self.spaces),
            ("committed_pages", self.committed_pages),
        ])
    }
}

fn frame_row(kind: Kind) -> &'static str {
    match kind {
        Kind::Reserved => "frames_reserved",
        Kind::Free => "frames_free",
        Kind::Table => "frames_table",
        Kind::Kernel => "frames_kernel",
        Kind::Anon => "frames_anon",
        Kind::Object => "frames_object",
        Kind::Zero => "frames_zero",
    }
}

/// Remembers what there is now, to be compared with later.
pub(super) fn record_baseline(written: &str) -> Result<(), Errno> {
    if written.trim() != "baseline" {
        return Err(Errno::EINVAL);
    }
    record();
    Ok(())
}

/// Remembers what there is now.
pub(crate) fn record() {
    let figures = Figures::now();
    *BASELINE.lock() = Some(figures);
}

/// The number of a process that has this space; 0: none has it yet, or any more.
fn owner_of(space: &Arc<AddressSpace>, processes: &[Arc<Process>]) -> u32 {
    let has = |process: &&Arc<Process>| process.space().is_some_and(|own| Arc::ptr_eq(&own, space));
    processes.iter().find(has).map_or(0, |process| process.pid)
}

/// Runs the audit; what it found.
fn run() -> Result<Vec<Violation>, Errno> {
    let processes = task::processes();
    let mut spaces: Vec<(u32, Arc<AddressSpace>)> = Vec::new();
    mm::for_each_space(|space| spaces.push((owner_of(space, &processes), space.clone())));
    drop(processes);
    spaces.sort_by_key(|(pid, _)| *pid);
    let extent = memory(|memory| memory.extent());
    let mut audit = Audit::begin(extent).map_err(|_| Errno::ENOMEM)?;
    let locked: Vec<(u32, &AddressSpace, MutexGuard<'_, Space<HereMachine>>)> =
        spaces.iter().map(|(pid, space)| (*pid, &**space, space.lock())).collect();
    let kernel = boot::kernel_root();
    for (pid, own, space) in &locked {
        audit.space(own.machine(), *pid, space);
        audit.kernel_half(own.machine(), *pid, space.root(), kernel);
    }
    audit.kernel(mm::machine(), 0, kernel);
    mm::for_each_object(|object| {
        object.for_each_page(&mut |_, cell| audit.object_page(cell));
    });
    memory(|memory| audit.judge(memory));
    drop(locked);
    Ok(audit.finish())
}

/// Runs the audit until it finds nothing, or often enough: files may be written and spaces be on
/// their way out while it looks, so only what stays is a violation.
fn run_until_quiet() -> Result<Vec<Violation>, Errno> {
    const ATTEMPTS: usize = 5;
    for _ in 1..ATTEMPTS {
        let found = run()?;
        if found.is_empty() {
            return Ok(found);
        }
        sched::yield_now();
    }
    run()
}

/// The text: `ok` or `FAILED n`, figures, violations.
pub(super) fn show(out: &mut String) -> Result<(), Errno> {
    let turn = TURN.lock();
    // Where memory is full, others have to make room for what the audit takes.
    let bytes = memory(|memory| memory.extent()).audit_bytes() as u64;
    reclaim::throttle_for(bytes.div_ceil(PAGE_SIZE_BYTES) + SPARE_FRAMES)?;
    let figures = Figures::now();
    let baseline = BASELINE.lock().clone();
    let violations = run_until_quiet()?;
    drop(turn);
    match violations.len() {
        0 => put!(out, "ok\n")?,
        found => put!(out, "FAILED {found}\n")?,
    }
    for (name, value) in figures.rows() {
        put!(out, "{name} {value}\n")?;
    }
    if let Some(baseline) = baseline {
        for ((name, before), (_, now)) in baseline.rows().zip(figures.rows()) {
            put!(out, "leak_{name} {}\n", now as i64 - before as i64)?;
        }
    }
    violations.iter().try_for_each(|violation| put!(out, "violation {violation}\n"))
}
