//! [`Timebase`]: the time that harts and devices see. It is a function of the instructions executed,
//! unless the host's clock was asked for. Neighbour: [`Bus`](super::Bus) hands it out.

use std::time::Instant;

/// Instructions that take one tick of the 10 MHz timebase: time is counted in instructions, those
/// of a hart that runs one in each nanosecond.
pub const INSNS_PER_TICK: u64 = 100;

/// How long such a hart takes for one.
pub const INSN_NS: u64 = 1;

/// The machine's time.
#[derive(Debug, Default)]
pub(super) struct Timebase {
    /// What the running hart has retired.
    hart_insns: u64,
    /// What that lacks to the machine's time, wrapping.
    offset_insns: u64,
    host: Option<HostClock>,
}

/// The host's clock where that makes time pass, whatever is executed.
#[derive(Debug)]
struct HostClock {
    started: Instant,
    /// What the clock showed when somebody last looked, in instructions.
    seen_insns: u64,
}

impl Timebase {
    /// From here on the host's clock makes time pass; it stands at 0 now.
    pub(super) fn use_host_clock(&mut self) {
        self.host = Some(HostClock { started: Instant::now(), seen_insns: 0 });
    }

    /// From here on, a hart that has retired `hart_insns` is at the time of `machine_insns`. Where
    /// the host's clock counts, that only looks at it.
    pub(super) fn set(&mut self, machine_insns: u64, hart_insns: u64) {
        (self.hart_insns, self.offset_insns) = (hart_insns, machine_insns.wrapping_sub(hart_insns));
        self.look();
    }

    /// Moves time on to where the running hart has retired `hart_insns`. To be called often.
    #[inline(always)]
    pub(super) fn advance(&mut self, hart_insns: u64) {
        self.hart_insns = hart_insns;
    }

    /// Looks at the host's clock, if that counts: it shows the exact time from here until time goes
    /// on.
    #[inline(always)]
    pub(super) fn look(&mut self) {
        if let Some(clock) = &mut self.host {
            clock.look();
        }
    }

    /// The time in instructions.
    #[inline(always)]
    pub(super) fn insns(&self) -> u64 {
        match &self.host {
            Some(clock) => clock.seen_insns,
            None => self.hart_insns.wrapping_add(self.offset_insns),
        }
    }

    /// The time in ticks.
    #[inline(always)]
    pub(super) fn ticks(&self) -> u64 {
        self.insns() / INSNS_PER_TICK
    }
}

impl HostClock {
    #[cold]
    #[inline(never)]
    fn look(&mut self) {
        // Centuries fit. The host's clock never goes back.
        self.seen_insns = self.started.elapsed().as_nanos() as u64 / INSN_NS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_counted_in_instructions() {
        let mut time = Timebase::default();
        assert_eq!(time.ticks(), 0);
        // A hart that has run for longer than the machine, and one that has just begun.
        for (machine, hart) in [(1000, 5000), (1000, 0), (0, u64::MAX)] {
            time.set(machine, hart);
            assert_eq!((time.insns(), time.ticks()), (machine, machine / INSNS_PER_TICK));
            for insns in [99, 100, 12_345] {
                time.advance(hart.wrapping_add(insns));
                time.look();
                let expect = (machine + insns, (machine + insns) / INSNS_PER_TICK);
                assert_eq!((time.insns(), time.ticks()), expect);
            }
        }
    }

    #[test]
    fn the_hosts_clock_goes_on_by_itself_and_for_who_looks() {
        let mut time = Timebase::default();
        time.set(u64::MAX / 2, 0);
        time.use_host_clock();
        assert_eq!(time.ticks(), 0, "not what was counted before");
        let mut last = time.insns();
        for round in 0..1000 {
            time.advance(u64::MAX / 4);
            assert_eq!(time.insns(), last, "nobody has looked");
            if round % 2 == 0 {
                time.look()
            } else {
                time.set(0, round)
            }
            assert!(time.insns() >= last);
            last = time.insns();
        }
        // However coarse the clock is, it does not stand still.
        assert!((0..u64::from(u32::MAX)).any(|_| {
            time.look();
            time.ticks() > last / INSNS_PER_TICK
        }));
    }
}
