//! The numbers against TLBs that forget nothing unless told to.

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::{Strategy, prop_oneof, proptest};

use super::*;

const SPACES: usize = 7;
const PAGES: usize = 2;

/// A space as the tables in memory have it: what its pages translate to, as versions.
#[derive(Default)]
struct Space {
    context: Context,
    /// Names it for good.
    name: u64,
    versions: [u64; PAGES],
    /// Nothing older may be seen.
    settled: [u64; PAGES],
    /// Harts that have yet to take the interrupt of the fence under way.
    pending: Option<Fence>,
}

#[derive(Default)]
struct Hart {
    /// Space and ASID.
    satp: Option<(usize, u16)>,
    /// Name of the space and version, by ASID and page.
    tlb: HashMap<(u16, usize), (u64, u64)>,
}

impl Hart {
    fn forget(&mut self, asid: u16) {
        self.tlb.retain(|(found, _), _| *found != asid);
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Switch(usize, usize),
    Leave(usize),
    Access(usize, usize),
    /// Changes a page and lets this many harts take the interrupt at once.
    Change(usize, usize, usize),
    Replace(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (hart, space, page) = (0_usize..HARTS_MAX, 0..SPACES, 0..PAGES);
    prop_oneof![
        4 => (hart.clone(), space.clone()).prop_map(|(hart, space)| Step::Switch(hart, space)),
        1 => hart.clone().prop_map(Step::Leave),
        6 => (hart, page.clone()).prop_map(|(hart, page)| Step::Access(hart, page)),
        3 => (space.clone(), page, 0_usize..3)
            .prop_map(|(space, page, taken)| Step::Change(space, page, taken)),
        1 => space.prop_map(Step::Replace),
    ]
}

struct Model {
    asids: Asids,
    harts: Vec<Hart>,
    spaces: [Space; SPACES],
    names: u64,
}

impl Model {
    fn new(width_bits: u32, harts: usize) -> Self {
        let spaces = std::array::from_fn(|name| Space { name: name as u64, ..Space::default() });
        let harts: Vec<Hart> = (0..harts).map(|_| Hart::default()).collect();
        let asids = Asids::new(width_bits, harts.len());
        Self { asids, harts, spaces, names: SPACES as u64 }
    }

    fn step(&mut self, step: Step) {
        let harts = self.harts.len();
        match step {
            Step::Switch(hart, space) => self.switch(hart % harts, space),
            Step::Leave(hart) => {
                self.harts[hart % harts].satp = None;
                self.asids.leave(hart % harts);
            }
            Step::Access(hart, page) => self.access(hart % harts, page),
            Step::Change(space, page, taken) => {
                self.deliver(space, usize::MAX);
                self.spaces[space].versions[page] += 1;
                let fence = self.asids.fence(&mut self.spaces[space].context);
                self.spaces[space].pending = Some(fence);
                self.deliver(space, taken);
            }
            Step::Replace(space) => self.replace(space),
        }
    }

    fn switch(&mut self, hart: usize, space: usize) {
        let switch = self.asids.switch(hart, &mut self.spaces[space].context);
        let hart = &mut self.harts[hart];
        hart.satp = Some((space, switch.asid));
        match switch.flush {
            Flush::None => {}
            Flush::Asid(asid) => hart.forget(asid),
            Flush::All => hart.tlb.clear(),
        }
    }

    fn access(&mut self, hart: usize, page: usize) {
        let hart = &mut self.harts[hart];
        let Some((index, asid)) = hart.satp else { return };
        let space = &self.spaces[index];
        let current = (space.name, space.versions[page]);
        let (name, version) = *hart.tlb.entry((asid, page)).or_insert(current);
        assert_eq!(name, space.name, "another space's translation, under ASID {asid}");
        assert!(version >= space.settled[page], "a translation from before the fence");
    }

    /// Lets so many harts take the interrupt of the space's fence.
    fn deliver(&mut self, space: usize, taken: usize) {
        let space = &mut self.spaces[space];
        let Some(fence) = &mut space.pending else { return };
        for _ in 0..taken.min(fence.harts.count_ones() as usize) {
            let hart = fence.harts.trailing_zeros() as usize;
            self.harts[hart].forget(fence.asid);
            fence.harts &= fence.harts - 1;
        }
        if fence.harts == 0 {
            (space.settled, space.pending) = (space.versions, None);
        }
    }

    /// The space ends, and another one takes its place.
    fn replace(&mut self, space: usize) {
        self.deliver(space, usize::MAX);
        for (index, hart) in self.harts.iter_mut().enumerate() {
            if hart.satp.is_some_and(|(active, _)| active == space) {
                hart.satp = None;
                self.asids.leave(index);
            }
        }
        self.spaces[space] = Space { name: self.names, ..Space::default() };
        self.names += 1;
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
    let mut contexts: [Context; 3] = Default::default();
    for round in 0..3 {
        for (index, context) in contexts.iter_mut().enumerate() {
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
    let [mut one, mut two] = <[Context; 2]>::default();
    let all = Switch { asid: 0, flush: Flush::All };
    assert_eq!(asids.switch(0, &mut one), all);
    assert_eq!(asids.switch(0, &mut one), Switch { asid: 0, flush: Flush::None });
    assert_eq!(asids.switch(0, &mut two), all);
    assert_eq!(asids.switch(0, &mut one), all);
    asids.leave(0);
    assert_eq!(asids.switch(0, &mut one), all);
}

#[test]
fn a_fence_interrupts_only_harts_that_run_in_the_space() {
    let mut asids = Asids::new(WIDTH_MAX_BITS, 3);
    let [mut one, mut two] = <[Context; 2]>::default();
    assert_eq!(asids.fence(&mut one).harts, 0);
    for hart in 0..3 {
        asids.switch(hart, &mut one);
    }
    asids.switch(1, &mut two);
    asids.leave(2);
    assert_eq!(asids.fence(&mut one), Fence { asid: 1, harts: 0b001 });
    assert_eq!(one.harts(), 0b111);
    // The two others forget it when they come back, once.
    for hart in [1, 2] {
        assert_eq!(asids.switch(hart, &mut one).flush, Flush::Asid(1));
        asids.leave(hart);
        assert_eq!(asids.switch(hart, &mut one).flush, Flush::None);
    }
}

#[test]
fn a_number_in_use_survives_its_generation() {
    let mut asids = Asids::new(2, 2);
    let mut stays = Context::default();
    let number = asids.switch(0, &mut stays).asid;
    for _ in 0..10 {
        let mut passing = Context::default();
        assert_ne!(asids.switch(1, &mut passing).asid, number);
    }
    assert!(asids.generation > 2);
    assert_eq!(asids.switch(1, &mut stays), Switch { asid: number, flush: Flush::None });
    assert_eq!(asids.fence(&mut stays), Fence { asid: number, harts: 0b11 });
}
