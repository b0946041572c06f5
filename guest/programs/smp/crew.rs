//! What the parts of `smp` share: a barrier, a place for each hart's results, delays.

use core::hint::{black_box, spin_loop};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use guest_runtime::board::clint;
use guest_runtime::csr;

/// Harts that take part.
pub(crate) const HARTS: usize = guest_runtime::harts::MAX_HARTS;

/// `mip` and `mie`: the machine software interrupt.
pub(crate) const MSI: u64 = 1 << 3;

static ARRIVED: AtomicUsize = AtomicUsize::new(0);
static GENERATION: AtomicUsize = AtomicUsize::new(0);

/// Waits until as many harts are here; what they stored before is then seen by all of them.
pub(crate) fn barrier(harts: usize) {
    let generation = GENERATION.load(Ordering::Acquire);
    if ARRIVED.fetch_add(1, Ordering::AcqRel) + 1 == harts {
        ARRIVED.store(0, Ordering::Relaxed);
        GENERATION.store(generation + 1, Ordering::Release);
    } else {
        wait_until(|| GENERATION.load(Ordering::Acquire) != generation);
    }
}

/// Spins until it holds.
pub(crate) fn wait_until(holds: impl Fn() -> bool) {
    while !holds() {
        spin_loop();
    }
}

/// A number that the harts share, on a cache line of its own.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Cell(pub(crate) AtomicU64);

impl Cell {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What each hart has to say, read between barriers.
pub(crate) static SAID: [Cell; HARTS] = [const { Cell::new() }; HARTS];

/// Lets some instructions pass, more or less of them from call to call.
pub(crate) fn dawdle(seed: u64) {
    // Marsaglia's xorshift, a round of it.
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    x ^= x << 13;
    x ^= x >> 7;
    for turn in 0..x >> 32 & 31 {
        black_box(turn);
    }
}

/// Sleeps until this hart's software interrupt is pending, and takes it back.
pub(crate) fn await_interrupt(hart: usize) {
    csr::write::<{ csr::MIE }>(MSI);
    while csr::read::<{ csr::MIP }>() & MSI == 0 {
        csr::wait_for_interrupt();
    }
    clint::set_msip_of(hart, 0);
    csr::write::<{ csr::MIE }>(0);
}
