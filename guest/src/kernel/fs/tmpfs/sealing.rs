//! Files that are sealed, or were made to be: `guest::fs::seals` says what that forbids.

use guest::errno::Errno;
use guest::fs::seals::Seals;

use super::TmpNode;
use super::content::Content;

impl Content {
    /// Its seals.
    pub(super) fn seals(&self) -> Seals {
        self.data.lock().seals
    }

    /// Replaces them, for a file that nobody else knows yet, or takes them back.
    pub(super) fn set_seals(&self, seals: Seals) {
        self.data.lock().seals = seals;
    }

    /// Why no more can be written.
    pub(super) fn refusal(&self) -> Errno {
        let data = self.data.lock();
        if data.seals.allow_write(data.size, u64::MAX) { Errno::EFBIG } else { Errno::EPERM }
    }
}

impl TmpNode {
    /// Adds seals.
    ///
    /// # Errors
    /// EINVAL, EPERM; EBUSY where it is still mapped for writing.
    pub(super) fn seal(&self, bits: u32) -> Result<(), Errno> {
        let content = self.content()?;
        let permissions = self.with_attributes(|attributes| attributes.permissions);
        let (before, after) = {
            let mut data = content.data.lock();
            let before = data.seals;
            data.seals = before.with(bits, permissions)?;
            (before, data.seals)
        };
        // From here on there are no new mappings.
        let identity = (self.device, self.number);
        if before.ends_writing(after) && crate::mm::is_mapped_for_writing(identity) {
            content.set_seals(before);
            return Err(Errno::EBUSY);
        }
        Ok(())
    }

    /// It may be sealed, and is so already.
    pub(crate) fn begin_with(&self, seals: Seals) {
        if let Ok(content) = self.content() {
            content.set_seals(seals);
        }
    }
}
