//! Single instructions: interrupts on and off, `wfi`, the clock, and what a hart turns out to have.

use core::arch::asm;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use guest::board::Extensions;
use guest_runtime::csr;
use guest_runtime::sbi::{self, extension};

use super::fixup::fixup_section;

/// `sstatus.SIE`: interrupts of this hart are on.
const STATUS_SIE: u64 = 1 << 1;
/// `sie` and `sip`: software, timer and external interrupts of S-mode.
const ALL_INTERRUPTS: u64 = 1 << 1 | 1 << 5 | 1 << 9;
/// `sip`: the software interrupt.
const SOFTWARE_INTERRUPT: u64 = 1 << 1;

/// Size in bytes of the block that `cbo.zero` zeroes; 0 where the instruction is not to be used.
static ZERO_BLOCK_BYTES: AtomicU64 = AtomicU64::new(0);
/// Whether `stimecmp` is there.
static HAS_STIMECMP: AtomicBool = AtomicBool::new(false);
/// Whether S-mode may read `instret`.
static HAS_INSTRET: AtomicBool = AtomicBool::new(false);

/// Whether interrupts were on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interrupts {
    /// `sstatus` without all bits but SIE.
    status: u64,
}

impl Interrupts {
    /// From the number that [`to_bits`](Self::to_bits) made.
    #[inline(always)]
    pub(super) fn from_bits(bits: u64) -> Self {
        Self { status: bits }
    }

    /// As a number, to be kept in an atomic.
    #[inline(always)]
    pub(super) fn to_bits(self) -> u64 {
        self.status
    }

    /// Turns them on if they were.
    #[inline(always)]
    pub(crate) fn restore(self) {
        // SAFETY: changes when this code can be interrupted, and nothing else.
        unsafe { asm!("csrs sstatus, {}", in(reg) self.status, options(nostack)) };
    }
}

/// Turns interrupts off; what they were before.
#[inline(always)]
pub(crate) fn interrupts_off() -> Interrupts {
    let status: u64;
    // SAFETY: changes when this code can be interrupted, and nothing else. Not `nomem`: what
    // comes after must not be moved before it.
    unsafe { asm!("csrrci {}, sstatus, 2", out(reg) status, options(nostack)) };
    Interrupts { status: status & STATUS_SIE }
}

/// Turns interrupts on.
#[inline(always)]
pub(crate) fn interrupts_on() {
    // SAFETY: as above.
    unsafe { asm!("csrsi sstatus, 2", options(nostack)) };
}

/// Whether interrupts are on.
#[cfg(feature = "selftest")]
pub(crate) fn interrupts_are_on() -> bool {
    csr::read::<{ csr::SSTATUS }>() & STATUS_SIE != 0
}

/// Runs `work` with interrupts off.
#[inline(always)]
pub(crate) fn without_interrupts<R>(work: impl FnOnce() -> R) -> R {
    let before = interrupts_off();
    let result = work();
    before.restore();
    result
}

/// Lets this hart see software, timer and external interrupts while they are on.
pub(crate) fn listen() {
    csr::write::<{ csr::SIE }>(ALL_INTERRUPTS);
}

/// Sleeps until an interrupt is pending, even if interrupts are off.
#[inline(always)]
pub(crate) fn wait_for_interrupt() {
    csr::wait_for_interrupt();
}

/// Takes the software interrupt of this hart back.
pub(crate) fn clear_software_interrupt() {
    csr::clear::<{ csr::SIP }>(SOFTWARE_INTERRUPT);
}

/// Ticks of the machine's clock.
#[inline(always)]
pub(crate) fn ticks() -> u64 {
    csr::read::<{ csr::TIME }>()
}

/// Instructions that this hart has retired; 0 where S-mode may not count.
#[inline(always)]
pub(crate) fn instructions() -> u64 {
    if HAS_INSTRET.load(Ordering::Relaxed) { csr::read::<{ csr::INSTRET }>() } else { 0 }
}

/// Asks for a timer interrupt at `ticks`, or for none with `u64::MAX`.
pub(crate) fn set_timer(ticks: u64) {
    if HAS_STIMECMP.load(Ordering::Relaxed) {
        csr::write::<{ csr::STIMECMP }>(ticks);
    } else {
        sbi::call(extension::TIME, 0, &[ticks]);
    }
}

/// Size of a block for `cbo.zero` in bytes, or 0.
#[inline(always)]
pub(super) fn zero_block_bytes() -> u64 {
    ZERO_BLOCK_BYTES.load(Ordering::Relaxed)
}

/// Tries out what the device tree promises: firmware may not let S-mode have it. Traps are taken.
pub(crate) fn probe(promised: Extensions) {
    /// What one turn of the loop in `page.rs` zeroes is a multiple of this.
    const LARGEST_BLOCK_BYTES: u64 = 512;
    let Extensions { zero_block_bytes, sstc, .. } = promised;
    let usable = zero_block_bytes.is_power_of_two() && zero_block_bytes <= LARGEST_BLOCK_BYTES;
    if usable && can_zero_blocks() {
        ZERO_BLOCK_BYTES.store(zero_block_bytes, Ordering::Relaxed);
    }
    HAS_STIMECMP.store(sstc && can_read::<{ csr::STIMECMP }>(), Ordering::Relaxed);
    HAS_INSTRET.store(can_read::<{ csr::INSTRET }>(), Ordering::Relaxed);
}

#[repr(C, align(512))]
struct Block([AtomicU64; 64]);

fn can_zero_blocks() -> bool {
    let block = Block([const { AtomicU64::new(1) }; 64]);
    let works: u64;
    // SAFETY: zeroes atomics of this function, or is not done at all, with the fixup ahead.
    unsafe {
        asm!(
            "li {works}, 0",
            // cbo.zero; the assembler may not know it.
            "1: .insn i 0x0f, 2, x0, {block}, 4",
            "2: li {works}, 1",
            "3:",
            fixup_section!("1b", "2b", "3b"),
            works = out(reg) works, block = in(reg) block.0.as_ptr(), options(nostack),
        );
    }
    works == 1 && block.0[0].load(Ordering::Relaxed) == 0
}

fn can_read<const CSR: u16>() -> bool {
    let works: u64;
    // SAFETY: reads a CSR, or does not, with the fixup ahead.
    unsafe {
        asm!(
            "li {works}, 0",
            "1: csrr {works}, {csr}",
            "2: li {works}, 1",
            "3:",
            fixup_section!("1b", "2b", "3b"),
            works = out(reg) works, csr = const CSR, options(nostack, nomem),
        );
    }
    works == 1
}
