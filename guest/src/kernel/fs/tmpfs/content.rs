//! What a file in memory holds: pages, which read and write copy straight to and from user memory,
//! and which may be mapped. Nothing faults under the lock on them, because a fault may need it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::Ordering;

use guest::errno::Errno;
use guest::fs::seals::Seals;
use guest::mm::object::Pages;
use guest::mm::space::Copies;
use guest::mm::{CellId, ObjectAccess, PageError};
use guest::{PAGE_SIZE_BYTES, Ppn};
use linux_raw_sys::general as linux;

use super::super::buffer::{Buffer, moved_or};
use super::super::inode::{Allocation, File, Flags, Inode, Sparse};
use super::super::writers::Writers;
use super::TmpNode;
use super::usage::{Usage, no_space};
use crate::mm::reclaim::Patience;
use crate::mm::{Object, Paged, commit, cut_out, machine, memory, write_frame};
use crate::sync::Mutex;

/// Most bytes that a file may have.
const SIZE_MAX_BYTES: u64 = i64::MAX as u64;

/// Pages, how many of their bytes count, and who may write.
pub(in super::super) struct Content {
    pub(super) data: Mutex<Data>,
    pub(super) writers: Writers,
}

pub(super) struct Data {
    pages: Pages,
    pub(super) size: u64,
    pub(super) seals: Seals,
    usage: Arc<Usage>,
    /// How often pages or the size were changed, or pages shown to somebody, wrapping.
    changes: u64,
}

/// Page and offset of a position, and how many bytes from there on are in that page.
fn split(at: u64) -> (u64, usize, usize) {
    let offset = at % PAGE_SIZE_BYTES;
    (at / PAGE_SIZE_BYTES, offset as usize, (PAGE_SIZE_BYTES - offset) as usize)
}

impl Data {
    /// Bytes between `at` and the end, as far as they lie in one page.
    fn span(&self, at: u64, wanted: usize) -> usize {
        let in_file = self.size.saturating_sub(at).min(usize::MAX as u64) as usize;
        split(at).2.min(in_file).min(wanted)
    }

    /// Copies from `at` on, as far as no fault is needed; whether the end was reached.
    fn read(&mut self, at: &mut u64, to: &mut Buffer<'_>) -> Result<bool, PageError> {
        loop {
            let count = self.span(*at, to.remaining());
            if count == 0 {
                return Ok(true);
            }
            let (index, offset, _) = split(*at);
            let access = ObjectAccess::IfPresent;
            let moved = match self.pages.pin_page(machine(), index, access) {
                Ok(frame) => {
                    let moved = to.try_put_frame(frame, offset, count);
                    Pages::unpin_page(machine(), frame);
                    moved
                }
                Err(PageError::Absent) => to.try_put_zeros(count),
                Err(error) => return Err(error),
            };
            *at += moved as u64;
            if moved < count {
                return Ok(false);
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

    /// Page `index`, which is made if it is not there, pinned for writing.
    fn pin_or_new(&mut self, index: u64) -> Result<Ppn, PageError> {
        let access = ObjectAccess::Write;
        match self.pages.cell(index) {
            Some(_) => self.pages.pin_page(machine(), index, access),
            None => self.add(|pages| pages.pin_page(machine(), index, access)),
        }
    }

    /// Copies to `at` and on, as far as no fault is needed; whether all is done that a file has room
    /// for, and that its seals allow.
    fn write(&mut self, at: &mut u64, from: &mut Buffer<'_>) -> Result<bool, PageError> {
        self.changes = self.changes.wrapping_add(1);
        if !self.seals.allow_write(self.size, at.saturating_add(from.remaining() as u64)) {
            return Ok(true);
        }
        while from.remaining() > 0 {
            let (index, offset, in_page) = split(*at);
            let left = SIZE_MAX_BYTES.saturating_sub(*at);
            let count = (in_page.min(from.remaining()) as u64).min(left) as usize;
            if count == 0 {
                return Ok(true);
            }
            let frame = self.pin_or_new(index)?;
            let moved = from.try_get_frame(frame, offset, count);
            Pages::unpin_page(machine(), frame);
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

    fn truncate(&mut self, size: u64) -> Result<(), PageError> {
        self.changes = self.changes.wrapping_add(1);
        // Room may have been made behind the end, too.
        if size <= self.size {
            // This may have to wait for the page, and comes first.
            let (_, offset, in_page) = split(size);
            if offset > 0 {
                self.zero(size, in_page)?;
            }
            self.remove(|pages| pages.truncate(machine(), size.div_ceil(PAGE_SIZE_BYTES)));
        }
        self.size = size;
        Ok(())
    }

    /// Lets go of the pages that lie wholly between two positions, and writes zeros over what else
    /// does; numbers of those pages.
    fn punch(&mut self, start: u64, end: u64) -> Result<Range<u64>, PageError> {
        self.changes = self.changes.wrapping_add(1);
        let pages = start.div_ceil(PAGE_SIZE_BYTES)..end / PAGE_SIZE_BYTES;
        let (_, offset, in_page) = split(start);
        if offset > 0 {
            self.zero(start, (in_page as u64).min(end - start) as usize)?;
        }
        let tail = split(end).1;
        if tail > 0 && end / PAGE_SIZE_BYTES >= pages.start {
            self.zero(end - tail as u64, tail)?;
        }
        self.remove(|own| own.punch(machine(), pages.clone()));
        Ok(pages)
    }

    /// Makes the pages of `pages` that are missing, which gets shorter, and notes them in `made`.
    fn make_room(
        &mut self,
        pages: &mut Range<u64>,
        made: &mut Vec<Range<u64>>,
    ) -> Result<(), PageError> {
        for index in pages.clone() {
            if self.pages.cell(index).is_none() {
                made.try_reserve(1).map_err(|_| PageError::OutOfMemory)?;
                Pages::unpin_page(machine(), self.pin_or_new(index)?);
                match made.last_mut() {
                    Some(last) if last.end == index => last.end += 1,
                    _ => made.push(index..index + 1),
                }
            }
            pages.start = index + 1;
        }
        Ok(())
    }

    /// Writes zeros over bytes of one page, if it is there.
    fn zero(&mut self, at: u64, count: usize) -> Result<(), PageError> {
        static ZEROS: [u8; 256] = [0; 256];
        let (index, mut offset, _) = split(at);
        if self.pages.cell(index).is_none() {
            return Ok(());
        }
        let frame = self.pages.pin_page(machine(), index, ObjectAccess::Write)?;
        let end = offset + count;
        while offset < end {
            let part = (end - offset).min(ZEROS.len());
            write_frame(frame, offset, &ZEROS[..part]);
            offset += part;
        }
        Pages::unpin_page(machine(), frame);
        Ok(())
    }
}

impl Content {
    pub(super) fn new(usage: Arc<Usage>) -> Self {
        let (pages, seals) = (Pages::default(), Seals::CLOSED);
        let data = Data { pages, size: 0, seals, usage, changes: 0 };
        Self { data: Mutex::new(data), writers: Writers::new() }
    }

    pub(super) fn size_and_pages(&self) -> (u64, u64) {
        let data = self.data.lock();
        (data.size, data.pages.count())
    }

    pub(super) fn truncate(&self, size: u64) -> Result<(), Errno> {
        if size > SIZE_MAX_BYTES {
            return Err(Errno::EFBIG);
        }
        self.writers.check()?;
        let data = self.data.lock();
        data.seals.check_size(data.size, size)?;
        drop(data);
        self.work(|data| data.truncate(size))
    }

    /// Replaces everything.
    pub(super) fn fill(&self, bytes: &[u8]) -> Result<(), Errno> {
        self.work(|data| data.truncate(0))?;
        let (mut at, mut from) = (0, Buffer::From(bytes));
        self.work(|data| data.write(&mut at, &mut from)).map(|_| ())
    }

    /// Works on the content with the lock held; whenever that takes a page that is elsewhere, or a
    /// frame, waits for it without, and goes on.
    fn work<R>(&self, step: impl FnMut(&mut Data) -> Result<R, PageError>) -> Result<R, Errno> {
        self.go_on(&mut Patience::new(), step)
    }

    /// The same for one of several steps, with what they have waited for.
    fn go_on<R>(
        &self,
        patience: &mut Patience,
        mut step: impl FnMut(&mut Data) -> Result<R, PageError>,
    ) -> Result<R, Errno> {
        loop {
            let outcome = step(&mut self.data.lock());
            match outcome {
                Ok(result) => return Ok(result),
                Err(error) => patience.wait_out_page(error).map_err(no_space)?,
            }
        }
    }

    /// Makes all pages that are missing between two positions, or none; if somebody else has worked
    /// on the file meanwhile, those stay that there was room for.
    fn make_room(&self, start: u64, end: u64) -> Result<(), Errno> {
        let mut pages = start / PAGE_SIZE_BYTES..end.div_ceil(PAGE_SIZE_BYTES);
        let (changes, own) = {
            let data = self.data.lock();
            (data.changes, data.pages.count())
        };
        // What cannot succeed is not begun; pages that are there already may be among these.
        let room = memory(|memory| memory.available_frames() + memory.slots.total());
        if pages.end - pages.start > room + own {
            return Err(Errno::ENOSPC);
        }
        let mut made = Vec::new();
        let outcome = self.work(|data| data.make_room(&mut pages, &mut made));
        if outcome.is_err() {
            let mut data = self.data.lock();
            if data.changes == changes {
                made.into_iter().for_each(|run| data.remove(|own| own.punch(machine(), run)));
            }
        }
        outcome
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
        let mut patience = Patience::new();
        let outcome = loop {
            match content.go_on(&mut patience, |data| data.read(at, to)) {
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
        let content = self.regular()?;
        let wanted = from.remaining();
        let mut patience = Patience::new();
        let outcome = loop {
            let step = content.go_on(&mut patience, |data| {
                if flags.has(linux::O_APPEND) {
                    *at = data.size;
                }
                data.write(at, from)
            });
            match step {
                Ok(true) if from.remaining() > 0 => break Err(content.refusal()),
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
        let content = self.regular()?;
        let mut gone = 0..0;
        let (seals, size) = (content.seals(), content.size_and_pages().0);
        match how {
            Allocation::Punch => seals.check_punch()?,
            Allocation::KeepSize | Allocation::Grow => seals.check_size(size, end.max(size))?,
        }
        match how {
            Allocation::Punch => gone = content.work(|data| data.punch(start, end))?,
            Allocation::KeepSize => content.make_room(start, end)?,
            Allocation::Grow => {
                content.make_room(start, end)?;
                let mut data = content.data.lock();
                data.size = data.size.max(end);
            }
        }
        if !gone.is_empty() {
            cut_out((self.device, self.number), gone, Copies::Kept);
        }
        self.written();
        Ok(())
    }

    fn seals(&self) -> Option<Seals> {
        self.content().ok().map(Content::seals)
    }

    fn add_seals(&self, bits: u32) -> Result<(), Errno> {
        self.seal(bits)
    }

    fn close(&self, flags: Flags) {
        if let Ok(content) = self.content() {
            content.writers.closed(flags);
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
        data.changes = data.changes.wrapping_add(1);
        if data.pages.cell(index).is_some() {
            return data.pages.map_page(machine(), index, access);
        }
        data.add(|pages| pages.map_page(machine(), index, access))
    }

    fn map_present(&self, first: u64, frames: &mut [Option<Ppn>]) {
        let Ok(content) = self.content() else { return };
        let mut data = content.data.lock();
        data.changes = data.changes.wrapping_add(1);
        data.pages.map_present(machine(), first, frames);
    }

    fn identity(&self) -> (u64, u64) {
        (self.device, self.number)
    }

    fn path(&self) -> Vec<u8> {
        super::super::mount::path_in(self.device, Inode::path(self))
    }

    fn for_each_page(&self, visit: &mut dyn FnMut(u64, CellId)) {
        if let Ok(content) = self.content() {
            content.data.lock().pages.for_each(visit);
        }
    }

    fn punch(&self, pages: Range<u64>) -> Result<(), Errno> {
        let (start, end) = (pages.start * PAGE_SIZE_BYTES, pages.end * PAGE_SIZE_BYTES);
        File::allocate(self, start, end, Allocation::Punch)
    }

    fn has_page(&self, index: u64) -> bool {
        let pages = |content: &Content| content.data.lock().pages.is_resident(machine(), index);
        self.content().is_ok_and(pages)
    }
}
