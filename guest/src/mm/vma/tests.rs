//! The map of areas against a table with a row for each page.

use proptest::prelude::*;

use super::*;
use crate::errno::Errno;
use crate::mm::addr::USER_END;

type Area = Vma<u8>;

/// Pages that the tests play with.
const PAGES: u64 = 40;

fn range(start: u64, end: u64) -> PageRange {
    PageRange::new(Vpn(start), Vpn(end))
}

fn area(pages: PageRange, kind: u8) -> Area {
    let backing = match kind / 3 % 3 {
        0 => Backing::Anonymous,
        // The page of the object is the page of the space: alike areas always continue each other.
        object => Backing::Object { object, first: pages.start.0 },
    };
    let prot = [Prot::READ, Prot::READ_WRITE, Prot::READ_EXEC][usize::from(kind % 3)];
    let shared = kind >= 9 && backing != Backing::Anonymous;
    Vma {
        pages,
        prot,
        max_prot: Prot::ALL,
        sharing: if shared { Sharing::Shared } else { Sharing::Private },
        backing,
        purpose: Purpose::Mapping,
        charge: [Charge::Free, Charge::Charged, Charge::Never][usize::from(kind / 5 % 3)],
        at_fork: AtFork::Keep,
    }
}

/// What the map should say: each page on its own.
#[derive(Clone, Debug, Default)]
struct Model {
    pages: Vec<Option<Area>>,
}

impl Model {
    fn new() -> Self {
        Self { pages: vec![None; PAGES as usize] }
    }

    fn set(&mut self, pages: PageRange, of: impl Fn(Vpn) -> Option<Area>) {
        for page in pages.iter() {
            self.pages[page.0 as usize] = of(page);
        }
    }

    fn is_free(&self, pages: PageRange) -> bool {
        pages.iter().all(|page| self.pages[page.0 as usize].is_none())
    }

    /// The areas with as few pieces as possible.
    fn areas(&self) -> Vec<Area> {
        let mut areas: Vec<Area> = Vec::new();
        for page in self.pages.iter().flatten() {
            match areas.last_mut() {
                Some(last) if last.continues_in(page) => last.pages.end = page.pages.end,
                _ => areas.push(page.clone()),
            }
        }
        areas
    }

    fn totals(&self) -> Totals {
        let count = |counts: &dyn Fn(&Area) -> bool| {
            self.pages.iter().flatten().filter(|area| counts(area)).count() as u64
        };
        let own = |area: &Area| area.prot.write && area.sharing == Sharing::Private;
        Totals {
            pages: count(&|_| true),
            data: count(&|area| own(area) && area.purpose != Purpose::Stack),
            stack: count(&|area| area.purpose == Purpose::Stack),
            exec: count(&|area| area.prot.exec && !area.prot.write),
            committed: count(&|area| area.charge == Charge::Charged),
        }
    }

    /// The highest start from which `pages` pages are free, tried one by one.
    fn gap(&self, within: PageRange, pages: u64) -> Option<Vpn> {
        let starts = (within.start.0..=within.end.0.saturating_sub(pages)).rev();
        starts.map(Vpn).find(|start| self.is_free(PageRange::sized(*start, pages)))
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(PageRange, u8),
    Remove(PageRange),
    Protect(PageRange, u8),
}

fn ranges() -> impl Strategy<Value = PageRange> {
    (0..PAGES, 1..12u64).prop_map(|(start, pages)| range(start, (start + pages).min(PAGES)))
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        (ranges(), 0..18u8).prop_map(|(range, kind)| Step::Insert(range, kind)),
        ranges().prop_map(Step::Remove),
        (ranges(), 0..18u8).prop_map(|(range, kind)| Step::Protect(range, kind)),
    ]
}

fn check(map: &mut VmaMap<u8>, model: &Model) {
    assert_eq!(map.iter().cloned().collect::<Vec<_>>(), model.areas());
    assert_eq!(map.totals(), model.totals());
    for page in range(0, PAGES).iter() {
        let expected = model.areas().into_iter().find(|area| area.pages.contains(page));
        assert_eq!(map.find(page).cloned(), expected, "{page:?}");
        let index = map.locate(page);
        assert_eq!(index.and_then(|index| map.at(index)).cloned(), expected, "{page:?}");
        for pages in [1, 3, 7] {
            let wanted = PageRange::sized(page, pages);
            let free = wanted.end.0 > PAGES || model.is_free(wanted);
            assert!(wanted.end.0 > PAGES || map.is_free(wanted) == free, "{wanted:?}");
            let within = range(page.0 / 2, PAGES - page.0 / 2);
            assert_eq!(map.gap_below(within, pages), model.gap(within, pages), "{within:?}");
        }
    }
}

fn protect(map: &mut VmaMap<u8>, model: &mut Model, wanted: PageRange, kind: u8) {
    let Vma { prot, charge, .. } = area(wanted, kind);
    let mut at = wanted.start;
    while let Some(part) =
        map.find_from(at).and_then(|found| found.pages.intersection(PageRange::new(at, wanted.end)))
    {
        at = part.end;
        let before = map.count();
        // A limit that is reached forbids more areas, and only that.
        if map.set_prot(part, prot, charge, 0) == Err(Errno::ENOMEM) {
            assert_eq!(map.count(), before);
            map.set_prot(part, prot, charge, usize::MAX).expect("no limit");
            assert!(map.count() > before);
        } else {
            assert!(map.count() <= before);
        }
    }
    let old = model.clone();
    model.set(wanted, |page| {
        old.pages[page.0 as usize].clone().map(|area| Vma { prot, charge, ..area })
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_map_is_what_its_pages_say(steps in prop::collection::vec(steps(), 1..24)) {
        let (mut map, mut model) = (VmaMap::default(), Model::new());
        for step in steps {
            match step {
                Step::Insert(wanted, kind) => {
                    map.remove(wanted).expect("heap");
                    map.insert(area(wanted, kind)).expect("heap");
                    model.set(wanted, |page| Some(area(wanted, kind).part(PageRange::sized(page, 1))));
                }
                Step::Remove(wanted) => {
                    let (before, more) = (map.count(), map.splits(wanted));
                    map.remove(wanted).expect("heap");
                    assert!(map.count() <= before + more);
                    model.set(wanted, |_| None);
                }
                Step::Protect(wanted, kind) => protect(&mut map, &mut model, wanted, kind),
            }
            check(&mut map, &model);
        }
        let copy = map.try_clone().expect("heap");
        prop_assert!(copy.iter().eq(map.iter()));
        prop_assert_eq!(copy.totals(), map.totals());
    }
}

#[test]
fn neighbours_merge_only_where_one_continues_the_other() {
    let first = area(range(0, 4), 1);
    let object = |start: u64, object, first| Vma {
        backing: Backing::Object { object, first },
        ..area(range(start, start + 4), 1)
    };
    for (one, other, areas) in [
        (first.clone(), area(range(4, 8), 1), 1),
        (first.clone(), area(range(5, 8), 1), 2),
        (first.clone(), area(range(4, 8), 0), 2),
        (first.clone(), Vma { max_prot: Prot::READ_WRITE, ..area(range(4, 8), 1) }, 2),
        (first.clone(), Vma { purpose: Purpose::Heap, ..area(range(4, 8), 1) }, 2),
        (first.clone(), Vma { charge: Charge::Charged, ..area(range(4, 8), 1) }, 2),
        (first.clone(), Vma { at_fork: AtFork::Wipe, ..area(range(4, 8), 1) }, 2),
        (first, object(4, 1, 4), 2),
        (object(0, 1, 0), object(4, 1, 4), 1),
        (object(0, 1, 7), object(4, 1, 11), 1),
        (object(0, 1, 0), object(4, 1, 0), 2),
        (object(0, 1, 0), object(4, 2, 4), 2),
    ] {
        for order in [[&one, &other], [&other, &one]] {
            let mut map = VmaMap::default();
            for area in order {
                map.insert(area.clone()).expect("heap");
            }
            assert_eq!(map.count(), areas, "{one:?} {other:?}");
        }
    }
}

#[test]
fn stacks_keep_their_distance() {
    let top = Vpn::of(USER_END);
    let mut map = VmaMap::default();
    let stack = PageRange::new(Vpn(top.0 - 10), top);
    let charge = Charge::Charged;
    map.insert(Vma { purpose: Purpose::Stack, charge, ..area(stack, 1) }).expect("heap");
    let all = PageRange::new(Vpn(16), top);
    let highest = Vpn(top.0 - 10 - Area::STACK_GAP_PAGES - 3);
    assert_eq!(map.gap_below(all, 3), Some(highest));
    assert!(map.is_free(PageRange::sized(highest, 3)));
    assert!(!map.is_free(PageRange::sized(highest, 4)));
    map.grow_down(0, Vpn(top.0 - 30));
    assert_eq!(map.gap_below(all, 3), Some(Vpn(highest.0 - 20)));
    assert_eq!(map.totals(), Totals { pages: 30, stack: 30, committed: 30, ..Totals::default() });
}

#[test]
fn gaps_need_not_exist() {
    let mut map: VmaMap<u8> = VmaMap::default();
    assert_eq!(map.gap_below(range(3, 10), 7), Some(Vpn(3)));
    assert_eq!(map.gap_below(range(3, 10), 8), None);
    assert_eq!(map.gap_below(range(3, 10), u64::MAX), None);
    // An area that ends below the region, and one that begins above it, do not matter.
    map.insert(area(range(0, 3), 0)).expect("heap");
    map.insert(area(range(10, 12), 0)).expect("heap");
    assert_eq!(map.gap_below(range(3, 10), 7), Some(Vpn(3)));
    assert_eq!(map.gap_below(range(2, 11), 7), Some(Vpn(3)));
    assert_eq!(map.gap_below(range(0, 40), 28), Some(Vpn(12)));
}
