//! Tables over every CSR: who exists, who may read and write, what a write reads back as. Also
//! the helpers with which the tests of the single subjects read and write.

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::*;

pub(super) const MSTATUS: u16 = 0x300;
pub(super) const FS_INITIAL: u64 = 1 << 13;

pub(super) fn cx(privilege: Privilege) -> CsrCx {
    CsrCx { privilege, mtime: 0, insns: 0 }
}

pub(super) fn file() -> CsrFile {
    CsrFile::new(CsrConfig::default())
}

/// Reads in M-mode, one instruction after [`write`].
#[track_caller]
pub(super) fn read(f: &mut CsrFile, addr: u16) -> u64 {
    let cx = CsrCx { insns: 1, ..cx(Privilege::Machine) };
    f.access(CsrAddr(addr), None::<fn(u64) -> u64>, &cx).expect("exists").0
}

/// Writes in M-mode, as the first instruction.
#[track_caller]
pub(super) fn write(f: &mut CsrFile, addr: u16, value: u64) {
    let _ = effect_of_write(f, addr, value);
}

#[track_caller]
fn effect_of_write(f: &mut CsrFile, addr: u16, value: u64) -> Effect {
    f.access(CsrAddr(addr), Some(|_| value), &cx(Privilege::Machine)).expect("writable").1
}

/// First and last address of a run of CSRs, what they read as after all ones and then after all
/// zeros were written. Reset value of `mstatus.FS` is initial here, not off.
const ALL: &[(u16, u16, u64, u64)] = &[
    (0x001, 0x001, 0x1f, 0),
    (0x002, 0x002, 0x7, 0),
    (0x003, 0x003, 0xff, 0),
    (0x100, 0x100, 0x8000_0002_000c_6122, 0x2_0000_0000),
    (0x104, 0x104, 0, 0),
    (0x105, 0x105, 0xffff_ffff_ffff_fffd, 0),
    (0x106, 0x106, 0xffff_ffff, 0),
    (0x10a, 0x10a, 0xf1, 0),
    (0x140, 0x140, u64::MAX, 0),
    (0x141, 0x141, 0xffff_ffff_ffff_fffe, 0),
    (0x142, 0x143, u64::MAX, 0),
    (0x144, 0x144, 0, 0),
    (0x14d, 0x14d, u64::MAX, 0),
    (0x180, 0x180, 0, 0),
    (0x300, 0x300, 0x8000_000a_007e_79aa, 0xa_0000_0000),
    (0x301, 0x301, 0x8000_0000_0014_112f, 0x8000_0000_0014_112f),
    (0x302, 0x302, 0xb3fe, 0),
    (0x303, 0x303, 0x222, 0),
    (0x304, 0x304, 0xaaa, 0),
    (0x305, 0x305, 0xffff_ffff_ffff_fffd, 0),
    (0x306, 0x306, 0xffff_ffff, 0),
    (0x30a, 0x30a, 0xe000_0000_0000_00f1, 0),
    (0x320, 0x320, 0xffff_fffd, 0),
    (0x323, 0x33f, 0, 0),
    (0x340, 0x340, u64::MAX, 0),
    (0x341, 0x341, 0xffff_ffff_ffff_fffe, 0),
    (0x342, 0x343, u64::MAX, 0),
    (0x344, 0x344, 0x222, 0),
    // All ones lock the entries.
    (0x3a0, 0x3a0, 0x9f9f_9f9f_9f9f_9f9f, 0x9f9f_9f9f_9f9f_9f9f),
    (0x3a2, 0x3a2, 0x9f9f_9f9f_9f9f_9f9f, 0x9f9f_9f9f_9f9f_9f9f),
    (0x3a4, 0x3a4, 0, 0),
    (0x3a6, 0x3a6, 0, 0),
    (0x3a8, 0x3a8, 0, 0),
    (0x3aa, 0x3aa, 0, 0),
    (0x3ac, 0x3ac, 0, 0),
    (0x3ae, 0x3ae, 0, 0),
    (0x3b0, 0x3bf, 0x003f_ffff_ffff_ffff, 0),
    (0x3c0, 0x3ef, 0, 0),
    (0x7a0, 0x7a4, 0, 0),
    (0xb00, 0xb00, u64::MAX, 0),
    (0xb02, 0xb02, u64::MAX, 0),
    (0xb03, 0xb1f, 0, 0),
    (0xc00, 0xc1f, 0, 0),
    (0xf11, 0xf15, 0, 0),
];

fn expected(addr: u16) -> Option<(u64, u64)> {
    let run = ALL.iter().find(|run| (run.0..=run.1).contains(&addr))?;
    Some((run.2, run.3))
}

/// A file in which nothing but privilege closes a CSR.
fn open_file() -> CsrFile {
    let mut f = file();
    write(&mut f, MSTATUS, FS_INITIAL);
    write(&mut f, 0x306, u64::MAX);
    write(&mut f, 0x106, u64::MAX);
    write(&mut f, 0x30a, 1 << 63);
    f
}

#[test]
fn every_address_reads_back_what_is_legal_or_does_not_exist() {
    for addr in 0..0x1000 {
        let mut f = file();
        write(&mut f, MSTATUS, FS_INITIAL);
        let exists = f.access(CsrAddr(addr), None::<fn(u64) -> u64>, &cx(Privilege::Machine));
        assert_eq!(exists.is_ok(), expected(addr).is_some(), "{addr:#x}");
        let Some((ones, zeros)) = expected(addr) else { continue };
        if addr >= 0xc00 {
            let cx = cx(Privilege::Machine);
            let refused = f.access(CsrAddr(addr), Some(|_| 0), &cx);
            assert_eq!(refused, Err(IllegalCsr), "{addr:#x} is read-only");
            continue;
        }
        write(&mut f, addr, u64::MAX);
        assert_eq!(read(&mut f, addr), ones, "{addr:#x} after all ones");
        write(&mut f, addr, 0);
        assert_eq!(read(&mut f, addr), zeros, "{addr:#x} after all zeros");
    }
}

#[test]
fn rows_are_sorted_and_apart() {
    assert!(table::ROWS.is_sorted_by(|a, b| a.first <= a.last && a.last < b.first));
}

#[test]
fn each_mode_reaches_its_own_addresses() {
    let user = |addr: u16| matches!(addr, 0x001..=0x003 | 0xc00..=0xc1f);
    let supervisor = |addr: u16| user(addr) || (0x100..=0x180).contains(&addr);
    for addr in 0..0x1000 {
        for (privilege, reaches) in [
            (Privilege::User, user(addr)),
            (Privilege::Supervisor, supervisor(addr)),
            (Privilege::Machine, true),
        ] {
            let mut f = open_file();
            let allowed = reaches && expected(addr).is_some();
            let reads = f.access(CsrAddr(addr), None::<fn(u64) -> u64>, &cx(privilege)).is_ok();
            assert_eq!(reads, allowed, "read {addr:#x} in {privilege:?}");
            let writes = f.access(CsrAddr(addr), Some(|old| old), &cx(privilege)).is_ok();
            assert_eq!(writes, allowed && addr < 0xc00, "write {addr:#x} in {privilege:?}");
        }
    }
}

#[test]
fn gates_close_single_registers() {
    use Privilege::{Machine, Supervisor, User};
    const STCE: u64 = 1 << 63;
    const TVM: u64 = 1 << 20;
    // What is written first, who reads what then, and whether that is legal.
    type Setup = &'static [(u16, u64)];
    let cases: &[(Setup, Privilege, u16, bool)] = &[
        (&[], Machine, 0x003, false),
        (&[(MSTATUS, FS_INITIAL)], User, 0x003, true),
        (&[], Machine, 0xc00, true),
        (&[], Supervisor, 0xc00, false),
        (&[(0x306, 1)], Supervisor, 0xc00, true),
        (&[(0x306, 1)], Supervisor, 0xc01, false),
        (&[(0x306, 1)], User, 0xc00, false),
        (&[(0x106, 1)], User, 0xc00, false),
        (&[(0x306, 1), (0x106, 1)], User, 0xc00, true),
        (&[(0x306, 2), (0x106, 2)], User, 0xc01, true),
        (&[(0x306, 4), (0x106, 4)], User, 0xc02, true),
        (&[(0x306, 1 << 31), (0x106, 1 << 31)], User, 0xc1f, true),
        (&[(0x306, !(1 << 31)), (0x106, u64::MAX)], User, 0xc1f, false),
        (&[], Supervisor, 0x180, true),
        (&[(MSTATUS, TVM)], Supervisor, 0x180, false),
        (&[(MSTATUS, TVM)], Machine, 0x180, true),
        (&[], Machine, 0x14d, true),
        (&[], Supervisor, 0x14d, false),
        (&[(0x30a, STCE)], Supervisor, 0x14d, false),
        (&[(0x306, 2)], Supervisor, 0x14d, false),
        (&[(0x30a, STCE), (0x306, 2)], Supervisor, 0x14d, true),
        (&[(0x30a, STCE), (0x306, 2), (0x106, 2)], User, 0x14d, false),
    ];
    for &(setup, privilege, addr, legal) in cases {
        let mut f = file();
        for &(addr, value) in setup {
            write(&mut f, addr, value);
        }
        let found = f.access(CsrAddr(addr), None::<fn(u64) -> u64>, &cx(privilege)).is_ok();
        assert_eq!(found, legal, "{addr:#x} in {privilege:?} after {setup:x?}");
    }
}

/// Writes `value` to `addr` after `setup` and checks what reads back.
#[track_caller]
fn check(config: &CsrConfig, setup: &[(u16, u64)], (addr, value): (u16, u64), readback: u64) {
    let mut f = CsrFile::new(config.clone());
    for &(addr, value) in setup {
        write(&mut f, addr, value);
    }
    write(&mut f, addr, value);
    let found = read(&mut f, addr);
    assert_eq!(found, readback, "{addr:#x} <- {value:#x}: {found:#x}, not {readback:#x}");
}

#[test]
fn fields_take_only_legal_values() {
    const SXL_UXL: u64 = 0xa_0000_0000;
    let all = &CsrConfig::default();
    check(all, &[], (0x300, 2 << 11), SXL_UXL);
    check(all, &[(0x300, 3 << 11)], (0x300, 2 << 11), SXL_UXL);
    check(all, &[], (0x300, 1 << 11), SXL_UXL | 1 << 11);
    check(all, &[], (0x300, 2 << 13), SXL_UXL | 2 << 13);
    check(all, &[], (0x300, 3 << 13), 1 << 63 | SXL_UXL | 3 << 13);
    check(all, &[], (0x300, 1 << 63), SXL_UXL);
    check(all, &[(0x300, u64::MAX)], (0x100, 0), 0x2_0000_0000);
    check(all, &[], (0x30a, 0x20), 0);
    check(all, &[], (0x30a, 0x10), 0x10);
    check(all, &[], (0x10a, 0x30), 0x30);
    check(all, &[], (0x10a, 0x20), 0);
    check(all, &[], (0x180, 8 << 60 | 0xffff << 44 | 0xfff), 8 << 60 | 0xffff << 44 | 0xfff);
    check(all, &[(0x180, 0x123)], (0x180, 11 << 60 | 7), 0x123);
    check(all, &[(0x180, 9 << 60 | 5)], (0x180, 15 << 60 | 7), 9 << 60 | 5);
    check(all, &[], (0x180, 10 << 60 | 5), 10 << 60 | 5);
    check(all, &[(0x303, 0x22)], (0x104, 0xaaa), 0x22);
    check(all, &[(0x303, 0x222)], (0x144, 0xaaa), 0x2);
    check(all, &[(0x30a, 1 << 63), (0x14d, 1)], (0x344, 0xaaa), 0x202);
}

#[test]
fn absent_extensions_leave_no_fields() {
    let misa = CsrConfig::default().misa;
    let without =
        |letter: u8| CsrConfig { misa: misa & !(1 << (letter - b'A')), ..CsrConfig::default() };
    check(&without(b'C'), &[], (0x341, u64::MAX), !3);
    check(&without(b'C'), &[], (0x302, u64::MAX), 0xb3ff);
    check(&without(b'F'), &[], (0x300, u64::MAX), 0xa_007e_19aa);
    let off = CsrConfig { sv48: false, sv57: false, svadu: false, ..CsrConfig::default() };
    check(&off, &[(0x180, 8 << 60)], (0x180, 9 << 60), 8 << 60);
    for (asid_bits, want) in [(0, 0), (1, 1), (9, 0x1ff), (16, 0xffff)] {
        let narrow = CsrConfig { asid_bits, ..CsrConfig::default() };
        check(&narrow, &[], (0x180, 8 << 60 | 0xffff << 44), 8 << 60 | want << 44);
    }
    check(&off, &[(0x180, 8 << 60)], (0x180, 10 << 60), 8 << 60);
    check(&off, &[], (0x30a, u64::MAX), 0xc000_0000_0000_00f1);
    let off = CsrConfig { svpbmt: false, zicbom: false, zicntr: false, ..CsrConfig::default() };
    check(&off, &[], (0x30a, u64::MAX), 0xa000_0000_0000_0081);
    check(&off, &[], (0x306, u64::MAX), 0xffff_fff8);
    let off = CsrConfig { sstc: false, zicboz: false, zihpm: false, ..CsrConfig::default() };
    check(&off, &[], (0x30a, u64::MAX), 0x6000_0000_0000_0071);
    check(&off, &[], (0x306, u64::MAX), 7);
    check(&off, &[], (0x320, u64::MAX), 5);
    for (config, addr) in [
        (without(b'F'), 0x001),
        (CsrConfig { sstc: false, ..CsrConfig::default() }, 0x14d),
        (CsrConfig { zicntr: false, ..CsrConfig::default() }, 0xc01),
        (CsrConfig { zihpm: false, ..CsrConfig::default() }, 0xc03),
    ] {
        let mut f = CsrFile::new(config);
        write(&mut f, MSTATUS, FS_INITIAL);
        let found = f.access(CsrAddr(addr), None::<fn(u64) -> u64>, &cx(Privilege::Machine));
        assert_eq!(found, Err(IllegalCsr), "{addr:#x}");
    }
}

#[test]
fn writes_name_their_effect() {
    let table = [
        (0x180, 8 << 60, Effect::TRANSLATION),
        (0x300, 1 << 17, Effect::TRANSLATION),
        (0x300, 1 << 18, Effect::TRANSLATION),
        (0x300, 1 << 19, Effect::TRANSLATION),
        (0x300, 1 << 11, Effect::TRANSLATION),
        (0x300, 1 << 13, Effect::NONE),
        (0x300, 1 << 3, Effect::INTERRUPTS),
        (0x100, 1 << 1 | 1 << 18, Effect::INTERRUPTS.and(Effect::TRANSLATION)),
        (0x304, 0x2, Effect::INTERRUPTS),
        (0x344, 0x2, Effect::INTERRUPTS),
        (0x303, 0x2, Effect::INTERRUPTS),
        (0x14d, 1, Effect::INTERRUPTS),
        (0x30a, 1 << 61, Effect::TRANSLATION),
        (0x30a, 1 << 62, Effect::TRANSLATION),
        (0x30a, 1 << 63, Effect::INTERRUPTS),
        (0x30a, 0xf0, Effect::NONE),
        (0x3a0, 0x1f, Effect::PROTECTION),
        (0x3b0, 0x1, Effect::PROTECTION),
        (0x3c0, 0x1, Effect::NONE),
        (0x340, 0x1, Effect::NONE),
    ];
    for (addr, value, effect) in table {
        assert_eq!(effect_of_write(&mut file(), addr, value), effect, "{addr:#x} <- {value:#x}");
    }
    assert!(Effect::INTERRUPTS.and(Effect::PROTECTION).has(Effect::PROTECTION));
    assert!(!Effect::INTERRUPTS.has(Effect::PROTECTION));
}

#[test]
fn names_are_the_manuals() {
    for (addr, name) in [
        (0x001, Some("fflags")),
        (0x323, Some("mhpmevent3")),
        (0x33f, Some("mhpmevent31")),
        (0x3a2, Some("pmpcfg2")),
        (0x3ef, Some("pmpaddr63")),
        (0x7a3, Some("tdata3")),
        (0xc1f, Some("hpmcounter31")),
        (0x309, Some("mvip")),
        (0x7b0, None),
    ] {
        assert_eq!(CsrAddr(addr).name().as_deref(), name, "{addr:#x}");
    }
}

#[test]
fn names_lead_back() {
    for addr in (0..0x1000).map(CsrAddr).filter(|addr| table::row(*addr).is_some()) {
        assert_eq!(addr.name().and_then(|name| CsrAddr::named(&name)), Some(addr));
    }
    assert_eq!(CsrAddr::named("mstatush"), None);
}

#[test]
fn a_peek_sees_what_a_read_would_and_changes_nothing() {
    for addr in (0..0x1000).map(CsrAddr) {
        let mut f = open_file();
        // Seen by a user, to whom nearly everything is closed.
        let seen = f.peek(addr, &cx(Privilege::User));
        let read = f.access(addr, None::<fn(u64) -> u64>, &cx(Privilege::Machine));
        assert_eq!(seen, read.map(|(value, _)| value).ok(), "{addr:?}");
    }
    let off = file();
    assert!(!off.mstatus().fp_enabled());
    assert_eq!(off.peek(table::FCSR, &cx(Privilege::Machine)), Some(0), "switched off, not absent");
}

proptest! {
    /// What reads back is legal: writing it again changes nothing.
    #[test]
    fn legal_values_stay(
        writes in proptest::collection::vec((0usize..64, any::<u16>(), any::<u64>()), 1..40)
    ) {
        let mut f = file();
        write(&mut f, MSTATUS, FS_INITIAL);
        for (row, offset, value) in writes {
            let row = &table::ROWS[row % table::ROWS.len()];
            let addr = CsrAddr(row.first.0 + offset % (row.last.0 - row.first.0 + 1));
            if f.access(addr, Some(|_| value), &cx(Privilege::Machine)).is_err() {
                continue;
            }
            // FS may be off now, and the floating-point registers with it.
            let Ok((once, _)) =
                f.access(addr, Some(|old| old), &cx(Privilege::Machine)) else { continue };
            let counts = matches!(addr.0, 0xb00 | 0xb02);
            if !counts {
                prop_assert_eq!(read(&mut f, addr.0), once, "{:?}", addr);
            }
            let status = f.mstatus().0;
            prop_assert_eq!(status >> 63 & 1 != 0, status >> 13 & 3 == 3);
            prop_assert!(status >> 11 & 3 != 2);
        }
    }
}
