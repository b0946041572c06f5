//! CSRs that random code reads and writes, and which bits of each it may try to set. Left out:
//! what identifies the implementation, time, and debug registers.

use pagewalk::addr::Privilege;
use pagewalk::isa::Op;

use super::program::{Builder, SCRATCH, csr, mstatus};

/// A CSR, or a run of them, with the bits that M-mode and S-mode code may try to set. Other bits
/// would break the frame of the program, or leave what the manual defines.
struct Row {
    first: u16,
    count: u16,
    machine: u64,
    supervisor: u64,
}

const ALL: u64 = u64::MAX;
/// `menvcfg.STCE`: with it, interrupts depend on time.
const STCE: u64 = 1 << 63;

/// `menvcfg.FIOM` and `senvcfg.FIOM`, which only Pagewalk has; it orders what is in order anyway.
const FIOM: u64 = 1;
/// Software check and hardware error: nothing raises them, and only Spike lets them be delegated.
const UNRAISED: u64 = 3 << 18;

const fn row(first: u16, machine: u64, supervisor: u64) -> Row {
    Row { first, count: 1, machine, supervisor }
}

const fn rows(first: u16, count: u16, machine: u64) -> Row {
    Row { first, count, machine, supervisor: 0 }
}

/// What S-mode writes to an M-mode CSR is illegal anyway.
const CSRS: &[Row] = &[
    row(csr::FFLAGS, ALL, ALL),
    row(csr::FRM, ALL, ALL),
    row(csr::FCSR, ALL, ALL),
    row(csr::SSTATUS, ALL, ALL),
    row(csr::SIE, ALL, ALL),
    row(csr::STVEC, ALL, 0),
    row(0x106, ALL, ALL), // scounteren
    row(csr::SENVCFG, !FIOM, !FIOM),
    row(0x140, ALL, ALL), // sscratch
    row(csr::SEPC, ALL, ALL),
    row(csr::SCAUSE, ALL, ALL),
    row(csr::STVAL, ALL, ALL),
    row(csr::SIP, ALL, ALL),
    row(0x14d, ALL, ALL), // stimecmp
    row(csr::SATP, ALL, 0),
    row(csr::MSTATUS, !mstatus::MPRV, ALL),
    row(0x301, 0, 0), // misa
    row(csr::MEDELEG, !UNRAISED, ALL),
    row(csr::MIDELEG, ALL, ALL),
    row(csr::MIE, ALL, ALL),
    row(0x306, ALL, ALL), // mcounteren
    row(csr::MENVCFG, !(STCE | FIOM), ALL),
    row(0x320, ALL, ALL), // mcountinhibit
    rows(0x323, 29, ALL), // mhpmevent3 and on
    row(0x340, ALL, ALL), // mscratch
    row(csr::MEPC, ALL, ALL),
    row(csr::MCAUSE, ALL, ALL),
    row(csr::MTVAL, ALL, ALL),
    row(csr::MIP, ALL, ALL),
    row(csr::PMPCFG2, 0, 0),
    rows(csr::PMPADDR0 + 8, 7, ALL),
    row(csr::MCYCLE, ALL, ALL),
    row(csr::MINSTRET, ALL, ALL),
    rows(0xb03, 29, ALL), // mhpmcounter3 and on
    row(0xc00, ALL, ALL), // cycle
    row(0xc02, ALL, ALL), // instret
    rows(0xc03, 29, ALL), // hpmcounter3 and on
    row(0xf14, ALL, ALL), // mhartid
    row(0xf15, ALL, ALL), // mconfigptr
    // Not there: of extensions that neither simulator has.
    row(0x008, ALL, ALL),
    row(0x017, ALL, ALL),
    row(0x200, ALL, ALL),
    row(0x30c, ALL, ALL),
    row(0x310, ALL, ALL),
    row(0x321, ALL, ALL),
    row(0x3a1, ALL, ALL),
    row(0x600, ALL, ALL),
    row(0x747, ALL, ALL),
    row(0x7c0, ALL, ALL),
    row(0x9c0, ALL, ALL),
    row(0xc20, ALL, ALL),
    row(0xda0, ALL, ALL),
    row(0xfc0, ALL, ALL),
];

impl Builder {
    /// Some access to some CSR by code that runs in `mode`.
    pub(super) fn csr_access(&mut self, mode: Privilege) {
        let row = &CSRS[self.random.below(CSRS.len() as u64) as usize];
        let number = row.first + self.random.below(row.count.into()) as u16;
        let mask = if mode == Privilege::Machine { row.machine } else { row.supervisor };
        let rd = self.destination();
        if mask == 0 || self.random.once_in(4) {
            self.asm.csrr(rd, number);
            return;
        }
        let value = self.random.value() & mask;
        if self.random.once_in(5) {
            let op = self.random.pick(&[Op::Csrrwi, Op::Csrrsi, Op::Csrrci]);
            self.asm.csr(op, rd, number, (value & 31) as u8);
            return;
        }
        let op = self.random.pick(&[Op::Csrrw, Op::Csrrs, Op::Csrrc]);
        self.asm.li(SCRATCH[0], value);
        self.asm.csr(op, rd, number, SCRATCH[0]);
    }

    /// Writes something to `mtvec` and restores it before anything can trap.
    pub(super) fn trap_vector(&mut self) {
        let [a, b] = SCRATCH;
        let value = self.random.value();
        self.asm.csrr(b, csr::MTVEC);
        self.asm.li(a, value);
        self.asm.csr(Op::Csrrw, a, csr::MTVEC, a);
        self.asm.csr(Op::Csrrw, a, csr::MTVEC, b);
    }
}
