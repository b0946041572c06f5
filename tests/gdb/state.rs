//! What a client can look at and change: registers, their description, memory in every way of
//! addressing it, and the monitor.

use super::client::{Client, hex};
use super::{
    DATA, FIRST_CSR, FIRST_F, LOOP, MCAUSE, MEPC, MSTATUS, MTVEC, PRIV, Served, counting, session,
};
use crate::program::RAM;
use crate::program::asm::SPIN;
use pagewalk::machine::{Stop, StopRequest};

const FCSR: usize = FIRST_CSR + 3;
const SATP: usize = FIRST_CSR + 0x180;
const MSCRATCH: usize = FIRST_CSR + 0x340;

/// The whole target description, as a client fetches it: in pieces.
fn description(gdb: &mut Client) -> String {
    let mut whole = String::new();
    loop {
        let piece = gdb.ask(&format!("qXfer:features:read:target.xml:{:x},ffb", whole.len()));
        match piece.split_at(1) {
            ("m", more) => whole.push_str(more),
            ("l", more) => return whole + more,
            other => panic!("{other:?}"),
        }
    }
}

/// The value of `attribute` in an XML element.
fn attribute<'a>(element: &'a str, attribute: &str) -> &'a str {
    let (_, rest) = element.split_once(&format!("{attribute}=\"")).unwrap();
    rest.split_once('"').unwrap().0
}

#[test]
fn the_description_names_what_can_be_read() {
    let (_served, mut gdb) = session(&[SPIN]);
    gdb.drop_acks();
    let supported = gdb.ask("qSupported:swbreak+;hwbreak+;vContSupported+;xmlRegisters=i386");
    for feature in ["PacketSize=", "vContSupported+", "qXfer:features:read+", "swbreak+"] {
        assert!(supported.contains(feature), "{feature} in {supported}");
    }
    assert_eq!(gdb.ask("vCont?"), "vCont;c;C;s;S;r");
    let xml = description(&mut gdb);
    assert!(xml.contains("<architecture>riscv:rv64</architecture>"));
    let features: Vec<_> = xml.lines().filter(|line| line.starts_with("<feature")).collect();
    let features: Vec<_> = features.iter().map(|line| attribute(line, "name")).collect();
    assert_eq!(
        features,
        ["cpu", "fpu", "csr", "virtual"].map(|f| format!("org.gnu.gdb.riscv.{f}"))
    );
    let registers: Vec<_> = xml.lines().filter(|line| line.starts_with("<reg ")).collect();
    for register in &registers {
        let number: usize = attribute(register, "regnum").parse().unwrap();
        let size_bytes = attribute(register, "bitsize").parse::<usize>().unwrap() / 8;
        let value = gdb.ask(&format!("p{number:x}"));
        assert_eq!(value.len(), 2 * size_bytes, "{register}: {value}");
    }
    for (name, number) in [
        ("zero", 0),
        ("ra", 1),
        ("t6", 31),
        ("pc", 32),
        ("ft0", FIRST_F),
        ("ft11", FIRST_F + 31),
        ("fflags", FIRST_CSR + 1),
        ("fcsr", FCSR),
        ("sstatus", FIRST_CSR + 0x100),
        ("satp", SATP),
        ("mtvec", FIRST_CSR + MTVEC as usize),
        ("pmpcfg2", FIRST_CSR + 0x3a2),
        ("pmpaddr63", FIRST_CSR + 0x3ef),
        ("mhpmcounter31", FIRST_CSR + 0xb1f),
        ("time", FIRST_CSR + 0xc01),
        ("mhartid", FIRST_CSR + 0xf14),
        ("priv", PRIV),
    ] {
        let is_it = |register: &&&str| attribute(register, "name") == name;
        let found: Vec<_> = registers.iter().filter(is_it).collect();
        assert_eq!(found.len(), 1, "{name}");
        assert_eq!(attribute(found[0], "regnum"), number.to_string(), "{name}");
    }
    assert!(!xml.contains("\"pmpcfg1\""), "no such register on RV64");
    assert_eq!(gdb.ask("qXfer:features:read:other.xml:0,ffb"), "E79");
}

#[test]
fn registers_are_read_and_written() {
    let (_served, mut gdb) = session(&counting());
    const WORD: u64 = 0x0123_4567_89ab_cdef;
    // What is written, and what the register holds then.
    for (name, number, value, held) in [
        ("x0", 0, WORD, 0),
        ("x31", 31, WORD, WORD),
        ("pc", 32, RAM + 7, RAM + 6),
        ("f0", FIRST_F, WORD, WORD),
        ("f31", FIRST_F + 31, WORD, WORD),
        ("mscratch", MSCRATCH, WORD, WORD),
        ("mtvec", FIRST_CSR + MTVEC as usize, RAM | 3, RAM | 1),
        ("mepc", FIRST_CSR + MEPC as usize, RAM | 1, RAM),
        ("mcause", FIRST_CSR + MCAUSE as usize, 5, 5),
        ("satp", SATP, 8 << 60 | 0x8_0001, 8 << 60 | 0x8_0001),
        ("satp", SATP, 5 << 60, 8 << 60 | 0x8_0001),
    ] {
        assert_eq!(gdb.set_register(number, value), "OK", "{name}");
        assert_eq!(gdb.register(number), held, "{name}");
    }
    assert_eq!(&gdb.ask("g")[16 * 31..16 * 32], hex(&WORD.to_le_bytes()));
    // All at once.
    let all: Vec<u8> = (100..133).flat_map(|value: u64| value.to_le_bytes()).collect();
    assert_eq!(gdb.ask(&format!("G{}", hex(&all))), "OK");
    assert_eq!([0, 1, 31, 32].map(|number| gdb.register(number)), [0, 101, 131, 132]);
    // Read-only, not there, not of this size.
    for (name, packet) in [
        ("mhartid", format!("P{:x}={}", FIRST_CSR + 0xf14, hex(&[1; 8]))),
        ("pmpcfg1", format!("P{:x}={}", FIRST_CSR + 0x3a1, hex(&[0; 8]))),
        ("pmpcfg1", format!("p{:x}", FIRST_CSR + 0x3a1)),
        ("half of x1", "P1=00000000".to_owned()),
        ("twice x1", format!("P1={}", hex(&[0; 16]))),
        ("nothing for x1", "P1=".to_owned()),
        ("mode 2", format!("P{PRIV:x}=02")),
    ] {
        assert_eq!(gdb.ask(&packet), "E79", "{name}");
    }
    assert_eq!(gdb.ask(&format!("p{:x}", PRIV + 1)), "", "not known at all");
    assert_eq!(gdb.ask("Hg5"), "OK");
    assert_eq!([gdb.ask("g"), gdb.ask("p0"), gdb.ask(&format!("m{RAM:x},4"))], ["E79"; 3]);
}

#[test]
fn floating_point_is_seen_while_it_is_off() {
    let (_served, mut gdb) = session(&[SPIN]);
    let mstatus = FIRST_CSR + MSTATUS as usize;
    assert_eq!((gdb.register(mstatus) >> 13 & 3, gdb.register(FCSR)), (0, 0));
    assert_eq!(gdb.set_register(FCSR, 0x21), "E79", "an instruction could not");
    assert_eq!(gdb.set_register(FCSR, 0), "OK", "it was saved and is put back");
    assert_eq!(gdb.set_register(mstatus, 1 << 13), "OK");
    assert_eq!(gdb.set_register(FIRST_F, 1), "OK");
    assert_eq!(gdb.register(mstatus) >> 13 & 3, 3, "a context switch must save it");
    assert_eq!(gdb.set_register(FCSR, 0x21), "OK");
    assert_eq!((gdb.register(FIRST_CSR + 1), gdb.register(FIRST_CSR + 2)), (1, 1));
}

/// PTE bits.
const V: u64 = 1;
const R: u64 = 2;
const W: u64 = 4;
const X: u64 = 8;
const U: u64 = 16;
const A: u64 = 64;
const D: u64 = 128;

/// Tables at `DATA` that map pages from virtual address 0 on with these flags to the pages behind
/// the tables; the hart in `mode` uses them.
fn paged(gdb: &mut Client, pages: &[u64], mode: u64) -> u64 {
    let (root, middle, last, first) = (DATA, DATA + 0x1000, DATA + 0x2000, DATA + 0x3000);
    let pointer = |to: u64| (to >> 12 << 10 | V).to_le_bytes();
    assert_eq!(gdb.write(root, &pointer(middle)), "OK");
    assert_eq!(gdb.write(middle, &pointer(last)), "OK");
    for (index, flags) in (0..).zip(pages) {
        let pte = (first + 0x1000 * index) >> 12 << 10 | flags;
        assert_eq!(gdb.write(last + 8 * index, &pte.to_le_bytes()), "OK");
        assert_eq!(gdb.write(first + 0x1000 * index, format!("page {index}!").as_bytes()), "OK");
    }
    // PMP lets S-mode and U-mode in everywhere.
    assert_eq!(gdb.set_register(FIRST_CSR + 0x3b0, u64::MAX), "OK");
    assert_eq!(gdb.set_register(FIRST_CSR + 0x3a0, 0x1f), "OK");
    assert_eq!(gdb.set_register(SATP, 8 << 60 | root >> 12), "OK");
    assert_eq!(gdb.ask(&format!("P{PRIV:x}={}", hex(&[mode as u8]))), "OK");
    assert_eq!(gdb.register(PRIV), mode);
    first
}

#[test]
fn memory_is_seen_as_the_hart_sees_it() {
    const USER: u64 = 0;
    const SUPERVISOR: u64 = 1;
    let flags = [V | R | W | A | D, V | R | U | A, V | X | A, V | R | W, 0];
    for mode in [USER, SUPERVISOR] {
        let (_served, mut gdb) = session(&[SPIN]);
        let first = paged(&mut gdb, &flags, mode);
        let before = gdb.read(0, 8);
        // What is mapped is there: user pages, code that can only be executed, never used pages.
        for (index, there) in [(0, true), (1, true), (2, true), (3, true), (4, false)] {
            let expect = there.then(|| format!("page {index}!").into_bytes());
            assert_eq!(gdb.read(0x1000 * index, 7), expect, "{index} in {mode}");
        }
        // Across pages, as far as all of it is there.
        let across = gdb.read(0xffe, 4).unwrap();
        assert_eq!(&across[2..], b"pa");
        assert_eq!(gdb.read(0x3ffe, 4), None);
        assert_eq!(gdb.ask("m0,0"), "", "nothing of nothing");
        assert_eq!(
            [gdb.read(RAM, 4), gdb.read(1 << 40, 4), gdb.read(u64::MAX, 1)],
            [const { None }; 3]
        );
        assert_eq!(gdb.read(u64::MAX - 3, 8), None, "it wraps");
        // Read-only pages are written too; where some of it is missing, nothing is.
        assert_eq!(gdb.write(0x1000, b"PAGE"), "OK");
        assert_eq!(gdb.write(0x3ffe, b"abcd"), "E0e");
        assert_eq!(gdb.read(0x3ffe, 2), Some(vec![0, 0]));
        // By physical address.
        assert_eq!(gdb.ask("qqemu.PhyMemMode"), "0");
        assert_eq!(gdb.ask("Qqemu.PhyMemMode:1"), "OK");
        assert_eq!(gdb.ask("qqemu.PhyMemMode"), "1");
        assert_eq!(gdb.read(first + 0x1000, 7).unwrap(), b"PAGE 1!");
        assert_eq!(gdb.read(0, 1), None);
        // No PTE has changed by all this.
        let ptes = gdb.read(DATA + 0x2000, 8 * flags.len()).unwrap();
        let found: Vec<_> = ptes.chunks(8).map(|pte| u64::from(pte[0])).collect();
        assert_eq!(found, flags);
        assert_eq!(gdb.ask("Qqemu.PhyMemMode:0"), "OK");
        assert_eq!(gdb.read(0, 8), before);
    }
}

#[test]
fn devices_are_not_touched() {
    let (_served, mut gdb) = session(&[SPIN]);
    for at in [0x10_0000, 0x200_0000, 0x1000_0000, 0x1000_0005, 0x8000_0000 - 1, RAM + (4 << 20)] {
        assert_eq!((gdb.read(at, 1), gdb.write(at, &[0])), (None, "E0e".to_owned()), "{at:#x}");
    }
    assert!(gdb.read(RAM + (4 << 20) - 1, 1).is_some());
}

#[test]
fn the_monitor_answers() {
    let served = Served::stopped(&counting(), 2);
    let mut gdb = Client::connect(served.address);
    let help = gdb.monitor("help");
    assert!(help.contains("info mem") && help.contains("system_reset"), "{help}");
    assert!(gdb.monitor("no such thing").contains("unknown command"));
    // It is asked of the hart that the user looks at.
    for hart in [1, 0] {
        assert_eq!(gdb.ask(&format!("Hg{:x}", hart + 1)), "OK");
        assert!(gdb.monitor("p $mhartid").contains(&hart.to_string()), "{hart}");
    }
    gdb.ask(&format!("Z0,{:x},4", LOOP + 12));
    gdb.resume("vCont;c:2");
    assert_eq!((gdb.pc(), gdb.register(5)), (LOOP + 12, 1));
    assert!(gdb.monitor("p $mhartid").contains('1'), "the one that has stopped");
    gdb.monitor("system_reset");
    assert_eq!((gdb.pc(), gdb.register(5)), (RAM, 0));
    assert_eq!(gdb.resume("vCont;c:1"), "T05thread:01;swbreak:;");
    gdb.monitor("quit");
    assert_eq!(served.end(), Stop::Request(StopRequest::Quit));
}

#[test]
fn a_pc_can_be_set_for_each_hart() {
    let served = Served::stopped(&counting(), 2);
    let mut gdb = Client::connect(served.address);
    gdb.ask("Hg2");
    gdb.set_pc(LOOP);
    gdb.ask("Hg1");
    assert_eq!(gdb.pc(), RAM);
}
