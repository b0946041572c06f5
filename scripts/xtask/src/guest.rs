//! `cargo xtask guest`: cross-compiles everything that runs on the emulator with the compiler that
//! `toolchain.rs` finds, prints what it built, and packs the operating system for the emulator.
//!
//! `guest/inner_cargo.rs` builds, `guest/bundle.rs` packs what `guest/image.rs` has made ready.

mod bundle;
#[cfg_attr(not(test), expect(dead_code, reason = "the emulator, whose file this is, makes links"))]
#[path = "../../../emulator/src/machine/cpio.rs"]
pub(crate) mod cpio;
mod image;
mod inner_cargo;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::toolchain::{self, Choice, Kind, ThisHost, Toolchain};
use crate::{complain, root, say};
#[cfg(feature = "emulator")]
pub(crate) use inner_cargo::programs;
use inner_cargo::{BARE_METAL, KERNEL, SELFTEST, Set, USER};

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
    /// Build a second operating system, whose kernel tests itself when its command line says
    /// `selftest`, and only that.
    #[arg(long, conflicts_with = "which")]
    selftest: bool,
}

/// Builds the programs for the bare machine and the operating system; prints the paths of the
/// programs, of the kernel with its symbols, and of the bundle's files.
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
    let built = if options.selftest {
        operating_system(&found, &SELFTEST, "selftest/bundle")?
    } else {
        let mut built = inner_cargo::build(&found, &BARE_METAL)?;
        if has_operating_system() {
            built.extend(operating_system(&found, &KERNEL, "bundle")?);
        }
        built
    };
    built.iter().for_each(|path| say(path.display()));
    Ok(ExitCode::SUCCESS)
}

/// Builds this kernel and the programs, and packs them into this directory, below the guest's
/// target directory; the paths of the kernel with its symbols, and of the files there.
fn operating_system(found: &Toolchain, kernel: &Set, directory: &str) -> Result<Vec<PathBuf>> {
    let mut built = inner_cargo::build(found, kernel)?;
    let programs = inner_cargo::build(found, &USER)?;
    let directory = inner_cargo::target_directory().join(directory);
    built.extend(bundle::write(&directory, &built[0], &programs)?);
    Ok(built)
}

/// Builds the programs for the bare machine with the first compiler that is found; their paths,
/// sorted.
///
/// # Errors
/// No compiler, or an inner cargo that cannot be started or fails.
#[cfg(feature = "emulator")]
pub(crate) fn executables() -> Result<Vec<PathBuf>> {
    match toolchain::find(&ThisHost, Choice::Auto) {
        Some(found) => inner_cargo::build(&found, &BARE_METAL),
        None => anyhow::bail!("{}", toolchain::HELP),
    }
}

/// The operating system as it was built.
#[cfg(feature = "emulator")]
#[derive(Debug)]
pub(crate) struct OperatingSystem {
    /// Where kernel and RAM disk are.
    pub(crate) bundle: PathBuf,
    /// The programs, each as a file of its own.
    pub(crate) programs: Vec<PathBuf>,
}

/// Builds the operating system with the first compiler that is found.
///
/// # Errors
/// As [`executables`].
#[cfg(feature = "emulator")]
pub(crate) fn build_operating_system() -> Result<OperatingSystem> {
    let Some(found) = toolchain::find(&ThisHost, Choice::Auto) else {
        anyhow::bail!("{}", toolchain::HELP);
    };
    operating_system(&found, &KERNEL, "bundle")?;
    let bundle = inner_cargo::target_directory().join("bundle");
    Ok(OperatingSystem { bundle, programs: inner_cargo::build(&found, &USER)? })
}

/// Whether kernel and programs are part of this checkout.
fn has_operating_system() -> bool {
    root().join("guest/src/kernel/main.rs").exists() && root().join("guest/user").exists()
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
