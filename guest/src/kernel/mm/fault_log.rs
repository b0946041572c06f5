//! [`FaultLog`]: the page faults of a process. Counting is all that most faults cost; records are
//! made where somebody asked for them.

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use guest::proc_text::faults::{FaultRecords, Record};

use crate::sync::SpinLock;

/// The page faults of a process.
#[derive(Debug)]
pub(crate) struct FaultLog {
    minor: AtomicU64,
    major: AtomicU64,
    is_recording: AtomicBool,
    records: SpinLock<FaultRecords>,
}

impl FaultLog {
    fn begin(recording: AtomicBool) -> Self {
        Self {
            minor: AtomicU64::new(0),
            major: AtomicU64::new(0),
            is_recording: recording,
            records: SpinLock::new(FaultRecords::default()),
        }
    }

    /// The log of a child: it records if its parent does.
    pub(crate) fn for_child(&self) -> Self {
        Self::begin(AtomicBool::new(self.is_recording()))
    }

    /// Begins to record, with nothing recorded yet.
    pub(crate) fn start(&self) {
        let old = core::mem::take(&mut *self.records.lock());
        drop(old);
        self.is_recording.store(true, Ordering::Relaxed);
    }

    /// Ends it; what was recorded stays.
    pub(crate) fn stop(&self) {
        self.is_recording.store(false, Ordering::Relaxed);
    }

    /// Faults without and with a device.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.minor.load(Ordering::Relaxed), self.major.load(Ordering::Relaxed))
    }

    /// Whether faults are recorded.
    #[inline]
    pub(super) fn is_recording(&self) -> bool {
        self.is_recording.load(Ordering::Relaxed)
    }

    /// Counts a fault that needed no device.
    #[inline]
    pub(super) fn count_minor(&self) {
        self.minor.fetch_add(1, Ordering::Relaxed);
    }

    /// One of those that were counted has waited for a device.
    pub(super) fn count_major(&self) {
        self.major.fetch_add(1, Ordering::Relaxed);
    }

    /// Remembers a fault.
    pub(super) fn record(&self, record: Record) {
        self.records.lock().push(record);
    }
}

impl Default for FaultLog {
    fn default() -> Self {
        Self::begin(AtomicBool::new(false))
    }
}

/// The records, a line each.
impl fmt::Display for FaultLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records = self.records.lock().clone();
        write!(f, "{records}")
    }
}
