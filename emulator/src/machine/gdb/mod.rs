//! The server for gdb (`-s`, `-gdb`, `-S`): [`Server`] waits for a client and runs a machine, freely while nobody is connected, as the client says while somebody is. A session is in
//! `session.rs`, the packets on the line in `wire.rs`, what gdb can do with the machine in
//! `target.rs` and `resume.rs`; the stub's state machine, which knows the protocol, is the crate
//! `gdbstub`.
//!
//! Breakpoints are not written to memory: the engine looks out for them (`engine/stops.rs`).

mod memory;
mod registers;
mod resume;
mod session;
mod target;
mod wire;

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::{Limits, Machine, Stop};
use session::Ended;

/// While the machine runs, the world outside is looked at as often as this.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);

/// While it stands and nobody is connected, this often.
const WAIT_INTERVAL: Duration = Duration::from_millis(5);

/// The host does not let a server wait or serve.
#[derive(Debug, thiserror::Error)]
pub enum GdbError {
    /// It cannot wait there: the port is in use, or the address is not this machine's.
    #[error("cannot wait for gdb at {host}:{port}: {source}")]
    Bind {
        /// Where it was to wait.
        host: String,
        /// The port.
        port: u16,
        /// What the host says.
        source: io::Error,
    },
    /// It cannot take a connection.
    #[error("cannot take a connection from gdb: {0}")]
    Accept(#[source] io::Error),
}

/// What the machine does before a client comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartMode {
    /// It runs.
    #[default]
    Running,
    /// It waits (`-S`).
    Stopped,
}

/// What becomes of a run when the guest asks to be started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnReset {
    /// It starts again, and a session goes on.
    #[default]
    Restart,
    /// It ends, with [`Stop::Reset`] (`-no-reboot`).
    End,
}

/// How to serve.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What the machine does before a client comes.
    pub start: StartMode,
    /// What becomes of a reset.
    pub on_reset: OnReset,
    /// What ends the run, stopped or not.
    pub limits: Limits,
}

/// What bounds a run that has started.
#[derive(Debug)]
struct Bounds<'a> {
    limits: &'a Limits,
    on_reset: OnReset,
    started: Instant,
}

impl Bounds<'_> {
    /// What ends the run from outside, for a machine that does not look because it stands.
    fn ended(&self, machine: &Machine) -> Option<Stop> {
        if let Some(request) = machine.control().requested() {
            return Some(Stop::Request(request));
        }
        let late = self.limits.timeout.is_some_and(|timeout| self.started.elapsed() >= timeout);
        late.then_some(Stop::Timeout)
    }
}

/// Waits for gdb.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Takes the TCP port (0: any that is free) of the host's interface that has this name or
    /// address, so that clients can connect from now on. Whoever can reach it rules the machine.
    ///
    /// # Errors
    /// [`GdbError::Bind`] where the host does not allow it.
    pub fn bind(host: &str, port: u16) -> Result<Self, GdbError> {
        let bound = TcpListener::bind((host, port)).and_then(|listener| {
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        });
        bound.map_err(|source| GdbError::Bind { host: host.to_owned(), port, source })
    }

    /// Where it waits.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs `machine`, whose engine must be able to stop (see
    /// [`Engine::set_stops`](crate::engine::Engine::set_stops)), to the end of the run. A client
    /// that connects stops it and rules it until it detaches, which lets the machine run on, or
    /// kills it, which is [`StopRequest::Quit`](super::StopRequest::Quit). While a client whose
    /// connection is lost is awaited, the machine stands.
    ///
    /// # Errors
    /// [`GdbError::Accept`] where the host refuses connections.
    pub fn serve(&self, machine: &mut Machine, options: &Options) -> Result<Stop, GdbError> {
        let Options { start, on_reset, limits } = options;
        let bounds = Bounds { limits, on_reset: *on_reset, started: Instant::now() };
        let mut mode = *start;
        loop {
            let came = match mode {
                StartMode::Running => self.run_freely(machine, &bounds)?,
                StartMode::Stopped => self.wait(machine, &bounds)?,
            };
            let ended = match came {
                Came::Client(stream) => session::serve(machine, stream, &bounds),
                Came::End(stop) => Ended::Run(stop),
            };
            match ended {
                Ended::Run(stop) => return Ok(machine.conclude(stop)),
                Ended::Detached => mode = StartMode::Running,
                Ended::Lost => {
                    log::warn!("gdb: the machine stands, and waits for gdb at {}", self.address);
                    mode = StartMode::Stopped;
                }
            }
        }
    }

    /// Runs `machine` until a client connects.
    fn run_freely(&self, machine: &mut Machine, bounds: &Bounds<'_>) -> Result<Came, GdbError> {
        let mut looked = Instant::now();
        loop {
            if looked.elapsed() >= LOOK_INTERVAL {
                looked = Instant::now();
                if let Some(stream) = self.accept()? {
                    return Ok(Came::Client(stream));
                }
            }
            match machine.advance(bounds.limits, bounds.started, u64::MAX) {
                Some(Stop::Reset) if bounds.on_reset == OnReset::Restart => machine.reset(),
                Some(stop) => return Ok(Came::End(stop)),
                None => {}
            }
        }
    }

    /// Waits until a client connects.
    fn wait(&self, machine: &Machine, bounds: &Bounds<'_>) -> Result<Came, GdbError> {
        loop {
            if let Some(stream) = self.accept()? {
                return Ok(Came::Client(stream));
            }
            if let Some(stop) = bounds.ended(machine) {
                return Ok(Came::End(stop));
            }
            std::thread::sleep(WAIT_INTERVAL);
        }
    }

    fn accept(&self) -> Result<Option<TcpStream>, GdbError> {
        match self.listener.accept() {
            Ok((stream, from)) => {
                log::info!("gdb: a client has connected from {from}");
                Ok(Some(stream))
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {
                    Ok(None)
                }
                _ => Err(GdbError::Accept(error)),
            },
        }
    }
}

/// What has come to who waits for a client.
enum Came {
    Client(TcpStream),
    /// The end of the run.
    End(Stop),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_is_told() {
        let first = Server::bind("127.0.0.1", 0).expect("some port is free");
        let port = first.address().port();
        let error = Server::bind("127.0.0.1", port).expect_err("it is in use").to_string();
        let place = format!("cannot wait for gdb at 127.0.0.1:{port}: ");
        assert!(error.starts_with(&place), "{error}");
    }
}
