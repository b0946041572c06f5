//! [`Replacement`]: the policy that was chosen, and [`Kind`], the table of those that there are.

use super::{Mark, Policy, Refault, Seen, Verdict};

/// How many circles the hand makes at most before a page is trimmed, whatever the policy says.
pub const CIRCLES_MAX: u32 = 4;

macro_rules! policies {
    ($($(#[$doc:meta])* $kind:ident = $name:literal: $policy:ty,)*) => {
        /// Which policies there are.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$kind),*];

            /// Its name in /proc/sys/vm/replacement.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }

        #[derive(Debug)]
        enum Chosen {
            $($kind($policy),)*
        }

        impl Chosen {
            const fn new(kind: Kind) -> Self {
                match kind {
                    $(Kind::$kind => Self::$kind(<$policy>::new()),)*
                }
            }

            const fn kind(&self) -> Kind {
                match self {
                    $(Self::$kind(_) => Kind::$kind,)*
                }
            }
        }

        impl Policy for Chosen {
            fn begin(&mut self, want: u32, resident: u32) {
                match self {
                    $(Self::$kind(policy) => policy.begin(want, resident),)*
                }
            }

            #[inline]
            fn look(&mut self, mark: &mut Mark, seen: Seen) -> Verdict {
                match self {
                    $(Self::$kind(policy) => policy.look(mark, seen),)*
                }
            }

            fn evicted(&mut self, mark: &mut Mark) {
                match self {
                    $(Self::$kind(policy) => policy.evicted(mark),)*
                }
            }

            fn returned(&mut self, mark: &mut Mark, refault: Refault) {
                match self {
                    $(Self::$kind(policy) => policy.returned(mark, refault),)*
                }
            }
        }
    };
}

policies! {
    /// First in, first out: what has been here longest goes.
    Fifo = "fifo": super::fifo::Fifo,
    /// The second chance: what was not accessed since the last circle goes.
    Clock = "clock": super::clock::Clock,
    /// Aging: an approximation of LRU.
    Aging = "aging": super::aging::Aging,
    /// Two lists, active and inactive, and the distance of what comes back.
    TwoList = "two-list": super::two_list::TwoList,
    /// What is in no process's working set goes.
    WsClock = "wsclock": super::wsclock::WsClock,
    /// Hot pages, cold pages, and cold ones under test, even after they have left.
    ClockPro = "clock-pro": super::clock_pro::ClockPro,
}

impl Kind {
    /// The one that has this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// The policy that was chosen. It is a [`Policy`] itself; in addition, its rounds end.
#[derive(Debug)]
pub struct Replacement {
    chosen: Chosen,
    want: u32,
    resident: u32,
    /// Pages that the hand has passed since one was trimmed or the round began.
    kept: u32,
}

impl Replacement {
    /// The policy of this kind, which has seen nothing.
    pub const fn new(kind: Kind) -> Self {
        Self { chosen: Chosen::new(kind), want: 0, resident: 0, kept: 0 }
    }

    /// Which it is.
    pub const fn kind(&self) -> Kind {
        self.chosen.kind()
    }

    /// From now on it is another one, also for pages that this one has marked.
    pub fn choose(&mut self, kind: Kind) {
        if kind != self.kind() {
            self.chosen = Chosen::new(kind);
            self.begin(self.want, self.resident);
        }
    }
}

impl Policy for Replacement {
    fn begin(&mut self, want: u32, resident: u32) {
        (self.want, self.resident, self.kept) = (want, resident.max(1), 0);
        self.chosen.begin(want, self.resident);
    }

    #[inline]
    fn look(&mut self, mark: &mut Mark, seen: Seen) -> Verdict {
        let verdict = self.chosen.look(mark, seen);
        self.kept += 1;
        if verdict == Verdict::Keep && self.kept <= self.resident.saturating_mul(CIRCLES_MAX) {
            return Verdict::Keep;
        }
        self.kept = 0;
        Verdict::Trim
    }

    fn evicted(&mut self, mark: &mut Mark) {
        self.chosen.evicted(mark);
    }

    fn returned(&mut self, mark: &mut Mark, refault: Refault) {
        mark.arrives(refault.now);
        self.chosen.returned(mark, refault);
    }
}
