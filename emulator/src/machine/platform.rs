//! The machine as its own firmware sees it: [`Board`] carries out what [`Sbi`](super::firmware::Sbi)
//! decides. Neighbour: `run.rs` lends it the harts when one of them traps into M-mode.

use super::console::Console;
use super::firmware::Platform;
use super::memory_map;
use super::run::{Activity, Runner};
use crate::addr::{Asid, PhysAddr, Privilege, VirtAddr, Width};
use crate::bus::{Bus, PowerRequest, Ram};
use crate::csr::{CsrAddr, CsrCx};
use crate::device::clint;
use crate::device::uart16550::{LSR_DATA_READY, offset};
use crate::hart::Hart;
use crate::system;
use crate::trap::{Exception, Trap};

/// What the firmware may touch.
pub(super) struct Board<'a> {
    pub(super) runners: &'a mut [Runner],
    pub(super) bus: &'a mut Bus,
    pub(super) console: &'a Console,
}

impl Board<'_> {
    fn hart(&mut self, hart: usize) -> &mut Hart {
        &mut self.runners[hart].hart
    }

    /// One instruction of M-mode on a CSR of `hart`; yields the old value.
    fn access(&mut self, hart: usize, addr: CsrAddr, clear: u64, set: u64) -> u64 {
        let hart = &mut self.runners[hart].hart;
        let cx = CsrCx { privilege: Privilege::Machine, ..hart.csr_cx(self.bus) };
        let modify = (clear | set != 0).then_some(|old: u64| old & !clear | set);
        let accessed = hart.csr.access(addr, modify, &cx);
        let (old, effect) = accessed.expect("the firmware touches CSRs that this hart has");
        // What the engine would do next, it does anyway when it runs the hart again.
        let _ = system::apply(hart, effect);
        old
    }

    fn store_clint(&mut self, offset: u64, width: Width, value: u64) {
        let at = memory_map::CLINT.wrapping_add(offset);
        self.bus.store(at, width, value).expect("the CLINT has such a register");
    }
}

impl Platform for Board<'_> {
    fn x(&self, hart: usize, r: u8) -> u64 {
        self.runners[hart].hart.x[usize::from(r)]
    }

    fn set_x(&mut self, hart: usize, r: u8, value: u64) {
        self.hart(hart).set_x(r, value);
    }

    fn read_csr(&mut self, hart: usize, addr: CsrAddr) -> u64 {
        self.access(hart, addr, 0, 0)
    }

    fn change_csr(&mut self, hart: usize, addr: CsrAddr, clear: u64, set: u64) {
        self.access(hart, addr, clear, set);
    }

    fn leave(&mut self, hart: usize) {
        let hart = self.hart(hart);
        let handler = hart.pc;
        (hart.privilege, hart.pc) = hart.csr.leave_machine();
        hart.trail.trap_return(handler, hart.pc);
        hart.refresh_translation();
    }

    fn raise(&mut self, hart: usize, exception: Exception) {
        let hart = self.hart(hart);
        let epc;
        (hart.privilege, epc) = hart.csr.leave_machine();
        let trap = Trap::Exception(exception);
        hart.pc = hart.csr.enter_supervisor(trap, hart.privilege, epc);
        hart.trail.trap(trap, hart.privilege, epc, hart.pc);
        hart.privilege = Privilege::Supervisor;
        hart.refresh_translation();
    }

    fn enter(&mut self, hart: usize, pc: PhysAddr) {
        self.runners[hart].activity = Activity::Running;
        let hart = self.hart(hart);
        (hart.privilege, hart.pc) = (Privilege::Supervisor, VirtAddr(pc.0));
        hart.reservation = None;
        hart.refresh_translation();
    }

    fn stop(&mut self, hart: usize) {
        self.runners[hart].activity = Activity::Stopped;
    }

    fn wait(&mut self, hart: usize) {
        self.runners[hart].activity = Activity::Waiting;
    }

    fn set_mtimecmp(&mut self, hart: usize, time: u64) {
        self.store_clint(clint::mtimecmp(hart), Width::Double, time);
    }

    fn clear_msip(&mut self, hart: usize) {
        self.store_clint(clint::msip(hart), Width::Word, 0);
    }

    /// Blocks of code are dropped when they are written: there is nothing stale.
    fn fence_i(&mut self, _hart: usize) {}

    fn sfence_vma(&mut self, hart: usize, va: Option<VirtAddr>, asid: Option<Asid>) {
        self.hart(hart).mmu.sfence_vma(va, asid);
    }

    fn load(&mut self, hart: usize, va: VirtAddr) -> Result<u64, Exception> {
        let hart = &mut self.runners[hart].hart;
        let privilege = std::mem::replace(&mut hart.privilege, hart.csr.mstatus().mpp());
        hart.refresh_translation();
        let loaded = hart.mmu.load(self.bus, va, Width::Double);
        hart.privilege = privilege;
        hart.refresh_translation();
        loaded
    }

    fn ram(&mut self) -> &mut Ram {
        &mut self.bus.ram
    }

    fn print(&mut self, bytes: &[u8]) {
        self.console.print(bytes);
    }

    fn input(&mut self) -> Option<u8> {
        // As firmware of flesh and blood: the serial port has the input.
        let mut read = |offset| {
            let at = memory_map::UART.wrapping_add(offset);
            self.bus.load(at, Width::Byte).expect("the serial port has such a register") as u8
        };
        (read(offset::LSR) & LSR_DATA_READY != 0).then(|| read(offset::DATA))
    }

    fn power(&mut self, request: PowerRequest) {
        self.bus.power = Some(request);
    }
}
