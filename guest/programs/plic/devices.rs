//! Registers of the controller and of its two sources; a source that is raised and lowered at
//! will.

use core::sync::atomic::{AtomicBool, Ordering};

use guest_runtime::board::{self, PLIC, RTC, UART};
use guest_runtime::mmio::{read_byte, read_word, write_byte, write_word};

/// A context of hart 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    Machine = 0,
    Supervisor = 1,
}

pub(crate) const CONTEXTS: [Context; 2] = [Context::Machine, Context::Supervisor];

fn priority_at(source: u32) -> u64 {
    PLIC + 4 * u64::from(source)
}

pub(crate) fn priority(source: u32) -> u32 {
    read_word(priority_at(source))
}

pub(crate) fn set_priority(source: u32, priority: u32) {
    write_word(priority_at(source), priority);
}

/// Pending bits of sources 0 to 31.
pub(crate) fn pending() -> u32 {
    read_word(PLIC + 0x1000)
}

impl Context {
    fn enable_at(self) -> u64 {
        PLIC + 0x2000 + 0x80 * self as u64
    }

    fn threshold_at(self) -> u64 {
        PLIC + 0x20_0000 + 0x1000 * self as u64
    }

    /// Enable bits of sources 0 to 31, or the word with this number.
    pub(crate) fn enabled(self, word: u64) -> u32 {
        read_word(self.enable_at() + 4 * word)
    }

    pub(crate) fn enable(self, word: u64, sources: u32) {
        self.enable_only(word, sources);
        settle();
    }

    /// Writes the register and nothing else.
    pub(crate) fn enable_only(self, word: u64, sources: u32) {
        write_word(self.enable_at() + 4 * word, sources);
    }

    pub(crate) fn threshold(self) -> u32 {
        read_word(self.threshold_at())
    }

    pub(crate) fn set_threshold(self, threshold: u32) {
        write_word(self.threshold_at(), threshold);
    }

    /// Claims an interrupt: its source, or 0.
    pub(crate) fn claim(self) -> u32 {
        read_word(self.threshold_at() + 4)
    }

    pub(crate) fn complete(self, source: u32) {
        write_word(self.threshold_at() + 4, source);
    }
}

/// A device whose interrupt line is at the program's command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Uart,
    Rtc,
}

pub(crate) const SOURCES: [Source; 2] = [Source::Uart, Source::Rtc];

impl Source {
    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::Uart => board::UART_SOURCE,
            Self::Rtc => board::RTC_SOURCE,
        }
    }

    pub(crate) const fn bit(self) -> u32 {
        1 << self.number()
    }

    /// The transmitter is empty; the alarm was in 1970.
    pub(crate) fn raise(self) {
        match self {
            Self::Uart => write_byte(uart::IER, uart::IER_THR_EMPTY),
            Self::Rtc => {
                write_word(rtc::IRQ_ENABLED, 1);
                rtc::set_alarm(0);
            }
        }
        settle();
    }

    pub(crate) fn lower(self) {
        match self {
            Self::Uart => write_byte(uart::IER, 0),
            Self::Rtc => {
                write_word(rtc::CLEAR_ALARM, 1);
                write_word(rtc::CLEAR_INTERRUPT, 1);
                write_word(rtc::IRQ_ENABLED, 0);
            }
        }
        settle();
    }
}

/// Lets a change travel: an interrupt line takes its time, and QEMU's controller looks at its enable
/// bits only when something else happens.
#[inline(never)]
pub(crate) fn settle() {
    for context in CONTEXTS {
        context.set_threshold(context.threshold());
    }
}

/// Whether completion makes no new request where the line is still up, as on QEMU.
static FORGETS: AtomicBool = AtomicBool::new(false);

pub(crate) fn completion_forgets() {
    FORGETS.store(true, Ordering::Relaxed);
}

/// Whether the source raises its line now, which is expected to be so. What it has asked for before
/// is claimed and completed, so that only the present is pending; where completion forgets, that
/// shows whether it has asked since it was last silent.
pub(crate) fn is_asking(source: Source, expected: bool) -> bool {
    settle();
    let before = pending() & source.bit() != 0;
    let enabled = Context::Machine.enabled(0);
    Context::Machine.enable(0, source.bit());
    Context::Machine.complete(Context::Machine.claim());
    Context::Machine.enable(0, enabled);
    let forgets = FORGETS.load(Ordering::Relaxed) && expected;
    if forgets { before } else { pending() & source.bit() != 0 }
}

/// Nothing is raised, pending, claimed or enabled; both sources have priority 1.
pub(crate) fn calm() {
    const BITS: u32 = Source::Uart.bit() | Source::Rtc.bit();
    for source in SOURCES {
        source.lower();
        set_priority(source.number(), 1);
    }
    for context in CONTEXTS {
        context.set_threshold(0);
        context.enable(0, BITS);
        SOURCES.iter().for_each(|source| context.complete(source.number()));
        while let source @ 1.. = context.claim() {
            context.complete(source);
        }
    }
    CONTEXTS.iter().for_each(|context| context.enable(0, 0));
}

/// Registers of the 16550.
pub(crate) mod uart {
    use super::UART;

    pub(crate) const DATA: u64 = UART;
    pub(crate) const IER: u64 = UART + 1;
    pub(crate) const IIR: u64 = UART + 2;
    pub(crate) const FCR: u64 = UART + 2;
    pub(crate) const MCR: u64 = UART + 4;
    pub(crate) const LSR: u64 = UART + 5;
    pub(crate) const SCR: u64 = UART + 7;

    pub(crate) const IER_RECEIVED: u8 = 1 << 0;
    pub(crate) const IER_THR_EMPTY: u8 = 1 << 1;
    /// What IIR says, but for the two bits that tell of FIFOs.
    pub(crate) const IIR_NONE: u8 = 1;
    pub(crate) const IIR_THR_EMPTY: u8 = 2;
    pub(crate) const IIR_RECEIVED: u8 = 4;
    pub(crate) const IIR_TIMEOUT: u8 = 12;
    pub(crate) const MCR_LOOP: u8 = 1 << 4;
    pub(crate) const LSR_DATA_READY: u8 = 1 << 0;
    pub(crate) const LSR_OVERRUN: u8 = 1 << 1;
    pub(crate) const LSR_EMPTY: u8 = 1 << 5 | 1 << 6;
}

/// Registers of the Goldfish clock.
pub(crate) mod rtc {
    use super::{RTC, read_word, write_word};

    const TIME_LOW: u64 = RTC;
    const TIME_HIGH: u64 = RTC + 4;
    const ALARM_LOW: u64 = RTC + 8;
    const ALARM_HIGH: u64 = RTC + 12;
    pub(crate) const IRQ_ENABLED: u64 = RTC + 16;
    pub(crate) const CLEAR_ALARM: u64 = RTC + 20;
    pub(crate) const ALARM_STATUS: u64 = RTC + 24;
    pub(crate) const CLEAR_INTERRUPT: u64 = RTC + 28;

    /// Nanoseconds since 1970; the high half is that of the moment when the low one was read.
    pub(crate) fn now_ns() -> u64 {
        let low = u64::from(read_word(TIME_LOW));
        u64::from(read_word(TIME_HIGH)) << 32 | low
    }

    pub(crate) fn set_now(ns: u64) {
        write_word(TIME_HIGH, (ns >> 32) as u32);
        write_word(TIME_LOW, ns as u32);
    }

    pub(crate) fn alarm_ns() -> u64 {
        u64::from(read_word(ALARM_HIGH)) << 32 | u64::from(read_word(ALARM_LOW))
    }

    /// Arms the alarm.
    pub(crate) fn set_alarm(ns: u64) {
        write_word(ALARM_HIGH, (ns >> 32) as u32);
        write_word(ALARM_LOW, ns as u32);
    }
}

/// Reads a byte-wide register; here for the parts that only touch the serial port.
pub(crate) fn uart_read(at: u64) -> u8 {
    read_byte(at)
}

pub(crate) fn uart_write(at: u64, value: u8) {
    write_byte(at, value);
}
