//! Integration tests: one binary, a module for each subject.

#![forbid(unsafe_code)]

mod cli;
mod dts;
mod elf;
mod isa;
mod machine;
mod program;
mod scripts;
mod smp;
mod terminal;
mod tidy;
