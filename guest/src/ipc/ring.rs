//! [`Ring`]: the bytes in a pipe, in pages that come when they are needed. It says where the next
//! bytes lie; whoever owns it copies them, so nothing is copied twice.

use alloc::vec::Vec;

use crate::PAGE_SIZE_BYTES;
use crate::errno::Errno;

/// Writes of up to this many bytes are not mixed with others'.
///
/// Source: POSIX, `<limits.h>`, PIPE_BUF; the value is Linux's.
pub const PIPE_BUF_BYTES: usize = 4096;
/// What a new pipe holds.
pub const DEFAULT_CAPACITY_BYTES: usize = 65_536;
/// Most that anybody may ask for, as on Linux.
pub const MAX_CAPACITY_BYTES: usize = 1 << 31;

const PAGE: usize = PAGE_SIZE_BYTES as usize;

/// Part of one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span<P> {
    /// Which page.
    pub page: P,
    /// First byte in it.
    pub offset: usize,
    /// How many bytes, at least one.
    pub count: usize,
}

/// Bytes in the order in which they were written.
#[derive(Debug)]
pub struct Ring<P> {
    /// A place for each page of the capacity, empty until something is written there.
    pages: Vec<Option<P>>,
    /// Where the next byte is read, below the capacity.
    start: usize,
    /// Bytes to be read.
    length: usize,
}

impl<P: Copy> Ring<P> {
    /// An empty ring without pages.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn new() -> Result<Self, Errno> {
        Ok(Self { pages: places(DEFAULT_CAPACITY_BYTES / PAGE)?, start: 0, length: 0 })
    }

    /// Bytes that it can hold.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.pages.len() * PAGE
    }

    /// Bytes to be read.
    #[inline]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is nothing to read.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Bytes that can be written.
    #[inline]
    pub fn free(&self) -> usize {
        self.capacity() - self.length
    }

    /// The next bytes to be read, as far as they lie in one page.
    #[inline]
    pub fn readable(&self) -> Option<Span<P>> {
        let page = self.pages[self.start / PAGE];
        let offset = self.start % PAGE;
        let count = self.length.min(PAGE - offset);
        page.filter(|_| count > 0).map(|page| Span { page, offset, count })
    }

    /// The bytes that are to be read when the first `skip` have been, as far as they lie in one
    /// page.
    pub fn readable_behind(&self, skip: usize) -> Option<Span<P>> {
        let left = self.length.checked_sub(skip).filter(|left| *left > 0)?;
        let at = self.wrap(self.start + skip);
        let offset = at % PAGE;
        self.pages[at / PAGE].map(|page| Span { page, offset, count: left.min(PAGE - offset) })
    }

    /// The first `count` bytes have been read.
    #[inline]
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.length, "{count} of {} bytes", self.length);
        self.length -= count;
        // An empty ring begins again, so that a slow stream stays in one page.
        self.start = if self.length == 0 { 0 } else { self.wrap(self.start + count) };
    }

    /// Room for the next bytes in a page that is there already; `None` where there is none.
    #[inline]
    pub fn room(&self) -> Option<Span<P>> {
        let end = self.wrap(self.start + self.length);
        let offset = end % PAGE;
        let count = self.free().min(PAGE - offset);
        let page = self.pages.get(end / PAGE).copied().flatten();
        page.filter(|_| count > 0).map(|page| Span { page, offset, count })
    }

    /// Room for the next bytes, as far as it lies in one page, which `page` makes if there is
    /// none; `None` in a full ring.
    ///
    /// # Errors
    /// What `page` says.
    #[inline]
    pub fn writable<E>(
        &mut self,
        page: impl FnOnce() -> Result<P, E>,
    ) -> Result<Option<Span<P>>, E> {
        let end = self.wrap(self.start + self.length);
        let offset = end % PAGE;
        let count = self.free().min(PAGE - offset);
        if count == 0 {
            return Ok(None);
        }
        let slot = &mut self.pages[end / PAGE];
        let page = match *slot {
            Some(page) => page,
            None => *slot.insert(page()?),
        };
        Ok(Some(Span { page, offset, count }))
    }

    /// `count` bytes have been written where [`writable`](Self::writable) said.
    #[inline]
    pub fn produce(&mut self, count: usize) {
        assert!(count <= self.free(), "{count} of {} bytes", self.free());
        self.length += count;
    }

    /// Changes the capacity to at least `bytes`: a power of two of pages. Content stays where it
    /// is in its pages, which move; those that are not needed any more go to `free`.
    ///
    /// # Errors
    /// EBUSY where the pages with content do not fit (or the first and the last of them are the
    /// same one), ENOMEM, EINVAL beyond [`MAX_CAPACITY_BYTES`].
    pub fn resize(&mut self, bytes: usize, mut free: impl FnMut(P)) -> Result<(), Errno> {
        let pages = pages_of(bytes)?;
        let first = self.start / PAGE;
        let used = (self.start % PAGE + self.length).div_ceil(PAGE);
        let wrapped = used > self.pages.len();
        if used > pages || wrapped && pages != self.pages.len() {
            return Err(Errno::EBUSY);
        }
        if pages == self.pages.len() {
            return Ok(());
        }
        let mut moved = places(pages)?;
        for index in 0..self.pages.len() {
            let page = self.pages[(first + index) % self.pages.len()];
            match (page, moved.get_mut(index)) {
                (Some(page), Some(slot)) => *slot = Some(page),
                (Some(page), None) => free(page),
                (None, _) => {}
            }
        }
        self.pages = moved;
        self.start %= PAGE;
        Ok(())
    }

    /// The last `count` bytes have not been written after all.
    pub fn retract(&mut self, count: usize) {
        assert!(count <= self.length, "{count} of {} bytes", self.length);
        self.length -= count;
    }

    /// Takes all pages out, to be freed. The ring is empty then, and has no capacity.
    pub fn take_pages(&mut self) -> impl Iterator<Item = P> + use<P> {
        (self.start, self.length) = (0, 0);
        core::mem::take(&mut self.pages).into_iter().flatten()
    }

    fn wrap(&self, at: usize) -> usize {
        if at >= self.capacity() { at - self.capacity() } else { at }
    }
}

/// Pages of a ring for at least so many bytes: a power of two.
///
/// # Errors
/// EINVAL beyond [`MAX_CAPACITY_BYTES`].
pub fn pages_of(bytes: usize) -> Result<usize, Errno> {
    if bytes > MAX_CAPACITY_BYTES {
        return Err(Errno::EINVAL);
    }
    Ok(bytes.div_ceil(PAGE).max(1).next_power_of_two())
}

fn places<P: Copy>(count: usize) -> Result<Vec<Option<P>>, Errno> {
    let mut places = Vec::new();
    places.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    places.resize(count, None);
    Ok(places)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    /// A ring with memory behind it.
    struct Memory {
        ring: Ring<usize>,
        frames: Vec<[u8; PAGE]>,
        freed: Vec<usize>,
    }

    impl Memory {
        fn new() -> Self {
            Self { ring: Ring::new().expect("memory"), frames: Vec::new(), freed: Vec::new() }
        }

        fn write(&mut self, mut bytes: &[u8]) -> usize {
            let mut written = 0;
            while !bytes.is_empty() {
                let known = self.ring.room();
                let frames = &mut self.frames;
                let span = self.ring.writable(|| {
                    frames.push([0; PAGE]);
                    Ok::<_, Errno>(frames.len() - 1)
                });
                let Some(span) = span.expect("memory") else { break };
                assert!(known.is_none_or(|known| known == span));
                let count = span.count.min(bytes.len());
                self.frames[span.page][span.offset..][..count].copy_from_slice(&bytes[..count]);
                self.ring.produce(count);
                (bytes, written) = (&bytes[count..], written + count);
            }
            written
        }

        /// What could be read, which stays.
        fn look(&self) -> Vec<u8> {
            let mut seen = Vec::new();
            while let Some(span) = self.ring.readable_behind(seen.len()) {
                seen.extend_from_slice(&self.frames[span.page][span.offset..][..span.count]);
            }
            seen
        }

        fn read(&mut self, most: usize) -> Vec<u8> {
            let mut read = Vec::new();
            while let Some(span) = self.ring.readable().filter(|_| read.len() < most) {
                let count = span.count.min(most - read.len());
                read.extend_from_slice(&self.frames[span.page][span.offset..][..count]);
                self.ring.consume(count);
            }
            read
        }
    }

    #[test]
    fn a_slow_stream_needs_one_page() {
        let mut memory = Memory::new();
        for byte in 0..=u8::MAX {
            assert_eq!(memory.write(&[byte; 300]), 300);
            assert_eq!(memory.read(1000), [byte; 300]);
        }
        assert_eq!(memory.frames.len(), 1);
    }

    #[test]
    fn a_full_ring_takes_nothing() {
        let mut memory = Memory::new();
        assert_eq!(memory.write(&vec![1; DEFAULT_CAPACITY_BYTES + 5]), DEFAULT_CAPACITY_BYTES);
        assert_eq!((memory.ring.free(), memory.write(&[2])), (0, 0));
        assert_eq!(memory.read(1), [1]);
        assert_eq!(memory.write(&[2, 3]), 1);
        assert_eq!(memory.frames.len(), DEFAULT_CAPACITY_BYTES / PAGE);
    }

    #[test]
    fn sizes_are_powers_of_two_of_pages() {
        for (bytes, expect) in [
            (0, Ok(PAGE)),
            (1, Ok(PAGE)),
            (PAGE + 1, Ok(2 * PAGE)),
            (3 * PAGE, Ok(4 * PAGE)),
            (MAX_CAPACITY_BYTES, Ok(MAX_CAPACITY_BYTES)),
            (MAX_CAPACITY_BYTES + 1, Err(Errno::EINVAL)),
        ] {
            let mut ring = Ring::<usize>::new().expect("memory");
            assert_eq!(ring.resize(bytes, |_| {}).map(|()| ring.capacity()), expect, "{bytes}");
        }
    }

    #[test]
    fn content_that_does_not_fit_keeps_the_size() {
        let mut memory = Memory::new();
        memory.write(&[7; 3 * PAGE]);
        let found = memory.ring.resize(2 * PAGE, |_| {});
        assert_eq!((found, memory.ring.capacity()), (Err(Errno::EBUSY), DEFAULT_CAPACITY_BYTES));
        assert_eq!(memory.read(usize::MAX), [7; 3 * PAGE]);
    }

    proptest! {
        /// A ring gives back what was put in, whatever happens to its size meanwhile, and no page
        /// is lost or freed twice.
        #[test]
        fn the_ring_does_as_a_queue(
            steps in prop::collection::vec((0..3u8, 0..20_000usize), 1..80),
        ) {
            let (mut memory, mut model) = (Memory::new(), VecDeque::new());
            let mut next = 0u32;
            for (kind, amount) in steps {
                match kind {
                    0 => {
                        let bytes: Vec<u8> =
                            (0..amount).map(|at| (next + at as u32) as u8 ^ 0x5a).collect();
                        let mut written = memory.write(&bytes);
                        prop_assert_eq!(written, amount.min(memory.ring.capacity() - model.len()));
                        memory.ring.retract(written / 3);
                        written -= written / 3;
                        model.extend(&bytes[..written]);
                        next += written as u32;
                    }
                    1 => {
                        let expect: Vec<u8> = model.drain(..amount.min(model.len())).collect();
                        prop_assert_eq!(memory.read(amount), expect);
                    }
                    _ => {
                        let Memory { ring, freed, .. } = &mut memory;
                        let found = ring.resize(amount * 4, |page| freed.push(page));
                        prop_assert!(found.is_ok() || !model.is_empty());
                    }
                }
                prop_assert_eq!(memory.ring.len(), model.len());
                prop_assert_eq!(memory.look(), model.iter().copied().collect::<Vec<_>>());
            }
            let expect: Vec<u8> = model.into();
            prop_assert_eq!(memory.read(usize::MAX), expect);
            let mut pages = memory.freed;
            pages.extend(memory.ring.take_pages());
            pages.sort_unstable();
            prop_assert_eq!(pages, (0..memory.frames.len()).collect::<Vec<_>>());
        }
    }
}
