//! The guest operating system that comes with pagewalk: [`Bundle::find`] says where its kernel and
//! its initial RAM disk are, in the executable or in a directory.

use std::borrow::Cow;
use std::env;
use std::path::{Path, PathBuf};

use crate::machine::boot::{BootError, Payload};

/// Names a directory with another guest.
const VARIABLE: &str = "PAGEWALK_GUEST";

/// Files of the guest.
const KERNEL: &str = "kernel";
const INITRAMFS: &str = "initramfs.cpio";

/// Where the build has left the guest.
#[expect(dead_code, reason = "a build knows one of them")]
enum Source {
    Embedded { kernel: &'static [u8], initramfs: &'static [u8] },
    Directory(&'static str),
    Nowhere,
}

const SOURCE: Source = include!(concat!(env!("OUT_DIR"), "/bundle.rs"));

/// What the guest boots from.
#[derive(Clone, Debug)]
pub(super) struct Bundle {
    /// The kernel.
    pub(super) kernel: Payload,
    /// The initial RAM disk, an archive without compression.
    pub(super) initramfs: Payload,
}

/// Why there is no guest.
#[derive(Debug, thiserror::Error)]
pub(super) enum BundleError {
    /// The build was one without.
    #[error(
        "this pagewalk was built without its guest operating system, which runs Linux programs; \
         scripts/run builds both, as do `cargo xtask guest` and then `cargo build --release`; \
         {VARIABLE} can name a directory that has it"
    )]
    Absent,
    /// It is there, but not to be had.
    #[error(transparent)]
    Unreadable(#[from] BootError),
}

impl Bundle {
    /// The guest: from the directory that the environment names, else the one that pagewalk was
    /// built with.
    ///
    /// # Errors
    /// [`BundleError`] where there is none, or its files cannot be read.
    pub(super) fn find() -> Result<Self, BundleError> {
        if let Some(directory) = env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
            return Self::read(&PathBuf::from(directory));
        }
        match SOURCE {
            Source::Embedded { kernel, initramfs } => Ok(Self {
                kernel: embedded(KERNEL, kernel),
                initramfs: embedded(INITRAMFS, initramfs),
            }),
            Source::Directory(path) if Path::new(path).join(KERNEL).exists() => {
                Self::read(Path::new(path))
            }
            Source::Directory(_) | Source::Nowhere => Err(BundleError::Absent),
        }
    }

    fn read(directory: &Path) -> Result<Self, BundleError> {
        let read = |name| Payload::read(&directory.join(name));
        Ok(Self { kernel: read(KERNEL)?, initramfs: read(INITRAMFS)? })
    }
}

fn embedded(name: &str, bytes: &[u8]) -> Payload {
    Payload::new(format!("the guest's {name}"), Cow::from(bytes).into_owned())
}
