//! The steps that sequences are made of, and the places where they happen.

use std::ops::Range;

use proptest::prelude::*;

use super::super::model::OFFSETS;
use super::super::*;
use super::paging::{Paging, paging};

/// Eight pages below a gigabyte's end, and sixteen above: where mappings insist to go.
pub(super) const PLAYGROUND: Range<u64> = (1 << 18) - 8..(1 << 18) + 16;
/// Two pages below the end of a leaf table.
pub(super) const HEAP: u64 = (1 << 18) + 510;
/// Eight pages above the end of another.
pub(super) const TOP: u64 = (1 << 18) + 1024 + 8;
pub(super) const STACK_END: u64 = (1 << 18) + 2048;
pub(super) const STACK_PAGES: u64 = 8;
pub(super) const PROTS: [Prot; 8] = [
    Prot::READ_WRITE,
    Prot::READ,
    Prot::NONE,
    Prot::READ_EXEC,
    Prot::ALL,
    Prot::READ_WRITE,
    Prot { exec: true, ..Prot::NONE },
    Prot { write: true, ..Prot::NONE },
];
pub(super) const SPACES_MAX: usize = 3;
pub(super) const OBJECTS: usize = 2;
pub(super) const OBJECT_PAGES: u64 = 10;
pub(super) const HARTS: usize = 2;

#[derive(Clone, Debug)]
pub(super) enum Step {
    Map {
        pages: Range<u64>,
        prot: usize,
        behind: Option<(usize, u64)>,
        sharing: Sharing,
        no_reserve: bool,
        place: u8,
    },
    Unmap(Range<u64>),
    Protect(Range<u64>, usize),
    Discard(Range<u64>),
    Remap {
        old: Range<u64>,
        new_pages: u64,
        to: Option<u64>,
        stays: bool,
        rest: Rest,
    },
    Break(u64),
    Fork,
    Exit,
    Truncate(usize, u64),
    Punch(usize, Range<u64>),
    Access {
        page: u64,
        slot: usize,
        access: Access,
        hart: usize,
    },
    Populate(Range<u64>),
    /// The page that was accessed last is, in the space that did.
    Again(Access, usize),
    Paging(Paging),
    /// Fewer pages than these may be promised.
    Limit(Option<u64>),
}

/// A step, in which space it is done, and which allocation fails in it.
pub(super) type Doing = (Step, usize, Option<u64>);

/// Pages that are touched or changed, some of them hardly ever mapped.
fn page() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => PLAYGROUND,
        2 => HEAP..HEAP + 6,
        1 => TOP - 10..TOP,
        2 => STACK_END - STACK_PAGES - 1..STACK_END,
    ]
}

pub(super) fn pages() -> impl Strategy<Value = Range<u64>> {
    (page(), 1..10u64).prop_map(|(start, pages)| start..start + pages)
}

fn access() -> impl Strategy<Value = Step> {
    let access =
        prop_oneof![3 => Just(Access::Load), 4 => Just(Access::Store), 1 => Just(Access::Fetch)];
    (page(), 0..OFFSETS.len(), access, 0..HARTS)
        .prop_map(|(page, slot, access, hart)| Step::Access { page, slot, access, hart })
}

fn map() -> impl Strategy<Value = Step> {
    let sharing = prop_oneof![Just(Sharing::Private), Just(Sharing::Shared)];
    let behind = prop::option::of((0..OBJECTS, 0..4u64));
    let pages = (PLAYGROUND, 1..10u64).prop_map(|(start, pages)| start..start + pages);
    let no_reserve = prop::bool::weighted(0.1);
    (pages, 0..PROTS.len(), behind, sharing, no_reserve, 0..6u8).prop_map(
        |(pages, prot, behind, sharing, no_reserve, place)| {
            let sharing = if behind.is_some() { sharing } else { Sharing::Private };
            Step::Map { pages, prot, behind, sharing, no_reserve, place }
        },
    )
}

fn remap() -> impl Strategy<Value = Step> {
    let rest = prop_oneof![3 => Just(Rest::Unmapped), 1 => Just(Rest::Mapped)];
    (pages(), 0..4u64, prop::option::of(page()), any::<bool>(), rest).prop_map(
        |(old, more, to, stays, rest)| {
            let length = old.end - old.start;
            let new_pages = if rest == Rest::Mapped { length } else { (length + more).max(3) - 2 };
            Step::Remap { old, new_pages, to, stays, rest }
        },
    )
}

pub(super) fn doing() -> impl Strategy<Value = Doing> {
    let step = prop_oneof![
        24 => access(),
        8 => map(),
        2 => pages().prop_map(Step::Unmap),
        4 => (pages(), 0..PROTS.len()).prop_map(|(pages, prot)| Step::Protect(pages, prot)),
        2 => pages().prop_map(Step::Discard),
        4 => remap(),
        2 => (0..6 * PAGE).prop_map(|above| Step::Break(HEAP * PAGE + above)),
        3 => Just(Step::Fork),
        1 => Just(Step::Exit),
        2 => (0..OBJECTS, 0..OBJECT_PAGES).prop_map(|(object, pages)| Step::Truncate(object, pages)),
        1 => (0..OBJECTS, 0..OBJECT_PAGES, 0..4u64)
            .prop_map(|(object, first, pages)| Step::Punch(object, first..first + pages)),
        1 => pages().prop_map(Step::Populate),
        16 => (any::<bool>(), 0..HARTS).prop_map(|(store, hart)| {
            Step::Again(if store { Access::Store } else { Access::Load }, hart)
        }),
        20 => paging().prop_map(Step::Paging),
        2 => prop::option::of(0..60u64).prop_map(Step::Limit),
    ];
    (step, 0..SPACES_MAX, prop::option::weighted(0.15, 1..5u64))
}
