//! [`OpenFile`]: what descriptors refer to: a file with a position and flags.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use guest::errno::Errno;
use guest::fs::Kind;
use linux_raw_sys::general as linux;

use super::buffer::Buffer;
use super::inode::{File, Flags, Inode, Seeking, Sparse};
use super::mount::Mount;
use super::names::Place;
use super::{locks, size_limit};
use crate::mm::Object;
use crate::sync::Mutex;

/// Flags that fcntl may change.
const SETTABLE: u32 = linux::O_APPEND | linux::O_NONBLOCK | linux::O_DIRECT | linux::O_NOATIME;
/// Flags that only matter while a file is being opened.
const OPENING_ONLY: u32 =
    linux::O_CREAT | linux::O_EXCL | linux::O_NOCTTY | linux::O_TRUNC | linux::O_CLOEXEC;

/// An open file.
pub(crate) struct OpenFile {
    place: Place,
    /// `None` for one that is only a name: O_PATH.
    file: Option<Arc<dyn File>>,
    flags: AtomicU32,
    seeking: Seeking,
    position: Mutex<u64>,
    /// It is being run: nobody may write it.
    runs: AtomicBool,
    /// Somebody has a lock of flock on it.
    locked: AtomicBool,
}

impl OpenFile {
    /// A file that has been opened.
    pub(crate) fn new(place: Place, file: Arc<dyn File>, flags: Flags) -> Arc<Self> {
        Self::wrap(place, Some(file), flags)
    }

    /// One that is only a name.
    pub(crate) fn only_name(place: Place, flags: Flags) -> Arc<Self> {
        Self::wrap(place, None, flags)
    }

    fn wrap(place: Place, file: Option<Arc<dyn File>>, flags: Flags) -> Arc<Self> {
        let kept = AtomicU32::new(flags.0 & !OPENING_ONLY | linux::O_LARGEFILE);
        let (runs, locked) = (AtomicBool::new(false), AtomicBool::new(false));
        let seeking = file.as_ref().map_or(Seeking::Stream, |file| file.seeking());
        place.mount.iter().for_each(|mount| mount.used());
        if let Some(mount) = written_mount(&place, file.is_some(), flags) {
            mount.begin_writing();
        }
        let flags = kept;
        Arc::new(Self { place, file, flags, seeking, position: Mutex::new(0), runs, locked })
    }

    /// Its flags now.
    pub(crate) fn flags(&self) -> Flags {
        Flags(self.flags.load(Ordering::Relaxed))
    }

    /// F_SETFL.
    pub(crate) fn set_flags(&self, wanted: u32) {
        let keep = self.flags().0 & !SETTABLE;
        self.flags.store(keep | wanted & SETTABLE, Ordering::Relaxed);
    }

    /// What it is.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// What it is, without the mount.
    pub(crate) fn inode(&self) -> &Arc<dyn Inode> {
        &self.place.inode
    }

    /// What it does; EBADF for one that is only a name.
    #[inline]
    pub(crate) fn file(&self) -> Result<&Arc<dyn File>, Errno> {
        self.file.as_ref().ok_or(Errno::EBADF)
    }

    /// What it does, for reading.
    #[inline]
    pub(crate) fn reader(&self) -> Result<(&Arc<dyn File>, Flags), Errno> {
        let flags = self.flags();
        if flags.reads() { Ok((self.file()?, flags)) } else { Err(Errno::EBADF) }
    }

    /// What it does, for writing.
    #[inline]
    pub(crate) fn writer(&self) -> Result<(&Arc<dyn File>, Flags), Errno> {
        let flags = self.flags();
        if flags.writes() { Ok((self.file()?, flags)) } else { Err(Errno::EBADF) }
    }

    /// Reads at the position, and moves it.
    pub(crate) fn read(&self, to: &mut Buffer<'_>) -> Result<usize, Errno> {
        self.read_as(self.reader()?, to)
    }

    /// Reads with what [`reader`](Self::reader) has yielded.
    #[inline]
    pub(crate) fn read_as(
        &self,
        (file, flags): (&Arc<dyn File>, Flags),
        to: &mut Buffer<'_>,
    ) -> Result<usize, Errno> {
        match self.seeking {
            Seeking::Stream | Seeking::Everywhere => file.read(&mut 0, to, flags),
            Seeking::Positions => file.read(&mut self.position.lock(), to, flags),
        }
    }

    /// Writes at the position, and moves it.
    pub(crate) fn write(&self, from: &mut Buffer<'_>) -> Result<usize, Errno> {
        self.write_as(self.writer()?, from)
    }

    /// Writes with what [`writer`](Self::writer) has yielded.
    #[inline]
    pub(crate) fn write_as(
        &self,
        (file, flags): (&Arc<dyn File>, Flags),
        from: &mut Buffer<'_>,
    ) -> Result<usize, Errno> {
        match self.seeking {
            Seeking::Stream | Seeking::Everywhere => file.write(&mut 0, from, flags),
            Seeking::Positions => {
                let mut position = self.position.lock();
                self.keep_to_limit((file, flags), *position, from)?;
                file.write(&mut position, from, flags)
            }
        }
    }

    /// Reads elsewhere.
    pub(crate) fn pread(&self, offset: u64, to: &mut Buffer<'_>) -> Result<usize, Errno> {
        let (file, flags) = self.reader()?;
        match self.seeking {
            Seeking::Stream => Err(Errno::ESPIPE),
            _ => file.read(&mut { offset }, to, flags),
        }
    }

    /// Writes elsewhere.
    pub(crate) fn pwrite(&self, offset: u64, from: &mut Buffer<'_>) -> Result<usize, Errno> {
        let (file, flags) = self.writer()?;
        self.pwrite_as((file, flags), offset, from)
    }

    /// The same with what [`writer`](Self::writer) has yielded, or other flags.
    pub(crate) fn pwrite_as(
        &self,
        (file, flags): (&Arc<dyn File>, Flags),
        offset: u64,
        from: &mut Buffer<'_>,
    ) -> Result<usize, Errno> {
        if self.seeking == Seeking::Stream {
            return Err(Errno::ESPIPE);
        }
        self.keep_to_limit((file, flags), offset, from)?;
        file.write(&mut { offset }, from, flags)
    }

    /// Leaves as many bytes in a buffer as the caller may write at a position.
    #[inline]
    fn keep_to_limit(
        &self,
        (file, flags): (&Arc<dyn File>, Flags),
        position: u64,
        from: &mut Buffer<'_>,
    ) -> Result<(), Errno> {
        let (at, wanted) =
            (Some(position).filter(|_| !flags.has(linux::O_APPEND)), from.remaining());
        let room = size_limit::room((&**self.inode(), &**file), at, wanted)?;
        if room < wanted {
            from.shorten(room);
        }
        Ok(())
    }

    /// Reads at a position into kernel memory.
    pub(crate) fn read_at(&self, offset: u64, to: &mut [u8]) -> Result<usize, Errno> {
        self.pread(offset, &mut Buffer::Into(to))
    }

    /// Moves the position; the new one.
    pub(crate) fn seek(&self, offset: i64, whence: u32) -> Result<u64, Errno> {
        let file = self.file()?;
        match self.seeking {
            Seeking::Stream => return Err(Errno::ESPIPE),
            Seeking::Everywhere => return Ok(0),
            Seeking::Positions => {}
        }
        let mut position = self.position.lock();
        let base = match whence {
            linux::SEEK_SET => 0,
            linux::SEEK_CUR => *position,
            linux::SEEK_END => file.end()?,
            linux::SEEK_DATA | linux::SEEK_HOLE => {
                let what = if whence == linux::SEEK_DATA { Sparse::Data } else { Sparse::Hole };
                let from = u64::try_from(offset).map_err(|_| Errno::ENXIO)?;
                if from >= file.end()? {
                    return Err(Errno::ENXIO);
                }
                *position = file.seek_data(from, what).ok_or(Errno::ENXIO)?;
                return Ok(*position);
            }
            _ => return Err(Errno::EINVAL),
        };
        let wanted = base.checked_add_signed(offset).filter(|at| i64::try_from(*at).is_ok());
        let overflow = if offset > 0 { Errno::EOVERFLOW } else { Errno::EINVAL };
        *position = wanted.ok_or(overflow)?;
        Ok(*position)
    }

    /// The position, for those who read directories.
    pub(crate) fn position(&self) -> &Mutex<u64> {
        &self.position
    }

    /// The current process has closed a descriptor of it.
    pub(crate) fn descriptor_closed(&self) {
        if let Some(file) = &self.file {
            file.descriptor_closed();
        }
    }

    /// Its pages, to be mapped; ENODEV where it has none.
    pub(crate) fn object(&self) -> Result<Object, Errno> {
        self.file()?.clone().object()
    }

    /// Opened for reading, and for writing.
    pub(crate) fn access(&self) -> (bool, bool) {
        (self.flags().reads(), self.flags().writes())
    }

    /// Where it is now, for /proc.
    pub(crate) fn path(&self) -> Vec<u8> {
        self.place.path()
    }

    /// Size in bytes now.
    pub(crate) fn size(&self) -> u64 {
        self.inode().stat().size_bytes
    }

    /// It is being run from now on until it is closed: nobody may write it.
    pub(crate) fn run(&self) -> Result<(), Errno> {
        self.inode().deny_writing()?;
        self.runs.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// It has a lock of flock, to be given back when it is closed.
    pub(crate) fn mark_locked(&self) {
        self.locked.store(true, Ordering::Relaxed);
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if *self.locked.get_mut() {
            locks::release(self);
        }
        if *self.runs.get_mut() {
            self.inode().allow_writing();
        }
        if let Some(mount) = written_mount(&self.place, self.file.is_some(), self.flags()) {
            mount.end_writing();
        }
        if let Some(file) = &self.file {
            file.close(self.flags());
        }
    }
}

/// The mount that has one file more to write to by an open file, if that is so.
fn written_mount(place: &Place, is_open: bool, flags: Flags) -> Option<&Arc<Mount>> {
    let mount = place.mount.as_ref().filter(|_| is_open && flags.writes())?;
    (place.inode.kind() == Kind::Regular).then_some(mount)
}

impl fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inode = self.inode();
        write!(f, "OpenFile({}:{} {:#o})", inode.device(), inode.number(), self.flags().0)
    }
}
