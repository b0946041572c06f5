//! What ioctl does with a terminal: its settings, its size, its session, and flushing it.

use guest::errno::Errno;
use guest::tty::WindowSize;
use guest::tty::termios::{TERMIOS_BYTES, TERMIOS2_BYTES};
use linux_raw_sys::general as linux;
use linux_raw_sys::ioctl;

use super::Tty;
use super::job::Doing;
use crate::mm::user;
use crate::task;
use guest::errno::Answer;

impl Tty {
    pub(super) fn control(&self, request: u32, argument: u64) -> Answer {
        match request {
            ioctl::TCGETS => {
                let settings = self.state.lock().discipline.termios().to_bytes();
                let mut old = [0; TERMIOS_BYTES];
                old.copy_from_slice(&settings[..TERMIOS_BYTES]);
                user::write::<[u8; TERMIOS_BYTES]>(argument, &old)?;
            }
            ioctl::TCGETS2 => {
                let settings = self.state.lock().discipline.termios().to_bytes();
                user::write::<[u8; TERMIOS2_BYTES]>(argument, &settings)?;
            }
            // Output has gone out when write returns, so there is nothing to wait for. The
            // speeds of TCSETS2 mean nothing here.
            ioctl::TCSETS | ioctl::TCSETSW | ioctl::TCSETS2 | ioctl::TCSETSW2 => {
                self.set_termios(argument)?;
            }
            ioctl::TCSETSF | ioctl::TCSETSF2 => {
                self.set_termios(argument)?;
                self.state.lock().discipline.flush_input();
            }
            ioctl::TIOCGWINSZ => {
                let size = self.state.lock().size.to_bytes();
                user::write(argument, &size)?;
            }
            ioctl::TIOCSWINSZ => self.set_size(WindowSize::from_bytes(user::read(argument)?)),
            ioctl::TIOCINQ => {
                let waiting = self.state.lock().discipline.waiting() as u32;
                user::write(argument, &waiting)?;
            }
            ioctl::TIOCOUTQ => user::write(argument, &0_u32)?,
            ioctl::TCFLSH => self.flush(argument)?,
            ioctl::TCSBRK | ioctl::TCSBRKP | ioctl::TCXONC => {
                self.check_foreground(Doing::Changing)?;
            }
            _ => return self.control_session(request, argument),
        }
        Ok(0)
    }

    fn control_session(&self, request: u32, argument: u64) -> Answer {
        let mine = |tty: &Self| {
            let controls = tty.controls(task::current_process().session());
            if controls { Ok(()) } else { Err(Errno::ENOTTY) }
        };
        match request {
            ioctl::TIOCSCTTY => self.take_session(argument)?,
            ioctl::TIOCNOTTY => self.leave_session()?,
            ioctl::TIOCGPGRP => {
                mine(self)?;
                let group = self.state.lock().foreground;
                user::write(argument, &group)?;
            }
            ioctl::TIOCSPGRP => self.set_foreground(user::read(argument)?)?,
            ioctl::TIOCGSID => {
                mine(self)?;
                let session = self.state.lock().session;
                user::write(argument, &session)?;
            }
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }

    fn set_termios(&self, argument: u64) -> Result<(), Errno> {
        self.check_foreground(Doing::Changing)?;
        let bytes: [u8; TERMIOS_BYTES] = user::read(argument)?;
        let mut state = self.state.lock();
        let settings = state.discipline.termios().changed(&bytes);
        state.discipline.set_termios(settings);
        drop(state);
        // What waits may be enough now, and stopped output may go on.
        self.readers.wake_all();
        self.writers.wake_all();
        self.watchers.wake_all();
        Ok(())
    }

    /// The window that shows it has this size.
    pub(super) fn set_size(&self, size: WindowSize) {
        let mut state = self.state.lock();
        let changed = core::mem::replace(&mut state.size, size) != size;
        let group = state.foreground;
        drop(state);
        if changed && group != 0 {
            task::signal::send_to_group(group, linux::SIGWINCH as u8);
        }
    }

    fn flush(&self, what: u64) -> Result<(), Errno> {
        self.check_foreground(Doing::Changing)?;
        match u32::try_from(what) {
            Ok(linux::TCIFLUSH | linux::TCIOFLUSH) => {
                self.state.lock().discipline.flush_input();
                Ok(())
            }
            Ok(linux::TCOFLUSH) => Ok(()),
            _ => Err(Errno::EINVAL),
        }
    }
}
