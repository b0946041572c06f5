//! The texts of /proc, as far as they follow from plain values: lines of `maps` and `smaps`,
//! `status`, `stat`, tables of whole-system figures, the log of page faults, switches that can be
//! written, and runs of what is alike. The kernel collects the values; formats are Linux's, since programs parse them.
//!
//! Source: Linux, "The /proc Filesystem" (Documentation/filesystems/proc.rst), and proc(5).

pub mod areas;
pub mod counts;
pub mod escape;
pub mod faults;
pub mod load;
pub mod pagemap;
pub mod process;
pub mod runs;
pub mod system;
pub mod tunable;
