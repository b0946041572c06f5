//! [`Spare`]: memory of a message that was read, for the next one.

use alloc::vec::Vec;

use guest::errno::Errno;

use crate::sync::SpinLock;

/// Most memory that is kept.
const KEPT_MAX_BYTES: usize = 1024;

/// Memory of a message that was read, if anybody has left it here.
pub(crate) struct Spare(SpinLock<Vec<u8>>);

impl Spare {
    /// Nothing yet.
    pub(crate) const fn new() -> Self {
        Self(SpinLock::new(Vec::new()))
    }

    /// Memory for a message of so many bytes, which all have to be written: what is in them was in
    /// another one.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn take(&self, bytes: usize) -> Result<Vec<u8>, Errno> {
        let mut buffer = core::mem::take(&mut *self.0.lock());
        if buffer.len() < bytes {
            let more = bytes - buffer.len();
            buffer.try_reserve_exact(more).map_err(|_| Errno::ENOMEM)?;
        }
        buffer.resize(bytes, 0);
        Ok(buffer)
    }

    /// Leaves memory here.
    pub(crate) fn keep(&self, buffer: Vec<u8>) {
        if buffer.capacity() <= KEPT_MAX_BYTES {
            let old = core::mem::replace(&mut *self.0.lock(), buffer);
            drop(old);
        }
    }
}
