//! What is refused, and with which error: as Linux does.

use super::*;
use crate::mm::addr::USER_END;

fn rig() -> (Rig, Process) {
    let rig = Rig::new(ToyOptions::default());
    let process = rig.process();
    (rig, process)
}

/// The areas as (first page, pages, protection), relative to `BASE`.
fn areas(process: &Process) -> Vec<(u64, u64, Prot)> {
    let from_base = |page: Vpn| page.0 - Vpn::of(BASE).0;
    let areas = process.space.vmas().iter();
    areas.map(|area| (from_base(area.pages.start), area.pages.pages(), area.prot)).collect()
}

#[test]
fn mappings_that_cannot_be() {
    let (rig, mut process) = rig();
    let file = ToyObject::new(4);
    process.map(anonymous(BASE, 2)).expect("room");
    let plain = anonymous(BASE, 1);
    let behind = Backing::Object { object: file.clone(), first: i64::MAX as u64 >> 12 };
    let last = Backing::Object { object: file.clone(), first: (i64::MAX as u64 >> 12) - 1 };
    for (request, expected) in [
        (Request { length_bytes: 0, ..plain.clone() }, Err(Errno::EINVAL)),
        (Request { length_bytes: USER_END + 1, ..plain.clone() }, Err(Errno::ENOMEM)),
        (Request { length_bytes: u64::MAX, ..plain.clone() }, Err(Errno::ENOMEM)),
        (Request { place: Place::Fixed(BASE + 1), ..plain.clone() }, Err(Errno::EINVAL)),
        (Request { place: Place::Fixed(USER_END), ..plain.clone() }, Err(Errno::ENOMEM)),
        (Request { place: Place::Fixed(u64::MAX << 12), ..plain.clone() }, Err(Errno::ENOMEM)),
        (Request { place: Place::Fixed(0), ..plain.clone() }, Err(Errno::EPERM)),
        (
            Request { place: Place::FixedNoReplace(BASE + PAGE), ..plain.clone() },
            Err(Errno::EEXIST),
        ),
        (
            Request { place: Place::FixedNoReplace(BASE + 2 * PAGE), ..plain.clone() },
            Ok(BASE + 2 * PAGE),
        ),
        (Request { max_prot: Prot::READ, ..plain.clone() }, Err(Errno::EACCES)),
        (Request { sharing: Sharing::Shared, ..plain.clone() }, Err(Errno::EINVAL)),
        (Request { backing: behind, ..plain.clone() }, Err(Errno::EOVERFLOW)),
        (Request { backing: last, ..plain.clone() }, Ok(BASE)),
    ] {
        let wanted = format!("{request:?}");
        assert_eq!(process.map(request), expected, "{wanted}");
    }
    rig.end(vec![process], &[file]);
}

#[test]
fn places_are_found_from_the_top() {
    let (rig, mut process) = rig();
    let anywhere = |hint, pages| Request { place: Place::Anywhere { hint }, ..anonymous(0, pages) };
    let top = USER_END - (128 << 20) - (1 << 20);
    for (hint, pages, expected) in [
        (0, 1, top - PAGE),
        (0, 2, top - 3 * PAGE),
        (BASE + 5, 2, BASE),
        // Half of it is taken: anywhere else then.
        (BASE + PAGE, 2, top - 5 * PAGE),
        (1, 1, 0x1_0000),
        (USER_END, 1, top - 6 * PAGE),
        (u64::MAX, 1, top - 7 * PAGE),
    ] {
        assert_eq!(process.map(anywhere(hint, pages)), Ok(expected), "{hint:#x} {pages}");
    }
    process.space.set_mapping_top(BASE);
    assert_eq!(process.map(anywhere(0, 1)), Ok(BASE - PAGE));
    // What does not fit below the top may go above it.
    let huge = process.map(anywhere(0, 1 << 19)).expect("room");
    assert!(huge > BASE, "{huge:#x}");
    assert_eq!(process.map(anywhere(0, USER_END >> 12)), Err(Errno::ENOMEM));
    rig.end(vec![process], &[]);
}

#[test]
fn limits_hold() {
    let (rig, mut process) = rig();
    let limits = Limits { total_bytes: 10 * PAGE + 5, data_bytes: 6 * PAGE, areas: 3, ..LIMITS };
    process.space.set_limits(limits);
    let read = |start, pages| Request { prot: Prot::READ, ..anonymous(start, pages) };
    for (request, expected) in [
        (anonymous(BASE, 7), Err(Errno::ENOMEM)),
        (anonymous(BASE, 6), Ok(BASE)),
        (anonymous(BASE + 6 * PAGE, 1), Err(Errno::ENOMEM)),
        (read(BASE + 6 * PAGE, 5), Err(Errno::ENOMEM)),
        (read(BASE + 6 * PAGE, 4), Ok(BASE + 6 * PAGE)),
        // What is replaced need not be added.
        (read(BASE + 4 * PAGE, 6), Ok(BASE + 4 * PAGE)),
        (read(BASE + 4 * PAGE, 7), Err(Errno::ENOMEM)),
    ] {
        let wanted = format!("{:?} {}", request.place, request.length_bytes);
        assert_eq!(process.map(request), expected, "{wanted}");
    }
    let machine = &process.machine;
    // Four pages are data; two more may become it, in one area of three at most.
    let space = &mut process.space;
    assert_eq!(
        space.protect(machine, BASE + 4 * PAGE, 3 * PAGE, Prot::READ_WRITE),
        Err(Errno::ENOMEM)
    );
    assert_eq!(space.protect(machine, BASE + 5 * PAGE, PAGE, Prot::READ_WRITE), Err(Errno::ENOMEM));
    assert_eq!(space.protect(machine, BASE + 4 * PAGE, 2 * PAGE, Prot::READ_WRITE), Ok(()));
    assert_eq!(space.unmap(machine, BASE + PAGE, PAGE), Ok(()));
    assert_eq!(space.unmap(machine, BASE + 3 * PAGE, PAGE), Err(Errno::ENOMEM));
    assert_eq!(space.unmap(machine, BASE, PAGE), Ok(()));
    assert_eq!(space.counters().peak_pages, 10);
    rig.end(vec![process], &[]);
}

#[test]
fn unmapping_takes_holes_and_refuses_nonsense() {
    let (rig, mut process) = rig();
    process.map(anonymous(BASE, 3)).expect("room");
    let machine = &process.machine;
    for (start, length, expected) in [
        (BASE + 1, PAGE, Err(Errno::EINVAL)),
        (BASE, 0, Err(Errno::EINVAL)),
        (USER_END - PAGE, 2 * PAGE, Err(Errno::EINVAL)),
        (BASE, u64::MAX, Err(Errno::EINVAL)),
        (BASE - 4 * PAGE, 2 * PAGE, Ok(())),
        (BASE - 4 * PAGE, 4 * PAGE + 1, Ok(())),
        (BASE + 2 * PAGE, 20 * PAGE, Ok(())),
    ] {
        assert_eq!(process.space.unmap(machine, start, length), expected, "{start:#x} {length:#x}");
    }
    assert_eq!(areas(&process), [(1, 1, Prot::READ_WRITE)]);
    rig.end(vec![process], &[]);
}

#[test]
fn protecting_stops_at_the_first_obstacle() {
    let (rig, mut process) = rig();
    process.map(anonymous(BASE, 2)).expect("room");
    process
        .map(Request { max_prot: Prot::READ_WRITE, ..anonymous(BASE + 2 * PAGE, 1) })
        .expect("room");
    process.map(anonymous(BASE + 4 * PAGE, 1)).expect("room");
    let machine = &process.machine;
    let space = &mut process.space;
    let (rw, read, exec) = (Prot::READ_WRITE, Prot::READ, Prot::READ_EXEC);
    for (start, length, prot, expected) in [
        (BASE + 1, PAGE, read, Err(Errno::EINVAL)),
        (BASE, 0, read, Ok(())),
        (BASE, u64::MAX, read, Err(Errno::ENOMEM)),
        (BASE - PAGE, 3 * PAGE, read, Err(Errno::ENOMEM)),
        (BASE + PAGE, 2 * PAGE, exec, Err(Errno::EACCES)),
        (BASE + 2 * PAGE, 3 * PAGE, read, Err(Errno::ENOMEM)),
    ] {
        assert_eq!(space.protect(machine, start, length, prot), expected, "{start:#x} {length:#x}");
    }
    assert_eq!(areas(&process), [(0, 1, rw), (1, 1, exec), (2, 1, read), (4, 1, rw)]);
    let space = &mut process.space;
    assert_eq!(space.protect(machine, BASE, 3 * PAGE, rw), Ok(()));
    // The areas that may become executable are one again.
    assert_eq!(areas(&process), [(0, 2, rw), (2, 1, rw), (4, 1, rw)]);
    rig.end(vec![process], &[]);
}

#[test]
fn discarding_goes_on_behind_a_hole() {
    let (rig, mut process) = rig();
    for page in [0, 1, 3] {
        process.map(anonymous(BASE + page * PAGE, 1)).expect("room");
        process.store(BASE + page * PAGE, 7).expect("room");
    }
    let machine = process.machine.sibling();
    for (start, length, expected) in [
        (BASE + 1, PAGE, Err(Errno::EINVAL)),
        (BASE, u64::MAX, Err(Errno::EINVAL)),
        (BASE, 0, Ok(())),
        (BASE + 8 * PAGE, PAGE, Err(Errno::ENOMEM)),
    ] {
        assert_eq!(
            process.space.discard(&machine, start, length),
            expected,
            "{start:#x} {length:#x}"
        );
    }
    assert_eq!(process.space.resident_pages(), 3);
    let discarded = process.space.discard(&process.machine, BASE + PAGE, 3 * PAGE);
    assert_eq!(discarded, Err(Errno::ENOMEM));
    let words = [0, 1, 3].map(|page| process.load(BASE + page * PAGE).expect("mapped"));
    assert_eq!(words, [7, 0, 0]);
    rig.end(vec![process], &[]);
}

#[test]
fn the_break_moves_where_there_is_room() {
    let (rig, mut process) = rig();
    let start = BASE + 0x123;
    process.space.place_break(start);
    process.map(anonymous(BASE + 8 * PAGE, 1)).expect("room");
    let limits = Limits { data_bytes: 6 * PAGE, ..LIMITS };
    process.space.set_limits(limits);
    for (wanted, expected, pages) in [
        (0, start, 0),
        (start + 1, start + 1, 0),
        (BASE + PAGE, BASE + PAGE, 0),
        (BASE + PAGE + 1, BASE + PAGE + 1, 1),
        (BASE + 6 * PAGE, BASE + 6 * PAGE, 5),
        (start - 1, BASE + 6 * PAGE, 5),
        // RLIMIT_DATA, with the page above.
        (BASE + 6 * PAGE + 1, BASE + 6 * PAGE, 5),
        (USER_END + 1, BASE + 6 * PAGE, 5),
        (u64::MAX, BASE + 6 * PAGE, 5),
        (start + 5, start + 5, 0),
    ] {
        assert_eq!(process.space.set_break(&process.machine, wanted), expected, "{wanted:#x}");
        assert_eq!(process.space.vmas().totals().data, pages + 1, "{wanted:#x}");
    }
    process.space.set_limits(LIMITS);
    // A page stays free below the next area.
    assert_eq!(process.space.set_break(&process.machine, BASE + 8 * PAGE), start + 5);
    let wanted = BASE + 7 * PAGE;
    assert_eq!(process.space.set_break(&process.machine, wanted), wanted);
    assert_eq!(process.space.heap(), (start, wanted));
    process.store(wanted - 8, 9).expect("room");
    assert_eq!(process.space.set_break(&process.machine, start), start);
    assert_eq!(process.load(wanted - 8), Err(Trouble::NotMapped));
    assert_eq!(process.space.set_break(&process.machine, wanted), wanted);
    assert_eq!(process.load(wanted - 8), Ok(0));
    rig.end(vec![process], &[]);
}

#[test]
fn stacks_grow_as_far_as_they_may() {
    let (rig, mut process) = rig();
    let top = BASE + 4000 * PAGE;
    let range = PageRange::new(Vpn::of(top - 2 * PAGE), Vpn::of(top));
    process.space.set_limits(Limits { stack_bytes: 600 * PAGE, ..LIMITS });
    process.space.set_stack(&process.machine, range).expect("room");
    assert_eq!(process.space.set_stack(&process.machine, range), Err(Errno::EEXIST));
    assert_eq!(process.repairs(top - 8, Access::Store), [Repair::ZeroFill]);
    assert_eq!(process.repairs(top - 100 * PAGE, Access::Load), [Repair::GrowStack]);
    assert_eq!(process.repairs(top - 90 * PAGE, Access::Store), [Repair::ZeroFill]);
    assert_eq!(process.load(top - 601 * PAGE), Err(Trouble::NotMapped));
    process.map(anonymous(top - 500 * PAGE, 1)).expect("room");
    // The gap of 256 pages, to the page.
    assert_eq!(process.load(top - 244 * PAGE), Err(Trouble::NotMapped));
    assert_eq!(process.repairs(top - 243 * PAGE, Access::Load), [Repair::GrowStack]);
    // Pages that cannot be touched need no distance.
    process.space.protect(&process.machine, top - 500 * PAGE, PAGE, Prot::NONE).expect("mapped");
    assert_eq!(process.repairs(top - 499 * PAGE, Access::Store), [Repair::GrowStack]);
    process.space.unmap(&process.machine, top - 500 * PAGE, PAGE).expect("mapped");
    process.space.set_limits(Limits { stack_bytes: 600 * PAGE, total_bytes: 599 * PAGE, ..LIMITS });
    assert_eq!(process.load(top - 600 * PAGE), Err(Trouble::NotMapped));
    assert_eq!(process.repairs(top - 599 * PAGE, Access::Load), [Repair::GrowStack]);
    assert_eq!(process.space.vmas().totals().stack, 599);
    assert_eq!(process.access(top - 8, Access::Fetch, 0), Err(Trouble::Denied));
    // Where a hole was torn, the upper part grows until both are one again.
    process.space.unmap(&process.machine, top - 4 * PAGE, 2 * PAGE).expect("mapped");
    assert_eq!(process.space.vmas().count(), 2);
    assert_eq!(process.repairs(top - 4 * PAGE, Access::Load), [Repair::GrowStack]);
    assert_eq!(process.space.vmas().count(), 1);
    rig.end(vec![process], &[]);
}

#[test]
fn faults_that_cannot_be_repaired() {
    let (rig, mut process) = rig();
    let read = Request { prot: Prot::READ, ..anonymous(BASE, 1) };
    process.map(read).expect("room");
    let fetch = Prot { exec: true, ..Prot::NONE };
    process.map(Request { prot: fetch, ..anonymous(BASE + PAGE, 1) }).expect("room");
    let write = Prot { write: true, ..Prot::NONE };
    process.map(Request { prot: write, ..anonymous(BASE + 2 * PAGE, 1) }).expect("room");
    for (va, access, expected) in [
        (BASE, Access::Store, Err(Trouble::Denied)),
        (BASE, Access::Fetch, Err(Trouble::Denied)),
        (BASE + PAGE, Access::Load, Err(Trouble::Denied)),
        (BASE + PAGE, Access::Fetch, Ok(Repair::ZeroPage)),
        // Stores bring loads with them.
        (BASE + 2 * PAGE, Access::Load, Ok(Repair::ZeroPage)),
        (BASE + 2 * PAGE, Access::Fetch, Err(Trouble::Denied)),
        (BASE + 3 * PAGE, Access::Load, Err(Trouble::NotMapped)),
        (0, Access::Load, Err(Trouble::NotMapped)),
        (USER_END, Access::Load, Err(Trouble::NotMapped)),
        (u64::MAX, Access::Store, Err(Trouble::NotMapped)),
        (0xffff_ffff_8020_0000, Access::Load, Err(Trouble::NotMapped)),
    ] {
        assert_eq!(
            process.space.fault(&process.machine, va, access),
            expected,
            "{va:#x} {access:?}"
        );
    }
    rig.end(vec![process], &[]);
}

#[test]
fn marks_in_entries_are_heeded_and_inherited() {
    let (rig, mut process) = rig();
    process.map(anonymous(BASE, 2)).expect("room");
    process.store(BASE, 1).expect("room");
    process.space.discard(&process.machine, BASE, PAGE).expect("mapped");
    for (mark, trouble) in [(Absent::Guard, Trouble::NotMapped), (Absent::Poison, Trouble::Bus)] {
        let tables::Way::Leaf(table) =
            tables::walk(&rig.machine, process.space.root(), Vpn::of(BASE))
        else {
            panic!("the table is there")
        };
        rig.machine.swap_pte(table, tables::index(Vpn::of(BASE), 0), mark.encode());
        let mut child = process.fork().expect("frames");
        for space in [&mut process, &mut child] {
            assert_eq!(space.load(BASE), Err(trouble));
        }
        child.end();
    }
    process.space.discard(&process.machine, BASE, PAGE).expect("mapped");
    assert_eq!(process.load(BASE), Ok(0));
    rig.end(vec![process], &[]);
}

#[test]
fn populating_touches_what_may_be_touched() {
    let (rig, mut process) = rig();
    let file = ToyObject::with_words(&rig.machine, &[1, 2]);
    process.map(anonymous(BASE, 2)).expect("room");
    process.map(Request { prot: Prot::NONE, ..anonymous(BASE + 2 * PAGE, 1) }).expect("room");
    process.map(object(BASE + 4 * PAGE, 3, &file, Sharing::Shared)).expect("room");
    let range = PageRange::sized(Vpn::of(BASE), 6);
    assert_eq!(process.space.populate(&process.machine, &mut { range }), Ok(()));
    for (page, repairs) in [(0, vec![]), (1, vec![]), (4, vec![Repair::SharedMap])] {
        assert_eq!(process.repairs(BASE + page * PAGE, Access::Store), repairs, "page {page}");
    }
    let counters = process.space.counters();
    assert_eq!((counters.resident_anon, counters.resident_object), (2, 2));
    let behind = PageRange::sized(Vpn::of(BASE), 7);
    assert_eq!(process.space.populate(&process.machine, &mut { behind }), Err(Trouble::Bus));
    rig.machine.fail_nth(Some(1));
    process.map(anonymous(BASE + 8 * PAGE, 1)).expect("room");
    let fails = PageRange::sized(Vpn::of(BASE + 8 * PAGE), 1);
    assert_eq!(process.space.populate(&process.machine, &mut { fails }), Err(Trouble::OutOfMemory));
    rig.end(vec![process], &[file]);
}
