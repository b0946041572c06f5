//! `cargo xtask guest`: runs an inner cargo that cross-compiles the guest programs with the
//! compiler that `toolchain.rs` finds, and prints what it built.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use crate::toolchain::{self, Choice, Kind, TARGET, ThisHost, Toolchain};
use crate::{complain, root, say};

/// Exit code that says: no compiler for the guest here. Callers may skip what needs it.
const EXIT_NO_TOOLCHAIN: u8 = 3;

/// Options of `cargo xtask guest`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Which compiler to use.
    #[arg(long, value_enum, default_value = "auto", env = "PAGEWALK_GUEST_TOOLCHAIN")]
    toolchain: Choice,
    /// Only say which compiler would be used.
    #[arg(long)]
    which: bool,
}

/// Builds the guest programs and prints their paths.
///
/// # Errors
/// Where the inner cargo cannot be started or fails. A missing compiler is not an error but
/// [`EXIT_NO_TOOLCHAIN`], with advice.
pub(crate) fn build(options: &Options) -> Result<ExitCode> {
    let Some(found) = toolchain::find(&ThisHost, options.toolchain) else {
        complain(format_args!("error: {}", toolchain::HELP));
        return Ok(EXIT_NO_TOOLCHAIN.into());
    };
    if options.which {
        say(describe(&found));
        return Ok(ExitCode::SUCCESS);
    }
    for program in programs(&run_cargo(&found)?)? {
        say(program.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds the guest programs with the first compiler that is found; their paths, sorted.
///
/// # Errors
/// No compiler, or an inner cargo that cannot be started or fails.
pub(crate) fn executables() -> Result<Vec<PathBuf>> {
    match toolchain::find(&ThisHost, Choice::Auto) {
        Some(found) => programs(&run_cargo(&found)?),
        None => bail!("{}", toolchain::HELP),
    }
}

fn describe(found: &Toolchain) -> String {
    let compiler = match found.kind {
        Kind::Active => "the active compiler",
        Kind::Debian => "Debian's compiler, which builds core from its sources",
    };
    match &found.linker {
        Some(linker) => format!("{compiler}, linking with {}", linker.display()),
        None => format!("{compiler}, linking with its own linker"),
    }
}

/// Where the inner cargo builds: beside the outer one, never in the directory it has locked.
fn target_directory() -> PathBuf {
    let outer = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    root().join(outer.unwrap_or_else(|| "target".into())).join("guest")
}

/// Builds and yields cargo's messages, a JSON object a line.
fn run_cargo(found: &Toolchain) -> Result<String> {
    let target_directory = target_directory();
    let mut cargo = match found.kind {
        Kind::Active => Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
        Kind::Debian => Command::new("/usr/bin/cargo"),
    };
    for (name, _) in env::vars_os().filter(|(name, _)| is_outer_cargos(name, found.kind)) {
        cargo.env_remove(name);
    }
    cargo.args(["build", "--quiet", "--release", "--package", "guest", "--bins"]);
    cargo.args(["--features", "bare-metal", "--target", TARGET]);
    cargo
        .arg("--message-format=json-render-diagnostics")
        .arg("--target-dir")
        .arg(&target_directory);
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
    let output = cargo.current_dir(root()).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("starting {:?}", cargo.get_program()))?;
    if !output.status.success() {
        bail!("building the guest programs failed ({})", output.status);
    }
    String::from_utf8(output.stdout).context("cargo's messages are not UTF-8")
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
