//! Processes of the shell: jobs in the foreground and the background, subshells, programs, and the
//! terminal that goes from one to the other.
//!
//! Source: The GNU C Library, "Implementing a Job Control Shell".

use alloc::ffi::CString;
use alloc::vec::Vec;

use guest_user::bytes::Bytes;
use guest_user::shell::ast::{Command, Item, Kind, List, Redirection};
use guest_user::shell::jobs::{Job, State};
use guest_user::signals;
use guest_user::sys::file::File;
use guest_user::sys::io::{STDIN, STDOUT};
use guest_user::sys::process::Status;
use guest_user::sys::signal::{self, Action};
use guest_user::sys::{file, io, process, terminal};
use guest_user::{Errno, Result, eprintln};
use linux_raw_sys::general as g;

use crate::run::Simple;
use crate::state::{Flow, Shell};
use crate::{EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND, EXIT_USAGE, builtins, exit_child};

/// Signals that a shell with a user treats otherwise than its children.
pub(crate) const SHELL_SIGNALS: [u32; 6] =
    [g::SIGINT, g::SIGQUIT, g::SIGTSTP, g::SIGTTIN, g::SIGTTOU, g::SIGTERM];

/// Jobs whose status a script may still ask for.
const REMEMBERED_JOBS: usize = 128;

/// Where a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The shell waits for it, and it has the terminal.
    Foreground,
    /// The shell goes on.
    Background,
}

impl Shell {
    /// Runs a pipeline, or one command in a process of its own, and waits for it.
    pub(crate) fn run_job(&mut self, commands: &[Command], text: &[u8]) {
        match self.start_pipeline(commands, Place::Foreground) {
            Ok((group, pids)) => {
                let number = self.jobs.add(group, &pids, text);
                self.status = self.wait_for(number);
            }
            Err(error) => self.cannot_fork(error),
        }
    }

    /// Starts a part of a list that ended with `&`.
    pub(crate) fn start_in_background(&mut self, item: &Item) {
        let chain = &item.chain;
        let started = if chain.rest.is_empty() && !chain.first.negated {
            self.start_pipeline(&chain.first.commands, Place::Background)
        } else {
            let child = self.start(0, Place::Background, |shell| {
                shell.run_chain(chain, &item.text);
                shell.status
            });
            child.map(|child| (child, alloc::vec![child]))
        };
        match started {
            Ok((group, pids)) => {
                self.last_background = pids.last().copied();
                if !self.interactive && self.jobs.iter().count() >= REMEMBERED_JOBS {
                    // Nobody was told of those that ended, nor will be.
                    self.reap();
                    self.jobs.news();
                }
                let number = self.jobs.add(group, &pids, &item.text);
                self.jobs.make_current(number);
                if self.interactive {
                    eprintln!("[{number}] {}", pids.last().unwrap_or(&group));
                }
                self.status = 0;
            }
            Err(error) => self.cannot_fork(error),
        }
    }

    /// Starts a program and waits for it.
    pub(crate) fn start_program(
        &mut self,
        simple: &Simple,
        redirections: &[Redirection],
        place: Place,
        text: &[u8],
    ) {
        let started = self.start(0, place, |shell| match shell.redirect(redirections) {
            Some(_) => shell.become_program(simple),
            None => shell.status,
        });
        match started {
            Ok(child) => {
                let number = self.jobs.add(child, &[child], text);
                self.status = self.wait_for(number);
            }
            Err(error) => self.cannot_fork(error),
        }
    }

    fn cannot_fork(&mut self, error: Errno) {
        eprintln!("sh: cannot fork: {error}");
        self.status = EXIT_USAGE;
    }

    /// Starts a process for each command, joined by pipes: the group and the processes.
    fn start_pipeline(&mut self, commands: &[Command], place: Place) -> Result<(i32, Vec<i32>)> {
        let mut pids: Vec<i32> = Vec::new();
        let mut input: Option<File> = None;
        for (index, command) in commands.iter().enumerate() {
            let is_last = index + 1 == commands.len();
            let (next, output) = if is_last {
                (None, None)
            } else {
                let (reader, writer) = file::pipe()?;
                (Some(reader), Some(writer))
            };
            let group = pids.first().copied().unwrap_or(0);
            let child = self.start(group, place, |shell| {
                connect(input.as_ref(), STDIN);
                connect(output.as_ref(), STDOUT);
                shell.run_alone(command)
            })?;
            pids.push(child);
            input = next;
        }
        Ok((pids[0], pids))
    }

    /// Starts a process that runs `body` and ends with its value.
    fn start(
        &mut self,
        group: i32,
        place: Place,
        body: impl FnOnce(&mut Self) -> i32,
    ) -> Result<i32> {
        let Some(child) = process::fork()? else {
            self.enter_child(group, place);
            exit_child(body(self));
        };
        if self.control.is_some() {
            // The child does the same: whoever comes first. It may even have ended.
            let _ = process::set_group(child, if group == 0 { child } else { group });
        }
        Ok(child)
    }

    /// Makes a child of this process: its group, the terminal, default signals; no jobs, no user.
    fn enter_child(&mut self, group: i32, place: Place) {
        match self.control.take() {
            Some(control) => {
                let _ = process::set_group(0, group);
                if place == Place::Foreground {
                    let group = if group == 0 { process::id() } else { group };
                    let _ = terminal::set_foreground(control.terminal, group);
                }
            }
            None if place == Place::Background => {
                // The terminal's keys and lines are not for it.
                let _ = signal::set(g::SIGINT, Action::Ignore);
                let _ = signal::set(g::SIGQUIT, Action::Ignore);
                if let Ok(null) = file::open(b"/dev/null", g::O_RDONLY, 0) {
                    let _ = file::duplicate_to(null, STDIN);
                    let _ = file::close(null);
                }
            }
            None => {}
        }
        if self.interactive {
            for signal in SHELL_SIGNALS {
                let _ = signal::set(signal, Action::Default);
            }
        }
        self.interactive = false;
        self.jobs.clear();
        io::forget();
    }

    /// Runs a command as the whole purpose of this process; its status.
    fn run_alone(&mut self, command: &Command) -> i32 {
        if let Kind::Simple { assignments, words } = &command.kind {
            let Some(simple) = self.expand(assignments, words) else { return EXIT_USAGE };
            if simple.words.first().is_some_and(|name| builtins::find(name).is_none()) {
                return match self.redirect(&command.redirections) {
                    Some(_) => self.become_program(&simple),
                    None => self.status,
                };
            }
        }
        match &command.kind {
            Kind::Subshell(list) => {
                if self.redirect(&command.redirections).is_some() {
                    self.run_list(list);
                }
            }
            _ => self.run_command(command, b""),
        }
        self.status
    }

    /// Replaces this process by a program; the status where that fails.
    pub(crate) fn become_program(&mut self, simple: &Simple) -> i32 {
        let arguments: Vec<CString> =
            simple.words.iter().filter_map(|word| CString::new(&word[..]).ok()).collect();
        let environment = self.environment(&simple.assignments);
        let name = &simple.words[0];
        match process::exec_along(self.path(), &arguments, &environment) {
            Errno::NOENT if !name.contains(&b'/') => {
                eprintln!("sh: {}: not found", Bytes(name));
                EXIT_NOT_FOUND
            }
            Errno::NOENT => {
                eprintln!("sh: {}: {}", Bytes(name), Errno::NOENT);
                EXIT_NOT_FOUND
            }
            error => {
                eprintln!("sh: {}: {error}", Bytes(name));
                EXIT_NOT_EXECUTABLE
            }
        }
    }

    /// What these commands print, run in a subshell.
    pub(crate) fn capture(&mut self, list: &List) -> Vec<u8> {
        let mut text = Vec::new();
        let (reader, writer) = match file::pipe() {
            Ok(ends) => ends,
            Err(error) => {
                self.cannot_fork(error);
                return text;
            }
        };
        match process::fork() {
            Ok(None) => {
                // It stays in the shell's group, which has the terminal.
                self.control = None;
                self.enter_child(0, Place::Foreground);
                connect(Some(&writer), STDOUT);
                drop((reader, writer));
                self.run_list(list);
                exit_child(self.status)
            }
            Ok(Some(child)) => {
                drop(writer);
                // An error ends the text like its end does.
                let _ = reader.read_to_end(&mut text);
                drop(reader);
                if let Ok(Some((_, status))) = file::retry(|| process::wait(child, 0)) {
                    self.status = status.code();
                    self.substituted = Some(self.status);
                }
                self.notice_interrupt();
            }
            Err(error) => self.cannot_fork(error),
        }
        text
    }

    /// Waits until a job in the foreground ends or stops; its status. The terminal comes back.
    pub(crate) fn wait_for(&mut self, number: usize) -> i32 {
        let options = if self.control.is_some() { g::WUNTRACED } else { 0 };
        while self.jobs.get(number).map(Job::state) == Some(State::Running) {
            match process::wait(-1, options) {
                Ok(Some((pid, status))) => drop(self.jobs.update(pid, status)),
                Ok(None) | Err(Errno::INTR) => {}
                // Somebody else took the status: the job is over all the same.
                Err(_) => break,
            }
        }
        let state = self.jobs.get(number).map(Job::state);
        self.take_terminal(state);
        match state {
            Some(State::Stopped(signal)) => {
                self.jobs.make_current(number);
                if let Some(job) = self.jobs.get(number) {
                    eprintln!("\n{}", self.jobs.line(job));
                }
                self.jobs.mark_told(number);
                Status::Stopped(signal).code()
            }
            Some(State::Done(status)) => {
                self.jobs.remove(number);
                self.report(status);
                status.code()
            }
            _ => {
                self.jobs.remove(number);
                0
            }
        }
    }

    /// Gives the terminal back to the shell, in its own modes where the job may have left it in
    /// others.
    fn take_terminal(&mut self, state: Option<State>) {
        let Some(control) = &mut self.control else { return };
        let _ = terminal::set_foreground(control.terminal, control.group);
        match state {
            Some(State::Done(Status::Exited(_))) => {
                if let Ok(modes) = terminal::modes(control.terminal) {
                    control.modes = modes;
                }
            }
            _ => drop(terminal::set_modes(control.terminal, &control.modes)),
        }
    }

    /// Says which signal ended a job in the foreground.
    fn report(&mut self, status: Status) {
        let Status::Killed(signal) = status else { return };
        match signal {
            g::SIGINT if self.interactive => {
                eprintln!();
                self.flow = Flow::Interrupted;
            }
            g::SIGINT | g::SIGPIPE => {}
            _ => eprintln!("{}", signals::description(signal)),
        }
    }

    /// Notes what became of the jobs, without waiting.
    pub(crate) fn reap(&mut self) {
        let options = g::WNOHANG | g::WUNTRACED | g::WCONTINUED;
        while let Ok(Some((pid, status))) = process::wait(-1, options) {
            self.jobs.update(pid, status);
        }
    }
}

/// Makes an end of a pipe a standard descriptor.
fn connect(end: Option<&File>, fd: i32) {
    if let Some(end) = end {
        // Both are open.
        let _ = file::duplicate_to(end.fd(), fd);
    }
}
