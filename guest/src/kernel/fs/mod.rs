//! Files: the tree of directories, descriptors, terminals, pipes.
//!
//! `inode.rs` says what a file is and does; `tmpfs.rs`, `synthetic.rs`, `pipe.rs`, `tty.rs`,
//! `device.rs`, `block.rs`, `ext2/`, `port.rs` and `process_file.rs` are files. `names.rs` and `mount.rs` find them, `open_file.rs` and
//! `table.rs` are what processes hold of them. `start.rs` makes the first ones.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use guest::errno::Errno;
use guest::fs::access::Wish;
use guest::fs::path::Goal;
use guest::fs::{Identity, Kind};
use linux_raw_sys::general as linux;

use crate::sync::SpinLock;
use crate::task;

mod block;
pub(crate) mod buffer;
mod device;
pub(crate) mod ext2;
pub(crate) mod inode;
pub(crate) mod listing;
pub(crate) mod locks;
pub(crate) mod mount;
pub(crate) mod names;
pub(crate) mod on_disk;
mod open_file;
pub(crate) mod pipe;
pub(crate) mod port;
pub(crate) mod process_file;
pub(crate) mod size_limit;
mod start;
pub(crate) mod synthetic;
mod table;
pub(crate) mod tmpfs;
pub(crate) mod tty;
mod writers;

use inode::Flags;
use names::Walk;
pub(crate) use names::{FsContext, Place};
pub(crate) use open_file::OpenFile;
pub(crate) use start::{add_disks, devices, first_descriptors, init, mount_root, proc_system};
pub(crate) use table::{AtExec, FdTable};

/// Device number of files without a name: pipes and ports.
const NAMELESS_DEVICE: u64 = 3;

/// The root of everything, once it is there.
static ROOT: SpinLock<Option<Place>> = SpinLock::new(None);

fn root() -> Place {
    ROOT.lock().clone().expect("files are there before processes")
}

/// Opens a regular file with permission to execute: EACCES, ENOENT, ETXTBSY, …
pub(crate) fn open_program(path: &[u8]) -> Result<Arc<OpenFile>, Errno> {
    let who = names::who();
    open_to_run(find(path, who.clone())?, &who)
}

/// What a path of the current process leads to; of a thread of the kernel, from the root.
fn find(path: &[u8], who: Identity) -> Result<Place, Errno> {
    let process = task::current_process_or_none();
    let context = process.map_or_else(FsContext::new, |process| process.fs().lock().clone());
    Walk::new(context.root, who).go(context.current, path, Goal::Target)?.found()
}

/// Whether a path leads to something that can be run.
pub(crate) fn is_program(path: &[u8]) -> bool {
    let place = find(path, Identity::ROOT);
    place.is_ok_and(|place| {
        place.inode.kind() == Kind::Regular && place.check(&Identity::ROOT, Wish::EXECUTE).is_ok()
    })
}

/// What a path of the current process leads to.
pub(crate) fn locate_file(path: &[u8]) -> Result<Arc<dyn inode::Inode>, Errno> {
    Ok(find(path, names::who())?.inode)
}

/// All of a regular file, for the kernel itself.
pub(crate) fn read_file(path: &[u8]) -> Result<Vec<u8>, Errno> {
    let place = find(path, Identity::ROOT)?;
    if place.inode.kind() != Kind::Regular {
        return Err(Errno::EACCES);
    }
    let flags = Flags(linux::O_RDONLY);
    let file = place.inode.clone().open(flags)?;
    let open = OpenFile::new(place, file, flags);
    let mut content = vec![0; open.size() as usize];
    let count = open.read_at(0, &mut content)?;
    content.truncate(count);
    Ok(content)
}

/// Opens what a place is, to be run.
pub(crate) fn open_to_run(place: Place, who: &Identity) -> Result<Arc<OpenFile>, Errno> {
    if place.inode.kind() != Kind::Regular {
        return Err(Errno::EACCES);
    }
    place.check(who, Wish::EXECUTE)?;
    if place.mount.as_ref().is_some_and(|mount| mount.has(linux::MS_NOEXEC)) {
        return Err(Errno::EACCES);
    }
    let flags = Flags(linux::O_RDONLY);
    let file = place.inode.clone().open(flags)?;
    let open = OpenFile::new(place, file, flags);
    open.run()?;
    Ok(open)
}

/// Opens a regular file for the kernel itself, which may read them all: ENOENT, …
pub(crate) fn open_for_kernel(path: &[u8]) -> Result<Arc<OpenFile>, Errno> {
    let walk = Walk::new(root(), Identity::ROOT);
    let place = walk.go(root(), path, Goal::Target)?.found()?;
    if place.inode.kind() != Kind::Regular {
        return Err(Errno::EACCES);
    }
    let flags = Flags(linux::O_RDONLY);
    let file = place.inode.clone().open(flags)?;
    Ok(OpenFile::new(place, file, flags))
}

/// Mounts a file system on a directory that is there.
///
/// # Errors
/// ENOENT, ENOMEM.
pub(crate) fn mount_at(
    path: &[u8],
    system: Arc<dyn mount::FileSystem>,
    source: &[u8],
) -> Result<(), Errno> {
    let place = Walk::new(root(), Identity::ROOT).go(root(), path, Goal::Target)?.found()?;
    mount::mount(system, Some(place), source, 0).map(|_| ())
}

/// Makes the console, before its driver lets input in: what was typed early waits for a reader.
pub(crate) fn begin_console() {
    tty::init();
}

/// A byte from the serial line; called by the driver with interrupts off.
pub(crate) fn console_input(byte: u8) {
    tty::console_input(byte);
}
