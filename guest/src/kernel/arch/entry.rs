//! The first instructions: firmware enters at the physical address of `_start` with translation
//! off. A page table that is part of the image shows the kernel where it was linked, next to
//! physical memory as it is; `mm::boot` makes the real one.

use core::arch::{global_asm, naked_asm};

use guest_runtime::sbi::{self, Answer, extension, hsm};

use super::hart::Hart;
use super::image;

/// A root table.
#[repr(C, align(4096))]
struct Table([u64; 512]);

/// Half of a root table: where the upper half of the address space begins.
const UPPER: usize = 256;
/// Gigabytes that are shown where they are, and at the kernel's offset: the low four.
const LOW_GIGABYTES: usize = 4;
const LEAF_RW: u64 = 0xc7;
const LEAF_RWX: u64 = 0xcf;

/// The first page table: physical memory from 0 on as it is, at the upper half's start (the direct
/// map) and at its end (the image), by gigabytes.
#[unsafe(link_section = ".data.page")]
static EARLY_TABLE: Table = Table({
    let mut entries = [0; 512];
    let mut gigabyte = 0;
    while gigabyte < UPPER {
        // A page of 1 GiB has the number of the gigabyte at bits 28 and up of its entry.
        let page = (gigabyte as u64) << 28;
        entries[UPPER + gigabyte] = page | LEAF_RW;
        gigabyte += 1;
    }
    gigabyte = 0;
    while gigabyte < LOW_GIGABYTES {
        let page = (gigabyte as u64) << 28;
        entries[gigabyte] = page | LEAF_RWX;
        entries[512 - LOW_GIGABYTES + gigabyte] = page | LEAF_RWX;
        gigabyte += 1;
    }
    entries
});

/// A hart's first instructions: no interrupts; to the upper half by way of `{table}`, which shows
/// this code at both places; traps go to `{stop}`, user memory and the floating-point unit are off.
macro_rules! to_upper_half {
    () => {
        "csrw sie, zero
         la   t0, {table}
         srli t0, t0, 12
         li   t1, 8 << 60
         or   t0, t0, t1
         li   t1, {offset}
         la   t2, 1f
         add  t2, t2, t1
         sfence.vma
         csrw satp, t0
         sfence.vma
         jr   t2
         1:
         la   t0, {stop}
         csrw stvec, t0
         csrw sscratch, zero
         li   t0, 3 << 13 | 1 << 18
         csrc sstatus, t0"
    };
}

// Nothing may be assumed but a0, the hart, and a1, the device tree.
global_asm!(
    ".pushsection .text.entry, \"ax\"",
    ".globl _start",
    ".balign 4",
    "_start:",
    to_upper_half!(),
    "la   t0, _bss_start",
    "la   t1, _bss_end",
    "2: bgeu t0, t1, 3f",
    "sd   zero, 0(t0)",
    "addi t0, t0, 8",
    "j    2b",
    "3:",
    "la   sp, _boot_stack_top",
    "la   tp, {harts}",
    "li   fp, 0",
    "li   ra, 0",
    "call {boot}",
    ".popsection",
    table = sym EARLY_TABLE,
    offset = const image::OFFSET,
    stop = sym stop,
    harts = sym super::hart::HARTS,
    boot = sym crate::boot::boot,
);

/// Where traps go before anything can be said about them: the hart stops.
#[unsafe(naked)]
unsafe extern "C" fn stop() {
    naked_asm!(".balign 4", "1: wfi", "j 1b")
}

/// Lets firmware start a hart, with its own data at `hart` and its stack set there; it goes on in
/// `boot::secondary`.
pub(crate) fn start_hart(id: u64, hart: &'static Hart) -> Answer {
    let at = secondary_start as *const () as u64 - image::OFFSET;
    sbi::call(extension::HSM, hsm::START, &[id, at, hart as *const Hart as u64])
}

/// Where firmware starts the other harts, with the address of their data in a1.
#[unsafe(naked)]
unsafe extern "C" fn secondary_start() {
    naked_asm!(
        to_upper_half!(),
        "mv   tp, a1",
        "la   t0, {table_root}",
        "ld   t0, 0(t0)",
        "csrw satp, t0",
        "sfence.vma",
        "ld   sp, {first_stack}(tp)",
        "li   fp, 0",
        "li   ra, 0",
        "call {secondary}",
        table = sym EARLY_TABLE,
        offset = const image::OFFSET,
        stop = sym stop,
        table_root = sym super::tlb::KERNEL_SATP,
        first_stack = const core::mem::offset_of!(Hart, first_stack),
        secondary = sym crate::boot::secondary,
    )
}

/// Goes on at `then` on the stack that ends at `stack_top`; nothing on the present one is used
/// again.
pub(crate) fn leave_stack(stack_top: u64, then: extern "C" fn() -> !) -> ! {
    // SAFETY: the caller's frames are abandoned, as promised, and `then` does not return.
    unsafe {
        core::arch::asm!(
            "mv sp, {top}", "li fp, 0", "li ra, 0", "jr {then}",
            top = in(reg) stack_top, then = in(reg) then, options(noreturn),
        )
    }
}

/// The device tree that firmware has put at this physical address; `None` if there is none. Only
/// before the early page table is left, or for a range that is kept reserved.
pub(crate) fn device_tree(at: u64) -> Option<&'static [u8]> {
    use guest::board::{Board, HEADER_BYTES};
    let bytes = crate::mm::direct::address_of(at) as *const u8;
    if at % 8 != 0 {
        return None;
    }
    // SAFETY: the direct map shows all memory, and nobody writes to the tree.
    unsafe {
        let header = core::slice::from_raw_parts(bytes, HEADER_BYTES);
        let size_bytes = Board::size_bytes(header)?;
        Some(core::slice::from_raw_parts(bytes, size_bytes))
    }
}
