//! Programs that a scene starts, and what is seen of processes that wait.

use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use guest_user::proc::stat::ProcessStat;
use guest_user::status::Status;
use guest_user::sys::file::{self, File};
use guest_user::sys::{io, process, spawn, time};
use guest_user::{Errno, Result};

use crate::look::{self, Read};
use crate::stage::Trouble;

/// Letter of a process that sleeps until something happens.
pub(crate) const ASLEEP: char = 'S';
/// How often, and how far apart, it is looked whether a process has gone to sleep.
const LOOKS: usize = 2000;
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// What a process is doing, a letter as `ps` shows it.
pub(crate) fn state_of(pid: i32) -> Read<char> {
    let path = format!("/proc/{pid}/stat");
    let text = look::text(&path)?;
    let stat = ProcessStat::parse(&text);
    let state = stat.map(|stat| char::from(stat.state));
    state.ok_or_else(|| Trouble::Failed(format!("{path} cannot be read")))
}

/// What a process is doing as soon as it sleeps, or in the end.
pub(crate) fn state_at_rest(pid: i32) -> Read<char> {
    for _ in 0..LOOKS {
        if state_of(pid)? == ASLEEP {
            break;
        }
        time::sleep(LOOK_EVERY)?;
    }
    state_of(pid)
}

/// A letter in words.
pub(crate) fn state_text(state: char) -> String {
    let words = match state {
        ASLEEP => "sleeps",
        'R' => "runs, or could",
        'D' => "waits for memory or a disk",
        _ => "does something else",
    };
    format!("{state}, {words}")
}

/// Starts a program; what is put in the place of its standard input and output, and what it does
/// before it becomes that program.
pub(crate) fn start(
    words: &[&[u8]],
    input: Option<&File>,
    output: Option<&File>,
    prepare: impl FnOnce(),
) -> Result<i32> {
    let words = words.iter().map(|word| file::c_path(word)).collect::<Result<Vec<CString>>>()?;
    let program = words.first().ok_or(Errno::NOENT)?;
    if let Some(child) = process::fork()? {
        return Ok(child);
    }
    // Where it does not work the new program says so, or nothing, which is seen.
    for (own, place) in [(input, io::STDIN), (output, io::STDOUT)] {
        let _ = own.map(|own| file::duplicate_to(own.fd(), place));
    }
    prepare();
    process::exec(program, words.iter().map(CString::as_c_str), core::iter::empty());
    process::exit_at_once(spawn::EXIT_NOT_STARTED)
}

/// How a child ends.
pub(crate) fn end(child: i32) -> Result<Status> {
    let end = file::retry(|| process::wait(child, 0))?;
    end.map(|(_, status)| status).ok_or(Errno::CHILD)
}

/// Runs a program to its end: what it printed, and how it ended.
pub(crate) fn run(words: &[&[u8]]) -> Result<(Vec<u8>, Status)> {
    let (reader, writer) = file::pipe()?;
    let child = start(words, None, Some(&writer), || ())?;
    drop(writer);
    let mut text = Vec::new();
    reader.read_to_end(&mut text)?;
    Ok((text, end(child)?))
}
