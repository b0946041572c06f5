//! [`ProcessFile`]: a process as a file, as pidfd_open makes them: it can be read, as poll sees it,
//! once the process has ended, and means that process whoever has its number later.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use guest::errno::Errno;
use guest::fs::{Attributes, Kind};
use linux_raw_sys::general as linux;

use super::OpenFile;
use super::buffer::Buffer;
use super::inode::{File, Flags, Inode, Seeking};
use super::names::{Place, now, who};
use crate::sync::WaitQueue;
use crate::task::{Process, table};

/// A process as a file.
pub(crate) struct ProcessFile {
    process: Arc<Process>,
    attributes: Attributes,
}

impl ProcessFile {
    /// A new one, open so.
    pub(crate) fn open_new(process: Arc<Process>, flags: u32) -> Arc<OpenFile> {
        const PERMISSIONS: u16 = 0o600;
        let mut attributes = Attributes::new(Kind::Regular, PERMISSIONS, &who(), now());
        attributes.links = 1;
        let file = Arc::new(Self { process, attributes });
        OpenFile::new(Place::nameless(file.clone()), file, Flags(flags))
    }

    /// The process that an open file means.
    ///
    /// # Errors
    /// EBADF for one that means none.
    pub(crate) fn process_of(file: &OpenFile) -> Result<&Arc<Process>, Errno> {
        let own = file.file()?.as_any().and_then(<dyn Any>::downcast_ref::<Self>);
        own.map(|own| &own.process).ok_or(Errno::EBADF)
    }
}

impl Inode for ProcessFile {
    fn number(&self) -> u64 {
        u64::from(self.process.pid)
    }
    fn attributes(&self) -> Attributes {
        self.attributes
    }
    fn path(&self) -> Vec<u8> {
        b"anon_inode:[pidfd]".to_vec()
    }
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
    fn open(self: Arc<Self>, _flags: Flags) -> Result<Arc<dyn File>, Errno> {
        Err(Errno::ENXIO)
    }
}

impl File for ProcessFile {
    fn seeking(&self) -> Seeking {
        Seeking::Stream
    }
    fn read(&self, _: &mut u64, _: &mut Buffer<'_>, _: Flags) -> Result<usize, Errno> {
        Err(Errno::EINVAL)
    }
    fn write(&self, _: &mut u64, _: &mut Buffer<'_>, _: Flags) -> Result<usize, Errno> {
        Err(Errno::EINVAL)
    }
    fn poll(&self, _: Flags) -> u32 {
        match table::life(&self.process) {
            table::Life::Lives => 0,
            table::Life::Ended => linux::POLLIN | linux::POLLRDNORM,
            table::Life::Gone => linux::POLLIN | linux::POLLRDNORM | linux::POLLHUP,
        }
    }
    fn poll_queue(&self) -> Option<&WaitQueue> {
        Some(self.process.threads_ended())
    }
    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}
