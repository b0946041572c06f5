//! Properties of every instruction, run on the real interpreter with random contents: what it may
//! change, that a trap changes nothing else, that `x0` stays zero, where the pc goes. They are
//! drawn from the instruction table, so a new row is covered as soon as it stands there.

mod golden;
mod rig;

use pagewalk::addr::{Access, Privilege};
use pagewalk::isa::format::Format;
use pagewalk::isa::table::TABLE;
use pagewalk::isa::{self, Extensions, Flow, Insn, Op, Row};
use proptest::prelude::*;

use rig::{Paging, Rig, Rng, State};

/// What an instruction of some format may change besides the pc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reach {
    rd: Rd,
    memory: Memory,
    fp: Fp,
}

/// The register file that rd is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rd {
    None,
    X,
    F,
}

/// Which memory is accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    None,
    /// Loaded from `rs1 + imm`.
    Load,
    /// Stored to `rs1 + imm`.
    Store,
    /// Loaded from and perhaps stored to `rs1`.
    Atomic,
    /// The cache block of `rs1`.
    Block,
}

/// Which floating-point state may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fp {
    None,
    /// `mstatus.FS`, by writing a register.
    Dirty,
    /// Flags too.
    Flags,
}

/// Bytes of a cache block.
const BLOCK_BYTES: u64 = 64;

const fn reach(row: &Row) -> Reach {
    let (rd, memory, fp) = match row.format {
        Format::Load if matches!(row.flow, Flow::Jump) => (Rd::X, Memory::None, Fp::None),
        Format::Load => (Rd::X, Memory::Load, Fp::None),
        Format::Store => (Rd::None, Memory::Store, Fp::None),
        Format::R | Format::R1 | Format::I | Format::Shift | Format::U | Format::J => {
            (Rd::X, Memory::None, Fp::None)
        }
        // Any CSR may change, see `may_change_csr`.
        Format::Csr | Format::CsrI => (Rd::X, Memory::None, Fp::None),
        Format::Amo | Format::Lr => (Rd::X, Memory::Atomic, Fp::None),
        Format::Cbo => (Rd::None, Memory::Block, Fp::None),
        Format::B | Format::Fence | Format::FenceI | Format::Sfence | Format::Bare => {
            (Rd::None, Memory::None, Fp::None)
        }
        Format::FLoad => (Rd::F, Memory::Load, Fp::Dirty),
        Format::FStore => (Rd::None, Memory::Store, Fp::None),
        Format::F3Rm | Format::F2Rm | Format::F2 | Format::F1Rm | Format::XToFRm => {
            (Rd::F, Memory::None, Fp::Flags)
        }
        Format::XToF => (Rd::F, Memory::None, Fp::Dirty),
        Format::FCmp | Format::FToXRm => (Rd::X, Memory::None, Fp::Flags),
        Format::FToX => (Rd::X, Memory::None, Fp::None),
    };
    Reach { rd, memory, fp }
}

/// Whether `row`, completing, may change this CSR.
fn may_change_csr(row: &Row, name: &str) -> bool {
    let status = matches!(name, "mstatus" | "sstatus");
    let flags = matches!(name, "fflags" | "fcsr");
    match reach(row).fp {
        Fp::Flags => status || flags,
        Fp::Dirty => status,
        Fp::None => match row.format {
            Format::Csr | Format::CsrI => true,
            // Returns from traps.
            Format::Bare => status,
            _ => false,
        },
    }
}

/// Bits of `row` with random operands; half of the CSR numbers are of CSRs that exist.
fn instance(row: &Row, rng: &mut Rng) -> u32 {
    let mut bits = row.pattern.value | rng.next() as u32 & !row.pattern.mask;
    if matches!(row.format, Format::Csr | Format::CsrI) && rng.below(2) == 0 {
        let numbers: Vec<u16> = rig::csr_numbers().collect();
        bits = bits & 0xf_ffff | u32::from(rng.pick(&numbers)) << 20;
    }
    bits
}

/// The effective address of `insn`, where it has one.
fn effective_address(insn: &Insn, x: &[u64]) -> Option<u64> {
    let base = x[usize::from(insn.rs1)];
    match reach(insn.op.row()).memory {
        Memory::None => None,
        Memory::Load | Memory::Store => Some(base.wrapping_add(i64::from(insn.imm) as u64)),
        Memory::Atomic | Memory::Block => Some(base),
    }
}

/// Makes `at` the effective address of the rig's instruction, if it has one that is not fixed.
fn aim(rig: &mut Rig, at: u64) {
    let rs1 = usize::from(rig.insn.rs1);
    if let Some(now) = effective_address(&rig.insn, &rig.hart.x).filter(|_| rs1 != 0) {
        rig.hart.x[rs1] = rig.hart.x[rs1].wrapping_add(at.wrapping_sub(now));
    }
}

/// Whether the instruction has ended in a trap. The handler is nowhere else reached from: a
/// jump there would count as retired.
fn has_trapped(before: &State, after: &State) -> bool {
    after.insns == before.insns
}

/// A trap has changed the pc, the mode and the CSRs that tell of it, and ended the reservation;
/// nothing else.
fn check_trap(insn: &Insn, before: &State, after: &State) {
    assert_eq!(after.x, before.x, "{insn:x?} traps and has changed an x register");
    assert_eq!(after.f, before.f, "{insn:x?} traps and has changed an f register");
    assert_eq!(after.changed_bytes(before), [0; 0], "{insn:x?} traps and has changed memory");
    assert_eq!(after.reservation, None, "{insn:x?} traps and has kept the reservation");
    for name in after.changed_csrs(before) {
        let tells = matches!(name, "mstatus" | "mepc" | "mcause" | "mtval");
        assert!(tells, "{insn:x?} traps and has changed {name}");
    }
    assert_eq!((after.pc, after.privilege), (rig::HANDLER, Privilege::Machine), "{insn:x?}");
    assert_eq!(after.csrs["mepc"], rig::CODE, "{insn:x?}");
}

/// An instruction that has completed has changed what it may change.
fn check_completion(insn: &Insn, before: &State, after: &State) {
    let row = insn.op.row();
    let Reach { rd, memory, .. } = reach(row);
    for r in 0..32 {
        let is_rd = |file| rd == file && r == usize::from(insn.rd);
        let x_may_change = is_rd(Rd::X) && r != 0;
        assert!(after.x[r] == before.x[r] || x_may_change, "{insn:x?} has changed x{r}");
        assert!(after.f[r] == before.f[r] || is_rd(Rd::F), "{insn:x?} has changed f{r}");
    }
    let at = effective_address(insn, &before.x).unwrap_or_default();
    for byte in after.changed_bytes(before) {
        let within = match memory {
            Memory::None | Memory::Load => false,
            Memory::Store | Memory::Atomic => byte.wrapping_sub(at) < 8,
            Memory::Block => byte / BLOCK_BYTES == at / BLOCK_BYTES,
        };
        assert!(within, "{insn:x?} at {at:#x} has changed the byte at {byte:#x}");
    }
    for name in after.changed_csrs(before) {
        assert!(may_change_csr(row, name), "{insn:x?} has changed {name}");
    }
    if !matches!(row.flow, Flow::Check | Flow::Ends) {
        assert_eq!(after.privilege, before.privilege, "{insn:x?}");
        let flags = |state: &State| state.csrs.get("fflags").copied().unwrap_or(0);
        assert_eq!(flags(before) & !flags(after), 0, "{insn:x?} has cleared a flag");
    }
    if memory != Memory::Atomic {
        assert_eq!(after.reservation, before.reservation, "{insn:x?}");
    }
    check_pc(insn, before, after);
    assert_eq!(after.insns, before.insns + 1, "{insn:x?}");
}

fn check_pc(insn: &Insn, before: &State, after: &State) {
    let next = rig::CODE + insn.len_bytes();
    let target = rig::CODE.wrapping_add(i64::from(insn.imm) as u64);
    let may_go_to = match (insn.op.flow(), insn.op) {
        (Flow::Next, _) => vec![next],
        (Flow::Branch, _) | (_, Op::Jal) => vec![next, target],
        // Bit 0 of a jump's target is dropped.
        (Flow::Jump, _) => {
            vec![before.x[usize::from(insn.rs1)].wrapping_add(i64::from(insn.imm) as u64) & !1]
        }
        (Flow::Ends, Op::Mret) => vec![before.csrs["mepc"]],
        (Flow::Ends, Op::Sret) => vec![before.csrs["sepc"]],
        (Flow::Check | Flow::Ends, _) => vec![next],
    };
    assert!(may_go_to.contains(&after.pc), "{insn:x?} goes to {:#x}", after.pc);
}

fn check(rig: &mut Rig) -> (State, State) {
    let before = rig.state();
    let after = rig.run();
    if has_trapped(&before, &after) {
        check_trap(&rig.insn, &before, &after);
    } else {
        check_completion(&rig.insn, &before, &after);
    }
    (before, after)
}

/// A halfword that is an instruction.
fn short_instance(rng: &mut Rng) -> u32 {
    loop {
        let bits = rng.below(0x1_0000) as u32;
        if bits & 3 != 3 && isa::decode(bits, &Extensions::ALL).is_some() {
            return bits;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn instructions_change_what_they_may(seed in any::<u64>()) {
        let mut rng = Rng(seed);
        for row in TABLE {
            for paging in [Paging::Off, Paging::On] {
                let bits = instance(row, &mut rng);
                let mut rig = Rig::new(bits, paging, &mut rng);
                aim(&mut rig, rig::mapped_address(&mut rng));
                check(&mut rig);
            }
        }
    }

    #[test]
    fn short_instructions_change_what_they_may(seed in any::<u64>()) {
        let mut rng = Rng(seed);
        for _ in 0..200 {
            let bits = short_instance(&mut rng);
            let mut rig = Rig::new(bits, Paging::Off, &mut rng);
            aim(&mut rig, rig::mapped_address(&mut rng));
            check(&mut rig);
        }
    }

    #[test]
    fn an_access_that_faults_changes_nothing(seed in any::<u64>()) {
        let mut rng = Rng(seed);
        for row in TABLE.iter().filter(|row| reach(row).memory != Memory::None) {
            for paging in [Paging::Off, Paging::On] {
                let bits = instance(row, &mut rng);
                let mut rig = Rig::new(bits, paging, &mut rng);
                let at = rig::unmapped_address(&mut rng);
                aim(&mut rig, at);
                let (before, after) = check(&mut rig);
                let at = effective_address(&rig.insn, &before.x).expect("it accesses memory");
                let is_there = (rig::DATA..rig::RAM_END).contains(&at);
                // Of a failing sc it is not said that it looks at its address at all.
                let may_fail = matches!(rig.insn.op, Op::ScW | Op::ScD);
                prop_assert!(is_there || may_fail || has_trapped(&before, &after), "{:x?}", rig.insn);
            }
        }
    }

    #[test]
    fn x0_takes_no_result(seed in any::<u64>()) {
        const RD: u32 = 31 << 7;
        let mut rng = Rng(seed);
        for row in TABLE.iter().filter(|row| row.pattern.mask & RD == 0) {
            let bits = instance(row, &mut rng) & !RD;
            let mut rig = Rig::new(bits, Paging::Off, &mut rng);
            aim(&mut rig, rig::mapped_address(&mut rng));
            let (before, after) = check(&mut rig);
            prop_assert_eq!(after.x, before.x, "{:x?}", rig.insn);
            prop_assert_eq!(after.x[0], 0);
        }
    }

    #[test]
    fn watching_changes_nothing(seed in any::<u64>()) {
        for row in TABLE {
            let rig = || {
                let mut rng = Rng(seed ^ row.op as u64);
                let bits = instance(row, &mut rng);
                let paging = rng.pick(&[Paging::Off, Paging::On]);
                let mut rig = Rig::new(bits, paging, &mut rng);
                aim(&mut rig, rig::mapped_address(&mut rng));
                rig
            };
            let mut watched = rig();
            let before = watched.state();
            let (after, accesses) = watched.run_observed();
            prop_assert_eq!(&rig().run(), &after, "{:x?}", watched.insn);
            prop_assert_eq!(&rig().run_traced(), &after, "{:x?}", watched.insn);
            if has_trapped(&before, &after) {
                continue;
            }
            // What has been observed is where the instruction says, and covers every change.
            let at = effective_address(&watched.insn, &before.x);
            let block = |at: u64| at / BLOCK_BYTES;
            let is_block = reach(row).memory == Memory::Block;
            for &(access, va, _) in &accesses {
                let is_there = if is_block { at.map(block) == Some(block(va)) } else { at == Some(va) };
                prop_assert!(is_there, "{:x?} {:?} {:#x}", watched.insn, access, va);
            }
            for byte in after.changed_bytes(&before) {
                let stored = accesses.iter().any(|&(access, va, len_bytes)| {
                    access == Access::Store && byte.wrapping_sub(va) < len_bytes
                });
                prop_assert!(stored, "{:x?} {:#x}", watched.insn, byte);
            }
        }
    }
}

/// The properties would hold of an interpreter that always traps: each row can complete, but for
/// those that cannot.
#[test]
fn every_row_completes_some_time() {
    for row in TABLE {
        let completes = (0..200).any(|seed| {
            let mut rng = Rng(seed);
            let bits = instance(row, &mut rng);
            let mut rig = Rig::new(bits, Paging::Off, &mut rng);
            aim(&mut rig, rig::mapped_address(&mut rng));
            let (before, after) = check(&mut rig);
            !has_trapped(&before, &after)
        });
        let always_traps = matches!(row.op, Op::Ecall | Op::Ebreak);
        assert_eq!(completes, !always_traps, "{:?}", row.op);
    }
}
