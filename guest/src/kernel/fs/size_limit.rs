//! RLIMIT_FSIZE: how large a process makes files. What is limited are files that lie in a file
//! system; the rest of `fs` asks here before one grows.

use core::sync::atomic::{AtomicBool, Ordering};

use guest::errno::Errno;
use guest::fs::Kind;
use guest::task::limits::{FSIZE, INFINITY, fitting};
use linux_raw_sys::general as linux;

use super::inode::{File, Inode};
use crate::task;

/// Whether any process ever had a limit: most systems have nothing to look up.
static IS_SET: AtomicBool = AtomicBool::new(false);

/// A process has this limit from now on.
pub(crate) fn noticed(bytes: u64) {
    if bytes != INFINITY {
        IS_SET.store(true, Ordering::Relaxed);
    }
}

/// The limit that the current process has for this file; `None`: there is none.
#[inline]
fn of(inode: &dyn Inode) -> Option<u64> {
    if !IS_SET.load(Ordering::Relaxed) || inode.kind() != Kind::Regular {
        return None;
    }
    Some(task::current_process().limit(FSIZE)).filter(|limit| *limit != INFINITY)
}

/// The current process has tried to make a file larger than it may.
fn too_large(errno: Errno) -> Errno {
    task::signal::send_to_self(linux::SIGXFSZ as u8);
    errno
}

/// How many of `count` bytes may be written at a position, or behind the end where there is none.
///
/// # Errors
/// EFBIG, with SIGXFSZ: none.
#[inline]
pub(super) fn room(
    (inode, file): (&dyn Inode, &dyn File),
    at: Option<u64>,
    count: usize,
) -> Result<usize, Errno> {
    let Some(limit) = of(inode) else { return Ok(count) };
    // What has no end is none of a file system's.
    let Ok(end) = file.end() else { return Ok(count) };
    fitting(limit, at.unwrap_or(end), count).map_err(too_large)
}

/// Whether the file may be made this large.
///
/// # Errors
/// EFBIG, with SIGXFSZ.
pub(crate) fn check(inode: &dyn Inode, size_bytes: u64) -> Result<(), Errno> {
    match of(inode) {
        Some(limit) if size_bytes > limit.max(inode.stat().size_bytes) => {
            Err(too_large(Errno::EFBIG))
        }
        _ => Ok(()),
    }
}
