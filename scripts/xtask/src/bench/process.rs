//! [`run`]: a process from its start to its end, with a time limit, what it wrote, how long it took
//! and how much memory it held at most.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use wait4::Wait4;

/// What is kept of each stream; the rest is read and dropped.
const KEPT_BYTES: usize = 1 << 20;
/// How long a stream may stay open after the end of the process: a grandchild holds it.
const LINGER_MS: u64 = 500;

/// A process that has ended.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) end: End,
    /// The first [`KEPT_BYTES`] of standard output.
    pub(super) stdout: Vec<u8>,
    /// The first [`KEPT_BYTES`] of standard error.
    pub(super) stderr: Vec<u8>,
    /// From before its start to its end.
    pub(super) wall: Duration,
    /// The most memory that it held resident. The kernel counts what this process holds while it
    /// starts the other in, so this is never less than that.
    pub(super) peak_bytes: u64,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Code(i32),
    Signal(i32),
    /// It was killed at the limit.
    TimeLimit,
}

/// Runs a command without input.
///
/// # Errors
/// A command that cannot be started.
pub(super) fn run(command: &mut Command, limit: Duration) -> Result<Finished> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let started = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
    let stdout = child.stdout.take().map(Stream::of);
    let stderr = child.stderr.take().map(Stream::of);
    let killed = wait_or_kill(&child, limit)?;
    let wall = started.elapsed();
    // It has ended: this only asks for the account.
    let used = child.wait4().with_context(|| format!("waiting for {name}"))?;
    let end = match (killed, used.status.code()) {
        (true, _) => End::TimeLimit,
        (false, Some(code)) => End::Code(code),
        (false, None) => End::Signal(used.status.signal().unwrap_or_default()),
    };
    let [stdout, stderr] = [stdout, stderr].map(|kept| kept.map(Stream::take).unwrap_or_default());
    Ok(Finished { end, stdout, stderr, wall, peak_bytes: used.rusage.maxrss })
}

/// Waits for the end, and kills at the limit. The process stays a zombie until this is over, so
/// that its number cannot mean another one.
fn wait_or_kill(child: &Child, limit: Duration) -> Result<bool> {
    let pid = Pid::from_child(child);
    let (ended, end) = channel::<()>();
    let watchdog = thread::spawn(move || {
        let late = end.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
        // It may have ended just now, which is as good.
        late && kill_process(pid, Signal::KILL).is_ok()
    });
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    let waited = loop {
        match waitid(WaitId::Pid(pid), options) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other,
        }
    };
    drop(ended);
    let killed = watchdog.join().unwrap_or(false);
    waited.context("cannot wait for a process")?;
    Ok(killed)
}

/// A stream that a thread reads to its end.
#[derive(Debug)]
struct Stream {
    kept: Arc<Mutex<Vec<u8>>>,
    ended: Receiver<()>,
}

impl Stream {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let kept = Arc::default();
        let (end, ended) = channel();
        let shared = Arc::clone(&kept);
        thread::spawn(move || {
            read_all(stream, &shared);
            // Nobody may be waiting any more.
            let _ = end.send(());
        });
        Self { kept, ended }
    }

    /// What was kept, at the end of the stream or of our patience.
    fn take(self) -> Vec<u8> {
        // Late or not, what is there is taken.
        let _ = self.ended.recv_timeout(Duration::from_millis(LINGER_MS));
        std::mem::take(&mut *self.kept.lock().unwrap_or_else(|error| error.into_inner()))
    }
}

/// Reads everything, so that the writer is never stopped.
fn read_all(mut stream: impl Read, kept: &Mutex<Vec<u8>>) {
    let mut chunk = [0; 4096];
    // A stream that cannot be read is as good as one that has ended.
    while let Ok(length @ 1..) = stream.read(&mut chunk) {
        let mut kept = kept.lock().unwrap_or_else(|error| error.into_inner());
        let room = KEPT_BYTES.saturating_sub(kept.len());
        kept.extend(&chunk[..length.min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn sh(line: &str, limit: Duration) -> Finished {
        run(Command::new("sh").args(["-c", line]), limit).expect("there is a shell")
    }

    #[test]
    fn the_end_of_a_process_is_told() {
        for (line, end, stdout, stderr) in [
            ("echo out; echo err >&2; exit 7", End::Code(7), "out\n", "err\n"),
            ("cat", End::Code(0), "", ""),
            ("kill -9 $$", End::Signal(9), "", ""),
        ] {
            let finished = sh(line, LONG);
            assert_eq!(finished.end, end, "{line}");
            assert_eq!(finished.stdout, stdout.as_bytes(), "{line}");
            assert_eq!(finished.stderr, stderr.as_bytes(), "{line}");
            assert!(finished.peak_bytes > 1 << 16, "{line}: {} bytes", finished.peak_bytes);
            assert!(finished.wall < LONG);
        }
        assert!(run(&mut Command::new("/nowhere/at/all"), LONG).is_err());
    }

    #[test]
    fn the_time_limit_ends_it_and_keeps_what_it_wrote() {
        let finished = sh("sleep 3 & echo early; exec sleep 1000", Duration::from_millis(300));
        assert_eq!(finished.end, End::TimeLimit);
        assert_eq!(finished.stdout, b"early\n");
    }

    #[test]
    fn endless_output_is_not_kept() {
        let finished = sh("head -c 3000000 /dev/zero", LONG);
        assert_eq!(finished.end, End::Code(0));
        assert_eq!(finished.stdout.len(), KEPT_BYTES);
    }
}
