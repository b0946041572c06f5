//! Processes, as far as they are policy: who is whose child and in which group ([`tree`]), what a
//! parent waits for ([`wait`]), signals ([`signal`]), what an executable file and a stack look like
//! ([`elf`], [`script`], [`stack`], [`layout`]), futexes ([`futex`]), limits ([`limits`]), times
//! ([`time`]), timers ([`timer`]), random bytes ([`random`]). No threads run here: the kernel's `task` has them.

pub mod elf;
pub mod futex;
pub mod layout;
pub mod limits;
pub mod random;
pub mod script;
pub mod signal;
pub mod stack;
pub mod time;
pub mod timer;
pub mod tree;
pub mod wait;

/// Number of a process, a thread, a group or a session.
pub type Pid = u32;
