//! Decoded basic blocks: found by physical address, linked to their successors on the same page,
//! dropped when their code is written: those that hold what was written, or, where a page is
//! written to again and again and not executed, all of the page. Neighbours: `fetch.rs` decodes
//! them, `mod.rs` runs them.

use rustc_hash::FxHashMap;

use crate::addr::{PAGE_OFFSET_MASK, PAGE_SHIFT, Privilege};
use crate::bus::RamOffset;
use crate::bus::ram::GRANULE_BYTES;

/// Instructions in a block at most; [`Insn::at`] counts halfwords in a byte.
pub(super) const BLOCK_MAX_INSNS: usize = 128;

/// Successors that a block remembers: it ends in one or two, and each branch in it may leave.
const LINKS: usize = 4;

/// log2 of the entries in the direct-mapped front of the block map.
const FRONT_BITS: u32 = 14;

/// Blocks kept from one run to the next. A guest may write code for ever; then all are dropped.
const BLOCKS_MAX: usize = 1 << 18;

/// Instructions in them: a guest may also jump to every halfword of long straight code.
const INSNS_MAX: usize = 1 << 22;

/// Everything a decoded block depends on, in one word: where its code is in RAM and the mode
/// that runs it (an engine may fold the mode into the code it makes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct BlockKey(u64);

impl BlockKey {
    const NONE: Self = Self(u64::MAX);

    pub(super) fn new(at: RamOffset, privilege: Privilege) -> Self {
        // RAM offsets are below 2^56 (the bus's addresses are), so the top byte is free.
        Self(at.0 | (privilege as u64) << 56)
    }

    /// Where in RAM the code is.
    fn offset(self) -> u64 {
        self.0 & !(0xff << 56)
    }

    fn front_index(self) -> usize {
        // Fibonacci hashing; bit 0 of an instruction address is always 0.
        ((self.0 >> 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - FRONT_BITS)) as usize
    }
}

/// Names a block in its [`BlockCache`] until the block is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockId(u32);

/// A successor on the same page: taken when the next pc has this page offset.
#[derive(Clone, Copy, Debug)]
struct Link {
    page_offset: u32,
    to: BlockId,
}

impl Link {
    /// No page offset is this large.
    const NONE: Self = Self { page_offset: u32::MAX, to: BlockId(0) };

    /// Where a link to `page_offset` is kept.
    fn slot(page_offset: u64) -> usize {
        (page_offset / 2) as usize % LINKS
    }
}

#[derive(Debug)]
struct Block<I> {
    insns: Box<[I]>,
    len_bytes: u32,
    links: [Link; LINKS],
}

/// Stores to code on a page, without any execution of new code there between them, after which the
/// page is taken for one that is no longer code.
const IDLE_HITS_MAX: u32 = 8;

/// The blocks on a page.
#[derive(Debug, Default)]
struct Page {
    blocks: Vec<(BlockKey, BlockId)>,
    /// Stores to tracked granules since the last block came.
    idle_hits: u32,
}

/// What has become of a page that was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overwritten {
    /// It may hold blocks still.
    Partly,
    /// It holds none, and whoever stores there does not have to tell.
    Wholly,
}

/// All decoded blocks.
///
/// Invariant: links lead only to blocks of the same page, and where one of them is dropped, so are
/// all links on its page: no link outlives its target.
#[derive(Debug)]
pub(super) struct BlockCache<I> {
    blocks: Vec<Block<I>>,
    free: Vec<BlockId>,
    /// Instructions in all blocks.
    insns: usize,
    by_key: FxHashMap<BlockKey, BlockId>,
    by_page: FxHashMap<u64, Page>,
    front: Box<[(BlockKey, BlockId)]>,
}

impl<I> BlockCache<I> {
    pub(super) fn new() -> Self {
        Self {
            blocks: Vec::new(),
            free: Vec::new(),
            insns: 0,
            by_key: FxHashMap::default(),
            by_page: FxHashMap::default(),
            front: vec![(BlockKey::NONE, BlockId(0)); 1 << FRONT_BITS].into(),
        }
    }

    /// Starts afresh where too many blocks have been collected. No [`BlockId`] survives this.
    pub(super) fn limit(&mut self) {
        if self.by_key.len() >= BLOCKS_MAX || self.insns >= INSNS_MAX {
            *self = Self::new();
        }
    }

    /// The block for `key`.
    #[inline(always)]
    pub(super) fn find(&mut self, key: BlockKey) -> Option<BlockId> {
        let (front_key, id) = self.front[key.front_index()];
        if front_key == key { Some(id) } else { self.find_behind(key) }
    }

    #[cold]
    fn find_behind(&mut self, key: BlockKey) -> Option<BlockId> {
        let id = *self.by_key.get(&key)?;
        self.front[key.front_index()] = (key, id);
        Some(id)
    }

    /// Keeps a block under `key`, which must be new.
    pub(super) fn insert(&mut self, key: BlockKey, insns: Vec<I>, len_bytes: u64) -> BlockId {
        assert!(!insns.is_empty() && insns.len() <= BLOCK_MAX_INSNS);
        self.insns += insns.len();
        let block =
            Block { insns: insns.into(), len_bytes: len_bytes as u32, links: [Link::NONE; LINKS] };
        let id = if let Some(id) = self.free.pop() {
            self.blocks[id.0 as usize] = block;
            id
        } else {
            self.blocks.push(block);
            BlockId((self.blocks.len() - 1) as u32)
        };
        let known = self.by_key.insert(key, id);
        assert!(known.is_none(), "block decoded twice");
        let page = self.by_page.entry(page_of(key)).or_default();
        page.blocks.push((key, id));
        page.idle_hits = 0;
        self.front[key.front_index()] = (key, id);
        id
    }

    /// The instructions of a block, and their length in bytes.
    #[inline(always)]
    pub(super) fn code(&self, id: BlockId) -> (&[I], u64) {
        let block = &self.blocks[id.0 as usize];
        (&block.insns, block.len_bytes.into())
    }

    /// The block linked behind `from` for a next pc at `page_offset` on the same page.
    #[inline(always)]
    pub(super) fn linked(&self, from: BlockId, page_offset: u64) -> Option<BlockId> {
        let link = &self.blocks[from.0 as usize].links[Link::slot(page_offset)];
        (u64::from(link.page_offset) == page_offset).then_some(link.to)
    }

    /// Remembers `to` as the successor of `from` at `page_offset`.
    pub(super) fn link(&mut self, from: BlockId, page_offset: u64, to: BlockId) {
        debug_assert!(page_offset <= PAGE_OFFSET_MASK);
        let link = Link { page_offset: page_offset as u32, to };
        self.blocks[from.0 as usize].links[Link::slot(page_offset)] = link;
    }

    /// Drops the blocks with code in the granule at `at`, which was written to.
    pub(super) fn overwritten(&mut self, at: RamOffset) -> Overwritten {
        let granule = at.0..at.0 + GRANULE_BYTES;
        let Some(page) = self.by_page.get_mut(&(at.0 >> PAGE_SHIFT)) else {
            return Overwritten::Wholly;
        };
        page.idle_hits += 1;
        if page.idle_hits > IDLE_HITS_MAX {
            self.drop_page(at);
            return Overwritten::Wholly;
        }
        let mut known = std::mem::take(&mut page.blocks);
        known.retain(|&(key, id)| {
            let block = &mut self.blocks[id.0 as usize];
            block.links = [Link::NONE; LINKS];
            let start = key.offset();
            let is_hit = start < granule.end && granule.start < start + u64::from(block.len_bytes);
            if is_hit {
                self.forget(key, id);
            }
            !is_hit
        });
        if let Some(page) = self.by_page.get_mut(&(at.0 >> PAGE_SHIFT)) {
            page.blocks = known;
        }
        Overwritten::Partly
    }

    /// Drops every block on the page that holds `at`.
    pub(super) fn drop_page(&mut self, at: RamOffset) {
        for (key, id) in self.by_page.remove(&(at.0 >> PAGE_SHIFT)).unwrap_or_default().blocks {
            self.forget(key, id);
        }
    }

    /// Forgets a block, but for its place on its page.
    fn forget(&mut self, key: BlockKey, id: BlockId) {
        self.by_key.remove(&key);
        let front = &mut self.front[key.front_index()];
        if front.0 == key {
            *front = (BlockKey::NONE, BlockId(0));
        }
        let insns = std::mem::take(&mut self.blocks[id.0 as usize].insns);
        self.insns -= insns.len();
        self.free.push(id);
    }
}

fn page_of(key: BlockKey) -> u64 {
    key.offset() >> PAGE_SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::{Extensions, Insn, decode};

    const PAGE: u64 = 1 << PAGE_SHIFT;

    fn nops(count: usize) -> Vec<Insn> {
        vec![decode(0x13, &Extensions::ALL).expect("addi x0, x0, 0"); count]
    }

    fn user(at: u64) -> BlockKey {
        BlockKey::new(RamOffset(at), Privilege::User)
    }

    #[test]
    fn blocks_are_told_apart_by_place_and_mode() {
        let mut cache = BlockCache::new();
        let id = cache.insert(user(0x1000), nops(1), 4);
        assert_eq!(cache.find(user(0x1000)), Some(id));
        assert_eq!(cache.find(user(0x1002)), None);
        assert_eq!(cache.find(BlockKey::new(RamOffset(0x1000), Privilege::Machine)), None);
        assert_eq!(cache.code(id).1, 4);
    }

    #[test]
    fn a_page_is_dropped_with_its_links_and_nothing_else() {
        let mut cache = BlockCache::new();
        let ids = [0, 4, PAGE, PAGE + 4].map(|at| cache.insert(user(at), nops(1), 4));
        cache.link(ids[2], 4, ids[3]);
        cache.drop_page(RamOffset(8));
        assert_eq!([0, 4].map(|at| cache.find(user(at))), [None; 2]);
        assert_eq!(cache.find(user(PAGE)), Some(ids[2]));
        assert_eq!(cache.linked(ids[2], 4), Some(ids[3]));
        // The ids come back for other blocks, without links.
        let again = [2 * PAGE, 3 * PAGE].map(|at| cache.insert(user(at), nops(2), 8));
        assert!(again.iter().all(|id| ids[..2].contains(id)));
        assert!(again.iter().all(|id| cache.linked(*id, 4).is_none()));
    }

    #[test]
    fn a_write_drops_the_blocks_it_hits_and_the_links_of_its_page() {
        let mut cache = BlockCache::new();
        let ids = [0, 60, 64, 128].map(|at| cache.insert(user(at), nops(2), 8));
        cache.link(ids[0], 60, ids[1]);
        cache.link(ids[3], 0, ids[0]);
        assert_eq!(cache.overwritten(RamOffset(64)), Overwritten::Partly);
        let found = [0, 60, 64, 128].map(|at| cache.find(user(at)));
        assert_eq!(found, [Some(ids[0]), None, None, Some(ids[3])]);
        assert_eq!([cache.linked(ids[0], 60), cache.linked(ids[3], 0)], [None; 2]);
        assert_eq!(cache.overwritten(RamOffset(PAGE)), Overwritten::Wholly, "nothing is there");
    }

    #[test]
    fn a_page_that_is_written_and_not_executed_is_code_no_longer() {
        let mut cache = BlockCache::new();
        for round in 0..3 * IDLE_HITS_MAX {
            cache.insert(user(0), nops(1), 4);
            assert_eq!(cache.overwritten(RamOffset(0)), Overwritten::Partly, "{round}");
        }
        let kept = cache.insert(user(256), nops(1), 4);
        for _ in 0..IDLE_HITS_MAX {
            assert_eq!(cache.overwritten(RamOffset(0)), Overwritten::Partly);
            assert_eq!(cache.find(user(256)), Some(kept));
        }
        assert_eq!(cache.overwritten(RamOffset(0)), Overwritten::Wholly);
        assert_eq!(cache.find(user(256)), None);
    }

    #[test]
    fn links_are_told_apart_and_replace_each_other() {
        let mut cache = BlockCache::new();
        let ids = [0, 4, 6, 12].map(|at| cache.insert(user(at), nops(1), 4));
        for (offset, id) in [(4, ids[1]), (6, ids[2]), (12, ids[3])] {
            cache.link(ids[0], offset, id);
        }
        let linked = [4, 6, 12].map(|offset| cache.linked(ids[0], offset));
        assert_eq!(linked, [None, Some(ids[2]), Some(ids[3])], "4 and 12 share a slot");
    }

    #[test]
    fn a_guest_that_makes_code_for_ever_is_bounded() {
        let mut cache = BlockCache::new();
        for at in 0..2 * BLOCKS_MAX as u64 {
            cache.limit();
            let id = cache.insert(user(2 * at), nops(1), 4);
            assert_eq!(cache.find(user(2 * at)), Some(id));
            assert!(cache.blocks.len() <= BLOCKS_MAX && cache.by_key.len() <= BLOCKS_MAX);
        }
    }

    #[test]
    fn long_blocks_are_bounded_by_their_instructions() {
        let mut cache = BlockCache::new();
        let kept =
            |cache: &BlockCache<Insn>| cache.blocks.iter().map(|b| b.insns.len()).sum::<usize>();
        let mut most = 0;
        for at in 0..BLOCKS_MAX as u64 / 4 {
            cache.limit();
            cache.insert(user(2 * at), nops(BLOCK_MAX_INSNS), 4);
            if at % 1024 == 0 {
                most = most.max(kept(&cache));
                assert!(most <= INSNS_MAX + BLOCK_MAX_INSNS);
            }
        }
        assert!(most > INSNS_MAX / 2, "so many are kept: {most}");
        // What is dropped no longer counts.
        let mut cache = BlockCache::new();
        for _ in 0..2 * INSNS_MAX / BLOCK_MAX_INSNS {
            cache.insert(user(0), nops(BLOCK_MAX_INSNS), 4);
            cache.drop_page(RamOffset(0));
        }
        let id = cache.insert(user(0), nops(1), 4);
        cache.limit();
        assert_eq!(cache.find(user(0)), Some(id));
    }
}
