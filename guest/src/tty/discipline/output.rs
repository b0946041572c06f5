//! Bytes on their way to the screen: OPOST and its flags, echo, and in which column they land.

use linux_raw_sys::general as linux;

use super::super::Termios;
use super::Discipline;

/// Tabs stop at multiples of this.
pub(super) const TAB_COLUMNS: usize = 8;

/// Where the next character lands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Column(usize);

impl Column {
    pub(super) fn now(self) -> usize {
        self.0
    }

    /// Processes one byte of output.
    fn output(&mut self, termios: &Termios, byte: u8, put: &mut impl FnMut(u8)) {
        if !termios.output(linux::OPOST) {
            put(byte);
            return;
        }
        match byte {
            b'\n' => {
                if termios.output(linux::ONLCR) {
                    put(b'\r');
                }
                if termios.output(linux::ONLCR | linux::ONLRET) {
                    self.0 = 0;
                }
                put(b'\n');
            }
            b'\r' if termios.output(linux::ONOCR) && self.0 == 0 => {}
            b'\r' if termios.output(linux::OCRNL) => {
                put(b'\n');
                if termios.output(linux::ONLRET) {
                    self.0 = 0;
                }
            }
            b'\r' => {
                self.0 = 0;
                put(b'\r');
            }
            b'\t' => {
                let blanks = TAB_COLUMNS - self.0 % TAB_COLUMNS;
                self.0 += blanks;
                if termios.output & linux::TABDLY == linux::XTABS {
                    (0..blanks).for_each(|_| put(b' '));
                } else {
                    put(b'\t');
                }
            }
            0x08 => {
                self.0 = self.0.saturating_sub(1);
                put(byte);
            }
            _ => {
                let byte = match termios.output(linux::OLCUC) {
                    true => byte.to_ascii_uppercase(),
                    false => byte,
                };
                if !byte.is_ascii_control() && !is_continuation(termios, byte) {
                    self.0 += 1;
                }
                put(byte);
            }
        }
    }
}

/// Whether this is a later byte of a character, so that it takes no column.
pub(super) fn is_continuation(termios: &Termios, byte: u8) -> bool {
    termios.input(linux::IUTF8) && byte & 0xc0 == 0x80
}

impl Discipline {
    /// Processes what a program writes.
    pub fn output(&mut self, bytes: &[u8], put: &mut impl FnMut(u8)) {
        for byte in bytes {
            self.column.output(&self.termios, *byte, put);
        }
        if self.items.len() == self.finished {
            self.line_column = self.column.now();
        }
    }

    /// Shows a key, if ECHO says so.
    pub(super) fn echo(&mut self, byte: u8, echo: &mut impl FnMut(u8)) {
        if self.termios.local(linux::ECHO) {
            self.show(byte, echo);
        }
    }

    /// Shows a key; a control character as `^` and a letter, if ECHOCTL says so.
    pub(super) fn show(&mut self, byte: u8, echo: &mut impl FnMut(u8)) {
        let mut out = |byte| self.column.output(&self.termios, byte, echo);
        let controls = self.termios.local(linux::ECHOCTL);
        if controls && byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n') {
            out(b'^');
            out(byte ^ 0x40);
        } else {
            out(byte);
        }
    }

    /// Puts bytes on the screen that are no key's.
    pub(super) fn print(&mut self, bytes: &[u8], echo: &mut impl FnMut(u8)) {
        for byte in bytes {
            self.column.output(&self.termios, *byte, echo);
        }
    }
}
