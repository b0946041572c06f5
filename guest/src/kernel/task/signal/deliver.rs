//! What happens to signals before user mode goes on: the thread ends, stops, or calls a handler; a
//! system call that was interrupted is made again.

use core::sync::atomic::Ordering;

use guest::errno::Errno;
use guest::task::signal::action::DefaultAction;
use guest::task::signal::{
    Action, Flags, Handling, Restart, RestartClass, SIGSEGV, SigInfo, SigSet,
};
use guest::task::wait::Change;

use super::super::{Thread, exit};
use super::{Own, ProcessSignals, force_segv, frame, report, stop, timers};
use crate::arch::trap::TrapFrame;
use crate::sched;
use crate::sync::SpinGuard;

/// The lock on the signals of a process.
type Signals<'a> = SpinGuard<'a, ProcessSignals>;

/// Size of `ecall` in bytes.
const ECALL_BYTES: u64 = 4;

/// Looks at signals before user mode goes on; the trap code calls it when the task was interrupted.
pub(crate) fn before_user(user: &mut TrapFrame) {
    let thread = sched::current_thread();
    let own = &thread.own;
    let mut restart = None;
    if own.restart.load(Ordering::Relaxed) != 0 {
        restart = RestartClass::from_raw(own.restart.load(Ordering::Relaxed));
        own.restart.store(0, Ordering::Relaxed);
    }
    while let Some(delivery) = next_handler(thread, user) {
        if let Some(class) = restart.take() {
            own.kept_call.store(0, Ordering::Relaxed);
            go_on(user, own, class.after_handler(delivery.action.flags));
        }
        if frame::push(thread, user, &delivery).is_err() {
            failed_to_call(thread, &delivery);
        } else if !delivery.are_more {
            break;
        }
    }
    if let Some(class) = restart {
        go_on(user, own, class.without_handler());
    }
    super::restore_mask();
}

/// A handler that is to be called.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) info: SigInfo,
    pub(super) action: Action,
    /// The mask that the handler returns to.
    pub(super) mask: SigSet,
    /// Whether there is more to be looked at.
    are_more: bool,
}

/// The next signal that has a handler, whose mask is in effect then; those that have none are
/// dealt with.
#[inline(never)]
fn next_handler(thread: &Thread, user: &TrapFrame) -> Option<Delivery> {
    let process = &thread.process;
    loop {
        let mut signals = process.signals.lock();
        let is_changing = signals.end.is_some() || signals.survivor.is_some();
        if is_changing || signals.news.is_some() || process.stop.load(Ordering::Relaxed) != 0 {
            signals = follow(thread, signals);
        }
        let info = take(thread, &mut signals, thread.mask())?;
        let handling = signals.actions.lock().deliver(info.number());
        match handling {
            Handling::Ignore => {}
            Handling::Default(default) => act(thread, signals, &info, default, user),
            Handling::Handler(action) => {
                return Some(begin_handler(thread, &signals, info, action));
            }
        }
    }
}

/// Ends or stops the thread as its process does, and tells the parent what there is to tell; then
/// nothing of that is left.
#[cold]
fn follow<'a>(thread: &'a Thread, signals: Signals<'a>) -> Signals<'a> {
    let process = &thread.process;
    let mut signals = signals;
    loop {
        if signals.end.is_some() || signals.survivor.is_some_and(|tid| tid != thread.tid) {
            drop(signals);
            exit::exit_thread(Change::Exited(0));
        }
        if process.stop.load(Ordering::Relaxed) != 0 {
            stop::stop_here(process, signals);
        } else if let Some(change) = signals.news.take() {
            drop(signals);
            stop::tell_parent(process, change);
        } else {
            return signals;
        }
        signals = process.signals.lock();
    }
}

/// What happens to a signal that has no handler.
#[cold]
fn act(
    thread: &Thread,
    mut signals: Signals<'_>,
    info: &SigInfo,
    default: DefaultAction,
    user: &TrapFrame,
) {
    let process = &thread.process;
    if process.is_protected.load(Ordering::Relaxed) {
        return;
    }
    if default == DefaultAction::Stop {
        signals.stop_taken = true;
        drop(signals);
        stop::on_signal(thread, info.number());
    } else {
        signals.end_all(process, Change::Killed(info.number()));
        drop(signals);
        report::killed(thread, info, user);
    }
}

/// Puts the mask of a handler into effect.
fn begin_handler(
    thread: &Thread,
    signals: &ProcessSignals,
    info: SigInfo,
    action: Action,
) -> Delivery {
    let old = thread.mask();
    let mask = thread.own.take_saved_mask().unwrap_or(old);
    let mut during = old.union(action.mask);
    if !action.flags.has(Flags::NO_DEFER) {
        during.insert(info.number());
    }
    if during != old {
        signals.set_mask(thread, during);
    }
    let pending = thread.pending_set().union(signals.pending.set());
    Delivery { info, action, mask, are_more: !pending.without(during).is_empty() }
}

/// Takes the next pending signal outside `blocked` out, the thread's own first.
#[inline(always)]
pub(super) fn take(
    thread: &Thread,
    signals: &mut ProcessSignals,
    blocked: SigSet,
) -> Option<SigInfo> {
    if !thread.pending_set().without(blocked).is_empty() {
        let mut info = thread.change_pending(|pending| pending.take(blocked));
        timers::delivered(&thread.process, signals, &mut info);
        return info;
    }
    let mut info = signals.pending.take(blocked);
    timers::delivered(&thread.process, signals, &mut info);
    info
}

/// There was no room for the frame: SIGSEGV, which kills if its own handler was to be called.
#[cold]
fn failed_to_call(thread: &Thread, delivery: &Delivery) {
    let signals = thread.process.signals.lock();
    signals.set_mask(thread, delivery.mask);
    if delivery.info.number() == SIGSEGV {
        signals.actions.lock().set(SIGSEGV, Action::default());
    }
    drop(signals);
    force_segv();
}

/// Lets a call that was interrupted go on as it should.
fn go_on(user: &mut TrapFrame, own: &Own, how: Restart) {
    let first = own.first_argument.load(Ordering::Relaxed);
    match how {
        Restart::Fail => user.set_return(Errno::EINTR.as_return()),
        Restart::Again => {
            user.set_return(first);
            user.set_pc(user.pc() - ECALL_BYTES);
        }
        Restart::Continue => {
            user.set_return(first);
            user.x[17] = u64::from(linux_raw_sys::general::__NR_restart_syscall);
            user.set_pc(user.pc() - ECALL_BYTES);
        }
    }
}
