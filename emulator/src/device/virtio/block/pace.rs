//! How long a disk takes: [`Latency`] tells it of a request, [`Pace`] follows a disk through its
//! requests. It serves one after the other, and data moves when the time of its request is over.

use crate::device::TICK_NS;

/// The unit in which the time for data is told, in bytes.
const PAGE_BYTES: u64 = 4096;

/// How long the requests to a disk take, in nanoseconds of the guest's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// What a request takes, whatever its length.
    pub request_ns: u64,
    /// What each 4 KiB of it take besides.
    pub page_ns: u64,
    /// Which requests take `request_ns`.
    pub seek: Seek,
}

/// Which requests have to look for their place first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// All.
    Always,
    /// Those that do not begin where the last one ended.
    Elsewhere,
}

impl Latency {
    /// A disk that answers at once.
    pub const NONE: Self = Self { request_ns: 0, page_ns: 0, seek: Seek::Always };
    /// A solid-state disk.
    pub const SSD: Self = Self { request_ns: 80_000, page_ns: 8_000, seek: Seek::Always };
    /// A disk with a moving head.
    pub const HDD: Self = Self { request_ns: 8_000_000, page_ns: 40_000, seek: Seek::Elsewhere };

    /// Ticks that a request takes of a disk whose last one ended at byte `head`.
    fn ticks(&self, extent: Extent, head: u64) -> u64 {
        let has_to_seek = self.seek == Seek::Always || extent.offset != head;
        let request_ns = if has_to_seek { self.request_ns } else { 0 };
        let data_ns = u128::from(self.page_ns) * u128::from(extent.len_bytes);
        let ns = u128::from(request_ns) + data_ns.div_ceil(PAGE_BYTES.into());
        u64::try_from(ns.div_ceil(TICK_NS.into())).unwrap_or(u64::MAX)
    }
}

/// What a request concerns, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) offset: u64,
    pub(super) len_bytes: u64,
}

/// What the disk is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    /// It is at work on the first request of the queue until this time, in ticks.
    Busy {
        until: u64,
    },
    /// It can answer the first request of the queue.
    Over,
}

/// A disk that takes its time.
#[derive(Debug)]
pub(super) struct Pace {
    latency: Latency,
    phase: Phase,
    /// Where the last request ended, in bytes.
    head: u64,
}

impl Pace {
    /// A disk that has done nothing yet; its head is at the first sector.
    pub(super) fn new(latency: Latency) -> Self {
        Self { latency, phase: Phase::Idle, head: 0 }
    }

    /// Whether nothing takes time.
    pub(super) fn is_instant(&self) -> bool {
        self.latency == Latency::NONE
    }

    /// Whether a request would be the next to begin.
    pub(super) fn is_idle(&self) -> bool {
        self.phase == Phase::Idle
    }

    /// Begins with a request at the time of `now`, in ticks; one that concerns nothing on the disk
    /// takes no time.
    pub(super) fn begin(&mut self, extent: Option<Extent>, now: u64) {
        let Some(extent) = extent else {
            self.phase = Phase::Over;
            return;
        };
        let ticks = self.latency.ticks(extent, self.head);
        self.head = extent.offset.saturating_add(extent.len_bytes);
        self.phase = Phase::Busy { until: now.saturating_add(ticks) };
    }

    /// Whether the request that was begun can be answered at the time of `now`.
    pub(super) fn look(&mut self, now: u64) -> bool {
        if matches!(self.phase, Phase::Busy { until } if until <= now) {
            self.phase = Phase::Over;
        }
        self.phase == Phase::Over
    }

    /// The request that was begun is answered.
    pub(super) fn end(&mut self) {
        self.phase = Phase::Idle;
    }

    /// Returns to the state after [`new`](Self::new).
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.latency);
    }

    /// The time at which the disk will have something to say.
    pub(super) fn deadline(&self) -> Option<u64> {
        match self.phase {
            Phase::Busy { until } => Some(until),
            Phase::Idle | Phase::Over => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_of_requests() {
        let fixed = |request_ns, page_ns| Latency { request_ns, page_ns, seek: Seek::Always };
        for (latency, (offset, len_bytes), head, ticks) in [
            (Latency::NONE, (0, 1 << 20), 7, 0),
            (Latency::SSD, (0, 0), 0, 800),
            (Latency::SSD, (0, 4096), 0, 880),
            (Latency::SSD, (0, 512), 4096, 810),
            (Latency::SSD, (512, 128 << 10), 512, 800 + 32 * 80),
            (Latency::HDD, (0, 4096), 0, 400),
            (Latency::HDD, (4096, 4096), 0, 80_400),
            (Latency::HDD, (4096, 8192), 4096, 800),
            (Latency::HDD, (0, 0), 4096, 80_000),
            (fixed(1, 0), (0, 4096), 0, 1),
            (fixed(0, 1), (0, 1), 0, 1),
            (fixed(101, 0), (0, 4096), 0, 2),
            (fixed(u64::MAX, u64::MAX), (0, u64::MAX), 0, u64::MAX),
        ] {
            let extent = Extent { offset, len_bytes };
            assert_eq!(latency.ticks(extent, head), ticks, "{latency:?} {extent:?} from {head}");
        }
    }

    #[test]
    fn one_request_after_the_other() {
        let mut pace = Pace::new(Latency::HDD);
        let page = |page: u64| Some(Extent { offset: page * 4096, len_bytes: 4096 });
        // Of each: page, when it begins, and when it is over.
        for (page_number, now, until) in [(0, 5, 405), (1, 405, 805), (1, 805, 81_205), (2, 0, 400)]
        {
            assert!(pace.is_idle() && pace.deadline().is_none());
            pace.begin(page(page_number), now);
            assert_eq!((pace.deadline(), pace.is_idle()), (Some(until), false));
            assert!(!pace.look(until - 1));
            assert!(pace.look(until));
            assert_eq!((pace.deadline(), pace.is_idle()), (None, false), "time decides no more");
            pace.end();
        }
        pace.begin(None, 7);
        assert!(pace.look(7), "nothing on the disk is concerned");
        pace.begin(page(0), u64::MAX - 1);
        assert_eq!(pace.deadline(), Some(u64::MAX));
    }
}
