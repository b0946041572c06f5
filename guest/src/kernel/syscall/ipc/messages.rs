//! `msgget` and the others, of System V message queues.

use guest::errno::Errno;
use guest::ipc::ids;
use guest::ipc::layout::{self, MESSAGES_WORDS};
use guest::ipc::messages::{COPY, Choice, Message, NO_ERROR, Wanted};

use super::super::Answer;
use super::{Commands, identifier, zeros};
use crate::arch::trap::TrapFrame;
use crate::ipc::{Lookup, limits, messages};
use crate::mm::user;

/// Bytes of the type, before the text.
const TYPE_BYTES: u64 = 8;
const COMMANDS: Commands = Commands { stat: 11, info: 12, stat_any: 13 };

pub(super) fn msgget(frame: &mut TrapFrame) -> Answer {
    let (key, flags) = (frame.a(0) as i32, frame.a(1) as u32);
    messages::get(key, flags).map(|id| id as u64)
}

pub(super) fn msgsnd(frame: &mut TrapFrame) -> Answer {
    let (at, length, flags) = (frame.a(1), frame.a(2), frame.a(3) as u32);
    let kind = user::read::<u64>(at)? as i64;
    let id = identifier(frame.a(0))?;
    if length > limits::MESSAGE_BYTES.get() || kind < 1 {
        return Err(Errno::EINVAL);
    }
    let mut text = messages::SPARE.take(length as usize)?;
    user::read_bytes(at + TYPE_BYTES, &mut text)?;
    messages::send(id, Message { kind, text }, flags)?;
    Ok(0)
}

pub(super) fn msgrcv(frame: &mut TrapFrame) -> Answer {
    let (at, room, kind) = (frame.a(1), frame.a(2), frame.a(3) as i64);
    let (id, flags) = (identifier(frame.a(0))?, frame.a(4) as u32);
    let room = usize::try_from(room as i64).map_err(|_| Errno::EINVAL)?;
    let choice = Choice::of(kind, flags)?;
    let wanted = Wanted { choice, room, may_cut: flags & NO_ERROR != 0 };
    if flags & COPY != 0 {
        let mut text = zeros(room.min(limits::MESSAGE_BYTES.get() as usize))?;
        let (kind, length) = messages::copy(id, wanted, &mut text)?;
        return put(at, kind, &text[..length]);
    }
    let message = messages::receive(id, wanted, flags)?;
    let length = put(at, message.kind, &message.text[..message.text.len().min(room)])?;
    messages::SPARE.keep(message.text);
    Ok(length)
}

/// Puts a message where the caller wants it; its length.
fn put(at: u64, kind: i64, text: &[u8]) -> Answer {
    user::write(at, &kind)?;
    user::write_bytes(at.wrapping_add(TYPE_BYTES), text)?;
    Ok(text.len() as u64)
}

pub(super) fn msgctl(frame: &mut TrapFrame) -> Answer {
    let (id, command, at) = (identifier(frame.a(0))?, frame.a(1) as u32, frame.a(2));
    let status = |lookup: Lookup| {
        let (id, permissions, status) = messages::status(id, lookup)?;
        user::write(at, &layout::messages(&permissions, &status))?;
        Ok(lookup.answer(id))
    };
    match command {
        command if command == ids::INFO || command == COMMANDS.info => info(command, at),
        ids::STATUS => status(Lookup::Identifier),
        command if command == COMMANDS.stat => status(Lookup::Place),
        command if command == COMMANDS.stat_any => status(Lookup::PlaceForAnybody),
        ids::SET => {
            let words: [u64; MESSAGES_WORDS] = user::read(at)?;
            messages::change(id, layout::new_owner(&words), layout::new_limit_bytes(&words))?;
            Ok(0)
        }
        ids::REMOVE => {
            messages::remove(id)?;
            Ok(0)
        }
        _ => Err(Errno::EINVAL),
    }
}

/// `IPC_INFO` and `MSG_INFO`: limits and what is in use; the highest place.
fn info(command: u32, at: u64) -> Answer {
    /// What Linux says of the pool that it once had, in KiB; of pieces, and of how many there are.
    const POOL_KIB: u64 = 512_000;
    const PIECE_BYTES: u64 = 16;
    const PIECES: u64 = 0xffff;
    const SYSTEM_QUEUE_BYTES: u64 = 16_384;
    let [count, highest, all_messages, all_bytes] = messages::usage();
    let [longest, queue, queues] =
        [&limits::MESSAGE_BYTES, &limits::QUEUE_BYTES, &limits::QUEUES].map(|limit| limit.get());
    let [pool, map, headers] = match command == COMMANDS.info {
        true => [count, all_messages, all_bytes],
        false => [POOL_KIB, SYSTEM_QUEUE_BYTES, SYSTEM_QUEUE_BYTES],
    };
    let numbers = [pool, map, longest, queue, queues, PIECE_BYTES, headers, PIECES];
    user::write(at, &layout::messages_info(numbers))?;
    Ok(highest)
}
