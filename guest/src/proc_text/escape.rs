//! Names in texts that are parsed by blanks and lines: bytes that would end them become `\ooo`.

use core::fmt;

/// Bytes with those of `special`, and what is not UTF-8, written in octal.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a> {
    bytes: &'a [u8],
    special: &'a [u8],
}

/// A path at the end of a line, as in maps.
pub fn path(bytes: &[u8]) -> Escaped<'_> {
    Escaped { bytes, special: b"\n" }
}

/// A word between blanks, as in mounts.
pub fn word(bytes: &[u8]) -> Escaped<'_> {
    Escaped { bytes, special: b" \t\n\\#" }
}

/// A command's name in status: there, a backslash is special as well.
pub fn name(bytes: &[u8]) -> Escaped<'_> {
    Escaped { bytes, special: b"\n\\" }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.bytes.utf8_chunks() {
            for character in chunk.valid().chars() {
                match u8::try_from(character) {
                    Ok(byte) if self.special.contains(&byte) => write!(f, "\\{byte:03o}")?,
                    _ => write!(f, "{character}")?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\{byte:03o}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_name_is_written_in_octal() {
        for (text, want) in [
            (path(b"/a b\n"), "/a b\\012"),
            (word(b"/a b#\\\t"), "/a\\040b\\043\\134\\011"),
            (name(b"a\\b c"), "a\\134b c"),
            (path(b"\xff/\xc3\xa4"), "\\377/\u{e4}"),
        ] {
            assert_eq!(text.to_string(), want);
        }
    }
}
