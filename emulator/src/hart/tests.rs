//! Tables of traps, delegation, interrupts and effective privilege.

use super::*;
use crate::addr::{Access, Width};
use crate::bus::{IrqLines, Ram};
use crate::csr::CsrAddr;
use crate::trap::Exception;
use Privilege::{Machine, Supervisor, User};

const BASE: u64 = 0x8000_0000;
const MSTATUS: u16 = 0x300;
const MEDELEG: u16 = 0x302;
const MIDELEG: u16 = 0x303;
const MIE: u16 = 0x304;
const MTVEC: u16 = 0x305;
const STVEC: u16 = 0x105;

fn hart(privilege: Privilege, csrs: &[(u16, u64)]) -> Hart {
    let mut hart = Hart::new(HartConfig::default());
    for &(addr, value) in csrs {
        let cx = CsrCx { privilege: Machine, mtime: 0, insns: 0 };
        let _ = hart.csr.access(CsrAddr(addr), Some(|_| value), &cx).expect("writable");
    }
    hart.privilege = privilege;
    hart.refresh_translation();
    hart.refresh_protection();
    hart
}

fn csr(hart: &mut Hart, addr: u16) -> u64 {
    let cx = CsrCx { privilege: Machine, mtime: 0, insns: 0 };
    hart.csr.access(CsrAddr(addr), None::<fn(u64) -> u64>, &cx).expect("readable").0
}

/// Every exception once, with its cause.
fn exceptions() -> Vec<(Exception, u64)> {
    let at = VirtAddr(0x1234);
    vec![
        (Exception::Misaligned(Access::Fetch, at), 0),
        (Exception::AccessFault(Access::Fetch, at), 1),
        (Exception::IllegalInstruction(0x1234), 2),
        (Exception::Breakpoint(at), 3),
        (Exception::Misaligned(Access::Load, at), 4),
        (Exception::AccessFault(Access::Load, at), 5),
        (Exception::Misaligned(Access::Store, at), 6),
        (Exception::AccessFault(Access::Store, at), 7),
        (Exception::EnvironmentCall(User), 8),
        (Exception::EnvironmentCall(Supervisor), 9),
        (Exception::EnvironmentCall(Machine), 11),
        (Exception::PageFault(Access::Fetch, at), 12),
        (Exception::PageFault(Access::Load, at), 13),
        (Exception::PageFault(Access::Store, at), 15),
    ]
}

#[test]
fn reset_state() {
    let mut hart = Hart::new(HartConfig { reset_pc: VirtAddr(0x1000), ..HartConfig::default() });
    hart.take_trap(Trap::Interrupt(Interrupt::MachineTimer), VirtAddr(0x1000));
    (hart.x[5], hart.insns, hart.reservation) = (1, 9, Some(PhysAddr(0)));
    hart.reset();
    assert_eq!((hart.pc, hart.privilege, hart.insns), (VirtAddr(0x1000), Machine, 0));
    assert_eq!((&hart.x[..32], hart.reservation), (&[0; 32][..], None));
    assert_eq!((csr(&mut hart, MSTATUS), csr(&mut hart, 0x342)), (0xa_0000_0000, 0));
}

#[test]
fn each_exception_goes_where_it_is_delegated() {
    for (exception, cause) in exceptions() {
        for from in [User, Supervisor, Machine] {
            for medeleg in [0, 1 << cause, !(1 << cause), u64::MAX] {
                let vectors = [(MTVEC, 0x1000 | 1), (STVEC, 0x2000 | 1), (MEDELEG, medeleg)];
                let mut hart = hart(from, &vectors);
                hart.take_trap(Trap::Exception(exception), VirtAddr(0x5000));
                // With 16-bit instructions no fetch is misaligned; M-mode's `ecall` and what
                // happens in M-mode stay there.
                let delegable = !matches!(cause, 0 | 11) && from != Machine;
                let delegated = delegable && medeleg >> cause & 1 != 0;
                let (to, pc, x) =
                    if delegated { (Supervisor, 0x2000, 0x100) } else { (Machine, 0x1000, 0x300) };
                let what = format!("{exception:?} in {from:?}, medeleg {medeleg:#x}");
                assert_eq!((hart.privilege, hart.pc.0), (to, pc), "{what}");
                let tval = exception.tval();
                let found = [0x41, 0x42, 0x43].map(|csr_| csr(&mut hart, x + csr_));
                assert_eq!(found, [0x5000, cause, tval], "{what}: epc, cause, tval");
                let other = [0x41, 0x42, 0x43].map(|csr_| csr(&mut hart, 0x400 - x + csr_));
                assert_eq!(other, [0, 0, 0], "{what}: the other mode's");
            }
        }
    }
}

#[test]
fn status_is_stacked() {
    const SXL_UXL: u64 = 0xa_0000_0000;
    let ecall = Trap::Exception(Exception::EnvironmentCall(User));
    // Mode, mstatus and medeleg before; mstatus after. MPRV, SUM, MXR, TVM stay.
    for (from, before, medeleg, after) in [
        (User, 0x00, 0, 0x00),
        (User, 0x08, 0, 0x80),
        (User, 0x80, 0, 0x00),
        (User, 0x1800, 0, 0x0000),
        (Supervisor, 0x08, 0, 0x0880),
        (Machine, 0x08, 0, 0x1880),
        (Machine, 0x2a, 0, 0x18a2),
        (User, 0x02, 0x100, 0x20),
        (User, 0x20, 0x100, 0x00),
        (User, 0x0122, 0x100, 0x20),
        (Supervisor, 0x02, 0x100, 0x120),
        (Supervisor, 0x00, 0x100, 0x100),
        (Supervisor, 0x1e_1888, 0x100, 0x1e_1988),
        (Machine, 0x02, 0x100, 0x1802),
    ] {
        let mut hart = hart(from, &[(MSTATUS, before), (MEDELEG, medeleg)]);
        hart.take_trap(ecall, VirtAddr(0));
        let found = csr(&mut hart, MSTATUS);
        assert_eq!(found, SXL_UXL | after, "{from:?} {before:#x} {medeleg:#x}: {found:#x}");
    }
}

#[test]
fn interrupts_may_be_vectored() {
    for interrupt in Interrupt::BY_PRIORITY {
        for (mode, distance) in [(0, 0), (1, 4 * interrupt as u64)] {
            for (mideleg, base, x) in [(0, 0x1000, 0x300), (u64::MAX, 0x2000, 0x100)] {
                let vectors = [(MTVEC, 0x1000 | mode), (STVEC, 0x2000 | mode), (MIDELEG, mideleg)];
                let mut hart = hart(User, &vectors);
                hart.take_trap(Trap::Interrupt(interrupt), VirtAddr(0x5002));
                let for_machine = matches!(interrupt as u64, 3 | 7 | 11);
                let (base, x) = if for_machine { (0x1000, 0x300) } else { (base, x) };
                assert_eq!(hart.pc.0, base + distance, "{interrupt:?} {mode} {mideleg:#x}");
                let found = [0x41, 0x42, 0x43].map(|csr_| csr(&mut hart, x + csr_));
                assert_eq!(found, [0x5002, 1 << 63 | interrupt as u64, 0]);
            }
        }
    }
}

/// The interrupt that is taken in `privilege` when those of `pending` are pending and all are
/// enabled in `mie`.
fn taken(privilege: Privilege, status: u64, mideleg: u64, pending: u64) -> Option<Interrupt> {
    let mut hart = hart(privilege, &[(MSTATUS, status), (MIDELEG, mideleg), (MIE, u64::MAX)]);
    let cx = CsrCx { privilege: Machine, mtime: 0, insns: 0 };
    hart.csr.set_lines(pending, 0);
    let _ = hart.csr.access(CsrAddr(0x344), Some(|_| pending & !0xa88), &cx).expect("legal");
    hart.pending_interrupt()
}

#[test]
fn interrupts_in_order_of_priority() {
    use Interrupt::*;
    const MIE_SIE: u64 = 0x0a;
    // Delegated, pending, taken in U-mode.
    for (mideleg, pending, interrupt) in [
        (0, 0, None),
        (0, 0xaaa, Some(MachineExternal)),
        (0, 0x2aa, Some(MachineSoftware)),
        (0, 0x2a2, Some(MachineTimer)),
        (0, 0x222, Some(SupervisorExternal)),
        (0, 0x022, Some(SupervisorSoftware)),
        (0, 0x020, Some(SupervisorTimer)),
        // An interrupt for M-mode comes first, whatever its number.
        (0x222, 0x2a2, Some(MachineTimer)),
        (0x200, 0x222, Some(SupervisorSoftware)),
        (0x202, 0x222, Some(SupervisorTimer)),
        (0x222, 0x222, Some(SupervisorExternal)),
        (0x222, 0x022, Some(SupervisorSoftware)),
    ] {
        assert_eq!(taken(User, MIE_SIE, mideleg, pending), interrupt, "{mideleg:#x} {pending:#x}");
    }
}

#[test]
fn a_modes_enable_counts_in_that_mode_only() {
    // Mode, MIE, SIE; whether an M-mode and a delegated interrupt are taken.
    for (privilege, mie, sie, machine, supervisor) in [
        (User, 0, 0, true, true),
        (User, 1, 1, true, true),
        (Supervisor, 0, 0, true, false),
        (Supervisor, 1, 0, true, false),
        (Supervisor, 0, 1, true, true),
        (Machine, 0, 0, false, false),
        (Machine, 0, 1, false, false),
        (Machine, 1, 0, true, false),
        (Machine, 1, 1, true, false),
    ] {
        let status = mie << 3 | sie << 1;
        let what = format!("{privilege:?} MIE {mie} SIE {sie}");
        assert_eq!(taken(privilege, status, 0x222, 0x80).is_some(), machine, "{what}");
        assert_eq!(taken(privilege, status, 0x222, 0x20).is_some(), supervisor, "{what}");
        assert_eq!(taken(privilege, status, 0x000, 0x20).is_some(), machine, "{what}");
    }
}

#[test]
fn only_enabled_interrupts_are_taken() {
    for interrupt in Interrupt::BY_PRIORITY {
        let mut hart = hart(User, &[(MIE, !interrupt.bit())]);
        hart.csr.set_lines(interrupt.bit(), 0);
        assert_eq!(hart.pending_interrupt(), None, "{interrupt:?}");
    }
}

#[test]
fn lines_are_those_of_this_hart() {
    let mut bus = Bus::new(Ram::new(PhysAddr(BASE), 0x1000));
    let csr_config = CsrConfig { hart_id: 2, ..CsrConfig::default() };
    let mut hart = Hart::new(HartConfig { csr: csr_config, ..HartConfig::default() });
    for (msip, mtip, mip) in [(0, 0, 0), (4, 0, 0x8), (0, 4, 0x80), (4, 4, 0x88), (3, 3, 0)] {
        bus.irq = IrqLines { msip, mtip, ..IrqLines::default() };
        hart.sample_lines(&bus);
        assert_eq!(hart.csr.mip(), mip, "{msip} {mtip}");
    }
}

#[test]
fn mprv_lends_the_privilege_of_mpp_to_loads_and_stores() {
    const MPRV: u64 = 1 << 17;
    // All of RAM for S-mode and U-mode is closed; M-mode needs no PMP entry.
    for (status, loads) in
        [(0, true), (MPRV, false), (MPRV | 1 << 11, false), (MPRV | 3 << 11, true), (3 << 11, true)]
    {
        let mut bus = Bus::new(Ram::new(PhysAddr(BASE), 0x1000));
        let mut hart = hart(Machine, &[(MSTATUS, status)]);
        let at = VirtAddr(BASE);
        let fault = Exception::AccessFault(Access::Load, at);
        let load = hart.mmu.load(&mut bus, at, Width::Word);
        assert_eq!(load, if loads { Ok(0) } else { Err(fault) }, "{status:#x}");
        assert!(hart.mmu.fetch(&mut bus, at).is_ok(), "{status:#x}: fetches are not lent");
    }
}

#[test]
fn pmp_entries_open_memory() {
    // pmpcfg0 for a region over all memory; what S-mode may do, what M-mode may do.
    for (config, supervisor, machine) in [
        (0x00, "", "rwx"),
        (0x1f, "rwx", "rwx"),
        (0x19, "r", "rwx"),
        (0x1b, "rw", "rwx"),
        (0x1c, "x", "rwx"),
        (0x98, "", ""),
        (0x99, "r", "r"),
    ] {
        for (privilege, may) in [(Supervisor, supervisor), (User, supervisor), (Machine, machine)] {
            let mut bus = Bus::new(Ram::new(PhysAddr(BASE), 0x1000));
            let mut hart = hart(privilege, &[(0x3b0, u64::MAX), (0x3a0, config)]);
            let at = VirtAddr(BASE);
            let found = [
                ("r", hart.mmu.load(&mut bus, at, Width::Word).is_ok()),
                ("w", hart.mmu.store(&mut bus, at, Width::Word, 0).is_ok()),
                ("x", hart.mmu.fetch(&mut bus, at).is_ok()),
            ];
            let found: String = found.iter().filter(|f| f.1).map(|f| f.0).collect();
            assert_eq!(found, may, "{config:#x} in {privilege:?}");
        }
    }
}

#[test]
fn a_trap_ends_the_reservation() {
    for (exception, _) in exceptions() {
        let mut hart = hart(User, &[]);
        hart.reservation = Some(PhysAddr(BASE));
        hart.take_trap(Trap::Exception(exception), VirtAddr(BASE));
        assert_eq!(hart.reservation, None, "{exception:?}");
    }
}
