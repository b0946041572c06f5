//! [`parse`]: the lines that a benchmark program prints, as `benches/guest/measure.rs` defines
//! them.

use anyhow::{Result, bail, ensure};

/// Longest name of a row that is believed.
const NAME_MAX_BYTES: usize = 64;

/// What a program printed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Output {
    pub(super) samples: Vec<Sample>,
    pub(super) skips: Vec<Skip>,
}

/// `row NAME OPERATIONS NANOSECONDS INSTRUCTIONS CHECKSUM`: one measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) name: String,
    /// At least 1.
    pub(super) operations: u64,
    /// At least 1.
    pub(super) nanoseconds: u64,
    /// Of the guest; 0 where they are not counted.
    pub(super) instructions: u64,
    pub(super) checksum: u64,
}

/// `skip NAME: reason`: something that this machine cannot do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Skip {
    pub(super) name: String,
    pub(super) reason: String,
}

/// Reads the lines; what is neither a row nor a skip is passed over, and so is a last line
/// without an end.
///
/// # Errors
/// A line that begins like a row or a skip and is none; a name that occurs twice.
pub(super) fn parse(bytes: &[u8]) -> Result<Output> {
    let text = String::from_utf8_lossy(bytes);
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut output = Output::default();
    for line in complete.split('\n').map(|line| line.trim_end_matches('\r')) {
        if let Some(fields) = line.strip_prefix("row ") {
            let Some(sample) = sample(fields) else { bail!("not a row: {}", shortened(line)) };
            output.samples.push(sample);
        } else if let Some(fields) = line.strip_prefix("skip ") {
            let Some(skip) = skip(fields) else { bail!("not a skip: {}", shortened(line)) };
            output.skips.push(skip);
        }
    }
    let mut names: Vec<&str> = output.samples.iter().map(|sample| sample.name.as_str()).collect();
    names.extend(output.skips.iter().map(|skip| skip.name.as_str()));
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        bail!("two rows {}", twice[0]);
    }
    ensure!(!names.is_empty(), "it printed no rows");
    Ok(output)
}

fn sample(fields: &str) -> Option<Sample> {
    let fields: Vec<&str> = fields.split(' ').collect();
    let [name, operations, nanoseconds, instructions, checksum] = fields[..] else { return None };
    let checksum = u64::from_str_radix(checksum.strip_prefix("0x")?, 16).ok()?;
    let sample = Sample {
        name: checked_name(name)?,
        operations: operations.parse().ok()?,
        nanoseconds: nanoseconds.parse().ok()?,
        instructions: instructions.parse().ok()?,
        checksum,
    };
    (sample.operations > 0 && sample.nanoseconds > 0).then_some(sample)
}

fn skip(fields: &str) -> Option<Skip> {
    let (name, reason) = fields.split_once(": ")?;
    let reason = reason.trim().chars().filter(|char| !char.is_control()).collect();
    Some(Skip { name: checked_name(name)?, reason })
}

/// Lower case, digits, dots and dashes.
fn checked_name(name: &str) -> Option<String> {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    let good = (1..=NAME_MAX_BYTES).contains(&name.len()) && name.bytes().all(plain);
    good.then(|| name.to_owned())
}

/// The beginning of a line, with strange characters visible.
pub(super) fn shortened(line: &str) -> String {
    const SHOWN_CHARS: usize = 100;
    let shown: String = line.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect();
    if line.chars().nth(SHOWN_CHARS).is_some() { shown + "..." } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_skips_are_read_and_the_rest_is_passed_over() {
        let text = "Hello\r\nrow hit.latency 8192 10240000 40960 0xff\r\n\
                    skip super.napot: needs Svnapot: not here\n\nrow smc 1 2 0 0x0\nrow cut 1 2";
        let output = parse(text.as_bytes()).unwrap();
        let sample = |name: &str, operations, nanoseconds, instructions, checksum| {
            let name = name.to_owned();
            Sample { name, operations, nanoseconds, instructions, checksum }
        };
        assert_eq!(
            output.samples,
            [sample("hit.latency", 8192, 10_240_000, 40960, 255), sample("smc", 1, 2, 0, 0)]
        );
        let skip = ("super.napot".to_owned(), "needs Svnapot: not here".to_owned());
        assert_eq!(output.skips, [Skip { name: skip.0, reason: skip.1 }]);
    }

    #[test]
    fn strange_output_is_an_error_in_one_line() {
        for (text, complaint) in [
            ("", "it printed no rows"),
            ("row smc 1 2 3 0x4", "it printed no rows"),
            ("nothing\n", "it printed no rows"),
            ("row smc 1 2 3\n", "not a row: row smc 1 2 3"),
            ("row smc 1 2 3 4\n", "not a row: row smc 1 2 3 4"),
            ("row smc 1 2 3 0x4 5\n", "not a row: row smc 1 2 3 0x4 5"),
            ("row smc 0 2 3 0x4\n", "not a row: row smc 0 2 3 0x4"),
            ("row smc 1 0 3 0x4\n", "not a row: row smc 1 0 3 0x4"),
            ("row smc 1 -2 3 0x4\n", "not a row: row smc 1 -2 3 0x4"),
            ("row smc 1 2 99999999999999999999 0x4\n", "not a row: row smc 1 2 999"),
            ("row <smc> 1 2 3 0x4\n", "not a row: row <smc> 1 2 3 0x4"),
            ("row \u{1b}[m 1 2 3 0x4\n", "not a row: row \\u{1b}[m 1 2 3 0x4"),
            ("skip smc\n", "not a skip: skip smc"),
            ("row smc 1 2 3 0x4\nskip smc: no\n", "two rows smc"),
        ] {
            let error = parse(text.as_bytes()).expect_err(text).to_string();
            assert!(error.starts_with(complaint), "{text:?}: {error}");
            assert!(!error.contains(char::is_control), "{error:?}");
        }
        assert!(parse(b"\xff\xfe\nrow \xff 1 2 3 0x4\n").is_err());
    }
}
