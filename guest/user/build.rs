//! Hands the layout of a process to the linker of the programs.

fn main() {
    println!("cargo::rerun-if-changed=user.ld");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    let here = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    println!("cargo::rustc-link-arg-bins=-T{here}/user.ld");
    // Pages of the segments are those of Sv39, and symbols would only fill the archive.
    for argument in ["-z", "max-page-size=4096", "--strip-all"] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
