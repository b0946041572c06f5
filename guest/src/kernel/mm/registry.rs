//! [`Registry`]: all things of a kind that live, for those who look at all of them. It knows them in
//! pieces of half a page: a list of them in one piece is not to be had where memory is short.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use crate::sync::SpinLock;

/// Things of a piece.
const PIECE: usize = 128;

/// What is known of them.
struct Known<T: ?Sized> {
    pieces: Vec<Vec<Weak<T>>>,
    /// Pieces that were left when those that are gone were last forgotten.
    left: usize,
}

impl<T: ?Sized> Known<T> {
    /// Forgets what is gone.
    fn forget_gone(&mut self) {
        for piece in &mut self.pieces {
            piece.retain(|thing| thing.strong_count() > 0);
        }
        self.pieces.retain(|piece| !piece.is_empty());
        self.left = self.pieces.len();
    }
}

/// All things of a kind.
pub(super) struct Registry<T: ?Sized>(SpinLock<Known<T>>);

impl<T: ?Sized> Registry<T> {
    /// None.
    pub(super) const fn new() -> Self {
        Self(SpinLock::new(Known { pieces: Vec::new(), left: 0 }))
    }

    /// Adds one. It need not be taken out: it goes by itself.
    pub(super) fn add(&self, thing: &Arc<T>) {
        let mut known = self.0.lock();
        if known.pieces.len() > 2 * known.left {
            known.forget_gone();
        }
        let thing = Arc::downgrade(thing);
        match known.pieces.last_mut() {
            Some(piece) if piece.len() < PIECE => piece.push(thing),
            _ => {
                let mut piece = Vec::with_capacity(PIECE);
                piece.push(thing);
                known.pieces.push(piece);
            }
        }
    }

    /// Calls `visit` with each that lives, without any lock. Those that come or go meanwhile may be
    /// left out, and others with them.
    pub(super) fn for_each(&self, mut visit: impl FnMut(&Arc<T>)) {
        let mut number = 0;
        loop {
            let known = self.0.lock();
            let Some(piece) = known.pieces.get(number) else { return };
            let living: Vec<Arc<T>> = piece.iter().filter_map(Weak::upgrade).collect();
            drop(known);
            living.iter().for_each(&mut visit);
            number += 1;
        }
    }

    /// How many live.
    pub(super) fn count(&self) -> u64 {
        let known = self.0.lock();
        let living = known.pieces.iter().flatten().filter(|thing| thing.strong_count() > 0);
        living.count() as u64
    }

    /// Gives back what is kept of those that are gone.
    pub(super) fn trim(&self) {
        let mut known = self.0.lock();
        known.forget_gone();
        known.pieces.shrink_to_fit();
    }
}
