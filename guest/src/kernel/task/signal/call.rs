//! What the system calls about signals do, besides reading their arguments.

use core::sync::atomic::Ordering;

use guest::errno::Errno;
use guest::task::Pid;
use guest::task::signal::info::{Receiver, SI_TKILL, SI_USER};
use guest::task::signal::{Action, MaskChange, Number, SIGCONT, SIGKILL, SIGSTOP, SigInfo, SigSet};
use guest::task::tree::INIT;
use linux_raw_sys::general as linux;

use super::super::table::{self, TREE};
use super::super::{Process, Thread, current_process};
use super::frame::OtherStack;
use super::{Own, deliver, post, post_as_member, post_to_thread};
use crate::sched;
use crate::sync::{WaitError, WaitQueue};
use crate::time::Instant;

/// Sets what happens on a signal, or with `None` only asks; what happened before.
///
/// # Errors
/// EINVAL for what cannot be handled.
pub(crate) fn set_action(number: Number, action: Option<Action>) -> Result<Action, Errno> {
    let mut signals = current_process().signals.lock();
    let Some(action) = action else { return Ok(signals.actions.lock().get(number)) };
    if matches!(number, SIGKILL | SIGSTOP) {
        return Err(Errno::EINVAL);
    }
    let (old, is_ignored) = {
        let mut actions = signals.actions.lock();
        (actions.set(number, action), actions.is_ignored(number))
    };
    if is_ignored {
        signals.discard(SigSet::of(&[number]));
    }
    Ok(old)
}

/// Changes the mask of the current thread; what it was.
pub(crate) fn change_mask(change: Option<(MaskChange, SigSet)>) -> SigSet {
    let thread = sched::current_thread();
    let old = thread.mask();
    if let Some((how, set)) = change {
        thread.process.signals.lock().set_mask(thread, how.apply(old, set));
    }
    old
}

/// What is pending and blocked.
pub(crate) fn pending() -> SigSet {
    let thread = sched::current_thread();
    let signals = thread.process.signals.lock();
    thread.pending_set().union(signals.pending.set()).and(thread.mask())
}

/// Sleeps with another mask until a handler has run.
pub(crate) fn suspend(mask: SigSet) -> Errno {
    super::set_temporary_mask(mask);
    let nobody = WaitQueue::new();
    let _ = nobody.wait_interruptible(None, || None::<()>);
    Errno::EINTR
}

/// Takes a signal of `set` out, or sleeps until one comes.
///
/// # Errors
/// EAGAIN at the deadline, EINTR for another signal.
pub(crate) fn wait_for(set: SigSet, deadline: Option<Instant>) -> Result<SigInfo, Errno> {
    let thread = sched::current_thread();
    let blocked = SigSet(!set.0).union(SigSet::UNBLOCKABLE);
    let look = || {
        let mut signals = thread.process.signals.lock();
        thread.awaited.store(set.blockable().0, Ordering::Relaxed);
        deliver::take(thread, &mut signals, blocked)
    };
    let nobody = WaitQueue::new();
    let found = nobody.wait_interruptible(deadline, look);
    let mut signals = thread.process.signals.lock();
    thread.awaited.store(0, Ordering::Relaxed);
    match found {
        Ok(info) => Ok(info),
        // It may have come in the meantime, and is what ended the sleep.
        Err(error) => deliver::take(thread, &mut signals, blocked).ok_or(match error {
            WaitError::TimedOut => Errno::EAGAIN,
            WaitError::Interrupted => Errno::EINTR,
        }),
    }
}

/// The other stack as `sigaltstack` shows it: base, flags, size.
pub(crate) fn other_stack(pointer: u64) -> [u64; 3] {
    let stack = sched::current_thread().own.other_stack();
    [stack.base, stack.told_flags(pointer), stack.size]
}

/// Changes it for the current thread, whose stack pointer is `pointer`: base, flags, size.
///
/// # Errors
/// EPERM while it is in use, EINVAL, ENOMEM.
pub(crate) fn set_other_stack(words: [u64; 3], pointer: u64) -> Result<(), Errno> {
    let [base, flags, size] = words;
    change_other_stack(&sched::current_thread().own, OtherStack { base, flags, size }, pointer)
}

pub(super) fn change_other_stack(own: &Own, new: OtherStack, pointer: u64) -> Result<(), Errno> {
    let old = own.other_stack();
    if old.is_in_use(pointer) {
        return Err(Errno::EPERM);
    }
    let flags = new.flags as u32;
    match flags & !linux::SS_AUTODISARM {
        linux::SS_DISABLE => {
            own.set_other_stack(OtherStack { base: 0, size: 0, flags: u64::from(flags) });
            return Ok(());
        }
        0 | linux::SS_ONSTACK => {}
        _ => return Err(Errno::EINVAL),
    }
    if new.size < u64::from(linux::MINSIGSTKSZ) {
        return Err(Errno::ENOMEM);
    }
    own.set_other_stack(OtherStack { flags: u64::from(flags), ..new });
    Ok(())
}

#[inline(always)]
fn may_signal(sender: &Process, receiver: &Process, number: Number) -> bool {
    core::ptr::eq(sender, receiver)
        || sender.credentials().may_signal(&receiver.credentials())
        || number == SIGCONT && sender.session() == receiver.session()
}

/// The info of a signal that the caller sends.
fn from_caller(number: Number, code: i32) -> SigInfo {
    let sender = current_process();
    SigInfo::from_process(number, code, sender.pid, sender.credentials().uid)
}

/// Sends `number` to a process, or with 0 only asks whether it may; `kill`'s conventions for `pid`.
///
/// # Errors
/// ESRCH, EPERM.
pub(crate) fn kill(pid: i32, number: u64) -> Result<(), Errno> {
    let number = number_or_none(number)?;
    let sender = current_process();
    if pid as Pid == sender.pid {
        return send_checked(sender, sender, number);
    }
    kill_others(sender, pid, number)
}

/// The same where it is not only about the sender itself.
#[inline(never)]
fn kill_others(sender: &Process, pid: i32, number: Option<Number>) -> Result<(), Errno> {
    match pid {
        i32::MIN => Err(Errno::ESRCH),
        1.. => {
            let process = table::process_of(pid as Pid).ok_or(Errno::ESRCH)?;
            send_checked(sender, &process, number)
        }
        -1 => {
            let others = |process: &Process| process.pid != INIT && process.pid != sender.pid;
            let all = table::processes();
            send_to_some(sender, all.iter().filter(|process| others(process)), number)
        }
        _ => {
            let group = if pid == 0 { sender.group() } else { -pid as Pid };
            let tree = TREE.lock();
            let members = tree.members(group).iter().filter_map(|pid| tree.get(*pid));
            send_to_some(sender, members.map(|node| &node.payload), number)
        }
    }
}

fn number_or_none(raw: u64) -> Result<Option<Number>, Errno> {
    if raw as u32 == 0 {
        return Ok(None);
    }
    guest::task::signal::number(u64::from(raw as u32)).map(Some).ok_or(Errno::EINVAL)
}

fn check(sender: &Process, receiver: &Process, number: Option<Number>) -> Result<(), Errno> {
    let may = may_signal(sender, receiver, number.unwrap_or(SIGKILL));
    if may { Ok(()) } else { Err(Errno::EPERM) }
}

fn send_checked(sender: &Process, receiver: &Process, number: Option<Number>) -> Result<(), Errno> {
    check(sender, receiver, number)?;
    number.map_or(Ok(()), |number| post(receiver, from_caller(number, SI_USER)))
}

/// To one process, with the caller's `siginfo_t` if there is one: `pidfd_send_signal`.
///
/// # Errors
/// ESRCH, EPERM, EINVAL, EAGAIN.
pub(crate) fn send_to(
    receiver: &alloc::sync::Arc<Process>,
    number: u64,
    words: Option<&[u64; guest::task::signal::info::WORDS]>,
) -> Result<(), Errno> {
    let sender = current_process();
    let raw = number as u32;
    let number = number_or_none(number)?;
    let is_itself = receiver.pid == sender.pid;
    let info = match words {
        Some(words) if words[0] as u32 != raw => return Err(Errno::EINVAL),
        Some(words) => {
            let to = if is_itself { Receiver::Itself } else { Receiver::Other };
            Some(SigInfo::from_user(number.unwrap_or(SIGKILL), words, to)?)
        }
        None => None,
    };
    if table::life(receiver) == table::Life::Gone {
        return Err(Errno::ESRCH);
    }
    match (info, number) {
        (Some(info), Some(number)) if may_signal(sender, receiver, number) => post(receiver, info),
        (Some(_), Some(_)) => Err(Errno::EPERM),
        _ => send_checked(sender, receiver, number),
    }
}

fn send_as_member(
    sender: &Process,
    receiver: &Process,
    number: Option<Number>,
) -> Result<(), Errno> {
    check(sender, receiver, number)?;
    number.map_or(Ok(()), |number| post_as_member(receiver, from_caller(number, SI_USER)))
}

/// To all of them that may be signalled; an error only where it is the same for all.
fn send_to_some<'a>(
    sender: &Process,
    receivers: impl Iterator<Item = &'a alloc::sync::Arc<Process>>,
    number: Option<Number>,
) -> Result<(), Errno> {
    let mut result = Err(Errno::ESRCH);
    for receiver in receivers {
        match send_as_member(sender, receiver, number) {
            Ok(()) => result = Ok(()),
            Err(error) if result == Err(Errno::ESRCH) => result = Err(error),
            Err(_) => {}
        }
    }
    result
}

/// A thread by its number, in process `pid` if that is not 0.
fn find_thread(pid: Pid, tid: Pid) -> Result<alloc::sync::Arc<Thread>, Errno> {
    let thread = table::thread(tid).ok_or(Errno::ESRCH)?;
    if pid != 0 && thread.process.pid != pid { Err(Errno::ESRCH) } else { Ok(thread) }
}

/// `tgkill`, and with 0 as `pid` `tkill`.
///
/// # Errors
/// ESRCH, EPERM, EINVAL.
pub(crate) fn kill_thread(pid: Pid, tid: Pid, number: u64) -> Result<(), Errno> {
    let number = number_or_none(number)?;
    let thread = find_thread(pid, tid)?;
    if !may_signal(current_process(), &thread.process, number.unwrap_or(SIGKILL)) {
        return Err(Errno::EPERM);
    }
    number.map_or(Ok(()), |number| post_to_thread(&thread, from_caller(number, SI_TKILL)))
}

/// `rt_sigqueueinfo` to process `pid`, or `rt_tgsigqueueinfo` to its thread `tid`; `words` are the
/// caller's `siginfo_t`.
///
/// # Errors
/// ESRCH, EPERM, EINVAL, EAGAIN.
pub(crate) fn queue(
    pid: Pid,
    tid: Option<Pid>,
    number: u64,
    words: &[u64; guest::task::signal::info::WORDS],
) -> Result<(), Errno> {
    let sender = current_process();
    let number = number_or_none(number)?;
    let to = if pid == sender.pid { Receiver::Itself } else { Receiver::Other };
    let info = SigInfo::from_user(number.unwrap_or(SIGKILL), words, to)?;
    let (process, thread) = match tid {
        Some(tid) => {
            let thread = find_thread(pid, tid)?;
            (thread.process.clone(), Some(thread))
        }
        None => (table::process_of(pid).ok_or(Errno::ESRCH)?, None),
    };
    if !may_signal(sender, &process, info.number()) {
        return Err(Errno::EPERM);
    }
    match (number, thread) {
        (None, _) => Ok(()),
        (Some(_), Some(thread)) => post_to_thread(&thread, info),
        (Some(_), None) => post(&process, info),
    }
}
