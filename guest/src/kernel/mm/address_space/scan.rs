//! Passes over a space's pages: the pager's, which takes some away, and those that only look, and
//! what they have seen: [`Scanned`].

use guest::mm::policy::{TICK_NS, Verdict};
use guest::mm::space::{Cursor, Judge, Scan, Trimmed};
use guest::mm::working_set::WorkingSet;

use super::AddressSpace;
use crate::task::Process;

/// Pages that are passed at once where nobody waits for the space.
const LOOK_PAGES: u64 = 512;

/// What the pager knows of a space.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    cursor: Cursor,
    working_set: WorkingSet,
    /// Pages of the present pass, and those of them that had been accessed.
    passing: [u64; 2],
    passes: Passes,
}

impl Scanned {
    /// Counts what was seen when the process had run for `time` ticks.
    fn count(&mut self, trimmed: Trimmed, time: u32) {
        self.working_set.pass(trimmed.looked as u32, trimmed.accessed as u32);
        let [looked, accessed] = self.passing;
        self.passing = [looked + trimmed.looked, accessed + trimmed.accessed];
        if trimmed.done {
            self.working_set.end_pass(time);
            let [looked, accessed] = core::mem::take(&mut self.passing);
            self.passes = Passes { count: self.passes.count + 1, looked, accessed };
        }
    }
}

/// What passes over a space have seen, for /proc/PID/ws.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Passes {
    /// Complete ones.
    pub(crate) count: u64,
    /// Pages that the last one has passed.
    pub(crate) looked: u64,
    /// Those of them that had been accessed since the one before.
    pub(crate) accessed: u64,
}

/// How long a process has run, in the ticks of its working set.
fn ticks(process: &Process) -> u32 {
    (process.processor_ns() / TICK_NS) as u32
}

impl AddressSpace {
    /// Passes over some of its pages, on behalf of a process that has it, as
    /// [`Space::trim`](guest::mm::Space::trim); `None` where somebody works on the space.
    pub(in crate::mm) fn trim(
        &self,
        process: &Process,
        budget: u64,
        judge: &mut Judge<'_>,
    ) -> Option<Trimmed> {
        let time = ticks(process);
        let mut space = self.space.try_lock()?;
        let mut scanned = self.scanned.lock();
        let locked = self.locked.lock();
        let scan = Scan { budget, keep: locked.ranges(), time };
        let trimmed = space.trim(&self.machine, &mut scanned.cursor, scan, judge);
        scanned.count(trimmed, time);
        Some(trimmed)
    }

    /// Passes over all of its pages, to see which ones were accessed since that was last done, and
    /// the process that has it has run.
    pub(crate) fn look_over(&self, process: &Process) {
        let time = ticks(process);
        let mut cursor = Cursor::default();
        loop {
            let mut space = self.space.lock();
            let mut scanned = self.scanned.lock();
            let locked = self.locked.lock();
            let scan = Scan { budget: LOOK_PAGES, keep: locked.ranges(), time };
            let seen = space.look_over(&self.machine, &mut cursor, scan);
            scanned.count(seen, time);
            if seen.done {
                return;
            }
        }
    }

    /// Unmaps some of its pages, whatever they are used for; `None` where somebody works on the
    /// space. No pass that counts for the working set.
    pub(in crate::mm) fn unmap(&self, cursor: &mut Cursor) -> Option<Trimmed> {
        let mut space = self.space.try_lock()?;
        let locked = self.locked.lock();
        let scan = Scan { budget: LOOK_PAGES, keep: locked.ranges(), time: 0 };
        Some(space.trim(&self.machine, cursor, scan, &mut |_, _, _| Verdict::Trim))
    }

    /// What passes over it have seen.
    pub(crate) fn passes(&self) -> Passes {
        self.scanned.lock().passes
    }

    /// How many pages its processes need, by what the pager has seen.
    pub(crate) fn working_set(&self, resident: u64) -> u64 {
        self.scanned.lock().working_set.pages(resident as u32).into()
    }
}
