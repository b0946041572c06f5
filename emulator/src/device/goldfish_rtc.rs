//! The real-time clock: nanoseconds since 1970, derived from the machine's time, and one alarm.
//! The host's clock is never asked; what it read when the machine was built comes in from there.
//!
//! Source: "Goldfish Virtual Hardware", "Goldfish real-time clock"; alarm registers as Linux's
//! `rtc-goldfish` driver and QEMU have them.

use super::TICK_NS;
use super::only_words;
use crate::addr::Width;
use crate::bus::{BusFault, Device, DeviceCx};

/// Size of the register window in bytes.
pub const LEN_BYTES: u64 = 0x1000;

/// Register offsets, each 32 bits wide.
mod offset {
    /// Low half of the time; reading it latches the high half.
    pub(super) const TIME_LOW: u64 = 0x00;
    pub(super) const TIME_HIGH: u64 = 0x04;
    /// Low half of the alarm; writing it arms the alarm.
    pub(super) const ALARM_LOW: u64 = 0x08;
    pub(super) const ALARM_HIGH: u64 = 0x0c;
    pub(super) const IRQ_ENABLED: u64 = 0x10;
    /// A write disarms the alarm.
    pub(super) const CLEAR_ALARM: u64 = 0x14;
    /// 1 while the alarm is armed.
    pub(super) const ALARM_STATUS: u64 = 0x18;
    /// A write withdraws the interrupt.
    pub(super) const CLEAR_INTERRUPT: u64 = 0x1c;
}

/// The clock's registers.
#[derive(Debug)]
pub struct GoldfishRtc {
    /// Bit of the interrupt line among the platform's sources.
    source: u64,
    /// The time at `mtime` 0, in nanoseconds since 1970.
    base_ns: u64,
    /// High half of the time as of the last read of the low half.
    latched_high: u32,
    alarm_ns: u64,
    is_armed: bool,
    is_pending: bool,
    is_enabled: bool,
}

/// `old` with its low or high half replaced.
fn with_low(old: u64, value: u64) -> u64 {
    old & !0xffff_ffff | value & 0xffff_ffff
}

fn with_high(old: u64, value: u64) -> u64 {
    old & 0xffff_ffff | value << 32
}

impl GoldfishRtc {
    /// A clock that shows `base_ns` (nanoseconds since 1970) at `mtime` 0 and interrupts on
    /// `source` (0 to 63).
    pub fn new(source: u32, base_ns: u64) -> Self {
        Self {
            source: 1 << source,
            base_ns,
            latched_high: 0,
            alarm_ns: 0,
            is_armed: false,
            is_pending: false,
            is_enabled: false,
        }
    }

    fn now_ns(&self, mtime: u64) -> u64 {
        self.base_ns.wrapping_add(mtime.wrapping_mul(TICK_NS))
    }

    /// Lets the clock show `ns` at `mtime`.
    fn set_now(&mut self, ns: u64, mtime: u64) {
        self.base_ns = self.base_ns.wrapping_add(ns.wrapping_sub(self.now_ns(mtime)));
    }

    /// Lets a due alarm go off, and drives the line.
    fn update(&mut self, cx: &mut DeviceCx<'_>) {
        if self.is_armed && self.now_ns(cx.mtime) >= self.alarm_ns {
            (self.is_armed, self.is_pending) = (false, true);
        }
        if self.is_pending && self.is_enabled {
            cx.irq.sources |= self.source;
        } else {
            cx.irq.sources &= !self.source;
        }
    }
}

impl Device for GoldfishRtc {
    fn name(&self) -> &'static str {
        "rtc"
    }

    /// Registers that are not there, or only for writing, read as zero, as on QEMU.
    fn read(&mut self, offset: u64, width: Width, cx: &mut DeviceCx<'_>) -> Result<u64, BusFault> {
        only_words(offset, width)?;
        self.update(cx);
        let value = match offset {
            offset::TIME_LOW => {
                let now_ns = self.now_ns(cx.mtime);
                self.latched_high = (now_ns >> 32) as u32;
                now_ns
            }
            offset::TIME_HIGH => self.latched_high.into(),
            offset::ALARM_LOW => self.alarm_ns,
            offset::ALARM_HIGH => self.alarm_ns >> 32,
            offset::IRQ_ENABLED => self.is_enabled.into(),
            offset::ALARM_STATUS => self.is_armed.into(),
            _ => 0,
        };
        Ok(value & width.mask())
    }

    fn write(
        &mut self,
        offset: u64,
        width: Width,
        value: u64,
        cx: &mut DeviceCx<'_>,
    ) -> Result<(), BusFault> {
        only_words(offset, width)?;
        let now_ns = self.now_ns(cx.mtime);
        match offset {
            offset::TIME_LOW => self.set_now(with_low(now_ns, value), cx.mtime),
            offset::TIME_HIGH => self.set_now(with_high(now_ns, value), cx.mtime),
            offset::ALARM_LOW => {
                self.alarm_ns = with_low(self.alarm_ns, value);
                self.is_armed = true;
            }
            offset::ALARM_HIGH => self.alarm_ns = with_high(self.alarm_ns, value),
            offset::IRQ_ENABLED => self.is_enabled = value & 1 != 0,
            offset::CLEAR_ALARM => self.is_armed = false,
            offset::CLEAR_INTERRUPT => self.is_pending = false,
            _ => {}
        }
        self.update(cx);
        Ok(())
    }

    fn poll(&mut self, cx: &mut DeviceCx<'_>) {
        self.update(cx);
    }

    fn deadline(&self, mtime: u64) -> Option<u64> {
        let to_come_ns = self.alarm_ns.checked_sub(self.now_ns(mtime))?;
        let is_to_come = self.is_armed && to_come_ns > 0;
        is_to_come.then(|| mtime.checked_add(to_come_ns.div_ceil(TICK_NS)))?
    }

    /// The time goes on, even one that the guest has set: the clock has a battery.
    fn reset(&mut self) {
        *self = Self { source: self.source, ..Self::new(0, self.base_ns) };
    }

    fn register_name(&self, offset: u64) -> Option<&'static str> {
        Some(match offset {
            offset::TIME_LOW => "TIME_LOW",
            offset::TIME_HIGH => "TIME_HIGH",
            offset::ALARM_LOW => "ALARM_LOW",
            offset::ALARM_HIGH => "ALARM_HIGH",
            offset::IRQ_ENABLED => "IRQ_ENABLED",
            offset::CLEAR_ALARM => "CLEAR_ALARM",
            offset::ALARM_STATUS => "ALARM_STATUS",
            offset::CLEAR_INTERRUPT => "CLEAR_INTERRUPT",
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::driver::Driver;
    use super::offset::*;
    use super::*;

    const SOURCE: u32 = 11;
    const BASE_NS: u64 = 1_700_000_000_999_999_950;

    fn clock() -> Driver<GoldfishRtc> {
        Driver::new(GoldfishRtc::new(SOURCE, BASE_NS))
    }

    fn read(driver: &mut Driver<GoldfishRtc>, offset: u64) -> u64 {
        driver.read(offset, Width::Word).expect("a register")
    }

    fn write(driver: &mut Driver<GoldfishRtc>, offset: u64, value: u64) {
        driver.write(offset, Width::Word, value).expect("a register");
    }

    fn time(driver: &mut Driver<GoldfishRtc>) -> u64 {
        let low = read(driver, TIME_LOW);
        read(driver, TIME_HIGH) << 32 | low
    }

    /// Arms the alarm as Linux does.
    fn arm(driver: &mut Driver<GoldfishRtc>, at_ns: u64) {
        write(driver, ALARM_HIGH, at_ns >> 32);
        write(driver, ALARM_LOW, at_ns);
        write(driver, IRQ_ENABLED, 1);
    }

    #[test]
    fn time_follows_the_ticks() {
        let mut driver = clock();
        for mtime in [0, 1, 10_000_000, 1 << 40] {
            driver.mtime = mtime;
            assert_eq!(time(&mut driver), BASE_NS + mtime * 100, "at {mtime}");
        }
    }

    #[test]
    fn the_halves_belong_together() {
        let mut driver = Driver::new(GoldfishRtc::new(SOURCE, 0x1_ffff_ffff));
        assert_eq!(read(&mut driver, TIME_LOW), 0xffff_ffff);
        driver.mtime = 1;
        assert_eq!(read(&mut driver, TIME_HIGH), 1, "as of the low half");
        assert_eq!(time(&mut driver), 0x2_0000_0063);
    }

    #[test]
    fn a_set_time_runs_on_from_there_and_survives_reset() {
        let mut driver = clock();
        driver.mtime = 77;
        write(&mut driver, TIME_HIGH, 5);
        write(&mut driver, TIME_LOW, 9);
        assert_eq!(time(&mut driver), 5 << 32 | 9);
        driver.mtime = 80;
        assert_eq!(time(&mut driver), 5 << 32 | 309);
        driver.device.reset();
        assert_eq!(time(&mut driver), 5 << 32 | 309);
    }

    #[test]
    fn the_alarm_goes_off_once() {
        let mut driver = clock();
        arm(&mut driver, BASE_NS + 250);
        assert_eq!(driver.device.deadline(0), Some(3), "rounded up to whole ticks");
        for (mtime, line, armed) in [(2, 0, 1), (3, 1 << SOURCE, 0), (4, 1 << SOURCE, 0)] {
            driver.mtime = mtime;
            driver.poll();
            assert_eq!(driver.irq.sources, line, "at {mtime}");
            assert_eq!(read(&mut driver, ALARM_STATUS), armed, "at {mtime}");
        }
        assert_eq!(driver.device.deadline(4), None);
        write(&mut driver, IRQ_ENABLED, 0);
        assert_eq!(driver.irq.sources, 0, "masked");
        write(&mut driver, IRQ_ENABLED, 1);
        assert_eq!(driver.irq.sources, 1 << SOURCE, "but not forgotten");
        write(&mut driver, CLEAR_INTERRUPT, 1);
        assert_eq!(driver.irq.sources, 0);
    }

    #[test]
    fn an_alarm_in_the_past_goes_off_at_once_and_a_cleared_one_never() {
        let mut driver = clock();
        arm(&mut driver, BASE_NS);
        assert_eq!((driver.irq.sources, read(&mut driver, ALARM_STATUS)), (1 << SOURCE, 0));
        write(&mut driver, CLEAR_INTERRUPT, 0);
        arm(&mut driver, BASE_NS + 100);
        assert_eq!(read(&mut driver, ALARM_LOW), (BASE_NS + 100) & 0xffff_ffff);
        assert_eq!(read(&mut driver, ALARM_HIGH), BASE_NS >> 32);
        write(&mut driver, CLEAR_ALARM, 1);
        assert_eq!((driver.device.deadline(0), read(&mut driver, ALARM_STATUS)), (None, 0));
        driver.mtime = 5;
        driver.poll();
        assert_eq!(driver.irq.sources, 0);
        arm(&mut driver, BASE_NS);
        driver.device.reset();
        driver.poll();
        assert_eq!(driver.irq.sources, 0, "reset withdraws the interrupt");
    }

    #[test]
    fn only_aligned_words_are_answered_and_the_rest_is_zero() {
        let mut driver = clock();
        for (offset, width) in [(0, Width::Byte), (0, Width::Double), (2, Width::Word)] {
            assert_eq!(driver.read(offset, width), Err(BusFault), "{offset:#x} {width:?}");
            assert_eq!(driver.write(offset, width, 0), Err(BusFault), "{offset:#x} {width:?}");
        }
        for offset in [CLEAR_ALARM, CLEAR_INTERRUPT, 0x20, LEN_BYTES - 4] {
            write(&mut driver, offset, 0xffff);
            assert_eq!(read(&mut driver, offset), 0, "{offset:#x}");
        }
    }

    proptest! {
        /// Whatever is written when: nothing panics, and a deadline is later than now and is when
        /// the alarm goes off.
        #[test]
        fn deadlines_hold(
            writes in prop::collection::vec((0..8_u64, any::<u32>(), any::<u64>()), 1..20)
        ) {
            let mut driver = clock();
            for (register, value, mtime) in writes {
                driver.mtime = mtime;
                write(&mut driver, 4 * register, value.into());
                write(&mut driver, IRQ_ENABLED, 1);
                if let Some(due) = driver.device.deadline(mtime) {
                    prop_assert!(due > mtime);
                    let was_pending = driver.device.is_pending;
                    driver.mtime = due - 1;
                    driver.poll();
                    prop_assert_eq!(driver.device.is_pending, was_pending);
                    driver.mtime = due;
                    driver.poll();
                    prop_assert!(driver.irq.sources == 1 << SOURCE);
                }
            }
        }
    }
}
