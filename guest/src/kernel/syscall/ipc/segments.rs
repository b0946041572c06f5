//! `shmget` and the others, of System V shared memory.

use guest::errno::Errno;
use guest::ipc::ids;
use guest::ipc::layout::{self, SEGMENT_WORDS};
use guest::ipc::segments::{HUGE, Place, SIZE_MIN_BYTES};

use super::super::{Answer, memory};
use super::{Commands, identifier};
use crate::arch::trap::TrapFrame;
use crate::ipc::segments::Attach;
use crate::ipc::{Lookup, limits, segments};
use crate::mm::user;
use crate::task::current_process;

const LOCK: u32 = 11;
const UNLOCK: u32 = 12;
const COMMANDS: Commands = Commands { stat: 13, info: 14, stat_any: 15 };

pub(super) fn shmget(frame: &mut TrapFrame) -> Answer {
    let (key, size_bytes, flags) = (frame.a(0) as i32, frame.a(1), frame.a(2) as u32);
    if flags & HUGE != 0 {
        // There are no pages of that size.
        return Err(Errno::EINVAL);
    }
    segments::get(key, size_bytes, flags, current_process()).map(|id| id as u64)
}

pub(super) fn shmat(frame: &mut TrapFrame) -> Answer {
    let (address, flags) = (frame.a(1), frame.a(2) as u32);
    let id = identifier(frame.a(0))?;
    let wish = Attach { place: Place::of(address, flags)?, flags };
    let (start, length_bytes) = segments::attach(id, wish, current_process())?;
    memory::attached(start, length_bytes)?;
    Ok(start)
}

pub(super) fn shmdt(frame: &mut TrapFrame) -> Answer {
    for (start, length_bytes) in segments::detach(frame.a(0), current_process())? {
        memory::detached(start, length_bytes)?;
    }
    Ok(0)
}

pub(super) fn shmctl(frame: &mut TrapFrame) -> Answer {
    let (id, command, at) = (identifier(frame.a(0))?, frame.a(1) as u32, frame.a(2));
    let status = |lookup: Lookup| {
        let (id, permissions, status) = segments::status(id, lookup)?;
        user::write(at, &layout::segment(&permissions, &status))?;
        Ok(lookup.answer(id))
    };
    match command {
        command if command == ids::INFO || command == COMMANDS.info => info(command, at),
        ids::STATUS => status(Lookup::Identifier),
        command if command == COMMANDS.stat => status(Lookup::Place),
        command if command == COMMANDS.stat_any => status(Lookup::PlaceForAnybody),
        ids::SET => {
            let words: [u64; SEGMENT_WORDS] = user::read(at)?;
            segments::change(id, layout::new_owner(&words))?;
            Ok(0)
        }
        ids::REMOVE => {
            segments::remove(id)?;
            Ok(0)
        }
        LOCK | UNLOCK => {
            segments::set_locked(id, command == LOCK, current_process())?;
            Ok(0)
        }
        _ => Err(Errno::EINVAL),
    }
}

/// `IPC_INFO` and `SHM_INFO`: limits, or what is in use; the highest place.
fn info(command: u32, at: u64) -> Answer {
    let [count, highest, pages, resident, swapped] = segments::usage();
    if command == COMMANDS.info {
        user::write(at, &layout::segments_use([count, pages, resident, swapped]))?;
    } else {
        let [size, all, number] =
            [&limits::SEGMENT_BYTES, &limits::SEGMENTS_PAGES, &limits::SEGMENTS]
                .map(|limit| limit.get());
        // A process may attach as many as there may be.
        let numbers = [size, SIZE_MIN_BYTES, number, number, all];
        user::write(at, &layout::segments_info(numbers))?;
    }
    Ok(highest)
}
