//! What watches a running machine: [`CommitLog`] writes down what every instruction did. Reads
//! the rooms below and changes nothing.

pub mod commit_log;

pub use commit_log::CommitLog;
