//! The first files: the root with the archive unpacked or on a disk, /dev, /proc, and the descriptors
//! that the first process begins with. Runs before there is any process.

use alloc::sync::Arc;

use guest::boot_options::Root;
use guest::errno::Errno;
use guest::fs::cpio::{CpioError, Entry, Sink, Unpacking};
use guest::fs::ext2::Access;
use guest::fs::layout::device_number;
use guest::fs::path::Goal;
use guest::fs::tree::Actor;
use guest::fs::{Identity, Kind};
use linux_raw_sys::general as linux;

use super::inode::{Flags, Inode, New};
use super::mount::{FileSystem, Unmount};
use super::names::{Place, Walk, now};
use super::port::{self, PortFile};
use super::synthetic::Synthetic;
use super::tmpfs::{Options, TmpNode, Tmpfs};
use super::{FdTable, OpenFile, device, ext2, mount, table::AtExec, tty};
use crate::debug::{self, Level};
use crate::mm::boot::Initrd;
use crate::sync::SpinLock;
use crate::{block, proc};

/// Magic number of /proc in statfs: Linux's `PROC_SUPER_MAGIC`.
const PROC_MAGIC: u64 = 0x9fa0;
/// Number of /proc as a file system.
const PROC_DEVICE: u64 = 2;
/// Permissions of directories that nobody has said any of.
const DIRECTORY: u16 = 0o755;
/// Permissions of disks.
const DISK: u16 = 0o660;

/// Makes the tree: tmpfs as root with the archive unpacked, /dev, /proc. Yields how many files the
/// archive held.
///
/// # Errors
/// No memory for the least of it. An archive that is bad is told of in the log; what it held up to
/// there is used.
pub(crate) fn init(initrd: Option<Initrd>) -> Result<usize, Errno> {
    let system = Tmpfs::new(unlimited("rootfs"), now());
    let mount = mount::mount(system, None, b"rootfs", 0)?;
    let root = Place { inode: mount.root().clone(), mount: Some(mount) };
    *super::ROOT.lock() = Some(root.clone());
    let mut unpacker = Unpacker { root: root.clone(), made: 0 };
    if let Some(initrd) = initrd
        && let Err(error) = unpack(initrd, &mut unpacker)
    {
        debug::log(Level::Error, format_args!("initramfs: {error}"));
    }
    for name in [&b"dev"[..], b"proc", b"tmp", b"root"] {
        directory(&root.inode, name)?;
    }
    mount_devices(&root)?;
    let on = Place { inode: root.inode.lookup(b"proc")?, mount: root.mount.clone() };
    mount::mount(proc_system(), Some(on), b"proc", 0)?;
    Ok(unpacker.made)
}

/// Unpacks the archive, whose memory is free as soon as it was looked at.
fn unpack(mut initrd: Initrd, unpacker: &mut Unpacker) -> Result<(), CpioError> {
    let mut unpacking = Unpacking::default();
    let mut before = 0;
    while unpacking.step(initrd.bytes(), unpacker)? {
        initrd.release(unpacking.at() - before);
        before = unpacking.at();
    }
    Ok(())
}

fn unlimited(kind: &'static str) -> Options {
    Options { kind, permissions: DIRECTORY, limit_pages: None }
}

fn by_root() -> Actor {
    Actor { who: Identity::ROOT, now: now() }
}

/// The directory of this name, made if it is missing.
fn directory(parent: &Arc<dyn Inode>, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
    match parent.lookup(name) {
        Err(Errno::ENOENT) => {
            parent.create(name, New::Plain(Kind::Directory, DIRECTORY), &by_root())
        }
        found => found,
    }
}

/// The file system in /dev, of which there is one.
static DEVICES: SpinLock<Option<Arc<Tmpfs>>> = SpinLock::new(None);

/// The file system in /dev.
pub(crate) fn devices() -> Option<Arc<Tmpfs>> {
    DEVICES.lock().clone()
}

/// A file system for /proc: all of them show the same.
pub(crate) fn proc_system() -> Arc<Synthetic> {
    Synthetic::new("proc", PROC_MAGIC, PROC_DEVICE, proc::root())
}

/// Mounts /dev with what is in it.
fn mount_devices(root: &Place) -> Result<(), Errno> {
    let system = Tmpfs::new(unlimited("devtmpfs"), now());
    *DEVICES.lock() = Some(system.clone());
    let on = Place { inode: directory(&root.inode, b"dev")?, mount: root.mount.clone() };
    let dev = mount::mount(system, Some(on), b"devtmpfs", 0)?;
    let dev = dev.root();
    for (name, major, minor, permissions) in device::NODES {
        let number = device_number(major, minor);
        dev.create(
            name.as_bytes(),
            New::Device(Kind::CharDevice, permissions, number),
            &by_root(),
        )?;
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        dev.create(name.as_bytes(), New::Link(target.as_bytes()), &by_root())?;
    }
    directory(dev, b"shm")?;
    directory(dev, b"mqueue")?;
    Ok(())
}

/// Makes the nodes of all disks.
///
/// # Errors
/// No memory for them.
pub(crate) fn add_disks() -> Result<(), Errno> {
    let Some(system) = devices() else { return Ok(()) };
    for disk in block::disks() {
        let new = New::Device(Kind::BlockDevice, DISK, disk.number());
        system.root().create(disk.name().as_bytes(), new, &by_root())?;
    }
    Ok(())
}

/// Puts the file system of a disk in place of the initial files, with /dev and /proc in it if it has
/// directories for them.
///
/// # Errors
/// ENOENT, ENOTBLK, ENODEV: it may not be of a kind that there is; the disk's.
pub(crate) fn mount_root(root: &Root<'_>) -> Result<(), Errno> {
    let (initial, device) = (super::root(), super::find(root.device, Identity::ROOT)?.inode);
    if device.kind() != Kind::BlockDevice {
        return Err(Errno::ENOTBLK);
    }
    if !root.may_be(ext2::KIND.as_bytes()) {
        return Err(Errno::ENODEV);
    }
    let (access, flags) = match root.is_read_only {
        true => (Access::ReadOnly, linux::MS_RDONLY),
        false => (Access::ReadWrite, 0),
    };
    let system = Arc::new(ext2::mount(device.stat().special, access)?);
    let mount = mount::mount(system, None, root.device, flags)?;
    let root = Place { inode: mount.root().clone(), mount: Some(mount) };
    *super::ROOT.lock() = Some(root.clone());
    let devices = devices().ok_or(Errno::ENODEV)?;
    let systems: [(&[u8], Arc<dyn FileSystem>, &[u8]); 2] =
        [(b"dev", devices, b"devtmpfs"), (b"proc", proc_system(), b"proc")];
    for (name, system, source) in systems {
        let walk = |from: &Place| {
            Walk::new(from.clone(), Identity::ROOT).go(from.clone(), name, Goal::Target)?.found()
        };
        mount::unmount(walk(&initial)?, Unmount::Detach)?;
        if let Ok(on) = walk(&root) {
            mount::mount(system, Some(on), source, 0)?;
        }
    }
    Ok(())
}

/// Makes files as an archive says.
struct Unpacker {
    root: Place,
    made: usize,
}

impl Unpacker {
    fn walk(&self, path: &[u8], goal: Goal) -> Result<Place, Errno> {
        Walk::new(self.root.clone(), Identity::ROOT).go(self.root.clone(), path, goal)?.found()
    }

    /// The directory that a path's last name is in, made if it is missing, and that name.
    fn parent<'p>(&self, path: &'p [u8]) -> Result<(Arc<dyn Inode>, &'p [u8]), Errno> {
        let mut at = self.root.inode.clone();
        let mut names = path.split(|byte| *byte == b'/');
        let last = names.next_back().unwrap_or(path);
        for name in names.filter(|name| !matches!(name, &b"" | &b".")) {
            at = directory(&at, name)?;
            if at.kind() == Kind::Symlink {
                let target = at.read_link()?;
                at = self.walk(&target, Goal::Target)?.inode;
            }
        }
        Ok((at, last))
    }

    fn settle(inode: &Arc<dyn Inode>, entry: &Entry<'_>) {
        let Ok(node) = inode.clone().as_any().downcast::<TmpNode>() else { return };
        let header = entry.header;
        node.with_attributes(|attributes| {
            (attributes.uid, attributes.gid) = (header.uid, header.gid);
            if attributes.kind != Kind::Symlink {
                attributes.permissions = header.permissions();
            }
            attributes.modified = header.time();
        });
    }

    fn fill(inode: &Arc<dyn Inode>, data: &[u8]) -> Result<(), Errno> {
        if inode.kind() != Kind::Regular {
            return Ok(());
        }
        let node = inode.clone().as_any().downcast::<TmpNode>().map_err(|_| Errno::EIO)?;
        node.fill(data)
    }
}

impl Sink for Unpacker {
    fn make(&mut self, entry: &Entry<'_>) -> Result<(), Errno> {
        let header = entry.header;
        let kind = header.kind().ok_or(Errno::EINVAL)?;
        let permissions = header.permissions();
        let (parent, name) = self.parent(entry.name)?;
        self.made += 1;
        let existing = match name {
            b"" | b"." => Some(parent.clone()),
            _ => parent.lookup(name).ok(),
        };
        if let Some(existing) = existing {
            if kind == Kind::Directory && existing.kind() == Kind::Directory {
                Self::settle(&existing, entry);
                return Ok(());
            }
            // A later archive replaces what an earlier one has brought.
            parent.unlink(name, &by_root())?;
        }
        let (major, minor) = header.special;
        let new = match kind {
            Kind::Symlink => New::Link(entry.data),
            Kind::CharDevice | Kind::BlockDevice => {
                New::Device(kind, permissions, device_number(major, minor))
            }
            _ => New::Plain(kind, permissions),
        };
        let made = parent.create(name, new, &by_root())?;
        Self::fill(&made, entry.data)?;
        Self::settle(&made, entry);
        Ok(())
    }

    fn link(&mut self, existing: &[u8], entry: &Entry<'_>) -> Result<(), Errno> {
        let (directory, first) = self.parent(existing)?;
        let file = directory.lookup(first)?;
        let (parent, name) = self.parent(entry.name)?;
        self.made += 1;
        if parent.lookup(name).is_ok() {
            parent.unlink(name, &by_root())?;
        }
        parent.link(name, file.clone(), &by_root())?;
        if !entry.data.is_empty() {
            Self::fill(&file, entry.data)?;
            Self::settle(&file, entry);
        }
        Ok(())
    }
}

/// Descriptors 0, 1, 2 of the first process: the port named `tty` as a terminal, but for one named
/// `stderr` if there is one; or those named `stdin`, `stdout` and `stderr` as they are; or else
/// /dev/console.
///
/// # Errors
/// ENOENT, where not even that is there.
pub(crate) fn first_descriptors() -> Result<FdTable, Errno> {
    const LIMIT: u64 = 3;
    let mut table = FdTable::default();
    let mut add = |file| table.insert(file, AtExec::Keep, 0, LIMIT).map(|_| ());
    let console = Walk::new(super::root(), Identity::ROOT).go(
        super::root(),
        b"/dev/console",
        Goal::Target,
    )?;
    let console = console.found()?;
    let read_write = Flags(linux::O_RDWR | linux::O_NOCTTY);
    let ports = [&b"stdin"[..], b"stdout", b"stderr"].map(port::find);
    if let Some(port) = port::find(b"tty") {
        let tty = tty::on_port(port);
        let file = OpenFile::new(console, tty, read_write);
        add(file.clone())?;
        add(file.clone())?;
        match port::find(b"stderr") {
            // Standard error of the host is something else.
            Some(port) => {
                let errors = PortFile::new(port, 2);
                let place = Place::nameless(errors.clone());
                add(OpenFile::new(place, errors, Flags(linux::O_WRONLY)))?;
            }
            None => add(file)?,
        }
    } else if let [Some(input), Some(output), Some(errors)] = ports {
        let accesses = [linux::O_RDONLY, linux::O_WRONLY, linux::O_WRONLY];
        for ((port, access), number) in [input, output, errors].into_iter().zip(accesses).zip(0..) {
            let file = PortFile::new(port, number);
            add(OpenFile::new(Place::nameless(file.clone()), file, Flags(access)))?;
        }
    } else {
        let file = console.inode.clone().open(read_write)?;
        let file = OpenFile::new(console, file, read_write);
        for _ in 0..LIMIT {
            add(file.clone())?;
        }
    }
    Ok(table)
}
