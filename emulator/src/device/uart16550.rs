//! The serial port: a 16550 with its two FIFOs, transmitting to a byte sink and receiving from a
//! channel. Transmission takes no time, so the transmitter is always empty; received bytes wait
//! in the channel until the FIFO has room, so that none is lost.
//!
//! Source: National Semiconductor, "PC16550D Universal Asynchronous Receiver/Transmitter with
//! FIFOs"; register names are that data sheet's.

use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::sync::mpsc::Receiver;

use crate::addr::Width;
use crate::bus::{BusFault, Device, DeviceCx};

/// Size of the register window in bytes; registers fill the first eight.
pub const LEN_BYTES: u64 = 0x100;

/// Capacity of the receive FIFO; of one byte while FIFOs are off.
const FIFO_BYTES: usize = 16;

/// Register offsets; `LCR.DLAB` puts the divisor latch in the place of the first two.
mod offset {
    /// RBR when read, THR when written, DLL with DLAB.
    pub(super) const DATA: u64 = 0;
    /// IER, DLM with DLAB.
    pub(super) const IER: u64 = 1;
    /// IIR when read, FCR when written.
    pub(super) const IIR_FCR: u64 = 2;
    pub(super) const LCR: u64 = 3;
    pub(super) const MCR: u64 = 4;
    pub(super) const LSR: u64 = 5;
    pub(super) const MSR: u64 = 6;
    pub(super) const SCR: u64 = 7;
}

/// IER: interrupt when data has been received.
const IER_RECEIVED: u8 = 1 << 0;
/// IER: interrupt when the transmitter holding register is empty.
const IER_THR_EMPTY: u8 = 1 << 1;
/// IER: interrupt on receiver line status.
const IER_LINE_STATUS: u8 = 1 << 2;
/// IER: the bits that exist; modem status never changes by itself here.
const IER_MASK: u8 = 0x0f;

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

const LCR_DLAB: u8 = 1 << 7;

const MCR_MASK: u8 = 0x1f;
const MCR_LOOP: u8 = 1 << 4;
/// MCR: auxiliary output 2, high after reset as on QEMU's `virt`.
const MCR_OUT2: u8 = 1 << 3;

const LSR_DATA_READY: u8 = 1 << 0;
const LSR_OVERRUN: u8 = 1 << 1;
/// LSR: transmitter holding register and transmitter are empty.
const LSR_IDLE: u8 = 1 << 5 | 1 << 6;

/// MSR: clear to send, data set ready, carrier detected: a terminal is always there.
const MSR_CONNECTED: u8 = 1 << 4 | 1 << 5 | 1 << 7;

/// Registers, receive FIFO and the two ends of the line.
pub struct Uart16550 {
    sink: Box<dyn Write + Send>,
    /// Bytes on their way in; `None` once the other end has hung up.
    line_in: Option<Receiver<u8>>,
    /// Bit of the interrupt line among the platform's sources.
    source: u64,
    received: VecDeque<u8>,
    ier: u8,
    fcr: u8,
    lcr: u8,
    mcr: u8,
    scr: u8,
    divisor: u16,
    overrun: bool,
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
            ier: 0,
            fcr: 0,
            lcr: 0,
            mcr: MCR_OUT2,
            scr: 0,
            // 9600 baud at the 3.6864 MHz crystal that QEMU's `virt` describes.
            divisor: 24,
            overrun: false,
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
                Ok(byte) => self.received.push_back(byte),
                Err(std::sync::mpsc::TryRecvError::Empty) => return,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => self.line_in = None,
            }
        }
    }

    fn transmit(&mut self, byte: u8) {
        self.thr_emptied = true;
        if self.mcr & MCR_LOOP != 0 {
            if self.received.len() < self.capacity() {
                self.received.push_back(byte);
            } else {
                self.overrun = true;
            }
            return;
        }
        if let Err(error) = self.sink.write_all(&[byte]) {
            // The guest cannot see that nobody listens any more.
            log::warn!("uart0: output is lost from here on: {error}");
            self.sink = Box::new(std::io::sink());
        }
    }

    /// The pending interrupt of the highest priority, as IIR encodes it.
    fn pending(&self) -> u8 {
        let enabled = |bit| self.ier & bit != 0;
        if enabled(IER_LINE_STATUS) && self.overrun {
            IIR_LINE_STATUS
        } else if enabled(IER_RECEIVED) && !self.received.is_empty() {
            let level = TRIGGER_LEVELS[usize::from(self.fcr >> 6)];
            let reached = !self.has_fifos() || self.received.len() >= level;
            if reached { IIR_RECEIVED } else { IIR_TIMEOUT }
        } else if enabled(IER_THR_EMPTY) && self.thr_emptied {
            IIR_THR_EMPTY
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

    fn read_lsr(&mut self) -> u8 {
        let ready = if self.received.is_empty() { 0 } else { LSR_DATA_READY };
        let overrun = if std::mem::take(&mut self.overrun) { LSR_OVERRUN } else { 0 };
        LSR_IDLE | ready | overrun
    }

    fn read_msr(&self) -> u8 {
        if self.mcr & MCR_LOOP == 0 {
            return MSR_CONNECTED;
        }
        // In loopback DTR, RTS, OUT1 and OUT2 come back as DSR, CTS, RI and DCD.
        let wire = |from: u32, to: u32| (self.mcr >> from & 1) << to;
        wire(0, 5) | wire(1, 4) | wire(2, 6) | wire(3, 7)
    }

    fn write_fcr(&mut self, value: u8) {
        let toggled = (self.fcr ^ value) & FCR_ENABLE != 0;
        if toggled || value & FCR_ENABLE != 0 && value & FCR_CLEAR_RECEIVER != 0 {
            self.received.clear();
        }
        // The other bits are only programmed together with the enable.
        self.fcr = if value & FCR_ENABLE != 0 { value & (0xc0 | FCR_ENABLE) } else { 0 };
    }

    fn read_register(&mut self, offset: u64) -> Result<u8, BusFault> {
        let dlab = self.lcr & LCR_DLAB != 0;
        Ok(match offset {
            offset::DATA if dlab => self.divisor as u8,
            offset::DATA => {
                let byte = self.received.pop_front().unwrap_or(0);
                self.fill();
                byte
            }
            offset::IER if dlab => (self.divisor >> 8) as u8,
            offset::IER => self.ier,
            offset::IIR_FCR => self.read_iir(),
            offset::LCR => self.lcr,
            offset::MCR => self.mcr,
            offset::LSR => self.read_lsr(),
            offset::MSR => self.read_msr(),
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
            offset::LCR => self.lcr = value,
            offset::MCR => self.mcr = value & MCR_MASK,
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
        self.write_register(offset, value as u8)?;
        self.drive(cx);
        Ok(())
    }

    fn poll(&mut self, cx: &mut DeviceCx<'_>) {
        self.fill();
        self.drive(cx);
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
