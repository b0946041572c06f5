//! The bus: RAM first, then memory-mapped devices by address range. Knows physical addresses
//! only; the MMU sits above it, devices below it behind [`Device`].

pub mod device;
pub mod ram;

use std::fmt;

use crate::addr::{Access, PhysAddr, Width};
pub use device::{BusFault, Device, DeviceCx, IrqLines, PowerRequest};
pub use ram::{Ram, RamHome, RamOffset, RamPage};

/// Instructions that take one tick of the 10 MHz timebase: time is counted in instructions, those
/// of a hart that runs one in each nanosecond.
pub const INSNS_PER_TICK: u64 = 100;

struct Slot {
    first: PhysAddr,
    last: PhysAddr,
    device: Box<dyn Device>,
    reads: u64,
    writes: u64,
}

/// How often a device was accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceCount {
    /// The device's name.
    pub name: &'static str,
    /// Loads from its registers, those included that it refused.
    pub reads: u64,
    /// Stores to its registers, those included that it refused.
    pub writes: u64,
}

/// What [`Bus::regions`] calls RAM.
const RAM_NAME: &str = "ram";

/// A range of physical addresses that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Name of the device, or `ram`.
    pub name: &'static str,
    /// First byte.
    pub first: PhysAddr,
    /// Last byte.
    pub last: PhysAddr,
}

impl Region {
    /// Whether this is RAM and no device.
    pub fn is_ram(&self) -> bool {
        self.name == RAM_NAME
    }
}

/// RAM, devices, interrupt lines and the time they see.
pub struct Bus {
    /// Guest RAM.
    pub ram: Ram,
    /// Interrupt lines as last driven.
    pub irq: IrqLines,
    /// Time in timebase ticks; advanced by the machine and by the engine before a device access.
    pub mtime: u64,
    /// A device has asked to stop.
    pub power: Option<PowerRequest>,
    /// A device was accessed or poked since the machine last looked: lines may have changed.
    pub attention: bool,
    /// What the running hart's count of instructions lacks to the machine's time, wrapping.
    clock_offset_insns: u64,
    /// In the order they were mapped.
    slots: Vec<Slot>,
    /// Indices into `slots`, by address.
    by_address: Vec<usize>,
}

/// Two ranges of the address map overlap, or one wraps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} at {first}..={last} overlaps {other} or wraps")]
pub struct MapError {
    name: &'static str,
    other: &'static str,
    first: PhysAddr,
    last: PhysAddr,
}

impl Bus {
    /// A bus with RAM and no devices.
    pub fn new(ram: Ram) -> Self {
        let irq = IrqLines::default();
        Self {
            ram,
            irq,
            mtime: 0,
            power: None,
            attention: false,
            clock_offset_insns: 0,
            slots: Vec::new(),
            by_address: Vec::new(),
        }
    }

    /// Maps `device` to `len_bytes` bytes at `base`. Devices are polled in the order in which they
    /// were mapped: an interrupt controller comes after those whose lines it reads.
    ///
    /// # Errors
    /// [`MapError`] where the range wraps, is empty, or overlaps RAM or another device.
    pub fn map(
        &mut self,
        base: PhysAddr,
        len_bytes: u64,
        device: Box<dyn Device>,
    ) -> Result<(), MapError> {
        let (first, last) = (base, base.wrapping_add(len_bytes.wrapping_sub(1)));
        let error = |other| MapError { name: device.name(), other, first, last };
        if last < first {
            return Err(error("itself"));
        }
        let ram_last = self.ram.base().wrapping_add(self.ram.len_bytes() - 1);
        if first <= ram_last && self.ram.base() <= last {
            return Err(error("ram"));
        }
        if let Some(slot) = self.slots.iter().find(|s| first <= s.last && s.first <= last) {
            return Err(error(slot.device.name()));
        }
        let at = self.by_address.partition_point(|index| self.slots[*index].first < first);
        self.by_address.insert(at, self.slots.len());
        self.slots.push(Slot { first, last, device, reads: 0, writes: 0 });
        Ok(())
    }

    /// Loads `width` bytes from RAM or a device, zero-extended.
    ///
    /// # Errors
    /// [`BusFault`] where nothing answers.
    pub fn load(&mut self, at: PhysAddr, width: Width) -> Result<u64, BusFault> {
        if let Some(offset) = self.ram.offset_of(at, width.bytes()) {
            return Ok(self.ram.load(offset, width));
        }
        let (device, offset, mut cx) = self.device_at(at, width, Access::Load)?;
        let value = device.read(offset, width, &mut cx)?;
        log::trace!("[{}] read {value:#x}", register(device, offset));
        debug_assert!(value & !width.mask() == 0, "{}: value wider than access", device.name());
        Ok(value)
    }

    /// Stores the low `width` bytes of `value` to RAM or a device.
    ///
    /// # Errors
    /// [`BusFault`] where nothing answers.
    pub fn store(&mut self, at: PhysAddr, width: Width, value: u64) -> Result<(), BusFault> {
        if let Some(offset) = self.ram.offset_of(at, width.bytes()) {
            self.ram.store(offset, width, value);
            return Ok(());
        }
        let (device, offset, mut cx) = self.device_at(at, width, Access::Store)?;
        log::trace!("[{}] write {:#x}", register(device, offset), value & width.mask());
        device.write(offset, width, value & width.mask(), &mut cx)
    }

    /// Lets every device look at the world outside.
    pub fn poll(&mut self) {
        let Self { ram, irq, mtime, power, slots, .. } = self;
        for slot in slots {
            slot.device.poll(&mut DeviceCx { ram, irq, mtime: *mtime, power });
        }
    }

    /// Returns every device and all lines to the state after power-on.
    pub fn reset(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.device.reset());
        (self.irq, self.power, self.attention) = (IrqLines::default(), None, false);
    }

    /// From here on, a hart that has retired `hart_insns` is at the time of `machine_insns`.
    pub fn set_clock(&mut self, machine_insns: u64, hart_insns: u64) {
        self.clock_offset_insns = machine_insns.wrapping_sub(hart_insns);
        self.advance_clock(hart_insns);
    }

    /// Moves time on to where the running hart has retired `hart_insns`.
    #[inline(always)]
    pub fn advance_clock(&mut self, hart_insns: u64) {
        self.mtime = hart_insns.wrapping_add(self.clock_offset_insns) / INSNS_PER_TICK;
    }

    /// The earliest time, later than now, at which a device wants to be polled.
    pub fn deadline(&self) -> Option<u64> {
        self.slots.iter().filter_map(|slot| slot.device.deadline(self.mtime)).min()
    }

    /// How often each device was accessed since it was mapped, in the order they were mapped.
    pub fn device_counts(&self) -> Vec<DeviceCount> {
        let count = |slot: &Slot| {
            let Slot { device, reads, writes, .. } = slot;
            DeviceCount { name: device.name(), reads: *reads, writes: *writes }
        };
        self.slots.iter().map(count).collect()
    }

    /// What is mapped, RAM and devices, by address.
    pub fn regions(&self) -> impl Iterator<Item = Region> {
        let last = self.ram.base().wrapping_add(self.ram.len_bytes() - 1);
        let ram = Region { name: RAM_NAME, first: self.ram.base(), last };
        let device = |slot: &Slot| (slot.device.name(), slot.first, slot.last);
        let devices = self.by_address.iter().map(move |index| device(&self.slots[*index]));
        let mut regions: Vec<_> =
            devices.map(|(name, first, last)| Region { name, first, last }).collect();
        regions.insert(regions.partition_point(|region| region.first < ram.first), ram);
        regions.into_iter()
    }

    /// The register of a device at `at`, as `uart0.LCR`; `None` where no device is.
    pub fn register_at(&self, at: PhysAddr) -> Option<String> {
        let slot = self.slots.iter().find(|slot| slot.first <= at && at <= slot.last)?;
        Some(register(slot.device.as_ref(), at.0 - slot.first.0))
    }

    fn device_at(
        &mut self,
        at: PhysAddr,
        width: Width,
        access: Access,
    ) -> Result<(&mut dyn Device, u64, DeviceCx<'_>), BusFault> {
        let Self { ram, irq, mtime, power, slots, by_address, attention, .. } = self;
        let index = by_address.partition_point(|index| slots[*index].last < at);
        let slot = &mut slots[*by_address.get(index).ok_or(BusFault)?];
        let last = PhysAddr(at.0.checked_add(width.bytes() - 1).ok_or(BusFault)?);
        if at < slot.first || slot.last < last {
            return Err(BusFault);
        }
        *attention = true;
        *if access == Access::Store { &mut slot.writes } else { &mut slot.reads } += 1;
        let cx = DeviceCx { ram, irq, mtime: *mtime, power };
        Ok((slot.device.as_mut(), at.0 - slot.first.0, cx))
    }
}

fn register(device: &dyn Device, offset: u64) -> String {
    match device.register_name(offset) {
        Some(name) => format!("{}.{name}", device.name()),
        None => format!("{}+{offset:#x}", device.name()),
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let devices: Vec<_> = self.slots.iter().map(|s| (s.first, s.device.name())).collect();
        f.debug_struct("Bus").field("devices", &devices).field("irq", &self.irq).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Silent(&'static str);

    impl Device for Silent {
        fn name(&self) -> &'static str {
            self.0
        }

        fn read(&mut self, _: u64, _: Width, _: &mut DeviceCx<'_>) -> Result<u64, BusFault> {
            Err(BusFault)
        }

        fn write(
            &mut self,
            _: u64,
            _: Width,
            _: u64,
            _: &mut DeviceCx<'_>,
        ) -> Result<(), BusFault> {
            Err(BusFault)
        }

        fn reset(&mut self) {}

        fn register_name(&self, offset: u64) -> Option<&'static str> {
            (offset == 4).then_some("FOUR")
        }
    }

    #[test]
    fn regions_come_by_address() {
        let mut bus = Bus::new(Ram::new(PhysAddr(0x8000), 0x1000));
        for (at, name) in [(0x9000, "above"), (0x100, "below"), (0x40, "first")] {
            bus.map(PhysAddr(at), 0x10, Box::new(Silent(name))).expect("no overlap");
        }
        let found: Vec<_> = bus.regions().map(|r| (r.name, r.first.0, r.last.0)).collect();
        let expect = [
            ("first", 0x40, 0x4f),
            ("below", 0x100, 0x10f),
            ("ram", 0x8000, 0x8fff),
            ("above", 0x9000, 0x900f),
        ];
        assert_eq!(found, expect);
        assert_eq!(bus.regions().filter(Region::is_ram).count(), 1);
    }

    #[test]
    fn registers_have_names() {
        let mut bus = Bus::new(Ram::new(PhysAddr(0x8000), 0x1000));
        bus.map(PhysAddr(0x40), 0x10, Box::new(Silent("dev"))).expect("no overlap");
        for (at, name) in [
            (0x3f, None),
            (0x40, Some("dev+0x0")),
            (0x44, Some("dev.FOUR")),
            (0x4f, Some("dev+0xf")),
            (0x50, None),
            (0x8000, None),
        ] {
            assert_eq!(bus.register_at(PhysAddr(at)).as_deref(), name, "{at:#x}");
        }
        assert!(!bus.attention, "nobody has accessed anything");
    }
}
