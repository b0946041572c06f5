//! Signals: one that the process sends to itself, and one for an access that is denied.

use guest_user::sys::mapping::{Mapping, PAGE_SIZE_BYTES};
use guest_user::sys::signal::{self, Action};
use guest_user::sys::{probe, process};
use guest_user::{Errno, Result};
use linux_raw_sys::general as g;

use crate::Row;
use crate::meter::Meter;

pub(crate) const ROWS: &[Row] = &[
    ("signal", "kill to the process itself, the handler, its return", sent),
    ("sigsegv", "a load that is denied, the handler, its return behind the load", denied),
];

/// Signals that are counted together.
const SIGNALS: u64 = 32;

fn sent(meter: &mut Meter) -> Result<()> {
    signal::set(g::SIGUSR1, Action::Catch)?;
    let this = process::id();
    meter.repeat(|watch| {
        watch.run(|| (0..SIGNALS).try_for_each(|_| process::kill(this, g::SIGUSR1)))?;
        if signal::take(g::SIGUSR1) { Ok(SIGNALS) } else { Err(Errno::AGAIN) }
    })?;
    signal::set(g::SIGUSR1, Action::Default)
}

fn denied(meter: &mut Meter) -> Result<()> {
    let flags = g::MAP_PRIVATE | g::MAP_ANONYMOUS;
    let page = Mapping::new(PAGE_SIZE_BYTES, g::PROT_NONE, flags, None)?;
    probe::pass_over_faults()?;
    meter.repeat(|watch| {
        watch.run(|| {
            for _ in 0..SIGNALS {
                probe::read(page.start());
            }
        });
        Ok(SIGNALS)
    })?;
    signal::set(g::SIGSEGV, Action::Default)
}
