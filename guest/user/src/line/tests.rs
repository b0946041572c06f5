//! Tests of the editor: keys go in, the line and the terminal's screen come out.

use super::*;

/// A terminal as far as the editor needs it; its rows are as long as anybody writes.
#[derive(Default)]
struct Screen {
    rows: Vec<Vec<char>>,
    row: usize,
    column: usize,
}

impl Screen {
    fn show(&mut self, output: &[u8]) {
        let text = std::str::from_utf8(output).expect("UTF-8");
        let mut chars = text.chars();
        while let Some(char) = chars.next() {
            match char {
                '\r' => self.column = 0,
                '\n' => (self.row, self.column) = (self.row + 1, 0),
                '\x07' => {}
                '\x1b' => {
                    assert_eq!(chars.next(), Some('['));
                    let mut number = String::new();
                    let last = loop {
                        match chars.next().expect("a whole sequence") {
                            digit @ '0'..='9' => number.push(digit),
                            last => break last,
                        }
                    };
                    self.control(last, number.parse().unwrap_or(0));
                }
                _ => self.put(char),
            }
        }
        self.rows.resize(self.rows.len().max(self.row + 1), Vec::new());
    }

    fn control(&mut self, last: char, number: usize) {
        match last {
            'A' => self.row -= number,
            'B' => self.row += number,
            'C' => self.column += number,
            'H' => (self.row, self.column) = (0, 0),
            'J' if number == 2 => self.rows.clear(),
            'J' => {
                self.rows.truncate(self.row + 1);
                if let Some(row) = self.rows.get_mut(self.row) {
                    row.truncate(self.column);
                }
            }
            _ => panic!("{last}"),
        }
    }

    fn put(&mut self, char: char) {
        self.rows.resize(self.rows.len().max(self.row + 1), Vec::new());
        let row = &mut self.rows[self.row];
        row.resize(row.len().max(self.column + 1), ' ');
        row[self.column] = char;
        self.column += 1;
    }

    fn lines(&self) -> Vec<String> {
        self.rows.iter().map(|row| row.iter().collect()).collect()
    }
}

/// The editor after these keys, its screen, and the last outcome that was not `More`.
fn typed(editor: &mut Editor, keys: &str, columns: usize) -> (Screen, Option<Outcome>) {
    let (mut screen, mut outcome) = (Screen::default(), None);
    let mut output = Vec::new();
    editor.begin(b"# ", columns, &mut output);
    for byte in keys.bytes() {
        match editor.feed(byte, &mut output) {
            Outcome::More => {}
            other => outcome = Some(other),
        }
    }
    screen.show(&output);
    (screen, outcome)
}

#[test]
fn keys_edit_the_line() {
    for (keys, line, cursor) in [
        ("abc", "abc", 3),
        ("abc\x1b[D\x1b[DX", "aXbc", 2),
        ("abc\x01X\x05Y", "XabcY", 5),
        ("abc\x1b[HX\x1b[FY", "XabcY", 5),
        ("abc\x1bOHX\x1b[1~Y\x1b[4~Z", "YXabcZ", 6),
        ("abc\x7f\x08X", "aX", 2),
        ("abc\x1b[D\x1b[3~", "ab", 2),
        ("abc\x01\x04", "bc", 0),
        ("ab cd\x02\x02\x0b", "ab ", 3),
        ("ab cd\x02\x02\x15", "cd", 0),
        ("ab cd  \x17X", "ab X", 4),
        ("ab cd\x17\x01\x19", "cdab ", 2),
        ("ab cd\x1bb\x1bbX\x1bfY", "XabY cd", 4),
        ("ab cd\x1b[1;5DX", "ab Xcd", 4),
        ("\u{e9}\u{fc}\x1b[DX\x7f\x7f", "\u{fc}", 0),
        ("a\x1b[99zb\x1b[Ac\x00d", "abcd", 4),
        ("\x7f\x1b[D\x1b[Ca", "a", 1),
    ] {
        let mut editor = Editor::default();
        let (screen, outcome) = typed(&mut editor, keys, 80);
        assert_eq!(outcome, None, "{keys:?}");
        assert_eq!(String::from_utf8_lossy(&editor.line), line, "{keys:?}");
        assert_eq!(editor.cursor, cursor, "{keys:?}");
        assert_eq!(screen.lines(), [format!("# {line}")], "{keys:?}");
        let column = 2 + width(&editor.line[..editor.cursor]);
        assert_eq!((screen.row, screen.column), (0, column), "{keys:?}");
    }
}

#[test]
fn lines_end() {
    for (keys, want) in [
        ("ab\r", Outcome::Line(b"ab".to_vec())),
        ("ab\x01\n", Outcome::Line(b"ab".to_vec())),
        ("\x04", Outcome::EndOfFile),
        ("ab\x03", Outcome::Interrupted),
        ("ab\t", Outcome::Complete),
    ] {
        assert_eq!(typed(&mut Editor::default(), keys, 80).1, Some(want), "{keys:?}");
    }
    // In the middle of a line Ctrl-D deletes.
    let mut editor = Editor::default();
    assert_eq!(typed(&mut editor, "ab\x02\x04", 80).1, None);
    assert_eq!(editor.line, b"a");
}

#[test]
fn a_long_line_takes_several_rows() {
    for (keys, rows, row, column) in [
        ("0123456", &["# 0123456"][..], 0, 9),
        ("01234567", &["# 01234567", ""], 1, 0),
        ("0123456789", &["# 01234567", "89"], 1, 2),
        ("0123456789\x01", &["# 01234567", "89"], 0, 2),
        ("0123456789\x01X", &["# X0123456", "789"], 0, 3),
        ("0123456789\x01\x05", &["# 01234567", "89"], 1, 2),
        ("0123456789\x7f\x7f\x7f", &["# 0123456"], 0, 9),
        ("0123456789abcdefghij\x01\x0b", &["# "], 0, 2),
        ("0123456789abcdefghij\x1b[D\x15", &["# j"], 0, 2),
        ("0123456\u{e9}\u{e9}", &["# 0123456\u{e9}", "\u{e9}"], 1, 1),
        ("0123456789\x0c", &["# 01234567", "89"], 1, 2),
    ] {
        let (screen, _) = typed(&mut Editor::default(), keys, 10);
        assert_eq!(screen.lines(), rows, "{keys:?}");
        assert_eq!((screen.row, screen.column), (row, column), "{keys:?}");
    }
}

#[test]
fn the_history_comes_back() {
    let mut editor = Editor::default();
    for line in ["one", "two", "two", " ", "three"] {
        editor.remember(line.as_bytes());
    }
    assert_eq!(editor.history().len(), 3);
    let (up, down) = ("\x1b[A", "\x1b[B");
    for (keys, want) in [
        (up.to_owned(), "three"),
        (up.repeat(2), "two"),
        (up.repeat(9), "one"),
        (up.repeat(2) + down, "three"),
        (format!("new{up}{down}"), "new"),
        (format!("new{up}{up}{down}{down}{down}"), "new"),
        (format!("{up}X\x10"), "two"),
    ] {
        typed(&mut editor, &keys, 80);
        assert_eq!(String::from_utf8_lossy(&editor.line), want, "{keys:?}");
    }
    for number in 0..2 * HISTORY_MAX_LINES {
        editor.remember(number.to_string().as_bytes());
    }
    assert_eq!(editor.history().len(), HISTORY_MAX_LINES);
}

#[test]
fn completion_goes_into_the_line_or_is_listed() {
    let mut editor = Editor::default();
    let (mut screen, _) = typed(&mut editor, "ls a", 29);
    let names = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect();
    let mut output = Vec::new();
    let several: Vec<_> = names(&["alpha", "alps", "alpine", "altar", "beta"]);
    editor.complete(&Completion::new(b"a", several.clone()), &mut output);
    screen.show(&mem::take(&mut output));
    assert_eq!(editor.line, b"ls al");
    editor.complete(&Completion::new(b"al", several), &mut output);
    screen.show(&mem::take(&mut output));
    assert_eq!(screen.lines(), ["# ls al", "alpha   alps", "alpine  altar", "# ls al"]);
    editor.complete(&Completion::new(b"al", names(&["alps"])), &mut output);
    assert_eq!(editor.line, b"ls alps ");
}
