//! The line editor: [`Editor`] takes bytes from a terminal in raw mode and says what to write to
//! it. `keys` tells what the bytes mean, `complete` what the tabulator adds.

#![forbid(unsafe_code)]

pub mod complete;
mod keys;

use alloc::vec::Vec;
use core::mem;

use complete::Completion;
use keys::{Decoder, Key};

use crate::text::{self, is_inner, width};

/// Lines that are remembered.
const HISTORY_MAX_LINES: usize = 200;
/// Columns of a terminal that does not know.
pub const COLUMNS: usize = 80;

/// What a byte from the terminal led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The line goes on.
    More,
    /// The line is finished.
    Line(Vec<u8>),
    /// Ctrl-C: the line is given up.
    Interrupted,
    /// Ctrl-D on an empty line.
    EndOfFile,
    /// The tabulator: what may stand here is asked for, and goes to [`Editor::complete`].
    Complete,
}

/// A line that is being typed, and those before it.
#[derive(Debug, Default)]
pub struct Editor {
    decoder: Decoder,
    prompt: Vec<u8>,
    columns: usize,
    line: Vec<u8>,
    /// Where the next byte goes; at the start of a character.
    cursor: usize,
    /// The terminal's row of the cursor, from that of the prompt's start.
    row: usize,
    /// The bytes so far of a character that has several.
    partial: Vec<u8>,
    /// What was cut last.
    cut: Vec<u8>,
    history: Vec<Vec<u8>>,
    /// The line of the history that is shown; its length: a new one.
    shown: usize,
    /// The new line, while one of the history is shown.
    new_line: Vec<u8>,
}

impl Editor {
    /// Begins a line.
    pub fn begin(&mut self, prompt: &[u8], columns: usize, output: &mut Vec<u8>) {
        self.prompt = prompt.to_vec();
        self.columns = if columns == 0 { COLUMNS } else { columns };
        self.line.clear();
        self.partial.clear();
        self.cursor = 0;
        self.shown = self.history.len();
        self.draw(output);
    }

    /// What is before the cursor.
    pub fn before_cursor(&self) -> &[u8] {
        &self.line[..self.cursor]
    }

    /// Lines that were entered, the oldest first.
    pub fn history(&self) -> &[Vec<u8>] {
        &self.history
    }

    /// Remembers a line, if it is not empty and not the last one again.
    pub fn remember(&mut self, line: &[u8]) {
        if line.trim_ascii().is_empty() || self.history.last().is_some_and(|last| last == line) {
            return;
        }
        if self.history.len() == HISTORY_MAX_LINES {
            self.history.remove(0);
        }
        self.history.push(line.to_vec());
    }

    /// Takes a byte; appends to `output` what the terminal is to show.
    pub fn feed(&mut self, byte: u8, output: &mut Vec<u8>) -> Outcome {
        let Some(key) = self.decoder.feed(byte) else { return Outcome::More };
        match key {
            Key::Enter => {
                self.move_to(self.line.len(), output);
                output.push(b'\n');
                return Outcome::Line(mem::take(&mut self.line));
            }
            Key::Interrupt => {
                self.move_to(self.line.len(), output);
                output.extend_from_slice(b"^C\n");
                return Outcome::Interrupted;
            }
            Key::DeleteOrEnd if self.line.is_empty() => {
                output.push(b'\n');
                return Outcome::EndOfFile;
            }
            Key::Tab => return Outcome::Complete,
            Key::ClearScreen => {
                output.extend_from_slice(b"\x1b[H\x1b[2J");
                self.draw(output);
            }
            Key::Byte(byte) => self.type_byte(byte, output),
            Key::Left => self.move_to(self.left(), output),
            Key::Right => self.move_to(self.right(), output),
            Key::WordLeft => self.move_to(self.word_left(), output),
            Key::WordRight => self.move_to(self.word_right(), output),
            Key::Home => self.move_to(0, output),
            Key::End => self.move_to(self.line.len(), output),
            Key::Backspace => self.remove(self.left(), self.cursor, output),
            Key::Delete | Key::DeleteOrEnd => self.remove(self.cursor, self.right(), output),
            Key::CutToEnd => self.cut(self.cursor, self.line.len(), output),
            Key::CutToStart => self.cut(0, self.cursor, output),
            Key::CutWord => self.cut(self.blank_left(), self.cursor, output),
            Key::Paste => self.insert(&self.cut.clone(), output),
            Key::Up => self.show(self.shown.saturating_sub(1), output),
            Key::Down => self.show(self.shown + 1, output),
        }
        Outcome::More
    }

    /// Takes what may stand before the cursor: completes it as far as it is certain; where there
    /// is nothing to add, shows the choices.
    pub fn complete(&mut self, completion: &Completion, output: &mut Vec<u8>) {
        let addition = completion.addition();
        if !addition.is_empty() {
            return self.insert(&addition, output);
        }
        if completion.names.is_empty() {
            output.push(b'\x07');
            return;
        }
        let cursor = self.cursor;
        self.move_to(self.line.len(), output);
        output.push(b'\n');
        output.extend_from_slice(&text::in_columns(&completion.names, self.columns));
        self.cursor = cursor;
        self.draw(output);
    }

    /// Inserts a byte, a character of several bytes at once.
    fn type_byte(&mut self, byte: u8, output: &mut Vec<u8>) {
        if !is_inner(byte) {
            self.partial.clear();
        }
        self.partial.push(byte);
        let length = match self.partial[0] {
            0xc0..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0.. => 4,
            _ => 1,
        };
        if self.partial.len() >= length {
            let character = mem::take(&mut self.partial);
            self.insert(&character, output);
        }
    }

    fn insert(&mut self, bytes: &[u8], output: &mut Vec<u8>) {
        let at_end = self.cursor == self.line.len();
        let column = self.place(self.cursor).1;
        self.line.splice(self.cursor..self.cursor, bytes.iter().copied());
        self.cursor += bytes.len();
        if at_end {
            self.write(bytes, column, output);
            self.row = self.place(self.cursor).0;
        } else {
            self.redraw(output);
        }
    }

    fn remove(&mut self, from: usize, to: usize, output: &mut Vec<u8>) {
        if from < to {
            self.line.drain(from..to);
            self.cursor = from;
            self.redraw(output);
        }
    }

    fn cut(&mut self, from: usize, to: usize, output: &mut Vec<u8>) {
        if from < to {
            self.cut = self.line[from..to].to_vec();
            self.remove(from, to, output);
        }
    }

    fn move_to(&mut self, cursor: usize, output: &mut Vec<u8>) {
        if cursor != self.cursor {
            self.cursor = cursor;
            let from = self.row;
            self.go(from, output);
        }
    }

    /// Shows a line of the history; behind the last the new one.
    fn show(&mut self, index: usize, output: &mut Vec<u8>) {
        if index == self.shown || index > self.history.len() {
            return;
        }
        if self.shown == self.history.len() {
            self.new_line = mem::take(&mut self.line);
        }
        self.line = match self.history.get(index) {
            Some(line) => line.clone(),
            None => mem::take(&mut self.new_line),
        };
        self.shown = index;
        self.cursor = self.line.len();
        self.redraw(output);
    }

    /// Row and column of a place in the line, from the prompt's start.
    fn place(&self, at: usize) -> (usize, usize) {
        let before = width(&self.prompt) + width(&self.line[..at]);
        (before / self.columns, before % self.columns)
    }

    /// Writes text from this column on. Rows end with a line feed, so that it does not matter what
    /// the terminal does at its edge.
    fn write(&self, text: &[u8], column: usize, output: &mut Vec<u8>) {
        let mut column = column;
        for character in characters(text) {
            output.extend_from_slice(character);
            column += 1;
            if column == self.columns {
                output.push(b'\n');
                column = 0;
            }
        }
    }

    /// Moves the terminal's cursor from this row to where the editor's is.
    fn go(&mut self, from: usize, output: &mut Vec<u8>) {
        let (row, column) = self.place(self.cursor);
        output.push(b'\r');
        let moves =
            [(from.saturating_sub(row), 'A'), (row.saturating_sub(from), 'B'), (column, 'C')];
        for (count, letter) in moves.into_iter().filter(|(count, _)| *count > 0) {
            output.extend_from_slice(alloc::format!("\x1b[{count}{letter}").as_bytes());
        }
        self.row = row;
    }

    /// Writes prompt and line from the start of the terminal's row.
    fn draw(&mut self, output: &mut Vec<u8>) {
        self.write(&self.prompt, 0, output);
        self.write(&self.line, width(&self.prompt) % self.columns, output);
        let (end, _) = self.place(self.line.len());
        self.row = end;
        if self.cursor < self.line.len() {
            self.go(end, output);
        }
    }

    /// Writes prompt and line anew.
    fn redraw(&mut self, output: &mut Vec<u8>) {
        output.push(b'\r');
        if self.row > 0 {
            output.extend_from_slice(alloc::format!("\x1b[{}A", self.row).as_bytes());
        }
        output.extend_from_slice(b"\x1b[J");
        self.draw(output);
    }

    fn left(&self) -> usize {
        let start = self.line[..self.cursor].iter().rposition(|byte| !is_inner(*byte));
        start.unwrap_or(0)
    }

    fn right(&self) -> usize {
        let rest = self.line[self.cursor..].iter().skip(1);
        let length = rest.take_while(|byte| is_inner(**byte)).count() + 1;
        (self.cursor + length).min(self.line.len())
    }

    fn word_left(&self) -> usize {
        let before = &self.line[..self.cursor];
        let end = before.iter().rposition(|byte| is_word(*byte)).unwrap_or(0);
        before[..end].iter().rposition(|byte| !is_word(*byte)).map_or(0, |at| at + 1)
    }

    fn word_right(&self) -> usize {
        let after = &self.line[self.cursor..];
        let start = after.iter().position(|byte| is_word(*byte)).unwrap_or(after.len());
        let length = after[start..].iter().position(|byte| !is_word(*byte));
        length.map_or(self.line.len(), |length| self.cursor + start + length)
    }

    /// Where the word before the cursor begins that blanks end.
    fn blank_left(&self) -> usize {
        let before = self.before_cursor().trim_ascii_end();
        before.iter().rposition(u8::is_ascii_whitespace).map_or(0, |at| at + 1)
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn characters(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.chunk_by(|_, next| is_inner(*next))
}

#[cfg(test)]
mod tests;
