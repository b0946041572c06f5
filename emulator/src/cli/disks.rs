//! What disks are like: how long they take (`--disk-latency`, and `latency=` of a drive), what goes
//! wrong with them (`--disk-errors`), and the disk for swapping (`--swap`). Options become plain
//! values here; `devices.rs` puts disks into slots.

use std::ops::RangeInclusive;

use super::props::Props;
use crate::device::virtio::block::{Latency, Seek};
use crate::machine::config;
use crate::machine::disk::mishaps::{ErrorPlan, Odds};

/// What the disk for swapping is called, as a drive is by its id.
pub(super) const SWAP_ID: &str = "swap";

/// Latencies that have a name.
const LATENCIES: [(&str, Latency); 3] =
    [("none", Latency::NONE), ("ssd", Latency::SSD), ("hdd", Latency::HDD)];
/// Units of times, in nanoseconds.
const UNITS: [(&str, u64); 3] = [("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)];
/// Longest time that can be asked for.
const MAX_TIME_NS: u64 = 10_000_000_000;

/// A latency: a name, or TIME[,TIME], of a request and of each 4 KiB.
///
/// # Errors
/// In words, where it is neither.
pub(super) fn latency(text: &str) -> Result<Latency, String> {
    if let Some((_, latency)) = LATENCIES.iter().find(|(name, _)| *name == text) {
        return Ok(*latency);
    }
    let (request, page) = match text.split_once(',') {
        Some((request, page)) => (time_ns(request), time_ns(page)),
        None => (time_ns(text), Some(0)),
    };
    let (Some(request_ns), Some(page_ns)) = (request, page) else {
        return Err(format!(
            "`{text}` is no latency: expected none, ssd, hdd, or TIME[,TIME] such as 100us or \
             5ms,20us, up to 10s"
        ));
    };
    Ok(Latency { request_ns, page_ns, seek: Seek::Always })
}

/// A time in nanoseconds: a number with a unit.
fn time_ns(text: &str) -> Option<u64> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let (_, unit_ns) = UNITS.iter().find(|(unit, _)| *unit == &text[number.len()..])?;
    let ns = digits(number)?.checked_mul(*unit_ns)?;
    (ns <= MAX_TIME_NS).then_some(ns)
}

/// A number of digits alone.
fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// What a drive says of its own latency.
///
/// # Errors
/// In words, where that is none.
pub(super) fn own_latency(props: &Props) -> Result<Option<Latency>, String> {
    props.get("latency").map(latency).transpose()
}

/// `--swap`: a disk for swapping, in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Swap {
    pub(super) len_bytes: u64,
    /// Its own latency.
    pub(super) latency: Option<Latency>,
}

impl Swap {
    /// # Errors
    /// In words, where `text` describes none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let props = Props::parse(text, Some("size"))?;
        props.allow(&["size", "latency"])?;
        let size = config::parse_swap_size(props.demand("size")?);
        let len_bytes = size.map_err(|error| error.to_string())?;
        Ok(Self { len_bytes, latency: own_latency(&props)? })
    }
}

/// `--disk-errors`: what goes wrong with one disk, or with all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DiskErrors {
    pub(super) text: String,
    /// The drive that it concerns; without, all.
    pub(super) drive: Option<String>,
    pub(super) plan: ErrorPlan,
}

impl DiskErrors {
    /// # Errors
    /// In words, where `text` does not say what goes wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let props = Props::parse(text, None)?;
        props.allow(&["read", "write", "sectors", "seed", "cut", "drive"])?;
        let odds = |key| props.get(key).map_or(Ok(Odds::NEVER), |value| odds(key, value));
        let number = |key, least| match props.get(key).map(|value| (value, digits(value))) {
            None => Ok(None),
            Some((_, Some(number))) if number >= least => Ok(Some(number)),
            Some((value, _)) => Err(format!("`{key}={value}`: expected a number from {least} on")),
        };
        let plan = ErrorPlan {
            read: odds("read")?,
            write: odds("write")?,
            sectors: props.get("sectors").map(sectors).transpose()?.unwrap_or_default(),
            seed: number("seed", 0)?.unwrap_or(0),
            cut: number("cut", 1)?,
        };
        let text = format!("--disk-errors {text}");
        Ok(Self { text, drive: props.get("drive").map(str::to_owned), plan })
    }
}

/// How often requests fail: K of N.
fn odds(key: &str, value: &str) -> Result<Odds, String> {
    let parts = value.split_once('/').map(|(hits, of)| (digits(hits), digits(of)));
    match parts {
        Some((Some(hits), Some(of))) if of > 0 && hits <= of => Ok(Odds { hits, of }),
        _ => Err(format!("`{key}={value}`: expected K/N, for K of N requests, such as 1/100")),
    }
}

/// Ranges of sectors, such as 0-7+64.
fn sectors(text: &str) -> Result<Vec<RangeInclusive<u64>>, String> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (digits(first)?, digits(last)?);
        (first <= last).then_some(first..=last)
    };
    let ranges: Option<_> = text.split('+').map(range).collect();
    ranges.ok_or_else(|| format!("`sectors={text}`: expected FIRST-LAST, and + between ranges"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies() {
        let fixed = |request_ns, page_ns| Some(Latency { request_ns, page_ns, seek: Seek::Always });
        for (text, expect) in [
            ("none", Some(Latency::NONE)),
            ("ssd", Some(Latency::SSD)),
            ("hdd", Some(Latency::HDD)),
            ("100us", fixed(100_000, 0)),
            ("5ms,20us", fixed(5_000_000, 20_000)),
            ("0us,1ms", fixed(0, 1_000_000)),
            ("10s", fixed(10_000_000_000, 0)),
            ("11s", None),
            ("99999999999999999999us", None),
            ("99999999999999999s", None),
            ("100", None),
            ("us", None),
            ("1.5ms", None),
            ("-1us", None),
            ("+1us", None),
            ("1us,", None),
            ("1us,2us,3us", None),
            ("floppy", None),
            ("", None),
        ] {
            assert_eq!(latency(text).ok(), expect, "{text}");
        }
    }

    #[test]
    fn disks_for_swapping() {
        for (text, expect) in [
            ("64M", Ok((64 << 20, None))),
            ("64", Ok((64 << 20, None))),
            ("size=1G,latency=hdd", Ok((1 << 30, Some(Latency::HDD)))),
            ("64K,latency=none", Ok((64 << 10, Some(Latency::NONE)))),
            ("4K", Err("a disk for swapping has between 64K and 64G")),
            ("much", Err("is no size")),
            ("64M,latency=slow", Err("`slow` is no latency")),
            ("64M,file=x", Err("unknown property `file`")),
            ("latency=hdd", Err("`size=` is missing")),
        ] {
            let swap = Swap::parse(text).map(|swap| (swap.len_bytes, swap.latency));
            match expect {
                Ok(expect) => assert_eq!(swap, Ok(expect), "{text}"),
                Err(says) => assert!(swap.as_ref().is_err_and(|e| e.contains(says)), "{swap:?}"),
            }
        }
    }

    #[test]
    fn what_goes_wrong() {
        let none = ErrorPlan {
            read: Odds::NEVER,
            write: Odds::NEVER,
            sectors: Vec::new(),
            seed: 0,
            cut: None,
        };
        let (one, all) = (Odds { hits: 1, of: 100 }, Odds { hits: 3, of: 3 });
        for (text, expect) in [
            ("read=1/100", ErrorPlan { read: one, ..none.clone() }),
            ("write=3/3,seed=7", ErrorPlan { write: all, seed: 7, ..none.clone() }),
            ("sectors=0-7+64", ErrorPlan { sectors: vec![0..=7, 64..=64], ..none.clone() }),
            ("cut=1", ErrorPlan { cut: Some(1), ..none.clone() }),
        ] {
            assert_eq!(DiskErrors::parse(text).map(|errors| errors.plan), Ok(expect), "{text}");
        }
        let errors = DiskErrors::parse("drive=x0,cut=9").unwrap();
        assert_eq!((errors.drive.as_deref(), errors.plan.cut), (Some("x0"), Some(9)));
        for (text, says) in [
            ("read=1", "`read=1`: expected K/N"),
            ("read=2/1", "expected K/N"),
            ("write=0/0", "expected K/N"),
            ("sectors=8-7", "`sectors=8-7`: expected FIRST-LAST"),
            ("sectors=1+", "expected FIRST-LAST"),
            ("cut=0", "`cut=0`: expected a number from 1 on"),
            ("seed=x", "`seed=x`: expected a number from 0 on"),
            ("reed=1/2", "unknown property `reed`; did you mean `read`?"),
        ] {
            let error = DiskErrors::parse(text).expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
