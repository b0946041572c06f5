//! Tests of the grammar: trees are compared in a short notation that [`show`] writes.

use super::*;
use crate::shell::ast::{Operation, Part, Quoting};

fn show(list: &List) -> String {
    let items = list.0.iter().map(|item| {
        let mut text = show_pipeline(&item.chain.first);
        for (condition, pipeline) in &item.chain.rest {
            let sign = if *condition == Condition::Success { "&&" } else { "||" };
            text += &format!(" {sign} {}", show_pipeline(pipeline));
        }
        text + if item.background { " &" } else { "" }
    });
    items.collect::<Vec<_>>().join("; ")
}

fn show_pipeline(pipeline: &Pipeline) -> String {
    let commands: Vec<_> = pipeline.commands.iter().map(show_command).collect();
    let sign = if pipeline.negated { "! " } else { "" };
    format!("{sign}{}", commands.join(" | "))
}

fn show_command(command: &Command) -> String {
    let mut text = match &command.kind {
        Kind::Simple { assignments, words } => {
            let assignments = assignments
                .iter()
                .map(|(name, value)| format!("{}:={}", Bytes(name), show_word(value)));
            assignments.chain(words.iter().map(show_word)).collect::<Vec<_>>().join(" ")
        }
        Kind::If { branches, otherwise } => {
            let branches = branches.iter().map(|(c, b)| format!("{} => {}", show(c), show(b)));
            let otherwise = otherwise.iter().map(|body| format!("else {}", show(body)));
            format!("if<{}>", branches.chain(otherwise).collect::<Vec<_>>().join(", "))
        }
        Kind::While { wanted, condition, body } => {
            format!("{wanted:?}<{} do {}>", show(condition), show(body))
        }
        Kind::For { name, words, body } => {
            let words = words.as_ref().map(|words| words.iter().map(show_word).collect::<Vec<_>>());
            format!("for<{} in {words:?} do {}>", Bytes(name), show(body))
        }
        Kind::Subshell(list) => format!("({})", show(list)),
        Kind::Group(list) => format!("{{{}}}", show(list)),
    };
    for redirection in &command.redirections {
        let Redirection { fd, kind, target } = redirection;
        text += &format!(" {fd}{kind:?}:{}", show_word(target));
    }
    text
}

fn show_word(word: &Word) -> String {
    let parts = word.0.iter().map(|part| match part {
        Part::Text(text) => Bytes(text).to_string(),
        Part::Quoted(text) => format!("'{}'", Bytes(text)),
        Part::Parameter(parameter, quoting) => {
            let name = Bytes(&parameter.name);
            let inner = match &parameter.operation {
                Operation::Value => format!("${name}"),
                Operation::Length => format!("$#{name}"),
                Operation::Default(word) => format!("${name}:-{}", show_word(word)),
            };
            show_quoting(&inner, *quoting)
        }
        Part::Substitution(list, quoting) => show_quoting(&format!("$({})", show(list)), *quoting),
        Part::Arithmetic(word, quoting) => {
            show_quoting(&format!("$(({}))", show_word(word)), *quoting)
        }
    });
    parts.collect()
}

fn show_quoting(text: &str, quoting: Quoting) -> String {
    if quoting == Quoting::Double { format!("\"{text}\"") } else { text.to_owned() }
}

#[test]
fn commands_become_trees() {
    for (text, want) in [
        ("", ""),
        ("ls -l", "ls -l"),
        ("mem & mem &", "mem &; mem &"),
        ("a|b&&c||! d;e", "a | b && c || ! d; e"),
        ("a # b\nc#d", "a; c#d"),
        ("X=1 Y= c Z=2", "X:=1 Y:= c Z=2"),
        ("a >f 2>>g <h 2>&1 0<>k", "a 1Write:f 2Append:g 0Read:h 2Duplicate:1 0ReadWrite:k"),
        ("a2>f", "a2 1Write:f"),
        (">f", " 1Write:f"),
        ("(a;b)|{ c; } >f", "(a; b) | {c} 1Write:f"),
        ("if a;then b;elif c\nthen d\nelse e;fi", "if<a => b, c => d, else e>"),
        ("while a;do b;done;until c\ndo d&done", "Success<a do b>; Failure<c do d &>"),
        ("for x in a 'b c';do d;done", "for<x in Some([\"a\", \"'b c'\"]) do d>"),
        ("for x\ndo d;done", "for<x in None do d>"),
        ("for x in;do d;done", "for<x in Some([]) do d>"),
        ("echo if then fi done", "echo if then fi done"),
        ("a &&\n\n b |\n c", "a && b | c"),
        ("a \\\n b\\\nc", "a bc"),
        ("! ! a", "a"),
    ] {
        let list = parse_all(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(show(&list), want, "{text}");
    }
}

#[test]
fn words_become_parts() {
    for (text, want) in [
        ("a'b c'\"d e\"f", "a'b cd e'f"),
        ("\"\"", "''"),
        ("a\\ b\\$c", "a' 'b'$'c"),
        ("\"\\a\\$\\\"\\\\\"", "'\\a$\"\\'"),
        ("$X${Y}z\"$1$?\"$", "$X$Yz''\"$1\"\"$?\"$"),
        ("$11 ${11}", "$11 $11"),
        ("${#} ${#X} $#", "$# $#X $#"),
        ("${X:-a $Y}", "$X:-a $Y"),
        ("$(a | b) \"$(c)\"", "$(a | b) ''\"$(c)\""),
        ("$(echo $(b) \")\")", "$(echo $(b) ')')"),
        ("`a \\`b\\``", "$(a $(b))"),
        ("$((1+($X)*2)) \"$((3))\"", "$(('1+('\"$X\"')*2')) ''\"$(('3'))\""),
        ("$% \"$\"", "$% '$'"),
    ] {
        let list = parse_all(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(show(&list), want, "{text}");
    }
}

#[test]
fn wrong_texts_are_refused_and_unfinished_ones_asked_for_more() {
    let unexpected = |what: &str| SyntaxError::Unexpected(what.as_bytes().to_vec());
    for (text, want) in [
        ("a |", SyntaxError::Incomplete),
        ("a &&", SyntaxError::Incomplete),
        ("'a", SyntaxError::Incomplete),
        ("\"a", SyntaxError::Incomplete),
        ("$(a", SyntaxError::Incomplete),
        ("${a", unexpected("\n")),
        ("if a; then b", SyntaxError::Incomplete),
        ("while a; do", SyntaxError::Incomplete),
        ("for", SyntaxError::Incomplete),
        ("(a", SyntaxError::Incomplete),
        ("a)", unexpected(")")),
        ("| a", unexpected("|")),
        ("a;;b", unexpected(";;")),
        ("a && && b", unexpected("&&")),
        ("fi", unexpected("fi")),
        ("if then b; fi", unexpected("then")),
        ("f() { a; }", unexpected("(")),
        ("a >", unexpected("\n")),
        ("a > ;", unexpected(";")),
        ("a << b", unexpected("<<")),
        ("()", unexpected(")")),
        ("(a) b", unexpected("b")),
        ("for 1 in a; do b; done", unexpected("1")),
        ("${%}", unexpected("%}")),
    ] {
        let mut text = text.as_bytes().to_vec();
        if text == b"${a" {
            text.push(b'\n');
        }
        assert_eq!(parse_all(&text), Err(want), "{}", Bytes(&text));
    }
    let deep = "(".repeat(1000);
    assert_eq!(parse_all(deep.as_bytes()), Err(SyntaxError::TooDeep));
    let deep = "$(".repeat(1000);
    assert_eq!(parse_all(deep.as_bytes()), Err(SyntaxError::TooDeep));
}

#[test]
fn lines_are_taken_one_by_one() {
    let text = b"\n # c\na; b\nif c\nthen d; fi\n\n";
    let (first, length) = parse_line(text).unwrap().unwrap();
    assert_eq!(show(&first), "a; b");
    assert_eq!(first.0[0].text, b"a");
    let (second, more) = parse_line(&text[length..]).unwrap().unwrap();
    assert_eq!(show(&second), "if<c => d>");
    assert_eq!(second.0[0].text, b"if c\nthen d; fi");
    assert_eq!(parse_line(&text[length + more..]), Ok(None));
}
