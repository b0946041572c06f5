//! What to do when memory is short. Plain values in, decisions out; nothing here allocates.
//!
//! `psi.rs` measures how much time is lost by it, `load.rs` says who has to pause, `oom.rs` who has
//! to go. How much may be promised to begin with is said in `commit.rs` beside this room.

pub mod load;
pub mod oom;
pub mod psi;
#[cfg(test)]
mod simulation;
