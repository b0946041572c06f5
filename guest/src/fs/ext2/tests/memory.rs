//! [`MemoryDisk`]: a disk in memory that can fail, and that remembers each write, so that a test
//! can have the image as a power cut would have left it.

use std::cell::{Cell, RefCell};

use super::super::{Access, Disk, Ext2, IoError, Options};
use crate::fs::Time;

/// When the tests take place.
pub(super) const NOW: Time = Time { seconds: 1_700_000_000, nanoseconds: 123_456_789 };

/// A disk in memory.
#[derive(Debug, Default)]
pub(super) struct MemoryDisk {
    image: RefCell<Vec<u8>>,
    /// What was written where, in order.
    written: RefCell<Vec<(u64, Vec<u8>)>>,
    /// How many more writes succeed; `None`: all.
    writes_left: Cell<Option<usize>>,
    reads: Cell<usize>,
}

impl MemoryDisk {
    pub(super) fn new(image: Vec<u8>) -> Self {
        Self { image: RefCell::new(image), ..Self::default() }
    }

    pub(super) fn into_image(self) -> Vec<u8> {
        self.image.into_inner()
    }

    pub(super) fn image(&self) -> Vec<u8> {
        self.image.borrow().clone()
    }

    /// What was written so far, in order.
    pub(super) fn written(&self) -> Vec<(u64, Vec<u8>)> {
        self.written.borrow().clone()
    }

    pub(super) fn writes(&self) -> usize {
        self.written.borrow().len()
    }

    pub(super) fn reads(&self) -> usize {
        self.reads.get()
    }

    /// Only so many more writes succeed.
    pub(super) fn fail_after(&self, writes: Option<usize>) {
        self.writes_left.set(writes);
    }
}

impl Disk for MemoryDisk {
    fn size_bytes(&self) -> u64 {
        self.image.borrow().len() as u64
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn read(&self, position: u64, to: &mut [u8]) -> Result<(), IoError> {
        assert!(position.is_multiple_of(1024) && to.len().is_multiple_of(1024));
        self.reads.set(self.reads.get() + 1);
        let image = self.image.borrow();
        let from = image.get(position as usize..).and_then(|rest| rest.get(..to.len()));
        to.copy_from_slice(from.expect("reads are inside the file system"));
        Ok(())
    }

    fn write(&self, position: u64, from: &[u8]) -> Result<(), IoError> {
        assert!(position.is_multiple_of(1024) && from.len().is_multiple_of(1024));
        if let Some(left) = self.writes_left.get() {
            self.writes_left.set(Some(left.checked_sub(1).ok_or(IoError)?));
        }
        let mut image = self.image.borrow_mut();
        image[position as usize..][..from.len()].copy_from_slice(from);
        self.written.borrow_mut().push((position, from.to_vec()));
        Ok(())
    }

    fn flush(&self) -> Result<(), IoError> {
        Ok(())
    }
}

/// Mounts an image, with few buffers, so that they are used again and again.
pub(super) fn mount(image: Vec<u8>, access: Access) -> Ext2<MemoryDisk> {
    const BUFFERS: usize = 8;
    let options = Options { buffers: BUFFERS, access, now: NOW };
    Ext2::mount(MemoryDisk::new(image), options).expect("a file system")
}

/// Reads the bytes of a file through the map of its blocks.
pub(super) fn content(system: &mut Ext2<MemoryDisk>, inode: u32) -> Vec<u8> {
    let stat = system.stat(inode, 0).expect("a file");
    let block_bytes = u64::from(system.block_bytes());
    let mut bytes = Vec::new();
    let mut at = 0;
    let blocks = stat.size_bytes.div_ceil(block_bytes);
    while at < blocks {
        let run = system.map_run(inode, at, (blocks - at).min(1000) as u32).expect("mapped");
        assert!(run.count >= 1);
        for index in 0..u64::from(run.count) {
            let single = system.map(inode, at + index).expect("mapped");
            assert_eq!(single, run.block.map(|block| block + index as u32));
            let mut block = vec![0; block_bytes as usize];
            if let Some(number) = single {
                let position = u64::from(number) * block_bytes;
                system.disk().read(position, &mut block).expect("read");
            }
            bytes.extend_from_slice(&block);
        }
        at += u64::from(run.count);
    }
    bytes.truncate(stat.size_bytes as usize);
    bytes
}
