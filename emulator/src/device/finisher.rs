//! The SiFive test finisher (`sifive,test0`): one register that ends the run or starts it again.

use crate::addr::Width;
use crate::bus::{BusFault, Device, DeviceCx, PowerRequest};

/// Size of the register window in bytes.
pub const LEN_BYTES: u64 = 0x1000;

/// Low half of the register: fail, with the exit code in the high half.
const FAIL: u64 = 0x3333;
/// Low half of the register: pass.
pub const PASS: u64 = 0x5555;
/// Low half of the register: start again from reset.
pub const RESET: u64 = 0x7777;

/// The finisher; it has no state of its own.
#[derive(Debug, Default)]
pub struct Finisher;

impl Device for Finisher {
    fn name(&self) -> &'static str {
        "finisher"
    }

    fn read(&mut self, offset: u64, width: Width, _: &mut DeviceCx<'_>) -> Result<u64, BusFault> {
        if offset == 0 && width != Width::Double { Ok(0) } else { Err(BusFault) }
    }

    fn write(
        &mut self,
        offset: u64,
        width: Width,
        value: u64,
        cx: &mut DeviceCx<'_>,
    ) -> Result<(), BusFault> {
        if offset != 0 || width == Width::Double {
            return Err(BusFault);
        }
        match value & 0xffff {
            PASS => *cx.power = Some(PowerRequest::Off(0)),
            // A failure that names no code is still a failure.
            FAIL => *cx.power = Some(PowerRequest::Off(((value >> 16) as u32).max(1))),
            RESET => *cx.power = Some(PowerRequest::Reset),
            other => log::warn!("finisher: {other:#x} means nothing, ignored"),
        }
        Ok(())
    }

    fn reset(&mut self) {}

    fn register_name(&self, offset: u64) -> Option<&'static str> {
        (offset == 0).then_some("FINISH")
    }
}

#[cfg(test)]
mod tests {
    use super::super::driver::Driver;
    use super::*;

    #[test]
    fn commands() {
        let off = |code| Some(PowerRequest::Off(code));
        for (width, value, power) in [
            (Width::Word, 0x5555, off(0)),
            (Width::Half, 0x5555, off(0)),
            (Width::Word, 0x0007_3333, off(7)),
            (Width::Word, 0xffff_3333, off(0xffff)),
            (Width::Word, 0x3333, off(1)),
            (Width::Word, 0x7777, Some(PowerRequest::Reset)),
            (Width::Word, 0, None),
            (Width::Byte, 0x55, None),
        ] {
            let mut driver = Driver::new(Finisher);
            assert_eq!(driver.write(0, width, value), Ok(()));
            assert_eq!(driver.power, power, "{value:#x}");
        }
    }

    #[test]
    fn elsewhere_nothing_answers() {
        let mut driver = Driver::new(Finisher);
        assert_eq!(driver.read(0, Width::Word), Ok(0));
        assert_eq!(driver.read(4, Width::Word), Err(BusFault));
        assert_eq!(driver.write(4, Width::Word, PASS), Err(BusFault));
        assert_eq!(driver.write(0, Width::Double, PASS), Err(BusFault));
        assert_eq!(driver.power, None);
    }
}
