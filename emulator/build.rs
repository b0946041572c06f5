//! Finds the guest operating system that `cargo xtask guest` has packed, beside what cargo builds,
//! for `src/cli/bundle.rs`. A release build embeds it. Any other takes it from where it is when it
//! runs: it need not be built again whenever the guest changes.

#[path = "build/target.rs"]
mod target;

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use target::target_directory;

/// Files of the bundle: kernel and initial RAM disk.
const FILES: [&str; 2] = ["kernel", "initramfs.cpio"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build/target.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let target = target_directory(&out, env::var_os("TARGET").as_deref());
    let directory = target.map(|target| target.join("guest").join("bundle"));
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let code = match directory {
        Some(directory) if is_release => embed(&directory),
        Some(directory) => format!("Source::Directory({:?})", directory.display().to_string()),
        None => "Source::Nowhere".to_owned(),
    };
    fs::write(out.join("bundle.rs"), code).expect("cargo's own directory can be written");
}

/// The bundle as an expression, if it is there; and cargo is to watch it.
fn embed(directory: &Path) -> String {
    if !directory.exists() {
        // Cargo takes a path that does not exist for one that always changes.
        let _unwatched = create(directory);
    }
    println!("cargo::rerun-if-changed={}", directory.display());
    let paths = FILES.map(|name| directory.join(name));
    if !paths.iter().all(|path| path.is_file()) {
        return "Source::Nowhere".to_owned();
    }
    let [kernel, initramfs] =
        paths.map(|path| format!("include_bytes!({:?})", path.display().to_string()));
    format!("Source::Embedded {{ kernel: {kernel}, initramfs: {initramfs} }}")
}

/// Makes an empty directory that is old: cargo is not to think that it has changed since.
fn create(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    File::open(directory)?.set_modified(UNIX_EPOCH)
}
