//! CSR access by number, and the numbers. Reading is always safe (a CSR that does not exist traps
//! and ends the program); writing is limited to CSRs that do not change how M-mode Rust code
//! itself runs: translation and delegation concern S- and U-mode only.

use core::arch::asm;

macro_rules! numbers {
    ($($name:ident = $number:literal;)*) => {
        $(#[doc = concat!("`", stringify!($name), "`.")] pub const $name: u16 = $number;)*
    };
}

numbers! {
    FFLAGS = 0x001;
    FRM = 0x002;
    FCSR = 0x003;
    SSTATUS = 0x100;
    SIE = 0x104;
    STVEC = 0x105;
    SCOUNTEREN = 0x106;
    SENVCFG = 0x10a;
    SSCRATCH = 0x140;
    SEPC = 0x141;
    SCAUSE = 0x142;
    STVAL = 0x143;
    SIP = 0x144;
    STIMECMP = 0x14d;
    SATP = 0x180;
    MSTATUS = 0x300;
    MISA = 0x301;
    MEDELEG = 0x302;
    MIDELEG = 0x303;
    MIE = 0x304;
    MTVEC = 0x305;
    MCOUNTEREN = 0x306;
    MENVCFG = 0x30a;
    MCOUNTINHIBIT = 0x320;
    MSCRATCH = 0x340;
    MEPC = 0x341;
    MCAUSE = 0x342;
    MTVAL = 0x343;
    MIP = 0x344;
    PMPCFG0 = 0x3a0;
    PMPCFG2 = 0x3a2;
    PMPADDR0 = 0x3b0;
    PMPADDR1 = 0x3b1;
    PMPADDR2 = 0x3b2;
    PMPADDR3 = 0x3b3;
    MCYCLE = 0xb00;
    MINSTRET = 0xb02;
    CYCLE = 0xc00;
    TIME = 0xc01;
    INSTRET = 0xc02;
    MVENDORID = 0xf11;
    MHARTID = 0xf14;
}

/// `mstatus.MPRV`: M-mode loads and stores run as `MPP`.
pub const MSTATUS_MPRV: u64 = 1 << 17;

/// `mstatus.MIE` as it will be in M-mode code that [`run`](crate::run::run) lets run.
pub const MSTATUS_MPIE: u64 = 1 << 7;
/// `mstatus.SIE`.
pub const MSTATUS_SIE: u64 = 1 << 1;
/// `mstatus.SPIE`.
pub const MSTATUS_SPIE: u64 = 1 << 5;
/// `mstatus.SPP`.
pub const MSTATUS_SPP: u64 = 1 << 8;
/// `mstatus.MPP`.
pub const MSTATUS_MPP: u64 = 3 << 11;
/// `mstatus.FS`, both bits; one alone is Initial.
pub const MSTATUS_FS: u64 = 3 << 13;
/// `mstatus.SUM`: S-mode may load and store on pages of U-mode.
pub const MSTATUS_SUM: u64 = 1 << 18;
/// `mstatus.MXR`: executable pages are readable.
pub const MSTATUS_MXR: u64 = 1 << 19;
/// `mstatus.TVM`: S-mode may not manage translation.
pub const MSTATUS_TVM: u64 = 1 << 20;
/// `mstatus.TW`: lower modes may not wait.
pub const MSTATUS_TW: u64 = 1 << 21;
/// `mstatus.TSR`: S-mode may not `sret`.
pub const MSTATUS_TSR: u64 = 1 << 22;
/// `menvcfg.ADUE`: the hart updates A and D itself.
pub const MENVCFG_ADUE: u64 = 1 << 61;
/// `menvcfg.STCE`: `stimecmp` is there for S-mode.
pub const MENVCFG_STCE: u64 = 1 << 63;

/// Reads the CSR.
pub fn read<const CSR: u16>() -> u64 {
    let value;
    // SAFETY: a CSR read has no effect on memory; one that traps ends the program.
    unsafe { asm!("csrr {}, {}", out(reg) value, const CSR, options(nostack)) };
    value
}

/// Replaces the CSR by `value`; yields the old one.
pub fn swap<const CSR: u16>(value: u64) -> u64 {
    const { assert!(!runs_rust(CSR), "this CSR belongs to the runtime") };
    assert!(CSR != MSTATUS || value & MSTATUS_MPRV == 0, "MPRV would redirect Rust's own accesses");
    let old;
    // SAFETY: the CSR is none that M-mode code depends on, as just checked.
    unsafe { asm!("csrrw {}, {}, {}", out(reg) old, const CSR, in(reg) value) };
    old
}

/// Replaces the CSR by `value`.
pub fn write<const CSR: u16>(value: u64) {
    swap::<CSR>(value);
}

/// Sets the bits of `mask`.
pub fn set<const CSR: u16>(mask: u64) {
    const { assert!(!runs_rust(CSR), "this CSR belongs to the runtime") };
    assert!(CSR != MSTATUS || mask & MSTATUS_MPRV == 0, "MPRV would redirect Rust's own accesses");
    // SAFETY: as in `swap`.
    unsafe { asm!("csrs {}, {}", const CSR, in(reg) mask) };
}

/// Clears the bits of `mask`.
pub fn clear<const CSR: u16>(mask: u64) {
    const { assert!(!runs_rust(CSR), "this CSR belongs to the runtime") };
    // SAFETY: as in `swap`; clearing MPRV is what M-mode code wants.
    unsafe { asm!("csrc {}, {}", const CSR, in(reg) mask) };
}

/// CSRs through which the runtime catches traps.
const fn runs_rust(csr: u16) -> bool {
    matches!(csr, MTVEC | MSCRATCH)
}

/// `sfence.vma` for all addresses and all address spaces.
pub fn sfence_vma_all() {
    // SAFETY: drops cached translations; changes no memory.
    unsafe { asm!("sfence.vma zero, zero") };
}

/// `wfi`: sleeps until an interrupt that `mie` or `sie` enables is pending, or not at all.
pub fn wait_for_interrupt() {
    // SAFETY: changes no register and no memory.
    unsafe { asm!("wfi") };
}

/// `fence.i`: instructions that follow are fetched anew.
pub fn fence_i() {
    // SAFETY: as above.
    unsafe { asm!("fence.i") };
}
