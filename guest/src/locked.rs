//! [`Locked`]: which pages of an address space must stay in RAM (mlock), as a set of ranges.

use alloc::vec::Vec;

use crate::errno::Errno;
use crate::mm::PageRange;

/// Pages that must stay.
#[derive(Clone, Debug, Default)]
pub struct Locked {
    /// In order; none touches another.
    ranges: Vec<PageRange>,
    /// Whether whatever is mapped from now on has to stay, too (MCL_FUTURE).
    pub future: Future,
}

/// What becomes of new mappings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Future {
    /// They come and go.
    #[default]
    Pageable,
    /// They are brought in and stay.
    Locked,
    /// They stay once they are touched (MCL_ONFAULT).
    LockedOnFault,
}

impl Locked {
    /// How many pages.
    pub fn pages(&self) -> u64 {
        self.ranges.iter().map(|range| range.pages()).sum()
    }

    /// Them, in order; none touches another.
    pub fn ranges(&self) -> &[PageRange] {
        &self.ranges
    }

    /// How many pages of `range` are among them.
    pub fn pages_in(&self, range: PageRange) -> u64 {
        self.ranges.iter().filter_map(|own| own.intersection(range)).map(PageRange::pages).sum()
    }

    /// Adds pages.
    ///
    /// # Errors
    /// ENOMEM: the heap is exhausted; nothing has changed.
    pub fn add(&mut self, range: PageRange) -> Result<(), Errno> {
        if range.is_empty() {
            return Ok(());
        }
        self.ranges.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let from = self.ranges.partition_point(|own| own.end < range.start);
        let to = self.ranges.partition_point(|own| own.start <= range.end);
        let whole = self.ranges[from..to].iter().fold(range, |whole, own| {
            PageRange::new(whole.start.min(own.start), whole.end.max(own.end))
        });
        self.ranges.splice(from..to, [whole]);
        Ok(())
    }

    /// Takes pages away.
    ///
    /// # Errors
    /// ENOMEM: the heap is exhausted; nothing has changed.
    pub fn remove(&mut self, range: PageRange) -> Result<(), Errno> {
        if self.ranges.is_empty() || range.is_empty() {
            return Ok(());
        }
        self.ranges.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let from = self.ranges.partition_point(|own| own.end <= range.start);
        let to = self.ranges.partition_point(|own| own.start < range.end);
        if from >= to {
            return Ok(());
        }
        let (first, last) = (self.ranges[from], self.ranges[to - 1]);
        let below = (first.start < range.start).then(|| PageRange::new(first.start, range.start));
        let above = (range.end < last.end).then(|| PageRange::new(range.end, last.end));
        self.ranges.splice(from..to, below.into_iter().chain(above));
        Ok(())
    }

    /// Takes all away, and what was said of the future.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::Vpn;
    use proptest::prelude::*;

    fn range(start: u64, end: u64) -> PageRange {
        PageRange::new(Vpn(start), Vpn(end))
    }

    proptest! {
        #[test]
        fn the_ranges_are_the_set(steps in prop::collection::vec((any::<bool>(), 0_u64..64, 0_u64..16), 0..40)) {
            let mut locked = Locked::default();
            let mut model = [false; 80];
            for (adds, start, pages) in steps {
                let change = range(start, start + pages);
                if adds { locked.add(change) } else { locked.remove(change) }.expect("memory");
                model[start as usize..(start + pages) as usize].fill(adds);
                let want = model.iter().filter(|page| **page).count() as u64;
                prop_assert_eq!(locked.pages(), want);
                for page in 0..80 {
                    let is_locked = locked.pages_in(range(page, page + 1)) == 1;
                    prop_assert_eq!(is_locked, model[page as usize]);
                }
                let apart = locked.ranges.windows(2).all(|pair| pair[0].end < pair[1].start);
                prop_assert!(apart && locked.ranges.iter().all(|range| !range.is_empty()));
            }
        }
    }
}
