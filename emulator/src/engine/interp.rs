//! [`Interp`]: what each instruction meaning does to a hart and the bus when it is executed
//! right away. The hot paths (registers, TLB hits in RAM) are inlined into the dispatch loop;
//! everything else is a call to the room that owns it: `mmu`, `system`, `isa::float`.

use crate::addr::{Access, Privilege, VirtAddr, Width};
use crate::bus::Bus;
use crate::hart::Hart;
use crate::hart::observe::{FenceOrigin, Observer};
use crate::isa::arith::{Bin, Un};
use crate::isa::emit::{Amo, Extend, SystemOp};
use crate::isa::float::{self, Flags, Rm};
use crate::isa::fp::{Fmt, Fp1, Fp2, Fp3};
use crate::isa::{self, Emit, Insn};
use crate::mmu::BLOCK_SIZE_BYTES;
use crate::system::{self, Next};
use crate::trap::Exception;

/// An instruction has put what it raises into the slot for it. The loop over instructions carries
/// this instead of the exception itself, which would take host registers on every turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raised;

/// One block in execution.
pub(super) struct Interp<'a, O> {
    hart: &'a mut Hart,
    bus: &'a mut Bus,
    observer: &'a mut O,
    /// The slot for what an instruction raises.
    exception: &'a mut Option<Exception>,
    /// Address of the first instruction of the block.
    block_pc: u64,
    /// Instructions retired since reset when a system instruction, always the last, executes.
    insns_before_last: u64,
    /// Address bits that must be clear in a jump target.
    ialign_mask: u64,
    /// Address of the instruction that follows the block, as far as it is known.
    pub(super) next_pc: VirtAddr,
    /// What a system instruction wants done.
    pub(super) next: Next,
}

impl<'a, O: Observer> Interp<'a, O> {
    /// Prepares a block of `count` instructions and `len_bytes` bytes at `hart.pc`.
    #[inline(always)]
    pub(super) fn new(
        hart: &'a mut Hart,
        bus: &'a mut Bus,
        observer: &'a mut O,
        exception: &'a mut Option<Exception>,
        count: usize,
        len_bytes: u64,
    ) -> Self {
        let block_pc = hart.pc.0;
        let next_pc = VirtAddr(block_pc.wrapping_add(len_bytes));
        let insns_before_last = hart.insns + count as u64 - 1;
        let (ialign_mask, next) = (hart.ialign_mask(), Next::CONTINUE);
        Self {
            hart,
            bus,
            observer,
            exception,
            block_pc,
            insns_before_last,
            ialign_mask,
            next_pc,
            next,
        }
    }

    /// Executes `insns` in order. Where one raises an exception: where ([`Insn::at`]) it is.
    #[inline(always)]
    pub(super) fn run(&mut self, insns: &[Insn]) -> Result<(), u8> {
        for insn in insns {
            let privilege = self.hart.privilege;
            if O::ACTIVE {
                let pc = self.pc(insn);
                self.observer.begin(privilege, VirtAddr(pc), insn.bits);
            }
            let result: Result<(), Raised> = isa::apply(self, insn);
            if O::ACTIVE {
                self.report(insn, privilege, result);
            }
            result.map_err(|Raised| insn.at)?;
        }
        Ok(())
    }

    /// Tells the observer what is left to tell of `insn`, which ran in mode `privilege`.
    fn report(&mut self, insn: &Insn, privilege: Privilege, result: Result<(), Raised>) {
        let pc = VirtAddr(self.pc(insn));
        report_walks(self.hart, self.observer, privilege, pc);
        if result.is_ok() {
            for (addr, value) in self.hart.csr.take_written() {
                self.observer.csr(addr, value);
            }
            self.observer.retire(privilege, pc, insn.bits);
        }
    }

    /// Tells the observer what a system instruction other than CSR writes has done.
    fn report_system(&mut self, op: SystemOp, i: &Insn) {
        let address = self.hart.x[usize::from(i.rs1)];
        match op {
            SystemOp::CboZero => {
                let block = address & !(BLOCK_SIZE_BYTES - 1);
                self.observer.lookup(Access::Store, VirtAddr(block), BLOCK_SIZE_BYTES);
                for at in block..=block + (BLOCK_SIZE_BYTES - 1) {
                    self.observer.store(VirtAddr(at), Width::Byte, 0);
                }
            }
            SystemOp::CboClean | SystemOp::CboFlush | SystemOp::CboInval => {
                self.observer.lookup(Access::Load, VirtAddr(address), 1);
            }
            SystemOp::SfenceVma => report_fences(self.hart, self.observer, FenceOrigin::Sfence),
            SystemOp::SinvalVma => report_fences(self.hart, self.observer, FenceOrigin::Sinval),
            _ => {}
        }
        // Where other system instructions have an rd, it is a reserved field.
        if op.is_csr_access() && i.rd != 0 {
            self.observer.x(i.rd, self.hart.x[usize::from(i.rd)]);
        }
    }
}

impl<O: Observer> Interp<'_, O> {
    /// Flags whose rise nobody would notice. A log of register writes notices all.
    #[inline(always)]
    fn accrued(&self) -> Flags {
        if O::ACTIVE { Flags::NONE } else { Flags(self.hart.csr.accrued_fflags()) }
    }
}

/// Tells `observer` of the TLB's misses for the instruction at `pc`, in mode `privilege`.
pub(super) fn report_walks(
    hart: &mut Hart,
    observer: &mut impl Observer,
    privilege: Privilege,
    pc: VirtAddr,
) {
    for walk in hart.mmu.take_walks() {
        observer.walk(&walk, privilege, pc);
    }
}

/// Tells `observer` of fences that `origin` has asked for.
pub(super) fn report_fences(hart: &mut Hart, observer: &mut impl Observer, origin: FenceOrigin) {
    for fence in hart.mmu.take_fences() {
        observer.fence(&fence, origin);
    }
}

// What is not inlined takes what it needs as arguments, never the `Interp`: as long as nobody
// can change that behind the compiler's back, its fields stay in host registers.

#[cold]
#[inline(never)]
fn raise(slot: &mut Option<Exception>, exception: Exception) -> Raised {
    *slot = Some(exception);
    Raised
}

#[cold]
#[inline(never)]
fn load_slow(hart: &mut Hart, bus: &mut Bus, va: VirtAddr, width: Width) -> Result<u64, Exception> {
    bus.advance_clock(hart.insns);
    hart.mmu.load(bus, va, width)
}

#[cold]
#[inline(never)]
fn store_slow(
    hart: &mut Hart,
    bus: &mut Bus,
    va: VirtAddr,
    width: Width,
    value: u64,
) -> Result<(), Exception> {
    bus.advance_clock(hart.insns);
    hart.mmu.store(bus, va, width, value)
}

#[inline(never)]
fn load_reserved(
    hart: &mut Hart,
    bus: &mut Bus,
    va: VirtAddr,
    width: Width,
) -> Result<u64, Exception> {
    let (value, reservation) = hart.mmu.load_reserved(bus, va, width)?;
    hart.reservation = Some(reservation);
    Ok(value)
}

/// Whether it stored.
#[inline(never)]
fn store_conditional(
    hart: &mut Hart,
    bus: &mut Bus,
    va: VirtAddr,
    width: Width,
    value: u64,
) -> Result<bool, Exception> {
    let reservation = hart.reservation;
    let stored = hart.mmu.store_conditional(bus, va, width, value, reservation)?;
    // Whatever became of it, a store-conditional ends the reservation.
    hart.reservation = None;
    Ok(stored)
}

/// The old value and the new one.
#[inline(never)]
fn amo(
    hart: &mut Hart,
    bus: &mut Bus,
    op: Amo,
    va: VirtAddr,
    (width, operand): (Width, u64),
) -> Result<(u64, u64), Exception> {
    let mut new = 0;
    let old = hart.mmu.amo(bus, va, width, |old| {
        new = op.eval(width, old, operand);
        new
    })?;
    Ok((old, new))
}

/// Runs `op` with time and counters exact. `hart.pc` is the next instruction's, before and after.
#[inline(never)]
fn system(
    hart: &mut Hart,
    bus: &mut Bus,
    op: SystemOp,
    i: &Insn,
    retired_insns: u64,
) -> Result<Next, Exception> {
    let insns_at_start = std::mem::replace(&mut hart.insns, retired_insns);
    bus.advance_clock(retired_insns);
    let result = system::execute(op, hart, bus, i);
    hart.insns = insns_at_start;
    result
}

impl<O: Observer> Emit for Interp<'_, O> {
    type Value = u64;
    type Rounding = Rm;
    type Fault = Raised;

    #[inline(always)]
    fn imm(&mut self, value: i64) -> u64 {
        value as u64
    }

    #[inline(always)]
    fn x(&mut self, r: u8) -> u64 {
        self.hart.x[usize::from(r & 31)]
    }

    #[inline(always)]
    fn set_x(&mut self, r: u8, value: u64) {
        self.hart.set_x(r, value);
        if O::ACTIVE && r != 0 {
            self.observer.x(r, value);
        }
    }

    #[inline(always)]
    fn pc(&mut self, i: &Insn) -> u64 {
        self.block_pc.wrapping_add(2 * u64::from(i.at))
    }

    #[inline(always)]
    fn next_pc(&mut self, i: &Insn) -> u64 {
        self.pc(i).wrapping_add(i.len_bytes())
    }

    #[inline(always)]
    fn bin(&mut self, op: Bin, a: u64, b: u64) -> u64 {
        op.eval(a, b)
    }

    #[inline(always)]
    fn un(&mut self, op: Un, a: u64) -> u64 {
        op.eval(a)
    }

    #[inline(always)]
    fn select(&mut self, condition: u64, if_true: u64, if_false: u64) -> u64 {
        if condition != 0 { if_true } else { if_false }
    }

    #[inline(always)]
    fn load(&mut self, at: u64, width: Width, extend: Extend) -> Result<u64, Raised> {
        let va = VirtAddr(at);
        let value = match self.hart.mmu.lookup_aligned(va, Access::Load, width) {
            Some(offset) => self.bus.ram.load(offset, width),
            None => {
                load_slow(self.hart, self.bus, va, width).map_err(|e| raise(self.exception, e))?
            }
        };
        if O::ACTIVE {
            self.observer.lookup(Access::Load, va, width.bytes());
            self.observer.load(va, width);
        }
        Ok(match extend {
            Extend::Sign => width.sign_extend(value),
            Extend::Zero => value,
        })
    }

    #[inline(always)]
    fn store(&mut self, at: u64, width: Width, value: u64) -> Result<(), Raised> {
        let va = VirtAddr(at);
        match self.hart.mmu.lookup_aligned(va, Access::Store, width) {
            Some(offset) => {
                self.bus.ram.store_untracked(offset, width, value);
            }
            None => store_slow(self.hart, self.bus, va, width, value)
                .map_err(|e| raise(self.exception, e))?,
        }
        if O::ACTIVE {
            self.observer.lookup(Access::Store, va, width.bytes());
            self.observer.store(va, width, value);
        }
        Ok(())
    }

    #[inline(always)]
    fn load_reserved(&mut self, at: u64, width: Width) -> Result<u64, Raised> {
        let va = VirtAddr(at);
        let value =
            load_reserved(self.hart, self.bus, va, width).map_err(|e| raise(self.exception, e))?;
        if O::ACTIVE {
            self.observer.lookup(Access::Load, va, width.bytes());
            self.observer.load(va, width);
        }
        Ok(width.sign_extend(value))
    }

    #[inline(always)]
    fn store_conditional(&mut self, at: u64, width: Width, value: u64) -> Result<u64, Raised> {
        let va = VirtAddr(at);
        let stored = store_conditional(self.hart, self.bus, va, width, value)
            .map_err(|e| raise(self.exception, e))?;
        if O::ACTIVE {
            self.observer.lookup(Access::Store, va, width.bytes());
            if stored {
                self.observer.store(va, width, value);
            }
        }
        Ok(u64::from(!stored))
    }

    #[inline(always)]
    fn amo(&mut self, op: Amo, at: u64, width: Width, value: u64) -> Result<u64, Raised> {
        let va = VirtAddr(at);
        let (old, new) = amo(self.hart, self.bus, op, va, (width, value))
            .map_err(|e| raise(self.exception, e))?;
        if O::ACTIVE {
            self.observer.lookup(Access::Store, va, width.bytes());
            self.observer.load(va, width);
            self.observer.store(va, width, new);
        }
        Ok(width.sign_extend(old))
    }

    #[inline(always)]
    fn branch(&mut self, taken: u64, i: &Insn) -> Result<(), Raised> {
        if taken == 0 {
            return Ok(());
        }
        let target = self.pc(i).wrapping_add(i64::from(i.imm) as u64);
        self.jump(target)
    }

    #[inline(always)]
    fn jump(&mut self, target: u64) -> Result<(), Raised> {
        if target & self.ialign_mask != 0 {
            let misaligned = Exception::Misaligned(Access::Fetch, VirtAddr(target));
            return Err(raise(self.exception, misaligned));
        }
        self.next_pc = VirtAddr(target);
        Ok(())
    }

    #[inline(always)]
    fn require_fp(&mut self, i: &Insn) -> Result<(), Raised> {
        if self.hart.csr.fp_enabled() { Ok(()) } else { Err(self.illegal(i)) }
    }

    #[inline(always)]
    fn rounding(&mut self, i: &Insn) -> Result<Rm, Raised> {
        self.require_fp(i)?;
        let rm = if i.rm == 7 { self.hart.csr.frm() } else { i.rm.into() };
        Rm::from_bits(rm).ok_or_else(|| self.illegal(i))
    }

    #[inline(always)]
    fn f(&mut self, r: u8, fmt: Fmt) -> u64 {
        float::unbox(fmt, self.hart.f[usize::from(r & 31)])
    }

    #[inline(always)]
    fn f_raw(&mut self, r: u8) -> u64 {
        self.hart.f[usize::from(r & 31)]
    }

    #[inline(always)]
    fn set_f(&mut self, r: u8, fmt: Fmt, value: u64) {
        let boxed = float::box_(fmt, value);
        self.hart.f[usize::from(r & 31)] = boxed;
        self.hart.csr.set_fs_dirty();
        if O::ACTIVE {
            self.observer.f(r, boxed);
        }
    }

    #[inline(always)]
    fn fp1(&mut self, op: Fp1, fmt: Fmt, rm: Rm, a: u64) -> u64 {
        let accrued = self.accrued();
        let (result, flags) = float::eval1_fast(op, fmt, rm, accrued, a);
        self.hart.csr.accrue_fflags(flags.0);
        result
    }

    #[inline(always)]
    fn fp2(&mut self, op: Fp2, fmt: Fmt, rm: Rm, a: u64, b: u64) -> u64 {
        let accrued = self.accrued();
        let (result, flags) = float::eval2_fast(op, fmt, rm, accrued, a, b);
        self.hart.csr.accrue_fflags(flags.0);
        result
    }

    #[inline(always)]
    fn fp3(&mut self, op: Fp3, fmt: Fmt, rm: Rm, [a, b, c]: [u64; 3]) -> u64 {
        let accrued = self.accrued();
        let (result, flags) = float::eval3_fast(op, fmt, rm, accrued, [a, b, c]);
        self.hart.csr.accrue_fflags(flags.0);
        result
    }

    #[inline(always)]
    fn exact(&mut self) -> Rm {
        Rm::Rne
    }

    #[inline(always)]
    fn system(&mut self, op: SystemOp, i: &Insn) -> Result<(), Raised> {
        self.hart.pc = self.next_pc;
        let result = system(self.hart, self.bus, op, i, self.insns_before_last);
        self.next_pc = self.hart.pc;
        self.hart.pc = VirtAddr(self.block_pc);
        self.next = result.map_err(|e| raise(self.exception, e))?;
        if O::ACTIVE {
            self.report_system(op, i);
        }
        Ok(())
    }

    #[inline(always)]
    fn illegal(&mut self, i: &Insn) -> Raised {
        raise(self.exception, Exception::IllegalInstruction(i.bits))
    }
}
