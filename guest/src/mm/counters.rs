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
