//! System calls about files. `transfer.rs` moves bytes between files
//! and memory, `copy.rs` and `splice.rs` between files, `open.rs` makes descriptors and
//! `descriptor.rs` changes them, `names.rs` changes directories, `status.rs` tells of files and
//! `change.rs` changes them, `attributes.rs` refuses to add to them, `poll.rs` waits for several, `mount.rs` puts file systems in place.
//!
//! Here is what they share: how arguments become open files and places.

use alloc::sync::Arc;
use alloc::vec::Vec;

use guest::errno::Errno;
use guest::fs::Identity;
use guest::fs::path::{Goal, PATH_MAX_BYTES, Walked};
use linux_raw_sys::general as linux;

use super::{Answer, Row};
use crate::arch::trap::TrapFrame;
use crate::fs::names::{Walk, who};
use crate::fs::{OpenFile, Place};
use crate::mm::user;
use crate::task::current_process;

mod attributes;
mod change;
mod copy;
mod descriptor;
mod mount;
mod names;
mod open;
mod poll;
mod splice;
mod status;
mod swap;
mod transfer;

macro_rules! rows {
    ($($number:ident $module:ident::$name:ident)*) => {
        &[$(Row { number: linux::$number, name: stringify!($name), call: $module::$name }),*]
    };
}

pub(super) const ROWS: &[Row] = rows! {
    __NR_getcwd names::getcwd
    __NR_dup descriptor::dup
    __NR_dup3 descriptor::dup3
    __NR_fcntl descriptor::fcntl
    __NR_ioctl descriptor::ioctl
    __NR_flock descriptor::flock
    __NR_mknodat names::mknodat
    __NR_mkdirat names::mkdirat
    __NR_unlinkat names::unlinkat
    __NR_symlinkat names::symlinkat
    __NR_linkat names::linkat
    __NR_renameat2 names::renameat2
    __NR_umount2 mount::umount2
    __NR_mount mount::mount
    __NR_statfs status::statfs
    __NR_fstatfs status::fstatfs
    __NR_truncate change::truncate
    __NR_ftruncate change::ftruncate
    __NR_fallocate change::fallocate
    __NR_faccessat status::faccessat
    __NR_faccessat2 status::faccessat2
    __NR_chdir names::chdir
    __NR_fchdir names::fchdir
    __NR_chroot names::chroot
    __NR_fchmod change::fchmod
    __NR_fchmodat change::fchmodat
    __NR_fchownat change::fchownat
    __NR_fchown change::fchown
    __NR_openat open::openat
    __NR_close open::close
    __NR_close_range open::close_range
    __NR_pipe2 open::pipe2
    __NR_memfd_create open::memfd_create
    __NR_getdents64 transfer::getdents64
    __NR_lseek transfer::lseek
    __NR_read transfer::read
    __NR_write transfer::write
    __NR_readv transfer::readv
    __NR_writev transfer::writev
    __NR_pread64 transfer::pread64
    __NR_pwrite64 transfer::pwrite64
    __NR_preadv transfer::preadv
    __NR_pwritev transfer::pwritev
    __NR_preadv2 transfer::preadv2
    __NR_pwritev2 transfer::pwritev2
    __NR_sendfile copy::sendfile
    __NR_copy_file_range copy::copy_file_range
    __NR_vmsplice splice::vmsplice
    __NR_splice splice::splice
    __NR_tee splice::tee
    __NR_pselect6 poll::pselect6
    __NR_ppoll poll::ppoll
    __NR_readlinkat status::readlinkat
    __NR_newfstatat status::newfstatat
    __NR_fstat status::fstat
    __NR_statx status::statx
    __NR_swapoff swap::swapoff
    __NR_swapon swap::swapon
    __NR_sync change::sync
    __NR_fsync change::fsync
    __NR_fdatasync change::fsync
    __NR_syncfs change::syncfs
    __NR_utimensat change::utimensat
    __NR_fadvise64 change::fadvise64
    __NR_readahead change::readahead
    __NR_sync_file_range change::sync_file_range
    __NR_setxattr attributes::setxattr
    __NR_lsetxattr attributes::lsetxattr
    __NR_fsetxattr attributes::fsetxattr
    __NR_getxattr attributes::getxattr
    __NR_lgetxattr attributes::lgetxattr
    __NR_fgetxattr attributes::fgetxattr
    __NR_listxattr attributes::listxattr
    __NR_llistxattr attributes::llistxattr
    __NR_flistxattr attributes::flistxattr
    __NR_removexattr attributes::removexattr
    __NR_lremovexattr attributes::lremovexattr
    __NR_fremovexattr attributes::fremovexattr
};

/// The open file that argument `n` is a descriptor of: EBADF.
#[inline(always)]
fn file(frame: &TrapFrame, n: usize) -> Result<Arc<OpenFile>, Errno> {
    current_process().file(frame.a(n) as u32)
}

/// The path at the address in argument `n`: EFAULT, ENAMETOOLONG.
fn path(frame: &TrapFrame, n: usize) -> Result<Vec<u8>, Errno> {
    user::read_string(frame.a(n), PATH_MAX_BYTES)
}

/// Where a path begins, and on whose behalf it is followed.
struct Start {
    walk: Walk,
    place: Place,
}

impl Start {
    /// At the directory that descriptor `fd` refers to, or AT_FDCWD: EBADF, unless the path begins
    /// at the root.
    fn at(fd: u64, path: &[u8]) -> Result<Self, Errno> {
        Self::at_as(fd, path, who())
    }

    fn at_as(fd: u64, path: &[u8], who: Identity) -> Result<Self, Errno> {
        let process = current_process();
        let (root, current) = {
            let context = process.fs();
            let context = context.lock();
            (context.root.clone(), context.current.clone())
        };
        let place = match fd as i32 {
            _ if path.first() == Some(&b'/') => root.clone(),
            linux::AT_FDCWD => current,
            fd => process.files().lock().place(fd as u32)?.0,
        };
        Ok(Self { walk: Walk::new(root, who), place })
    }

    fn go<'p>(&self, path: &'p [u8], goal: Goal) -> Result<Walked<'p, Place>, Errno> {
        self.walk.go(self.place.clone(), path, goal)
    }

    /// The directory of a path's last name, in which something is to be made or removed.
    fn parent<'p>(&self, path: &'p [u8]) -> Result<Walked<'p, Place>, Errno> {
        self.go(path, Goal::Parent)
    }
}

/// The place that a directory's descriptor, a path, and AT_ flags mean, for `who`.
fn locate_as(fd: u64, at: u64, flags: u32, who: Identity) -> Result<Place, Errno> {
    let path = match at {
        0 if flags & linux::AT_EMPTY_PATH != 0 => Vec::new(),
        _ => user::read_string(at, PATH_MAX_BYTES)?,
    };
    let start = Start::at_as(fd, &path, who)?;
    if path.is_empty() && flags & linux::AT_EMPTY_PATH != 0 {
        return Ok(start.place);
    }
    let link = flags & linux::AT_SYMLINK_NOFOLLOW != 0;
    start.go(&path, if link { Goal::Entry } else { Goal::Target })?.found()
}

fn locate(fd: u64, at: u64, flags: u32) -> Result<Place, Errno> {
    locate_as(fd, at, flags, who())
}

/// EINVAL where `flags` has any but those allowed.
fn only(flags: u64, allowed: u32) -> Result<u32, Errno> {
    let flags = flags as u32;
    if flags & !allowed == 0 { Ok(flags) } else { Err(Errno::EINVAL) }
}

/// Descriptors that this process may have: RLIMIT_NOFILE.
fn descriptor_limit() -> u64 {
    current_process().limit(linux::RLIMIT_NOFILE)
}

/// Whether [`install`] will find a descriptor: EMFILE. Calls that make files ask before they do.
pub(super) fn check_room() -> Result<(), Errno> {
    let limit = descriptor_limit();
    current_process().files().lock().check_room(limit)
}

/// Gives an open file the lowest free descriptor: EMFILE.
pub(super) fn install(file: Arc<OpenFile>, flags: u32) -> Answer {
    let limit = descriptor_limit();
    let files = current_process().files();
    let at_exec = crate::fs::AtExec::of(flags);
    // If there is none, the file is dropped with the lock free.
    let installed = { files.lock().insert(file.clone(), at_exec, 0, limit) };
    installed.map(u64::from)
}
