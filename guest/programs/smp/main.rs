//! `smp`: four harts on one memory: order of loads and stores, contention on atomics and locks,
//! reservations, interrupts between harts, fences on behalf of others. Hart 0 judges; the others
//! report to it. Nothing that depends on who is faster is printed.

#![no_std]
#![no_main]

mod contention;
mod crew;
mod litmus;
mod remote;
mod signals;
#[path = "../space.rs"]
mod space;

use guest_runtime::check::Checks;
use guest_runtime::run::cause::ECALL_M;
use guest_runtime::run::{Mode, run};
use guest_runtime::{board, entry, snippets};

entry!(main);

snippets! {
    load_word = "lw a0, 0(a1)";
}

fn main() {
    let mut checks = Checks::new("smp");
    assert!(has_hart(crew::HARTS - 1), "this program needs four harts: -smp 4");
    checks.section("order of loads and stores");
    litmus::shapes(&mut checks);
    checks.section("contention");
    contention::counters(&mut checks);
    checks.section("every AMO under contention");
    contention::amos(&mut checks);
    checks.section("locks");
    contention::locks(&mut checks);
    checks.section("reservations");
    contention::reservations(&mut checks);
    checks.section("software interrupts between harts");
    signals::interrupts(&mut checks);
    checks.section("WFI");
    signals::waits(&mut checks);
    checks.section("translations that another hart changes");
    remote::translations(&mut checks);
    checks.section("code that another hart writes");
    remote::code(&mut checks);
    checks.finish()
}

/// Whether the CLINT has a register for the hart. QEMU answers for harts that are not there; they
/// are missed when they do not answer.
fn has_hart(hart: usize) -> bool {
    let msip = board::CLINT_MSIP + 4 * hart as u64;
    run(Mode::Machine, load_word(), &[0, msip]).cause == ECALL_M
}
