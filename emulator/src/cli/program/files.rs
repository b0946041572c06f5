//! A directory of the host as a part of the guest's file system.

use std::fs::{self, DirEntry, FileType};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::machine::cpio::Archive;

/// Files of a directory together are no larger than this: all of it goes into the guest's RAM.
const MAX_BYTES: u64 = 4 << 30;

/// A directory that cannot be taken along.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum FilesError {
    /// The host cannot read something in it.
    #[error("cannot read {path}")]
    Read {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nobody can mean all of it.
    #[error("{0}: more than 4 GiB of files, which would all go into the guest's RAM")]
    TooLarge(PathBuf),
}

/// Adds everything below `root` to `archive`, at its root, in the order of names. What is neither
/// a file nor a directory nor a link is left out.
///
/// # Errors
/// [`FilesError`] where something cannot be read.
pub(super) fn add(archive: &mut Archive, root: &Path) -> Result<(), FilesError> {
    let mut left_bytes = MAX_BYTES;
    add_directory(archive, root, Path::new(""), &mut left_bytes)
}

/// Adds what is in the directory `inside` of `root`.
fn add_directory(
    archive: &mut Archive,
    root: &Path,
    inside: &Path,
    left_bytes: &mut u64,
) -> Result<(), FilesError> {
    let directory = root.join(inside);
    let failed = |source| FilesError::Read { path: directory.clone(), source };
    let entries = fs::read_dir(&directory).map_err(failed)?;
    let mut entries = entries.collect::<io::Result<Vec<_>>>().map_err(failed)?;
    entries.sort_by_key(DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), inside.join(entry.file_name()));
        let failed = |source| FilesError::Read { path: path.clone(), source };
        let kind = entry.file_type().map_err(failed)?;
        let bytes = name.as_os_str().as_bytes();
        if kind.is_symlink() {
            let target = fs::read_link(&path).map_err(failed)?;
            archive.link(bytes, target.as_os_str().as_bytes());
            continue;
        }
        let metadata = entry.metadata().map_err(failed)?;
        let permissions = metadata.permissions().mode() & 0o7777;
        if kind.is_dir() {
            archive.directory(bytes, permissions);
            add_directory(archive, root, &name, left_bytes)?;
        } else if kind.is_file() {
            let left = left_bytes.checked_sub(metadata.len());
            *left_bytes = left.ok_or_else(|| FilesError::TooLarge(root.to_owned()))?;
            archive.file(bytes, permissions, &fs::read(&path).map_err(failed)?);
        } else {
            log::warn!("{}: left out, for it is {}", path.display(), special(kind));
        }
    }
    Ok(())
}

fn special(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_taken_along_as_it_is() {
        let root = std::env::temp_dir().join(format!("pagewalk-root-{}", std::process::id()));
        fs::create_dir_all(root.join("etc/empty")).unwrap();
        fs::write(root.join("etc/motd"), "hello").unwrap();
        fs::write(root.join("a"), "run me").unwrap();
        fs::set_permissions(root.join("a"), PermissionsExt::from_mode(0o755)).unwrap();
        fs::set_permissions(root.join("etc"), PermissionsExt::from_mode(0o750)).unwrap();
        fs::set_permissions(root.join("etc/empty"), PermissionsExt::from_mode(0o700)).unwrap();
        fs::set_permissions(root.join("etc/motd"), PermissionsExt::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("../a", root.join("etc/link")).unwrap();
        let (mut archive, mut want) = (Archive::default(), Archive::default());
        add(&mut archive, &root).unwrap();
        want.file(b"a", 0o755, b"run me");
        want.directory(b"etc", 0o750);
        want.directory(b"etc/empty", 0o700);
        want.link(b"etc/link", b"../a");
        want.file(b"etc/motd", 0o640, b"hello");
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(archive, want);
        let error = add(&mut Archive::default(), &root).unwrap_err();
        assert!(error.to_string().contains(root.to_str().unwrap()), "{error}");
    }
}
