//! Hands their memory layouts to the linker: the runtime's to the bare-metal programs, its own to
//! the kernel.

/// The operating system.
const KERNEL: &str = "kernel";
/// Programs that start in S-mode, on top of firmware.
const KERNELS: [&str; 1] = ["sbi"];

fn main() {
    println!("cargo::rerun-if-changed=Cargo.toml");
    for script in ["layout.ld", "virt.ld", "kernel.ld"] {
        println!("cargo::rerun-if-changed=runtime/{script}");
    }
    println!("cargo::rerun-if-changed=src/kernel/kernel.ld");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    let here = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    println!("cargo::rustc-link-arg-bins=-L{here}/runtime");
    let manifest = std::fs::read_to_string("Cargo.toml").expect("cargo has read it too");
    for bin in manifest.split("[[bin]]").skip(1) {
        let name = bin.lines().find_map(|line| line.strip_prefix("name = "));
        let name = name.expect("a binary has a name").trim_matches('"');
        let script = match name {
            KERNEL => "src/kernel/kernel.ld",
            name if KERNELS.contains(&name) => "runtime/kernel.ld",
            _ => "runtime/virt.ld",
        };
        println!("cargo::rustc-link-arg-bin={name}=-T{here}/{script}");
    }
}
