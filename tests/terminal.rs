//! The console as someone at a terminal meets it: the command runs on a pseudo-terminal, keys are
//! typed, what is shown is read, and the terminal has to be as before when the run has ended.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, OutputModes, Termios, tcgetattr, tcsetattr,
};

use crate::program::asm::{addi, andi, beqz, lbu, li, sb};
use crate::program::{Elf, Scratch, UART, pagewalk, print, run, to_host};

/// A run that says nothing new for this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a terminal sees when it may type.
const HINT: &str = "pagewalk: Ctrl-A h for help\r\n";

/// A program that says `ready`, echoes what comes in, and ends with the byte 0.
fn echo(scratch: &Scratch) -> PathBuf {
    let poll = vec![lbu(7, 6, 5), andi(7, 7, 1), beqz(7, -2), lbu(5, 6, 0), beqz(5, 3), sb(5, 6)];
    let back = beqz(0, -(poll.len() as i32));
    let insns = [print("ready\n"), li(6, UART), poll, vec![back], to_host(1)].concat();
    scratch.file("echo", &Elf::code(&insns).bytes())
}

/// Somebody at a terminal, and a command that runs there.
struct Session {
    keys: File,
    /// The command's side, kept open so that its modes can be looked at.
    terminal: OwnedFd,
    before: Termios,
    shown: Receiver<Vec<u8>>,
    screen: String,
    child: Child,
}

impl Session {
    /// Starts `command` on a terminal of its own.
    fn new(command: &mut Command) -> Self {
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keys).unwrap();
        unlockpt(&keys).unwrap();
        let path = ptsname(&keys, Vec::new()).unwrap().into_string().unwrap();
        let terminal: OwnedFd = File::options().read(true).write(true).open(path).unwrap().into();
        let before = tcgetattr(&terminal).unwrap();
        let side = || Stdio::from(terminal.try_clone().unwrap());
        let child = command.stdin(side()).stdout(side()).stderr(side()).spawn().unwrap();
        // The command holds this side open too, until the end of the test.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let keys = File::from(keys);
        let mut reader = keys.try_clone().unwrap();
        let (sender, shown) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(len @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..len].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { keys, terminal, before, shown, screen: String::new(), child }
    }

    /// The echo program with these options, until both sides are ready.
    fn echo(scratch: &Scratch, options: &[&str]) -> Self {
        let mut session = Self::new(pagewalk().args(options).arg(echo(scratch)));
        session.expect("ready\r\n");
        session
    }

    fn type_in(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
    }

    /// Waits until `text` is shown; yields what was shown before it, and forgets both.
    fn expect(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.screen.find(text) {
                let rest = self.screen.split_off(at + text.len());
                let mut before = std::mem::replace(&mut self.screen, rest);
                before.truncate(at);
                return before;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.shown.recv_timeout(left) {
                Ok(bytes) => self.screen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("{text:?} did not come, but {:?}", self.screen),
            }
        }
    }

    fn modes(&self) -> Termios {
        tcgetattr(&self.terminal).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end; the terminal has to be as before it.
    fn end(mut self) -> Option<i32> {
        let status = self.child.wait().unwrap();
        assert_eq!(modes(&self.modes()), modes(&self.before), "the terminal is given back");
        status.code()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Where a test has failed, the command must not stay.
        match self.child.kill() {
            Ok(()) => drop(self.child.wait()),
            Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidInput),
        }
    }
}

/// Those modes that matter, in a form that can be compared.
fn modes(termios: &Termios) -> String {
    let Termios { input_modes, output_modes, control_modes, local_modes, .. } = termios;
    format!("{input_modes:?} {output_modes:?} {control_modes:?} {local_modes:?}")
}

#[test]
fn every_way_out_gives_the_terminal_back() {
    type Way = fn(&mut Session);
    let scratch = Scratch::new();
    for (way, code) in [
        ((|session| session.type_in(b"\0")) as Way, 0),
        (|session| session.type_in(b"\x01x"), 0),
        (|session| session.type_in(b"\x01cquit\r"), 0),
        (|session| session.signal(Signal::TERM), 143),
        (|session| session.signal(Signal::INT), 130),
        (|session| session.signal(Signal::HUP), 129),
        (|session| session.signal(Signal::QUIT), 131),
    ] {
        let mut session = Session::echo(&scratch, &[]);
        let changed = session.modes();
        let off = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        assert!(!changed.local_modes.intersects(off), "{changed:?}");
        assert!(!changed.input_modes.intersects(InputModes::ICRNL | InputModes::IXON));
        assert!(changed.output_modes.contains(OutputModes::OPOST | OutputModes::ONLCR));
        way(&mut session);
        assert_eq!(session.end(), Some(code));
    }
    let session = Session::new(pagewalk().args(["--max-insns", "100000"]).arg(echo(&scratch)));
    assert_eq!(session.end(), Some(120));
    let session = Session::new(pagewalk().args(["--timeout", "0.1"]).arg(echo(&scratch)));
    assert_eq!(session.end(), Some(124));
}

#[test]
fn keys_reach_the_guest_once_and_as_they_are() {
    let scratch = Scratch::new();
    let mut session = Session::echo(&scratch, &[]);
    session.type_in(b"hi \x03\x04\x1a\x1c\x7f\x01\x01.");
    assert_eq!(session.expect("."), "hi \x03\x04\x1a\x1c\x7f\x01");
    session.type_in(b"\r\0");
    assert_eq!(session.expect("\r"), "");
    assert_eq!(session.end(), Some(0));
}

#[test]
fn the_hint_and_the_help() {
    let scratch = Scratch::new();
    let mut session = Session::new(pagewalk().arg(echo(&scratch)));
    assert_eq!(session.expect(HINT), "");
    session.expect("ready");
    session.type_in(b"\x01h");
    session.expect("Ctrl-A x       end the run\r\n");
    session.type_in(b"\x01x");
    assert_eq!(session.end(), Some(0));
}

#[test]
fn the_monitor_has_a_line_of_its_own() {
    let scratch = Scratch::new();
    let mut session = Session::echo(&scratch, &[]);
    session.type_in(b"a");
    assert_eq!(session.expect("a"), "");
    session.type_in(b"\x01cxy\x7f\x15\r");
    assert_eq!(session.expect("(pagewalk) "), "\r\n");
    assert_eq!(session.expect("\r\n(pagewalk) "), "xy\x08 \x08\x08 \x08");
    session.type_in(b"\x04b");
    assert_eq!(session.expect("b"), "\r\n");
    session.type_in(b"\0");
    assert_eq!(session.end(), Some(0));
}

#[test]
fn a_plain_serial_line_has_no_keys_of_ours() {
    let scratch = Scratch::new();
    let mut session = Session::echo(&scratch, &["-serial", "stdio"]);
    assert!(session.modes().local_modes.contains(LocalModes::ISIG), "Ctrl-C is a signal");
    session.type_in(b"\x01x.");
    assert_eq!(session.expect("."), "\x01x");
    session.type_in(b"\0");
    assert_eq!(session.end(), Some(0));
}

#[test]
fn a_terminal_that_nobody_uses_is_left_alone() {
    let scratch = Scratch::new();
    let options = ["-serial", "none", "--max-insns", "1000000"];
    let mut session = Session::new(pagewalk().args(options).arg(echo(&scratch)));
    session.expect("instruction limit");
    assert_eq!(session.end(), Some(120));
}

#[test]
fn a_shell_may_stop_and_continue_the_run() {
    let scratch = Scratch::new();
    let mut session = Session::echo(&scratch, &[]);
    let raw = modes(&session.modes());
    session.signal(Signal::STOP);
    tcsetattr(&session.terminal, OptionalActions::Now, &session.before).unwrap();
    session.signal(Signal::CONT);
    let deadline = Instant::now() + PATIENCE;
    while modes(&session.modes()) != raw {
        assert!(Instant::now() < deadline, "raw mode does not come back");
        std::thread::yield_now();
    }
    session.type_in(b"\x01x");
    assert_eq!(session.end(), Some(0));
}

#[test]
fn a_second_signal_ends_a_run_that_cannot_stop() {
    use std::os::unix::process::ExitStatusExt;
    // Prints for ever into a pipe that nobody empties.
    let insns = [print("x"), vec![sb(5, 6), beqz(0, -1)]].concat();
    let scratch = Scratch::new();
    let program = scratch.file("program", &Elf::code(&insns).bytes());
    let mut child = pagewalk().arg(program).stdout(Stdio::piped()).spawn().unwrap();
    let pipe = child.stdout.take().unwrap();
    let (mut waiting, mut looks) = (0, 0);
    while looks < 5 {
        std::thread::sleep(Duration::from_millis(100));
        let now = rustix::io::ioctl_fionread(&pipe).unwrap();
        looks = if now > 1 << 14 && now == waiting { looks + 1 } else { 0 };
        waiting = now;
    }
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::INT).unwrap();
    // Two signals of a kind that come at once are one.
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(child.try_wait().unwrap(), None, "the first one waits for the pipe");
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::INT.as_raw()));
}

#[test]
fn pipes_have_the_same_keys() {
    let scratch = Scratch::new();
    let mut command = pagewalk();
    command.args(["--timeout", "60"]).arg(echo(&scratch)).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut keys = child.stdin.take().unwrap();
    let mut out = child.stdout.take().unwrap();
    keys.write_all(b"a\x01\x01b").unwrap();
    let mut first = [0; 9];
    out.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"ready\na\x01b");
    keys.write_all(b"\x01x").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()));
}

#[test]
fn the_end_of_input_is_not_the_end_of_the_run() {
    // Counts for a while, then says so.
    let count = [li(7, 3_000_000), vec![addi(7, 7, -1), beqz(7, 2), beqz(0, -2)]].concat();
    let insns = [count, print("done"), to_host(1)].concat();
    let scratch = Scratch::new();
    let program = scratch.file("program", &Elf::code(&insns).bytes());
    let ended = run(pagewalk().arg(program).stdin(Stdio::null()));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "done"), "{ended:?}");
}
