//! [`Timebase`]: how ticks of the machine's clock and nanoseconds are converted, by factors instead
//! of divisions.

/// Bits behind the point of [`Timebase::ns_in_tick`].
const NS_BITS: u32 = 32;
/// Bits behind the point of [`Timebase::ticks_in_ns`]. With fewer, results would be ticks too small
/// once the clock has run for seconds.
const TICKS_BITS: u32 = 64;

const SECOND_NS: u64 = 1_000_000_000;

/// How fast a clock runs: below 1 GHz.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timebase {
    /// Nanoseconds in a tick, rounded down, in units of 2^-32.
    pub ns_in_tick: u64,
    /// Ticks in a nanosecond, rounded down, in units of 2^-64.
    pub ticks_in_ns: u64,
}

impl Timebase {
    /// Of a clock with so many ticks in a second.
    pub fn new(hz: u64) -> Self {
        let factor = |numerator: u64, denominator: u64, bits: u32| {
            let factor = (u128::from(numerator) << bits) / u128::from(denominator.max(1));
            u64::try_from(factor).unwrap_or(u64::MAX)
        };
        Self {
            ns_in_tick: factor(SECOND_NS, hz, NS_BITS),
            ticks_in_ns: factor(hz, SECOND_NS, TICKS_BITS),
        }
    }

    /// How long so many ticks last, in nanoseconds.
    #[inline]
    pub fn ns(self, ticks: u64) -> u64 {
        scale(ticks, self.ns_in_tick, NS_BITS)
    }

    /// Ticks that pass in so many nanoseconds, rounded down.
    #[inline]
    pub fn ticks(self, ns: u64) -> u64 {
        scale(ns, self.ticks_in_ns, TICKS_BITS)
    }

    /// The first tick at which [`ns`](Self::ns) is `ns` or more, or the last there is: who is woken
    /// then finds that it is time.
    pub fn first_tick(self, ns: u64) -> u64 {
        let mut tick = self.ticks(ns);
        while self.ns(tick) < ns && tick < u64::MAX {
            let early_ns = ns - self.ns(tick);
            tick = tick.saturating_add(self.ticks(early_ns).max(1));
        }
        tick
    }
}

fn scale(value: u64, factor: u64, bits: u32) -> u64 {
    let scaled = u128::from(value) * u128::from(factor);
    u64::try_from(scaled >> bits).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ten_megahertz_are_exact() {
        let base = Timebase::new(10_000_000);
        for (ticks, ns) in [(0, 0), (1, 100), (7, 700), (1 << 50, 100 << 50)] {
            assert_eq!((base.ns(ticks), base.first_tick(ns)), (ns, ticks));
        }
        for (ns, tick) in [(1, 1), (99, 1), (101, 2), (60_000_000_001, 600_000_001)] {
            assert_eq!(base.first_tick(ns), tick);
        }
        assert_eq!(base.ns(u64::MAX), u64::MAX);
    }

    proptest! {
        #[test]
        fn a_deadline_is_met_and_not_before(hz in 1_000_000..1_000_000_000_u64, ns in 0..1_u64 << 60) {
            let base = Timebase::new(hz);
            let tick = base.first_tick(ns);
            prop_assert!(base.ns(tick) >= ns);
            prop_assert!(tick < 2 || base.ns(tick - 2) < ns, "one tick late at most");
        }
    }
}
