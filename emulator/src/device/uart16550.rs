//! The serial port: a 16550 with its two FIFOs, transmitting to a byte sink and receiving from a
//! channel. Transmission takes no time, so the transmitter is always empty; received bytes wait
//! in the channel until the FIFO has room, so that none is lost. Only the time-out that tells of
//! bytes below the trigger level goes by the line's speed.
//!
//! Source: National Semiconductor, "PC16550D Universal Asynchronous Receiver/Transmitter with
//! FIFOs"; register names are that data sheet's.

use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::sync::mpsc::Receiver;

use super::TICK_NS;
use crate::addr::Width;
use crate::bus::{BusFault, Device, DeviceCx};

/// Size of the register window in bytes; registers fill the first eight.
pub const LEN_BYTES: u64 = 0x100;

/// Frequency of the crystal, as QEMU's `virt` describes it to kernels.
pub const CLOCK_HZ: u64 = 3_686_400;
/// Crystal cycles in a bit at divisor 1.
const CLOCKS_PER_BIT: u64 = 16;

/// Character times without a received or a read byte, after which waiting bytes are told of.
const TIMEOUT_CHARACTERS: u64 = 4;

/// Capacity of the receive FIFO; of one byte while FIFOs are off.
const FIFO_BYTES: usize = 16;

/// Register offsets; `LCR.DLAB` puts the divisor latch in the place of the first two.
pub(crate) mod offset {
    /// RBR when read, THR when written, DLL with DLAB.
    pub(crate) const DATA: u64 = 0;
    /// IER, DLM with DLAB.
    pub(super) const IER: u64 = 1;
    /// IIR when read, FCR when written.
    pub(super) const IIR_FCR: u64 = 2;
    pub(super) const LCR: u64 = 3;
    pub(super) const MCR: u64 = 4;
    pub(crate) const LSR: u64 = 5;
    pub(super) const MSR: u64 = 6;
    pub(super) const SCR: u64 = 7;
}

/// IER: interrupt when data has been received.
const IER_RECEIVED: u8 = 1 << 0;
/// IER: interrupt when the transmitter holding register is empty.
const IER_THR_EMPTY: u8 = 1 << 1;
/// IER: interrupt on receiver line status.
const IER_LINE_STATUS: u8 = 1 << 2;
/// IER: interrupt when the modem status has changed.
const IER_MODEM_STATUS: u8 = 1 << 3;
/// IER: the bits that exist.
const IER_MASK: u8 = 0x0f;

/// IIR: modem status.
const IIR_MODEM_STATUS: u8 = 0b0000;
/// IIR: nothing pending.
const IIR_NONE: u8 = 0b0001;
/// IIR: transmitter holding register empty.
const IIR_THR_EMPTY: u8 = 0b0010;
/// IIR: received data available, or the trigger level reached.
const IIR_RECEIVED: u8 = 0b0100;
/// IIR: receiver line status.
const IIR_LINE_STATUS: u8 = 0b0110;
/// IIR: data waits below the trigger level.
const IIR_TIMEOUT: u8 = 0b1100;
/// IIR: FIFOs are enabled.
const IIR_FIFOS: u8 = 0b1100_0000;

const FCR_ENABLE: u8 = 1 << 0;
const FCR_CLEAR_RECEIVER: u8 = 1 << 1;
/// Received bytes at which the interrupt comes, by the two high bits of FCR.
const TRIGGER_LEVELS: [usize; 4] = [1, 4, 8, 14];

/// LCR: bits of a character beyond 5.
const LCR_CHARACTER: u8 = 0b11;
/// LCR: a second stop bit, or half of one.
const LCR_STOP: u8 = 1 << 2;
const LCR_PARITY: u8 = 1 << 3;
/// LCR: the line is held at spacing.
const LCR_BREAK: u8 = 1 << 6;
const LCR_DLAB: u8 = 1 << 7;

const MCR_MASK: u8 = 0x1f;
const MCR_LOOP: u8 = 1 << 4;
/// MCR: auxiliary output 2, high after reset as on QEMU's `virt`.
const MCR_OUT2: u8 = 1 << 3;

pub(crate) const LSR_DATA_READY: u8 = 1 << 0;
const LSR_OVERRUN: u8 = 1 << 1;
/// LSR, and in what was received: the line was held at spacing, and the byte is none.
const LSR_BREAK: u8 = 1 << 4;
/// LSR: something in the FIFO is not as it should be.
const LSR_FIFO_ERROR: u8 = 1 << 7;
/// LSR: transmitter holding register and transmitter are empty.
const LSR_IDLE: u8 = 1 << 5 | 1 << 6;

/// MSR: clear to send, data set ready, carrier detected: a terminal is always there.
const MSR_CONNECTED: u8 = 1 << 4 | 1 << 5 | 1 << 7;
/// MSR: ring indicator, whose delta notes only its end.
const MSR_RING: u8 = 1 << 6;
/// Distance of an input's delta below the input.
const MSR_DELTA_SHIFT: u32 = 4;

/// What a place in the receive FIFO holds.
#[derive(Clone, Copy, Debug)]
struct Received {
    byte: u8,
    /// What LSR shows when this comes to the front, until LSR is read.
    errors: u8,
}

/// Registers, receive FIFO and the two ends of the line.
pub struct Uart16550 {
    sink: Box<dyn Write + Send>,
    /// Bytes on their way in; `None` once the other end has hung up.
    line_in: Option<Receiver<u8>>,
    /// Bit of the interrupt line among the platform's sources.
    source: u64,
    received: VecDeque<Received>,
    /// When a byte was last received or read, in ticks of the timebase.
    last_traffic: u64,
    /// Time of the access or poll that goes on, in ticks of the timebase.
    now: u64,
    /// The time-out has come and nothing was read since.
    has_timed_out: bool,
    ier: u8,
    fcr: u8,
    lcr: u8,
    mcr: u8,
    scr: u8,
    divisor: u16,
    overrun: bool,
    /// MSR inputs that have changed since MSR was read.
    msr_deltas: u8,
    /// THR has become empty and IIR has not told so yet.
    thr_emptied: bool,
}

impl Uart16550 {
    /// A port that transmits into `sink`, which its owner flushes, receives from `line_in` and
    /// interrupts on `source` (0 to 63).
    pub fn new(source: u32, sink: Box<dyn Write + Send>, line_in: Receiver<u8>) -> Self {
        Self {
            sink,
            line_in: Some(line_in),
            source: 1 << source,
            received: VecDeque::with_capacity(FIFO_BYTES),
            last_traffic: 0,
            now: 0,
            has_timed_out: false,
            ier: 0,
            fcr: 0,
            lcr: 0,
            mcr: MCR_OUT2,
            scr: 0,
            // 9600 baud.
            divisor: 24,
            overrun: false,
            msr_deltas: 0,
            thr_emptied: false,
        }
    }

    fn has_fifos(&self) -> bool {
        self.fcr & FCR_ENABLE != 0
    }

    fn capacity(&self) -> usize {
        if self.has_fifos() { FIFO_BYTES } else { 1 }
    }

    /// Takes waiting bytes from the line while there is room. The line is cut in loopback.
    fn fill(&mut self) {
        while self.mcr & MCR_LOOP == 0 && self.received.len() < self.capacity() {
            let Some(line) = &self.line_in else { return };
            match line.try_recv() {
                Ok(byte) => self.receive(Received { byte, errors: 0 }),
                Err(std::sync::mpsc::TryRecvError::Empty) => return,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => self.line_in = None,
            }
        }
    }

    /// Puts what has come over the line into the FIFO. Without room, a FIFO keeps what it has,
    /// a single register does not.
    fn receive(&mut self, received: Received) {
        self.last_traffic = self.now;
        if self.received.len() >= self.capacity() {
            self.overrun = true;
            if self.has_fifos() {
                return;
            }
            self.received.clear();
        }
        self.received.push_back(received);
    }

    fn transmit(&mut self, byte: u8) {
        self.thr_emptied = true;
        if self.mcr & MCR_LOOP != 0 {
            return self.receive(Received { byte, errors: 0 });
        }
        if let Err(error) = self.sink.write_all(&[byte]) {
            // The guest cannot see that nobody listens any more.
            log::warn!("uart0: output is lost from here on: {error}");
            self.sink = Box::new(std::io::sink());
        }
    }

    /// When bytes below the trigger level are told of, in ticks of the timebase.
    ///
    /// Source: "FIFO Interrupt Mode Operation".
    fn timeout_at(&self) -> u64 {
        let flag = |bit| u64::from(self.lcr & bit != 0);
        let bits =
            1 + 5 + u64::from(self.lcr & LCR_CHARACTER) + flag(LCR_PARITY) + 1 + flag(LCR_STOP);
        // A divisor of 0 stops a real chip's line; here it is as fast as can be.
        let clocks = TIMEOUT_CHARACTERS * bits * CLOCKS_PER_BIT * u64::from(self.divisor.max(1));
        let ticks_per_second = 1_000_000_000 / TICK_NS;
        self.last_traffic.saturating_add((clocks * ticks_per_second).div_ceil(CLOCK_HZ))
    }

    /// Notes the time, and the time-out where it has come.
    fn advance(&mut self, now: u64) {
        self.now = now;
        self.has_timed_out |= self.is_below_trigger() && now >= self.timeout_at();
    }

    /// Whether bytes wait that are too few to be told of before the time-out.
    fn is_below_trigger(&self) -> bool {
        let level = TRIGGER_LEVELS[usize::from(self.fcr >> 6)];
        self.has_fifos() && (1..level).contains(&self.received.len())
    }

    /// The pending interrupt of the highest priority, as IIR encodes it.
    fn pending(&self) -> u8 {
        let enabled = |bit| self.ier & bit != 0;
        let errors = self.received.front().map_or(0, |received| received.errors);
        if enabled(IER_LINE_STATUS) && (self.overrun || errors != 0) {
            IIR_LINE_STATUS
        } else if enabled(IER_RECEIVED) && !self.received.is_empty() && !self.is_below_trigger() {
            IIR_RECEIVED
        } else if enabled(IER_RECEIVED) && self.has_timed_out {
            IIR_TIMEOUT
        } else if enabled(IER_THR_EMPTY) && self.thr_emptied {
            IIR_THR_EMPTY
        } else if enabled(IER_MODEM_STATUS) && self.msr_deltas != 0 {
            IIR_MODEM_STATUS
        } else {
            IIR_NONE
        }
    }

    fn drive(&self, cx: &mut DeviceCx<'_>) {
        if self.pending() == IIR_NONE {
            cx.irq.sources &= !self.source;
        } else {
            cx.irq.sources |= self.source;
        }
    }

    fn read_iir(&mut self) -> u8 {
        let pending = self.pending();
        if pending == IIR_THR_EMPTY {
            self.thr_emptied = false;
        }
        pending | if self.has_fifos() { IIR_FIFOS } else { 0 }
    }

    /// Reading shows the errors of the front byte and forgets them.
    fn read_lsr(&mut self) -> u8 {
        let any_errors = self.received.iter().any(|received| received.errors != 0);
        let fifo_error = if self.has_fifos() && any_errors { LSR_FIFO_ERROR } else { 0 };
        let overrun = if std::mem::take(&mut self.overrun) { LSR_OVERRUN } else { 0 };
        let front = match self.received.front_mut() {
            Some(received) => LSR_DATA_READY | std::mem::take(&mut received.errors),
            None => 0,
        };
        LSR_IDLE | fifo_error | overrun | front
    }

    fn read_data(&mut self) -> u8 {
        let received = self.received.pop_front();
        (self.last_traffic, self.has_timed_out) = (self.now, false);
        self.fill();
        received.map_or(0, |received| received.byte)
    }

    /// The modem's inputs, as MSR shows them.
    fn msr_inputs(&self) -> u8 {
        if self.mcr & MCR_LOOP == 0 {
            return MSR_CONNECTED;
        }
        // In loopback DTR, RTS, OUT1 and OUT2 come back as DSR, CTS, RI and DCD.
        let wire = |from: u32, to: u32| (self.mcr >> from & 1) << to;
        wire(0, 5) | wire(1, 4) | wire(2, 6) | wire(3, 7)
    }

    fn write_mcr(&mut self, value: u8) {
        let before = self.msr_inputs();
        self.mcr = value & MCR_MASK;
        let after = self.msr_inputs();
        let rings_on = after & MSR_RING;
        self.msr_deltas |= ((before ^ after) & !rings_on) >> MSR_DELTA_SHIFT;
    }

    /// A break goes nowhere but back in loopback; what is transmitted meanwhile arrives.
    fn write_lcr(&mut self, value: u8) {
        let begins = value & !self.lcr & LCR_BREAK != 0;
        self.lcr = value;
        if begins && self.mcr & MCR_LOOP != 0 {
            self.receive(Received { byte: 0, errors: LSR_BREAK });
        }
    }

    fn write_fcr(&mut self, value: u8) {
        let toggled = (self.fcr ^ value) & FCR_ENABLE != 0;
        if toggled || value & FCR_ENABLE != 0 && value & FCR_CLEAR_RECEIVER != 0 {
            self.received.clear();
            self.has_timed_out = false;
        }
        // The other bits are only programmed together with the enable.
        self.fcr = if value & FCR_ENABLE != 0 { value & (0xc0 | FCR_ENABLE) } else { 0 };
    }

    fn read_register(&mut self, offset: u64) -> Result<u8, BusFault> {
        let dlab = self.lcr & LCR_DLAB != 0;
        Ok(match offset {
            offset::DATA if dlab => self.divisor as u8,
            offset::DATA => self.read_data(),
            offset::IER if dlab => (self.divisor >> 8) as u8,
            offset::IER => self.ier,
            offset::IIR_FCR => self.read_iir(),
            offset::LCR => self.lcr,
            offset::MCR => self.mcr,
            offset::LSR => self.read_lsr(),
            offset::MSR => self.msr_inputs() | std::mem::take(&mut self.msr_deltas),
            offset::SCR => self.scr,
            _ => return Err(BusFault),
        })
    }

    fn write_register(&mut self, offset: u64, value: u8) -> Result<(), BusFault> {
        let dlab = self.lcr & LCR_DLAB != 0;
        match offset {
            offset::DATA if dlab => self.divisor = self.divisor & 0xff00 | u16::from(value),
            offset::DATA => self.transmit(value),
            offset::IER if dlab => self.divisor = self.divisor & 0xff | u16::from(value) << 8,
            offset::IER => {
                // Enabling the interrupt while the transmitter is empty raises it.
                self.thr_emptied |= value & !self.ier & IER_THR_EMPTY != 0;
                self.ier = value & IER_MASK;
            }
            offset::IIR_FCR => self.write_fcr(value),
            offset::LCR => self.write_lcr(value),
            offset::MCR => self.write_mcr(value),
            // The data sheet reserves writes to LSR for the factory; MSR is read-only.
            offset::LSR | offset::MSR => {}
            offset::SCR => self.scr = value,
            _ => return Err(BusFault),
        }
        Ok(())
    }
}

impl Device for Uart16550 {
    fn name(&self) -> &'static str {
        "uart0"
    }

    /// Wider accesses reach the one register at `offset`, as on QEMU: guests do store words.
    fn read(&mut self, offset: u64, _: Width, cx: &mut DeviceCx<'_>) -> Result<u64, BusFault> {
        self.advance(cx.mtime);
        let value = self.read_register(offset)?;
        self.drive(cx);
        Ok(value.into())
    }

    fn write(
        &mut self,
        offset: u64,
        _: Width,
        value: u64,
        cx: &mut DeviceCx<'_>,
    ) -> Result<(), BusFault> {
        self.advance(cx.mtime);
        self.write_register(offset, value as u8)?;
        self.drive(cx);
        Ok(())
    }

    fn poll(&mut self, cx: &mut DeviceCx<'_>) {
        self.advance(cx.mtime);
        self.fill();
        self.drive(cx);
    }

    fn deadline(&self, mtime: u64) -> Option<u64> {
        let is_awaited = self.is_below_trigger() && !self.has_timed_out;
        let is_heard = self.ier & IER_RECEIVED != 0;
        (is_awaited && is_heard).then(|| self.timeout_at()).filter(|at| *at > mtime)
    }

    fn reset(&mut self) {
        let sink = std::mem::replace(&mut self.sink, Box::new(std::io::sink()));
        let fresh = Self {
            line_in: self.line_in.take(),
            source: self.source,
            ..Self::new(0, sink, std::sync::mpsc::channel().1)
        };
        *self = fresh;
    }

    fn register_name(&self, offset: u64) -> Option<&'static str> {
        let dlab = self.lcr & LCR_DLAB != 0;
        let names: [&'static str; 8] = if dlab {
            ["DLL", "DLM", "IIR/FCR", "LCR", "MCR", "LSR", "MSR", "SCR"]
        } else {
            ["RBR/THR", "IER", "IIR/FCR", "LCR", "MCR", "LSR", "MSR", "SCR"]
        };
        names.get(usize::try_from(offset).ok()?).copied()
    }
}

impl fmt::Debug for Uart16550 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uart16550")
            .field("received", &self.received)
            .field("ier", &self.ier)
            .field("fcr", &self.fcr)
            .field("lcr", &self.lcr)
            .field("mcr", &self.mcr)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
