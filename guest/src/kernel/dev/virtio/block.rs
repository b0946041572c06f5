//! The block device: transfers of sectors, several at once, each a chain of header, pieces of RAM
//! and status. What a transfer needs besides the caller's RAM is there from the beginning, so that
//! memory can be written out where there is none left.

use alloc::sync::Arc;

use arrayvec::ArrayVec;
use guest::fs::layout::device_number;
use guest::virtio::block::{
    CAPACITY, FLUSH, HAS_SEG_MAX, HEADER_BYTES, QUEUE, READ_ONLY, SEG_MAX, STATUS_BYTES,
    STATUS_NONE, is_done,
};
use guest::virtio::queue::{Buffer, Direction, Queue};

use super::page::Page;
use super::transport::{Transport, Trouble};
use crate::block::{self, Busy, Disk, DiskError, Done, Operation, PIECES_MAX, Piece, Transfer};
use crate::dev::register_interrupt;
use crate::mm::{read_frame, write_frame};
use crate::sync::{Once, SpinLock, WaitQueue};

/// Entries of the queue.
const ENTRIES: usize = 128;
/// Transfers that may be under way at once.
const TRANSFERS: usize = 32;
/// Where the page has header and status of each: so far apart.
const STRIDE_BYTES: usize = 32;
/// Buffers of a transfer: the pieces between header and status.
const BUFFERS_MAX: usize = PIECES_MAX + 2;

/// Names of the disks, in the order in which they are found.
const NAMES: [&str; 8] = ["vda", "vdb", "vdc", "vdd", "vde", "vdf", "vdg", "vdh"];
/// Major number of disks: Linux gives the first one of those that are free to choose.
const MAJOR: u32 = 254;
/// Minor numbers of one disk: itself and partitions.
const MINORS: u32 = 16;

/// A disk of this kind.
#[derive(Debug)]
struct Block {
    index: usize,
    transport: Transport,
    features: u64,
    sectors: u64,
    inner: SpinLock<Inner>,
    room: WaitQueue,
}

/// What the interrupt and those who begin transfers share.
#[derive(Debug)]
struct Inner {
    queue: Queue<ENTRIES>,
    page: Page,
    /// Of each transfer under way whom to tell.
    done: [Option<Done>; TRANSFERS],
    /// The transfer of a chain, by the chain's name.
    transfer_of: [u8; ENTRIES],
}

static DISKS: [Once<Arc<Block>>; NAMES.len()] = [const { Once::new() }; NAMES.len()];

/// Makes the device work, and the disk known.
pub(super) fn start(transport: Transport, source: u32) -> Result<(), Trouble> {
    let Some(index) = DISKS.iter().position(|disk| disk.get().is_none()) else {
        return Err(Trouble::Unfit("there are as many disks already as there may be"));
    };
    let features = transport.begin(HAS_SEG_MAX | READ_ONLY | FLUSH)?;
    if features & HAS_SEG_MAX == 0 || (transport.config_u32(SEG_MAX) as usize) < PIECES_MAX {
        return Err(Trouble::Unfit("its requests are too small"));
    }
    let word = |at| u64::from(transport.config_u32(CAPACITY + at));
    let inner = Inner {
        queue: transport.set_up(QUEUE)?,
        page: Page::new(),
        done: [None; TRANSFERS],
        transfer_of: [0; ENTRIES],
    };
    transport.finish();
    let disk = DISKS[index].set(Arc::new(Block {
        index,
        transport,
        features,
        sectors: word(0) | word(4) << 32,
        inner: SpinLock::new(inner),
        room: WaitQueue::new(),
    }));
    let interrupt = |index: usize| DISKS[index].get().into_iter().for_each(|disk| disk.interrupt());
    register_interrupt(source, NAMES[index], interrupt, index);
    block::register(disk.clone());
    Ok(())
}

impl Inner {
    /// Gives the device a transfer; whether there was room for it.
    fn add(&mut self, transfer: Transfer<'_>, done: Done) -> bool {
        let Some(free) = self.done.iter().position(Option::is_none) else { return false };
        let (header, status) = (free * STRIDE_BYTES, free * STRIDE_BYTES + HEADER_BYTES);
        write_frame(self.page.frame(), header, &transfer.operation.header(transfer.sector));
        write_frame(self.page.frame(), status, &[STATUS_NONE]);
        let mut buffers = ArrayVec::<Buffer, BUFFERS_MAX>::new();
        buffers.push(self.page.buffer(header, HEADER_BYTES, Direction::ToDevice));
        let is_read = transfer.operation.is_read();
        let direction = if is_read { Direction::FromDevice } else { Direction::ToDevice };
        add_pieces(&mut buffers, transfer.pieces, direction);
        buffers.push(self.page.buffer(status, STATUS_BYTES, Direction::FromDevice));
        let Some(head) = self.queue.add(&buffers) else { return false };
        self.transfer_of[usize::from(head)] = free as u8;
        self.done[free] = Some(done);
        true
    }

    /// The next transfer that has ended.
    fn take(&mut self) -> Option<(Done, Result<(), DiskError>)> {
        let chain = self.queue.take()?;
        let index = usize::from(self.transfer_of[usize::from(chain.head)]);
        let mut status = [STATUS_NONE];
        read_frame(self.page.frame(), index * STRIDE_BYTES + HEADER_BYTES, &mut status);
        let done = self.done[index].take().expect("the chain was on its way");
        Some((done, if is_done(status[0]) { Ok(()) } else { Err(DiskError) }))
    }
}

/// Adds the pieces, those as one that lie side by side. The header is there already.
fn add_pieces(buffers: &mut ArrayVec<Buffer, BUFFERS_MAX>, pieces: &[Piece], direction: Direction) {
    for Piece { address, length_bytes } in pieces.iter().copied() {
        match buffers[1..].last_mut() {
            Some(last) if last.address + u64::from(last.length_bytes) == address => {
                last.length_bytes += length_bytes;
            }
            _ => buffers.push(Buffer { address, length_bytes, direction }),
        }
    }
}

impl Block {
    fn interrupt(&self) {
        self.transport.acknowledge();
        loop {
            let ended = self.inner.lock().take();
            let Some((done, outcome)) = ended else { break };
            (done.call)(done.argument, outcome);
        }
        self.room.wake_all();
    }
}

impl Disk for Block {
    fn name(&self) -> &'static str {
        NAMES[self.index]
    }

    fn number(&self) -> u64 {
        device_number(MAJOR, self.index as u32 * MINORS)
    }

    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn is_read_only(&self) -> bool {
        self.features & READ_ONLY != 0
    }

    fn begin(&self, transfer: Transfer<'_>, done: Done) -> Result<(), Busy> {
        if transfer.operation == Operation::Flush && self.features & FLUSH == 0 {
            // It has no cache: what was written is where it belongs.
            (done.call)(done.argument, Ok(()));
            return Ok(());
        }
        if !self.inner.lock().add(transfer, done) {
            return Err(Busy);
        }
        block::count(&transfer);
        self.transport.notify(QUEUE);
        Ok(())
    }

    fn room(&self) -> &WaitQueue {
        &self.room
    }
}
