//! The `pagewalk` command: everything it does is in the library's `cli` room.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    pagewalk::cli::main()
}
