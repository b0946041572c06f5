//! Physical memory protection: 16 entries of configuration and address, their legal values and
//! locks, and the regions they describe. The MMU enforces what [`CsrFile::pmp_regions`] yields.

use super::{CsrAddr, CsrCx, CsrFile, Effect};
use crate::addr::{PhysAddr, PmpRegion, Rights};

/// Entries that exist; the CSRs of the manual's other 48 are read-only zero.
const ENTRIES: usize = 16;
/// Entries in one `pmpcfg` register of RV64.
const PER_REGISTER: usize = 8;

const R: u8 = 1 << 0;
const W: u8 = 1 << 1;
const X: u8 = 1 << 2;
const A: u8 = 3 << A_SHIFT;
const A_SHIFT: u32 = 3;
const L: u8 = 1 << 7;

/// Address-matching modes, field A.
const TOR: u8 = 1;
const NA4: u8 = 2;
const NAPOT: u8 = 3;

/// `pmpaddr` holds bits 55:2 of an address.
const ADDRESS: u64 = (1 << 54) - 1;
const ADDRESS_SHIFT: u32 = 2;

/// The PMP registers, always legal.
///
/// Source: Privileged ISA, "Physical Memory Protection CSRs".
#[derive(Clone, Debug, Default)]
pub(super) struct Pmp {
    config: [u8; ENTRIES],
    address: [u64; ENTRIES],
}

impl Pmp {
    fn mode(&self, entry: usize) -> u8 {
        (self.config[entry] & A) >> A_SHIFT
    }

    fn is_locked(&self, entry: usize) -> bool {
        self.config[entry] & L != 0
    }

    /// A locked TOR entry locks the address below it too: that is where its region starts.
    fn is_address_locked(&self, entry: usize) -> bool {
        let above = entry + 1;
        self.is_locked(entry) || above < ENTRIES && self.is_locked(above) && self.mode(above) == TOR
    }

    /// The bytes that `entry` matches, if any.
    fn range(&self, entry: usize) -> Option<(PhysAddr, PhysAddr)> {
        let address = self.address[entry];
        let (first, end) = match self.mode(entry) {
            TOR => (entry.checked_sub(1).map_or(0, |below| self.address[below]), address),
            NA4 => (address, address + 1),
            // The ones at the bottom and the zero above them give the size, in units of 4 bytes.
            NAPOT => {
                let size = 2 << address.trailing_ones();
                (address & !(size - 1), (address & !(size - 1)) + size)
            }
            _ => return None,
        };
        let last = |end: u64| PhysAddr((end << ADDRESS_SHIFT) - 1);
        (first < end).then(|| (PhysAddr(first << ADDRESS_SHIFT), last(end)))
    }

    fn region(&self, entry: usize) -> Option<PmpRegion> {
        let (first, last) = self.range(entry)?;
        let config = self.config[entry];
        let rights =
            Rights { read: config & R != 0, write: config & W != 0, execute: config & X != 0 };
        Some(PmpRegion { first, last, rights, locked: config & L != 0 })
    }
}

/// W without R is reserved: it reads back as neither.
const fn legal(config: u8) -> u8 {
    let config = config & (R | W | X | A | L);
    if config & R == 0 { config & !W } else { config }
}

/// Entries of the `pmpcfg` register `addr`, which may lie beyond those that exist.
fn entries_of(addr: CsrAddr) -> impl Iterator<Item = usize> {
    let first = usize::from(addr.0 & 15) / 2 * PER_REGISTER;
    first..first + PER_REGISTER
}

/// On RV64 only the even `pmpcfg` registers exist.
pub(super) fn even(_: &CsrFile, addr: CsrAddr, _: &CsrCx) -> bool {
    addr.0.is_multiple_of(2)
}

pub(super) fn pmpcfg(f: &CsrFile, addr: CsrAddr, _: &CsrCx) -> u64 {
    let byte = |entry: usize| f.pmp.config.get(entry).copied().unwrap_or(0);
    entries_of(addr)
        .enumerate()
        .fold(0, |bits, (at, entry)| bits | u64::from(byte(entry)) << (8 * at))
}

pub(super) fn set_pmpcfg(f: &mut CsrFile, addr: CsrAddr, value: u64, _: &CsrCx) -> Effect {
    let mut effect = Effect::DROPPED;
    for (entry, byte) in entries_of(addr).zip(value.to_le_bytes()) {
        if entry >= ENTRIES {
            break;
        }
        effect = Effect::PROTECTION;
        if !f.pmp.is_locked(entry) {
            f.pmp.config[entry] = legal(byte);
        }
    }
    effect
}

/// Index of the entry whose address `addr` is.
fn entry_of(addr: CsrAddr) -> usize {
    usize::from(addr.0 - 0x3b0)
}

pub(super) fn pmpaddr(f: &CsrFile, addr: CsrAddr, _: &CsrCx) -> u64 {
    f.pmp.address.get(entry_of(addr)).copied().unwrap_or(0)
}

pub(super) fn set_pmpaddr(f: &mut CsrFile, addr: CsrAddr, value: u64, _: &CsrCx) -> Effect {
    let entry = entry_of(addr);
    if entry >= ENTRIES || f.pmp.is_address_locked(entry) {
        return Effect::DROPPED;
    }
    f.pmp.address[entry] = value & ADDRESS;
    Effect::PROTECTION
}

impl CsrFile {
    /// The active PMP entries, highest priority first. Entries that match no byte are left out.
    pub fn pmp_regions(&self) -> Vec<PmpRegion> {
        (0..ENTRIES).filter_map(|entry| self.pmp.region(entry)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{file, read, write};
    use super::*;

    const PMPCFG0: u16 = 0x3a0;
    const PMPADDR0: u16 = 0x3b0;

    #[test]
    fn entries_match_what_the_manual_says() {
        // pmpaddr0, pmpaddr1, configuration of entry 1; first and last byte it matches.
        for (below, address, config, range) in [
            (0, 0x2000_0000, 0x00, None),
            (0x2000_0000, 0x2000_0400, 0x0f, Some((0x8000_0000, 0x8000_0fff))),
            (0x2000_0000, 0x2000_0001, 0x0f, Some((0x8000_0000, 0x8000_0003))),
            (0x2000_0000, 0x2000_0000, 0x0f, None),
            (0x2000_0001, 0x2000_0000, 0x0f, None),
            (0, 0x2000_0000, 0x17, Some((0x8000_0000, 0x8000_0003))),
            (0, 0x2000_0003, 0x17, Some((0x8000_000c, 0x8000_000f))),
            (0, 0x2000_0000, 0x1f, Some((0x8000_0000, 0x8000_0007))),
            (0, 0x2000_0001, 0x1f, Some((0x8000_0000, 0x8000_000f))),
            (0, 0x2000_01ff, 0x1f, Some((0x8000_0000, 0x8000_0fff))),
            (0, 0x1fff_ffff, 0x1f, Some((0, 0xffff_ffff))),
            (0, u64::MAX, 0x1f, Some((0, 0x01ff_ffff_ffff_ffff))),
            (0, u64::MAX, 0x17, Some((0x00ff_ffff_ffff_fffc, 0x00ff_ffff_ffff_ffff))),
            (0, u64::MAX, 0x0f, Some((0, 0x00ff_ffff_ffff_fffb))),
        ] {
            let mut f = file();
            write(&mut f, PMPADDR0, below);
            write(&mut f, PMPADDR0 + 1, address);
            write(&mut f, PMPCFG0, config << 8);
            let found = f.pmp_regions();
            let found: Vec<_> = found.iter().map(|r| (r.first.0, r.last.0)).collect();
            assert_eq!(found, Vec::from_iter(range), "{below:#x} {address:#x} {config:#x}");
        }
    }

    #[test]
    fn entry_0_as_top_of_range_starts_at_0() {
        let mut f = file();
        write(&mut f, PMPADDR0, 0x400);
        write(&mut f, PMPCFG0, 0x09);
        let rights = Rights { read: true, ..Rights::NONE };
        let (first, last) = (PhysAddr(0), PhysAddr(0xfff));
        assert_eq!(f.pmp_regions(), [PmpRegion { first, last, rights, locked: false }]);
    }

    #[test]
    fn rights_and_reserved_combinations() {
        for (written, stored, rights) in [
            (0x10, 0x10, Some("")),
            (0x11, 0x11, Some("r")),
            // W without R is reserved.
            (0x12, 0x10, Some("")),
            (0x13, 0x13, Some("rw")),
            (0x14, 0x14, Some("x")),
            (0x16, 0x14, Some("x")),
            (0x17, 0x17, Some("rwx")),
            (0x97, 0x97, Some("rwx locked")),
            (0x77, 0x17, Some("rwx")),
            (0x87, 0x87, None),
        ] {
            let mut f = file();
            write(&mut f, PMPCFG0, written);
            assert_eq!(read(&mut f, PMPCFG0), stored, "{written:#x}");
            let found = f.pmp_regions().first().map(|region| {
                let flag = |on: bool, text: &'static str| if on { text } else { "" };
                let Rights { read, write, execute } = region.rights;
                let letters = [flag(read, "r"), flag(write, "w"), flag(execute, "x")].concat();
                letters + flag(region.locked, " locked")
            });
            assert_eq!(found.as_deref(), rights, "{written:#x}");
        }
    }

    #[test]
    fn regions_come_in_order_of_priority() {
        let mut f = file();
        for entry in 0..16 {
            write(&mut f, PMPADDR0 + entry, 0x1000 - u64::from(entry));
        }
        write(&mut f, PMPCFG0, 0x1100_0000_0011_0011);
        write(&mut f, PMPCFG0 + 2, 0x1100_0000_0000_0000);
        let found: Vec<_> = f.pmp_regions().iter().map(|r| r.first.0 >> 2).collect();
        assert_eq!(found, [0x1000, 0xffe, 0xff9, 0xff1]);
    }

    #[test]
    fn locks_hold() {
        // Configuration of entries 0 and 1; whether config 0, address 0 and address 1 still move.
        for (config, config_0_moves, address_0_moves, address_1_moves) in [
            (0x0f1f, true, true, true),
            (0x0f9f, false, false, true),
            (0x9f1f, true, true, false),
            (0x971f, true, true, false),
            // A locked top of range locks the address below it.
            (0x8f1f, true, false, false),
            (0x871f, true, true, false),
        ] {
            let mut f = file();
            write(&mut f, PMPCFG0, config);
            write(&mut f, PMPADDR0, 5);
            write(&mut f, PMPADDR0 + 1, 5);
            write(&mut f, PMPCFG0, config & 0xff00);
            let moved = (read(&mut f, PMPCFG0) & 0xff == 0).then_some(());
            assert_eq!(moved.is_some(), config_0_moves, "{config:#x}: pmpcfg0");
            assert_eq!(read(&mut f, PMPADDR0) == 5, address_0_moves, "{config:#x}: pmpaddr0");
            assert_eq!(read(&mut f, PMPADDR0 + 1) == 5, address_1_moves, "{config:#x}: pmpaddr1");
        }
    }
}
