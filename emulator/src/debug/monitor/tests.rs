//! Tables of lines and answers, and lines that nobody would type.

use proptest::prelude::{any, prop_assert, proptest};

use super::super::inspect::tests::{Bench, DEVICE, RAM, RAM_LEN_BYTES, ROOT, RWX};
use super::*;
use crate::addr::PAGE_SHIFT;
use crate::mmu::Pte;
use crate::trap::{Exception, Interrupt, Trap};

const U_R: u64 = Pte::V | Pte::R | Pte::U;
const U_RW: u64 = U_R | Pte::W;

/// What the monitor says must be `answer`, without its last line feed.
#[track_caller]
fn check(bench: &Bench, line: &str, answer: &str) {
    let said = bench.say(line);
    assert_eq!(said.trim_end_matches('\n'), answer.trim_end_matches('\n'), "{line}");
    assert!(said.is_empty() || said.ends_with('\n'));
}

/// Code, and mappings of every kind.
fn bench() -> Bench {
    let mut bench = Bench::paged();
    for (va, level, pa, bits) in [
        (0x0, 0, RAM, U_R),
        (0x1000, 0, RAM + 0x1000, U_R),
        (0x2000, 0, RAM, U_RW),
        (0x5000, 0, RAM + 0x3000, U_RW | Pte::A),
        (0x6000, 0, RAM + 0x4000, Pte::V | Pte::X | Pte::A),
        (0x7000, 0, DEVICE, Pte::V | Pte::R | Pte::A),
        (0x8000, 0, 0x9000_0000, Pte::V | Pte::R | Pte::A),
        (0x8000_0000, 2, RAM, RWX),
        (511 << 30, 2, RAM, RWX & !Pte::X | Pte::G),
    ] {
        bench.map(va, level, pa, bits);
    }
    bench.code(&[0x297, 0x3020_0073, 0x0081_3083, 0x0000_0001, 0xffff_ffff, 0x6f, 0x3a00_1073]);
    bench
}

#[test]
fn walks_name_the_bit_that_denies() {
    // The line, and the end of the answer.
    for (line, end) in [
        ("tr 0x5123 u", "=> physical address 0x80003123, RAM"),
        ("tr 0x5123", "=> load page fault: U=1 and SUM=0, the page is for U-mode only (level 0)"),
        (
            "tr 0x5000 x s",
            "=> instruction page fault: U=1, S-mode never executes pages of U-mode (level 0)",
        ),
        (
            "tr 0x5000 w u",
            "=> store/AMO page fault: D=0, and hardware sets it only with ADUE (level 0)",
        ),
        ("tr 0 u", "=> load page fault: A=0, and hardware sets it only with ADUE (level 0)"),
        ("tr 0 w u", "=> store/AMO page fault: W=0, the page is not writable (level 0)"),
        ("tr 0x6000", "=> load page fault: R=0, and MXR=0 keeps X from standing in (level 0)"),
        ("tr 0x6000 x", "=> physical address 0x80004000, RAM"),
        ("tr 0x6000 x u", "=> instruction page fault: U=0, the page is not for U-mode (level 0)"),
        ("tr 0x7000", "=> physical address 0x10000000, uart0.RBR"),
        (
            "tr 0x8000",
            "=> load access fault: no memory and no device is at physical address 0x90000000",
        ),
        ("tr 0x9000", "=> load page fault: V=0, nothing is mapped there (level 0)"),
        ("tr 0x4000000000", "=> load page fault: not canonical: bits 63..39 differ from bit 38"),
        ("tr 0x80000000+16 m x", "=> physical address 0x80000010, RAM"),
        (
            "tr 0x10000000 x m",
            "=> instruction access fault: 0x10000000 is uart0.RBR, a device, not RAM",
        ),
    ] {
        let said = bench().say(line);
        assert_eq!(said.lines().last().map(str::trim), Some(end), "{line}");
    }
}

#[test]
fn a_walk_is_shown_level_by_level() {
    check(
        &bench(),
        "tr 0x5123 w u",
        "\
store at 0x5123 in U-mode: Sv39, ASID 5, root 0x80040000, MXR=0
  VPN[2] 0 | VPN[1] 0 | VPN[0] 5 | offset 0x123
  level  table      + 8 * VPN = pte at       pte                 DAGUXWRV
  2      0x80040000 + 8 * 0   = 0x80040000   0x0000000020010401  -------V  table 0x80041000
  1      0x80041000 + 8 * 0   = 0x80041000   0x0000000020010801  -------V  table 0x80042000
  0      0x80042000 + 8 * 5   = 0x80042028   0x0000000020000c57  -A-U-WRV  D=0
  => store/AMO page fault: D=0, and hardware sets it only with ADUE (level 0)",
    );
    check(
        &bench(),
        "tr main x",
        "\
fetch at 0x80000010 <main> in S-mode: Sv39, ASID 5, root 0x80040000
  VPN[2] 2 | VPN[1] 0 | VPN[0] 0 | offset 0x10
  level  table      + 8 * VPN = pte at       pte                 DAGUXWRV
  2      0x80040000 + 8 * 2   = 0x80040010   0x00000000200000cf  DA--XWRV  1G page, here 0x80000000
  => physical address 0x80000010, RAM",
    );
}

#[test]
fn physical_protection_is_explained() {
    let mut bench = bench();
    bench.enter(Privilege::Machine);
    bench.csr(0x180, 0);
    for (address, config, end) in [
        (0, 0, "no PMP entry is set, which keeps S-mode out of all memory"),
        (0x1000, 0x1f, "no PMP entry matches 0x80000000, which keeps S-mode out"),
        (
            0x2000_0000,
            0x11,
            "the PMP entry for 0x80000000..=0x80000003 does not allow a store in S-mode",
        ),
    ] {
        bench.csr(0x3b0, address);
        bench.csr(0x3a0, config);
        let want = format!(
            "store at 0x80000000 <start> in S-mode: not translated, satp is Bare\n  \
             => store/AMO access fault: {end}"
        );
        check(&bench, "tr 0x80000000 w s", &want);
    }
    // A table that the walker may not read.
    bench.csr(0x180, 8 << 60 | ROOT >> PAGE_SHIFT);
    let said = bench.say("tr 0 s");
    let end =
        "=> load access fault: no PMP entry matches 0x80040000, which keeps S-mode out (level 2)";
    assert_eq!(said.lines().last().map(str::trim), Some(end));
    assert_eq!(bench.say("info mem").lines().count(), 2);
}

#[test]
fn a_stale_translation_is_noticed() {
    let mut bench = bench();
    bench.map(0x9000, 0, RAM + 0x5000, RWX);
    bench.touch(0x9000, Access::Load);
    let stale = "but the TLB still holds 0x80005000: the tables have changed, no fence came";
    assert!(!bench.say("tr 0x9000").contains("TLB"));
    for (pa, bits) in [(RAM + 0x6000, RWX), (0, 0)] {
        bench.map(0x9000, 0, pa, bits);
        assert_eq!(bench.say("tr 0x9000").lines().last().map(str::trim), Some(stale));
        assert!(!bench.say("tr 0x9000 s").contains("TLB"), "asked for another context");
    }
}

#[test]
fn the_tlb_is_listed() {
    let mut bench = bench();
    check(&bench, "info tlb", "The TLB is empty");
    bench.touch(RAM, Access::Fetch);
    bench.touch(RAM + 0x1000, Access::Fetch);
    bench.touch(RAM + 0x4000, Access::Store);
    bench.csr(0x300, 1 << 18);
    bench.touch(0x5000, Access::Load);
    bench.enter(Privilege::User);
    bench.map(0xa000, 0, RAM + 0x5000, U_R | Pte::A);
    bench.touch(0xa000, Access::Load);
    bench.enter(Privilege::Machine);
    bench.touch(RAM, Access::Load);
    check(
        &bench,
        "info tlb",
        "\
kind   vaddr            paddr            size             page  mode    asid  root             attr
-----  ---------------- ---------------- ---------------- ----  ------  ----- ---------------- ----
load   0000000080000000 0000000080000000 0000000000001000 4K    M       -     -
fetch  0000000080000000 0000000080000000 0000000000002000 1G    S Sv39  5     0000000080040000
store  0000000080004000 0000000080004000 0000000000001000 1G    S Sv39  5     0000000080040000
load   0000000000005000 0000000080003000 0000000000001000 4K    S Sv39  5     0000000080040000 SUM
load   000000000000a000 0000000080005000 0000000000001000 4K    U Sv39  5     0000000080040000",
    );
}

#[test]
fn memory_is_shown_in_every_format() {
    for (line, answer) in [
        ("x start", "0000000080000000: 0x00000297"),
        ("x/3xh start", "0000000080000000: 0x0297 0x0000 0x0073"),
        (
            "x/3xg main",
            "0000000080000010: 0x0000006fffffffff 0x000000003a001073\n\
             0000000080000020: 0x0000000000000000",
        ),
        ("x /2dw main", "0000000080000010:          -1         111"),
        ("x/2uw main", "0000000080000010:  4294967295         111"),
        ("x/2db main+3", "0000000080000013:   -1  111"),
        ("x/2oh start", "0000000080000000:  01227      0"),
        ("x/3c main+3", "0000000080000013: '\\xff' 'o' '\\x00'"),
        ("x/2s main+4", "0000000080000014: \"o\"\n0000000080000016: \"\""),
        (
            "x/3i $pc+4",
            "\
0x80000004 <start+0x4>:           30200073  mret
0x80000008 <start+0x8>:           00813083  ld ra, 8(sp)
0x8000000c <start+0xc>:           0001      nop",
        ),
        (
            "x/3i main",
            "\
0x80000010 <main>:                ffffffff  (no instruction)
0x80000014 <main+0x4>:            0000006f  j 80000014 <main+0x4>
0x80000018 <main+0x8>:            3a001073  csrw pmpcfg0, zero",
        ),
        ("x/0x start", ""),
    ] {
        check(&bench(), line, answer);
    }
    let long = bench().say("x/99999999999999999999xb start");
    assert_eq!(
        (long.lines().count(), long.lines().last()),
        (4096 / 16 + 1, Some("cut after 4096"))
    );
    let mut bench = bench();
    (0..64).for_each(|word| bench.set_word(RAM + 0x1000 + 8 * word, u64::from_le_bytes([b'a'; 8])));
    check(&bench, "x/s data", &format!("0000000080001000: \"{}\"...", "a".repeat(200)));
}

#[test]
fn only_memory_is_shown() {
    for (line, answer) in [
        // The last byte of one page and the first of the next, which is another one.
        ("x/2xb 0x1fff", "0000000000001fff: 0x00 0x97"),
        ("x/xg 0x1ffc", "0000000000001ffc: 0x0000029700000000"),
        // Execute-only pages and those of U-mode are no secret.
        ("x 0x6000", "0000000000006000: 0x00000000"),
        (
            "x 0x7000",
            "0000000000007000: Cannot access memory: uart0.RBR is a device, reading could change it",
        ),
        (
            "x 0x8000",
            "0000000000008000: Cannot access memory: nothing is at physical address 0x90000000",
        ),
        ("x 0x9000", "0000000000009000: Cannot access memory: not mapped, V is clear"),
        (
            "x/i 0x8ffe",
            "0000000000008ffe: Cannot access memory: nothing is at physical address 0x90000ffe",
        ),
        ("xp/2xw 0x80000010", "0000000080000010: 0xffffffff 0x0000006f"),
        (
            "xp/xw 0x10000000",
            "0000000010000000: Cannot access memory: uart0.RBR is a device, reading could change it",
        ),
        (
            "xp/3xg 0x800ffff8",
            "00000000800ffff8: 0x0000000000000000\n\
             0000000080100000: Cannot access memory: nothing is at physical address 0x80100000",
        ),
        ("xp/i main", "0x80000010 <main>:                ffffffff  (no instruction)"),
    ] {
        let bench = bench();
        check(&bench, line, answer);
        assert_eq!(bench.device_reads(), 0, "{line}");
    }
}

#[test]
fn values() {
    let mut bench = bench();
    bench.harts[0].x[10] = 0x1234;
    bench.harts[0].f[10] = 5;
    for (line, answer) in [
        ("p 1+2", "0x3"),
        ("p 2-3", "0xffffffffffffffff"),
        ("p/d 2 - 3", "-1"),
        ("p/u 2 - 3", "18446744073709551615"),
        ("p/o 8", "010"),
        ("p/c 65", "'A'"),
        ("p $a0", "0x1234"),
        ("p a0", "0x1234"),
        ("p $x10 + 1", "0x1235"),
        ("p $fa0", "0x5"),
        ("p $f10", "0x5"),
        ("p $pc", "0x80000000 <start>"),
        ("p $priv", "0x1"),
        ("p $satp", "0x8000500000080040"),
        ("p $mhartid", "0x0"),
        ("p main+4", "0x80000014 <main+0x4>"),
        ("p $x32", "\"$x32\" is no number, register or symbol (usage: p [/F] VALUE)"),
        ("p $x01", "\"$x01\" is no number, register or symbol (usage: p [/F] VALUE)"),
        ("p $pmpcfg1", "\"$pmpcfg1\" is no number, register or symbol (usage: p [/F] VALUE)"),
        ("p zonk", "\"zonk\" is no number, register or symbol (usage: p [/F] VALUE)"),
        ("p 1+", "\"\" is no number, register or symbol (usage: p [/F] VALUE)"),
        ("p", "an address or value is missing (usage: p [/F] VALUE)"),
        ("gva2gpa 0x1008", "gpa: 0x80001008"),
        ("gva2gpa 0x9000", "Unmapped"),
        ("info symbol 0x80000014", "main + 0x4 at 0x80000014"),
        ("info symbol main", "main at 0x80000010"),
        ("info symbol 3", "no symbol matches 0x3"),
    ] {
        check(&bench, line, answer);
    }
}

#[test]
fn harts_and_the_address_map() {
    let mut bench = Bench::new(2);
    bench.harts[1].pc = VirtAddr(RAM + 0x14);
    check(
        &bench,
        "info harts",
        "\
* hart 0: M-mode, pc 0x80000000 <start>, Bare, mip 0x0, mie 0x0, 0 insns
  hart 1: M-mode, pc 0x80000014 <main+0x4>, Bare, mip 0x0, mie 0x0, 0 insns",
    );
    check(
        &bench,
        "info mtree",
        "\
address-space: memory
  0000000010000000-00000000100000ff (prio 0, i/o): uart0
  0000000080000000-00000000800fffff (prio 0, ram): ram",
    );
    let begins = |line: &str, want: &str| {
        let said = bench.say(line);
        assert_eq!(said.lines().take(4).collect::<Vec<_>>().join("\n"), want, "{line}");
        said.lines().count()
    };
    let second = "CPU#1\n pc       0000000080000014\n priv     0000000000000003\n \
                  mhartid  0000000000000001";
    let first = "CPU#0\n pc       0000000080000000\n priv     0000000000000003\n \
                 mhartid  0000000000000000";
    assert_eq!(begins("info registers", first), 3 + 17 + 16);
    assert_eq!(begins("info reg 1", second), 3 + 17 + 16);
    assert_eq!(begins("info registers -a", first), 2 * (3 + 17 + 16));
    assert!(bench.say("info registers").contains(
        "\n x0/zero  0000000000000000 x1/ra    0000000000000000 x2/sp    0000000000000000 \
         x3/gp    0000000000000000\n"
    ));
}

#[test]
fn the_trail_is_listed() {
    let mut bench = Bench::new(1);
    check(&bench, "info trail", "none yet");
    let trail = &mut bench.harts[0].trail;
    let at = |at| VirtAddr(RAM + at);
    trail.jump(at(0x4), at(0x1000));
    let timer = Trap::Interrupt(Interrupt::MachineTimer);
    let ecall = Trap::Exception(Exception::EnvironmentCall(Privilege::User));
    trail.trap(timer, Privilege::User, at(0x1000), at(0x10));
    trail.trap_return(at(0x20), at(0x1000));
    trail.trap(ecall, Privilege::User, at(0x1000), at(0x10));
    for va in [0x100, 0xf0, 0xe0] {
        let fault = Trap::Exception(Exception::PageFault(Access::Store, VirtAddr(va)));
        trail.trap(fault, Privilege::Machine, at(0x14), at(0x10));
    }
    check(
        &bench,
        "info trail 0",
        "\
jump    0x80000004 <start+0x4> -> 0x80001000 <data>
trap    machine timer interrupt in U-mode at 0x80001000 <data> -> 0x80000010 <main>
return  0x80000020 <main+0x10> -> 0x80001000 <data>
trap    environment call from U-mode in U-mode at 0x80001000 <data> -> 0x80000010 <main>
trap    store/AMO page fault 0x100 in M-mode at 0x80000014 <main+0x4> -> 0x80000010 <main>
trap    store/AMO page fault 0xe0 in M-mode at 0x80000014 <main+0x4> -> 0x80000010 <main>
        (this trap 3 times, each 0x10 further down)",
    );
}

#[test]
fn commands_are_found() {
    let all = "info mem, info tlb, info registers, info harts, info trail, info mtree, info symbol";
    for (line, answer) in [
        ("", ""),
        ("  \t ", ""),
        (
            "help p",
            "p [/F] VALUE             a value: numbers, registers ($a0, $satp), symbols, + and -",
        ),
        (
            "he p",
            "p [/F] VALUE             a value: numbers, registers ($a0, $satp), symbols, + and -",
        ),
        ("foo", "unknown command: 'foo'; 'help' lists the commands"),
        ("info men", "unknown command: 'info men'; did you mean 'info mem'?"),
        ("gva2gpb 3", "unknown command: 'gva2gpb'; did you mean 'gva2gpa'?"),
        ("info", &format!("'info' could be: {all}")),
        ("i", &format!("'i' could be: {all}")),
        ("info m", "'info m' could be: info mem, info mtree"),
        ("info harts 3", "'3' is too much (usage: info harts)"),
        ("info mem 1", "no hart is called '1' (usage: info mem [HART])"),
        ("info mem 0 0", "'0' is too much (usage: info mem [HART])"),
        ("x/2q 0", "invalid char in format: 'q' (usage: x [/NFU] ADDR)"),
        ("tr", "an address or value is missing (usage: tr ADDR [r|w|x] [u|s|m])"),
    ] {
        check(&bench(), line, answer);
    }
    let help = bench().say("help");
    assert_eq!(help.lines().count(), COMMANDS.len());
    for command in COMMANDS {
        assert!(help.contains(command.name) && command.help.len() < 100);
        assert_eq!(
            find(&command.name.split(' ').collect::<Vec<_>>()).map(|f| f.0.name),
            Ok(command.name)
        );
    }
}

proptest! {
    /// Whatever somebody types, in whatever state the machine is, there is an answer of bounded
    /// size, and no device has noticed.
    #[test]
    fn every_line_has_an_answer(
        command in 0..COMMANDS.len(),
        words in proptest::collection::vec("[0-9a-fx$/+-]{1,8}|[a-z0-9]{1,5}|\\PC{0,6}|[0-9]{18,30}", 0..4),
        mode in 0..4_u64,
        privilege in 0..3_usize,
        entries in proptest::collection::vec((0..0x600_u64, any::<u64>(), 0..0x90_u64), 0..40),
    ) {
        let mut bench = Bench::paged();
        for (index, bits, page) in entries {
            let pointer = RAM / 4096 + page;
            bench.set_word(ROOT + 8 * index, Pte::new(pointer, bits & 0x8000_0000_0000_03ff).0);
        }
        let mode = [0, 8, 9, 10][mode as usize];
        bench.csr(0x180, mode << 60 | ROOT >> PAGE_SHIFT);
        bench.enter([Privilege::User, Privilege::Supervisor, Privilege::Machine][privilege]);
        bench.harts[0].pc = VirtAddr(RAM + RAM_LEN_BYTES - 2);
        let words = words.join(" ");
        for line in [words.clone(), format!("{} {words}", COMMANDS[command].name)] {
            let said = bench.say(&line);
            prop_assert!(said.lines().count() <= 3 + 16384, "{line:?}");
            prop_assert!(said.is_empty() || said.ends_with('\n'), "{line:?}");
            prop_assert!(bench.device_reads() == 0, "{line:?}");
        }
    }
}
