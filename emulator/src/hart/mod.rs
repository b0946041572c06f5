//! One hart: registers, mode, CSRs and MMU, and how it enters a trap. Instructions reach it
//! through `engine/` (registers and memory) and `system/` (everything else). What the MMU knows of
//! the CSRs, it knows because [`Hart::refresh_translation`] and [`Hart::refresh_protection`] told it.

pub mod observe;
pub mod trail;

use crate::addr::{PhysAddr, Privilege, VirtAddr};
use crate::bus::Bus;
use crate::csr::{CsrConfig, CsrCx, CsrFile};
use crate::mmu::{Context, Mmu, Satp};
use crate::trap::{Interrupt, Trap};

pub use observe::{FenceOrigin, NoObserver, Observer};
pub use trail::Trail;

/// What a hart is built as.
#[derive(Clone, Debug)]
pub struct HartConfig {
    /// What its CSRs show.
    pub csr: CsrConfig,
    /// PTEs may name contiguous ranges (Svnapot).
    pub svnapot: bool,
    /// Address of the first instruction after reset.
    pub reset_pc: VirtAddr,
    /// M-mode belongs to the emulator: see [`Hart::is_in_host_firmware`].
    pub host_firmware: bool,
}

impl Default for HartConfig {
    fn default() -> Self {
        Self {
            csr: CsrConfig::default(),
            svnapot: true,
            reset_pc: VirtAddr(0x8000_0000),
            host_firmware: false,
        }
    }
}

/// Length of the arrays of registers: any byte is an index, so that none has to be checked where
/// time counts. Only the first 32 are registers.
pub const REGISTER_SLOTS: usize = 1 << u8::BITS;

/// Where an engine may let instructions write whose destination is `x0`.
pub const X_SINK: u8 = 32;

/// The architectural state of one hart.
#[derive(Debug)]
pub struct Hart {
    /// Integer registers; `x[0]` stays zero.
    pub x: [u64; REGISTER_SLOTS],
    /// Floating-point registers, narrower values NaN-boxed.
    pub f: [u64; REGISTER_SLOTS],
    /// Address of the next instruction.
    pub pc: VirtAddr,
    /// Current mode.
    pub privilege: Privilege,
    /// Control and status registers.
    pub csr: CsrFile,
    /// Translation and memory access.
    pub mmu: Mmu,
    /// Where the last load-reserved made a reservation that still holds.
    pub reservation: Option<PhysAddr>,
    /// Instructions retired since reset. While an instruction runs in `system/`: those before it.
    pub insns: u64,
    /// The last control-flow events.
    pub trail: Trail,
    config: HartConfig,
}

impl Hart {
    /// A hart after reset.
    pub fn new(config: HartConfig) -> Self {
        let mut hart = Self {
            x: [0; REGISTER_SLOTS],
            f: [0; REGISTER_SLOTS],
            pc: config.reset_pc,
            privilege: Privilege::Machine,
            csr: CsrFile::new(config.csr.clone()),
            mmu: Mmu::new(),
            reservation: None,
            insns: 0,
            trail: Trail::default(),
            config,
        };
        hart.refresh_translation();
        hart.refresh_protection();
        hart
    }

    /// Returns to the state after reset.
    pub fn reset(&mut self) {
        *self = Self::new(self.config.clone());
    }

    /// `mhartid`.
    pub fn id(&self) -> u64 {
        self.config.csr.hart_id
    }

    /// Whether M-mode is the emulator's own firmware, so that the guest has only S- and U-mode.
    pub fn has_host_firmware(&self) -> bool {
        self.config.host_firmware
    }

    /// Whether a trap has led into M-mode and M-mode is the emulator's own firmware: nothing is
    /// there to be fetched, whoever runs the hart has to serve the trap and to leave M-mode.
    #[inline(always)]
    pub fn is_in_host_firmware(&self) -> bool {
        self.config.host_firmware && self.privilege == Privilege::Machine
    }

    /// Address bits that must be clear in a jump target: IALIGN is 16 with the C extension.
    #[inline(always)]
    pub fn ialign_mask(&self) -> u64 {
        const MISA_C: u64 = 1 << 2;
        if self.csr.config().misa & MISA_C != 0 { 1 } else { 3 }
    }

    /// Writes `x[r]`; a write to `x0` is discarded.
    #[inline(always)]
    pub fn set_x(&mut self, r: u8, value: u64) {
        self.x[usize::from(r)] = value;
        self.x[0] = 0;
    }

    /// What a CSR access by the running instruction depends on.
    pub fn csr_cx(&self, bus: &Bus) -> CsrCx {
        CsrCx { privilege: self.privilege, mtime: bus.mtime, insns: self.insns }
    }

    /// Takes `trap`: notes it in the CSRs and goes on at the handler, in the handler's mode.
    /// `epc` is the address of the instruction that raised an exception, or that an interrupt
    /// precedes.
    ///
    /// Source: Privileged ISA, "Machine Trap Delegation (medeleg and mideleg) Registers": a trap
    /// is delegated below M-mode only, and so never goes to a less privileged mode.
    pub fn take_trap(&mut self, trap: Trap, epc: VirtAddr) {
        let from = self.privilege;
        // Who runs next must not store by a reservation that somebody else made.
        self.reservation = None;
        if from != Privilege::Machine && self.csr.delegates(trap) {
            self.pc = self.csr.enter_supervisor(trap, from, epc);
            self.privilege = Privilege::Supervisor;
        } else {
            self.pc = self.csr.enter_machine(trap, from, epc);
            self.privilege = Privilege::Machine;
        }
        self.trail.trap(trap, from, epc, self.pc);
        self.refresh_translation();
    }

    /// The interrupt to take before the next instruction, if any.
    ///
    /// Source: Privileged ISA, "Machine Interrupt (mip and mie) Registers": those for M-mode come
    /// first, whatever their numbers; a mode's own enable counts only in that mode.
    pub fn pending_interrupt(&self) -> Option<Interrupt> {
        let pending = self.csr.pending();
        if pending == 0 {
            return None;
        }
        let (status, mideleg) = (self.csr.mstatus(), self.csr.mideleg());
        let machine = self.privilege < Privilege::Machine || status.mie();
        let supervisor = match self.privilege {
            Privilege::Machine => false,
            Privilege::Supervisor => status.sie(),
            Privilege::User => true,
        };
        let for_machine = if machine { pending & !mideleg } else { 0 };
        let for_supervisor = if supervisor { pending & mideleg } else { 0 };
        let takeable = if for_machine != 0 { for_machine } else { for_supervisor };
        Interrupt::BY_PRIORITY.into_iter().find(|interrupt| takeable & interrupt.bit() != 0)
    }

    /// Takes over the interrupt lines and the time from the bus.
    pub fn sample_lines(&mut self, bus: &Bus) {
        let line = |lines: u64, interrupt: Interrupt| match lines >> self.id() & 1 {
            0 => 0,
            _ => interrupt.bit(),
        };
        let lines = line(bus.irq.msip, Interrupt::MachineSoftware)
            | line(bus.irq.mtip, Interrupt::MachineTimer)
            | line(bus.irq.meip, Interrupt::MachineExternal)
            | line(bus.irq.seip, Interrupt::SupervisorExternal);
        self.csr.set_lines(lines, bus.mtime);
    }

    /// Tells the MMU how fetches, and loads and stores, are translated from now on.
    ///
    /// Source: Privileged ISA, "Memory Privilege in mstatus Register".
    pub fn refresh_translation(&mut self) {
        let status = self.csr.mstatus();
        let fetch = Context {
            privilege: self.privilege,
            satp: Satp::from_bits(self.csr.satp()),
            sum: status.sum(),
            mxr: status.mxr(),
            adue: self.csr.adue(),
            napot: self.config.svnapot,
            pbmt: self.csr.pbmte(),
        };
        let privilege = if status.mprv() { status.mpp() } else { self.privilege };
        self.mmu.set_contexts(fetch, Context { privilege, ..fetch });
    }

    /// Tells the MMU which physical memory may be accessed from now on.
    pub fn refresh_protection(&mut self) {
        self.mmu.set_pmp(self.csr.pmp_regions());
    }
}

#[cfg(test)]
mod tests;
