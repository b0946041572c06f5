//! What watches a running machine: [`CommitLog`] writes down what every instruction did,
//! [`symbols`] gives addresses their names; and what shows one that stands still: [`monitor`]
//! answers questions about a [`View`], [`post_mortem`] says why the machine has stopped. Reads the
//! rooms below and changes nothing.

pub mod commit_log;
pub mod inspect;
pub mod monitor;
pub mod post_mortem;
pub mod symbols;
pub mod view;

pub use commit_log::CommitLog;
pub use view::View;
