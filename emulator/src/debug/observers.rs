//! [`Observers`]: everybody who may watch a run, as one [`Observer`], so that there are two
//! engines and no more: one that nobody watches, and one for whoever does.

use std::fmt;
use std::io;

use super::CommitLog;
use super::stats::Stats;
use super::trace::{Output, Tracer};
use crate::addr::{Access, Privilege, VirtAddr, Width};
use crate::csr::CsrAddr;
use crate::hart::observe::{FenceOrigin, Observer};
use crate::mmu::{Fence, WalkRecord};
use crate::trap::{Exception, Interrupt};

/// Those who watch. Each hears everything.
#[derive(Default)]
pub struct Observers {
    /// Writes down what every instruction did.
    pub commit_log: Option<CommitLog<Output>>,
    /// Writes what `-d` asks for.
    pub tracer: Option<Tracer>,
    /// Counts.
    pub stats: Option<Stats>,
}

impl Observers {
    /// Whether nobody watches.
    pub const fn is_empty(&self) -> bool {
        self.commit_log.is_none() && self.tracer.is_none() && self.stats.is_none()
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observers")
            .field("commit_log", &self.commit_log.is_some())
            .field("tracer", &self.tracer)
            .field("stats", &self.stats)
            .finish()
    }
}

/// Methods that tell each observer the same.
macro_rules! pass_on {
    ($(fn $method:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $method(&mut self, $($argument: $type),*) {
            if let Some(log) = &mut self.commit_log {
                log.$method($($argument),*);
            }
            if let Some(tracer) = &mut self.tracer {
                tracer.$method($($argument),*);
            }
            if let Some(stats) = &mut self.stats {
                stats.$method($($argument),*);
            }
        })*
    };
}

impl Observer for Observers {
    const ACTIVE: bool = true;

    pass_on! {
        fn turn(hart: u64);
        fn pause();
        fn begin(privilege: Privilege, pc: VirtAddr, bits: u32);
        fn decoded(privilege: Privilege, pc: VirtAddr, code: &[u8]);
        fn lookup(access: Access, va: VirtAddr, len_bytes: u64);
        fn walk(walk: &WalkRecord, privilege: Privilege, pc: VirtAddr);
        fn fence(fence: &Fence, origin: FenceOrigin);
        fn x(r: u8, value: u64);
        fn f(r: u8, value: u64);
        fn csr(addr: CsrAddr, value: u64);
        fn load(va: VirtAddr, width: Width);
        fn store(va: VirtAddr, width: Width, value: u64);
        fn retire(privilege: Privilege, pc: VirtAddr, bits: u32);
        fn exception(exception: &Exception, from: Privilege, epc: VirtAddr);
        fn interrupt(interrupt: Interrupt, from: Privilege, epc: VirtAddr);
    }

    fn finish(&mut self) -> io::Result<()> {
        let log = self.commit_log.as_mut().map_or(Ok(()), CommitLog::finish);
        let trace = self.tracer.as_mut().map_or(Ok(()), Tracer::finish);
        let stats = self.stats.as_mut().map_or(Ok(()), Stats::finish);
        log.and(trace).and(stats)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hook with an empty default body that is missing here would be lost without a word.
    #[test]
    fn every_hook_is_passed_on() {
        let hooks = include_str!("../hart/observe.rs");
        let own = include_str!("observers.rs");
        let (_, hooks) = hooks.split_once("pub trait Observer {").expect("the trait");
        let (hooks, _) = hooks.split_once("\n}\n").expect("its end");
        let names = hooks.split("\n    fn ").skip(1).map(|rest| rest.split('(').next());
        let names: Vec<_> = names.map(|name| name.expect("a name")).collect();
        assert!(names.len() >= 16, "{names:?}");
        for name in names {
            assert!(own.contains(&format!("  fn {name}(")), "{name} is not passed on");
        }
    }

    #[test]
    fn nobody_is_nobody() {
        assert!(Observers::default().is_empty());
        let stats = Observers { stats: Some(Stats::new()), ..Observers::default() };
        assert!(!stats.is_empty());
    }
}
