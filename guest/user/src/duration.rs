//! Times as people write them.

#![forbid(unsafe_code)]

use core::time::Duration;

use crate::bytes;

/// A number of seconds, perhaps with a fraction: `1`, `0.25`, `.5`; `s`, `m`, `h` and `d` may follow.
pub fn seconds(text: &[u8]) -> Option<Duration> {
    let (text, factor) = match text.split_last()? {
        (b's', rest) => (rest, 1),
        (b'm', rest) => (rest, 60),
        (b'h', rest) => (rest, 3600),
        (b'd', rest) => (rest, 86_400),
        _ => (text, 1),
    };
    let (whole, fraction) = bytes::split_once(text, b'.').unwrap_or((text, b""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { bytes::decimal(whole)? };
    let mut nanoseconds = 0;
    let mut weight = 100_000_000;
    for digit in fraction {
        nanoseconds += bytes::decimal(&[*digit])? as u32 * weight;
        weight /= 10;
    }
    Duration::new(whole, nanoseconds).checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, want_ms) in [
            ("1", Some(1000)),
            ("0.25", Some(250)),
            (".5", Some(500)),
            ("2.", Some(2000)),
            ("1.5m", Some(90_000)),
            ("0.0000000001", Some(0)),
            (".", None),
            ("", None),
            ("-1", None),
            ("1.x", None),
            ("s", None),
        ] {
            assert_eq!(seconds(text.as_bytes()), want_ms.map(Duration::from_millis), "{text}");
        }
    }
}
