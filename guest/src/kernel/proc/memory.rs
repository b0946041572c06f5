//! What /proc shows of a process's memory: areas, pages, tables, faults, and the memory itself.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use guest::errno::Errno;
use guest::mm::addr::USER_END;
use guest::mm::space::PageState;
use guest::mm::vma::Purpose;
use guest::mm::{PageRange, Space, Vma, Vpn};
use guest::proc_text::areas::{Area, Detail, Page, PageKind, Rollup, Sums};
use guest::proc_text::pagemap::{self, Reader};
use guest::proc_text::{process as text, tunable};
use guest::{Flags, PAGE_SIZE_BYTES};

use super::nodes::put;
use super::process::Target;
use crate::fs::names::as_seen;
use crate::fs::synthetic::Bytes;
use crate::mm::{AddressSpace, HereMachine, Object, ObjectKind, memory, swap};
use crate::task;

/// What stands for a path where an area has none.
fn name_of(area: &Vma<Object>) -> Vec<u8> {
    match area.purpose {
        Purpose::Heap => b"[heap]".to_vec(),
        Purpose::Stack => b"[stack]".to_vec(),
        Purpose::Vdso => b"[vdso]".to_vec(),
        Purpose::Mapping => {
            let object = area.object_at(area.pages.start);
            object.map_or_else(Vec::new, |(object, _)| as_seen(object.0.path()))
        }
    }
}

/// Runs `f` with the area as it is listed.
fn with_area<R>(area: &Vma<Object>, f: impl FnOnce(Area<'_>) -> R) -> R {
    let name = name_of(area);
    let (offset, (device, inode)) = match area.object_at(area.pages.start) {
        Some((object, first)) => (first * PAGE_SIZE_BYTES, object.0.identity()),
        None => (0, (0, 0)),
    };
    f(Area {
        start: area.pages.start.base(),
        end: area.pages.end.base(),
        prot: area.prot,
        sharing: area.sharing,
        offset,
        device,
        inode,
        name: &name,
    })
}

/// The text of maps.
pub(super) fn maps(target: &Target, out: &mut String) -> Result<(), Errno> {
    let Some(space) = target.readable_space()? else { return Ok(()) };
    let space = space.lock();
    space.vmas().iter().try_for_each(|area| with_area(area, |area| put!(out, "{area}")))
}

/// Adds up the pages of an area.
fn sums(own: &AddressSpace, space: &Space<HereMachine>, area: &Vma<Object>) -> Sums {
    let kind = area.object_at(area.pages.start).map(|(object, _)| object.0.kind());
    let zero = memory(|memory| memory.zero_frame());
    let mut sums = Sums::default();
    space.pages(own.machine(), area.pages, &mut |_, state| match state {
        PageState::Present { frame, .. } if frame == zero => {}
        PageState::Present { frame, pte, object, .. } => {
            let mapped = memory(|memory| memory.frames.mapped(frame));
            let kind = match (object, kind) {
                (false, _) => PageKind::Anonymous,
                (true, Some(ObjectKind::Shared)) => PageKind::Shared,
                (true, _) => PageKind::File,
            };
            let is_dirty = !object || pte.flags().has(Flags::D);
            let is_accessed = pte.flags().has(Flags::A);
            sums.add_page(Page { mapped, is_dirty, is_accessed, kind });
        }
        PageState::Swapped { .. } => sums.add_swapped(),
        PageState::Absent => {}
    });
    sums.locked = own.locked().pages_in(area.pages) * PAGE_SIZE_BYTES;
    sums
}

/// The text of smaps.
pub(super) fn smaps(target: &Target, out: &mut String) -> Result<(), Errno> {
    let Some(own) = target.readable_space()? else { return Ok(()) };
    let space = own.lock();
    space.vmas().iter().try_for_each(|area| {
        let (sums, max_prot, charge) = (sums(&own, &space, area), area.max_prot, area.charge);
        let is_stack = area.purpose == Purpose::Stack;
        with_area(area, |area| put!(out, "{}", Detail { area, max_prot, is_stack, charge, sums }))
    })
}

/// The text of smaps_rollup.
pub(super) fn smaps_rollup(target: &Target, out: &mut String) -> Result<(), Errno> {
    let Some(own) = target.readable_space()? else { return Ok(()) };
    let space = own.lock();
    let mut all = Sums::default();
    space.vmas().iter().for_each(|area| all += sums(&own, &space, area));
    let first = space.vmas().iter().next().map_or(0, |area| area.pages.start.base());
    let end = space.vmas().iter().last().map_or(0, |area| area.pages.end.base());
    put!(out, "{}", Rollup { range: (first, end), sums: all })
}

/// Figures of a process's memory for status and statm.
pub(super) fn figures(own: &AddressSpace) -> text::Memory {
    let space = own.lock();
    let (totals, counters) = (space.vmas().totals(), space.counters());
    let mut shared = 0;
    for area in space.vmas().iter() {
        let kind = area.object_at(area.pages.start).map(|(object, _)| object.0.kind());
        if kind == Some(ObjectKind::Shared) {
            space.pages(own.machine(), area.pages, &mut |_, state| {
                shared += u64::from(matches!(state, PageState::Present { object: true, .. }));
            });
        }
    }
    let mut swapped = 0;
    if swap::pages().0 > 0 {
        let all = PageRange::new(Vpn(0), Vpn::USER_END);
        space.pages(own.machine(), all, &mut |_, state| {
            swapped += u64::from(matches!(state, PageState::Swapped { .. }));
        });
    }
    text::Memory {
        size: totals.pages,
        peak: counters.peak_pages,
        locked: own.locked().pages(),
        anonymous: counters.resident_anon,
        file: counters.resident_object.saturating_sub(shared),
        shared,
        peak_resident: counters.peak_resident,
        data: totals.data,
        stack: totals.stack,
        exec: totals.exec,
        tables: counters.tables,
        swapped,
    }
}

/// The text of pagetable: every valid entry of the user half.
pub(super) fn pagetable(target: &Target, out: &mut String) -> Result<(), Errno> {
    let Some(own) = target.readable_space()? else { return Ok(()) };
    let space = own.lock();
    let mut result = Ok(());
    space.entries(own.machine(), &mut |level, table, index, va, pte| {
        let table = table.base();
        let flags = pte.flags();
        if result.is_ok() {
            let pte = pte.0;
            result = put!(out, "{level} {table:#x} {index} {va:#018x} {pte:#018x} {flags}\n");
        }
    });
    result
}

/// The text of faults.
pub(super) fn faults(target: &Target, out: &mut String) -> Result<(), Errno> {
    put!(out, "{}", target.process()?.faults())
}

/// Begins or ends the recording of faults.
pub(super) fn record_faults(target: &Target, written: &str) -> Result<(), Errno> {
    let process = target.process()?;
    let log = process.faults();
    match tunable::number(written) {
        Some(0) => log.stop(),
        Some(1) => log.start(),
        _ => return Err(Errno::EINVAL),
    }
    Ok(())
}

/// /proc/PID/pagemap: a word for each page.
pub(super) struct PageMap(pub(super) Target);

/// Pages that pagemap looks at before it lets others at the space.
const CHUNK_PAGES: usize = 64;

impl Bytes for PageMap {
    fn read_at(&self, offset: u64, to: &mut [u8]) -> Result<usize, Errno> {
        let word = pagemap::ENTRY_BYTES;
        if !offset.is_multiple_of(word) || !(to.len() as u64).is_multiple_of(word) {
            return Err(Errno::EINVAL);
        }
        let Some(own) = self.0.readable_space()? else { return Ok(0) };
        let is_root = task::current_process().credentials().euid == 0;
        let reader = if is_root { Reader::Root } else { Reader::Other };
        let first = Vpn(offset / word).min(Vpn::USER_END);
        let pages = (to.len() as u64 / word).min(Vpn::USER_END.0 - first.0);
        let range = PageRange::sized(first, pages);
        let to = &mut to[..(pages * word) as usize];
        for (index, chunk) in to.chunks_mut(CHUNK_PAGES * word as usize).enumerate() {
            chunk.fill(0);
            let start = range.start.add((index * CHUNK_PAGES) as u64);
            let part = PageRange::sized(start, chunk.len() as u64 / word);
            own.lock().pages(own.machine(), part, &mut |page, state| {
                let at = ((page.0 - start.0) * word) as usize;
                let entry = pagemap::entry(state, reader);
                chunk[at..at + word as usize].copy_from_slice(&entry.to_le_bytes());
            });
        }
        Ok(to.len())
    }
}

/// /proc/PID/mem: its memory, at its addresses.
pub(super) struct Memory(pub(super) Target);

impl Memory {
    fn space(&self) -> Result<Option<Arc<AddressSpace>>, Errno> {
        self.0.readable_space()
    }
}

impl Bytes for Memory {
    fn read_at(&self, offset: u64, to: &mut [u8]) -> Result<usize, Errno> {
        let Some(space) = self.space()? else { return Ok(0) };
        if offset >= USER_END || to.is_empty() {
            return if to.is_empty() { Ok(0) } else { Err(Errno::EIO) };
        }
        match space.read(offset, to) {
            0 => Err(Errno::EIO),
            count => Ok(count),
        }
    }

    fn write_at(&self, offset: u64, from: &[u8]) -> Result<usize, Errno> {
        let Some(space) = self.space()? else { return Ok(0) };
        if from.is_empty() {
            return Ok(0);
        }
        match space.write_some(offset, from) {
            0 => Err(Errno::EIO),
            count => Ok(count),
        }
    }
}
