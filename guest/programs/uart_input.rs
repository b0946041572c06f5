//! `uart-input`: sleeps until a line of input has come, byte by byte and by interrupts, and prints
//! it. Input is the one thing that a program cannot make itself, so this one needs some.

#![no_std]
#![no_main]

use guest_runtime::board::{PLIC, UART, UART_SOURCE};
use guest_runtime::mmio::{read_byte, read_word, write_byte, write_word};
use guest_runtime::{csr, entry, print, println};

entry!(main);

/// Of M-mode on hart 0.
const ENABLE: u64 = PLIC + 0x2000;
const CLAIM: u64 = PLIC + 0x20_0004;
const IER: u64 = UART + 1;
const LSR: u64 = UART + 5;
const LSR_DATA_READY: u8 = 1;
/// `mip` and `mie`: the machine external interrupt.
const MEI: u64 = 1 << 11;
const LINE_MAX_BYTES: usize = 80;

fn main() {
    write_word(PLIC + 4 * u64::from(UART_SOURCE), 1);
    write_word(ENABLE, 1 << UART_SOURCE);
    // The FIFOs stay off: turning them on would drop a byte that has come already.
    write_byte(IER, 1);
    csr::write::<{ csr::MIE }>(MEI);
    let mut line = [0; LINE_MAX_BYTES];
    let mut len = 0;
    while line[..len].last() != Some(&b'\n') && len < LINE_MAX_BYTES {
        while csr::read::<{ csr::MIP }>() & MEI == 0 {
            csr::wait_for_interrupt();
        }
        let source = read_word(CLAIM);
        assert_eq!(source, UART_SOURCE, "an interrupt of something else");
        while read_byte(LSR) & LSR_DATA_READY != 0 && len < LINE_MAX_BYTES {
            line[len] = read_byte(UART);
            len += 1;
        }
        write_word(CLAIM, source);
    }
    println!("uart-input");
    print!("  a line of {len} bytes: ");
    line[..len].iter().for_each(|byte| print!("{}", char::from(*byte)));
}
