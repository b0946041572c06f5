//! [`WorkingSet`]: how many pages a process uses, estimated from the accessed bits that the hand
//! of page replacement reads.
//!
//! A pass over all pages of a space tells how many were accessed since the pass before. The working
//! set is what is accessed within a window of the process's own time. Where passes follow each
//! other faster than the window, those of one window count together, as if each found its pages
//! regardless of the others. They show at once that the set is larger than believed; that it is
//! smaller shows when the window is over. So a process that does not run keeps its working set.
//!
//! Source: Denning, "The Working Set Model for Program Behavior".

/// The window of a working set, in ticks of the process's own time
/// ([`TICK_NS`](super::policy::TICK_NS)).
pub const WINDOW_TICKS: u32 = 128;

/// All pages, as a share.
const ALL: u64 = 1 << 32;

/// An estimate of one process's working set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkingSet {
    /// `None`: no pass is complete.
    pages: Option<u32>,
    /// Pages of this pass.
    looked: u32,
    /// Those that had been accessed.
    accessed: u32,
    /// Most pages of a pass of this window.
    looked_max: u32,
    /// The share of the pages that were accessed before no pass of this window.
    unused: u64,
    /// The process's time when the window began.
    began: u32,
}

impl Default for WorkingSet {
    fn default() -> Self {
        Self::new(0)
    }
}

impl WorkingSet {
    /// Of a process that has never been looked at, and has run for `time` ticks, wrapping.
    pub const fn new(time: u32) -> Self {
        Self { pages: None, looked: 0, accessed: 0, looked_max: 0, unused: ALL, began: time }
    }

    /// The hand goes on through the space: it has looked at so many pages, and so many of them had
    /// been accessed.
    pub const fn pass(&mut self, looked: u32, accessed: u32) {
        self.looked = self.looked.saturating_add(looked);
        self.accessed = self.accessed.saturating_add(accessed);
    }

    /// The hand has passed all pages of the space. The process has run for `time` ticks, wrapping.
    pub fn end_pass(&mut self, time: u32) {
        let idle = u64::from(self.looked.saturating_sub(self.accessed));
        if let Some(share) = (self.unused * idle).checked_div(self.looked.into()) {
            self.unused = share;
        }
        self.looked_max = self.looked_max.max(self.looked);
        let used = (u64::from(self.looked_max) * (ALL - self.unused) / ALL) as u32;
        let is_over = time.wrapping_sub(self.began) >= WINDOW_TICKS;
        let least = if is_over { 0 } else { self.pages.unwrap_or(0) };
        let window = if is_over { Self::new(time) } else { *self };
        *self = Self { pages: Some(used.max(least)), looked: 0, accessed: 0, ..window };
    }

    /// How many pages it is. While nobody has looked, all that are resident.
    pub fn pages(&self, resident: u32) -> u32 {
        self.pages.unwrap_or(resident).max(self.accessed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESIDENT: u32 = 1000;

    fn whole_pass(set: &mut WorkingSet, accessed: u32, time: u32) -> u32 {
        set.pass(RESIDENT / 2, accessed / 2);
        set.pass(RESIDENT - RESIDENT / 2, accessed - accessed / 2);
        set.end_pass(time);
        set.pages(RESIDENT)
    }

    #[test]
    fn it_grows_at_once_and_shrinks_as_the_process_runs() {
        let mut time = u32::MAX - 5;
        let mut set = WorkingSet::new(time);
        assert_eq!(set.pages(70), 70, "nobody has looked");
        for (accessed, ran, want) in [
            (40, 1, 40),
            (RESIDENT, 1, RESIDENT),
            (0, WINDOW_TICKS, RESIDENT),
            // Each a window.
            (100, WINDOW_TICKS, 100),
            (50, 10 * WINDOW_TICKS, 50),
            // A process that does not run.
            (0, 0, 50),
            (0, 0, 50),
            // Two passes of a window.
            (500, WINDOW_TICKS / 2, 500),
            (500, WINDOW_TICKS / 2, 750),
            (0, WINDOW_TICKS, 0),
        ] {
            time = time.wrapping_add(ran);
            assert_eq!(whole_pass(&mut set, accessed, time), want, "{accessed} in {ran}");
        }
    }

    #[test]
    fn a_pass_under_way_shows_growth_before_it_ends() {
        let mut set = WorkingSet::new(0);
        assert_eq!(whole_pass(&mut set, 10, WINDOW_TICKS), 10);
        set.pass(RESIDENT / 2, 30);
        assert_eq!(set.pages(RESIDENT), 30);
        set.pass(RESIDENT / 2, 0);
        set.end_pass(WINDOW_TICKS + 1);
        assert_eq!(set.pages(RESIDENT), 30);
    }

    #[test]
    fn short_passes_agree_with_the_window() {
        // Sixty of a thousand pages are used in turn, one a tick, and looked at every four ticks.
        let mut set = WorkingSet::new(0);
        for pass in 1..=100 {
            let estimate = whole_pass(&mut set, 4, 4 * pass);
            if 4 * pass >= WINDOW_TICKS {
                assert!((60..=128).contains(&estimate), "{estimate} in pass {pass}");
            }
        }
    }

    #[test]
    fn a_process_without_resident_pages_uses_none() {
        let mut set = WorkingSet::new(0);
        for time in [0, WINDOW_TICKS, 2 * WINDOW_TICKS] {
            set.end_pass(time);
            assert_eq!(set.pages(0), 0, "{time}");
        }
    }
}
