//! The CSR table: one aligned row per register (or per numbered run of them) with its name, when
//! it exists, what guards it beyond the privilege in its address, and what reading and writing
//! do. The functions named here are in the file of their subject.

use super::plain::Plain;
use super::{CsrAddr, CsrConfig, CsrCx, CsrFile, Effect};
use super::{counters, envcfg, float, interrupts, pmp, satp, status};

type Exists = fn(&CsrConfig) -> bool;
type Open = fn(&CsrFile, CsrAddr, &CsrCx) -> bool;
type Read = fn(&CsrFile, CsrAddr, &CsrCx) -> u64;
type Write = fn(&mut CsrFile, CsrAddr, u64, &CsrCx) -> Effect;

/// One register, or several with consecutive numbers.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) first: CsrAddr,
    pub(super) last: CsrAddr,
    /// Name of the first.
    pub(super) name: &'static str,
    pub(super) exists: Exists,
    pub(super) open: Open,
    pub(super) access: Access,
}

/// What reading and writing do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Access {
    /// Nothing else: the value is held.
    Plain(Plain),
    /// What these do. Writing makes the value legal, and never happens at a read-only address.
    By(Read, Write),
}

impl Row {
    pub(super) fn read(&self, f: &CsrFile, addr: CsrAddr, cx: &CsrCx) -> u64 {
        match self.access {
            Access::Plain(register) => f.plain.get(register),
            Access::By(read, _) => read(f, addr, cx),
        }
    }

    pub(super) fn write(&self, f: &mut CsrFile, addr: CsrAddr, value: u64, cx: &CsrCx) -> Effect {
        match self.access {
            Access::Plain(register) => {
                f.plain.set(register, value);
                Effect::NONE
            }
            Access::By(_, write) => write(f, addr, value, cx),
        }
    }
}

pub(super) const FFLAGS: CsrAddr = CsrAddr(0x001);
pub(super) const FRM: CsrAddr = CsrAddr(0x002);
pub(super) const FCSR: CsrAddr = CsrAddr(0x003);
pub(super) const SSTATUS: CsrAddr = CsrAddr(0x100);
pub(super) const SIE: CsrAddr = CsrAddr(0x104);
pub(super) const SIP: CsrAddr = CsrAddr(0x144);
pub(super) const MSTATUS: CsrAddr = CsrAddr(0x300);
pub(super) const MIE: CsrAddr = CsrAddr(0x304);
pub(super) const MIP: CsrAddr = CsrAddr(0x344);
pub(super) const MCYCLE: CsrAddr = CsrAddr(0xb00);
pub(super) const MINSTRET: CsrAddr = CsrAddr(0xb02);

/// Reads a field of the file.
macro_rules! get {
    ($field:ident) => {
        |f, _, _| f.$field
    };
}

fn always(_: &CsrConfig) -> bool {
    true
}

fn fp(config: &CsrConfig) -> bool {
    config.has(b'F')
}

fn sstc(config: &CsrConfig) -> bool {
    config.sstc
}

fn zicntr(config: &CsrConfig) -> bool {
    config.zicntr
}

fn zihpm(config: &CsrConfig) -> bool {
    config.zihpm
}

/// Nothing beyond the privilege in the address.
fn any(_: &CsrFile, _: CsrAddr, _: &CsrCx) -> bool {
    true
}

fn zero(_: &CsrFile, _: CsrAddr, _: &CsrCx) -> u64 {
    0
}

/// The register is read-only although its address says otherwise.
fn dropped(_: &mut CsrFile, _: CsrAddr, _: u64, _: &CsrCx) -> Effect {
    Effect::DROPPED
}

/// The register is writable and every field of it read-only.
fn fixed(_: &mut CsrFile, _: CsrAddr, _: u64, _: &CsrCx) -> Effect {
    Effect::NONE
}

macro_rules! rows {
    ($($first:literal $(..= $last:literal)? $name:literal
       $exists:ident $($open:ident)::+, $access:expr;)*) => {
        &[$(Row {
            first: CsrAddr($first),
            last: CsrAddr([$first $(, $last)?][[$first $(, $last)?].len() - 1]),
            name: $name,
            exists: $exists,
            open: $($open)::+,
            access: $access,
        }),*]
    };
}

/// All rows, by address.
#[rustfmt::skip]
pub(super) const ROWS: &[Row] = rows! {
//  address       name            exists  guard                      access
    0x001         "fflags"        fp      float::fs_on,              Access::By(float::fflags, float::set_fflags);
    0x002         "frm"           fp      float::fs_on,              Access::By(float::frm, float::set_frm);
    0x003         "fcsr"          fp      float::fs_on,              Access::By(float::fcsr, float::set_fcsr);
    0x100         "sstatus"       always  any,                       Access::By(status::sstatus, status::set_sstatus);
    0x104         "sie"           always  any,                       Access::By(interrupts::sie, interrupts::set_sie);
    0x105         "stvec"         always  any,                       Access::Plain(Plain::Stvec);
    0x106         "scounteren"    always  any,                       Access::By(get!(scounteren), counters::set_scounteren);
    0x10a         "senvcfg"       always  any,                       Access::By(get!(senvcfg), envcfg::set_senvcfg);
    0x140         "sscratch"      always  any,                       Access::Plain(Plain::Sscratch);
    0x141         "sepc"          always  any,                       Access::Plain(Plain::Sepc);
    0x142         "scause"        always  any,                       Access::Plain(Plain::Scause);
    0x143         "stval"         always  any,                       Access::Plain(Plain::Stval);
    0x144         "sip"           always  any,                       Access::By(interrupts::sip, interrupts::set_sip);
    0x14d         "stimecmp"      sstc    interrupts::stimecmp_open, Access::By(get!(stimecmp), interrupts::set_stimecmp);
    0x180         "satp"          always  satp::satp_open,           Access::By(get!(satp), satp::set_satp);
    0x300         "mstatus"       always  any,                       Access::By(status::mstatus, status::set_mstatus);
    // Read-only here: extensions are switched by configuration, not by the program.
    0x301         "misa"          always  any,                       Access::By(|f, _, _| f.config.misa, fixed);
    0x302         "medeleg"       always  any,                       Access::Plain(Plain::Medeleg);
    0x303         "mideleg"       always  any,                       Access::By(get!(mideleg), interrupts::set_mideleg);
    0x304         "mie"           always  any,                       Access::By(get!(mie), interrupts::set_mie);
    0x305         "mtvec"         always  any,                       Access::Plain(Plain::Mtvec);
    0x306         "mcounteren"    always  any,                       Access::By(get!(mcounteren), counters::set_mcounteren);
    0x30a         "menvcfg"       always  any,                       Access::By(get!(menvcfg), envcfg::set_menvcfg);
    0x320         "mcountinhibit" always  any,                       Access::By(get!(mcountinhibit), counters::set_mcountinhibit);
    0x323..=0x33f "mhpmevent3"    always  any,                       Access::By(zero, fixed);
    0x340         "mscratch"      always  any,                       Access::Plain(Plain::Mscratch);
    0x341         "mepc"          always  any,                       Access::Plain(Plain::Mepc);
    0x342         "mcause"        always  any,                       Access::Plain(Plain::Mcause);
    0x343         "mtval"         always  any,                       Access::Plain(Plain::Mtval);
    0x344         "mip"           always  any,                       Access::By(interrupts::mip, interrupts::set_mip);
    0x3a0..=0x3af "pmpcfg0"       always  pmp::even,                 Access::By(pmp::pmpcfg, pmp::set_pmpcfg);
    0x3b0..=0x3ef "pmpaddr0"      always  any,                       Access::By(pmp::pmpaddr, pmp::set_pmpaddr);
    // No triggers: `tselect` cannot name one, and type 0 says that there is none.
    0x7a0         "tselect"       always  any,                       Access::By(zero, fixed);
    0x7a1..=0x7a3 "tdata1"        always  any,                       Access::By(zero, dropped);
    0x7a4         "tinfo"         always  any,                       Access::By(zero, dropped);
    0xb00         "mcycle"        always  any,                       Access::By(counters::mcycle, counters::set_mcycle);
    0xb02         "minstret"      always  any,                       Access::By(counters::minstret, counters::set_minstret);
    0xb03..=0xb1f "mhpmcounter3"  always  any,                       Access::By(zero, dropped);
    0xc00         "cycle"         zicntr  counters::counter_open,    Access::By(counters::mcycle, dropped);
    0xc01         "time"          zicntr  counters::counter_open,    Access::By(counters::time, dropped);
    0xc02         "instret"       zicntr  counters::counter_open,    Access::By(counters::minstret, dropped);
    0xc03..=0xc1f "hpmcounter3"   zihpm   counters::counter_open,    Access::By(zero, dropped);
    0xf11         "mvendorid"     always  any,                       Access::By(zero, dropped);
    0xf12         "marchid"       always  any,                       Access::By(zero, dropped);
    0xf13         "mimpid"        always  any,                       Access::By(zero, dropped);
    0xf14         "mhartid"       always  any,                       Access::By(|f, _, _| f.config.hart_id, dropped);
    0xf15         "mconfigptr"    always  any,                       Access::By(zero, dropped);
};

/// Says that no row is at an address.
const NO_ROW: u8 = u8::MAX;

/// The index of the row at each address.
static INDEX: [u8; 1 << CsrAddr::BITS] = {
    assert!(ROWS.len() < NO_ROW as usize);
    let mut index = [NO_ROW; 1 << CsrAddr::BITS];
    let mut row = 0;
    while row < ROWS.len() {
        let mut addr = ROWS[row].first.0;
        while addr <= ROWS[row].last.0 {
            index[addr as usize] = row as u8;
            addr += 1;
        }
        row += 1;
    }
    index
};

/// The row of `addr`, whether or not it exists in this configuration.
pub(super) fn row(addr: CsrAddr) -> Option<&'static Row> {
    ROWS.get(usize::from(*INDEX.get(usize::from(addr.0))?))
}
