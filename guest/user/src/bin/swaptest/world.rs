//! What the tests share: how much memory there is, memory with a pattern that is known, children.

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use guest_user::bytes;
use guest_user::status::Status;
use guest_user::sys::file::File;
use guest_user::sys::futex;
use guest_user::sys::mapping::{Mapping, PAGE_SIZE_BYTES};
use guest_user::sys::process;
pub(crate) use guest_user::sys::trial::{meminfo, outcome, start, wait_for};
use linux_raw_sys::general as g;

/// Size of a page.
pub(crate) const PAGE: usize = PAGE_SIZE_BYTES;

/// Changes by how much this process, and those that it starts, are likelier to have to end.
pub(crate) fn adjust_oom_score(by: &[u8]) {
    let own = File::open_with(b"/proc/self/oom_score_adj", g::O_WRONLY, 0);
    own.and_then(|file| file.write_all(by)).expect("oom_score_adj");
}

/// Pages of RAM.
pub(crate) fn ram() -> usize {
    meminfo("MemTotal")
}

/// So many quarters of RAM, in pages, but no more than fit into swap.
pub(crate) fn quarters_of_ram(quarters: usize) -> usize {
    (ram() * quarters / 4).min(meminfo("SwapTotal") * 7 / 8)
}

/// So many pages of this process alone.
pub(crate) fn private(pages: usize) -> Mapping {
    Mapping::private(pages * PAGE).expect("memory")
}

/// What belongs into page `page` of the memory that has this seed.
pub(crate) fn word(seed: u64, page: usize) -> u64 {
    let mixed = (seed << 32 | page as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 29
}

/// Writes a page: its first and its last word.
pub(crate) fn write(memory: &Mapping, seed: u64, page: usize) {
    memory.write(page * PAGE, word(seed, page));
    memory.write(page * PAGE + PAGE - 8, !word(seed, page));
}

/// Asserts that a page has what was written last.
pub(crate) fn check(memory: &Mapping, seed: u64, page: usize) {
    let found = [memory.read(page * PAGE), memory.read(page * PAGE + PAGE - 8)];
    let word = word(seed, page);
    assert_eq!(found, [word, !word], "page {page} of memory {seed}");
}

/// Writes all pages.
pub(crate) fn fill(memory: &Mapping, seed: u64) {
    (0..memory.len() / PAGE).for_each(|page| write(memory, seed, page));
}

/// Asserts that all pages have what [`fill`] has written.
pub(crate) fn verify(memory: &Mapping, seed: u64) {
    (0..memory.len() / PAGE).for_each(|page| check(memory, seed, page));
}

/// Has what others have in RAM leave it: takes almost all there is, and gives it back.
pub(crate) fn push_out() {
    let status = outcome(|| fill(&private(quarters_of_ram(4)), 99));
    assert_eq!(status, Status::Exited(0), "of who takes all RAM");
}

/// Numbers that look random, the same in each run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// One below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// Runs so many children at the same time, all of which must succeed.
pub(crate) fn together(children: usize, work: impl Fn(usize)) {
    let children: Vec<i32> = (0..children).map(|child| start(|| work(child))).collect();
    for child in children {
        assert_eq!(wait_for(child), Status::Exited(0), "child {child}");
    }
}

/// Where children wait for each other.
pub(crate) struct Barrier {
    memory: Mapping,
    all: usize,
}

impl Barrier {
    /// For so many.
    pub(crate) fn new(all: usize) -> Self {
        Self { memory: Mapping::shared(PAGE).expect("memory"), all }
    }

    /// Waits until all have come here as often.
    pub(crate) fn wait(&self) {
        let word = self.memory.word(0);
        let before = word.fetch_add(1, Ordering::SeqCst) as usize;
        let whole = (before / self.all + 1) * self.all;
        if before + 1 == whole {
            let _ = futex::wake(word, self.all as u32);
        }
        loop {
            let now = word.load(Ordering::SeqCst);
            if now as usize >= whole {
                return;
            }
            // It has changed meanwhile, or somebody wakes all.
            let _ = futex::wait(word, now);
        }
    }
}

/// Ends a child at once.
pub(crate) fn kill(child: i32) {
    process::kill(child, g::SIGKILL).expect("kill");
}

/// `swaptest verify SEED`: has a mebibyte of its own, like the programs of a crowd.
pub(crate) fn verify_as_program(seed: &[u8]) -> i32 {
    const PAGES: usize = (1 << 20) / PAGE;
    let Some(seed) = bytes::decimal(seed) else { return 2 };
    let memory = private(PAGES);
    fill(&memory, seed);
    for _ in 0..3 {
        process::give_way();
        verify(&memory, seed);
    }
    0
}
