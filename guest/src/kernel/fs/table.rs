//! [`FdTable`]: the descriptors of a process.

use alloc::sync::Arc;
use alloc::vec::Vec;

use guest::errno::Errno;
use linux_raw_sys::general as linux;

use super::inode::Flags;
use super::names::Place;
use super::{OpenFile, locks};

/// What a descriptor refers to, and whether exec closes it.
#[derive(Clone, Debug)]
struct Slot {
    file: Arc<OpenFile>,
    close_on_exec: bool,
}

impl Slot {
    /// The file, whose descriptor is being closed.
    fn into_file(self) -> Arc<OpenFile> {
        locks::closed(&self.file);
        self.file
    }
}

/// Whether exec closes a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtExec {
    /// It stays.
    Keep,
    /// It is closed: FD_CLOEXEC.
    Close,
}

impl AtExec {
    /// As O_CLOEXEC in flags says.
    pub(crate) fn of(flags: u32) -> Self {
        if flags & linux::O_CLOEXEC != 0 { Self::Close } else { Self::Keep }
    }
}

/// Descriptors of a process. Files that leave it are handed out, to be dropped outside locks.
#[derive(Debug, Default)]
pub(crate) struct FdTable {
    slots: Vec<Option<Slot>>,
    /// All below are taken.
    first_free: usize,
}

impl FdTable {
    /// For fork: the same open files.
    pub(crate) fn duplicate(&self) -> Self {
        Self { slots: self.slots.clone(), first_free: self.first_free }
    }

    /// For exec; the files to drop, outside locks.
    pub(crate) fn close_on_exec(&mut self) -> Vec<Arc<OpenFile>> {
        self.take_where(0, u32::MAX, |slot| slot.close_on_exec)
    }

    /// For exit.
    pub(crate) fn close_all(&mut self) -> Vec<Arc<OpenFile>> {
        self.take_where(0, u32::MAX, |_| true)
    }

    /// Closes those from `first` to `last`.
    pub(crate) fn close_range(&mut self, first: u32, last: u32) -> Vec<Arc<OpenFile>> {
        self.take_where(first, last, |_| true)
    }

    fn take_where(
        &mut self,
        first: u32,
        last: u32,
        wanted: impl Fn(&Slot) -> bool,
    ) -> Vec<Arc<OpenFile>> {
        let mut taken = Vec::new();
        let end = self.slots.len().min((last as usize).saturating_add(1));
        for index in first as usize..end {
            if self.slots[index].as_ref().is_some_and(&wanted) {
                taken.extend(self.slots[index].take().map(Slot::into_file));
                self.first_free = self.first_free.min(index);
            }
        }
        taken
    }

    /// EBADF.
    #[inline]
    pub(crate) fn get(&self, fd: u32) -> Result<Arc<OpenFile>, Errno> {
        Ok(self.slot(fd)?.file.clone())
    }

    fn slot(&self, fd: u32) -> Result<&Slot, Errno> {
        self.slots.get(fd as usize).and_then(Option::as_ref).ok_or(Errno::EBADF)
    }

    /// What exec does with it; EBADF.
    pub(crate) fn at_exec(&self, fd: u32) -> Result<AtExec, Errno> {
        Ok(if self.slot(fd)?.close_on_exec { AtExec::Close } else { AtExec::Keep })
    }

    /// Changes that; EBADF.
    pub(crate) fn set_at_exec(&mut self, fd: u32, at_exec: AtExec) -> Result<(), Errno> {
        let slot = self.slots.get_mut(fd as usize).and_then(Option::as_mut);
        slot.ok_or(Errno::EBADF)?.close_on_exec = at_exec == AtExec::Close;
        Ok(())
    }

    /// Changes that for those from `first` to `last`.
    pub(crate) fn mark_range(&mut self, first: u32, last: u32) {
        let end = self.slots.len().min((last as usize).saturating_add(1));
        for slot in self.slots.iter_mut().take(end).skip(first as usize).flatten() {
            slot.close_on_exec = true;
        }
    }

    /// The lowest free descriptor from `from` on and below `limit` (RLIMIT_NOFILE) refers to the
    /// file from now on.
    ///
    /// # Errors
    /// EMFILE; EINVAL where `from` is not below the limit; ENOMEM.
    pub(crate) fn insert(
        &mut self,
        file: Arc<OpenFile>,
        at_exec: AtExec,
        from: u32,
        limit: u64,
    ) -> Result<u32, Errno> {
        let fd = self.free_from(from, limit)?;
        self.put(fd, file, at_exec)?;
        if from as usize <= self.first_free {
            self.first_free = fd + 1;
        }
        Ok(fd as u32)
    }

    /// The lowest free descriptor from `from` on and below `limit`.
    ///
    /// # Errors
    /// EMFILE; EINVAL where `from` is not below the limit.
    fn free_from(&self, from: u32, limit: u64) -> Result<usize, Errno> {
        if u64::from(from) >= limit {
            return Err(if from == 0 { Errno::EMFILE } else { Errno::EINVAL });
        }
        let start = self.first_free.max(from as usize);
        let rest = self.slots.get(start..).unwrap_or(&[]);
        let free = rest.iter().position(Option::is_none).map(|free| start + free);
        let fd = free.unwrap_or(self.slots.len().max(start));
        if fd as u64 >= limit {
            return Err(Errno::EMFILE);
        }
        Ok(fd)
    }

    /// Whether there is a descriptor for one more file: before anything is done that a call which
    /// fails must not have done.
    ///
    /// # Errors
    /// EMFILE.
    pub(crate) fn check_room(&self, limit: u64) -> Result<(), Errno> {
        self.free_from(0, limit).map(|_| ())
    }

    /// Descriptor `fd` refers to the file from now on; what it did before, to be dropped outside
    /// locks.
    ///
    /// # Errors
    /// EBADF where `fd` is not below `limit`; ENOMEM.
    pub(crate) fn replace(
        &mut self,
        fd: u32,
        file: Arc<OpenFile>,
        at_exec: AtExec,
        limit: u64,
    ) -> Result<Option<Arc<OpenFile>>, Errno> {
        if u64::from(fd) >= limit {
            return Err(Errno::EBADF);
        }
        self.put(fd as usize, file, at_exec)
    }

    fn put(
        &mut self,
        fd: usize,
        file: Arc<OpenFile>,
        at_exec: AtExec,
    ) -> Result<Option<Arc<OpenFile>>, Errno> {
        if fd >= self.slots.len() {
            let more = fd + 1 - self.slots.len();
            self.slots.try_reserve(more).map_err(|_| Errno::ENOMEM)?;
            self.slots.resize(fd + 1, None);
        }
        let slot = Slot { file, close_on_exec: at_exec == AtExec::Close };
        Ok(self.slots[fd].replace(slot).map(Slot::into_file))
    }

    /// Closes one; what it referred to, to be dropped outside locks. EBADF.
    pub(crate) fn close(&mut self, fd: u32) -> Result<Arc<OpenFile>, Errno> {
        let slot = self.slots.get_mut(fd as usize).and_then(Option::take).ok_or(Errno::EBADF)?;
        self.first_free = self.first_free.min(fd as usize);
        Ok(slot.into_file())
    }

    /// All that are open.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Arc<OpenFile>)> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(fd, slot)| slot.as_ref().map(|slot| (fd as u32, &slot.file)))
    }

    /// A directory that `*at` calls begin at; ENOTDIR, EBADF.
    pub(crate) fn place(&self, fd: u32) -> Result<(Place, Flags), Errno> {
        let file = &self.slot(fd)?.file;
        Ok((file.place().clone(), file.flags()))
    }
}
