//! Commands of the shell about jobs and processes: `jobs`, `fg`, `bg`, `wait`, `kill`.

use alloc::vec::Vec;

use guest_user::bytes::{self, Bytes};
use guest_user::kill::{self as arguments, Request};
use guest_user::shell::jobs::{Job, State};
use guest_user::sys::{process, signal, terminal};
use guest_user::{Errno, eprintln, print, println, signals};
use linux_raw_sys::general as g;

use crate::state::{Flow, Shell};
use crate::{EXIT_NOT_FOUND, EXIT_USAGE};

pub(crate) fn jobs(shell: &mut Shell, words: &[Vec<u8>]) -> i32 {
    shell.reap();
    let option = words.first().map(Vec::as_slice);
    let numbers: Vec<usize> = shell.jobs.iter().map(|job| job.number).collect();
    for number in numbers {
        let Some(job) = shell.jobs.get(number) else { continue };
        match option {
            Some(b"-p") => println!("{}", job.group),
            Some(b"-l") => {
                job.pids().for_each(|pid| print!("{pid} "));
                println!("{}", shell.jobs.line(job));
            }
            _ => println!("{}", shell.jobs.line(job)),
        }
        shell.jobs.mark_told(number);
    }
    0
}

/// The number of the job that `name` names, the current one where there is none; a message where
/// there is no such job.
fn find(shell: &Shell, command: &str, name: Option<&Vec<u8>>) -> Option<usize> {
    let name = name.map_or(&b"%+"[..], Vec::as_slice);
    let found = match name.first() {
        Some(b'%') => shell.jobs.find(name),
        // A job's number alone will do.
        _ => shell.jobs.find(&[b"%", name].concat()),
    };
    let number = found.map(|job| job.number);
    if number.is_none() {
        eprintln!("sh: {command}: {}: no such job", Bytes(name));
    }
    number
}

/// Lets all processes of a job go on.
fn go_on(shell: &mut Shell, number: usize) -> bool {
    let Some(group) = shell.jobs.get(number).map(|job| job.group) else { return false };
    match process::kill(-group, g::SIGCONT) {
        Ok(()) => {
            shell.jobs.set_running(number);
            true
        }
        Err(error) => {
            eprintln!("sh: {group}: {error}");
            false
        }
    }
}

pub(crate) fn fg(shell: &mut Shell, words: &[Vec<u8>]) -> i32 {
    shell.reap();
    let Some(control) = &shell.control else {
        eprintln!("sh: fg: no job control");
        return 1;
    };
    let terminal = control.terminal;
    let Some(number) = find(shell, "fg", words.first()) else { return 1 };
    if let Some(job) = shell.jobs.get(number) {
        eprintln!("{}", Bytes(&job.text));
        let _ = terminal::set_foreground(terminal, job.group);
    }
    shell.jobs.make_current(number);
    // One that has ended already is only waited for.
    if shell.jobs.get(number).is_some_and(|job| !matches!(job.state(), State::Done(_))) {
        go_on(shell, number);
    }
    shell.wait_for(number)
}

pub(crate) fn bg(shell: &mut Shell, words: &[Vec<u8>]) -> i32 {
    shell.reap();
    if shell.control.is_none() {
        eprintln!("sh: bg: no job control");
        return 1;
    }
    let Some(number) = find(shell, "bg", words.first()) else { return 1 };
    if !go_on(shell, number) {
        return 1;
    }
    shell.jobs.make_current(number);
    if let Some(job) = shell.jobs.get(number) {
        eprintln!("[{number}] {} &", Bytes(&job.text));
    }
    0
}

pub(crate) fn wait(shell: &mut Shell, words: &[Vec<u8>]) -> i32 {
    if words.is_empty() {
        while let Some(number) = first_running(shell) {
            if let Err(status) = wait_for(shell, number) {
                return status;
            }
        }
        return 0;
    }
    let mut status = 0;
    for word in words {
        let number = if word.starts_with(b"%") {
            find(shell, "wait", Some(word))
        } else {
            let pid = bytes::decimal(word).and_then(|pid| i32::try_from(pid).ok());
            let job = shell.jobs.iter().find(|job| job.pids().any(|own| Some(own) == pid));
            job.map(|job| job.number)
        };
        status = match number.map(|number| wait_for(shell, number)) {
            None => EXIT_NOT_FOUND,
            Some(Ok(status) | Err(status)) => status,
        };
        if shell.flow != Flow::On {
            break;
        }
    }
    status
}

fn first_running(shell: &Shell) -> Option<usize> {
    let mut jobs = shell.jobs.iter();
    jobs.find(|job| job.state() == State::Running).map(|job| job.number)
}

/// Waits until a job does not run any more; its status. An error is the status after Ctrl-C.
fn wait_for(shell: &mut Shell, number: usize) -> Result<i32, i32> {
    loop {
        match shell.jobs.get(number).map(Job::state) {
            Some(State::Running) => {}
            Some(State::Done(status)) => {
                if !shell.interactive {
                    shell.jobs.remove(number);
                }
                return Ok(status.code());
            }
            Some(State::Stopped(signal)) => return Ok(128 + signal as i32),
            None => return Ok(0),
        }
        match process::wait(-1, g::WUNTRACED) {
            Ok(Some((pid, status))) => drop(shell.jobs.update(pid, status)),
            Err(Errno::INTR) if signal::take(g::SIGINT) => {
                eprintln!();
                shell.interrupt();
                return Err(shell.status);
            }
            Ok(None) | Err(Errno::INTR) => {}
            Err(_) => {
                shell.jobs.remove(number);
                return Ok(EXIT_NOT_FOUND);
            }
        }
    }
}

pub(crate) fn kill(shell: &mut Shell, words: &[Vec<u8>]) -> i32 {
    match arguments::parse(words) {
        None => {
            eprintln!("{}", arguments::USAGE);
            EXIT_USAGE
        }
        Some(Request::List) => {
            signals::all().for_each(|(number, name)| println!("{number:2} {name}"));
            0
        }
        Some(Request::Name(number)) => {
            println!("{}", signals::name(number).unwrap_or("?"));
            0
        }
        Some(Request::Send(signal, targets)) => {
            targets.iter().map(|target| send(shell, signal, target)).fold(0, i32::max)
        }
    }
}

fn send(shell: &mut Shell, signal: u32, target: &[u8]) -> i32 {
    let mut stopped = None;
    let target_id = if target.starts_with(b"%") {
        let Some(number) = find(shell, "kill", Some(&target.to_vec())) else { return 1 };
        let Some(job) = shell.jobs.get(number) else { return 1 };
        stopped = matches!(job.state(), State::Stopped(_)).then_some(job.group);
        Some(-job.group)
    } else {
        arguments::target(target)
    };
    let Some(id) = target_id else {
        eprintln!("sh: kill: {}: not a process", Bytes(target));
        return 1;
    };
    if let Err(error) = process::kill(id, signal) {
        eprintln!("sh: kill: {}: {error}", Bytes(target));
        return 1;
    }
    // A job that is stopped would not notice.
    if let (Some(group), g::SIGTERM | g::SIGHUP) = (stopped, signal) {
        let _ = process::kill(-group, g::SIGCONT);
    }
    0
}
