//! Loads and stores of user memory: the only code that runs with sstatus.SUM set. An exception
//! table ends a copy that meets a page it may not touch.
//!
//! A routine says in a3 what a page fault is: [`FAULTING`], then it is taken as one of user mode
//! and the access repeated, or not, then the routine ends. `traps.rs` looks there.

use core::arch::global_asm;

use guest::mm::addr::USER_END;

use super::hart;
use super::trap::{STATUS_SUM, TrapFrame};

/// The user's address is bad, or its page could not be brought in: EFAULT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadAddress;

/// In a3: take page faults.
const FAULTING: u64 = 1;
/// In a3: end at the first one.
const TRYING: u64 = 0;

/// Whether the routine that was interrupted with these registers wants its page fault repaired.
pub(crate) fn takes_faults(frame: &TrapFrame) -> bool {
    frame.a(3) == FAULTING
}

unsafe extern "C" {
    /// Copies `length` bytes upwards; how many are left when it ends.
    fn user_copy(to: u64, from: u64, length: usize, faults: u64) -> usize;
    /// Loads a word into the upper half of the value, or ends with the lowest bit set.
    fn user_load_u32(from: u64, unused1: u64, unused2: u64, faults: u64) -> u64;
    /// Exchanges a word; what was there in the upper half, or ends with the lowest bit set.
    fn user_exchange_u32(at: u64, old: u32, new: u32, faults: u64) -> u64;
}

global_asm!(
    ".pushsection .text.user_copy, \"ax\"",
    ".balign 4",
    ".globl user_copy",
    "user_copy:",
    "li   a7, {sum}",
    "csrs sstatus, a7",
    "80:",
    super::memory::copy_loop!(),
    "71:",
    "csrc sstatus, a7",
    "mv   a0, a2",
    "ret",
    super::memory::copy_fixups!("71b"),
    ".balign 4",
    ".globl user_load_u32",
    "user_load_u32:",
    "li   a7, {sum}",
    "csrs sstatus, a7",
    "81: lw a0, 0(a0)",
    "82:",
    "csrc sstatus, a7",
    "slli a0, a0, 32",
    "ret",
    "83:",
    "csrc sstatus, a7",
    "li   a0, 1",
    "ret",
    super::fixup::fixup_section!("81b", "82b", "83b"),
    ".balign 4",
    ".globl user_exchange_u32",
    "user_exchange_u32:",
    "li   a7, {sum}",
    "csrs sstatus, a7",
    "sext.w a1, a1",
    // Link-time optimisation forgets the target's features.
    ".option push",
    ".option arch, +a",
    "84: lr.w.aqrl t0, (a0)",
    "bne  t0, a1, 85f",
    "sc.w.rl t1, a2, (a0)",
    ".option pop",
    "bnez t1, 84b",
    "85:",
    "csrc sstatus, a7",
    "slli a0, t0, 32",
    "ret",
    "86:",
    "csrc sstatus, a7",
    "li   a0, 1",
    "ret",
    super::fixup::fixup_section!("84b", "85b", "86b"),
    ".popsection",
    sum = const STATUS_SUM,
);

fn is_user(at: u64, length_bytes: usize) -> bool {
    at <= USER_END && length_bytes as u64 <= USER_END - at
}

fn assert_may_fault() {
    assert!(hart::may_sleep(), "user memory is touched under a spin lock");
}

/// Copies from user memory, taking page faults as user mode would. May sleep: not under a spin
/// lock.
pub(crate) fn copy_in(to: &mut [u8], from: u64) -> Result<(), BadAddress> {
    assert_may_fault();
    if !is_user(from, to.len()) {
        return Err(BadAddress);
    }
    // SAFETY: stores only into `to`; loads from user memory, whose faults are caught.
    let left = unsafe { user_copy(to.as_mut_ptr() as u64, from, to.len(), FAULTING) };
    if left == 0 { Ok(()) } else { Err(BadAddress) }
}

/// Copies to user memory, likewise.
pub(crate) fn copy_out(to: u64, from: &[u8]) -> Result<(), BadAddress> {
    assert_may_fault();
    if !is_user(to, from.len()) {
        return Err(BadAddress);
    }
    // SAFETY: loads from `from`; stores only into user memory, whose faults are caught.
    let left = unsafe { user_copy(to, from.as_ptr() as u64, from.len(), FAULTING) };
    if left == 0 { Ok(()) } else { Err(BadAddress) }
}

/// As far as no fault is needed; how many bytes were copied. For use under locks; after less than
/// all, let go of them, bring the page in, and try again.
pub(crate) fn try_copy_in(to: &mut [u8], from: u64) -> usize {
    if !is_user(from, to.len()) {
        return 0;
    }
    // SAFETY: as in `copy_in`.
    let left = unsafe { user_copy(to.as_mut_ptr() as u64, from, to.len(), TRYING) };
    to.len() - left
}

/// Likewise.
pub(crate) fn try_copy_out(to: u64, from: &[u8]) -> usize {
    if !is_user(to, from.len()) {
        return 0;
    }
    // SAFETY: as in `copy_out`.
    let left = unsafe { user_copy(to, from.as_ptr() as u64, from.len(), TRYING) };
    from.len() - left
}

fn is_word(at: u64) -> bool {
    is_user(at, 4) && at.is_multiple_of(4)
}

/// The word in the upper half of what a routine yields.
fn word(yielded: u64) -> Option<u32> {
    (yielded & 1 == 0).then_some((yielded >> 32) as u32)
}

/// A 32-bit word, as `futex` reads it, without faulting; `None` where that needs a fault.
pub(crate) fn try_load_u32(from: u64) -> Option<u32> {
    if !is_word(from) {
        return None;
    }
    // SAFETY: loads from user memory, whose faults are caught.
    word(unsafe { user_load_u32(from, 0, 0, TRYING) })
}

/// Compare and exchange of a 32-bit word, taking faults; the word that was there.
pub(crate) fn compare_exchange_u32(at: u64, old: u32, new: u32) -> Result<u32, BadAddress> {
    assert_may_fault();
    if !is_word(at) {
        return Err(BadAddress);
    }
    // SAFETY: stores only into user memory, whose faults are caught.
    word(unsafe { user_exchange_u32(at, old, new, FAULTING) }).ok_or(BadAddress)
}
