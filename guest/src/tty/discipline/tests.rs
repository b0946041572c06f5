//! Keys and what becomes of them.

use proptest::prelude::*;

use super::*;

struct Terminal {
    discipline: Discipline,
    screen: Vec<u8>,
}

impl Terminal {
    fn new(change: impl FnOnce(&mut Termios)) -> Self {
        let mut terminal = Self { discipline: Discipline::default(), screen: Vec::new() };
        terminal.set(change);
        terminal
    }

    fn set(&mut self, change: impl FnOnce(&mut Termios)) {
        let mut termios = *self.discipline.termios();
        change(&mut termios);
        self.discipline.set_termios(termios);
    }

    fn press(&mut self, keys: &[u8]) -> Vec<Press> {
        let screen = &mut self.screen;
        let mut press = |key: &u8| self.discipline.input(*key, &mut |byte| screen.push(byte));
        keys.iter().map(&mut press).filter(|press| *press != Press::Nothing).collect()
    }

    fn write(&mut self, text: &str) {
        let screen = &mut self.screen;
        self.discipline.output(text.as_bytes(), &mut |byte| screen.push(byte));
    }

    fn read(&mut self, most: usize) -> Option<String> {
        let mut to = vec![0; most];
        let count = self.discipline.read(&mut to)?;
        Some(String::from_utf8_lossy(&to[..count]).into_owned())
    }

    fn all(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.read(INPUT_BYTES)).collect()
    }

    fn screen(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.screen)).into_owned()
    }
}

fn raw(minimum: u8) -> Terminal {
    Terminal::new(|termios| {
        termios.local = 0;
        termios.input = 0;
        termios.characters[linux::VMIN as usize] = minimum;
    })
}

#[test]
fn lines_are_edited_before_they_are_read() {
    for (keys, lines, screen) in [
        ("abc\r", &["abc\n"][..], "abc\r\n"),
        ("abc\n", &["abc\n"], "abc\r\n"),
        ("ab\x7fc\n", &["ac\n"], "ab\x08 \x08c\r\n"),
        ("\x7f\x7f\n", &["\n"], "\r\n"),
        ("ab cd\x17e\n", &["ab e\n"], "ab cd\x08 \x08\x08 \x08e\r\n"),
        ("ab  \x17e\n", &["e\n"], "ab  \x08 \x08\x08 \x08\x08 \x08\x08 \x08e\r\n"),
        ("abc\x15d\n", &["d\n"], "abc\x08 \x08\x08 \x08\x08 \x08d\r\n"),
        // VEOF ends a line without being in it; alone it is the end of the file.
        ("ab\x04", &["ab"], "ab"),
        ("\x04", &[""], ""),
        ("ab\x04\x04c\n", &["ab", "", "c\n"], "abc\r\n"),
        // VLNEXT takes the next key as it is.
        ("\x16\x03\x16\x7f\n", &["\x03\x7f\n"], "^\x08^C^\x08^?\r\n"),
        ("a\x01\x7fb\n", &["ab\n"], "a^A\x08 \x08\x08 \x08b\r\n"),
        ("ab\x12c\n", &["abc\n"], "ab^R\r\nabc\r\n"),
        ("a\t\x7fb\n", &["ab\n"], "a\t\x08\x08\x08\x08\x08\x08\x08b\r\n"),
        ("one\ntwo\n", &["one\n", "two\n"], "one\r\ntwo\r\n"),
    ] {
        let mut terminal = Terminal::new(|_| {});
        terminal.press(keys.as_bytes());
        assert_eq!(terminal.screen(), screen, "{keys:?}");
        assert_eq!(terminal.all(), lines, "{keys:?}");
    }
}

#[test]
fn flags_change_the_echo() {
    let without = |flags: u32| move |termios: &mut Termios| termios.local &= !flags;
    for (flags, keys, screen) in [
        (linux::ECHO, "ab\x7f\n", ""),
        (linux::ECHOE, "ab\x7f\n", "ab^?\r\n"),
        (linux::ECHOKE, "ab\x15c\n", "ab^U\r\nc\r\n"),
        (linux::ECHOKE | linux::ECHOK, "ab\x15c\n", "ab^Uc\r\n"),
        (linux::ECHOCTL, "a\x01b\x7f\x7f\n", "a\x01b\x08 \x08\r\n"),
        (linux::IEXTEN, "ab\x17\n", "ab^W\r\n"),
    ] {
        let mut terminal = Terminal::new(without(flags));
        terminal.press(keys.as_bytes());
        assert_eq!(terminal.screen(), screen, "{flags:#x} {keys:?}");
    }
    let mut terminal = Terminal::new(|termios| {
        termios.local = termios.local & !linux::ECHO | linux::ECHONL;
    });
    terminal.press(b"secret\n");
    assert_eq!((terminal.screen(), terminal.all()), ("\r\n".into(), vec!["secret\n".into()]));
}

#[test]
fn keys_send_signals_and_drop_what_was_typed() {
    let mut terminal = Terminal::new(|_| {});
    for (key, signal, shown) in
        [(3, Key::Interrupt, "ab^C"), (0x1c, Key::Quit, "ab^\\"), (0x1a, Key::Suspend, "ab^Z")]
    {
        assert_eq!(terminal.press(&[b'a', b'b', key]), [Press::Signal(signal)]);
        assert_eq!((terminal.screen(), terminal.all()), (shown.into(), vec![]));
    }
    terminal.set(|termios| termios.local |= linux::NOFLSH);
    assert_eq!(terminal.press(b"line\nab\x03"), [Press::Readable, Press::Signal(Key::Interrupt)]);
    terminal.press(b"c\n");
    assert_eq!(terminal.all(), ["line\n", "abc\n"]);
    terminal.set(|termios| termios.local &= !linux::ISIG);
    assert_eq!(terminal.press(b"\x03\n"), [Press::Readable]);
    assert_eq!(terminal.all(), ["\x03\n"]);
    // A character that is switched off is no key.
    terminal.set(|termios| {
        termios.local |= linux::ISIG;
        termios.characters[linux::VINTR as usize] = 0;
    });
    assert_eq!(terminal.press(b"\0"), []);
}

#[test]
fn raw_bytes_are_there_at_once() {
    let mut terminal = raw(1);
    assert_eq!(terminal.press(b"a\r\x03"), [Press::Readable; 3]);
    assert_eq!((terminal.screen(), terminal.discipline.waiting()), (String::new(), 3));
    assert_eq!(terminal.read(2).as_deref(), Some("a\r"));
    assert_eq!((terminal.read(2).as_deref(), terminal.read(2)), (Some("\x03"), None));
    let mut terminal = raw(3);
    terminal.press(b"ab");
    assert!(!terminal.discipline.readable(3) && terminal.discipline.readable(0));
    terminal.press(b"c");
    assert!(terminal.discipline.readable(3));
    assert_eq!(terminal.discipline.patience(), (3, 0));
}

#[test]
fn carriage_returns_are_translated_as_asked() {
    for (input, keys, expect) in [
        (linux::ICRNL, "\r\n", "\n\n"),
        (linux::IGNCR, "\r\n", "\n"),
        (linux::INLCR, "\r\n", "\r\r"),
        (0, "\r\n", "\r\n"),
        (linux::ISTRIP, "\u{81}", "B\x01"),
    ] {
        let mut terminal = raw(1);
        terminal.set(|termios| termios.input = input);
        terminal.press(keys.as_bytes());
        assert_eq!(terminal.all().concat(), expect, "{input:#x}");
    }
}

#[test]
fn output_is_processed() {
    for (flags, text, expect) in [
        (linux::OPOST | linux::ONLCR, "a\nb\r\n", "a\r\nb\r\r\n"),
        (linux::OPOST, "a\nb", "a\nb"),
        (0, "a\n\tb", "a\n\tb"),
        (linux::OPOST | linux::XTABS, "ab\tc", "ab      c"),
        (linux::OPOST | linux::OCRNL, "a\rb", "a\nb"),
        (linux::OPOST | linux::ONOCR, "\ra\rb", "a\rb"),
        (linux::OPOST | linux::OLCUC, "aB1", "AB1"),
    ] {
        let mut terminal = Terminal::new(|termios| termios.output = flags);
        terminal.write(text);
        assert_eq!(terminal.screen(), expect, "{flags:#x} {text:?}");
    }
    // A tab that is erased goes back to where the prompt ended.
    let mut terminal = Terminal::new(|_| {});
    terminal.write("sh$ ");
    terminal.press(b"\t\x7f");
    assert_eq!(terminal.screen(), "sh$ \t\x08\x08\x08\x08");
}

#[test]
fn output_stops_and_goes_on() {
    let mut terminal = Terminal::new(|_| {});
    assert_eq!(terminal.press(b"\x13"), []);
    assert!(terminal.discipline.stopped());
    assert_eq!(terminal.press(b"\x11"), [Press::Resumed]);
    terminal.press(b"\x13\x03");
    assert!(!terminal.discipline.stopped(), "a signal sets it going");
    terminal.press(b"\x13");
    terminal.set(|termios| termios.input &= !linux::IXON);
    assert!(!terminal.discipline.stopped() && terminal.press(b"\x11").is_empty());
}

#[test]
fn input_survives_a_change_of_mode() {
    let mut terminal = Terminal::new(|_| {});
    terminal.press(b"one\ntw");
    assert_eq!(terminal.discipline.waiting(), 4);
    terminal.set(|termios| termios.local &= !linux::ICANON);
    assert_eq!(terminal.read(100).as_deref(), Some("one\ntw"));
    terminal.press(b"x\x04");
    terminal.set(|termios| termios.local |= linux::ICANON);
    assert_eq!(terminal.all(), ["x\x04"]);
    terminal.press(b"gone\nab");
    terminal.discipline.flush_input();
    assert_eq!((terminal.discipline.waiting(), terminal.all()), (0, vec![]));
}

#[test]
fn characters_of_several_bytes_are_erased_as_one() {
    let mut terminal = Terminal::new(|termios| termios.input |= linux::IUTF8);
    terminal.press("aé\x7fb\n".as_bytes());
    assert_eq!(terminal.screen(), "aé\x08 \x08b\r\n");
    assert_eq!(terminal.all(), ["ab\n"]);
}

#[test]
fn input_is_limited_but_a_line_can_always_be_ended() {
    let mut terminal = Terminal::new(|termios| termios.input |= linux::IMAXBEL);
    terminal.press(&[b'x'; INPUT_BYTES + 5]);
    assert!(terminal.screen().ends_with("x\x07\x07\x07\x07\x07\x07"));
    assert_eq!(terminal.press(b"\n"), [Press::Readable]);
    assert_eq!(terminal.read(INPUT_BYTES + 9).map(|line| line.len()), Some(INPUT_BYTES));
    let mut terminal = raw(1);
    terminal.press(&[b'x'; INPUT_BYTES]);
    assert_eq!(terminal.press(b"y"), []);
    assert_eq!(terminal.discipline.waiting(), INPUT_BYTES);
}

#[test]
fn a_short_read_leaves_the_rest_of_the_line() {
    let mut terminal = Terminal::new(|_| {});
    terminal.press(b"abcd\n");
    let parts: Vec<_> = std::iter::from_fn(|| terminal.read(2)).collect();
    assert_eq!(parts, ["ab", "cd", "\n"]);
}

proptest! {
    /// Without special keys, canonical mode gives back just the lines that were typed; with any
    /// keys and settings, nothing panics and nothing grows without bound.
    #[test]
    fn plain_lines_pass(text in "([a-z ]{0,20}\n){0,20}", most in 1..30usize) {
        let mut terminal = Terminal::new(|_| {});
        terminal.press(text.as_bytes());
        let read: Vec<_> = std::iter::from_fn(|| terminal.read(most)).collect();
        prop_assert!(read.iter().all(|part| !part[..part.len() - 1].contains('\n')));
        prop_assert_eq!(read.concat(), text);
    }

    #[test]
    fn any_keys_do_no_harm(
        flags in any::<[u32; 4]>(),
        other in any::<[u32; 4]>(),
        keys in prop::collection::vec(0..=0x85u8, 0..200),
    ) {
        let set = |flags: [u32; 4]| move |termios: &mut Termios| {
            [termios.input, termios.output, termios.control, termios.local] = flags;
        };
        let mut terminal = Terminal::new(set(flags));
        for (index, key) in keys.iter().enumerate() {
            terminal.press(&[*key]);
            if index % 50 == 49 {
                terminal.set(set(if index % 100 == 49 { other } else { flags }));
            }
            if index % 7 == 6 {
                let _ = terminal.read(3);
            }
            let Discipline { items, finished, .. } = &terminal.discipline;
            prop_assert!(*finished <= items.len() && items.len() <= INPUT_BYTES);
        }
        prop_assert!(terminal.screen.len() <= keys.len() * keys.len() * EXPANSION_BYTES + 16);
    }
}
