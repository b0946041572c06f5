//! The performance monitoring extension: the two hardware counters that count something, `cycle`
//! and `instret`, and counters of what the firmware itself has done. Counters are numbered as
//! their CSRs are from `cycle` on, which Linux relies on; so number 1 is `time`, no counter.

use super::trap::MCOUNTINHIBIT;
use super::{Answer, Args, Cx, Done, Error, SUCCESS};
use crate::csr::CsrAddr;

const TIME: usize = 1;
/// The first of the firmware's own counters; hardware counters come before.
const FIRST_FIRMWARE: usize = 3;
const FIRMWARE_COUNTERS: usize = 16;
const COUNTERS: usize = FIRST_FIRMWARE + FIRMWARE_COUNTERS;

/// The first unprivileged and the first machine counter; the others follow in the same order.
const CYCLE: u64 = 0xc00;
const MCYCLE: u16 = 0xb00;

/// `counter_info`: all counters have 64 bits.
const INFO_WIDTH_64: u64 = 63 << 12;
const INFO_FIRMWARE: u64 = 1 << 63;

/// Flags of `sbi_pmu_counter_config_matching`; the filters are hints that nothing heeds.
const CONFIG_SKIP_MATCH: u64 = 1 << 0;
const CONFIG_CLEAR_VALUE: u64 = 1 << 1;
const CONFIG_AUTO_START: u64 = 1 << 2;
const CONFIG_KNOWN: u64 = 0xff;
/// Flags of `sbi_pmu_counter_start`.
const START_SET_VALUE: u64 = 1 << 0;
/// Flags of `sbi_pmu_counter_stop`.
const STOP_RESET: u64 = 1 << 0;
/// Flag of both: in shared memory, which is not offered.
const SNAPSHOT: u64 = 1 << 1;

/// Hardware events, `event_idx`: cycles and retired instructions.
const HARDWARE_EVENTS: [(u64, usize); 2] = [(1, 0), (2, 2)];
/// Type of firmware events in `event_idx`.
const FIRMWARE_EVENTS: u64 = 0xf << 16;

/// What the firmware counts, by the specification's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    SetTimer = 5,
    IpiSent = 6,
    IpiReceived = 7,
    FenceISent = 8,
    FenceIReceived = 9,
    SfenceVmaSent = 10,
    SfenceVmaReceived = 11,
    SfenceVmaAsidSent = 12,
    SfenceVmaAsidReceived = 13,
}

impl Event {
    const fn index(self) -> u64 {
        FIRMWARE_EVENTS | self as u64
    }
}

/// The firmware events that happen here; the others are delegated, or need a hypervisor.
const COUNTED: std::ops::RangeInclusive<u64> =
    Event::SetTimer.index()..=Event::SfenceVmaAsidReceived.index();

#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    /// `event_idx` of what is counted.
    event: Option<u64>,
    is_started: bool,
    /// Of a firmware counter.
    value: u64,
}

/// The counters of all harts.
#[derive(Debug)]
pub(super) struct Pmu {
    harts: Vec<[Counter; COUNTERS]>,
}

impl Pmu {
    pub(super) fn new(harts: usize) -> Self {
        Self { harts: vec![[Counter::default(); COUNTERS]; harts] }
    }

    pub(super) fn reset(&mut self, hart: usize) {
        self.harts[hart] = [Counter::default(); COUNTERS];
    }

    /// Notes that `event` has happened on `hart`.
    pub(super) fn count(&mut self, hart: usize, event: Event) {
        for counter in &mut self.harts[hart][FIRST_FIRMWARE..] {
            if counter.is_started && counter.event == Some(event.index()) {
                counter.value = counter.value.wrapping_add(1);
            }
        }
    }
}

fn exists(index: u64) -> bool {
    index < COUNTERS as u64 && index != TIME as u64
}

fn is_firmware(index: usize) -> bool {
    index >= FIRST_FIRMWARE
}

/// Whether the counter can count `event`.
fn can_count(index: usize, event: u64) -> bool {
    let is_hardware_event = HARDWARE_EVENTS.contains(&(event, index));
    if is_firmware(index) { COUNTED.contains(&event) } else { is_hardware_event }
}

/// The counters that a mask names.
fn named(base: u64, mask: u64) -> Result<Vec<usize>, Error> {
    let bits = (0..64).filter(|bit| mask >> bit & 1 != 0);
    let index = |bit| base.checked_add(bit).filter(|index| exists(*index));
    let indices = bits.map(|bit| index(bit).map(|index| index as usize));
    indices.collect::<Option<_>>().ok_or(Error::InvalidParam)
}

impl Cx<'_> {
    fn counter(&mut self, index: usize) -> &mut Counter {
        &mut self.sbi.pmu.harts[self.caller][index]
    }

    fn set_value(&mut self, index: usize, value: u64) {
        if is_firmware(index) {
            self.counter(index).value = value;
        } else {
            let addr = CsrAddr(MCYCLE + index as u16);
            self.platform.change_csr(self.caller, addr, !0, value);
        }
    }

    fn start(&mut self, index: usize) {
        self.counter(index).is_started = true;
        if !is_firmware(index) {
            self.platform.change_csr(self.caller, MCOUNTINHIBIT, 1 << index, 0);
        }
    }

    fn stop(&mut self, index: usize) {
        self.counter(index).is_started = false;
        if !is_firmware(index) {
            self.platform.change_csr(self.caller, MCOUNTINHIBIT, 0, 1 << index);
        }
    }
}

pub(super) fn num_counters(_: &mut Cx<'_>, _: &Args) -> Answer {
    Ok(Done::Value(COUNTERS as u64))
}

pub(super) fn counter_get_info(_: &mut Cx<'_>, &[index, ..]: &Args) -> Answer {
    if !exists(index) {
        return Err(Error::InvalidParam);
    }
    let is_firmware = is_firmware(index as usize);
    let info = if is_firmware { INFO_FIRMWARE } else { CYCLE + index };
    Ok(Done::Value(info | INFO_WIDTH_64))
}

/// A counter that is not started is free, but a firmware counter keeps its event until it is
/// stopped for good.
pub(super) fn counter_config_matching(cx: &mut Cx<'_>, args: &Args) -> Answer {
    let [base, mask, flags, event, ..] = *args;
    let set = named(base, mask)?;
    if set.is_empty() || flags & !CONFIG_KNOWN != 0 {
        return Err(Error::InvalidParam);
    }
    let index = if flags & CONFIG_SKIP_MATCH != 0 {
        Some(set[0]).filter(|index| can_count(*index, event))
    } else {
        set.into_iter().find(|index| {
            let counter = cx.counter(*index);
            let is_taken = counter.is_started || is_firmware(*index) && counter.event.is_some();
            !is_taken && can_count(*index, event)
        })
    };
    let index = index.ok_or(Error::NotSupported)?;
    cx.counter(index).event = Some(event);
    if flags & CONFIG_CLEAR_VALUE != 0 {
        cx.set_value(index, 0);
    }
    if flags & CONFIG_AUTO_START != 0 {
        cx.start(index);
    }
    Ok(Done::Value(index as u64))
}

/// Does for each counter what can be done; tells the first trouble.
fn for_each(
    cx: &mut Cx<'_>,
    set: &[usize],
    mut act: impl FnMut(&mut Cx<'_>, usize) -> Result<(), Error>,
) -> Answer {
    let trouble: Vec<Error> = set.iter().filter_map(|index| act(cx, *index).err()).collect();
    trouble.first().map_or(SUCCESS, |error| Err(*error))
}

pub(super) fn counter_start(cx: &mut Cx<'_>, args: &Args) -> Answer {
    let [base, mask, flags, value, ..] = *args;
    let set = named(base, mask)?;
    if flags & SNAPSHOT != 0 {
        return Err(Error::NoShmem);
    }
    if flags & !START_SET_VALUE != 0 {
        return Err(Error::InvalidParam);
    }
    for_each(cx, &set, |cx, index| match *cx.counter(index) {
        Counter { event: None, .. } => Err(Error::InvalidParam),
        Counter { is_started: true, .. } => Err(Error::AlreadyStarted),
        Counter { .. } => {
            if flags & START_SET_VALUE != 0 {
                cx.set_value(index, value);
            }
            cx.start(index);
            Ok(())
        }
    })
}

pub(super) fn counter_stop(cx: &mut Cx<'_>, &[base, mask, flags, ..]: &Args) -> Answer {
    let set = named(base, mask)?;
    if flags & SNAPSHOT != 0 {
        return Err(Error::NoShmem);
    }
    if flags & !STOP_RESET != 0 {
        return Err(Error::InvalidParam);
    }
    for_each(cx, &set, |cx, index| {
        let was_started = cx.counter(index).is_started;
        if was_started {
            cx.stop(index);
        }
        if flags & STOP_RESET != 0 {
            cx.counter(index).event = None;
        }
        if was_started { Ok(()) } else { Err(Error::AlreadyStopped) }
    })
}

fn firmware_counter(index: u64) -> Result<usize, Error> {
    let is_one = exists(index) && is_firmware(index as usize);
    if is_one { Ok(index as usize) } else { Err(Error::InvalidParam) }
}

pub(super) fn counter_fw_read(cx: &mut Cx<'_>, &[index, ..]: &Args) -> Answer {
    let index = firmware_counter(index)?;
    Ok(Done::Value(cx.counter(index).value))
}

/// Values fit one register.
pub(super) fn counter_fw_read_hi(_: &mut Cx<'_>, &[index, ..]: &Args) -> Answer {
    firmware_counter(index)?;
    Ok(Done::Value(0))
}
