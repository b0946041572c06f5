//! The walk over real spaces: sound after everything they do, and not after a planted mistake.

use super::super::*;
use crate::mm::space::{Limits, Place, Request};
use crate::mm::toy::{ToyMachine, ToyObject, ToyOptions};
use crate::mm::vma::Purpose;
use crate::mm::{Backing, Machine, Prot, Sharing, Space};
use crate::vpn;
use crate::walk::Access;

const BASE: u64 = 0x4000_0000;
const LIMITS: Limits = Limits {
    min_address: 0x1_0000,
    total_bytes: u64::MAX,
    data_bytes: u64::MAX,
    stack_bytes: 8 << 20,
    areas: 100,
    fault_around_pages: 0,
};

/// A space with an anonymous area of three pages and one of an object behind it, and its child.
struct System {
    machine: ToyMachine,
    spaces: [Space<ToyMachine>; 2],
    object: ToyObject,
}

fn request(start: u64, backing: Backing<ToyObject>, sharing: Sharing) -> Request<ToyObject> {
    let prot = Prot { read: true, write: true, exec: false };
    Request {
        no_reserve: false,
        place: Place::Fixed(start),
        length_bytes: 3 << 12,
        prot,
        max_prot: Prot { exec: true, ..prot },
        sharing,
        backing,
        purpose: Purpose::Mapping,
    }
}

impl System {
    fn new() -> Self {
        let machine = ToyMachine::new(ToyOptions::default());
        let object = ToyObject::with_words(&machine, &[1, 2, 3]);
        let mut space = Space::new(&machine, machine.kernel_root(), LIMITS).expect("frames");
        let file = Backing::Object { object: object.clone(), first: 0 };
        for request in [
            request(BASE, Backing::Anonymous, Sharing::Private),
            request(BASE + 0x3000, file, Sharing::Shared),
        ] {
            space.map(&machine, request).expect("room");
        }
        for (page, access) in
            [(0, Access::Store), (1, Access::Load), (3, Access::Load), (4, Access::Store)]
        {
            space.fault(&machine, BASE + page * 0x1000, access).expect("mapped");
        }
        let child = space.fork(&machine).expect("frames");
        Self { machine, spaces: [space, child], object }
    }

    fn audit(&self) -> Vec<String> {
        let machine = &self.machine;
        let mut audit = Audit::begin(machine.memory(|memory| memory.extent())).expect("a heap");
        audit.kernel(machine, 0, machine.kernel_root());
        for (id, space) in (1..).zip(&self.spaces) {
            audit.space(machine, id, space);
            audit.kernel_half(machine, id, space.root(), machine.kernel_root());
        }
        self.object.cells().into_iter().for_each(|cell| audit.object_page(cell));
        machine.memory(|memory| audit.judge(memory));
        audit.finish().iter().map(ToString::to_string).collect()
    }

    /// The table at `level` on the way to `va` in a space, and the index of the entry.
    fn way(&self, space: usize, va: u64, level: usize) -> (Ppn, usize) {
        let mut table = self.spaces[space].root();
        for above in (level + 1..crate::LEVELS).rev() {
            table = self.machine.pte(table, vpn(va, above)).ppn();
        }
        (table, vpn(va, level))
    }

    fn change(&self, space: usize, va: u64, level: usize, change: impl FnOnce(Pte) -> Pte) {
        let (table, index) = self.way(space, va, level);
        let old = self.machine.pte(table, index);
        self.machine.swap_pte(table, index, change(old));
    }
}

#[test]
fn a_system_is_sound_and_leaves_nothing() {
    let machine = ToyMachine::new(ToyOptions::default());
    let before = machine.memory(|memory| memory.census());
    drop(machine);
    let mut system = System::new();
    assert_eq!(system.audit(), [""; 0]);
    for page in [0, 1, 2, 5] {
        let [parent, _] = &mut system.spaces;
        parent.fault(&system.machine, BASE + page * 0x1000, Access::Store).expect("mapped");
        assert_eq!(system.audit(), [""; 0], "page {page}");
    }
    let System { machine, spaces, object } = system;
    spaces.into_iter().for_each(|mut space| space.destroy(&machine));
    object.set_length(&machine, 0);
    assert_eq!(machine.memory(|memory| memory.census()), before);
}

#[test]
fn mistakes_in_tables_are_found() {
    type Mistake = (&'static str, fn(&System), &'static str);
    let mistakes: [Mistake; 8] = [
        (
            "sharing a writable page",
            |s| s.change(1, BASE, 0, |pte| Pte(pte.0 | 1 << 2)),
            "writable",
        ),
        ("W and X", |s| s.change(0, BASE + 0x4000, 0, |pte| Pte(pte.0 | 1 << 3)), "executable"),
        ("a page lost", |s| s.change(0, BASE, 0, |_| Pte(0)), "space 1: anonymous pages"),
        (
            "a table lost",
            |s| s.change(0, BASE, 1, |_| Pte(0)),
            "space 1: tables: counted 3, found 2",
        ),
        ("a page for a table", |s| s.change(0, BASE, 1, |pte| Pte(pte.0 | 2)), "means nothing"),
        ("a table for a page", |s| s.change(0, BASE, 0, |pte| Pte(pte.0 & !0xfe)), "means nothing"),
        (
            "one table for two spaces",
            |s| {
                let (table, index) = s.way(0, BASE, 1);
                let shared = s.machine.pte(table, index);
                s.change(1, BASE, 1, |_| shared);
            },
            "claimed 2 times: Table",
        ),
        (
            "the kernel's half",
            |s| s.change(1, 258 << 30, 2, |pte| Pte(pte.0 | 1 << 4)),
            "the kernel has",
        ),
    ];
    for (what, mistake, want) in mistakes {
        let system = System::new();
        mistake(&system);
        let found = system.audit();
        assert!(found.iter().any(|line| line.contains(want)), "{what}: {found:#?}");
    }
}

#[test]
fn the_kernels_own_tables_are_seen() {
    let system = System::new();
    let root = system.machine.kernel_root();
    let old = system.machine.pte(root, 510);
    for (pte, want) in [
        (Pte(old.0 | 1 << 3), "is writable and executable"),
        (Pte(old.0 | 1 << 4), "the other half's U or G"),
        (Pte(old.0 | 1 << 60), "means nothing"),
    ] {
        system.machine.swap_pte(root, 510, pte);
        let mut audit =
            Audit::begin(system.machine.memory(|memory| memory.extent())).expect("a heap");
        audit.kernel(&system.machine, 0, root);
        let found: Vec<String> = audit.finish().iter().map(ToString::to_string).collect();
        let start = "space 0 page 0xffffffff80000000: ";
        assert!(matches!(&found[..], [line] if line.starts_with(start) && line.contains(want)));
    }
}
