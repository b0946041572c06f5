//! Texts as a terminal shows them: widths, columns, dates, file modes.

#![forbid(unsafe_code)]

use alloc::string::String;
use alloc::vec::Vec;

use linux_raw_sys::general as g;

/// Blanks between two columns.
const GAP: usize = 2;

/// Whether a byte goes on with a UTF-8 character.
pub fn is_inner(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// Columns of a text, one for a character.
pub fn width(text: &[u8]) -> usize {
    text.iter().filter(|byte| !is_inner(**byte)).count()
}

/// Names in as many columns as fit, each read downwards.
pub fn in_columns(names: &[Vec<u8>], columns: usize) -> Vec<u8> {
    let column = names.iter().map(|name| width(name)).max().unwrap_or(0) + GAP;
    let across = ((columns + GAP) / column).max(1);
    let down = names.len().div_ceil(across);
    let mut output = Vec::new();
    for row in 0..down {
        let mut blanks = 0;
        for name in names.iter().skip(row).step_by(down) {
            output.resize(output.len() + blanks, b' ');
            output.extend_from_slice(name);
            blanks = column - width(name);
        }
        output.push(b'\n');
    }
    output
}

/// The ten letters of `ls -l` for a file's mode.
pub fn mode(mode: u32) -> String {
    let kind = match mode & g::S_IFMT {
        g::S_IFDIR => 'd',
        g::S_IFLNK => 'l',
        g::S_IFCHR => 'c',
        g::S_IFBLK => 'b',
        g::S_IFIFO => 'p',
        g::S_IFSOCK => 's',
        _ => '-',
    };
    let mut letters = String::from(kind);
    for (shift, special, letter) in
        [(6, g::S_ISUID, 's'), (3, g::S_ISGID, 's'), (0, g::S_ISVTX, 't')]
    {
        let bits = mode >> shift;
        letters.push(if bits & 4 != 0 { 'r' } else { '-' });
        letters.push(if bits & 2 != 0 { 'w' } else { '-' });
        letters.push(match (mode & special != 0, bits & 1 != 0) {
            (false, false) => '-',
            (false, true) => 'x',
            (true, false) => letter.to_ascii_uppercase(),
            (true, true) => letter,
        });
    }
    letters
}

/// A day, in the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// The year.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

impl Date {
    /// The day that is so many days after the first of January 1970.
    pub fn from_days(days: i64) -> Self {
        // Years begin in March here, so that a leap day is the last day of a year; 400 years, an
        // era, have always as many days.
        const DAYS_BEFORE_EPOCH: i64 = 719_468;
        const DAYS_OF_ERA: i64 = 146_097;
        let days = days + DAYS_BEFORE_EPOCH;
        let (era, day_of_era) = (days.div_euclid(DAYS_OF_ERA), days.rem_euclid(DAYS_OF_ERA));
        let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
        let year = (day_of_era - leap_days) / 365;
        let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
        // Five months from March on have 153 days, always in the same pattern.
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        Self { year: 400 * era + year + next_year, month: month as u8, day: day as u8 }
    }

    /// `Jan` to `Dec`.
    pub fn month_name(self) -> &'static str {
        const NAMES: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        NAMES[usize::from(self.month) - 1]
    }
}

/// A time as `ls -l` shows it: with the year where it is not of the last half year.
pub fn file_time(seconds: i64, now: i64) -> String {
    const DAY_SECONDS: i64 = 86_400;
    const RECENT_SECONDS: i64 = 182 * DAY_SECONDS;
    let date = Date::from_days(seconds.div_euclid(DAY_SECONDS));
    let of_day = seconds.rem_euclid(DAY_SECONDS);
    let Date { year, day, .. } = date;
    let month = date.month_name();
    if (0..RECENT_SECONDS).contains(&(now - seconds)) {
        let (hours, minutes) = (of_day / 3600, of_day / 60 % 60);
        alloc::format!("{month} {day:2} {hours:02}:{minutes:02}")
    } else {
        alloc::format!("{month} {day:2} {year:5}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns() {
        let names: Vec<Vec<u8>> = ["a", "bb", "c", "\u{e9}\u{e9}", "e"]
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        for (columns, want) in [
            (80, "a   bb  c   \u{e9}\u{e9}  e\n"),
            (12, "a   c   e\nbb  \u{e9}\u{e9}\n"),
            (3, "a\nbb\nc\n\u{e9}\u{e9}\ne\n"),
            (0, "a\nbb\nc\n\u{e9}\u{e9}\ne\n"),
        ] {
            assert_eq!(String::from_utf8(in_columns(&names, columns)).unwrap(), want);
        }
        assert_eq!(in_columns(&[], 80), b"");
    }

    #[test]
    fn modes() {
        for (bits, want) in [
            (0o100_644, "-rw-r--r--"),
            (0o040_755, "drwxr-xr-x"),
            (0o120_777, "lrwxrwxrwx"),
            (0o041_777, "drwxrwxrwt"),
            (0o104_755, "-rwsr-xr-x"),
            (0o102_644, "-rw-r-Sr--"),
            (0o020_600, "crw-------"),
            (0o010_600, "prw-------"),
        ] {
            assert_eq!(mode(bits), want);
        }
    }

    #[test]
    fn dates() {
        for (days, year, month, day) in [
            (0, 1970, 1, 1),
            (-1, 1969, 12, 31),
            (59, 1970, 3, 1),
            (11_016, 2000, 2, 29),
            (11_017, 2000, 3, 1),
            (19_782, 2024, 2, 29),
            (47_541, 2100, 3, 1),
            (-719_468, 0, 3, 1),
        ] {
            assert_eq!(Date::from_days(days), Date { year, month, day }, "{days}");
        }
        assert_eq!(file_time(3_661, 10_000), "Jan  1 01:01");
        assert_eq!(file_time(0, 182 * 86_400), "Jan  1  1970");
        assert_eq!(file_time(1, 0), "Jan  1  1970");
    }
}
