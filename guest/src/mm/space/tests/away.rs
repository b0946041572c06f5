//! A whole space out of memory: unmapped, written and taken, and in which order it has left.

use core::ops::ControlFlow;

use super::*;
use crate::mm::memory::ToWrite;
use crate::mm::swap::{Area, SlotId};

const PAGES: u64 = 12;
/// The middle ones are in another leaf table than the first.
const START: u64 = BASE - 2 * PAGE;

fn hidden(process: &Process, from: Vpn, most: usize) -> Vec<(Vpn, CellId)> {
    let mut found = Vec::new();
    process.space.hidden_cells(&process.machine, from, &mut |page, cell| {
        found.push((page, cell));
        if found.len() == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    found
}

fn unmap_all(process: &mut Process) -> Trimmed {
    let scan = Scan { budget: 100, keep: &[], time: 0 };
    let mut cursor = Cursor::default();
    process.space.trim(&process.machine, &mut cursor, scan, &mut |_, _, _| Verdict::Trim)
}

#[test]
fn what_is_pushed_out_is_found_in_order_and_taken_once_it_is_written() {
    let rig = Rig::new(ToyOptions::default());
    let storage = Area::storage(2 * PAGES as usize).expect("the host has memory");
    let area = Area::new(storage, &[], 0);
    rig.machine.memory(|memory| memory.slots.add(area)).expect("the first one");
    let mut process = rig.process();
    process.map(anonymous(START, PAGES)).expect("room");
    for page in 0..PAGES {
        process.store(START + page * PAGE, page).expect("room");
    }
    assert_eq!(hidden(&process, Vpn(0), 100), []);
    let trimmed = unmap_all(&mut process);
    assert_eq!((trimmed.trimmed, trimmed.done), (PAGES, true));

    let all = hidden(&process, Vpn(0), 100);
    let pages: Vec<u64> = all.iter().map(|(page, _)| page.base()).collect();
    let want: Vec<u64> = (0..PAGES).map(|page| START + page * PAGE).collect();
    assert_eq!(pages, want);
    assert_eq!(hidden(&process, Vpn(0), 3), all[..3]);
    assert_eq!(hidden(&process, all[2].0.add(1), 100), all[3..]);

    rig.machine.memory(|memory| {
        let first = all[0].1;
        assert!(!memory.steal_from(first), "its content is nowhere else");
        assert_eq!(memory.evicted(first), None);
        let none = ToWrite { cell: first, frame: Ppn(0), slot: SlotId::FIRST };
        let mut writes = [none; PAGES as usize];
        assert_eq!(memory.take_for_writing(&mut writes), PAGES as usize);
        assert!(!memory.steal_from(first), "it is being written");
        for write in writes {
            memory.written(write.cell, Ok(()));
        }
        let before = memory.evictions();
        for (index, (_, cell)) in (0..).zip(all.iter().rev()) {
            assert!(memory.steal_from(*cell));
            assert!(!memory.steal_from(*cell), "it has no frame any more");
            let (stamp, slot) = memory.evicted(*cell).expect("it has left");
            assert_eq!(stamp, before.wrapping_add(index));
            assert_eq!(memory.slots.cell_of(slot), Some(*cell));
        }
    });
    assert_eq!(process.space.resident_pages(), 0);
    assert_eq!(hidden(&process, Vpn(0), 100), all);
    rig.assert_sound(&[&process], &[]);
    rig.end(vec![process], &[]);
}
