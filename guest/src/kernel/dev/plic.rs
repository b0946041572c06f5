//! The platform-level interrupt controller: which device interrupts, and whom to tell.
//!
//! Source: RISC-V Platform-Level Interrupt Controller Specification, "Memory Map".

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use guest::board::Span;

use super::{Registers, board};
use crate::arch::hart;
use crate::sync::{Once, SpinLock};

/// Priority of a source: a word each.
const PRIORITY: u64 = 0;
/// Sources that a context listens to: a bit each.
const ENABLE: u64 = 0x2000;
const ENABLE_STRIDE: u64 = 0x80;
/// A context's threshold, and behind it the register to claim and complete.
const CONTEXT: u64 = 0x20_0000;
const CONTEXT_STRIDE: u64 = 0x1000;
const CLAIM: u64 = 4;

/// Sources that can be registered.
const MAX_SOURCES: usize = 64;

/// What to do when a source interrupts.
#[derive(Clone, Copy)]
struct Handler {
    name: &'static str,
    f: fn(usize),
    argument: usize,
}

static REGISTERS: Once<Registers> = Once::new();
static HANDLERS: SpinLock<[Option<Handler>; MAX_SOURCES]> = SpinLock::new([None; MAX_SOURCES]);

/// How often each source was served, all by the one hart.
static TAKEN: [AtomicU64; MAX_SOURCES] = [const { AtomicU64::new(0) }; MAX_SOURCES];
/// Which hart that is.
static SERVER: AtomicUsize = AtomicUsize::new(0);

/// Each source that somebody listens to: number, name, how often it was served, and by which hart.
pub(crate) fn for_each_source(mut visit: impl FnMut(usize, &'static str, u64, usize)) {
    let handlers = *HANDLERS.lock();
    for (source, handler) in handlers.iter().enumerate() {
        if let Some(handler) = handler {
            let taken = TAKEN[source].load(Ordering::Relaxed);
            visit(source, handler.name, taken, SERVER.load(Ordering::Relaxed));
        }
    }
}

pub(super) fn begin(span: Span) {
    REGISTERS.set(Registers::new(span));
}

/// Lets this hart take every source that is registered, or will be. One hart does: more would all
/// be interrupted, and race for what one can take.
pub(super) fn take_all() {
    let (Some(registers), Some(context)) = (REGISTERS.get(), context_of(hart::index())) else {
        return;
    };
    SERVER.store(hart::index(), Ordering::Relaxed);
    for word in 0..MAX_SOURCES as u64 / 32 {
        registers.write_u32(ENABLE + ENABLE_STRIDE * context + 4 * word, u32::MAX);
    }
    registers.write_u32(CONTEXT + CONTEXT_STRIDE * context, 0);
}

fn context_of(index: usize) -> Option<u64> {
    let id = hart::get(index).id.load(Ordering::Relaxed);
    let hart = board().harts.iter().find(|hart| hart.id == id)?;
    hart.plic_context.map(u64::from)
}

/// Has `f(argument)` called, with interrupts off, whenever this source interrupts, which is `name`'s.
pub(crate) fn register_interrupt(source: u32, name: &'static str, f: fn(usize), argument: usize) {
    let Some(registers) = REGISTERS.get() else { return };
    assert!(source > 0 && (source as usize) < MAX_SOURCES, "source {source} is none");
    HANDLERS.lock()[source as usize] = Some(Handler { name, f, argument });
    registers.write_u32(PRIORITY + 4 * u64::from(source), 1);
}

/// An external interrupt of this hart: serves every source that is pending.
pub(crate) fn interrupt() {
    let (Some(registers), Some(context)) = (REGISTERS.get(), context_of(hart::index())) else {
        return;
    };
    let claim = CONTEXT + CONTEXT_STRIDE * context + CLAIM;
    loop {
        let source = registers.read_u32(claim);
        if source == 0 {
            return;
        }
        let handler = HANDLERS.lock().get(source as usize).copied().flatten();
        if let Some(handler) = handler {
            TAKEN[source as usize].fetch_add(1, Ordering::Relaxed);
            (handler.f)(handler.argument);
        }
        registers.write_u32(claim, source);
    }
}
