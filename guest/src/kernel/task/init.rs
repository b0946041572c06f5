//! The first process.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::fs::access::Groups;
use guest::task::limits::Limits;
use guest::task::signal::{Actions, SIGCHLD, SigSet};
use guest::task::stack::{Arguments, arguments_max_bytes};
use guest::task::{limits, tree};

use super::exec::{self, Caller, Program};
use super::signal::ProcessSignals;
use super::table::{TREE, publish};
use super::{Credentials, Process, Resources, Thread, trampoline};
use crate::arch::trap::TrapFrame;
use crate::fs::{self, FsContext};
use crate::mm;
use crate::sched::Task;
use crate::sync::SpinLock;

/// Frames that a process takes at least, roughly: stack, page tables, books, a few pages.
const FRAMES_PER_THREAD: u64 = (64 << 10) / PAGE_SIZE_BYTES;
/// Threads there may be however small the machine.
const THREADS_MIN: u64 = 64;

/// Whether the first process is one like others: see [`treat_init_as_others`].
static IS_ORDINARY: AtomicBool = AtomicBool::new(false);

/// Lets signals that the first process does not handle harm it, as they do any other (stdio=ports).
/// To be called before [`start_init`].
pub(crate) fn treat_init_as_others() {
    IS_ORDINARY.store(true, Ordering::Relaxed);
}

/// Whether it was so treated.
pub(crate) fn is_init_ordinary() -> bool {
    IS_ORDINARY.load(Ordering::Relaxed)
}

/// Starts the first process; the boot hart calls this once the initramfs is unpacked.
///
/// # Errors
/// Those of `execve`, ENOMEM.
pub(crate) fn start_init(
    path: &[u8],
    arguments: &[&[u8]],
    environment: &[&[u8]],
) -> Result<(), Errno> {
    trampoline::make()?;
    let limits = first_limits();
    let stack = limits.get(limits::STACK)?.soft;
    let mut strings = Arguments::new(arguments_max_bytes(stack));
    for argument in arguments {
        strings.push_argument(argument)?;
    }
    for variable in environment {
        strings.push_variable(variable)?;
    }
    let caller = Caller { credentials: Credentials::default(), stack_bytes: stack };
    let program = exec::load(path, strings, &caller)?;
    let pid = TREE.lock().reserve()?;
    assert!(pid == tree::INIT, "the first process has the first number");
    let frame = TrapFrame::new_user(program.entry, program.stack_pointer);
    let trampoline = program.trampoline;
    let name = program.name;
    let space = program.space.clone();
    let resources = resources(program, caller.credentials, limits)?;
    let process = Arc::new(Process::new(
        pid,
        resources,
        ProcessSignals::new(Arc::new(SpinLock::new(Actions::default()))),
    ));
    process.trampoline.store(trampoline, Ordering::Relaxed);
    let is_protected = !IS_ORDINARY.load(Ordering::Relaxed);
    process.is_protected.store(is_protected, Ordering::Relaxed);
    let thread = Thread::new(pid, process.clone(), name, SigSet::EMPTY);
    let task = Task::new_user(thread.clone(), space, &frame)?;
    *thread.task.lock() = Some(task.clone());
    process.signals.lock().threads.push(thread.clone());
    let mut tree = TREE.lock();
    tree.insert(pid, 0, SIGCHLD, process);
    tree.insert_thread(pid, thread);
    publish(&tree, pid);
    drop(tree);
    task.start();
    Ok(())
}

fn resources(
    program: Program,
    credentials: Credentials,
    limits: Limits,
) -> Result<Resources, Errno> {
    Ok(Resources {
        files: Some(Arc::new(SpinLock::new(fs::first_descriptors()?))),
        fs: Some(Arc::new(SpinLock::new(FsContext::new()))),
        space: Some(program.space),
        executable: Some(program.file),
        credentials,
        groups: Groups::NONE,
        name: program.name,
        areas: program.areas,
        limits,
        parent_death_signal: 0,
        nice: 0,
    })
}

/// How many threads there may be.
static THREADS_MAX: AtomicU64 = AtomicU64::new(THREADS_MIN);

/// How many threads there may be, those included that have ended and were not waited for.
pub(crate) fn threads_max() -> u64 {
    THREADS_MAX.load(Ordering::Relaxed)
}

/// Limits that follow from the size of RAM.
fn first_limits() -> Limits {
    let frames = mm::memory(|memory| memory.frames.total_frames());
    let threads = (frames / FRAMES_PER_THREAD).max(THREADS_MIN);
    THREADS_MAX.store(threads, Ordering::Relaxed);
    Limits::first(threads)
}
