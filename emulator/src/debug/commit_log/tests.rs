//! Lines as Spike writes them for the same effects, and what becomes of a full disk.

use super::super::sink::BUFFER_BYTES;
use super::*;

const PC: VirtAddr = VirtAddr(0x8000_0010);

/// The log of hart 0 after `effects`.
fn logged(effects: impl FnOnce(&mut CommitLog<&mut Vec<u8>>)) -> String {
    let mut out = Vec::new();
    let mut log = CommitLog::new(&mut out, 0);
    effects(&mut log);
    log.finish().expect("a vector takes everything");
    String::from_utf8(out).expect("a log is ASCII")
}

type Effects = fn(&mut CommitLog<&mut Vec<u8>>);
/// Mode and bits of an instruction, what it does, its line.
type Case = ((Privilege, u32), Effects, &'static str);

fn check(cases: &[Case]) {
    for ((privilege, bits), effects, line) in cases {
        let log = logged(|log| {
            effects(log);
            log.retire(*privilege, PC, *bits);
        });
        assert_eq!(log, format!("core   0: {line}\n"));
    }
}

const fn machine(bits: u32) -> (Privilege, u32) {
    (Privilege::Machine, bits)
}

#[test]
fn modes_lengths_and_x_registers() {
    check(&[
        (machine(0x0000_000f), |_| {}, "3 0x0000000080000010 (0x0000000f)"),
        ((Privilege::User, 0x0001), |_| {}, "0 0x0000000080000010 (0x0001)"),
        (
            (Privilege::Supervisor, 0x4501),
            |log| log.x(10, 0),
            "1 0x0000000080000010 (0x4501) x10 0x0000000000000000",
        ),
        (
            machine(0x0000_0297),
            |log| log.x(5, 0x8000_0010),
            "3 0x0000000080000010 (0x00000297) x5  0x0000000080000010",
        ),
        (
            machine(0x3a03_92f3),
            |log| {
                log.csr(CsrAddr(0x3a0), 0x1f);
                log.x(5, u64::MAX);
            },
            "3 0x0000000080000010 (0x3a0392f3) x5  0xffffffffffffffff \
             c928_pmpcfg0 0x000000000000001f",
        ),
    ]);
}

#[test]
fn items_are_sorted_as_spike_sorts_them() {
    check(&[
        // fflags is CSR 1 and is sorted by that.
        (
            machine(0x1a31_7253),
            |log| {
                log.f(4, 0x7ff0_0000_0000_0000);
                log.csr(CsrAddr(0x300), 0x8000_000a_0000_6000);
                log.csr(CsrAddr(0x001), 8);
            },
            "3 0x0000000080000010 (0x1a317253) c1_fflags 0x0000000000000008 \
             f4  0x7ff0000000000000 c768_mstatus 0x8000000a00006000",
        ),
        (
            machine(0x1a31_70d3),
            |log| {
                log.csr(CsrAddr(0x001), 8);
                log.f(1, 1);
            },
            "3 0x0000000080000010 (0x1a3170d3) f1  0x0000000000000001 c1_fflags 0x0000000000000008",
        ),
        (
            machine(0x0033_9073),
            |log| {
                log.csr(CsrAddr(0x002), 7);
                log.csr(CsrAddr(0x001), 0x1f);
            },
            "3 0x0000000080000010 (0x00339073) c1_fflags 0x000000000000001f \
             c2_frm 0x0000000000000007",
        ),
        // The last value counts.
        (
            machine(0x1020_0073),
            |log| {
                log.csr(CsrAddr(0x300), 1);
                log.csr(CsrAddr(0x300), 2);
            },
            "3 0x0000000080000010 (0x10200073) c768_mstatus 0x0000000000000002",
        ),
    ]);
}

#[test]
fn memory_comes_last() {
    check(&[
        (
            machine(0x0045_2307),
            |log| {
                log.load(VirtAddr(0x8000_1004), Width::Word);
                log.f(6, 0xffff_ffff_7ff0_0000);
            },
            "3 0x0000000080000010 (0x00452307) f6  0xffffffff7ff00000 mem 0x0000000080001004",
        ),
        (
            machine(0x0075_232f),
            |log| {
                log.load(VirtAddr(0x8000_1000), Width::Word);
                log.store(VirtAddr(0x8000_1000), Width::Word, 0x1234_ffff_fffe);
                log.x(6, 7);
            },
            "3 0x0000000080000010 (0x0075232f) x6  0x0000000000000007 mem 0x0000000080001000 \
             mem 0x0000000080001000 0xfffffffe",
        ),
        (
            machine(0x0045_a00f),
            |log| {
                log.store(VirtAddr(0x8000_1000), Width::Byte, 0);
                log.store(VirtAddr(0x8000_1002), Width::Half, 0xabc);
                log.store(VirtAddr(0x8000_1008), Width::Double, 5);
            },
            "3 0x0000000080000010 (0x0045a00f) mem 0x0000000080001000 0x00 \
             mem 0x0000000080001002 0x0abc mem 0x0000000080001008 0x0000000000000005",
        ),
    ]);
}

#[test]
fn traps() {
    let at = VirtAddr(0x1001);
    let epc = "epc 0x0000000080000010";
    let tval = Some("0x0000000000001001");
    for (exception, name, tval) in [
        (Exception::Misaligned(Access::Fetch, at), "instruction_address_misaligned", tval),
        (Exception::Misaligned(Access::Load, at), "load_address_misaligned", tval),
        (Exception::Misaligned(Access::Store, at), "store_address_misaligned", tval),
        (Exception::AccessFault(Access::Fetch, at), "instruction_access_fault", tval),
        (Exception::AccessFault(Access::Load, at), "load_access_fault", tval),
        (Exception::AccessFault(Access::Store, at), "store_access_fault", tval),
        (Exception::PageFault(Access::Fetch, at), "instruction_page_fault", tval),
        (Exception::PageFault(Access::Load, at), "load_page_fault", tval),
        (Exception::PageFault(Access::Store, at), "store_page_fault", tval),
        (Exception::Breakpoint(at), "breakpoint", tval),
        (Exception::IllegalInstruction(0), "illegal_instruction", Some("0x0000000000000000")),
        (Exception::EnvironmentCall(Privilege::User), "user_ecall", None),
        (Exception::EnvironmentCall(Privilege::Supervisor), "supervisor_ecall", None),
        (Exception::EnvironmentCall(Privilege::Machine), "machine_ecall", None),
    ] {
        let mut expected = format!("core   0: exception trap_{name}, {epc}\n");
        if let Some(tval) = tval {
            expected += &format!("core   0:           tval {tval}\n");
        }
        assert_eq!(logged(|log| log.exception(&exception, Privilege::User, PC)), expected);
    }
    assert_eq!(
        logged(|log| log.interrupt(Interrupt::MachineTimer, Privilege::User, PC)),
        format!("core   0: exception interrupt #7, {epc}\n"),
    );
}

#[test]
fn effects_of_a_trapping_instruction_are_forgotten() {
    let log = logged(|log| {
        log.x(5, 1);
        log.store(VirtAddr(0), Width::Byte, 0);
        log.exception(&Exception::EnvironmentCall(Privilege::User), Privilege::User, PC);
        log.retire(Privilege::Machine, PC, 0x13);
    });
    assert_eq!(log.lines().last(), Some("core   0: 3 0x0000000080000010 (0x00000013)"));
}

#[test]
fn other_harts_have_their_number() {
    let mut out = Vec::new();
    let mut log = CommitLog::new(&mut out, 12);
    for hart in [12, 0, 0, 1000] {
        log.turn(hart);
        log.retire(Privilege::Machine, PC, 0x13);
    }
    log.finish().expect("a vector takes everything");
    let text = String::from_utf8(out).expect("a log is ASCII");
    let prefixes: Vec<_> = text.lines().map(|line| &line[..8]).collect();
    assert_eq!(prefixes, ["core  12", "core   0", "core   0", "core1000"]);
}

/// Takes so many bytes and no more.
struct FullDisk(usize);

impl Write for FullDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0 -= bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_reported_and_memory_stays_bounded() {
    let mut log = CommitLog::new(FullDisk(3 * BUFFER_BYTES), 0);
    for _ in 0..20_000 {
        log.retire(Privilege::Machine, PC, 0x13);
        assert!(log.sink.text().len() < 2 * BUFFER_BYTES);
    }
    let failure = log.finish().expect_err("20000 lines are more than the disk holds");
    assert_eq!(failure.kind(), io::ErrorKind::StorageFull);
}
