//! Integration tests: one binary, a module for each subject.

#![forbid(unsafe_code)]

mod cli;
mod elf;
mod isa;
mod machine;
mod program;
mod scripts;
mod smp;
mod tidy;
