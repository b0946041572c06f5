//! Whole pages, zeroed and copied in as few instructions as the hart allows.

use core::arch::asm;

use guest::PAGE_SIZE_BYTES;

use super::cpu;

/// Fills the page at `va` with zeros.
///
/// # Safety
/// A page of memory is mapped there, writable, and is aligned; no reference to it exists.
pub(crate) unsafe fn zero(va: u64) {
    debug_assert!(va.is_multiple_of(PAGE_SIZE_BYTES));
    let block = cpu::zero_block_bytes();
    let mut at = va;
    let end = va + PAGE_SIZE_BYTES;
    if block != 0 {
        while at != end {
            // SAFETY: cbo.zero zeroes the block that holds the address; eight of them end within
            // the page, since their size divides an eighth of it.
            unsafe {
                asm!(
                    ".rept 8",
                    ".insn i 0x0f, 2, x0, {at}, 4",
                    "add {at}, {at}, {block}",
                    ".endr",
                    at = inout(reg) at, block = in(reg) block, options(nostack),
                );
            }
        }
        return;
    }
    while at != end {
        // SAFETY: 128 bytes within the page.
        unsafe {
            asm!(
                "sd zero, 0({at})", "sd zero, 8({at})", "sd zero, 16({at})", "sd zero, 24({at})",
                "sd zero, 32({at})", "sd zero, 40({at})", "sd zero, 48({at})", "sd zero, 56({at})",
                "sd zero, 64({at})", "sd zero, 72({at})", "sd zero, 80({at})", "sd zero, 88({at})",
                "sd zero, 96({at})", "sd zero, 104({at})", "sd zero, 112({at})",
                "sd zero, 120({at})",
                at = in(reg) at, options(nostack),
            );
        }
        at += 128;
    }
}

/// Copies the page at `from` to the page at `to`.
///
/// # Safety
/// Both are aligned pages of memory, mapped, the second one writable; no reference to that exists.
/// What others write to the first one meanwhile may be copied or not.
pub(crate) unsafe fn copy(from: u64, to: u64) {
    debug_assert!(from.is_multiple_of(PAGE_SIZE_BYTES) && to.is_multiple_of(PAGE_SIZE_BYTES));
    // SAFETY: as the contract says; the loop touches only the two pages.
    unsafe {
        asm!(
            "1:",
            "ld {a}, 0({from})", "ld {b}, 8({from})", "ld {c}, 16({from})", "ld {d}, 24({from})",
            "ld {e}, 32({from})", "ld {f}, 40({from})", "ld {g}, 48({from})", "ld {h}, 56({from})",
            "sd {a}, 0({to})", "sd {b}, 8({to})", "sd {c}, 16({to})", "sd {d}, 24({to})",
            "sd {e}, 32({to})", "sd {f}, 40({to})", "sd {g}, 48({to})", "sd {h}, 56({to})",
            "ld {a}, 64({from})", "ld {b}, 72({from})", "ld {c}, 80({from})", "ld {d}, 88({from})",
            "ld {e}, 96({from})", "ld {f}, 104({from})", "ld {g}, 112({from})",
            "ld {h}, 120({from})",
            "sd {a}, 64({to})", "sd {b}, 72({to})", "sd {c}, 80({to})", "sd {d}, 88({to})",
            "sd {e}, 96({to})", "sd {f}, 104({to})", "sd {g}, 112({to})", "sd {h}, 120({to})",
            "addi {from}, {from}, 128",
            "addi {to}, {to}, 128",
            "bne {from}, {end}, 1b",
            from = inout(reg) from => _, to = inout(reg) to => _,
            end = in(reg) from + PAGE_SIZE_BYTES,
            a = out(reg) _, b = out(reg) _, c = out(reg) _, d = out(reg) _,
            e = out(reg) _, f = out(reg) _, g = out(reg) _, h = out(reg) _,
            options(nostack),
        );
    }
}
