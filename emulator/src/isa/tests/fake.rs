//! [`Fake`], an [`Emit`] that executes on registers and eight bytes of memory, keeps a list of
//! what a meaning asked for, and can fault at any of the acts that may.

use super::super::arith::{Bin, Un};
use super::super::emit::{Amo, Emit, Extend, SystemOp};
use super::super::fp::{Fmt, Fp1, Fp2, Fp3};
use super::super::{ForEachOp, Insn, Meaning, for_op};
use crate::addr::Width;

/// Something that a meaning asked for, with the operands it gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Act {
    Bin(Bin, u64, u64),
    Un(Un, u64),
    Load(u64, Width, Extend),
    Store(u64, Width, u64),
    LoadReserved(u64, Width),
    StoreConditional(u64, Width, u64),
    Amo(Amo, u64, Width, u64),
    Branch(u64),
    Jump(u64),
    RequireFp,
    Rounding,
    Fp1(Fp1, Fmt, u64),
    Fp2(Fp2, Fmt, u64, u64),
    Fp3(Fp3, Fmt, [u64; 3]),
    System(SystemOp),
    SetX(u8, u64),
    SetF(u8, Fmt, u64),
}

impl Act {
    /// Whether it can make the instruction trap.
    fn may_fault(self) -> bool {
        use Act::{Amo, Branch, Fp1, Fp2, Fp3, Jump, Load, LoadReserved};
        use Act::{RequireFp, Rounding, Store, StoreConditional, System};
        matches!(
            self,
            Load(..)
                | Store(..)
                | LoadReserved(..)
                | StoreConditional(..)
                | Amo(..)
                | Branch(_)
                | Jump(_)
                | RequireFp
                | Rounding
                | System(_)
                | Fp1(..)
                | Fp2(..)
                | Fp3(..)
        )
    }

    /// Whether it changes registers or flags. Memory and pc change in acts that may fault
    /// themselves.
    pub(super) fn writes(self) -> bool {
        matches!(
            self,
            Self::SetX(..) | Self::SetF(..) | Self::Fp1(..) | Self::Fp2(..) | Self::Fp3(..)
        )
    }
}

/// The one way in which the fake faults.
#[derive(Debug, PartialEq)]
pub(super) struct Fault;

#[derive(Clone, Debug)]
pub(super) struct Fake {
    pub(super) x: [u64; 32],
    pub(super) f: [u64; 32],
    /// The eight bytes at whatever address.
    pub(super) memory: u64,
    pub(super) acts: Vec<Act>,
    /// How many acts that may fault succeed before one does.
    pub(super) successes: usize,
}

/// Where the instruction stands.
pub(super) const PC: u64 = 0x8000_1000;
/// What every floating-point operation of the fake yields.
pub(super) const FLOAT_RESULT: u64 = 0xf10a_7000;

impl Fake {
    /// A hart whose registers all differ.
    pub(super) fn new() -> Self {
        let register = |r: usize| (r as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (x, f) = (std::array::from_fn(register), std::array::from_fn(|r| !register(r)));
        Self { x, f, memory: 0x8182_8384_8586_8788, acts: Vec::new(), successes: usize::MAX }
    }

    /// Executes `i`.
    pub(super) fn apply(&mut self, i: &Insn) -> Result<(), Fault> {
        for_op::<ApplyToFake>(i.op)(self, i)
    }

    fn act(&mut self, act: Act) -> Result<(), Fault> {
        if act.may_fault() {
            self.successes = self.successes.checked_sub(1).ok_or(Fault)?;
        }
        self.acts.push(act);
        Ok(())
    }

    fn note(&mut self, act: Act) {
        assert!(!act.may_fault());
        self.acts.push(act);
    }
}

/// What carries out an instruction on a fake.
struct ApplyToFake;

impl ForEachOp for ApplyToFake {
    type Item = fn(&mut Fake, &Insn) -> Result<(), Fault>;

    fn item<M: Meaning>() -> Self::Item {
        M::apply
    }
}

impl Emit for Fake {
    type Value = u64;
    type Rounding = ();
    type Fault = Fault;

    fn imm(&mut self, value: i64) -> u64 {
        value as u64
    }
    fn x(&mut self, r: u8) -> u64 {
        self.x[usize::from(r)]
    }
    fn set_x(&mut self, r: u8, value: u64) {
        self.note(Act::SetX(r, value));
        if r != 0 {
            self.x[usize::from(r)] = value;
        }
    }
    fn pc(&mut self, _: &Insn) -> u64 {
        PC
    }
    fn bin(&mut self, op: Bin, a: u64, b: u64) -> u64 {
        self.note(Act::Bin(op, a, b));
        op.eval(a, b)
    }
    fn un(&mut self, op: Un, a: u64) -> u64 {
        self.note(Act::Un(op, a));
        op.eval(a)
    }
    fn select(&mut self, condition: u64, if_true: u64, if_false: u64) -> u64 {
        if condition != 0 { if_true } else { if_false }
    }
    fn load(&mut self, at: u64, width: Width, extend: Extend) -> Result<u64, Fault> {
        self.act(Act::Load(at, width, extend))?;
        Ok(match extend {
            Extend::Sign => width.sign_extend(self.memory),
            Extend::Zero => self.memory & width.mask(),
        })
    }
    fn store(&mut self, at: u64, width: Width, value: u64) -> Result<(), Fault> {
        self.act(Act::Store(at, width, value))?;
        self.memory = self.memory & !width.mask() | value & width.mask();
        Ok(())
    }
    fn load_reserved(&mut self, at: u64, width: Width) -> Result<u64, Fault> {
        self.act(Act::LoadReserved(at, width))?;
        Ok(width.sign_extend(self.memory))
    }
    fn store_conditional(&mut self, at: u64, width: Width, value: u64) -> Result<u64, Fault> {
        self.act(Act::StoreConditional(at, width, value))?;
        self.memory = self.memory & !width.mask() | value & width.mask();
        Ok(0)
    }
    fn amo(&mut self, op: Amo, at: u64, width: Width, value: u64) -> Result<u64, Fault> {
        self.act(Act::Amo(op, at, width, value))?;
        let old = self.memory;
        self.memory = old & !width.mask() | op.eval(width, old, value) & width.mask();
        Ok(width.sign_extend(old))
    }
    fn branch(&mut self, taken: u64, _: &Insn) -> Result<(), Fault> {
        self.act(Act::Branch(taken))
    }
    fn jump(&mut self, target: u64) -> Result<(), Fault> {
        self.act(Act::Jump(target))
    }
    fn next_pc(&mut self, i: &Insn) -> u64 {
        PC + i.len_bytes()
    }
    fn require_fp(&mut self, _: &Insn) -> Result<(), Fault> {
        self.act(Act::RequireFp)
    }
    fn rounding(&mut self, _: &Insn) -> Result<(), Fault> {
        self.act(Act::Rounding)
    }
    fn f(&mut self, r: u8, _: Fmt) -> u64 {
        self.f[usize::from(r)]
    }
    fn f_raw(&mut self, r: u8) -> u64 {
        self.f[usize::from(r)]
    }
    fn set_f(&mut self, r: u8, fmt: Fmt, value: u64) {
        self.note(Act::SetF(r, fmt, value));
        self.f[usize::from(r)] = value;
    }
    fn fp1(&mut self, op: Fp1, fmt: Fmt, (): (), a: u64) -> Result<u64, Fault> {
        self.act(Act::Fp1(op, fmt, a)).map(|()| FLOAT_RESULT)
    }
    fn fp2(&mut self, op: Fp2, fmt: Fmt, (): (), [a, b]: [u64; 2]) -> Result<u64, Fault> {
        self.act(Act::Fp2(op, fmt, a, b)).map(|()| FLOAT_RESULT)
    }
    fn fp3(&mut self, op: Fp3, fmt: Fmt, (): (), abc: [u64; 3]) -> Result<u64, Fault> {
        self.act(Act::Fp3(op, fmt, abc)).map(|()| FLOAT_RESULT)
    }
    fn exact(&mut self) {}
    fn system(&mut self, op: SystemOp, _: &Insn) -> Result<(), Fault> {
        self.act(Act::System(op))
    }
    fn illegal(&mut self, _: &Insn) -> Fault {
        Fault
    }
}
