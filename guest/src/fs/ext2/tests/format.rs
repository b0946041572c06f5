//! Small file systems, made without tools: a root directory, and nothing else.

use super::super::bytes::{put16, put32};
use super::super::dir::Format;

/// What a file system is to be like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) block_bytes: usize,
    pub(super) blocks: usize,
    pub(super) blocks_per_group: usize,
    pub(super) inodes_per_group: usize,
    pub(super) inode_bytes: usize,
}

/// Three groups of small blocks.
pub(super) const SMALL: Plan = Plan {
    block_bytes: 1024,
    blocks: 1024,
    blocks_per_group: 400,
    inodes_per_group: 64,
    inode_bytes: 128,
};
/// One group of large blocks.
pub(super) const LARGE: Plan = Plan {
    block_bytes: 4096,
    blocks: 256,
    blocks_per_group: 32768,
    inodes_per_group: 96,
    inode_bytes: 256,
};

/// When it was made.
const MADE: u32 = 1_600_000_000;
const FIRST_INODE: u32 = 11;

struct Image {
    plan: Plan,
    bytes: Vec<u8>,
}

impl Image {
    fn block(&mut self, block: usize) -> &mut [u8] {
        &mut self.bytes[block * self.plan.block_bytes..][..self.plan.block_bytes]
    }

    /// Takes bits of a bitmap.
    fn mark(&mut self, bitmap: usize, bits: std::ops::Range<usize>) {
        let bytes = self.block(bitmap);
        bits.for_each(|bit| bytes[bit / 8] |= 1 << (bit % 8));
    }
}

/// What free blocks hold: no number in it is that of a block.
const GARBAGE: u8 = 0xa5;

/// Makes a file system. Every group has copies of the superblock.
pub(super) fn format(plan: Plan) -> Vec<u8> {
    let Plan { block_bytes, blocks, blocks_per_group, inodes_per_group, inode_bytes } = plan;
    let mut image = Image { plan, bytes: vec![GARBAGE; block_bytes * blocks] };
    let first_data = usize::from(block_bytes == 1024);
    let groups = (blocks - first_data).div_ceil(blocks_per_group);
    let inode_blocks = inodes_per_group * inode_bytes / block_bytes;
    let (mut descriptors, mut free_blocks) = (vec![0; block_bytes], 0);
    for group in 0..groups {
        let base = first_data + group * blocks_per_group;
        let size = blocks_per_group.min(blocks - base);
        let (bitmap, inode_bitmap, inodes) = (base + 2, base + 3, base + 4);
        let is_first = group == 0;
        image.bytes[base * block_bytes..][..(4 + inode_blocks) * block_bytes].fill(0);
        let used = 4 + inode_blocks + usize::from(is_first);
        let used_inodes = if is_first { FIRST_INODE as usize - 1 } else { 0 };
        image.mark(bitmap, 0..used);
        image.mark(bitmap, size..block_bytes * 8);
        image.mark(inode_bitmap, 0..used_inodes);
        image.mark(inode_bitmap, inodes_per_group..block_bytes * 8);
        let descriptor = &mut descriptors[group * 32..];
        put32(descriptor, 0, bitmap as u32);
        put32(descriptor, 4, inode_bitmap as u32);
        put32(descriptor, 8, inodes as u32);
        put16(descriptor, 12, (size - used) as u16);
        put16(descriptor, 14, (inodes_per_group - used_inodes) as u16);
        put16(descriptor, 16, u16::from(is_first));
        free_blocks += size - used;
        if is_first {
            root(&mut image, inodes, inodes + inode_blocks, inodes_per_group);
        }
    }
    let mut superblock = vec![0; 1024];
    for (at, value) in [
        (0, groups * inodes_per_group),
        (4, blocks),
        (12, free_blocks),
        (16, groups * inodes_per_group - FIRST_INODE as usize + 1),
        (20, first_data),
        (24, (block_bytes / 1024).trailing_zeros() as usize),
        (28, (block_bytes / 1024).trailing_zeros() as usize),
        (32, blocks_per_group),
        (36, blocks_per_group),
        (40, inodes_per_group),
        (48, MADE as usize),
        (64, MADE as usize),
        (76, 1),
        (84, FIRST_INODE as usize),
        (88, inode_bytes),
        (96, 2),
        (100, 2),
    ] {
        put32(&mut superblock, at, value as u32);
    }
    put16(&mut superblock, 54, u16::MAX);
    put16(&mut superblock, 56, 0xef53);
    put16(&mut superblock, 58, 1);
    put16(&mut superblock, 60, 1);
    superblock[104..120].copy_from_slice(b"ext2 for a test.");
    for group in 0..groups {
        let base = first_data + group * blocks_per_group;
        let at = if base == 0 { 1024 } else { base * block_bytes };
        put16(&mut superblock, 90, group as u16);
        image.bytes[at..at + 1024].copy_from_slice(&superblock);
        image.block(base + 1).copy_from_slice(&descriptors);
    }
    image.bytes
}

/// The root directory, in a block of its own.
fn root(image: &mut Image, inodes: usize, block: usize, count: usize) {
    let Plan { block_bytes, inode_bytes, .. } = image.plan;
    let format = Format { has_kinds: true, inodes: count as u32 };
    format.begin(image.block(block), 2, 2);
    let inode = &mut image.bytes[inodes * block_bytes + inode_bytes..][..inode_bytes];
    put16(inode, 0, 0o040_755);
    put32(inode, 4, block_bytes as u32);
    for at in [8, 12, 16] {
        put32(inode, at, MADE);
    }
    put16(inode, 26, 2);
    put32(inode, 28, (block_bytes / 512) as u32);
    put32(inode, 40, block as u32);
    if inode_bytes > 128 {
        put16(inode, 128, 32);
    }
}
