//! The guest operating system for tests that boot it: [`GUEST`].

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// Its directory: that which the environment names, as for pagewalk itself, or built when it is
/// first asked for; or why there is none.
pub(crate) static GUEST: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
    std::env::var_os("PAGEWALK_GUEST").map_or_else(|| build(&[]), |other| Ok(other.into()))
});

/// Builds it with these options of `cargo xtask guest`; its directory.
pub(crate) fn build(options: &[&str]) -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut xtask = Command::new(cargo);
    xtask.args(["run", "--quiet", "--package", "xtask", "--no-default-features", "--", "guest"]);
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let output = xtask.args(options).current_dir(root).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("cargo: {error}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let reason = complaint.lines().next().unwrap_or_default();
        return Err(reason.trim_start_matches("error: ").to_owned());
    }
    let built = String::from_utf8(output.stdout).map_err(|error| error.to_string())?;
    let kernel = built.lines().map(Path::new).find(|path| path.ends_with("bundle/kernel"));
    let kernel = kernel.ok_or("cargo xtask guest has built no operating system")?;
    Ok(kernel.parent().expect("it is in a directory").to_owned())
}
