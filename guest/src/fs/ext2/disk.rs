//! [`Disk`]: what an ext2 file system lies on. The kernel's is a block device; the tests' is memory
//! that forgets what was written after a power cut.

/// The disk failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoError;

/// Bytes at positions. Positions and lengths are multiples of 1024 bytes, and at most one block of
/// the file system is asked for at once.
///
/// What is written in one call must reach the disk before what is written in the next, whole or
/// not at all, even if the power is cut: a device with a cache that reorders must be told to flush
/// it between them.
pub trait Disk {
    /// How large it is.
    fn size_bytes(&self) -> u64;
    /// Whether it cannot be written.
    fn is_read_only(&self) -> bool;
    /// Reads, from a position on.
    ///
    /// # Errors
    /// [`IoError`].
    fn read(&self, position: u64, to: &mut [u8]) -> Result<(), IoError>;
    /// Writes, from a position on.
    ///
    /// # Errors
    /// [`IoError`].
    fn write(&self, position: u64, from: &[u8]) -> Result<(), IoError>;
    /// Makes what was written survive.
    ///
    /// # Errors
    /// [`IoError`].
    fn flush(&self) -> Result<(), IoError>;
}
