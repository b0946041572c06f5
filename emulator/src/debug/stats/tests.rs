//! The report, and what the rules of counting say about single instructions.

use serde_json::json;

use super::*;
use crate::addr::{Asid, PhysAddr};
use crate::mmu::{Context, Explanation};

const PC: VirtAddr = VirtAddr(0x8000_0000);

/// A miss without a walk.
fn miss(access: Access) -> WalkRecord {
    let explanation = Explanation { steps: Vec::new(), pa: Ok(PhysAddr(0)) };
    WalkRecord { va: VirtAddr(0), access, cx: Context::RESET, explanation, page_rights: None }
}

/// The report on a hart that does this.
fn counted(events: impl FnOnce(&mut Stats)) -> Report {
    let mut stats = Stats::new();
    stats.turn(0);
    events(&mut stats);
    stats.pause();
    stats.collected().report(Vec::new())
}

/// TLB hits and misses of loads.
fn loads(report: &Report) -> (u64, u64) {
    let count = |section: &str| report.to_json()["total"][section]["load"].as_u64();
    (count("tlb_hits").expect("a count"), count("tlb_misses").expect("a count"))
}

#[test]
fn hits_are_those_of_instructions_that_complete() {
    use Privilege::User;
    let load = Access::Load;
    // Look-ups told of, misses, whether the instruction completes; hits and misses counted.
    for (va, lookups, misses, completes, expected) in [
        (0, 1, 0, true, (1, 0)),
        (0, 1, 1, true, (0, 1)),
        (0xffc, 1, 0, true, (2, 0)),
        (0xffc, 1, 1, true, (1, 1)),
        (0xffc, 1, 2, true, (0, 2)),
        (0, 0, 1, false, (0, 1)),
    ] {
        let report = counted(|stats| {
            stats.begin(User, PC, 0x13);
            (0..misses).for_each(|_| stats.walk(&miss(load), User, PC));
            (0..lookups).for_each(|_| stats.lookup(load, VirtAddr(va), 8));
            if completes {
                stats.retire(User, PC, 0x13);
            } else {
                stats.exception(&Exception::PageFault(load, VirtAddr(0)), User, PC);
            }
            // Nothing is left over for the next one.
            stats.begin(User, PC, 0x13);
            stats.retire(User, PC, 0x13);
        });
        assert_eq!(loads(&report), expected, "{va:#x} {lookups} {misses} {completes}");
    }
}

#[test]
fn fences_by_form_and_origin() {
    let report = counted(|stats| {
        let (va, asid) = (Some(VirtAddr(0)), Some(Asid(0)));
        for (origin, va, asid, times) in [
            (FenceOrigin::Sfence, None, None, 1),
            (FenceOrigin::Sfence, va, None, 2),
            (FenceOrigin::Sfence, None, asid, 3),
            (FenceOrigin::Sfence, va, asid, 4),
            (FenceOrigin::Sinval, va, asid, 5),
            (FenceOrigin::Remote, va, None, 6),
        ] {
            (0..times).for_each(|_| stats.fence(&Fence { va, asid }, origin));
        }
    });
    assert_eq!(
        report.to_json()["total"]["fences"],
        json!({
            "sfence_vma_all": 1, "sfence_vma_va": 2, "sfence_vma_asid": 3, "sfence_vma_va_asid": 4,
            "sinval_vma_all": 0, "sinval_vma_va": 0, "sinval_vma_asid": 0, "sinval_vma_va_asid": 5,
            "remote_all": 0, "remote_va": 6, "remote_asid": 0, "remote_va_asid": 0,
            "satp_writes": 0,
        })
    );
}

#[test]
fn every_count_has_a_name_of_its_own() {
    let names = HartCounts::default().names();
    let mut different = names.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), names.len(), "{names:?}");
}

#[test]
fn the_table() {
    let device = |name, reads, writes| DeviceCount { name, reads, writes };
    let mut one = HartCounts::default();
    one.insns[Privilege::User as usize] = 1_234_567;
    one.exceptions[13] = 5;
    let report = Report {
        harts: vec![one.clone()],
        devices: vec![device("uart0", 1, 23), device("rtc", 0, 0)],
    };
    let expected = "\
statistics                                hart 0
instructions
  user                                   1234567
  supervisor                                   0
  machine                                      0
  all                                    1234567
tlb hits
  fetch                                        0
  load                                         0
  store                                        0
tlb misses
  fetch                                        0
  load                                         0
  store                                        0
walks: none
exceptions
  load_page_fault                              5
interrupts: none
fences: none
device requests                            reads          writes
  uart0                                        1              23
";
    assert_eq!(report.to_string(), expected);
    one.exceptions[13] = 0;
    one.fences[2][0] = 7;
    let report = Report { harts: vec![one.clone(), one], devices: Vec::new() };
    let text = report.to_string();
    for line in [
        "statistics                                hart 0          hart 1           total",
        "  all                                    1234567         1234567         2469134",
        "exceptions: none",
        "  remote all                                   7               7              14",
        "device requests: none",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}
