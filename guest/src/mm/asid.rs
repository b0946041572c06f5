//! [`Asids`]: the numbers by which TLBs tell address spaces apart, and what to flush where.
//!
//! A [`Context`] gets a number when it is switched to and keeps it for the *generation*. When the
//! numbers are used up, the next generation begins: every hart forgets everything before it runs
//! with a number of it. Only numbers that harts run with at that moment stay with their contexts.
//! Where there are too few numbers for that, every switch flushes.
//!
//! A fence interrupts only harts that run in the space; the others that may remember it forget it
//! when they next switch to it. Pure: what the harts must do is returned.
//!
//! All of this is called with one lock held, and a hart does what [`Asids::switch`] says, `satp`
//! included, before it lets go of that lock. Why no hart uses a translation that a fence which has
//! returned was about, for a context *c* with number *n*, and a hart *h*:
//!
//! 1. *h* translates by *n* only while `active` says that it runs in *c*: both change under the
//!    lock. So what it remembers matters only when it runs in *c* after the fence.
//! 2. If it ran in *c* when the fence was asked for, it is in the answer: `switch` puts it into
//!    `holds` and takes it out of `stale`, `fence` makes nobody stale who runs in *c*, and `renew`
//!    empties `holds` only where nobody does. So it has forgotten *n* meanwhile, and reads what came
//!    before the fence.
//! 3. Otherwise it has switched to *c* since, and the lock lets it see the change. What it remembers
//!    from this generation is from a stay that has put it into `holds`; the fence has made it stale,
//!    and the switch flushes *n*. What it remembers from an earlier one goes with the flush of
//!    everything that its first switch in this generation is.
//! 4. What it remembers under *n* is not another context's: in a generation each number is given
//!    out once, and none that is reserved. What is older is gone, as in 3, when it comes to run with
//!    a number of this generation that is not the one that it has kept all the time.
//!
//! Tables may be freed after a fence, while harts walk for translations that nobody has asked for:
//! from `satp`, and from what they remember under its number. By 1, `satp` never has a space that
//! the fence has passed over. A stale number is forgotten while `satp` still has another one (what
//! the hart ran with has a number of its own, or `NO_ASID`), so nothing is made of it; the flush of
//! everything comes after `satp` and takes along what was made of the old in between.

use core::sync::atomic::{AtomicU64, Ordering};

/// How many harts there may be: a bit each in the masks.
pub const HARTS_MAX: usize = 64;
/// Widest ASIDs of Sv39, in bits.
pub const WIDTH_MAX_BITS: u32 = 16;
/// The number that spaces without one run with, and the kernel.
const NO_ASID: u16 = 0;

/// Names a context for good; 0 is none.
type ContextId = u64;

/// A number that changes only with the lock of [`Asids`] held.
#[derive(Debug, Default)]
struct Word(AtomicU64);

impl Word {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// What is known of an address space's translations; belongs to it.
#[derive(Debug, Default)]
pub struct Context {
    /// A [`ContextId`].
    id: Word,
    generation: Word,
    asid: Word,
    /// Harts that may hold translations.
    holds: Word,
    /// Those of them that have to forget them before they run with it.
    stale: Word,
}

impl Context {
    /// Of a space that no hart knows.
    pub const fn new() -> Self {
        Self {
            id: Word::new(),
            generation: Word::new(),
            asid: Word::new(),
            holds: Word::new(),
            stale: Word::new(),
        }
    }

    /// Its number. It stays while a hart runs in the space: that hart need not hold the lock.
    pub fn asid(&self) -> u16 {
        self.asid.get() as u16
    }

    /// Harts that may hold translations of the space.
    pub fn harts(&self) -> u64 {
        self.holds.get()
    }
}

/// What a hart has to forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// Nothing.
    None,
    /// Entries with this ASID.
    Asid(u16),
    /// Everything.
    All,
}

/// How to switch to a space. A [`Flush::Asid`] comes before `satp` is written with this ASID, a
/// [`Flush::All`] afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    /// The space's number.
    pub asid: u16,
    /// What to forget.
    pub flush: Flush,
}

/// Who has to forget translations of a space now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The number they are under, on all of these harts.
    pub asid: u16,
    /// The harts, a bit each.
    pub harts: u64,
}

/// What a hart runs in.
#[derive(Clone, Copy, Debug, Default)]
struct Active {
    context: ContextId,
    asid: u16,
    /// The generation for which it has forgotten everything.
    generation: u64,
}

/// The numbers.
#[derive(Debug)]
pub struct Asids {
    /// The largest; 0: every switch flushes.
    last: u16,
    generation: u64,
    /// The next to be given out, if it is not reserved.
    next: u32,
    harts: usize,
    active: [Active; HARTS_MAX],
    /// What the harts ran in when the generation began: these contexts keep their numbers.
    reserved: [(ContextId, u16); HARTS_MAX],
    contexts: ContextId,
}

impl Asids {
    /// Numbers of so many bits, for harts 0 to `harts - 1`.
    pub fn new(width_bits: u32, harts: usize) -> Self {
        assert!(width_bits <= WIDTH_MAX_BITS && harts <= HARTS_MAX);
        let last = ((1_u32 << width_bits) - 1) as u16;
        Self {
            // One has to be left when each hart runs with another one.
            last: if usize::from(last) > harts { last } else { 0 },
            generation: 1,
            next: 1,
            harts,
            active: [Active { generation: 1, ..Active::default() }; HARTS_MAX],
            reserved: [(0, NO_ASID); HARTS_MAX],
            contexts: 0,
        }
    }

    /// Whether there are enough numbers to be used.
    pub fn are_used(&self) -> bool {
        self.last > 0
    }

    /// What a hart that is about to run in the space has to do.
    pub fn switch(&mut self, hart: usize, context: &Context) -> Switch {
        let bit = 1 << hart;
        if context.id.get() == 0 {
            self.contexts += 1;
            context.id.set(self.contexts);
        }
        let id = context.id.get();
        if self.active[hart].context == id {
            return Switch { asid: context.asid(), flush: Flush::None };
        }
        if self.last > 0 && context.generation.get() != self.generation {
            self.renew(context);
        }
        let (asid, stale) = (context.asid(), context.stale.get());
        let flush = if self.last == 0 || self.active[hart].generation != self.generation {
            Flush::All
        } else if stale & bit != 0 {
            Flush::Asid(asid)
        } else {
            Flush::None
        };
        self.active[hart] = Active { context: id, asid, generation: self.generation };
        context.holds.set(context.holds.get() | bit);
        context.stale.set(stale & !bit);
        Switch { asid, flush }
    }

    /// The hart has left its space and runs the kernel with `satp` on the kernel's own table.
    pub fn leave(&mut self, hart: usize) {
        let active = &mut self.active[hart];
        (active.context, active.asid) = (0, NO_ASID);
    }

    /// Translations of the space have changed: these harts have to forget them before anybody
    /// relies on it.
    pub fn fence(&mut self, context: &Context) -> Fence {
        let (id, holds, stale) = (context.id.get(), context.holds.get(), context.stale.get());
        // Few are left to be looked at: mostly the one hart that runs in the space.
        let (mut left, mut harts) = (holds & !stale, 0);
        let mut hart = 0;
        while left != 0 {
            if left & 1 != 0 && self.active[hart].context == id {
                harts |= 1 << hart;
            }
            (left, hart) = (left >> 1, hart + 1);
        }
        context.stale.set(holds & !harts);
        Fence { asid: context.asid(), harts }
    }

    /// Gives the context, which this hart does not run in, a number of this generation.
    fn renew(&mut self, context: &Context) {
        let reserved = &self.reserved[..self.harts];
        if !reserved.iter().any(|(id, _)| *id == context.id.get()) {
            context.asid.set(self.take_number().into());
            // No hart has entered this generation without forgetting everything.
            context.holds.set(0);
            context.stale.set(0);
        }
        context.generation.set(self.generation);
    }

    fn take_number(&mut self) -> u16 {
        loop {
            if self.next > self.last.into() {
                self.begin_generation();
            }
            let asid = self.next as u16;
            self.next += 1;
            let reserved = &self.reserved[..self.harts];
            if !reserved.iter().any(|(_, reserved)| *reserved == asid) {
                return asid;
            }
        }
    }

    fn begin_generation(&mut self) {
        self.generation += 1;
        self.next = 1;
        for (reserved, active) in self.reserved.iter_mut().zip(&self.active) {
            *reserved = (active.context, active.asid);
        }
    }
}

#[cfg(test)]
mod tests;
