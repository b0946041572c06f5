//! [`Timers`]: the timers of a process that `timer_create` makes: when each runs out, what it says
//! then, and how often it has run out unheard. The kernel has a lock around them, wakes up when
//! [`Timer::wakes_at`] says so, and calls [`Timer::fire`].
//!
//! A periodic timer goes on when its signal is delivered, so that one with a short period cannot
//! keep the machine from everything else; what it has missed by then is its overrun.

use alloc::vec::Vec;

use linux_raw_sys::general as linux;

use super::Pid;
use super::signal::{Number, SigInfo};
use super::time::{Clock, Interval};
use crate::errno::Errno;

/// Words of `struct sigevent` that mean something.
pub const EVENT_WORDS: usize = 3;
/// The highest number of a signal.
const SIGNAL_MAX: u64 = 64;

/// Who hears that a timer has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Nobody: it is looked at.
    Nobody,
    /// The process.
    Process,
    /// One of its threads.
    Thread(Pid),
}

/// What happens when a timer runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// To whom.
    pub listener: Listener,
    /// Which signal.
    pub signal: Number,
    /// `si_value`.
    pub value: u64,
}

impl Event {
    /// From the words of a `struct sigevent`.
    ///
    /// # Errors
    /// EINVAL.
    pub fn from_words(words: [u64; EVENT_WORDS]) -> Result<Self, Errno> {
        let [value, what, tid] = words;
        let (signal, notify) = (what & u64::from(u32::MAX), (what >> 32) as u32);
        let listener = match notify {
            linux::SIGEV_NONE => Listener::Nobody,
            linux::SIGEV_SIGNAL | linux::SIGEV_THREAD => Listener::Process,
            linux::SIGEV_THREAD_ID => Listener::Thread(tid as u32),
            _ => return Err(Errno::EINVAL),
        };
        let is_signal = (1..=SIGNAL_MAX).contains(&signal);
        if listener != Listener::Nobody && !is_signal {
            return Err(Errno::EINVAL);
        }
        Ok(Self { listener, signal: signal as Number, value })
    }
}

/// When a timer is to run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// After so many nanoseconds.
    In(u64),
    /// When its clock shows this.
    At(u64),
    /// Never.
    Never,
}

/// One timer; `H` is what the kernel keeps to wake up for it.
#[derive(Debug)]
pub struct Timer<H> {
    /// Its number.
    id: u32,
    /// What it measures.
    clock: Clock,
    event: Event,
    interval: Interval,
    /// Its signal is on the way.
    is_pending: bool,
    /// How often it has run out since a signal was delivered, the one on the way not counted.
    missed: u64,
    /// How often it had when the last one was.
    overrun: u32,
    /// What wakes the kernel.
    pub handle: Option<H>,
}

impl<H> Timer<H> {
    /// What it measures.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Who hears of it.
    pub fn listener(&self) -> Listener {
        self.event.listener
    }

    /// Sets it: what it was set to before.
    pub fn set(&mut self, now_ns: u64, start: Start, period_ns: u64) -> Interval {
        let old = self.get(now_ns);
        (self.is_pending, self.missed, self.overrun) = (false, 0, 0);
        let deadline_ns = match start {
            Start::In(ns) => now_ns.saturating_add(ns),
            Start::At(ns) => ns.max(1),
            Start::Never => 0,
        };
        let period_ns = if start == Start::Never { 0 } else { period_ns };
        self.interval = Interval { deadline_ns, period_ns };
        old
    }

    /// What is left of it, in place of a deadline, and its period.
    pub fn get(&self, now_ns: u64) -> Interval {
        let mut interval = self.interval;
        if self.is_pending || self.event.listener == Listener::Nobody {
            interval.expire(now_ns);
        }
        Interval { deadline_ns: interval.remaining_ns(now_ns), ..interval }
    }

    /// When its clock shows this, it is to be [fired](Self::fire).
    pub fn wakes_at(&self) -> Option<u64> {
        let is_silent = self.is_pending || self.event.listener == Listener::Nobody;
        Some(self.interval.deadline_ns).filter(|deadline| *deadline != 0 && !is_silent)
    }

    /// The signal to be sent if it has run out; it waits for its delivery from then on.
    pub fn fire(&mut self, now_ns: u64) -> Option<SigInfo> {
        self.wakes_at().filter(|deadline| *deadline <= now_ns)?;
        self.is_pending = true;
        if self.interval.period_ns == 0 {
            self.interval.deadline_ns = 0;
        }
        let Event { signal, value, .. } = self.event;
        Some(SigInfo::timer(signal, self.id, 0, value))
    }

    /// The signal of an earlier time is on the way still.
    pub fn merged(&mut self) {
        self.missed += u64::from(self.is_pending);
    }

    /// The signal was not queued, as it is ignored: it goes on, but not within `pause_ns`. Whether
    /// it does, and was not set anew in the meantime.
    pub fn dropped(&mut self, now_ns: u64, pause_ns: u64) -> bool {
        if !core::mem::replace(&mut self.is_pending, false) || self.interval.period_ns == 0 {
            return false;
        }
        let pause = if self.interval.period_ns < pause_ns { pause_ns } else { 0 };
        self.missed += self.interval.expire(now_ns.saturating_add(pause));
        true
    }

    /// Its signal is delivered, and it goes on: the overrun. `None` where it was set anew in the
    /// meantime.
    pub fn delivered(&mut self, now_ns: u64) -> Option<u32> {
        if !core::mem::replace(&mut self.is_pending, false) {
            return None;
        }
        let times = if self.interval.period_ns == 0 { 0 } else { self.interval.expire(now_ns) };
        let missed = core::mem::take(&mut self.missed) + times.saturating_sub(1);
        self.overrun = missed.min(i32::MAX as u64) as u32;
        Some(self.overrun)
    }

    /// How often it had run out unheard when its last signal was delivered.
    pub fn overrun(&self) -> u32 {
        self.overrun
    }
}

/// The timers of a process.
#[derive(Debug)]
pub struct Timers<H> {
    /// The number to try next: one that is free again is not used again at once.
    next_id: u32,
    timers: Vec<Timer<H>>,
}

impl<H> Timers<H> {
    /// None.
    pub const fn new() -> Self {
        Self { next_id: 0, timers: Vec::new() }
    }

    /// Makes one, which is not set; its number. Without an event it sends SIGALRM with the number
    /// as value.
    ///
    /// # Errors
    /// EAGAIN: there are `limit` already, or no memory.
    pub fn create(&mut self, clock: Clock, event: Option<Event>, limit: u64) -> Result<u32, Errno> {
        if self.timers.len() as u64 >= limit || self.timers.try_reserve(1).is_err() {
            return Err(Errno::EAGAIN);
        }
        let mut id = self.next_id;
        while self.timers.iter().any(|timer| timer.id == id) {
            id = next(id);
        }
        self.next_id = next(id);
        let alarm =
            Event { listener: Listener::Process, signal: super::signal::SIGALRM, value: id.into() };
        self.timers.push(Timer {
            id,
            clock,
            event: event.unwrap_or(alarm),
            interval: Interval::default(),
            is_pending: false,
            missed: 0,
            overrun: 0,
            handle: None,
        });
        Ok(id)
    }

    /// The one with this number.
    ///
    /// # Errors
    /// EINVAL.
    pub fn find(&mut self, id: u32) -> Result<&mut Timer<H>, Errno> {
        self.timers.iter_mut().find(|timer| timer.id == id).ok_or(Errno::EINVAL)
    }

    /// Takes the one with this number out.
    ///
    /// # Errors
    /// EINVAL.
    pub fn delete(&mut self, id: u32) -> Result<Timer<H>, Errno> {
        let index = self.timers.iter().position(|timer| timer.id == id).ok_or(Errno::EINVAL)?;
        Ok(self.timers.swap_remove(index))
    }

    /// Takes all out.
    pub fn clear(&mut self) -> Vec<Timer<H>> {
        core::mem::take(&mut self.timers)
    }
}

/// Numbers are not negative as C sees them.
fn next(id: u32) -> u32 {
    (id + 1) & i32::MAX as u32
}

impl<H> Default for Timers<H> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::super::signal::{SIGALRM, SIGUSR1};
    use super::*;

    fn event(listener: Listener) -> Event {
        Event { listener, signal: SIGUSR1, value: 7 }
    }

    fn timer(listener: Listener) -> Timer<()> {
        let mut timers = Timers::new();
        let id = timers.create(Clock::Monotonic, Some(event(listener)), 1).expect("room");
        timers.delete(id).expect("it is there")
    }

    fn left(timer: &Timer<()>, now: u64) -> [u64; 2] {
        let Interval { deadline_ns, period_ns } = timer.get(now);
        [deadline_ns, period_ns]
    }

    #[test]
    fn events_are_linuxs() {
        let signal = u64::from(SIGUSR1);
        for (what, tid, want) in [
            (signal, 0, Ok(Listener::Process)),
            (signal | 2 << 32, 0, Ok(Listener::Process)),
            (signal | 4 << 32, 12, Ok(Listener::Thread(12))),
            (1 << 32, 0, Ok(Listener::Nobody)),
            (0, 0, Err(Errno::EINVAL)),
            (65, 0, Err(Errno::EINVAL)),
            (u64::from(u32::MAX), 0, Err(Errno::EINVAL)),
            (signal | 3 << 32, 0, Err(Errno::EINVAL)),
        ] {
            let found = Event::from_words([7, what, tid]).map(|event| event.listener);
            assert_eq!(found, want, "{what:#x}");
        }
    }

    #[test]
    fn numbers_are_not_used_again_at_once() {
        let mut timers: Timers<()> = Timers::new();
        let ids = [(); 3].map(|()| timers.create(Clock::Monotonic, None, 3));
        assert_eq!(ids, [Ok(0), Ok(1), Ok(2)]);
        assert_eq!(timers.create(Clock::Monotonic, None, 3), Err(Errno::EAGAIN));
        assert!(timers.delete(1).is_ok());
        assert_eq!(timers.delete(1).err(), Some(Errno::EINVAL));
        assert_eq!(timers.create(Clock::Monotonic, None, 3), Ok(3));
        timers.delete(0).expect("it is there");
        timers.next_id = i32::MAX as u32;
        assert_eq!(timers.create(Clock::Monotonic, None, 3), Ok(i32::MAX as u32));
        timers.delete(i32::MAX as u32).expect("it is there");
        assert_eq!(timers.create(Clock::Monotonic, None, 3), Ok(0));
        timers.delete(3).expect("it is there");
        timers.next_id = 2;
        assert_eq!(timers.create(Clock::Monotonic, None, 3), Ok(3), "2 is taken");
        let default = timers.find(3).expect("it is there");
        default.set(0, Start::In(1), 0);
        let info = default.fire(1).expect("it has run out");
        assert_eq!((info.number(), &info.to_words()[2..4]), (SIGALRM, &[3, 3][..]));
        assert_eq!(timers.clear().len(), 3);
    }

    #[test]
    fn once_is_once() {
        let mut timer = timer(Listener::Process);
        assert_eq!((left(&timer, 5), timer.wakes_at()), ([0, 0], None));
        timer.set(100, Start::In(50), 0);
        assert_eq!((left(&timer, 120), timer.wakes_at()), ([30, 0], Some(150)));
        assert_eq!(timer.fire(149), None);
        assert_eq!(left(&timer, 160), [1, 0], "nobody has looked yet");
        let info = timer.fire(160).expect("it has run out");
        assert_eq!((info.number(), info.to_words()[3]), (SIGUSR1, 7));
        assert_eq!((left(&timer, 160), timer.wakes_at(), timer.fire(999)), ([0, 0], None, None));
        assert_eq!((timer.delivered(200), timer.delivered(200)), (Some(0), None));
        let old = timer.set(200, Start::At(150), 0);
        assert_eq!((old.deadline_ns, timer.wakes_at()), (0, Some(150)), "at once");
        assert_eq!(timer.set(200, Start::Never, 60).period_ns, 0);
        assert_eq!((left(&timer, 300), timer.wakes_at()), ([0, 0], None));
    }

    #[test]
    fn what_is_missed_until_the_delivery_is_the_overrun() {
        let mut timer = timer(Listener::Process);
        timer.set(0, Start::In(10), 10);
        assert!(timer.fire(10).is_some());
        assert_eq!((timer.wakes_at(), timer.fire(50)), (None, None), "it waits");
        assert_eq!(left(&timer, 44), [6, 10], "but is looked at");
        // It ran out at 10, and at 20, 30, 40.
        assert_eq!(
            (timer.delivered(45), timer.overrun(), timer.wakes_at()),
            (Some(3), 3, Some(50))
        );
        assert!(timer.fire(50).is_some());
        assert_eq!(timer.delivered(51), Some(0));
        timer.set(51, Start::In(10), 10);
        assert_eq!((timer.overrun(), timer.delivered(90)), (0, None), "set anew");
        assert!(timer.fire(61).is_some());
        timer.merged();
        assert_eq!(timer.delivered(62), Some(1));
    }

    #[test]
    fn an_ignored_timer_pauses() {
        let mut timer = timer(Listener::Process);
        timer.set(0, Start::In(10), 10);
        assert!(timer.fire(10).is_some());
        assert!(timer.dropped(10, 1000));
        assert_eq!(timer.wakes_at(), Some(1020));
        assert!(!timer.dropped(10, 1000), "it is not on the way");
        assert_eq!(timer.wakes_at(), Some(1020));
        assert!(timer.fire(1020).is_some());
        assert_eq!(timer.delivered(1020), Some(101));
        timer.set(0, Start::In(10), 0);
        assert!(timer.fire(10).is_some());
        assert!(!timer.dropped(10, 1000));
        assert_eq!(timer.wakes_at(), None);
    }

    #[test]
    fn nobody_is_not_woken() {
        let mut timer = timer(Listener::Nobody);
        timer.set(0, Start::In(10), 4);
        assert_eq!((timer.wakes_at(), timer.fire(100)), (None, None));
        assert_eq!([left(&timer, 7), left(&timer, 10), left(&timer, 15)], [[3, 4], [4, 4], [3, 4]]);
    }
}
