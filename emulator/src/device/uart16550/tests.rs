//! The serial port as its driver sees it: scripts of register accesses and what they answer.

use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::super::driver::Driver;
use super::*;

const SOURCE: u32 = 10;

/// Sends what it is given down a channel.
struct Sink(Sender<u8>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for byte in bytes {
            self.0.send(*byte).map_err(|_| std::io::ErrorKind::BrokenPipe)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn port() -> (Driver<Uart16550>, Sender<u8>, Receiver<u8>) {
    let (input, line_in) = channel();
    let (sink, output) = channel();
    let uart = Uart16550::new(SOURCE, Box::new(Sink(sink)), line_in);
    (Driver::new(uart), input, output)
}

/// One act of a script.
enum Act {
    Write(u64, u8),
    Read(u64, u8),
    /// Bytes arrive on the line.
    Arrive(&'static [u8]),
    /// Level of the interrupt line.
    Line(bool),
    /// All that has been transmitted since the last look.
    Sent(&'static [u8]),
}
use Act::{Arrive, Line, Read, Sent, Write as Set};
use offset::{DATA, IER, IIR_FCR as IIR, IIR_FCR as FCR, LCR, LSR, MCR, MSR, SCR};

fn check(script: &[Act]) {
    let (mut driver, input, output) = port();
    for (step, act) in script.iter().enumerate() {
        match act {
            Set(offset, value) => {
                assert_eq!(driver.write(*offset, Width::Byte, (*value).into()), Ok(()));
            }
            Read(offset, value) => {
                let read = driver.read(*offset, Width::Byte);
                assert_eq!(read, Ok((*value).into()), "step {step}: read of {offset}");
            }
            Arrive(bytes) => {
                bytes.iter().for_each(|byte| input.send(*byte).unwrap());
                driver.poll();
            }
            Line(level) => {
                assert_eq!(driver.irq.sources, u64::from(*level) << SOURCE, "step {step}");
            }
            Sent(bytes) => {
                assert_eq!(output.try_iter().collect::<Vec<_>>(), *bytes, "step {step}");
            }
        }
    }
}

#[test]
fn transmits_at_once() {
    check(&[Read(LSR, 0x60), Set(DATA, b'h'), Set(DATA, b'i'), Read(LSR, 0x60), Sent(b"hi")]);
}

#[test]
fn registers_after_reset() {
    check(&[
        Read(DATA, 0),
        Read(IER, 0),
        Read(IIR, 0x01),
        Read(LCR, 0),
        Read(MCR, 0x08),
        Read(LSR, 0x60),
        Read(MSR, 0xb0),
        Read(SCR, 0),
        Line(false),
    ]);
}

#[test]
fn dlab_shows_the_divisor_latch() {
    check(&[
        Set(LCR, 0x83),
        Set(DATA, 0x34),
        Set(IER, 0x12),
        Read(DATA, 0x34),
        Read(IER, 0x12),
        Set(LCR, 0x03),
        Read(IER, 0),
        Read(LCR, 0x03),
        Sent(b""),
        Set(LCR, 0x80),
        Read(DATA, 0x34),
    ]);
}

#[test]
fn scratch_and_masks() {
    check(&[
        Set(SCR, 0xa5),
        Read(SCR, 0xa5),
        Set(IER, 0xf0),
        Read(IER, 0),
        Set(MCR, 0xe3),
        Read(MCR, 0x03),
        Set(LSR, 0xff),
        Read(LSR, 0x60),
        Set(MSR, 0xff),
        Read(MSR, 0xb0),
    ]);
}

#[test]
fn receives_one_by_one_without_fifos() {
    check(&[
        Set(IER, IER_RECEIVED),
        Line(false),
        Arrive(b"abc"),
        Line(true),
        Read(IIR, 0x04),
        Read(LSR, 0x61),
        Read(DATA, b'a'),
        Line(true),
        Read(DATA, b'b'),
        Read(DATA, b'c'),
        Line(false),
        Read(LSR, 0x60),
        Read(IIR, 0x01),
        Read(DATA, 0),
    ]);
}

#[test]
fn trigger_level_tells_data_from_time_out() {
    check(&[
        Set(FCR, 0x41),
        Set(IER, IER_RECEIVED),
        Arrive(b"abc"),
        Line(true),
        Read(IIR, 0xcc),
        Arrive(b"d"),
        Read(IIR, 0xc4),
        Read(DATA, b'a'),
        Read(IIR, 0xcc),
        Set(FCR, 0x43),
        Line(false),
        Read(LSR, 0x60),
        Read(IIR, 0xc1),
    ]);
}

#[test]
fn line_waits_while_the_fifo_is_full() {
    let (mut driver, input, _output) = port();
    driver.write(FCR, Width::Byte, 0x01).unwrap();
    (0..40).for_each(|byte| input.send(byte).unwrap());
    driver.poll();
    assert_eq!(driver.device.received.len(), FIFO_BYTES);
    for byte in 0..40 {
        assert_eq!(driver.read(LSR, Width::Byte), Ok(0x61));
        assert_eq!(driver.read(DATA, Width::Byte), Ok(byte));
    }
    assert_eq!(driver.read(LSR, Width::Byte), Ok(0x60));
}

#[test]
fn toggling_the_fifos_clears_them() {
    check(&[Set(FCR, 0xc1), Arrive(b"ab"), Set(FCR, 0x00), Read(LSR, 0x60), Read(IIR, 0x01)]);
}

#[test]
fn thr_empty_interrupt_is_told_once() {
    check(&[
        Set(IER, IER_THR_EMPTY),
        Line(true),
        Read(IIR, 0x02),
        Line(false),
        Read(IIR, 0x01),
        Set(DATA, b'x'),
        Line(true),
        Set(IER, 0),
        Line(false),
        Set(IER, IER_THR_EMPTY),
        Line(true),
    ]);
}

#[test]
fn received_data_comes_before_thr_empty() {
    check(&[
        Set(IER, IER_RECEIVED | IER_THR_EMPTY),
        Arrive(b"a"),
        Read(IIR, 0x04),
        Read(DATA, b'a'),
        Line(true),
        Read(IIR, 0x02),
        Line(false),
    ]);
}

#[test]
fn loopback_as_drivers_probe_it() {
    check(&[
        Set(MCR, MCR_LOOP | 0x0a),
        Read(MSR, 0x90),
        Set(MCR, MCR_LOOP | 0x05),
        Read(MSR, 0x60),
        Arrive(b"outside"),
        Read(LSR, 0x60),
        Set(IER, IER_LINE_STATUS),
        Set(DATA, b'l'),
        Line(false),
        Set(DATA, b'm'),
        Line(true),
        Read(IIR, 0x06),
        Read(LSR, 0x63),
        Line(false),
        Read(LSR, 0x61),
        Read(DATA, b'l'),
        Sent(b""),
        Set(MCR, 0),
        Arrive(b""),
        Read(DATA, b'o'),
    ]);
}

#[test]
fn words_reach_the_low_byte_and_nothing_lies_behind() {
    let (mut driver, _input, output) = port();
    driver.write(DATA, Width::Word, 0x1122_3341).unwrap();
    assert_eq!(output.try_recv(), Ok(0x41));
    assert_eq!(driver.read(LSR, Width::Word), Ok(0x60));
    assert_eq!(driver.read(8, Width::Byte), Err(BusFault));
    assert_eq!(driver.write(8, Width::Byte, 0), Err(BusFault));
}

#[test]
fn survives_a_closed_output_and_reset_keeps_the_line() {
    let (mut driver, input, output) = port();
    drop(output);
    driver.write(DATA, Width::Byte, 1).unwrap();
    driver.write(DATA, Width::Byte, 2).unwrap();
    driver.write(SCR, Width::Byte, 9).unwrap();
    driver.device.reset();
    assert_eq!(driver.read(SCR, Width::Byte), Ok(0));
    input.send(b'z').unwrap();
    driver.poll();
    assert_eq!(driver.read(DATA, Width::Byte), Ok(b'z'.into()));
    drop(input);
    driver.poll();
    assert_eq!(driver.read(LSR, Width::Byte), Ok(0x60));
}
