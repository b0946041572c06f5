//! Integration tests: one binary, a module for each subject.

#![forbid(unsafe_code)]

mod cli;
mod dts;
mod elf;
mod gdb;
mod initramfs;
mod isa;
mod machine;
mod program;
mod program_mode;
mod scripts;
mod smp;
mod stop_screens;
mod target_directory;
mod terminal;
mod tidy;
mod trace;
