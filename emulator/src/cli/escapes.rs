//! Keys for pagewalk among those for the guest: Ctrl-A and a letter, and the lines of the monitor.
//! [`Escapes`] is a state machine of bytes in and [`Event`]s out; `terminal.rs` acts on them.

/// What the user presses before a key for pagewalk.
const ESCAPE: u8 = 1;
/// Longest line for the monitor.
const MAX_LINE_BYTES: usize = 1000;

/// What stands before what the user types at the monitor.
pub(super) const PROMPT: &str = "(pagewalk) ";

/// What Ctrl-A h says.
pub(super) const HELP: &str = "
Ctrl-A h       this help
Ctrl-A x       end the run
Ctrl-A c       change between the console and the monitor
Ctrl-A Ctrl-A  send Ctrl-A to the guest
";

/// What a byte of input comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A byte for the guest.
    Guest(u8),
    /// A line for the monitor.
    Line(String),
    /// The user wants the run to end.
    Quit,
    /// Text for the user.
    Show(String),
}

/// Tells keys for pagewalk from those for the guest, and collects lines for the monitor.
#[derive(Debug, Default)]
pub(super) struct Escapes {
    /// The last byte was Ctrl-A.
    is_escaped: bool,
    /// The line typed so far, where the monitor listens and not the guest.
    line: Option<Vec<u8>>,
    key: Key,
}

/// How much of a key that sends several bytes has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Key {
    #[default]
    Whole,
    /// ESC
    Begun,
    /// ESC [ or ESC O: a letter or ~ ends it.
    Sequence,
}

impl Escapes {
    /// Whether the monitor listens, and not the guest.
    pub(super) fn is_monitor(&self) -> bool {
        self.line.is_some()
    }

    /// Takes in a byte; tells `act` what it comes to.
    pub(super) fn feed(&mut self, byte: u8, act: &mut impl FnMut(Event)) {
        if !std::mem::take(&mut self.is_escaped) {
            match &mut self.line {
                _ if byte == ESCAPE => self.is_escaped = true,
                None => act(Event::Guest(byte)),
                Some(_) => self.edit(byte, act),
            }
            return;
        }
        match byte {
            ESCAPE if self.line.is_none() => act(Event::Guest(ESCAPE)),
            b'x' => act(Event::Quit),
            b'h' | b'?' => act(Event::Show(HELP.to_owned())),
            b'c' => self.switch(act),
            _ => {}
        }
    }

    /// Between guest and monitor.
    fn switch(&mut self, act: &mut impl FnMut(Event)) {
        match self.line.take() {
            None => {
                self.line = Some(Vec::new());
                self.key = Key::Whole;
                act(Event::Show(format!("\n{PROMPT}")));
            }
            Some(_) => act(Event::Show("\n".to_owned())),
        }
    }

    /// A byte of the monitor's line.
    fn edit(&mut self, byte: u8, act: &mut impl FnMut(Event)) {
        const BACKSPACE: u8 = 8;
        const DELETE: u8 = 0x7f;
        const CTRL_C: u8 = 3;
        const CTRL_D: u8 = 4;
        const CTRL_U: u8 = 0x15;
        const ESC: u8 = 0x1b;
        if self.is_inside_key(byte) {
            return;
        }
        let Some(line) = &mut self.line else { return };
        match byte {
            b'\r' | b'\n' => {
                act(Event::Show("\n".to_owned()));
                act(command(&String::from_utf8_lossy(&std::mem::take(line))));
            }
            BACKSPACE | DELETE => act(Event::Show(erase(line, 1))),
            CTRL_U => act(Event::Show(erase(line, usize::MAX))),
            CTRL_C => {
                line.clear();
                act(Event::Show(format!("^C\n{PROMPT}")));
            }
            CTRL_D if line.is_empty() => self.switch(act),
            ESC => self.key = Key::Begun,
            b' '..DELETE if line.len() < MAX_LINE_BYTES => {
                line.push(byte);
                act(Event::Show(char::from(byte).to_string()));
            }
            // Commands are plain ASCII: anything else is a slip.
            _ => {}
        }
    }

    /// Whether `byte` belongs to a key, such as an arrow, that sends several; there are no lines
    /// to move about in.
    fn is_inside_key(&mut self, byte: u8) -> bool {
        let before = self.key;
        self.key = match (before, byte) {
            (Key::Begun, b'[' | b'O') => Key::Sequence,
            (Key::Sequence, b' '..=b'?') => Key::Sequence,
            _ => Key::Whole,
        };
        before == Key::Sequence || before == Key::Begun && self.key == Key::Sequence
    }
}

/// What a line for the monitor comes to.
pub(super) fn command(line: &str) -> Event {
    match line.trim() {
        "" => Event::Show(PROMPT.to_owned()),
        "q" | "quit" => Event::Quit,
        line => Event::Line(line.to_owned()),
    }
}

/// Removes characters from the end of `line`; yields what removes them from the screen.
fn erase(line: &mut Vec<u8>, count: usize) -> String {
    let count = count.min(line.len());
    line.truncate(line.len() - count);
    "\x08 \x08".repeat(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of `keys`: bytes for the guest, and the others in angle brackets.
    fn typed(keys: &[u8]) -> String {
        let mut text = String::new();
        let mut escapes = Escapes::default();
        for byte in keys {
            escapes.feed(*byte, &mut |event| match event {
                Event::Guest(byte) => text.extend(byte.escape_ascii().map(char::from)),
                Event::Line(line) => text.push_str(&format!("<line {line}>")),
                Event::Quit => text.push_str("<quit>"),
                Event::Show(shown) if shown == HELP => text.push_str("<help>"),
                Event::Show(shown) => {
                    let shown = shown.replace(PROMPT, "$").replace("\x08 \x08", "<<");
                    text.push_str(&format!("<{}>", shown.escape_default()));
                }
            });
        }
        text
    }

    #[test]
    fn keys() {
        for (keys, expect) in [
            (&b"ls\r\x03\x04"[..], r"ls\r\x03\x04"),
            (b"\x00\x7f\xff\x1b[A", r"\x00\x7f\xff\x1b[A"),
            (b"a\x01xb", "a<quit>b"),
            (b"\x01h\x01?", "<help><help>"),
            (b"a\x01\x01b\x01\x01\x01x", r"a\x01b\x01<quit>"),
            // A key that means nothing is lost, as in QEMU.
            (b"a\x01zx", "ax"),
            (b"x\x01", "x"),
            (b"\x01cq\r", r"<\n$><q><\n><quit>"),
            (b"\x01c quit \n", r"<\n$>< ><q><u><i><t>< ><\n><quit>"),
            (b"\x01ctr 0\rx\x01cx", r"<\n$><t><r>< ><0><\n><line tr 0><x><\n>x"),
            (b"\x01c\r \r", r"<\n$><\n><$>< ><\n><$>"),
            // What was typed is forgotten with the monitor.
            (b"\x01cab\x01c\x01cc\r", r"<\n$><a><b><\n><\n$><c><\n><line c>"),
            (b"\x01cab\x08\x7fc\x08\x08d\r", r"<\n$><a><b><<<><<<><c><<<><><d><\n><line d>"),
            (b"\x01cabc\x15\x15d\r", r"<\n$><a><b><c><<<<<<<><><d><\n><line d>"),
            (b"\x01cab\x03c\r", r"<\n$><a><b><^C\n$><c><\n><line c>"),
            (b"\x01c\x04x", r"<\n$><\n>x"),
            (b"\x01ca\x04\r", r"<\n$><a><\n><line a>"),
            (b"\x01ca\x1b[A\x1b[3~\x1bOCb\x1b\rc\r", r"<\n$><a><b><\n><line ab><c><\n><line c>"),
            (b"\x01c\xc3\xa9\ta\r", r"<\n$><a><\n><line a>"),
            (b"\x01c\x01\x01\x01h\x01x", r"<\n$><help><quit>"),
        ] {
            assert_eq!(typed(keys), expect, "{}", keys.escape_ascii());
        }
    }

    #[test]
    fn lines_are_bounded() {
        let mut escapes = Escapes::default();
        let mut lines = Vec::new();
        for byte in b"\x01c".iter().chain(&[b'a'; 2 * MAX_LINE_BYTES]).chain(b"\r") {
            escapes.feed(*byte, &mut |event| {
                if let Event::Line(line) = event {
                    lines.push(line.len());
                }
            });
        }
        assert_eq!(lines, [MAX_LINE_BYTES]);
        assert!(escapes.is_monitor());
    }
}
