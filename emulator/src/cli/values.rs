//! Values of options that have a form of their own: sizes, times, addresses.

use std::time::Duration;

use super::props::Props;
use crate::machine::config::{self, MAX_HARTS};

/// Port where QEMU's `-s` waits for gdb.
pub(super) const GDB_PORT: u16 = 1234;

/// A size of RAM in bytes: what `-m` says.
///
/// # Errors
/// In words, where it is none.
pub(super) fn ram_bytes(text: &str) -> Result<u64, String> {
    let size = text.strip_prefix("size=").unwrap_or(text);
    config::parse_size(size).map_err(|error| error.to_string())
}

/// A number of harts: what `-smp` says.
///
/// # Errors
/// In words, where it is none, or not one that is possible.
pub(super) fn harts(text: &str) -> Result<usize, String> {
    let props = Props::parse(text, Some("cpus"))?;
    props.allow(&["cpus"])?;
    let harts = props.demand("cpus")?.parse().map_err(|_| "expected a number of harts")?;
    if (1..=MAX_HARTS).contains(&harts) {
        Ok(harts)
    } else {
        Err(format!("at most {MAX_HARTS} is possible, and at least 1"))
    }
}

/// A time in seconds.
///
/// # Errors
/// In words, where it is none.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// Where to wait for gdb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GdbAddress {
    /// Name or number.
    pub(super) host: String,
    pub(super) port: u16,
}

impl GdbAddress {
    /// This port, for debuggers on this host only: whoever reaches it rules the machine.
    pub(super) fn here(port: u16) -> Self {
        Self { host: "127.0.0.1".to_owned(), port }
    }
}

/// What `-gdb` says: where to wait, or `none`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GdbTarget(pub(super) Option<GdbAddress>);

impl GdbTarget {
    /// Where QEMU lets everybody in, in `tcp::1234`, only this host may.
    ///
    /// # Errors
    /// In words, where that is no address.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let props = Props::parse(text, Some("address"))?;
        // What QEMU's users write to say what is so anyway.
        props.allow(&["address", "server", "wait", "nowait"])?;
        let address = props.demand("address")?;
        if address == "none" {
            return Ok(Self(None));
        }
        let expected = || format!("`{address}` is not supported: expected tcp:[HOST]:PORT or none");
        let (host, port) = address
            .strip_prefix("tcp:")
            .and_then(|place| place.rsplit_once(':'))
            .ok_or_else(expected)?;
        let port = port.parse().map_err(|_| expected())?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let here = GdbAddress::here(port);
        let address =
            if host.is_empty() { here } else { GdbAddress { host: host.to_owned(), port } };
        Ok(Self(Some(address)))
    }
}

/// What the real-time clock shows when the machine starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RtcBase {
    /// The host's time.
    Now,
    /// Seconds since 1970 began, in UTC.
    Unix(u64),
}

impl RtcBase {
    /// What `-rtc` says.
    ///
    /// # Errors
    /// In words, where that is no time.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let props = Props::parse(text, None)?;
        props.allow(&["base"])?;
        match props.demand("base")? {
            "utc" => Ok(Self::Now),
            base => {
                base.parse().ok().or_else(|| unix_seconds(base)).map(Self::Unix).ok_or_else(|| {
                    format!(
                        "`base={base}` is no time: expected utc, a date such as \
                         2024-01-02T03:04:05 or 2024-01-02, or seconds since 1970"
                    )
                })
            }
        }
    }
}

/// Seconds from the beginning of 1970 to a date, or a date and time, in the Gregorian calendar.
fn unix_seconds(text: &str) -> Option<u64> {
    const DAY_SECONDS: u64 = 24 * 60 * 60;
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00"));
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let is_leap =
        |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let february = if is_leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = months.get(..(month as usize).checked_sub(1)?)?;
    let is_sound = (1970..=9999).contains(&year)
        && (1..=*months.get(before.len())?).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    let years: u64 = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    let days = years + before.iter().sum::<u64>() + day - 1;
    is_sound.then_some(days * DAY_SECONDS + (hour * 60 + minute) * 60 + second)
}

/// Three numbers of digits alone, with `separator` between them.
fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let mut parts = text.split(separator).map(|part| {
        let is_number = (1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| part.parse().ok()).flatten()
    });
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

/// `--seed`: where random numbers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seed {
    /// They follow from this number, in each run the same.
    Fixed(u64),
    /// From the host.
    Host,
}

impl Seed {
    /// # Errors
    /// In words, where `text` is neither.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "host" => Ok(Self::Host),
            number => number
                .parse()
                .map(Self::Fixed)
                .map_err(|_| "expected a number of 64 bits, or host".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, millis) in [
            ("1", Some(1000)),
            ("0.5", Some(500)),
            ("0", Some(0)),
            ("-1", None),
            ("nan", None),
            ("inf", None),
            ("1e30", None),
            ("soon", None),
        ] {
            assert_eq!(seconds(text).ok().map(|d| d.as_millis()), millis, "{text}");
        }
    }

    #[test]
    fn sizes_and_harts() {
        assert_eq!(ram_bytes("size=64M"), Ok(64 << 20));
        assert_eq!(ram_bytes("64"), Ok(64 << 20));
        assert!(ram_bytes("64M,slots=2").unwrap_err().contains("is no size"));
        for (text, expect) in [
            ("1", Ok(1)),
            ("64", Ok(64)),
            ("cpus=3", Ok(3)),
            ("0", Err("at most 64 is possible, and at least 1")),
            ("65", Err("at most 64 is possible, and at least 1")),
            ("many", Err("expected a number of harts")),
            ("", Err("`cpus=` is missing")),
            ("2,sockets=2", Err("unknown property `sockets` (there is cpus)")),
        ] {
            assert_eq!(harts(text), expect.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn addresses_for_gdb() {
        for (text, expect) in [
            ("tcp::26000", Some(("127.0.0.1", 26000))),
            ("tcp::1234,server=on,wait=off", Some(("127.0.0.1", 1234))),
            ("tcp::1234,server,nowait", Some(("127.0.0.1", 1234))),
            ("tcp:localhost:1", Some(("localhost", 1))),
            ("tcp:0.0.0.0:1", Some(("0.0.0.0", 1))),
            ("tcp:[::1]:1", Some(("::1", 1))),
            ("tcp::", None),
            ("tcp::65536", None),
            ("tcp:1234", None),
            ("udp::1234", None),
            ("stdio", None),
            ("unix:x", None),
            ("tcp::1234,host=x", None),
            ("", None),
        ] {
            let parsed = GdbTarget::parse(text).ok().and_then(|target| target.0);
            let parsed = parsed.as_ref().map(|address| (address.host.as_str(), address.port));
            assert_eq!(parsed, expect, "{text}");
        }
    }

    // Seconds by GNU date: `date -u -d 2024-01-02T03:04:05 +%s`.
    #[test]
    fn times_of_the_clock() {
        for (text, expect) in [
            ("base=utc", Some(RtcBase::Now)),
            ("base=0", Some(RtcBase::Unix(0))),
            ("base=1704164645", Some(RtcBase::Unix(1_704_164_645))),
            ("base=2024-01-02T03:04:05", Some(RtcBase::Unix(1_704_164_645))),
            ("base=1970-01-01", Some(RtcBase::Unix(0))),
            ("base=2000-02-29", Some(RtcBase::Unix(951_782_400))),
            ("base=2006-06-17T16:01:21", Some(RtcBase::Unix(1_150_560_081))),
            ("base=2100-03-01", Some(RtcBase::Unix(4_107_542_400))),
            ("base=9999-12-31T23:59:59", Some(RtcBase::Unix(253_402_300_799))),
            ("base=2100-02-29", None),
            ("base=1969-12-31", None),
            ("base=2024-13-01", None),
            ("base=2024-00-01", None),
            ("base=2024-04-31", None),
            ("base=2024-04-00", None),
            ("base=2024-04-01T24:00:00", None),
            ("base=2024-04-01T00:60:00", None),
            ("base=2024-04-01T00:00:60", None),
            ("base=2024-04", None),
            ("base=2024-04-01-01", None),
            ("base=2024-+4-01", None),
            ("base=localtime", None),
            ("base=-1", None),
            ("base=", None),
            ("utc", None),
            ("base=utc,clock=vm", None),
        ] {
            assert_eq!(RtcBase::parse(text).ok(), expect, "{text}");
        }
    }
}
