//! Disks, whoever drives them: [`Disk`], what is asked of one; the disks there are, by name; and
//! [`wait_for`], a transfer that the caller sleeps for, as the nodes in /dev do (`fs/block.rs`).

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use guest::errno::Errno;
pub(crate) use guest::virtio::block::{Operation, SECTOR_BYTES};

use crate::sync::{SpinLock, WaitQueue};

/// Most pieces of RAM that one transfer concerns.
pub(crate) const PIECES_MAX: usize = 32;

/// A piece of RAM, of whole sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Its physical address.
    pub(crate) address: u64,
    pub(crate) length_bytes: u32,
}

/// What is to be transferred.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfer<'a> {
    pub(crate) operation: Operation,
    /// The first sector.
    pub(crate) sector: u64,
    /// Where in RAM, in the order of the sectors; [`PIECES_MAX`] at most.
    pub(crate) pieces: &'a [Piece],
}

/// The disk could not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DiskError;

/// Whom to tell that a transfer has ended. Called on any hart, mostly from an interrupt; it must
/// not sleep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) call: fn(usize, Result<(), DiskError>),
    pub(crate) argument: usize,
}

/// There are as many transfers under way as there can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

/// Number of a page of a disk.
pub(crate) type Place = u32;

/// A disk.
pub(crate) trait Disk: Send + Sync {
    /// Its name in /dev.
    fn name(&self) -> &'static str;
    /// Its path, if it is a file that is used as a disk.
    fn path(&self) -> Option<Vec<u8>> {
        None
    }
    /// For such a file, where its pages are, 0 for what is none; what lies between is not its own.
    fn places(&self) -> Option<&[Place]> {
        None
    }
    /// Its number as a device; that of a file is none of any device.
    fn number(&self) -> u64;
    /// How many sectors it has.
    fn sectors(&self) -> u64;
    /// Whether it cannot be written.
    fn is_read_only(&self) -> bool;
    /// Begins a transfer, of which `done` is told. Takes no memory and does not wait.
    ///
    /// # Errors
    /// [`Busy`]; [`room`](Self::room) is woken when there may be room again.
    fn begin(&self, transfer: Transfer<'_>, done: Done) -> Result<(), Busy>;
    /// Woken whenever a transfer has ended.
    fn room(&self) -> &WaitQueue;
}

/// Bytes that disks were asked to read and to write.
static MOVED_BYTES: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// A disk has been given this to do.
pub(crate) fn count(transfer: &Transfer<'_>) {
    let index = match transfer.operation {
        Operation::Read => 0,
        Operation::Write => 1,
        Operation::Flush => return,
    };
    let bytes = transfer.pieces.iter().map(|piece| u64::from(piece.length_bytes)).sum();
    MOVED_BYTES[index].fetch_add(bytes, Ordering::Relaxed);
}

/// Bytes that disks were asked to read, and to write.
pub(crate) fn moved_bytes() -> [u64; 2] {
    MOVED_BYTES.each_ref().map(|bytes| bytes.load(Ordering::Relaxed))
}

static DISKS: SpinLock<Vec<Arc<dyn Disk>>> = SpinLock::new(Vec::new());

/// Makes a disk known.
pub(crate) fn register(disk: Arc<dyn Disk>) {
    DISKS.lock().push(disk);
}

/// All disks, in the order in which they were found.
pub(crate) fn disks() -> Vec<Arc<dyn Disk>> {
    DISKS.lock().clone()
}

/// The disk with this number as a device.
pub(crate) fn find(number: u64) -> Option<Arc<dyn Disk>> {
    DISKS.lock().iter().find(|disk| disk.number() == number).cloned()
}

/// Numbers of disks that somebody has for himself.
static RESERVED: SpinLock<Vec<u64>> = SpinLock::new(Vec::new());

/// A disk that nobody else mounts, swaps on, or opens with O_EXCL while this lives.
#[derive(Debug)]
pub(crate) struct Reservation(u64);

impl Reservation {
    /// Of this disk.
    ///
    /// # Errors
    /// EBUSY, ENOMEM.
    pub(crate) fn new(disk: &dyn Disk) -> Result<Self, Errno> {
        let mut reserved = RESERVED.lock();
        if reserved.contains(&disk.number()) {
            return Err(Errno::EBUSY);
        }
        reserved.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        reserved.push(disk.number());
        Ok(Self(disk.number()))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        RESERVED.lock().retain(|number| *number != self.0);
    }
}

/// Somebody who sleeps until a transfer has ended.
struct Sleeper {
    state: AtomicU8,
    ended: WaitQueue,
}

/// States of a [`Sleeper`].
const NOBODY: u8 = 0;
const WAITS: u8 = 1;
const DONE: u8 = 2;
const FAILED: u8 = 3;

/// More at once wait for one of these.
const SLEEPERS: usize = 16;
static SLEEPING: [Sleeper; SLEEPERS] =
    [const { Sleeper { state: AtomicU8::new(NOBODY), ended: WaitQueue::new() } }; SLEEPERS];
static SLEEPER_LEFT: WaitQueue = WaitQueue::new();

/// A sleeper that nobody is.
fn claim() -> Option<usize> {
    SLEEPING.iter().position(|sleeper| {
        let (taken, failed) = (Ordering::Acquire, Ordering::Relaxed);
        sleeper.state.compare_exchange(NOBODY, WAITS, taken, failed).is_ok()
    })
}

fn wake_sleeper(index: usize, outcome: Result<(), DiskError>) {
    let sleeper = &SLEEPING[index];
    sleeper.state.store(if outcome.is_ok() { DONE } else { FAILED }, Ordering::Release);
    sleeper.ended.wake_all();
}

/// Carries a transfer out, and sleeps until that is done.
///
/// # Errors
/// [`DiskError`].
pub(crate) fn wait_for(disk: &dyn Disk, transfer: Transfer<'_>) -> Result<(), DiskError> {
    let index = SLEEPER_LEFT.wait(claim);
    let done = Done { call: wake_sleeper, argument: index };
    disk.room().wait(|| disk.begin(transfer, done).ok());
    let sleeper = &SLEEPING[index];
    let outcome = sleeper.ended.wait(|| match sleeper.state.load(Ordering::Acquire) {
        DONE => Some(Ok(())),
        FAILED => Some(Err(DiskError)),
        _ => None,
    });
    sleeper.state.store(NOBODY, Ordering::Release);
    SLEEPER_LEFT.wake(1);
    outcome
}

/// Makes what was written to a disk survive; sleeps until it does.
///
/// # Errors
/// [`DiskError`].
pub(crate) fn flush(disk: &dyn Disk) -> Result<(), DiskError> {
    wait_for(disk, Transfer { operation: Operation::Flush, sector: 0, pieces: &[] })
}
