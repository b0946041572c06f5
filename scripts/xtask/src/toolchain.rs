//! Finds a compiler for the guest: the active one where it has the guest's `core`, else Debian's
//! packaged one, which can build `core` from its sources. Never installs or changes anything.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the guest is compiled for.
pub(crate) const TARGET: &str = "riscv64gc-unknown-none-elf";
/// The workspace's `rust-version`.
const RUST_VERSION: Version = Version { major: 1, minor: 95 };

/// Debian's packaged compiler, never rustup's: always at this place.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";

/// How to get a compiler for the guest.
pub(crate) const HELP: &str = "\
no compiler for riscv64gc-unknown-none-elf
There are two ways to get one:
  with rustup:           rustup target add riscv64gc-unknown-none-elf
  on Debian or Ubuntu:   scripts/setup
                         (apt-get install --no-install-recommends rustc-web cargo-web rust-web-src lld)";

/// Which compilers are considered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Choice {
    /// The active compiler, else Debian's.
    Auto,
    /// The active compiler only.
    Active,
    /// Debian's packaged compiler only.
    Debian,
}

/// A compiler for the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Toolchain {
    /// Its kind.
    pub(crate) kind: Kind,
    /// The linker to name; `None` where the compiler finds its own.
    pub(crate) linker: Option<PathBuf>,
}

/// Where the guest's `core` comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The active compiler has it.
    Active,
    /// Debian's compiler builds it from its sources.
    Debian,
}

/// The host as far as the search looks at it; a fake in tests.
pub(crate) trait Host {
    /// Standard output of a command that succeeds, trimmed.
    fn output(&self, program: &str, args: &[&str]) -> Option<String>;
    /// Whether there is a file or directory.
    fn exists(&self, path: &Path) -> bool;
    /// Names of the files of a directory; none where it cannot be read.
    fn files(&self, directory: &Path) -> Vec<String>;
    /// A program found along `PATH`.
    fn program(&self, name: &str) -> Option<PathBuf>;
    /// The active compiler.
    fn rustc(&self) -> String;
}

/// The machine this runs on.
#[derive(Debug)]
pub(crate) struct ThisHost;

impl Host for ThisHost {
    fn output(&self, program: &str, args: &[&str]) -> Option<String> {
        let root = crate::root();
        let command = &mut Command::new(program);
        let output = command.args(args).current_dir(root).stderr(Stdio::null()).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn files(&self, directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    fn program(&self, name: &str) -> Option<PathBuf> {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
    }

    fn rustc(&self) -> String {
        std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned())
    }
}

/// The first usable compiler, or `None`.
pub(crate) fn find(host: &impl Host, choice: Choice) -> Option<Toolchain> {
    let active = || active(host);
    let debian = || debian(host);
    match choice {
        Choice::Auto => active().or_else(debian),
        Choice::Active => active(),
        Choice::Debian => debian(),
    }
}

/// Way 1: the active compiler has the guest's `core`.
fn active(host: &impl Host) -> Option<Toolchain> {
    let rustc = host.rustc();
    let libraries = host.output(&rustc, &["--print", "target-libdir", "--target", TARGET])?;
    let is_core = |name: &String| name.starts_with("libcore-") && name.ends_with(".rlib");
    host.files(Path::new(&libraries)).iter().find(|name| is_core(name))?;
    // The target's own linker, rust-lld, comes with rustup's toolchains and not with others.
    let linker = match bundled_lld(host, &rustc) {
        Some(_) => None,
        None => Some(linker(host)?),
    };
    Some(Toolchain { kind: Kind::Active, linker })
}

/// Way 2: Debian's packaged compiler with the sources of its library.
fn debian(host: &impl Host) -> Option<Toolchain> {
    let version = Version::parse(&host.output(DEBIAN_RUSTC, &["--version"])?)?;
    let sysroot = host.output(DEBIAN_RUSTC, &["--print", "sysroot"])?;
    let library = Path::new(&sysroot).join("lib/rustlib/src/rust/library/core");
    let usable =
        version >= RUST_VERSION && host.exists(&library) && host.exists(Path::new(DEBIAN_CARGO));
    if !usable {
        return None;
    }
    let linker = linker(host).or_else(|| bundled_lld(host, &host.rustc()));
    Some(Toolchain { kind: Kind::Debian, linker: Some(linker?) })
}

/// A linker for the guest along `PATH`.
fn linker(host: &impl Host) -> Option<PathBuf> {
    ["ld.lld", "rust-lld", "riscv64-unknown-elf-ld"].iter().find_map(|name| host.program(name))
}

/// The rust-lld of a rustup toolchain.
fn bundled_lld(host: &impl Host, rustc: &str) -> Option<PathBuf> {
    let sysroot = host.output(rustc, &["--print", "sysroot"])?;
    let triple = host.output(rustc, &["--print", "host-tuple"])?;
    let lld = Path::new(&sysroot).join("lib/rustlib").join(triple).join("bin/rust-lld");
    host.exists(&lld).then_some(lld)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    /// Reads `rustc 1.96.0 (…)`.
    fn parse(text: &str) -> Option<Self> {
        let number = text.strip_prefix("rustc ")?.split([' ', '-']).next()?;
        let mut parts = number.split('.').map(|part| part.parse().ok());
        Some(Self { major: parts.next()??, minor: parts.next()?? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host described by the facts that matter.
    #[derive(Default)]
    struct Fake {
        active_core: bool,
        bundled_lld: bool,
        debian_version: Option<&'static str>,
        debian_sources: bool,
        programs: &'static [&'static str],
    }

    impl Host for Fake {
        fn output(&self, program: &str, args: &[&str]) -> Option<String> {
            let text = match (program, args) {
                ("active", ["--print", "target-libdir", ..]) => "/active/riscv",
                ("active", ["--print", "sysroot"]) => "/active",
                ("active", ["--print", "host-tuple"]) => "host",
                (DEBIAN_RUSTC, ["--version"]) => self.debian_version?,
                (DEBIAN_RUSTC, ["--print", "sysroot"]) => "/usr",
                _ => panic!("{program} {args:?}"),
            };
            Some(text.to_owned())
        }

        fn exists(&self, path: &Path) -> bool {
            match path.to_str().expect("plain") {
                "/active/lib/rustlib/host/bin/rust-lld" => self.bundled_lld,
                "/usr/lib/rustlib/src/rust/library/core" => self.debian_sources,
                DEBIAN_CARGO => self.debian_version.is_some(),
                other => panic!("{other}"),
            }
        }

        fn files(&self, directory: &Path) -> Vec<String> {
            assert_eq!(directory, Path::new("/active/riscv"));
            let core = self.active_core.then(|| "libcore-0123.rlib".to_owned());
            core.into_iter().collect()
        }

        fn program(&self, name: &str) -> Option<PathBuf> {
            self.programs.contains(&name).then(|| Path::new("/bin").join(name))
        }

        fn rustc(&self) -> String {
            "active".to_owned()
        }
    }

    const DEBIAN: Fake = Fake {
        active_core: false,
        bundled_lld: false,
        debian_version: Some("rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)"),
        debian_sources: true,
        programs: &["ld.lld", "riscv64-unknown-elf-ld"],
    };

    fn found(host: &Fake, choice: Choice) -> Option<(Kind, Option<String>)> {
        find(host, choice).map(|found| {
            (found.kind, found.linker.map(|path| path.to_str().expect("plain").to_owned()))
        })
    }

    #[test]
    fn the_active_compiler_comes_first() {
        let both = Fake { active_core: true, bundled_lld: true, ..DEBIAN };
        let lld = Some("/bin/ld.lld".to_owned());
        assert_eq!(found(&both, Choice::Auto), Some((Kind::Active, None)));
        assert_eq!(found(&both, Choice::Debian), Some((Kind::Debian, lld.clone())));
        assert_eq!(found(&DEBIAN, Choice::Auto), Some((Kind::Debian, lld.clone())));
        assert_eq!(found(&DEBIAN, Choice::Active), None);
        let no_lld_of_its_own = Fake { active_core: true, ..DEBIAN };
        assert_eq!(found(&no_lld_of_its_own, Choice::Auto), Some((Kind::Active, lld)));
    }

    #[test]
    fn any_of_three_linkers_will_do() {
        let linker = |programs, bundled_lld| {
            found(&Fake { programs, bundled_lld, ..DEBIAN }, Choice::Auto)
                .map(|(_, linker)| linker.expect("named"))
        };
        assert_eq!(linker(&["rust-lld"], false).as_deref(), Some("/bin/rust-lld"));
        let gnu = linker(&["riscv64-unknown-elf-ld"], true);
        assert_eq!(gnu.as_deref(), Some("/bin/riscv64-unknown-elf-ld"));
        let bundled = linker(&[], true);
        assert_eq!(bundled.as_deref(), Some("/active/lib/rustlib/host/bin/rust-lld"));
        assert_eq!(linker(&[], false), None);
    }

    #[test]
    fn debians_compiler_must_be_new_and_have_sources() {
        for unusable in [
            Fake { debian_version: Some("rustc 1.63.0"), ..DEBIAN },
            Fake { debian_version: Some("rustc 1.94.9"), ..DEBIAN },
            Fake { debian_version: Some("something else"), ..DEBIAN },
            Fake { debian_version: None, ..DEBIAN },
            Fake { debian_sources: false, ..DEBIAN },
        ] {
            assert_eq!(found(&unusable, Choice::Auto), None);
        }
    }

    #[test]
    fn versions() {
        let parse = |text| Version::parse(text).map(|v| (v.major, v.minor));
        assert_eq!(parse("rustc 1.95.0 (59807616e 2026-04-14)"), Some((1, 95)));
        assert_eq!(parse("rustc 1.98.0-nightly"), Some((1, 98)));
        assert_eq!(parse("rustc 2.0"), Some((2, 0)));
        assert_eq!(parse("rustc one"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn the_workspace_demands_the_version_looked_for() {
        let manifest = std::fs::read_to_string(crate::root().join("Cargo.toml")).expect("there");
        let Version { major, minor } = RUST_VERSION;
        assert!(manifest.contains(&format!("rust-version = \"{major}.{minor}\"")));
    }
}
