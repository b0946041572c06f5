//! Integration tests: one binary, a module for each subject.

#![forbid(unsafe_code)]

mod cli;
mod dts;
mod elf;
mod gdb;
mod isa;
mod machine;
mod program;
mod scripts;
mod smp;
mod stop_screens;
mod terminal;
mod tidy;
mod trace;
