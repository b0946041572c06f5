//! Byte strings: file names and arguments are any bytes without NUL, not necessarily UTF-8.
//! [`Bytes`] shows one; the functions read numbers and split lines and fields.

#![forbid(unsafe_code)]

use alloc::vec::Vec;
use core::fmt;

/// Shows a byte string; what is not UTF-8 becomes U+FFFD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes<'a>(pub &'a [u8]);

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match core::str::from_utf8(self.0) {
            Ok(text) => f.pad(text),
            Err(_) => self.0.utf8_chunks().try_for_each(|chunk| {
                f.write_str(chunk.valid())?;
                if chunk.invalid().is_empty() { Ok(()) } else { f.write_str("\u{fffd}") }
            }),
        }
    }
}

/// The number that `text` is in `radix`: digits only, one at least.
pub fn number(text: &[u8], radix: u32) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |value, byte| {
        let digit = char::from(*byte).to_digit(radix)?;
        value.checked_mul(radix.into())?.checked_add(digit.into())
    })
}

/// A decimal number.
pub fn decimal(text: &[u8]) -> Option<u64> {
    number(text, 10)
}

/// An address: hexadecimal, with or without `0x`.
pub fn address(text: &[u8]) -> Option<u64> {
    let digits = text.strip_prefix(b"0x").or_else(|| text.strip_prefix(b"0X"));
    number(digits.unwrap_or(text), 16)
}

/// A length: decimal or, with `0x`, hexadecimal; `k`, `m` and `g` multiply by 2^10, 2^20 and 2^30.
pub fn size(text: &[u8]) -> Option<u64> {
    let (last, rest) = text.split_last()?;
    let (digits, shift) = match last.to_ascii_lowercase() {
        b'k' => (rest, 10),
        b'm' => (rest, 20),
        b'g' => (rest, 30),
        _ => (text, 0),
    };
    let value = if digits.starts_with(b"0x") { address(digits)? } else { decimal(digits)? };
    value.checked_mul(1 << shift)
}

/// The fields of a line: what blanks separate.
pub fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty())
}

/// The lines of a text, without their line feeds.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line))
}

/// What stands before and after the first `separator`.
pub fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == separator)?;
    Some((&text[..at], &text[at + 1..]))
}

/// The text without the backslashes that quote.
pub fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        plain.push(if byte == b'\\' { bytes.next().unwrap_or(byte) } else { byte });
    }
    plain
}

/// The last part of a path; the path itself where it has none.
pub fn file_name(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
    let start = path[..end].iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    if end == 0 { path } else { &path[start..end] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_completely_or_not_at_all() {
        for (text, want) in [
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("", None),
            ("12a", None),
            ("-1", None),
            ("+1", None),
        ] {
            assert_eq!(decimal(text.as_bytes()), want, "{text}");
        }
        for (text, want) in [("0x1f", Some(31)), ("1F", Some(31)), ("0x", None), ("0xg", None)] {
            assert_eq!(address(text.as_bytes()), want, "{text}");
        }
        for (text, want) in [
            ("4k", Some(4096)),
            ("0x10K", Some(16384)),
            ("2m", Some(2 << 20)),
            ("1g", Some(1 << 30)),
            ("17179869184g", None),
            ("k", None),
            ("", None),
        ] {
            assert_eq!(size(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn lines_and_fields() {
        let parts: Vec<&[u8]> = lines(b"a\n\nb").collect();
        assert_eq!(parts, [&b"a"[..], b"", b"b"]);
        assert_eq!(lines(b"").count(), 0);
        let parts: Vec<&[u8]> = fields(b"  a\tbc \n").collect();
        assert_eq!(parts, [&b"a"[..], b"bc"]);
        assert_eq!(split_once(b"a=b=c", b'='), Some((&b"a"[..], &b"b=c"[..])));
        assert_eq!(split_once(b"a", b'='), None);
    }

    #[test]
    fn file_names() {
        for (path, want) in
            [("a", "a"), ("/a/b", "b"), ("a/b//", "b"), ("/", "/"), ("//", "//"), ("", "")]
        {
            assert_eq!(file_name(path.as_bytes()), want.as_bytes(), "{path}");
        }
    }

    #[test]
    fn bytes_are_shown_even_where_they_are_not_text() {
        assert_eq!(format!("[{:>3}]", Bytes(b"a")), "[  a]");
        assert_eq!(format!("{}", Bytes(b"a\xffb")), "a\u{fffd}b");
    }
}
