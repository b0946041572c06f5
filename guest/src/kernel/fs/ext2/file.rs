//! What regular files do when they are open or mapped: [`File`] and [`Paged`] of a [`Node`].

use alloc::sync::Arc;
use alloc::vec::Vec;

use guest::Ppn;
use guest::errno::Errno;
use guest::mm::{CellId, ObjectAccess, PageError};
use linux_raw_sys::general as linux;

use super::super::buffer::{Buffer, moved_or};
use super::super::inode::{Allocation, File, Flags, Inode, Sparse};
use super::super::mount;
use super::super::on_disk::OnDisk;
use super::inode::Node;
use crate::block::Disk;
use crate::mm::reclaim::Patience;
use crate::mm::{Object, Paged};

impl File for Node {
    fn read(&self, at: &mut u64, to: &mut Buffer<'_>, flags: Flags) -> Result<usize, Errno> {
        let content = self.content().map_err(|_| Errno::EIO)?;
        let start = *at;
        let mut patience = Patience::new();
        let outcome = loop {
            match content.work(&mut patience, |data| data.read(self.home(), at, to)) {
                Ok(true) => break Ok(()),
                Ok(false) => {
                    if let Err(errno) = to.touch_to_put() {
                        break Err(errno);
                    }
                }
                Err(errno) => break Err(errno),
            }
        };
        let done = (*at - start) as usize;
        if done > 0 && !flags.has(linux::O_NOATIME) {
            self.was_read();
        }
        outcome.map_or_else(|errno| moved_or(done, errno), |()| Ok(done))
    }

    fn write(&self, at: &mut u64, from: &mut Buffer<'_>, flags: Flags) -> Result<usize, Errno> {
        let content = self.content().map_err(|_| Errno::EIO)?;
        if self.system.is_read_only() {
            return Err(Errno::EROFS);
        }
        let wanted = from.remaining();
        let mut patience = Patience::new();
        let outcome = loop {
            let step = content.work(&mut patience, |data| {
                if flags.has(linux::O_APPEND) {
                    *at = data.size;
                }
                if from.remaining() > 0 && *at >= self.system.max_file_bytes() {
                    return Ok(None);
                }
                data.write(self.home(), at, from).map(Some)
            });
            match step {
                Ok(None) => break Err(Errno::EFBIG),
                Ok(Some(true)) => break Ok(()),
                Ok(Some(false)) => {
                    if let Err(errno) = from.touch_to_get() {
                        break Err(errno);
                    }
                }
                Err(errno) => break Err(errno),
            }
        };
        let done = wanted - from.remaining();
        if done > 0 {
            self.written();
        }
        let synchronous = flags.has(linux::O_SYNC) || flags.has(linux::O_DSYNC);
        if done > 0 && synchronous {
            File::sync(self)?;
        }
        outcome.map_or_else(|errno| moved_or(done, errno), |()| Ok(done))
    }

    fn end(&self) -> Result<u64, Errno> {
        Ok(self.content()?.lock().size)
    }

    fn seek_data(&self, from: u64, what: Sparse) -> Option<u64> {
        self.content().ok()?.seek_data(self.home(), from, what)
    }

    fn object(self: Arc<Self>) -> Result<Object, Errno> {
        self.content().map_err(|_| Errno::ENODEV)?;
        Ok(Object(self))
    }

    fn allocate(&self, _start: u64, _end: u64, _how: Allocation) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn sync(&self) -> Result<(), Errno> {
        let written = self.write_back();
        self.system.sync_tables().and(written)?;
        self.content()?.take_failure()
    }

    fn close(&self, flags: Flags) {
        if let Ok(content) = self.content() {
            content.writers.closed(flags);
        }
    }
}

impl OnDisk for Node {
    fn disk(&self) -> Arc<dyn Disk> {
        self.system.disk.clone()
    }

    fn block_bytes(&self) -> u64 {
        u64::from(self.system.block_bytes())
    }

    fn find(&self, block: u64, limit: u32) -> Result<(Option<u32>, u32), Errno> {
        self.system.find(self.home().number, (block, limit), None)
    }

    fn save(&self) -> Result<(), Errno> {
        File::sync(self)
    }
}

impl Paged for Node {
    fn map_page(&self, index: u64, access: ObjectAccess) -> Result<Ppn, PageError> {
        self.content().map_err(|_| PageError::Io)?.map_page(self.home(), index, access)
    }

    fn map_present(&self, first: u64, frames: &mut [Option<Ppn>]) {
        if let Ok(content) = self.content() {
            content.map_present(first, frames);
        }
    }

    fn identity(&self) -> (u64, u64) {
        Node::identity(self)
    }

    fn path(&self) -> Vec<u8> {
        mount::path_in(self.system.device(), Inode::path(self))
    }

    fn for_each_page(&self, visit: &mut dyn FnMut(u64, CellId)) {
        if let Ok(content) = self.content() {
            content.for_each_page(visit);
        }
    }

    fn has_page(&self, index: u64) -> bool {
        self.content().is_ok_and(|content| content.has_page(index))
    }

    fn sync(&self) -> Result<(), Errno> {
        File::sync(self)
    }
}
