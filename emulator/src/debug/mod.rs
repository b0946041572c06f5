//! What watches a running machine: [`CommitLog`] writes down what every instruction did,
//! [`trace`] what QEMU's `-d` shows, [`stats`] counts, [`Observers`] makes one of them all;
//! [`symbols`] gives addresses their names. Reads the rooms below and changes nothing.

mod causes;
pub mod commit_log;
mod observers;
mod sink;
pub mod stats;
pub mod symbols;
pub mod trace;

pub use commit_log::CommitLog;
pub use observers::Observers;
pub use stats::Stats;
pub use trace::Tracer;
