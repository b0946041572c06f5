//! Pages that leave RAM and come back: what it takes, what it costs, what goes wrong.

use super::*;
use crate::mm::cells::{State, TransferError, Wanted};
use crate::mm::frames::List;
use crate::mm::memory::ToWrite;
use crate::mm::policy::Verdict;
use crate::mm::space::{Copies, Cursor, Scan, Sharers, Trimmed};
use crate::mm::toy::AdUpdate;

const SWAPPING: ToyOptions = ToyOptions {
    frames: 64,
    cells: 128,
    harts: 1,
    ad: AdUpdate::Svade,
    keeps_invalid: false,
    swap_pages: 65,
};

/// Unmaps everything that may be.
fn trim_all(process: &mut Process) -> Trimmed {
    let scan = Scan { budget: u64::MAX, keep: &[], time: 0 };
    let mut cursor = Cursor::default();
    process.space.trim(&process.machine, &mut cursor, scan, &mut |_, _, _| Verdict::Trim)
}

/// Everything of these processes is in slots alone.
fn push_out(processes: &mut [&mut Process]) {
    for process in processes.iter_mut() {
        trim_all(process);
    }
    let machine = &processes[0].machine;
    while machine.begin_writes(8) > 0 {}
    end_all(machine, Ok(()));
    machine.memory(|memory| memory.steal(u32::MAX));
}

fn end_all(machine: &ToyMachine, result: Result<(), TransferError>) {
    while machine.transfers() > 0 {
        machine.end_transfer(0, result);
    }
    machine.spoil_free_frames();
}

fn count(rig: &Rig, state: State) -> u64 {
    rig.machine.memory(|memory| memory.cells.count(state))
}

fn listed(rig: &Rig) -> [u64; 2] {
    let lists = [List::Modified, List::Standby];
    rig.machine.memory(|memory| lists.map(|list| memory.frames.listed(list)))
}

/// A process with so many pages, page `i` of which begins with `7 + i`.
fn filled(rig: &Rig, pages: u64) -> Process {
    let mut process = rig.process();
    process.map(anonymous(BASE, pages)).expect("room");
    for page in 0..pages {
        process.store(BASE + page * PAGE, 7 + page).expect("room");
    }
    process
}

#[test]
fn what_was_not_written_since_it_came_back_goes_without_being_written() {
    for ad in [AdUpdate::Svade, AdUpdate::Svadu] {
        let rig = Rig::new(ToyOptions { ad, ..SWAPPING });
        let mut process = filled(&rig, 4);
        let before = rig.free_frames();
        push_out(&mut [&mut process]);
        assert_eq!((rig.free_frames() - before, count(&rig, State::Swapped)), (4, 4));
        for page in 0..4 {
            assert_eq!(process.load(BASE + page * PAGE), Ok(7 + page));
        }
        process.store(BASE + PAGE, 77).expect("it is there");
        assert_eq!(process.space.counters().resident_anon, 4);
        rig.assert_sound(&[&process], &[]);
        trim_all(&mut process);
        assert_eq!(listed(&rig), [1, 3], "{ad:?}");
        rig.assert_sound(&[&process], &[]);
        push_out(&mut [&mut process]);
        assert_eq!((process.load(BASE + PAGE), process.load(BASE)), (Ok(77), Ok(7)));
        rig.end(vec![process], &[]);
    }
}

#[test]
fn a_fork_of_what_is_in_swap_transfers_nothing() {
    let rig = Rig::new(SWAPPING);
    let mut parent = filled(&rig, 20);
    push_out(&mut [&mut parent]);
    let ((child, frames), fences) = {
        let fences = rig.machine.fences();
        (rig.takes(|| parent.fork().expect("frames")), rig.machine.fences() - fences)
    };
    let mut child = child;
    // A root, and a middle and a leaf table on both sides of the gigabyte's end.
    assert_eq!((frames, fences), (5, 0));
    assert_eq!((rig.machine.transfers(), count(&rig, State::Swapped)), (0, 20));
    rig.assert_sound(&[&parent, &child], &[]);
    // Who writes gets a copy from the slot; the other one still finds it there.
    child.store(BASE + 3 * PAGE, 1).expect("a frame");
    assert_eq!(count(&rig, State::Swapped), 20);
    assert_eq!(parent.load(BASE + 3 * PAGE), Ok(10));
    assert_eq!(child.load(BASE + 3 * PAGE), Ok(1));
    child.end();
    rig.assert_sound(&[&parent], &[]);
    assert_eq!(parent.repairs(BASE + 4 * PAGE, Access::Store), [Repair::Rescue]);
    rig.end(vec![parent], &[]);
}

#[test]
fn what_is_trimmed_is_found_again_where_it_was() {
    let rig = Rig::new(SWAPPING);
    let mut process = filled(&rig, 3);
    assert_eq!(trim_all(&mut process), Trimmed { looked: 3, accessed: 3, trimmed: 3, done: true });
    assert_eq!((listed(&rig), process.space.resident_pages()), ([3, 0], 0));
    assert_eq!(process.repairs(BASE, Access::Load), [Repair::Rescue]);
    // While they are being written, too, and then what is stored counts.
    assert_eq!(rig.machine.begin_writes(8), 2);
    assert_eq!(process.repairs(BASE + PAGE, Access::Load), [Repair::Rescue]);
    process.store(BASE + 2 * PAGE, 99).expect("it is there");
    end_all(&rig.machine, Ok(()));
    rig.assert_sound(&[&process], &[]);
    assert_eq!(rig.machine.memory(|memory| memory.slots.used()), 1);
    push_out(&mut [&mut process]);
    assert_eq!(process.load(BASE + 2 * PAGE), Ok(99));
    rig.end(vec![process], &[]);
}

#[test]
fn a_scan_goes_on_where_it_stopped_and_leaves_locked_pages_alone() {
    let rig = Rig::new(ToyOptions { frames: 400, cells: 400, ..SWAPPING });
    let mut process = filled(&rig, 300);
    let keep = [PageRange::sized(Vpn::of(BASE).add(5), 10)];
    let mut cursor = Cursor::default();
    let (mut rounds, mut sum) = (0, Trimmed::default());
    while !sum.done {
        let scan = Scan { budget: 100, keep: &keep, time: 0 };
        let judge = &mut |_: &mut _, _: &mut _, seen: Seen| {
            assert_eq!((seen.accessed, seen.dirty), (true, true));
            Verdict::Trim
        };
        let one = process.space.trim(&process.machine, &mut cursor, scan, judge);
        assert!(one.looked <= 100 + 64);
        sum.trimmed += one.trimmed;
        sum.done = one.done;
        rounds += 1;
    }
    assert_eq!((rounds, sum.trimmed, process.space.resident_pages()), (3, 290, 10));
    assert_eq!(cursor, Cursor::default());
    rig.assert_sound(&[&process], &[]);
    rig.end(vec![process], &[]);
}

#[test]
fn accessed_bits_are_read_and_cleared() {
    let rig = Rig::new(SWAPPING);
    let mut process = filled(&rig, 4);
    let look = |process: &mut Process| {
        let scan = Scan { budget: u64::MAX, keep: &[], time: 9 };
        let mut seen_all = Vec::new();
        let judge = &mut |_: &mut _, _: &mut _, seen: Seen| {
            assert_eq!(seen.time, 9);
            seen_all.push(seen.accessed);
            Verdict::Keep
        };
        process.space.trim(&process.machine, &mut Cursor::default(), scan, judge);
        seen_all
    };
    assert_eq!(look(&mut process), [true; 4]);
    assert_eq!(look(&mut process), [false; 4]);
    // The hart has forgotten what it knew, or this would not show.
    process.load(BASE + 2 * PAGE).expect("mapped");
    assert_eq!(look(&mut process), [false, false, true, false]);
    // Whoever only looks leaves it to the policy to hear of it.
    process.load(BASE + PAGE).expect("mapped");
    let scan = Scan { budget: u64::MAX, keep: &[], time: 0 };
    for (accessed, what) in [(1, "once"), (0, "and that is read")] {
        let seen = process.space.look_over(&process.machine, &mut Cursor::default(), scan);
        assert_eq!((seen.looked, seen.accessed, seen.done), (4, accessed, true), "{what}");
    }
    assert_eq!(look(&mut process), [false, true, false, false]);
    assert_eq!(look(&mut process), [false; 4]);
    rig.end(vec![process], &[]);
}

#[test]
fn a_device_that_fails_costs_a_slot_or_a_page() {
    let rig = Rig::new(SWAPPING);
    let mut process = filled(&rig, 2);
    trim_all(&mut process);
    assert_eq!(rig.machine.begin_writes(8), 2);
    end_all(&rig.machine, Err(TransferError));
    let slots =
        |rig: &Rig| rig.machine.memory(|memory| (memory.slots.used(), memory.slots.total()));
    assert_eq!((slots(&rig), listed(&rig)), ((0, 62), [2, 0]));
    push_out(&mut [&mut process]);
    let mut child = process.fork().expect("frames");
    let trouble = process.space.fault(&process.machine, BASE, Access::Load);
    let Err(Trouble::Swapped { cell, how: ReadHow::Whole }) = trouble else {
        panic!("{trouble:?}")
    };
    rig.machine.begin_read(cell, Wanted::Now).expect("a frame");
    assert_eq!(process.space.fault(&process.machine, BASE, Access::Load), Err(Trouble::Busy(cell)));
    end_all(&rig.machine, Err(TransferError));
    assert_eq!((slots(&rig), count(&rig, State::Lost)), ((1, 61), 1));
    for process in [&mut process, &mut child] {
        assert_eq!(process.load(BASE), Err(Trouble::Bus));
        assert_eq!(process.store(BASE, 1), Err(Trouble::Bus));
        assert_eq!(process.load(BASE + PAGE), Ok(8));
    }
    rig.assert_sound(&[&process, &child], &[]);
    process.space.discard(&process.machine, BASE, PAGE).expect("mapped");
    assert_eq!(process.load(BASE), Ok(0));
    rig.end(vec![process, child], &[]);
}

#[test]
fn shared_pages_leave_and_come_back_for_all() {
    let rig = Rig::new(SWAPPING);
    let file = ToyObject::with_words(&rig.machine, &[10, 11, 12]);
    let mut one = rig.process();
    let mut other = rig.process();
    one.map(object(BASE, 3, &file, Sharing::Shared)).expect("room");
    other.map(object(BASE, 3, &file, Sharing::Private)).expect("room");
    one.store(BASE, 20).expect("mapped");
    other.load(BASE).expect("mapped");
    // As long as one maps it, it stays.
    trim_all(&mut one);
    rig.assert_sound(&[&one, &other], std::slice::from_ref(&file));
    assert_eq!(listed(&rig), [2, 0]);
    push_out(&mut [&mut one, &mut other]);
    assert_eq!(count(&rig, State::Swapped), 3);
    assert_eq!((other.load(BASE), one.load(BASE + PAGE)), (Ok(20), Ok(11)));
    other.store(BASE + 2 * PAGE, 5).expect("a frame");
    one.store(BASE + PAGE, 21).expect("mapped");
    rig.assert_sound(&[&one, &other], std::slice::from_ref(&file));
    push_out(&mut [&mut one, &mut other]);
    assert_eq!((one.load(BASE + 2 * PAGE), other.load(BASE + 2 * PAGE)), (Ok(12), Ok(5)));
    assert_eq!(other.load(BASE + PAGE), Ok(21));
    // What is cut off is gone, wherever it is.
    push_out(&mut [&mut one, &mut other]);
    file.set_length(&rig.machine, 1);
    for process in [&mut one, &mut other] {
        process.space.discard_object(&process.machine, &file, 1..u64::MAX, Copies::Gone);
        assert_eq!(process.load(BASE + PAGE), Err(Trouble::Bus));
    }
    rig.assert_sound(&[&one, &other], std::slice::from_ref(&file));
    rig.end(vec![one, other], &[file]);
}

/// What is done to pages wherever they are.
type Change = (&'static str, fn(&mut Process));

#[test]
fn whatever_is_done_to_pages_is_done_in_every_state() {
    let changes: [Change; 6] = [
        ("unmap", |own| own.space.unmap(&own.machine, BASE, 6 * PAGE).expect("room")),
        ("discard", |own| own.space.discard(&own.machine, BASE, 6 * PAGE).expect("mapped")),
        ("hide and show", |own| {
            for prot in [Prot::NONE, Prot::READ_WRITE] {
                own.space.protect(&own.machine, BASE, 6 * PAGE, prot).expect("mapped");
            }
        }),
        ("move", |own| {
            let to = Mobility::Fixed(BASE + 100 * PAGE);
            let wish = Remap {
                start: BASE,
                old_bytes: 6 * PAGE,
                new_bytes: 6 * PAGE,
                mobility: to,
                rest: Rest::Unmapped,
            };
            own.space.remap(&own.machine, wish).expect("room");
        }),
        ("fork", |own| own.fork().expect("frames").end()),
        ("trim", |own| {
            trim_all(own);
        }),
    ];
    for (what, change) in changes {
        let rig = Rig::new(SWAPPING);
        let mut process = filled(&rig, 6);
        // One of each: mapped, modified, standby, writing, reading, swapped.
        push_out(&mut [&mut process]);
        let touch = |process: &mut Process, page: u64, access| {
            process.access(BASE + page * PAGE, access, 7 + page).expect("a frame")
        };
        touch(&mut process, 3, Access::Store);
        trim_all(&mut process);
        assert_eq!(rig.machine.begin_writes(1), 1);
        touch(&mut process, 2, Access::Load);
        touch(&mut process, 1, Access::Store);
        trim_all(&mut process);
        touch(&mut process, 0, Access::Load);
        let slot = process.space.page(&process.machine, Vpn::of(BASE).add(4));
        let PageState::Swapped { slot } = slot else { panic!("{slot:?}") };
        let cell = rig.machine.memory(|memory| memory.slots.cell_of(slot)).expect("in use");
        rig.machine.begin_read(cell, Wanted::Ahead).expect("a frame");
        let states = [State::Resident, State::Writing, State::Reading, State::Swapped];
        assert_eq!(states.map(|state| count(&rig, state)), [3, 1, 1, 1], "{what}");
        assert_eq!(listed(&rig), [1, 1], "{what}");
        change(&mut process);
        rig.assert_sound(&[&process], &[]);
        end_all(&rig.machine, Ok(()));
        rig.assert_sound(&[&process], &[]);
        let moved = if what == "move" { 100 } else { 0 };
        for page in 0..6 {
            let want = match what {
                "unmap" => Err(Trouble::NotMapped),
                "discard" => Ok(0),
                _ => Ok(7 + page),
            };
            assert_eq!(process.load(BASE + (page + moved) * PAGE), want, "{what} {page}");
        }
        rig.end(vec![process], &[]);
    }
}

#[test]
fn memory_may_run_out_at_every_step_of_coming_back() {
    for how in [Access::Load, Access::Store] {
        for nth in 1.. {
            let rig = Rig::new(SWAPPING);
            let mut parent = filled(&rig, 3);
            push_out(&mut [&mut parent]);
            let mut child = parent.fork().expect("frames");
            rig.machine.fail_nth(Some(nth));
            let found = child.access(BASE + PAGE, how, 5).map(|(word, _)| word);
            let happened = !rig.machine.failure_is_due();
            rig.machine.fail_nth(None);
            rig.assert_sound(&[&parent, &child], &[]);
            let want = if how == Access::Store { 5 } else { 8 };
            assert_eq!(found, if happened { Err(Trouble::OutOfMemory) } else { Ok(want) });
            assert_eq!(child.access(BASE + PAGE, how, 5).map(|(word, _)| word), Ok(want));
            assert_eq!(parent.load(BASE + PAGE), Ok(8));
            rig.end(vec![parent, child], &[]);
            if !happened {
                assert!(nth > 1);
                break;
            }
        }
    }
}

#[test]
fn frames_are_taken_from_cells_when_none_is_free() {
    let rig = Rig::new(ToyOptions { frames: 16, ..SWAPPING });
    let mut process = rig.process();
    process.map(anonymous(BASE, 40)).expect("room");
    for page in 0..40 {
        let va = BASE + page * PAGE;
        if process.store(va, page).is_err() {
            trim_all(&mut process);
            while rig.machine.begin_writes(8) > 0 {}
            end_all(&rig.machine, Ok(()));
            process.store(va, page).expect("frames are idle");
        }
        rig.assert_sound(&[&process], &[]);
    }
    assert!(rig.machine.memory(|memory| memory.available_frames()) < 16);
    for page in 0..40 {
        let va = BASE + page * PAGE;
        if process.load(va) == Err(Trouble::OutOfMemory) {
            trim_all(&mut process);
            while rig.machine.begin_writes(8) > 0 {}
            end_all(&rig.machine, Ok(()));
        }
        assert_eq!(process.load(va), Ok(page));
    }
    rig.end(vec![process], &[]);
}

#[test]
fn what_was_brought_in_stays_until_whoever_waits_has_it() {
    for result in [Ok(()), Err(TransferError)] {
        let rig = Rig::new(SWAPPING);
        let mut process = filled(&rig, 1);
        push_out(&mut [&mut process]);
        let Err(Trouble::Swapped { cell, .. }) =
            process.space.fault(&process.machine, BASE, Access::Load)
        else {
            panic!("it is in a slot alone")
        };
        rig.machine.begin_read(cell, Wanted::Now).expect("a frame");
        let frame = rig.machine.memory(|memory| {
            let frame = memory.cells.own_frame(cell).expect("it is being read");
            memory.pin(frame);
            frame
        });
        let free = rig.machine.memory(|memory| memory.frames.free_frames());
        end_all(&rig.machine, result);
        assert_eq!(rig.machine.memory(|memory| memory.steal(u32::MAX)), 0, "{result:?}");
        assert_eq!(rig.machine.memory(|memory| memory.frames.free_frames()), free, "{result:?}");
        let found = process.load(BASE);
        rig.machine.memory(|memory| memory.unpin(frame));
        let (want, more) = if result.is_ok() { (Ok(7), 0) } else { (Err(Trouble::Bus), 1) };
        assert_eq!(found, want);
        assert_eq!(rig.machine.memory(|memory| memory.frames.free_frames()), free + more);
        rig.assert_sound(&[&process], &[]);
        rig.end(vec![process], &[]);
    }
}

/// Makes a range cold, some pages at a time; how many of them are not mapped any more.
fn make_cold(process: &mut Process, start: u64, pages: u64, keep: &[PageRange]) -> u64 {
    let mut left = PageRange::sized(Vpn::of(start), pages);
    let mut trimmed = 0;
    while !left.is_empty() {
        let scan = Scan { budget: 2, keep, time: 0 };
        let before = left.start;
        let done = process.space.make_cold(&process.machine, &mut left, scan, Sharers::None);
        assert!(left.start > before && done.done == left.is_empty());
        trimmed += done.trimmed;
    }
    trimmed
}

#[test]
fn advice_is_about_the_own_pages_of_a_range() {
    let rig = Rig::new(SWAPPING);
    let mut process = filled(&rig, 6);
    let child = process.fork().expect("frames");
    for page in 1..6 {
        process.store(BASE + page * PAGE, 70 + page).expect("frames");
    }
    child.end();
    let mut child = process.fork().expect("frames");
    for page in 1..6 {
        child.store(BASE + page * PAGE, 1).expect("frames");
    }
    // Page 0 is both's, page 2 is locked, and page 5 is outside.
    let keep = [PageRange::sized(Vpn::of(BASE + 2 * PAGE), 1)];
    assert_eq!(make_cold(&mut process, BASE, 5, &keep), 3);
    assert_eq!((listed(&rig), process.space.counters().resident_anon), ([3, 0], 3));
    assert_eq!(process.repairs(BASE + PAGE, Access::Load), [Repair::Rescue]);
    rig.assert_sound(&[&process, &child], &[]);
    child.end();
    rig.end(vec![process], &[]);
}

#[test]
fn certain_cells_are_written_and_lose_their_frames() {
    let rig = Rig::new(SWAPPING);
    let mut process = filled(&rig, 4);
    let cell = |process: &Process, page: u64| {
        let at = Vpn::of(BASE + page * PAGE);
        match process.space.page(&process.machine, at) {
            PageState::Present { pte, .. } => CellId::of_absent_pte(pte),
            _ => None,
        }
    };
    assert_eq!(make_cold(&mut process, BASE, 3, &[]), 3);
    let cells = [2, 0].map(|page| cell(&process, page).expect("it is not mapped"));
    let mut list = [ToWrite { cell: cells[0], frame: Ppn(0), slot: SlotId::FIRST }; 4];
    let begun = rig.machine.memory(|memory| memory.take_these_for_writing(&cells, &mut list));
    assert_eq!((begun, list[0].cell, list[1].cell), (2, cells[0], cells[1]));
    rig.machine.memory(|memory| {
        // What is on its way is left alone, and not written twice.
        assert_eq!(memory.take_these_for_writing(&cells, &mut list), 0);
        assert!(!memory.steal_from(cells[0]));
        cells.iter().for_each(|cell| memory.written(*cell, Ok(())));
        assert!(memory.steal_from(cells[0]) && !memory.steal_from(cells[0]));
        assert_eq!(memory.cells.state(cells[0]), State::Swapped);
    });
    assert_eq!(listed(&rig), [1, 1]);
    rig.assert_sound(&[&process], &[]);
    rig.end(vec![process], &[]);
}
