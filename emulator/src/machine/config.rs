//! What a machine is built from: RAM, harts, extensions; and what bounds a run. Values that come
//! from outside as text are parsed here.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::addr::PAGE_SIZE_BYTES;
use crate::csr::{ASID_MAX_BITS, CsrConfig};
use crate::hart::HartConfig;
use crate::isa::{Extension, Extensions};

/// RAM of a machine that nobody asked to be different: 128 MiB, as QEMU's `virt`.
pub const DEFAULT_RAM_BYTES: u64 = 128 << 20;
/// Largest RAM that can be asked for.
pub const MAX_RAM_BYTES: u64 = 1 << 40;
/// Sizes that a disk for swapping can have: what is written to it takes memory of the host.
pub const SWAP_BYTES: RangeInclusive<u64> = 64 << 10..=64 << 30;
/// Harts that a machine can have: those that one CLINT serves.
pub const MAX_HARTS: usize = crate::device::clint::MAX_HARTS;

/// What a machine is built from.
#[derive(Clone, Debug)]
pub struct Config {
    /// Size of RAM, a multiple of the page size.
    pub ram_bytes: u64,
    /// Number of harts, at least 1.
    pub harts: usize,
    /// What the harts can do.
    pub extensions: Extensions,
    /// Bits of their address-space identifiers, at most [`ASID_MAX_BITS`].
    pub asid_bits: u32,
    /// What makes time pass.
    pub clock: ClockSource,
    /// Unix time in nanoseconds that the real-time clock shows at the start.
    pub rtc_base_ns: u64,
    /// What becomes of a hart that traps for ever.
    pub on_trap_loop: OnTrapLoop,
    /// What everything random in the machine follows from.
    pub seed: u64,
    /// How often a guest that would sleep for ever hears the end of its input, as somebody at a
    /// terminal would type it (^D): serial ports have no other.
    pub typed_ends: u32,
}

/// What makes `mtime` pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockSource {
    /// The instructions executed: the same input gives the same run. While all harts wait, time
    /// jumps to the next timer.
    #[default]
    Warp,
    /// The instructions executed. While all harts wait, the host sleeps for as long as they do.
    Insns,
    /// The host's clock.
    Host,
}

/// What becomes of a hart that raises the same exception over and over in its own trap handler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnTrapLoop {
    /// The machine stops.
    #[default]
    Stop,
    /// It goes on, as a real one would.
    Continue,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ram_bytes: DEFAULT_RAM_BYTES,
            harts: 1,
            extensions: Extensions::ALL,
            asid_bits: ASID_MAX_BITS,
            clock: ClockSource::default(),
            rtc_base_ns: 0,
            on_trap_loop: OnTrapLoop::default(),
            seed: 0,
            typed_ends: 0,
        }
    }
}

impl Config {
    /// What hart number `hart_id` is built from, but for where it starts.
    pub(super) fn hart(&self, hart_id: u64) -> HartConfig {
        use Extension::{
            Sstc, Sv39, Sv48, Sv57, Svade, Svadu, Svnapot, Svpbmt, Zicbom, Zicboz, Zicntr, Zihpm,
        };
        let has = |extension| self.extensions.has(extension);
        let csr = CsrConfig {
            hart_id,
            misa: self.extensions.misa(),
            sv39: has(Sv39),
            sv48: has(Sv48),
            sv57: has(Sv57),
            svade: has(Svade),
            svadu: has(Svadu),
            svpbmt: has(Svpbmt),
            sstc: has(Sstc),
            zicbom: has(Zicbom),
            zicboz: has(Zicboz),
            zicntr: has(Zicntr),
            zihpm: has(Zihpm),
            asid_bits: self.asid_bits,
        };
        HartConfig { csr, svnapot: has(Svnapot), ..HartConfig::default() }
    }
}

/// What ends a run that does not end by itself.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Instructions retired by all harts together.
    pub max_insns: Option<u64>,
    /// Host time since the start of the run.
    pub timeout: Option<Duration>,
}

/// A size that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// Not a number with a suffix.
    #[error("{0:?} is no size: expected a number of MiB, or one with the suffix K, M, G or T")]
    Syntax(String),
    /// Not one that is possible, which the second text tells.
    #[error("{0:?} is out of range: {1}")]
    Range(String, &'static str),
    /// Not whole pages.
    #[error("{0:?} is not a multiple of 4K")]
    Pages(String),
}

/// Sizes of RAM, in words.
const RAM_RANGE: &str = "RAM has between 4K and 1T";
/// [`SWAP_BYTES`], in words.
const SWAP_RANGE: &str = "a disk for swapping has between 64K and 64G";

/// A size in bytes from the text of `-m`: a number of MiB, or one with a suffix K, M, G or T (B
/// for bytes), as QEMU has it.
///
/// # Errors
/// [`SizeError`] where it cannot be a RAM's size.
pub fn parse_size(text: &str) -> Result<u64, SizeError> {
    parse_size_within(text, PAGE_SIZE_BYTES..=MAX_RAM_BYTES, RAM_RANGE)
}

/// As [`parse_size`], the size of a disk for swapping.
///
/// # Errors
/// [`SizeError`] where it cannot be one.
pub fn parse_swap_size(text: &str) -> Result<u64, SizeError> {
    parse_size_within(text, SWAP_BYTES, SWAP_RANGE)
}

fn parse_size_within(
    text: &str,
    possible: RangeInclusive<u64>,
    range: &'static str,
) -> Result<u64, SizeError> {
    let syntax = || SizeError::Syntax(text.to_owned());
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "B" => 0,
        "K" => 10,
        "" | "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err(syntax()),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(syntax());
    }
    let impossible = || SizeError::Range(text.to_owned(), range);
    let count: u64 = digits.parse().map_err(|_| impossible())?;
    let bytes = count.checked_mul(1 << shift).ok_or_else(impossible)?;
    if !possible.contains(&bytes) {
        return Err(impossible());
    }
    if !bytes.is_multiple_of(PAGE_SIZE_BYTES) {
        return Err(SizeError::Pages(text.to_owned()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let owned = |text: &str| text.to_owned();
        for (text, bytes) in [
            ("128", Ok(128 << 20)),
            ("128M", Ok(128 << 20)),
            ("1g", Ok(1 << 30)),
            ("4K", Ok(4096)),
            ("8192B", Ok(8192)),
            ("1T", Ok(1 << 40)),
            ("", Err(SizeError::Syntax(owned("")))),
            ("M", Err(SizeError::Syntax(owned("M")))),
            ("12Q", Err(SizeError::Syntax(owned("12Q")))),
            ("12MM", Err(SizeError::Syntax(owned("12MM")))),
            ("-1M", Err(SizeError::Syntax(owned("-1M")))),
            ("1.5G", Err(SizeError::Syntax(owned("1.5G")))),
            ("0", Err(SizeError::Range(owned("0"), RAM_RANGE))),
            ("3K", Err(SizeError::Range(owned("3K"), RAM_RANGE))),
            ("2T", Err(SizeError::Range(owned("2T"), RAM_RANGE))),
            (
                "99999999999999999999",
                Err(SizeError::Range(owned("99999999999999999999"), RAM_RANGE)),
            ),
            ("17179869184G", Err(SizeError::Range(owned("17179869184G"), RAM_RANGE))),
            ("5000B", Err(SizeError::Pages(owned("5000B")))),
        ] {
            assert_eq!(parse_size(text), bytes, "{text:?}");
        }
    }

    #[test]
    fn sizes_of_disks_for_swapping() {
        for (text, bytes) in [
            ("64M", Some(64 << 20)),
            ("64K", Some(64 << 10)),
            ("64G", Some(64 << 30)),
            ("60K", None),
            ("65G", None),
            ("65537B", None),
            ("much", None),
        ] {
            assert_eq!(parse_swap_size(text).ok(), bytes, "{text}");
        }
        let error = parse_swap_size("0").unwrap_err().to_string();
        assert_eq!(error, "\"0\" is out of range: a disk for swapping has between 64K and 64G");
    }
}
