//! `bench-mmu`: what address translation costs. A kernel in S-mode under Sv39, mapped by 4 KiB pages
//! only, and code in U-mode below it: TLB misses, fences, switches of address space, system
//! calls, page faults, code that changes. Prints a line for each measurement (`measure.rs`), and
//! `skip NAME: REASON` for those that the hart cannot do.
//!
//! `space.rs` lays out memory, the other files hold the loops, which are in assembly so that they
//! are the same whatever the compiler.

#![no_std]
#![no_main]

mod calls;
mod churn;
mod code;
mod faults;
mod fences;
mod hart;
#[path = "../measure.rs"]
mod measure;
mod misses;
mod singles;
mod space;
mod switches;
mod timer;

use guest_runtime::supervisor::{self, Trap};
use guest_runtime::{Global, csr, entry, exit_by_mailbox, ram};

use hart::Hart;
use space::Space;

entry!(main);

/// What main code makes in M-mode and the kernel works with.
static MACHINE: Global<(Hart, Space)> = Global::empty();

/// The arena, and the program.
const RAM_BYTES: u64 = 128 << 20;

fn main() {
    assert!(ram::reaches(RAM_BYTES), "this takes {} MiB of RAM", RAM_BYTES >> 20);
    let space = Space::new();
    let hart = Hart::prepare(&space);
    singles::machine_rows(&space);
    MACHINE.set((hart, space));
    supervisor::enter(kernel, unexpected);
}

extern "C" fn kernel() -> ! {
    MACHINE.with(|(hart, space)| {
        space.activate();
        misses::rows(hart);
        fences::rows(hart, space);
        switches::rows(hart, space);
        calls::rows(space);
        faults::rows(space);
        churn::rows(space);
        timer::rows(hart);
        code::rows(space);
        singles::rows(space);
    });
    exit_by_mailbox(0)
}

extern "C" fn unexpected(trap: &mut Trap) {
    csr::clear::<{ csr::SSTATUS }>(csr::MSTATUS_SUM | csr::MSTATUS_MXR);
    panic!("unexpected trap into S-mode: {trap:x?}");
}
