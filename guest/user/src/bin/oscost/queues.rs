//! Message queues, semaphores and segments.

use guest_user::sys::ipc::{self, Kind, Message};
use guest_user::sys::mapping::{Mapping, PAGE_SIZE_BYTES};
use guest_user::sys::process;
use guest_user::sys::queue::Queue;
use guest_user::{Errno, Result};

use crate::Row;
use crate::meter::Meter;

pub(crate) const ROWS: &[Row] = &[
    ("mq-64", "sending a message of 64 bytes to a POSIX queue and receiving it", mq),
    ("msg-64", "the same with a System V queue", msg),
    ("semop", "taking a System V semaphore and giving it back", semaphore),
    ("shmat-shmdt", "attaching a System V segment and letting go of it", segment),
];

/// Operations that are counted together.
const ROUNDS: u64 = 32;
const MESSAGE_BYTES: usize = 64;
/// Added to a process's number, this is a key that is hardly in use.
const KEY: i32 = 0x7500_0000;

/// A System V object that is there while this lives.
struct Object(Kind, i32);

impl Object {
    fn new(kind: Kind, size: usize) -> Result<Self> {
        ipc::create(kind, KEY + process::id(), size).map(|id| Self(kind, id))
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // It is this process's own.
        let _ = ipc::remove(self.0, self.1);
    }
}

/// Counts this, done often.
fn rounds(meter: &mut Meter, mut work: impl FnMut() -> Result<()>) -> Result<()> {
    meter.repeat(|watch| {
        watch.run(|| (0..ROUNDS).try_for_each(|_| work()))?;
        Ok(ROUNDS)
    })
}

/// A message, where memory of the heap and C compilers would have it.
#[repr(align(8))]
struct Text([u8; MESSAGE_BYTES]);

fn mq(meter: &mut Meter) -> Result<()> {
    const PRIORITY: u32 = 1;
    let queue = Queue::without_name(8, MESSAGE_BYTES as u64)?;
    let (message, mut buffer) = (Text([1; MESSAGE_BYTES]), Text([0; MESSAGE_BYTES]));
    rounds(meter, || {
        queue.send(&message.0, PRIORITY)?;
        match queue.receive(&mut buffer.0)? {
            (MESSAGE_BYTES, PRIORITY) => Ok(()),
            _ => Err(Errno::IO),
        }
    })
}

fn msg(meter: &mut Meter) -> Result<()> {
    let queue = Object::new(Kind::Messages, 0)?;
    let (sent, mut received): (Message, Message) = ([1; 9], [0; 9]);
    rounds(meter, || {
        ipc::send(queue.1, &sent)?;
        let length = ipc::receive(queue.1, &mut received)?;
        if length == MESSAGE_BYTES { Ok(()) } else { Err(Errno::IO) }
    })
}

fn semaphore(meter: &mut Meter) -> Result<()> {
    let set = Object::new(Kind::Semaphores, 1)?;
    ipc::add(set.1, 0, 1)?;
    rounds(meter, || {
        ipc::add(set.1, 0, -1)?;
        ipc::add(set.1, 0, 1)
    })
}

fn segment(meter: &mut Meter) -> Result<()> {
    let segment = Object::new(Kind::Segment, PAGE_SIZE_BYTES)?;
    rounds(meter, || Mapping::of_segment(segment.1, PAGE_SIZE_BYTES)?.detach())
}
