//! What goes wrong with disks where a test wants it, in each run the same: [`ErrorPlan`], what was
//! asked for, and [`Unlucky`], one disk that it concerns.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::device::virtio::block::{Mishap, Mishaps, Transfer};
use crate::machine::random::SplitMix;

/// How often something happens: so many times of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Odds {
    /// Times that it happens.
    pub hits: u64,
    /// Of so many, at least 1.
    pub of: u64,
}

impl Odds {
    /// It does not happen.
    pub const NEVER: Self = Self { hits: 0, of: 1 };

    /// Whether it happens now. What never happens takes no number.
    fn strike(self, random: &mut SplitMix) -> bool {
        self.hits > 0 && random.draw() % self.of < self.hits
    }
}

/// What goes wrong with disks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPlan {
    /// How often a read fails.
    pub read: Odds,
    /// How often a write fails.
    pub write: Odds,
    /// Sectors that can be neither read nor written.
    pub sectors: Vec<RangeInclusive<u64>>,
    /// What chance follows from.
    pub seed: u64,
    /// The write, counted from 1 over all disks that the plan concerns, before which the power is
    /// cut: those before it are done, it and all later ones are not.
    pub cut: Option<u64>,
}

impl ErrorPlan {
    /// The writes that are left to disks before the power is cut, for all that share it.
    pub fn writes_left(&self) -> Arc<AtomicU64> {
        Arc::new(AtomicU64::new(self.cut.map_or(u64::MAX, |cut| cut - 1)))
    }
}

/// A disk to which an [`ErrorPlan`] applies.
#[derive(Debug)]
pub struct Unlucky {
    plan: ErrorPlan,
    random: SplitMix,
    writes_left: Arc<AtomicU64>,
}

impl Unlucky {
    /// A disk of those that share `writes_left`.
    pub fn new(plan: ErrorPlan, writes_left: Arc<AtomicU64>) -> Self {
        let random = SplitMix::new(plan.seed);
        Self { plan, random, writes_left }
    }

    /// Whether a request meets a bad sector or bad luck.
    fn fails(&mut self, transfer: Transfer, sectors: &Range<u64>) -> bool {
        let touches =
            |bad: &RangeInclusive<u64>| *bad.start() < sectors.end && sectors.start <= *bad.end();
        let odds = match transfer {
            Transfer::Read => self.plan.read,
            Transfer::Write => self.plan.write,
        };
        // Chance takes its turn in any case, so that bad sectors do not change it.
        odds.strike(&mut self.random) | self.plan.sectors.iter().any(touches)
    }

    /// Takes one write of those that are left before the power is cut.
    fn take_write(&self) -> bool {
        let left =
            |left: u64| if self.plan.cut.is_none() { Some(left) } else { left.checked_sub(1) };
        self.writes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok()
    }
}

impl Mishaps for Unlucky {
    fn befall(&mut self, transfer: Transfer, sectors: Range<u64>) -> Option<Mishap> {
        if self.fails(transfer, &sectors) {
            return Some(Mishap::IoError);
        }
        (transfer == Transfer::Write && !self.take_write()).then_some(Mishap::PowerCut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> ErrorPlan {
        let (read, write) = (Odds::NEVER, Odds::NEVER);
        ErrorPlan { read, write, sectors: Vec::new(), seed: 0, cut: None }
    }

    fn disk(plan: &ErrorPlan) -> Unlucky {
        Unlucky::new(plan.clone(), plan.writes_left())
    }

    /// What befalls requests of one sector each, in a letter each.
    fn fate(disk: &mut Unlucky, requests: &str) -> String {
        let one = |(sector, request)| {
            let transfer = if request == 'r' { Transfer::Read } else { Transfer::Write };
            match disk.befall(transfer, sector..sector + 1) {
                None => '.',
                Some(Mishap::IoError) => 'E',
                Some(Mishap::PowerCut) => '-',
            }
        };
        (0..).zip(requests.chars()).map(one).collect()
    }

    #[test]
    fn plans() {
        let always = Odds { hits: 1, of: 1 };
        let some = Odds { hits: 1, of: 4 };
        for (plan, requests, expect) in [
            (plan(), "rrwwrrww", "........"),
            (ErrorPlan { read: always, ..plan() }, "rrwwrrww", "EE..EE.."),
            (ErrorPlan { write: always, ..plan() }, "rrwwrrww", "..EE..EE"),
            (ErrorPlan { sectors: vec![1..=2, 6..=6], ..plan() }, "rrwwrrww", ".EE...E."),
            (ErrorPlan { cut: Some(1), ..plan() }, "rrwwrrww", "..--..--"),
            (ErrorPlan { cut: Some(3), ..plan() }, "rrwwrrww", "......--"),
            // A write that fails is not done, and so does not count.
            (ErrorPlan { cut: Some(2), sectors: vec![2..=2], ..plan() }, "wwwwww", ".-E---"),
            (ErrorPlan { read: some, ..plan() }, "rrrrrrrrrrrrrrrr", ".E.E...E........"),
            (ErrorPlan { read: some, seed: 1, ..plan() }, "rrrrrrrrrrrrrrrr", ".....E..E...E.E."),
        ] {
            assert_eq!(fate(&mut disk(&plan), requests), expect, "{plan:?}");
            assert_eq!(fate(&mut disk(&plan), requests), expect, "again");
        }
    }

    #[test]
    fn sectors_are_ranges() {
        let plan = ErrorPlan { sectors: vec![8..=15], ..plan() };
        let mut disk = disk(&plan);
        for (sectors, fails) in [
            (0..8, false),
            (0..9, true),
            (15..16, true),
            (16..20, false),
            (9..9, true),
            (16..16, false),
        ] {
            let befallen = disk.befall(Transfer::Read, sectors.clone());
            assert_eq!(befallen == Some(Mishap::IoError), fails, "{sectors:?}");
        }
    }

    #[test]
    fn the_power_goes_for_all_disks_at_once() {
        let plan = ErrorPlan { cut: Some(4), ..plan() };
        let left = plan.writes_left();
        let mut one = Unlucky::new(plan.clone(), left.clone());
        let mut other = Unlucky::new(plan, left);
        assert_eq!(fate(&mut one, "ww"), "..");
        assert_eq!(fate(&mut other, "www"), ".--");
        assert_eq!(fate(&mut one, "wr"), "-.");
    }
}
