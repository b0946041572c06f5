//! [`Script`]: a file whose first line, `#!INTERPRETER [ARGUMENT]`, says what runs it (`execve(2)`,
//! "Interpreter scripts").

/// Bytes of a file that are looked at: Linux's `BINPRM_BUF_SIZE`.
pub const LINE_MAX_BYTES: usize = 256;
/// How many scripts may interpret each other.
pub const DEPTH_MAX: usize = 5;

/// What the first line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Script<'a> {
    /// Path of the interpreter.
    pub interpreter: &'a [u8],
    /// The rest of the line, one argument.
    pub argument: Option<&'a [u8]>,
}

/// Whether the file says that it is a script.
pub fn is_script(start: &[u8]) -> bool {
    start.starts_with(b"#!")
}

impl<'a> Script<'a> {
    /// Reads the first bytes of a file; `None` where they name no interpreter, or the line is cut
    /// off within its name.
    pub fn read(start: &'a [u8]) -> Option<Self> {
        let start = &start[..start.len().min(LINE_MAX_BYTES)];
        let text = start.strip_prefix(b"#!")?;
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let end = text.iter().position(|byte| matches!(byte, b'\n' | 0));
        let is_cut = end.is_none() && start.len() == LINE_MAX_BYTES;
        let line = trim(&text[..end.unwrap_or(text.len())]);
        let (interpreter, rest) = match line.iter().position(is_blank) {
            Some(at) => line.split_at(at),
            None if is_cut => return None,
            None => (line, &[][..]),
        };
        let argument = Some(trim(rest)).filter(|argument| !argument.is_empty());
        (!interpreter.is_empty()).then_some(Self { interpreter, argument })
    }
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines() {
        let long = [b"#!".as_slice(), &[b'x'; 300]].concat();
        let argument = [b"#!/bin/sh ".as_slice(), &[b'x'; 300]].concat();
        for (text, want) in [
            (&b"#!/bin/sh\n"[..], Some((&b"/bin/sh"[..], None))),
            (b"#! \t/bin/sh  -e -x \necho", Some((b"/bin/sh", Some(&b"-e -x"[..])))),
            (b"#!/bin/sh", Some((b"/bin/sh", None))),
            (b"#!\n", None),
            (b"#!  \n/bin/sh", None),
            (b"#", None),
            (b"\x7fELF", None),
            (&long, None),
            (&argument, Some((b"/bin/sh", Some(&[b'x'; 246][..])))),
        ] {
            let found = Script::read(text).map(|script| (script.interpreter, script.argument));
            assert_eq!(found, want, "{:?}", text.escape_ascii().to_string());
        }
    }
}
