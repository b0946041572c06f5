//! Ports: byte streams to the host by name, which the virtio console's driver registers, and the
//! files they are when a program has them open. A port named `tty` gets a line discipline instead
//! (`tty.rs`).

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use guest::errno::Errno;
use guest::fs::layout::device_number;
use guest::fs::{Attributes, Identity, Kind};
use linux_raw_sys::general as linux;

use super::buffer::{Buffer, moved_or};
use super::inode::{File, Flags, Inode, Seeking};
use super::names::now;
use crate::sync::{SpinLock, WaitQueue};

/// A stream of bytes to and from the host. Drivers implement it.
pub(crate) trait Port: Send + Sync {
    /// Takes bytes that have come; 0 at the end of the input.
    ///
    /// # Errors
    /// EAGAIN: none is here, but some may come.
    fn receive(&self, to: &mut [u8]) -> Result<usize, Errno>;
    /// Whether [`receive`](Self::receive) would yield something.
    fn has_input(&self) -> bool;
    /// Hands bytes over to the host, as many as there is room for; how many.
    fn send(&self, from: &[u8]) -> usize;
    /// Whether there is room for bytes to the host.
    fn has_room(&self) -> bool;
    /// Woken when bytes or the end of the input have come, or when there is room again.
    fn changed(&self) -> &WaitQueue;
    /// Columns and rows of the window that shows it, if that is known.
    fn window(&self) -> Option<[u16; 2]> {
        None
    }
}

/// A port with its name.
type Named = (Vec<u8>, Arc<dyn Port>);

static PORTS: SpinLock<Vec<Named>> = SpinLock::new(Vec::new());

/// Makes a port known under its name.
pub(crate) fn register(name: &[u8], port: Arc<dyn Port>) {
    PORTS.lock().push((name.to_vec(), port));
}

/// The port with this name.
pub(crate) fn find(name: &[u8]) -> Option<Arc<dyn Port>> {
    let ports = PORTS.lock();
    ports.iter().find(|(other, _)| other == name).map(|(_, port)| port.clone())
}

/// Sends all bytes, waiting for room.
///
/// # Errors
/// EINTR, if signals end the waiting; EAGAIN, if nobody waits; only where nothing was sent.
pub(super) fn send_all(port: &dyn Port, bytes: &[u8], flags: Flags) -> Result<usize, Errno> {
    let mut done = 0;
    while done < bytes.len() {
        let sent = port.send(&bytes[done..]);
        done += sent;
        if sent > 0 {
            continue;
        }
        if flags.nonblocking() {
            return moved_or(done, Errno::EAGAIN);
        }
        let room = || port.has_room().then_some(());
        if port.changed().wait_interruptible(None, room).is_err() {
            return moved_or(done, Errno::EINTR);
        }
    }
    Ok(done)
}

/// A port that programs have open as it is.
pub(super) struct PortFile {
    port: Arc<dyn Port>,
    number: u64,
    attributes: Attributes,
}

/// Major number of the ports as devices: the first of those for local use.
const MAJOR: u32 = 240;
/// Bytes that are copied at once.
const CHUNK_BYTES: usize = 512;

impl PortFile {
    pub(super) fn new(port: Arc<dyn Port>, number: u64) -> Arc<Self> {
        const PERMISSIONS: u16 = 0o600;
        let mut attributes = Attributes::new(Kind::CharDevice, PERMISSIONS, &Identity::ROOT, now());
        attributes.links = 1;
        Arc::new(Self { port, number, attributes })
    }
}

impl Inode for PortFile {
    fn number(&self) -> u64 {
        self.number
    }
    fn attributes(&self) -> Attributes {
        self.attributes
    }
    fn special(&self) -> u64 {
        device_number(MAJOR, self.number as u32)
    }
    fn path(&self) -> Vec<u8> {
        alloc::format!("port:[{}]", self.number).into_bytes()
    }
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
    fn open(self: Arc<Self>, _flags: Flags) -> Result<Arc<dyn File>, Errno> {
        Ok(self)
    }
}

impl File for PortFile {
    fn seeking(&self) -> Seeking {
        Seeking::Stream
    }

    fn read(&self, _at: &mut u64, to: &mut Buffer<'_>, flags: Flags) -> Result<usize, Errno> {
        if to.remaining() == 0 {
            return Ok(0);
        }
        let mut chunk = [0; CHUNK_BYTES];
        let wanted = chunk.len().min(to.prepare_to_put()?);
        let count = match self.port.receive(&mut chunk[..wanted]) {
            Err(Errno::EAGAIN) if !flags.nonblocking() => {
                let attempt = || match self.port.receive(&mut chunk[..wanted]) {
                    Err(Errno::EAGAIN) => None,
                    other => Some(other),
                };
                let received = self.port.changed().wait_interruptible(None, attempt);
                received.map_err(|_| Errno::EINTR)??
            }
            other => other?,
        };
        to.put(&chunk[..count])
    }

    fn write(&self, _at: &mut u64, from: &mut Buffer<'_>, flags: Flags) -> Result<usize, Errno> {
        let mut done = 0;
        while from.remaining() > 0 {
            let mut chunk = [0; CHUNK_BYTES];
            let sent = match from.get(&mut chunk) {
                Ok(count) => {
                    let sent = send_all(&*self.port, &chunk[..count], flags);
                    sent.map(|sent| (sent, sent < count))
                }
                Err(errno) => Err(errno),
            };
            match sent {
                Ok((sent, short)) => {
                    done += sent;
                    if short {
                        break;
                    }
                }
                Err(errno) => return moved_or(done, errno),
            }
        }
        Ok(done)
    }

    fn poll(&self, flags: Flags) -> u32 {
        let mut events = 0;
        if flags.reads() && self.port.has_input() {
            events |= linux::POLLIN | linux::POLLRDNORM;
        }
        if flags.writes() && self.port.has_room() {
            events |= linux::POLLOUT | linux::POLLWRNORM;
        }
        events
    }

    fn poll_queue(&self) -> Option<&WaitQueue> {
        Some(self.port.changed())
    }
}
