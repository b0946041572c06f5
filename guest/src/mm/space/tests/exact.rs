//! What single operations take, to the frame and to the fence.

use super::tables::Leaf;
use super::*;
use crate::mm::toy::AdUpdate;

#[test]
fn nothing_is_there_before_it_is_touched() {
    for keeps_invalid in [false, true] {
        touch_one_by_one(ToyOptions { keeps_invalid, ..ToyOptions::default() });
    }
}

fn touch_one_by_one(options: ToyOptions) {
    let rig = Rig::new(options);
    let mut process = rig.process();
    let (_, taken) = rig.takes(|| process.map(anonymous(BASE, 512)).expect("room"));
    assert_eq!(taken, 0);
    // A middle and a leaf table for the first page; a leaf table for the next, in another gigabyte.
    for (va, access, repair, frames) in [
        (BASE, Access::Load, Repair::ZeroPage, 2),
        (BASE, Access::Store, Repair::ZeroFill, 1),
        (BASE + PAGE, Access::Store, Repair::ZeroFill, 3),
        (BASE + 2 * PAGE, Access::Load, Repair::ZeroPage, 0),
        (BASE + 3 * PAGE, Access::Load, Repair::ZeroPage, 0),
    ] {
        let (repairs, taken) = rig.takes(|| process.repairs(va, access));
        assert_eq!((repairs, taken), (vec![repair], frames), "{va:#x}");
        rig.assert_sound(&[&process], &[]);
    }
    let counters = process.space.counters();
    assert_eq!((counters.resident_anon, counters.zero_mapped, counters.tables), (2, 2, 5));
    assert_eq!(process.space.resident_pages(), 2);
    let (_, given) = rig.takes(|| process.space.unmap(&process.machine, BASE, 512 * PAGE));
    assert_eq!(given, -6);
    // What harts remember of a space must not outlive its frames.
    let fences = rig.machine.fences();
    process.space.destroy(&process.machine);
    assert_eq!(rig.machine.fences() - fences, 1);
    rig.end(vec![], &[]);
}

#[test]
fn what_is_mapped_for_the_first_time_reads_as_zeros() {
    let rig = Rig::new(ToyOptions::default());
    let mut process = rig.process();
    process.map(anonymous(BASE, 4)).expect("room");
    for round in 1..4 {
        for page in 0..4 {
            let va = BASE + page * PAGE;
            assert_eq!(process.load(va + 8 * page), Ok(0), "round {round}");
            process.store(va, round).expect("room");
            assert_eq!((process.load(va), process.load(va + 8)), (Ok(round), Ok(0)));
        }
        process.space.discard(&process.machine, BASE, 4 * PAGE).expect("mapped");
    }
    rig.end(vec![process], &[]);
}

#[test]
fn a_fork_takes_tables_and_a_frame_for_each_page_that_is_written() {
    for pages in [1, 2, 20, 300] {
        let options = ToyOptions { frames: 2000, cells: 2000, ..ToyOptions::default() };
        let rig = Rig::new(options);
        let mut parent = rig.process();
        parent.map(anonymous(0x40_0000, pages)).expect("room");
        for page in 0..pages {
            parent.store(0x40_0000 + page * PAGE, page).expect("room");
        }
        let fences = rig.machine.fences();
        let (child, taken) = rig.takes(|| parent.fork().expect("frames"));
        let mut child = child;
        assert_eq!((taken, rig.machine.fences() - fences), (3, 1));
        rig.assert_sound(&[&parent, &child], &[]);
        assert_eq!(child.space.resident_pages(), pages);
        for page in (0..pages).step_by(3) {
            let va = 0x40_0000 + page * PAGE;
            let (repairs, taken) = rig.takes(|| child.repairs(va, Access::Store));
            assert_eq!((repairs, taken), (vec![Repair::CowCopy], 1));
            let (repairs, taken) = rig.takes(|| parent.repairs(va, Access::Store));
            assert_eq!((repairs, taken), (vec![Repair::CowReuse], 0));
        }
        assert_eq!(parent.load(0x40_0000), Ok(0x40_0000));
        if pages > 1 {
            assert_eq!((parent.load(0x40_1000), child.load(0x40_1000)), (Ok(1), Ok(1)));
        }
        rig.assert_sound(&[&parent, &child], &[]);
        rig.end(vec![parent, child], &[]);
    }
}

/// What a child is not to have it has not, or finds empty, and its promise is as large as its areas.
#[test]
fn a_child_is_spared_what_is_said() {
    let rig = Rig::new(ToyOptions::default());
    let mut parent = rig.process();
    parent.map(anonymous(BASE, 6)).expect("room");
    for page in 0..6 {
        parent.store(BASE + page * PAGE, page + 1).expect("room");
    }
    let pages =
        |from: u64, to| PageRange::new(Vpn::of(BASE + from * PAGE), Vpn::of(BASE + to * PAGE));
    let space = &mut parent.space;
    space.set_at_fork(pages(1, 3), None, AtFork::Leave).expect("room");
    space.set_at_fork(pages(2, 5), Some(AtFork::Leave), AtFork::Keep).expect("room");
    space.set_at_fork(pages(4, 6), None, AtFork::Wipe).expect("room");
    space.set_at_fork(pages(5, 6), Some(AtFork::Wipe), AtFork::Keep).expect("room");
    assert_eq!(space.vmas().count(), 5);
    let committed = rig.machine.committed_pages();
    let mut child = parent.fork().expect("frames");
    assert_eq!(rig.machine.committed_pages(), 2 * committed - 1);
    rig.assert_sound(&[&parent, &child], &[]);
    let seen: Vec<_> = (0..6).map(|page| child.load(BASE + page * PAGE).ok()).collect();
    assert_eq!(seen, [Some(1), None, Some(3), Some(4), Some(0), Some(6)]);
    parent.space.set_at_fork(pages(0, 6), None, AtFork::Keep).expect("room");
    assert_eq!(parent.space.vmas().count(), 1);
    let file = ToyObject::new(1);
    parent.map(object(BASE + 8 * PAGE, 1, &file, Sharing::Private)).expect("room");
    let refused = parent.space.set_at_fork(pages(5, 9), None, AtFork::Wipe);
    assert_eq!(refused, Err(Errno::EINVAL));
    rig.end(vec![parent, child], &[file]);
}

#[test]
fn hundreds_share_one_page() {
    let rig = Rig::new(ToyOptions { frames: 1500, ..ToyOptions::default() });
    let mut parent = rig.process();
    parent.map(anonymous(BASE, 1)).expect("room");
    parent.store(BASE, 7).expect("room");
    let mut children: Vec<_> = (0..300).map(|_| parent.fork().expect("frames")).collect();
    let processes: Vec<_> = children.iter().chain([&parent]).collect();
    rig.assert_sound(&processes, &[]);
    // Three tables each, and the one page.
    assert_eq!(rig.free_frames(), 1500 - 301 * 3 - 1);
    for (number, child) in (0..).zip(&mut children).step_by(30) {
        assert_eq!(child.repairs(BASE, Access::Load), []);
        child.store(BASE, number).expect("room");
    }
    assert_eq!(
        children.iter_mut().map(|child| child.load(BASE).expect("mapped")).sum::<u64>(),
        290 * 7 + (0..300).step_by(30).sum::<u64>()
    );
    assert_eq!(parent.repairs(BASE, Access::Store), [Repair::CowCopy]);
    children.push(parent);
    rig.end(children, &[]);
}

#[test]
fn a_fork_that_runs_out_of_memory_leaves_nothing() {
    for nth in 1.. {
        let rig = Rig::new(ToyOptions { harts: 2, ..ToyOptions::default() });
        let mut parent = rig.process();
        parent.map(anonymous(BASE, 3)).expect("room");
        for page in 0..3 {
            parent.store(BASE + page * PAGE, page).expect("room");
        }
        let free = rig.free_frames();
        rig.machine.fail_nth(Some(nth));
        let child = parent.fork();
        if rig.machine.failure_is_due() {
            // A root, and a middle and a leaf table on both sides of the gigabyte's end.
            assert_eq!(nth, 6);
            rig.machine.fail_nth(None);
            rig.end(vec![parent, child.expect("nothing failed")], &[]);
            return;
        }
        assert_eq!(child.err(), Some(Errno::ENOMEM));
        assert_eq!(rig.free_frames(), free);
        rig.assert_sound(&[&parent], &[]);
        // What the failed fork has taken away is given back, and does not spoil the next one.
        parent.store(BASE, 5).expect("nobody shares");
        let mut child = parent.fork().expect("frames");
        parent.store(BASE, 6).expect("room");
        assert_eq!((parent.load(BASE), child.load(BASE)), (Ok(6), Ok(5)));
        rig.end(vec![parent, child], &[]);
    }
}

#[test]
fn private_and_shared_pages_of_an_object() {
    let rig = Rig::new(ToyOptions::default());
    let file = ToyObject::with_words(&rig.machine, &[10, 11, 12]);
    let mut processes = [rig.process(), rig.process()];
    let [one, other] = &mut processes;
    one.map(object(BASE, 4, &file, Sharing::Private)).expect("room");
    other.map(object(BASE, 4, &file, Sharing::Shared)).expect("room");
    for (process, va, access, repair) in [
        (0, BASE, Access::Load, Repair::FileMap),
        (1, BASE, Access::Load, Repair::FileMap),
        (1, BASE, Access::Store, Repair::SharedMap),
        (0, BASE, Access::Store, Repair::FileCopy),
        (0, BASE + PAGE, Access::Store, Repair::FileCopy),
        (1, BASE + PAGE, Access::Store, Repair::SharedMap),
    ] {
        assert_eq!(processes[process].repairs(va, access), [repair], "{va:#x} {access:?}");
    }
    let [mut one, mut other] = processes;
    other.store(BASE + 2 * PAGE, 99).expect("mapped");
    assert_eq!(one.load(BASE + 2 * PAGE), Ok(99));
    assert_eq!(one.load(BASE + 3 * PAGE), Err(Trouble::Bus));
    rig.assert_sound(&[&one, &other], std::slice::from_ref(&file));
    let present = |process: &Process, page| match process.space.page(&rig.machine, Vpn(page)) {
        PageState::Present { frame, exclusive, object, .. } => Some((frame, exclusive, object)),
        _ => None,
    };
    let page = Vpn::of(BASE).0 + 2;
    let frame = file.frame(&rig.machine, 2).expect("there");
    assert_eq!(present(&one, page), Some((frame, false, true)));
    assert!(matches!(present(&one, page - 1), Some((_, true, false))));
    assert_eq!(one.space.counters().resident_object, 1);
    rig.end(vec![one, other], &[file]);
}

#[test]
fn an_object_that_shrinks_takes_its_pages_along() {
    let rig = Rig::new(ToyOptions::default());
    let file = ToyObject::with_words(&rig.machine, &[10, 11, 12]);
    let mut process = rig.process();
    process.map(object(BASE, 3, &file, Sharing::Private)).expect("room");
    process.store(BASE, 5).expect("room");
    process.store(BASE + PAGE, 1).expect("room");
    process.load(BASE + 2 * PAGE).expect("mapped");
    file.set_length(&rig.machine, 1);
    process.space.discard_object(&process.machine, &file, 1..u64::MAX, Copies::Gone);
    rig.assert_sound(&[&process], std::slice::from_ref(&file));
    assert_eq!(process.load(BASE), Ok(5));
    assert_eq!(process.load(BASE + PAGE), Err(Trouble::Bus));
    file.set_length(&rig.machine, 3);
    assert_eq!(process.load(BASE + PAGE), Ok(0));
    rig.end(vec![process], &[file]);
}

#[test]
fn an_object_with_a_hole_keeps_private_copies() {
    let rig = Rig::new(ToyOptions::default());
    let file = ToyObject::with_words(&rig.machine, &[10, 11, 12, 13]);
    let mut process = rig.process();
    process.map(object(BASE, 4, &file, Sharing::Private)).expect("room");
    let shared = BASE + 8 * PAGE;
    process.map(object(shared, 4, &file, Sharing::Shared)).expect("room");
    for page in 0..4 {
        assert_eq!(process.load(BASE + page * PAGE), Ok(10 + page));
        process.store(shared + page * PAGE, 20 + page).expect("room");
    }
    process.store(BASE + PAGE, 1).expect("room");
    file.punch(&rig.machine, 1..3);
    process.space.discard_object(&process.machine, &file, 1..3, Copies::Kept);
    rig.assert_sound(&[&process], std::slice::from_ref(&file));
    for (page, own, others) in [(0, 20, 20), (1, 1, 0), (2, 0, 0), (3, 23, 23)] {
        assert_eq!(process.load(BASE + page * PAGE), Ok(own), "page {page}");
        assert_eq!(process.load(shared + page * PAGE), Ok(others), "page {page}");
    }
    process.store(shared + 2 * PAGE, 30).expect("room");
    assert_eq!(process.load(BASE + 2 * PAGE), Ok(30));
    rig.end(vec![process], &[file]);
}

#[test]
fn faults_map_what_is_around() {
    let rig = Rig::new(ToyOptions::default());
    let file = ToyObject::with_words(&rig.machine, &(100..140).collect::<Vec<_>>());
    file.break_page(5);
    let limits = Limits { fault_around_pages: 16, ..LIMITS };
    let mut process = Process::new(&rig.machine, limits);
    // The area begins two pages into a window of 16.
    let start = (1 << 30) + 2 * PAGE;
    let request = Request { prot: Prot::READ_EXEC, ..object(start, 60, &file, Sharing::Private) };
    process.map(request).expect("room");
    assert_eq!(process.repairs(start + 6 * PAGE, Access::Fetch), [Repair::FileMap]);
    assert_eq!(process.space.resident_pages(), 13);
    for page in (0..14).filter(|page| *page != 5) {
        assert_eq!(process.access(start + page * PAGE, Access::Load, 0), Ok((100 + page, vec![])));
    }
    assert_eq!(process.load(start + 5 * PAGE), Err(Trouble::Bus));
    // The object ends within this window.
    assert_eq!(process.repairs(start + 39 * PAGE, Access::Load), [Repair::FileMap]);
    assert_eq!(process.space.resident_pages(), 13 + 10);
    rig.assert_sound(&[&process], std::slice::from_ref(&file));
    rig.end(vec![process], &[file]);
}

#[test]
fn no_page_is_writable_and_executable_at_once() {
    for ad in [AdUpdate::Svade, AdUpdate::Svadu] {
        let rig = Rig::new(ToyOptions { ad, harts: 2, ..ToyOptions::default() });
        let mut process = rig.process();
        process.map(Request { prot: Prot::ALL, ..anonymous(BASE, 1) }).expect("room");
        for (hart, access, repairs) in [
            (0, Access::Store, vec![Repair::ZeroFill]),
            (1, Access::Fetch, vec![Repair::Flip]),
            (0, Access::Store, vec![Repair::CowReuse]),
            (1, Access::Load, vec![]),
            (0, Access::Fetch, vec![Repair::Flip]),
        ] {
            process.machine.on_hart(hart);
            assert_eq!(process.repairs(BASE, access), repairs, "{access:?}");
            rig.assert_sound(&[&process], &[]);
        }
        rig.end(vec![process], &[]);
    }
}

#[test]
fn pages_that_may_not_be_touched_keep_their_content() {
    let rig = Rig::new(ToyOptions::default());
    let mut parent = rig.process();
    parent.map(anonymous(BASE, 3)).expect("room");
    for page in 0..3 {
        parent.store(BASE + page * PAGE, 7 + page).expect("room");
    }
    let protect = |process: &mut Process, prot| {
        process.space.protect(&process.machine, BASE, 3 * PAGE, prot).expect("mapped");
    };
    protect(&mut parent, Prot::NONE);
    assert_eq!(parent.load(BASE), Err(Trouble::Denied));
    assert_eq!(parent.space.resident_pages(), 0);
    let state = parent.space.page(&rig.machine, Vpn::of(BASE));
    assert!(matches!(state, PageState::Present { exclusive: true, object: false, .. }));
    let mut child = parent.fork().expect("frames");
    rig.assert_sound(&[&parent, &child], &[]);
    protect(&mut child, Prot::READ_WRITE);
    assert_eq!(child.repairs(BASE, Access::Load), [Repair::Rescue]);
    assert_eq!(child.repairs(BASE + PAGE, Access::Store), [Repair::CowCopy]);
    protect(&mut parent, Prot::READ_WRITE);
    assert_eq!(parent.load(BASE + PAGE), Ok(8));
    // It was mapped so that the first store has only to be noted.
    assert_eq!(parent.repairs(BASE + PAGE, Access::Store), [Repair::Spurious]);
    assert_eq!(parent.repairs(BASE + 2 * PAGE, Access::Store), [Repair::CowCopy]);
    assert_eq!(child.repairs(BASE + 2 * PAGE, Access::Store), [Repair::Rescue]);
    rig.assert_sound(&[&parent, &child], &[]);
    rig.end(vec![parent, child], &[]);
}

/// A machine whose hart sets A and D just before an entry that grants stores is changed.
struct Racing(ToyMachine);

impl Machine for Racing {
    type Object = ToyObject;

    fn memory<R>(&self, f: impl FnOnce(&mut Memory) -> R) -> R {
        self.0.memory(f)
    }

    fn commit(&self, pages: u64, own_pages: u64) -> Result<(), OutOfMemory> {
        self.0.commit(pages, own_pages)
    }

    fn uncommit(&self, pages: u64) {
        self.0.uncommit(pages);
    }

    fn pte(&self, table: Ppn, index: usize) -> Pte {
        self.0.pte(table, index)
    }

    fn swap_pte(&self, table: Ppn, index: usize, pte: Pte) -> Pte {
        self.0.swap_pte(table, index, pte)
    }

    fn exchange_pte(&self, table: Ppn, index: usize, old: Pte, new: Pte) -> Result<(), Pte> {
        let pte = self.0.pte(table, index);
        if pte.flags().has(Flags::V | Flags::W) {
            let flags = pte.flags() | Flags::A | Flags::D;
            self.0.swap_pte(table, index, pte.with_flags(flags));
        }
        self.0.exchange_pte(table, index, old, new)
    }

    fn zero(&self, frame: Ppn) {
        self.0.zero(frame);
    }

    fn copy(&self, from: Ppn, to: Ppn) {
        self.0.copy(from, to);
    }

    fn object_page(
        &self,
        object: &ToyObject,
        index: u64,
        access: ObjectAccess,
    ) -> Result<Ppn, PageError> {
        self.0.object_page(object, index, access)
    }

    fn object_pages(&self, object: &ToyObject, first: u64, frames: &mut [Option<Ppn>]) {
        self.0.object_pages(object, first, frames);
    }

    fn fence(&self, reach: Reach) {
        self.0.fence(reach);
    }
}

#[test]
fn what_the_hart_sets_meanwhile_is_not_lost() {
    let machine = Racing(ToyMachine::new(ToyOptions::default()));
    let root = machine.0.kernel_root();
    let mut space: Space<Racing> = Space::new(&machine, root, LIMITS).expect("frames");
    space.map(&machine, anonymous(BASE, 1)).expect("room");
    space.fault(&machine, BASE, Access::Store).expect("frames");
    let page = Vpn::of(BASE);
    let entry =
        |space: &Space<Racing>| tables::walk(&machine, space.root, page).entry(&machine, page);
    // As a scan for pages that are not in use would leave it.
    let tables::Way::Leaf(table) = tables::walk(&machine, space.root, page) else {
        panic!("the table is there")
    };
    let clean = Flags::A | Flags::D;
    let written = entry(&space);
    machine.0.swap_pte(
        table,
        Leaf::index(page),
        written.with_flags(written.flags().without(clean)),
    );
    let mut child = space.fork(&machine).expect("frames");
    let shared = written.with_flags(written.flags().without(Flags::W));
    // That it was written is the parent's to say.
    let childs = shared.with_flags(shared.flags().without(Flags::D));
    assert_eq!([entry(&space), entry(&child)], [shared, childs]);
    child.destroy(&machine);
    space.destroy(&machine);
}
