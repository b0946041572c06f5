//! Pipes as files: without a name, as pipe2 makes them, and with one ([`FifoEnd`]).

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;

use guest::errno::Errno;
use guest::fs::Attributes;
use linux_raw_sys::general as linux;

use super::super::OpenFile;
use super::super::inode::{File, Flags, Inode};
use super::super::names::Place;
use super::Pipe;
use crate::sync::SpinLock;

impl Inode for Pipe {
    fn number(&self) -> u64 {
        self.number
    }
    fn attributes(&self) -> Attributes {
        self.attributes
    }
    fn path(&self) -> Vec<u8> {
        alloc::format!("pipe:[{}]", self.number).into_bytes()
    }
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
    fn open(self: Arc<Self>, flags: Flags) -> Result<Arc<dyn File>, Errno> {
        open_end(self, flags)
    }
}

/// A new pipe: its end for reading and its end for writing.
pub(crate) fn new(flags: u32) -> Result<[Arc<OpenFile>; 2], Errno> {
    let pipe = Pipe::new()?;
    let end = |access| {
        let flags = Flags(access | flags);
        pipe.add(flags.access());
        OpenFile::new(Place::nameless(pipe.clone()), pipe.clone(), flags)
    };
    Ok([end(linux::O_RDONLY), end(linux::O_WRONLY)])
}

/// A pipe with a name, which is only there while somebody has it open.
pub(in super::super) struct FifoEnd {
    pipe: SpinLock<Weak<Pipe>>,
}

impl FifoEnd {
    pub(in super::super) fn new() -> Self {
        Self { pipe: SpinLock::new(Weak::new()) }
    }

    fn pipe(&self) -> Result<Arc<Pipe>, Errno> {
        if let Some(pipe) = self.pipe.lock().upgrade() {
            return Ok(pipe);
        }
        let new = Pipe::new()?;
        let mut slot = self.pipe.lock();
        // Somebody else may have made one meanwhile.
        Ok(slot.upgrade().unwrap_or_else(|| {
            *slot = Arc::downgrade(&new);
            new.clone()
        }))
    }
}

/// Opens a FIFO: with the other end missing, it waits for that, or fails with ENXIO.
pub(in super::super) fn open_fifo(end: &FifoEnd, flags: Flags) -> Result<Arc<dyn File>, Errno> {
    open_end(end.pipe()?, flags)
}

fn open_end(pipe: Arc<Pipe>, flags: Flags) -> Result<Arc<dyn File>, Errno> {
    pipe.channel.open(flags.access(), flags.patience())?;
    Ok(pipe)
}
