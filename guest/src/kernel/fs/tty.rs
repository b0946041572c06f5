//! [`Tty`]: terminals: a line to somebody's keys and screen, the line discipline
//! (`guest::tty`) on it, and the session that it controls. The serial line is one, a port of the
//! virtio console named `tty` another. `job.rs` knows of sessions, `control.rs` of ioctl.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use guest::errno::Errno;
use guest::fs::layout::device_number;
use guest::task::tree;
use guest::tty::discipline::{EXPANSION_BYTES, Key};
use guest::tty::{Discipline, Press, WindowSize};
use linux_raw_sys::general as linux;

use super::buffer::{Buffer, moved_or};
use super::inode::{File, Flags, Seeking};
use super::port::{self, Port};
use crate::sync::{Mutex, SpinLock, WaitQueue};
use crate::task::{self, Pid};
use crate::time::{self, Instant};
use crate::{dev, sched};
use guest::errno::Answer;

mod control;
mod job;

pub(crate) use job::{hang_up, of_session};

/// A terminal.
pub(crate) struct Tty {
    /// As a device.
    number: u64,
    line: Line,
    state: SpinLock<State>,
    readers: WaitQueue,
    /// Those whose output was stopped.
    writers: WaitQueue,
    watchers: WaitQueue,
    /// Held while bytes of one write go to the line.
    writing: Mutex<()>,
    /// The other side is gone: nothing will come any more.
    ended: AtomicBool,
}

/// What carries the bytes.
enum Line {
    /// The serial line, which takes bytes at once.
    Serial,
    /// A port, which may be full.
    Port(Arc<dyn Port>),
}

struct State {
    discipline: Discipline,
    size: WindowSize,
    /// The session that it controls, and the group in the foreground; 0 for none.
    session: Pid,
    foreground: Pid,
}

/// All terminals; the first one is the console.
static TERMINALS: SpinLock<Vec<Arc<Tty>>> = SpinLock::new(Vec::new());

/// Bytes of a write that are processed at once.
const CHUNK_BYTES: usize = 128;

impl Tty {
    fn new(number: u64, line: Line) -> Arc<Self> {
        let state = State {
            discipline: Discipline::default(),
            size: WindowSize::default(),
            session: 0,
            foreground: 0,
        };
        let tty = Arc::new(Self {
            number,
            line,
            state: SpinLock::new(state),
            readers: WaitQueue::new(),
            writers: WaitQueue::new(),
            watchers: WaitQueue::new(),
            writing: Mutex::new(()),
            ended: AtomicBool::new(false),
        });
        TERMINALS.lock().push(tty.clone());
        tty
    }

    /// A byte has come. On the serial line interrupts are off, and the echo goes out at once;
    /// otherwise it is added to `echo`.
    fn key(&self, byte: u8, echo: &mut Vec<u8>) {
        let mut state = self.state.lock();
        let press = state.discipline.input(byte, &mut |byte| match self.line {
            Line::Serial => dev::console_write(&[byte]),
            Line::Port(_) => echo.push(byte),
        });
        let group = state.foreground;
        drop(state);
        match press {
            Press::Nothing => {}
            Press::Readable => {
                self.readers.wake_all();
                self.watchers.wake_all();
            }
            Press::Resumed => {
                self.writers.wake_all();
                self.watchers.wake_all();
            }
            Press::Signal(key) => {
                self.writers.wake_all();
                let signal = match key {
                    Key::Interrupt => linux::SIGINT,
                    Key::Quit => linux::SIGQUIT,
                    Key::Suspend => linux::SIGTSTP,
                };
                if group != 0 {
                    task::signal::send_to_group(group, signal as u8);
                }
            }
        }
    }

    /// Nothing will come any more.
    fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.readers.wake_all();
        self.watchers.wake_all();
    }

    fn ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Takes input out, if there is enough of it or no more will come.
    fn take(&self, to: &mut [u8]) -> Option<usize> {
        let taken = self.state.lock().discipline.read(to);
        if taken.is_none() && self.ended() { Some(0) } else { taken }
    }

    /// Waits for the first bytes of a read, and takes them; `None` at the deadline.
    fn wait_for_input(
        &self,
        to: &mut [u8],
        deadline: Option<Instant>,
    ) -> Result<Option<usize>, Errno> {
        use crate::sync::WaitError;
        match self.readers.wait_interruptible(deadline, || self.take(to)) {
            Ok(count) => Ok(Some(count)),
            Err(WaitError::TimedOut) => Ok(None),
            Err(WaitError::Interrupted) => Err(Errno::EINTR),
        }
    }

    /// Sends processed bytes along the line.
    fn send(&self, bytes: &[u8], flags: Flags) -> Result<usize, Errno> {
        match &self.line {
            Line::Serial => {
                dev::console_write(bytes);
                Ok(bytes.len())
            }
            Line::Port(port) => port::send_all(&**port, bytes, flags),
        }
    }

    /// Waits until output is not stopped.
    fn wait_for_start(&self, flags: Flags) -> Result<(), Errno> {
        if !self.state.lock().discipline.stopped() {
            return Ok(());
        }
        if flags.nonblocking() {
            return Err(Errno::EAGAIN);
        }
        let started = || (!self.state.lock().discipline.stopped()).then_some(());
        self.writers.wait_interruptible(None, started).map_err(|_| Errno::EINTR)
    }

    /// Writes bytes that fit a chunk.
    fn write_chunk(&self, bytes: &[u8], flags: Flags) -> Result<(), Errno> {
        self.wait_for_start(flags)?;
        let _writing = self.writing.lock();
        let mut out = [0; CHUNK_BYTES * EXPANSION_BYTES];
        let mut length = 0;
        self.state.lock().discipline.output(bytes, &mut |byte| {
            out[length] = byte;
            length += 1;
        });
        // What does not fit now is waited for: its program has no use for half an expansion.
        self.send(&out[..length], Flags(flags.0 & !linux::O_NONBLOCK)).map(|_| ())
    }
}

impl File for Tty {
    fn seeking(&self) -> Seeking {
        Seeking::Stream
    }

    fn read(&self, _at: &mut u64, to: &mut Buffer<'_>, flags: Flags) -> Result<usize, Errno> {
        const TENTH_NS: u64 = 100_000_000;
        self.check_foreground(job::Doing::Reading)?;
        let (minimum, tenths) = self.state.lock().discipline.patience();
        let mut done = 0;
        while to.remaining() > 0 {
            let mut chunk = [0; CHUNK_BYTES];
            let wanted = match to.prepare_to_put() {
                Ok(bytes) => chunk.len().min(bytes),
                Err(errno) => return moved_or(done, errno),
            };
            let chunk = &mut chunk[..wanted];
            let taken = match self.take(chunk) {
                None if done >= minimum && (done > 0 || tenths == 0) => break,
                None if flags.nonblocking() => return moved_or(done, Errno::EAGAIN),
                None => {
                    // Without a minimum the time runs from the call on, else from the last byte.
                    let timed = tenths > 0 && (minimum == 0 || done > 0);
                    let deadline = Instant(time::now().0.saturating_add(tenths * TENTH_NS));
                    match self.wait_for_input(chunk, timed.then_some(deadline)) {
                        Ok(Some(count)) => count,
                        Ok(None) => break,
                        Err(errno) => return moved_or(done, errno),
                    }
                }
                Some(count) => count,
            };
            done += to.put(&chunk[..taken])?;
            let canonical = self.state.lock().discipline.termios().local(linux::ICANON);
            let line_goes_on = taken == wanted && chunk[taken - 1] != b'\n';
            if taken == 0 || canonical && !line_goes_on || !canonical && done >= minimum {
                break;
            }
        }
        Ok(done)
    }

    fn write(&self, _at: &mut u64, from: &mut Buffer<'_>, flags: Flags) -> Result<usize, Errno> {
        self.check_foreground(job::Doing::Writing)?;
        let mut done = 0;
        while from.remaining() > 0 {
            let mut chunk = [0; CHUNK_BYTES];
            let step = from.get(&mut chunk).and_then(|count| {
                self.write_chunk(&chunk[..count], flags)?;
                Ok(count)
            });
            match step {
                Ok(count) => done += count,
                Err(errno) => return moved_or(done, errno),
            }
        }
        Ok(done)
    }

    fn poll(&self, _flags: Flags) -> u32 {
        let state = self.state.lock();
        let (minimum, tenths) = state.discipline.patience();
        let minimum = if tenths == 0 { minimum } else { 1 };
        let mut events = 0;
        if state.discipline.readable(minimum) || self.ended() {
            events |= linux::POLLIN | linux::POLLRDNORM;
        }
        if !state.discipline.stopped() {
            events |= linux::POLLOUT | linux::POLLWRNORM;
        }
        if self.ended() {
            events |= linux::POLLHUP;
        }
        events
    }

    fn poll_queue(&self) -> Option<&WaitQueue> {
        Some(&self.watchers)
    }

    fn ioctl(&self, request: u32, argument: u64, _flags: Flags) -> Answer {
        self.control(request, argument)
    }
}

/// The console: the first terminal.
fn console() -> Result<Arc<Tty>, Errno> {
    TERMINALS.lock().first().cloned().ok_or(Errno::ENXIO)
}

/// Makes the serial line a terminal: the console.
pub(super) fn init() {
    const SERIAL: (u32, u32) = (4, 64);
    Tty::new(device_number(SERIAL.0, SERIAL.1), Line::Serial);
}

/// A byte from the serial line; called by the driver with interrupts off.
pub(super) fn console_input(byte: u8) {
    let console = TERMINALS.lock().first().cloned();
    if let Some(console) = console {
        console.key(byte, &mut Vec::new());
    }
}

/// /dev/console never becomes anybody's controlling terminal by being opened.
pub(super) fn open_console() -> Result<Arc<dyn File>, Errno> {
    Ok(console()?)
}

/// /dev/ttyS0.
pub(super) fn open_serial(flags: Flags) -> Result<Arc<dyn File>, Errno> {
    let tty = console()?;
    if !flags.has(linux::O_NOCTTY) {
        tty.adopt_session();
    }
    Ok(tty)
}

/// /dev/tty: the controlling terminal of who opens it.
pub(super) fn open_controlling() -> Result<Arc<dyn File>, Errno> {
    let tty = job::of_caller().ok_or(Errno::ENXIO)?;
    Ok(tty)
}

/// Makes a port a terminal, which controls the first process; a thread of the kernel reads it.
pub(super) fn on_port(port: Arc<dyn Port>) -> Arc<Tty> {
    const MAJOR: u32 = 229;
    let tty = Tty::new(device_number(MAJOR, 0), Line::Port(port));
    {
        let mut state = tty.state.lock();
        (state.session, state.foreground) = (tree::INIT, tree::INIT);
    }
    if let Line::Port(port) = &tty.line
        && let Some(window) = port.window()
    {
        tty.set_size(window_size(window));
    }
    let index = TERMINALS.lock().len() - 1;
    sched::spawn_kernel("tty", read_port, index);
    tty
}

/// The size of a window with so many columns and rows.
fn window_size([columns, rows]: [u16; 2]) -> WindowSize {
    WindowSize { values: [rows, columns, 0, 0] }
}

/// Feeds a terminal on a port, until that ends.
fn read_port(index: usize) {
    let tty = TERMINALS.lock()[index].clone();
    let Line::Port(port) = &tty.line else { return };
    let mut bytes = [0; CHUNK_BYTES];
    let mut echo = Vec::new();
    let mut window = port.window();
    loop {
        let count = port.changed().wait(|| match port.receive(&mut bytes) {
            Err(Errno::EAGAIN) if port.window() != window => Some(None),
            Err(Errno::EAGAIN) => None,
            other => Some(Some(other.unwrap_or(0))),
        });
        let Some(count) = count else {
            window = port.window();
            window.into_iter().for_each(|window| tty.set_size(window_size(window)));
            continue;
        };
        if count == 0 {
            tty.end();
            return;
        }
        for byte in &bytes[..count] {
            tty.key(*byte, &mut echo);
        }
        // Echo that finds no room is lost, as on a slow line.
        port.send(&echo);
        echo.clear();
    }
}
