//! Per-hart data behind `tp`.

use core::arch::asm;
use core::mem::offset_of;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

pub(crate) use guest::board::MAX_HARTS;

use super::cpu::Interrupts;

/// What a hart has for itself. Others read it, and set `work` and `messages`. Assembly knows the
/// fields by their offsets.
#[repr(C, align(64))]
#[derive(Debug)]
pub(crate) struct Hart {
    /// A register's place while a trap out of the kernel begins.
    pub(super) scratch: AtomicU64,
    /// Lowest stack pointer at which a trap out of the kernel finds room.
    pub(super) stack_limit: AtomicU64,
    /// When the present stay in the kernel began, in ticks.
    pub(crate) entered: AtomicU64,
    /// Ticks in the kernel of the task that runs here, since it was switched to.
    pub(crate) kernel_ticks: AtomicU64,
    /// What is to be done before user mode goes on: bits of [`work`].
    pub(crate) work: AtomicU32,
    /// Spin locks that this hart holds.
    pub(crate) spin_depth: AtomicU32,
    /// [`Interrupts`] before the first of them.
    interrupts: AtomicU64,
    /// The task that runs here; `sched` knows its type.
    pub(crate) current: AtomicPtr<()>,
    /// The task that ran before the last switch.
    pub(crate) previous: AtomicPtr<()>,
    /// The task that runs when there is none.
    pub(crate) idle: AtomicPtr<()>,
    /// When the present task was switched to, in ticks.
    pub(crate) switched: AtomicU64,
    /// When its slice ends, in ticks.
    pub(crate) slice_end: AtomicU64,
    /// Top of the stack on which the hart starts.
    pub(crate) first_stack: AtomicU64,
    /// What firmware calls it.
    pub(crate) id: AtomicU64,
    /// What other harts want: bits of `ipi`.
    pub(super) messages: AtomicU32,
    index: AtomicU32,
    /// It has nothing to run.
    pub(crate) is_idle: AtomicBool,
    /// Interrupts taken: from its clock, and from other harts.
    pub(crate) clock_interrupts: AtomicU64,
    pub(crate) hart_interrupts: AtomicU64,
}

/// Bits of [`Hart::work`].
pub(crate) mod work {
    /// Another task may have a better claim to the hart.
    pub(crate) const RESCHEDULE: u32 = 1;
    /// The task may have to look at its signals.
    pub(crate) const INTERRUPTED: u32 = 2;
    /// The task may have to pause, as its process is suspended.
    pub(crate) const HELD: u32 = 4;
}

impl Hart {
    const fn new(index: u32) -> Self {
        Self {
            scratch: AtomicU64::new(0),
            stack_limit: AtomicU64::new(0),
            entered: AtomicU64::new(0),
            kernel_ticks: AtomicU64::new(0),
            work: AtomicU32::new(0),
            spin_depth: AtomicU32::new(0),
            interrupts: AtomicU64::new(0),
            current: AtomicPtr::new(core::ptr::null_mut()),
            previous: AtomicPtr::new(core::ptr::null_mut()),
            idle: AtomicPtr::new(core::ptr::null_mut()),
            switched: AtomicU64::new(0),
            slice_end: AtomicU64::new(u64::MAX),
            first_stack: AtomicU64::new(0),
            id: AtomicU64::new(0),
            messages: AtomicU32::new(0),
            index: AtomicU32::new(index),
            clock_interrupts: AtomicU64::new(0),
            hart_interrupts: AtomicU64::new(0),
            is_idle: AtomicBool::new(false),
        }
    }

    /// Logical number.
    pub(crate) fn index(&self) -> usize {
        self.index.load(Ordering::Relaxed) as usize
    }

    /// Keeps what interrupts were.
    #[inline(always)]
    pub(crate) fn keep_interrupts(&self, interrupts: Interrupts) {
        self.interrupts.store(interrupts.to_bits(), Ordering::Relaxed);
    }

    /// What was kept.
    #[inline(always)]
    pub(crate) fn kept_interrupts(&self) -> Interrupts {
        Interrupts::from_bits(self.interrupts.load(Ordering::Relaxed))
    }

    /// Lets traps out of the kernel know where the stack ends that is in use from now on.
    pub(crate) fn set_stack(&self, lowest: u64) {
        self.stack_limit.store(lowest + super::trap::STACK_RESERVE_BYTES, Ordering::Relaxed);
    }
}

/// All of them, by logical number; the first one boots.
pub(super) static HARTS: [Hart; MAX_HARTS] = {
    let mut harts = [const { Hart::new(0) }; MAX_HARTS];
    let mut index = 0;
    while index < MAX_HARTS {
        harts[index] = Hart::new(index as u32);
        index += 1;
    }
    harts
};

/// How many harts run the kernel.
static ONLINE: AtomicUsize = AtomicUsize::new(1);

/// This hart. The answer is worth something while interrupts are off, or for what any hart has.
#[inline(always)]
pub(crate) fn this() -> &'static Hart {
    let hart: *const Hart;
    // SAFETY: from the first Rust code on, tp points to an element of `HARTS`.
    unsafe {
        asm!("mv {}, tp", out(reg) hart, options(nomem, nostack, preserves_flags));
        &*hart
    }
}

/// What this hart notes as `current`. For a task that looks it is itself, wherever it is
/// interrupted and goes on.
#[inline(always)]
pub(crate) fn current() -> *mut () {
    let current;
    // SAFETY: as above; it is read as a whole.
    unsafe {
        asm!(
            "ld {current}, {offset}(tp)",
            current = out(reg) current, offset = const offset_of!(Hart, current),
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    current
}

/// A hart by its logical number.
pub(crate) fn get(index: usize) -> &'static Hart {
    &HARTS[index]
}

/// Logical number of this hart, from 0; stable while interrupts are off.
#[inline]
pub(crate) fn index() -> usize {
    this().index()
}

/// How many harts run the kernel.
#[inline]
pub(crate) fn online() -> usize {
    ONLINE.load(Ordering::Acquire)
}

/// One more hart runs the kernel: the one with the next number.
pub(crate) fn came_online() {
    ONLINE.fetch_add(1, Ordering::AcqRel);
}

/// Whether the code that runs here may sleep: it holds no spin lock.
#[inline]
pub(crate) fn may_sleep() -> bool {
    this().spin_depth.load(Ordering::Relaxed) == 0
}

/// A bit per hart, by logical number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct HartMask(pub(crate) u64);

impl HartMask {
    /// Every hart that runs the kernel.
    pub(crate) fn online() -> Self {
        Self((1 << online()) - 1)
    }

    /// These harts but the one with this number.
    #[must_use]
    pub(crate) fn without(self, index: usize) -> Self {
        Self(self.0 & !(1 << index))
    }

    /// Logical numbers.
    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        (0..MAX_HARTS).filter(move |index| self.0 >> index & 1 == 1)
    }

    /// The same harts as firmware counts them: a mask of identifiers below 64.
    pub(super) fn firmware(self) -> u64 {
        self.iter().fold(0, |mask, index| mask | 1 << get(index).id.load(Ordering::Relaxed))
    }
}
