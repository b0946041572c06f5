//! The console: a polled UART 16550, and `print!` and `println!` on it.

use core::fmt;

use crate::board::UART;

/// Transmitter holding register.
const THR: u64 = UART;
/// Line status register.
const LSR: u64 = UART + 5;
/// LSR: the transmitter takes another byte.
const LSR_THRE: u8 = 1 << 5;

/// The UART as a sink for `core::fmt`; a line feed is sent as it is.
#[derive(Debug)]
pub struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(send);
        Ok(())
    }
}

fn send(byte: u8) {
    // SAFETY: both are byte-wide registers of the board's UART, mapped to themselves in every
    // address space that prints; they alias no Rust object.
    unsafe {
        while (LSR as *const u8).read_volatile() & LSR_THRE == 0 {}
        (THR as *mut u8).write_volatile(byte);
    }
}

/// Prints to the console.
#[macro_export]
macro_rules! print {
    ($($argument:tt)*) => {{
        // The console accepts everything.
        let _ = ::core::fmt::Write::write_fmt(
            &mut $crate::console::Console,
            ::core::format_args!($($argument)*),
        );
    }};
}

/// Prints a line to the console.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($format:literal $($argument:tt)*) => {
        $crate::print!("{}\n", ::core::format_args!($format $($argument)*))
    };
}
