//! The terminal's modes: [`RawMode`] hands every key to pagewalk as it is pressed, and whatever
//! ends the process first gives the terminal back as it was.

use std::io;
use std::os::fd::AsFd;
use std::sync::{Mutex, Once, PoisonError};

use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios,
    tcgetattr, tcgetwinsize, tcsetattr,
};

/// The modes of standard input while they are changed. One place for the whole process: so is the
/// terminal, and panics and signals must find it.
static CHANGED: Mutex<Option<Modes>> = Mutex::new(None);

struct Modes {
    before: Termios,
    raw: Termios,
}

/// What Ctrl-C does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InterruptKey {
    /// It is a byte like others, for the guest.
    Byte,
    /// It sends SIGINT, as usual.
    Signal,
}

/// Keys come as they are pressed, unseen, as long as this lives.
#[derive(Debug)]
pub(super) struct RawMode(());

impl RawMode {
    /// Changes the modes of standard input; does nothing where that is no terminal.
    ///
    /// # Errors
    /// Of the host, where the terminal does not obey.
    pub(super) fn enter(interrupt_key: InterruptKey) -> io::Result<Option<Self>> {
        static HOOK: Once = Once::new();
        let stdin = io::stdin();
        let Ok(before) = tcgetattr(stdin.as_fd()) else { return Ok(None) };
        let raw = raw(&before, interrupt_key);
        HOOK.call_once(restore_before_panics);
        let mut changed = CHANGED.lock().unwrap_or_else(PoisonError::into_inner);
        tcsetattr(stdin.as_fd(), OptionalActions::Now, &raw)?;
        *changed = Some(Modes { before, raw });
        Ok(Some(Self(())))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back as it was; does nothing where it has not been changed.
pub(super) fn restore() {
    let changed = CHANGED.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(modes) = changed {
        // A terminal that is gone needs nothing.
        let _gone = tcsetattr(io::stdin().as_fd(), OptionalActions::Now, &modes.before);
    }
}

/// Changes the modes again: a shell that stopped this process has put in its own meanwhile.
pub(super) fn renew() {
    let changed = CHANGED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(modes) = &*changed {
        let _gone = tcsetattr(io::stdin().as_fd(), OptionalActions::Now, &modes.raw);
    }
}

/// Columns and rows of the terminal on standard output, if that is one.
pub(super) fn window_size() -> Option<(u16, u16)> {
    let size = tcgetwinsize(io::stdout().as_fd()).ok()?;
    Some((size.ws_col, size.ws_row))
}

fn restore_before_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        restore();
        report(info);
    }));
}

/// The modes for a guest: no line editing, no echo, bytes as they are. Output still gets its
/// carriage returns, so that log lines and those of guests who trust their terminal start at the
/// left.
fn raw(before: &Termios, interrupt_key: InterruptKey) -> Termios {
    let mut raw = before.clone();
    raw.input_modes -= InputModes::IGNBRK
        | InputModes::BRKINT
        | InputModes::PARMRK
        | InputModes::ISTRIP
        | InputModes::INLCR
        | InputModes::IGNCR
        | InputModes::ICRNL
        | InputModes::IXON;
    raw.output_modes |= OutputModes::OPOST;
    raw.local_modes -=
        LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::IEXTEN;
    if interrupt_key == InterruptKey::Byte {
        raw.local_modes -= LocalModes::ISIG;
    }
    raw.control_modes -= ControlModes::CSIZE | ControlModes::PARENB;
    raw.control_modes |= ControlModes::CS8;
    raw.special_codes[SpecialCodeIndex::VMIN] = 1;
    raw.special_codes[SpecialCodeIndex::VTIME] = 0;
    raw
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::process::Command;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    const VICTIM: &str = "cli::terminal::tests::panics_in_raw_mode";

    #[test]
    #[ignore = "the test below runs it on a terminal"]
    fn panics_in_raw_mode() {
        if let Some(raw) = RawMode::enter(InterruptKey::Byte).unwrap() {
            std::mem::forget(raw);
            panic!("nobody but the hook can restore the terminal");
        }
    }

    #[test]
    fn a_panic_gives_the_terminal_back() {
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keys).unwrap();
        unlockpt(&keys).unwrap();
        let path = ptsname(&keys, Vec::new()).unwrap().into_string().unwrap();
        let terminal = File::options().read(true).write(true).open(path).unwrap();
        let modes = || {
            let modes = tcgetattr(&terminal).unwrap();
            (modes.input_modes, modes.output_modes, modes.control_modes, modes.local_modes)
        };
        let before = modes();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", VICTIM, "--ignored", "--nocapture"]);
        let output = command.stdin(terminal.try_clone().unwrap()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("nobody but the hook"), "{said}");
        assert_eq!(modes(), before);
    }
}
