//! Files: [`File`] and the calls on descriptors and paths. Paths are bytes; one with a NUL inside
//! is `EINVAL`. Relative ones start at the working directory.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use linux_raw_sys::general as g;
pub use linux_raw_sys::general::stat as Stat;

use super::call::{Plain, args, call};
use crate::errno::{Errno, Result};

/// Longest link that is read.
const LINK_MAX_BYTES: usize = 4096;
/// Piece by which files are read whole.
const READ_BYTES: usize = 4096;

/// An open file; closed when dropped.
#[derive(Debug)]
pub struct File(i32);

impl File {
    /// Opens with `O_*` flags, close-on-exec; `mode` is for a file that this creates.
    pub fn open_with(path: &[u8], flags: u32, mode: u32) -> Result<Self> {
        open(path, flags | g::O_CLOEXEC, mode).map(Self)
    }

    /// Opens for reading.
    pub fn open(path: &[u8]) -> Result<Self> {
        Self::open_with(path, g::O_RDONLY, 0)
    }

    /// Opens for writing, empty.
    pub fn create(path: &[u8]) -> Result<Self> {
        Self::open_with(path, g::O_WRONLY | g::O_CREAT | g::O_TRUNC, 0o666)
    }

    /// Owns this descriptor from now on.
    pub fn from_fd(fd: i32) -> Self {
        Self(fd)
    }

    /// The descriptor.
    pub fn fd(&self) -> i32 {
        self.0
    }

    /// The descriptor, which nobody closes now.
    pub fn into_fd(self) -> i32 {
        let fd = self.0;
        core::mem::forget(self);
        fd
    }

    /// Reads what there is, at most the buffer; 0 at the end.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        read(self.0, buffer)
    }

    /// Reads at this offset and leaves the file's own where it is.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        call(g::__NR_pread64, args![self.0, buffer, offset as usize])
    }

    /// Appends all that is left of the file.
    pub fn read_to_end(&self, text: &mut Vec<u8>) -> Result<()> {
        loop {
            let used = text.len();
            text.resize(used + READ_BYTES, 0);
            let count = retry(|| read(self.0, &mut text[used..]));
            text.truncate(used + count.unwrap_or(0));
            if count? == 0 {
                return Ok(());
            }
        }
    }

    /// Writes all of it.
    pub fn write_all(&self, bytes: &[u8]) -> Result<()> {
        write_all(self.0, bytes)
    }

    /// Writes at this offset and leaves the file's own where it is; how many bytes.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        call(g::__NR_pwrite64, args![self.0, bytes, offset as usize])
    }

    /// Where data (`SEEK_DATA`) or a hole (`SEEK_HOLE`) begins, from an offset on.
    pub fn find(&self, offset: u64, what: u32) -> Result<u64> {
        call(g::__NR_lseek, args![self.0, offset as usize, what]).map(|at| at as u64)
    }

    /// Moves the offset, from the start.
    pub fn seek(&self, offset: u64) -> Result<()> {
        call(g::__NR_lseek, args![self.0, offset as usize, g::SEEK_SET]).map(drop)
    }

    /// How long it is; of a disk, how large. The offset is at the end then.
    pub fn length(&self) -> Result<u64> {
        call(g::__NR_lseek, args![self.0, 0_usize, g::SEEK_END]).map(|length| length as u64)
    }

    /// Has everything that was written to it survive.
    pub fn sync(&self) -> Result<()> {
        call(g::__NR_fsync, args![self.0]).map(drop)
    }

    /// Sets the length.
    pub fn truncate(&self, length: u64) -> Result<()> {
        call(g::__NR_ftruncate, args![self.0, length as usize]).map(drop)
    }

    /// What the file is.
    pub fn stat(&self) -> Result<Stat> {
        stat_fd(self.0)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // Errors of close say nothing that a reader could use; writers look at write's.
        let _ = close(self.0);
    }
}

/// Again as long as a signal interrupts it.
pub fn retry<T>(mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        match attempt() {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

/// The path as the kernel takes it.
pub fn c_path(path: &[u8]) -> Result<CString> {
    CString::new(path).map_err(|_| Errno::INVAL)
}

/// The content of a file.
pub fn read_file(path: &[u8]) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.read_to_end(&mut text)?;
    Ok(text)
}

/// Opens without any addition; the descriptor.
pub fn open(path: &[u8], flags: u32, mode: u32) -> Result<i32> {
    open_c(&c_path(path)?, flags, mode)
}

/// As [`open`], without an allocation.
pub fn open_c(path: &CStr, flags: u32, mode: u32) -> Result<i32> {
    call(g::__NR_openat, args![g::AT_FDCWD, path, flags | g::O_LARGEFILE, mode]).map(|fd| fd as i32)
}

/// Closes a descriptor.
pub fn close(fd: i32) -> Result<()> {
    call(g::__NR_close, args![fd]).map(drop)
}

/// Reads from a descriptor.
pub fn read(fd: i32, buffer: &mut [u8]) -> Result<usize> {
    call(g::__NR_read, args![fd, buffer])
}

/// Writes to a descriptor, perhaps only a part.
pub fn write(fd: i32, bytes: &[u8]) -> Result<usize> {
    call(g::__NR_write, args![fd, bytes])
}

/// Writes all of it, whatever signals come.
pub fn write_all(fd: i32, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        let count = retry(|| write(fd, bytes))?;
        bytes = &bytes[count..];
    }
    Ok(())
}

/// A pipe, both ends close-on-exec: the end to read, the end to write.
pub fn pipe() -> Result<(File, File)> {
    let mut ends = 0_u64;
    call(g::__NR_pipe2, args![&mut ends, g::O_CLOEXEC])?;
    Ok((File(ends as i32), File((ends >> 32) as i32)))
}

/// Makes a named pipe.
pub fn make_fifo(path: &[u8], mode: u32) -> Result<()> {
    let path = c_path(path)?;
    call(g::__NR_mknodat, args![g::AT_FDCWD, path.as_c_str(), g::S_IFIFO | mode, 0_usize]).map(drop)
}

/// Bytes in a pipe that nobody has read yet.
pub fn unread(pipe: &File) -> Result<u32> {
    let mut count = 0_u32;
    call(g::__NR_ioctl, args![pipe.fd(), linux_raw_sys::ioctl::FIONREAD, &mut count])?;
    Ok(count)
}

/// Moves bytes from where one file is to where another is, one of them a pipe; how many.
pub fn splice(from: &File, to: &File, count: usize) -> Result<usize> {
    const HERE: usize = 0;
    call(g::__NR_splice, args![from.fd(), HERE, to.fd(), HERE, count, 0_usize])
}

/// Makes `to` another name of `from`, not close-on-exec; the same number is left as it is.
pub fn duplicate_to(from: i32, to: i32) -> Result<()> {
    if from == to {
        return Ok(());
    }
    call(g::__NR_dup3, args![from, to, 0_usize]).map(drop)
}

/// Another name of `fd`, from `lowest` up, close-on-exec.
pub fn duplicate_above(fd: i32, lowest: i32) -> Result<i32> {
    call(g::__NR_fcntl, args![fd, g::F_DUPFD_CLOEXEC, lowest]).map(|fd| fd as i32)
}

/// What the file behind a descriptor is.
pub fn stat_fd(fd: i32) -> Result<Stat> {
    let mut stat = Stat::zeroed();
    call(g::__NR_fstat, args![fd, &mut stat])?;
    Ok(stat)
}

/// What a path leads to.
pub fn stat(path: &[u8]) -> Result<Stat> {
    stat_at(path, 0)
}

/// What a path names: of a symbolic link, the link.
pub fn stat_link(path: &[u8]) -> Result<Stat> {
    stat_at(path, g::AT_SYMLINK_NOFOLLOW)
}

fn stat_at(path: &[u8], flags: u32) -> Result<Stat> {
    let mut stat = Stat::zeroed();
    let path = c_path(path)?;
    call(g::__NR_newfstatat, args![g::AT_FDCWD, path.as_c_str(), &mut stat, flags])?;
    Ok(stat)
}

/// Whether `mode` of a [`Stat`] is of this kind (`S_IFDIR`, ...).
pub fn is_kind(mode: u32, kind: u32) -> bool {
    mode & g::S_IFMT == kind
}

/// Whether the path leads to a directory.
pub fn is_directory(path: &[u8]) -> bool {
    stat(path).is_ok_and(|stat| is_kind(stat.st_mode, g::S_IFDIR))
}

/// Whether the process may do this to the file: `R_OK`, `W_OK`, `X_OK` together; 0: it exists.
pub fn access(path: &[u8], mode: u32) -> Result<()> {
    call(g::__NR_faccessat, args![g::AT_FDCWD, c_path(path)?.as_c_str(), mode]).map(drop)
}

/// Makes a directory.
pub fn make_directory(path: &[u8], mode: u32) -> Result<()> {
    call(g::__NR_mkdirat, args![g::AT_FDCWD, c_path(path)?.as_c_str(), mode]).map(drop)
}

/// Takes a name away, not a directory's.
pub fn unlink(path: &[u8]) -> Result<()> {
    call(g::__NR_unlinkat, args![g::AT_FDCWD, c_path(path)?.as_c_str(), 0_usize]).map(drop)
}

/// Takes an empty directory away.
pub fn remove_directory(path: &[u8]) -> Result<()> {
    let path = c_path(path)?;
    call(g::__NR_unlinkat, args![g::AT_FDCWD, path.as_c_str(), g::AT_REMOVEDIR]).map(drop)
}

/// Gives a file another name.
pub fn rename(from: &[u8], to: &[u8]) -> Result<()> {
    let (from, to) = (c_path(from)?, c_path(to)?);
    let (from, to) = (from.as_c_str(), to.as_c_str());
    call(g::__NR_renameat2, args![g::AT_FDCWD, from, g::AT_FDCWD, to, 0_usize]).map(drop)
}

/// Gives a file a second name.
pub fn link(from: &[u8], to: &[u8]) -> Result<()> {
    let (from, to) = (c_path(from)?, c_path(to)?);
    let (from, to) = (from.as_c_str(), to.as_c_str());
    call(g::__NR_linkat, args![g::AT_FDCWD, from, g::AT_FDCWD, to, 0_usize]).map(drop)
}

/// Makes a symbolic link at `path`.
pub fn symbolic_link(target: &[u8], path: &[u8]) -> Result<()> {
    let (target, path) = (c_path(target)?, c_path(path)?);
    call(g::__NR_symlinkat, args![target.as_c_str(), g::AT_FDCWD, path.as_c_str()]).map(drop)
}

/// Where a symbolic link leads.
pub fn read_link(path: &[u8]) -> Result<Vec<u8>> {
    let mut target = alloc::vec![0; LINK_MAX_BYTES];
    let path = c_path(path)?;
    let count =
        call(g::__NR_readlinkat, args![g::AT_FDCWD, path.as_c_str(), target.as_mut_slice()])?;
    target.truncate(count);
    Ok(target)
}

/// Sets a file's times to now.
pub fn touch(path: &[u8]) -> Result<()> {
    let path = c_path(path)?;
    call(g::__NR_utimensat, args![g::AT_FDCWD, path.as_c_str(), 0_usize, 0_usize]).map(drop)
}

/// Sets a file's permissions.
pub fn set_mode(path: &[u8], mode: u32) -> Result<()> {
    call(g::__NR_fchmodat, args![g::AT_FDCWD, c_path(path)?.as_c_str(), mode]).map(drop)
}

/// Makes a directory the working directory.
pub fn change_directory(path: &[u8]) -> Result<()> {
    call(g::__NR_chdir, args![c_path(path)?.as_c_str()]).map(drop)
}

/// Makes a directory the root of all files; the working directory stays.
pub fn change_root(path: &[u8]) -> Result<()> {
    call(g::__NR_chroot, args![c_path(path)?.as_c_str()]).map(drop)
}

/// The working directory.
pub fn working_directory() -> Result<Vec<u8>> {
    let mut path = alloc::vec![0; LINK_MAX_BYTES];
    let count = call(g::__NR_getcwd, args![path.as_mut_slice()])?;
    // The count includes the NUL.
    path.truncate(count.saturating_sub(1));
    Ok(path)
}

/// Sets the permissions that new files do not get; the former ones.
pub fn set_umask(mask: u32) -> u32 {
    // It cannot fail.
    call(g::__NR_umask, args![mask]).map_or(0, |former| former as u32)
}

/// Mounts a file system of this type.
pub fn mount(source: &[u8], target: &[u8], kind: &[u8], flags: u32) -> Result<()> {
    mount_with(source, target, kind, flags, b"")
}

/// The same with options that are the file system's own.
pub fn mount_with(
    source: &[u8],
    target: &[u8],
    kind: &[u8],
    flags: u32,
    options: &[u8],
) -> Result<()> {
    let (source, target) = (c_path(source)?, c_path(target)?);
    let (kind, options) = (c_path(kind)?, c_path(options)?);
    let (source, target) = (source.as_c_str(), target.as_c_str());
    let (kind, options) = (kind.as_c_str(), options.as_c_str());
    call(g::__NR_mount, args![source, target, kind, flags, options]).map(drop)
}

/// Takes the file system away that is mounted there.
pub fn unmount(target: &[u8]) -> Result<()> {
    unmount_with(target, 0)
}

/// The same with flags: MNT_DETACH and so on.
pub fn unmount_with(target: &[u8], flags: u32) -> Result<()> {
    call(g::__NR_umount2, args![c_path(target)?.as_c_str(), flags]).map(drop)
}

/// Makes all that was written survive, on every file system.
pub fn sync_all() -> Result<()> {
    call(g::__NR_sync, args![]).map(drop)
}
