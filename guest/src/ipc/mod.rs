//! What processes talk through, as far as it is policy: the ring behind a pipe.

pub mod ring;

pub use ring::Ring;
