//! [`run`]: lets a few instructions run in any mode until they trap into M-mode, and tells how
//! they did. This is how the test programs raise exceptions: the trap is the result.

use core::arch::naked_asm;

use crate::registers::kept_registers;

/// Exception codes and the interrupt flag, as in `mcause`.
pub mod cause {
    /// Set in `mcause` for interrupts.
    pub const INTERRUPT: u64 = 1 << 63;
    /// Instruction address misaligned.
    pub const FETCH_MISALIGNED: u64 = 0;
    /// Instruction access fault.
    pub const FETCH_ACCESS: u64 = 1;
    /// Illegal instruction.
    pub const ILLEGAL: u64 = 2;
    /// Breakpoint.
    pub const BREAKPOINT: u64 = 3;
    /// Load address misaligned.
    pub const LOAD_MISALIGNED: u64 = 4;
    /// Load access fault.
    pub const LOAD_ACCESS: u64 = 5;
    /// Store/AMO address misaligned.
    pub const STORE_MISALIGNED: u64 = 6;
    /// Store/AMO access fault.
    pub const STORE_ACCESS: u64 = 7;
    /// Environment call from U-mode.
    pub const ECALL_U: u64 = 8;
    /// Environment call from S-mode.
    pub const ECALL_S: u64 = 9;
    /// Environment call from M-mode.
    pub const ECALL_M: u64 = 11;
    /// Instruction page fault.
    pub const FETCH_PAGE: u64 = 12;
    /// Load page fault.
    pub const LOAD_PAGE: u64 = 13;
    /// Store/AMO page fault.
    pub const STORE_PAGE: u64 = 15;
}

/// Privilege mode, encoded as in `mstatus.MPP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// U-mode.
    User = 0,
    /// S-mode.
    Supervisor = 1,
    /// M-mode.
    Machine = 3,
}

/// Code in memory that ends in a trap; made by [`snippets!`](crate::snippets).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(u64);

impl Code {
    /// Code at a virtual address, as the mode that runs it sees it. What lies there must keep
    /// its hands off the memory of Rust objects, as everything in this package's programs does.
    pub const fn at(address: u64) -> Self {
        Self(address)
    }

    /// Its address.
    pub const fn address(self) -> u64 {
        self.0
    }
}

/// How a run ended: the trap, and `a0` to `a7` at that moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// `mcause`.
    pub cause: u64,
    /// `mepc`.
    pub epc: u64,
    /// `mtval`.
    pub tval: u64,
    /// `mstatus` just after the trap: MPP names the mode that trapped.
    pub mstatus: u64,
    /// `a0` to `a7`.
    pub a: [u64; 8],
}

/// Registers that go in and come out; the assembly below knows its layout.
#[repr(C)]
struct Frame {
    a: [u64; 8],
    pc: u64,
    mstatus: u64,
    cause: u64,
    tval: u64,
    rust_sp: u64,
}

const _: () = assert!(size_of::<Frame>() == 13 * 8);

/// Runs `code` in `mode` with `a0`.. set from `arguments`, with `mstatus` otherwise as it is
/// (MPIE becomes MIE), until something traps into M-mode.
pub fn run(mode: Mode, code: Code, arguments: &[u64]) -> Outcome {
    const MPP_SHIFT: u32 = 11;
    let mut frame = Frame { a: [0; 8], pc: code.0, mstatus: 0, cause: 0, tval: 0, rust_sp: 0 };
    frame.a[..arguments.len()].copy_from_slice(arguments);
    let mstatus = crate::csr::read::<{ crate::csr::MSTATUS }>();
    frame.mstatus = mstatus & !(3 << MPP_SHIFT) | (mode as u64) << MPP_SHIFT;
    // SAFETY: `enter` saves and restores what the calling convention asks it to; the code leaves
    // Rust's memory alone (contract of `Code`).
    unsafe { enter(&mut frame) };
    let Frame { a, pc, mstatus, cause, tval, .. } = frame;
    Outcome { cause, epc: pc, tval, mstatus, a }
}

/// Saves Rust's registers, loads those of the frame and drops into its code.
#[unsafe(naked)]
unsafe extern "C" fn enter(frame: &mut Frame) {
    naked_asm!(
        "addi sp, sp, -128",
        kept_registers!("sd"),
        "sd sp, 96(a0)",
        "csrw mscratch, a0",
        "ld t0, 64(a0)",
        "csrw mepc, t0",
        "ld t0, 72(a0)",
        "csrw mstatus, t0",
        "ld a1, 8(a0)",
        "ld a2, 16(a0)",
        "ld a3, 24(a0)",
        "ld a4, 32(a0)",
        "ld a5, 40(a0)",
        "ld a6, 48(a0)",
        "ld a7, 56(a0)",
        "ld a0, 0(a0)",
        "mret",
    )
}

/// `mtvec`: fills the frame and returns from [`enter`]; without a frame the trap was not
/// expected. MPRV cannot hurt the stores here: after a trap from M-mode MPP is M, and the return
/// into a lower mode had cleared it.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn machine_vector() {
    naked_asm!(
        ".balign 4",
        "csrrw a0, mscratch, a0",
        "beqz a0, 1f",
        "sd a1, 8(a0)",
        "sd a2, 16(a0)",
        "sd a3, 24(a0)",
        "sd a4, 32(a0)",
        "sd a5, 40(a0)",
        "sd a6, 48(a0)",
        "sd a7, 56(a0)",
        "csrrw t0, mscratch, zero",
        "sd t0, 0(a0)",
        "csrr t0, mepc",
        "sd t0, 64(a0)",
        "csrr t0, mstatus",
        "sd t0, 72(a0)",
        "csrr t0, mcause",
        "sd t0, 80(a0)",
        "csrr t0, mtval",
        "sd t0, 88(a0)",
        "li t0, 1 << 17",
        "csrc mstatus, t0",
        "ld sp, 96(a0)",
        kept_registers!("ld"),
        "addi sp, sp, 128",
        "ret",
        "1: li t0, 1 << 17",
        "csrc mstatus, t0",
        "la sp, _stack_top",
        "csrr a0, mcause",
        "csrr a1, mepc",
        "csrr a2, mtval",
        "call {unexpected}",
        unexpected = sym unexpected,
    )
}

extern "C" fn unexpected(cause: u64, epc: u64, tval: u64) -> ! {
    panic!("unexpected trap into M-mode: mcause {cause:#x}, mepc {epc:#x}, mtval {tval:#x}")
}

/// Defines functions that yield [`Code`](crate::run::Code): some instructions and an `ecall`.
///
/// `snippets! { load = "ld a0, 0(a1)"; }`
#[macro_export]
macro_rules! snippets {
    ($($name:ident = $($line:literal),+;)*) => {
        $(
        ::core::arch::global_asm!(
            concat!(".pushsection .text.snippet_", stringify!($name), ",\"ax\""),
            // Link-time optimisation forgets the target's features.
            ".option push",
            ".option arch, +m, +a, +f, +d, +c, +zicsr, +zifencei, +svinval",
            ".balign 4",
            concat!("snippet_", stringify!($name), ":"),
            $($line,)+
            "ecall",
            ".option pop",
            ".popsection",
        );

        fn $name() -> $crate::run::Code {
            let address;
            // SAFETY: computes the address of the label above.
            unsafe {
                ::core::arch::asm!(
                    concat!("la {}, snippet_", stringify!($name)), out(reg) address,
                    options(pure, nomem, nostack),
                );
            }
            $crate::run::Code::at(address)
        })*
    };
}
