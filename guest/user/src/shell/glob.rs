//! Patterns of file names: `*`, `?` and `[...]`.
//!
//! Source: POSIX.1-2017, "Shell Command Language", section "Pattern Matching Notation".

use alloc::vec::Vec;

/// A byte of a word after expansion, with whether it was quoted: a quoted one means itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Char {
    /// The byte.
    pub byte: u8,
    /// Whether it was quoted.
    pub quoted: bool,
}

/// Whether there is anything to match.
pub fn is_pattern(text: &[Char]) -> bool {
    text.iter().any(|char| !char.quoted && b"*?[".contains(&char.byte))
}

/// Whether the whole of `name` matches.
pub fn matches(pattern: &[Char], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where to go on after the last star took one more byte.
    let mut again: Option<(usize, usize)> = None;
    loop {
        if is_star(pattern.get(p)) {
            p += 1;
            again = Some((p, n));
            continue;
        }
        if p == pattern.len() && n == name.len() {
            return true;
        }
        if let Some((next_p, length)) = match_one(&pattern[p..], &name[n..]) {
            p += next_p;
            n += length;
            continue;
        }
        match &mut again {
            Some((star, from)) if *from < name.len() => {
                *from += 1;
                (p, n) = (*star, *from);
            }
            _ => return false,
        }
    }
}

fn is_star(char: Option<&Char>) -> bool {
    char.is_some_and(|char| !char.quoted && char.byte == b'*')
}

/// Matches what is no star: how much of pattern and name it takes.
fn match_one(pattern: &[Char], name: &[u8]) -> Option<(usize, usize)> {
    let (first, byte) = (pattern.first()?, *name.first()?);
    if !first.quoted && first.byte == b'?' {
        return Some((1, character_length(name)));
    }
    if !first.quoted
        && first.byte == b'['
        && let Some((length, matched)) = match_class(pattern, byte)
    {
        return matched.then_some((length, 1));
    }
    (first.byte == byte).then_some((1, 1))
}

/// Length of the UTF-8 character that `name` begins with; a stray byte is one.
fn character_length(name: &[u8]) -> usize {
    let follow = name.iter().skip(1).take_while(|byte| **byte & 0xc0 == 0x80).count();
    if name[0] >= 0xc0 { 1 + follow.min(3) } else { 1 }
}

/// The length of the class `[...]` and whether it has `byte`; none where nothing closes it.
fn match_class(pattern: &[Char], byte: u8) -> Option<(usize, bool)> {
    let is = |at: usize, what: u8| pattern.get(at).is_some_and(|c| !c.quoted && c.byte == what);
    let negated = is(1, b'!') || is(1, b'^');
    let start = 1 + usize::from(negated);
    let mut at = start;
    let mut found = false;
    while at == start || !is(at, b']') {
        let low = pattern.get(at)?.byte;
        let high = match pattern.get(at + 2) {
            Some(high) if is(at + 1, b'-') && !is(at + 2, b']') => high.byte,
            _ => low,
        };
        at += if is(at + 1, b'-') && !is(at + 2, b']') { 3 } else { 1 };
        found |= (low..=high).contains(&byte);
    }
    Some((at + 1, found != negated))
}

/// The paths that match `pattern`, sorted. `list` gives the names in a directory; the empty path
/// is the working directory.
pub fn paths(pattern: &[Char], list: &mut dyn FnMut(&[u8]) -> Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = alloc::vec![Vec::new()];
    let mut parts = pattern.split(|char| char.byte == b'/').peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        let mut next = Vec::new();
        for base in &found {
            extend(base, part, list, &mut next);
        }
        if !is_last {
            next.iter_mut().for_each(|path| path.push(b'/'));
        }
        found = next;
    }
    found.sort_unstable();
    found
}

/// Adds to `next` the paths made of `base` and what matches this part below it.
fn extend(
    base: &[u8],
    part: &[Char],
    list: &mut dyn FnMut(&[u8]) -> Vec<Vec<u8>>,
    next: &mut Vec<Vec<u8>>,
) {
    let path = |name: &[u8]| [base, name].concat();
    if !is_pattern(part) {
        let name: Vec<u8> = part.iter().map(|char| char.byte).collect();
        // Whether it exists shows where the next part is looked for; the first and the last part
        // of a path are looked up here.
        let exists = name.is_empty() || name == b"." || name == b".." || list(base).contains(&name);
        if exists {
            next.push(path(&name));
        }
        return;
    }
    let hidden = part.first().is_some_and(|char| char.byte == b'.');
    let names = list(base).into_iter().filter(|name| hidden || !name.starts_with(b"."));
    next.extend(names.filter(|name| matches(part, name)).map(|name| path(&name)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Vec<Char> {
        // A backslash quotes what follows.
        let mut quoted = false;
        let mut chars = Vec::new();
        for byte in text.bytes() {
            if byte == b'\\' && !quoted {
                quoted = true;
            } else {
                chars.push(Char { byte, quoted });
                quoted = false;
            }
        }
        chars
    }

    #[test]
    fn names_match_patterns() {
        for (text, name, want) in [
            ("", "", true),
            ("a", "a", true),
            ("a", "b", false),
            ("*", "", true),
            ("*", "abc", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("*a*b*", "xaxbx", true),
            ("*a*b", "xbxa", false),
            ("**a", "aaa", true),
            ("?", "", false),
            ("?b", "ab", true),
            ("?", "\u{e9}", true),
            ("??", "\u{e9}", false),
            ("[abc]", "b", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]", "b", false),
            ("[^a-c]", "d", true),
            ("[]a]", "]", true),
            ("[a-]", "-", true),
            ("[a", "[a", true),
            ("[a", "a", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("[\\]]", "]", true),
        ] {
            assert_eq!(matches(&pattern(text), name.as_bytes()), want, "{text} {name}");
        }
        // Time is not exponential in the number of stars.
        let stars = "*a".repeat(30) + "b";
        assert!(!matches(&pattern(&stars), "a".repeat(200).as_bytes()));
    }

    #[test]
    fn paths_are_found_part_by_part() {
        let mut list = |path: &[u8]| -> Vec<Vec<u8>> {
            let names: &[&str] = match path {
                b"" => &["b", "a", ".h", "d"],
                b"/" => &["bin", "dev"],
                b"/bin/" => &["ls", "sh"],
                b"d/" => &["x1", "x2"],
                _ => &[],
            };
            names.iter().map(|name| name.as_bytes().to_vec()).collect()
        };
        for (text, want) in [
            ("*", &["a", "b", "d"][..]),
            (".*", &[".h"]),
            ("/*/?s", &["/bin/ls"]),
            ("/bin/*", &["/bin/ls", "/bin/sh"]),
            ("*/x2", &["d/x2"]),
            ("[ad]/*", &["d/x1", "d/x2"]),
            ("z*", &[]),
            ("/*/", &["/bin/", "/dev/"]),
        ] {
            let want: Vec<Vec<u8>> = want.iter().map(|path| path.as_bytes().to_vec()).collect();
            assert_eq!(paths(&pattern(text), &mut list), want, "{text}");
        }
    }
}
