//! System calls about signals.

use guest::errno::Errno;
use guest::task::signal::action::{Action, Flags};
use guest::task::signal::info::WORDS;
use guest::task::signal::{MaskChange, SigSet, number};
use guest::task::time;

use super::{Answer, Row};
use crate::arch::trap::TrapFrame;
use crate::mm::user;
use crate::task::signal::{self, call};
use crate::time::{self as clock, Instant};

pub(super) const ROWS: &[Row] = rows! {
    __NR_kill kill
    __NR_restart_syscall restart_syscall
    __NR_rt_sigaction rt_sigaction
    __NR_rt_sigpending rt_sigpending
    __NR_rt_sigprocmask rt_sigprocmask
    __NR_rt_sigqueueinfo rt_sigqueueinfo
    __NR_rt_sigreturn rt_sigreturn
    __NR_rt_sigsuspend rt_sigsuspend
    __NR_rt_sigtimedwait rt_sigtimedwait
    __NR_rt_tgsigqueueinfo rt_tgsigqueueinfo
    __NR_sigaltstack sigaltstack
    __NR_tgkill tgkill
    __NR_tkill tkill
};

/// Size of `sigset_t`.
const SET_BYTES: u64 = 8;

fn check_size(bytes: u64) -> Result<(), Errno> {
    if bytes == SET_BYTES { Ok(()) } else { Err(Errno::EINVAL) }
}

fn read_set(at: u64) -> Result<SigSet, Errno> {
    user::read(at).map(SigSet)
}

fn rt_sigaction(frame: &mut TrapFrame) -> Answer {
    check_size(frame.a(3))?;
    let number = number(u64::from(frame.a(0) as u32)).ok_or(Errno::EINVAL)?;
    let (new_at, old_at) = (frame.a(1), frame.a(2));
    let new = match new_at {
        0 => None,
        at => {
            let [handler, flags, mask] = user::read(at)?;
            Some(Action { handler, flags: Flags(flags), mask: SigSet(mask) })
        }
    };
    let old = call::set_action(number, new)?;
    if old_at != 0 {
        user::write(old_at, &[old.handler, old.flags.0, old.mask.0])?;
    }
    Ok(0)
}

fn rt_sigprocmask(frame: &mut TrapFrame) -> Answer {
    check_size(frame.a(3))?;
    let (new_at, old_at) = (frame.a(1), frame.a(2));
    let change = match new_at {
        0 => None,
        at => {
            let set = read_set(at)?;
            Some((MaskChange::from_raw(frame.a(0)).ok_or(Errno::EINVAL)?, set))
        }
    };
    let old = call::change_mask(change);
    if old_at != 0 {
        user::write(old_at, &old.0)?;
    }
    Ok(0)
}

fn rt_sigpending(frame: &mut TrapFrame) -> Answer {
    if frame.a(1) > SET_BYTES {
        return Err(Errno::EINVAL);
    }
    let bytes = call::pending().0.to_le_bytes();
    let mut at = frame.a(0);
    for byte in &bytes[..frame.a(1) as usize] {
        user::write(at, byte)?;
        at = at.wrapping_add(1);
    }
    Ok(0)
}

fn rt_sigsuspend(frame: &mut TrapFrame) -> Answer {
    check_size(frame.a(1))?;
    Err(call::suspend(read_set(frame.a(0))?))
}

fn rt_sigtimedwait(frame: &mut TrapFrame) -> Answer {
    check_size(frame.a(3))?;
    let set = read_set(frame.a(0))?;
    let deadline = match frame.a(2) {
        0 => None,
        at => {
            let ns = time::from_timespec(user::read(at)?)?;
            Some(Instant(clock::now().0.saturating_add(ns)))
        }
    };
    let info = call::wait_for(set, deadline)?;
    if frame.a(1) != 0 {
        user::write(frame.a(1), &info.to_words())?;
    }
    Ok(u64::from(info.number()))
}

fn rt_sigreturn(frame: &mut TrapFrame) -> Answer {
    signal::return_from_handler(frame)
}

/// Makes the call that a signal interrupted once more, until the time that it began with.
fn restart_syscall(frame: &mut TrapFrame) -> Answer {
    let call = signal::resume_call()?;
    super::call_of(call)(frame)
}

fn sigaltstack(frame: &mut TrapFrame) -> Answer {
    let (new_at, old_at, pointer) = (frame.a(0), frame.a(1), frame.x[2]);
    let old = call::other_stack(pointer);
    if new_at != 0 {
        let [base, flags, size] = user::read::<[u64; 3]>(new_at)?;
        call::set_other_stack([base, flags, size], pointer)?;
    }
    if old_at != 0 {
        user::write(old_at, &old)?;
    }
    Ok(0)
}

fn kill(frame: &mut TrapFrame) -> Answer {
    call::kill(frame.a(0) as i32, frame.a(1)).map(|()| 0)
}

/// A number of a process or thread, which is positive.
fn positive(raw: u64) -> Result<u32, Errno> {
    u32::try_from(raw as i32).ok().filter(|pid| *pid != 0).ok_or(Errno::EINVAL)
}

fn tkill(frame: &mut TrapFrame) -> Answer {
    call::kill_thread(0, positive(frame.a(0))?, frame.a(1)).map(|()| 0)
}

fn tgkill(frame: &mut TrapFrame) -> Answer {
    let (pid, tid) = (positive(frame.a(0))?, positive(frame.a(1))?);
    call::kill_thread(pid, tid, frame.a(2)).map(|()| 0)
}

fn rt_sigqueueinfo(frame: &mut TrapFrame) -> Answer {
    let words: [u64; WORDS] = user::read(frame.a(2))?;
    let pid = u32::try_from(frame.a(0) as i32).map_err(|_| Errno::ESRCH)?;
    call::queue(pid, None, frame.a(1), &words).map(|()| 0)
}

fn rt_tgsigqueueinfo(frame: &mut TrapFrame) -> Answer {
    let words: [u64; WORDS] = user::read(frame.a(3))?;
    let (pid, tid) = (positive(frame.a(0))?, positive(frame.a(1))?);
    call::queue(pid, Some(tid), frame.a(2), &words).map(|()| 0)
}
