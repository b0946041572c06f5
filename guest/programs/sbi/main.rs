//! `sbi`: a kernel in S-mode that asks its firmware for everything (RISC-V SBI specification, 2.0
//! and before). Runs on the machine's own firmware and on OpenSBI, on one hart or several. What
//! the specification leaves to the firmware, or OpenSBI does otherwise, is named as "not here".

#![no_std]
#![no_main]

mod calls;
mod harts;
mod remote;

use guest_runtime::check::Checks;
use guest_runtime::sbi::{self, extension};
use guest_runtime::{exit, kernel};

kernel!(main);

fn main(hart: usize, device_tree: u64) {
    let mut checks = Checks::new("sbi");
    let others = harts::others(hart);
    checks.section("start");
    start(&mut checks, device_tree);
    checks.section("Base");
    calls::base(&mut checks);
    checks.section("what does not exist");
    calls::unknown(&mut checks);
    checks.section("registers");
    calls::registers(&mut checks, hart);
    checks.section("TIME");
    calls::time(&mut checks);
    checks.section("IPI to itself");
    calls::ipi(&mut checks, hart);
    checks.section("DBCN");
    calls::debug_console(&mut checks);
    checks.section("legacy");
    calls::legacy(&mut checks, hart);
    checks.section("SRST");
    calls::reset(&mut checks);
    checks.section("HSM");
    harts::alone(&mut checks, hart);
    harts::start_and_stop(&mut checks, &others);
    harts::suspend(&mut checks, &others);
    checks.section("IPI between harts");
    harts::interrupts(&mut checks, hart, &others);
    checks.section("RFENCE");
    remote::answers(&mut checks, hart);
    remote::translations(&mut checks, &others);
    remote::code(&mut checks, &others);
    if others.count() == 0 {
        checks.skip("other harts");
    }
    match checks.conclude() {
        0 => {
            sbi::call(extension::SRST, 0, &[0, 0]);
            panic!("the machine is still running");
        }
        code => exit(code),
    }
}

/// What firmware must have left (chapter "Binary Encoding", and the boot protocol of Linux).
fn start(checks: &mut Checks, device_tree: u64) {
    use guest_runtime::csr;
    checks.equal("satp", csr::read::<{ csr::SATP }>(), 0);
    checks.equal("sstatus.SIE", csr::read::<{ csr::SSTATUS }>() & csr::MSTATUS_SIE, 0);
    checks.equal("alignment of the device tree", device_tree % 8, 0);
    // The magic of a flattened device tree, which is big-endian.
    let magic = kernel::device_tree_word(device_tree, 0);
    checks.equal("magic of the device tree", magic, 0xd00d_feed);
}
