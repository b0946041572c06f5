//! Any sequence of operations shows what the model says: on harts that keep what they may, with
//! and without hardware that sets A and D, with memory running out anywhere; and leaves nothing.

use std::ops::Range;

use proptest::prelude::*;

mod paging;
mod steps;

use steps::*;

use super::model::{Model, ModelObject, ModelPage, ModelSpace, OFFSETS, Words};
use super::*;
use crate::mm::space::Cursor;
use crate::mm::toy::AdUpdate;

/// The machine and what it should show.
struct World {
    rig: Rig,
    processes: Vec<Process>,
    objects: Vec<ToyObject>,
    model: Model,
    /// Fewer pages than these may be promised.
    limit: Option<u64>,
    /// Space and page that were accessed last.
    last: (usize, u64),
    /// Where the scans stand.
    cursors: [Cursor; SPACES_MAX],
    /// Words to be stored, each another.
    next_word: u64,
}

impl World {
    fn new(options: ToyOptions, around: u64) -> Self {
        let rig = Rig::new(options);
        let stack_bytes = STACK_PAGES * PAGE;
        let limits = Limits { stack_bytes, fault_around_pages: around, ..LIMITS };
        let mut process = Process::new(&rig.machine, limits);
        process.space.set_mapping_top(TOP * PAGE);
        process.space.place_break(HEAP * PAGE + 0x123);
        let stack = PageRange::new(Vpn(STACK_END - 1), Vpn(STACK_END));
        process.space.set_stack(&process.machine, stack).expect("room");
        let mut space = ModelSpace {
            heap: (HEAP * PAGE + 0x123, HEAP * PAGE + 0x123),
            ..ModelSpace::default()
        };
        let stack = ModelPage {
            prot: Prot::READ_WRITE,
            sharing: Sharing::Private,
            behind: None,
            purpose: Purpose::Stack,
            charge: Charge::Charged,
            copy: None,
        };
        space.map(STACK_END - 1..STACK_END, &stack);
        let objects = (0..OBJECTS).map(|_| ToyObject::new(OBJECT_PAGES)).collect();
        let object = ModelObject { pages: OBJECT_PAGES, ..ModelObject::default() };
        let model = Model { spaces: vec![space], objects: vec![object; OBJECTS] };
        Self {
            rig,
            processes: vec![process],
            objects,
            model,
            limit: None,
            cursors: [Cursor::default(); SPACES_MAX],
            last: (0, STACK_END - 1),
            next_word: 1,
        }
    }

    /// Does a step in both worlds and compares.
    fn step(&mut self, (step, space, fail): Doing) {
        let at = space % self.processes.len();
        self.rig.machine.fail_nth(fail);
        match step {
            Step::Access { page, slot, access, hart } => {
                self.processes[at].machine.on_hart(hart);
                self.access(at, page, slot, access);
            }
            Step::Map { pages, prot, behind, sharing, no_reserve, place } => {
                let prot = PROTS[prot];
                let charge = match sharing {
                    _ if no_reserve => Charge::Never,
                    Sharing::Private if prot.write => Charge::Charged,
                    _ => Charge::Free,
                };
                let page = ModelPage {
                    prot,
                    sharing,
                    behind,
                    purpose: Purpose::Mapping,
                    charge,
                    copy: None,
                };
                self.map(at, pages, page, place);
            }
            Step::Remap { old, new_pages, to, stays, rest } => {
                let mobility = match to {
                    _ if stays => Mobility::Stay,
                    Some(to) => Mobility::Fixed(to * PAGE),
                    None => Mobility::MayMove,
                };
                let (start, old_bytes) = (old.start * PAGE, (old.end - old.start) * PAGE);
                let new_bytes = new_pages * PAGE;
                self.remap(at, Remap { start, old_bytes, new_bytes, mobility, rest });
            }
            Step::Limit(pages) => {
                self.limit = pages;
                self.rig.machine.limit_promises(pages);
            }
            Step::Fork => self.fork(at),
            Step::Exit if self.processes.len() > 1 => {
                self.processes.remove(at).end();
                self.model.spaces.remove(at);
            }
            Step::Exit => {}
            Step::Truncate(object, pages) => {
                self.objects[object].set_length(&self.rig.machine, pages);
                self.discard_object(object, pages..u64::MAX, Copies::Gone);
                self.model.truncate(object, pages);
            }
            Step::Punch(object, pages) => {
                self.objects[object].punch(&self.rig.machine, pages.clone());
                self.discard_object(object, pages.clone(), Copies::Kept);
                self.model.objects[object].words.retain(|index, _| !pages.contains(index));
            }
            Step::Populate(pages) => self.populate(at, pages),
            Step::Again(access, hart) => {
                let (at, page) = self.last;
                let at = at % self.processes.len();
                self.processes[at].machine.on_hart(hart);
                self.access(at, page, 0, access);
            }
            Step::Paging(paging) => self.page(at, paging),
            other => self.change(at, other),
        }
        self.rig.machine.fail_nth(None);
        self.rig.machine.spoil_free_frames();
    }

    fn discard_object(&mut self, object: usize, pages: Range<u64>, copies: Copies) {
        for Process { machine, space } in &mut self.processes {
            space.discard_object(machine, &self.objects[object], pages.clone(), copies);
        }
    }

    fn populate(&mut self, at: usize, pages: Range<u64>) {
        let range = PageRange::new(Vpn(pages.start), Vpn(pages.end));
        let mut left = range;
        let mut result = loop {
            let Process { machine, space } = &mut self.processes[at];
            let Err(trouble) = space.populate(machine, &mut left) else { break Ok(()) };
            if let Err(trouble) = self.processes[at].bring_in(left.start.base(), trouble) {
                break Err(trouble);
            }
        };
        if result == Err(Trouble::OutOfMemory) {
            assert!(self.may_be_out_of_memory());
            return self.populate_some(at, pages);
        }
        for page in pages {
            let access = match self.model.spaces[at].pages.get(&page) {
                Some(page) if page.prot.write && page.sharing == Sharing::Private => Access::Store,
                Some(page) if page.prot.read || page.prot.write => Access::Load,
                Some(page) if page.prot.exec => Access::Fetch,
                _ => continue,
            };
            match self.model.look(at, page, access) {
                Ok(words) if access == Access::Store => self.model.store(at, page, 0, words[0]),
                Ok(_) => {}
                Err(trouble) => {
                    assert_eq!(std::mem::replace(&mut result, Ok(())), Err(trouble));
                    break;
                }
            }
        }
        assert_eq!(result, Ok(()));
    }

    /// Populating ended early: what has become a copy is not seen from outside, so it is asked.
    fn populate_some(&mut self, at: usize, pages: Range<u64>) {
        let Process { machine, space } = &self.processes[at];
        for page in pages {
            let state = space.page(machine, Vpn(page));
            let copied = matches!(state, PageState::Present { object: false, pte, .. }
                if pte.flags().has(Flags::W));
            if copied {
                let word = self.model.words(&self.model.spaces[at].pages[&page])[0];
                self.model.store(at, page, 0, word);
            }
        }
    }

    /// Steps that take no frames and give the same answer in both worlds.
    fn change(&mut self, at: usize, step: Step) {
        let room = self.room();
        let Process { machine, space } = &mut self.processes[at];
        let model = &mut self.model.spaces[at];
        let bytes = |pages: &Range<u64>| (pages.start * PAGE, (pages.end - pages.start) * PAGE);
        match step {
            Step::Unmap(pages) => {
                let (start, length) = bytes(&pages);
                assert_eq!(space.unmap(machine, start, length), Ok(()));
                model.unmap(pages);
            }
            Step::Protect(pages, prot) => {
                let (start, length) = bytes(&pages);
                let result = space.protect(machine, start, length, PROTS[prot]);
                assert_eq!(result, model.protect(pages, PROTS[prot], room));
            }
            Step::Discard(pages) => {
                let (start, length) = bytes(&pages);
                assert_eq!(space.discard(machine, start, length), model.discard(pages));
            }
            Step::Break(wanted) => {
                assert_eq!(space.set_break(machine, wanted), model.set_break(wanted, room));
            }
            other => unreachable!("{other:?} is done elsewhere"),
        }
    }

    /// How many pages more may be promised.
    fn room(&self) -> i64 {
        let committed = self.model.committed();
        self.limit.map_or(i64::MAX / 2, |limit| limit as i64 - 1 - committed as i64)
    }

    /// Whether an allocation may have failed.
    fn may_be_out_of_memory(&self) -> bool {
        !self.rig.machine.failure_is_due() || self.rig.free_frames() < 8
    }

    fn access(&mut self, at: usize, page: u64, slot: usize, access: Access) {
        self.last = (at, page);
        self.next_word += 1;
        let word = self.next_word;
        if !self.model.spaces[at].pages.contains_key(&page) {
            let room = self.room();
            self.model.spaces[at].grow_stack(page, STACK_PAGES, room);
        }
        let expected = self.model.look(at, page, access);
        let found = self.processes[at].access(page * PAGE + OFFSETS[slot], access, word);
        match (found, expected) {
            (Err(Trouble::OutOfMemory), Ok(_)) => assert!(self.may_be_out_of_memory()),
            (Ok(_), Ok(_)) if access == Access::Store => self.model.store(at, page, slot, word),
            (found, expected) => {
                assert_eq!(found.map(|(word, _)| word), expected.map(|words| words[slot]));
            }
        }
    }

    fn map(&mut self, at: usize, pages: Range<u64>, page: ModelPage, place: u8) {
        let start = pages.start * PAGE;
        let (place, expected) = match place {
            0 => (Place::Anywhere { hint: 0 }, None),
            1 if self.model.spaces[at].is_free_with_gap(pages.clone()) => {
                (Place::Anywhere { hint: start }, Some(Ok(start)))
            }
            1 => (Place::Anywhere { hint: start }, None),
            2 if self.model.spaces[at].is_free(pages.clone()) => {
                (Place::FixedNoReplace(start), Some(Ok(start)))
            }
            2 => (Place::FixedNoReplace(start), Some(Err(Errno::EEXIST))),
            _ => (Place::Fixed(start), Some(Ok(start))),
        };
        let length = pages.end - pages.start;
        // What is replaced counts until then.
        let replaced = if place == Place::Fixed(start) { pages.clone() } else { 0..0 };
        let more = length - self.model.spaces[at].committed_in(replaced);
        let is_refused = page.charge == Charge::Charged && more > 0 && more as i64 > self.room();
        let expected = match expected {
            Some(Err(error)) => Some(Err(error)),
            _ if is_refused => Some(Err(Errno::ENOMEM)),
            expected => expected,
        };
        let backing = match page.behind {
            None => Backing::Anonymous,
            Some((object, first)) => {
                Backing::Object { object: self.objects[object].clone(), first }
            }
        };
        let (prot, sharing, no_reserve) = (page.prot, page.sharing, page.charge == Charge::Never);
        let request = Request { place, prot, sharing, backing, no_reserve, ..anonymous(0, length) };
        let found = self.processes[at].map(request);
        let space = &mut self.model.spaces[at];
        match (found, expected) {
            (Ok(found), None) => {
                let found = found / PAGE;
                assert!(space.is_free_with_gap(found..found + length), "{found:#x} is taken");
                space.map(found..found + length, &page);
            }
            (found, expected) => {
                assert_eq!(Some(found), expected);
                if found.is_ok() {
                    space.map(pages, &page);
                }
            }
        }
    }

    fn remap(&mut self, at: usize, wish: Remap) {
        let room = self.room();
        let Process { machine, space } = &mut self.processes[at];
        let found = space.remap(machine, wish);
        let no_memory = self.may_be_out_of_memory();
        let space = &mut self.model.spaces[at];
        match (space.remap_in_place(&wish, room), found) {
            (Err(Ok(())), Ok(to)) => {
                let range = to / PAGE..(to + wish.new_bytes) / PAGE;
                assert!(space.is_free(range), "{to:#x} is taken");
                if let Mobility::Fixed(wanted) = wish.mobility {
                    assert_eq!(to, wanted);
                }
                space.move_to(&wish, to / PAGE);
            }
            (Err(Ok(())), Err(Errno::ENOMEM)) => assert!(no_memory, "{wish:?}"),
            (expected, found) => assert_eq!(expected, found.map_err(Err), "{wish:?}"),
        }
    }

    fn fork(&mut self, at: usize) {
        if self.processes.len() == SPACES_MAX {
            return;
        }
        let needed = self.model.spaces[at].committed() as i64;
        let is_refused = needed > 0 && needed > self.room();
        match self.processes[at].fork() {
            Ok(child) => {
                assert!(!is_refused);
                self.processes.push(child);
                self.model.spaces.push(self.model.spaces[at].clone());
            }
            Err(error) => {
                assert_eq!(error, Errno::ENOMEM);
                assert!(is_refused || self.may_be_out_of_memory());
            }
        }
    }

    /// That areas, pages and harts show what the model says, and the books agree.
    fn check(&self) {
        let processes: Vec<_> = self.processes.iter().collect();
        self.rig.assert_sound(&processes, &self.objects);
        assert_eq!(self.rig.machine.committed_pages(), self.model.committed());
        for (at, process) in self.processes.iter().enumerate() {
            self.check_areas(at, process);
            let all = PageRange::new(Vpn(0), Vpn::USER_END);
            process.space.pages(&process.machine, all, &mut |page, state| {
                let model =
                    &self.model.spaces[at].pages.get(&page.0).expect("a page is in an area");
                assert_eq!(process.space.page(&process.machine, page), state);
                let words = match state {
                    PageState::Present { frame, .. } => self.peek(frame),
                    PageState::Swapped { slot } => self.slot_words(slot),
                    PageState::Absent => panic!("{page:?} is listed"),
                };
                assert_eq!(words, self.model.words(model), "{page:?} of {at}");
            });
            for hart in 0..HARTS {
                process.machine.on_hart(hart);
                let probed = PLAYGROUND.chain(HEAP..HEAP + 6).chain(TOP - 8..TOP);
                probed.for_each(|page| self.probe(at, page));
            }
        }
    }

    fn peek(&self, frame: Ppn) -> Words {
        OFFSETS.map(|offset| self.rig.machine.peek(frame, offset as usize / 8))
    }

    fn check_areas(&self, at: usize, process: &Process) {
        let found: Vec<_> = process
            .space
            .vmas()
            .iter()
            .map(|area| {
                let behind = area.object_at(area.pages.start).map(|(object, index)| {
                    (self.objects.iter().position(|o| o == object).expect("known"), index)
                });
                (
                    area.pages.start.0..area.pages.end.0,
                    area.prot,
                    area.sharing,
                    behind,
                    area.purpose,
                    area.charge,
                )
            })
            .collect();
        let expected: Vec<_> = self.model.spaces[at]
            .areas()
            .into_iter()
            .map(|(range, page)| {
                (range, page.prot, page.sharing, page.behind, page.purpose, page.charge)
            })
            .collect();
        assert_eq!(found, expected, "areas of {at}");
        let charged = process.space.vmas().iter().filter(|area| area.charge == Charge::Charged);
        let recomputed: u64 = charged.map(|area| area.pages.pages()).sum();
        assert_eq!(process.space.committed_pages(), recomputed, "promised to {at}");
        assert_eq!(process.space.heap(), self.model.spaces[at].heap);
    }

    /// What the hart can load without a fault is what the model says; what it has looked at it may
    /// keep, to be caught with it later.
    fn probe(&self, at: usize, page: u64) {
        let process = &self.processes[at];
        if let Ok(word) = process.machine.load(process.space.root(), page * PAGE) {
            let expected = self.model.look(at, page, Access::Load);
            assert_eq!(expected.map(|words| words[0]), Ok(word), "page {page:#x} of {at}");
        }
        if process.machine.fetch(process.space.root(), page * PAGE).is_ok() {
            let expected = self.model.look(at, page, Access::Fetch);
            assert!(expected.is_ok(), "page {page:#x} of {at} is fetched: {expected:?}");
        }
    }

    fn end(self) {
        while self.rig.machine.transfers() > 0 {
            self.rig.machine.end_transfer(0, Ok(()));
        }
        self.rig.end(self.processes, &self.objects);
    }
}

fn options() -> impl Strategy<Value = (ToyOptions, u64)> {
    let ad = prop_oneof![Just(AdUpdate::Svade), Just(AdUpdate::Svadu)];
    let frames = prop_oneof![3 => Just(200usize), 1 => 12..40usize];
    let around = prop_oneof![Just(0u64), Just(4), Just(16)];
    let swap = prop_oneof![1 => Just(0usize), 1 => 2..10usize, 3 => Just(100)];
    (ad, any::<bool>(), frames, around, swap).prop_map(
        |(ad, keeps_invalid, frames, around, swap_pages)| {
            let cells = frames + swap_pages;
            (ToyOptions { frames, cells, harts: HARTS, ad, keeps_invalid, swap_pages }, around)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_shows_what_the_model_says(
        (options, around) in options(),
        steps in prop::collection::vec(doing(), 1..60),
    ) {
        let mut world = World::new(options, around);
        for step in steps {
            world.step(step);
            world.check();
        }
        world.end();
    }
}
