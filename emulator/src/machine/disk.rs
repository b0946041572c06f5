//! A disk in a raw image on the host: a file (or block device) whose bytes are the disk's, read
//! and written in place, only read, or read with all writes kept in memory. What the file system
//! of the host has to say about opening it is a [`DiskError`]; what goes wrong later reaches the
//! guest through [`Storage`].
//!
//! Neighbours: `disk/overlay.rs` keeps blocks in memory, `disk/scratch.rs` is a disk of nothing
//! else, `disk/mishaps.rs` what goes wrong with disks where a test wants it.

pub mod mishaps;
mod overlay;
pub mod scratch;

use std::fs::{File, FileType, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::device::virtio::block::{SECTOR_BYTES, Storage};
use overlay::{BLOCK_BYTES, Block, Overlay};

/// What a guest may do to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Writes go to the image, which nobody else may use meanwhile.
    ReadWrite,
    /// Writes fail.
    ReadOnly,
    /// Writes are kept in memory and forgotten at the end; the image stays as it is.
    Snapshot,
}

/// An image cannot be used as a disk.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// No such file.
    #[error("there is no disk image {}", .0.display())]
    Missing(PathBuf),
    /// A directory.
    #[error("{} is a directory, expected a raw disk image", .0.display())]
    Directory(PathBuf),
    /// A pipe, a terminal or the like.
    #[error("{} is neither a file nor a block device, expected a raw disk image", .0.display())]
    Kind(PathBuf),
    /// The host forbids it.
    #[error("no permission to {action} the disk image {}", path.display())]
    Permission {
        /// The image.
        path: PathBuf,
        /// What was to be done with it.
        action: &'static str,
        /// What the host says.
        source: io::Error,
    },
    /// The host cannot open it for another reason.
    #[error("cannot open the disk image {}", path.display())]
    Open {
        /// The image.
        path: PathBuf,
        /// What the host says.
        source: io::Error,
    },
    /// No bytes at all.
    #[error("the disk image {} is empty", .0.display())]
    Empty(PathBuf),
    /// Not whole sectors.
    #[error(
        "the disk image {} has {len_bytes} bytes, expected a multiple of {SECTOR_BYTES}",
        path.display()
    )]
    PartialSector {
        /// The image.
        path: PathBuf,
        /// Its size.
        len_bytes: u64,
    },
    /// In use elsewhere.
    #[error("the disk image {} is in use by another disk or process", .0.display())]
    Locked(PathBuf),
}

/// Where writes go.
#[derive(Debug)]
enum Writes {
    /// To the image; `is_dirty` while the host may not have stored them yet.
    Image {
        is_dirty: bool,
    },
    Nowhere,
    Overlay(Overlay),
}

/// A raw image in use.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    file: File,
    len_bytes: u64,
    writes: Writes,
}

impl Disk {
    /// Opens the image at `path` and locks it against others who do so too.
    ///
    /// # Errors
    /// [`DiskError`] where it is no raw image, or the host does not give it.
    pub fn open(path: &Path, mode: Mode) -> Result<Self, DiskError> {
        let named = || path.to_owned();
        let kind = path.metadata().map_err(|error| refused(path, mode, error))?.file_type();
        if kind.is_dir() {
            return Err(DiskError::Directory(named()));
        }
        if !has_sectors(kind) {
            return Err(DiskError::Kind(named()));
        }
        let in_place = mode == Mode::ReadWrite;
        let opened = File::options().read(true).write(in_place).open(path);
        let mut file = opened.map_err(|error| refused(path, mode, error))?;
        match if in_place { file.try_lock() } else { file.try_lock_shared() } {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DiskError::Locked(named())),
            // Not every file system has locks.
            Err(TryLockError::Error(error)) => log::info!("{} not locked: {error}", path.display()),
        }
        // Unlike metadata, this tells the size of a block device too.
        let len_bytes = file.seek(SeekFrom::End(0)).map_err(|error| refused(path, mode, error))?;
        if len_bytes == 0 {
            return Err(DiskError::Empty(named()));
        }
        if !len_bytes.is_multiple_of(SECTOR_BYTES) {
            return Err(DiskError::PartialSector { path: named(), len_bytes });
        }
        let writes = match mode {
            Mode::ReadWrite => Writes::Image { is_dirty: false },
            Mode::ReadOnly => Writes::Nowhere,
            Mode::Snapshot => Writes::Overlay(Overlay::default()),
        };
        Ok(Self { path: named(), file, len_bytes, writes })
    }

    fn try_read(&mut self, offset: u64, to: &mut [u8]) -> io::Result<()> {
        check_end(self.len_bytes, offset, to.len() as u64)?;
        read_file(&mut self.file, offset, to)?;
        if let Writes::Overlay(overlay) = &self.writes {
            overlay.apply(offset, to);
        }
        Ok(())
    }

    fn try_write(&mut self, offset: u64, from: &[u8]) -> io::Result<()> {
        check_end(self.len_bytes, offset, from.len() as u64)?;
        match &mut self.writes {
            Writes::Image { is_dirty } => {
                *is_dirty = true;
                self.file.seek(SeekFrom::Start(offset))?;
                self.file.write_all(from)
            }
            Writes::Nowhere => Err(read_only()),
            Writes::Overlay(overlay) => {
                let (file, len_bytes) = (&mut self.file, self.len_bytes);
                overlay.write(offset, from, |block| image_block(file, len_bytes, block))
            }
        }
    }

    fn try_flush(&mut self) -> io::Result<()> {
        if let Writes::Image { is_dirty } = &mut self.writes
            && *is_dirty
        {
            self.file.sync_data()?;
            *is_dirty = false;
        }
        Ok(())
    }

    /// The error with the name of the image, for logs.
    fn named(&self, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("{}: {error}", self.path.display()))
    }
}

impl Storage for Disk {
    fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn is_read_only(&self) -> bool {
        matches!(self.writes, Writes::Nowhere)
    }

    fn read_at(&mut self, offset: u64, to: &mut [u8]) -> io::Result<()> {
        self.try_read(offset, to).map_err(|error| self.named(&error))
    }

    fn write_at(&mut self, offset: u64, from: &[u8]) -> io::Result<()> {
        self.try_write(offset, from).map_err(|error| self.named(&error))
    }

    /// The image keeps what it has; memory that holds discarded writes is freed.
    fn discard(&mut self, offset: u64, len_bytes: u64) -> io::Result<()> {
        let checked = check_end(self.len_bytes, offset, len_bytes);
        checked.map_err(|error| self.named(&error))?;
        match &mut self.writes {
            Writes::Image { .. } => Ok(()),
            Writes::Nowhere => Err(self.named(&read_only())),
            Writes::Overlay(overlay) => {
                overlay.discard(offset, len_bytes);
                Ok(())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.try_flush().map_err(|error| self.named(&error))
    }
}

/// The end of the machine is the last flush.
impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(error) = self.flush() {
            log::warn!("disk not flushed: {error}");
        }
    }
}

/// A whole block of an image, the last one filled up with zeroes.
fn image_block(file: &mut File, len_bytes: u64, block: u64) -> io::Result<Box<Block>> {
    let mut bytes = overlay::empty();
    let offset = block * BLOCK_BYTES as u64;
    let len = (len_bytes - offset).min(BLOCK_BYTES as u64) as usize;
    read_file(file, offset, &mut bytes[..len])?;
    Ok(bytes)
}

fn read_file(file: &mut File, offset: u64, to: &mut [u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(to)
}

/// Whether so many bytes at `offset` all lie on a disk of `disk_bytes`.
fn check_end(disk_bytes: u64, offset: u64, len_bytes: u64) -> io::Result<()> {
    if offset.checked_add(len_bytes).is_some_and(|end| end <= disk_bytes) {
        return Ok(());
    }
    Err(io::Error::new(ErrorKind::UnexpectedEof, "past the end of the disk"))
}

fn read_only() -> io::Error {
    io::Error::new(ErrorKind::ReadOnlyFilesystem, "the disk is read-only")
}

fn has_sectors(kind: FileType) -> bool {
    #[cfg(unix)]
    let is_device = std::os::unix::fs::FileTypeExt::is_block_device(&kind);
    #[cfg(not(unix))]
    let is_device = false;
    kind.is_file() || is_device
}

/// What an error of the host at opening means.
fn refused(path: &Path, mode: Mode, source: io::Error) -> DiskError {
    let path = path.to_owned();
    let action = if mode == Mode::ReadWrite { "write" } else { "read" };
    match source.kind() {
        ErrorKind::NotFound => DiskError::Missing(path),
        ErrorKind::PermissionDenied => DiskError::Permission { path, action, source },
        _ => DiskError::Open { path, source },
    }
}

#[cfg(test)]
mod tests;
