//! The inner cargo that cross-compiles the guest: [`Set`] says what one call of it builds,
//! [`build`] calls it with the compiler that `toolchain.rs` has found.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::toolchain::{Kind, TARGET, Toolchain};
use crate::{complain, root};

/// Programs that are built together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set {
    /// What to ask cargo for.
    arguments: &'static [&'static str],
    /// Flags for the compiler, separated as `CARGO_ENCODED_RUSTFLAGS` wants it.
    flags: &'static str,
    /// Where it is built, below the guest's target directory: flags have directories of their own.
    directory: &'static str,
}

/// The programs that run on the bare machine.
pub(super) const BARE_METAL: Set = Set {
    arguments: &["--package=guest", "--no-default-features", "--features=bare-metal", "--bins"],
    flags: "",
    directory: "",
};

/// The kernel. Its frame pointers let it print the callers of what has failed.
pub(super) const KERNEL: Set = Set {
    arguments: &["--package=guest", "--features=kernel", "--bin=kernel"],
    flags: "-Cforce-frame-pointers=yes",
    directory: "kernel",
};

/// The kernel that can test itself.
pub(super) const SELFTEST: Set = Set {
    arguments: &["--package=guest", "--features=kernel,selftest", "--bin=kernel"],
    directory: "selftest/build",
    ..KERNEL
};

/// The programs that run on the kernel.
pub(super) const USER: Set = Set {
    arguments: &["--package=guest-user", "--features=programs", "--bins"],
    flags: "",
    directory: "",
};

/// Where the inner cargo builds: beside the outer one, never in the directory it has locked.
pub(super) fn target_directory() -> PathBuf {
    let outer = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    root().join(outer.unwrap_or_else(|| "target".into())).join("guest")
}

/// Builds `set`; the paths of its programs, sorted.
///
/// # Errors
/// An inner cargo that cannot be started, fails, or builds no program.
pub(super) fn build(found: &Toolchain, set: &Set) -> Result<Vec<PathBuf>> {
    let target_directory = target_directory().join(set.directory);
    let mut cargo = command(found, &target_directory)?;
    cargo.args(set.arguments);
    if !set.flags.is_empty() {
        cargo.env("CARGO_ENCODED_RUSTFLAGS", set.flags);
    }
    let output = cargo.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("starting {:?}", cargo.get_program()))?;
    if !output.status.success() {
        bail!("building the guest programs failed ({})", output.status);
    }
    programs(&String::from_utf8(output.stdout).context("cargo's messages are not UTF-8")?)
}

/// The inner cargo, which writes its messages to standard output, a JSON object a line.
fn command(found: &Toolchain, target_directory: &Path) -> Result<Command> {
    let mut cargo = match found.kind {
        Kind::Active => Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
        Kind::Debian => Command::new("/usr/bin/cargo"),
    };
    for (name, _) in env::vars_os().filter(|(name, _)| is_outer_cargos(name, found.kind)) {
        cargo.env_remove(name);
    }
    cargo.args(["build", "--quiet", "--release", "--target", TARGET]);
    cargo.arg("--message-format=json-render-diagnostics").arg("--target-dir").arg(target_directory);
    if let Some(linker) = &found.linker {
        let linker = linker.to_str().context("the linker's path is not UTF-8")?;
        cargo.args(["--config", &format!("target.{TARGET}.linker={linker:?}")]);
    }
    if found.kind == Kind::Debian {
        cargo.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1");
        cargo.args(["-Zbuild-std=core,alloc,compiler_builtins"]);
        cargo.args(["-Zbuild-std-features=compiler-builtins-mem"]);
        if !target_directory.exists() {
            complain(format_args!("building core for {TARGET}, once: about half a minute"));
        }
    }
    cargo.current_dir(root());
    Ok(cargo)
}

/// Whether the inner cargo must not see this variable: it describes the outer build or a user's
/// host toolchain. Where packages come from is the same for both, and stays.
fn is_outer_cargos(name: &OsStr, kind: Kind) -> bool {
    const KEPT: [&str; 6] = [
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTRIES_",
        "CARGO_REGISTRY_",
        "CARGO_SOURCE_",
    ];
    let Some(name) = name.to_str() else { return false };
    match name {
        "CARGO" | "RUSTFLAGS" => true,
        "RUSTC" | "RUSTUP_TOOLCHAIN" | "LD_LIBRARY_PATH" => kind == Kind::Debian,
        _ if name.starts_with("RUSTC_") => true,
        _ => name.starts_with("CARGO_") && !KEPT.iter().any(|kept| name.starts_with(kept)),
    }
}

/// The executables that cargo's messages name, sorted.
///
/// # Errors
/// Messages that are not JSON, or name none.
pub(crate) fn programs(messages: &str) -> Result<Vec<PathBuf>> {
    let mut programs = Vec::new();
    for line in messages.lines() {
        let message: serde_json::Value = serde_json::from_str(line).context("cargo's message")?;
        programs.extend(message["executable"].as_str().map(PathBuf::from));
    }
    if programs.is_empty() {
        bail!("cargo built no program");
    }
    programs.sort();
    Ok(programs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inner_cargo_sees_nothing_of_the_outer_one() {
        for (name, active, debian) in [
            ("CARGO", true, true),
            ("CARGO_MANIFEST_DIR", true, true),
            ("CARGO_TARGET_DIR", true, true),
            ("CARGO_ENCODED_RUSTFLAGS", true, true),
            ("CARGO_HOME", false, false),
            ("CARGO_NET_OFFLINE", false, false),
            ("CARGO_REGISTRIES_MINE_INDEX", false, false),
            ("RUSTFLAGS", true, true),
            ("RUSTC_WRAPPER", true, true),
            ("RUSTC_BOOTSTRAP", true, true),
            ("RUSTC", false, true),
            ("RUSTUP_TOOLCHAIN", false, true),
            ("RUSTUP_HOME", false, false),
            ("PATH", false, false),
            ("HOME", false, false),
        ] {
            let name = OsStr::new(name);
            assert_eq!(is_outer_cargos(name, Kind::Active), active, "{name:?}");
            assert_eq!(is_outer_cargos(name, Kind::Debian), debian, "{name:?}");
        }
    }

    #[test]
    fn executables_are_read_from_cargos_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","executable":"/t/b"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","executable":"/t/a b"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        let paths = programs(messages).expect("well-formed");
        assert_eq!(paths, [PathBuf::from("/t/a b"), PathBuf::from("/t/b")]);
        assert!(programs("").is_err());
        assert!(programs("warning: not JSON").is_err());
    }
}
