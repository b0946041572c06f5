//! What watches a running machine: [`CommitLog`] writes down what every instruction did,
//! [`trace`] what QEMU's `-d` shows, [`stats`] counts, [`Observers`] makes one of them all. And what
//! shows a machine that stands still: [`monitor`] answers questions about a [`View`],
//! [`post_mortem`] says why it has stopped; [`symbols`] gives addresses their names. Reads the rooms
//! below and changes nothing.

mod causes;
pub mod commit_log;
pub mod inspect;
pub mod monitor;
mod observers;
pub mod post_mortem;
mod sink;
pub mod stats;
pub mod symbols;
pub mod trace;
pub mod view;

pub use commit_log::CommitLog;
pub use observers::Observers;
pub use stats::Stats;
pub use trace::Tracer;
pub use view::View;
