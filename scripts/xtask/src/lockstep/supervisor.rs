//! Programs about translation, protection and privilege. A program is a sequence of sections:
//! M-mode changes page tables, protection and CSRs at random, then enters a mode in which
//! probes (accesses, jumps, fences, CSR accesses) find out what that has done.

use pagewalk::addr::Privilege;
use pagewalk::isa::format::Format;
use pagewalk::isa::table::TABLE;
use pagewalk::isa::{Fields, Op};

use super::elf::Segment;
use super::program::{
    ADDRESS, AREA_BYTES, Builder, CODE, PMPCFG2_ALL, Program, RESUME, SCRATCH, STUBS, TABLES, csr,
    mstatus,
};
use super::tables::{Change, Extent, Global, SUPERVISOR_CODE, Space, Tables, USER_CODE, Use};
use super::user::{ROWS, width};

/// `c.jr RESUME`, of which the executable area is full.
const STUB: u16 = 0x8002 | (RESUME as u16) << 7;
/// `jr RESUME`, which straddles every two pages of it.
const STRADDLING_STUB: u32 = 0x67 | (RESUME as u32) << 15;

/// Bits of `menvcfg` that programs set: PBMTE, ADUE, and those of the cache-block instructions.
const MENVCFG_BITS: u64 = 3 << 61 | 0xf0;
/// Exceptions that S-mode may get; environment calls from it go to M-mode, which changes modes.
const MEDELEG_BITS: u64 = 0xb1ff;
const SSTATUS_SPP: u64 = 1 << 8;
const BLOCK_BYTES: u64 = 64;

/// Where a section's probes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    User,
    Supervisor,
    /// M-mode with `mstatus.MPRV`.
    Machine,
}

/// A program of about `insns` random instructions.
pub(super) fn program(seed: u64, insns: u64) -> Program {
    let mut builder = Builder::new(seed);
    let mut tables = Tables::new(&mut builder.random);
    builder.segments.extend(tables.segments());
    builder.segments.push(stubs());
    let mut environment = 0;
    while builder.asm.here() - CODE < 4 * insns {
        builder.section(&mut tables, &mut environment);
    }
    builder.finish()
}

/// The executable area.
fn stubs() -> Segment {
    let mut page: Vec<u8> = [STUB; 2048].into_iter().flat_map(u16::to_le_bytes).collect();
    let straddling = STRADDLING_STUB.to_le_bytes();
    page[4094..].copy_from_slice(&straddling[..2]);
    page[..2].copy_from_slice(&straddling[2..]);
    Segment { address: STUBS, bytes: page.repeat((AREA_BYTES / 4096) as usize) }
}

impl Builder {
    /// One section; `environment` is the `menvcfg` that probes last ran with.
    fn section(&mut self, tables: &mut Tables, environment: &mut u64) {
        let place = self.random.pick(&[
            Place::User,
            Place::User,
            Place::Supervisor,
            Place::Supervisor,
            Place::Supervisor,
            Place::Machine,
        ]);
        let current = self.random.below(tables.spaces.len() as u64) as usize;
        if self.random.once_in(3) {
            self.soup();
        }
        // Bare now and then: then S-mode finds code where M-mode does.
        let bare = self.random.once_in(10);
        self.set_up(place, if bare { None } else { Some(tables.spaces[current].satp) });
        self.set_environment(environment);
        if self.random.once_in(4) {
            self.protection(&tables.spaces[current]);
        }
        for _ in 0..self.random.below(4) {
            let other = self.random.below(tables.spaces.len() as u64) as usize;
            let changed = self.random.pick(&[current, current, other]);
            if let Some(change) = tables.change(&mut self.random, changed) {
                self.touch(change.va);
                self.apply(change, tables.spaces[changed].asid);
                self.touch(change.va);
            }
        }
        if self.random.once_in(3) {
            self.look_at_ptes(tables, current);
        }
        let (mode, code) = match place {
            Place::User => (Privilege::User, USER_CODE),
            Place::Supervisor => (Privilege::Supervisor, SUPERVISOR_CODE),
            Place::Machine => (Privilege::Machine, CODE),
        };
        let code = if bare { CODE } else { code };
        if place == Place::Machine {
            self.switch_mprv();
        } else {
            self.enter(mode, code.wrapping_sub(CODE));
        }
        for _ in 0..10 + self.random.below(40) {
            self.probe(place, &tables.spaces[current]);
        }
        self.enter(Privilege::Machine, CODE.wrapping_sub(code));
    }

    /// Random CSR accesses in M-mode.
    fn soup(&mut self) {
        for _ in 0..10 + self.random.below(20) {
            if self.random.once_in(16) {
                self.trap_vector();
            } else {
                self.csr_access(Privilege::Machine);
            }
        }
    }

    /// `csrw csr, value`.
    fn set(&mut self, csr: u16, value: u64) {
        self.asm.li(SCRATCH[0], value);
        self.asm.csrw(csr, SCRATCH[0]);
    }

    /// Decides everything that a section's probes depend on.
    fn set_up(&mut self, place: Place, satp: Option<u64>) {
        let traps = if self.random.once_in(4) {
            self.random.bits() & (mstatus::TVM | mstatus::TW | mstatus::TSR)
        } else {
            0
        };
        let fs = mstatus::FS_INITIAL * self.random.below(4);
        let views = self.random.pick(&[mstatus::SUM, 0]) | self.random.pick(&[mstatus::MXR, 0, 0]);
        // Interrupts for M-mode would come while M-mode code relies on its scratch registers.
        let enables = self.random.bits() & (1 << 1 | 1 << 5 | 1 << 7 | 1 << 8);
        self.set(csr::MSTATUS, traps | fs | views | enables);
        let delegate = traps & mstatus::TSR == 0 && !self.random.once_in(4);
        let medeleg = if delegate { self.random.bits() & MEDELEG_BITS } else { 0 };
        let mideleg = if delegate { self.random.bits() } else { 0 };
        self.set(csr::MEDELEG, medeleg);
        self.set(csr::MIDELEG, mideleg);
        let handler = self.supervisor_handler;
        let handler = if satp.is_some() { handler - CODE + SUPERVISOR_CODE } else { handler };
        self.set(csr::STVEC, handler);
        let interrupts = self.random.once_in(4) && place != Place::Machine;
        let (mie, mip) = match interrupts {
            true => (self.random.bits(), self.random.bits()),
            false => (0, 0),
        };
        self.set(csr::MIE, mie);
        self.set(csr::MIP, mip);
        let counters = self.random.pick(&[0, u64::MAX, 5]);
        self.set(0x306, counters);
        self.set(0x106, u64::MAX);
        self.set(csr::SATP, satp.unwrap_or(0));
    }

    /// Sets `menvcfg`; a fence follows if that may change translations.
    fn set_environment(&mut self, environment: &mut u64) {
        let old = *environment;
        if self.random.once_in(3) {
            *environment = self.random.bits() & MENVCFG_BITS;
        }
        self.set(csr::MENVCFG, *environment);
        if *environment != old {
            self.fence_all();
        }
    }

    fn fence_all(&mut self) {
        self.asm.s(Op::SfenceVma, 0, 0, 0);
    }

    /// Makes M-mode loads and stores those of another mode.
    fn switch_mprv(&mut self) {
        let mpp = self.random.pick(&[0, 1]);
        self.asm.li(SCRATCH[0], mstatus::MPP);
        self.asm.csr(Op::Csrrc, 0, csr::MSTATUS, SCRATCH[0]);
        self.asm.li(SCRATCH[0], mstatus::MPRV | mpp << mstatus::MPP_SHIFT);
        self.asm.csr(Op::Csrrs, 0, csr::MSTATUS, SCRATCH[0]);
    }

    /// Accesses a page from M-mode with the rights of another mode.
    fn touch(&mut self, va: u64) {
        let offset = 8 * self.random.below(512);
        self.asm.li(ADDRESS, va + offset);
        let rd = self.destination();
        self.switch_mprv();
        match self.random.below(3) {
            // Only data may be overwritten; bit 21 tells it from what is executed.
            0 if va >> 21 & 1 == 0 => self.asm.s(Op::Sd, rd, ADDRESS, 0),
            _ => self.asm.i(Op::Ld, rd, ADDRESS, 0),
        }
        self.asm.li(SCRATCH[0], mstatus::MPRV);
        self.asm.csr(Op::Csrrc, 0, csr::MSTATUS, SCRATCH[0]);
    }

    /// Random PMP entries over page tables, data and executable area, before the one that lets
    /// everything through; sometimes locked, and so binding for M-mode and for ever.
    fn protection(&mut self, space: &Space) {
        let (mut addresses, mut configs) = ([0; 8], [0; 8]);
        for entry in 0..8 {
            // Bounds within a cache block only in the first block of a page: see `access`.
            let mut granule = 1 << (2 + self.random.below(15));
            let mut address = TABLES + self.random.below(3 * AREA_BYTES);
            if self.random.once_in(3) {
                granule = granule.max(BLOCK_BYTES);
            } else {
                address = space.physical_page(&mut self.random) + 4 * self.random.below(8);
            }
            address &= !(granule - 1);
            let kind = self.random.below(4);
            addresses[entry] = match kind {
                3 => address >> 2 | (granule >> 3).saturating_sub(1),
                _ => address >> 2,
            };
            // Entry 0 as a top of range would begin at address 0.
            let kind = if entry == 0 && kind == 1 { 0 } else { kind };
            let locked = u64::from(self.random.once_in(64)) << 7;
            configs[entry] = self.random.below(8) | kind << 3 | locked;
        }
        if self.random.once_in(3) {
            configs = [0; 8];
        }
        for (entry, address) in (0..).zip(addresses) {
            self.set(csr::PMPADDR0 + entry, address);
        }
        self.set(csr::PMPCFG0, u64::from_le_bytes(configs.map(|config| config as u8)));
        let rights = self.random.bits() & 0x07_0707_0707_0707;
        self.set(csr::PMPCFG2, PMPCFG2_ALL | rights);
        for csr in [csr::PMPCFG0, csr::PMPADDR0 + 3] {
            let rd = self.destination();
            self.asm.csrr(rd, csr);
        }
        self.fence_all();
    }

    /// Writes a PTE and fences it off, by the least fence that covers the change or by a larger.
    fn apply(&mut self, change: Change, asid: u64) {
        let [a, b] = SCRATCH;
        self.asm.li(a, change.at);
        self.asm.li(b, change.pte);
        self.asm.s(Op::Sd, b, a, 0);
        // If the store trapped, the registers have changed: constants again.
        let by_address = change.extent == Extent::Page && !self.random.once_in(4);
        let by_asid = change.global == Global::Never && !self.random.once_in(3);
        let mut rs1 = 0;
        if by_address {
            self.asm.li(a, change.va);
            rs1 = a;
        }
        let mut rs2 = 0;
        if by_asid {
            self.asm.li(b, asid);
            rs2 = b;
        }
        if self.random.once_in(3) {
            self.asm.bare(Op::SfenceWInval);
            self.asm.s(Op::SinvalVma, rs2, rs1, 0);
            self.asm.bare(Op::SfenceInvalIr);
        } else {
            self.asm.s(Op::SfenceVma, rs2, rs1, 0);
        }
    }

    /// Loads PTEs, to see accessed and dirty bits.
    fn look_at_ptes(&mut self, tables: &Tables, space: usize) {
        let space = &tables.spaces[space];
        for _ in 0..4 {
            let va = space.address(&mut self.random, Use::Data);
            for at in space.path(va) {
                self.asm.li(ADDRESS, at);
                let rd = self.destination();
                self.asm.i(Op::Ld, rd, ADDRESS, 0);
            }
        }
    }

    /// One thing that shows what a section has set up.
    fn probe(&mut self, place: Place, space: &Space) {
        let mode = match place {
            Place::User => Privilege::User,
            Place::Supervisor => Privilege::Supervisor,
            Place::Machine => Privilege::Machine,
        };
        match self.random.below(32) {
            0..14 => self.access(space),
            14..19 => self.jump_to(space),
            19 | 20 => self.access_code(space),
            21 | 22 => self.fence(space),
            23..26 if place != Place::Machine => self.csr_access(mode),
            26 => self.privileged(place),
            27 => self.alu(),
            28 => self.asm.bare(Op::Ecall),
            29 => self.random_word(),
            30 if place == Place::Supervisor => self.return_to_supervisor(),
            _ => {
                let bits = self.random.pick(&[mstatus::SUM, mstatus::MXR]);
                let op = self.random.pick(&[Op::Csrrs, Op::Csrrc]);
                self.asm.li(SCRATCH[0], bits);
                self.asm.csr(op, 0, csr::SSTATUS, SCRATCH[0]);
            }
        }
    }

    /// A load, a store, an atomic or a cache-block instruction at some address.
    fn access(&mut self, space: &Space) {
        let page = space.address(&mut self.random, Use::Data);
        let offset = match self.random.below(8) {
            0 => 4096 - 1 - self.random.below(8),
            1 => self.random.below(4096),
            _ => 8 * self.random.below(512),
        };
        self.asm.li(ADDRESS, page + offset);
        let (rd, rs2) = (self.destination(), self.source());
        match self.random.below(16) {
            0..5 => {
                let row = self.random.pick(&ROWS.loads);
                self.asm.i(row.op, rd, ADDRESS, 0);
            }
            5..10 => {
                // Spike stores to the first page before it looks at the second.
                let row = self.random.pick(&ROWS.stores);
                let bytes = if offset + width(row) > 4096 { Op::Sb } else { row.op };
                self.asm.s(bytes, rs2, ADDRESS, 0);
            }
            10 | 11 => self.atomics_at(ADDRESS),
            12 => {
                let row = self.random.pick(&ROWS.float_loads);
                self.asm.i(row.op, rd, ADDRESS, 0);
            }
            13 => {
                let row = self.random.pick(&ROWS.float_stores);
                let op = if offset + width(row) > 4096 { Op::Sb } else { row.op };
                self.asm.s(op, rs2, ADDRESS, 0);
            }
            _ => {
                let cbo = TABLE.iter().filter(|row| row.format == Format::Cbo);
                let cbo: Vec<Op> = cbo.map(|row| row.op).collect();
                let op = self.random.pick(&cbo);
                // Spike zeroes a block byte by byte up to the one that faults.
                if op == Op::CboZero && offset < BLOCK_BYTES {
                    self.asm.i(Op::Addi, ADDRESS, ADDRESS, BLOCK_BYTES as i32);
                }
                self.asm.op(op, Fields { rs1: ADDRESS, ..Fields::default() });
            }
        }
    }

    /// A load from the executable area, or a store of what is there.
    fn access_code(&mut self, space: &Space) {
        let page = space.address(&mut self.random, Use::Fetch);
        let offset = 8 + 2 * self.random.below(2032);
        self.asm.li(ADDRESS, page + offset);
        let rd = self.destination();
        if self.random.once_in(2) {
            let op = self.random.pick(&[Op::Lh, Op::Lw, Op::Ld, Op::Lbu]);
            self.asm.i(op, rd, ADDRESS, 0);
        } else {
            self.asm.li(rd, u64::from(STUB) * 0x0001_0001_0001_0001);
            let op = self.random.pick(&[Op::Sh, Op::Sw, Op::Sd]);
            self.asm.s(op, rd, ADDRESS, 0);
        }
    }

    /// A jump into the executable area, which jumps back, if it may be fetched from.
    fn jump_to(&mut self, space: &Space) {
        let page = space.address(&mut self.random, Use::Fetch);
        let offset = match self.random.below(3) {
            0 => 4094,
            _ => 2 * self.random.below(2048),
        };
        self.asm.li(ADDRESS, page + offset);
        self.asm.op(Op::Auipc, Fields { rd: RESUME, ..Fields::default() });
        self.asm.i(Op::Addi, RESUME, RESUME, 12);
        let rd = self.destination();
        self.asm.i(Op::Jalr, rd, ADDRESS, 0);
    }

    /// A fence that nothing depends on.
    fn fence(&mut self, space: &Space) {
        let va = space.address(&mut self.random, Use::Data);
        self.asm.li(ADDRESS, va);
        // Rarely everything, so that translations live on.
        let rs1 = self.random.pick(&[0, ADDRESS, ADDRESS, ADDRESS]);
        let rs2 = self.random.pick(&[0, 1, 5, 10]);
        let op = self.random.pick(&[
            Op::SfenceVma,
            Op::SinvalVma,
            Op::SfenceWInval,
            Op::SfenceInvalIr,
            Op::FenceI,
        ]);
        match op {
            Op::SfenceVma | Op::SinvalVma => self.asm.s(op, rs2, rs1, 0),
            _ => self.asm.bare(op),
        }
    }

    /// What some mode may not do, or TVM, TW and TSR forbid.
    fn privileged(&mut self, place: Place) {
        let op = match place {
            Place::User => self.random.pick(&[Op::Mret, Op::Sret, Op::Wfi, Op::WrsSto, Op::Ebreak]),
            Place::Supervisor => self.random.pick(&[Op::Mret, Op::WrsSto, Op::Ebreak]),
            Place::Machine => self.random.pick(&[Op::WrsSto, Op::Ebreak]),
        };
        self.asm.bare(op);
    }

    /// `sret` from S-mode to S-mode.
    fn return_to_supervisor(&mut self) {
        let a = SCRATCH[0];
        self.asm.li(a, SSTATUS_SPP);
        self.asm.csr(Op::Csrrs, 0, csr::SSTATUS, a);
        self.asm.op(Op::Auipc, Fields { rd: RESUME, ..Fields::default() });
        self.asm.i(Op::Addi, RESUME, RESUME, 16);
        self.asm.csrw(csr::SEPC, RESUME);
        self.asm.bare(Op::Sret);
    }
}
