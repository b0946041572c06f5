//! Hands the runtime's memory layout to the linker of the bare-metal programs.

fn main() {
    println!("cargo::rerun-if-changed=runtime/virt.ld");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        let here = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
        println!("cargo::rustc-link-arg-bins=-T{here}/runtime/virt.ld");
    }
}
