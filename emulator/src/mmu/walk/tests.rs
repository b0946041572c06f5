//! Tables for the walk: every fault reason, permission, A/D scheme and level in the three modes, on
//! page tables that live in a hash map.

use std::collections::HashMap;

use super::*;
use crate::addr::{Asid, Privilege};
use crate::mmu::Satp;

const ROOT_PPN: u64 = 0x8_0000;
/// An address with a different index at each level.
const VA: u64 = 0x0012_3456_789a_bcde;
/// Where leaves lead to; aligned for a superpage of any level.
const LEAF_PPN: u64 = 1 << 40;
const RWX: u64 = Pte::R | Pte::W | Pte::X;
/// A leaf that allows everything to S-mode.
const GOOD: u64 = Pte::V | RWX | Pte::A | Pte::D;

/// Page tables, and what goes wrong when they are accessed.
#[derive(Clone, Default)]
struct Tables {
    ptes: HashMap<u64, u64>,
    unreadable: Option<PhysAddr>,
    unwritable: Option<PhysAddr>,
    /// Entries that another hart changes just before the next updates, last one first.
    races: Vec<u64>,
    updates: usize,
}

impl PteMemory for Tables {
    fn read_pte(&mut self, at: PhysAddr) -> Option<u64> {
        (self.unreadable != Some(at)).then(|| self.ptes.get(&at.0).copied().unwrap_or(0))
    }

    fn update_pte(&mut self, at: PhysAddr, old: u64, new: u64) -> Option<bool> {
        if self.unwritable == Some(at) {
            return None;
        }
        self.updates += 1;
        let pte = self.ptes.get_mut(&at.0)?;
        if let Some(raced) = self.races.pop() {
            *pte = raced;
        }
        let unchanged = *pte == old;
        if unchanged {
            *pte = new;
        }
        Some(unchanged)
    }
}

/// `VA` cut to what `mode` can translate.
fn va(mode: Mode) -> VirtAddr {
    let bits = PAGE_SHIFT + VPN_BITS * mode.levels();
    VirtAddr(VA & ((1 << (bits - 1)) - 1))
}

/// Where the walk for `va` finds its entry of `level`: tables follow each other from the root.
fn pte_at(mode: Mode, level: u32, va: VirtAddr) -> PhysAddr {
    let table = ROOT_PPN + u64::from(mode.levels() - 1 - level);
    let vpn = va.0 >> (PAGE_SHIFT + VPN_BITS * level) & 0x1ff;
    PhysAddr(table * 4096 + vpn * 8)
}

/// Tables that lead `va(mode)` to the entry `pte` at `level`.
fn tables(mode: Mode, level: u32, pte: Pte) -> Tables {
    let mut tables = Tables::default();
    for above in level + 1..mode.levels() {
        let next = ROOT_PPN + u64::from(mode.levels() - above);
        tables.ptes.insert(pte_at(mode, above, va(mode)).0, Pte::new(next, Pte::V).0);
    }
    tables.ptes.insert(pte_at(mode, level, va(mode)).0, pte.0);
    tables
}

fn context(mode: Mode, privilege: Privilege) -> Context {
    let satp = Satp { mode, asid: Asid(1), root_ppn: ROOT_PPN };
    Context { privilege, satp, napot: true, pbmt: true, ..Context::RESET }
}

fn supervisor(mode: Mode) -> Context {
    context(mode, Privilege::Supervisor)
}

/// Calls `f` for every level of every mode.
fn for_each_level(mut f: impl FnMut(Mode, u32)) {
    for mode in Mode::PAGED {
        (0..mode.levels()).for_each(|level| f(mode, level));
    }
}

#[test]
fn leaves_at_every_level_give_address_size_and_place() {
    for_each_level(|mode, level| {
        let mut tables = tables(mode, level, Pte::new(LEAF_PPN, GOOD));
        let leaf = walk(&mut tables, va(mode), Access::Load, &supervisor(mode), &mut ()).unwrap();
        let size_shift = 12 + 9 * level;
        let pa = PhysAddr(LEAF_PPN << 12 | va(mode).0 & ((1 << size_shift) - 1));
        let expected = Leaf {
            pte: Pte::new(LEAF_PPN, GOOD),
            pte_at: pte_at(mode, level, va(mode)),
            level: level as u8,
            global: false,
            size_shift: size_shift as u8,
            pa,
        };
        assert_eq!(leaf, expected, "{mode:?} level {level}");
        assert_eq!(tables.updates, 0);
    });
}

#[test]
fn upper_half_addresses_walk_and_others_are_not_canonical() {
    for mode in Mode::PAGED {
        let sign = 1 << (PAGE_SHIFT + VPN_BITS * mode.levels() - 1);
        for (address, ok) in [
            (0, true),
            (sign - 1, true),
            (sign, false),
            (sign << 1, false),
            (1 << 63, false),
            (u64::MAX - sign, false),
            (u64::MAX - sign + 1, true),
            (u64::MAX, true),
        ] {
            let va = VirtAddr(address);
            let mut tables = Tables::default();
            let top = pte_at(mode, mode.levels() - 1, va);
            tables.ptes.insert(top.0, Pte::new(LEAF_PPN, GOOD).0);
            for access in Access::ALL {
                let got = walk(&mut tables, va, access, &supervisor(mode), &mut ());
                let expected = if ok { Ok(top) } else { Err(WalkFault::NotCanonical) };
                assert_eq!(got.map(|leaf| leaf.pte_at), expected, "{mode:?} {va}");
            }
        }
    }
}

/// Which accesses (of `x` fetch, `r` load, `w` store) each kind of page allows in each context.
#[test]
fn permissions() {
    use Privilege::{Supervisor, User};
    let contexts = [
        // privilege, SUM, MXR
        (User, false, false),
        (User, true, true),
        (Supervisor, false, false),
        (Supervisor, false, true),
        (Supervisor, true, false),
        (Supervisor, true, true),
    ];
    let (r, w, x, u) = (Pte::R, Pte::W, Pte::X, Pte::U);
    let rows = [
        // page         U      U+SUM+MXR  S      S+MXR  S+SUM  S+SUM+MXR
        (r, ["", "", "r", "r", "r", "r"]),
        (r | w, ["", "", "rw", "rw", "rw", "rw"]),
        (x, ["", "", "x", "xr", "x", "xr"]),
        (r | x, ["", "", "xr", "xr", "xr", "xr"]),
        (r | w | x, ["", "", "xrw", "xrw", "xrw", "xrw"]),
        (u | r, ["r", "r", "", "", "r", "r"]),
        (u | r | w, ["rw", "rw", "", "", "rw", "rw"]),
        (u | x, ["x", "xr", "", "", "", "r"]),
        (u | r | x, ["xr", "xr", "", "", "r", "r"]),
        (u | r | w | x, ["xrw", "xrw", "", "", "rw", "rw"]),
    ];
    for_each_level(|mode, level| {
        for (bits, allowed) in rows {
            let pte = Pte::new(LEAF_PPN, bits | Pte::V | Pte::A | Pte::D);
            for ((privilege, sum, mxr), allowed) in contexts.into_iter().zip(allowed) {
                for (access, letter) in Access::ALL.into_iter().zip(['x', 'r', 'w']) {
                    let cx = Context { sum, mxr, ..context(mode, privilege) };
                    let got = walk(&mut tables(mode, level, pte), va(mode), access, &cx, &mut ());
                    let reason = match (bits & u != 0, privilege) {
                        (user_page, User) if !user_page => WalkFault::Privilege,
                        (true, Supervisor) if !sum || access == Access::Fetch => {
                            WalkFault::Privilege
                        }
                        _ => WalkFault::Permission,
                    };
                    let expected = if allowed.contains(letter) { Ok(()) } else { Err(reason) };
                    assert_eq!(
                        got.map(|_| ()),
                        expected,
                        "{mode:?} {level} {pte} {access:?} {cx:?}"
                    );
                }
            }
        }
    });
}

/// Faults that no access kind, privilege, permission or A/D scheme can talk away.
#[test]
fn encodings_that_fault() {
    use WalkFault::*;
    let napot = Pte::new(LEAF_PPN | 8, GOOD | Pte::N);
    let pointer = Pte::new(ROOT_PPN, Pte::V);
    let mut rows = vec![
        // entry, levels it is put at, fault
        (Pte(0), 0..5, NotValid),
        (Pte(!Pte::V), 0..5, NotValid),
        (Pte::new(LEAF_PPN, Pte::V | Pte::W | Pte::A | Pte::D), 0..5, WriteOnly),
        (Pte::new(LEAF_PPN, Pte::V | Pte::W | Pte::X | Pte::A | Pte::D), 0..5, WriteOnly),
        (Pte::new(LEAF_PPN, GOOD | Pte::PBMT), 0..5, MemoryType),
        (pointer, 0..1, NoLeaf),
        (napot, 1..5, Napot),
        (Pte::new(LEAF_PPN | 1, GOOD), 1..5, MisalignedSuperpage),
        (Pte::new(LEAF_PPN | 1 << 8, GOOD), 1..5, MisalignedSuperpage),
        (Pte::new(LEAF_PPN | 1 << 17, GOOD), 2..5, MisalignedSuperpage),
        (Pte::new(LEAF_PPN | 1 << 26, GOOD), 3..5, MisalignedSuperpage),
        (Pte::new(LEAF_PPN | 1 << 35, GOOD), 4..5, MisalignedSuperpage),
    ];
    rows.extend((54..61).map(|bit| (Pte::new(LEAF_PPN, GOOD | 1 << bit), 0..5, ReservedBits)));
    rows.extend((54..61).map(|bit| (Pte(pointer.0 | 1 << bit), 0..5, ReservedBits)));
    let attributes = [Pte::D, Pte::A, Pte::U, Pte::N, 1 << 61, 2 << 61, Pte::PBMT];
    rows.extend(attributes.map(|bits| (Pte(pointer.0 | bits), 0..5, PointerAttributes)));
    let sizes = (0..16).filter(|low| *low != 8);
    rows.extend(sizes.map(|low| (Pte::new(LEAF_PPN | low, GOOD | Pte::N), 0..1, Napot)));

    for_each_level(|mode, level| {
        for (pte, levels, fault) in &rows {
            for access in Access::ALL.into_iter().filter(|_| levels.contains(&level)) {
                for adue in [false, true] {
                    let cx = Context { adue, sum: true, mxr: true, ..supervisor(mode) };
                    let mut tables = tables(mode, level, *pte);
                    let got = walk(&mut tables, va(mode), access, &cx, &mut ());
                    assert_eq!(got, Err(*fault), "{mode:?} level {level} {pte} {access:?}");
                    assert!(tables.updates == 0 && !fault.is_access_fault());
                }
            }
        }
    });
}

#[test]
fn software_bits_and_memory_types_do_not_matter() {
    for_each_level(|mode, level| {
        for bits in [Pte::RSW, 1 << 61, 2 << 61] {
            let mut tables = tables(mode, level, Pte::new(LEAF_PPN, GOOD | bits));
            assert!(walk(&mut tables, va(mode), Access::Load, &supervisor(mode), &mut ()).is_ok());
        }
    });
}

#[test]
fn svnapot_and_svpbmt_bits_are_reserved_without_them() {
    let napot = Pte::new(LEAF_PPN | 8, GOOD | Pte::N);
    let typed = Pte::new(LEAF_PPN, GOOD | 1 << 61);
    for mode in Mode::PAGED {
        for (pte, on, fault) in [
            (napot, Context { pbmt: false, ..supervisor(mode) }, None),
            (napot, Context { napot: false, ..supervisor(mode) }, Some(WalkFault::Napot)),
            (typed, Context { napot: false, ..supervisor(mode) }, None),
            (typed, Context { pbmt: false, ..supervisor(mode) }, Some(WalkFault::MemoryType)),
        ] {
            let got = walk(&mut tables(mode, 0, pte), va(mode), Access::Load, &on, &mut ());
            assert_eq!(got.err(), fault, "{mode:?} {pte}");
        }
    }
}

#[test]
fn napot_takes_four_more_bits_from_the_address() {
    for mode in Mode::PAGED {
        let mut tables = tables(mode, 0, Pte::new(LEAF_PPN | 0x678, GOOD | Pte::N));
        let leaf = walk(&mut tables, va(mode), Access::Store, &supervisor(mode), &mut ()).unwrap();
        assert_eq!(leaf.size_shift, 16);
        assert_eq!(leaf.pa.0, (LEAF_PPN | 0x670) << 12 | va(mode).0 & 0xffff, "{mode:?}");
    }
}

#[test]
fn global_in_any_entry_makes_the_mapping_global() {
    for mode in Mode::PAGED {
        for level in 0..mode.levels() {
            let mut tables = tables(mode, 0, Pte::new(LEAF_PPN, GOOD));
            *tables.ptes.get_mut(&pte_at(mode, level, va(mode)).0).unwrap() |= Pte::G;
            let leaf = walk(&mut tables, va(mode), Access::Load, &supervisor(mode), &mut ());
            assert!(leaf.unwrap().global, "{mode:?} G at level {level}");
        }
    }
}

/// A and D before the access, what Svade says, and the bits after it under Svadu.
#[test]
fn accessed_and_dirty_by_both_schemes() {
    use Access::{Fetch, Load, Store};
    use WalkFault::{NotAccessed, NotDirty};
    let (a, d) = (Pte::A, Pte::D);
    for_each_level(|mode, level| {
        for (before, access, svade, after) in [
            (0, Fetch, Some(NotAccessed), a),
            (0, Load, Some(NotAccessed), a),
            (0, Store, Some(NotAccessed), a | d),
            (a, Fetch, None, a),
            (a, Load, None, a),
            (a, Store, Some(NotDirty), a | d),
            (d, Load, Some(NotAccessed), a | d),
            (d, Store, Some(NotAccessed), a | d),
            (a | d, Fetch, None, a | d),
            (a | d, Store, None, a | d),
        ] {
            let base = Pte::new(LEAF_PPN, Pte::V | RWX | Pte::RSW);
            let fresh = tables(mode, level, Pte(base.0 | before));
            let at = pte_at(mode, level, va(mode));

            let mut tables = fresh.clone();
            let got = walk(&mut tables, va(mode), access, &supervisor(mode), &mut ());
            assert_eq!(got.err(), svade, "{mode:?} {level} {before:#x} {access:?}");
            assert_eq!(tables.ptes, fresh.ptes, "Svade writes nothing");

            let mut tables = fresh.clone();
            let cx = Context { adue: true, ..supervisor(mode) };
            let leaf = walk(&mut tables, va(mode), access, &cx, &mut ()).unwrap();
            assert_eq!(leaf.pte, Pte(base.0 | after), "{mode:?} {level} {before:#x} {access:?}");
            assert_eq!(tables.ptes[&at.0], base.0 | after);
            assert_eq!(tables.updates, usize::from(before != after), "written only if needed");
        }
    });
}

#[test]
fn denied_accesses_set_no_bits() {
    let cx = Context { adue: true, ..supervisor(Mode::Sv39) };
    for (bits, access, fault) in [
        (Pte::R, Access::Store, WalkFault::Permission),
        (Pte::R | Pte::U, Access::Load, WalkFault::Privilege),
        (Pte::R, Access::Fetch, WalkFault::Permission),
    ] {
        let mut tables = tables(Mode::Sv39, 0, Pte::new(LEAF_PPN, Pte::V | bits));
        let got = walk(&mut tables, va(Mode::Sv39), access, &cx, &mut ());
        assert_eq!((got, tables.updates), (Err(fault), 0));
    }
}

#[test]
fn an_entry_that_cannot_be_accessed_is_an_access_fault() {
    for_each_level(|mode, level| {
        for access in Access::ALL {
            let cx = Context { adue: true, ..supervisor(mode) };
            let fresh = tables(mode, 0, Pte::new(LEAF_PPN, Pte::V | RWX));
            let at = Some(pte_at(mode, level, va(mode)));

            let mut unreadable = Tables { unreadable: at, ..fresh.clone() };
            let got = walk(&mut unreadable, va(mode), access, &cx, &mut ());
            assert_eq!(got, Err(WalkFault::Unreadable), "{mode:?} {level}");

            let mut unwritable = Tables { unwritable: at, ..fresh };
            let got = walk(&mut unwritable, va(mode), access, &cx, &mut ());
            // Pointers are never written.
            let expected = (level == 0).then_some(WalkFault::Unwritable);
            assert_eq!(got.err(), expected, "{mode:?} {level}");
        }
    });
    for fault in [WalkFault::Unreadable, WalkFault::Unwritable] {
        assert!(fault.is_access_fault());
    }
}

#[test]
fn an_entry_that_changes_under_the_walk_is_judged_anew() {
    let mode = Mode::Sv39;
    let cx = Context { adue: true, ..supervisor(mode) };
    let first = Pte::new(LEAF_PPN, Pte::V | RWX);
    let moved = Pte::new(LEAF_PPN + 1, Pte::V | RWX);
    let read_only = Pte::new(LEAF_PPN, Pte::V | Pte::R);
    for (races, verdicts, end) in [
        (vec![moved], vec![Verdict::Raced, Verdict::Updated], Ok(LEAF_PPN + 1)),
        (vec![first, moved], vec![Verdict::Raced, Verdict::Raced, Verdict::Updated], Ok(LEAF_PPN)),
        (
            vec![read_only],
            vec![Verdict::Raced, Verdict::Fault(WalkFault::Permission)],
            Err(WalkFault::Permission),
        ),
        (
            vec![Pte(0)],
            vec![Verdict::Raced, Verdict::Fault(WalkFault::NotValid)],
            Err(WalkFault::NotValid),
        ),
    ] {
        let races = races.iter().map(|pte| pte.0).collect();
        let mut tables = Tables { races, ..tables(mode, 0, first) };
        let mut steps = Vec::new();
        let got = walk(&mut tables, va(mode), Access::Store, &cx, &mut steps);
        assert_eq!(got.map(|leaf| leaf.pa.page_number()), end);
        let seen: Vec<_> = steps.iter().filter(|s| s.level == 0).map(|s| s.verdict).collect();
        assert_eq!(seen, verdicts);
        let entry = Pte(tables.ptes[&pte_at(mode, 0, va(mode)).0]);
        assert_eq!(entry.has(Pte::A | Pte::D), end.is_ok());
    }
}

#[test]
fn steps_tell_the_walk() {
    for_each_level(|mode, level| {
        let leaf = Pte::new(LEAF_PPN, GOOD);
        let mut steps = Vec::new();
        let mut tables = tables(mode, level, leaf);
        walk(&mut tables, va(mode), Access::Load, &supervisor(mode), &mut steps).unwrap();
        let expected: Vec<_> = (level..mode.levels())
            .rev()
            .map(|at_level| {
                let pte_at = pte_at(mode, at_level, va(mode));
                let (pte, verdict) = match at_level == level {
                    true => (leaf, Verdict::Leaf),
                    false => (Pte(tables.ptes[&pte_at.0]), Verdict::Pointer),
                };
                Step { level: at_level as u8, pte_at, pte, verdict }
            })
            .collect();
        assert_eq!(steps, expected, "{mode:?} level {level}");
    });
}

#[test]
fn a_defect_stops_every_walk() {
    let mode = Mode::Sv48;
    let cx = context(mode, Privilege::Supervisor);
    for (pte, level, expect) in [
        (Pte::new(LEAF_PPN, GOOD), 0, None),
        (Pte::new(LEAF_PPN, GOOD), 3, None),
        (Pte::new(LEAF_PPN, Pte::V | Pte::R), 0, None),
        (Pte::new(LEAF_PPN, Pte::V), 1, None),
        (Pte::new(LEAF_PPN, Pte::V), 0, Some(WalkFault::NoLeaf)),
        (Pte::new(LEAF_PPN, GOOD & !Pte::V), 0, Some(WalkFault::NotValid)),
        (Pte::new(LEAF_PPN, Pte::V | Pte::W), 0, Some(WalkFault::WriteOnly)),
        (Pte::new(LEAF_PPN, Pte::V | Pte::U), 1, Some(WalkFault::PointerAttributes)),
        (Pte::new(LEAF_PPN + 1, GOOD), 1, Some(WalkFault::MisalignedSuperpage)),
    ] {
        assert_eq!(defect(pte, level, &cx), expect, "{pte:?} at {level}");
        for access in Access::ALL.into_iter().filter(|_| expect.is_some()) {
            let found = walk(&mut tables(mode, level, pte), va(mode), access, &cx, &mut ());
            assert_eq!(found.err(), expect, "{pte:?} at {level}");
        }
    }
}
