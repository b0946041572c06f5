//! More than one hart in M-mode: those other than hart 0 sleep until [`start`] gives them
//! something to do. Their software interrupt wakes them; while they work it is theirs to use.

use core::hint::spin_loop;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::board::clint;
use crate::csr;

/// Harts that have a stack; any others sleep for ever.
pub const MAX_HARTS: usize = 4;
/// Logarithm of the size of a stack in bytes; `layout.ld` sets the memory aside.
pub(crate) const STACK_SHIFT: u32 = 15;

/// `mie` and `mip`: the machine software interrupt.
const MSI: u64 = 1 << 3;

/// What a hart is to do, as an address; 0 while it is idle.
static WORK: [AtomicUsize; MAX_HARTS] = [const { AtomicUsize::new(0) }; MAX_HARTS];

/// Number of the hart that asks.
pub fn id() -> usize {
    csr::read::<{ csr::MHARTID }>() as usize
}

/// Lets an idle hart run `work` in M-mode with interrupts off.
pub fn start(hart: usize, work: fn()) {
    let before = WORK[hart].swap(work as usize, Ordering::Release);
    assert_eq!(before, 0, "hart {hart} is busy");
    clint::set_msip_of(hart, 1);
}

/// Whether the hart has done what it was given.
pub fn is_idle(hart: usize) -> bool {
    WORK[hart].load(Ordering::Acquire) == 0
}

/// Runs `work` on the first `count` harts at once, this one included, which is hart 0.
pub fn together(count: usize, work: fn()) {
    (1..count).for_each(|hart| start(hart, work));
    work();
    (1..count).for_each(|hart| {
        while !is_idle(hart) {
            spin_loop();
        }
    });
}

/// The life of the other harts. Touches no variable before the first software interrupt, which
/// hart 0 raises when all are in their initial state.
pub(crate) extern "C" fn wait_for_work(hart: usize) -> ! {
    loop {
        csr::write::<{ csr::MIE }>(MSI);
        while csr::read::<{ csr::MIP }>() & MSI == 0 {
            csr::wait_for_interrupt();
        }
        csr::write::<{ csr::MIE }>(0);
        clint::set_msip_of(hart, 0);
        let work = WORK[hart].load(Ordering::Acquire);
        if work != 0 {
            // SAFETY: `start` has put a function of this type there.
            let work: fn() = unsafe { core::mem::transmute(work) };
            work();
            WORK[hart].store(0, Ordering::Release);
        }
    }
}
