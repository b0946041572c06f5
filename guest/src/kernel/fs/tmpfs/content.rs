//! What a file in memory holds: pages, which read and write copy straight to and from user memory,
//! and which may be mapped. Nothing faults under the lock on them, because a fault may need it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use guest::errno::Errno;
use guest::mm::object::Pages;
use guest::mm::space::Copies;
use guest::mm::{Machine, ObjectAccess, PageError};
use guest::{PAGE_SIZE_BYTES, Ppn};
use linux_raw_sys::general as linux;

use super::super::buffer::{Buffer, moved_or};
use super::super::inode::{Allocation, File, Flags, Inode, Sparse};
use super::TmpNode;
use crate::mm::{Object, Paged, commit, cut_out, machine, write_frame};
use crate::sync::Mutex;

/// Most bytes that a file may have.
const SIZE_MAX_BYTES: u64 = i64::MAX as u64;

/// Pages, how many of their bytes count, and who may write.
pub(in super::super) struct Content {
    data: Mutex<Data>,
    /// Who has it open for writing; negative: so many run it.
    writers: AtomicI32,
}

struct Data {
    pages: Pages,
    size: u64,
    usage: Arc<Usage>,
}

/// How many pages the files of a file system have, and may have.
pub(in super::super) struct Usage {
    pages: AtomicU64,
    limit_pages: u64,
}

impl Usage {
    /// None of so many.
    pub(super) fn new(limit_pages: u64) -> Arc<Self> {
        Arc::new(Self { pages: AtomicU64::new(0), limit_pages })
    }

    /// How many there are, and how many there may be.
    pub(super) fn get(&self) -> (u64, u64) {
        (self.pages.load(Ordering::Relaxed), self.limit_pages)
    }

    /// Lets a page more be promised.
    fn promise(&self) -> Result<(), PageError> {
        let has_room = self.pages.load(Ordering::Relaxed) < self.limit_pages;
        let promised = has_room && commit::commit(1, 0).is_ok();
        if promised { Ok(()) } else { Err(PageError::Full) }
    }
}

/// Page and offset of a position, and how many bytes from there on are in that page.
fn split(at: u64) -> (u64, usize, usize) {
    let offset = at % PAGE_SIZE_BYTES;
    (at / PAGE_SIZE_BYTES, offset as usize, (PAGE_SIZE_BYTES - offset) as usize)
}

fn no_space(error: PageError) -> Errno {
    match error {
        PageError::OutOfMemory | PageError::Full => Errno::ENOSPC,
        _ => Errno::EIO,
    }
}

impl Data {
    /// Bytes between `at` and the end, as far as they lie in one page.
    fn span(&self, at: u64, wanted: usize) -> usize {
        let in_file = self.size.saturating_sub(at).min(usize::MAX as u64) as usize;
        split(at).2.min(in_file).min(wanted)
    }

    /// Copies from `at` on, as far as no fault is needed; whether the end was reached.
    fn read(&self, at: &mut u64, to: &mut Buffer<'_>) -> bool {
        loop {
            let count = self.span(*at, to.remaining());
            if count == 0 {
                return true;
            }
            let (index, offset, _) = split(*at);
            let moved = match self.pages.page(index) {
                Some(frame) => to.try_put_frame(frame, offset, count),
                None => to.try_put_zeros(count),
            };
            *at += moved as u64;
            if moved < count {
                return false;
            }
        }
    }

    /// Makes a page that is not there, and counts it. The limit may be passed by as many pages as
    /// there are harts.
    fn add(
        &mut self,
        make: impl FnOnce(&mut Pages) -> Result<Ppn, PageError>,
    ) -> Result<Ppn, PageError> {
        self.usage.promise()?;
        let frame = make(&mut self.pages).inspect_err(|_| commit::uncommit(1))?;
        self.usage.pages.fetch_add(1, Ordering::Relaxed);
        Ok(frame)
    }

    /// Takes pages away, and counts that.
    fn remove(&mut self, remove: impl FnOnce(&mut Pages)) {
        let before = self.pages.count();
        remove(&mut self.pages);
        let gone = before - self.pages.count();
        if gone > 0 {
            self.usage.pages.fetch_sub(gone, Ordering::Relaxed);
            commit::uncommit(gone);
        }
    }

    /// Page `index`, which is made if it is not there.
    fn page_or_new(&mut self, index: u64) -> Result<Ppn, Errno> {
        match self.pages.page(index) {
            Some(frame) => Ok(frame),
            None => self.add(|pages| pages.page_or_new(machine(), index)).map_err(no_space),
        }
    }

    /// Copies to `at` and on, as far as no fault is needed; whether all is done.
    fn write(&mut self, at: &mut u64, from: &mut Buffer<'_>) -> Result<bool, Errno> {
        while from.remaining() > 0 {
            let (index, offset, in_page) = split(*at);
            let left = SIZE_MAX_BYTES.saturating_sub(*at);
            let count = (in_page.min(from.remaining()) as u64).min(left) as usize;
            if count == 0 {
                return Err(Errno::EFBIG);
            }
            let frame = self.page_or_new(index)?;
            let moved = from.try_get_frame(frame, offset, count);
            *at += moved as u64;
            if moved > 0 {
                self.size = self.size.max(*at);
            }
            if moved < count {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn truncate(&mut self, size: u64) {
        // Room may have been made behind the end, too.
        if size <= self.size {
            self.remove(|pages| pages.truncate(machine(), size.div_ceil(PAGE_SIZE_BYTES)));
            let (_, offset, in_page) = split(size);
            if offset > 0 {
                self.zero(size, in_page);
            }
        }
        self.size = size;
    }

    /// Lets go of the pages that lie wholly between two positions, and writes zeros over what else
    /// does; numbers of those pages.
    fn punch(&mut self, start: u64, end: u64) -> Range<u64> {
        let pages = start.div_ceil(PAGE_SIZE_BYTES)..end / PAGE_SIZE_BYTES;
        self.remove(|own| own.punch(machine(), pages.clone()));
        let (_, offset, in_page) = split(start);
        if offset > 0 {
            self.zero(start, (in_page as u64).min(end - start) as usize);
        }
        let tail = split(end).1;
        if tail > 0 && end / PAGE_SIZE_BYTES >= pages.start {
            self.zero(end - tail as u64, tail);
        }
        pages
    }

    /// Makes all pages that are missing between two positions, or none.
    fn make_room(&mut self, start: u64, end: u64) -> Result<(), Errno> {
        let pages = start / PAGE_SIZE_BYTES..end.div_ceil(PAGE_SIZE_BYTES);
        // What cannot succeed is not begun; pages that are there already may be among these.
        let free = machine().memory(|memory| memory.frames.free_frames());
        if pages.end - pages.start > free + self.pages.count() {
            return Err(Errno::ENOSPC);
        }
        let mut made: Vec<Range<u64>> = Vec::new();
        for index in pages {
            if self.pages.page(index).is_some() {
                continue;
            }
            match made.last_mut() {
                Some(last) if last.end == index => last.end += 1,
                _ => {
                    made.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                    made.push(index..index + 1);
                }
            }
            if let Err(errno) = self.page_or_new(index) {
                made.into_iter().for_each(|run| self.remove(|own| own.punch(machine(), run)));
                return Err(errno);
            }
        }
        Ok(())
    }

    /// Writes zeros over bytes of one page, if it is there.
    fn zero(&self, at: u64, count: usize) {
        static ZEROS: [u8; 256] = [0; 256];
        let (index, mut offset, _) = split(at);
        let Some(frame) = self.pages.page(index) else { return };
        let end = offset + count;
        while offset < end {
            let part = (end - offset).min(ZEROS.len());
            write_frame(frame, offset, &ZEROS[..part]);
            offset += part;
        }
    }
}

impl Content {
    pub(super) fn new(usage: Arc<Usage>) -> Self {
        let data = Data { pages: Pages::default(), size: 0, usage };
        Self { data: Mutex::new(data), writers: AtomicI32::new(0) }
    }

    pub(super) fn size_and_pages(&self) -> (u64, u64) {
        let data = self.data.lock();
        (data.size, data.pages.count())
    }

    /// Somebody opens it.
    pub(super) fn opened(&self, flags: Flags) -> Result<(), Errno> {
        if !flags.writes() {
            return Ok(());
        }
        let one_more = |writers: i32| (writers >= 0).then_some(writers + 1);
        let counted = self.writers.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        counted.map(|_| ()).map_err(|_| Errno::ETXTBSY)
    }

    pub(super) fn deny_writing(&self) -> Result<(), Errno> {
        let one_more = |writers: i32| (writers <= 0).then_some(writers - 1);
        let counted = self.writers.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        counted.map(|_| ()).map_err(|_| Errno::ETXTBSY)
    }

    pub(super) fn allow_writing(&self) {
        self.writers.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn truncate(&self, size: u64) -> Result<(), Errno> {
        if size > SIZE_MAX_BYTES {
            return Err(Errno::EFBIG);
        }
        if self.writers.load(Ordering::Acquire) < 0 {
            return Err(Errno::ETXTBSY);
        }
        self.data.lock().truncate(size);
        Ok(())
    }

    /// Replaces everything.
    pub(super) fn fill(&self, bytes: &[u8]) -> Result<(), Errno> {
        let mut data = self.data.lock();
        data.truncate(0);
        data.write(&mut 0, &mut Buffer::From(bytes)).map(|_| ())
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        let data = self.data.get_mut();
        if data.pages.count() > 0 {
            data.remove(|pages| pages.truncate(machine(), 0));
        }
    }
}

impl TmpNode {
    fn regular(&self) -> Result<&Content, Errno> {
        self.content().map_err(|_| Errno::EIO)
    }

    /// The audit looks at the pages of all files.
    pub(super) fn announce(self: &Arc<Self>) {
        if self.content().is_ok() {
            let paged: Arc<dyn Paged> = self.clone();
            crate::mm::announce(&paged);
        }
    }
}

impl File for TmpNode {
    fn read(&self, at: &mut u64, to: &mut Buffer<'_>, flags: Flags) -> Result<usize, Errno> {
        let content = self.regular()?;
        let start = *at;
        let mut outcome = Ok(());
        while outcome.is_ok() && !content.data.lock().read(at, to) {
            outcome = to.touch_to_put();
        }
        let done = (*at - start) as usize;
        if done > 0 && !flags.has(linux::O_NOATIME) {
            self.was_read();
        }
        outcome.map_or_else(|errno| moved_or(done, errno), |()| Ok(done))
    }

    fn write(&self, at: &mut u64, from: &mut Buffer<'_>, flags: Flags) -> Result<usize, Errno> {
        let content = self.regular()?;
        let wanted = from.remaining();
        let outcome = loop {
            let mut data = content.data.lock();
            if flags.has(linux::O_APPEND) {
                *at = data.size;
            }
            let step = data.write(at, from);
            drop(data);
            match step {
                Ok(true) => break Ok(()),
                Ok(false) => {
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
        outcome.map_or_else(|errno| moved_or(done, errno), |()| Ok(done))
    }

    fn end(&self) -> Result<u64, Errno> {
        Ok(self.regular()?.data.lock().size)
    }

    fn seek_data(&self, from: u64, what: Sparse) -> Option<u64> {
        let data = self.regular().ok()?.data.lock();
        let first = split(from).0;
        let (mut next, mut hole) = (None, first);
        data.pages.for_each(&mut |index, _| {
            if index >= first {
                next = next.or(Some(index));
                hole += u64::from(hole == index);
            }
        });
        // Behind the content there is one more hole.
        let found = if what == Sparse::Data { next? } else { hole } * PAGE_SIZE_BYTES;
        let found = found.max(from);
        if what == Sparse::Hole {
            Some(found.min(data.size))
        } else {
            Some(found).filter(|at| *at < data.size)
        }
    }

    fn object(self: Arc<Self>) -> Result<Object, Errno> {
        self.regular()?;
        Ok(Object(self))
    }

    fn allocate(&self, start: u64, end: u64, how: Allocation) -> Result<(), Errno> {
        let mut data = self.regular()?.data.lock();
        let mut gone = 0..0;
        match how {
            Allocation::Punch => gone = data.punch(start, end),
            Allocation::KeepSize => data.make_room(start, end)?,
            Allocation::Grow => {
                data.make_room(start, end)?;
                data.size = data.size.max(end);
            }
        }
        drop(data);
        if !gone.is_empty() {
            cut_out((self.device, self.number), gone, Copies::Kept);
        }
        self.written();
        Ok(())
    }

    fn close(&self, flags: Flags) {
        if let (true, Ok(content)) = (flags.writes(), self.content()) {
            content.writers.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Paged for TmpNode {
    fn map_page(&self, index: u64, access: ObjectAccess) -> Result<Ppn, PageError> {
        let content = self.content().map_err(|_| PageError::Io)?;
        let mut data = content.data.lock();
        if index >= data.size.div_ceil(PAGE_SIZE_BYTES) {
            return Err(PageError::BeyondEnd);
        }
        if access == ObjectAccess::IfPresent || data.pages.page(index).is_some() {
            return data.pages.map_page(machine(), index, access);
        }
        data.add(|pages| pages.map_page(machine(), index, access))
    }

    fn identity(&self) -> (u64, u64) {
        (self.device, self.number)
    }

    fn path(&self) -> Vec<u8> {
        super::super::mount::path_in(self.device, Inode::path(self))
    }

    fn for_each_page(&self, visit: &mut dyn FnMut(u64, Ppn)) {
        if let Ok(content) = self.content() {
            content.data.lock().pages.for_each(visit);
        }
    }

    fn has_page(&self, index: u64) -> bool {
        self.content().is_ok_and(|content| content.data.lock().pages.page(index).is_some())
    }
}
