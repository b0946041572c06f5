//! [`Layout`]: where the parts of an address space go: the stack at the top, mappings below it, the
//! heap behind the program; shifted at random where `randomize_va_space` asks for it.

use super::elf::PIE_BASE;
use crate::PAGE_SIZE_BYTES;
use crate::mm::addr::USER_END;

/// Pages that stay free above the stack, so that nothing runs over the end of user space.
const TOP_GUARD_PAGES: u64 = 16;
/// What a random stack moves down by at most: Linux's `STACK_RND_MASK`, in pages.
const STACK_RANDOM_PAGES: u64 = 1 << 14;
/// What a random program or mapping area moves by at most, in pages.
const BASE_RANDOM_PAGES: u64 = 1 << 18;
/// What is kept free below a stack at random, besides its limit, so that mappings begin below it.
const STACK_ROOM_MIN_BYTES: u64 = 128 << 20;
const STACK_ROOM_MAX_BYTES: u64 = USER_END / 2;
/// What a random heap moves up by at most, in pages.
const HEAP_RANDOM_PAGES: u64 = 1 << 13;

/// What is shifted: /proc/sys/kernel/randomize_va_space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Randomize {
    /// 0: nothing, so that a program finds itself where it was.
    Nothing,
    /// 1: stack, program, mappings.
    AllButHeap,
    /// 2: the heap as well.
    All,
}

impl Randomize {
    /// From its number; `None` where there is none.
    pub const fn from_raw(raw: u64) -> Option<Self> {
        match raw {
            0 => Some(Self::Nothing),
            1 => Some(Self::AllButHeap),
            2 => Some(Self::All),
            _ => None,
        }
    }
}

/// Addresses of one address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// First byte behind the stack, page-aligned.
    pub stack_top: u64,
    /// What the pointer is lowered by within the stack: less than a page, aligned.
    pub stack_slack: u64,
    /// Where position-independent programs go.
    pub pie_base: u64,
    /// How far behind the program the heap begins.
    pub heap_gap: u64,
    /// Where mappings end that go anywhere; `None`: wherever they do by themselves.
    pub mapping_top: Option<u64>,
}

impl Layout {
    /// Draws it for a stack of at most `stack_bytes`; `random` yields random words.
    pub fn new(randomize: Randomize, stack_bytes: u64, mut random: impl FnMut() -> u64) -> Self {
        let mut pages = |from: Randomize, limit_pages: u64| {
            if randomize >= from { random() % limit_pages * PAGE_SIZE_BYTES } else { 0 }
        };
        let top = USER_END - TOP_GUARD_PAGES * PAGE_SIZE_BYTES;
        let stack_top = top - pages(Randomize::AllButHeap, STACK_RANDOM_PAGES);
        let shift = pages(Randomize::AllButHeap, BASE_RANDOM_PAGES);
        let room = stack_bytes.clamp(STACK_ROOM_MIN_BYTES, STACK_ROOM_MAX_BYTES);
        let mapping_top = stack_top - room / PAGE_SIZE_BYTES * PAGE_SIZE_BYTES - shift;
        Self {
            stack_top,
            stack_slack: pages(Randomize::AllButHeap, PAGE_SIZE_BYTES / 16) / PAGE_SIZE_BYTES * 16,
            pie_base: PIE_BASE + pages(Randomize::AllButHeap, BASE_RANDOM_PAGES),
            heap_gap: pages(Randomize::All, HEAP_RANDOM_PAGES),
            mapping_top: (randomize != Randomize::Nothing).then_some(mapping_top),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_random_unless_asked_for() {
        let still = Layout::new(Randomize::Nothing, 8 << 20, || panic!("not asked for"));
        assert_eq!((still.pie_base, still.heap_gap, still.mapping_top), (PIE_BASE, 0, None));
        assert_eq!((still.stack_top, still.stack_slack), (0x3f_ffff_0000, 0));
        let some = Layout::new(Randomize::AllButHeap, 8 << 20, || u64::MAX);
        assert_eq!(some.heap_gap, 0);
        assert_ne!(Layout::new(Randomize::All, 8 << 20, || u64::MAX).heap_gap, 0);
    }

    #[test]
    fn everything_is_aligned_and_in_user_space() {
        for (word, stack) in
            [(0, 8 << 20), (1, 1 << 30), (12345, u64::MAX), (u64::MAX, 0), (u64::MAX / 3, 5)]
        {
            let found = Layout::new(Randomize::All, stack, || word);
            let mappings = found.mapping_top.unwrap();
            for address in [found.stack_top, found.pie_base, found.heap_gap, mappings] {
                assert_eq!(address % PAGE_SIZE_BYTES, 0, "{found:x?}");
            }
            assert!(mappings + stack.min(USER_END / 2) <= found.stack_top);
            assert!(found.stack_slack.is_multiple_of(16) && found.stack_slack < PAGE_SIZE_BYTES);
            assert!(found.stack_top < USER_END && found.pie_base < found.stack_top / 4 * 3);
        }
    }
}
