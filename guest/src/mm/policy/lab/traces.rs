//! Reference strings for the laboratory: those of textbooks, and made ones, the same in each run.

use super::Reference;

/// Numbers that look random.
///
/// Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators" (SplitMix64).
pub(super) struct SplitMix(pub(super) u64);

impl SplitMix {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Below `limit`.
    pub(super) fn below(&mut self, limit: u32) -> u32 {
        (self.next() % u64::from(limit)) as u32
    }

    /// From 0 to 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Loads of one process from these pages.
pub(super) fn loads(pages: impl IntoIterator<Item = u32>) -> Vec<Reference> {
    let load = |page| Reference { page, process: 0, write: false };
    pages.into_iter().map(load).collect()
}

/// Random loads and stores, uniformly from so many pages.
pub(super) fn uniform(seed: u64, pages: u32, length: usize) -> Vec<Reference> {
    let mut random = SplitMix(seed);
    let mut access = || {
        let (page, write) = (random.below(pages), random.below(3) == 0);
        Reference { page, process: 0, write }
    };
    (0..length).map(|_| access()).collect()
}

/// Ranks 0 to `n - 1`, the first most often: the chance of rank `k` goes as `1 / (k + 1)^skew`.
struct Zipf(Vec<f64>);

impl Zipf {
    fn new(n: u32, skew: f64) -> Self {
        let mut sum = 0.0;
        let mut add = |rank: u32| {
            sum += f64::from(rank + 1).powf(-skew);
            sum
        };
        Self((0..n).map(&mut add).collect())
    }

    fn draw(&self, random: &mut SplitMix) -> u32 {
        let at = random.unit() * self.0.last().expect("ranks");
        self.0.partition_point(|sum| *sum <= at).min(self.0.len() - 1) as u32
    }
}

/// The numbers below `n` in an order that looks random.
fn shuffled(random: &mut SplitMix, n: u32) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..n).collect();
    for index in (1..n).rev() {
        numbers.swap(index as usize, random.below(index + 1) as usize);
    }
    numbers
}

/// Accesses by popularity; the popular pages lie anywhere.
pub(super) fn zipf(pages: u32, length: usize) -> Vec<Reference> {
    let mut random = SplitMix(1);
    let (ranks, places) = (Zipf::new(pages, 0.9), shuffled(&mut random, pages));
    let mut draw = || places[ranks.draw(&mut random) as usize];
    loads((0..length).map(|_| draw()))
}

/// The same pages in the same order over and over.
pub(super) fn cycle(pages: u32, length: usize) -> Vec<Reference> {
    loads((0..pages).cycle().take(length))
}

/// Of ten accesses, seven go to hot pages, the others on through pages that are used just once in
/// a long time.
pub(super) fn hot_and_scan(hot: u32, length: usize) -> Vec<Reference> {
    let mut random = SplitMix(2);
    let mut scan = hot;
    let mut draw = || {
        if random.below(10) < 7 {
            return random.below(hot);
        }
        scan = hot + (scan - hot + 1) % (40 * hot);
        scan
    };
    loads((0..length).map(|_| draw()))
}

/// Ten phases, each in pages of its own.
pub(super) fn phases(pages: u32, length: usize) -> Vec<Reference> {
    let mut random = SplitMix(3);
    let phase_length = length / 10;
    loads((0..length).map(|time| (time / phase_length) as u32 * pages + random.below(pages)))
}

/// Four processes that take turns of a thousand accesses, each in pages of its own, by popularity,
/// a third of them stores.
pub(super) fn four_processes(pages: u32, length: usize) -> Vec<Reference> {
    let mut random = SplitMix(4);
    let ranks = Zipf::new(pages, 0.9);
    let places = [0, 1, 2, 3].map(|_| shuffled(&mut random, pages));
    let mut access = |time: usize| {
        let process = time / 1000 % 4;
        let page = process as u32 * pages + places[process][ranks.draw(&mut random) as usize];
        Reference { page, process: process as u16, write: random.below(3) == 0 }
    };
    (0..length).map(&mut access).collect()
}

/// Quicksort of random numbers; an access is noted when a cursor comes to another page.
pub(super) fn quicksort(pages: u32) -> Vec<Reference> {
    const PER_PAGE: usize = 64;
    let mut random = SplitMix(5);
    let mut numbers: Vec<u64> = (0..pages as usize * PER_PAGE).map(|_| random.next()).collect();
    let mut string = Vec::new();
    let mut note = |cursor: &mut Option<u32>, index: usize| {
        let page = (index / PER_PAGE) as u32;
        let is_last = string.last().is_some_and(|last: &Reference| last.page == page);
        if cursor.replace(page) != Some(page) && !is_last {
            string.push(Reference { page, process: 0, write: true });
        }
    };
    let mut unsorted = vec![(0, numbers.len())];
    while let Some((start, end)) = unsorted.pop() {
        if end - start < 2 {
            continue;
        }
        let (mut low, mut high) = (start, end - 1);
        let (mut below, mut above) = (None, None);
        let pivot = numbers[low + (high - low) / 2];
        note(&mut None, low + (high - low) / 2);
        loop {
            note(&mut below, low);
            while numbers[low] < pivot {
                low += 1;
                note(&mut below, low);
            }
            note(&mut above, high);
            while numbers[high] > pivot {
                high -= 1;
                note(&mut above, high);
            }
            if low >= high {
                break;
            }
            numbers.swap(low, high);
            (low, high) = (low + 1, high - 1);
        }
        unsorted.push((start, high + 1));
        unsorted.push((high + 1, end));
    }
    assert!(numbers.is_sorted());
    string
}
