//! What the tabulator adds: [`context`] says what is being typed, the program lists what there is,
//! and [`Completion`] finds what is certain.

use alloc::vec::Vec;

use crate::bytes::unescape;

/// Characters before which a word may begin.
const SEPARATORS: &[u8] = b" \t;|&()<>";
/// Characters that a backslash must quote in a name.
const SPECIAL: &[u8] = b" \t;|&()<>*?[]$'\"\\`#~!{}";
/// Words behind which a command stands.
const BEFORE_COMMANDS: [&[u8]; 8] =
    [b"if", b"then", b"elif", b"else", b"while", b"until", b"do", b"!"];

/// What stands before the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// Whether a command's name is being typed.
    pub is_command: bool,
    /// The directory part of the word, with its slash; empty where there is none.
    pub directory: Vec<u8>,
    /// The rest of the word.
    pub prefix: Vec<u8>,
}

/// Reads what stands before the cursor.
pub fn context(before: &[u8]) -> Context {
    let mut start = before.len();
    while start > 0 && (!SEPARATORS.contains(&before[start - 1]) || is_escaped(before, start - 1)) {
        start -= 1;
    }
    let word = unescape(&before[start..]);
    let slash = word.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    let earlier = before[..start].trim_ascii();
    let last_word = earlier.rsplit(|byte| SEPARATORS.contains(byte)).next().unwrap_or_default();
    let is_command = slash == 0
        && (earlier.is_empty()
            || earlier.last().is_some_and(|byte| b";|&(".contains(byte))
            || BEFORE_COMMANDS.contains(&last_word));
    Context { is_command, directory: word[..slash].to_vec(), prefix: word[slash..].to_vec() }
}

/// Whether a backslash stands before this byte.
fn is_escaped(text: &[u8], at: usize) -> bool {
    text[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// What may stand before the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// How much of the names is typed already, in bytes.
    typed: usize,
    /// The names, sorted, each once; of a directory with a slash.
    pub names: Vec<Vec<u8>>,
}

impl Completion {
    /// Of all names, those that begin with what was typed.
    pub fn new(prefix: &[u8], names: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let hidden = prefix.starts_with(b".");
        let names = names.into_iter().filter(|name| name.starts_with(prefix));
        let mut names: Vec<_> = names.filter(|name| hidden || !name.starts_with(b".")).collect();
        names.sort_unstable();
        names.dedup();
        Self { typed: prefix.len(), names }
    }

    /// What is certain to follow, quoted; with a blank where the word is complete.
    pub(super) fn addition(&self) -> Vec<u8> {
        let Some(first) = self.names.first() else { return Vec::new() };
        let common = self.names.iter().fold(first.len(), |length, name| {
            first[..length].iter().zip(name).take_while(|(a, b)| a == b).count()
        });
        let mut addition = Vec::new();
        for byte in &first[self.typed..common.max(self.typed)] {
            if SPECIAL.contains(byte) {
                addition.push(b'\\');
            }
            addition.push(*byte);
        }
        if self.names.len() == 1 && first.last() != Some(&b'/') {
            addition.push(b' ');
        }
        addition
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_before_the_cursor_is_found() {
        for (line, is_command, directory, prefix) in [
            ("", true, "", ""),
            ("ca", true, "", "ca"),
            ("a;b|ca", true, "", "ca"),
            ("if ca", true, "", "ca"),
            ("echo if ca", true, "", "ca"),
            ("ls ca", false, "", "ca"),
            ("ls /bin/ca", false, "/bin/", "ca"),
            ("/bin/ca", false, "/bin/", "ca"),
            ("ls a\\ b/c\\ d", false, "a b/", "c d"),
            ("ls >/d", false, "/", "d"),
        ] {
            let got = context(line.as_bytes());
            let want = Context {
                is_command,
                directory: directory.as_bytes().to_vec(),
                prefix: prefix.as_bytes().to_vec(),
            };
            assert_eq!(got, want, "{line}");
        }
    }

    #[test]
    fn what_is_certain_is_added() {
        for (prefix, names, want) in [
            ("e", &["echo", "env", "exit"][..], ""),
            ("ec", &["echo", "env"], "ho "),
            ("f", &["free", "freeze"], "ree"),
            ("d", &["dev/"], "ev/"),
            ("x", &["echo"], ""),
            ("a", &["a b"], "\\ b "),
            ("", &[".hidden", "seen"], "seen "),
            (".", &[".hidden", "seen"], "hidden "),
            ("cat", &["cat", "cat"], " "),
        ] {
            let names = names.iter().map(|name| name.as_bytes().to_vec());
            let completion = Completion::new(prefix.as_bytes(), names);
            assert_eq!(String::from_utf8(completion.addition()).unwrap(), want, "{prefix}");
        }
    }
}
