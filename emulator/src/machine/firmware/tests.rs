//! Calls with good and bad arguments, function by function, on a platform that writes down what is
//! asked of it. Neighbours: `tests/traps.rs` for what comes before and after a call,
//! `tests/counters.rs` for the performance counters.

mod counters;
mod fake;
mod traps;

use proptest::prelude::*;

use super::*;
use crate::addr::Access;
use crate::bus::RamOffset;
use fake::Did::{Enter, FenceI, Mtimecmp, Power, Sfence, Stop, Wait};
use fake::{Did, RAM, RAM_BYTES, World};

/// Everything, with Sstc.
fn config() -> CsrConfig {
    CsrConfig::default()
}

const ALL: u64 = u64::MAX;
const SSIP: u64 = 1 << 1;
/// `sstatus.SIE`.
const SIE: u64 = 1 << 1;
const STIP: u64 = 1 << 5;
const MTIE: u64 = 1 << 7;

/// Expected results.
fn value(value: u64) -> Outcome {
    Outcome::Return { a0: 0, a1: Some(value) }
}

fn error(error: Error) -> Outcome {
    Outcome::Return { a0: error.code(), a1: Some(0) }
}

fn legacy(a0: u64) -> Outcome {
    Outcome::Return { a0, a1: None }
}

/// A function, its arguments, what becomes of the caller and what the platform did.
type Case<'a> = (&'a str, &'a [u64], Outcome, &'a [Did]);

/// Each case in a world of its own, hart 0 calling.
fn check(cases: &[Case<'_>]) {
    for (name, args, outcome, did) in cases {
        let mut world = World::new(&config());
        assert_eq!(world.call_from(0, name, args), *outcome, "{name} {args:x?}");
        assert_eq!(world.fake.did, *did, "{name} {args:x?}");
    }
}

#[test]
fn error_codes_are_those_of_the_specification() {
    for (error, code) in [
        (Error::NotSupported, -2_i64),
        (Error::InvalidParam, -3),
        (Error::InvalidAddress, -5),
        (Error::AlreadyAvailable, -6),
        (Error::AlreadyStarted, -7),
        (Error::AlreadyStopped, -8),
        (Error::NoShmem, -9),
    ] {
        assert_eq!(error.code(), code as u64, "{error:?}");
    }
}

#[test]
fn rows_are_unique() {
    let mut numbers: Vec<_> = table::FUNCTIONS.iter().map(table::Function::number).collect();
    let mut names: Vec<_> = table::FUNCTIONS.iter().map(|function| function.name).collect();
    let rows = names.len();
    numbers.sort_unstable();
    numbers.dedup();
    names.sort_unstable();
    names.dedup();
    assert_eq!((numbers.len(), names.len()), (rows, rows));
}

#[test]
fn unknown_numbers_are_not_supported() {
    for (eid, fid) in [
        (0x10, 7),
        (0x5449_4d45, 1),
        (0x5246_4e43, 7),
        (0x0048_534d, 4),
        (0x4442_434e, 3),
        (0x5352_5354, 1),
        (0x0050_4d55, 7),
        (0x0a00_0000, 0),
        // The number of the base extension, not sign-extended from 32 bits.
        (0x1_0000_0010, 0),
        (ALL, ALL),
    ] {
        let mut world = World::new(&config());
        let call = Call { args: [0; 6], fid, eid };
        let outcome = world.sbi.call(&mut world.fake, 0, call);
        assert_eq!(outcome, error(Error::NotSupported), "{eid:#x} {fid}");
    }
    let mut world = World::new(&config());
    let reserved = Call { args: [0; 6], fid: 0, eid: 0x09 };
    let not_supported = legacy(Error::NotSupported.code());
    assert_eq!(world.sbi.call(&mut world.fake, 0, reserved), not_supported);
}

#[test]
fn base() {
    check(&[
        ("sbi_get_spec_version", &[], value(0x0200_0000), &[]),
        ("sbi_get_impl_id", &[], value(0x7061_6765), &[]),
        ("sbi_get_mvendorid", &[], value(0), &[]),
        ("sbi_get_marchid", &[], value(0), &[]),
        ("sbi_get_mimpid", &[], value(0), &[]),
        ("sbi_probe_extension", &[0x10], value(1), &[]),
        ("sbi_probe_extension", &[0x5449_4d45], value(1), &[]),
        ("sbi_probe_extension", &[0x0073_5049], value(1), &[]),
        ("sbi_probe_extension", &[0x5246_4e43], value(1), &[]),
        ("sbi_probe_extension", &[0x0048_534d], value(1), &[]),
        ("sbi_probe_extension", &[0x5352_5354], value(1), &[]),
        ("sbi_probe_extension", &[0x4442_434e], value(1), &[]),
        ("sbi_probe_extension", &[0x0050_4d55], value(1), &[]),
        ("sbi_probe_extension", &[0x08], value(1), &[]),
        // Reserved, system suspend, nonsense.
        ("sbi_probe_extension", &[0x09], value(0), &[]),
        ("sbi_probe_extension", &[0x5355_5350], value(0), &[]),
        ("sbi_probe_extension", &[ALL], value(0), &[]),
    ]);
    let mut world = World::new(&config());
    let version = env!("CARGO_PKG_VERSION").split('.');
    let version = version.fold(0, |all, part| all << 8 | part.parse::<u64>().expect("a number"));
    assert_eq!(world.call_from(0, "sbi_get_impl_version", &[]), value(version));
}

#[test]
fn timers() {
    // With the supervisor's own timer, that is set; without, M-mode's is.
    for name in ["sbi_set_timer", "legacy sbi_set_timer"] {
        let done = if name == "sbi_set_timer" { value(0) } else { legacy(0) };
        let mut world = World::new(&config());
        assert_eq!(world.call_from(1, name, &[77]), done);
        assert_eq!((world.fake.csr(1, 0x14d), world.fake.csr(0, 0x14d)), (77, ALL));
        assert_eq!(world.fake.did, []);

        let mut world = World::new(&CsrConfig { sstc: false, ..config() });
        world.fake.set_csr(1, 0x344, STIP | SSIP);
        assert_eq!(world.call_from(1, name, &[77]), done);
        assert_eq!(world.fake.did, [Mtimecmp(1, 77)]);
        assert_eq!(world.fake.csr(1, 0x344), SSIP, "the pending one is withdrawn");
        assert_eq!(world.fake.csr(1, 0x304) & MTIE, MTIE);
        assert_eq!(world.fake.csr(0, 0x304) & MTIE, 0);
    }
}

/// Which harts have a supervisor software interrupt pending.
fn interrupted(world: &mut World) -> Vec<usize> {
    (0..4).filter(|hart| world.fake.csr(*hart, 0x344) & SSIP != 0).collect()
}

#[test]
fn interrupts_reach_the_harts_that_are_named() {
    let invalid = error(Error::InvalidParam);
    for (mask, base, outcome, reached) in [
        (0b0001, 0, value(0), vec![0]),
        (0b0011, 0, value(0), vec![0, 1]),
        // The stopped one is passed over, the sleeping one is not.
        (0b1111, 0, value(0), vec![0, 1, 3]),
        (0b0100, 0, value(0), vec![]),
        (0b101, 1, value(0), vec![1, 3]),
        (0, 0, value(0), vec![]),
        (0, 99, value(0), vec![]),
        (0, ALL, value(0), vec![0, 1, 3]),
        (0b1, ALL, value(0), vec![0, 1, 3]),
        (0b1_0000, 0, invalid, vec![]),
        (0b1_0001, 0, invalid, vec![]),
        (0b1, 4, invalid, vec![]),
        (1 << 63, 0, invalid, vec![]),
        (0b11, ALL - 1, invalid, vec![]),
        (1 << 63, ALL - 1, invalid, vec![]),
    ] {
        let mut world = World::new(&config());
        assert_eq!(world.call_from(0, "sbi_send_ipi", &[mask, base]), outcome, "{mask:#x} {base}");
        assert_eq!(interrupted(&mut world), reached, "{mask:#x} {base}");
    }
}

#[test]
fn remote_fences() {
    const TOP: u64 = 0xffff_ffff_ffff_f000;
    let invalid = || error(Error::InvalidParam);
    check(&[
        ("sbi_remote_fence_i", &[0b11, 0], value(0), &[FenceI(0), FenceI(1)]),
        ("sbi_remote_fence_i", &[0, ALL], value(0), &[FenceI(0), FenceI(1), FenceI(3)]),
        ("sbi_remote_fence_i", &[0b100, 0], value(0), &[]),
        ("sbi_remote_fence_i", &[0b1, 4], invalid(), &[]),
        ("sbi_remote_sfence_vma", &[0b10, 0, 0, 0], value(0), &[Sfence(1, None, None)]),
        ("sbi_remote_sfence_vma", &[0b10, 0, 0x5000, ALL], value(0), &[Sfence(1, None, None)]),
        (
            "sbi_remote_sfence_vma",
            &[0b10, 0, 0x5678, 0x1000],
            value(0),
            &[Sfence(1, Some(0x5000), None), Sfence(1, Some(0x6000), None)],
        ),
        (
            "sbi_remote_sfence_vma",
            &[0b10, 0, 0x5fff, 1],
            value(0),
            &[Sfence(1, Some(0x5000), None)],
        ),
        ("sbi_remote_sfence_vma", &[0b10, 0, 0x5000, 0], value(0), &[]),
        // The last page of the address space, and one byte beyond.
        ("sbi_remote_sfence_vma", &[0b10, 0, TOP, 0x1000], value(0), &[Sfence(1, Some(TOP), None)]),
        ("sbi_remote_sfence_vma", &[0b10, 0, TOP, 0x1001], value(0), &[Sfence(1, None, None)]),
        // More than a call does page by page.
        ("sbi_remote_sfence_vma", &[0b10, 0, 0, 1 << 40], value(0), &[Sfence(1, None, None)]),
        ("sbi_remote_sfence_vma", &[0b1, 4, 0, 0], invalid(), &[]),
        (
            "sbi_remote_sfence_vma_asid",
            &[0b1001, 0, 0x8000, 8, 0x7_0005],
            value(0),
            &[Sfence(0, Some(0x8000), Some(5)), Sfence(3, Some(0x8000), Some(5))],
        ),
        ("sbi_remote_sfence_vma_asid", &[0b1, 0, 0, 0, 6], value(0), &[Sfence(0, None, Some(6))]),
        ("sbi_remote_sfence_vma_asid", &[0b1, 4, 0, 0, 6], invalid(), &[]),
    ]);
    for name in [
        "sbi_remote_hfence_gvma_vmid",
        "sbi_remote_hfence_gvma",
        "sbi_remote_hfence_vvma_asid",
        "sbi_remote_hfence_vvma",
    ] {
        check(&[(name, &[0b1, 0, 0, 0, 0], error(Error::NotSupported), &[])]);
    }
}

#[test]
fn the_longest_range_goes_page_by_page() {
    for (pages, fences) in [(64, 64), (65, 1)] {
        let mut world = World::new(&config());
        let args = [0b10, 0, 0x4000_0000, pages << 12];
        assert_eq!(world.call_from(0, "sbi_remote_sfence_vma", &args), value(0));
        assert_eq!(world.fake.did.len(), fences, "{pages} pages");
    }
}

#[test]
fn hart_states() {
    let invalid_address = || error(Error::InvalidAddress);
    let begun = &[Sfence(2, None, None), FenceI(2), Enter(2, RAM + 0x100)];
    check(&[
        ("sbi_hart_get_status", &[0], value(0), &[]),
        ("sbi_hart_get_status", &[2], value(1), &[]),
        ("sbi_hart_get_status", &[3], value(4), &[]),
        ("sbi_hart_get_status", &[4], error(Error::InvalidParam), &[]),
        ("sbi_hart_get_status", &[ALL], error(Error::InvalidParam), &[]),
        ("sbi_hart_start", &[2, RAM + 0x100, 9], value(0), begun),
        ("sbi_hart_start", &[0, RAM, 9], error(Error::AlreadyAvailable), &[]),
        ("sbi_hart_start", &[1, RAM, 9], error(Error::AlreadyAvailable), &[]),
        ("sbi_hart_start", &[3, RAM, 9], error(Error::InvalidParam), &[]),
        ("sbi_hart_start", &[4, RAM, 9], error(Error::InvalidParam), &[]),
        ("sbi_hart_start", &[2, 0, 9], invalid_address(), &[]),
        ("sbi_hart_start", &[2, RAM + 1, 9], invalid_address(), &[]),
        ("sbi_hart_start", &[2, RAM + RAM_BYTES, 9], invalid_address(), &[]),
        ("sbi_hart_start", &[2, ALL, 9], invalid_address(), &[]),
        ("sbi_hart_stop", &[], Outcome::Elsewhere, &[Stop(0)]),
        ("sbi_hart_suspend", &[0, ALL, 9], value(0), &[Wait(0)]),
        ("sbi_hart_suspend", &[1 << 32, ALL, 9], value(0), &[Wait(0)]),
        ("sbi_hart_suspend", &[1, RAM, 9], error(Error::InvalidParam), &[]),
        ("sbi_hart_suspend", &[0x1000_0000, RAM, 9], error(Error::InvalidParam), &[]),
        ("sbi_hart_suspend", &[0x8000_0001, RAM, 9], error(Error::InvalidParam), &[]),
        ("sbi_hart_suspend", &[0x9000_0000, RAM, 9], error(Error::InvalidParam), &[]),
        ("sbi_hart_suspend", &[0x8000_0000, 0, 9], invalid_address(), &[]),
        ("sbi_hart_suspend", &[0x8000_0000, RAM + 1, 9], invalid_address(), &[]),
        (
            "sbi_hart_suspend",
            &[0xffff_ffff_8000_0000, RAM + 2, 9],
            Outcome::Elsewhere,
            &[Enter(0, RAM + 2), Wait(0)],
        ),
    ]);
}

#[test]
fn a_hart_that_starts_or_resumes_knows_itself() {
    let mut world = World::new(&config());
    world.fake.set_csr(2, 0x180, 8 << 60 | 1);
    world.fake.set_csr(2, 0x100, SIE | 1 << 18);
    world.call_from(0, "sbi_hart_start", &[2, RAM, 9]);
    assert_eq!((world.fake.x[2][10], world.fake.x[2][11]), (2, 9));
    // UXL and a dirty FS are left: no SIE, no SUM.
    assert_eq!((world.fake.csr(2, 0x180), world.fake.csr(2, 0x100)), (0, 0x8000_0002_0000_6000));

    // What a suspended hart may lose is less: its delegations and interrupts it keeps.
    world.fake.set_csr(1, 0x180, 8 << 60 | 1);
    world.fake.set_csr(1, 0x100, SIE);
    world.fake.set_csr(1, 0x304, STIP);
    world.call_from(1, "sbi_hart_suspend", &[0x8000_0000, RAM, 5]);
    assert_eq!((world.fake.x[1][10], world.fake.x[1][11]), (1, 5));
    assert_eq!((world.fake.csr(1, 0x180), world.fake.csr(1, 0x100) & SIE), (0, 0));
    assert_eq!(world.fake.csr(1, 0x304), STIP);
}

#[test]
fn states_follow_the_harts() {
    let mut world = World::new(&config());
    let mut step = |act: &dyn Fn(&mut World), hart: u64, state: u64| {
        act(&mut world);
        assert_eq!(world.call_from(0, "sbi_hart_get_status", &[hart]), value(state));
    };
    step(&|world| world.sbi.woken(3), 3, 0);
    step(&|world| world.sbi.woken(2), 2, 1);
    step(&|world| assert_eq!(world.call_from(1, "sbi_hart_suspend", &[0]), value(0)), 1, 4);
    // Its next call shows that it runs.
    step(&|world| assert_eq!(world.call_from(1, "sbi_get_impl_id", &[]), value(0x7061_6765)), 1, 0);
    step(&|world| assert_eq!(world.call_from(1, "sbi_hart_stop", &[]), Outcome::Elsewhere), 1, 1);
    step(&|world| assert_eq!(world.call_from(0, "sbi_hart_start", &[1, RAM]), value(0)), 1, 0);
}

#[test]
fn power() {
    let invalid = || error(Error::InvalidParam);
    let off = |code| [Power(PowerRequest::Off(code))];
    let reset = [Power(PowerRequest::Reset)];
    check(&[
        ("sbi_system_reset", &[0, 0], Outcome::Elsewhere, &off(0)),
        ("sbi_system_reset", &[0, 1], Outcome::Elsewhere, &off(1)),
        ("sbi_system_reset", &[1, 0], Outcome::Elsewhere, &reset),
        ("sbi_system_reset", &[2, 1], Outcome::Elsewhere, &reset),
        ("sbi_system_reset", &[3, 0], invalid(), &[]),
        ("sbi_system_reset", &[0xf000_0000, 0], invalid(), &[]),
        ("sbi_system_reset", &[0, 2], invalid(), &[]),
        ("sbi_system_reset", &[0, 0xe000_0000], invalid(), &[]),
        ("sbi_system_reset", &[0, 0xf000_0000], invalid(), &[]),
        ("sbi_shutdown", &[], Outcome::Elsewhere, &off(0)),
    ]);
}

#[test]
fn console_output() {
    let mut world = World::new(&config());
    world.fake.ram().write(RamOffset(0x2ffd), b"end");
    for (args, outcome, output) in [
        ([3, RAM + 0x2ffd, 0], value(3), "end"),
        ([1, RAM + 0x2ffe, 0], value(1), "n"),
        ([0, 0, 0], value(0), ""),
        ([4, RAM + 0x2ffd, 0], error(Error::InvalidParam), ""),
        ([3, RAM + 0x2ffd, 1], error(Error::InvalidParam), ""),
        ([1, 0, 0], error(Error::InvalidParam), ""),
        ([ALL, RAM, 0], error(Error::InvalidParam), ""),
    ] {
        assert_eq!(world.call_from(0, "sbi_debug_console_write", &args), outcome, "{args:x?}");
        assert_eq!(std::mem::take(&mut world.fake.output), output.as_bytes(), "{args:x?}");
    }
    let byte = [0x1_0000_0041];
    assert_eq!(world.call_from(0, "sbi_debug_console_write_byte", &byte), value(0));
    assert_eq!(world.call_from(0, "sbi_console_putchar", &byte), legacy(0));
    assert_eq!(world.fake.output, b"AA");
}

#[test]
fn console_input() {
    let mut world = World::new(&config());
    world.fake.input.extend(b"abcdef");
    for (args, outcome) in [
        ([2, RAM, 0], value(2)),
        ([1, RAM + RAM_BYTES, 0], error(Error::InvalidParam)),
        ([1, RAM, 1], error(Error::InvalidParam)),
        ([0, 0, 0], value(0)),
        ([100, RAM + 2, 0], value(4)),
        ([100, RAM + 2, 0], value(0)),
    ] {
        assert_eq!(world.call_from(0, "sbi_debug_console_read", &args), outcome, "{args:x?}");
    }
    assert_eq!(world.fake.ram().slice(RamOffset(0), 7), b"abcdef\0");
    world.fake.input.push_back(0xff);
    assert_eq!(world.call_from(0, "sbi_console_getchar", &[]), legacy(0xff));
    assert_eq!(world.call_from(0, "sbi_console_getchar", &[]), legacy(ALL));
}

#[test]
fn legacy_calls_take_the_mask_from_memory() {
    let fault = Exception::PageFault(Access::Load, VirtAddr(0x4000));
    let raised = Outcome::Raise(fault);
    // Address of the mask, what the load of it yields, outcome, who is reached.
    for (at, mask, outcome, reached) in [
        (0x4000, Ok(0b11), legacy(0), vec![0, 1]),
        (0x4000, Ok(0b1110), legacy(0), vec![1, 3]),
        (0x4000, Ok(0), legacy(0), vec![]),
        (0x4000, Ok(0b1_0000), legacy(Error::InvalidParam.code()), vec![]),
        (0, Err(fault), legacy(0), vec![0, 1, 3]),
        (0x4000, Err(fault), raised, vec![]),
    ] {
        let mut world = World::new(&config());
        world.fake.mask = mask;
        assert_eq!(world.call_from(0, "legacy sbi_send_ipi", &[at]), outcome, "{mask:x?}");
        assert_eq!(interrupted(&mut world), reached, "{mask:x?}");
        let mut fenced = |name: &str, args: &[u64], did: &dyn Fn(usize) -> Did| {
            world.fake.did.clear();
            assert_eq!(world.call_from(0, name, args), outcome, "{name} {mask:x?}");
            let expected: Vec<Did> = reached.iter().map(|hart| did(*hart)).collect();
            assert_eq!(world.fake.did, expected, "{name} {mask:x?}");
        };
        fenced("legacy sbi_remote_fence_i", &[at], &FenceI);
        fenced("legacy sbi_remote_sfence_vma", &[at, 0x7000, 1], &|hart| {
            Sfence(hart, Some(0x7000), None)
        });
        fenced("legacy sbi_remote_sfence_vma_asid", &[at, 0, ALL, 3], &|hart| {
            Sfence(hart, None, Some(3))
        });
    }
}

#[test]
fn clear_ipi_tells_whether_one_was_pending() {
    let mut world = World::new(&config());
    for pending in [1, 0] {
        assert_eq!(world.call_from(1, "sbi_clear_ipi", &[]), legacy(0));
        if pending == 1 {
            world.call_from(0, "sbi_send_ipi", &[0b10, 0]);
            assert_eq!(world.call_from(1, "sbi_clear_ipi", &[]), legacy(1));
        }
        assert_eq!(interrupted(&mut world), [0_usize; 0]);
    }
}

proptest! {
    /// Whatever is in the registers of whichever hart, nothing panics; a legacy call leaves `a1`.
    #[test]
    fn random_calls_are_answered(
        calls in prop::collection::vec(
            (
                0..table::FUNCTIONS.len() + 1,
                0..4_usize,
                prop::array::uniform6(prop_oneof![
                    any::<u64>(), 0..5_u64, Just(ALL), RAM - 8..RAM + RAM_BYTES + 8,
                ]),
                any::<(u64, u64)>(),
                any::<bool>(),
            ),
            1..40,
        )
    ) {
        for sstc in [true, false] {
            let mut world = World::new(&CsrConfig { sstc, ..config() });
            for (row, hart, args, number, fails) in &calls {
                if *fails {
                    world.fake.mask = Err(Exception::AccessFault(Access::Load, VirtAddr(args[0])));
                } else {
                    world.fake.mask = Ok(args[0]);
                }
                world.fake.input.extend(*b"input");
                let function = table::FUNCTIONS.get(*row);
                let (eid, fid) = function.map_or(*number, table::Function::number);
                let call = Call { args: *args, fid, eid };
                let outcome = world.sbi.call(&mut world.fake, *hart, call);
                if let Outcome::Return { a1, .. } = outcome {
                    prop_assert_eq!(a1.is_none(), eid < 0x10);
                }
            }
        }
    }
}
