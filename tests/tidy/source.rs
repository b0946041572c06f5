//! A Rust file with everything blanked out that is not code, so that rules can look for words and
//! braces without meeting those in strings, characters and comments.

/// A Rust file.
pub(crate) struct Source<'a> {
    /// Path from the workspace's root.
    pub(crate) path: &'a str,
    /// The file as it is.
    pub(crate) text: &'a str,
    /// The same characters, with blanks for those of comments and literals. Lines are the same.
    pub(crate) code: Vec<char>,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Line of `fn`, from 1.
    pub(crate) line: usize,
    /// From the line of `fn` to that of the closing brace.
    pub(crate) lines: usize,
}

/// A name in the code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    start: usize,
    end: usize,
}

impl<'a> Source<'a> {
    pub(crate) fn new(path: &'a str, text: &'a str) -> Self {
        Self { path, text, code: blank(&text.chars().collect::<Vec<_>>()) }
    }

    /// Line of the character at `index`, from 1.
    pub(crate) fn line(&self, index: usize) -> usize {
        1 + self.code[..index].iter().filter(|c| **c == '\n').count()
    }

    /// All identifiers, keywords and numbers, in order.
    pub(crate) fn words(&self) -> Vec<Word> {
        let mut words = Vec::new();
        let mut start = None;
        for (index, c) in self.code.iter().chain([&' ']).enumerate() {
            match (is_word(*c), start) {
                (true, None) => start = Some(index),
                (false, Some(from)) => {
                    words.push(Word { start: from, end: index });
                    start = None;
                }
                _ => {}
            }
        }
        words
    }

    pub(crate) fn text_of(&self, word: Word) -> String {
        self.code[word.start..word.end].iter().collect()
    }

    pub(crate) fn line_of(&self, word: Word) -> usize {
        self.line(word.start)
    }

    /// First character at or after `from` that is not white space.
    pub(crate) fn next_character(&self, from: usize) -> Option<(usize, char)> {
        let rest = self.code.iter().enumerate().skip(from);
        rest.map(|(i, c)| (i, *c)).find(|(_, c)| !c.is_whitespace())
    }

    /// Index just after `::` where that follows `word`.
    pub(crate) fn after_path_separator(&self, word: Word) -> Option<usize> {
        let (first, c) = self.next_character(word.end)?;
        (c == ':' && self.code.get(first + 1) == Some(&':')).then_some(first + 2)
    }

    /// The first names of what a path goes on with at `from`: one, or those of a `{…}` group.
    pub(crate) fn path_heads(&self, from: usize) -> Vec<String> {
        let Some((open, first)) = self.next_character(from) else { return Vec::new() };
        if first != '{' {
            return self.word_at(open).into_iter().collect();
        }
        let (mut heads, mut depth, mut at, mut expected) = (Vec::new(), 0, open, false);
        loop {
            match self.code.get(at) {
                Some('{') => (depth, expected) = (depth + 1, depth == 0),
                Some('}') => depth -= 1,
                Some(',') => expected = depth == 1,
                Some(c) if is_word(*c) && expected => {
                    heads.extend(self.word_at(at));
                    expected = false;
                }
                Some(_) => {}
                None => return heads,
            }
            at += 1;
            if depth == 0 {
                return heads;
            }
        }
    }

    fn word_at(&self, start: usize) -> Option<String> {
        let word: String = self.code[start..].iter().take_while(|c| is_word(**c)).collect();
        (!word.is_empty()).then_some(word)
    }

    /// How many `mod name { … }` are open at `word`.
    pub(crate) fn inline_modules_around(&self, word: Word) -> usize {
        let (mut open, mut braces, mut modules) = (0, Vec::new(), self.inline_modules());
        modules.reverse();
        for (index, c) in self.code[..word.start].iter().enumerate() {
            match c {
                '{' => {
                    let is_module = modules.last() == Some(&index);
                    if is_module {
                        modules.pop();
                        open += 1;
                    }
                    braces.push(is_module);
                }
                '}' if braces.pop() == Some(true) => open -= 1,
                _ => {}
            }
        }
        open
    }

    /// Indices of the braces that open inline modules.
    fn inline_modules(&self) -> Vec<usize> {
        let words = self.words();
        let pairs = words.windows(2).filter(|pair| self.text_of(pair[0]) == "mod");
        let brace = |pair: &[Word]| self.next_character(pair[1].end).filter(|(_, c)| *c == '{');
        pairs.filter_map(brace).map(|(index, _)| index).collect()
    }

    /// All functions that have bodies, nested ones too.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let words = self.words();
        let mut functions = Vec::new();
        for pair in words.windows(2).filter(|pair| self.text_of(pair[0]) == "fn") {
            let gap = &self.code[pair[0].end..pair[1].start];
            // `fn(u64) -> u64` is a type.
            if gap.iter().any(|c| !c.is_whitespace()) {
                continue;
            }
            let Some(last) = self.end_of_body(pair[1].end) else { continue };
            let (line, last_line) = (self.line_of(pair[0]), self.line(last));
            let name = self.text_of(pair[1]);
            functions.push(Function { name, line, lines: last_line - line + 1 });
        }
        functions
    }

    /// Index of the brace that closes the body of the function whose signature goes on at `from`.
    fn end_of_body(&self, from: usize) -> Option<usize> {
        let (mut nested, mut braces) = (0_i32, 0_i32);
        for (index, c) in self.code.iter().enumerate().skip(from) {
            match c {
                '(' | '[' if braces == 0 => nested += 1,
                ')' | ']' if braces == 0 => nested -= 1,
                ';' if braces == 0 && nested == 0 => return None,
                '{' => braces += 1,
                '}' => {
                    braces -= 1;
                    if braces == 0 && nested == 0 {
                        return Some(index);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What the characters at a place begin.
fn blank(text: &[char]) -> Vec<char> {
    let mut code = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let end = end_of_literal(text, at);
        match end {
            Some(end) => {
                code.extend(text[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
                at = end;
            }
            None => {
                code.push(text[at]);
                at += 1;
            }
        }
    }
    code
}

/// Index just after the comment, string or character that begins at `at`, if one does.
fn end_of_literal(text: &[char], at: usize) -> Option<usize> {
    let rest = &text[at..];
    let within_word = at > 0 && is_word(text[at - 1]);
    let length = match rest {
        ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => block_comment(rest),
        ['"', ..] => 1 + quoted(&rest[1..], '"'),
        ['\'', ..] => character(rest)?,
        ['b', '\'', ..] if !within_word => 1 + character(&rest[1..])?,
        ['b' | 'c', '"', ..] if !within_word => 2 + quoted(&rest[2..], '"'),
        ['r', '"' | '#', ..] if !within_word => 1 + raw_string(&rest[1..])?,
        ['b' | 'c', 'r', '"' | '#', ..] if !within_word => 2 + raw_string(&rest[2..])?,
        _ => return None,
    };
    Some(at + length)
}

/// Length up to the closing quote and with it; a backslash takes its successor along.
fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 0;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            c if c == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Length of `'x'` or `'\n'`; `None` for a lifetime.
fn character(rest: &[char]) -> Option<usize> {
    match rest {
        ['\'', '\\', ..] => Some(1 + quoted(&rest[1..], '\'')),
        ['\'', _, '\'', ..] => Some(3),
        _ => None,
    }
}

/// Length of `"…"` or `#"…"#` with as many `#` on either side; `None` for `r#name`.
fn raw_string(rest: &[char]) -> Option<usize> {
    let hashes = rest.iter().take_while(|c| **c == '#').count();
    if rest.get(hashes) != Some(&'"') {
        return None;
    }
    let closes = |at: usize| {
        rest[at] == '"' && rest[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes
    };
    let close = (hashes + 1..rest.len()).find(|at| closes(*at));
    Some(close.map_or(rest.len(), |at| at + 1 + hashes))
}

/// Length of a block comment; they nest.
fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

#[test]
fn only_code_is_left() {
    let check = |text: &str, want: &str| {
        let code: String = Source::new("x.rs", text).code.iter().collect();
        assert_eq!(code.split_whitespace().collect::<Vec<_>>().join(" "), want, "{text}");
        assert_eq!(code.matches('\n').count(), text.matches('\n').count(), "{text}");
        assert_eq!(code.chars().count(), text.chars().count(), "{text}");
    };
    check("a // unsafe {\nb", "a b");
    check("a /* { /* } */ { */ b", "a b");
    check(r#"f("{ \" {", b"{", c"}") + 1"#, "f( , , ) + 1");
    check(r##"f(r"\", br#"{"{"#, r#type)"##, "f( , , r#type)");
    check(r"m('{', '\'', '\\', '\u{7b}', b'}')", "m( , , , , )");
    check("fn f<'a>(x: &'a str, y: &'static str)", "fn f<'a>(x: &'a str, y: &'static str)");
    check("\"a\\\n b\" c", "c");
    check("number\"text\"", "number");
}

#[test]
fn functions_are_measured() {
    let text = "\
trait T { fn declared(&self) -> [u8; 4]; }
fn one() {}
fn two(
    f: fn(u64) -> u64,
) -> [u8; 2] {
    let _ = \"}\";
    fn inner() {
    }
}
impl X { const fn last(self) -> u64 { 0 } }
";
    let functions = Source::new("x.rs", text).functions();
    let measured: Vec<_> = functions.iter().map(|f| (f.name.as_str(), f.line, f.lines)).collect();
    assert_eq!(measured, [("one", 2, 1), ("two", 3, 7), ("inner", 7, 2), ("last", 10, 1)]);
}

#[test]
fn heads_of_paths() {
    for (text, want) in [
        ("crate::bus::Ram", vec!["bus"]),
        ("crate :: bus", vec!["bus"]),
        (
            "crate::{addr::{PhysAddr, Width}, trap, bus::{self, ram::{Ram}}}",
            vec!["addr", "trap", "bus"],
        ),
        ("crate::{\n    addr,\n}", vec!["addr"]),
    ] {
        let source = Source::new("x.rs", text);
        let from = source.after_path_separator(source.words()[0]).expect("a path");
        assert_eq!(source.path_heads(from), want, "{text}");
    }
}
