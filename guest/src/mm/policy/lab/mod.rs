//! [`Lab`]: the policies on reference strings, in RAM of any size, and nothing but that: the hand
//! goes round in order of address and reads and clears accessed bits, as the kernel's does. In
//! `exact.rs` is what no hand can do: OPT, and LRU and FIFO without error.

pub mod exact;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod traces;

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use super::{Kind, Mark, Policy, Refault, Replacement, Seen, Verdict};

/// One access to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The page; pages of all processes are numbered together, in the order that the hand goes.
    pub page: u32,
    /// The process that accesses it.
    pub process: u16,
    /// Whether it stores.
    pub write: bool,
}

/// What a policy works with.
#[derive(Clone, Copy, Debug)]
pub struct Lab {
    /// The policy.
    pub kind: Kind,
    /// Pages that fit into RAM.
    pub frames: u32,
    /// Pages that a round trims. They wait in line for their frames to be taken, and are rescued
    /// if they are accessed before that.
    pub batch: u32,
}

/// What has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Accesses to pages that were not in RAM.
    pub faults: u64,
    /// Accesses to pages that were trimmed and still in RAM.
    pub rescues: u64,
    /// Pages that had to be written as they left.
    pub writes: u64,
    /// Pages that the hand has passed.
    pub looks: u64,
    /// Most pages that the hand has passed until one was trimmed.
    pub looks_max: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// It has never been touched.
    #[default]
    Nowhere,
    Mapped,
    /// In line for its frame to be taken.
    Trimmed,
    /// It left when so many had left before.
    Evicted(u32),
}

#[derive(Clone, Copy, Debug, Default)]
struct Page {
    mark: Mark,
    place: Place,
    process: u16,
    accessed: bool,
    dirty: bool,
}

/// A [`Lab`] at work.
#[derive(Debug)]
pub struct Run {
    lab: Lab,
    replacement: Replacement,
    pages: Vec<Page>,
    /// A bit for each page that is mapped.
    mapped: Vec<u64>,
    mapped_count: u32,
    /// Pages that were trimmed; those that were rescued since are mapped.
    standby: VecDeque<u32>,
    standby_count: u32,
    hand: u32,
    arrivals: u32,
    evictions: u32,
    /// How long each process has run, in accesses.
    times: Vec<u32>,
    outcome: Outcome,
}

impl Lab {
    /// What happens on a whole string, from empty RAM.
    pub fn run(self, string: &[Reference]) -> Outcome {
        let pages = string.iter().map(|reference| reference.page + 1).max().unwrap_or(0);
        let mut run = Run::new(self, pages);
        for reference in string {
            run.access(*reference);
        }
        run.outcome
    }
}

impl Run {
    /// Empty RAM; no page has a number as large as `pages`.
    pub fn new(lab: Lab, pages: u32) -> Self {
        assert!(lab.frames > 0 && lab.batch > 0, "a page has to fit");
        Self {
            lab,
            replacement: Replacement::new(lab.kind),
            pages: vec![Page::default(); pages as usize],
            mapped: vec![0; pages.div_ceil(u64::BITS) as usize],
            mapped_count: 0,
            standby: VecDeque::new(),
            standby_count: 0,
            hand: 0,
            arrivals: 0,
            evictions: 0,
            times: Vec::new(),
            outcome: Outcome::default(),
        }
    }

    /// What has happened so far.
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Another policy takes over.
    pub fn choose(&mut self, kind: Kind) {
        self.replacement.choose(kind);
    }

    /// A process accesses a page.
    pub fn access(&mut self, reference: Reference) {
        let process = usize::from(reference.process);
        if process >= self.times.len() {
            self.times.resize(process + 1, 0);
        }
        self.times[process] = self.times[process].wrapping_add(1);
        match self.pages[reference.page as usize].place {
            Place::Mapped => {}
            Place::Trimmed => {
                self.outcome.rescues += 1;
                self.standby_count -= 1;
                self.standby.retain(|page| *page != reference.page);
                self.map(reference.page);
            }
            Place::Nowhere | Place::Evicted(_) => self.bring_in(reference.page),
        }
        let page = &mut self.pages[reference.page as usize];
        page.process = reference.process;
        page.accessed = true;
        page.dirty |= reference.write;
    }

    fn bring_in(&mut self, number: u32) {
        self.outcome.faults += 1;
        if self.mapped_count + self.standby_count == self.lab.frames {
            if self.standby_count == 0 {
                self.reclaim();
            }
            self.steal();
        }
        let (now, resident) = (self.arrivals, self.mapped_count + self.standby_count);
        let page = &mut self.pages[number as usize];
        if let Place::Evicted(stamp) = page.place {
            let distance = self.evictions.wrapping_sub(stamp);
            self.replacement.returned(&mut page.mark, Refault { now, distance, resident });
        } else {
            page.mark = Mark::arrived(now);
        }
        self.arrivals = now.wrapping_add(1);
        self.map(number);
    }

    fn map(&mut self, number: u32) {
        self.pages[number as usize].place = Place::Mapped;
        self.mapped[(number / u64::BITS) as usize] |= 1 << (number % u64::BITS);
        self.mapped_count += 1;
    }

    /// The first page in line leaves.
    fn steal(&mut self) {
        let number = self.standby.pop_front().expect("pages stand by");
        self.standby_count -= 1;
        let page = &mut self.pages[number as usize];
        page.place = Place::Evicted(self.evictions);
        self.evictions = self.evictions.wrapping_add(1);
        self.outcome.writes += u64::from(page.dirty);
        page.dirty = false;
        self.replacement.evicted(&mut page.mark);
    }

    /// A round of reclaim.
    fn reclaim(&mut self) {
        let want = self.lab.batch.min(self.mapped_count);
        self.replacement.begin(want, self.mapped_count);
        let mut looks = 0;
        for _ in 0..want {
            looks += self.trim_one();
        }
        self.outcome.looks += looks;
    }

    /// Moves the hand until a page is trimmed; how many it has passed.
    fn trim_one(&mut self) -> u64 {
        for looks in 1.. {
            let number = self.next_mapped();
            self.hand = number + 1;
            let page = &mut self.pages[number as usize];
            let time = self.times[usize::from(page.process)];
            let seen = Seen { accessed: page.accessed, dirty: page.dirty, time };
            page.accessed = false;
            if self.replacement.look(&mut page.mark, seen) == Verdict::Trim {
                page.place = Place::Trimmed;
                self.mapped[(number / u64::BITS) as usize] &= !(1 << (number % u64::BITS));
                self.mapped_count -= 1;
                self.standby.push_back(number);
                self.standby_count += 1;
                self.outcome.looks_max = self.outcome.looks_max.max(looks);
                return looks;
            }
        }
        unreachable!("a round ends")
    }

    /// The first page that is mapped from the hand on, round the circle.
    fn next_mapped(&self) -> u32 {
        let (word, bit) = ((self.hand / u64::BITS) as usize, self.hand % u64::BITS);
        let words = self.mapped.len();
        let first = self.mapped.get(word).map_or(0, |bits| bits & u64::MAX << bit);
        let number = |word: usize, bits: u64| word as u32 * u64::BITS + bits.trailing_zeros();
        if first != 0 {
            return number(word, first);
        }
        let later = (word + 1..words).chain(0..words);
        let mut found = later.map(|word| (word, self.mapped[word])).filter(|(_, bits)| *bits != 0);
        let (word, bits) = found.next().expect("pages are mapped");
        number(word, bits)
    }
}
