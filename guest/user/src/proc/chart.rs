//! Maps of what is numbered: frames of RAM, slots of swap areas. A [`Chart`] draws a character for
//! each, or for each group where there are many, and says how many there are of each kind.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// A kind of things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// How it is drawn.
    pub letter: char,
    /// Its background on a terminal: one of the 256 colours; none: the terminal's own.
    pub colour: Option<u8>,
    /// What it is called.
    pub name: String,
}

impl Kind {
    /// With these.
    pub fn new(letter: char, colour: Option<u8>, name: &str) -> Self {
        Self { letter, colour, name: name.into() }
    }
}

/// How a map is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// Letters only.
    Letters,
    /// Letters on colours.
    Colours,
}

/// Characters in a row.
const COLUMNS: u64 = 64;
/// Rows that a map has at most.
const ROWS_MAX: u64 = 32;

/// A map.
#[derive(Clone, Debug)]
pub struct Chart {
    kinds: Vec<Kind>,
    /// Number of the first thing.
    first: u64,
    /// The kind of each thing, as an index.
    things: Vec<u8>,
}

impl Chart {
    /// Of things from this number on.
    pub fn new(kinds: Vec<Kind>, first: u64) -> Self {
        Self { kinds, first, things: Vec::new() }
    }

    /// So many things more, of the kind with this index.
    pub fn push(&mut self, kind: usize, count: u64) {
        self.things.resize(self.things.len() + count as usize, kind as u8);
    }

    /// How many things there are.
    pub fn len(&self) -> u64 {
        self.things.len() as u64
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.things.is_empty()
    }

    /// The thing with this number is of another kind, if it is on the map.
    pub fn change(&mut self, number: u64, change: impl FnOnce(usize) -> usize) {
        let index = number.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        if let Some(thing) = index.and_then(|index| self.things.get_mut(index)) {
            *thing = change(usize::from(*thing)) as u8;
        }
    }

    /// How many things a character stands for.
    pub fn scale(&self) -> u64 {
        self.len().div_ceil(COLUMNS * ROWS_MAX).max(1).next_power_of_two()
    }

    /// How many there are of each kind.
    pub fn totals(&self) -> Vec<u64> {
        count(&self.things, self.kinds.len())
    }

    /// The map: of each group its most frequent kind.
    pub fn rows(&self, ink: Ink) -> String {
        let scale = self.scale() as usize;
        let mut text = String::new();
        let row_things = scale * COLUMNS as usize;
        for (row, things) in self.things.chunks(row_things).enumerate() {
            text += &format!("{:#8x} ", self.first + (row * row_things) as u64);
            let mut colour = None;
            for group in things.chunks(scale) {
                let counts = count(group, self.kinds.len());
                // Of equal ones the first.
                let kind = (0..counts.len()).rev().max_by_key(|kind| counts[*kind]);
                let Some(kind) = kind.and_then(|kind| self.kinds.get(kind)) else { continue };
                if ink == Ink::Colours && kind.colour != colour {
                    text += &escape(kind.colour);
                    colour = kind.colour;
                }
                text.push(kind.letter);
            }
            if colour.is_some() {
                text += &escape(None);
            }
            text.push('\n');
        }
        text
    }

    /// What the letters mean, and how many things there are of each kind; `bytes` is the size of
    /// one.
    pub fn legend(&self, ink: Ink, bytes: u64) -> String {
        let mut text = String::new();
        for (kind, total) in self.kinds.iter().zip(self.totals()).filter(|(_, total)| *total > 0) {
            let letter = match (ink, kind.colour) {
                (Ink::Colours, Some(_)) => {
                    format!("{}{}{}", escape(kind.colour), kind.letter, escape(None))
                }
                _ => kind.letter.into(),
            };
            let kib = (total * bytes) >> 10;
            text += &format!("{letter}  {:<28} {total:>8} {kib:>10} KiB\n", kind.name);
        }
        text
    }
}

/// How many there are of each kind.
fn count(things: &[u8], kinds: usize) -> Vec<u64> {
    let mut counts = vec![0; kinds];
    things.iter().for_each(|thing| counts[usize::from(*thing)] += 1);
    counts
}

/// What switches a terminal to a background, and to letters that can be read on it.
///
/// Source: ECMA-48, "SGR - Select Graphic Rendition"; the 256 colours are xterm's.
fn escape(colour: Option<u8>) -> String {
    colour.map_or_else(|| "\x1b[0m".into(), |colour| format!("\x1b[30;48;5;{colour}m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        let kinds = [('.', None, "free"), ('k', Some(3), "kernel"), ('a', Some(4), "anonymous")];
        let kinds = kinds.map(|(letter, colour, name)| Kind::new(letter, colour, name));
        Chart::new(kinds.into(), 0x8_0000)
    }

    #[test]
    fn a_character_for_each_or_for_the_most_of_a_group() {
        let mut small = chart();
        small.push(1, 3);
        small.push(0, 62);
        small.change(0x8_0001, |kind| kind + 1);
        small.change(3, |_| 2);
        let rows = small.rows(Ink::Letters);
        assert_eq!(rows, format!(" 0x80000 kak{}\n 0x80040 .\n", ".".repeat(61)));
        assert_eq!((small.scale(), small.totals()), (1, vec![62, 2, 1]));
        let mut large = chart();
        for _ in 0..64 * 32 {
            large.push(2, 3);
            large.push(0, 1);
        }
        assert_eq!(large.scale(), 4);
        let rows = large.rows(Ink::Letters);
        assert!(
            rows.lines().count() == 32 && rows.lines().all(|row| row.ends_with(&"a".repeat(64)))
        );
    }

    #[test]
    fn colours_change_where_kinds_do() {
        let mut chart = chart();
        chart.push(1, 2);
        chart.push(2, 1);
        chart.push(0, 1);
        let rows = chart.rows(Ink::Colours);
        assert_eq!(rows, " 0x80000 \x1b[30;48;5;3mkk\x1b[30;48;5;4ma\x1b[0m.\n");
        let legend = chart.legend(Ink::Letters, 4096);
        assert_eq!(legend.lines().count(), 3);
        assert!(legend.contains("k  kernel                              2          8 KiB\n"));
    }
}
