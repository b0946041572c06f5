//! A message queue with one writer and many readers.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;

use guest_user::Result;
use guest_user::status::Status;
use guest_user::sys::mapping::{Mapping, PAGE_SIZE_BYTES};
use guest_user::sys::process;
use guest_user::sys::queue::Queue;

use crate::others;
use crate::stage::{Played, Scene, Stage};

pub(crate) const QUEUE: Scene = Scene {
    name: "queue",
    title: "one writer, many readers, and each message once",
    text: "\
A message queue keeps messages apart, each with a priority: whoever receives next gets
the oldest of the highest priority, whole, and nobody else gets it. Readers who wait
are served in turn. So work can be handed out to whoever has time. First three readers
wait for messages, then messages wait for three readers.",
    play: queue,
};

const READERS: usize = 3;
/// What any user may have in a queue.
const MESSAGES_MAX: usize = 10;
const MESSAGE_BYTES: usize = 8;
/// Tells a reader to end; it comes last, since its priority is below all others.
const END: u64 = u64::MAX;
const END_PRIORITY: u32 = 0;

/// What readers note in memory that all share: how many messages were received so far, and for each
/// its number, its priority and its reader.
struct Notes(Mapping);

/// A message that somebody has received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Received {
    number: u64,
    priority: u64,
    reader: u64,
}

impl Notes {
    /// Where the first note is, and how far the next is behind it.
    const FIRST: usize = 64;
    const STEP: usize = 24;

    fn add(&self, received: Received) {
        let index = self.0.word(0).fetch_add(1, Relaxed) as usize;
        let at = Self::FIRST + index * Self::STEP;
        self.0.write(at, received.number);
        self.0.write(at + 8, received.priority);
        self.0.write(at + 16, received.reader);
    }

    fn all(&self) -> Vec<Received> {
        let count = self.0.word(0).load(Relaxed) as usize;
        let note = |at: usize| Received {
            number: self.0.read(at),
            priority: self.0.read(at + 8),
            reader: self.0.read(at + 16),
        };
        (0..count).map(|index| note(Self::FIRST + index * Self::STEP)).collect()
    }
}

/// Receives until it is told to end; lets the others go first after each message.
fn read_on(queue: &Queue, notes: &Notes, reader: u64) -> Result<()> {
    let mut message = [0; MESSAGE_BYTES];
    loop {
        let (_, priority) = queue.receive(&mut message)?;
        match u64::from_ne_bytes(message) {
            END => return Ok(()),
            number => notes.add(Received { number, priority: priority.into(), reader }),
        }
        process::give_way();
    }
}

/// Starts the readers; their numbers.
fn start_readers(queue: &Queue, notes: &Notes) -> Result<Vec<i32>> {
    let start = |reader: usize| match process::fork()? {
        Some(child) => Ok(child),
        None => {
            let read = read_on(queue, notes, reader as u64 + 1);
            process::exit_at_once(i32::from(read.is_err()))
        }
    };
    (0..READERS).map(start).collect()
}

/// Tells the readers to end, and sees that they do.
fn end_readers(stage: &mut Stage, queue: &Queue, readers: &[i32]) -> Played {
    readers.iter().try_for_each(|_| queue.send(&END.to_ne_bytes(), END_PRIORITY))?;
    for reader in readers {
        stage.check(others::end(*reader)? == Status::Exited(0), "a reader failed");
    }
    Ok(())
}

/// Shows who received what, and that it was everything, once.
fn show(stage: &mut Stage, when: &str, notes: &Notes, sent: &[(u64, u32)]) -> Vec<Received> {
    let all = notes.all();
    for (number, priority) in sent {
        let of_it: Vec<&Received> = all.iter().filter(|note| note.number == *number).collect();
        let readers: Vec<String> = of_it.iter().map(|note| format!("{}", note.reader)).collect();
        let name = format!("{when}, message {number} of priority {priority} went to reader");
        stage.show(name, readers.join(" and "), "");
        let is_once = of_it.len() == 1 && of_it[0].priority == u64::from(*priority);
        stage.check(is_once, "a message was not received exactly once, as it was sent");
    }
    stage.show(format_args!("{when}, messages sent"), sent.len(), "messages");
    stage.show(format_args!("{when}, messages received"), all.len(), "messages");
    stage.check(all.len() == sent.len(), "messages were lost, or came out of nowhere");
    all
}

fn send(queue: &Queue, sent: &[(u64, u32)]) -> Result<()> {
    sent.iter().try_for_each(|(number, priority)| queue.send(&number.to_ne_bytes(), *priority))
}

fn queue(stage: &mut Stage) -> Played {
    readers_wait(stage)?;
    stage.pause();
    messages_wait(stage)
}

/// Readers wait, and get one message each.
fn readers_wait(stage: &mut Stage) -> Played {
    const PRIORITY: u32 = 1;
    let queue = Queue::without_name(MESSAGES_MAX as u64, MESSAGE_BYTES as u64)?;
    let notes = Notes(Mapping::shared(PAGE_SIZE_BYTES)?);
    let readers = start_readers(&queue, &notes)?;
    for (reader, pid) in (1..).zip(&readers) {
        let state = others::state_at_rest(*pid)?;
        let text = others::state_text(state);
        stage.show(format_args!("reader {reader} while the queue is empty"), text, "");
        stage.check(state == others::ASLEEP, "a reader does not wait");
    }
    let sent: Vec<(u64, u32)> = (1..=READERS as u64).map(|number| (number, PRIORITY)).collect();
    for (index, message) in sent.iter().enumerate() {
        send(&queue, &[*message])?;
        // The next one is sent when this has been received.
        while notes.all().len() <= index {
            process::give_way();
        }
        readers.iter().try_for_each(|pid| others::state_at_rest(*pid).map(drop))?;
    }
    let all = show(stage, "readers first", &notes, &sent);
    let mut served: Vec<u64> = all.iter().map(|note| note.reader).collect();
    served.sort_unstable();
    served.dedup();
    stage.show("readers first, readers who got one", served.len(), "readers");
    stage.check(served.len() == READERS, "somebody got two before all had one");
    end_readers(stage, &queue, &readers)
}

/// Messages wait, and the most important ones go first.
fn messages_wait(stage: &mut Stage) -> Played {
    let queue = Queue::without_name(MESSAGES_MAX as u64, MESSAGE_BYTES as u64)?;
    let notes = Notes(Mapping::shared(PAGE_SIZE_BYTES)?);
    // Sent in another order than that of their priorities.
    let priority = |number: u64| (number * 2 % 3) as u32 + 1;
    let sent: Vec<(u64, u32)> =
        (1..=MESSAGES_MAX as u64 - 1).map(|number| (number, priority(number))).collect();
    send(&queue, &sent)?;
    let readers = start_readers(&queue, &notes)?;
    end_readers(stage, &queue, &readers)?;
    let all = show(stage, "messages first", &notes, &sent);
    let order: Vec<String> = all.iter().map(|note| format!("{}", note.number)).collect();
    stage.show("messages first, in the order in which readers noted them", order.join(" "), "");
    for reader in 1..=READERS as u64 {
        let own: Vec<&Received> = all.iter().filter(|note| note.reader == reader).collect();
        let text: Vec<String> = own.iter().map(|note| format!("{}", note.number)).collect();
        let text = if text.is_empty() { "nothing".into() } else { text.join(" ") };
        stage.show(format_args!("reader {reader} got, in this order"), text, "");
        // Of what is in a queue together, nobody gets the less important first.
        let in_order = own.windows(2).all(|two| {
            let key = |note: &Received| (u64::MAX - note.priority, note.number);
            key(two[0]) < key(two[1])
        });
        stage.check(in_order, "a message has overtaken a more important one");
    }
    Ok(())
}
