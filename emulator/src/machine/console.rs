//! The guest's console: where its output goes, the one door through which its input comes in, and
//! [`Control`], by which others ask the machine to stop. Serial port and HTIF share both.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that wait between the host's reader and the machine.
const INPUT_QUEUE_BYTES: usize = 4096;

/// Output of the guest's console; clones write to the same place. The guest never sees a failure
/// of the host's side: it is kept here, and what follows it is lost.
#[derive(Clone)]
pub struct Console(Arc<Mutex<Sink>>);

struct Sink {
    out: Box<dyn Write + Send>,
    failure: Option<io::Error>,
}

impl Console {
    /// A console that writes to `out`.
    pub fn new(out: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Sink { out: Box::new(out), failure: None })))
    }

    fn sink(&self) -> MutexGuard<'_, Sink> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether output has been lost.
    pub fn has_failed(&self) -> bool {
        self.sink().failure.is_some()
    }

    /// The first failure; output goes on after this.
    pub fn take_failure(&self) -> Option<io::Error> {
        self.sink().failure.take()
    }

    /// Writes `bytes`.
    pub fn print(&self, bytes: &[u8]) {
        self.sink().attempt(|out| out.write_all(bytes));
    }

    /// Hands on what is buffered.
    pub fn flush(&self) {
        self.sink().attempt(|out| out.flush());
    }
}

impl Sink {
    fn attempt(&mut self, act: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        if self.failure.is_none() {
            self.failure = act(&mut *self.out).err();
        }
    }
}

/// For devices, which know only byte sinks; never fails.
impl Write for Console {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.print(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Self::flush(self);
        Ok(())
    }
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").field("failure", &self.sink().failure).finish()
    }
}

/// Who wants the machine to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopRequest {
    /// The user, at the console.
    Quit,
    /// The host's system, by this signal.
    Signal(i32),
}

/// A handle by which threads and signal handlers ask a machine to stop; it looks once a slice.
/// Clones are the same handle.
#[derive(Clone, Debug, Default)]
pub struct Control(Arc<AtomicI32>);

impl Control {
    const QUIT: i32 = -1;

    /// Asks; the last one who asks is heard.
    pub fn request(&self, request: StopRequest) {
        let code = match request {
            StopRequest::Quit => Self::QUIT,
            StopRequest::Signal(number) => number,
        };
        self.0.store(code, Ordering::Relaxed);
    }

    /// What was asked for, if anything.
    pub fn requested(&self) -> Option<StopRequest> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            Self::QUIT => Some(StopRequest::Quit),
            number => Some(StopRequest::Signal(number)),
        }
    }
}

/// A source whose bytes come when they come.
#[derive(Debug)]
pub struct Live {
    /// `None` once nobody sends any more. Lines that were sent before are still there.
    bytes: Option<Receiver<u8>>,
    /// Lines for the monitor, typed between the bytes.
    commands: Option<Receiver<String>>,
    /// The byte that [`Input::wait`] was woken by.
    early: Option<u8>,
}

/// Input of the guest's console.
pub enum Input {
    /// These bytes, then nothing more.
    Bytes(VecDeque<u8>),
    /// A source that never makes anybody wait, such as a file: each byte is read when the machine
    /// asks for it, so that a run on it can be repeated.
    Prompt(Box<dyn Read + Send>),
    /// Whatever the host's reader sends, until it hangs up.
    Live(Live),
    /// What this makes when the first byte is asked for.
    OnDemand(Option<Box<dyn FnOnce() -> Input + Send>>),
}

impl Input {
    /// No input at all.
    pub fn none() -> Self {
        Self::Bytes(VecDeque::new())
    }

    /// Input that a thread of its own reads from `source` as it comes. The thread ends with
    /// `source`, or at the first byte after this input was dropped.
    pub fn live(source: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = sync_channel(INPUT_QUEUE_BYTES);
        std::thread::spawn(move || forward(source, &sender));
        Self::sent(receiver, None)
    }

    /// Input that somebody else sends, with lines for the monitor where there is one.
    pub fn sent(bytes: Receiver<u8>, commands: Option<Receiver<String>>) -> Self {
        Self::Live(Live { bytes: Some(bytes), commands, early: None })
    }

    /// Whether more may come at a time that nobody knows.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Live(Live { bytes: Some(_), .. }))
    }

    /// Whether nothing comes any more: all has been taken.
    pub fn has_ended(&self) -> bool {
        match self {
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::Prompt(_) | Self::OnDemand(_) => false,
            Self::Live(live) => live.bytes.is_none() && live.early.is_none(),
        }
    }

    /// Sleeps until something comes in, at most for `limit`; yields the time slept.
    pub fn wait(&mut self, limit: Duration) -> Duration {
        let started = Instant::now();
        match self {
            Self::Live(Live { early: Some(_), .. }) => {}
            Self::Live(Live { bytes: Some(bytes), early, .. }) => match bytes.recv_timeout(limit) {
                Ok(byte) => *early = Some(byte),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => self.hang_up(),
            },
            Self::Live(_) | Self::Bytes(_) | Self::Prompt(_) | Self::OnDemand(_) => {
                std::thread::sleep(limit);
            }
        }
        started.elapsed()
    }

    /// The next line for the monitor, if one has come.
    pub fn take_command(&mut self) -> Option<String> {
        let Self::Live(live) = self else { return None };
        live.commands.as_ref()?.try_recv().ok()
    }

    /// The next byte, if one is there.
    pub fn take(&mut self) -> Option<u8> {
        match self {
            Self::Bytes(bytes) => bytes.pop_front(),
            Self::OnDemand(make) => {
                *self = make.take().map_or_else(Self::none, |make| make());
                self.take()
            }
            Self::Prompt(source) => {
                let mut byte = [0];
                match source.read_exact(&mut byte) {
                    Ok(()) => Some(byte[0]),
                    Err(error) => {
                        if error.kind() != io::ErrorKind::UnexpectedEof {
                            log::warn!("console input ends: {error}");
                        }
                        *self = Self::none();
                        None
                    }
                }
            }
            Self::Live(Live { early: early @ Some(_), .. }) => early.take(),
            Self::Live(Live { bytes: None, .. }) => None,
            Self::Live(Live { bytes: Some(bytes), .. }) => match bytes.try_recv() {
                Ok(byte) => Some(byte),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => {
                    self.hang_up();
                    None
                }
            },
        }
    }

    /// No byte will come any more.
    fn hang_up(&mut self) {
        if let Self::Live(live) = self {
            live.bytes = None;
        }
    }
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bytes(_) => "Bytes",
            Self::Prompt(_) => "Prompt",
            Self::Live(_) => "Live",
            Self::OnDemand(_) => "OnDemand",
        })
    }
}

fn forward(mut source: impl Read, to: &SyncSender<u8>) {
    let mut buffer = [0; 256];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return,
            Ok(len) => {
                if buffer[..len].iter().any(|byte| to.send(*byte).is_err()) {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return log::warn!("console input ends: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(input: &mut Input, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            match input.take() {
                Some(byte) => bytes.push(byte),
                None => std::thread::yield_now(),
            }
        }
        bytes
    }

    #[test]
    fn live_input_arrives_in_order_and_ends() {
        let text: Vec<u8> = (0..=255).cycle().take(3 * INPUT_QUEUE_BYTES).collect();
        let mut input = Input::live(io::Cursor::new(text.clone()));
        assert_eq!(drain(&mut input, text.len()), text);
        while input.is_live() {
            assert_eq!(input.take(), None);
        }
        assert_eq!(input.take(), None);
    }

    #[test]
    fn lines_outlive_those_who_typed_them() {
        let (bytes, receiver) = sync_channel(1);
        let (commands, lines) = std::sync::mpsc::channel();
        let mut input = Input::sent(receiver, Some(lines));
        commands.send("info mem".to_owned()).unwrap();
        drop((bytes, commands));
        input.wait(Duration::ZERO);
        assert_eq!((input.is_live(), input.take()), (false, None));
        assert_eq!(input.take_command().as_deref(), Some("info mem"));
        assert_eq!(input.take_command(), None);
    }

    #[test]
    fn input_on_demand_begins_when_it_is_asked_for() {
        let (sender, asked) = std::sync::mpsc::channel();
        let mut input = Input::OnDemand(Some(Box::new(move || {
            sender.send(()).unwrap();
            Input::Bytes(VecDeque::from(*b"ab"))
        })));
        input.wait(Duration::ZERO);
        assert!(!input.has_ended() && !input.is_live() && asked.try_recv().is_err());
        assert_eq!([input.take(), input.take()], [Some(b'a'), Some(b'b')]);
        assert!(asked.try_recv().is_ok() && input.has_ended());
    }

    #[test]
    fn prompt_input_is_there_at_once() {
        let mut input = Input::Prompt(Box::new(io::Cursor::new(b"ab".to_vec())));
        assert_eq!([input.take(), input.take(), input.take()], [Some(b'a'), Some(b'b'), None]);
        assert!(matches!(input, Input::Bytes(_)));
    }

    #[test]
    fn clones_of_a_console_share_its_sink() {
        struct Sender(std::sync::mpsc::Sender<u8>);
        impl Write for Sender {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                bytes.iter().for_each(|byte| self.0.send(*byte).unwrap());
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (sender, receiver) = std::sync::mpsc::channel();
        let one = Console::new(Sender(sender));
        let two = one.clone();
        one.print(b"a");
        two.print(b"b");
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), b"ab");
        assert!(!one.has_failed());
    }

    #[test]
    fn a_failing_sink_is_remembered() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut console = Console::new(Full);
        assert!(console.write_all(b"lost").is_ok(), "the guest's side never fails");
        let failure = console.clone().take_failure().map(|error| error.kind());
        assert_eq!(failure, Some(io::ErrorKind::StorageFull));
    }
}
