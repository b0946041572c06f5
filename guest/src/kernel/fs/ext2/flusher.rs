//! The thread that writes what was changed: every few seconds, and when frames are short; and all at
//! once, for sync, when a file system is unmounted, and when the machine ends.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use guest::errno::Errno;

use super::inode::Node;
use super::{Known, SYSTEMS, System, nodes_max, systems};
use crate::fs::names::now;
use crate::mm::write_back;
use crate::sched;
use crate::sync::Mutex;
use crate::time;

/// How long something that was changed stays in memory alone, at most about twice.
const PERIOD_NS: u64 = 5_000_000_000;

/// Begins the thread, with the first file system.
pub(super) fn start_once() {
    static RUNS: AtomicBool = AtomicBool::new(false);
    if !RUNS.swap(true, Ordering::AcqRel) {
        sched::spawn_kernel("flusher", run, 0);
    }
}

fn run(_: usize) {
    sched::serve_memory();
    let mut next = time::now().after(PERIOD_NS);
    loop {
        write_back::wait(next);
        let is_time = time::now() >= next;
        let mut is_stuck = false;
        for system in systems() {
            is_stuck |= system.write_back().is_err();
            if is_time {
                // Who wants to know asks with fsync.
                let _ = system.sync_tables();
            }
        }
        write_back::note(is_stuck);
        if is_time {
            finish_unused();
            next = time::now().after(PERIOD_NS);
        }
    }
}

/// Makes all that was written survive: sync.
pub(crate) fn sync_all() {
    for system in systems() {
        // Nobody could be told that it has failed.
        let _ = system.sync();
    }
}

/// The machine ends: everything is written, and whole.
pub(crate) fn shut_down() {
    for system in systems() {
        system.finish();
    }
}

/// Ends those that are mounted no more, and that nobody uses.
pub(super) fn finish_unused() {
    for system in systems() {
        if system.mounts.load(Ordering::Acquire) == 0 && !system.is_used() {
            system.finish();
        }
    }
}

impl System {
    /// The files that are in use, or were lately, and have content.
    fn files(&self) -> Result<Vec<Arc<Node>>, Errno> {
        let state = self.state.lock();
        let mut files = Vec::new();
        files.try_reserve(state.nodes.len()).map_err(|_| Errno::ENOMEM)?;
        let living = state.nodes.values().filter_map(|known| known.node.upgrade());
        files.extend(living.filter(|node| node.content().is_ok()));
        Ok(files)
    }

    /// Writes what files have changed, and forgets files that nobody uses if there are too many.
    pub(super) fn write_back(self: &Arc<Self>) -> Result<(), Errno> {
        let mut outcome = self.free_released();
        let is_crowded = write_back::is_crowded();
        let files = self.files()?;
        let forget = files.len() > nodes_max();
        for node in files {
            outcome = node.write_back().and(outcome);
            if is_crowded && let Ok(content) = node.content() {
                content.forget_evicted();
            }
            if forget {
                self.forget(&node);
            }
        }
        // Some of them were the last to use a file without a name.
        self.free_released().and(outcome)
    }

    fn free_released(&self) -> Result<(), Errno> {
        if self.released.lock().is_empty() {
            return Ok(());
        }
        self.change(|state| state.free_released(self))
    }

    /// Forgets a file that nobody uses.
    fn forget(&self, node: &Arc<Node>) {
        let Ok(content) = node.content() else { return };
        if content.is_changed() {
            return;
        }
        let mut state = self.state.lock();
        // One is ours; and without any other nobody can have changed it since.
        let is_idle = |known: &Known| known.kept.is_some() && Arc::strong_count(node) == 2;
        if state.nodes.get(&node.number32()).is_some_and(is_idle) {
            state.nodes.remove(&node.number32());
        }
    }

    pub(super) fn sync_tables(&self) -> Result<(), Errno> {
        if self.is_read_only() {
            return Ok(());
        }
        self.with(|state| state.ext2.sync())
    }

    /// Makes all that was written survive.
    pub(super) fn sync(self: &Arc<Self>) -> Result<(), Errno> {
        let written = self.write_back();
        self.sync_tables().and(written)
    }

    /// Writes everything, and says on the disk that it is whole.
    fn finish(self: &Arc<Self>) {
        /// One by one.
        static FINISHING: Mutex<()> = Mutex::new(());
        let _alone = FINISHING.lock();
        let is_known = SYSTEMS.lock().iter().any(|other| Arc::ptr_eq(other, self));
        if !is_known {
            return;
        }
        // What fails here has been told of in the log, or is found by e2fsck.
        let _ = self.sync();
        let _ = self.with(|state| state.ext2.unmount(now()));
        self.is_read_only.store(true, Ordering::Relaxed);
        let nodes = core::mem::take(&mut self.state.lock().nodes);
        drop(nodes);
        SYSTEMS.lock().retain(|other| !Arc::ptr_eq(other, self));
        *self.reservation.lock() = None;
    }
}
