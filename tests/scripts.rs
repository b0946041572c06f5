//! `scripts/env.sh` chooses a toolchain by looking at rustup's folder; here it looks at made-up
//! ones, with a `rustup` and a `rustc` that are shell scripts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A folder of rustup's, removed at the end.
struct RustupHome(PathBuf);

impl RustupHome {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pagewalk-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("toolchains")).expect("writable");
        let home = Self(path);
        // Only its being there matters; running it would be the mistake.
        home.script("bin/rustup", "echo rustup was run >&2; exit 1");
        home
    }

    fn file(&self, path: &str, text: &str) -> PathBuf {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("has one")).expect("writable");
        fs::write(&path, text).expect("writable");
        path
    }

    fn script(&self, path: &str, line: &str) {
        let path = self.file(path, &format!("#!/bin/sh\n{line}\n"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("ours");
    }

    fn toolchain(&self, name: &str, version: &str) {
        self.script(&format!("toolchains/{name}/bin/rustc"), &format!("echo rustc {version}"));
    }

    /// Adds what rust-toolchain.toml asks for beyond the compiler.
    fn complete(&self, name: &str) {
        for tool in ["cargo-clippy", "cargo-fmt"] {
            self.script(&format!("toolchains/{name}/bin/{tool}"), "exit 1");
        }
        let libraries = format!("toolchains/{name}/lib/rustlib/riscv64gc-unknown-none-elf/lib");
        self.file(&format!("{libraries}/libcore-0123.rlib"), "");
    }

    /// What `RUSTUP_TOOLCHAIN` is after sourcing the file, having been `before`.
    fn chosen(&self, before: &str) -> String {
        let line = r#"set -eu; . "$root/scripts/env.sh"; echo "${RUSTUP_TOOLCHAIN:-}""#;
        let path = format!("{}:/usr/bin:/bin", self.0.join("bin").display());
        let mut sh = Command::new("/bin/sh");
        sh.args(["-c", line]).env("root", ROOT).env("RUSTUP_HOME", &self.0).env("PATH", path);
        let output = sh.env("RUSTUP_TOOLCHAIN", before).output().expect("there is a shell");
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaints}");
        assert!(!complaints.contains("rustup was run"));
        let chosen = String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned();
        let said = complaints.lines().count();
        assert_eq!(said, usize::from(!chosen.is_empty() && chosen != before), "{complaints}");
        chosen
    }
}

impl Drop for RustupHome {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The pinned version.
fn pinned() -> String {
    let file = fs::read_to_string(Path::new(ROOT).join("rust-toolchain.toml")).expect("there");
    let line = file.lines().find_map(|line| line.strip_prefix("channel = "));
    line.expect("a channel").trim_matches('"').to_owned()
}

#[test]
fn the_toolchain_is_chosen_without_running_rustup() {
    let home = RustupHome::new("env");
    // Nothing usable: rustup follows rust-toolchain.toml.
    assert_eq!(home.chosen(""), "");
    home.toolchain("old-host", "1.94.0 (0123 2026-01-01)");
    assert_eq!(home.chosen(""), "");
    // Any that is new enough, but stable before others and the default before stable.
    home.toolchain("nightly-host", "1.99.0-nightly");
    assert_eq!(home.chosen(""), "nightly-host");
    home.toolchain("stable-host", "1.95.0");
    assert_eq!(home.chosen(""), "stable-host");
    home.toolchain("mine", "1.97.1");
    home.file("settings.toml", "default_toolchain = \"mine\"\n");
    assert_eq!(home.chosen(""), "mine");
    // An incomplete pinned one would make rustup download the rest; a complete one is it.
    let pinned = format!("{}-host", pinned());
    home.toolchain(&pinned, "1.95.0");
    assert_eq!(home.chosen(""), "mine");
    home.complete(&pinned);
    assert_eq!(home.chosen(""), "");
    // The user's word counts.
    assert_eq!(home.chosen("theirs"), "theirs");
}
