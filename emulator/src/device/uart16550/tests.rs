//! The serial port as its driver sees it: scripts of register accesses and what they answer.

use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, channel};

use proptest::prelude::*;

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
    /// Ticks pass.
    Wait(u64),
    /// Level of the interrupt line.
    Line(bool),
    /// All that has been transmitted since the last look.
    Sent(&'static [u8]),
}
use Act::{Arrive, Line, Read, Sent, Wait, Write as Set};
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
            Wait(ticks) => {
                driver.mtime += ticks;
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
        Set(MCR, 0xeb),
        Read(MCR, 0x0b),
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

/// Four characters of 8N1 at 115200 baud, which is divisor 2: 347.2 us.
const TIMEOUT_TICKS: u64 = 3473;

/// Opens the port as Linux does: FIFOs with this FCR, 115200 baud, 8N1.
const fn opened(fcr: u8) -> [Act; 4] {
    [Set(LCR, 0x83), Set(DATA, 2), Set(LCR, 0x03), Set(FCR, fcr)]
}

fn check_opened(fcr: u8, script: impl IntoIterator<Item = Act>) {
    check(&opened(fcr).into_iter().chain(script).collect::<Vec<_>>());
}

#[test]
fn bytes_below_the_trigger_level_wait_for_the_time_out() {
    check_opened(
        0x41,
        [
            Set(IER, IER_RECEIVED),
            Arrive(b"ab"),
            Line(false),
            Read(LSR, 0x61),
            Wait(TIMEOUT_TICKS - 1),
            Line(false),
            // A byte starts the time anew.
            Arrive(b"c"),
            Wait(TIMEOUT_TICKS - 1),
            Line(false),
            Read(IIR, 0xc1),
            Wait(1),
            Line(true),
            Read(IIR, 0xcc),
            // Once it has come, only reading ends it.
            Arrive(b"d"),
            Read(IIR, 0xc4),
            Read(DATA, b'a'),
            Line(false),
            Wait(TIMEOUT_TICKS),
            Read(IIR, 0xcc),
            Read(DATA, b'b'),
            Line(false),
            Read(DATA, b'c'),
            Read(DATA, b'd'),
            Wait(TIMEOUT_TICKS),
            Line(false),
        ],
    );
}

#[test]
fn trigger_levels() {
    const BYTES: &[u8] = b"0123456789abcdef";
    for (fcr, level) in [(0x01, 1), (0x41, 4), (0x81, 8), (0xc1, 14)] {
        let (below, all) = (&BYTES[..level - 1], &BYTES[level - 1..]);
        check_opened(
            fcr,
            [Set(IER, IER_RECEIVED), Arrive(below), Line(false), Arrive(all), Read(IIR, 0xc4)],
        );
    }
}

#[test]
fn clearing_the_receiver_forgets_the_time_out() {
    check_opened(
        0x81,
        [
            Set(IER, IER_RECEIVED),
            Arrive(b"abc"),
            Wait(TIMEOUT_TICKS),
            Line(true),
            Set(FCR, 0x83),
            Line(false),
            Read(LSR, 0x60),
            Read(IIR, 0xc1),
            Arrive(b"d"),
            Wait(TIMEOUT_TICKS - 1),
            Line(false),
        ],
    );
}

#[test]
fn the_time_out_is_a_deadline() {
    // LCR, divisor, ticks of four characters.
    for (lcr, divisor, ticks) in [
        (0x00, 1, 1216),
        (0x03, 2, TIMEOUT_TICKS),
        (0x0f, 1, 2084),
        (0x03, 24, 41_667),
        // As fast as can be.
        (0x03, 0, 1737),
        (0x03, 0xffff, 113_776_042),
    ] {
        let (mut driver, input, _output) = port();
        let write = |driver: &mut Driver<Uart16550>, offset, value: u64| {
            driver.write(offset, Width::Byte, value).unwrap();
        };
        write(&mut driver, FCR, 0xc1);
        write(&mut driver, LCR, 0x80);
        write(&mut driver, DATA, divisor & 0xff);
        write(&mut driver, IER, divisor >> 8);
        write(&mut driver, LCR, lcr);
        driver.mtime = 500;
        assert_eq!(driver.device.deadline(500), None, "nothing waits");
        input.send(b'x').unwrap();
        driver.poll();
        assert_eq!(driver.device.deadline(500), None, "nobody listens");
        write(&mut driver, IER, IER_RECEIVED.into());
        assert_eq!(driver.device.deadline(500), Some(500 + ticks), "{lcr:#x} {divisor}");
        driver.mtime = 500 + ticks;
        driver.poll();
        assert_eq!(driver.irq.sources, 1 << SOURCE);
        assert_eq!(driver.device.deadline(500 + ticks), None);
    }
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
fn transmitter_interrupt_as_linux_tests_for_it() {
    // It enables the interrupt twice and wants to hear of the empty transmitter both times, at
    // start and while it looks whether enabling alone is enough.
    check(&[
        Set(IER, IER_THR_EMPTY),
        Read(IIR, 0x02),
        Set(IER, 0),
        Set(IER, IER_THR_EMPTY),
        Read(IIR, 0x02),
        Set(IER, 0),
        Read(IIR, 0x01),
        // Writing the same once more is no news.
        Set(IER, IER_THR_EMPTY),
        Read(IIR, 0x02),
        Set(IER, IER_THR_EMPTY | IER_RECEIVED),
        Line(false),
        Read(IIR, 0x01),
    ]);
}

#[test]
fn loopback_as_drivers_probe_it() {
    check(&[
        Set(MCR, MCR_LOOP | 0x0a),
        // DSR was high outside and is low inside.
        Read(MSR, 0x92),
        Set(MCR, MCR_LOOP | 0x05),
        Read(MSR, 0x6b),
        Arrive(b"outside"),
        Read(LSR, 0x60),
        Set(IER, IER_LINE_STATUS),
        Set(DATA, b'l'),
        Line(false),
        // Without FIFOs, the byte that is not read is lost.
        Set(DATA, b'm'),
        Line(true),
        Read(IIR, 0x06),
        Read(LSR, 0x63),
        Line(false),
        Read(LSR, 0x61),
        Read(DATA, b'm'),
        Sent(b""),
        Set(MCR, 0),
        Arrive(b""),
        Read(DATA, b'o'),
    ]);
}

#[test]
fn a_full_fifo_keeps_what_it_has() {
    let mut script = vec![Set(FCR, 0x01), Set(MCR, MCR_LOOP)];
    script.extend((0..17).map(|byte| Set(DATA, byte)));
    script.push(Read(LSR, 0x63));
    script.extend((0..16).map(|byte| Read(DATA, byte)));
    script.push(Read(LSR, 0x60));
    check(&script);
}

#[test]
fn modem_status_tells_changes_once() {
    check(&[
        Set(MCR, MCR_LOOP),
        // CTS, DSR and DCD of the terminal are gone.
        Read(MSR, 0x0b),
        Read(MSR, 0x00),
        Set(IER, IER_MODEM_STATUS),
        Line(false),
        Set(MCR, MCR_LOOP | 0x01),
        Line(true),
        Read(IIR, 0x00),
        Read(MSR, 0x22),
        Line(false),
        Read(IIR, 0x01),
        // The ring indicator counts when it falls.
        Set(MCR, MCR_LOOP | 0x05),
        Line(false),
        Set(MCR, MCR_LOOP | 0x01),
        Line(true),
        Read(MSR, 0x24),
        // Back at the terminal, which never changes.
        Set(MCR, 0),
        Read(MSR, 0xb9),
        Line(false),
    ]);
}

#[test]
fn a_break_comes_back_in_loopback() {
    check(&[
        Set(FCR, 0x01),
        Set(IER, IER_LINE_STATUS),
        Set(LCR, LCR_BREAK),
        Read(LSR, 0x60),
        Set(LCR, 0),
        Set(MCR, MCR_LOOP),
        Set(DATA, b'a'),
        Set(LCR, LCR_BREAK | 0x03),
        Set(LCR, LCR_BREAK | 0x02),
        // It waits behind the byte, and is seen from afar.
        Line(false),
        Read(LSR, 0xe1),
        Read(DATA, b'a'),
        Line(true),
        Read(IIR, 0xc6),
        Read(LSR, 0xf1),
        Line(false),
        Read(LSR, 0x61),
        Read(DATA, 0),
        Read(LSR, 0x60),
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

proptest! {
    /// Whatever a driver does: nothing panics, the FIFO keeps its capacity, the line is what IIR
    /// says, and a deadline is later than now.
    #[test]
    fn random_drivers_keep_the_invariants(
        steps in prop::collection::vec((0..10_u64, any::<u8>(), 0..3, 0..5000_u64), 1..80)
    ) {
        let (mut driver, input, _output) = port();
        for (offset, value, act, ticks) in steps {
            driver.mtime += ticks;
            let exists = offset < 8;
            match act {
                0 => prop_assert_eq!(driver.read(offset, Width::Byte).is_ok(), exists),
                1 => {
                    let written = driver.write(offset, Width::Byte, value.into());
                    prop_assert_eq!(written.is_ok(), exists);
                }
                _ => {
                    input.send(value).unwrap();
                    driver.poll();
                }
            }
            prop_assert!(driver.device.received.len() <= FIFO_BYTES);
            if exists || act == 2 {
                let is_pending = driver.device.pending() != IIR_NONE;
                prop_assert_eq!(driver.irq.sources, u64::from(is_pending) << SOURCE);
            }
            prop_assert!(driver.device.deadline(driver.mtime).is_none_or(|at| at > driver.mtime));
        }
    }
}
