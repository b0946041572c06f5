//! The emulator's build script finds cargo's target directory, which has the guest in it, from its
//! own.

#[path = "../emulator/build/target.rs"]
mod target;

use std::ffi::OsStr;
use std::path::Path;

use target::target_directory;

const TRIPLE: &str = "x86_64-unknown-linux-gnu";

#[test]
fn it_is_found_from_the_build_scripts_directory() {
    for (out, triple, want) in [
        ("/w/target/release/build/pagewalk-0123/out", TRIPLE, Some("/w/target")),
        ("/w/target/debug/build/pagewalk-0123/out", TRIPLE, Some("/w/target")),
        // `--target`, and a profile of one's own.
        ("/w/target/x86_64-unknown-linux-gnu/small/build/p-0/out", TRIPLE, Some("/w/target")),
        ("/w/target/riscv64/release/build/p-0/out", "riscv64", Some("/w/target")),
        // A directory of another name, which may be called like what is around it.
        ("/var/cache/build/release/build/p-0/out", TRIPLE, Some("/var/cache/build")),
        ("/out/build/out/build/release/build/p-0/out", TRIPLE, Some("/out/build/out/build")),
        ("/t/riscv64/release/build/p-0/out", TRIPLE, Some("/t/riscv64")),
        ("/t/release/build/p-0/out", "", Some("/t")),
        // Another order than cargo's, and too little of it.
        ("/w/target/release/build/pagewalk/0123/out", TRIPLE, None),
        ("/w/target/release/build/pagewalk-0123", TRIPLE, None),
        ("/release/build/pagewalk-0123/out", TRIPLE, Some("/")),
        ("release/build/p-0/out", TRIPLE, Some("")),
        ("build/p-0/out", TRIPLE, None),
        ("/out", TRIPLE, None),
        ("", TRIPLE, None),
    ] {
        let triple = Some(triple).filter(|triple| !triple.is_empty()).map(OsStr::new);
        assert_eq!(target_directory(Path::new(out), triple), want.map(Path::new), "{out}");
    }
}

/// Cargo's own order, as this very build shows it.
#[test]
fn it_is_found_where_this_was_built() {
    let out = Path::new(env!("OUT_DIR"));
    let target = target_directory(out, None).expect("cargo's order");
    let this = std::env::current_exe().expect("it is known");
    assert!(this.starts_with(target), "{target:?} is not above {this:?}");
}
