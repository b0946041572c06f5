//! Terminals, as far as they are policy: their settings ([`Termios`]) and what becomes of bytes on
//! the way from the keys to a reader and from a writer to the screen ([`Discipline`]).
//! Sessions, waiting and the line itself are the kernel's.

pub mod discipline;
pub mod termios;

pub use discipline::{Discipline, Press};
pub use termios::{Termios, WindowSize};
