//! The arguments of `kill`, which is a program and one of the shell's builtins.

#![forbid(unsafe_code)]

use crate::signals;

/// How to use it.
pub const USAGE: &str = "usage: kill [-SIGNAL | -s SIGNAL] PID...  or  kill -l [NUMBER]";

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a, T> {
    /// Send this signal to these.
    Send(u32, &'a [T]),
    /// List all signals.
    List,
    /// Name this signal; of a shell's status, the signal behind it.
    Name(u32),
}

/// Reads the arguments behind the name; none where they are wrong.
pub fn parse<T: AsRef<[u8]>>(words: &[T]) -> Option<Request<'_, T>> {
    let (first, rest) = words.split_first()?;
    let (signal, targets) = match first.as_ref() {
        b"-l" | b"-L" => {
            return match rest {
                [] => Some(Request::List),
                [number] => {
                    let number = crate::bytes::decimal(number.as_ref())?;
                    Some(Request::Name(u32::try_from(number).ok()? & 0x7f))
                }
                _ => None,
            };
        }
        b"-s" | b"-n" => (signals::parse(rest.first()?.as_ref())?, &rest[1..]),
        b"--" => (15, rest),
        [b'-', name @ ..] => (signals::parse(name)?, rest),
        _ => (15, words),
    };
    let targets = match targets.split_first() {
        Some((first, rest)) if first.as_ref() == b"--" => rest,
        _ => targets,
    };
    (!targets.is_empty()).then_some(Request::Send(signal, targets))
}

/// A process, or a group with a minus.
pub fn target(text: &[u8]) -> Option<i32> {
    let (sign, digits) = match text.strip_prefix(b"-") {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let number = i32::try_from(crate::bytes::decimal(digits)?).ok()?;
    Some(sign * number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments() {
        for (words, want) in [
            (&["1", "2"][..], Some(Request::Send(15, &["1", "2"][..]))),
            (&["-9", "1"], Some(Request::Send(9, &["1"]))),
            (&["-INT", "%1"], Some(Request::Send(2, &["%1"]))),
            (&["-s", "SIGSTOP", "1"], Some(Request::Send(19, &["1"]))),
            (&["-15", "--", "-7"], Some(Request::Send(15, &["-7"]))),
            (&["--", "-7"], Some(Request::Send(15, &["-7"]))),
            (&["-l"], Some(Request::List)),
            (&["-l", "137"], Some(Request::Name(9))),
            (&[], None),
            (&["-9"], None),
            (&["-x", "1"], None),
            (&["-s"], None),
        ] {
            assert_eq!(parse(words), want, "{words:?}");
        }
        for (text, want) in [("7", Some(7)), ("-7", Some(-7)), ("x", None), ("99999999999", None)] {
            assert_eq!(target(text.as_bytes()), want);
        }
    }
}
