//! Trap entry and exit, and [`TrapFrame`], the registers of user mode while the kernel runs.
//!
//! While user mode runs, `sscratch` holds the address of the frame at the top of the task's kernel
//! stack; in the kernel it is 0, which is how the vector tells where a trap comes from.

use core::arch::global_asm;
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::sync::atomic::AtomicU32;

use guest_runtime::csr;

use super::hart::Hart;

/// What user mode had in its registers; lies at the top of the task's kernel stack.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TrapFrame {
    /// Where it goes on in the place of x0, which needs none, then x1 to x31: just as the frame of a
    /// signal handler has them.
    pub(crate) x: [u64; 32],
    /// `sstatus` as it was.
    pub(crate) status: u64,
    /// While user mode runs, what `tp` is in the kernel: the hart's data.
    hart: u64,
}

/// Index of what is in the place of x0, and where that lies in the frame.
const PC: usize = 0;
const PC_OFFSET: usize = offset_of!(TrapFrame, x) + size_of::<u64>() * PC;

/// `sstatus.SPIE`: interrupts are on after `sret`.
const STATUS_SPIE: u64 = 1 << 5;
/// `sstatus.UXL`: user mode has 64-bit registers.
const STATUS_UXL_64: u64 = 2 << 32;
/// `sstatus.SUM`: the kernel may touch pages of user mode.
pub(super) const STATUS_SUM: u64 = 1 << 18;

/// A call of user mode, in `scause`.
const ECALL_U: u64 = 8;
/// Size of a frame, and of one with room for a frame record: two words that continue the chain of
/// frame pointers across a trap.
const FRAME_BYTES: usize = size_of::<TrapFrame>();
const KERNEL_FRAME_BYTES: usize = FRAME_BYTES + 16;
/// Room below the stack pointer without which a trap out of the kernel is a stack overflow.
pub(super) const STACK_RESERVE_BYTES: u64 = KERNEL_FRAME_BYTES as u64 + 64;
/// Size of the stack on which a stack overflow is reported.
const EMERGENCY_STACK_BYTES: usize = 8 << 10;

impl TrapFrame {
    /// Where it goes on.
    pub(crate) fn pc(&self) -> u64 {
        self.x[PC]
    }

    /// Where it goes on, of a frame that somebody may be changing.
    ///
    /// # Safety
    /// It is a frame.
    pub(crate) unsafe fn pc_of(frame: *const Self) -> u64 {
        // SAFETY: as the caller says; no reference is made.
        unsafe { (&raw const (*frame).x[PC]).read_volatile() }
    }

    /// Lets it go on elsewhere.
    pub(crate) fn set_pc(&mut self, pc: u64) {
        self.x[PC] = pc;
    }

    /// Argument `n` of a call: a0 to a7.
    pub(crate) fn a(&self, n: usize) -> u64 {
        self.x[10 + n]
    }

    /// What the call returns: a0.
    pub(crate) fn set_return(&mut self, value: u64) {
        self.x[10] = value;
    }

    /// For a process that begins at `pc` with its stack at `sp`; all other registers are 0.
    pub(crate) fn new_user(pc: u64, sp: u64) -> Self {
        let mut frame = Self { status: STATUS_SPIE | STATUS_UXL_64, ..Self::default() };
        frame.set_pc(pc);
        frame.x[2] = sp;
        frame
    }
}

/// Where the frame of user mode lies on a stack that ends at `stack_top`.
pub(crate) fn frame_of_stack(stack_top: u64) -> *mut TrapFrame {
    (stack_top as usize - FRAME_BYTES) as *mut TrapFrame
}

/// Sends this hart's traps to the kernel.
pub(crate) fn catch() {
    csr::write::<{ csr::SSCRATCH }>(0);
    csr::write::<{ csr::STVEC }>(trap_vector as *const () as u64);
    // User mode may read cycle, time and instret: what things cost is what is to be seen here.
    csr::write::<{ csr::SCOUNTEREN }>(0b111);
}

unsafe extern "C" {
    /// `stvec`.
    safe fn trap_vector();
    /// Goes on in user mode with the frame at sp. Not a function: it is jumped to.
    pub(super) safe fn user_return();
}

/// One for all: who overflows a stack ends the machine.
#[repr(C, align(16))]
struct EmergencyStack(UnsafeCell<[u8; EMERGENCY_STACK_BYTES]>);
// SAFETY: only the assembly below touches it, and lets one hart have it.
unsafe impl Sync for EmergencyStack {}
static EMERGENCY_STACK: EmergencyStack =
    EmergencyStack(UnsafeCell::new([0; EMERGENCY_STACK_BYTES]));

/// Loads or stores every register but x0, sp, tp and t0 at its place in the frame at sp.
macro_rules! each_register {
    ($insn:literal) => {
        concat!(
            $insn,
            " x1, 8(sp)\n",
            $insn,
            " x3, 24(sp)\n",
            $insn,
            " x6, 48(sp)\n",
            $insn,
            " x7, 56(sp)\n",
            $insn,
            " x8, 64(sp)\n",
            $insn,
            " x9, 72(sp)\n",
            $insn,
            " x10, 80(sp)\n",
            $insn,
            " x11, 88(sp)\n",
            $insn,
            " x12, 96(sp)\n",
            $insn,
            " x13, 104(sp)\n",
            $insn,
            " x14, 112(sp)\n",
            $insn,
            " x15, 120(sp)\n",
            $insn,
            " x16, 128(sp)\n",
            $insn,
            " x17, 136(sp)\n",
            $insn,
            " x18, 144(sp)\n",
            $insn,
            " x19, 152(sp)\n",
            $insn,
            " x20, 160(sp)\n",
            $insn,
            " x21, 168(sp)\n",
            $insn,
            " x22, 176(sp)\n",
            $insn,
            " x23, 184(sp)\n",
            $insn,
            " x24, 192(sp)\n",
            $insn,
            " x25, 200(sp)\n",
            $insn,
            " x26, 208(sp)\n",
            $insn,
            " x27, 216(sp)\n",
            $insn,
            " x28, 224(sp)\n",
            $insn,
            " x29, 232(sp)\n",
            $insn,
            " x30, 240(sp)\n",
            $insn,
            " x31, 248(sp)\n",
        )
    };
}

// From user mode. Interrupts are off until a call is made or the handler turns them on.
global_asm!(
    ".pushsection .text.trap, \"ax\"",
    ".globl trap_vector",
    ".balign 4",
    "trap_vector:",
    "csrrw sp, sscratch, sp",
    "bnez sp, 1f",
    "j    {kernel}",
    "1:",
    each_register!("sd"),
    "sd   tp, 32(sp)",
    "sd   t0, 40(sp)",
    "ld   tp, {hart}(sp)",
    "csrrw t0, sscratch, zero",
    "sd   t0, 16(sp)",
    "csrr t0, sstatus",
    "sd   t0, {status}(sp)",
    "csrr t1, sepc",
    "csrr t2, time",
    "sd   t2, {entered}(tp)",
    "csrr a1, scause",
    "li   t0, {ecall}",
    "mv   a0, sp",
    // The chain of frame pointers ends here.
    "li   fp, 0",
    "bne  a1, t0, 4f",
    "addi t1, t1, 4",
    "sd   t1, {pc}(sp)",
    "csrsi sstatus, 2",
    "call {system_call}",
    "csrci sstatus, 2",
    "lwu  t0, {work}(tp)",
    "beqz t0, 3f",
    "j    2f",
    "4:",
    "sd   t1, {pc}(sp)",
    "csrr a2, stval",
    "call {from_user}",
    "csrci sstatus, 2",
    ".globl user_return",
    "user_return:",
    "lwu  t0, {work}(tp)",
    "beqz t0, 3f",
    "2:",
    "mv   a0, sp",
    "call {before_user}",
    "j    user_return",
    "3:",
    "csrr t0, time",
    "ld   t1, {entered}(tp)",
    "ld   t2, {kernel_ticks}(tp)",
    "sub  t0, t0, t1",
    "add  t0, t0, t2",
    "sd   t0, {kernel_ticks}(tp)",
    "ld   t0, {status}(sp)",
    "ld   t1, {pc}(sp)",
    "csrw sstatus, t0",
    "csrw sepc, t1",
    "sd   tp, {hart}(sp)",
    "csrw sscratch, sp",
    each_register!("ld"),
    "ld   tp, 32(sp)",
    "ld   t0, 40(sp)",
    "ld   sp, 16(sp)",
    "sret",
    ".popsection",
    kernel = sym kernel_vector,
    status = const offset_of!(TrapFrame, status),
    hart = const offset_of!(TrapFrame, hart),
    pc = const PC_OFFSET,
    entered = const offset_of!(Hart, entered),
    kernel_ticks = const offset_of!(Hart, kernel_ticks),
    work = const offset_of!(Hart, work),
    ecall = const ECALL_U,
    system_call = sym crate::traps::system_call,
    from_user = sym crate::traps::from_user,
    before_user = sym crate::traps::before_user,
);

/// The vector, where the trap is out of the kernel: sp is 0, and in `sscratch`.
// A fault in the handler of a stack overflow must find the emergency stack good: its limit becomes
// the hart's.
#[unsafe(naked)]
unsafe extern "C" fn kernel_vector() {
    core::arch::naked_asm!(
        "sd   t0, {scratch}(tp)",
        "csrrw sp, sscratch, zero",
        "ld   t0, {stack_limit}(tp)",
        "bltu sp, t0, 1f",
        "ld   t0, {scratch}(tp)",
        "addi sp, sp, -{size}",
        each_register!("sd"),
        "addi t1, sp, {size}",
        "la   t2, {handler}",
        "j    2f",
        // The stack has overflowed: go on on the emergency stack, the first hart for ever.
        "1:  la   t0, {lock}",
        "csrw sscratch, sp",
        "li   sp, 1",
        // Link-time optimisation forgets the target's features.
        ".option push; .option arch, +a",
        "amoswap.w.aq sp, sp, (t0); .option pop",
        "3: bnez sp, 3b",
        "la   sp, {emergency}",
        "addi t0, sp, {reserve}",
        "sd   t0, {stack_limit}(tp)",
        "li   t0, {emergency_bytes} - {size}",
        "add  sp, sp, t0",
        "ld   t0, {scratch}(tp)",
        each_register!("sd"),
        "csrrw t1, sscratch, zero",
        "la   t2, {overflow}",
        "2:  sd   t1, 16(sp)",
        "sd   tp, 32(sp)",
        "sd   t0, 40(sp)",
        "csrr t1, sepc",
        "sd   t1, {pc}(sp)",
        // A frame record: where it happened, and the frame pointer there.
        "sd   t1, {size} - 8(sp)",
        "sd   fp, {size} - 16(sp)",
        "addi fp, sp, {size}",
        "csrr t1, sstatus",
        "sd   t1, {status}(sp)",
        "li   t1, {sum}",
        "csrc sstatus, t1",
        "csrr a1, scause",
        "csrr a2, stval",
        "mv   a0, sp",
        "jalr t2",
        "csrci sstatus, 2",
        "ld   t0, {status}(sp)",
        "csrw sstatus, t0",
        "ld   t1, {pc}(sp)",
        "csrw sepc, t1",
        // tp stays: the task may have slept and woken up on another hart.
        each_register!("ld"),
        "ld   t0, 40(sp)",
        "addi sp, sp, {size}",
        "sret",
        scratch = const offset_of!(Hart, scratch),
        stack_limit = const offset_of!(Hart, stack_limit),
        status = const offset_of!(TrapFrame, status),
        pc = const PC_OFFSET,
        size = const KERNEL_FRAME_BYTES,
        reserve = const STACK_RESERVE_BYTES,
        emergency = sym EMERGENCY_STACK,
        emergency_bytes = const EMERGENCY_STACK_BYTES,
        lock = sym EMERGENCY_LOCK,
        sum = const STATUS_SUM,
        handler = sym crate::traps::from_kernel,
        overflow = sym crate::traps::stack_overflow,
    )
}

/// 1 once a hart uses the emergency stack.
static EMERGENCY_LOCK: AtomicU32 = AtomicU32::new(0);
