//! The platform-level interrupt controller: takes the platform's interrupt sources, each through
//! a gateway of its own, and offers the most urgent one to every context that enables it. Contexts
//! and offsets are those of SiFive's PLIC as QEMU's `virt` has it: two contexts per hart, M-mode's
//! and S-mode's. The lines go in and out through [`crate::bus::IrqLines`].
//!
//! Source: RISC-V Platform-Level Interrupt Controller Specification.

use super::only_words;
use crate::addr::Width;
use crate::bus::{BusFault, Device, DeviceCx};

/// Size of the register window in bytes.
pub const LEN_BYTES: u64 = 0x60_0000;

/// Sources that exist: 1 to 63. Number 0 means that there is no interrupt.
pub const MAX_SOURCE: u32 = 63;

/// Harts that one PLIC serves at most: a bit each in the interrupt lines.
pub const MAX_HARTS: usize = 64;

/// Priority of source 0; one 32-bit register per source follows.
const PRIORITY: u64 = 0;
/// Pending bits, 32 sources in a register.
const PENDING: u64 = 0x1000;
/// Enable bits of context 0, 32 sources in a register.
const ENABLE: u64 = 0x2000;
/// Distance in bytes to the enable bits of the next context.
const ENABLE_STRIDE_BYTES: u64 = 0x80;
/// Threshold of context 0; claim and complete are the next register.
const THRESHOLD: u64 = 0x20_0000;
/// Distance in bytes to the threshold of the next context.
const THRESHOLD_STRIDE_BYTES: u64 = 0x1000;

/// Priorities and thresholds have three bits; a source of priority 0 never interrupts.
const PRIORITY_MASK: u32 = 7;
/// The sources that exist, as bits.
const SOURCES: u64 = !1;

/// What one context, a mode of a hart, wants to hear of.
#[derive(Clone, Debug, Default)]
struct Context {
    enabled: u64,
    threshold: u32,
}

/// The controller's registers.
#[derive(Debug)]
pub struct Plic {
    priority: [u32; MAX_SOURCE as usize + 1],
    /// Requests that gateways have forwarded and nobody has claimed.
    pending: u64,
    /// Sources whose gateway waits for completion before it forwards another request.
    in_service: u64,
    /// Of hart `n`: `2n` is M-mode's, `2n + 1` S-mode's.
    contexts: Vec<Context>,
}

#[derive(Clone, Copy, Debug)]
enum Register {
    Priority { source: usize },
    Pending { word: u32 },
    Enable { context: usize, word: u32 },
    Threshold { context: usize },
    Claim { context: usize },
}

impl Register {
    /// The register at `offset`, whether or not its source or context exists.
    fn at(offset: u64) -> Option<Self> {
        let word = |base: u64| ((offset - base) / 4) as usize;
        Some(match offset {
            PRIORITY..PENDING => Self::Priority { source: word(PRIORITY) },
            PENDING..ENABLE => Self::Pending { word: word(PENDING) as u32 },
            ENABLE..THRESHOLD => {
                let context = ((offset - ENABLE) / ENABLE_STRIDE_BYTES) as usize;
                let word = (offset - ENABLE) % ENABLE_STRIDE_BYTES / 4;
                Self::Enable { context, word: word as u32 }
            }
            THRESHOLD.. => {
                let context = ((offset - THRESHOLD) / THRESHOLD_STRIDE_BYTES) as usize;
                match (offset - THRESHOLD) % THRESHOLD_STRIDE_BYTES {
                    0 => Self::Threshold { context },
                    4 => Self::Claim { context },
                    _ => return None,
                }
            }
        })
    }
}

/// Where 32 of the 64 sources are in a word of all; none where the register has no sources.
fn shift(word: u32) -> Option<u32> {
    (word < 2).then_some(32 * word)
}

impl Plic {
    /// A PLIC for `harts` harts, in its state after reset.
    ///
    /// # Panics
    /// Where `harts` exceeds [`MAX_HARTS`].
    pub fn new(harts: usize) -> Self {
        assert!(harts <= MAX_HARTS);
        Self {
            priority: [0; MAX_SOURCE as usize + 1],
            pending: 0,
            in_service: 0,
            contexts: vec![Context::default(); 2 * harts],
        }
    }

    /// Lets the gateways look at their sources. A request once forwarded is not taken back.
    ///
    /// Source: "Interrupt Gateways".
    fn sample(&mut self, sources: u64) {
        self.pending |= sources & SOURCES & !self.in_service;
    }

    /// The most urgent source that is pending and enabled in `context`, with its priority; among
    /// equals the lowest number. No source where every priority is 0.
    ///
    /// Source: "Interrupt Priorities".
    fn most_urgent(&self, context: &Context) -> Option<(usize, u32)> {
        let mut best = None;
        let mut left = self.pending & context.enabled;
        while left != 0 {
            let source = left.trailing_zeros() as usize;
            left &= left - 1;
            let priority = self.priority[source];
            if priority > best.map_or(0, |(_, priority)| priority) {
                best = Some((source, priority));
            }
        }
        best
    }

    fn drive(&self, cx: &mut DeviceCx<'_>) {
        let line = |context: &Context| {
            let priority = self.most_urgent(context).map_or(0, |(_, priority)| priority);
            u64::from(priority > context.threshold)
        };
        (cx.irq.meip, cx.irq.seip) = (0, 0);
        for (hart, contexts) in self.contexts.chunks_exact(2).enumerate() {
            cx.irq.meip |= line(&contexts[0]) << hart;
            cx.irq.seip |= line(&contexts[1]) << hart;
        }
    }

    /// Hands the most urgent source to `context`, whatever its threshold; 0 where there is none.
    ///
    /// Source: "Interrupt Claim Process".
    fn claim(&mut self, context: usize) -> u32 {
        let Some(context) = self.contexts.get(context) else { return 0 };
        let Some((source, _)) = self.most_urgent(context) else { return 0 };
        self.pending &= !(1 << source);
        self.in_service |= 1 << source;
        source as u32
    }

    /// Opens the gateway of `source` again. A context that does not enable the source says
    /// nothing.
    ///
    /// Source: "Interrupt Completion".
    fn complete(&mut self, context: usize, source: u32) {
        let Some(context) = self.contexts.get(context) else { return };
        let bit = if source <= MAX_SOURCE { 1 << source } else { 0 };
        self.in_service &= !(bit & context.enabled);
    }

    fn read_register(&mut self, register: Register) -> u32 {
        let part = |bits: u64, word| shift(word).map_or(0, |shift| (bits >> shift) as u32);
        match register {
            Register::Priority { source } => self.priority.get(source).copied().unwrap_or(0),
            Register::Pending { word } => part(self.pending, word),
            Register::Enable { context, word } => {
                self.contexts.get(context).map_or(0, |context| part(context.enabled, word))
            }
            Register::Threshold { context } => {
                self.contexts.get(context).map_or(0, |context| context.threshold)
            }
            Register::Claim { context } => self.claim(context),
        }
    }

    fn write_register(&mut self, register: Register, value: u32) {
        match register {
            Register::Priority { source: source @ 1.. } => {
                if let Some(priority) = self.priority.get_mut(source) {
                    *priority = value & PRIORITY_MASK;
                }
            }
            // Source 0 does not exist, and only gateways and claims change what is pending.
            Register::Priority { .. } | Register::Pending { .. } => {}
            Register::Enable { context, word } => {
                if let (Some(context), Some(shift)) = (self.contexts.get_mut(context), shift(word))
                {
                    let kept = context.enabled & !(u64::from(u32::MAX) << shift);
                    context.enabled = (kept | u64::from(value) << shift) & SOURCES;
                }
            }
            Register::Threshold { context } => {
                if let Some(context) = self.contexts.get_mut(context) {
                    context.threshold = value & PRIORITY_MASK;
                }
            }
            Register::Claim { context } => self.complete(context, value),
        }
    }
}

impl Device for Plic {
    fn name(&self) -> &'static str {
        "plic"
    }

    /// What belongs to no source and no context reads as zero, as on QEMU.
    fn read(&mut self, offset: u64, width: Width, cx: &mut DeviceCx<'_>) -> Result<u64, BusFault> {
        only_words(offset, width)?;
        self.sample(cx.irq.sources);
        let value = Register::at(offset).map_or(0, |register| self.read_register(register));
        self.drive(cx);
        Ok(value.into())
    }

    fn write(
        &mut self,
        offset: u64,
        width: Width,
        value: u64,
        cx: &mut DeviceCx<'_>,
    ) -> Result<(), BusFault> {
        only_words(offset, width)?;
        self.sample(cx.irq.sources);
        if let Some(register) = Register::at(offset) {
            self.write_register(register, value as u32);
        }
        // A completed source that is still high makes its next request at once.
        self.sample(cx.irq.sources);
        self.drive(cx);
        Ok(())
    }

    fn poll(&mut self, cx: &mut DeviceCx<'_>) {
        self.sample(cx.irq.sources);
        self.drive(cx);
    }

    fn reset(&mut self) {
        *self = Self::new(self.contexts.len() / 2);
    }

    fn register_name(&self, offset: u64) -> Option<&'static str> {
        Register::at(offset).map(|register| match register {
            Register::Priority { .. } => "priority",
            Register::Pending { .. } => "pending",
            Register::Enable { .. } => "enable",
            Register::Threshold { .. } => "threshold",
            Register::Claim { .. } => "claim",
        })
    }
}

#[cfg(test)]
mod tests;
