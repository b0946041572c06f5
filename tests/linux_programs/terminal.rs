//! A program for Linux with a terminal: the command runs on a pseudo-terminal, and busybox's shell
//! in it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// What is not shown for this long does not come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keys, what they lead to, and what is done with the window before the next ones. The guest ends
/// its lines as terminals want it, and this terminal does so again.
const STEPS: [(&str, &str, Option<Winsize>); 7] = [
    ("", "/ # ", None),
    ("stty size\n", "24 80\r\r\n/ # ", Some(size(50, 132))),
    ("until stty size | grep 132; do :; done\n", "50 132\r\r\n/ # ", None),
    // The guest echoes and edits the line itself, and sends the signal that a key stands for.
    ("echo g''o; cat\n", "go\r", None),
    ("onx\x7fe\n", "one\r", None),
    ("\x03", "/ # ", None),
    ("echo code $?; exit 7\n", "code 130\r", None),
];

const fn size(ws_row: u16, ws_col: u16) -> Winsize {
    Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 }
}

/// Runs `pagewalk`, which lacks the program only, with busybox.
pub(crate) fn talk(pagewalk: &mut Command, busybox: &Path) -> Result<(), Failed> {
    let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&keys)?;
    unlockpt(&keys)?;
    let path = ptsname(&keys, Vec::new())?.into_string()?;
    let terminal: OwnedFd = File::options().read(true).write(true).open(path)?.into();
    tcsetwinsize(&terminal, size(24, 80))?;
    let side = || terminal.try_clone().map(Stdio::from);
    pagewalk.arg(busybox).arg("sh").stdin(side()?).stdout(side()?).stderr(side()?);
    let mut child = pagewalk.spawn()?;
    let mut keys = File::from(keys);
    let mut reader = keys.try_clone()?;
    let (sender, shown) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 1024];
        while let Ok(len @ 1..) = reader.read(&mut buffer) {
            if sender.send(buffer[..len].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut screen = String::new();
    for (typed, expected, then) in STEPS {
        keys.write_all(typed.as_bytes())?;
        let deadline = Instant::now() + PATIENCE;
        while !screen.contains(expected) {
            let left = deadline.saturating_duration_since(Instant::now());
            match shown.recv_timeout(left) {
                Ok(bytes) => screen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => {
                    child.kill()?;
                    return Err(format!("{expected:?} did not come, but {screen:?}").into());
                }
            }
        }
        screen.clear();
        if let Some(size) = then {
            tcsetwinsize(&terminal, size)?;
            // A window on this side sends the signal to its own processes only.
            rustix::process::kill_process(
                rustix::process::Pid::from_child(&child),
                rustix::process::Signal::WINCH,
            )?;
        }
    }
    match child.wait()?.code() {
        Some(7) => Ok(()),
        code => Err(format!("exit code {code:?}").into()),
    }
}
