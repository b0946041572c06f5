//! Sv39 for the benchmark programs: everything mapped to itself by two gigapages.

use guest_runtime::supervisor::{self, Trap};

/// Root table: entry 0 maps the devices, entry 2 the RAM.
#[repr(C, align(4096))]
struct Root([u64; 512]);

static ROOT: Root = {
    const VALID_READ_WRITE_ACCESSED_DIRTY: u64 = 0xc7;
    const EXECUTE: u64 = 1 << 3;
    const GIGAPAGE_PPN_SHIFT: u32 = 28;
    let mut root = [0; 512];
    root[0] = VALID_READ_WRITE_ACCESSED_DIRTY;
    root[2] = 2 << GIGAPAGE_PPN_SHIFT | VALID_READ_WRITE_ACCESSED_DIRTY | EXECUTE;
    Root(root)
};

/// Goes on in S-mode with `measured`.
pub(crate) fn enter(measured: extern "C" fn() -> !) -> ! {
    supervisor::enter(measured, on_trap)
}

/// Turns translation on.
pub(crate) fn turn_on() {
    // SAFETY: the root table maps RAM and devices to themselves.
    unsafe { supervisor::turn_on_sv39(&raw const ROOT as u64 >> 12) };
}

extern "C" fn on_trap(trap: &mut Trap) {
    panic!("unexpected trap into S-mode: {trap:x?}");
}
