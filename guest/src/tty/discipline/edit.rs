//! Lines while they are typed: erasing, reprinting, ending them.

use linux_raw_sys::general as linux;

use super::output::{TAB_COLUMNS, is_continuation};
use super::{Discipline, Item, Press};

/// How much is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Erase {
    Character,
    Word,
    Line,
}

impl Discipline {
    /// A byte in canonical mode.
    pub(super) fn edit(&mut self, byte: u8, echo: &mut impl FnMut(u8)) -> Press {
        if self.termios.is(linux::VERASE, byte) {
            self.erase(Erase::Character, byte, echo);
        } else if self.termios.is(linux::VKILL, byte) {
            self.erase(Erase::Line, byte, echo);
        } else if self.extended(linux::VWERASE, byte) {
            self.erase(Erase::Word, byte, echo);
        } else if self.extended(linux::VLNEXT, byte) {
            self.literal = true;
            if self.termios.local(linux::ECHO) && self.termios.local(linux::ECHOCTL) {
                self.print(b"^\x08", echo);
            }
        } else if self.termios.local(linux::ECHO) && self.extended(linux::VREPRINT, byte) {
            self.reprint(byte, echo);
        } else {
            return self.end_or_ordinary(byte, echo);
        }
        Press::Nothing
    }

    fn end_or_ordinary(&mut self, byte: u8, echo: &mut impl FnMut(u8)) -> Press {
        if byte == b'\n' {
            if self.termios.local(linux::ECHO) || self.termios.local(linux::ECHONL) {
                self.print(b"\n", echo);
            }
            return self.finish(Item::Last(byte), echo);
        }
        if self.termios.is(linux::VEOF, byte) {
            return self.finish(Item::End, echo);
        }
        if self.termios.is(linux::VEOL, byte) || self.extended(linux::VEOL2, byte) {
            self.echo(byte, echo);
            return self.finish(Item::Last(byte), echo);
        }
        self.ordinary(byte, echo)
    }

    /// The last byte of the line being typed.
    fn last(&self) -> Option<u8> {
        match self.items.back() {
            Some(Item::Byte(byte)) if self.items.len() > self.finished => Some(*byte),
            _ => None,
        }
    }

    fn erase(&mut self, what: Erase, key: u8, echo: &mut impl FnMut(u8)) {
        if self.last().is_none() {
            return;
        }
        let echoes = self.termios.local(linux::ECHO);
        let visibly = self.termios.local(linux::ECHOE);
        if what == Erase::Line && !(echoes && visibly && self.termios.local(linux::ECHOKE)) {
            self.items.truncate(self.finished);
            self.echo(key, echo);
            if echoes && self.termios.local(linux::ECHOK) {
                self.print(b"\n", echo);
            }
            return;
        }
        let mut in_word = false;
        while let Some(byte) = self.last() {
            if what == Erase::Word {
                let belongs = byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
                if in_word && !belongs {
                    break;
                }
                in_word |= belongs;
            }
            self.items.pop_back();
            if is_continuation(&self.termios, byte) {
                // The character goes with its first byte.
                continue;
            }
            match (echoes, what) {
                (false, _) => {}
                (true, Erase::Character) if !visibly => self.echo(key, echo),
                (true, _) => self.rub_out(byte, echo),
            }
            if what == Erase::Character {
                break;
            }
        }
    }

    /// Takes the last character, which has left the line, from the screen.
    fn rub_out(&mut self, byte: u8, echo: &mut impl FnMut(u8)) {
        let controls = self.termios.local(linux::ECHOCTL);
        let columns = match byte {
            b'\t' => TAB_COLUMNS - self.line_end_column() % TAB_COLUMNS,
            _ if byte.is_ascii_control() => 2 * usize::from(controls),
            _ => 1,
        };
        let rub: &[u8] = if byte == b'\t' { b"\x08" } else { b"\x08 \x08" };
        (0..columns).for_each(|_| self.print(rub, echo));
    }

    /// The column behind the line being typed, counted from the last tab in it or its beginning.
    fn line_end_column(&self) -> usize {
        let controls = self.termios.local(linux::ECHOCTL);
        let mut columns = 0;
        for item in self.items.iter().skip(self.finished).rev() {
            let (Item::Byte(byte) | Item::Last(byte)) = *item else { continue };
            match byte {
                b'\t' => return columns,
                _ if byte.is_ascii_control() => columns += 2 * usize::from(controls),
                _ if is_continuation(&self.termios, byte) => {}
                _ => columns += 1,
            }
        }
        columns + self.line_column
    }

    fn reprint(&mut self, key: u8, echo: &mut impl FnMut(u8)) {
        self.show(key, echo);
        self.print(b"\n", echo);
        self.line_column = 0;
        for index in self.finished..self.items.len() {
            if let Item::Byte(byte) = self.items[index] {
                self.show(byte, echo);
            }
        }
    }
}
