//! Memory from `mmap`: [`Mapping`], read and written by offset, so that programs can touch pages
//! one by one, share them between processes and change their protection.

use core::ptr;
use core::sync::atomic::AtomicU32;

use linux_raw_sys::general::{
    __NR_madvise, __NR_mlock, __NR_mmap, __NR_mprotect, __NR_msync, __NR_munmap, __NR_shmat,
    __NR_shmdt, MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED, MS_SYNC, PROT_READ, PROT_WRITE,
};

use super::call::{args, call};
use super::file::File;
use crate::errno::Result;

/// Size of a page.
pub const PAGE_SIZE_BYTES: usize = 4096;

/// A range of pages that this owns; dropping it unmaps them. An access that the protection denies
/// is the kernel's to answer: SIGSEGV.
#[derive(Debug)]
pub struct Mapping {
    start: usize,
    length: usize,
}

impl Mapping {
    /// Readable and writable zeroed pages of this process alone.
    pub fn private(length: usize) -> Result<Self> {
        Self::new(length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, None)
    }

    /// Readable and writable zeroed pages that children share.
    pub fn shared(length: usize) -> Result<Self> {
        Self::new(length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, None)
    }

    /// Pages of a file from its start.
    pub fn of_file(file: &File, length: usize, protection: u32, flags: u32) -> Result<Self> {
        Self::new(length, protection, flags, Some(file))
    }

    /// Any mapping at an address of the kernel's choice; `MAP_FIXED` has no effect.
    pub fn new(length: usize, protection: u32, flags: u32, file: Option<&File>) -> Result<Self> {
        let fd = file.map_or(-1, File::fd);
        // No address is given: MAP_FIXED could replace memory that Rust uses.
        let flags = flags & !(linux_raw_sys::general::MAP_FIXED);
        let start = call(__NR_mmap, args![0_usize, length, protection, flags, fd, 0_usize])?;
        Ok(Self { start, length: length.next_multiple_of(PAGE_SIZE_BYTES) })
    }

    /// A System V segment of this length, by its identifier; to be read and written.
    pub fn of_segment(id: i32, length: usize) -> Result<Self> {
        let start = call(__NR_shmat, args![id, 0_usize, 0_usize])?;
        Ok(Self { start, length: length.next_multiple_of(PAGE_SIZE_BYTES) })
    }

    /// Lets go of a segment as System V does it: all that it has from here on.
    pub fn detach(self) -> Result<()> {
        let detached = call(__NR_shmdt, args![self.start]);
        core::mem::forget(self);
        detached.map(drop)
    }

    /// Address of the first byte.
    pub fn start(&self) -> usize {
        self.start
    }

    /// Length in bytes, whole pages.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is no page: never.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The word at this offset.
    #[inline(always)]
    pub fn read(&self, offset: usize) -> u64 {
        let at = ptr::with_exposed_provenance::<u64>(self.at(offset));
        // SAFETY: inside the mapping and aligned; no Rust reference is ever made to it.
        unsafe { at.read_volatile() }
    }

    /// Replaces the word at this offset.
    #[inline(always)]
    pub fn write(&self, offset: usize, value: u64) {
        let at = ptr::with_exposed_provenance_mut::<u64>(self.at(offset));
        // SAFETY: as above.
        unsafe { at.write_volatile(value) };
    }

    /// The 32-bit word at this offset, for processes that share it.
    pub fn word(&self, offset: usize) -> &AtomicU32 {
        let at = ptr::with_exposed_provenance_mut::<u32>(self.at(offset));
        // SAFETY: inside the mapping, aligned, and there as long as the mapping is.
        unsafe { AtomicU32::from_ptr(at) }
    }

    /// Changes the protection of `length` bytes from this offset on.
    pub fn protect(&self, offset: usize, length: usize, protection: u32) -> Result<()> {
        let start = self.range(offset, length);
        call(__NR_mprotect, args![start, length, protection]).map(drop)
    }

    /// Advises about `length` bytes from this offset on.
    pub fn advise(&self, offset: usize, length: usize, advice: u32) -> Result<()> {
        let start = self.range(offset, length);
        call(__NR_madvise, args![start, length, advice]).map(drop)
    }

    /// Makes what was stored in `length` bytes from this offset on survive, where they are a file's.
    pub fn sync(&self, offset: usize, length: usize) -> Result<()> {
        let start = self.range(offset, length);
        call(__NR_msync, args![start, length, MS_SYNC]).map(drop)
    }

    /// Keeps `length` bytes from this offset on in RAM.
    pub fn lock(&self, offset: usize, length: usize) -> Result<()> {
        call(__NR_mlock, args![self.range(offset, length), length]).map(drop)
    }

    #[inline(always)]
    fn at(&self, offset: usize) -> usize {
        self.range(offset, size_of::<u64>());
        assert!(offset.is_multiple_of(align_of::<u64>()), "offset {offset} is not aligned");
        self.start + offset
    }

    fn range(&self, offset: usize, length: usize) -> usize {
        let end = offset.checked_add(length);
        assert!(end.is_some_and(|end| end <= self.length), "{offset}+{length} is outside");
        self.start + offset
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // The range is this mapping's own, and it cannot fail.
        let _ = call(__NR_munmap, args![self.start, self.length]);
    }
}
