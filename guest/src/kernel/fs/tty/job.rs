//! Sessions and jobs: which terminal controls a session, who may use it, and what happens to those
//! who may not.

use alloc::sync::Arc;

use guest::errno::Errno;
use linux_raw_sys::general as linux;

use super::{TERMINALS, Tty};
use crate::task::{self, Pid, signal, table};

/// What somebody is about to do with a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// Reading: SIGTTIN in the background.
    Reading,
    /// Writing: SIGTTOU in the background, if TOSTOP says so.
    Writing,
    /// Changing it: SIGTTOU in the background.
    Changing,
}

/// The terminal that controls a session.
fn controlling(session: Pid) -> Option<Arc<Tty>> {
    let terminals = TERMINALS.lock();
    let mut with_session = terminals.iter().filter(|_| session != 0);
    with_session.find(|tty| tty.state.lock().session == session).cloned()
}

/// The terminal that controls the session of the current process.
pub(super) fn of_caller() -> Option<Arc<Tty>> {
    controlling(task::current_process().session())
}

/// Number of the terminal that controls a session, and its foreground group, for /proc/PID/stat.
pub(crate) fn of_session(session: Pid) -> Option<(u64, Pid)> {
    let tty = controlling(session)?;
    let foreground = tty.state.lock().foreground;
    Some((tty.number, foreground))
}

/// The leader of a session has exited: its terminal controls nobody any more, and the group in the
/// foreground learns of it. To be called outside locks.
pub(crate) fn hang_up(session: Pid) {
    if let Some(tty) = controlling(session) {
        tty.release();
    }
}

impl Tty {
    /// Opened by the leader of a session that no terminal controls, a terminal that controls none
    /// begins to.
    pub(super) fn adopt_session(&self) {
        let process = task::current_process();
        let session = process.session();
        if process.pid != session || controlling(session).is_some() {
            return;
        }
        let mut state = self.state.lock();
        if state.session == 0 {
            (state.session, state.foreground) = (session, process.group());
        }
    }

    /// TIOCSCTTY: the same, taking it from another session if root says `steal`.
    pub(super) fn take_session(&self, steal: u64) -> Result<(), Errno> {
        let process = task::current_process();
        let session = process.session();
        if self.state.lock().session == session && session != 0 {
            return Ok(());
        }
        if process.pid != session || controlling(session).is_some() {
            return Err(Errno::EPERM);
        }
        let mut state = self.state.lock();
        let may_steal = steal == 1 && process.credentials().euid == 0;
        if state.session != 0 && !may_steal {
            return Err(Errno::EPERM);
        }
        (state.session, state.foreground) = (session, process.group());
        Ok(())
    }

    /// TIOCNOTTY.
    pub(super) fn leave_session(&self) -> Result<(), Errno> {
        let process = task::current_process();
        if !self.controls(process.session()) {
            return Err(Errno::ENOTTY);
        }
        if process.pid == process.session() {
            self.release();
        }
        Ok(())
    }

    fn release(&self) {
        let mut state = self.state.lock();
        let group = state.foreground;
        (state.session, state.foreground) = (0, 0);
        drop(state);
        if group != 0 {
            signal::send_to_group(group, linux::SIGHUP as u8);
            signal::send_to_group(group, linux::SIGCONT as u8);
        }
    }

    /// Whether it controls a session.
    pub(super) fn controls(&self, session: Pid) -> bool {
        session != 0 && self.state.lock().session == session
    }

    /// Stops those in the background who want to use it.
    ///
    /// # Errors
    /// EINTR: the signal was sent, and the call begins again after it. EIO: who would be stopped
    /// has nobody to continue it, or does not want to be stopped.
    pub(super) fn check_foreground(&self, doing: Doing) -> Result<(), Errno> {
        let process = task::current_process();
        let (session, foreground, may_write) = {
            let state = self.state.lock();
            let may_write = !state.discipline.termios().local(linux::TOSTOP);
            (state.session, state.foreground, may_write)
        };
        let group = process.group();
        let background = session != 0 && session == process.session() && foreground != group;
        if !background || doing == Doing::Writing && may_write {
            return Ok(());
        }
        let number = if doing == Doing::Reading { linux::SIGTTIN } else { linux::SIGTTOU } as u8;
        if signal::is_ignored_or_blocked(number) {
            return if doing == Doing::Reading { Err(Errno::EIO) } else { Ok(()) };
        }
        if table::group_is_orphaned(group) {
            return Err(Errno::EIO);
        }
        signal::send_to_group(group, number);
        Err(Errno::EINTR)
    }

    /// TIOCSPGRP.
    pub(super) fn set_foreground(&self, group: i32) -> Result<(), Errno> {
        let session = task::current_process().session();
        if !self.controls(session) {
            return Err(Errno::ENOTTY);
        }
        self.check_foreground(Doing::Changing)?;
        let group = Pid::try_from(group).map_err(|_| Errno::EINVAL)?;
        if !table::group_is_in_session(group, session) {
            return Err(Errno::EPERM);
        }
        self.state.lock().foreground = group;
        Ok(())
    }
}
