//! [`Key`]: a translation context as the TLB tells it from others, in a form that is quick to
//! compare. Settings without influence are normalised away, so that contexts which translate alike
//! share their entries. [`TlbContext`] is the same for who wants to look at it.

use super::walk::Plain;
use super::{Context, Satp};
use crate::addr::{Access, Asid, Privilege};

/// What can decide about a translation besides address and access kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlbContext {
    /// No translation; PMP tells M-mode from the others.
    Physical {
        /// M-mode.
        machine: bool,
    },
    /// Translation through `satp`. Its root is part of the key: software that reuses an ASID must
    /// fence before it relies on the new tables, and until then old entries are merely unused.
    Virtual {
        /// Scheme, address space and root.
        satp: Satp,
        /// U-mode rather than S-mode.
        user: bool,
        /// `mstatus.SUM`, where it counts.
        sum: bool,
        /// `mstatus.MXR`, where it counts.
        mxr: bool,
    },
}

/// A [`TlbContext`] in two words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// Value of the CSR; 0 without translation.
    satp: u64,
    flags: u64,
}

impl Key {
    // The lowest bits index `PLAIN`.
    const USER: u64 = 1 << 0;
    const SUM: u64 = 1 << 1;
    const MXR: u64 = 1 << 2;
    const VIRTUAL: u64 = 1 << 3;
    const MACHINE: u64 = 1 << 4;

    /// The context of fetches in `cx`: SUM and MXR do not count.
    pub(super) fn of_fetches(cx: &Context) -> Self {
        Self::with(cx, 0)
    }

    /// The context of loads and stores in `cx`.
    pub(super) fn of_data(cx: &Context) -> Self {
        let sum = if cx.sum && cx.privilege != Privilege::User { Self::SUM } else { 0 };
        Self::with(cx, sum | if cx.mxr { Self::MXR } else { 0 })
    }

    #[inline(always)]
    fn with(cx: &Context, settings: u64) -> Self {
        if !cx.translates() {
            let machine = cx.privilege == Privilege::Machine;
            return Self { satp: 0, flags: if machine { Self::MACHINE } else { 0 } };
        }
        let user = if cx.privilege == Privilege::User { Self::USER } else { 0 };
        Self { satp: cx.satp.to_bits(), flags: settings | user | Self::VIRTUAL }
    }

    /// Whether addresses go through page tables.
    #[inline(always)]
    pub(super) fn is_virtual(self) -> bool {
        self.flags & Self::VIRTUAL != 0
    }

    /// Whether PMP lets this context do what it lets M-mode do.
    #[inline(always)]
    pub(super) fn is_machine(self) -> bool {
        self.flags & Self::MACHINE != 0
    }

    /// `satp` as the CSR holds it; 0 without translation.
    #[inline(always)]
    pub(super) fn satp(self) -> u64 {
        self.satp
    }

    /// The address space that fences name; 0 without translation.
    #[inline(always)]
    pub(super) fn asid(self) -> Asid {
        Satp::asid_of(self.satp)
    }

    /// Well mixed; the low bits suffice.
    #[inline(always)]
    pub(super) fn hash(self) -> u64 {
        // Fibonacci hashing: the upper bits are good ones. Flags are small, and so may ASIDs be.
        const BITS: u32 = 8;
        (self.satp ^ self.flags << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - BITS)
    }

    /// What leaves look like that allow `access` as they are; for contexts that translate.
    #[inline(always)]
    pub(super) fn plain(self, access: Access) -> Plain {
        /// By SUM and U-mode, as their flags count.
        const PLAIN: [[Plain; 3]; 4] = [
            Plain::row(Privilege::Supervisor, false),
            Plain::row(Privilege::User, false),
            Plain::row(Privilege::Supervisor, true),
            // SUM does not count in U-mode.
            Plain::row(Privilege::User, false),
        ];
        PLAIN[(self.flags & (Self::USER | Self::SUM)) as usize][access as usize]
    }

    /// What this is the key of.
    pub(super) fn context(self) -> TlbContext {
        let has = |flag| self.flags & flag != 0;
        if !self.is_virtual() {
            return TlbContext::Physical { machine: self.is_machine() };
        }
        let satp = Satp::from_bits(self.satp);
        let (user, sum, mxr) = (has(Self::USER), has(Self::SUM), has(Self::MXR));
        TlbContext::Virtual { satp, user, sum, mxr }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::addr::{PhysAddr, VirtAddr};
    use crate::mmu::walk::{self, Leaf, WalkFault};
    use crate::mmu::{Mode, Pte, PteMemory};

    /// Memory that is the same entry everywhere.
    struct Everywhere(u64);

    impl PteMemory for Everywhere {
        fn read_pte(&mut self, _at: PhysAddr) -> Option<u64> {
            Some(self.0)
        }

        fn update_pte(&mut self, _at: PhysAddr, old: u64, new: u64) -> Option<bool> {
            assert_eq!(old, self.0);
            self.0 = new;
            Some(true)
        }
    }

    /// The walk behind a table of `level`, and the entry that it leaves.
    fn by_walk(
        pte: Pte,
        level: u32,
        va: VirtAddr,
        access: Access,
        cx: &Context,
    ) -> (Result<Leaf, WalkFault>, Pte) {
        let mut memory = Everywhere(pte.0);
        let found = walk::resume(&mut memory, (va, access, cx), (PhysAddr(0), level), &mut ());
        (found, Pte(memory.0))
    }

    fn key(access: Access, cx: &Context) -> Key {
        if access == Access::Fetch { Key::of_fetches(cx) } else { Key::of_data(cx) }
    }

    fn pte() -> impl Strategy<Value = Pte> {
        // The flags are mostly those that allow something.
        let flags = prop_oneof![
            4 => (0..0x100_u64).prop_map(|bits| bits | Pte::V | Pte::R | Pte::A),
            1 => 0..0x100_u64,
        ];
        let above = prop_oneof![
            6 => Just(0),
            1 => select(&[Pte::N, Pte::RSW, 1 << 61, 2 << 61, Pte::PBMT][..]),
            1 => (54..61_u32).prop_map(|bit| 1 << bit),
        ];
        let ppn = prop_oneof![0..1_u64 << 44, (0..1_u64 << 26).prop_map(|ppn| ppn << 18), Just(8)];
        (flags, above, ppn).prop_map(|(flags, above, ppn)| Pte::new(ppn, flags | above))
    }

    fn context() -> impl Strategy<Value = Context> {
        let privilege = select(&[Privilege::Supervisor, Privilege::User][..]);
        let mode = select(&Mode::PAGED[..]);
        (privilege, mode, prop::array::uniform5(any::<bool>())).prop_map(
            |(privilege, mode, [sum, mxr, adue, napot, pbmt])| {
                let satp = Satp { mode, ..Satp::default() };
                Context { privilege, satp, sum, mxr, adue, napot, pbmt }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 4096,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// The short way and the manual's come to the same; what the short way leaves to the
        /// manual's is rare.
        #[test]
        fn plain_leaves_are_those_that_the_walk_takes_as_they_are(
            (pte, level, va, cx) in (pte(), 0..4_u32, any::<u64>(), context()),
        ) {
            for access in Access::ALL {
                let (found, after) = by_walk(pte, level, VirtAddr(va), access, &cx);
                let plain = key(access, &cx).plain(access);
                if plain.admits(pte, level) || level == 0 && plain.admits_napot(pte, &cx) {
                    let short = walk::leaf(pte, PhysAddr(0), level, pte.has(Pte::G), VirtAddr(va));
                    let found = found.map(|leaf| Leaf { pte_at: PhysAddr(0), ..leaf });
                    prop_assert_eq!(found, Ok(short));
                    prop_assert_eq!(after, pte);
                } else if let Ok(leaf) = found {
                    let rare = pte.has_any(Pte::PBMT) || !pte.has(Pte::R);
                    prop_assert!(rare || after != pte || u32::from(leaf.level) != level);
                }
            }
        }

        /// Contexts with the same key get the same answers, whatever is asked.
        #[test]
        fn what_a_key_leaves_out_does_not_count(
            (pte, va, one, other) in (pte(), any::<u64>(), context(), context()),
        ) {
            // These are set for all contexts, and whoever changes them must fence.
            let other = Context { adue: one.adue, napot: one.napot, pbmt: one.pbmt, ..other };
            for access in Access::ALL {
                let found = |cx: &Context| by_walk(pte, 0, VirtAddr(va), access, cx);
                if key(access, &one) == key(access, &other) {
                    prop_assert_eq!(found(&one), found(&other));
                }
            }
        }
    }

    #[test]
    fn keys_tell_contexts_apart() {
        let satp = Satp { mode: Mode::Sv48, asid: Asid(0x8001), root_ppn: 0xfff_ffff_ffff };
        let user = Context { privilege: Privilege::User, satp, ..Context::RESET };
        let kernel = Context { privilege: Privilege::Supervisor, ..user };
        let machine = Context { privilege: Privilege::Machine, ..user };
        let bare = Context { satp: Satp::default(), ..user };
        let both = |cx: &Context| [Key::of_fetches(cx), Key::of_data(cx)].map(Key::context);
        let is = |user, sum, mxr| TlbContext::Virtual { satp, user, sum, mxr };
        let physical = |machine| TlbContext::Physical { machine };
        for (cx, contexts) in [
            (machine, [physical(true); 2]),
            (bare, [physical(false); 2]),
            (Context { privilege: Privilege::Supervisor, sum: true, ..bare }, [physical(false); 2]),
            (user, [is(true, false, false); 2]),
            (Context { sum: true, ..user }, [is(true, false, false); 2]),
            (Context { mxr: true, ..user }, [is(true, false, false), is(true, false, true)]),
            (kernel, [is(false, false, false); 2]),
            (Context { sum: true, ..kernel }, [is(false, false, false), is(false, true, false)]),
            (
                Context { sum: true, mxr: true, ..kernel },
                [is(false, false, false), is(false, true, true)],
            ),
        ] {
            assert_eq!(both(&cx), contexts, "{cx:?}");
        }
        assert_eq!(Key::of_data(&kernel).asid(), Asid(0x8001));
        assert_eq!(Key::of_data(&machine).asid(), Asid(0));
    }
}
