//! Blocks of a disk that are kept in memory, those alone that have been written: [`Overlay`]. What is
//! under it, an image or nothing, is the affair of `disk.rs` and `disk/scratch.rs`.

use std::collections::HashMap;
use std::io;
use std::ops::Range;

/// Unit in which writes are kept.
pub(super) const BLOCK_BYTES: usize = 4096;

/// A block's bytes.
pub(super) type Block = [u8; BLOCK_BYTES];

/// A block of zeroes.
pub(super) fn empty() -> Box<Block> {
    Box::new([0; BLOCK_BYTES])
}

/// Blocks that have been written, whole. There are never more than the disk has.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    blocks: HashMap<u64, Box<Block>>,
}

impl Overlay {
    /// Puts what has been written over `bytes`, which are at `offset` of what is under it.
    pub(super) fn apply(&self, offset: u64, bytes: &mut [u8]) {
        if self.blocks.is_empty() {
            return;
        }
        for Piece { block, inside, outside } in pieces(offset, bytes.len()) {
            if let Some(written) = self.blocks.get(&block) {
                bytes[outside].copy_from_slice(&written[inside]);
            }
        }
    }

    /// Keeps what is written; `base` yields a block that is under it.
    pub(super) fn write(
        &mut self,
        offset: u64,
        from: &[u8],
        mut base: impl FnMut(u64) -> io::Result<Box<Block>>,
    ) -> io::Result<()> {
        for Piece { block, inside, outside } in pieces(offset, from.len()) {
            let is_whole = inside.len() == BLOCK_BYTES;
            if !is_whole && !self.blocks.contains_key(&block) {
                self.blocks.insert(block, base(block)?);
            }
            let kept = self.blocks.entry(block).or_insert_with(empty);
            kept[inside].copy_from_slice(&from[outside]);
        }
        Ok(())
    }

    /// Forgets whole blocks; they read as what is under it has them.
    pub(super) fn discard(&mut self, offset: u64, len_bytes: u64) {
        let size = BLOCK_BYTES as u64;
        let blocks = offset.div_ceil(size)..(offset + len_bytes) / size;
        blocks.for_each(|block| drop(self.blocks.remove(&block)));
    }

    /// The blocks that are kept, by number.
    #[cfg(test)]
    pub(super) fn kept(&self) -> Vec<u64> {
        let mut kept: Vec<_> = self.blocks.keys().copied().collect();
        kept.sort_unstable();
        kept
    }
}

/// The part of a transfer that lies in one block.
struct Piece {
    block: u64,
    /// Bytes of the block.
    inside: Range<usize>,
    /// Bytes of the transfer.
    outside: Range<usize>,
}

fn pieces(offset: u64, len: usize) -> impl Iterator<Item = Piece> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let start = (at % BLOCK_BYTES as u64) as usize;
        let now = (BLOCK_BYTES - start).min(len - done);
        let outside = done..done + now;
        done += now;
        let block = at / BLOCK_BYTES as u64;
        (now > 0).then_some(Piece { block, inside: start..start + now, outside })
    })
}
