//! Pages on their way between frames and slots. A transfer takes its memory from what is here from
//! the beginning: pages are written out where there is none left. Beginning one may wait for those
//! under way; none needs the one who waits.

use core::num::NonZeroU32;
use core::sync::atomic::{AtomicUsize, Ordering};

use arrayvec::ArrayVec;
use guest::mm::cells::{State, TransferError, Wanted};
use guest::mm::memory::{ReadRefused, ToWrite};
use guest::mm::{CellId, Class, Memory, OutOfMemory, Owner, SlotId};
use guest::{PAGE_SIZE_BYTES, Ppn};

use super::{memory, reclaim, swap, tunables};
use crate::block::{self, DiskError, Done, Operation, PIECES_MAX, Piece, SECTOR_BYTES, Transfer};
use crate::sync::{SpinLock, WaitQueue};

/// Transfers that may be under way at once.
const CLUSTERS: usize = 16;
const SECTORS_PER_PAGE: u64 = PAGE_SIZE_BYTES / SECTOR_BYTES;

/// The cells of one transfer.
struct Cluster {
    operation: Operation,
    cells: ArrayVec<CellId, PIECES_MAX>,
}

/// Those under way; `None`: to be had.
static CLUSTERS_UNDER_WAY: [SpinLock<Option<Cluster>>; CLUSTERS] =
    [const { SpinLock::new(None) }; CLUSTERS];
static CLUSTER_LEFT: WaitQueue = WaitQueue::new();
/// Pages that are being read for one process alone.
static COPIES: AtomicUsize = AtomicUsize::new(0);

/// Threads that wait for cells, by a few bits of the cell's number.
static CELL_WAITERS: [WaitQueue; 16] = [const { WaitQueue::new() }; 16];

fn waiters(cell: CellId) -> &'static WaitQueue {
    &CELL_WAITERS[cell.0.get() as usize % CELL_WAITERS.len()]
}

/// Takes a cluster that is to be had; waits for one.
fn claim(operation: Operation) -> usize {
    let free = |cluster: &SpinLock<Option<Cluster>>| {
        let mut cluster = cluster.lock();
        let is_free = cluster.is_none();
        if is_free {
            *cluster = Some(Cluster { operation, cells: ArrayVec::new() });
        }
        is_free
    };
    CLUSTER_LEFT.wait(|| CLUSTERS_UNDER_WAY.iter().position(free))
}

fn give_back(index: usize) {
    *CLUSTERS_UNDER_WAY[index].lock() = None;
    CLUSTER_LEFT.wake(1);
}

/// The first sector of a slot.
fn sector(slot: SlotId) -> u64 {
    u64::from(slot.page()) * SECTORS_PER_PAGE
}

fn piece(frame: Ppn) -> Piece {
    Piece { address: frame.base(), length_bytes: PAGE_SIZE_BYTES as u32 }
}

/// Begins the transfer of a claimed cluster, to or from slots in a row; waits for room.
fn begin(index: usize, operation: Operation, first: SlotId, cells: &[(CellId, Ppn)]) {
    let disk = swap::disk(first);
    let pieces: ArrayVec<Piece, PIECES_MAX> =
        cells.iter().map(|(_, frame)| piece(*frame)).collect();
    if let Some(cluster) = &mut *CLUSTERS_UNDER_WAY[index].lock() {
        cluster.cells = cells.iter().map(|(cell, _)| *cell).collect();
    }
    let transfer = Transfer { operation, sector: sector(first), pieces: &pieces };
    let done = Done { call: ended, argument: index };
    disk.room().wait(|| disk.begin(transfer, done).ok());
}

/// A transfer has ended. Interrupts are off.
fn ended(index: usize, outcome: Result<(), DiskError>) {
    let Some(Cluster { operation, cells }) = CLUSTERS_UNDER_WAY[index].lock().take() else {
        return;
    };
    let outcome = outcome.map_err(|DiskError| TransferError);
    memory(|memory| {
        for cell in &cells {
            match operation {
                Operation::Write => memory.written(*cell, outcome),
                // Which page it was is not known: each is read alone if somebody wants it.
                _ if outcome.is_err() && cells.len() > 1 => memory.read_given_up(*cell),
                _ => memory.read_done(*cell, outcome),
            }
        }
    });
    cells.iter().for_each(|cell| waiters(*cell).wake_all());
    CLUSTER_LEFT.wake(1);
    reclaim::look();
}

/// Whether pages are on their way.
pub(super) fn is_busy() -> bool {
    let cells = |memory: &mut Memory| {
        memory.cells.count(State::Writing) + memory.cells.count(State::Reading)
    };
    memory(cells) > 0 || COPIES.load(Ordering::Relaxed) > 0
}

/// Begins to write pages that nobody maps to slots; how many. Waits for room.
pub(super) fn write_some() -> usize {
    write(|memory, list| memory.take_for_writing(list))
}

/// The same of those of some cells, [`PIECES_MAX`] at most, that nobody maps and that have no slot.
pub(super) fn write_these(cells: &[CellId]) -> usize {
    write(|memory, list| memory.take_these_for_writing(cells, list))
}

fn write(take: impl FnOnce(&mut Memory, &mut [ToWrite]) -> usize) -> usize {
    const NONE: ToWrite =
        ToWrite { cell: CellId(NonZeroU32::MIN), frame: Ppn(0), slot: SlotId::FIRST };
    let index = claim(Operation::Write);
    let mut list = [NONE; PIECES_MAX];
    let count = memory(|memory| take(memory, &mut list));
    if count == 0 {
        give_back(index);
        return 0;
    }
    let cells: ArrayVec<(CellId, Ppn), PIECES_MAX> =
        list[..count].iter().map(|page| (page.cell, page.frame)).collect();
    begin(index, Operation::Write, list[0].slot, &cells);
    count
}

/// Pages that are read together: slots in a row.
struct Run {
    first: SlotId,
    cells: ArrayVec<(CellId, Ppn), PIECES_MAX>,
}

/// Begins to read a cell, and those around it that lie in a row with it within a window of so many
/// slots, if there is room.
fn begin_run(memory: &mut Memory, cell: CellId, window: u32) -> Result<Run, ReadRefused> {
    let wanted = memory.begin_read(cell, Class::User, Wanted::Now)?;
    // It stays until whoever waits has it: taken from there at once, it would come in for ever.
    memory.pin(wanted.frame);
    let mut run = Run { first: wanted.slot, cells: ArrayVec::new() };
    run.cells.push((cell, wanted.frame));
    let start = wanted.slot.page() / window * window;
    for page in wanted.slot.page() + 1..start + window {
        let Some((other, frame, _)) = read_ahead(memory, wanted.slot, page) else { break };
        run.cells.push((other, frame));
    }
    for page in (start..wanted.slot.page()).rev() {
        let Some((other, frame, slot)) = read_ahead(memory, wanted.slot, page) else { break };
        run.cells.insert(0, (other, frame));
        run.first = slot;
    }
    Ok(run)
}

/// Whether there are frames for what nobody has asked for yet.
fn is_plenty(memory: &Memory) -> bool {
    memory.available_frames() > memory.frames.watermarks().high
}

/// The same of the books as they are.
pub(crate) fn has_plenty() -> bool {
    memory(|memory| is_plenty(memory))
}

/// Begins to read the cell in a slot near `near`, unless frames are short.
fn read_ahead(memory: &mut Memory, near: SlotId, page: u32) -> Option<(CellId, Ppn, SlotId)> {
    if !is_plenty(memory) {
        return None;
    }
    let slot = SlotId::new(near.area(), page)?;
    let cell = memory.slots.cell_of(slot)?;
    let read = memory.begin_read(cell, Class::User, Wanted::Ahead).ok()?;
    Some((cell, read.frame, slot))
}

/// Begins to read cells that lie in slots in a row, from `first` on, before anybody asks for them;
/// how many. Others than the first may have changed, which ends the row; 0: frames are short, or
/// the first one has changed. Waits for room, not for the content.
pub(super) fn fetch(first: SlotId, cells: &[CellId]) -> usize {
    let index = claim(Operation::Read);
    let row: ArrayVec<(CellId, Ppn), PIECES_MAX> = memory(|memory| {
        let pages = (first.page()..).zip(cells).take(PIECES_MAX);
        let begun = pages.map_while(|(page, cell)| {
            let slot = SlotId::new(first.area(), page)?;
            if memory.slots.cell_of(slot) != Some(*cell) {
                return None;
            }
            read_ahead(memory, slot, page).map(|(cell, frame, _)| (cell, frame))
        });
        begun.collect()
    });
    if row.is_empty() {
        give_back(index);
    } else {
        begin(index, Operation::Read, first, &row);
    }
    row.len()
}

/// A frame that is pinned as long as this lives.
#[derive(Debug)]
pub(super) struct Pinned(Ppn);

impl Drop for Pinned {
    fn drop(&mut self) {
        memory(|memory| memory.unpin(self.0));
    }
}

/// Brings the content of a cell into RAM, if it is still in a slot only, and waits for that. The
/// caller looks again, and holds no locks; until it has, what was brought in stays there.
///
/// # Errors
/// [`OutOfMemory`]: there is no frame for it.
pub(super) fn bring(cell: CellId) -> Result<Option<Pinned>, OutOfMemory> {
    let (read, pinned) = bring_with(cell, 1 << tunables::page_cluster())?;
    let has_failed = || memory(|memory| memory.cells.state(cell) == State::Swapped);
    if read > 1 && has_failed() {
        // It may have been another's slot that could not be read.
        drop(pinned);
        return bring_with(cell, 1).map(|(_, pinned)| pinned);
    }
    Ok(pinned)
}

/// The same, with those in a window around it; how many are read together.
fn bring_with(cell: CellId, window: u32) -> Result<(usize, Option<Pinned>), OutOfMemory> {
    let index = claim(Operation::Read);
    let (read, pinned) = match memory(|memory| begin_run(memory, cell, window)) {
        Ok(run) => {
            let own = run.cells.iter().find(|(other, _)| *other == cell);
            let pinned = own.map(|(_, frame)| Pinned(*frame));
            begin(index, Operation::Read, run.first, &run.cells);
            (run.cells.len(), pinned)
        }
        Err(refused) => {
            give_back(index);
            if refused == ReadRefused::OutOfMemory {
                return Err(OutOfMemory);
            }
            (0, None)
        }
    };
    wait_for_content(cell);
    Ok((read, pinned))
}

/// Waits until no transfer of the cell is under way.
pub(super) fn wait_for(cell: CellId) {
    waiters(cell).wait(|| {
        let state = memory(|memory| memory.cells.state(cell));
        (!matches!(state, State::Reading | State::Writing)).then_some(())
    });
}

/// Waits until the cell is not being read.
pub(super) fn wait_for_content(cell: CellId) {
    waiters(cell)
        .wait(|| (memory(|memory| memory.cells.state(cell)) != State::Reading).then_some(()));
}

/// A copy of what a cell has that is in a slot only.
pub(super) enum Copied {
    /// In a frame of the caller's. The cell is kept until the caller has
    /// [stopped](Memory::stop_keeping) that.
    Into(Ppn),
    /// It is not in a slot only.
    NotSwapped,
    /// The device has failed.
    Failed,
}

/// Reads the content of a cell into a frame of the caller's; the cell stays where it is.
///
/// # Errors
/// [`OutOfMemory`].
pub(super) fn copy_of(cell: CellId) -> Result<Copied, OutOfMemory> {
    let taken = memory(|memory| {
        if memory.cells.state(cell) != State::Swapped {
            return Ok(None);
        }
        let Some(slot) = memory.cells.slot(cell) else { return Ok(None) };
        let frame = memory.alloc(Class::User, Owner::Kernel)?;
        memory.keep(cell);
        Ok(Some((slot, frame)))
    })?;
    let Some((slot, frame)) = taken else { return Ok(Copied::NotSwapped) };
    let disk = swap::disk(slot);
    let transfer =
        Transfer { operation: Operation::Read, sector: sector(slot), pieces: &[piece(frame)] };
    COPIES.fetch_add(1, Ordering::Relaxed);
    let outcome = block::wait_for(&*disk, transfer);
    COPIES.fetch_sub(1, Ordering::Relaxed);
    match outcome {
        Ok(()) => Ok(Copied::Into(frame)),
        Err(DiskError) => {
            memory(|memory| {
                memory.frames.free(frame);
                memory.stop_keeping(cell);
            });
            Ok(Copied::Failed)
        }
    }
}
