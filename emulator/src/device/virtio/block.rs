//! The block device: reads, writes and clears sectors of a [`Storage`].
//!
//! Requests are answered one after the other, in the order in which the driver made them
//! available. The guest learns of a failure of the host's side only through the status byte; the
//! reason goes to the log. A disk can be slow ([`Latency`], `block/pace.rs`): then a request stays
//! in its queue until its time is over, and only then is looked at, so that whatever a driver does
//! to it meanwhile is checked. A disk can have [`Mishaps`] (`block/mishap.rs`).
//!
//! Source: "Block Device".

mod mishap;
mod pace;

use std::fmt;
use std::io;

use super::{Backend, Broken, Outcome, Request, Span, Spans};
use crate::bus::{Ram, RamOffset};
pub use mishap::{Mishap, Mishaps, Transfer};
use pace::{Extent, Pace};
pub use pace::{Latency, Seek};

/// Size of a sector in bytes, the unit of capacity and of positions.
pub const SECTOR_BYTES: u64 = 512;

/// Bytes that one request can transfer at most, as on QEMU.
const MAX_TRANSFER_BYTES: u64 = (1 << 31) - SECTOR_BYTES;
/// Sectors that one request can discard or clear at most: 16 MiB.
const MAX_CLEAR_SECTORS: u32 = 1 << 15;
/// Ranges that one request can discard or clear.
const MAX_CLEAR_RANGES: u32 = 1;
/// Data buffers of one request, as on QEMU.
const MAX_SEGMENTS: u32 = 254;
/// Bytes that are copied at once between storage and RAM.
const BOUNCE_BYTES: usize = 64 << 10;
/// What a flush costs, in bytes moved in the same time.
const FLUSH_COST_BYTES: u64 = 1 << 20;
/// Length of the text that identifies the device.
const ID_BYTES: usize = 20;

const DEVICE_ID: u32 = 2;

/// Feature: `seg_max` is valid.
const FEATURE_SEG_MAX: u64 = 1 << 2;
/// Feature: the device is read-only.
const FEATURE_RO: u64 = 1 << 5;
/// Feature: `blk_size` is valid.
const FEATURE_BLK_SIZE: u64 = 1 << 6;
/// Feature: the cache can be flushed, and has to be.
const FEATURE_FLUSH: u64 = 1 << 9;
/// Feature: sectors can be discarded.
const FEATURE_DISCARD: u64 = 1 << 13;
/// Feature: sectors can be cleared.
const FEATURE_WRITE_ZEROES: u64 = 1 << 14;

/// Size of the configuration space in bytes.
const CONFIG_BYTES: usize = 60;

const TYPE_IN: u32 = 0;
const TYPE_OUT: u32 = 1;
const TYPE_FLUSH: u32 = 4;
const TYPE_GET_ID: u32 = 8;
const TYPE_DISCARD: u32 = 11;
const TYPE_WRITE_ZEROES: u32 = 13;

const STATUS_OK: u8 = 0;
const STATUS_IOERR: u8 = 1;
const STATUS_UNSUPP: u8 = 2;

/// Size of a request's header: type, a reserved word, sector.
const HEADER_BYTES: u64 = 16;
/// Flag of a range to clear: the sectors may be discarded to do so.
const RANGE_UNMAP: u32 = 1 << 0;

/// Where a block device keeps its sectors.
pub trait Storage: Send {
    /// Size in bytes, a multiple of [`SECTOR_BYTES`]; it does not change.
    fn len_bytes(&self) -> u64;

    /// Whether writes fail.
    fn is_read_only(&self) -> bool;

    /// Fills `to` with what is at `offset`.
    ///
    /// # Errors
    /// Where that lies behind the end, or the host fails; `to` may have been written in part.
    fn read_at(&mut self, offset: u64, to: &mut [u8]) -> io::Result<()>;

    /// Puts `from` at `offset`.
    ///
    /// # Errors
    /// Where that lies behind the end, the storage is read-only, or the host fails.
    fn write_at(&mut self, offset: u64, from: &[u8]) -> io::Result<()>;

    /// Makes `len_bytes` bytes at `offset` read as zero.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at).
    fn write_zeroes(&mut self, offset: u64, len_bytes: u64) -> io::Result<()> {
        const ZEROES: &[u8] = &[0; BOUNCE_BYTES];
        let mut done = 0;
        while done < len_bytes {
            let now = (len_bytes - done).min(BOUNCE_BYTES as u64);
            self.write_at(offset + done, &ZEROES[..now as usize])?;
            done += now;
        }
        Ok(())
    }

    /// The `len_bytes` bytes at `offset` are not needed any more; they may read as anything.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at).
    fn discard(&mut self, offset: u64, len_bytes: u64) -> io::Result<()>;

    /// Makes everything written so far survive the host.
    ///
    /// # Errors
    /// Where the host fails.
    fn flush(&mut self) -> io::Result<()>;
}

/// A disk.
pub struct Block {
    storage: Box<dyn Storage>,
    pace: Pace,
    mishaps: Option<Box<dyn Mishaps>>,
    id: [u8; ID_BYTES],
    config: [u8; CONFIG_BYTES],
    bounce: Box<[u8]>,
}

/// Why a request failed, as its status byte tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    IoError,
    Unsupported,
    /// There is no status: nobody is left to read it.
    PowerCut,
}

impl From<Mishap> for Refusal {
    fn from(mishap: Mishap) -> Self {
        match mishap {
            Mishap::IoError => Self::IoError,
            Mishap::PowerCut => Self::PowerCut,
        }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        log::warn!("disk: {error}");
        Self::IoError
    }
}

/// What a request has done: bytes written into the chain before the status, and its cost.
#[derive(Default)]
struct Done {
    written_bytes: u64,
    cost_bytes: u64,
}

/// What every request starts with.
struct Header {
    kind: u32,
    sector: u64,
}

impl Header {
    fn read(readable: &Spans, ram: &Ram) -> Option<Self> {
        let kind = readable.read(ram, 0).map(u32::from_le_bytes)?;
        let sector = readable.read(ram, HEADER_BYTES - 8).map(u64::from_le_bytes)?;
        Some(Self { kind, sector })
    }
}

/// A range of sectors in the data of a request to discard or clear.
struct SectorRange {
    offset: u64,
    len_bytes: u64,
    flags: u32,
}

impl Block {
    /// A disk on `storage` that identifies itself by the first 20 bytes of `serial`.
    ///
    /// # Panics
    /// Where the storage is not whole sectors.
    pub fn new(storage: Box<dyn Storage>, serial: &str) -> Self {
        let len_bytes = storage.len_bytes();
        assert!(len_bytes.is_multiple_of(SECTOR_BYTES), "a disk is whole sectors");
        let mut id = [0; ID_BYTES];
        id.iter_mut().zip(serial.bytes()).for_each(|(to, from)| *to = from);
        let config = configuration(len_bytes / SECTOR_BYTES);
        let bounce = vec![0; BOUNCE_BYTES].into_boxed_slice();
        Self { storage, pace: Pace::new(Latency::NONE), mishaps: None, id, config, bounce }
    }

    /// The same disk, whose requests take time.
    #[must_use]
    pub fn with_latency(self, latency: Latency) -> Self {
        Self { pace: Pace::new(latency), ..self }
    }

    /// The same disk, to which these happen.
    #[must_use]
    pub fn with_mishaps(self, mishaps: Box<dyn Mishaps>) -> Self {
        Self { mishaps: Some(mishaps), ..self }
    }

    /// Offset in bytes of `len_bytes` bytes from `sector` on, which must all exist.
    fn offset_of(&self, sector: u64, len_bytes: u64) -> Result<u64, Refusal> {
        let end = sector.checked_mul(SECTOR_BYTES).and_then(|at| at.checked_add(len_bytes));
        let is_inside = end.is_some_and(|end| end <= self.storage.len_bytes());
        let is_whole = len_bytes.is_multiple_of(SECTOR_BYTES);
        if is_inside && is_whole { Ok(sector * SECTOR_BYTES) } else { Err(Refusal::IoError) }
    }

    /// As [`offset_of`](Self::offset_of), for data that is transferred: buffers that overlap could
    /// ask for more than RAM holds.
    fn transfer(&self, sector: u64, len_bytes: u64, ram: &Ram) -> Result<u64, Refusal> {
        let is_possible = len_bytes <= ram.len_bytes().min(MAX_TRANSFER_BYTES);
        if is_possible { self.offset_of(sector, len_bytes) } else { Err(Refusal::IoError) }
    }

    fn check_writable(&self) -> Result<(), Refusal> {
        if self.storage.is_read_only() { Err(Refusal::IoError) } else { Ok(()) }
    }

    /// The bytes of the disk that a request concerns, if any; where it is to be refused, none of
    /// them is moved.
    fn extent(&self, header: &Header, request: &Request<'_>, ram: &Ram) -> Option<Extent> {
        let moved = match header.kind {
            TYPE_IN => {
                let len_bytes = data_to_write(request);
                self.transfer(header.sector, len_bytes, ram).map(|offset| (offset, len_bytes))
            }
            TYPE_OUT => {
                let len_bytes = data_to_read(request);
                self.transfer(header.sector, len_bytes, ram).map(|offset| (offset, len_bytes))
            }
            TYPE_WRITE_ZEROES => {
                self.range(request, ram).map(|range| (range.offset, range.len_bytes))
            }
            TYPE_DISCARD => self.range(request, ram).map(|range| (range.offset, 0)),
            _ => return None,
        };
        let refused = (header.sector.saturating_mul(SECTOR_BYTES), 0);
        let (offset, len_bytes) = moved.unwrap_or(refused);
        Some(Extent { offset, len_bytes })
    }

    /// Whether the time has come to answer a request, which is the first in its queue.
    fn has_taken_its_time(&mut self, header: &Header, request: &Request<'_>, ram: &Ram) -> bool {
        if self.pace.is_instant() {
            return true;
        }
        if self.pace.is_idle() {
            let extent = self.extent(header, request, ram);
            self.pace.begin(extent, request.mtime);
        }
        self.pace.look(request.mtime)
    }

    /// What happens to a request that could be carried out.
    fn risk(&mut self, transfer: Transfer, offset: u64, len_bytes: u64) -> Result<(), Refusal> {
        let Some(mishaps) = &mut self.mishaps else { return Ok(()) };
        let sectors = offset / SECTOR_BYTES..(offset + len_bytes) / SECTOR_BYTES;
        let Some(mishap) = mishaps.befall(transfer, sectors.clone()) else { return Ok(()) };
        log::info!("disk: {transfer:?} of sectors {sectors:?}: {mishap:?}, as was asked for");
        Err(mishap.into())
    }

    fn read(&mut self, sector: u64, request: &Request<'_>, ram: &mut Ram) -> Result<Done, Refusal> {
        let len_bytes = data_to_write(request);
        let mut offset = self.transfer(sector, len_bytes, ram)?;
        self.risk(Transfer::Read, offset, len_bytes)?;
        for Span { at, len_bytes } in request.chain.writable.pieces(0..len_bytes) {
            let mut done = 0;
            while done < len_bytes {
                let now = (len_bytes - done).min(BOUNCE_BYTES as u64);
                let bounce = &mut self.bounce[..now as usize];
                self.storage.read_at(offset, bounce)?;
                ram.write(RamOffset(at.0 + done), bounce);
                done += now;
                offset += now;
            }
        }
        Ok(Done { written_bytes: len_bytes, cost_bytes: len_bytes })
    }

    fn write(&mut self, sector: u64, request: &Request<'_>, ram: &Ram) -> Result<Done, Refusal> {
        let data_bytes = data_to_read(request);
        self.check_writable()?;
        let mut offset = self.transfer(sector, data_bytes, ram)?;
        self.risk(Transfer::Write, offset, data_bytes)?;
        let data = HEADER_BYTES..HEADER_BYTES + data_bytes;
        for Span { at, len_bytes } in request.chain.readable.pieces(data) {
            self.storage.write_at(offset, ram.slice(at, len_bytes))?;
            offset += len_bytes;
        }
        self.finish_write(request, data_bytes)
    }

    /// A driver that does not know of flushing counts on every write being stable.
    ///
    /// Source: "Device Requirements: Device Operation" of the block device.
    fn finish_write(&mut self, request: &Request<'_>, len_bytes: u64) -> Result<Done, Refusal> {
        let mut done = Done { written_bytes: 0, cost_bytes: len_bytes };
        if request.features & FEATURE_FLUSH == 0 {
            done.cost_bytes += self.flush()?.cost_bytes;
        }
        Ok(done)
    }

    fn flush(&mut self) -> Result<Done, Refusal> {
        self.storage.flush()?;
        Ok(Done { written_bytes: 0, cost_bytes: FLUSH_COST_BYTES })
    }

    /// The one range of a request to discard or clear.
    fn range(&self, request: &Request<'_>, ram: &Ram) -> Result<SectorRange, Refusal> {
        const RANGE_BYTES: u64 = 16;
        let data_bytes = data_to_read(request);
        if data_bytes == 0 || !data_bytes.is_multiple_of(RANGE_BYTES) {
            return Err(Refusal::IoError);
        }
        if data_bytes / RANGE_BYTES > MAX_CLEAR_RANGES.into() {
            return Err(Refusal::Unsupported);
        }
        let word = |at| request.chain.readable.read(ram, HEADER_BYTES + at).map(u32::from_le_bytes);
        let [Some(low), Some(high), Some(count), Some(flags)] = [0, 4, 8, 12].map(word) else {
            return Err(Refusal::IoError);
        };
        let sector = u64::from(high) << 32 | u64::from(low);
        self.check_writable()?;
        if count > MAX_CLEAR_SECTORS {
            return Err(Refusal::IoError);
        }
        let len_bytes = u64::from(count) * SECTOR_BYTES;
        Ok(SectorRange { offset: self.offset_of(sector, len_bytes)?, len_bytes, flags })
    }

    fn discard(&mut self, request: &Request<'_>, ram: &Ram) -> Result<Done, Refusal> {
        let SectorRange { offset, len_bytes, flags } = self.range(request, ram)?;
        if flags != 0 {
            return Err(Refusal::Unsupported);
        }
        self.risk(Transfer::Write, offset, len_bytes)?;
        self.storage.discard(offset, len_bytes)?;
        Ok(Done { written_bytes: 0, cost_bytes: len_bytes })
    }

    fn write_zeroes(&mut self, request: &Request<'_>, ram: &Ram) -> Result<Done, Refusal> {
        let SectorRange { offset, len_bytes, flags } = self.range(request, ram)?;
        if flags & !RANGE_UNMAP != 0 {
            return Err(Refusal::Unsupported);
        }
        self.risk(Transfer::Write, offset, len_bytes)?;
        self.storage.write_zeroes(offset, len_bytes)?;
        self.finish_write(request, len_bytes)
    }

    fn identify(&self, request: &Request<'_>, ram: &mut Ram) -> Done {
        let len_bytes = data_to_write(request).min(ID_BYTES as u64);
        request.chain.writable.write(ram, 0, &self.id[..len_bytes as usize]);
        Done { written_bytes: len_bytes, cost_bytes: len_bytes }
    }

    fn act(
        &mut self,
        &Header { kind, sector }: &Header,
        request: &Request<'_>,
        ram: &mut Ram,
    ) -> Result<Done, Refusal> {
        match kind {
            TYPE_IN => self.read(sector, request, ram),
            TYPE_OUT => self.write(sector, request, ram),
            TYPE_FLUSH => self.flush(),
            TYPE_GET_ID => Ok(self.identify(request, ram)),
            TYPE_DISCARD => self.discard(request, ram),
            TYPE_WRITE_ZEROES => self.write_zeroes(request, ram),
            _ => Err(Refusal::Unsupported),
        }
    }
}

/// Bytes of a request's data that the device writes; the last byte of all is for the status.
fn data_to_write(request: &Request<'_>) -> u64 {
    request.chain.writable.len_bytes() - 1
}

/// Bytes of a request's data that the device reads, which come after the header.
fn data_to_read(request: &Request<'_>) -> u64 {
    request.chain.readable.len_bytes() - HEADER_BYTES
}

impl Backend for Block {
    fn device_id(&self) -> u32 {
        DEVICE_ID
    }

    fn queues(&self) -> usize {
        1
    }

    fn features(&self) -> u64 {
        let shared = FEATURE_SEG_MAX | FEATURE_BLK_SIZE | FEATURE_FLUSH;
        let kind = if self.storage.is_read_only() {
            FEATURE_RO
        } else {
            FEATURE_DISCARD | FEATURE_WRITE_ZEROES
        };
        shared | kind
    }

    fn config(&self) -> &[u8] {
        &self.config
    }

    fn serve(&mut self, request: &Request<'_>, ram: &mut Ram) -> Result<Outcome, Broken> {
        let (readable, writable) = (&request.chain.readable, &request.chain.writable);
        let header = Header::read(readable, ram).ok_or(Broken("a block request has no header"))?;
        let status_at = writable.len_bytes().checked_sub(1);
        let status_at = status_at.ok_or(Broken("a block request has no place for its status"))?;
        if !self.has_taken_its_time(&header, request, ram) {
            return Ok(Outcome::Later);
        }
        self.pace.end();
        let (status, done) = match self.act(&header, request, ram) {
            Err(Refusal::PowerCut) => return Ok(Outcome::PowerCut),
            Ok(done) => (STATUS_OK, done),
            Err(Refusal::IoError) => (STATUS_IOERR, Done::default()),
            Err(Refusal::Unsupported) => (STATUS_UNSUPP, Done::default()),
        };
        writable.write(ram, status_at, &[status]);
        // The status counts only where no gap is left before it.
        let written = done.written_bytes + u64::from(done.written_bytes == status_at);
        let written_bytes = u32::try_from(written).expect("a transfer is bounded");
        Ok(Outcome::Used { written_bytes, cost_bytes: done.cost_bytes })
    }

    fn ready(&mut self, mtime: u64) -> u64 {
        // It is the only queue.
        u64::from(self.pace.look(mtime))
    }

    fn deadline(&self) -> Option<u64> {
        self.pace.deadline()
    }

    /// What was asked for and not answered is forgotten: it has not been done.
    fn reset(&mut self) {
        self.pace.reset();
    }
}

/// The configuration space of a disk of `sectors` sectors.
///
/// Source: "Device configuration layout" of the block device.
fn configuration(sectors: u64) -> [u8; CONFIG_BYTES] {
    let mut config = [0; CONFIG_BYTES];
    let mut put = |at: usize, bytes: &[u8]| config[at..at + bytes.len()].copy_from_slice(bytes);
    // capacity, seg_max, blk_size, num_queues
    put(0, &sectors.to_le_bytes());
    put(12, &MAX_SEGMENTS.to_le_bytes());
    put(20, &(SECTOR_BYTES as u32).to_le_bytes());
    put(34, &1_u16.to_le_bytes());
    // max_discard_sectors, max_discard_seg, discard_sector_alignment
    put(36, &MAX_CLEAR_SECTORS.to_le_bytes());
    put(40, &MAX_CLEAR_RANGES.to_le_bytes());
    put(44, &1_u32.to_le_bytes());
    // max_write_zeroes_sectors, max_write_zeroes_seg, write_zeroes_may_unmap
    put(48, &MAX_CLEAR_SECTORS.to_le_bytes());
    put(52, &MAX_CLEAR_RANGES.to_le_bytes());
    put(56, &[0]);
    config
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block")
            .field("len_bytes", &self.storage.len_bytes())
            .field("is_read_only", &self.storage.is_read_only())
            .finish_non_exhaustive()
    }
}
