//! The serial port's interrupts (PC16550D data sheet, "Interrupt Identification Register", "FIFO
//! Interrupt Mode Operation"). What is sent in loopback is not seen on the console.

use guest_runtime::board::TIMEBASE_HZ;
use guest_runtime::board::clint;
use guest_runtime::check::Checks;

use crate::devices::uart::{
    DATA, FCR, IER, IER_RECEIVED, IER_THR_EMPTY, IIR, IIR_NONE, IIR_RECEIVED, IIR_THR_EMPTY,
    IIR_TIMEOUT, LSR, LSR_DATA_READY, LSR_EMPTY, LSR_OVERRUN, MCR, MCR_LOOP, SCR,
};
use crate::devices::{self, Source, calm, uart_read as read, uart_write as write};

/// FCR: FIFOs on, and both empty.
const FIFOS: u8 = 0b0111;
/// IIR: FIFOs are on.
const IIR_FIFOS: u8 = 0xc0;
const FIFO_BYTES: u8 = 16;
/// FCR's trigger levels.
const TRIGGERS: [(u8, u8); 4] = [(0x00, 1), (0x40, 4), (0x80, 8), (0xc0, 14)];

/// What IIR says; the transmitter's interrupt is withdrawn by that.
fn identification() -> u8 {
    read(IIR) & !IIR_FIFOS
}

/// Whether the device asks for attention, or not, as wanted.
fn asks(want: bool) -> bool {
    devices::is_asking(Source::Uart, want) == want
}

pub(crate) fn transmitter(checks: &mut Checks) {
    calm();
    for value in [0x5a, 0xa5, 0] {
        write(SCR, value);
        checks.equal("scratch register", read(SCR), value);
    }
    checks.equal("LSR", read(LSR) & LSR_EMPTY, LSR_EMPTY);
    checks.equal("nothing to say", identification(), IIR_NONE);
    for fifos in [0, FIFOS] {
        write(FCR, fifos);
        checks.equal("FIFOs", read(IIR) >> 6, if fifos == 0 { 0 } else { 3 });
        write(IER, IER_THR_EMPTY);
        checks.that(asks(true), "enabled while empty");
        checks.equal("said", identification(), IIR_THR_EMPTY);
        checks.equal("said once", identification(), IIR_NONE);
        checks.that(asks(false), "withdrawn");
        write(IER, 0);
        write(IER, IER_THR_EMPTY);
        checks.equal("enabled anew", identification(), IIR_THR_EMPTY);
        send(b'x');
        checks.that(wait_for(|| read(LSR) & LSR_EMPTY == LSR_EMPTY), "empty again");
        checks.that(asks(true), "sent");
        checks.equal("said", identification(), IIR_THR_EMPTY);
        write(IER, 0);
        checks.equal("disabled", (identification(), asks(false)), (IIR_NONE, true));
        read(DATA);
        write(FCR, 0);
    }
    calm();
}

/// Waits for at most a second.
fn wait_for(holds: impl Fn() -> bool) -> bool {
    let until = clint::mtime() + TIMEBASE_HZ;
    while !holds() {
        if clint::mtime() > until {
            return false;
        }
    }
    true
}

/// Sends a byte back to the port itself, which was idle. Only that is done in loopback, as the
/// console would lose what is printed meanwhile.
fn send(byte: u8) {
    write(MCR, MCR_LOOP);
    write(DATA, byte);
    write(MCR, 0);
}

pub(crate) fn receiver(checks: &mut Checks) {
    calm();
    write(FCR, 0);
    read(DATA);
    read(LSR);
    // Without FIFOs.
    write(IER, IER_RECEIVED);
    checks.equal("nothing received", (identification(), asks(false)), (IIR_NONE, true));
    send(b'a');
    checks.that(wait_for(|| read(LSR) & LSR_DATA_READY != 0), "data ready");
    checks.that(asks(true), "received");
    checks.equal("said", identification(), IIR_RECEIVED);
    checks.equal("said until it is read", identification(), IIR_RECEIVED);
    checks.equal("byte", read(DATA), b'a');
    checks.equal("LSR", read(LSR) & LSR_DATA_READY, 0);
    checks.equal("read", (identification(), asks(false)), (IIR_NONE, true));
    triggers(checks);
    overrun(checks);
    // The receiver goes before the transmitter.
    write(FCR, FIFOS);
    write(IER, IER_RECEIVED | IER_THR_EMPTY);
    identification();
    send(b'b');
    checks.that(wait_for(|| read(LSR) & LSR_DATA_READY != 0), "data ready");
    checks.equal("receiver first", identification(), IIR_RECEIVED);
    checks.equal("byte", read(DATA), b'b');
    checks.equal("then the transmitter", identification(), IIR_THR_EMPTY);
    checks.equal("then nothing", identification(), IIR_NONE);
    write(IER, 0);
    write(FCR, 0);
    calm();
}

/// Below the trigger level, only the time-out tells of bytes.
fn triggers(checks: &mut Checks) {
    for (bits, level) in TRIGGERS {
        write(FCR, FIFOS | bits);
        write(IER, IER_RECEIVED);
        for number in 1..=level {
            checks.equal(format_args!("{level}: {number} to come"), identification(), IIR_NONE);
            send(number);
        }
        let told = wait_for(|| identification() == IIR_RECEIVED);
        checks.that(told, format_args!("{level}: told at the level"));
        checks.that(asks(true), format_args!("{level}: asks"));
        for number in 1..=level {
            checks.equal("in order", read(DATA), number);
        }
        checks.equal("read", (identification(), asks(false)), (IIR_NONE, true));
        if level > 1 {
            send(77);
            let late = wait_for(|| identification() == IIR_TIMEOUT);
            checks.that(late, format_args!("{level}: the time-out tells"));
            checks.equal("byte", read(DATA), 77);
            checks.equal("read", identification(), IIR_NONE);
        }
        write(IER, 0);
    }
}

/// A full FIFO loses what comes next and says so once.
fn overrun(checks: &mut Checks) {
    write(FCR, FIFOS);
    for number in 0..FIFO_BYTES {
        send(number);
    }
    checks.equal("full", read(LSR) & (LSR_DATA_READY | LSR_OVERRUN), LSR_DATA_READY);
    send(99);
    let both = LSR_DATA_READY | LSR_OVERRUN;
    let seen = read(LSR) & both;
    checks.equal("overrun", seen, both);
    checks.equal("said once", read(LSR) & LSR_OVERRUN, 0);
    for number in 0..FIFO_BYTES {
        checks.equal("kept", read(DATA), number);
    }
    checks.equal("no more", read(LSR) & LSR_DATA_READY, 0);
    send(1);
    write(FCR, FIFOS);
    checks.equal("emptied by FCR", read(LSR) & LSR_DATA_READY, 0);
}
