//! `compute.string`: copies, compares and searches text byte by byte, as C's `strcpy`, `strcmp` and
//! `strstr` do in plain code. An operation is a byte of the text, with all that is done to it.

use core::hint::black_box;

use crate::random::Random;

/// Bytes of the text.
pub(crate) const BYTES: u64 = LEN as u64;
const LEN: usize = 2048;
/// A word is ended by 0.
const END: u8 = 0;

type Text = [u8; LEN];

/// Copies the words of a text so many times, compares the copies and searches them; between the
/// rounds a letter of the text changes.
pub(crate) fn run(rounds: u64) -> u64 {
    let mut random = Random::new();
    let mut text = words(&mut random);
    let mut copied = [END; LEN];
    let mut sum = 0u64;
    for _ in 0..rounds {
        let number = random.next();
        let changed = number as usize % LEN;
        let before = copied[changed];
        if text[changed] != END {
            text[changed] = letter(number >> 32);
        }
        // The words are compared with their copies of the round before.
        let same = each_word(&text, |at| equal(&text[at..], &copied[at..]));
        each_word(&text, |at| copy(&mut copied[at..], &text[at..]) > 0);
        let needle = [letter(number >> 40), letter(number >> 48)];
        let found = each_word(&text, |at| find(&copied[at..], &needle).is_some());
        sum = sum.rotate_left(9) ^ same << 32 ^ found << 8 ^ u64::from(before);
        black_box(&mut copied);
    }
    sum
}

/// Calls `predicate` with the place where each word begins; yields how often it holds.
fn each_word(text: &Text, mut predicate: impl FnMut(usize) -> bool) -> u64 {
    let mut count = 0;
    let mut at = 0;
    while at < LEN {
        count += u64::from(predicate(at));
        at += length(&text[at..]) + 1;
    }
    count
}

/// Words of 1 to 15 letters.
fn words(random: &mut Random) -> Text {
    let mut text = [END; LEN];
    let mut left = 0;
    for byte in &mut text[..LEN - 1] {
        let number = random.next();
        if left == 0 {
            left = 1 + number % 15;
        } else {
            *byte = letter(number >> 8);
            left -= 1;
        }
    }
    text
}

/// One of few letters, so that words often begin alike.
fn letter(number: u64) -> u8 {
    b'a' + (number % 5) as u8
}

/// How many bytes come before the end of the word.
#[inline(never)]
fn length(word: &[u8]) -> usize {
    let mut at = 0;
    while at < word.len() && word[at] != END {
        at += 1;
    }
    at
}

/// Copies a word with its end; yields how many bytes these are.
#[inline(never)]
fn copy(to: &mut [u8], from: &[u8]) -> usize {
    let mut at = 0;
    while at < to.len() && at < from.len() {
        let byte = from[at];
        to[at] = byte;
        at += 1;
        if byte == END {
            break;
        }
    }
    at
}

/// Whether two words are the same.
#[inline(never)]
fn equal(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() {
        if a[at] != b[at] {
            return false;
        }
        if a[at] == END {
            return true;
        }
        at += 1;
    }
    a.len() == b.len()
}

/// Where `needle` first occurs in a word.
#[inline(never)]
fn find(word: &[u8], needle: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at + needle.len() <= word.len() && word[at] != END {
        let mut matched = 0;
        while matched < needle.len() && word[at + matched] == needle[matched] {
            matched += 1;
        }
        if matched == needle.len() {
            return Some(at);
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_at_zero() {
        let mut to = [b'x'; 6];
        assert_eq!(length(b"abc\0de"), 3);
        assert_eq!(length(b"abc"), 3);
        assert_eq!((copy(&mut to, b"abc\0de"), &to), (4, b"abc\0xx"));
        for (a, b, same) in [
            (&b"abc\0x"[..], &b"abc\0y"[..], true),
            (b"abc\0", b"abd\0", false),
            (b"abc\0", b"ab\0", false),
            (b"abc", b"abc", true),
            (b"ab", b"abc", false),
        ] {
            assert_eq!(equal(a, b), same, "{a:?} {b:?}");
        }
    }

    #[test]
    fn needles_are_found_within_a_word_only() {
        for (word, needle, found) in [
            (&b"aabab\0"[..], &b"ab"[..], Some(1)),
            (b"aaaab", b"ab", Some(3)),
            (b"aa\0ab\0", b"ab", None),
            (b"a", b"ab", None),
            (b"ca\0", b"ca", Some(0)),
        ] {
            assert_eq!(find(word, needle), found, "{word:?}");
        }
    }
}
