//! Pipes between processes that wait for each other: a conversation, and a pipe that has a name.

use alloc::format;
use alloc::vec::Vec;

use guest_user::bytes::Bytes;
use guest_user::status::Status;
use guest_user::sys::file::{self, File};
use guest_user::sys::{dir, process};
use guest_user::{Errno, Result};

use crate::look::Read;
use crate::others;
use crate::stage::{Played, Scene, Stage};

pub(crate) const CONVERSATION: Scene = Scene {
    name: "conversation",
    title: "two pipes, one for each way, and who waits for whom",
    text: "\
A pipe goes one way; with two, question and answer become a conversation. Nobody asks
again and again whether something has come: who reads an empty pipe sleeps until there
is a byte, who writes to a full one until there is room. Here each looks at what the
other is doing meanwhile.",
    play: conversation,
};

pub(crate) const NAMED_PIPE: Scene = Scene {
    name: "named-pipe",
    title: "two shells that share nothing but a name",
    text: "\
A pipe that is to be found by strangers has a name in a directory. Opening it is a
rendezvous: who opens one end waits until somebody opens the other. Two shells are
started, one that writes, `echo WORDS > NAME`, and one that reads, `cat NAME`; each
is first once. The bytes never are in the file: its length stays 0.",
    play: named_pipe,
};

const QUESTIONS: u64 = 5;
/// Asks for more bytes than a pipe has room for, in the place of an answer.
const FLOOD: u64 = 0;
/// What a pipe takes, and what is written to it then.
const PIPE_BYTES: usize = 64 << 10;
const FLOOD_BYTES: usize = PIPE_BYTES + (8 << 10);

fn send(to: &File, word: u64) -> Result<()> {
    to.write_all(&word.to_ne_bytes())
}

/// The next word; none where nobody writes any more.
fn receive(from: &File) -> Result<Option<u64>> {
    let mut word = [0; size_of::<u64>()];
    match file::retry(|| from.read(&mut word))? {
        0 => Ok(None),
        count if count == word.len() => Ok(Some(u64::from_ne_bytes(word))),
        _ => Err(Errno::IO),
    }
}

/// The child: answers with the square, and with what its parent is doing in the meantime.
fn answer(questions: &File, answers: &File) -> Result<()> {
    let parent = process::parent_id();
    while let Some(question) = receive(questions)? {
        if question == FLOOD {
            answers.write_all(&alloc::vec![1; FLOOD_BYTES])?;
            continue;
        }
        let state = others::state_at_rest(parent).map_err(|_| Errno::SRCH)?;
        send(answers, question * question)?;
        send(answers, u32::from(state).into())?;
    }
    Ok(())
}

fn conversation(stage: &mut Stage) -> Played {
    let (child_questions, questions) = file::pipe()?;
    let (answers, child_answers) = file::pipe()?;
    let Some(child) = process::fork()? else {
        drop((questions, answers));
        process::exit_at_once(i32::from(answer(&child_questions, &child_answers).is_err()))
    };
    drop((child_questions, child_answers));
    let state = others::state_at_rest(child)?;
    stage.show("the child, while nobody asks", others::state_text(state), "");
    stage.check(state == others::ASLEEP, "the child does not wait for a question");
    for question in 1..=QUESTIONS {
        send(&questions, question)?;
        let (answer, state) = (receive(&answers)?, receive(&answers)?);
        let answer = answer.ok_or(Errno::PIPE)?;
        stage.show(format_args!("the parent asks {question}, the child answers"), answer, "");
        stage.check(answer == question * question, "an answer is wrong");
        let state = state.and_then(|state| char::from_u32(state as u32)).unwrap_or('?');
        let text = others::state_text(state);
        stage.show(format_args!("the parent, waiting for answer {question}"), text, "");
        stage.check(state == others::ASLEEP, "the parent does not wait for the answer");
    }
    stage.pause();
    flood(stage, child, &questions, &answers)?;
    drop(questions);
    stage.check(others::end(child)? == Status::Exited(0), "the child failed");
    Ok(())
}

/// The child writes more than there is room for, and waits for it.
fn flood(stage: &mut Stage, child: i32, questions: &File, answers: &File) -> Played {
    send(questions, FLOOD)?;
    while file::unread(answers)? < PIPE_BYTES as u32 {
        process::give_way();
    }
    let state = others::state_at_rest(child)?;
    stage.show("bytes that the child writes at once", FLOOD_BYTES, "bytes");
    stage.show("bytes in the pipe when it sleeps", file::unread(answers)?, "bytes");
    stage.show("the child, while the pipe is full", others::state_text(state), "");
    stage.check(state == others::ASLEEP, "the child does not wait for room");
    let mut buffer = alloc::vec![0; 4 << 10];
    let mut count = 0;
    while count < FLOOD_BYTES {
        let now = file::retry(|| answers.read(&mut buffer))?;
        if now == 0 {
            break;
        }
        count += now;
    }
    stage.show("bytes that the parent then reads", count, "bytes");
    stage.check(count == FLOOD_BYTES, "bytes were lost");
    Ok(())
}

const SHELL: &[u8] = b"/bin/sh";

/// How many descriptors of a process lead to this path.
fn descriptors(pid: i32, path: &[u8]) -> Result<usize> {
    let directory = format!("/proc/{pid}/fd");
    let leads_there = |entry: &dir::Entry| {
        let link = [directory.as_bytes(), b"/", &entry.name].concat();
        file::read_link(&link).is_ok_and(|target| target == path)
    };
    Ok(dir::entries(directory.as_bytes())?.iter().filter(|entry| leads_there(entry)).count())
}

/// Shows that who has come first waits, and has not got the pipe.
fn show_waiting(stage: &mut Stage, who: &str, pid: i32, path: &[u8]) -> Read<()> {
    let state = others::state_at_rest(pid)?;
    let open = descriptors(pid, path)?;
    stage.show(format_args!("{who} alone"), others::state_text(state), "");
    stage.show(format_args!("{who} alone, descriptors of the pipe"), open, "descriptors");
    stage.check(state == others::ASLEEP, "opening one end did not wait for the other");
    stage.check(open == 0, "one end is open without the other");
    Ok(())
}

fn named_pipe(stage: &mut Stage) -> Played {
    let path = format!("/tmp/vmdemo-{}", process::id());
    file::make_fifo(path.as_bytes(), 0o600)?;
    let met = [("the writer", "first words"), ("the reader", "second words")]
        .into_iter()
        .try_for_each(|(first, words)| {
            let met = meet(stage, &path, first, words);
            stage.pause();
            met
        });
    let length = file::stat(path.as_bytes()).map(|stat| stat.st_size);
    file::unlink(path.as_bytes())?;
    met?;
    stage.show("length of the file in the end", length?, "bytes");
    Ok(())
}

/// Starts the shells, the one that is named `first` first.
fn meet(stage: &mut Stage, path: &str, first: &str, words: &str) -> Played {
    // Without another process in between that could be the one who waits.
    let (write, read) = (format!("echo {words} > {path}"), format!("exec cat {path}"));
    let (reader, writer) = file::pipe()?;
    let start = |who: &str| {
        let (command, output) =
            if who == "the writer" { (&write, None) } else { (&read, Some(&writer)) };
        others::start(&[SHELL, b"-c", command.as_bytes()], None, output, || {
            // No group, no session, no terminal in common.
            let _ = process::start_session();
        })
    };
    let second = if first == "the writer" { "the reader" } else { "the writer" };
    stage.show(format_args!("{first} comes first, and runs"), command_of(first, &write, &read), "");
    let early = start(first)?;
    let waiting = show_waiting(stage, first, early, path.as_bytes());
    stage.show(format_args!("{second} comes, and runs"), command_of(second, &write, &read), "");
    let late = start(second)?;
    drop(writer);
    let mut text = Vec::new();
    reader.read_to_end(&mut text)?;
    let ends = [others::end(early)?, others::end(late)?];
    waiting?;
    stage.show(format_args!("{first} first, what was read"), Bytes(text.trim_ascii_end()), "");
    stage.check(text.trim_ascii_end() == words.as_bytes(), "what was read is not what was written");
    stage.check(ends == [Status::Exited(0); 2], "a shell failed");
    Ok(())
}

fn command_of<'a>(who: &str, write: &'a str, read: &'a str) -> &'a str {
    if who == "the writer" { write } else { read }
}
