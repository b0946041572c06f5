//! [`Debuggable`]: an engine for who debugs, but does not want to wait. It is the plain one, which
//! stops at breakpoints as fast as it runs, until memory is to be watched; then the observed one.

use std::io;

use super::{Engine, Exit, Interpreter, Stops};
use crate::bus::Bus;
use crate::csr::Recording;
use crate::hart::Hart;
use crate::hart::observe::{NoObserver, Observer};
use crate::isa::Extensions;

/// Two interpreters in the place of one: at any time, one of them runs all harts.
#[derive(Debug)]
pub struct Debuggable<O> {
    plain: Interpreter<NoObserver>,
    /// Its observer has nothing to tell anybody.
    observed: Interpreter<O>,
    /// Memory is watched.
    watches: bool,
}

impl<O: Observer> Debuggable<O> {
    /// An engine for harts with `extensions`. `observer` only makes it look: what it would hear is
    /// a part of what happens. Who wants to hear all uses an [`Interpreter`].
    pub fn new(extensions: Extensions, observer: O) -> Self {
        assert!(O::ACTIVE, "an engine that nobody observes cannot watch memory");
        let plain = Interpreter::new(extensions);
        let observed = Interpreter::with_observer(extensions, observer);
        Self { plain, observed, watches: false }
    }
}

impl<O: Observer + Send> Engine for Debuggable<O> {
    fn run(&mut self, hart: &mut Hart, bus: &mut Bus, budget_insns: u64) -> Exit {
        if !self.watches {
            return self.plain.run(hart, bus, budget_insns);
        }
        let exit = self.observed.run(hart, bus, budget_insns);
        // The plain one would leave what the hart records where it is.
        hart.csr.record(Recording::Off);
        hart.mmu.unwatch();
        exit
    }

    fn set_stops(&mut self, stops: Stops) {
        let watches = !stops.watchpoints.is_empty();
        if watches != self.watches {
            // The one that comes has not heard what code was overwritten while the other ran.
            self.reset();
            self.watches = watches;
        }
        if watches { self.observed.set_stops(stops) } else { self.plain.set_stops(stops) }
    }

    fn reset(&mut self) {
        self.plain.reset();
        self.observed.reset();
    }

    fn finish(&mut self) -> io::Result<()> {
        self.observed.finish()
    }
}
