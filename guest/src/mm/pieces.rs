//! [`Pieces`]: a long table in pieces of a page each. In one piece it is not to be had where RAM is
//! short, which is where `swap/slots.rs` and `audit.rs` want it.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::OutOfMemory;
use crate::PAGE_SIZE_BYTES;

/// Entries, all of them their type's default at first.
#[derive(Debug, Default)]
pub struct Pieces<T> {
    pieces: Vec<Box<[T]>>,
    length: usize,
}

impl<T: Copy + Default> Pieces<T> {
    /// Entries of a piece.
    const PIECE: usize = PAGE_SIZE_BYTES as usize / size_of::<T>();

    /// So many.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn new(length: usize) -> Result<Self, OutOfMemory> {
        let mut pieces = Vec::new();
        let count = length.div_ceil(Self::PIECE);
        pieces.try_reserve_exact(count).map_err(|_| OutOfMemory)?;
        for _ in 0..count {
            let mut piece = Vec::new();
            piece.try_reserve_exact(Self::PIECE).map_err(|_| OutOfMemory)?;
            piece.resize(Self::PIECE, T::default());
            pieces.push(piece.into_boxed_slice());
        }
        Ok(Self { pieces, length })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// One of them.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<T> {
        let is_there = index < self.length;
        is_there.then(|| self.pieces[index / Self::PIECE][index % Self::PIECE])
    }

    /// One of them, to be changed.
    #[inline]
    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        let piece = self.pieces.get_mut(index / Self::PIECE).filter(|_| index < self.length)?;
        piece.get_mut(index % Self::PIECE)
    }

    /// One that there is, to be changed.
    #[inline]
    pub(super) fn at(&mut self, index: usize) -> &mut T {
        assert!(index < self.length, "entry {index} of {}", self.length);
        &mut self.pieces[index / Self::PIECE][index % Self::PIECE]
    }

    /// Makes these, which are as many, what `other` are.
    #[cfg(test)]
    pub(super) fn copy_from(&mut self, other: &Self) {
        assert_eq!(self.length, other.length);
        for (own, other) in self.pieces.iter_mut().zip(&other.pieces) {
            own.copy_from_slice(other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_where_they_were_put() {
        let mut pieces = Pieces::<[u8; 12]>::new(700).expect("the host has memory");
        assert!(pieces.get_mut(700).is_none() && pieces.get(700).is_none());
        for index in 0..700 {
            assert_eq!(pieces.get(index), Some([0; 12]));
            *pieces.at(index) = [index as u8; 12];
        }
        for index in 0..700 {
            assert_eq!(pieces.get_mut(index).copied(), Some([index as u8; 12]));
        }
    }
}
