//! [`SigInfo`]: why a signal came, `siginfo_t` as far as the kernel fills it in.

use linux_raw_sys::general as linux;

use super::{Number, SIGCHLD};
use crate::errno::Errno;
use crate::task::Pid;
use crate::task::wait::Change;

/// Sent by `kill`.
pub const SI_USER: i32 = linux::SI_USER as i32;
/// Sent by the kernel.
pub const SI_KERNEL: i32 = linux::SI_KERNEL as i32;
/// Sent by `tkill` and `tgkill`.
pub const SI_TKILL: i32 = linux::SI_TKILL;
/// Sent by a timer.
pub const SI_TIMER: i32 = linux::SI_TIMER;

/// Words of `siginfo_t`.
pub const WORDS: usize = 16;

/// Those of them that the kernel ever fills in.
const KNOWN_WORDS: usize = 6;

/// A signal and why it came: the first words of `siginfo_t` as it lies in user memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigInfo {
    words: [u64; KNOWN_WORDS],
    /// Not 0: a timer really sent it, which programs may say, too. A whole word, so that a copy
    /// need not spare any padding.
    timers: u64,
}

impl SigInfo {
    const fn new(number: Number, code: i32, union: [u64; 4]) -> Self {
        let [a, b, c, d] = union;
        Self { words: [number as u64, code as u32 as u64, a, b, c, d], timers: 0 }
    }

    /// `si_signo`.
    #[inline]
    pub const fn number(&self) -> Number {
        self.words[0] as Number
    }

    /// `si_code`.
    #[inline]
    pub const fn code(&self) -> i32 {
        self.words[1] as u32 as i32
    }

    /// The first word of the union: `si_addr`, `si_pid` and `si_uid`, and others.
    pub const fn detail(&self) -> u64 {
        self.words[2]
    }

    /// From the kernel itself.
    pub const fn kernel(number: Number) -> Self {
        Self::new(number, SI_KERNEL, [0; 4])
    }

    /// From a process: `code` is [`SI_USER`] or [`SI_TKILL`].
    pub const fn from_process(number: Number, code: i32, pid: Pid, uid: u32) -> Self {
        Self::new(number, code, [pid as u64 | (uid as u64) << 32, 0, 0, 0])
    }

    /// What an instruction did at `address`.
    pub const fn fault(number: Number, code: i32, address: u64) -> Self {
        Self::new(number, code, [address, 0, 0, 0])
    }

    /// A timer ran out.
    pub const fn timer(number: Number, timer: u32, overrun: u32, value: u64) -> Self {
        let union = [timer as u64 | (overrun as u64) << 32, value, 0, 0];
        Self { timers: 1, ..Self::new(number, SI_TIMER, union) }
    }

    /// A message came into an empty queue, from a process.
    pub const fn of_message(number: Number, pid: Pid, uid: u32, value: u64) -> Self {
        Self::new(number, linux::SI_MESGQ, [pid as u64 | (uid as u64) << 32, value, 0, 0])
    }

    /// The timer that it comes from.
    pub const fn timer_id(&self) -> Option<u32> {
        if self.timers != 0 { Some(self.detail() as u32) } else { None }
    }

    /// The same, from a timer that had run out so many times more when it was delivered.
    #[must_use]
    pub const fn with_overrun(mut self, overrun: u32) -> Self {
        self.words[2] = self.detail() & u32::MAX as u64 | (overrun as u64) << 32;
        self
    }

    /// To a parent: its child `pid` of user `uid` has changed; `times` are the child's, in user
    /// mode and in the kernel, in ticks of `times(2)`.
    pub fn child(signal: Number, pid: Pid, uid: u32, change: Change, times: [u64; 2]) -> Self {
        let (code, status) = change.code_and_status();
        let who = u64::from(pid) | u64::from(uid) << 32;
        if signal != SIGCHLD {
            return Self::new(signal, SI_USER, [who, 0, 0, 0]);
        }
        Self::new(signal, code, [who, u64::from(status), times[0], times[1]])
    }

    /// As it lies in user memory.
    #[inline]
    pub fn to_words(&self) -> [u64; WORDS] {
        let mut words = [0; WORDS];
        words[..KNOWN_WORDS].copy_from_slice(&self.words);
        words
    }

    /// What a program hands to `rt_sigqueueinfo`, with `number` in place of the one it says.
    /// Codes that only the kernel uses are refused where `to_other`s.
    ///
    /// # Errors
    /// EPERM.
    pub fn from_user(number: Number, words: &[u64; WORDS], to: Receiver) -> Result<Self, Errno> {
        let code = words[1] as u32 as i32;
        if to == Receiver::Other && (code >= 0 || code == SI_TKILL) {
            return Err(Errno::EPERM);
        }
        let [first, _, a, b, c, d, ..] = *words;
        let mut info = Self::new(number, code, [a, b, c, d]);
        // `si_errno` is the sender's to choose.
        info.words[0] |= first >> 32 << 32;
        Ok(info)
    }
}

/// To whom a program sends a signal with an info of its own making.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// Its own process.
    Itself,
    /// Another one.
    Other,
}

#[cfg(test)]
mod tests {
    use super::super::{SIGINT, SIGSEGV, SIGUSR1};
    use super::*;

    #[test]
    fn layouts_are_linuxs() {
        let words = SigInfo::from_process(SIGINT, SI_TKILL, 7, 9).to_words();
        assert_eq!(words[..4], [2, u64::from(-6i32 as u32), 7 | 9 << 32, 0]);
        let info = SigInfo::timer(SIGUSR1, 3, 0, 0xabc).with_overrun(9);
        let words = [10, u64::from(-2i32 as u32), 3 | 9 << 32, 0xabc];
        assert_eq!((info.to_words()[..4].to_vec(), info.timer_id()), (words.to_vec(), Some(3)));
        let words = SigInfo::fault(SIGSEGV, 1, 0xdead_0000).to_words();
        assert_eq!(words[..4], [11, 1, 0xdead_0000, 0]);
        let info = SigInfo::child(SIGCHLD, 7, 9, Change::Exited(3), [5, 6]);
        assert_eq!(info.to_words()[..7], [17, 1, 7 | 9 << 32, 3, 5, 6, 0]);
        let info = SigInfo::child(SIGUSR1, 7, 9, Change::Exited(3), [5, 6]);
        assert_eq!(info.to_words()[..4], [10, 0, 7 | 9 << 32, 0]);
    }

    #[test]
    fn programs_cannot_pose_as_the_kernel() {
        for (code, to, want) in [
            (-1, Receiver::Other, Ok(-1)),
            (0, Receiver::Other, Err(Errno::EPERM)),
            (0x80, Receiver::Other, Err(Errno::EPERM)),
            (SI_TKILL, Receiver::Other, Err(Errno::EPERM)),
            (0, Receiver::Itself, Ok(0)),
            (SI_TIMER, Receiver::Other, Ok(SI_TIMER)),
        ] {
            let mut words = [3; WORDS];
            words[1] = u64::from(code as u32);
            let found = SigInfo::from_user(SIGINT, &words, to);
            assert_eq!(found.map(|info| info.code()), want, "{code}");
            let _ = found.map(|info| {
                assert_eq!((info.number(), &info.to_words()[2..7]), (SIGINT, &[3, 3, 3, 3, 0][..]));
                assert_eq!(info.timer_id(), None);
            });
        }
    }
}
