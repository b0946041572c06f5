//! Tables of the options' values, and lines for what a small program does not come by.

use std::sync::{Arc, Mutex};

use super::*;
use crate::addr::PhysAddr;
use crate::debug::symbols::{Row, SymbolKind};
use crate::mmu::{Context, Explanation, Mode, Satp, WalkFault};

/// A file that a test reads.
#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn symbols() -> Symbols {
    let row = |at, len_bytes, name| Row { at, len_bytes, name, kind: SymbolKind::Function };
    // `twice` is there twice.
    let rows = vec![row(0x100, 0x10, 1), row(0x200, 0x20, 6), row(0x300, 8, 6), row(0x400, 0, 12)];
    Symbols::new(rows, b"\0main\0twice\0open\0".to_vec())
}

/// What a tracer of everything writes.
fn traced(events: impl FnOnce(&mut Tracer)) -> String {
    let text = Text::default();
    let items = "int,mmu,in_asm,exec".parse().expect("known items");
    let options = TraceOptions { items, filter: Filter::default() };
    let mut tracer = Tracer::new(&options, symbols(), Box::new(text.clone())).expect("no filter");
    events(&mut tracer);
    tracer.finish().expect("a vector takes everything");
    String::from_utf8(text.0.lock().expect("no panic").clone()).expect("a trace is UTF-8")
}

#[test]
fn items_are_a_list() {
    let unknown = |found: &str, nearest| Err(TraceError::Item { found: found.to_owned(), nearest });
    let all = TraceItems::INT | TraceItems::MMU | TraceItems::IN_ASM | TraceItems::EXEC;
    for (text, expected) in [
        ("int", Ok(TraceItems::INT)),
        ("mmu,int", Ok(TraceItems::INT | TraceItems::MMU)),
        ("int,mmu,in_asm,exec", Ok(all)),
        ("exec,nochain", Ok(TraceItems::EXEC)),
        ("exec,help", Ok(TraceItems::EXEC | TraceItems::HELP)),
        ("in-asm", unknown("in-asm", "in_asm")),
        ("int,nmu", unknown("nmu", "mmu")),
        ("out_asm", unknown("out_asm", "in_asm")),
        ("exec,", unknown("", "int")),
    ] {
        assert_eq!(text.parse::<TraceItems>(), expected, "{text:?}");
    }
    let items: TraceItems = "exec,mmu".parse().expect("known items");
    assert_eq!(items.to_string(), "mmu,exec");
    assert!(items.has(TraceItems::MMU) && !items.has(TraceItems::INT));
    assert!(!items.is_empty() && TraceItems::HELP.is_empty() && TraceItems::default().is_empty());
    let message = "nmu".parse::<TraceItems>().expect_err("unknown").to_string();
    assert_eq!(message, "unknown log item `nmu`; did you mean `mmu`? (`help` lists them)");
}

#[test]
fn help_names_every_item() {
    let help = TraceItems::help();
    for line in help.lines().skip(1) {
        let name = line.split_whitespace().next().expect("no empty line");
        assert!(name.parse::<TraceItems>().is_ok(), "{name}");
    }
    assert_eq!(help.lines().count(), 7);
}

#[test]
fn modes_are_letters() {
    for (text, expected) in [
        ("m", Ok([true, false, false])),
        ("s,u", Ok([false, true, true])),
        ("U,M", Ok([true, false, true])),
        ("x", Err(TraceError::Mode { found: "x".to_owned() })),
        ("", Err(TraceError::Mode { found: String::new() })),
        ("su", Err(TraceError::Mode { found: "su".to_owned() })),
    ] {
        let all = [Privilege::Machine, Privilege::Supervisor, Privilege::User];
        let found = text.parse::<Modes>().map(|modes| all.map(|mode| modes.has(mode)));
        assert_eq!(found, expected, "{text:?}");
    }
}

#[test]
fn regions_are_symbols_or_ranges() {
    for (text, expected) in [
        ("main", Some(Region::Symbol("main".to_owned()))),
        ("a..b", Some(Region::Symbol("a..b".to_owned()))),
        ("0x1000..0x1fff", Some(Region::Range(0x1000, 0x1fff))),
        ("16..16", Some(Region::Range(16, 16))),
        ("0x1000+0x10", Some(Region::Range(0x1000, 0x100f))),
        ("0x1000-16", Some(Region::Range(0xff0, 0xfff))),
        ("0xffffffffffffffff+1", Some(Region::Range(u64::MAX, u64::MAX))),
        ("0xffffffffffffffff+2", None),
        ("8-16", None),
        ("0x1000+0", None),
        ("0x1000-0", None),
        ("2..1", None),
        ("1", None),
        ("0x..0x1", None),
        ("0x+1..2", None),
        ("1..", None),
        ("12ab..13", None),
        ("", None),
    ] {
        let error = TraceError::Region { found: text.to_owned() };
        assert_eq!(text.parse::<Region>(), expected.ok_or(error), "{text:?}");
    }
}

#[test]
fn a_scope_is_where_mode_and_region_agree() {
    let scope = |modes: &str, regions: &[&str]| {
        let regions = regions.iter().map(|region| region.parse().expect("a region")).collect();
        let filter = Filter { modes: modes.parse().expect("modes"), regions };
        Scope::new(&filter, &symbols())
    };
    let (user, machine) = (Privilege::User, Privilege::Machine);
    for (modes, regions, mode, pc, has) in [
        ("u", &[][..], user, 0, true),
        ("u", &[], machine, 0, false),
        ("u", &["main"], user, 0x10f, true),
        ("u", &["main"], user, 0x110, false),
        ("m", &["main"], user, 0x10f, false),
        ("u", &["twice"], user, 0x200, true),
        ("u", &["twice"], user, 0x307, true),
        ("u", &["twice"], user, 0x2ff, false),
        ("u", &["main", "0x500..0x500"], user, 0x500, true),
        ("u", &["open"], user, u64::MAX, true),
    ] {
        let scope = scope(modes, regions).expect("known symbols");
        assert_eq!(scope.has(mode, pc), has, "{modes} {regions:?} {mode:?} {pc:#x}");
    }
    let unknown = TraceError::Symbol { found: "mai".to_owned() };
    assert_eq!(scope("u", &["main", "mai"]).expect_err("unknown"), unknown);
}

#[test]
fn refused_translations() {
    let satp = Satp { mode: Mode::Sv39, root_ppn: 0x8_0001, ..Satp::default() };
    let cx = Context { privilege: Privilege::Supervisor, satp, ..Context::RESET };
    let step =
        |pte, verdict| Step { level: 1, pte_at: PhysAddr(0x8000_1008), pte: Pte(pte), verdict };
    let fault = |fault| (vec![step(0, Verdict::Fault(fault))], Err(Refusal::Walk(fault)));
    let at = PhysAddr(0x20_1234);
    let leaf = || vec![step(0x8_004f, Verdict::Leaf)];
    let level = |entry| format!("  level 1 at 0000000080001008: {entry}\n");
    let unreadable = level("0000000000000000 ppn=0x0 --------, denied: entry cannot be read");
    let invalid = level("0000000000000000 ppn=0x0 --------, denied: V is clear");
    let mapped = level("000000000008004f ppn=0x200 -A--XWRV, leaf");
    let pmp = |tail| {
        format!(
            " ret 0 physical 0000000000201234 prot 5\n{mapped}\
                 riscv_cpu_tlb_fill PMP address=0000000000201234 ret {tail}\n"
        )
    };
    let failed = |ret, lines: &str| format!(" ret {ret} physical 0000000000000000 prot 0\n{lines}");
    for ((steps, pa), page_rights, expected) in [
        (fault(WalkFault::Unreadable), Some(Rights::NONE), failed(2, &unreadable)),
        (fault(WalkFault::NotValid), Some(Rights::NONE), failed(1, &invalid)),
        (
            (Vec::new(), Err(Refusal::Walk(WalkFault::NotCanonical))),
            Some(Rights::NONE),
            failed(1, "  no walk: address is not canonical\n"),
        ),
        ((leaf(), Err(Refusal::Protection(at))), Some(Rights::NONE), pmp("2 prot 0 tlb_size 4096")),
        ((leaf(), Ok(at)), None, pmp("0 prot 1 tlb_size 1")),
        ((leaf(), Ok(at)), Some(Rights::ALL), pmp("0 prot 7 tlb_size 4096")),
    ] {
        let (va, explanation) = (VirtAddr(0x1234), Explanation { steps, pa });
        let walk = WalkRecord { va, access: Access::Load, cx, explanation, page_rights };
        let text = traced(|tracer| tracer.walk(&walk, Privilege::Machine, VirtAddr(0)));
        let expected = format!(
            "riscv_cpu_tlb_fill ad 1234 rw 0 mmu_idx 1\nriscv_cpu_tlb_fill address=1234{expected}"
        );
        assert_eq!(text, expected);
    }
}

#[test]
fn what_is_no_instruction_is_shown_too() {
    let text = traced(|tracer| {
        tracer.decoded(Privilege::User, VirtAddr(0x104), &[0x00, 0x00]);
        tracer.decoded(Privilege::Machine, VirtAddr(0x500), &[0xff, 0xff, 0xff, 0xff]);
        tracer.begin(Privilege::User, VirtAddr(0x50), 0x1);
    });
    let expected = "----------------\nIN: main\nPriv: 0; Virt: 0\n\
        0x0000000000000104:  0000              illegal\n\n\
        ----------------\nIN: open\nPriv: 3; Virt: 0\n\
        0x0000000000000500:  ffffffff          illegal\n\n\
        Trace 0: 0x00000001 [0000000000000000/0000000000000050/00000000/00000001]\n";
    assert_eq!(text, expected);
}

#[test]
fn jumps_name_where_they_go() {
    // j 0x104 and a conditional branch back to 0x100.
    let text = traced(|tracer| {
        tracer.decoded(Privilege::User, VirtAddr(0x100), &[0x6f, 0x00, 0x40, 0x00]);
        tracer.decoded(Privilege::User, VirtAddr(0x104), &[0xe3, 0x0e, 0x00, 0xfe]);
    });
    let targets: Vec<_> = text.lines().filter_map(|line| line.split_once(" <")).collect();
    assert_eq!(targets.iter().map(|(_, name)| *name).collect::<Vec<_>>(), ["main+0x4>", "main>"]);
}

#[test]
fn traps_tell_their_hart() {
    let text = traced(|tracer| {
        tracer.turn(3);
        let fault = Exception::AccessFault(Access::Store, VirtAddr(0x1008));
        tracer.exception(&fault, Privilege::Supervisor, VirtAddr(0x100));
        tracer.interrupt(Interrupt::SupervisorTimer, Privilege::User, VirtAddr(0x200));
    });
    let expected = "\
        riscv_cpu_do_interrupt: hart:3, async:0, cause:0000000000000007, \
        epc:0x0000000000000100, tval:0x0000000000001008, desc=fault_store\n\
        riscv_cpu_do_interrupt: hart:3, async:1, cause:0000000000000005, \
        epc:0x0000000000000200, tval:0x0000000000000000, desc=s_timer\n";
    assert_eq!(text, expected);
}
