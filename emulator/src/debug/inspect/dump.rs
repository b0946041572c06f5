//! Memory as text: the formats of `x` and `xp` ([`Format`]), laid out as QEMU does. Only RAM is
//! read; where a line leads elsewhere, it says so and the dump ends.

use super::{View, code};
use crate::addr::Width;
use crate::debug::view::{Space, Unread};

/// Units shown at most.
const MAX_UNITS: u64 = 4096;
/// Characters of a string shown at most.
const MAX_STRING_BYTES: usize = 200;
/// Bytes in a line of numbers.
const LINE_BYTES: u64 = 16;
/// Characters in a line of characters.
const LINE_CHARACTERS: u64 = 8;

/// How a unit is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Hexadecimal,
    Decimal,
    Unsigned,
    Octal,
    Character,
    String,
    Instruction,
}

/// `/NFU`: how many units, how they are shown, how large they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::debug) struct Format {
    count: u64,
    style: Style,
    width: Width,
}

impl Format {
    /// Reads the text after the slash; empty for one word in hexadecimal.
    ///
    /// # Errors
    /// A line that names the letter that means nothing.
    pub(in crate::debug) fn parse(text: &str) -> Result<Self, String> {
        let letters = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = &text[..text.len() - letters.len()];
        let count = if digits.is_empty() { 1 } else { digits.parse().unwrap_or(u64::MAX) };
        let (mut style, mut width) = (Style::Hexadecimal, None);
        for letter in letters.chars() {
            match letter {
                'x' => style = Style::Hexadecimal,
                'd' => style = Style::Decimal,
                'u' => style = Style::Unsigned,
                'o' => style = Style::Octal,
                'c' => style = Style::Character,
                's' => style = Style::String,
                'i' => style = Style::Instruction,
                'b' => width = Some(Width::Byte),
                'h' => width = Some(Width::Half),
                'w' => width = Some(Width::Word),
                'g' => width = Some(Width::Double),
                _ => return Err(format!("invalid char in format: '{letter}'")),
            }
        }
        // As in QEMU and gdb, a character is a byte unless a size is asked for.
        let usual = if style == Style::Character { Width::Byte } else { Width::Word };
        Ok(Self { count, style, width: width.unwrap_or(usual) })
    }

    /// A single value of 64 bits in this style.
    pub(in crate::debug) fn value(self, value: u64) -> String {
        match self.style {
            Style::Hexadecimal | Style::String | Style::Instruction => format!("{value:#x}"),
            _ => Self { width: Width::Double, ..self }.unit(value).trim_start().to_owned(),
        }
    }

    /// One unit, as wide as the widest of its kind.
    fn unit(self, value: u64) -> String {
        let bits = self.width.bits();
        let decimal_digits = [4, 6, 11, 20][self.width as usize];
        match self.style {
            Style::Decimal => {
                let signed = self.width.sign_extend(value) as i64;
                format!("{signed:decimal_digits$}")
            }
            Style::Unsigned => format!("{value:decimal_digits$}"),
            Style::Octal => {
                let digits = if value == 0 { "0".to_owned() } else { format!("0{value:o}") };
                format!("{digits:>width$}", width = bits.div_ceil(3) as usize)
            }
            Style::Character => match value as u8 {
                byte @ (b'\'' | b'\\') => format!("'\\{}'", char::from(byte)),
                byte @ b' '..=b'~' => format!("'{}'", char::from(byte)),
                byte => format!("'\\x{byte:02x}'"),
            },
            _ => format!("{value:#0width$x}", width = bits as usize / 4 + 2),
        }
    }
}

/// Memory from `at` on.
pub(in crate::debug) fn memory(
    view: &View<'_>,
    space: Space,
    at: u64,
    format: Format,
) -> Vec<String> {
    let dump = Dump { view, space };
    let count = format.count.min(MAX_UNITS);
    let mut lines = match format.style {
        Style::Instruction => dump.instructions(at, count),
        Style::String => dump.strings(at, count),
        _ => dump.units(at, Format { count, ..format }),
    };
    if format.count > MAX_UNITS {
        lines.push(format!("cut after {MAX_UNITS}"));
    }
    lines
}

struct Dump<'a> {
    view: &'a View<'a>,
    space: Space,
}

impl Dump<'_> {
    fn read(&self, at: u64, bytes: &mut [u8]) -> Result<(), Unread> {
        self.view.read(self.space, at, bytes)
    }

    fn units(&self, at: u64, format: Format) -> Vec<String> {
        let bytes = format.width.bytes();
        let is_text = format.style == Style::Character;
        let per_line = if is_text { LINE_CHARACTERS } else { LINE_BYTES / bytes };
        let mut lines = Vec::new();
        for first in (0..format.count).step_by(per_line as usize) {
            let start = at.wrapping_add(first * bytes);
            let mut line = format!("{start:016x}:");
            for unit in first..format.count.min(first + per_line) {
                let mut raw = [0; 8];
                let unit_at = at.wrapping_add(unit * bytes);
                if let Err(unread) = self.read(unit_at, &mut raw[..bytes as usize]) {
                    if unit > first {
                        lines.push(line);
                    }
                    lines.push(cannot(unit_at, &unread));
                    return lines;
                }
                line.push(' ');
                line.push_str(&format.unit(u64::from_le_bytes(raw)));
            }
            lines.push(line);
        }
        lines
    }

    fn strings(&self, at: u64, count: u64) -> Vec<String> {
        let (mut at, mut lines) = (at, Vec::new());
        for _ in 0..count {
            let (start, mut text) = (at, String::new());
            let end = loop {
                let mut byte = [0];
                if let Err(unread) = self.read(at, &mut byte) {
                    if !text.is_empty() {
                        lines.push(format!("{start:016x}: \"{text}\"..."));
                    }
                    lines.push(cannot(at, &unread));
                    return lines;
                }
                if at.wrapping_sub(start) == MAX_STRING_BYTES as u64 {
                    break "...";
                }
                at = at.wrapping_add(1);
                match byte {
                    [0] => break "",
                    bytes => text.extend(bytes[0].escape_ascii().map(char::from)),
                }
            };
            lines.push(format!("{start:016x}: \"{text}\"{end}"));
        }
        lines
    }

    fn instructions(&self, at: u64, count: u64) -> Vec<String> {
        let (mut at, mut lines) = (at, Vec::new());
        for _ in 0..count {
            match code::line(self.view, self.space, at) {
                Ok((line, len_bytes)) => {
                    lines.push(line);
                    at = at.wrapping_add(len_bytes);
                }
                Err(unread) => {
                    lines.push(cannot(at, &unread));
                    break;
                }
            }
        }
        lines
    }
}

fn cannot(at: u64, unread: &Unread) -> String {
    format!("{at:016x}: Cannot access memory: {unread}")
}
