//! The numbers against TLBs that forget nothing unless told to, and fill themselves at any time.

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::{Strategy, prop_oneof, proptest};

use super::*;

const SPACES: usize = 7;
const PAGES: usize = 2;

/// A table in memory: what the pages of a space translate to, as versions.
#[derive(Clone, Default)]
struct Table {
    /// The space's.
    name: u64,
    versions: [u64; PAGES],
}

#[derive(Default)]
struct Space {
    context: Context,
    /// Names it for good.
    name: u64,
    /// Number of the table that its root points to.
    table: u64,
    /// Nothing older may be seen.
    settled: [u64; PAGES],
    pending: Option<Pending>,
}

/// A fence under way.
struct Pending {
    /// With the harts that have yet to take the interrupt.
    fence: Fence,
    /// Is freed at the end.
    unlinked: Option<u64>,
}

#[derive(Default)]
struct Hart {
    /// Space and ASID; none for the kernel's own table.
    satp: Option<(usize, u16)>,
    /// Tables that walks go on from, by ASID.
    walks: HashMap<u16, u64>,
    /// Name of the space and version, by ASID and page.
    tlb: HashMap<(u16, usize), (u64, u64)>,
    /// There is something in the TLB, under any ASID, that was made of a table that was freed.
    has_garbage: bool,
}

impl Hart {
    fn forget(&mut self, asid: u16) {
        self.walks.remove(&asid);
        self.tlb.retain(|(found, _), _| *found != asid);
    }

    fn forget_all(&mut self) {
        (self.walks, self.tlb) = Default::default();
        self.has_garbage = false;
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Meanwhile the hart walks for the page.
    Switch(usize, usize, usize),
    Leave(usize),
    /// The hart walks for a page that nobody uses.
    Walk(usize, usize),
    Access(usize, usize),
    /// Changes a page and lets this many harts take the interrupt at once.
    Change(usize, usize, usize),
    /// The same with the table, which makes place for a new one.
    Relink(usize, usize),
    Replace(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (hart, space, page) = (0_usize..HARTS_MAX, 0..SPACES, 0..PAGES);
    let taken = 0_usize..3;
    prop_oneof![
        4 => (hart.clone(), space.clone(), page.clone())
            .prop_map(|(hart, space, page)| Step::Switch(hart, space, page)),
        1 => hart.clone().prop_map(Step::Leave),
        2 => (hart.clone(), page.clone()).prop_map(|(hart, page)| Step::Walk(hart, page)),
        6 => (hart, page.clone()).prop_map(|(hart, page)| Step::Access(hart, page)),
        3 => (space.clone(), page, taken.clone())
            .prop_map(|(space, page, taken)| Step::Change(space, page, taken)),
        2 => (space.clone(), taken).prop_map(|(space, taken)| Step::Relink(space, taken)),
        1 => space.prop_map(Step::Replace),
    ]
}

struct Model {
    asids: Asids,
    harts: Vec<Hart>,
    spaces: [Space; SPACES],
    /// Those that are not free.
    tables: HashMap<u64, Table>,
    names: u64,
}

impl Model {
    fn new(width_bits: u32, harts: usize) -> Self {
        let asids = Asids::new(width_bits, harts);
        let harts = (0..harts).map(|_| Hart::default()).collect();
        let (spaces, tables) = Default::default();
        let mut model = Self { asids, harts, spaces, tables, names: 0 };
        (0..SPACES).for_each(|space| model.begin(space));
        model
    }

    fn step(&mut self, step: Step) {
        let harts = self.harts.len();
        match step {
            Step::Switch(hart, space, page) => self.switch(hart % harts, space, page),
            Step::Leave(hart) => {
                self.harts[hart % harts].satp = None;
                self.asids.leave(hart % harts);
            }
            Step::Walk(hart, page) => self.walk(hart % harts, page),
            Step::Access(hart, page) => self.access(hart % harts, page),
            Step::Change(space, page, taken) => {
                self.deliver(space, usize::MAX);
                self.table_of(space).versions[page] += 1;
                self.fence(space, None, taken);
            }
            Step::Relink(space, taken) => {
                self.deliver(space, usize::MAX);
                let mut table = self.table_of(space).clone();
                table.versions.iter_mut().for_each(|version| *version += 1);
                let new = self.name();
                self.tables.insert(new, table);
                let old = std::mem::replace(&mut self.spaces[space].table, new);
                self.fence(space, Some(old), taken);
            }
            Step::Replace(space) => {
                self.end(space);
                self.begin(space);
            }
        }
    }

    fn name(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    fn table_of(&mut self, space: usize) -> &mut Table {
        self.tables.get_mut(&self.spaces[space].table).expect("it is in use")
    }

    fn switch(&mut self, hart: usize, space: usize, page: usize) {
        let Switch { asid, flush } = self.asids.switch(hart, &self.spaces[space].context);
        self.walk(hart, page);
        if let Flush::Asid(asid) = flush {
            self.harts[hart].forget(asid);
        }
        self.walk(hart, page);
        self.harts[hart].satp = Some((space, asid));
        self.walk(hart, page);
        if flush == Flush::All {
            self.harts[hart].forget_all();
        }
    }

    /// Walks for a page and remembers what is found.
    fn walk(&mut self, hart: usize, page: usize) {
        let hart = &mut self.harts[hart];
        let Some((space, asid)) = hart.satp else { return };
        let table = *hart.walks.entry(asid).or_insert(self.spaces[space].table);
        match self.tables.get(&table) {
            Some(table) => {
                let found = (table.name, table.versions[page]);
                hart.tlb.entry((asid, page)).or_insert(found);
            }
            None => hart.has_garbage = true,
        }
    }

    fn access(&mut self, hart: usize, page: usize) {
        self.walk(hart, page);
        let hart = &self.harts[hart];
        let Some((space, asid)) = hart.satp else { return };
        let space = &self.spaces[space];
        assert!(!hart.has_garbage, "something that was made of a table that was freed");
        let (name, version) = hart.tlb[&(asid, page)];
        assert_eq!(name, space.name, "another space's translation, under ASID {asid}");
        assert!(version >= space.settled[page], "a translation from before the fence");
    }

    fn fence(&mut self, space: usize, unlinked: Option<u64>, taken: usize) {
        let fence = self.asids.fence(&self.spaces[space].context);
        let run = |hart: &Hart| hart.satp.is_some_and(|(active, _)| active == space);
        let running =
            self.harts.iter().rev().fold(0, |mask, hart| mask << 1 | u64::from(run(hart)));
        assert_eq!(fence.harts, running, "only who runs in the space is interrupted");
        self.spaces[space].pending = Some(Pending { fence, unlinked });
        self.deliver(space, taken);
    }

    /// Lets so many harts take the interrupt of the space's fence.
    fn deliver(&mut self, space: usize, taken: usize) {
        let Some(Pending { fence, unlinked }) = &mut self.spaces[space].pending else { return };
        for _ in 0..taken.min(fence.harts.count_ones() as usize) {
            let hart = fence.harts.trailing_zeros() as usize;
            self.harts[hart].forget(fence.asid);
            fence.harts &= fence.harts - 1;
        }
        if fence.harts == 0 {
            if let Some(table) = unlinked {
                self.tables.remove(table);
            }
            self.spaces[space].pending = None;
            self.spaces[space].settled = self.table_of(space).versions;
        }
    }

    fn begin(&mut self, space: usize) {
        let (name, table) = (self.name(), self.name());
        self.tables.insert(table, Table { name, ..Table::default() });
        self.spaces[space] = Space { name, table, ..Space::default() };
    }

    /// Nobody runs in the space any more.
    fn end(&mut self, space: usize) {
        self.deliver(space, usize::MAX);
        for (index, hart) in self.harts.iter_mut().enumerate() {
            if hart.satp.is_some_and(|(active, _)| active == space) {
                hart.satp = None;
                self.asids.leave(index);
            }
        }
        assert_eq!(self.asids.fence(&self.spaces[space].context).harts, 0);
        self.tables.remove(&self.spaces[space].table);
    }
}

proptest! {
    #[test]
    fn no_stale_translation_is_used(
        width_bits in prop_oneof![0_u32..5, proptest::prelude::Just(WIDTH_MAX_BITS)],
        harts in 1_usize..6,
        steps in vec(step(), 1..400),
    ) {
        let mut model = Model::new(width_bits, harts);
        steps.into_iter().for_each(|step| model.step(step));
    }
}

#[test]
fn with_enough_numbers_switching_flushes_nothing() {
    let mut asids = Asids::new(WIDTH_MAX_BITS, 1);
    let contexts: [Context; 3] = Default::default();
    for round in 0..3 {
        for (index, context) in contexts.iter().enumerate() {
            let want = Switch { asid: index as u16 + 1, flush: Flush::None };
            assert_eq!(asids.switch(0, context), want, "round {round}");
        }
    }
}

#[test]
fn without_numbers_every_switch_flushes() {
    for (width_bits, harts, used) in [(0, 1, false), (1, 1, false), (2, 3, false), (2, 2, true)] {
        assert_eq!(Asids::new(width_bits, harts).are_used(), used, "{width_bits} bits");
    }
    let mut asids = Asids::new(0, 1);
    let [one, two] = <[Context; 2]>::default();
    let all = Switch { asid: 0, flush: Flush::All };
    assert_eq!(asids.switch(0, &one), all);
    assert_eq!(asids.switch(0, &one), Switch { asid: 0, flush: Flush::None });
    assert_eq!(asids.switch(0, &two), all);
    assert_eq!(asids.switch(0, &one), all);
    asids.leave(0);
    assert_eq!(asids.switch(0, &one), all);
}

#[test]
fn a_fence_interrupts_only_harts_that_run_in_the_space() {
    let mut asids = Asids::new(WIDTH_MAX_BITS, 3);
    let [one, two] = <[Context; 2]>::default();
    assert_eq!(asids.fence(&one).harts, 0);
    for hart in 0..3 {
        asids.switch(hart, &one);
    }
    asids.switch(1, &two);
    asids.leave(2);
    assert_eq!(asids.fence(&one), Fence { asid: 1, harts: 0b001 });
    assert_eq!(one.harts(), 0b111);
    // The two others forget it when they come back, once.
    for hart in [1, 2] {
        assert_eq!(asids.switch(hart, &one).flush, Flush::Asid(1));
        asids.leave(hart);
        assert_eq!(asids.switch(hart, &one).flush, Flush::None);
    }
}

#[test]
fn a_number_in_use_survives_its_generation() {
    let mut asids = Asids::new(2, 2);
    let stays = Context::default();
    let number = asids.switch(0, &stays).asid;
    for _ in 0..10 {
        let passing = Context::default();
        assert_ne!(asids.switch(1, &passing).asid, number);
    }
    assert!(asids.generation > 2);
    assert_eq!(asids.switch(1, &stays), Switch { asid: number, flush: Flush::None });
    assert_eq!(asids.fence(&stays), Fence { asid: number, harts: 0b11 });
}
