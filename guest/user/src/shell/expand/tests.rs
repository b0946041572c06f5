//! Tests of expansion with a small environment.

use super::*;
use crate::shell::ast::Kind;
use crate::shell::parse::parse_all;

/// X, E and S are set; substitutions print their first word and two line feeds.
struct Fake(Vec<Vec<u8>>);

impl Environment for Fake {
    fn parameter(&self, name: &[u8]) -> Option<Vec<u8>> {
        let value: &[u8] = match name {
            b"X" => b"x",
            b"E" => b"",
            b"S" => b" a  b* ",
            b"HOME" => b"/root",
            b"?" => b"0",
            b"#" => return Some(self.0.len().to_string().into_bytes()),
            b"1" => return self.0.first().cloned(),
            _ => return None,
        };
        Some(value.to_vec())
    }

    fn positional(&self) -> Vec<Vec<u8>> {
        self.0.clone()
    }

    fn substitute(&mut self, list: &List) -> Vec<u8> {
        let mut output = list.0[0].text.clone();
        output.extend(b"\n\n");
        output
    }

    fn names(&mut self, directory: &[u8]) -> Vec<Vec<u8>> {
        match directory {
            b"" => [&b"b1"[..], b"b2", b"c"].map(<[u8]>::to_vec).to_vec(),
            _ => Vec::new(),
        }
    }
}

fn words(line: &str) -> Vec<Word> {
    let list = parse_all(line.as_bytes()).expect("well-formed");
    match list.0.into_iter().next().map(|item| item.chain.first.commands[0].kind.clone()) {
        Some(Kind::Simple { words, .. }) => words,
        other => panic!("{other:?}"),
    }
}

#[test]
fn words_become_fields() {
    let two = vec![b"p q".to_vec(), b"r".to_vec()];
    for (line, positional, want) in [
        ("a 'b c' \"d e\"", &two[..], &["a", "b c", "d e"][..]),
        ("$X$X a${X}b", &two, &["xx", "axb"]),
        ("$E $U \"$E\" \"$U\" ''", &two, &["", "", ""]),
        ("$S", &two, &["a", "b1", "b2"]),
        ("\"$S\"", &two, &[" a  b* "]),
        ("x$S", &two, &["x", "a", "b1", "b2"]),
        ("b* 'b'* \"b*\" b\\* z*", &two, &["b1", "b2", "b1", "b2", "b*", "b*", "z*"]),
        ("$@", &two, &["p", "q", "r"]),
        ("\"$@\"", &two, &["p q", "r"]),
        ("\"a$@b\"", &two, &["ap q", "rb"]),
        ("\"$*\" $# $1 \"$1\"", &two, &["p q r", "2", "p", "q", "p q"]),
        ("\"$@\" $@ x", &[], &["x"]),
        ("\"$*\" \"a$@\"", &[], &["", "a"]),
        ("~ ~/x ~x '~' x~", &two, &["/root", "/root/x", "~x", "~", "x~"]),
        ("$(a b) \"$(a b)\"", &two, &["a", "b", "a b"]),
        ("$((1+2)) $((X+${#S}))", &two, &["3", "7"]),
        ("${U:-d e} \"${E:-d e}\" ${X:-d}", &two, &["d", "e", "d e", "x"]),
        ("$? ${#X} ${#U}", &two, &["0", "1", "0"]),
    ] {
        let got = fields(&words(line), &mut Fake(positional.to_vec())).expect("has a value");
        let got: Vec<_> = got.iter().map(|field| String::from_utf8_lossy(field)).collect();
        assert_eq!(got, want, "{line}");
    }
}

#[test]
fn texts_are_neither_split_nor_matched() {
    for (word, want) in [("$S", " a  b* "), ("b*", "b*"), ("$@", "p q r"), ("$U", "")] {
        let positional = vec![b"p q".to_vec(), b"r".to_vec()];
        let got = text(&words(word)[0], &mut Fake(positional)).expect("has a value");
        assert_eq!(String::from_utf8_lossy(&got), want, "{word}");
    }
}

#[test]
fn arithmetic_can_fail() {
    let error = fields(&words("$((1/0))"), &mut Fake(Vec::new())).unwrap_err();
    assert_eq!(error.to_string(), "division by zero");
}
