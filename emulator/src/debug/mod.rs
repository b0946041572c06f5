//! What watches a running machine: [`CommitLog`] writes down what every instruction did,
//! [`symbols`] gives addresses their names. Reads the rooms below and changes nothing.

pub mod commit_log;
pub mod symbols;

pub use commit_log::CommitLog;
