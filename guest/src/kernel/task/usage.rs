//! What processes and threads have used: time, page faults, memory; `getrusage` and `times`.

use alloc::sync::Arc;

use guest::PAGE_SIZE_BYTES;
use guest::task::time::{to_ticks, to_timeval};

use super::{Process, Thread};

/// Nanoseconds of a tick of the machine's clock, which `sched` counts in: 10 MHz.
const TICK_NS: u64 = 100;
/// Words of `struct rusage`.
pub(crate) const RUSAGE_WORDS: usize = 18;

/// What was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// In user mode and in the kernel, in nanoseconds.
    pub(crate) user_ns: u64,
    pub(crate) kernel_ns: u64,
    /// Page faults without and with input.
    pub(crate) minor_faults: u64,
    pub(crate) major_faults: u64,
    /// Most memory that was resident at a time, in pages.
    pub(crate) peak_pages: u64,
}

impl Usage {
    /// Together with another; the peak is the higher one.
    pub(crate) fn and(self, other: Usage) -> Self {
        Self {
            user_ns: self.user_ns + other.user_ns,
            kernel_ns: self.kernel_ns + other.kernel_ns,
            minor_faults: self.minor_faults + other.minor_faults,
            major_faults: self.major_faults + other.major_faults,
            peak_pages: self.peak_pages.max(other.peak_pages),
        }
    }

    /// Both times.
    pub(crate) fn total_ns(&self) -> u64 {
        self.user_ns + self.kernel_ns
    }

    /// Both times, in ticks of `times(2)`.
    pub(crate) fn ticks(&self) -> [u64; 2] {
        [to_ticks(self.user_ns), to_ticks(self.kernel_ns)]
    }

    /// `struct rusage`.
    pub(crate) fn to_rusage(self) -> [u64; RUSAGE_WORDS] {
        let mut words = [0; RUSAGE_WORDS];
        words[..2].copy_from_slice(&to_timeval(self.user_ns));
        words[2..4].copy_from_slice(&to_timeval(self.kernel_ns));
        words[4] = self.peak_pages * (PAGE_SIZE_BYTES >> 10);
        words[8] = self.minor_faults;
        words[9] = self.major_faults;
        words
    }
}

/// What a process has used besides its living threads.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    /// Threads that have ended; once the process has ended, all of it.
    ended: Usage,
    /// Children that were waited for.
    children: Usage,
}

impl Thread {
    /// What it has run.
    pub(crate) fn usage(&self) -> Usage {
        let Some(task) = self.task() else { return Usage::default() };
        let (user, kernel) = task.times();
        Usage { user_ns: user * TICK_NS, kernel_ns: kernel * TICK_NS, ..Usage::default() }
    }
}

impl Process {
    /// How long its threads have run, in nanoseconds. Takes no memory.
    pub(crate) fn processor_ns(&self) -> u64 {
        let ended = self.times.lock().ended.total_ns();
        let signals = self.signals.lock();
        signals.threads.iter().fold(ended, |sum, thread| sum + thread.usage().total_ns())
    }

    /// What it has used, without its children.
    pub(crate) fn usage(&self) -> Usage {
        let ended = self.times.lock().ended;
        let threads =
            self.signals.lock().threads.iter().fold(ended, |sum, thread| sum.and(thread.usage()));
        threads.and(self.memory_usage())
    }

    /// What those of its threads have used that have ended.
    pub(super) fn ended_usage(&self) -> Usage {
        self.times.lock().ended
    }

    /// What one of its threads has used.
    pub(crate) fn thread_usage(&self, thread: &Thread) -> Usage {
        thread.usage().and(Usage { peak_pages: self.memory_usage().peak_pages, ..Usage::default() })
    }

    fn memory_usage(&self) -> Usage {
        let Some(space) = self.space() else { return Usage::default() };
        let (minor_faults, major_faults) = self.faults.counts();
        let peak_pages = space.lock().counters().peak_resident;
        Usage { minor_faults, major_faults, peak_pages, ..Usage::default() }
    }

    /// What its children have used that it has waited for.
    pub(crate) fn children_usage(&self) -> Usage {
        self.times.lock().children
    }

    /// A thread ends.
    pub(super) fn keep_usage(&self, thread: &Thread) {
        let usage = thread.usage();
        let mut times = self.times.lock();
        times.ended = times.ended.and(usage);
    }

    /// The process ends; its memory is still there.
    pub(super) fn keep_memory_usage(&self) {
        let usage = self.memory_usage();
        let mut times = self.times.lock();
        times.ended = times.ended.and(usage);
    }

    /// A child was waited for.
    pub(super) fn adopt_usage(&self, child: &Arc<Process>) {
        let usage = child.usage().and(child.children_usage());
        let mut times = self.times.lock();
        times.children = times.children.and(usage);
    }
}
