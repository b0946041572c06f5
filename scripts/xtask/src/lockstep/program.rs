//! [`Program`]: a bare-metal program for both simulators, and [`Builder`], which frames random
//! code with what every program needs: reset, trap handlers that survive whatever the code does,
//! and an end.
//!
//! Conventions between the random code and its frame:
//! - An instruction that may trap occupies four bytes: handlers go on four bytes further.
//! - Where a fetch may fault, [`RESUME`] holds the address to go on at.
//! - Handlers overwrite [`SCRATCH`]; random code must keep [`RESERVED`] as they are.
//! - [`REQUEST`] is zero, or a mode plus one: then `ecall` goes on at [`RESUME`] in that mode.

use pagewalk::addr::Privilege;
use pagewalk::isa::{Fields, Op};

use super::asm::{Asm, Reg};
use super::elf::{self, Segment};
use super::random::Random;

/// Size of RAM that programs are made for.
pub(super) const RAM_BYTES: u64 = 8 << 20;
/// Program code, at the start of RAM.
pub(super) const CODE: u64 = 0x8000_0000;
/// Where a 1 ends the program.
const TOHOST: u64 = 0x801e_0000;
/// Page tables that every address space shares; see `tables.rs`.
pub(super) const ROOTS: u64 = 0x801f_0000;
/// Page tables with random contents.
pub(super) const TABLES: u64 = 0x8020_0000;
/// Memory for loads and stores.
pub(super) const DATA: u64 = 0x8040_0000;
/// Memory to be executed: from every even address on it jumps to [`RESUME`].
pub(super) const STUBS: u64 = 0x8060_0000;
/// Size of each of the areas above.
pub(super) const AREA_BYTES: u64 = 2 << 20;
/// Constants within [`DATA`], which [`CONSTANTS_AT`] points to.
const CONSTANTS: u64 = DATA + 0x1_0000;
/// `mtimecmp` of hart 0.
const MTIMECMP: u64 = 0x200_4000;

/// Pointer into [`DATA`] for instructions that have `sp` built in.
pub(super) const SP: Reg = 2;
/// Pointer into [`DATA`], at a page boundary.
pub(super) const DATA_AT: Reg = 8;
/// Pointer to constants, within reach of compressed loads.
pub(super) const CONSTANTS_AT: Reg = 9;
/// Address of the access at hand.
pub(super) const ADDRESS: Reg = 26;
/// Counter of a loop.
pub(super) const COUNTER: Reg = 27;
/// See the conventions.
pub(super) const REQUEST: Reg = 28;
/// See the conventions.
pub(super) const RESUME: Reg = 29;
/// Overwritten by handlers.
pub(super) const SCRATCH: [Reg; 2] = [30, 31];
/// What random code must not write.
pub(super) const RESERVED: [Reg; 7] =
    [SP, DATA_AT, CONSTANTS_AT, ADDRESS, COUNTER, REQUEST, RESUME];

/// CSRs by number, named as the manual does.
pub(super) mod csr {
    pub(crate) const FFLAGS: u16 = 0x001;
    pub(crate) const FRM: u16 = 0x002;
    pub(crate) const FCSR: u16 = 0x003;
    pub(crate) const SSTATUS: u16 = 0x100;
    pub(crate) const SIE: u16 = 0x104;
    pub(crate) const STVEC: u16 = 0x105;
    pub(crate) const SENVCFG: u16 = 0x10a;
    pub(crate) const SEPC: u16 = 0x141;
    pub(crate) const SCAUSE: u16 = 0x142;
    pub(crate) const STVAL: u16 = 0x143;
    pub(crate) const SIP: u16 = 0x144;
    pub(crate) const SATP: u16 = 0x180;
    pub(crate) const MSTATUS: u16 = 0x300;
    pub(crate) const MEDELEG: u16 = 0x302;
    pub(crate) const MIDELEG: u16 = 0x303;
    pub(crate) const MIE: u16 = 0x304;
    pub(crate) const MTVEC: u16 = 0x305;
    pub(crate) const MENVCFG: u16 = 0x30a;
    pub(crate) const MEPC: u16 = 0x341;
    pub(crate) const MCAUSE: u16 = 0x342;
    pub(crate) const MTVAL: u16 = 0x343;
    pub(crate) const MIP: u16 = 0x344;
    pub(crate) const PMPCFG0: u16 = 0x3a0;
    pub(crate) const PMPCFG2: u16 = 0x3a2;
    pub(crate) const PMPADDR0: u16 = 0x3b0;
    pub(crate) const MCYCLE: u16 = 0xb00;
    pub(crate) const MINSTRET: u16 = 0xb02;
}

/// `mstatus` fields.
pub(super) mod mstatus {
    pub(crate) const MPP_SHIFT: u32 = 11;
    pub(crate) const MPP: u64 = 3 << MPP_SHIFT;
    pub(crate) const FS_INITIAL: u64 = 1 << 13;
    pub(crate) const FS: u64 = 3 << 13;
    pub(crate) const MPRV: u64 = 1 << 17;
    pub(crate) const SUM: u64 = 1 << 18;
    pub(crate) const MXR: u64 = 1 << 19;
    pub(crate) const TVM: u64 = 1 << 20;
    pub(crate) const TW: u64 = 1 << 21;
    pub(crate) const TSR: u64 = 1 << 22;
}

/// Leaf of `pmpcfg`: everything allowed to everybody, in a naturally aligned region.
const PMP_ALL: u64 = 0x1f;
/// The last PMP entry is the one that lets everything through.
pub(super) const PMPCFG2_ALL: u64 = PMP_ALL << 56;

/// A finished program.
#[derive(Debug)]
pub(super) struct Program {
    /// The file.
    pub(super) elf: Vec<u8>,
    /// Address of the instruction that ends the program.
    pub(super) end: u64,
}

/// A program in the making.
#[derive(Debug)]
pub(super) struct Builder {
    pub(super) asm: Asm,
    pub(super) random: Random,
    pub(super) segments: Vec<Segment>,
    /// Physical address of the handler of traps to S-mode.
    pub(super) supervisor_handler: u64,
}

impl Builder {
    /// A program up to the first random instruction, which runs in M-mode.
    pub(super) fn new(seed: u64) -> Self {
        let random = Random::new(seed);
        let asm = Asm::new(CODE);
        let mut builder = Self { asm, random, segments: Vec::new(), supervisor_handler: 0 };
        let hole = builder.asm.hole();
        let machine_handler = builder.asm.here();
        builder.handler(Privilege::Machine);
        builder.supervisor_handler = builder.asm.here();
        builder.handler(Privilege::Supervisor);
        builder.asm.fill(hole, Op::Jal, Fields::default());
        builder.start(machine_handler);
        builder
    }

    /// Brings both simulators into the same state.
    fn start(&mut self, machine_handler: u64) {
        let [a, b] = SCRATCH;
        for (csr, value) in [
            (csr::MTVEC, machine_handler),
            (csr::PMPADDR0 + 15, u64::MAX),
            (csr::PMPCFG2, PMPCFG2_ALL),
            (csr::PMPCFG0, 0),
            (csr::MSTATUS, mstatus::FS_INITIAL),
        ] {
            self.asm.li(a, value);
            self.asm.csrw(csr, a);
        }
        self.asm.li(a, MTIMECMP);
        self.asm.li(b, u64::MAX);
        self.asm.s(Op::Sd, b, a, 0);
        let constants = (0..0x4000).flat_map(|_| self.random.value().to_le_bytes()).collect();
        self.segments.push(Segment { address: DATA, bytes: constants });
        for r in 1..32 {
            let value = match r {
                SP => DATA + 0x3000 + 16 * self.random.below(16),
                DATA_AT => DATA + 0x1000,
                CONSTANTS_AT => CONSTANTS,
                REQUEST => 0,
                _ => self.random.value(),
            };
            self.asm.li(r, value);
        }
        for r in 0..32 {
            self.asm.r(Op::FmvDX, r, r, 0);
        }
        self.asm.csrw(csr::MINSTRET, 0);
        self.asm.csrw(csr::MCYCLE, 0);
    }

    /// The handler of traps to `mode`, which is M or S.
    fn handler(&mut self, mode: Privilege) {
        let machine = mode == Privilege::Machine;
        let pick = |m, s| if machine { m } else { s };
        let (epc, cause) = (pick(csr::MEPC, csr::SEPC), pick(csr::MCAUSE, csr::SCAUSE));
        let ret = if machine { Op::Mret } else { Op::Sret };
        let [a, b] = SCRATCH;
        let asm = &mut self.asm;
        asm.csrr(b, pick(csr::MSTATUS, csr::SSTATUS));
        asm.csrr(b, pick(csr::MTVAL, csr::STVAL));
        asm.csrr(a, cause);
        let interrupt = asm.hole();
        // Causes 8 to 11 are environment calls.
        asm.i(Op::Addi, b, a, -8);
        asm.i(Op::Sltiu, b, b, 4);
        let no_ecall = asm.hole();
        let no_request = asm.hole();
        if machine {
            self.change_mode();
        } else {
            // S-mode asks M-mode for it, which never comes back here.
            asm.bare(Op::Ecall);
        }
        let asm = &mut self.asm;
        asm.fill(no_ecall, Op::Beq, Fields { rs1: b, ..Fields::default() });
        // Fetch faults: causes 0, 1 and 12.
        asm.i(Op::Sltiu, b, a, 2);
        let fetch_access = asm.hole();
        asm.i(Op::Addi, b, a, -12);
        let fetch_page = asm.hole();
        asm.fill(no_request, Op::Beq, Fields { rs1: REQUEST, ..Fields::default() });
        asm.csrr(a, epc);
        asm.i(Op::Addi, a, a, 4);
        asm.csrw(epc, a);
        asm.bare(ret);
        asm.fill(fetch_access, Op::Bne, Fields { rs1: b, ..Fields::default() });
        asm.fill(fetch_page, Op::Beq, Fields { rs1: b, ..Fields::default() });
        asm.csrw(epc, RESUME);
        asm.bare(ret);
        asm.fill(interrupt, Op::Blt, Fields { rs1: a, ..Fields::default() });
        asm.csrr(b, pick(csr::MIP, csr::SIP));
        asm.csrw(pick(csr::MIE, csr::SIE), 0);
        asm.bare(ret);
    }

    /// Goes on in the mode that [`REQUEST`] asks for.
    fn change_mode(&mut self) {
        let asm = &mut self.asm;
        let b = SCRATCH[1];
        asm.i(Op::Addi, REQUEST, REQUEST, -1);
        asm.i(Op::Slli, REQUEST, REQUEST, mstatus::MPP_SHIFT as i32);
        asm.li(b, mstatus::MPP);
        asm.csr(Op::Csrrc, 0, csr::MSTATUS, b);
        asm.csr(Op::Csrrs, 0, csr::MSTATUS, REQUEST);
        asm.csrw(csr::MEPC, RESUME);
        asm.li(REQUEST, 0);
        asm.bare(Op::Mret);
    }

    /// Goes on in `mode`, where what follows is found `offset` bytes further than here.
    pub(super) fn enter(&mut self, mode: Privilege, offset: u64) {
        let asm = &mut self.asm;
        asm.li(SCRATCH[0], offset);
        asm.li(REQUEST, mode as u64 + 1);
        asm.op(Op::Auipc, Fields { rd: RESUME, ..Fields::default() });
        asm.i(Op::Addi, RESUME, RESUME, 16);
        asm.r(Op::Add, RESUME, RESUME, SCRATCH[0]);
        asm.bare(Op::Ecall);
    }

    /// Ends the program, which runs in M-mode here.
    pub(super) fn finish(mut self) -> Program {
        let [a, b] = SCRATCH;
        self.asm.li(a, mstatus::MPRV);
        self.asm.csr(Op::Csrrc, 0, csr::MSTATUS, a);
        self.asm.li(a, TOHOST);
        self.asm.li(b, 1);
        let end = self.asm.here();
        self.asm.s(Op::Sd, b, a, 0);
        // A trap makes Spike look at the mailbox at once.
        self.asm.bare(Op::Ecall);
        self.asm.bare(Op::Wfi);
        let code = self.asm.into_code();
        assert!((code.len() as u64) < TOHOST - CODE, "the program is too long");
        self.segments.insert(0, Segment { address: CODE, bytes: code });
        self.segments.push(Segment { address: TOHOST, bytes: vec![0; 16] });
        let symbols = [("tohost", TOHOST), ("fromhost", TOHOST + 8)];
        Program { elf: elf::write(CODE, &self.segments, &symbols), end }
    }
}
