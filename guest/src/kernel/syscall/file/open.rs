//! System calls that make descriptors and close them: openat, pipe2, memfd_create, close.

use alloc::vec::Vec;

use guest::errno::Errno;
use guest::fs::access::{PERMISSION_BITS, Wish};
use guest::fs::path::{Goal, Walked};
use guest::fs::seals::Seals;
use guest::fs::{Attributes, Kind};
use linux_raw_sys::general as linux;

use super::{Answer, Start, check_room, descriptor_limit, install, only, path};
use crate::arch::trap::TrapFrame;
use crate::fs::inode::{Flags, New};
use crate::fs::names::{actor, now, who};
use crate::fs::{AtExec, OpenFile, Place, pipe, tmpfs};
use crate::mm::user;
use crate::task::current_process;

/// Flags that mean something with O_PATH.
const PATH_FLAGS: u32 = linux::O_PATH | linux::O_DIRECTORY | linux::O_NOFOLLOW | linux::O_CLOEXEC;

pub(super) fn openat(frame: &mut TrapFrame) -> Answer {
    let path = path(frame, 1)?;
    let mut flags = Flags(frame.a(2) as u32);
    if flags.is_path() {
        flags.0 &= PATH_FLAGS;
    }
    if flags.has(linux::O_TMPFILE) {
        return Err(Errno::EOPNOTSUPP);
    }
    if flags.has(linux::O_CREAT | linux::O_DIRECTORY) {
        return Err(Errno::EINVAL);
    }
    check_room()?;
    let start = Start::at(frame.a(0), &path)?;
    let place = find_or_make(&start, &path, flags, frame.a(3) as u16)?;
    if flags.is_path() {
        return install(OpenFile::only_name(place, flags), flags.0);
    }
    let file = place.inode.clone().open(flags)?;
    let open = OpenFile::new(place, file, flags);
    if flags.has(linux::O_TRUNC) && open.inode().kind() == Kind::Regular && open.size() > 0 {
        open.inode().truncate(0)?;
    }
    install(open, flags.0)
}

/// What a path leads to, made if O_CREAT says so; it may be opened so.
fn find_or_make(start: &Start, path: &[u8], flags: Flags, mode: u16) -> Result<Place, Errno> {
    let creates = flags.has(linux::O_CREAT);
    let exclusive = creates && flags.has(linux::O_EXCL);
    let entry = exclusive || flags.has(linux::O_NOFOLLOW);
    loop {
        let walked = start.go(path, if entry { Goal::Entry } else { Goal::Target })?;
        if walked.place.is_some() && exclusive {
            return Err(Errno::EEXIST);
        }
        if walked.place.is_some() || !creates {
            let place = walked.found()?;
            check(&place, flags)?;
            return Ok(place);
        }
        match make(&walked, mode) {
            // Somebody else was faster.
            Err(Errno::EEXIST) if !exclusive => {}
            made => return made,
        }
    }
}

/// Whether what is there may be opened so.
fn check(place: &Place, flags: Flags) -> Result<(), Errno> {
    let kind = place.inode.kind();
    if kind == Kind::Symlink && !flags.is_path() {
        return Err(Errno::ELOOP);
    }
    if flags.has(linux::O_DIRECTORY) && kind != Kind::Directory {
        return Err(Errno::ENOTDIR);
    }
    if flags.is_path() {
        return Ok(());
    }
    let changes = flags.writes() || flags.has(linux::O_CREAT) || flags.has(linux::O_TRUNC);
    if kind == Kind::Directory && changes {
        return Err(Errno::EISDIR);
    }
    let truncates = flags.has(linux::O_TRUNC) && kind == Kind::Regular;
    let mut wish = Wish::NONE;
    if flags.reads() {
        wish = wish | Wish::READ;
    }
    if flags.writes() || truncates {
        wish = wish | Wish::WRITE;
    }
    let no_devices = place.mount.as_ref().is_some_and(|mount| mount.has(linux::MS_NODEV));
    if no_devices && matches!(kind, Kind::CharDevice | Kind::BlockDevice) {
        return Err(Errno::EACCES);
    }
    place.check(&who(), wish)?;
    if flags.has(linux::O_NOATIME) {
        who().check_owner(&place.inode.attributes())?;
    }
    Ok(())
}

/// Makes a regular file under a name that is free.
fn make(walked: &Walked<'_, Place>, mode: u16) -> Result<Place, Errno> {
    if walked.slashes {
        return Err(Errno::EISDIR);
    }
    walked.parent.check_writable()?;
    let permissions = mode & PERMISSION_BITS & !umask();
    let new = New::Plain(Kind::Regular, permissions);
    let inode = walked.parent.inode.create(&walked.name, new, &actor())?;
    Ok(Place { inode, mount: walked.parent.mount.clone() })
}

/// Permissions that new files do not get.
pub(super) fn umask() -> u16 {
    current_process().fs().lock().umask
}

pub(super) fn close(frame: &mut TrapFrame) -> Answer {
    let files = current_process().files();
    // What it referred to is dropped with the lock free.
    let closed = { files.lock().close(frame.a(0) as u32)? };
    closed.descriptor_closed();
    drop(closed);
    Ok(0)
}

pub(super) fn close_range(frame: &mut TrapFrame) -> Answer {
    let (first, last) = (frame.a(0) as u32, frame.a(1) as u32);
    /// CLOSE_RANGE_UNSHARE: those of others stay.
    const OWN: u32 = 1 << 1;
    /// CLOSE_RANGE_CLOEXEC: they are closed by exec.
    const AT_EXEC: u32 = 1 << 2;
    let flags = only(frame.a(2), OWN | AT_EXEC)?;
    if first > last {
        return Err(Errno::EINVAL);
    }
    let process = current_process();
    let files = if flags & OWN == 0 { process.files() } else { process.own_files() };
    let closed = {
        let mut files = files.lock();
        if flags & AT_EXEC != 0 {
            files.mark_range(first, last);
            Vec::new()
        } else {
            files.close_range(first, last)
        }
    };
    closed.iter().for_each(|file| file.descriptor_closed());
    drop(closed);
    Ok(0)
}

pub(super) fn pipe2(frame: &mut TrapFrame) -> Answer {
    let flags = only(frame.a(1), linux::O_CLOEXEC | linux::O_NONBLOCK | linux::O_DIRECT)?;
    let [reader, writer] = pipe::new(flags)?;
    let (limit, at_exec) = (descriptor_limit(), AtExec::of(flags));
    let files = current_process().files();
    let fds = {
        let mut files = files.lock();
        let first = files.insert(reader.clone(), at_exec, 0, limit)?;
        match files.insert(writer.clone(), at_exec, 0, limit) {
            Ok(second) => Ok([first, second]),
            Err(errno) => Err((errno, files.close(first))),
        }
    };
    let fds = fds.map_err(|(errno, _closed)| errno)?;
    user::write(frame.a(0), &fds).inspect_err(|_| {
        let closed = fds.map(|fd| files.lock().close(fd));
        drop(closed);
    })?;
    Ok(0)
}

pub(super) fn memfd_create(frame: &mut TrapFrame) -> Answer {
    const NAME_MAX_BYTES: usize = 250;
    const PERMISSIONS: u16 = 0o777;
    const NO_EXEC: u16 = 0o666;
    let allowed =
        linux::MFD_CLOEXEC | linux::MFD_ALLOW_SEALING | linux::MFD_NOEXEC_SEAL | linux::MFD_EXEC;
    let flags = only(frame.a(1), allowed)?;
    let has = |flag| flags & flag != 0;
    let (permissions, seals) = match has(linux::MFD_NOEXEC_SEAL) {
        true if has(linux::MFD_EXEC) => return Err(Errno::EINVAL),
        true => (NO_EXEC, Seals::NO_EXEC),
        false if has(linux::MFD_ALLOW_SEALING) => (PERMISSIONS, Seals::NONE),
        false => (PERMISSIONS, Seals::CLOSED),
    };
    let too_long = |errno| if errno == Errno::ENAMETOOLONG { Errno::EINVAL } else { errno };
    let name = user::read_string(frame.a(0), NAME_MAX_BYTES).map_err(too_long)?;
    let attributes = Attributes::new(Kind::Regular, permissions, &who(), now());
    let node = tmpfs::anonymous().nameless(attributes, &[b"memfd:", &name[..]].concat());
    node.begin_with(seals);
    let open_flags = Flags(linux::O_RDWR);
    let place = Place::nameless(node);
    let file = place.inode.clone().open(open_flags)?;
    let cloexec = if has(linux::MFD_CLOEXEC) { linux::O_CLOEXEC } else { 0 };
    install(OpenFile::new(place, file, open_flags), cloexec)
}
