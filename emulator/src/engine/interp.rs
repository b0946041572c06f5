//! [`Interp`]: what each instruction meaning does to a hart and the bus when it is executed
//! right away. The hot paths (registers, TLB hits in RAM) are inlined into the function of each
//! instruction (`dispatch.rs`); everything else is a call to the room that owns it: `mmu`,
//! `system`, `isa::float`.

use super::calls::{amo, load_reserved, load_slow, store_conditional, store_slow, system};
use super::dispatch::{Code, Repeats, Turn};
use crate::addr::{Access, Privilege, VirtAddr, Width};
use crate::bus::Bus;
use crate::hart::observe::{FenceOrigin, Observer};
use crate::hart::{Hart, X_SINK};
use crate::isa::arith::{Bin, Un};
use crate::isa::emit::{Amo, Extend, SystemOp};
use crate::isa::float::{self, Flags, Quick, Rm};
use crate::isa::fp::{Fmt, Fp1, Fp2, Fp3};
use crate::isa::{Emit, Insn, Meaning};
use crate::mmu::BLOCK_SIZE_BYTES;
use crate::system::{self, Next};
use crate::trap::Exception;

/// An instruction has put what it raises into the slot for it, or a quick one is refused. This is
/// handed on instead of the exception itself, which would take host registers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raised;

/// One instruction in execution. A `QUICK` one does only what is common and cheap: registers and
/// TLB hits. Whatever else comes up it refuses, before it has changed anything (the order that all
/// meanings keep), and the whole instruction is executed again by one that is not quick. So the
/// common case has no calls in it, whose callees could ask for host registers.
pub(super) struct Interp<'a, O, const QUICK: bool> {
    hart: &'a mut Hart,
    bus: &'a mut Bus,
    turn: &'a mut Turn<O>,
    /// How many instructions of its block stand behind it.
    behind: usize,
    /// Where it jumps to stands behind it.
    repeats: Repeats,
    /// What stands behind it is not what comes next.
    pub(super) leaves: bool,
}

impl<'a, O: Observer, const QUICK: bool> Interp<'a, O, QUICK> {
    #[inline(always)]
    pub(super) fn new(
        hart: &'a mut Hart,
        bus: &'a mut Bus,
        turn: &'a mut Turn<O>,
        rest: &[Code<O>],
        repeats: Repeats,
    ) -> Self {
        Self { hart, bus, turn, behind: rest.len(), repeats, leaves: false }
    }

    /// Executes `insn`, which means `M`.
    #[inline(always)]
    pub(super) fn execute<M: Meaning>(&mut self, insn: &Insn) -> Result<(), Raised> {
        if !O::ACTIVE {
            return M::apply(self, insn);
        }
        let (privilege, pc) = (self.hart.privilege, VirtAddr(self.pc(insn)));
        self.turn.observer.begin(privilege, pc, insn.bits);
        let result = M::apply(self, insn);
        self.report(insn, privilege, result);
        result
    }

    /// Tells the observer what is left to tell of `insn`, which ran in mode `privilege`.
    fn report(&mut self, insn: &Insn, privilege: Privilege, result: Result<(), Raised>) {
        let pc = VirtAddr(self.pc(insn));
        report_walks(self.hart, &mut self.turn.observer, privilege, pc);
        if result.is_ok() {
            for (addr, value) in self.hart.csr.take_written() {
                self.turn.observer.csr(addr, value);
            }
            self.turn.observer.retire(privilege, pc, insn.bits);
        }
    }

    /// Tells the observer what a system instruction other than CSR writes has done.
    fn report_system(&mut self, op: SystemOp, i: &Insn) {
        let address = self.hart.x[usize::from(i.rs1)];
        match op {
            SystemOp::CboZero => {
                let block = address & !(BLOCK_SIZE_BYTES - 1);
                self.turn.observer.lookup(Access::Store, VirtAddr(block), BLOCK_SIZE_BYTES);
                for at in block..=block + (BLOCK_SIZE_BYTES - 1) {
                    self.turn.observer.store(VirtAddr(at), Width::Byte, 0);
                }
            }
            SystemOp::CboClean | SystemOp::CboFlush | SystemOp::CboInval => {
                self.turn.observer.lookup(Access::Load, VirtAddr(address), 1);
            }
            SystemOp::SfenceVma => {
                report_fences(self.hart, &mut self.turn.observer, FenceOrigin::Sfence)
            }
            SystemOp::SinvalVma => {
                report_fences(self.hart, &mut self.turn.observer, FenceOrigin::Sinval)
            }
            _ => {}
        }
        // Where other system instructions have an rd, it is a reserved field.
        if op.is_csr_access() && i.rd != 0 {
            self.turn.observer.x(i.rd, self.hart.x[usize::from(i.rd)]);
        }
    }
}

impl<O: Observer, const QUICK: bool> Interp<'_, O, QUICK> {
    /// `exception`, or a refusal.
    #[inline(always)]
    fn raise(&mut self, exception: Exception) -> Raised {
        if QUICK { Raised } else { self.turn.raise(exception) }
    }

    /// What `quick` has found, or else what `full` computes, with its flags accrued.
    #[inline(always)]
    fn float(&mut self, quick: Quick, full: impl FnOnce() -> (u64, Flags)) -> Result<u64, Raised> {
        let (result, flags) = match quick {
            Some(found) => found,
            None if QUICK => return Err(Raised),
            None => full(),
        };
        self.hart.csr.accrue_fflags(flags.0);
        Ok(result)
    }

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

impl<O: Observer, const QUICK: bool> Emit for Interp<'_, O, QUICK> {
    type Value = u64;
    type Rounding = Rm;
    type Fault = Raised;

    #[inline(always)]
    fn imm(&mut self, value: i64) -> u64 {
        value as u64
    }

    #[inline(always)]
    fn x(&mut self, r: u8) -> u64 {
        self.hart.x[usize::from(r)]
    }

    #[inline(always)]
    fn set_x(&mut self, r: u8, value: u64) {
        debug_assert!(r != 0, "x0 is no destination");
        self.hart.x[usize::from(r)] = value;
        if O::ACTIVE && r != X_SINK {
            self.turn.observer.x(r, value);
        }
    }

    #[inline(always)]
    fn pc(&mut self, i: &Insn) -> u64 {
        self.hart.pc.0.wrapping_add(2 * u64::from(i.at))
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
        let value = match self.hart.mmu.load_hit(&self.bus.ram, va, width) {
            Some(value) => value,
            None if QUICK => return Err(Raised),
            None => load_slow(self.hart, self.bus, self.turn, va, width)?,
        };
        if O::ACTIVE {
            self.turn.observer.lookup(Access::Load, va, width.bytes());
            self.turn.observer.load(va, width);
        }
        Ok(match extend {
            Extend::Sign => width.sign_extend(value),
            Extend::Zero => value,
        })
    }

    #[inline(always)]
    fn store(&mut self, at: u64, width: Width, value: u64) -> Result<(), Raised> {
        let va = VirtAddr(at);
        match self.hart.mmu.store_hit(&mut self.bus.ram, va, width, value) {
            Some(()) => {}
            None if QUICK => return Err(Raised),
            None => store_slow(self.hart, self.bus, self.turn, va, (width, value))?,
        }
        if O::ACTIVE {
            self.turn.observer.lookup(Access::Store, va, width.bytes());
            self.turn.observer.store(va, width, value);
        }
        Ok(())
    }

    #[inline(always)]
    fn load_reserved(&mut self, at: u64, width: Width) -> Result<u64, Raised> {
        let va = VirtAddr(at);
        if QUICK {
            return Err(Raised);
        }
        let value = load_reserved(self.hart, self.bus, self.turn, va, width)?;
        if O::ACTIVE {
            self.turn.observer.lookup(Access::Load, va, width.bytes());
            self.turn.observer.load(va, width);
        }
        Ok(width.sign_extend(value))
    }

    #[inline(always)]
    fn store_conditional(&mut self, at: u64, width: Width, value: u64) -> Result<u64, Raised> {
        let va = VirtAddr(at);
        if QUICK {
            return Err(Raised);
        }
        let stored = store_conditional(self.hart, self.bus, self.turn, va, (width, value))?;
        if O::ACTIVE {
            self.turn.observer.lookup(Access::Store, va, width.bytes());
            if stored {
                self.turn.observer.store(va, width, value);
            }
        }
        Ok(u64::from(!stored))
    }

    #[inline(always)]
    fn amo(&mut self, op: Amo, at: u64, width: Width, value: u64) -> Result<u64, Raised> {
        let va = VirtAddr(at);
        if QUICK {
            return Err(Raised);
        }
        let (old, new) = amo(self.hart, self.bus, self.turn, (op, va), (width, value))?;
        if O::ACTIVE {
            self.turn.observer.lookup(Access::Store, va, width.bytes());
            self.turn.observer.load(va, width);
            self.turn.observer.store(va, width, new);
        }
        Ok(width.sign_extend(old))
    }

    #[inline(always)]
    fn branch(&mut self, taken: u64, i: &Insn) -> Result<(), Raised> {
        if taken == 0 {
            return Ok(());
        }
        self.leaves = true;
        let target = self.pc(i).wrapping_add(i64::from(i.imm) as u64);
        self.jump(target)
    }

    #[inline(always)]
    fn jump(&mut self, target: u64) -> Result<(), Raised> {
        if target & self.turn.ialign_mask != 0 {
            return Err(self.raise(Exception::Misaligned(Access::Fetch, VirtAddr(target))));
        }
        if self.repeats == Repeats::No {
            self.turn.next_pc = VirtAddr(target);
        }
        Ok(())
    }

    #[inline(always)]
    fn require_fp(&mut self, i: &Insn) -> Result<(), Raised> {
        // A quick instruction leaves FS as it is.
        let ready = if QUICK { self.hart.csr.fs_settled() } else { self.hart.csr.fp_enabled() };
        if ready { Ok(()) } else { Err(self.illegal(i)) }
    }

    #[inline(always)]
    fn rounding(&mut self, i: &Insn) -> Result<Rm, Raised> {
        self.require_fp(i)?;
        let rm = if i.rm == 7 { self.hart.csr.frm() } else { i.rm.into() };
        Rm::from_bits(rm).ok_or_else(|| self.illegal(i))
    }

    #[inline(always)]
    fn f(&mut self, r: u8, fmt: Fmt) -> u64 {
        float::unbox(fmt, self.hart.f[usize::from(r)])
    }

    #[inline(always)]
    fn f_raw(&mut self, r: u8) -> u64 {
        self.hart.f[usize::from(r)]
    }

    #[inline(always)]
    fn set_f(&mut self, r: u8, fmt: Fmt, value: u64) {
        let boxed = float::box_(fmt, value);
        self.hart.f[usize::from(r)] = boxed;
        if !QUICK {
            self.hart.csr.set_fs_dirty();
        }
        if O::ACTIVE {
            self.turn.observer.f(r, boxed);
        }
    }

    #[inline(always)]
    fn fp1(&mut self, op: Fp1, fmt: Fmt, rm: Rm, a: u64) -> Result<u64, Raised> {
        let quick = float::quick1(op, fmt, rm, self.accrued(), a);
        self.float(quick, || float::eval1(op, fmt, rm, a))
    }

    #[inline(always)]
    fn fp2(&mut self, op: Fp2, fmt: Fmt, rm: Rm, ab: [u64; 2]) -> Result<u64, Raised> {
        let quick = float::quick2(op, fmt, rm, self.accrued(), ab);
        self.float(quick, || float::eval2(op, fmt, rm, ab[0], ab[1]))
    }

    #[inline(always)]
    fn fp3(&mut self, op: Fp3, fmt: Fmt, rm: Rm, abc: [u64; 3]) -> Result<u64, Raised> {
        let quick = float::quick3(op, fmt, rm, self.accrued(), abc);
        self.float(quick, || float::eval3(op, fmt, rm, abc))
    }

    #[inline(always)]
    fn exact(&mut self) -> Rm {
        Rm::Rne
    }

    #[inline(always)]
    fn system(&mut self, op: SystemOp, i: &Insn) -> Result<(), Raised> {
        if QUICK {
            // After an access to a device the full way looks at it first.
            if self.turn.next != Next::CONTINUE {
                return Err(Raised);
            }
            let plain = op.is_csr_access().then(|| system::csr_plain(op, self.hart, i));
            return plain.flatten().ok_or(Raised);
        }
        let next_pc = VirtAddr(self.next_pc(i));
        let retired = self.turn.block_insns - 1 - self.behind as u64;
        self.leaves = system(self.hart, self.bus, self.turn, (op, i), (next_pc, retired))?;
        if O::ACTIVE {
            self.report_system(op, i);
        }
        Ok(())
    }

    #[inline(always)]
    fn illegal(&mut self, i: &Insn) -> Raised {
        self.raise(Exception::IllegalInstruction(i.bits))
    }
}
