//! From what the device tree says of memory to the kernel's page table and the books on frames.
//! [`init`] runs on the boot hart before there is a heap; afterwards everything in `mm` works.
//!
//! Upper half, every leaf global: RAM and devices in the direct map (`direct.rs`), RAM as large
//! pages, never executable; kernel stacks (`stack.rs`) and the books on cells (`cell_table.rs`), by
//! 4 KiB pages as they are needed; the image at `IMAGE_OFFSET` above its
//! physical address, by 4 KiB pages, W^X. Roots of processes copy the upper entries once and never
//! look again, so each of them is made here, or never.

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use guest::mm::cells::Cells;
use guest::mm::frames::{FrameMeta, Frames};
use guest::mm::{Memory, Owner};
use guest::ranges::{Ranges, pages_of};
use guest::table::{FramePool, Page, PageTable};
use guest::{Flags, PAGE_SIZE_BYTES, Ppn, leaf_size_bytes, vpn};

use super::direct::{self, Tables, WINDOW, WINDOW_SIZE_BYTES};
use super::{books, cell_table, stack};
use crate::arch::tlb;
use crate::sync::SpinLock;

/// What the kernel's image lies above its physical address.
pub(crate) const IMAGE_OFFSET: u64 = 0xffff_ffff_0000_0000;

/// Sections of the image in physical memory, each of whole pages.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// Executable.
    pub(crate) text: Range<u64>,
    /// Constant; behind `text`.
    pub(crate) rodata: Range<u64>,
    /// Data, zeros, the boot stack; behind `rodata`.
    pub(crate) data: Range<u64>,
}

/// What the device tree and the linker say; physical addresses.
#[derive(Clone, Debug)]
pub(crate) struct MemoryMap<'a> {
    /// RAM.
    pub(crate) ram: &'a [Range<u64>],
    /// RAM that is not ours: firmware, the device tree.
    pub(crate) reserved: &'a [Range<u64>],
    /// Registers of devices, to be reached through the direct map.
    pub(crate) devices: &'a [Range<u64>],
    /// The initial file system.
    pub(crate) initrd: Option<Range<u64>>,
    /// The kernel.
    pub(crate) image: Image,
}

/// Root of the kernel's own table, as a frame number; 0 before there is one.
static KERNEL_ROOT: AtomicU64 = AtomicU64::new(0);
/// The initial file system, and its pages that nothing else touches.
static INITRD: SpinLock<Option<(Range<u64>, Ranges)>> = SpinLock::new(None);

const READ: Flags = Flags::R.with(Flags::A).with(Flags::G);
const READ_WRITE: Flags = READ.with(Flags::W).with(Flags::D);
const READ_EXEC: Flags = READ.with(Flags::X);

/// Makes the kernel's page table, turns it on, and begins the books. The table in use until now
/// has to show the gigabyte of the image in the direct map.
pub(crate) fn init(map: &MemoryMap<'_>) {
    let whole_image = map.image.text.start..map.image.data.end;
    let mut ram = Ranges::default();
    map.ram.iter().for_each(|range| ram.add(range.start..range.end.min(WINDOW_SIZE_BYTES)));
    let mut free = ram.clone();
    map.reserved.iter().chain([&whole_image]).for_each(|range| free.remove(range.clone()));
    let initrd_pages = map.initrd.as_ref().map(|initrd| pages_that_end(&mut free, initrd));

    let gigabyte = leaf_size_bytes(2);
    let reachable = whole_image.start / gigabyte * gigabyte;
    let reachable = reachable..reachable + gigabyte;
    let within = |range: &Range<u64>| range.start >= reachable.start && range.end > range.start;
    let pool_range = free
        .iter()
        .map(|range| range.start..range.end.min(reachable.end))
        .filter(within)
        .max_by_key(|range| range.end - range.start)
        .expect("there is RAM for page tables near the kernel");
    let mut builder = Builder::new(pool_range.clone());
    builder.map_ram(&ram, &(map.image.text.start..map.image.rodata.end));
    builder.map_devices(map.devices, &ram);
    builder.map_image(&map.image);
    [stack::REGION, cell_table::REGION].iter().for_each(|va| builder.reserve_root_entry(*va));
    let (root, tables_end) = builder.finish();
    let tables = pool_range.start..tables_end;
    free.remove(tables.clone());
    KERNEL_ROOT.store(root.0, Ordering::Release);
    join();

    let books = make_books(&ram, &mut free, &[whole_image, tables]);
    direct::zero(books.zero_frame());
    books::begin(books);
    // A cell has a frame or a slot, so without slots there are never more of them.
    let pages = ram.iter().map(|range| range.end - range.start).sum::<u64>() / PAGE_SIZE_BYTES;
    cell_table::grow(pages).expect("there is RAM for the books on cells");
    *INITRD.lock() = map.initrd.clone().zip(initrd_pages);
}

/// Turns the kernel's page table on, on a hart that has used another one.
pub(crate) fn join() {
    tlb::set_satp(0, kernel_root());
    tlb::fence_all_local();
}

/// Root of the kernel's own table.
pub(crate) fn kernel_root() -> Ppn {
    Ppn(KERNEL_ROOT.load(Ordering::Relaxed))
}

/// The initial file system, as it lies in RAM.
#[derive(Debug)]
pub(crate) struct Initrd {
    /// What of it is left.
    range: Range<u64>,
    /// Its pages that nothing else touches, those that were released included.
    pages: Ranges,
}

/// The initial file system, which is the caller's.
pub(crate) fn take_initrd() -> Option<Initrd> {
    let (range, pages) = INITRD.lock().take()?;
    Some(Initrd { range, pages })
}

impl Initrd {
    /// What of it is left.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the frames of what is left are reserved, so nobody writes to them while this is
        // borrowed.
        unsafe { direct::constant_bytes(self.range.clone()) }
    }

    /// Frees the frames of its first so many bytes.
    pub(crate) fn release(&mut self, count: usize) {
        let start = self.range.start;
        self.range.start = (start + count as u64).min(self.range.end);
        self.donate(page_base(start)..page_base(self.range.start));
    }

    fn donate(&self, gone: Range<u64>) {
        for range in self.pages.iter() {
            let start = range.start.max(gone.start);
            let end = range.end.min(gone.end);
            if start < end {
                books::donate(Ppn::of(start)..Ppn::of(end));
            }
        }
    }
}

impl Drop for Initrd {
    fn drop(&mut self) {
        self.donate(page_base(self.range.start)..u64::MAX);
    }
}

fn page_base(address: u64) -> u64 {
    address / PAGE_SIZE_BYTES * PAGE_SIZE_BYTES
}

/// Takes the pages that `gone` touches out of `free`; those that were there.
fn pages_that_end(free: &mut Ranges, gone: &Range<u64>) -> Ranges {
    let mut rest = free.clone();
    rest.remove(gone.clone());
    let mut pages = core::mem::replace(free, rest);
    free.iter().for_each(|range| pages.remove(range));
    pages
}

/// Books on all of `ram`, of which `free` is to be had, after room for the books themselves is
/// taken from it, and `ours` is the kernel's.
fn make_books(ram: &Ranges, free: &mut Ranges, ours: &[Range<u64>; 2]) -> Memory {
    let start = ram.iter().map(|range| range.start).min().expect("there is RAM");
    let end = ram.iter().map(|range| range.end).max().expect("there is RAM");
    let frames = ((end - start) / PAGE_SIZE_BYTES) as usize;
    let frames_size = (frames * size_of::<FrameMeta>()) as u64;
    let frames_at = free.take(frames_size).expect("there is RAM for the books on frames");
    // SAFETY: this range is RAM that was free and is no longer in `free`; pages are aligned for
    // anything.
    let frame_meta = unsafe { direct::carve(frames_at, frames) };
    let mut frames = Frames::new(Ppn::of(start), frame_meta);
    let books = frames_at..frames_at + frames_size;
    for range in ours.iter().chain([&books]) {
        for frame in Ppn::of(range.start).0..Ppn::of(range.end.next_multiple_of(PAGE_SIZE_BYTES)).0
        {
            frames.set_owner(Ppn(frame), Owner::Kernel);
        }
    }
    for range in free.iter() {
        frames.donate(Ppn::of(range.start)..Ppn::of(range.end));
    }
    Memory::new(frames, Cells::new(&mut [])).expect("a frame is free")
}

/// The kernel's page table while it is made.
struct Builder {
    table: PageTable,
    pool: FramePool,
}

impl Builder {
    fn new(pool: Range<u64>) -> Self {
        let mut pool = FramePool::new(Ppn::of(pool.start), Ppn::of(pool.end));
        let table = PageTable::new(&mut Tables, &mut pool).expect("a frame for the root");
        Self { table, pool }
    }

    fn map(&mut self, va: u64, range: Range<u64>, flags: Flags) {
        for (page, pa) in pages_of(va, range) {
            self.map_page(page, pa, flags);
        }
    }

    fn map_page(&mut self, page: Page, pa: u64, flags: Flags) {
        let mapped = self.table.map(&mut Tables, &mut self.pool, page, Ppn::of(pa), flags);
        mapped.expect("the kernel's map has no overlaps and its tables fit");
    }

    /// RAM in the direct map; the `constant` part of it is as read-only there as in the image.
    fn map_ram(&mut self, ram: &Ranges, constant: &Range<u64>) {
        for range in ram.iter() {
            let below = range.start..range.end.min(constant.start);
            let inside = range.start.max(constant.start)..range.end.min(constant.end);
            let above = range.start.max(constant.end)..range.end;
            for (part, flags) in [(below, READ_WRITE), (inside, READ), (above, READ_WRITE)] {
                self.map(WINDOW.wrapping_add(part.start), part, flags);
            }
        }
    }

    /// Devices in the direct map, by megapages, which costs one table and not one per device.
    fn map_devices(&mut self, devices: &[Range<u64>], ram: &Ranges) {
        let megapage = leaf_size_bytes(1);
        let mut windows = Ranges::default();
        for device in devices.iter().filter(|device| device.end <= WINDOW_SIZE_BYTES) {
            let start = device.start / megapage * megapage;
            windows.add(start..device.end.next_multiple_of(megapage));
        }
        ram.iter().for_each(|range| windows.remove(range));
        for window in windows.iter() {
            self.map(WINDOW + window.start, window, READ_WRITE);
        }
    }

    /// The image where it was linked, by small pages, so that it can be as W^X as its sections.
    fn map_image(&mut self, image: &Image) {
        let sections = [(&image.text, READ_EXEC), (&image.rodata, READ), (&image.data, READ_WRITE)];
        for (section, flags) in sections {
            for pa in section.clone().step_by(PAGE_SIZE_BYTES as usize) {
                self.map_page(Page { va: IMAGE_OFFSET + pa, level: 0 }, pa, flags);
            }
        }
    }

    /// Makes an empty table for the gigabyte at `va`, to be filled later.
    fn reserve_root_entry(&mut self, va: u64) {
        let table = self.pool.take().expect("a frame for a table");
        direct::zero(table);
        direct::swap_pte(self.table.root(), vpn(va, 2), guest::Pte::table(table));
    }

    /// The root, and the physical address behind the last frame taken.
    fn finish(mut self) -> (Ppn, u64) {
        let next = self.pool.take().expect("more than the tables fits into RAM");
        (self.table.root(), next.base())
    }
}
