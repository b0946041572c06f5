//! Floating-point operations that `core` lacks. For programs that have turned the unit on.

use core::arch::asm;

/// The square root, rounded as IEEE 754 says: `fsqrt.d`.
#[inline(always)]
pub fn sqrt(square: f64) -> f64 {
    let root;
    // SAFETY: changes the result and `fflags`, which Rust code does not look at.
    unsafe {
        asm!("fsqrt.d {}, {}", out(freg) root, in(freg) square, options(pure, nomem, nostack));
    }
    root
}
