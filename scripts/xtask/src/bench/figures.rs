//! Numbers as people read them: three significant digits, with the unit that fits.

/// What the figures of a run are.
pub(super) fn medians(rounds: u32) -> String {
    if rounds == 1 { "one round".to_owned() } else { format!("medians of {rounds} rounds") }
}

/// Five significant digits, more than any measurement has.
pub(super) fn rounded(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}

const UNITS: [&str; 4] = ["ns", "µs", "ms", "s"];

/// A time per operation.
pub(super) fn duration(ns: f64) -> String {
    let mut value = ns;
    let mut units = UNITS.into_iter();
    let mut unit = units.next().unwrap_or_default();
    // What would be rounded to 1000 belongs to the next unit.
    while value >= 999.5 {
        let Some(next) = units.next() else { break };
        value /= 1000.0;
        unit = next;
    }
    format!("{} {unit}", three_digits(value))
}

/// A power of ten of nanoseconds.
pub(super) fn decade(exponent: i32) -> String {
    if exponent < 0 {
        return format!("{} ns", 10f64.powi(exponent));
    }
    let unit = (exponent as usize / 3).min(UNITS.len() - 1);
    format!("{} {}", 10f64.powi(exponent - 3 * unit as i32), UNITS[unit])
}

/// How many times as much.
pub(super) fn ratio(value: f64) -> String {
    if value < 0.0995 { format!("{value:.3}") } else { three_digits(value) }
}

/// Three significant digits of a number that is not tiny, and all those before the point.
pub(super) fn three_digits(value: f64) -> String {
    let decimals = match value {
        _ if value < 9.995 => 2,
        _ if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_and_a_unit() {
        for (ns, text) in [
            (0.0, "0.00 ns"),
            (0.317, "0.32 ns"),
            (3.456, "3.46 ns"),
            (9.996, "10.0 ns"),
            (12.34, "12.3 ns"),
            (999.4, "999 ns"),
            (999.6, "1.00 µs"),
            (43_210_000.0, "43.2 ms"),
            (5e12, "5000 s"),
            (f64::NAN, "NaN ns"),
        ] {
            assert_eq!(duration(ns), text);
        }
    }

    #[test]
    fn decades_have_no_decimals() {
        for (exponent, text) in [
            (-1, "0.1 ns"),
            (0, "1 ns"),
            (2, "100 ns"),
            (3, "1 µs"),
            (8, "100 ms"),
            (13, "10000 s"),
        ] {
            assert_eq!(decade(exponent), text);
        }
    }

    #[test]
    fn ratios_below_a_tenth_keep_digits() {
        for (value, text) in
            [(0.0123, "0.012"), (0.17, "0.17"), (8.0, "8.00"), (12.34, "12.3"), (2345.6, "2346")]
        {
            assert_eq!(ratio(value), text);
        }
    }
}
