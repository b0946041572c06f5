//! What the benchmark programs print: [`row`] measures one thing and writes one line of it. The
//! same on the bare machine, where the hart's timer and counter are the clock, and on the host,
//! whose figures stand beside the emulators' as the native ones.
//!
//! The lines are read by `scripts/bench`:
//!
//! ```text
//! row NAME OPERATIONS NANOSECONDS INSTRUCTIONS CHECKSUM
//! ```
//!
//! Instructions are those retired where the machine counts them (QEMU does not) and 0 on the host.
//! The checksum belongs to a first, short run and is the same everywhere.

use core::fmt;

/// A measurement takes at least this long: many ticks of a 10 MHz timer, many switches of what
/// shares the host.
const LONG_ENOUGH_NS: u64 = 10_000_000;

/// Times the parts of a run that are to be measured.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch {
    elapsed_ns: u64,
    insns: u64,
}

impl Stopwatch {
    /// Runs `measured`, and adds the time that it takes.
    #[inline(always)]
    pub(crate) fn time<T>(&mut self, measured: impl FnOnce() -> T) -> T {
        let (from_ns, from_insns) = (clock::now_ns(), clock::insns());
        let result = measured();
        self.insns += clock::insns() - from_insns;
        self.elapsed_ns += clock::now_ns() - from_ns;
        result
    }
}

/// Measures `work`, which does as many operations as it is told (a multiple of `step`), lets the
/// stopwatch run around what counts, and returns a checksum of what it did.
pub(crate) fn row(
    name: impl fmt::Display,
    step: u64,
    mut work: impl FnMut(u64, &mut Stopwatch) -> u64,
) {
    let checksum = work(step, &mut Stopwatch::default());
    let mut operations = step;
    loop {
        let mut watch = Stopwatch::default();
        work(operations, &mut watch);
        if watch.elapsed_ns >= LONG_ENOUGH_NS {
            let Stopwatch { elapsed_ns, insns } = watch;
            clock::print(format_args!(
                "row {name} {operations} {elapsed_ns} {insns} {checksum:#x}"
            ));
            return;
        }
        operations *= 2;
    }
}

#[cfg(target_os = "none")]
mod clock {
    use core::fmt;

    use guest_runtime::csr;

    /// Of the `virt` board's timer.
    const TICK_NS: u64 = 100;

    #[inline(always)]
    pub(super) fn now_ns() -> u64 {
        csr::read::<{ csr::TIME }>() * TICK_NS
    }

    #[inline(always)]
    pub(super) fn insns() -> u64 {
        csr::read::<{ csr::INSTRET }>()
    }

    pub(super) fn print(line: fmt::Arguments<'_>) {
        guest_runtime::println!("{line}");
    }
}

#[cfg(not(target_os = "none"))]
mod clock {
    use std::fmt;
    use std::sync::LazyLock;
    use std::time::Instant;

    pub(super) fn now_ns() -> u64 {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed().as_nanos() as u64
    }

    pub(super) fn insns() -> u64 {
        0
    }

    #[expect(clippy::print_stdout, reason = "this is what the program is for")]
    pub(super) fn print(line: fmt::Arguments<'_>) {
        println!("{line}");
    }
}
