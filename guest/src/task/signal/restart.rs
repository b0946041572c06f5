//! [`Restart`]: how a system call that a signal interrupted goes on (`signal(7)`, "Interruption of
//! system calls and library functions by signal handlers").

use super::Flags;

/// How a call wants to go on after it was interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartClass {
    /// Again, unless a handler without `SA_RESTART` ran: Linux's `ERESTARTSYS`. Most calls.
    Unless,
    /// Again, only if no handler ran: `ERESTARTNOHAND`.
    NoHandler,
    /// As before, but what is left of it is kept in the kernel: `ERESTART_RESTARTBLOCK`.
    Block,
    /// Never: `EINTR`.
    Never,
}

/// What the call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// It is made again, with the arguments that it had.
    Again,
    /// `restart_syscall` takes its place.
    Continue,
    /// It fails with EINTR.
    Fail,
}

impl RestartClass {
    /// What happens if no handler is called.
    pub const fn without_handler(self) -> Restart {
        match self {
            Self::Unless | Self::NoHandler => Restart::Again,
            Self::Block => Restart::Continue,
            Self::Never => Restart::Fail,
        }
    }

    /// What happens after a handler that was set with `flags`.
    pub const fn after_handler(self, flags: Flags) -> Restart {
        match self {
            Self::Unless if flags.has(Flags::RESTART) => Restart::Again,
            _ => Restart::Fail,
        }
    }

    /// In a byte; never 0.
    pub const fn to_raw(self) -> u8 {
        match self {
            Self::Unless => 1,
            Self::NoHandler => 2,
            Self::Block => 3,
            Self::Never => 4,
        }
    }

    /// Back; `None` for 0.
    pub const fn from_raw(raw: u8) -> Option<Self> {
        match raw {
            0 => None,
            1 => Some(Self::Unless),
            2 => Some(Self::NoHandler),
            3 => Some(Self::Block),
            _ => Some(Self::Never),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupted_calls() {
        use Restart::{Again, Continue, Fail};
        for (class, none, plain, restart) in [
            (RestartClass::Unless, Again, Fail, Again),
            (RestartClass::NoHandler, Again, Fail, Fail),
            (RestartClass::Block, Continue, Fail, Fail),
            (RestartClass::Never, Fail, Fail, Fail),
        ] {
            let after = [Flags(0), Flags::RESTART].map(|flags| class.after_handler(flags));
            assert_eq!((class.without_handler(), after), (none, [plain, restart]));
            assert_eq!(RestartClass::from_raw(class.to_raw()), Some(class));
        }
        assert_eq!(RestartClass::from_raw(0), None);
    }
}
