//! A sound system, of which each mistake is found and said in its line.

mod walk;

use super::*;
use crate::mm::cells::{Cell, Cells};
use crate::mm::frames::{FrameMeta, Frames};
use crate::mm::{Class, Owner};

const FIRST: Ppn = Ppn(0x8_0000);
const FRAMES: usize = 40;
const PAGE: Vpn = Vpn(0x10);
const READ: Flags = Flags::V.with(Flags::R).with(Flags::U);
const WRITE: Flags = READ.with(Flags::W);
const KERNEL: Flags = Flags::V.with(Flags::R).with(Flags::G);

/// Two spaces that share a cell, an object's page and the zeros; the second has a cell of its own
/// and one that it names without mapping it.
struct System {
    memory: Memory,
    roots: [Ppn; 2],
    entries: [Vec<(Vpn, Pte)>; 2],
    object: Vec<CellId>,
    kernel: Vec<Ppn>,
    shared: CellId,
    absent: CellId,
}

impl System {
    fn new() -> Self {
        let mut frames = Frames::new(FIRST, vec![FrameMeta::RESERVED; FRAMES].leak());
        frames.donate(frames.range());
        frames.set_min_free_kbytes(0);
        let cells = Cells::new(vec![Cell::DEAD; FRAMES].leak());
        let mut memory = Memory::new(frames, cells).expect("frames");
        let mut alloc = |owner| memory.frames.alloc(Class::Kernel, owner).expect("frames");
        let roots = [alloc(Owner::Table), alloc(Owner::Table)];
        let table = alloc(Owner::Table);
        let kernel = alloc(Owner::Kernel);
        let (page, object) = memory.new_object_cell(Class::User).expect("room");
        let [shared, own, absent] = [(); 3].map(|()| memory.new_cell(Class::User).expect("room"));
        memory.frames.map(absent.1);
        memory.hide_cell(absent.0, Pte::new(absent.1, READ));
        for frame in [shared.1, shared.1, object, object, own.1] {
            memory.frames.map(frame);
        }
        memory.unpin(object);
        let zero = memory.zero_frame();
        memory.frames.map(zero);
        let first = vec![
            (Vpn::USER_END, Pte::new(Ppn(0x4_0000), KERNEL)),
            (PAGE, Pte::new(shared.1, READ)),
            (PAGE.add(1), Pte::new(object, WRITE)),
            (PAGE.add(2), Pte::new(zero, READ)),
        ];
        let second = vec![
            (PAGE, Pte::new(shared.1, READ)),
            (PAGE.add(1), Pte::new(object, READ)),
            (PAGE.add(2), Pte::new(own.1, WRITE)),
            (PAGE.add(3), absent.0.absent_pte()),
            (Vpn(0), Pte::table(table)),
        ];
        Self {
            memory,
            roots,
            entries: [first, second],
            object: vec![page],
            kernel: vec![kernel],
            shared: shared.0,
            absent: absent.0,
        }
    }

    fn shared_frame(&self) -> Ppn {
        self.memory.cells.frame(self.shared).expect("resident")
    }

    fn audit(&self) -> Vec<String> {
        let mut audit = Audit::begin(self.memory.extent()).expect("a heap");
        for (space, (root, entries)) in (1..).zip(self.roots.iter().zip(&self.entries)) {
            audit.table(*root);
            for (page, pte) in entries {
                audit.entry(space, *page, *pte);
            }
        }
        self.object.iter().for_each(|cell| audit.object_page(*cell));
        self.kernel.iter().for_each(|frame| audit.kernel_frame(*frame));
        audit.judge(&self.memory);
        audit.finish().iter().map(ToString::to_string).collect()
    }
}

/// What goes wrong, and the lines that say so.
type Mistake = (fn(&mut System), &'static [&'static str]);

fn check(mistakes: &[Mistake]) {
    assert_eq!(System::new().audit(), [""; 0]);
    for (mistake, want) in mistakes {
        let mut system = System::new();
        mistake(&mut system);
        assert_eq!(&system.audit(), want);
    }
}

#[test]
fn mistakes_in_entries() {
    check(&[
        (
            |system| system.entries[0][1].1.0 |= 1 << 60,
            &[
                "space 1 page 0x10000: Pte(0x1000000020001813 ---U--RV ppn 0x80006) means nothing",
                "frame 0x80006 (anon): mapped: counted 2, found 1",
            ],
        ),
        (
            |system| system.entries[1].push((PAGE.add(9), Pte(1 << 10))),
            &["space 2 page 0x19000: Pte(0x400 -------- ppn 0x1) means nothing"],
        ),
        (
            |system| system.entries[1][2].1.0 |= 1 << 3,
            &["space 2 page 0x12000: Pte(0x20001c1f ---UXWRV ppn 0x80007) \
                  is writable and executable"],
        ),
        (
            |system| system.entries[1][2].1.0 ^= 1 << 4,
            &["space 2 page 0x12000: Pte(0x20001c07 -----WRV ppn 0x80007) \
                  has the other half's U or G"],
        ),
        (
            |system| system.entries[0][0].1.0 ^= 1 << 4,
            &["space 1 page 0x4000000000: Pte(0x10000033 --GU--RV ppn 0x40000) \
                  has the other half's U or G"],
        ),
        (
            |system| system.entries[0].push((PAGE.add(9), Pte::new(Ppn(7), READ))),
            &["space 1 page 0x19000: Pte(0x1c13 ---U--RV ppn 0x7) maps what is not RAM"],
        ),
        (
            |system| system.entries[1][0].1 = Pte::new(system.shared_frame(), WRITE),
            &["frame 0x80006: writable, but cell 2 has 2 holders"],
        ),
        (|system| system.entries[0][3].1.0 |= 1 << 2, &["the page of zeros is writable"]),
        (
            |system| system.entries[0][3].1 = Pte::new(system.kernel[0], READ),
            &[
                "frame 0x80000 (zero): mapped: counted 1, found 0",
                "frame 0x80004 (kernel): mapped: counted 0, found 1",
                "frame 0x80004 (kernel): mapped or pinned",
            ],
        ),
        (
            |system| {
                system.memory.release_cell(system.absent);
            },
            &["cell 4: named, but dead"],
        ),
        (
            |system| system.entries[1][3].1 = system.shared.absent_pte(),
            &["cell 2: holders: counted 0, found 1", "cell 4: holders: counted 1, found 0"],
        ),
    ]);
}

#[test]
fn mistakes_in_ownership() {
    check(&[
        (|system| system.object.push(system.object[0]), &["cell 1: holders: counted 1, found 2"]),
        (|system| system.object.clear(), &["cell 1: holders: counted 1, found 0"]),
        (
            |system| system.kernel.push(system.roots[0]),
            &["frame 0x80001 (table): claimed 1 times: Kernel"],
        ),
        (
            |system| system.kernel.extend([Ppn(3), system.kernel[0]]),
            &[
                "frame 0x3: not RAM, but claimed: Kernel",
                "frame 0x80004 (kernel): claimed 2 times: Kernel",
            ],
        ),
        (
            |system| system.entries[1].truncate(4),
            &["frame 0x80003 (table): claimed 0 times: Table"],
        ),
        (
            |system| system.memory.frames.free(system.roots[1]),
            &["frame 0x80002 (free): claimed 1 times: Table"],
        ),
        (
            |system| {
                let owner = Owner::Object(system.absent);
                system.memory.frames.set_owner(system.kernel[0], owner);
            },
            &[
                "frame 0x80004 (object): claimed 1 times: Kernel",
                "frame 0x80004 (object): its owner does not have it",
            ],
        ),
        (
            |system| {
                let owner = Owner::Anon(system.absent);
                system.memory.frames.set_owner(system.shared_frame(), owner);
            },
            &[
                "frame 0x80006 (anon): its owner does not have it",
                "cell 2: frame 0x80006 is not its own",
            ],
        ),
    ]);
}

#[test]
fn mistakes_in_counts() {
    check(&[
        (
            |system| system.memory.frames.map(system.shared_frame()),
            &["frame 0x80006 (anon): mapped: counted 3, found 2"],
        ),
        (
            |system| system.memory.cells.hold(system.shared),
            &["cell 2: holders: counted 1, found 0"],
        ),
        (
            |system| {
                let _ = system.memory.new_cell(Class::User);
            },
            &[
                "frame 0x80009 (anon): on list None instead of Some(Modified)",
                "cell 5: lives, but unnamed",
            ],
        ),
        (
            |system| system.memory.frames.corrupt(|counts, _| counts[0] += 2),
            &["reserved frames: counted 2, found 0"],
        ),
        (
            |system| system.memory.frames.corrupt(|_, hot| *hot -= 1),
            &["lists: broken at frame 0x8000f", "free lists: 31 frames are free, 30 on lists"],
        ),
    ]);
}

#[test]
fn leaks_are_what_is_there_now_and_was_not() {
    let mut system = System::new();
    let before = system.memory.census();
    let cell = system.memory.new_cell(Class::User).expect("room");
    let lines = |system: &System| {
        let mut audit = Audit::begin(system.memory.extent()).expect("a heap");
        audit.compare(&before, &system.memory.census());
        audit.finish().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let want = [
        "leak: free: 31 before, 30 now",
        "leak: anon: 3 before, 4 now",
        "leak: cells: 4 before, 5 now",
    ];
    assert_eq!(lines(&system), want);
    system.memory.cells.hold(cell.0);
    system.memory.release_cell(cell.0);
    assert_eq!(lines(&system), [""; 0]);
}

#[test]
fn many_violations_end_in_a_count() {
    let system = System::new();
    let mut audit = Audit::begin(system.memory.extent()).expect("a heap");
    for page in 0..100 {
        audit.entry(1, Vpn(page), Pte(5));
    }
    let found = audit.finish();
    assert_eq!(found.len(), VIOLATIONS_KEPT + 1);
    assert_eq!(found[VIOLATIONS_KEPT].to_string(), "and 36 more");
}
