//! One instruction on the real interpreter: a hart, a little RAM, random contents, and snapshots
//! from before and after. Neighbour: `isa.rs` holds the properties.

use std::collections::BTreeMap;

use pagewalk::addr::{Access, PAGE_SIZE_BYTES, PhysAddr, Privilege, VirtAddr, Width};
use pagewalk::bus::{Bus, Ram, RamOffset};
use pagewalk::csr::{CsrAddr, CsrCx};
use pagewalk::debug::symbols::Symbols;
use pagewalk::debug::trace::TraceOptions;
use pagewalk::debug::{CommitLog, Observers, Stats, Tracer};
use pagewalk::engine::{Engine, Interpreter};
use pagewalk::hart::{Hart, HartConfig, NoObserver, Observer};
use pagewalk::isa::{self, Extensions, Insn};

const RAM: u64 = 0x8000_0000;
const RAM_BYTES: u64 = 6 * PAGE_SIZE_BYTES;
/// First byte that is no RAM.
pub(crate) const RAM_END: u64 = RAM + RAM_BYTES;
/// The instruction; after it memory is zero, which is an illegal instruction.
pub(crate) const CODE: u64 = RAM + 0x400;
/// Where traps go.
pub(crate) const HANDLER: u64 = RAM + 0x800;
const TABLES: u64 = RAM + PAGE_SIZE_BYTES;
/// A page in RAM, and the last one. What lies behind the last one exists neither physically nor
/// in the page tables.
pub(crate) const DATA: u64 = RAM + 4 * PAGE_SIZE_BYTES;
const LAST: u64 = RAM + 5 * PAGE_SIZE_BYTES;

const MSTATUS: CsrAddr = CsrAddr(0x300);
const MPRV: u64 = 1 << 17;
const MPP_SUPERVISOR: u64 = 1 << 11;
const FS_SHIFT: u32 = 13;

/// Numbers that look random: the same from the same seed.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    /// SplitMix64.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// A value for a register: extreme ones are as frequent as any.
    fn value(&mut self) -> u64 {
        let any = self.next();
        let narrow = 0xffff_ffff_0000_0000 | any >> 32;
        self.pick(&[any, any, narrow, any >> 40, 0, 1, u64::MAX, 1 << 63, 0x7ff0_0000_0000_0000])
    }
}

/// Whether loads and stores are translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paging {
    Off,
    /// By tables that map each page of RAM to itself, and nothing else.
    On,
}

/// What an instruction can change.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    pub(crate) x: [u64; 32],
    pub(crate) f: [u64; 32],
    pub(crate) pc: u64,
    pub(crate) privilege: Privilege,
    pub(crate) reservation: Option<PhysAddr>,
    pub(crate) insns: u64,
    /// Readable CSRs by name, counters as if nothing had retired.
    pub(crate) csrs: BTreeMap<String, u64>,
    pub(crate) ram: Vec<u8>,
}

impl State {
    fn of(hart: &Hart, bus: &Bus) -> Self {
        let mut csr = hart.csr.clone();
        let cx = CsrCx { privilege: Privilege::Machine, mtime: 0, insns: 0 };
        let csrs = csr_numbers().filter_map(|number| {
            let addr = CsrAddr(number);
            let (value, _) = csr.access(addr, None::<fn(u64) -> u64>, &cx).ok()?;
            Some((addr.name().expect("what is readable has a name"), value))
        });
        Self {
            x: std::array::from_fn(|r| hart.x[r]),
            f: std::array::from_fn(|r| hart.f[r]),
            pc: hart.pc.0,
            privilege: hart.privilege,
            reservation: hart.reservation,
            insns: hart.insns,
            csrs: csrs.collect(),
            ram: bus.ram.slice(RamOffset(0), RAM_BYTES).to_vec(),
        }
    }

    /// Names of the CSRs that differ, those included that only one state can read.
    pub(crate) fn changed_csrs<'a>(&'a self, before: &'a Self) -> Vec<&'a str> {
        let names = self.csrs.keys().chain(before.csrs.keys());
        let changed = names.filter(|&name| self.csrs.get(name) != before.csrs.get(name));
        let mut changed: Vec<_> = changed.map(String::as_str).collect();
        changed.dedup();
        changed
    }

    /// Addresses of the bytes of RAM that differ.
    pub(crate) fn changed_bytes(&self, before: &Self) -> Vec<u64> {
        let pairs = (RAM..).zip(self.ram.iter().zip(&before.ram));
        pairs.filter(|(_, (new, old))| new != old).map(|(at, _)| at).collect()
    }
}

/// Numbers of the CSRs that exist but for `hpmcounter3` and its like, which stay zero.
pub(crate) fn csr_numbers() -> impl Iterator<Item = u16> {
    let zero = |n: &u16| matches!(n, 0x323..=0x33f | 0xb03..=0xb1f | 0xc03..=0xc1f);
    (0..0x1000).filter(move |n| !zero(n) && CsrAddr(*n).name().is_some())
}

/// Memory accesses as an observer hears of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accesses(pub(crate) Vec<(Access, u64, u64)>);

impl Observer for &mut Accesses {
    const ACTIVE: bool = true;

    fn load(&mut self, va: VirtAddr, width: Width) {
        self.0.push((Access::Load, va.0, width.bytes()));
    }

    fn store(&mut self, va: VirtAddr, width: Width, _value: u64) {
        self.0.push((Access::Store, va.0, width.bytes()));
    }
}

/// A hart and its memory before one instruction.
pub(crate) struct Rig {
    pub(crate) hart: Hart,
    bus: Bus,
    pub(crate) insn: Insn,
}

impl Rig {
    /// The instruction `bits` about to run with random contents all around.
    pub(crate) fn new(bits: u32, paging: Paging, rng: &mut Rng) -> Self {
        let insn = isa::decode(bits, &Extensions::ALL).expect("a legal instruction");
        let mut bus = Bus::new(Ram::new(PhysAddr(RAM), RAM_BYTES));
        for at in (DATA..RAM_END).step_by(8) {
            bus.ram.store(RamOffset(at - RAM), Width::Double, rng.next());
        }
        bus.ram.store(RamOffset(CODE - RAM), Width::Word, bits.into());
        let config = HartConfig { reset_pc: VirtAddr(CODE), ..HartConfig::default() };
        let mut rig = Self { hart: Hart::new(config), bus, insn };
        rig.hart.x = std::array::from_fn(|r| if r == 0 { 0 } else { rng.value() });
        rig.hart.f = std::array::from_fn(|_| rng.value());
        rig.hart.insns = rng.below(1000);
        if rng.below(2) == 0 {
            rig.hart.reservation = Some(PhysAddr(DATA + 8 * rng.below(8)));
        }
        rig.set_csrs(rng);
        if paging == Paging::On {
            rig.map_ram();
        } else {
            // A mode below M needs a PMP entry: all of the address space, RWX.
            rig.set(0x3b0, u64::MAX);
            rig.set(0x3a0, 0x1f);
            rig.hart.privilege =
                rng.pick(&[Privilege::Machine, Privilege::Supervisor, Privilege::User]);
        }
        rig.hart.refresh_translation();
        rig.hart.refresh_protection();
        rig
    }

    fn set_csrs(&mut self, rng: &mut Rng) {
        self.set(MSTATUS.0, rng.pick(&[0, 1, 2, 3, 3, 3]) << FS_SHIFT);
        if self.hart.csr.fp_enabled() {
            let fs_was = self.get(MSTATUS.0);
            self.set(0x003, rng.below(32) | rng.pick(&[0, 1, 2, 3, 4, 4, 7]) << 5);
            self.set(MSTATUS.0, fs_was);
        }
        self.set(0x305, HANDLER);
        for number in [0x140, 0x141, 0x180, 0x340, 0x341] {
            let value = rng.value();
            self.set(number, if number == 0x180 { value & 0xfff } else { value });
        }
        // Cache-block operations, and Svadu or not.
        self.set(0x30a, 0xf0 | rng.below(2) << 61);
        self.set(0x10a, 0xf0);
    }

    /// Sv39 over loads and stores alone, by MPRV.
    fn map_ram(&mut self) {
        const POINTER: u64 = 1;
        const LEAF: u64 = 0xc7; // D, A, W, R, V
        let (root, mid, low) = (TABLES, TABLES + PAGE_SIZE_BYTES, TABLES + 2 * PAGE_SIZE_BYTES);
        let mut put = |table: u64, index: u64, to: u64, bits: u64| {
            let at = RamOffset(table + 8 * index - RAM);
            self.bus.ram.store(at, Width::Double, to >> 12 << 10 | bits);
        };
        put(root, RAM >> 30, mid, POINTER);
        put(mid, RAM >> 21 & 511, low, POINTER);
        for page in (RAM..RAM_END).step_by(PAGE_SIZE_BYTES as usize) {
            put(low, page >> 12 & 511, page, LEAF);
        }
        self.set(0x3b0, u64::MAX);
        self.set(0x3a0, 0x1f);
        self.set(0x180, 8 << 60 | root >> 12);
        self.set(MSTATUS.0, self.get(MSTATUS.0) | MPRV | MPP_SUPERVISOR);
    }

    fn set(&mut self, number: u16, value: u64) {
        let cx = CsrCx { privilege: Privilege::Machine, mtime: 0, insns: self.hart.insns };
        let written = self.hart.csr.access(CsrAddr(number), Some(|_| value), &cx);
        assert!(written.is_ok(), "{number:#x}");
    }

    fn get(&self, number: u16) -> u64 {
        let cx = CsrCx { privilege: Privilege::Machine, mtime: 0, insns: self.hart.insns };
        let read = self.hart.csr.clone().access(CsrAddr(number), None::<fn(u64) -> u64>, &cx);
        read.expect("readable").0
    }

    pub(crate) fn state(&self) -> State {
        State::of(&self.hart, &self.bus)
    }

    /// Runs the instruction with nobody watching.
    pub(crate) fn run(&mut self) -> State {
        let mut engine = Interpreter::with_observer(Extensions::ALL, NoObserver);
        engine.run(&mut self.hart, &mut self.bus, 1);
        self.state()
    }

    /// Runs the instruction with everybody watching who can.
    pub(crate) fn run_traced(&mut self) -> State {
        let items = "int,mmu,in_asm,exec".parse().expect("known items");
        let options = TraceOptions { items, ..TraceOptions::default() };
        let tracer = Tracer::new(&options, Symbols::default(), Box::new(std::io::sink()));
        let observers = Observers {
            commit_log: Some(CommitLog::new(Box::new(std::io::sink()) as _, 0)),
            tracer: Some(tracer.expect("no symbol is asked for")),
            stats: Some(Stats::new()),
        };
        let mut engine = Interpreter::with_observer(Extensions::ALL, observers);
        engine.run(&mut self.hart, &mut self.bus, 1);
        self.state()
    }

    /// Runs the instruction; yields the accesses that were observed, too.
    pub(crate) fn run_observed(&mut self) -> (State, Vec<(Access, u64, u64)>) {
        let mut accesses = Accesses::default();
        let mut engine = Interpreter::with_observer(Extensions::ALL, &mut accesses);
        engine.run(&mut self.hart, &mut self.bus, 1);
        drop(engine);
        (self.state(), accesses.0)
    }
}

/// Effective addresses of accesses that succeed, but for alignment.
pub(crate) fn mapped_address(rng: &mut Rng) -> u64 {
    let offset = rng.below(PAGE_SIZE_BYTES - 64);
    let aligned = offset & !7;
    rng.pick(&[DATA + aligned, DATA + aligned, LAST + aligned, DATA + offset, LAST - 4])
}

/// Effective addresses from which eight bytes are not there, and perhaps not even one.
pub(crate) fn unmapped_address(rng: &mut Rng) -> u64 {
    let crossing = RAM_END - 1 - rng.below(7);
    let near = RAM_END + rng.below(64);
    rng.pick(&[crossing, crossing, near, RAM - 8, 0, u64::MAX - 7, 1 << 38, 1 << 60])
}
