//! The TLB against always-walk: whatever guests do to tables, contexts, fences and physical
//! protection, each translation is that of a fresh walk, or of a walk over entries that were there
//! since the last fence that covers them. `manual.rs` says which fence covers what, in the manual's
//! terms; `world.rs` is the memory and the harts that it is said of. Here is what happens in it.

mod manual;
mod world;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use world::{Entry, LEVELS_MAX, PAGES, SATPS, World};

/// Harts, which share memory and nothing else.
const HARTS: usize = 2;

#[derive(Clone, Copy, Debug)]
enum Flag {
    Sum,
    Mxr,
    Adue,
    Pbmte,
}

/// Physical protection, by what it takes from S-mode and U-mode.
#[derive(Clone, Copy, Debug)]
enum Guard {
    /// Nothing.
    Nothing,
    /// Everything: no entry is there.
    Everything,
    /// These rights on a frame of data; of M-mode too, where it is locked.
    Frame { frame: u64, left: Rights, locked: bool },
    /// The second half of a frame of data.
    HalfFrame { frame: u64 },
    /// A table: all rights, or that to write; or of its first entries only.
    Table { table: usize, left: Rights, len_bytes: u64 },
}

#[derive(Clone, Debug)]
enum Action {
    /// Writes the entry for a page, at a level, in the first or the second table of that level.
    Write { level: u32, table: usize, va: u64, entry: Entry },
    /// Writes `satp`.
    Switch { satp: usize },
    /// Loads from so many pages that always stay mapped.
    Sweep { count: u64 },
    /// Uses so many address spaces in turn.
    Tour { first: usize, count: usize, va: u64 },
    /// A trap, or a return from one; in M-mode, loads and stores may act for another mode.
    Become { privilege: Privilege, lent: Privilege },
    /// Flips a bit of a CSR.
    Flip(Flag),
    /// `sfence.vma` or `sinval.vma`.
    Fence { va: Option<u64>, asid: Option<u16> },
    /// So many fences for addresses that nobody uses.
    Fences { count: u64, asid: Option<u16> },
    /// Writes PMP entries.
    Guard(Guard),
    /// The page that was accessed last becomes code, whose changes have to be noticed.
    Track,
    /// It is code no more.
    Untrack,
    /// Accesses bytes.
    Access { va: u64, access: Access, len_bytes: u64 },
    /// Looks through all that the TLB holds.
    Audit,
}

/// An action on a hart.
type Act = (usize, Action);

fn page() -> impl Strategy<Value = u64> {
    select(&PAGES[..])
}

fn fence() -> impl Strategy<Value = Action> {
    let asid = proptest::option::of(select(&world::ASIDS[..3]));
    (proptest::option::of(page()), asid).prop_map(|(va, asid)| Action::Fence { va, asid })
}

fn write(va: impl Strategy<Value = u64>) -> impl Strategy<Value = Action> {
    let level = prop_oneof![5 => Just(0), 4 => Just(1), 1 => 2..LEVELS_MAX];
    (level, 0..2_usize, va, world::entry()).prop_map(|(level, table, va, entry)| Action::Write {
        level,
        table,
        va,
        entry,
    })
}

fn access(va: impl Strategy<Value = u64>) -> impl Strategy<Value = Action> {
    let offset = select(&[0x123, 0x7ff, 0x800, 0xff0][..]);
    (va, offset, select(&Access::ALL[..]), select(&[1, 8][..])).prop_map(
        |(va, offset, access, len_bytes)| Action::Access { va: va + offset, access, len_bytes },
    )
}

/// A hart uses a page, perhaps another one, and goes away or does not. The page changes, and a fence names it, or it
/// becomes code; perhaps there are many other fences. The hart is back, and uses it again.
fn change() -> impl Strategy<Value = Vec<Act>> {
    (page(), 0..HARTS).prop_flat_map(|(va, hart)| {
        let away = proptest::option::of((0..SATPS, 0..SATPS));
        let asid = proptest::option::of(select(&world::ASIDS[..3]));
        // A neighbour may be part of the same superpage or NAPOT range.
        let neighbour = va ^ 0x3000;
        let named = prop_oneof![Just(Some(va)), Just(Some(neighbour)), Just(None)];
        let fence = (named, asid);
        let fence = fence.prop_map(|(va, asid)| Action::Fence { va, asid });
        let is_code = prop_oneof![3 => Just(false), 1 => Just(true)];
        let others = prop_oneof![3 => Just(None), 1 => (1..100_u64).prop_map(Some)];
        let accesses = (access(Just(va)), proptest::option::of(access(page())));
        (accesses, away, (write(Just(va)), fence), is_code, others).prop_map(
            move |((access, another), away, (write, fence), is_code, others)| {
                let leave = away.map(|(_, to)| Action::Switch { satp: to });
                let home = away.map(|(home, _)| Action::Switch { satp: home });
                let store = Action::Access { va, access: Access::Store, len_bytes: 1 };
                let (access, change) = match is_code {
                    true => (store, vec![Action::Track]),
                    false => (access, vec![write, fence]),
                };
                let others = others.map(|count| Action::Fences { count, asid: None });
                let before = home.clone().into_iter().chain([access.clone()]).chain(another);
                let between = leave.into_iter().chain(change).chain(others).chain(home);
                let acts = before.chain(between).chain([access]);
                acts.map(|action| (hart, action)).collect()
            },
        )
    })
}

/// Other protection, and accesses to a page and its neighbour under it.
fn protect() -> impl Strategy<Value = Vec<Act>> {
    (page(), 0..HARTS, guard()).prop_flat_map(|(va, hart, guard)| {
        let neighbour = va ^ 0x3000;
        (access(Just(va)), access(Just(neighbour))).prop_map(move |(access, another)| {
            let acts = [Action::Guard(guard), access.clone(), another, access];
            acts.map(|action| (hart, action)).to_vec()
        })
    })
}

fn guard() -> impl Strategy<Value = Guard> {
    let left = select(&[Rights::NONE, world::READ, world::EXECUTE][..]);
    let frame = 0..world::FRAMES;
    // Between the entries of the first two pages.
    let table_len_bytes = select(&[PAGE_SIZE_BYTES, 6 * PTE_SIZE_BYTES][..]);
    prop_oneof![
        3 => Just(Guard::Nothing),
        1 => Just(Guard::Everything),
        2 => (frame.clone(), left, any::<bool>())
            .prop_map(|(frame, left, locked)| Guard::Frame { frame, left, locked }),
        1 => frame.prop_map(|frame| Guard::HalfFrame { frame }),
        3 => (0..world::TABLES / 2, select(&[Rights::NONE, world::READ][..]), table_len_bytes)
            .prop_map(|(table, left, len_bytes)| Guard::Table { table, left, len_bytes }),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    use Privilege::{Machine, Supervisor, User};
    let privilege = select(&[Supervisor, Supervisor, User, User, Machine][..]);
    prop_oneof![
        4 => write(page()),
        2 => (0..SATPS).prop_map(|satp| Action::Switch { satp }),
        1 => (1..world::STATIC_PAGES).prop_map(|count| Action::Sweep { count }),
        1 => (0..SATPS, 1..2 * SATPS, page())
            .prop_map(|(first, count, va)| Action::Tour { first, count, va }),
        2 => (privilege.clone(), privilege)
            .prop_map(|(privilege, lent)| Action::Become { privilege, lent }),
        2 => select(&[Flag::Sum, Flag::Mxr, Flag::Adue, Flag::Pbmte][..]).prop_map(Action::Flip),
        2 => fence(),
        1 => (1..100_u64, proptest::option::of(select(&world::ASIDS[..])))
            .prop_map(|(count, asid)| Action::Fences { count, asid }),
        1 => guard().prop_map(Action::Guard),
        1 => select(&[Action::Track, Action::Untrack][..]),
        10 => access(page()),
        1 => Just(Action::Audit),
    ]
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    prop_oneof![
        12 => (0..HARTS, action()).prop_map(|act| vec![act]),
        4 => change(),
        1 => protect(),
    ]
}

impl World {
    fn run(&mut self, hart: usize, action: &Action) {
        match *action {
            Action::Write { level, table, va, entry } => self.write(level, table, va, entry),
            Action::Switch { satp } => self.enter(hart, |side| side.cx.satp = world::satp(satp)),
            Action::Sweep { count } => {
                for page in 0..count {
                    let va = world::STATIC + page * PAGE_SIZE_BYTES;
                    self.access(hart, va, Access::Load, 1);
                }
            }
            Action::Tour { first, count, va } => {
                for satp in first..first + count {
                    self.enter(hart, |side| side.cx.satp = world::satp(satp % SATPS));
                    self.access(hart, va, Access::Load, 1);
                }
            }
            Action::Become { privilege, lent } => self.enter(hart, |side| {
                side.cx.privilege = privilege;
                side.data_privilege =
                    if privilege == Privilege::Machine { lent } else { privilege };
            }),
            Action::Flip(flag) => self.enter(hart, |side| match flag {
                Flag::Sum => side.cx.sum = !side.cx.sum,
                Flag::Mxr => side.cx.mxr = !side.cx.mxr,
                Flag::Adue => side.cx.adue = !side.cx.adue,
                Flag::Pbmte => side.cx.pbmt = !side.cx.pbmt,
            }),
            Action::Fence { va, asid } => self.fence(hart, va, asid),
            Action::Fences { count, asid } => {
                for page in 0..count {
                    self.fence(hart, Some(world::NOWHERE + page * PAGE_SIZE_BYTES), asid);
                }
            }
            Action::Guard(guard) => self.guard(hart, guard.regions()),
            Action::Track => self.track(),
            Action::Untrack => self.untrack(),
            Action::Access { va, access, len_bytes } => self.access(hart, va, access, len_bytes),
            Action::Audit => self.audit(hart),
        }
    }
}

impl Guard {
    /// The PMP entries, lowest-numbered first.
    fn regions(self) -> Vec<PmpRegion> {
        let region = |first, len_bytes, rights, locked| {
            let (first, last) = (PhysAddr(first), PhysAddr(first + len_bytes - 1));
            vec![PmpRegion { first, last, rights, locked }, ALL_MEMORY]
        };
        match self {
            Self::Nothing => vec![ALL_MEMORY],
            Self::Everything => vec![],
            Self::Frame { frame, left, locked } => {
                region(world::frame_at(frame), PAGE_SIZE_BYTES, left, locked)
            }
            Self::HalfFrame { frame } => {
                region(world::frame_at(frame) + 0x800, 0x800, Rights::NONE, false)
            }
            Self::Table { table, left, len_bytes } => {
                region(world::table_at(table), len_bytes, left, false)
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn translations_are_fresh_or_not_yet_fenced(acts in prop::collection::vec(acts(), 1..200)) {
        let mut world = World::new(HARTS);
        for (hart, action) in acts.iter().flatten() {
            world.run(*hart, action);
        }
        (0..HARTS).for_each(|hart| world.audit(hart));
    }
}
