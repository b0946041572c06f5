//! What processes talk through, as far as it is policy: pipes and the ring behind them, POSIX message
//! queues, and System V's queues, semaphores and segments, which share one kind of table.
//!
//! Objects do not sleep or know who does: those who wait are handles (`W`), which a call hands out
//! together with what they waited for. Around them `messages/queues.rs`, `semaphores/sets.rs`,
//! `mqueue/shared.rs` and `pipe.rs` lock and sleep, with what `sync::System` has.

pub mod ids;
pub mod layout;
pub mod messages;
pub mod mqueue;
pub mod pipe;
pub mod ring;
pub mod segments;
pub mod semaphores;
pub mod text;

pub use ring::Ring;
