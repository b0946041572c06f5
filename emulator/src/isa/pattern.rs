//! Instruction patterns as text: 32 characters of `0`, `1` and `.`, spaces ignored, most
//! significant bit first, as the manual prints them. Parsed at compile time for `isa/table.rs`.

/// Fixed bits of an instruction: `bits & mask == value` says that it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Bits that are fixed.
    pub mask: u32,
    /// What the fixed bits must be.
    pub value: u32,
}

impl Pattern {
    /// Parses `text`; anything but 32 pattern characters fails to compile in a const context.
    pub const fn parse(text: &str) -> Self {
        let text = text.as_bytes();
        let (mut mask, mut value, mut bits, mut at) = (0u32, 0u32, 0, 0);
        while at < text.len() {
            match text[at] {
                b' ' => {}
                b'.' => (mask, value, bits) = (mask << 1, value << 1, bits + 1),
                b'0' => (mask, value, bits) = (mask << 1 | 1, value << 1, bits + 1),
                b'1' => (mask, value, bits) = (mask << 1 | 1, value << 1 | 1, bits + 1),
                _ => panic!("pattern: only 0, 1, . and space"),
            }
            at += 1;
        }
        assert!(bits == 32, "pattern: not 32 bits");
        Self { mask, value }
    }

    /// Whether `bits` is an instance of this pattern.
    pub const fn matches(self, bits: u32) -> bool {
        bits & self.mask == self.value
    }

    /// Whether some bits match both patterns.
    pub const fn overlaps(self, other: Self) -> bool {
        (self.value ^ other.value) & self.mask & other.mask == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_like_the_opcode_tables() {
        let add = Pattern::parse("0000000 ..... ..... 000 ..... 0110011");
        assert_eq!(add, Pattern { mask: 0xfe00_707f, value: 0x33 });
        assert!(add.matches(0x00b5_0533));
        assert!(!add.matches(0x40b5_0533));
        let sub = Pattern::parse("0100000 ..... ..... 000 ..... 0110011");
        assert!(!add.overlaps(sub));
        assert!(add.overlaps(Pattern::parse("....... ..... ..... 000 ..... 0110011")));
    }
}
