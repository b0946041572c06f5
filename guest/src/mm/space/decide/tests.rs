//! The decision as a table: every area, every entry, every access.

use FaultAction::{
    CopyHidden, CopyMapped, CopyObject, FillZero, Flip, MapObject, MapZero, Rescue, RescueClean,
    RescueToWrite, Reuse, ShareObject, Touch,
};

use super::*;

const R: Flags = Flags::R;
const X: Flags = Flags::X;
const RX: Flags = Flags::R.with(Flags::X);
const RW: Flags = Flags::R.with(Flags::W);
/// What R, W and X of an entry can be.
const RIGHTS: [Flags; 4] = [R, X, RX, RW];
const ACCESSES: [Access; 3] = [Access::Load, Access::Store, Access::Fetch];

/// The kinds of areas there are, the columns of the table.
const AREAS: [(Sharing, Source); 3] = [
    (Sharing::Private, Source::Zeros),
    (Sharing::Private, Source::Object),
    (Sharing::Shared, Source::Object),
];

type Outcome = Result<FaultAction, Trouble>;

/// What a row says of an entry that does not grant the access: to loads and fetches, and to
/// stores, in each kind of area; `None` where there is no such entry.
struct Row {
    kind: Kind,
    read: [Option<Outcome>; 3],
    store: [Option<Outcome>; 3],
}

fn all(outcome: Outcome) -> [Option<Outcome>; 3] {
    [Some(outcome); 3]
}

fn private(outcome: FaultAction) -> [Option<Outcome>; 3] {
    [Some(Ok(outcome)), Some(Ok(outcome)), None]
}

const CELL: CellId = CellId(core::num::NonZeroU32::MIN);
const WHOLE: Outcome = Err(Trouble::Swapped { cell: CELL, how: ReadHow::Whole });
const PRIVATE: Outcome = Err(Trouble::Swapped { cell: CELL, how: ReadHow::Private });
const BUSY: Outcome = Err(Trouble::Busy(CELL));

/// A row for a private page that no entry maps.
fn unmapped(kind: Kind, read: Outcome, store: Outcome) -> Row {
    let private = |outcome| [Some(outcome), Some(outcome), None];
    Row { kind, read: private(read), store: private(store) }
}

fn anon(refs: u32) -> Content {
    Content::Anon { refs, has_slot: refs.is_multiple_of(2) }
}

/// The rows for entries without rights, then those for mapped pages with these rights.
fn rows(rights: Flags) -> Vec<Row> {
    let mapped = |content| Kind::Mapped { content, rights };
    let ok = |actions: [FaultAction; 3]| actions.map(|action| Some(Ok(action)));
    vec![
        Row {
            kind: Kind::Empty,
            read: ok([MapZero, MapObject, MapObject]),
            store: ok([FillZero, CopyObject, ShareObject]),
        },
        Row {
            kind: Kind::Guard,
            read: all(Err(Trouble::NotMapped)),
            store: all(Err(Trouble::NotMapped)),
        },
        Row { kind: Kind::Lost, read: all(Err(Trouble::Bus)), store: all(Err(Trouble::Bus)) },
        Row {
            kind: Kind::Hidden { refs: 1 },
            read: private(Rescue),
            store: private(RescueToWrite),
        },
        unmapped(Kind::Hidden { refs: 2 }, Ok(Rescue), Ok(CopyHidden)),
        unmapped(Kind::Hidden { refs: u32::MAX }, Ok(Rescue), Ok(CopyHidden)),
        unmapped(Kind::Swapped { cell: CELL, refs: 1 }, WHOLE, WHOLE),
        unmapped(Kind::Swapped { cell: CELL, refs: 2 }, WHOLE, PRIVATE),
        unmapped(Kind::Reading { cell: CELL }, BUSY, BUSY),
        Row {
            kind: mapped(Content::Zero),
            read: [Some(Ok(Flip)), None, None],
            store: [Some(Ok(FillZero)), None, None],
        },
        Row { kind: mapped(anon(1)), read: private(Flip), store: private(Reuse) },
        Row { kind: mapped(anon(2)), read: private(Flip), store: private(CopyMapped) },
        Row { kind: mapped(anon(300)), read: private(Flip), store: private(CopyMapped) },
        Row {
            kind: mapped(Content::Object),
            read: [None, Some(Ok(Flip)), Some(Ok(Flip))],
            store: [None, Some(Ok(CopyMapped)), Some(Ok(ShareObject))],
        },
    ]
}

fn prots() -> impl Iterator<Item = Prot> {
    (0..8u8).map(|bits| Prot { read: bits & 1 != 0, write: bits & 2 != 0, exec: bits & 4 != 0 })
}

fn allowed(prot: Prot, access: Access) -> bool {
    match access {
        Access::Load => prot.read || prot.write,
        Access::Store => prot.write,
        Access::Fetch => prot.exec,
    }
}

fn grants(kind: Kind, access: Access) -> bool {
    let Kind::Mapped { rights, .. } = kind else { return false };
    match access {
        Access::Load => rights.has(Flags::R),
        Access::Store => rights.has(Flags::W),
        Access::Fetch => rights.has(Flags::X),
    }
}

#[test]
fn the_decision_is_the_table() {
    let mut decided = 0;
    for rights in RIGHTS {
        for Row { kind, read, store } in rows(rights) {
            for (column, (sharing, source)) in AREAS.into_iter().enumerate() {
                for prot in prots() {
                    for access in ACCESSES {
                        let cell = if access == Access::Store { store } else { read };
                        let Some(outcome) = cell[column] else { continue };
                        let expected = if !allowed(prot, access) {
                            Err(Trouble::Denied)
                        } else if grants(kind, access) {
                            Ok(Touch)
                        } else if kind == (Kind::Hidden { refs: 1 })
                            && access == Access::Load
                            && prot.write
                        {
                            // The hart will say whether it is written.
                            Ok(RescueClean)
                        } else {
                            outcome
                        };
                        let found = decide(Area { prot, sharing, source }, kind, access);
                        assert_eq!(
                            found, expected,
                            "{sharing:?} {source:?} {prot:?} {kind:?} {access:?}"
                        );
                        decided += 1;
                    }
                }
            }
        }
    }
    // 4 rights times 8 protections times 3 accesses, for each cell of the table that is filled.
    assert_eq!(decided, 4 * 8 * 3 * (9 + 6 + 6 + 1 + 6 + 2));
}

#[test]
fn only_new_content_takes_a_cell() {
    for (action, makes) in [
        (MapZero, false),
        (FillZero, true),
        (MapObject, false),
        (CopyObject, true),
        (ShareObject, false),
        (CopyMapped, true),
        (Reuse, false),
        (Rescue, false),
        (RescueClean, false),
        (RescueToWrite, false),
        (CopyHidden, true),
        (Flip, false),
        (Touch, false),
    ] {
        assert_eq!(action.makes_cell(), makes, "{action:?}");
    }
}
