//! The core-local interruptor: per hart a software interrupt (`msip`) and a timer comparison
//! (`mtimecmp`), and the one `mtime` that all of them share. Registers and offsets are those of
//! SiFive's CLINT, which QEMU's `virt` and Spike have too.

use crate::addr::Width;
use crate::bus::{BusFault, Device, DeviceCx};

/// Size of the register window in bytes.
pub const LEN_BYTES: u64 = 0x1_0000;

/// `msip` of hart 0; one 32-bit register per hart follows.
const MSIP: u64 = 0;
/// `mtimecmp` of hart 0; one 64-bit register per hart follows.
const MTIMECMP: u64 = 0x4000;
/// `mtime`, 64 bits.
const MTIME: u64 = 0xbff8;

/// Offset of `msip` of `hart`.
pub const fn msip(hart: usize) -> u64 {
    MSIP + 4 * hart as u64
}

/// Offset of `mtimecmp` of `hart`.
pub const fn mtimecmp(hart: usize) -> u64 {
    MTIMECMP + 8 * hart as u64
}

/// Harts that one CLINT serves at most: a bit each in the interrupt lines.
pub const MAX_HARTS: usize = 64;

/// The interruptor's registers.
#[derive(Debug)]
pub struct Clint {
    msip: u64,
    mtimecmp: Vec<u64>,
    /// What a guest that wrote `mtime` has added to the machine's time, in ticks.
    skew: u64,
}

enum Register {
    Msip { hart: usize },
    Mtimecmp { hart: usize },
    Mtime,
}

impl Clint {
    /// A CLINT for `harts` harts, in its state after reset.
    ///
    /// # Panics
    /// Where `harts` exceeds [`MAX_HARTS`].
    pub fn new(harts: usize) -> Self {
        assert!(harts <= MAX_HARTS);
        Self { msip: 0, mtimecmp: vec![u64::MAX; harts], skew: 0 }
    }

    /// The register at `offset`, and the bit where the access starts in it. Aligned accesses of
    /// 32 bits reach every register, of 64 bits those that are so wide.
    fn register(&self, offset: u64, width: Width) -> Result<(Register, u32), BusFault> {
        let wide = match width {
            Width::Word => false,
            Width::Double => true,
            Width::Byte | Width::Half => return Err(BusFault),
        };
        if !offset.is_multiple_of(width.bytes()) {
            return Err(BusFault);
        }
        let harts = self.mtimecmp.len() as u64;
        let shift = (offset % 8 * 8) as u32;
        if offset & !7 == MTIME {
            return Ok((Register::Mtime, shift));
        }
        if offset >= MTIMECMP {
            let hart = (offset - MTIMECMP) / 8;
            let exists = hart < harts;
            return exists
                .then_some((Register::Mtimecmp { hart: hart as usize }, shift))
                .ok_or(BusFault);
        }
        let hart = (offset - MSIP) / 4;
        let exists = hart < harts && !wide;
        exists.then_some((Register::Msip { hart: hart as usize }, 0)).ok_or(BusFault)
    }

    fn drive(&self, cx: &mut DeviceCx<'_>) {
        let now = cx.mtime.wrapping_add(self.skew);
        cx.irq.msip = self.msip;
        let due = self.mtimecmp.iter().enumerate().filter(|(_, cmp)| now >= **cmp);
        cx.irq.mtip = due.fold(0, |bits, (hart, _)| bits | 1 << hart);
    }
}

impl Device for Clint {
    fn name(&self) -> &'static str {
        "clint"
    }

    fn read(&mut self, offset: u64, width: Width, cx: &mut DeviceCx<'_>) -> Result<u64, BusFault> {
        let (register, shift) = self.register(offset, width)?;
        let value = match register {
            Register::Msip { hart } => self.msip >> hart & 1,
            Register::Mtimecmp { hart } => self.mtimecmp[hart],
            Register::Mtime => cx.mtime.wrapping_add(self.skew),
        };
        Ok(value >> shift & width.mask())
    }

    fn write(
        &mut self,
        offset: u64,
        width: Width,
        value: u64,
        cx: &mut DeviceCx<'_>,
    ) -> Result<(), BusFault> {
        let (register, shift) = self.register(offset, width)?;
        let merge = |old: u64| old & !(width.mask() << shift) | (value & width.mask()) << shift;
        match register {
            // Only bit 0 of msip exists.
            Register::Msip { hart } => {
                self.msip = self.msip & !(1 << hart) | (value & 1) << hart;
            }
            Register::Mtimecmp { hart } => self.mtimecmp[hart] = merge(self.mtimecmp[hart]),
            Register::Mtime => {
                let now = merge(cx.mtime.wrapping_add(self.skew));
                self.skew = now.wrapping_sub(cx.mtime);
            }
        }
        self.drive(cx);
        Ok(())
    }

    fn poll(&mut self, cx: &mut DeviceCx<'_>) {
        self.drive(cx);
    }

    fn deadline(&self, mtime: u64) -> Option<u64> {
        let now = mtime.wrapping_add(self.skew);
        // The reset value means never.
        let to_come = self.mtimecmp.iter().filter(|cmp| **cmp > now && **cmp != u64::MAX);
        mtime.checked_add(to_come.min()? - now)
    }

    fn reset(&mut self) {
        *self = Self::new(self.mtimecmp.len());
    }

    fn register_name(&self, offset: u64) -> Option<&'static str> {
        match offset {
            MSIP..MTIMECMP => Some("msip"),
            MTIMECMP..MTIME => Some("mtimecmp"),
            MTIME.. => Some("mtime"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::driver::Driver;
    use super::*;

    #[test]
    fn registers_at_both_widths() {
        use Width::{Byte, Double, Half, Word};
        let mut driver = Driver::new(Clint::new(2));
        driver.mtime = 0x1234_5678_9abc_def0;
        for (offset, width, write, read) in [
            (0x0000, Word, 0xffff_ffff, Ok(1)),
            (0x0000, Word, 0xffff_fffe, Ok(0)),
            (0x0004, Word, 1, Ok(1)),
            (0x0008, Word, 1, Err(BusFault)),
            (0x0000, Double, 1, Err(BusFault)),
            (0x0000, Byte, 1, Err(BusFault)),
            (0x4000, Double, 0x1122_3344_5566_7788, Ok(0x1122_3344_5566_7788)),
            (0x4004, Word, 0xaabb_ccdd, Ok(0xaabb_ccdd)),
            (0x4000, Word, 0x0102_0304, Ok(0x0102_0304)),
            (0x4008, Double, 7, Ok(7)),
            (0x4010, Double, 7, Err(BusFault)),
            (0x4004, Double, 7, Err(BusFault)),
            (0x4000, Half, 7, Err(BusFault)),
            (0xbff0, Double, 7, Err(BusFault)),
            (0xbffc, Word, 0x55, Ok(0x55)),
            (0xc000, Double, 7, Err(BusFault)),
        ] {
            let written = driver.write(offset, width, write);
            assert_eq!(written, read.map(|_| ()), "write {width:?} at {offset:#x}");
            assert_eq!(driver.read(offset, width), read, "read {width:?} at {offset:#x}");
        }
        assert_eq!(driver.read(0x4000, Double), Ok(0xaabb_ccdd_0102_0304), "halves make one");
        assert_eq!(driver.read(0xbff8, Double), Ok(0x55_9abc_def0));
    }

    #[test]
    fn lines_follow_the_registers() {
        let mut driver = Driver::new(Clint::new(2));
        driver.write(4, Width::Word, 1).unwrap();
        driver.write(0x4008, Width::Double, 100).unwrap();
        assert_eq!((driver.irq.msip, driver.irq.mtip), (0b10, 0));
        for (mtime, mtip, deadline) in [(99, 0, Some(100)), (100, 0b10, None), (101, 0b10, None)] {
            driver.mtime = mtime;
            driver.poll();
            assert_eq!(driver.irq.mtip, mtip, "at {mtime}");
            assert_eq!(driver.device.deadline(mtime), deadline, "at {mtime}");
        }
        driver.write(0x4008, Width::Double, 200).unwrap();
        assert_eq!(driver.irq.mtip, 0, "a later comparison withdraws the interrupt at once");
        driver.write(4, Width::Word, 0).unwrap();
        assert_eq!(driver.irq.msip, 0);
    }

    #[test]
    fn written_time_runs_on_from_there() {
        let mut driver = Driver::new(Clint::new(1));
        driver.mtime = 1000;
        driver.write(0xbff8, Width::Double, 5).unwrap();
        driver.write(0x4000, Width::Double, 15).unwrap();
        assert_eq!(driver.device.deadline(1000), Some(1010));
        driver.mtime = 1010;
        driver.poll();
        assert_eq!((driver.read(0xbff8, Width::Double), driver.irq.mtip), (Ok(15), 1));
        driver.device.reset();
        driver.poll();
        assert_eq!((driver.read(0xbff8, Width::Double), driver.irq.mtip), (Ok(1010), 0));
    }
}
