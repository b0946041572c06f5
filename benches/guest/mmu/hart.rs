//! What the hart has, found out in M-mode by trying, and switched on for the kernel.

use core::fmt;

use guest_runtime::run::{Mode, cause, run};
use guest_runtime::{csr, println, snippets};

use crate::space::{ASID_SHIFT, NAPOT, SV39, Space};

snippets! {
    invalidate = "sfence.w.inval", "sinval.vma zero, zero", "sfence.inval.ir";
    load = "ld a0, 0(a1)";
    compare_with_never = "li a0, -1", "csrw 0x14d, a0";
}

/// Extensions that some rows need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hart {
    /// Fences in three parts.
    pub(crate) svinval: bool,
    /// Leaves that cover 64 KiB.
    pub(crate) svnapot: bool,
    /// A timer of S-mode's own.
    pub(crate) sstc: bool,
    /// How many address-space identifiers there are.
    pub(crate) asids: u64,
}

impl Hart {
    /// Tries what there is, in `space` where that takes translation. S-mode may read the counters
    /// from now on, and takes its timer interrupt itself.
    pub(crate) fn prepare(space: &Space) -> Self {
        const CYCLE_TIME_INSTRET: u64 = 7;
        const SUPERVISOR_TIMER: u64 = 1 << 5;
        csr::write::<{ csr::MCOUNTEREN }>(CYCLE_TIME_INSTRET);
        csr::write::<{ csr::MIDELEG }>(SUPERVISOR_TIMER);
        csr::set::<{ csr::MENVCFG }>(csr::MENVCFG_STCE);
        let enabled = csr::read::<{ csr::MENVCFG }>() & csr::MENVCFG_STCE != 0;
        let works = |code| run(Mode::Machine, code, &[]).cause == cause::ECALL_M;
        csr::write::<{ csr::SATP }>(SV39 | 0xffff << ASID_SHIFT);
        let asids = (csr::swap::<{ csr::SATP }>(0) >> ASID_SHIFT & 0xffff) + 1;
        csr::write::<{ csr::SATP }>(space.kernel_satp());
        csr::sfence_vma_all();
        let svnapot = run(Mode::Supervisor, load(), &[0, NAPOT]).cause == cause::ECALL_S;
        csr::write::<{ csr::SATP }>(0);
        csr::sfence_vma_all();
        let sstc = enabled && works(compare_with_never());
        Self { svinval: works(invalidate()), svnapot, sstc, asids }
    }
}

/// Says that a row is not there.
pub(crate) fn skip(name: impl fmt::Display, reason: &str) {
    println!("skip {name}: {reason}");
}
