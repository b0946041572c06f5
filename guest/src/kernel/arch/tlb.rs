//! satp and fences, of this hart and, through SBI, of others.

use core::arch::asm;
use core::ops::Range;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use guest::mm::{PageRange, Vpn};
use guest::{PAGE_SIZE_BYTES, Ppn};
use guest_runtime::csr;
use guest_runtime::sbi::{self, extension};

use super::hart::HartMask;

/// `satp.MODE`: Sv39.
const MODE_SV39: u64 = 8 << 60;
const ASID_SHIFT: u32 = 44;
const ASID_MASK: u64 = 0xffff << ASID_SHIFT;
/// More pages than these are not worth a fence each: the whole address space goes.
const MAX_FENCES: u64 = 32;

/// Functions of the SBI's RFENCE extension.
mod rfence {
    pub(super) const FENCE_I: u64 = 0;
    pub(super) const SFENCE_VMA: u64 = 1;
    pub(super) const SFENCE_VMA_ASID: u64 = 2;
}

/// What the other harts put into satp when they start; see `entry.rs`.
pub(super) static KERNEL_SATP: AtomicU64 = AtomicU64::new(0);
static ASID_BITS: AtomicU32 = AtomicU32::new(0);
/// Fences on this or other harts that were asked for.
static FLUSHES: AtomicU64 = AtomicU64::new(0);
/// Harts other than the one that asked that were interrupted for them.
static REMOTE: AtomicU64 = AtomicU64::new(0);

/// Bits of an ASID that the harts implement.
pub(crate) fn asid_bits() -> u32 {
    ASID_BITS.load(Ordering::Relaxed)
}

/// Finds out how many those are.
pub(crate) fn probe_asid_bits() {
    let satp = csr::read::<{ csr::SATP }>();
    csr::write::<{ csr::SATP }>(satp | ASID_MASK);
    let bits = (csr::read::<{ csr::SATP }>() & ASID_MASK).count_ones();
    csr::write::<{ csr::SATP }>(satp);
    fence_all_local();
    ASID_BITS.store(bits, Ordering::Relaxed);
}

/// Writes satp: Sv39, this ASID and root.
#[inline]
pub(crate) fn set_satp(asid: u16, root: Ppn) {
    let satp = MODE_SV39 | u64::from(asid) << ASID_SHIFT | root.0;
    csr::write::<{ csr::SATP }>(satp);
}

/// The present value of satp is what other harts start with.
pub(crate) fn publish_kernel_satp() {
    KERNEL_SATP.store(csr::read::<{ csr::SATP }>(), Ordering::Release);
}

/// Drops leaf entries of the pages, or everything of the ASID, on the harts of the mask (this one
/// included where it is in it) before it returns.
pub(crate) fn fence_pages(harts: HartMask, asid: u16, pages: PageRange) {
    if pages.pages() > MAX_FENCES {
        return fence_asid(harts, asid);
    }
    let remote = begin(harts, || {
        for page in pages.iter() {
            // SAFETY: drops a cached translation; changes no memory.
            unsafe {
                asm!("sfence.vma {}, {}", in(reg) page.base(), in(reg) asid, options(nostack));
            }
        }
    });
    if let Some(others) = remote {
        let size_bytes = pages.pages() * PAGE_SIZE_BYTES;
        let arguments = [others, 0, pages.start.base(), size_bytes, u64::from(asid)];
        ask(rfence::SFENCE_VMA_ASID, &arguments);
    }
}

/// The whole address space.
pub(crate) fn fence_asid(harts: HartMask, asid: u16) {
    if let Some(others) = begin(harts, || fence_asid_local(asid)) {
        ask(rfence::SFENCE_VMA_ASID, &[others, 0, 0, u64::MAX, u64::from(asid)]);
    }
}

/// Kernel addresses, in all address spaces, on all harts.
pub(crate) fn fence_kernel(addresses: Range<u64>) {
    let first = addresses.start / PAGE_SIZE_BYTES * PAGE_SIZE_BYTES;
    let remote = begin(HartMask::online(), || {
        for va in (first..addresses.end).step_by(PAGE_SIZE_BYTES as usize) {
            // SAFETY: as above.
            unsafe { asm!("sfence.vma {}, zero", in(reg) va, options(nostack)) };
        }
    });
    if let Some(others) = remote {
        ask(rfence::SFENCE_VMA, &[others, 0, first, addresses.end - first]);
    }
}

/// Leaf entries of one page, on this hart only.
#[inline]
pub(crate) fn fence_page_local(asid: u16, page: Vpn) {
    // SAFETY: as above.
    unsafe { asm!("sfence.vma {}, {}", in(reg) page.base(), in(reg) asid, options(nostack)) };
}

/// The whole address space, on this hart only.
#[inline]
pub(crate) fn fence_asid_local(asid: u16) {
    // SAFETY: as above.
    unsafe { asm!("sfence.vma zero, {}", in(reg) asid, options(nostack)) };
}

/// Everything on this hart.
pub(crate) fn fence_all_local() {
    csr::sfence_vma_all();
}

/// `fence.i` on all harts.
pub(crate) fn sync_code() {
    csr::fence_i();
    let others = super::cpu::without_interrupts(|| {
        HartMask::online().without(super::hart::index()).firmware()
    });
    if others != 0 {
        ask(rfence::FENCE_I, &[others, 0]);
    }
}

/// Counters: fences, and harts that were interrupted for them.
pub(crate) fn counters() -> (u64, u64) {
    (FLUSHES.load(Ordering::Relaxed), REMOTE.load(Ordering::Relaxed))
}

/// Fences here where the mask says so; the firmware's mask of the others, if there are any.
#[inline]
fn begin(harts: HartMask, local: impl FnOnce()) -> Option<u64> {
    FLUSHES.fetch_add(1, Ordering::Relaxed);
    let others = super::cpu::without_interrupts(|| {
        let this = super::hart::index();
        if harts.0 >> this & 1 == 1 {
            local();
        }
        harts.without(this)
    });
    if others.0 == 0 {
        return None;
    }
    REMOTE.fetch_add(u64::from(others.0.count_ones()), Ordering::Relaxed);
    Some(others.firmware())
}

fn ask(function: u64, arguments: &[u64]) {
    let answer = sbi::call(extension::RFENCE, function, arguments);
    assert!(answer.ok().is_ok(), "firmware does not fence: {answer:?}");
}
