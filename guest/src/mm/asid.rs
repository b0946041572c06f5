//! [`Asids`]: the numbers by which TLBs tell address spaces apart, and what to flush where.
//!
//! A [`Context`] gets a number when it is switched to and keeps it for the *generation*. When the
//! numbers are used up, the next generation begins: every hart forgets everything before it runs
//! with a number of it. Only numbers that harts run with at that moment stay with their contexts.
//! Where there are too few numbers for that, every switch flushes.
//!
//! A fence interrupts only harts that run in the space; the others that may remember it forget it
//! when they next switch to it. Pure: what the harts must do is returned. All of this is called
//! with one lock held.

/// How many harts there may be: a bit each in the masks.
pub const HARTS_MAX: usize = 64;
/// Widest ASIDs of Sv39, in bits.
pub const WIDTH_MAX_BITS: u32 = 16;
/// The number that spaces without one run with, and the kernel.
const NO_ASID: u16 = 0;

/// Names a context for good; 0 is none.
type ContextId = u64;

/// What is known of an address space's translations; belongs to it.
#[derive(Debug, Default)]
pub struct Context {
    id: ContextId,
    generation: u64,
    asid: u16,
    /// Harts that may hold translations.
    holds: u64,
    /// Harts that have to forget them before they run with it.
    stale: u64,
}

impl Context {
    /// Harts that may hold translations of the space.
    pub const fn harts(&self) -> u64 {
        self.holds
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

/// How to switch to a space: write `satp` with this ASID, then flush, then go on to user mode.
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
    pub fn switch(&mut self, hart: usize, context: &mut Context) -> Switch {
        let bit = 1 << hart;
        if context.id == 0 {
            self.contexts += 1;
            context.id = self.contexts;
        }
        let stays = self.active[hart].context == context.id;
        if self.last > 0 && context.generation != self.generation && !stays {
            self.renew(context);
        }
        let active = &mut self.active[hart];
        let flush = if stays {
            Flush::None
        } else if self.last == 0 || active.generation != self.generation {
            Flush::All
        } else if context.stale & bit != 0 {
            Flush::Asid(context.asid)
        } else {
            Flush::None
        };
        if !stays {
            let generation = self.generation;
            *active = Active { context: context.id, asid: context.asid, generation };
        }
        context.holds |= bit;
        context.stale &= !bit;
        Switch { asid: context.asid, flush }
    }

    /// The hart has left its space and runs the kernel with `satp` on the kernel's own table.
    pub fn leave(&mut self, hart: usize) {
        let active = &mut self.active[hart];
        (active.context, active.asid) = (0, NO_ASID);
    }

    /// Translations of the space have changed: these harts have to forget them before anybody
    /// relies on it.
    pub fn fence(&mut self, context: &mut Context) -> Fence {
        let mut harts = 0;
        if context.holds != 0 {
            for (hart, active) in self.active[..self.harts].iter().enumerate() {
                harts |= u64::from(active.context == context.id) << hart;
            }
        }
        context.stale |= context.holds & !harts;
        context.holds = harts | context.stale;
        Fence { asid: context.asid, harts }
    }

    /// Gives the context a number of this generation.
    fn renew(&mut self, context: &mut Context) {
        let reserved = &self.reserved[..self.harts];
        if !reserved.iter().any(|(id, _)| *id == context.id) {
            context.asid = self.take_number();
            // No hart has entered this generation without forgetting everything.
            (context.holds, context.stale) = (0, 0);
        }
        context.generation = self.generation;
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
