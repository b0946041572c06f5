//! A life in S-mode: [`enter`] leaves M-mode for good, traps of S-mode go to a Rust handler.

use core::arch::{asm, naked_asm};
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::csr;

/// What a trap handler in S-mode sees and may change.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Trap {
    /// `scause`.
    pub scause: u64,
    /// `stval`.
    pub stval: u64,
    /// `sepc`: where `sret` goes on; unchanged means that the instruction runs again.
    pub sepc: u64,
}

/// The handler of the running program, as an address.
static HANDLER: AtomicUsize = AtomicUsize::new(0);

/// Delegates every exception to S-mode, where `handler` takes it, and calls `main` there.
/// Translation is off until `main` turns it on; the hart leaves A and D to the handler (Svade) if
/// it can do without setting them itself.
pub fn enter(main: extern "C" fn() -> !, handler: extern "C" fn(&mut Trap)) -> ! {
    const MPP_SUPERVISOR: u64 = 1 << 11;
    const MPP: u64 = 3 << 11;
    csr::write::<{ csr::MEDELEG }>(0xb1ff);
    csr::clear::<{ csr::MENVCFG }>(csr::MENVCFG_ADUE);
    handle_traps(handler);
    csr::clear::<{ csr::MSTATUS }>(MPP);
    csr::set::<{ csr::MSTATUS }>(MPP_SUPERVISOR);
    // SAFETY: `main` is Rust code that never returns and goes on with the present stack.
    unsafe {
        asm!("csrw mepc, {}", "mret", in(reg) main as *const () as usize, options(noreturn));
    }
}

/// Lets `handler` take the traps of every hart that catches them, this one included.
pub fn handle_traps(handler: extern "C" fn(&mut Trap)) {
    HANDLER.store(handler as *const () as usize, Ordering::Release);
    catch_traps();
}

/// Sends this hart's traps to the handler.
pub(crate) fn catch_traps() {
    csr::write::<{ csr::STVEC }>(supervisor_vector as *const () as u64);
}

/// Turns Sv39 on with `root_ppn` as root table and ASID 0; yields the value of `satp`.
///
/// # Safety
/// The table must map the running program, its stack and its devices to themselves.
pub unsafe fn turn_on_sv39(root_ppn: u64) -> u64 {
    const MODE_SV39: u64 = 8 << 60;
    let satp = MODE_SV39 | root_ppn;
    // SAFETY: by the contract above everything stays where it is.
    unsafe { asm!("sfence.vma", "csrw satp, {}", "sfence.vma", in(reg) satp) };
    satp
}

/// Turns Sv39 on for a kernel: as [`turn_on_sv39`], for a table that maps all RAM and all devices to
/// themselves and, besides, only pages of [`WINDOW`].
pub fn turn_on(root_ppn: u64) {
    // SAFETY: everything stays where it is.
    unsafe { turn_on_sv39(root_ppn) };
}

/// `sfence.vma` for one page in all address spaces.
pub fn sfence_vma_page(va: u64) {
    // SAFETY: drops a cached translation; changes no memory.
    unsafe { asm!("sfence.vma {}, zero", in(reg) va) };
}

/// Addresses that a kernel may map frames to, and nothing else.
pub const WINDOW: core::ops::Range<u64> = 0x1_0000_0000..0x1_4000_0000;

/// Loads a doubleword from a page of the window that is mapped.
pub fn load(va: u64) -> u64 {
    assert!(WINDOW.contains(&va) && va.is_multiple_of(8), "{va:#x}");
    // SAFETY: no Rust object is there; a page fault ends the program.
    unsafe { (va as *const u64).read_volatile() }
}

/// `stvec`: saves what Rust code may clobber, calls the handler, runs on at `sepc`.
#[unsafe(naked)]
unsafe extern "C" fn supervisor_vector() {
    naked_asm!(
        ".balign 4",
        "addi sp, sp, -160",
        "sd ra, 24(sp)",
        "sd t0, 32(sp)",
        "sd t1, 40(sp)",
        "sd t2, 48(sp)",
        "sd a0, 56(sp)",
        "sd a1, 64(sp)",
        "sd a2, 72(sp)",
        "sd a3, 80(sp)",
        "sd a4, 88(sp)",
        "sd a5, 96(sp)",
        "sd a6, 104(sp)",
        "sd a7, 112(sp)",
        "sd t3, 120(sp)",
        "sd t4, 128(sp)",
        "sd t5, 136(sp)",
        "sd t6, 144(sp)",
        "csrr t0, scause",
        "sd t0, 0(sp)",
        "csrr t0, stval",
        "sd t0, 8(sp)",
        "csrr t0, sepc",
        "sd t0, 16(sp)",
        "la t0, {handler}",
        "ld t0, 0(t0)",
        "mv a0, sp",
        "jalr t0",
        "ld t0, 16(sp)",
        "csrw sepc, t0",
        "ld ra, 24(sp)",
        "ld t0, 32(sp)",
        "ld t1, 40(sp)",
        "ld t2, 48(sp)",
        "ld a0, 56(sp)",
        "ld a1, 64(sp)",
        "ld a2, 72(sp)",
        "ld a3, 80(sp)",
        "ld a4, 88(sp)",
        "ld a5, 96(sp)",
        "ld a6, 104(sp)",
        "ld a7, 112(sp)",
        "ld t3, 120(sp)",
        "ld t4, 128(sp)",
        "ld t5, 136(sp)",
        "ld t6, 144(sp)",
        "addi sp, sp, 160",
        "sret",
        handler = sym HANDLER,
    )
}
