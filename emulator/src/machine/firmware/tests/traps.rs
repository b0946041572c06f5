//! What is delegated at the start, and what becomes of a trap: which registers a call changes,
//! where interrupts go.

use proptest::prelude::*;

use super::fake::Did::{ClearMsip, Enter, FenceI, Leave, Raise, Sfence, Stop, Wait};
use super::fake::{Fake, RAM, World};
use super::*;
use crate::addr::{Access, Privilege};
use crate::trap::Interrupt;
use trap::Duty;

const MEPC: u16 = 0x341;
const MCAUSE: u16 = 0x342;
const MTVAL: u16 = 0x343;
const MIP: u16 = 0x344;
const MIE: u16 = 0x304;

#[test]
fn csrs_when_supervisor_mode_begins() {
    let everything = config();
    let little = CsrConfig {
        misa: 0x8000_0000_0014_1101,
        svadu: false,
        svpbmt: false,
        sstc: false,
        zicbom: false,
        zicboz: false,
        zicntr: false,
        zihpm: false,
        ..config()
    };
    // Name, address, value with everything, value with little.
    for (name, addr, with_all, with_little) in [
        ("mstatus", 0x300, 0x8000_000a_0000_6000, 0xa_0000_0000),
        ("medeleg", 0x302, 0xb1fe, 0xb1ff),
        ("mideleg", 0x303, 0x222, 0x222),
        ("mie", 0x304, 0x8, 0x8),
        ("mip", 0x344, 0, 0),
        ("mcounteren", 0x306, 0xffff_ffff, 0),
        ("scounteren", 0x106, 0x2, 0),
        ("mcountinhibit", 0x320, 0, 0),
        ("satp", 0x180, 0, 0),
        // STCE, PBMTE, ADUE, CBZE, CBCFE and CBIE = 3.
        ("menvcfg", 0x30a, 0xe000_0000_0000_00f0, 0),
        ("pmpcfg0", 0x3a0, 0x1f, 0x1f),
        ("pmpaddr0", 0x3b0, 0x003f_ffff_ffff_ffff, 0x003f_ffff_ffff_ffff),
    ] {
        for (config, value) in [(&everything, with_all), (&little, with_little)] {
            assert_eq!(CsrAddr(addr).name().as_deref(), Some(name));
            let mut fake = Fake::new(1, config);
            // Whatever was there before.
            if name.starts_with('m') && name != "mip" {
                fake.set_csr(0, addr, !0 << 1);
            }
            Sbi::new(1, config.clone()).boot(&mut fake, 0, PhysAddr(RAM), 0);
            assert_eq!(fake.csr(0, addr), value, "{name}");
        }
    }
    let listed = trap::initial_csrs(&everything);
    let listed: Vec<_> = listed.iter().filter_map(|(addr, _)| addr.name()).collect();
    assert_eq!(listed.len(), 13, "{listed:?}");
}

#[test]
fn boot_starts_one_hart_and_stops_the_others() {
    let mut fake = Fake::new(3, &config());
    let mut sbi = Sbi::new(3, config());
    sbi.boot(&mut fake, 1, PhysAddr(RAM + 0x200), 0x8700_0000);
    let begun = [Sfence(1, None, None), FenceI(1), Enter(1, RAM + 0x200)];
    assert_eq!(fake.did, [&[Stop(0), Stop(2)], &begun[..]].concat());
    assert_eq!((fake.x[1][10], fake.x[1][11]), (1, 0x8700_0000));
    assert_eq!(fake.csr(1, 0x14d), u64::MAX, "no timer is due");
    // The machine is reset while all run.
    sbi.harts.fill(HartState::Started);
    sbi.boot(&mut fake, 0, PhysAddr(RAM), 0);
    assert_eq!(sbi.harts, [HartState::Started, HartState::Stopped, HartState::Stopped]);
}

/// Hart 0 in M-mode for this reason, with these registers.
fn trapped(world: &mut World, cause: u64, value: u64, registers: &[(usize, u64)]) {
    world.fake.set_csr(0, MCAUSE, cause);
    world.fake.set_csr(0, MTVAL, value);
    world.fake.set_csr(0, MEPC, 0x8020_0000);
    world.fake.x[0] = std::array::from_fn(|r| 0x1000 + r as u64);
    registers.iter().for_each(|(r, value)| world.fake.x[0][*r] = *value);
    world.sbi.serve(&mut world.fake, 0);
}

#[test]
fn a_call_returns_behind_itself_in_two_registers() {
    const A0: usize = 10;
    const A6: usize = 16;
    const A7: usize = 17;
    let fault = Exception::PageFault(Access::Load, VirtAddr(0x5000));
    // Extension, function, first argument; a0, a1, mepc and what the platform did.
    for (eid, fid, arg, a0, a1, mepc, did) in [
        (0x10, 0, 0, 0, 0x0200_0000, 0x8020_0004, Leave(0)),
        (0x10, 99, 0, -2_i64 as u64, 0, 0x8020_0004, Leave(0)),
        // A legacy call leaves a1, and does not look at a6.
        (0x02, 99, 0, u64::MAX, 0x100b, 0x8020_0004, Leave(0)),
        (0x04, 0, 0x5000, 0x5000, 0x100b, 0x8020_0000, Raise(0, fault)),
        (0x0048_534d, 1, 7, 7, 0x100b, 0x8020_0000, Stop(0)),
    ] {
        let mut world = World::new(&config());
        world.fake.mask = Err(fault);
        trapped(&mut world, 9, 0, &[(A0, arg), (A6, fid), (A7, eid)]);
        let mut expected: [u64; 32] = std::array::from_fn(|r| 0x1000 + r as u64);
        (expected[A0], expected[A0 + 1], expected[A6], expected[A7]) = (a0, a1, fid, eid);
        assert_eq!(world.fake.x[0], expected, "{eid:#x}: every other register is preserved");
        assert_eq!(world.fake.csr(0, MEPC), mepc, "{eid:#x}");
        assert_eq!(world.fake.did, [did], "{eid:#x}");
    }
}

#[test]
fn a_suspended_hart_waits_and_then_returns() {
    let mut world = World::new(&config());
    trapped(&mut world, 9, 0, &[(10, 0), (16, 3), (17, 0x0048_534d)]);
    assert_eq!(world.fake.did, [Wait(0), Leave(0)]);
    assert_eq!((world.fake.x[0][10], world.fake.csr(0, MEPC)), (0, 0x8020_0004));
}

#[test]
fn interrupts_are_passed_on() {
    let config = CsrConfig { sstc: false, ..config() };
    // Cause; enabled before and after; pending afterwards; what the platform did.
    for (cause, before, after, pending, did) in [
        (7, 0x88, 0x08, STIP, vec![Leave(0)]),
        (3, 0x88, 0x88, SSIP, vec![ClearMsip(0), Leave(0)]),
        (11, 0x888, 0x088, 0, vec![Leave(0)]),
    ] {
        let mut world = World::new(&config);
        world.fake.set_csr(0, MIE, before);
        trapped(&mut world, 1 << 63 | cause, 0, &[]);
        assert_eq!((world.fake.csr(0, MIE), world.fake.csr(0, MIP)), (after, pending), "{cause}");
        assert_eq!(world.fake.did, did, "{cause}");
        assert_eq!(world.fake.csr(0, MEPC), 0x8020_0000, "{cause}: nothing is skipped");
        assert_eq!(world.fake.x[0][10], 0x100a, "{cause}");
    }
}

#[test]
fn duties_by_cause() {
    let at = VirtAddr(0xabcd);
    for (cause, duty) in [
        (2, Duty::Raise(Exception::IllegalInstruction(0xabcd))),
        (3, Duty::Raise(Exception::Breakpoint(at))),
        (4, Duty::Raise(Exception::Misaligned(Access::Load, at))),
        (7, Duty::Raise(Exception::AccessFault(Access::Store, at))),
        (8, Duty::Raise(Exception::EnvironmentCall(Privilege::User))),
        (9, Duty::Call),
        (12, Duty::Raise(Exception::PageFault(Access::Fetch, at))),
        (1 << 63 | 5, Duty::Interrupt(Interrupt::SupervisorTimer)),
        (1 << 63 | 7, Duty::Interrupt(Interrupt::MachineTimer)),
    ] {
        assert_eq!(trap::duty(cause, 0xabcd), duty, "{cause:#x}");
    }
    let mut world = World::new(&config());
    trapped(&mut world, 2, 0xdead, &[]);
    assert_eq!(world.fake.did, [Raise(0, Exception::IllegalInstruction(0xdead))]);
}

proptest! {
    /// Whatever a kernel has in its registers when it calls: the trap is served.
    #[test]
    fn random_registers_are_served(
        registers in prop::array::uniform8(prop_oneof![any::<u64>(), 0..8_u64]),
        row in 0..table::FUNCTIONS.len(),
        known: bool,
    ) {
        let mut world = World::new(&config());
        let (eid, fid) = table::FUNCTIONS[row].number();
        let mut set: Vec<_> = (10..18).zip(registers).collect();
        if known {
            set.extend([(16, fid), (17, eid)]);
        }
        trapped(&mut world, 9, 0, &set);
        prop_assert!(!world.fake.did.is_empty(), "somebody goes on, or nobody does");
    }
}
