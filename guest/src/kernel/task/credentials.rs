//! [`Credentials`]: which user and group a process is, and who may become what (`credentials(7)`).

use guest::errno::Errno;
use guest::fs::access::Groups;

use super::Process;

/// User and group numbers: real, effective, saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) uid: u32,
    pub(crate) euid: u32,
    pub(crate) suid: u32,
    pub(crate) gid: u32,
    pub(crate) egid: u32,
    pub(crate) sgid: u32,
}

impl Credentials {
    /// Whether it is the superuser.
    pub(crate) fn is_root(&self) -> bool {
        self.euid == 0
    }

    /// Whether it may signal a process of `other`.
    pub(crate) fn may_signal(&self, other: &Credentials) -> bool {
        let mine = [self.euid, self.uid];
        self.is_root() || mine.contains(&other.uid) || mine.contains(&other.suid)
    }
}

impl Process {
    /// Changes who it is.
    ///
    /// # Errors
    /// Whatever `change` says; then nothing has changed.
    pub(crate) fn change_credentials(
        &self,
        change: impl FnOnce(&mut Credentials) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let mut resources = self.resources.lock();
        let mut credentials = resources.credentials;
        change(&mut credentials)?;
        resources.credentials = credentials;
        Ok(())
    }

    /// Changes the supplementary groups.
    pub(crate) fn set_groups(&self, groups: Groups) {
        let old = core::mem::replace(&mut self.resources.lock().groups, groups);
        drop(old);
    }

    /// Changes how urgent it is: -20 to 19.
    pub(crate) fn set_nice(&self, nice: i8) {
        self.resources.lock().nice = nice;
    }

    /// What it hears when its parent ends; 0: nothing.
    pub(crate) fn parent_death_signal(&self) -> u8 {
        self.resources.lock().parent_death_signal
    }

    /// Changes that.
    pub(crate) fn set_parent_death_signal(&self, signal: u8) {
        self.resources.lock().parent_death_signal = signal;
    }
}
