//! That the toy machine catches what it is there to catch.

use super::*;

const VA: u64 = 0x1_2345_6000;
const RWU: Flags = Flags::V.with(Flags::R).with(Flags::W).with(Flags::U);
const READY: Flags = RWU.with(Flags::A).with(Flags::D);

/// A machine, the three tables that lead to `VA`, and the entry for it.
struct Rig {
    machine: ToyMachine,
    tables: [Ppn; LEVELS],
}

impl Rig {
    fn new(options: ToyOptions) -> Self {
        let machine = ToyMachine::new(options);
        let tables = [0; LEVELS].map(|_| {
            let alloc = |memory: &mut Memory| memory.frames.alloc(Class::Kernel, Owner::Table);
            let table = machine.memory(alloc).expect("frames");
            machine.zero(table);
            table
        });
        for level in 1..LEVELS {
            let pointer = Pte::table(tables[level - 1]);
            machine.swap_pte(tables[level], crate::vpn(VA, level), pointer);
        }
        Self { machine, tables }
    }

    fn root(&self) -> Ppn {
        self.tables[LEVELS - 1]
    }

    fn set(&self, pte: Pte) {
        self.machine.swap_pte(self.tables[0], crate::vpn(VA, 0), pte);
    }

    fn get(&self) -> Pte {
        self.machine.pte(self.tables[0], crate::vpn(VA, 0))
    }

    /// Maps a new cell whose frame begins with `word`.
    fn map_cell(&self, word: u64, flags: Flags) -> Ppn {
        let cell = self.machine.memory(|memory| memory.new_cell(Class::User));
        let (_, frame) = cell.expect("frames");
        self.machine.poke(frame, 0, word);
        self.machine.memory(|memory| memory.frames.map(frame));
        self.set(Pte::new(frame, flags));
        frame
    }

    fn load(&self) -> Option<u64> {
        self.machine.load(self.root(), VA).ok()
    }
}

#[test]
fn a_translation_stays_until_its_fence() {
    let rig = Rig::new(ToyOptions { harts: 2, ..ToyOptions::default() });
    rig.map_cell(1, READY);
    assert_eq!(rig.load(), Some(1));
    rig.map_cell(2, READY);
    assert_eq!(rig.load(), Some(1));
    rig.machine.on_hart(1);
    assert_eq!(rig.load(), Some(2));
    rig.set(Pte::default());
    assert_eq!(rig.load(), Some(2));
    let page = PageRange::sized(Vpn::of(VA), 1);
    rig.machine.sibling().fence(Reach::Space);
    assert_eq!(rig.machine.fences(), 1);
    rig.machine.fence(Reach::Pages(PageRange::sized(Vpn::of(VA).add(1), 1)));
    assert_eq!(rig.load(), Some(2));
    rig.machine.fence(Reach::Pages(page));
    assert_eq!(rig.load(), None);
    rig.machine.on_hart(0);
    assert_eq!(rig.load(), None);
}

#[test]
fn pointers_to_tables_stay_longer() {
    let rig = Rig::new(ToyOptions::default());
    rig.map_cell(1, READY);
    assert_eq!(rig.load(), Some(1));
    rig.machine.swap_pte(rig.tables[1], crate::vpn(VA, 1), Pte::default());
    rig.machine.fence(Reach::Pages(PageRange::sized(Vpn::of(VA), 1)));
    assert_eq!(rig.load(), Some(1));
    rig.machine.fence(Reach::Space);
    assert_eq!(rig.load(), None);
}

#[test]
fn invalid_entries_stay_if_asked() {
    for (keeps_invalid, want) in [(false, Some(1)), (true, None)] {
        let rig = Rig::new(ToyOptions { keeps_invalid, ..ToyOptions::default() });
        assert_eq!(rig.load(), None);
        rig.map_cell(1, READY);
        assert_eq!(rig.load(), want);
        rig.machine.fence_here(Vpn::of(VA));
        assert_eq!(rig.load(), Some(1));
    }
}

#[test]
fn a_and_d_are_set_by_whom_the_options_say() {
    for (ad, load, store, flags) in
        [(AdUpdate::Svade, None, None, RWU), (AdUpdate::Svadu, Some(1), Some(()), READY)]
    {
        let rig = Rig::new(ToyOptions { ad, ..ToyOptions::default() });
        let frame = rig.map_cell(1, RWU);
        assert_eq!(rig.load(), load);
        assert_eq!(rig.machine.store(rig.root(), VA, 7).ok(), store);
        assert_eq!(rig.get(), Pte::new(frame, flags));
        assert!(rig.machine.fetch(rig.root(), VA).is_err());
    }
}

#[test]
fn a_hart_sets_d_in_the_entry_that_is_there() {
    let rig = Rig::new(ToyOptions { ad: AdUpdate::Svadu, ..ToyOptions::default() });
    rig.map_cell(1, RWU);
    assert_eq!(rig.load(), Some(1));
    rig.set(Pte::default());
    // The load still goes through what the hart remembers, the store has to look.
    assert_eq!(rig.load(), Some(1));
    assert!(rig.machine.store(rig.root(), VA, 2).is_err());
    assert_eq!(rig.get(), Pte::default());
}

#[test]
#[should_panic(expected = "which is Free")]
fn reaching_a_free_frame_is_caught() {
    let rig = Rig::new(ToyOptions::default());
    let frame = rig.map_cell(1, READY);
    assert_eq!(rig.load(), Some(1));
    rig.set(Pte::default());
    rig.machine.memory(|memory| memory.drop_mapping(Pte::new(frame, Flags::V)));
    rig.load();
}

#[test]
fn the_kernels_half_is_not_the_users() {
    let machine = ToyMachine::new(ToyOptions::default());
    for index in KERNEL_ENTRIES {
        let pte = machine.pte(machine.kernel_root(), index);
        assert!(pte.is_leaf() && pte.flags().has(Flags::G) && !pte.flags().has(Flags::U));
        let va = ((index as u64) << 30) | u64::MAX << 39;
        assert!(machine.load(machine.kernel_root(), va).is_err());
    }
}

#[test]
fn allocations_fail_when_told() {
    let machine = ToyMachine::new(ToyOptions::default());
    let alloc = || machine.memory(|memory| memory.new_cell(Class::User).is_ok());
    machine.fail_nth(Some(3));
    assert_eq!([(); 4].map(|()| alloc()), [true, true, false, true]);
    machine.fail_nth(Some(2));
    assert!(alloc() && machine.failure_is_due());
    machine.fail_nth(None);
    assert!(alloc() && !machine.failure_is_due());
}

#[test]
fn objects_have_an_end_and_broken_pages() {
    let machine = ToyMachine::new(ToyOptions::default());
    let object = ToyObject::with_words(&machine, &[5, 6]);
    object.break_page(1);
    object.set_length(&machine, 3);
    let page = |index, access| machine.object_page(&object, index, access);
    assert_eq!(page(0, ObjectAccess::IfPresent), Ok(object.frame(&machine, 0).expect("there")));
    assert_eq!(page(1, ObjectAccess::Read), Err(PageError::Io));
    assert_eq!(page(2, ObjectAccess::IfPresent), Err(PageError::Absent));
    assert_eq!(page(3, ObjectAccess::Write), Err(PageError::BeyondEnd));
    let hole = page(2, ObjectAccess::Write).expect("a frame");
    assert_eq!((machine.peek(hole, 0), object.cells().len()), (0, 3));
    assert!(object == object.clone() && object != ToyObject::new(3));
}
