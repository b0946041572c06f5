//! Redirections: descriptors are moved, and moved back after a command of the shell itself.

use alloc::vec::Vec;

use guest_user::bytes::{self, Bytes};
use guest_user::shell::ast::{Redirection, RedirectionKind};
use guest_user::shell::expand;
use guest_user::sys::{file, io};
use guest_user::{Errno, Result, eprintln};
use linux_raw_sys::general as g;

use crate::state::Shell;

/// Descriptors of the shell itself are from here on.
pub(crate) const OWN_FDS: i32 = 10;

/// What descriptors were before they were redirected.
pub(crate) struct Saved(Vec<(i32, Option<i32>)>);

impl Saved {
    /// Moves all back.
    pub(crate) fn restore(self) {
        // Who prints through a builtin asks with `restore_reporting`.
        let _ = self.restore_reporting();
    }

    /// Writes out what was printed, and moves all back.
    pub(crate) fn restore_reporting(self) -> Result<()> {
        let written = io::flush();
        for (fd, copy) in self.0.iter().rev() {
            match copy {
                Some(copy) => {
                    // Both were open before.
                    let _ = file::duplicate_to(*copy, *fd);
                    let _ = file::close(*copy);
                }
                None => drop(file::close(*fd)),
            }
        }
        if !self.0.is_empty() {
            io::forget();
        }
        written
    }

    /// Leaves all as it is now.
    pub(crate) fn keep(self) {
        for copy in self.0.iter().filter_map(|(_, copy)| *copy) {
            let _ = file::close(copy);
        }
    }
}

impl Shell {
    /// Makes redirections in their order. None, with a message, where one fails; all are moved
    /// back then.
    pub(crate) fn redirect(&mut self, redirections: &[Redirection]) -> Option<Saved> {
        let mut saved = Saved(Vec::new());
        if redirections.is_empty() {
            return Some(saved);
        }
        let _ = io::flush();
        for redirection in redirections {
            let copy = file::duplicate_above(redirection.fd, OWN_FDS).ok();
            saved.0.push((redirection.fd, copy));
            if !self.redirect_one(redirection) {
                saved.restore();
                self.status = 1;
                return None;
            }
        }
        io::forget();
        Some(saved)
    }

    fn redirect_one(&mut self, redirection: &Redirection) -> bool {
        let target = match expand::text(&redirection.target, self) {
            Ok(target) => target,
            Err(error) => {
                eprintln!("sh: {error}");
                return false;
            }
        };
        match make(redirection, &target) {
            Ok(()) => true,
            Err(error) => {
                eprintln!("sh: {}: {error}", Bytes(&target));
                false
            }
        }
    }
}

fn make(redirection: &Redirection, target: &[u8]) -> Result<()> {
    let fd = redirection.fd;
    let flags = match redirection.kind {
        RedirectionKind::Read => g::O_RDONLY,
        RedirectionKind::Write => g::O_WRONLY | g::O_CREAT | g::O_TRUNC,
        RedirectionKind::Append => g::O_WRONLY | g::O_CREAT | g::O_APPEND,
        RedirectionKind::ReadWrite => g::O_RDWR | g::O_CREAT,
        RedirectionKind::Duplicate if target == b"-" => {
            // One that is not open is as good as closed.
            let _ = file::close(fd);
            return Ok(());
        }
        RedirectionKind::Duplicate => {
            let source = bytes::decimal(target).and_then(|fd| i32::try_from(fd).ok());
            return file::duplicate_to(source.ok_or(Errno::BADF)?, fd);
        }
    };
    let opened = file::open(target, flags, 0o666)?;
    if opened != fd {
        let moved = file::duplicate_to(opened, fd);
        let _ = file::close(opened);
        moved?;
    }
    Ok(())
}
