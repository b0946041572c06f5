//! Keys: what the bytes of a terminal mean.
//!
//! Source: ECMA-48, "Control sequences", and the sequences that xterm and the Linux console send.

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Byte(u8),
    Enter,
    Tab,
    Interrupt,
    /// Ctrl-D.
    DeleteOrEnd,
    ClearScreen,
    Left,
    Right,
    WordLeft,
    WordRight,
    Home,
    End,
    Up,
    Down,
    Backspace,
    Delete,
    CutToEnd,
    CutToStart,
    CutWord,
    Paste,
}

/// Where in a sequence the next byte is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Ground,
    /// Behind the escape character.
    Escape,
    /// Behind `ESC [`, with the last number so far.
    Control(u32),
    /// Behind `ESC O`.
    Shift,
}

/// Puts sequences together.
#[derive(Debug, Default)]
pub(super) struct Decoder(Place);

impl Decoder {
    /// The key that this byte completes.
    pub(super) fn feed(&mut self, byte: u8) -> Option<Key> {
        let place = core::mem::take(&mut self.0);
        match (place, byte) {
            (Place::Ground, 0x1b) => self.0 = Place::Escape,
            (Place::Ground, _) => return plain(byte),
            (Place::Escape, b'[') => self.0 = Place::Control(0),
            (Place::Escape, b'O') => self.0 = Place::Shift,
            (Place::Escape, b'b') => return Some(Key::WordLeft),
            (Place::Escape, b'f') => return Some(Key::WordRight),
            (Place::Escape, 0x08 | 0x7f) => return Some(Key::CutWord),
            (Place::Escape, 0x1b) => self.0 = Place::Escape,
            (Place::Control(number), b'0'..=b'9') => {
                let digit = u32::from(byte - b'0');
                self.0 = Place::Control(number.saturating_mul(10).saturating_add(digit));
            }
            (Place::Control(_), b' '..=b'?') => self.0 = Place::Control(0),
            (Place::Control(number), _) => return sequence(byte, number),
            (Place::Shift, _) => return sequence(byte, 0),
            (Place::Escape, _) => {}
        }
        None
    }
}

fn plain(byte: u8) -> Option<Key> {
    /// The code of a letter with the control key.
    const fn control(letter: u8) -> u8 {
        letter - b'@'
    }
    const A: u8 = control(b'A');
    const B: u8 = control(b'B');
    const C: u8 = control(b'C');
    const D: u8 = control(b'D');
    const E: u8 = control(b'E');
    const F: u8 = control(b'F');
    const H: u8 = control(b'H');
    const K: u8 = control(b'K');
    const L: u8 = control(b'L');
    const N: u8 = control(b'N');
    const P: u8 = control(b'P');
    const U: u8 = control(b'U');
    const W: u8 = control(b'W');
    const Y: u8 = control(b'Y');
    Some(match byte {
        b'\r' | b'\n' => Key::Enter,
        b'\t' => Key::Tab,
        A => Key::Home,
        B => Key::Left,
        C => Key::Interrupt,
        D => Key::DeleteOrEnd,
        E => Key::End,
        F => Key::Right,
        H | 0x7f => Key::Backspace,
        K => Key::CutToEnd,
        L => Key::ClearScreen,
        N => Key::Down,
        P => Key::Up,
        U => Key::CutToStart,
        W => Key::CutWord,
        Y => Key::Paste,
        0..0x20 => return None,
        _ => Key::Byte(byte),
    })
}

/// What a sequence with this last byte and number means.
fn sequence(last: u8, number: u32) -> Option<Key> {
    /// The modifier that stands for the control key.
    const CONTROL: u32 = 5;
    Some(match (last, number) {
        (b'A', _) => Key::Up,
        (b'B', _) => Key::Down,
        (b'C', CONTROL) => Key::WordRight,
        (b'C', _) => Key::Right,
        (b'D', CONTROL) => Key::WordLeft,
        (b'D', _) => Key::Left,
        (b'H', _) | (b'~', 1 | 7) => Key::Home,
        (b'F', _) | (b'~', 4 | 8) => Key::End,
        (b'~', 3) => Key::Delete,
        _ => return None,
    })
}
