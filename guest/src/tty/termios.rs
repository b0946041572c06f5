//! [`Termios`]: the settings of a terminal, as programs read and write them.
//!
//! Source: Linux, `include/uapi/asm-generic/termbits.h`.

use linux_raw_sys::general as linux;

/// Bytes of `struct termios`, of TCGETS and its like.
pub const TERMIOS_BYTES: usize = 36;
/// Bytes of `struct termios2`, of TCGETS2 and its like.
pub const TERMIOS2_BYTES: usize = 44;
/// Bytes of `struct winsize`.
pub const WINSIZE_BYTES: usize = 8;

const CHARACTERS: usize = 19;

#[cfg(target_arch = "riscv64")]
const _: () = {
    assert!(size_of::<linux::termios>() == TERMIOS_BYTES);
    assert!(size_of::<linux::termios2>() == TERMIOS2_BYTES);
    assert!(size_of::<linux::winsize>() == WINSIZE_BYTES);
    assert!(linux::NCCS as usize == CHARACTERS);
};

/// Settings of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Termios {
    /// `c_iflag`.
    pub input: u32,
    /// `c_oflag`.
    pub output: u32,
    /// `c_cflag`.
    pub control: u32,
    /// `c_lflag`.
    pub local: u32,
    /// `c_line`: the line discipline, of which there is one.
    pub line: u8,
    /// `c_cc`, by VINTR and so on.
    pub characters: [u8; CHARACTERS],
    /// Bits per second, inwards and outwards.
    pub speeds: [u32; 2],
}

/// Bits per second that a terminal begins with.
const SPEED_BITS_PER_SECOND: u32 = 38_400;

impl Default for Termios {
    /// Linux's: canonical, echoing, with signals.
    fn default() -> Self {
        let mut characters = [0; CHARACTERS];
        for (index, value) in [
            (linux::VINTR, 0x03),
            (linux::VQUIT, 0x1c),
            (linux::VERASE, 0x7f),
            (linux::VKILL, 0x15),
            (linux::VEOF, 0x04),
            (linux::VMIN, 1),
            (linux::VSTART, 0x11),
            (linux::VSTOP, 0x13),
            (linux::VSUSP, 0x1a),
            (linux::VREPRINT, 0x12),
            (linux::VDISCARD, 0x0f),
            (linux::VWERASE, 0x17),
            (linux::VLNEXT, 0x16),
        ] {
            characters[index as usize] = value;
        }
        Self {
            input: linux::ICRNL | linux::IXON,
            output: linux::OPOST | linux::ONLCR,
            control: linux::B38400 | linux::CS8 | linux::CREAD | linux::HUPCL,
            local: linux::ISIG
                | linux::ICANON
                | linux::ECHO
                | linux::ECHOE
                | linux::ECHOK
                | linux::ECHOCTL
                | linux::ECHOKE
                | linux::IEXTEN,
            line: 0,
            characters,
            speeds: [SPEED_BITS_PER_SECOND; 2],
        }
    }
}

impl Termios {
    /// As `struct termios2`, whose beginning is `struct termios`.
    pub fn to_bytes(&self) -> [u8; TERMIOS2_BYTES] {
        let mut out = [0; TERMIOS2_BYTES];
        let flags = [self.input, self.output, self.control, self.local];
        for (slot, flags) in out.chunks_exact_mut(4).zip(flags) {
            slot.copy_from_slice(&flags.to_le_bytes());
        }
        out[16] = self.line;
        out[17..TERMIOS_BYTES].copy_from_slice(&self.characters);
        for (slot, speed) in out[TERMIOS_BYTES..].chunks_exact_mut(4).zip(self.speeds) {
            slot.copy_from_slice(&speed.to_le_bytes());
        }
        out
    }

    /// From a `struct termios`; speeds stay.
    #[must_use]
    pub fn changed(&self, bytes: &[u8; TERMIOS_BYTES]) -> Self {
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let mut characters = [0; CHARACTERS];
        characters.copy_from_slice(&bytes[17..]);
        Self {
            input: word(0),
            output: word(4),
            control: word(8),
            local: word(12),
            line: self.line,
            characters,
            speeds: self.speeds,
        }
    }

    /// Whether `flag` of `c_lflag` is set.
    pub fn local(&self, flag: u32) -> bool {
        self.local & flag != 0
    }

    /// Whether `flag` of `c_iflag` is set.
    pub fn input(&self, flag: u32) -> bool {
        self.input & flag != 0
    }

    /// Whether `flag` of `c_oflag` is set.
    pub fn output(&self, flag: u32) -> bool {
        self.output & flag != 0
    }

    /// The character at `index` (VINTR and so on).
    pub fn character(&self, index: u32) -> u8 {
        self.characters[index as usize]
    }

    /// Whether `byte` is the character at `index`; one that is 0 is switched off.
    pub fn is(&self, index: u32, byte: u8) -> bool {
        byte != 0 && self.character(index) == byte
    }
}

/// How many characters a terminal shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowSize {
    /// Rows, columns, width and height in pixels; 0 where nobody knows.
    pub values: [u16; 4],
}

impl WindowSize {
    /// As `struct winsize`.
    pub fn to_bytes(self) -> [u8; WINSIZE_BYTES] {
        let mut out = [0; WINSIZE_BYTES];
        for (slot, value) in out.chunks_exact_mut(2).zip(self.values) {
            slot.copy_from_slice(&value.to_le_bytes());
        }
        out
    }

    /// From a `struct winsize`.
    pub fn from_bytes(bytes: [u8; WINSIZE_BYTES]) -> Self {
        let mut values = [0; 4];
        for (value, slot) in values.iter_mut().zip(bytes.chunks_exact(2)) {
            *value = u16::from_le_bytes([slot[0], slot[1]]);
        }
        Self { values }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_begins_as_on_linux() {
        // What Linux's `stty -g` prints for a new console.
        let bytes = Termios::default().to_bytes();
        let flags: Vec<u32> = bytes[..16]
            .chunks(4)
            .map(|word| u32::from_le_bytes(word.try_into().expect("four bytes")))
            .collect();
        assert_eq!(flags, [0x500, 0x5, 0x4bf, 0x8a3b]);
        let expect = [3, 0x1c, 0x7f, 0x15, 4, 0, 1, 0, 0x11, 0x13, 0x1a, 0, 0x12, 0xf, 0x17, 0x16];
        assert_eq!(bytes[17..33], expect);
    }

    #[test]
    fn settings_survive_the_way_through_bytes() {
        let mut termios = Termios::default();
        (termios.local, termios.characters[5]) = (7, 99);
        let mut bytes = [0; TERMIOS_BYTES];
        bytes.copy_from_slice(&termios.to_bytes()[..TERMIOS_BYTES]);
        assert_eq!(Termios::default().changed(&bytes), termios);
        let size = WindowSize { values: [24, 80, 0, 7] };
        assert_eq!(WindowSize::from_bytes(size.to_bytes()), size);
    }
}
