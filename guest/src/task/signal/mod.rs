//! Signals as far as they are bookkeeping: [`SigSet`], [`Action`]s, what is [`Pending`], how a call
//! that was interrupted goes on ([`restart`]). Who is woken, and the frames on user stacks, are the
//! kernel's. Numbers and structures are Linux's for riscv64 (`signal(7)`).

pub mod action;
pub mod info;
pub mod pending;
pub mod restart;

pub use action::{Action, Actions, DefaultAction, Flags, Handling};
pub use info::SigInfo;
pub use pending::Pending;
pub use restart::{Restart, RestartClass};

use linux_raw_sys::general as linux;

/// Number of a signal, 1 to [`COUNT`].
pub type Number = u8;

/// How many signals there are.
pub const COUNT: u8 = 64;
/// The first one that queues: SIGRTMIN.
pub const FIRST_REALTIME: Number = 32;

macro_rules! numbers {
    ($($name:ident)*) => {
        $(#[doc = concat!("`", stringify!($name), "`.")]
        pub const $name: Number = linux::$name as Number;)*

        /// The name of a signal; real-time signals have none.
        pub fn name(number: Number) -> &'static str {
            match number {
                $($name => stringify!($name),)*
                _ => "real-time signal",
            }
        }
    };
}

numbers! {
    SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2
    SIGPIPE SIGALRM SIGTERM SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU
    SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO SIGPWR SIGSYS
}

/// The signal with this number; `None` where there is none.
pub const fn number(raw: u64) -> Option<Number> {
    if raw >= 1 && raw <= COUNT as u64 { Some(raw as Number) } else { None }
}

/// A set of signals: bit `n - 1` is signal `n`, as in `sigset_t`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SigSet(pub u64);

impl SigSet {
    /// None.
    pub const EMPTY: SigSet = SigSet(0);
    /// What can be neither blocked nor handled.
    pub const UNBLOCKABLE: SigSet = SigSet::of(&[SIGKILL, SIGSTOP]);
    /// What stops a process.
    pub const STOPS: SigSet = SigSet::of(&[SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU]);
    /// What the thread itself causes by an instruction; delivered before everything else.
    pub const SYNCHRONOUS: SigSet = SigSet::of(&[SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS]);

    /// These.
    pub const fn of(numbers: &[Number]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < numbers.len() {
            bits |= Self::bit(numbers[index]);
            index += 1;
        }
        Self(bits)
    }

    const fn bit(number: Number) -> u64 {
        1 << (number - 1)
    }

    /// Whether `number` is one of them.
    pub const fn contains(self, number: Number) -> bool {
        self.0 & Self::bit(number) != 0
    }

    /// Adds one.
    pub const fn insert(&mut self, number: Number) {
        self.0 |= Self::bit(number);
    }

    /// Takes one away.
    pub const fn remove(&mut self, number: Number) {
        self.0 &= !Self::bit(number);
    }

    /// Those in either.
    #[must_use]
    pub const fn union(self, other: SigSet) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are not in `other`.
    #[must_use]
    pub const fn without(self, other: SigSet) -> Self {
        Self(self.0 & !other.0)
    }

    /// Those in both.
    #[must_use]
    pub const fn and(self, other: SigSet) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The one with the lowest number.
    pub const fn lowest(self) -> Option<Number> {
        if self.0 == 0 { None } else { Some(self.0.trailing_zeros() as Number + 1) }
    }

    /// A mask of blocked signals as a program may set it.
    #[must_use]
    pub const fn blockable(self) -> Self {
        self.without(Self::UNBLOCKABLE)
    }
}

/// How `rt_sigprocmask` changes the mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaskChange {
    /// SIG_BLOCK.
    Block,
    /// SIG_UNBLOCK.
    Unblock,
    /// SIG_SETMASK.
    Set,
}

impl MaskChange {
    /// From its number.
    pub const fn from_raw(how: u64) -> Option<Self> {
        match how as u32 {
            linux::SIG_BLOCK => Some(Self::Block),
            linux::SIG_UNBLOCK => Some(Self::Unblock),
            linux::SIG_SETMASK => Some(Self::Set),
            _ => None,
        }
    }

    /// The mask afterwards.
    pub const fn apply(self, mask: SigSet, set: SigSet) -> SigSet {
        match self {
            Self::Block => mask.union(set.blockable()),
            Self::Unblock => mask.without(set),
            Self::Set => set.blockable(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_bits_from_signal_1_on() {
        let mut set = SigSet::of(&[SIGHUP, SIGKILL, COUNT]);
        assert_eq!(set.0, 1 | 1 << 8 | 1 << 63);
        assert!(set.contains(COUNT) && !set.contains(SIGINT));
        set.remove(SIGHUP);
        assert_eq!((set.lowest(), SigSet::EMPTY.lowest()), (Some(SIGKILL), None));
        assert_eq!(set.blockable(), SigSet::of(&[COUNT]));
        for (raw, want) in [(0, None), (1, Some(1)), (64, Some(64)), (65, None), (1 << 32, None)] {
            assert_eq!(number(raw), want);
        }
        assert_eq!((name(SIGSEGV), name(40)), ("SIGSEGV", "real-time signal"));
    }

    #[test]
    fn masks_never_block_kill_and_stop() {
        let all = SigSet(u64::MAX);
        let some = SigSet::of(&[SIGINT, SIGTERM]);
        for (how, mask, set, want) in [
            (0, some, all, all.blockable()),
            (1, all.blockable(), some, all.blockable().without(some)),
            (2, all.blockable(), some, some),
            (2, some, all, all.blockable()),
        ] {
            assert_eq!(MaskChange::from_raw(how).unwrap().apply(mask, set), want, "{how}");
        }
        assert_eq!(MaskChange::from_raw(3), None);
    }
}
