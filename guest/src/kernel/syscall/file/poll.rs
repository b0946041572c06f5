//! System calls that wait for several files: ppoll, pselect6.

use alloc::sync::Arc;
use alloc::vec::Vec;

use guest::errno::Errno;
use guest::fs::layout::{self, TIMESPEC_BYTES};
use guest::fs::{Time, layout::time_bytes};
use guest::task::signal::SigSet;
use linux_raw_sys::general as linux;

use super::{Answer, descriptor_limit};
use crate::arch::trap::TrapFrame;
use crate::fs::OpenFile;
use crate::mm::user;
use crate::sync::{WaitError, WaitQueue, wait_on_any};
use crate::task::{current_process, signal};
use crate::time::{self, Instant};

/// Bytes of a set of signals.
const SIGSET_BYTES: u64 = 8;

/// A file that is waited for.
struct Watched {
    /// `None` for a descriptor that is negative or not open.
    file: Option<Arc<OpenFile>>,
    wanted: u32,
    /// What is so now.
    events: u32,
}

/// Events that need not be asked for.
const ALWAYS: u32 = linux::POLLERR | linux::POLLHUP | linux::POLLNVAL;

impl Watched {
    /// Looks at the file.
    fn look(&mut self) -> bool {
        if let Some(file) = &self.file {
            let now = file.file().map_or(linux::POLLNVAL, |does| does.poll(file.flags()));
            self.events = now & (self.wanted | ALWAYS);
        }
        self.events != 0
    }
}

/// Looks at all; how many have something to tell, `None` for none.
fn look(watched: &mut [Watched]) -> Option<usize> {
    let ready = watched.iter_mut().map(Watched::look).filter(|ready| *ready).count();
    (ready > 0).then_some(ready)
}

/// Waits until one of them has something to tell, or the deadline; how many have.
fn wait(watched: &mut [Watched], deadline: Option<Instant>) -> Result<usize, Errno> {
    if let Some(ready) = look(watched) {
        return Ok(ready);
    }
    if deadline.is_some_and(|deadline| deadline <= time::now()) {
        return Ok(0);
    }
    let files: Vec<Arc<OpenFile>> =
        watched.iter().filter_map(|watched| watched.file.clone()).collect();
    let queues: Vec<&WaitQueue> =
        files.iter().filter_map(|file| file.file().ok()?.poll_queue()).collect();
    match wait_on_any(&queues, deadline, || look(watched)) {
        Ok(ready) => Ok(ready),
        Err(WaitError::TimedOut) => Ok(0),
        Err(WaitError::Interrupted) => Err(Errno::EINTR),
    }
}

/// Does the waiting with another mask, if there is one at `address`.
fn with_mask(
    address: u64,
    bytes: u64,
    wait: impl FnOnce() -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    if address == 0 {
        return wait();
    }
    if bytes != SIGSET_BYTES {
        return Err(Errno::EINVAL);
    }
    signal::set_temporary_mask(SigSet(user::read(address)?));
    let outcome = wait();
    // After a signal its handler runs first, and then the old mask comes back.
    if outcome != Err(Errno::EINTR) {
        signal::restore_mask();
    }
    outcome
}

/// When the time at `address` is over; `None` for no time.
fn deadline(address: u64) -> Result<Option<Instant>, Errno> {
    if address == 0 {
        return Ok(None);
    }
    let duration = layout::duration_ns(user::read::<[u8; TIMESPEC_BYTES]>(address)?)?;
    Ok(Some(Instant(time::now().0.saturating_add(duration))))
}

/// Puts what is left of the time where it came from; a program that gave it in memory that it may
/// not write does not learn of it.
fn put_rest(address: u64, deadline: Option<Instant>) {
    if let Some(deadline) = deadline {
        let rest = deadline.0.saturating_sub(time::now().0);
        let _ = user::write::<[u8; TIMESPEC_BYTES]>(address, &time_bytes(Time::of_ns(rest)));
    }
}

/// `struct pollfd`: descriptor, events, what happened.
type PollFd = [u8; 8];

pub(super) fn ppoll(frame: &mut TrapFrame) -> Answer {
    let (at, count) = (frame.a(0), u64::from(frame.a(1) as u32));
    if count > descriptor_limit() {
        return Err(Errno::EINVAL);
    }
    let deadline = deadline(frame.a(2))?;
    let mut watched = Vec::new();
    watched.try_reserve_exact(count as usize).map_err(|_| Errno::ENOMEM)?;
    for index in 0..count {
        let entry: PollFd = user::read(at.wrapping_add(index * 8))?;
        let fd = i32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]);
        let wanted = u32::from(u16::from_le_bytes([entry[4], entry[5]]));
        let file = match u32::try_from(fd) {
            Ok(fd) => current_process().files().lock().get(fd).ok(),
            Err(_) => None,
        };
        let events = if fd >= 0 && file.is_none() { linux::POLLNVAL } else { 0 };
        watched.push(Watched { file, wanted, events });
    }
    let ready = with_mask(frame.a(3), frame.a(4), || wait(&mut watched, deadline));
    put_rest(frame.a(2), deadline);
    let ready = ready?;
    for (index, watched) in (0..count).zip(&watched) {
        user::write(at.wrapping_add(index * 8 + 6), &(watched.events as u16))?;
    }
    Ok(ready as u64)
}

/// Most descriptors that pselect6 looks at: FD_SETSIZE.
const SET_BITS: usize = 1024;
const WORD_BITS: usize = 64;
type Set = [u64; SET_BITS / WORD_BITS];

/// Of the three sets, what each waits for: to be read, to be written, exceptions.
const SETS: [u32; 3] = [
    linux::POLLIN | linux::POLLRDNORM | linux::POLLRDBAND | linux::POLLHUP | linux::POLLERR,
    linux::POLLOUT | linux::POLLWRNORM | linux::POLLWRBAND | linux::POLLERR,
    linux::POLLPRI,
];

fn has(set: &Set, fd: usize) -> bool {
    set[fd / WORD_BITS] >> (fd % WORD_BITS) & 1 == 1
}

pub(super) fn pselect6(frame: &mut TrapFrame) -> Answer {
    let count = usize::try_from(frame.a(0) as i32).map_err(|_| Errno::EINVAL)?.min(SET_BITS);
    let addresses = [frame.a(1), frame.a(2), frame.a(3)];
    let deadline = deadline(frame.a(4))?;
    let words = count.div_ceil(WORD_BITS);
    let mut wanted = [[0; SET_BITS / WORD_BITS]; 3];
    for (set, address) in wanted.iter_mut().zip(addresses).filter(|(_, address)| *address != 0) {
        for (index, word) in set[..words].iter_mut().enumerate() {
            *word = user::read(address.wrapping_add(8 * index as u64))?;
        }
    }
    let (mut fds, mut watched) = (Vec::new(), Vec::new());
    for fd in 0..count {
        let sets = SETS.iter().zip(&wanted).filter(|(_, set)| has(set, fd));
        let events = sets.fold(0, |all, (events, _)| all | events);
        if events != 0 {
            let file = Some(current_process().files().lock().get(fd as u32)?);
            fds.push(fd);
            watched.push(Watched { file, wanted: events, events: 0 });
        }
    }
    let (mask, bytes) = match frame.a(5) {
        0 => (0, 0),
        pair => {
            let [mask, bytes]: [u64; 2] = user::read(pair)?;
            (mask, bytes)
        }
    };
    let waited = with_mask(mask, bytes, || wait(&mut watched, deadline));
    put_rest(frame.a(4), deadline);
    waited?;
    let mut total = 0;
    for ((set, address), events) in wanted.iter().zip(addresses).zip(SETS) {
        let mut found: Set = [0; SET_BITS / WORD_BITS];
        for (fd, watched) in fds.iter().zip(&watched) {
            if has(set, *fd) && watched.events & events != 0 {
                found[fd / WORD_BITS] |= 1 << (fd % WORD_BITS);
                total += 1;
            }
        }
        for (index, word) in found[..words].iter().enumerate().filter(|_| address != 0) {
            user::write(address.wrapping_add(8 * index as u64), word)?;
        }
    }
    Ok(total)
}
