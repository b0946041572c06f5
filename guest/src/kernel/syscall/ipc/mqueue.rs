//! `mq_open` and the others, of POSIX message queues.

use alloc::sync::Arc;

use guest::errno::Errno;
use guest::ipc::layout::{QUEUE_WORDS, QueueAttributes};
use guest::ipc::mqueue::{How, Message, PRIORITIES};
use guest::task::{signal, time};
use linux_raw_sys::general as linux;

use super::super::Answer;
use super::super::file::{check_room, install};
use super::super::time::instant_of_day;
use crate::arch::trap::TrapFrame;
use crate::fs::OpenFile;
use crate::fs::inode::Flags;
use crate::ipc::mqueue::{self, NAME_MAX_BYTES, queue_of};
use crate::mm::reclaim;
use crate::mm::user;
use crate::task::current_process;
use crate::time::Instant;

/// Longest path that is looked at: one that is no name is told from one that is too long.
const PATH_MAX_BYTES: usize = 4096;
const _: () = assert!(PATH_MAX_BYTES > NAME_MAX_BYTES);
/// Flags that stay with a descriptor of a queue.
const KEPT_FLAGS: u32 = linux::O_ACCMODE | linux::O_NONBLOCK;
/// Bits of a mode.
const PERMISSION_BITS: u16 = 0o7777;
/// Messages up to this size are few pages even where a user has as many as may be.
const SMALL_BYTES: u64 = 256;
/// Bytes that a program hands over to be told by a thread.
const COOKIE_BYTES: usize = 32;

pub(super) fn mq_open(frame: &mut TrapFrame) -> Answer {
    let (flags, mode) = (frame.a(1) as u32, frame.a(2) as u16);
    let wanted = match frame.a(3) {
        0 => None,
        at => Some(QueueAttributes::of_words(user::read::<[u64; QUEUE_WORDS]>(at)?)),
    };
    let name = user::read_string(frame.a(0), PATH_MAX_BYTES)?;
    check_room()?;
    let umask = current_process().fs().lock().umask;
    let mode = mode & PERMISSION_BITS & !umask;
    let open_flags = KEPT_FLAGS | linux::O_CREAT | linux::O_EXCL;
    let file = mqueue::open(&name, Flags(flags & open_flags), mode, wanted)?;
    install(file, linux::O_CLOEXEC)
}

pub(super) fn mq_unlink(frame: &mut TrapFrame) -> Answer {
    let name = user::read_string(frame.a(0), PATH_MAX_BYTES)?;
    mqueue::unlink(&name)?;
    Ok(0)
}

/// The open file that the first argument is a descriptor of.
#[inline(never)]
fn file(frame: &TrapFrame) -> Result<Arc<OpenFile>, Errno> {
    current_process().file(frame.a(0) as u32)
}

/// When waiting ends: a time of day.
#[inline]
fn deadline(at: u64) -> Result<Option<Instant>, Errno> {
    if at == 0 { Ok(None) } else { deadline_at(at).map(Some) }
}

#[inline(never)]
fn deadline_at(at: u64) -> Result<Instant, Errno> {
    Ok(instant_of_day(time::from_timespec(user::read(at)?)?))
}

pub(super) fn mq_timedsend(frame: &mut TrapFrame) -> Answer {
    let (length, priority) = (frame.a(2), frame.a(3) as u32);
    let deadline = deadline(frame.a(4))?;
    if priority >= PRIORITIES {
        return Err(Errno::EINVAL);
    }
    let file = file(frame)?;
    let queue = queue_of(&file)?;
    let (_, flags) = file.writer()?;
    if length > queue.message_bytes() {
        return Err(Errno::EMSGSIZE);
    }
    if length > SMALL_BYTES {
        reclaim::throttle()?;
    }
    let mut text = queue.spare().take(length as usize)?;
    user::read_bytes(frame.a(1), &mut text)?;
    queue.send(Message { priority, text }, flags, deadline)?;
    Ok(0)
}

pub(super) fn mq_timedreceive(frame: &mut TrapFrame) -> Answer {
    let deadline = deadline(frame.a(4))?;
    let file = file(frame)?;
    let queue = queue_of(&file)?;
    let (_, flags) = file.reader()?;
    if frame.a(2) < queue.message_bytes() {
        return Err(Errno::EMSGSIZE);
    }
    let message = queue.receive(flags, deadline)?;
    if frame.a(3) != 0 {
        user::write(frame.a(3), &message.priority)?;
    }
    user::write_bytes(frame.a(1), &message.text)?;
    let length = message.text.len() as u64;
    queue.spare().keep(message.text);
    Ok(length)
}

pub(super) fn mq_notify(frame: &mut TrapFrame) -> Answer {
    let how = match frame.a(1) {
        0 => None,
        at => Some(how(user::read::<[u64; 2]>(at)?)?),
    };
    let file = file(frame)?;
    queue_of(&file)?;
    mqueue::notify(&file, how, current_process())?;
    Ok(0)
}

/// What the first words of `struct sigevent` ask for.
fn how([value, words]: [u64; 2]) -> Result<How, Errno> {
    let (number, how) = (words as u32, (words >> 32) as u32);
    match how {
        linux::SIGEV_NONE => Ok(How::Silently),
        linux::SIGEV_SIGNAL if number <= u32::from(signal::COUNT) => {
            Ok(How::Signal { number: number as u8, value })
        }
        // A C library is told through a netlink socket, of which there are none: whatever the
        // descriptor is, it is none.
        linux::SIGEV_THREAD => {
            let _cookie: [u8; COOKIE_BYTES] = user::read(value)?;
            current_process().file(number)?;
            Err(Errno::ENOTSOCK)
        }
        _ => Err(Errno::EINVAL),
    }
}

pub(super) fn mq_getsetattr(frame: &mut TrapFrame) -> Answer {
    let new = match frame.a(1) {
        0 => None,
        at => {
            let new = QueueAttributes::of_words(user::read::<[u64; QUEUE_WORDS]>(at)?);
            if new.flags & !u64::from(linux::O_NONBLOCK) != 0 {
                return Err(Errno::EINVAL);
            }
            Some(new)
        }
    };
    let file = file(frame)?;
    let queue = queue_of(&file)?;
    let old = queue.queue_attributes(file.flags());
    if let Some(new) = new {
        let others = file.flags().0 & !linux::O_NONBLOCK;
        file.set_flags(others | new.flags as u32);
    }
    if frame.a(2) != 0 {
        user::write(frame.a(2), &old.to_words())?;
    }
    Ok(0)
}
