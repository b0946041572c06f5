//! What a bank drops, and what it keeps.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::addr::{PAGE_SIZE_BYTES, PhysAddr};
use crate::bus::Ram;
use crate::mmu::direct::HostEntry;

const BASE: PhysAddr = PhysAddr(0x8000_0000);
/// More than hashes tell apart.
const RAM_PAGES: u64 = 2 * PAGE_HASHES as u64;

type DataBank = Bank<HostEntry, 2>;

fn ram() -> Ram {
    Ram::new(BASE, RAM_PAGES * PAGE_SIZE_BYTES)
}

fn page(ram: &Ram, number: u64) -> RamPage {
    ram.page_at(BASE.wrapping_add(number * PAGE_SIZE_BYTES)).expect("RAM")
}

/// What a bank holds: where in RAM each page is, by table and address.
fn held(bank: &DataBank, ram: &Ram) -> BTreeMap<(usize, u64), u64> {
    let entries = |table| bank.entries(table, ram.home()).map(move |e| ((table, e.va.0), e.page.0));
    entries(0).chain(entries(1)).collect()
}

fn mapping(size_shift: u8, global: bool) -> Mapping {
    Mapping { size_shift, global }
}

#[test]
fn what_is_dropped_at_once_and_what_stays() {
    let ram = ram();
    for fills in [0, 1, 10, FILLS_MAX, FILLS_MAX + 1, 3 * FILLS_MAX] {
        let mut bank = DataBank::new();
        for round in 0..3 {
            for fill in 0..fills as u64 {
                let (va, page) = (VirtAddr(fill * PAGE_SIZE_BYTES), page(&ram, fill % RAM_PAGES));
                bank.insert((fill % 2) as usize, va, page, mapping(12, fill % 4 == 0));
            }
            let before = held(&bank, &ram);
            assert_eq!(before.is_empty(), fills == 0);
            if round == 1 {
                bank.clear();
                assert!(held(&bank, &ram).is_empty(), "{fills} fills");
                continue;
            }
            bank.clear_space();
            // Where they are too many to look through, global ones go as well.
            let is_kept = |fill: u64| fill.is_multiple_of(4) && fills <= FILLS_MAX;
            let kept = |&(&(_, va), _): &(&(usize, u64), &u64)| is_kept(va / PAGE_SIZE_BYTES);
            let expect: BTreeMap<_, _> =
                before.iter().filter(kept).map(|(k, v)| (*k, *v)).collect();
            assert_eq!(held(&bank, &ram), expect, "{fills} fills");
            bank.clear();
        }
    }
}

#[test]
fn an_address_drops_all_of_its_mapping() {
    let ram = ram();
    let base = 0x0055_5555_5555_5000_u64;
    for size_shift in [12, 16, 21, 30, 39, 48] {
        let range = base & u64::MAX << size_shift;
        let (first, last) = (range, range + ((1 << size_shift) - PAGE_SIZE_BYTES));
        // The mapping has the first and the last page, and one amid them; beside it are base pages.
        let own = [first, base, last];
        let beside = [first - PAGE_SIZE_BYTES, last + PAGE_SIZE_BYTES, base ^ 1 << 50];
        for fenced in own {
            let mut bank = DataBank::new();
            for (pages, size_shift) in [(own, size_shift), (beside, 12)] {
                for va in pages {
                    bank.insert(1, VirtAddr(va), page(&ram, 0), mapping(size_shift, true));
                }
            }
            let all = held(&bank, &ram);
            for other in beside {
                let mut bank = bank.clone();
                bank.drop_address(VirtAddr(other + 0x123));
                let expect = all.iter().filter(|((_, va), _)| *va != other);
                assert!(held(&bank, &ram).iter().eq(expect), "{other:#x} by 2^{size_shift}");
            }
            bank.drop_address(VirtAddr(fenced + 0xabc));
            let expect = all.iter().filter(|((_, va), _)| va >> size_shift != base >> size_shift);
            assert!(held(&bank, &ram).iter().eq(expect), "{fenced:#x} in 2^{size_shift}");
        }
    }
}

#[test]
fn large_mappings_among_too_many_fills_go_too() {
    let ram = ram();
    let mut bank = DataBank::new();
    for fill in 0..FILLS_MAX as u64 + 1 {
        bank.insert(0, VirtAddr(0x20_0000), page(&ram, fill % 512), mapping(21, false));
    }
    bank.insert(0, VirtAddr(0x40_0000), page(&ram, 1), mapping(12, false));
    bank.drop_address(VirtAddr(0x1_0000_0000));
    assert_eq!(held(&bank, &ram).len(), 2, "in another gibibyte");
    bank.drop_address(VirtAddr(0x3f_f000));
    assert!(!held(&bank, &ram).contains_key(&(0, 0x20_0000)));
}

#[derive(Clone, Debug)]
enum Action {
    Insert { table: usize, va: u64, page: u64 },
    Drop { va: u64 },
    Clear,
    Forbid { page: u64 },
}

fn action() -> impl Strategy<Value = Action> {
    // Few slots, few pages, and few of their hashes.
    let va = select(&[0x5000, 0x6000, 0x7000, 0x5000 | 1 << 40, 0x6000 | 1 << 63][..]);
    let page = select(&[0, 1, 2, PAGE_HASHES as u64, 1 + PAGE_HASHES as u64][..]);
    prop_oneof![
        6 => (0..2_usize, va.clone(), page.clone())
            .prop_map(|(table, va, page)| Action::Insert { table, va, page }),
        2 => va.prop_map(|va| Action::Drop { va }),
        1 => Just(Action::Clear),
        3 => page.prop_map(|page| Action::Forbid { page }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever has come and gone: no more stores to the page, and nothing else changes.
    #[test]
    fn stores_to_a_page_are_forbidden_and_to_no_other(
        actions in prop::collection::vec(action(), 1..60),
    ) {
        let ram = ram();
        let mut bank = DataBank::new();
        for action in actions {
            match action {
                Action::Insert { table, va, page: number } => {
                    bank.insert(table, VirtAddr(va), page(&ram, number), Mapping::NONE);
                }
                Action::Drop { va } => bank.drop_address(VirtAddr(va)),
                Action::Clear => bank.clear(),
                Action::Forbid { page } => {
                    let at = page * PAGE_SIZE_BYTES;
                    let mut expect = held(&bank, &ram);
                    expect.retain(|(table, _), to| *table != STORES || *to != at);
                    bank.forbid_stores(RamOffset(at + 0x7ff), ram.home());
                    prop_assert_eq!(held(&bank, &ram), expect);
                }
            }
        }
    }
}
