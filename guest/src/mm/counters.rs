//! [`Counters`]: what has happened to memory since the start, under the names of /proc/vmstat.

macro_rules! events {
    ($($(#[$doc:meta])* $event:ident = $name:literal,)*) => {
        /// Something that is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Event {
            $($(#[$doc])* $event,)*
        }

        impl Event {
            /// All events, in order.
            pub const ALL: [Event; [$($name),*].len()] = [$(Event::$event),*];

            /// Its name in /proc/vmstat.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Event::$event => $name,)*
                }
            }
        }
    };
}

events! {
    /// A page fault, repaired or not.
    Fault = "pgfault",
    /// A page fault that waited for a device.
    MajorFault = "pgmajfault",
    /// A shared cell was copied because one of its holders wrote.
    CowCopied = "cow_copied",
    /// The only holder of a cell may write it again.
    CowReused = "cow_reused",
    /// The page of zeros was mapped.
    ZeroMapped = "zero_mapped",
    /// A frame was filled with zeros for a process.
    ZeroFilled = "zero_filled",
    /// A hart forgot translations.
    TlbFlush = "tlb_flush",
    /// A hart was made to do so by another one.
    TlbIpi = "tlb_ipi",
    /// A process was killed for its memory.
    OomKill = "oom_kill",
    /// A page was read from a swap area.
    SwapIn = "pswpin",
    /// A page was written to a swap area.
    SwapOut = "pswpout",
    /// A slot of a swap area could not be written or read, and is never used again.
    Retired = "swap_retired",
    /// A page could not be read from a swap area, and is lost to whoever has it.
    Lost = "swap_lost",
    /// The scan for pages to be trimmed has passed a page.
    Scanned = "pgscan",
    /// A frame was taken from its cell.
    Stolen = "pgsteal",
    /// The scan has passed a page that had been accessed since the last time.
    Refilled = "pgrefill",
    /// A page was asked for whose frame had been taken from it.
    Refault = "workingset_refault",
    /// Such a page came back soon enough to be one that is needed all the time.
    Activated = "workingset_activate",
    /// A trimmed page was mapped again before its frame was taken from it.
    Rescued = "soft_rescue",
    /// A page was read from a swap area before anybody asked for it.
    ReadAhead = "swap_ra",
    /// Such a page was then asked for.
    ReadAheadHit = "swap_ra_hit",
    /// A process was suspended, by hand or because memory was short.
    Suspended = "suspend",
    /// It was resumed.
    Resumed = "resume",
}

/// How often each event has happened.
#[derive(Clone, Debug, Default)]
pub struct Counters([u64; Event::ALL.len()]);

impl Counters {
    /// It has happened once more.
    #[inline]
    pub fn count(&mut self, event: Event) {
        self.add(event, 1);
    }

    /// It has happened so many times more.
    #[inline]
    pub fn add(&mut self, event: Event, times: u64) {
        let counter = &mut self.0[event as usize];
        *counter = counter.wrapping_add(times);
    }

    /// How often it has happened.
    pub fn get(&self, event: Event) -> u64 {
        self.0[event as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_has_a_counter_and_a_name_of_its_own() {
        let mut counters = Counters::default();
        for (index, event) in Event::ALL.into_iter().enumerate() {
            counters.add(event, index as u64);
            counters.count(event);
        }
        let mut names = Vec::new();
        for (index, event) in Event::ALL.into_iter().enumerate() {
            assert_eq!(counters.get(event), index as u64 + 1, "{event:?}");
            assert!(!names.contains(&event.name()), "{event:?}");
            names.push(event.name());
        }
    }
}
