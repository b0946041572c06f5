//! `plic`: the interrupt controller, with the serial port and the real-time clock as its sources,
//! and these two devices themselves. Both contexts of hart 0 are used, M-mode's and S-mode's.
//! QEMU's controller differs from the specification in places, which are named as "not here".

#![no_std]
#![no_main]

mod controller;
mod devices;
mod rtc;
mod uart;

use guest_runtime::check::Checks;
use guest_runtime::entry;

entry!(main);

fn main() {
    let mut checks = Checks::new("plic");
    checks.section("registers");
    controller::registers(&mut checks);
    checks.section("gateways");
    controller::gateways(&mut checks);
    checks.section("priorities");
    controller::priorities(&mut checks);
    checks.section("thresholds");
    controller::thresholds(&mut checks);
    checks.section("claim and complete");
    controller::completion(&mut checks);
    checks.section("two contexts");
    controller::contexts(&mut checks);
    checks.section("interrupts taken");
    controller::taken(&mut checks);
    checks.section("serial port, transmitter");
    uart::transmitter(&mut checks);
    checks.section("serial port, receiver in loopback");
    uart::receiver(&mut checks);
    checks.section("real-time clock");
    rtc::time(&mut checks);
    checks.section("alarm");
    rtc::alarm(&mut checks);
    checks.finish()
}
