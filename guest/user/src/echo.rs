//! What `echo` prints, which is a program and one of the shell's builtins.

#![forbid(unsafe_code)]

use alloc::vec::Vec;

/// The output for the arguments behind the name: `-n` leaves the line feed out, `-e` reads
/// backslashes, `-E` does not.
pub fn text<'a>(words: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut words = words.peekable();
    let (mut line_feed, mut escapes) = (true, false);
    while let Some([b'-', letters @ ..]) = words.peek().copied() {
        if letters.is_empty() || !letters.iter().all(|letter| b"neE".contains(letter)) {
            break;
        }
        for letter in letters {
            match letter {
                b'n' => line_feed = false,
                other => escapes = *other == b'e',
            }
        }
        words.next();
    }
    let mut output = Vec::new();
    for (index, word) in words.enumerate() {
        if index > 0 {
            output.push(b' ');
        }
        if !escapes {
            output.extend_from_slice(word);
        } else if unescape(word, &mut output) == Stop::Yes {
            return output;
        }
    }
    if line_feed {
        output.push(b'\n');
    }
    output
}

/// Whether `\c` ends everything.
#[derive(PartialEq, Eq)]
enum Stop {
    Yes,
    No,
}

fn unescape(word: &[u8], output: &mut Vec<u8>) -> Stop {
    let mut rest = word;
    while let [first, after @ ..] = rest {
        rest = after;
        let ([letter, after @ ..], b'\\') = (rest, first) else {
            output.push(*first);
            continue;
        };
        rest = after;
        let byte = match letter {
            b'a' => 0x07,
            b'b' => 0x08,
            b'c' => return Stop::Yes,
            b'e' => 0x1b,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 0x0b,
            b'\\' => b'\\',
            b'0' => {
                let digits = rest.iter().take(3).take_while(|byte| (b'0'..=b'7').contains(byte));
                let digits = digits.count();
                let value =
                    rest[..digits].iter().fold(0_u32, |v, digit| v * 8 + u32::from(digit - b'0'));
                rest = &rest[digits..];
                value as u8
            }
            other => {
                output.push(b'\\');
                *other
            }
        };
        output.push(byte);
    }
    Stop::No
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs() {
        for (words, want) in [
            (&[][..], "\n"),
            (&["a", "b  c"], "a b  c\n"),
            (&["-n", "a"], "a"),
            (&["a", "-n"], "a -n\n"),
            (&["-x"], "-x\n"),
            (&["-"], "-\n"),
            (&["a\\tb"], "a\\tb\n"),
            (&["-e", "a\\tb\\0101\\q\\\\"], "a\tbA\\q\\\n"),
            (&["-ne", "a\\cb", "c"], "a"),
            (&["-e", "-E", "\\t"], "\\t\n"),
            (&["-e", "a\\"], "a\\\n"),
        ] {
            let got = text(words.iter().map(|word| word.as_bytes()));
            assert_eq!(String::from_utf8(got).unwrap(), want, "{words:?}");
        }
    }
}
