//! Devices by number: the memory devices (null, zero, full, random, kmsg) are here, the terminals
//! in `tty.rs`, the disks in `block.rs`. Nodes in any tmpfs lead to them.

use alloc::string::String;
use alloc::sync::Arc;

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::fs::Kind;
use guest::fs::layout::device_parts;
use guest::log::Line;
use guest::mm::addr::USER_END;
use linux_raw_sys::general as linux;

use super::buffer::{Buffer, moved_or};
use super::inode::{File, Flags, Seeking};
use super::tty;
use crate::debug::{self, Level};
use crate::mm::Object;
use crate::mm::shared::Promise;
use crate::sync::{SpinLock, WaitQueue};
use crate::{mm, task};

/// A device of memory, of major number 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    Null,
    Zero,
    Full,
    Random,
}

/// Name, major and minor number, and permissions of what is in /dev from the beginning.
pub(super) const NODES: [(&str, u32, u32, u16); 9] = [
    ("null", 1, 3, 0o666),
    ("zero", 1, 5, 0o666),
    ("full", 1, 7, 0o666),
    ("random", 1, 8, 0o666),
    ("urandom", 1, 9, 0o666),
    ("kmsg", 1, 11, 0o644),
    ("tty", 5, 0, 0o666),
    ("console", 5, 1, 0o600),
    ("ttyS0", 4, 64, 0o660),
];

/// Opens the device with this number.
///
/// # Errors
/// ENXIO where there is none; the device's own.
pub(super) fn open(kind: Kind, number: u64, flags: Flags) -> Result<Arc<dyn File>, Errno> {
    if kind == Kind::BlockDevice {
        return super::block::open(number, flags);
    }
    let memory = match device_parts(number) {
        (1, 3) => Memory::Null,
        (1, 5) => Memory::Zero,
        (1, 7) => Memory::Full,
        (1, 8 | 9) => Memory::Random,
        (1, 11) => return Ok(Arc::new(Kmsg::new())),
        (5, 0) => return tty::open_controlling(),
        (5, 1) => return tty::open_console(),
        (4, 64) => return tty::open_serial(flags),
        _ => return Err(Errno::ENXIO),
    };
    Ok(Arc::new(memory))
}

/// Longest line that is written to the log at once.
const LINE_BYTES: usize = 512;
/// Random bytes that are made at once.
const RANDOM_BYTES: usize = 256;

impl File for Memory {
    fn seeking(&self) -> Seeking {
        Seeking::Everywhere
    }

    fn read(&self, _at: &mut u64, to: &mut Buffer<'_>, _flags: Flags) -> Result<usize, Errno> {
        let wanted = to.remaining();
        while to.remaining() > 0 {
            let done = wanted - to.remaining();
            let step = match self {
                Memory::Null => return Ok(0),
                Memory::Zero | Memory::Full => {
                    let in_page = PAGE_SIZE_BYTES as usize;
                    let count = to.remaining().min(in_page);
                    if to.try_put_zeros(count) < count { to.touch_to_put() } else { Ok(()) }
                }
                Memory::Random => {
                    let mut bytes = [0; RANDOM_BYTES];
                    task::random::fill(&mut bytes);
                    to.put(&bytes).map(|_| ())
                }
            };
            if let Err(errno) = step {
                return moved_or(done, errno);
            }
        }
        Ok(wanted)
    }

    fn write(&self, _at: &mut u64, from: &mut Buffer<'_>, _: Flags) -> Result<usize, Errno> {
        let wanted = from.remaining();
        match self {
            Memory::Full => Err(Errno::ENOSPC),
            Memory::Null | Memory::Zero => Ok(wanted),
            Memory::Random => {
                let mut bytes = [0; RANDOM_BYTES];
                while from.remaining() > 0 {
                    let count = from.get(&mut bytes)?;
                    task::random::add_entropy(&bytes[..count]);
                }
                Ok(wanted)
            }
        }
    }

    fn object(self: Arc<Self>) -> Result<Object, Errno> {
        match *self {
            Memory::Zero => mm::shared::new_shared(USER_END / PAGE_SIZE_BYTES, Promise::ByPage),
            _ => Err(Errno::ENODEV),
        }
    }
}

/// The kernel's log, read line by line: /dev/kmsg.
struct Kmsg {
    /// Number of the line that is read next.
    next: SpinLock<u64>,
}

impl Kmsg {
    fn new() -> Self {
        Self { next: SpinLock::new(debug::log_bounds().0) }
    }

    /// The next line as it is read, and its number; EPIPE where lines before it are gone.
    fn line(&self) -> Option<Result<(String, u64), Errno>> {
        const NS_PER_US: u64 = 1000;
        let mut line = Line::new();
        let mut next = self.next.lock();
        if *next < debug::log_bounds().0 {
            *next = debug::log_bounds().0;
            return Some(Err(Errno::EPIPE));
        }
        let record = debug::read_log(*next, &mut line)?;
        let text = String::from_utf8_lossy(line.as_bytes());
        let (level, sequence, time) = (record.level, record.sequence, record.ns / NS_PER_US);
        Some(Ok((alloc::format!("{level},{sequence},{time},-;{text}\n"), sequence)))
    }
}

impl File for Kmsg {
    fn seeking(&self) -> Seeking {
        Seeking::Stream
    }

    fn read(&self, _at: &mut u64, to: &mut Buffer<'_>, flags: Flags) -> Result<usize, Errno> {
        let line = match self.line() {
            Some(line) => line,
            None if flags.nonblocking() => return Err(Errno::EAGAIN),
            None => {
                let waited = debug::log_readers().wait_interruptible(None, || self.line());
                waited.map_err(|_| Errno::EINTR)?
            }
        };
        let (line, sequence) = line?;
        if line.len() > to.remaining() {
            return Err(Errno::EINVAL);
        }
        let count = to.put(line.as_bytes())?;
        *self.next.lock() = sequence + 1;
        Ok(count)
    }

    fn write(&self, _at: &mut u64, from: &mut Buffer<'_>, _: Flags) -> Result<usize, Errno> {
        let wanted = from.remaining();
        let mut line = [0; LINE_BYTES];
        let count = from.get(&mut line)?;
        let valid = line[..count].utf8_chunks().map(|chunk| chunk.valid());
        for part in valid.flat_map(str::lines).filter(|part| !part.is_empty()) {
            debug::log(Level::Info, format_args!("{part}"));
        }
        Ok(wanted)
    }

    fn poll(&self, _flags: Flags) -> u32 {
        let writes = linux::POLLOUT | linux::POLLWRNORM;
        let more = debug::log_bounds().1 > *self.next.lock();
        if more { writes | linux::POLLIN | linux::POLLRDNORM } else { writes }
    }

    fn poll_queue(&self) -> Option<&WaitQueue> {
        Some(debug::log_readers())
    }
}
