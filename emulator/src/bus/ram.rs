//! Guest RAM: unsafe island 1. Bytes are reached through checked accessors, or by way of a whole
//! page that RAM has confirmed ([`RamPage`]): the TLB makes entries of those.
//!
//! RAM also keeps the one physical-page write tracker: a bit per 64-byte granule that somebody
//! wants to hear about (decoded code, the HTIF mailbox). A page with a tracked granule is never
//! given to the TLB for stores, so every store to it passes [`Ram::store`], which notes hits.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::addr::{PAGE_SHIFT, PAGE_SIZE_BYTES, PhysAddr, Width};

/// log2 of the tracker's granule size.
const GRANULE_SHIFT: u32 = 6;

/// Size of what is tracked as one.
pub const GRANULE_BYTES: u64 = 1 << GRANULE_SHIFT;

/// Alignment asked of the allocator: for a larger one it would write every zero itself instead
/// of taking untouched pages from the host.
const ALLOCATION_ALIGN_BYTES: usize = 16;

/// Distance in bytes from the start of RAM, of a byte inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RamOffset(pub u64);

/// Tells one [`Ram`] from every other that this process has ever had, and where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RamHome {
    /// 0 for none.
    id: u64,
    first_byte: usize,
}

impl RamHome {
    /// No RAM's.
    pub const NOWHERE: Self = Self { id: 0, first_byte: 0 };

    /// Offset of the byte that the host has at `at`, in this RAM.
    #[inline(always)]
    pub(crate) fn offset_of(self, at: *const u8) -> RamOffset {
        RamOffset(at.addr().wrapping_sub(self.first_byte) as u64)
    }
}

/// A base page of RAM that is there as a whole: what follows it into a TLB may be reached without
/// further checks for as long as the [`Ram`] lives.
#[derive(Clone, Copy, Debug)]
pub struct RamPage {
    offset: RamOffset,
    first_byte: *mut u8,
}

impl RamPage {
    /// Where in RAM the page begins.
    pub fn offset(&self) -> RamOffset {
        self.offset
    }

    /// Where in the host's memory it begins.
    pub(crate) fn first_byte(&self) -> *mut u8 {
        self.first_byte
    }
}

/// What the next [`Ram`] is told apart by.
static NEXT_ID: AtomicU64 = AtomicU64::new(RamHome::NOWHERE.id + 1);

/// Zero-initialised, page-aligned guest memory and its write tracker.
#[derive(Debug)]
pub struct Ram {
    id: u64,
    base: PhysAddr,
    /// What the allocator gave: `len_bytes` and a page more.
    allocation: NonNull<u8>,
    /// The first page boundary in it.
    bytes: NonNull<u8>,
    len_bytes: u64,
    /// Per page: a bit for each granule that is tracked.
    tracked: Vec<u64>,
    /// Addresses of stores that hit a tracked granule, until taken.
    hits: Vec<PhysAddr>,
    /// Pages that have begun to be tracked, until taken.
    newly_tracked: Vec<RamOffset>,
    /// Address of the granule whose hits are alarms.
    alarm: Option<PhysAddr>,
    /// An alarm has been raised, until taken.
    is_alarmed: bool,
}

// SAFETY: the allocation is owned by this value alone (made in `new`, freed in `drop`), and no
// accessor hands out a pointer or reference that outlives its borrow of the value.
unsafe impl Send for Ram {}

impl Ram {
    /// `len_bytes` of zeroed memory at physical address `base`; both multiples of the page size.
    /// Ends the process where the host has not that much.
    pub fn new(base: PhysAddr, len_bytes: u64) -> Self {
        let ram = Self::try_new(base, len_bytes);
        ram.unwrap_or_else(|| handle_alloc_error(Self::layout(len_bytes)))
    }

    /// As [`new`](Self::new); `None` where the host has not that much memory.
    pub fn try_new(base: PhysAddr, len_bytes: u64) -> Option<Self> {
        assert!(len_bytes > 0 && len_bytes.is_multiple_of(PAGE_SIZE_BYTES), "RAM is whole pages");
        assert!(base.page_offset() == 0 && base.0.checked_add(len_bytes).is_some());
        // SAFETY: the layout has a non-zero size.
        let allocation = NonNull::new(unsafe { alloc_zeroed(Self::layout(len_bytes)) })?;
        let to_page = allocation.align_offset(PAGE_SIZE_BYTES as usize);
        assert!(to_page < PAGE_SIZE_BYTES as usize, "alignment is less than a page away");
        // SAFETY: the allocation is a page longer than RAM, so the boundary and `len_bytes` bytes
        // behind it are inside.
        let bytes = unsafe { allocation.add(to_page) };
        let pages = usize::try_from(len_bytes >> PAGE_SHIFT).expect("RAM fits the host");
        let (tracked, hits, newly_tracked) = (Vec::new(), Vec::new(), Vec::new());
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let (alarm, is_alarmed) = (None, false);
        let mut ram = Self {
            id,
            base,
            allocation,
            bytes,
            len_bytes,
            tracked,
            hits,
            newly_tracked,
            alarm,
            is_alarmed,
        };
        // Asking first gives an answer where `vec!` would end the process; only `vec!` takes
        // untouched pages from the host.
        Vec::<u64>::new().try_reserve_exact(pages).ok()?;
        ram.tracked = vec![0; pages];
        Some(ram)
    }

    fn layout(len_bytes: u64) -> Layout {
        let len = usize::try_from(len_bytes + PAGE_SIZE_BYTES).expect("RAM fits the host");
        Layout::from_size_align(len, ALLOCATION_ALIGN_BYTES).expect("RAM fits the host")
    }

    /// Physical address of the first byte.
    pub fn base(&self) -> PhysAddr {
        self.base
    }

    /// Size in bytes.
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// Offset of `len_bytes` bytes at `at`, if all of them are RAM.
    #[inline(always)]
    pub fn offset_of(&self, at: PhysAddr, len_bytes: u64) -> Option<RamOffset> {
        let offset = at.0.wrapping_sub(self.base.0);
        (offset < self.len_bytes && len_bytes <= self.len_bytes - offset)
            .then_some(RamOffset(offset))
    }

    /// Which RAM this is.
    #[inline(always)]
    pub fn home(&self) -> RamHome {
        RamHome { id: self.id, first_byte: self.bytes.as_ptr().addr() }
    }

    /// Whether this is the RAM with that home.
    #[inline(always)]
    pub(crate) fn is_at(&self, home: RamHome) -> bool {
        self.id == home.id
    }

    /// The base page that holds the byte at `at`, if that is RAM.
    #[inline(always)]
    pub fn page_at(&self, at: PhysAddr) -> Option<RamPage> {
        // RAM is whole pages, so a page whose first byte is there is there as a whole.
        let offset = self.offset_of(at.page_base(), 1)?;
        Some(RamPage { offset, first_byte: self.bytes.as_ptr().wrapping_add(offset.0 as usize) })
    }

    /// Whether `width` bytes at the host's `at` are bytes of this RAM.
    pub(crate) fn holds(&self, at: *const u8, width: Width) -> bool {
        let offset = self.home().offset_of(at).0;
        offset < self.len_bytes && width.bytes() <= self.len_bytes - offset
    }

    /// Loads `width` little-endian bytes, zero-extended; any alignment.
    #[inline(always)]
    pub fn load(&self, at: RamOffset, width: Width) -> u64 {
        self.check(at, width.bytes());
        // SAFETY: `check` has shown that all bytes are inside the allocation, which lives as
        // long as `self`, and `&self` keeps writers away.
        unsafe { read(self.bytes.as_ptr().add(at.0 as usize), width) }
    }

    /// Stores the low `width` bytes of `value`, little-endian, at any alignment, and notes the
    /// address where that hits a tracked granule.
    #[inline(always)]
    pub fn store(&mut self, at: RamOffset, width: Width, value: u64) {
        self.check(at, width.bytes());
        // SAFETY: `check` has shown that all bytes are inside the allocation; `&mut self` makes
        // this the only access.
        unsafe { write(self.bytes.as_ptr().add(at.0 as usize), width, value) }
        self.note(at, width.bytes());
    }

    /// Copies `bytes` into RAM, noting tracked granules.
    pub fn write(&mut self, at: RamOffset, bytes: &[u8]) {
        self.slice_mut(at, bytes.len() as u64).copy_from_slice(bytes);
        self.note(at, bytes.len() as u64);
    }

    /// Fills `len_bytes` bytes with zero, noting tracked granules.
    pub fn zero(&mut self, at: RamOffset, len_bytes: u64) {
        self.slice_mut(at, len_bytes).fill(0);
        self.note(at, len_bytes);
    }

    /// The `len_bytes` bytes at `at`.
    pub fn slice(&self, at: RamOffset, len_bytes: u64) -> &[u8] {
        self.check(at, len_bytes);
        // SAFETY: `check` has shown that the bytes are inside the allocation; they are
        // initialised, and `&self` keeps writers away for as long as the slice lives.
        unsafe {
            std::slice::from_raw_parts(self.bytes.as_ptr().add(at.0 as usize), len_bytes as usize)
        }
    }

    fn slice_mut(&mut self, at: RamOffset, len_bytes: u64) -> &mut [u8] {
        self.check(at, len_bytes);
        // SAFETY: as in `slice`, and `&mut self` makes the slice the only access.
        unsafe {
            std::slice::from_raw_parts_mut(
                self.bytes.as_ptr().add(at.0 as usize),
                len_bytes as usize,
            )
        }
    }

    #[inline(always)]
    fn check(&self, at: RamOffset, len_bytes: u64) {
        assert!(at.0 <= self.len_bytes && len_bytes <= self.len_bytes - at.0, "outside RAM");
    }

    /// Starts tracking stores to the granules of `len_bytes` bytes at `at`. Whether anything there
    /// was not tracked at all before: then every hart has to drop TLB entries that allow
    /// stores to the page: see [`take_newly_tracked`](Self::take_newly_tracked).
    pub fn track(&mut self, at: RamOffset, len_bytes: u64) -> bool {
        let known = self.newly_tracked.len();
        let mut newly_tracked = std::mem::take(&mut self.newly_tracked);
        self.for_granules(at, len_bytes, |page, tracked, granule| {
            if *tracked == 0 {
                newly_tracked.push(page);
            }
            *tracked |= granule;
        });
        self.newly_tracked = newly_tracked;
        self.newly_tracked.len() > known
    }

    /// The pages that have begun to be tracked since the last call.
    pub fn take_newly_tracked(&mut self) -> Vec<RamOffset> {
        std::mem::take(&mut self.newly_tracked)
    }

    /// Stops tracking the whole page that holds `at`, but for the granule with the alarm.
    pub fn untrack_page(&mut self, at: RamOffset) {
        let page = at.0 >> PAGE_SHIFT;
        let alarm = self.alarm.and_then(|alarm| self.offset_of(alarm, 1));
        let alarm = alarm.filter(|alarm| alarm.0 >> PAGE_SHIFT == page);
        let kept = alarm.map_or(0, |alarm| 1 << (alarm.0 >> GRANULE_SHIFT) % 64);
        self.tracked[page as usize] = kept;
    }

    /// Raises an alarm whenever something is stored to the granule that holds `at`, from now on:
    /// somebody waits for it, while most of what is tracked is only to be found out of date.
    pub fn set_alarm(&mut self, at: RamOffset) {
        self.track(at, 1);
        self.alarm = Some(self.base.wrapping_add(at.0 >> GRANULE_SHIFT << GRANULE_SHIFT));
    }

    /// Whether an alarm was raised since the last call.
    pub fn take_alarm(&mut self) -> bool {
        std::mem::take(&mut self.is_alarmed)
    }

    /// Whether any granule of the page that holds `at` is tracked.
    #[inline(always)]
    pub fn is_page_tracked(&self, at: RamOffset) -> bool {
        self.tracked[(at.0 >> PAGE_SHIFT) as usize] != 0
    }

    /// Whether stores have hit tracked granules since the last [`take_hits`](Self::take_hits).
    #[inline(always)]
    pub fn has_hits(&self) -> bool {
        !self.hits.is_empty()
    }

    /// The granule addresses of stores that hit tracked granules, oldest first.
    pub fn take_hits(&mut self) -> Vec<PhysAddr> {
        std::mem::take(&mut self.hits)
    }

    #[inline(always)]
    fn note(&mut self, at: RamOffset, len_bytes: u64) {
        let last = at.0.wrapping_add(len_bytes).wrapping_sub(1);
        if last >> PAGE_SHIFT != at.0 >> PAGE_SHIFT || self.is_page_tracked(at) {
            self.note_granules(at, len_bytes);
        }
    }

    #[cold]
    #[inline(never)]
    fn note_granules(&mut self, at: RamOffset, len_bytes: u64) {
        let (base, mut hits) = (self.base, std::mem::take(&mut self.hits));
        let first = at.0 >> GRANULE_SHIFT;
        let mut index = first;
        self.for_granules(at, len_bytes, |_, tracked, granule| {
            if *tracked & granule != 0 {
                hits.push(base.wrapping_add(index << GRANULE_SHIFT));
            }
            index += 1;
        });
        self.is_alarmed |= self.alarm.is_some_and(|alarm| hits.contains(&alarm));
        self.hits = hits;
    }

    /// Calls `f` with the page, its tracker word and the granule's bit, for each granule in order.
    fn for_granules(
        &mut self,
        at: RamOffset,
        len_bytes: u64,
        mut f: impl FnMut(RamOffset, &mut u64, u64),
    ) {
        if len_bytes == 0 {
            return;
        }
        self.check(at, len_bytes);
        let granules = at.0 >> GRANULE_SHIFT..=(at.0 + len_bytes - 1) >> GRANULE_SHIFT;
        for granule in granules {
            let page = granule >> (PAGE_SHIFT - GRANULE_SHIFT);
            let tracked = &mut self.tracked[page as usize];
            f(RamOffset(page << PAGE_SHIFT), tracked, 1 << (granule % 64));
        }
    }
}

/// Reads `width` little-endian bytes at `from`, zero-extended; any alignment.
///
/// # Safety
/// All of the bytes are part of a live allocation, initialised, and nobody writes to them meanwhile.
#[inline(always)]
pub(crate) unsafe fn read(from: *const u8, width: Width) -> u64 {
    // SAFETY: as the caller has promised; these are unaligned reads of plain integers.
    unsafe {
        match width {
            Width::Byte => from.read().into(),
            Width::Half => u16::from_le(from.cast::<u16>().read_unaligned()).into(),
            Width::Word => u32::from_le(from.cast::<u32>().read_unaligned()).into(),
            Width::Double => u64::from_le(from.cast::<u64>().read_unaligned()),
        }
    }
}

/// Writes the low `width` bytes of `value` at `to`, little-endian; any alignment.
///
/// # Safety
/// All of the bytes are part of a live allocation, and nobody else reads or writes them meanwhile.
#[inline(always)]
pub(crate) unsafe fn write(to: *mut u8, width: Width, value: u64) {
    // SAFETY: as the caller has promised; these are unaligned writes of plain integers.
    unsafe {
        match width {
            Width::Byte => to.write(value as u8),
            Width::Half => to.cast::<u16>().write_unaligned((value as u16).to_le()),
            Width::Word => to.cast::<u32>().write_unaligned((value as u32).to_le()),
            Width::Double => to.cast::<u64>().write_unaligned(value.to_le()),
        }
    }
}

impl Drop for Ram {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this very layout, and not used again.
        unsafe { dealloc(self.allocation.as_ptr(), Self::layout(self.len_bytes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ram() -> Ram {
        Ram::new(PhysAddr(0x8000_0000), 0x3000)
    }

    #[test]
    fn little_endian_at_any_alignment() {
        let mut ram = ram();
        ram.store(RamOffset(0x1001), Width::Double, 0x0102_0304_0506_0708);
        assert_eq!(ram.load(RamOffset(0x1001), Width::Byte), 8);
        assert_eq!(ram.load(RamOffset(0x1002), Width::Half), 0x0607);
        assert_eq!(ram.load(RamOffset(0x1003), Width::Word), 0x0304_0506);
        assert_eq!(ram.slice(RamOffset(0x1000), 3), [0, 8, 7]);
    }

    #[test]
    fn offsets_end_with_ram() {
        let ram = ram();
        for (at, len, offset) in [
            (0x8000_0000, 8, Some(0)),
            (0x8000_2ff8, 8, Some(0x2ff8)),
            (0x8000_2ff9, 8, None),
            (0x8000_3000, 1, None),
            (0x7fff_ffff, 2, None),
            (u64::MAX, 8, None),
            (0x8000_0000, u64::MAX, None),
        ] {
            assert_eq!(ram.offset_of(PhysAddr(at), len), offset.map(RamOffset), "{at:#x}+{len}");
        }
    }

    #[test]
    fn pages_are_whole_and_know_where_they_are() {
        let ram = ram();
        for (at, offset) in [
            (0x8000_0000, Some(0)),
            (0x8000_2fff, Some(0x2000)),
            (0x8000_3000, None),
            (0x7fff_ffff, None),
        ] {
            let page = ram.page_at(PhysAddr(at));
            assert_eq!(page.map(|page| page.offset()), offset.map(RamOffset), "{at:#x}");
            let begins = page.map(|page| ram.home().offset_of(page.first_byte()));
            assert_eq!(begins, offset.map(RamOffset), "{at:#x}");
        }
    }

    #[test]
    fn no_two_are_taken_for_one() {
        let ram = ram();
        let home = ram.home();
        assert_eq!(ram.home(), home);
        drop(ram);
        // It may well begin where the other one did.
        assert_ne!(self::ram().home(), home);
        assert_ne!(home, RamHome::NOWHERE);
    }

    #[test]
    fn more_than_the_host_has_is_refused() {
        assert!(Ram::try_new(PhysAddr(0x8000_0000), 1 << 62).is_none());
        assert!(Ram::try_new(PhysAddr(0x8000_0000), 0x1000).is_some());
    }

    #[test]
    #[should_panic(expected = "outside RAM")]
    fn past_the_end_is_caught() {
        ram().load(RamOffset(0x2ffc), Width::Double);
    }

    #[test]
    fn tracker_notes_each_granule_hit() {
        let mut ram = ram();
        ram.track(RamOffset(0x1fc0), 0x80);
        assert!(ram.is_page_tracked(RamOffset(0x1000)) && ram.is_page_tracked(RamOffset(0x2000)));
        assert!(!ram.is_page_tracked(RamOffset(0)));
        ram.store(RamOffset(0x1f80), Width::Byte, 1);
        assert!(!ram.has_hits());
        ram.store(RamOffset(0x1ffc), Width::Double, 1);
        assert_eq!(ram.take_hits(), [PhysAddr(0x8000_1fc0), PhysAddr(0x8000_2000)]);
        ram.untrack_page(RamOffset(0x1000));
        ram.zero(RamOffset(0x1f00), 0x200);
        assert_eq!(ram.take_hits(), [PhysAddr(0x8000_2000)]);
    }

    #[test]
    fn an_alarm_outlives_what_else_is_tracked() {
        let mut ram = ram();
        assert!(ram.track(RamOffset(0x1000), 0x40));
        assert!(!ram.track(RamOffset(0x1040), 0x40), "the page was tracked already");
        ram.set_alarm(RamOffset(0x1088));
        ram.store(RamOffset(0x1000), Width::Byte, 1);
        assert!(!ram.take_alarm());
        ram.untrack_page(RamOffset(0x1000));
        ram.store(RamOffset(0x1000), Width::Byte, 1);
        assert_eq!(ram.take_hits(), [PhysAddr(0x8000_1000)], "that of before");
        ram.store(RamOffset(0x10bf), Width::Byte, 1);
        assert!(ram.take_alarm() && !ram.take_alarm());
        assert_eq!(ram.take_hits(), [PhysAddr(0x8000_1080)]);
    }
}
