//! Terminals: modes, size, foreground group.

use linux_raw_sys::general as g;
use linux_raw_sys::general::__NR_ioctl;
pub use linux_raw_sys::general::termios as Modes;
use linux_raw_sys::ioctl as i;

use super::call::{Plain, args, call};
use crate::errno::Result;

/// Whether this descriptor is a terminal.
pub fn is_terminal(fd: i32) -> bool {
    modes(fd).is_ok()
}

/// The modes of a terminal.
pub fn modes(fd: i32) -> Result<Modes> {
    let mut modes = Modes::zeroed();
    call(__NR_ioctl, args![fd, i::TCGETS, &mut modes])?;
    Ok(modes)
}

/// Sets the modes of a terminal after its output has left.
pub fn set_modes(fd: i32, modes: &Modes) -> Result<()> {
    call(__NR_ioctl, args![fd, i::TCSETSW, modes]).map(drop)
}

/// The same modes with every key given at once, unseen and without a meaning of its own; output
/// is still processed.
pub fn raw(modes: &Modes) -> Modes {
    let mut raw = *modes;
    raw.c_iflag &= !(g::BRKINT | g::ICRNL | g::INLCR | g::IGNCR | g::ISTRIP | g::IXON);
    raw.c_lflag &= !(g::ECHO | g::ICANON | g::IEXTEN | g::ISIG);
    raw.c_cc[g::VMIN as usize] = 1;
    raw.c_cc[g::VTIME as usize] = 0;
    raw
}

/// Columns of a terminal; none where it does not know.
pub fn columns(fd: i32) -> Option<usize> {
    let mut size = g::winsize::zeroed();
    call(__NR_ioctl, args![fd, i::TIOCGWINSZ, &mut size]).ok()?;
    (size.ws_col > 0).then_some(size.ws_col.into())
}

/// The process group that may read.
pub fn foreground(fd: i32) -> Result<i32> {
    let mut group = 0_i32;
    call(__NR_ioctl, args![fd, i::TIOCGPGRP, &mut group])?;
    Ok(group)
}

/// Makes a process group the one that may read.
pub fn set_foreground(fd: i32, group: i32) -> Result<()> {
    call(__NR_ioctl, args![fd, i::TIOCSPGRP, &group]).map(drop)
}

/// Makes the terminal that of this session, whose leader this process is.
pub fn make_controlling(fd: i32) -> Result<()> {
    call(__NR_ioctl, args![fd, i::TIOCSCTTY, 0_usize]).map(drop)
}

/// Whether there is something to read within this time; a negative time waits for ever.
pub fn readable(fd: i32, timeout_ms: i64) -> Result<bool> {
    let mut poll = [g::pollfd { fd, events: g::POLLIN as i16, revents: 0 }];
    let time = g::__kernel_timespec {
        tv_sec: timeout_ms.div_euclid(1000),
        tv_nsec: timeout_ms.rem_euclid(1000) * 1_000_000,
    };
    let count = if timeout_ms < 0 {
        call(g::__NR_ppoll, args![&mut poll, 1_usize, 0_usize, 0_usize, 0_usize])?
    } else {
        call(g::__NR_ppoll, args![&mut poll, 1_usize, &time, 0_usize, 0_usize])?
    };
    Ok(count > 0)
}
