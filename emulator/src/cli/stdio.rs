//! Standard input and output during a run: who gets the bytes that come in (guest, monitor, or
//! pagewalk itself), and [`Screen`], where the monitor answers.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread;

use super::diagnose;
use super::escapes::{self, Escapes, Event, PROMPT};
use super::program::Wiring;
use super::streams::{Monitor, Owner, Plan, Stream};
use super::terminal::{InterruptKey, RawMode};
use crate::machine::StopRequest;
use crate::machine::console::{Control, Input};

/// Bytes that wait for the guest. What is typed beyond that is lost, so that Ctrl-A x is heard
/// however long the guest does not listen.
const INPUT_QUEUE_BYTES: usize = 1 << 16;

/// Standard input, not yet read.
#[derive(Debug)]
pub(super) struct Stdio {
    bytes: Option<SyncSender<u8>>,
    commands: Option<Sender<String>>,
    screen: Screen,
    role: Role,
    is_terminal: bool,
}

/// Who listens to standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Nobody.
    Unused,
    /// The guest.
    Console,
    /// The guest, and behind Ctrl-A c the monitor.
    Shared,
    /// The monitor.
    Monitor,
    /// A program in the guest, which reads when it likes.
    Program(Wiring),
}

/// What the machine's side has of standard input.
#[derive(Debug)]
pub(super) struct Ends {
    /// Input of the console that is on standard input, and lines for the monitor.
    pub(super) input: Input,
    /// Where the monitor's answers go.
    pub(super) screen: Screen,
}

impl Stdio {
    /// What `plan` makes of standard input. A file is read as the machine asks, so that a run on
    /// it can be repeated, and all of it is the guest's; from a terminal or a pipe bytes come when
    /// they come, once [`start`](Self::start) is called.
    pub(super) fn new(plan: &Plan) -> (Self, Ends) {
        let has_console = plan.serial == Stream::Stdio || plan.consoles.contains(&Stream::Stdio);
        let role = match (plan.owner, has_console, plan.monitor) {
            (Owner::Program(wiring), false, Monitor::None) => Role::Program(wiring),
            (Owner::Consoles, false, Monitor::None) => Role::Unused,
            (Owner::Consoles, true, Monitor::None) => Role::Console,
            (Owner::Consoles, true, Monitor::Shared) => Role::Shared,
            (Owner::Consoles, false, Monitor::Alone) => Role::Monitor,
            plan => unreachable!("{plan:?}"),
        };
        let screen = Screen::new(role);
        let is_terminal = io::stdin().is_terminal();
        let mut stdio =
            Self { bytes: None, commands: None, screen: screen.clone(), role, is_terminal };
        let input = match standard_input_file() {
            Some(file) if has_console => {
                stdio.role = Role::Unused;
                Input::Prompt(Box::new(BufReader::new(file)))
            }
            _ if role == Role::Unused => Input::none(),
            _ if matches!(role, Role::Program(_)) => Wiring::input(),
            _ => {
                let (sender, bytes) = sync_channel(INPUT_QUEUE_BYTES);
                stdio.bytes = Some(sender);
                let commands = matches!(role, Role::Shared | Role::Monitor).then(|| {
                    let (sender, commands) = channel();
                    stdio.commands = Some(sender);
                    commands
                });
                Input::sent(bytes, commands)
            }
        };
        (stdio, Ends { input, screen })
    }

    /// Begins to read. The terminal is the guest's until the result is dropped.
    ///
    /// # Errors
    /// Of the host, where the terminal does not obey.
    pub(super) fn start(self, control: &Control) -> io::Result<Option<RawMode>> {
        let raw = match self.role {
            Role::Unused => return Ok(None),
            Role::Program(wiring) if wiring.is_terminal() => {
                return RawMode::enter(InterruptKey::Byte);
            }
            Role::Program(_) => return Ok(None),
            Role::Monitor => None,
            Role::Console => RawMode::enter(InterruptKey::Signal)?,
            Role::Shared => RawMode::enter(InterruptKey::Byte)?,
        };
        if self.role == Role::Shared && raw.is_some() && io::stderr().is_terminal() {
            diagnose(format_args!("Ctrl-A h for help"));
        }
        let control = control.clone();
        thread::Builder::new().name("standard input".to_owned()).spawn(move || {
            match self.role {
                Role::Monitor => self.read_lines(io::stdin().lock(), &control),
                _ => self.read(io::stdin().lock(), &control),
            }
        })?;
        Ok(raw)
    }

    /// Reads bytes to the end of `source`, or until nobody listens any more.
    fn read(self, mut source: impl Read, control: &Control) {
        let mut escapes = Escapes::default();
        let mut buffer = [0; 256];
        loop {
            let len = match source.read(&mut buffer) {
                Ok(0) => return,
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return log::warn!("console input ends: {error}"),
            };
            for byte in &buffer[..len] {
                let mut is_heard = true;
                let mut act = |event| is_heard &= self.act(event, control);
                match self.role {
                    Role::Shared => escapes.feed(*byte, &mut act),
                    _ => act(Event::Guest(*byte)),
                }
                self.screen.follow(&escapes);
                if !is_heard {
                    return;
                }
            }
        }
    }

    /// Reads lines for the monitor to the end of `source`, or until nobody listens any more. A
    /// terminal lets the user edit them, in its usual mode.
    fn read_lines(self, source: impl BufRead, control: &Control) {
        self.show(PROMPT);
        for line in source.lines() {
            let Ok(line) = line.inspect_err(|error| log::warn!("commands end: {error}")) else {
                return;
            };
            if !self.act(escapes::command(&line), control) {
                return;
            }
        }
    }

    /// Yields whether anybody still listens.
    fn act(&self, event: Event, control: &Control) -> bool {
        match event {
            Event::Guest(byte) => self.bytes.as_ref().is_some_and(|bytes| {
                if self.is_terminal {
                    !matches!(bytes.try_send(byte), Err(TrySendError::Disconnected(_)))
                } else {
                    bytes.send(byte).is_ok()
                }
            }),
            Event::Line(line) => {
                self.commands.as_ref().is_some_and(|commands| commands.send(line).is_ok())
            }
            Event::Quit => {
                control.request(StopRequest::Quit);
                true
            }
            Event::Show(text) => {
                self.show(&text);
                true
            }
        }
    }

    /// Tells the user, where one is typing.
    fn show(&self, text: &str) {
        if self.is_terminal {
            self.screen.say(text.as_bytes());
        }
    }
}

/// Standard input, if it is a file.
pub(super) fn standard_input_file() -> Option<File> {
    let file = File::from(io::stdin().as_fd().try_clone_to_owned().ok()?);
    file.metadata().is_ok_and(|metadata| metadata.is_file()).then_some(file)
}

/// Where the monitor answers: standard error, for standard output is the console's; standard
/// output where no console is there. [`flush`](Write::flush) ends an answer. Clones are the same
/// screen.
#[derive(Clone, Debug)]
pub(super) struct Screen {
    role: Role,
    is_listening: Arc<AtomicBool>,
}

impl Screen {
    fn new(role: Role) -> Self {
        Self { role, is_listening: Arc::new((role == Role::Monitor).into()) }
    }

    /// The monitor waits for lines, or does not, as the keys before have it.
    fn follow(&self, escapes: &Escapes) {
        self.is_listening.store(escapes.is_monitor(), Ordering::Relaxed);
    }

    fn say(&self, text: &[u8]) {
        // Who closes a screen does not look at it.
        let _closed = match self.role {
            Role::Monitor => {
                let mut out = io::stdout().lock();
                out.write_all(text).and_then(|()| out.flush())
            }
            _ => io::stderr().lock().write_all(text),
        };
    }
}

impl Write for Screen {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.say(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_listening.load(Ordering::Relaxed) && io::stdin().is_terminal() {
            self.say(PROMPT.as_bytes());
        }
        Ok(())
    }
}
