//! What a regular file holds: a cache of pages that read, write and mappings share.
//!
//! A page that is there is a cell of the books on memory: clean while the disk has the same content,
//! so that its frame may be taken at any time, or changed. It is brought in with the lock on the
//! file held; a frame is never waited for with it. Every page that is changed has its blocks, up to
//! the end of the file, before: so what is written back finds its place.

use core::sync::atomic::{AtomicBool, Ordering};

use guest::errno::Errno;
use guest::mm::object::Pages;
use guest::mm::{Class, ObjectAccess, Owner, PageError};
use guest::{PAGE_SIZE_BYTES, Ppn};

use super::super::buffer::Buffer;
use super::super::inode::Sparse;
use super::super::writers::Writers;
use super::home::{Frames, Home, clear, split};
use crate::block::{Operation, PIECES_MAX};
use crate::mm::reclaim::Patience;
use crate::mm::{has_plenty, machine, memory, write_back};
use crate::sync::{Mutex, MutexGuard};

/// Pages, how many of their bytes count, and who may write.
pub(super) struct Content {
    data: Mutex<Data>,
    pub(super) writers: Writers,
    /// It was mapped for writing since its mappings were last looked at.
    was_mapped: AtomicBool,
    /// Something could not be written, and nobody has been told.
    has_failed: AtomicBool,
}

pub(super) struct Data {
    pages: Pages,
    pub(super) size: u64,
    /// The page behind the one that was read last.
    next_read: u64,
}

/// What a system call fails with.
pub(super) fn errno_of(error: PageError) -> Errno {
    match error {
        PageError::OutOfMemory => Errno::ENOMEM,
        PageError::Full => Errno::ENOSPC,
        _ => Errno::EIO,
    }
}

/// What the file system says, as a page.
fn page_error(errno: Errno) -> PageError {
    match errno {
        Errno::ENOSPC | Errno::EFBIG => PageError::Full,
        Errno::ENOMEM => PageError::OutOfMemory,
        _ => PageError::Io,
    }
}

fn unpin(frame: Ppn) {
    Pages::unpin_page(machine(), frame);
}

/// Its content is not what the disk has.
fn spoil(frame: Ppn) {
    memory(|memory| {
        if let Some(cell) = memory.frames.owner(frame).cell() {
            memory.spoil(cell);
        }
    });
}

impl Data {
    fn pages_in_size(&self) -> u64 {
        self.size.div_ceil(PAGE_SIZE_BYTES)
    }

    /// Writes zeros behind the end of the file, as far as the frame of page `index` reaches.
    fn clear_behind_end(&self, index: u64, frame: Ppn) {
        let start = index * PAGE_SIZE_BYTES;
        if start + PAGE_SIZE_BYTES > self.size {
            let end = self.size.saturating_sub(start) as usize;
            clear(frame, end, PAGE_SIZE_BYTES as usize);
        }
    }

    /// Page `index`, pinned; it is read if need be, with those behind it that are not there either,
    /// up to `window` pages together.
    fn pin(&mut self, home: Home<'_>, index: u64, window: u64) -> Result<Ppn, PageError> {
        if !self.pages.is_away(machine(), index) {
            match self.pages.pin_page(machine(), index, ObjectAccess::Read) {
                // It has just been evicted.
                Err(PageError::AtHome) => {}
                pinned => return pinned,
            }
        }
        self.fetch(home, index, window).or_else(|error| match error {
            PageError::Io if window > 1 => self.fetch(home, index, 1),
            error => Err(error),
        })
    }

    fn fetch(&mut self, home: Home<'_>, index: u64, window: u64) -> Result<Ppn, PageError> {
        let behind_end = self.pages_in_size().saturating_sub(index);
        let window = if has_plenty() { window.min(behind_end).max(1) } else { 1 };
        let mut frames = Frames::new();
        for page in index..index + window.min(PIECES_MAX as u64) {
            let is_wanted = page == index || self.pages.is_away(machine(), page);
            let frame = memory(|memory| memory.alloc(Class::User, Owner::Kernel)).ok();
            match frame.filter(|_| is_wanted) {
                Some(frame) => frames.push(frame),
                None => {
                    give_back(frame.as_slice());
                    break;
                }
            }
        }
        if frames.is_empty() {
            return Err(PageError::OutOfMemory);
        }
        let read = if behind_end == 0 {
            clear(frames[0], 0, PAGE_SIZE_BYTES as usize);
            Ok(())
        } else {
            home.transfer(Operation::Read, index, (&frames, self.size))
        };
        if let Err(errno) = read {
            give_back(&frames);
            return Err(page_error(errno));
        }
        for (page, (done, frame)) in (index..).zip(frames.iter().enumerate()) {
            self.clear_behind_end(page, *frame);
            if let Err(error) = self.pages.adopt_file(machine(), page, *frame) {
                give_back(&frames[done..]);
                if done == 0 {
                    return Err(error);
                }
                break;
            }
            if done > 0 {
                unpin(*frame);
            }
        }
        Ok(frames[0])
    }

    /// Page `index`, pinned, to be changed: it has its blocks.
    fn pin_to_change(&mut self, home: Home<'_>, index: u64, end: u64) -> Result<Ppn, PageError> {
        let frame = self.pin(home, index, 1)?;
        if let Err(errno) = home.reserve(index, end) {
            unpin(frame);
            return Err(page_error(errno));
        }
        spoil(frame);
        Ok(frame)
    }

    /// Copies from `at` on, as far as no fault is needed; whether the end was reached.
    pub(super) fn read(
        &mut self,
        home: Home<'_>,
        at: &mut u64,
        to: &mut Buffer<'_>,
    ) -> Result<bool, PageError> {
        loop {
            let (index, offset, in_page) = split(*at);
            let left = self.size.saturating_sub(*at).min(usize::MAX as u64) as usize;
            let count = in_page.min(left).min(to.remaining());
            if count == 0 {
                return Ok(true);
            }
            let wanted = (offset + to.remaining()).div_ceil(PAGE_SIZE_BYTES as usize) as u64;
            let is_in_row = index == self.next_read || index + 1 == self.next_read;
            let window = if is_in_row || index == 0 { PIECES_MAX as u64 } else { wanted };
            let frame = self.pin(home, index, window)?;
            self.next_read = index + 1;
            let moved = to.try_put_frame(frame, offset, count);
            unpin(frame);
            *at += moved as u64;
            if moved < count {
                return Ok(false);
            }
        }
    }

    /// Copies to `at` and on, as far as no fault is needed; whether all is done.
    pub(super) fn write(
        &mut self,
        home: Home<'_>,
        at: &mut u64,
        from: &mut Buffer<'_>,
    ) -> Result<bool, PageError> {
        while from.remaining() > 0 {
            if *at > self.size {
                self.clear_from(home, self.size)?;
            }
            let (index, offset, in_page) = split(*at);
            let count = in_page.min(from.remaining());
            let size = self.size;
            let end = size.max(*at + count as u64);
            let frame = self.pin_to_change(home, index, end).inspect_err(|_| {
                if end > size {
                    // Some blocks may have been taken: there is room for part of the page.
                    let _ = home.resize(size);
                }
            })?;
            let moved = from.try_get_frame(frame, offset, count);
            unpin(frame);
            *at += moved as u64;
            self.grow(home, *at, end)?;
            if moved < count {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Content reaches up to `size` now; blocks were taken up to `taken`.
    fn grow(&mut self, home: Home<'_>, size: u64, taken: u64) -> Result<(), PageError> {
        if size > self.size {
            home.resize(size).map_err(page_error)?;
            self.size = size;
        }
        if taken > self.size {
            // Less was copied than there was to be: what was taken behind the end goes back.
            home.resize(self.size).map_err(page_error)?;
        }
        Ok(())
    }

    /// Writes zeros from a position up to the end of its page, if anything is there.
    fn clear_from(&mut self, home: Home<'_>, at: u64) -> Result<(), PageError> {
        let (index, offset, _) = split(at);
        if offset == 0 {
            return Ok(());
        }
        if self.pages.is_away(machine(), index) && home.is_hole(at).map_err(page_error)? {
            return Ok(());
        }
        let frame = self.pin_to_change(home, index, self.size)?;
        clear(frame, offset, PAGE_SIZE_BYTES as usize);
        unpin(frame);
        Ok(())
    }

    pub(super) fn truncate(&mut self, home: Home<'_>, size: u64) -> Result<(), PageError> {
        if home.system.max_file_bytes() < size {
            return Err(PageError::Full);
        }
        // This may have to wait for the page, and comes first.
        self.clear_from(home, size.min(self.size))?;
        if size < self.size {
            self.pages.truncate(machine(), size.div_ceil(PAGE_SIZE_BYTES));
        }
        home.resize(size).map_err(page_error)?;
        self.size = size;
        Ok(())
    }

    /// Writes the first changed pages from `next` on that lie side by side, and moves that behind
    /// them; `None`: there are none.
    fn save_some(&mut self, home: Home<'_>, next: &mut u64) -> Option<Result<(), Errno>> {
        let is_changed = &mut |cell| {
            memory(|memory| memory.cells.frame(cell).is_some() && !memory.cells.has_copy(cell))
        };
        let first = self.pages.find(*next, is_changed)?;
        let mut frames = Frames::new();
        while !frames.is_full()
            && let Some(cell) = self.pages.cell(first + frames.len() as u64)
            && let Some(frame) = memory(|memory| memory.save(cell))
        {
            self.clear_behind_end(first + frames.len() as u64, frame);
            frames.push(frame);
        }
        *next = first + frames.len().max(1) as u64;
        let saved = write_back::writing(frames.len(), || {
            home.transfer(Operation::Write, first, (&frames, self.size))
        });
        for frame in &frames {
            if saved == Err(Errno::ENOMEM) {
                // It may work later.
                spoil(*frame);
            }
            unpin(*frame);
        }
        Some(saved)
    }

    /// Lets go of pages that were evicted.
    fn forget_evicted(&mut self) {
        let mut next = 0;
        let is_away =
            &mut |cell| memory(|memory| memory.cells.state(cell) == guest::mm::cells::State::Home);
        while let Some(index) = self.pages.find(next, is_away) {
            self.pages.forget_evicted(machine(), &[index]);
            next = index + 1;
        }
    }
}

fn give_back(frames: &[Ppn]) {
    memory(|memory| frames.iter().for_each(|frame| memory.frames.free(*frame)));
}

impl Content {
    pub(super) fn new(size: u64) -> Self {
        Self {
            data: Mutex::new(Data { pages: Pages::default(), size, next_read: 0 }),
            writers: Writers::new(),
            was_mapped: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Data> {
        self.data.lock()
    }

    /// Works on the content with the lock held; whenever that takes a frame, waits for it without,
    /// and goes on.
    pub(super) fn work<R>(
        &self,
        patience: &mut Patience,
        mut step: impl FnMut(&mut Data) -> Result<R, PageError>,
    ) -> Result<R, Errno> {
        loop {
            let outcome = step(&mut self.data.lock());
            match outcome {
                Ok(result) => return Ok(result),
                Err(error) => patience.wait_out_page(error).map_err(errno_of)?,
            }
        }
    }

    /// Page `index`, mapped once more.
    pub(super) fn map_page(
        &self,
        home: Home<'_>,
        index: u64,
        access: ObjectAccess,
    ) -> Result<Ppn, PageError> {
        let mut data = self.data.lock();
        if index >= data.pages_in_size() {
            return Err(PageError::BeyondEnd);
        }
        let frame = if access == ObjectAccess::Write {
            self.was_mapped.store(true, Ordering::Release);
            let end = data.size;
            data.pin_to_change(home, index, end)?
        } else {
            data.pin(home, index, PIECES_MAX as u64 / 2)?
        };
        memory(|memory| {
            memory.frames.map(frame);
            memory.unpin(frame);
        });
        Ok(frame)
    }

    /// Those pages from `first` on that are in memory, mapped once more.
    pub(super) fn map_present(&self, first: u64, frames: &mut [Option<Ppn>]) {
        let data = self.data.lock();
        let here = data.pages_in_size().saturating_sub(first).min(frames.len() as u64);
        data.pages.map_present(machine(), first, &mut frames[..here as usize]);
    }

    /// Whether it may have been written through mappings since this was last asked.
    pub(super) fn take_mapped(&self) -> bool {
        self.was_mapped.swap(false, Ordering::AcqRel)
    }

    /// There are mappings that may write.
    pub(super) fn keep_mapped(&self) {
        self.was_mapped.store(true, Ordering::Release);
    }

    /// Writes all that was changed; what could not be written is remembered for whoever asks.
    ///
    /// # Errors
    /// ENOMEM: the rest is still to be written.
    pub(super) fn save(&self, home: Home<'_>) -> Result<(), Errno> {
        let mut next = 0;
        loop {
            // Others come in between.
            let saved = self.data.lock().save_some(home, &mut next);
            match saved {
                None => return Ok(()),
                Some(Ok(())) => {}
                Some(Err(Errno::ENOMEM)) => return Err(Errno::ENOMEM),
                Some(Err(_)) => self.has_failed.store(true, Ordering::Release),
            }
        }
    }

    /// Whether something could not be written since this was last asked.
    pub(super) fn take_failure(&self) -> Result<(), Errno> {
        if self.has_failed.swap(false, Ordering::AcqRel) { Err(Errno::EIO) } else { Ok(()) }
    }

    /// Whether it has changed pages.
    pub(super) fn is_changed(&self) -> bool {
        let is_changed = &mut |cell| {
            memory(|memory| memory.cells.frame(cell).is_some() && !memory.cells.has_copy(cell))
        };
        self.data.lock().pages.find(0, is_changed).is_some()
    }

    pub(super) fn forget_evicted(&self) {
        self.data.lock().forget_evicted();
    }

    pub(super) fn for_each_page(&self, visit: &mut dyn FnMut(u64, guest::mm::CellId)) {
        self.data.lock().pages.for_each(visit);
    }

    pub(super) fn has_page(&self, index: u64) -> bool {
        self.data.lock().pages.is_resident(machine(), index)
    }

    /// Where data or a hole begins, from a position on.
    pub(super) fn seek_data(&self, home: Home<'_>, from: u64, what: Sparse) -> Option<u64> {
        let data = self.data.lock();
        let found = home.seek(from, data.size, what == Sparse::Hole).ok()?;
        match what {
            Sparse::Hole => Some(found.min(data.size)),
            Sparse::Data => Some(found).filter(|at| *at < data.size),
        }
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        self.data.get_mut().pages.truncate(machine(), 0);
        if write_back::is_crowded() {
            write_back::wake();
        }
    }
}
