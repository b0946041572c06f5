//! Options of a command line in the style of `getopt(3)`.

#![forbid(unsafe_code)]

use alloc::vec::Vec;

/// Whether options may stand behind the first operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Anywhere before `--`.
    Anywhere,
    /// Only before the first operand: the rest is another program's.
    OptionsFirst,
}

/// Arguments, sorted out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options<'a> {
    flags: Vec<u8>,
    values: Vec<(u8, &'a [u8])>,
    /// What is no option.
    pub operands: Vec<&'a [u8]>,
}

impl<'a> Options<'a> {
    /// Reads arguments: `flags` are the letters without a value, `valued` those with one. None:
    /// an unknown letter, or a value is missing.
    pub fn parse(
        arguments: impl Iterator<Item = &'a [u8]>,
        flags: &[u8],
        valued: &[u8],
        order: Order,
    ) -> Option<Self> {
        let mut options = Self::default();
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            if argument == b"--" {
                options.operands.extend(&mut arguments);
                break;
            }
            let Some(mut letters) = argument.strip_prefix(b"-") else {
                options.operands.push(argument);
                if order == Order::OptionsFirst {
                    options.operands.extend(&mut arguments);
                }
                continue;
            };
            if letters.is_empty() {
                options.operands.push(argument);
            }
            while let [letter, rest @ ..] = letters {
                letters = rest;
                if flags.contains(letter) {
                    options.flags.push(*letter);
                } else if valued.contains(letter) {
                    let value = if rest.is_empty() { arguments.next()? } else { rest };
                    options.values.push((*letter, value));
                    break;
                } else {
                    return None;
                }
            }
        }
        Some(options)
    }

    /// Whether a flag is set.
    pub fn has(&self, letter: u8) -> bool {
        self.flags.contains(&letter)
    }

    /// The last of these flags.
    pub fn last_of(&self, letters: &[u8]) -> Option<u8> {
        self.flags.iter().rev().copied().find(|letter| letters.contains(letter))
    }

    /// The value of an option, the last one where it is there several times.
    pub fn value(&self, letter: u8) -> Option<&'a [u8]> {
        self.values.iter().rev().find(|option| option.0 == letter).map(|option| option.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str, order: Order) -> Option<Options<'_>> {
        Options::parse(line.split(' ').map(str::as_bytes), b"al", b"n", order)
    }

    #[test]
    fn options_and_operands() {
        let options = parse("-la x -n 3 - -n4 -- -y", Order::Anywhere).expect("well-formed");
        assert!(options.has(b'a') && options.has(b'l') && !options.has(b'n'));
        assert_eq!(options.value(b'n'), Some(&b"4"[..]));
        assert_eq!(options.operands, [&b"x"[..], b"-", b"-y"]);
        assert_eq!(options.last_of(b"al"), Some(b'a'));
        let options = parse("-a x -l", Order::OptionsFirst).expect("well-formed");
        assert_eq!(options.operands, [&b"x"[..], b"-l"]);
        assert_eq!(parse("-x", Order::Anywhere), None);
        assert_eq!(parse("-n", Order::Anywhere), None);
    }
}
