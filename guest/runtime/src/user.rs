//! U-mode below a program that runs in S-mode: [`run`] drops to it, a vector that
//! [`vectors!`](crate::vectors!) has defined takes its traps, and the call [`LEAVE`] comes back.
//! Made for speed: a vector saves four registers and touches no others; `supervisor.rs` has the
//! one that calls Rust.

use core::arch::naked_asm;

/// `a7` of the `ecall` that ends a run: any value but 0, which is left to vectors.
pub const LEAVE: u64 = 1;

/// What [`vectors!`](crate::vectors!) makes.
#[derive(Clone, Copy, Debug)]
pub struct Vector(u64);

impl Vector {
    /// The vector at an address; only [`vectors!`](crate::vectors!) says this.
    #[doc(hidden)]
    pub const fn new(address: u64) -> Self {
        Self(address)
    }
}

/// Runs the [`Routine`](crate::routine::Routine) that is mapped at `pc` in U-mode, with `a0` to `a5` set, until its `ecall` with
/// [`LEAVE`] in `a7`; yields `a0`. Its other traps go to `vector`, which finds `context` from
/// 64(sp) on. The contract of routines holds for what runs there, but for the registers that
/// functions keep: it may change them all.
pub fn run(pc: u64, vector: Vector, context: [u64; 4], arguments: [u64; 6]) -> u64 {
    // SAFETY: `enter` and `other` keep to the calling convention; U-mode reaches no memory of Rust
    // objects by the contract of what runs there, vectors by theirs.
    unsafe { enter(pc, vector.0, &context, &arguments) }
}

/// Saves what belongs to the caller, points `sscratch` to what vectors work with, and drops.
#[unsafe(naked)]
unsafe extern "C" fn enter(pc: u64, vector: u64, context: &[u64; 4], arguments: &[u64; 6]) -> u64 {
    naked_asm!(
        "addi sp, sp, -224",
        "sd ra, 96(sp)",
        "sd s0, 104(sp)",
        "sd s1, 112(sp)",
        "sd s2, 120(sp)",
        "sd s3, 128(sp)",
        "sd s4, 136(sp)",
        "sd s5, 144(sp)",
        "sd s6, 152(sp)",
        "sd s7, 160(sp)",
        "sd s8, 168(sp)",
        "sd s9, 176(sp)",
        "sd s10, 184(sp)",
        "sd s11, 192(sp)",
        "sd gp, 200(sp)",
        "sd tp, 208(sp)",
        "csrrw t0, stvec, a1",
        "sd t0, 216(sp)",
        "ld t0, 0(a2)",
        "sd t0, 64(sp)",
        "ld t0, 8(a2)",
        "sd t0, 72(sp)",
        "ld t0, 16(a2)",
        "sd t0, 80(sp)",
        "ld t0, 24(a2)",
        "sd t0, 88(sp)",
        "csrw sscratch, sp",
        "csrw sepc, a0",
        "li t0, {spp}",
        "csrc sstatus, t0",
        "mv t0, a3",
        "ld a0, 0(t0)",
        "ld a1, 8(t0)",
        "ld a2, 16(t0)",
        "ld a3, 24(t0)",
        "ld a4, 32(t0)",
        "ld a5, 40(t0)",
        "sret",
        spp = const crate::csr::MSTATUS_SPP,
    )
}

/// Where vectors send what they do not handle: returns from [`enter`], or ends the program.
#[doc(hidden)]
#[unsafe(naked)]
pub unsafe extern "C" fn other() {
    naked_asm!(
        "csrr t0, scause",
        "addi t0, t0, -{ecall}",
        "bnez t0, 1f",
        "li t0, {leave}",
        "bne a7, t0, 1f",
        "ld t0, 216(sp)",
        "csrw stvec, t0",
        "ld ra, 96(sp)",
        "ld s0, 104(sp)",
        "ld s1, 112(sp)",
        "ld s2, 120(sp)",
        "ld s3, 128(sp)",
        "ld s4, 136(sp)",
        "ld s5, 144(sp)",
        "ld s6, 152(sp)",
        "ld s7, 160(sp)",
        "ld s8, 168(sp)",
        "ld s9, 176(sp)",
        "ld s10, 184(sp)",
        "ld s11, 192(sp)",
        "ld gp, 200(sp)",
        "ld tp, 208(sp)",
        "addi sp, sp, 224",
        "ret",
        "1: ld t0, 216(sp)",
        "csrw stvec, t0",
        "csrr a0, scause",
        "csrr a1, sepc",
        "csrr a2, stval",
        "call {unexpected}",
        ecall = const crate::run::cause::ECALL_U,
        leave = const LEAVE,
        unexpected = sym unexpected,
    )
}

extern "C" fn unexpected(cause: u64, epc: u64, tval: u64) -> ! {
    panic!("unexpected trap from U-mode: scause {cause:#x}, sepc {epc:#x}, stval {tval:#x}")
}

/// Defines functions that yield [`Vector`](crate::user::Vector)s, from instructions that handle a
/// trap of U-mode. No two vectors of a program have the same name.
///
/// They may change `t0` to `t3`, which are saved, and find 32 bytes of their own from 32(sp) on and
/// the run's context from 64(sp) on. What else they change is changed for U-mode. Falling off their
/// end returns there; `j 9f` is for traps that are not theirs.
///
/// `vectors! { skip = "csrr t0, sepc", "addi t0, t0, 4", "csrw sepc, t0"; }`
#[macro_export]
macro_rules! vectors {
    ($($(#[$meta:meta])* $name:ident = $($line:literal),+;)*) => {$(
        ::core::arch::global_asm!(
            concat!(".pushsection .text.vector_", stringify!($name), ",\"ax\""),
            // Link-time optimisation forgets the target's features.
            ".option push",
            ".option arch, +m, +a, +f, +d, +c, +zicsr, +zifencei",
            ".balign 64",
            concat!("vector_", stringify!($name), ":"),
            "csrrw sp, sscratch, sp",
            "sd t0, 0(sp)",
            "sd t1, 8(sp)",
            "sd t2, 16(sp)",
            "sd t3, 24(sp)",
            $($line,)+
            "ld t0, 0(sp)",
            "ld t1, 8(sp)",
            "ld t2, 16(sp)",
            "ld t3, 24(sp)",
            "csrrw sp, sscratch, sp",
            "sret",
            "9: tail {other}",
            ".option pop",
            ".popsection",
            other = sym $crate::user::other,
        );

        $(#[$meta])*
        fn $name() -> $crate::user::Vector {
            let address;
            // SAFETY: computes the address of the label above.
            unsafe {
                ::core::arch::asm!(
                    concat!("la {}, vector_", stringify!($name)), out(reg) address,
                    options(pure, nomem, nostack),
                );
            }
            $crate::user::Vector::new(address)
        }
    )*};
}
