//! [`Actions`]: what a process does about each signal.

use linux_raw_sys::general as linux;

use super::{COUNT, Number, SigSet};
use super::{
    SIGABRT, SIGBUS, SIGCHLD, SIGCONT, SIGFPE, SIGILL, SIGQUIT, SIGSEGV, SIGSYS, SIGTRAP, SIGURG,
    SIGWINCH, SIGXCPU, SIGXFSZ,
};

/// The handler that stands for the default action.
pub const DEFAULT: u64 = 0;
/// The handler that stands for ignoring.
pub const IGNORE: u64 = 1;

/// What happens where a program has not said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultAction {
    /// The process ends.
    Terminate,
    /// The process ends; elsewhere it would leave a core file.
    Core,
    /// Nothing.
    Ignore,
    /// The process stops.
    Stop,
    /// The process goes on.
    Continue,
}

impl DefaultAction {
    /// Of this signal. Rarely asked: where it does not matter, it is not to be in the way.
    #[inline(never)]
    pub const fn of(number: Number) -> Self {
        match number {
            SIGCHLD | SIGURG | SIGWINCH => Self::Ignore,
            SIGCONT => Self::Continue,
            SIGQUIT | SIGILL | SIGTRAP | SIGABRT | SIGBUS | SIGFPE | SIGSEGV | SIGXCPU
            | SIGXFSZ | SIGSYS => Self::Core,
            _ if SigSet::STOPS.contains(number) => Self::Stop,
            _ => Self::Terminate,
        }
    }
}

/// `sa_flags`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u64);

impl Flags {
    /// `SA_NOCLDSTOP`: no SIGCHLD for children that stop.
    pub const NO_CHILD_STOP: Flags = Flags(linux::SA_NOCLDSTOP as u64);
    /// `SA_NOCLDWAIT`: children leave no zombies.
    pub const NO_CHILD_WAIT: Flags = Flags(linux::SA_NOCLDWAIT as u64);
    /// `SA_ONSTACK`.
    pub const ON_STACK: Flags = Flags(linux::SA_ONSTACK as u64);
    /// `SA_RESTART`.
    pub const RESTART: Flags = Flags(linux::SA_RESTART as u64);
    /// `SA_NODEFER`.
    pub const NO_DEFER: Flags = Flags(linux::SA_NODEFER as u64);
    /// `SA_RESETHAND`.
    pub const RESET: Flags = Flags(linux::SA_RESETHAND as u64);
    /// All that mean something; the others are dropped, so that a program can see which do.
    const KNOWN: u64 = Self::NO_CHILD_STOP.0
        | Self::NO_CHILD_WAIT.0
        | Self::ON_STACK.0
        | Self::RESTART.0
        | Self::NO_DEFER.0
        | Self::RESET.0
        | linux::SA_SIGINFO as u64;

    /// Whether all of `other` are among them.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What to do about a signal: `struct sigaction` of the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// Address of the handler, or [`DEFAULT`] or [`IGNORE`].
    pub handler: u64,
    /// `sa_flags`.
    pub flags: Flags,
    /// What is blocked meanwhile.
    pub mask: SigSet,
}

/// What is to happen to a signal that is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// Nothing.
    Ignore,
    /// Its default, which is not to ignore it.
    Default(DefaultAction),
    /// Call the handler.
    Handler(Action),
}

/// One action for each signal.
#[derive(Clone, Debug)]
pub struct Actions {
    all: [Action; COUNT as usize],
}

impl Default for Actions {
    fn default() -> Self {
        Self { all: [Action::default(); COUNT as usize] }
    }
}

impl Actions {
    /// That of a signal.
    pub const fn get(&self, number: Number) -> Action {
        self.all[number as usize - 1]
    }

    /// Sets it; the old one. For signals that can be handled.
    pub fn set(&mut self, number: Number, action: Action) -> Action {
        let action = Action {
            flags: Flags(action.flags.0 & Flags::KNOWN),
            mask: action.mask.blockable(),
            ..action
        };
        core::mem::replace(&mut self.all[usize::from(number) - 1], action)
    }

    /// Whether it has no effect when it comes.
    pub const fn is_ignored(&self, number: Number) -> bool {
        match self.get(number).handler {
            IGNORE => true,
            DEFAULT => {
                let default = DefaultAction::of(number);
                matches!(default, DefaultAction::Ignore | DefaultAction::Continue)
            }
            _ => false,
        }
    }

    /// Whether it ends the process.
    pub fn terminates(&self, number: Number) -> bool {
        let default = DefaultAction::of(number);
        self.get(number).handler == DEFAULT
            && !matches!(
                default,
                DefaultAction::Ignore | DefaultAction::Continue | DefaultAction::Stop
            )
    }

    /// Whether a handler is called.
    pub const fn is_handled(&self, number: Number) -> bool {
        self.get(number).handler > IGNORE
    }

    /// What is to happen now that the signal is delivered; a handler that is for one time is
    /// forgotten.
    pub fn deliver(&mut self, number: Number) -> Handling {
        let action = self.get(number);
        match action.handler {
            IGNORE => Handling::Ignore,
            DEFAULT => match DefaultAction::of(number) {
                DefaultAction::Ignore | DefaultAction::Continue => Handling::Ignore,
                default => Handling::Default(default),
            },
            _ => {
                if action.flags.has(Flags::RESET) {
                    self.all[usize::from(number) - 1].handler = DEFAULT;
                }
                Handling::Handler(action)
            }
        }
    }

    /// exec: handlers are gone with the code, what was ignored stays so.
    pub fn reset_for_exec(&mut self) {
        for action in &mut self.all {
            let handler = if action.handler == IGNORE { IGNORE } else { DEFAULT };
            *action = Action { handler, ..Action::default() };
        }
    }

    /// Before a signal is forced: it is neither ignored nor, if `blocked`, handled.
    pub fn make_deliverable(&mut self, number: Number, blocked: SigSet) {
        let action = &mut self.all[usize::from(number) - 1];
        if action.handler == IGNORE || blocked.contains(number) {
            action.handler = DEFAULT;
        }
    }

    /// The sets of signals that are ignored and handled, for /proc/PID/status.
    pub fn sets(&self) -> (SigSet, SigSet) {
        let (mut ignored, mut handled) = (SigSet::EMPTY, SigSet::EMPTY);
        for number in 1..=COUNT {
            match self.get(number).handler {
                DEFAULT => {}
                IGNORE => ignored.insert(number),
                _ => handled.insert(number),
            }
        }
        (ignored, handled)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{SIGINT, SIGKILL, SIGTSTP};
    use super::*;

    const HANDLER: u64 = 0x1_0000;

    fn action(handler: u64, flags: Flags) -> Action {
        Action { handler, flags, mask: SigSet::EMPTY }
    }

    #[test]
    fn defaults_are_those_of_the_manual() {
        for (number, want) in [
            (SIGINT, DefaultAction::Terminate),
            (SIGKILL, DefaultAction::Terminate),
            (SIGSEGV, DefaultAction::Core),
            (SIGCHLD, DefaultAction::Ignore),
            (SIGCONT, DefaultAction::Continue),
            (SIGTSTP, DefaultAction::Stop),
            (COUNT, DefaultAction::Terminate),
        ] {
            assert_eq!(DefaultAction::of(number), want, "{number}");
        }
    }

    #[test]
    fn delivery() {
        let once = action(HANDLER, Flags::RESET);
        let handler = action(HANDLER, Flags::RESTART);
        let terminate = Handling::Default(DefaultAction::Terminate);
        for (number, set, want, next) in [
            (SIGINT, action(DEFAULT, Flags(0)), terminate, terminate),
            (SIGINT, action(IGNORE, Flags(0)), Handling::Ignore, Handling::Ignore),
            (SIGINT, once, Handling::Handler(once), terminate),
            (SIGINT, handler, Handling::Handler(handler), Handling::Handler(handler)),
            (SIGCHLD, action(DEFAULT, Flags(0)), Handling::Ignore, Handling::Ignore),
            (SIGCONT, action(DEFAULT, Flags(0)), Handling::Ignore, Handling::Ignore),
            (SIGCONT, handler, Handling::Handler(handler), Handling::Handler(handler)),
        ] {
            let mut actions = Actions::default();
            actions.set(number, set);
            assert_eq!([actions.deliver(number), actions.deliver(number)], [want, next]);
        }
    }

    #[test]
    fn a_program_starts_without_handlers() {
        let mut actions = Actions::default();
        actions.set(SIGINT, action(HANDLER, Flags::RESTART));
        actions.set(SIGQUIT, action(IGNORE, Flags::RESTART));
        assert_eq!(actions.sets(), (SigSet::of(&[SIGQUIT]), SigSet::of(&[SIGINT])));
        actions.reset_for_exec();
        assert_eq!(actions.get(SIGINT), Action::default());
        assert!(actions.is_ignored(SIGQUIT) && actions.is_ignored(SIGCHLD));
    }

    #[test]
    fn actions_keep_what_means_something() {
        let mut actions = Actions::default();
        let wild = Action { handler: HANDLER, flags: Flags(u64::MAX), mask: SigSet(u64::MAX) };
        actions.set(SIGINT, wild);
        let kept = actions.get(SIGINT);
        assert_eq!((kept.flags.0, kept.mask), (Flags::KNOWN, wild.mask.blockable()));
    }

    #[test]
    fn forced_signals_get_through() {
        for (handler, blocked, want) in [
            (HANDLER, SigSet::EMPTY, HANDLER),
            (HANDLER, SigSet::of(&[SIGSEGV]), DEFAULT),
            (IGNORE, SigSet::EMPTY, DEFAULT),
        ] {
            let mut actions = Actions::default();
            actions.set(SIGSEGV, action(handler, Flags(0)));
            actions.make_deliverable(SIGSEGV, blocked);
            assert_eq!(actions.get(SIGSEGV).handler, want);
        }
    }
}
