//! [`Discipline`]: what a terminal does to bytes. Keys become lines, echo and signals; output gets
//! its carriage returns. Its owner holds a lock while it calls, hands echo on to the line, sends
//! signals, and lets readers wait.
//!
//! Source: POSIX, "General Terminal Interface"; where that leaves a choice, Linux's `n_tty.c`.

use alloc::collections::VecDeque;

use linux_raw_sys::general as linux;

use super::Termios;

mod edit;
mod output;
#[cfg(test)]
mod tests;

use output::Column;

/// Bytes that wait for a reader at most.
pub const INPUT_BYTES: usize = 4096;
/// Most bytes that one byte of input, or of output, puts on the screen when no line is erased.
pub const EXPANSION_BYTES: usize = 8;

/// A byte that waits for a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    /// Part of a line.
    Byte(u8),
    /// The last byte of a line.
    Last(u8),
    /// The end of a line without a byte: VEOF.
    End,
}

/// What a key has done besides echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Press {
    /// Nothing that anybody waits for.
    Nothing,
    /// Readers have something to look at.
    Readable,
    /// The foreground is to get this signal.
    Signal(Key),
    /// Output goes on.
    Resumed,
}

/// Keys with a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// VINTR: SIGINT.
    Interrupt,
    /// VQUIT: SIGQUIT.
    Quit,
    /// VSUSP: SIGTSTP.
    Suspend,
}

/// The state of a terminal.
#[derive(Debug)]
pub struct Discipline {
    termios: Termios,
    items: VecDeque<Item>,
    /// How many of the items belong to finished lines, in canonical mode.
    finished: usize,
    /// The next byte is taken as it is: VLNEXT.
    literal: bool,
    /// VSTOP was pressed.
    stopped: bool,
    column: Column,
    /// Column at which the line being edited begins.
    line_column: usize,
}

impl Default for Discipline {
    fn default() -> Self {
        Self {
            termios: Termios::default(),
            items: VecDeque::with_capacity(INPUT_BYTES),
            finished: 0,
            literal: false,
            stopped: false,
            column: Column::default(),
            line_column: 0,
        }
    }
}

impl Discipline {
    /// The settings.
    pub fn termios(&self) -> &Termios {
        &self.termios
    }

    /// Changes the settings. Input that waits becomes a line where lines begin, and bytes where
    /// they end.
    pub fn set_termios(&mut self, termios: Termios) {
        let was_canonical = self.canonical();
        self.termios = termios;
        if self.canonical() != was_canonical {
            self.items.retain(|item| *item != Item::End);
            for item in &mut self.items {
                if let Item::Last(byte) = *item {
                    *item = Item::Byte(byte);
                }
            }
            if self.canonical()
                && let Some(last) = self.items.back_mut()
                && let Item::Byte(byte) = *last
            {
                *last = Item::Last(byte);
            }
            self.finished = self.items.len();
            self.literal = false;
        }
        if !self.termios.input(linux::IXON) {
            self.stopped = false;
        }
    }

    fn canonical(&self) -> bool {
        self.termios.local(linux::ICANON)
    }

    fn extended(&self, character: u32, byte: u8) -> bool {
        self.termios.local(linux::IEXTEN) && self.termios.is(character, byte)
    }

    /// Whether output waits for VSTART.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// Drops input that nobody has read.
    pub fn flush_input(&mut self) {
        self.items.clear();
        self.finished = 0;
        self.literal = false;
    }

    /// A byte has come from the line; what is to be shown goes to `echo`.
    pub fn input(&mut self, byte: u8, echo: &mut impl FnMut(u8)) -> Press {
        let termios = &self.termios;
        let mut byte = if termios.input(linux::ISTRIP) { byte & 0x7f } else { byte };
        if core::mem::take(&mut self.literal) {
            return self.ordinary(byte, echo);
        }
        if let Some(press) = self.flow(byte) {
            return press;
        }
        if let Some(press) = self.signal(byte, echo) {
            return press;
        }
        match byte {
            b'\r' if self.termios.input(linux::IGNCR) => return Press::Nothing,
            b'\r' if self.termios.input(linux::ICRNL) => byte = b'\n',
            b'\n' if self.termios.input(linux::INLCR) => byte = b'\r',
            _ => {}
        }
        if self.canonical() { self.edit(byte, echo) } else { self.ordinary(byte, echo) }
    }

    /// VSTOP and VSTART.
    fn flow(&mut self, byte: u8) -> Option<Press> {
        if !self.termios.input(linux::IXON) {
            return None;
        }
        let starts = self.termios.is(linux::VSTART, byte);
        if !starts && self.termios.is(linux::VSTOP, byte) {
            self.stopped = true;
            return Some(Press::Nothing);
        }
        let any = self.termios.input(linux::IXANY);
        let resumed = self.stopped && (starts || any);
        self.stopped &= !resumed;
        match starts {
            true => Some(if resumed { Press::Resumed } else { Press::Nothing }),
            false => None,
        }
    }

    fn signal(&mut self, byte: u8, echo: &mut impl FnMut(u8)) -> Option<Press> {
        if !self.termios.local(linux::ISIG) {
            return None;
        }
        let keys = [
            (linux::VINTR, Key::Interrupt),
            (linux::VQUIT, Key::Quit),
            (linux::VSUSP, Key::Suspend),
        ];
        let (_, key) = keys.into_iter().find(|(index, _)| self.termios.is(*index, byte))?;
        if !self.termios.local(linux::NOFLSH) {
            self.flush_input();
        }
        self.stopped = false;
        self.echo(byte, echo);
        self.line_column = self.column.now();
        Some(Press::Signal(key))
    }

    /// A byte that means itself.
    fn ordinary(&mut self, byte: u8, echo: &mut impl FnMut(u8)) -> Press {
        // In canonical mode a place is kept for the end of the line.
        let room = INPUT_BYTES - usize::from(self.canonical());
        if self.items.len() >= room {
            self.complain(echo);
            return Press::Nothing;
        }
        if self.items.len() == self.finished {
            self.line_column = self.column.now();
        }
        self.echo(byte, echo);
        self.items.push_back(Item::Byte(byte));
        if self.canonical() {
            return Press::Nothing;
        }
        self.finished = self.items.len();
        Press::Readable
    }

    /// The end of a line.
    fn finish(&mut self, item: Item, echo: &mut impl FnMut(u8)) -> Press {
        if self.items.len() >= INPUT_BYTES {
            self.complain(echo);
            return Press::Nothing;
        }
        self.items.push_back(item);
        self.finished = self.items.len();
        Press::Readable
    }

    fn complain(&mut self, echo: &mut impl FnMut(u8)) {
        if self.termios.input(linux::IMAXBEL) {
            echo(0x07);
        }
    }

    /// Whether a reader who wants at least `minimum` bytes (outside canonical mode) finds enough.
    pub fn readable(&self, minimum: usize) -> bool {
        let wanted = if self.canonical() { 1 } else { minimum.max(1) };
        self.finished >= wanted
    }

    /// VMIN, 1 in canonical mode, and VTIME in tenths of a second, 0 there.
    pub fn patience(&self) -> (usize, u64) {
        if self.canonical() {
            return (1, 0);
        }
        let minimum = self.termios.character(linux::VMIN);
        (usize::from(minimum), u64::from(self.termios.character(linux::VTIME)))
    }

    /// What FIONREAD tells: bytes that can be read.
    pub fn waiting(&self) -> usize {
        self.items.iter().take(self.finished).filter(|item| **item != Item::End).count()
    }

    /// Takes input, up to the end of a line in canonical mode, where 0 bytes are the end of the
    /// file; `None` where there is nothing.
    pub fn read(&mut self, to: &mut [u8]) -> Option<usize> {
        if self.finished == 0 {
            return None;
        }
        let mut count = 0;
        while count < to.len() && self.finished > 0 {
            let item = self.items.pop_front()?;
            self.finished -= 1;
            if let Item::Byte(byte) | Item::Last(byte) = item {
                to[count] = byte;
                count += 1;
            }
            if !matches!(item, Item::Byte(_)) {
                break;
            }
        }
        Some(count)
    }
}
