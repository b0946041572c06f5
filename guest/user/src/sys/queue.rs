//! POSIX message queues: [`Queue`].

use linux_raw_sys::general as g;

use super::call::{args, call};
use super::file::{self, File};
use super::ipc;
use crate::errno::Result;

/// A message queue that is open, for sending and receiving; closed when dropped.
#[derive(Debug)]
pub struct Queue(File);

impl Queue {
    /// Makes a queue of this name, which need not begin with a slash, for so many messages of at most
    /// so many bytes.
    pub fn create(name: &[u8], messages: u64, bytes: u64) -> Result<Self> {
        let name = file::c_path(name.strip_prefix(b"/").unwrap_or(name))?;
        // Flags, messages, bytes, and what the kernel fills in.
        let attributes = [0, messages, bytes, 0, 0, 0, 0, 0];
        let flags = g::O_RDWR | g::O_CREAT | g::O_EXCL | g::O_CLOEXEC;
        let mode = 0o600_u32;
        let queue = call(g::__NR_mq_open, args![name.as_c_str(), flags, mode, &attributes])?;
        Ok(Self(File::from_fd(queue as i32)))
    }

    /// A queue that only those have who inherit it.
    pub fn without_name(messages: u64, bytes: u64) -> Result<Self> {
        let name = alloc::format!("unnamed-{}", super::process::id());
        let queue = Self::create(name.as_bytes(), messages, bytes)?;
        ipc::unlink_queue(name.as_bytes())?;
        Ok(queue)
    }

    /// Puts a message behind those of its priority and higher ones; waits while the queue is full.
    #[inline]
    pub fn send(&self, message: &[u8], priority: u32) -> Result<()> {
        let arguments = args![self.0.fd(), message, priority, 0_usize];
        call(g::__NR_mq_timedsend, arguments).map(drop)
    }

    /// Takes the oldest message of the highest priority, waiting while there is none: its length, and
    /// its priority. The buffer has room for the longest.
    #[inline]
    pub fn receive(&self, buffer: &mut [u8]) -> Result<(usize, u32)> {
        let mut priority = 0_u32;
        let arguments = args![self.0.fd(), buffer, &mut priority, 0_usize];
        let length = call(g::__NR_mq_timedreceive, arguments)?;
        Ok((length, priority))
    }
}
