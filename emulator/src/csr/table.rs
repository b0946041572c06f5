//! The CSR table: one aligned row per register (or per numbered run of them) with its name, when
//! it exists, what guards it beyond the privilege in its address, and what reading and writing
//! do. The functions named here are in the file of their subject.

use super::{CsrAddr, CsrConfig, CsrCx, CsrFile, Effect};
use super::{counters, envcfg, float, interrupts, pmp, satp, status, trap};

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
    pub(super) read: Read,
    /// Makes the value legal and stores it. Never called for a read-only address.
    pub(super) write: Write,
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

/// Writes a field of the file that holds every value.
macro_rules! set {
    ($field:ident) => {
        |f, _, value, _| {
            f.$field = value;
            Effect::NONE
        }
    };
    ($field:ident, $mask:expr) => {
        |f, _, value, _| {
            let mask: fn(&CsrConfig) -> u64 = $mask;
            f.$field = value & mask(&f.config);
            Effect::NONE
        }
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

/// Bit 1 of a trap vector's MODE is reserved: it reads as zero.
fn tvec_mask(_: &CsrConfig) -> u64 {
    !2
}

macro_rules! rows {
    ($($first:literal $(..= $last:literal)? $name:literal
       $exists:ident $($open:ident)::+, $read:expr, $write:expr;)*) => {
        &[$(Row {
            first: CsrAddr($first),
            last: CsrAddr([$first $(, $last)?][[$first $(, $last)?].len() - 1]),
            name: $name,
            exists: $exists,
            open: $($open)::+,
            read: $read,
            write: $write,
        }),*]
    };
}

/// All rows, by address.
#[rustfmt::skip]
pub(super) static ROWS: &[Row] = rows! {
//  address       name            exists  guard                      read                    write
    0x001         "fflags"        fp      float::fs_on,              float::fflags,          float::set_fflags;
    0x002         "frm"           fp      float::fs_on,              float::frm,             float::set_frm;
    0x003         "fcsr"          fp      float::fs_on,              float::fcsr,            float::set_fcsr;
    0x100         "sstatus"       always  any,                       status::sstatus,        status::set_sstatus;
    0x104         "sie"           always  any,                       interrupts::sie,        interrupts::set_sie;
    0x105         "stvec"         always  any,                       get!(stvec),            set!(stvec, tvec_mask);
    0x106         "scounteren"    always  any,                       get!(scounteren),       counters::set_scounteren;
    0x10a         "senvcfg"       always  any,                       get!(senvcfg),          envcfg::set_senvcfg;
    0x140         "sscratch"      always  any,                       get!(sscratch),         set!(sscratch);
    0x141         "sepc"          always  any,                       get!(sepc),             set!(sepc, trap::epc_mask);
    0x142         "scause"        always  any,                       get!(scause),           set!(scause);
    0x143         "stval"         always  any,                       get!(stval),            set!(stval);
    0x144         "sip"           always  any,                       interrupts::sip,        interrupts::set_sip;
    0x14d         "stimecmp"      sstc    interrupts::stimecmp_open, get!(stimecmp),         interrupts::set_stimecmp;
    0x180         "satp"          always  satp::satp_open,           get!(satp),             satp::set_satp;
    0x300         "mstatus"       always  any,                       status::mstatus,        status::set_mstatus;
    // Read-only here: extensions are switched by configuration, not by the program.
    0x301         "misa"          always  any,                       |f, _, _| f.config.misa, fixed;
    0x302         "medeleg"       always  any,                       get!(medeleg),          set!(medeleg, trap::delegable);
    0x303         "mideleg"       always  any,                       get!(mideleg),          interrupts::set_mideleg;
    0x304         "mie"           always  any,                       get!(mie),              interrupts::set_mie;
    0x305         "mtvec"         always  any,                       get!(mtvec),            set!(mtvec, tvec_mask);
    0x306         "mcounteren"    always  any,                       get!(mcounteren),       counters::set_mcounteren;
    0x30a         "menvcfg"       always  any,                       get!(menvcfg),          envcfg::set_menvcfg;
    0x320         "mcountinhibit" always  any,                       get!(mcountinhibit),    counters::set_mcountinhibit;
    0x323..=0x33f "mhpmevent3"    always  any,                       zero,                   fixed;
    0x340         "mscratch"      always  any,                       get!(mscratch),         set!(mscratch);
    0x341         "mepc"          always  any,                       get!(mepc),             set!(mepc, trap::epc_mask);
    0x342         "mcause"        always  any,                       get!(mcause),           set!(mcause);
    0x343         "mtval"         always  any,                       get!(mtval),            set!(mtval);
    0x344         "mip"           always  any,                       interrupts::mip,        interrupts::set_mip;
    0x3a0..=0x3af "pmpcfg0"       always  pmp::even,                 pmp::pmpcfg,            pmp::set_pmpcfg;
    0x3b0..=0x3ef "pmpaddr0"      always  any,                       pmp::pmpaddr,           pmp::set_pmpaddr;
    // No triggers: `tselect` cannot name one, and type 0 says that there is none.
    0x7a0         "tselect"       always  any,                       zero,                   fixed;
    0x7a1..=0x7a3 "tdata1"        always  any,                       zero,                   dropped;
    0x7a4         "tinfo"         always  any,                       zero,                   dropped;
    0xb00         "mcycle"        always  any,                       counters::mcycle,       counters::set_mcycle;
    0xb02         "minstret"      always  any,                       counters::minstret,     counters::set_minstret;
    0xb03..=0xb1f "mhpmcounter3"  always  any,                       zero,                   dropped;
    0xc00         "cycle"         zicntr  counters::counter_open,    counters::mcycle,       dropped;
    0xc01         "time"          zicntr  counters::counter_open,    counters::time,         dropped;
    0xc02         "instret"       zicntr  counters::counter_open,    counters::minstret,     dropped;
    0xc03..=0xc1f "hpmcounter3"   zihpm   counters::counter_open,    zero,                   dropped;
    0xf11         "mvendorid"     always  any,                       zero,                   dropped;
    0xf12         "marchid"       always  any,                       zero,                   dropped;
    0xf13         "mimpid"        always  any,                       zero,                   dropped;
    0xf14         "mhartid"       always  any,                       |f, _, _| f.config.hart_id, dropped;
    0xf15         "mconfigptr"    always  any,                       zero,                   dropped;
};

/// The row of `addr`, whether or not it exists in this configuration.
pub(super) fn row(addr: CsrAddr) -> Option<&'static Row> {
    let row = ROWS.get(ROWS.partition_point(|row| row.last < addr))?;
    (row.first <= addr).then_some(row)
}
