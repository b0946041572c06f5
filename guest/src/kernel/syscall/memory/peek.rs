//! process_vm_readv and process_vm_writev: copying between the memory of two processes; and
//! process_madvise.

use alloc::sync::Arc;
use alloc::vec::Vec;

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;

use super::super::Answer;
use super::advise::{Residence, advise_other};
use crate::arch::trap::TrapFrame;
use crate::fs::process_file::ProcessFile;
use crate::mm::AddressSpace;
use crate::mm::user::{self, UserBuffer};
use crate::task::{self, Pid, Process};

/// Most ranges of the other process in one call (IOV_MAX).
const RANGES_MAX: u64 = 1024;

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    FromOther,
    ToOther,
}

pub(super) fn readv(frame: &mut TrapFrame) -> Answer {
    move_bytes(frame, Direction::FromOther)
}

pub(super) fn writev(frame: &mut TrapFrame) -> Answer {
    move_bytes(frame, Direction::ToOther)
}

fn move_bytes(frame: &TrapFrame, direction: Direction) -> Answer {
    let [pid, local, local_count, remote, remote_count, flags] =
        [0, 1, 2, 3, 4, 5].map(|argument| frame.a(argument));
    if flags != 0 || remote_count > RANGES_MAX {
        return Err(Errno::EINVAL);
    }
    let mut buffer = UserBuffer::from_iovec(local, local_count as usize)?;
    let ranges = ranges_of_other(remote, remote_count)?;
    if buffer.remaining() == 0 {
        return Ok(0);
    }
    let space = other_space(pid as Pid)?;
    let mut total = 0;
    for (at, length) in ranges {
        let wanted = (length as usize).min(buffer.remaining());
        let moved = move_range(&space, at, wanted, &mut buffer, direction);
        total += moved;
        if moved < wanted {
            break;
        }
        if buffer.remaining() == 0 {
            return Ok(total as u64);
        }
    }
    if total == 0 && buffer.remaining() > 0 { Err(Errno::EFAULT) } else { Ok(total as u64) }
}

/// Addresses and lengths in another process.
fn ranges_of_other(at: u64, count: u64) -> Result<Vec<(u64, u64)>, Errno> {
    let mut ranges = Vec::new();
    ranges.try_reserve_exact(count as usize).map_err(|_| Errno::ENOMEM)?;
    for index in 0..count {
        let [start, length] = user::read::<[u64; 2]>(at.wrapping_add(index * 16))?;
        if length > isize::MAX as u64 {
            return Err(Errno::EINVAL);
        }
        ranges.push((start, length));
    }
    Ok(ranges)
}

/// process_madvise: advice about where the pages of another process should be.
pub(super) fn process_madvise(frame: &mut TrapFrame) -> Answer {
    let [fd, ranges, count, number, flags] = [0, 1, 2, 3, 4].map(|argument| frame.a(argument));
    if flags as u32 != 0 || count > RANGES_MAX {
        return Err(Errno::EINVAL);
    }
    let ranges = ranges_of_other(ranges, count)?;
    let open = task::current_process().file(fd as u32)?;
    let process = ProcessFile::process_of(&open)?;
    let residence = Residence::of(number as u32).ok_or(Errno::EINVAL)?;
    let space = space_of(process)?;
    let mut total = 0;
    for (start, length) in ranges {
        match advise_other(&space, residence, start, length) {
            Ok(()) => total += length,
            Err(errno) if total == 0 => return Err(errno),
            Err(_) => break,
        }
    }
    Ok(total)
}

/// The memory of the process, if the caller may look into it.
fn other_space(pid: Pid) -> Result<Arc<AddressSpace>, Errno> {
    let process = task::process(pid).ok_or(Errno::ESRCH)?;
    space_of(&process)
}

fn space_of(process: &Process) -> Result<Arc<AddressSpace>, Errno> {
    let caller = task::current_process();
    let (own, other) = (caller.credentials(), process.credentials());
    let is_same = own.uid == other.uid && own.uid == other.euid && own.gid == other.gid;
    if own.euid != 0 && caller.pid != process.pid && !is_same {
        return Err(Errno::EPERM);
    }
    process.space().ok_or(Errno::ESRCH)
}

/// Moves `count` bytes between `at` in the other space and the buffer, page by page; how many.
fn move_range(
    space: &AddressSpace,
    at: u64,
    count: usize,
    buffer: &mut UserBuffer,
    direction: Direction,
) -> usize {
    /// What goes through the kernel at once.
    const CHUNK_BYTES: usize = 512;
    let mut done = 0;
    while done < count {
        let Some(from) = at.checked_add(done as u64) else { break };
        let in_page = (PAGE_SIZE_BYTES - from % PAGE_SIZE_BYTES) as usize;
        let mut chunk = [0; CHUNK_BYTES];
        let chunk = &mut chunk[..CHUNK_BYTES.min(in_page).min(count - done)];
        let is_moved = match direction {
            Direction::FromOther => {
                space.read(from, chunk) == chunk.len() && buffer.put(chunk).is_ok()
            }
            Direction::ToOther => buffer.get(chunk).is_ok() && space.write(from, chunk).is_ok(),
        };
        if !is_moved {
            break;
        }
        done += chunk.len();
    }
    done
}
