//! The TLB against always-walk: whatever the guest does to tables, contexts and fences, each
//! translation equals a fresh walk, or a walk over entries that were there since the last
//! fence that covers them. Which fence covers what is stated once more, in the manual's terms.

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Address spaces: two ASIDs, one of them with two roots.
const ASIDS: [u16; 3] = [1, 2, 1];
/// Pages used in every space. The first and the third share slots of a direct-mapped TLB.
const PAGES: [u64; 5] = [0x20_5000, 0x20_6000, 0x40_5000, 0x40_7000, 0xffff_ffff_ffc0_6000];
const DATA: u64 = RAM_BASE + 0x1_0000;
/// Mostly pages that allow something, lest nothing is ever remembered.
const LEAF_BITS: [u64; 16] = [
    0,
    RWX,
    RWX,
    RWX,
    RWX | Pte::U,
    RWX | Pte::U,
    RWX | Pte::U,
    RWX | Pte::G,
    RWX | Pte::U | Pte::G,
    RWX | Pte::N,
    RWX & !Pte::D,
    RWX & !Pte::A,
    Pte::V | Pte::R | Pte::A,
    Pte::V | Pte::X | Pte::A,
    Pte::V | Pte::W | Pte::A,
    Pte::V | Pte::R | Pte::W | Pte::U,
];

#[derive(Clone, Copy, Debug)]
enum Flag {
    Sum,
    Mxr,
    Adue,
}

#[derive(Clone, Debug)]
enum Action {
    /// Writes the last-level entry of a page.
    SetLeaf { space: usize, va: u64, frame: u64, bits: u64 },
    /// Writes the entry above it: a superpage, or the pointer to the last level.
    SetMega { space: usize, va: u64, leaf: Option<(u64, u64)> },
    /// Writes `satp`.
    Switch { space: usize },
    /// A trap or a return from one.
    Become { privilege: Privilege },
    /// Flips SUM, MXR or ADUE.
    Flip(Flag),
    /// `sfence.vma`.
    Fence { va: Option<u64>, asid: Option<u16> },
    /// Accesses a byte.
    Access { va: u64, access: Access },
}

fn action() -> impl Strategy<Value = Action> {
    let (space, va, bits) = (0..ASIDS.len(), select(&PAGES[..]), select(&LEAF_BITS[..]));
    let privilege = prop_oneof![
        3 => Just(Privilege::Supervisor),
        2 => Just(Privilege::User),
        1 => Just(Privilege::Machine),
    ];
    let mega = proptest::option::of((0..2u64, bits.clone()));
    prop_oneof![
        3 => (space.clone(), va.clone(), 0..4u64, bits)
            .prop_map(|(space, va, frame, bits)| Action::SetLeaf { space, va, frame, bits }),
        1 => (space.clone(), va.clone(), mega)
            .prop_map(|(space, va, leaf)| Action::SetMega { space, va, leaf }),
        1 => space.prop_map(|space| Action::Switch { space }),
        1 => privilege.prop_map(|privilege| Action::Become { privilege }),
        1 => select(&[Flag::Sum, Flag::Mxr, Flag::Adue][..]).prop_map(Action::Flip),
        1 => (proptest::option::of(va.clone()), proptest::option::of(1..4u16))
            .prop_map(|(va, asid)| Action::Fence { va, asid }),
        6 => (va, select(&Access::ALL[..])).prop_map(|(va, access)| Action::Access { va, access }),
    ]
}

/// Values that one entry had and that no fence has made unusable; the current one is last.
type History = Vec<u64>;

/// What a hart may still remember of one page of one space.
#[derive(Clone, Debug)]
struct Remembered {
    mega: History,
    last: History,
    /// Pointers that only global mappings were reached through may still count: a fence with an
    /// ASID leaves those mappings alone, whatever entries led to them.
    pointers_of_globals: History,
}

struct Model {
    f: Fixture,
    spaces: [Satp; 3],
    /// The last-level table of each page, by space and page.
    pointers: HashMap<(usize, u64), u64>,
    remembered: HashMap<(usize, u64), Remembered>,
    space: usize,
}

impl Model {
    fn new() -> Self {
        let mut f = Fixture::new();
        let spaces = ASIDS.map(|asid| f.space(asid));
        let (mut pointers, mut remembered) = (HashMap::new(), HashMap::new());
        for (space, satp) in spaces.into_iter().enumerate() {
            for va in PAGES {
                f.pte_at(satp, va, 0);
                let at = f.pte_at(satp, va, 1);
                let pointer = f.word(at);
                pointers.insert((space, va), pointer);
                let (mega, last, pointers_of_globals) = (vec![pointer], vec![0], vec![]);
                remembered.insert((space, va), Remembered { mega, last, pointers_of_globals });
            }
        }
        f.change(|cx| cx.satp = spaces[0]);
        let mut model = Self { f, spaces, pointers, remembered, space: 0 };
        for (space, va) in (0..ASIDS.len()).flat_map(|space| PAGES.map(|va| (space, va))) {
            let bits = if va & 0x1000 == 0 { RWX | Pte::U } else { RWX };
            model.run(&Action::SetLeaf { space, va, frame: space as u64, bits });
        }
        model
    }

    /// Reads all entries again, and notes those that have changed.
    fn note_changes(&mut self) {
        for (&(space, va), remembered) in &mut self.remembered {
            let table = Pte(self.pointers[&(space, va)]).page().0;
            let last = self.f.word(table + (va >> 12 & 0x1ff) * 8);
            let mega_at = self.f.pte_at(self.spaces[space], va, 1);
            let mega = self.f.word(mega_at);
            for (history, now) in [(&mut remembered.mega, mega), (&mut remembered.last, last)] {
                if history.last() != Some(&now) {
                    history.push(now);
                }
            }
        }
    }

    fn run(&mut self, action: &Action) {
        match *action {
            Action::SetLeaf { space, va, frame, bits } => {
                let table = Pte(self.pointers[&(space, va)]).page().0;
                // All slots of a NAPOT range must hold the same entry; so let all of them change.
                let first = va >> 12 & 0x1f0;
                let one = Pte::new((DATA >> 12) + frame, bits).0;
                let napot = Pte::new((DATA >> 12) + 16 * frame + 8, bits).0;
                let value = if bits & Pte::N == 0 { one } else { napot };
                (first..first + 16).for_each(|slot| self.f.set_word(table + slot * 8, value));
            }
            Action::SetMega { space, va, leaf } => {
                let at = self.f.pte_at(self.spaces[space], va, 1);
                let leaf = leaf.map(|(frame, bits)| {
                    Pte::new((RAM_BASE >> 12) + frame * 512, bits & !Pte::N).0
                });
                self.f.set_word(at, leaf.unwrap_or(self.pointers[&(space, va)]));
            }
            Action::Switch { space } => {
                self.space = space;
                let satp = self.spaces[space];
                self.f.change(|cx| cx.satp = satp);
            }
            Action::Become { privilege } => self.f.change(|cx| cx.privilege = privilege),
            Action::Flip(flag) => self.f.change(|cx| match flag {
                Flag::Sum => cx.sum = !cx.sum,
                Flag::Mxr => cx.mxr = !cx.mxr,
                Flag::Adue => cx.adue = !cx.adue,
            }),
            Action::Fence { va, asid } => {
                self.f.mmu.sfence_vma(va.map(VirtAddr), asid.map(Asid));
                self.forget(va, asid);
            }
            Action::Access { va, access } => self.access(va | 0x123, access),
        }
        self.note_changes();
    }

    /// Forgets what the fence orders: all old entries of the address spaces it names, except
    /// global ones if it names an ASID; with an address, only old leaves that map it.
    fn forget(&mut self, fence_va: Option<u64>, asid: Option<u16>) {
        for (&(space, va), remembered) in &mut self.remembered {
            if asid.is_some_and(|asid| asid != ASIDS[space]) {
                continue;
            }
            let pointers = remembered.mega.iter().filter(|old| !Pte(**old).is_leaf());
            match (fence_va, asid) {
                (None, None) => remembered.pointers_of_globals.clear(),
                _ => remembered.pointers_of_globals.extend(pointers),
            }
            for (history, size_shift) in [(&mut remembered.mega, 21), (&mut remembered.last, 12)] {
                let now = history.pop().expect("never empty");
                history.retain(|&old| {
                    let size_shift = if old & Pte::N != 0 { 16 } else { size_shift };
                    let mapped = fence_va.is_none_or(|fence| (fence ^ va) >> size_shift == 0);
                    let by_address = fence_va.is_some() && !Pte(old).is_leaf();
                    !mapped || by_address || asid.is_some() && old & Pte::G != 0
                });
                history.push(now);
            }
        }
    }

    fn access(&mut self, va: u64, access: Access) {
        let remembered = self.remembered[&(self.space, va & !0xfff)].clone();
        let (cx, hit) = (self.f.cx, self.f.hits(va, access));
        let fresh = match cx.translates() {
            true => self.f.mmu.explain(&self.f.bus, VirtAddr(va), access).pa.ok().map(|pa| pa.0),
            false => Some(va),
        };
        let got = self.f.translate(va, access).ok();
        if got == fresh {
            return;
        }
        let by_path = |mega: u64, last: u64, cx: &Context| {
            let mut path = Path([ROOT, mega, last].into_iter());
            walk(&mut path, VirtAddr(va), access, cx, &mut ()).ok().map(|leaf| leaf.pa.0)
        };
        let allowed = if hit {
            // Only a translation that was complete, A and D included, may have been remembered.
            let cx = Context { adue: false, ..cx };
            let gives = |mega, last| by_path(mega, last, &cx) == got && got.is_some();
            remembered.last.iter().any(|&last| {
                remembered.mega.iter().any(|&mega| gives(mega, last))
                    || last & Pte::G != 0
                        && remembered.pointers_of_globals.iter().any(|&mega| gives(mega, last))
            })
        } else {
            // A walk may go by pointers that it remembers; the leaf it reads anew.
            let now = *remembered.last.last().expect("never empty");
            let mut pointers = remembered.mega.iter().filter(|mega| !Pte(**mega).is_leaf());
            pointers.any(|&mega| by_path(mega, now, &cx) == got)
        };
        assert!(allowed, "{got:x?} instead of {fresh:x?}, hit {hit}, {remembered:x?}");
    }
}

/// What the root table says, always.
const ROOT: u64 = Pte::V;

/// One combination of remembered entries, in the order in which a walk reads them.
struct Path(std::array::IntoIter<u64, 3>);

impl PteMemory for Path {
    fn read_pte(&mut self, _at: PhysAddr) -> Option<u64> {
        self.0.next()
    }

    fn update_pte(&mut self, _at: PhysAddr, _old: u64, _new: u64) -> Option<bool> {
        Some(true)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn translations_are_fresh_or_not_yet_fenced(actions in prop::collection::vec(action(), 1..400)) {
        let mut model = Model::new();
        for action in &actions {
            model.run(action);
        }
    }
}
