//! Accesses of every kind against RAM, a device, nothing, and pages that deny them.

use super::*;
use crate::addr::Privilege;
use crate::bus::{BusFault, Device, DeviceCx, Ram};
use crate::mmu::tests::{ALL_MEMORY, Fixture, RAM_BASE, RWX};
use crate::mmu::{Context, Pte};

const DEVICE: u64 = 0x1000_0000;

/// A register that answers at every width.
#[derive(Debug)]
struct Register(u64);

impl Device for Register {
    fn name(&self) -> &'static str {
        "register"
    }

    fn read(&mut self, _: u64, width: Width, _: &mut DeviceCx<'_>) -> Result<u64, BusFault> {
        Ok(self.0 & width.mask())
    }

    fn write(&mut self, _: u64, _: Width, to: u64, _: &mut DeviceCx<'_>) -> Result<(), BusFault> {
        self.0 = to;
        Ok(())
    }

    fn reset(&mut self) {}
}

const LEFT: u64 = 0x1_0000;
const RIGHT: u64 = 0x1_1000;
const READ_ONLY: u64 = 0x2_0000;
const MMIO: u64 = 0x3_0000;
const NOTHING: u64 = 0x4_0000;
const UNMAPPED: u64 = 0x5_0000;
/// Where `LEFT` and `RIGHT` are: not next to each other.
const LEFT_PA: u64 = RAM_BASE + 0x8000;
const RIGHT_PA: u64 = RAM_BASE + 0x3000;

/// Each page above is followed by an unmapped one, except `LEFT` by `RIGHT`.
fn fixture() -> Fixture {
    let mut f = Fixture::new();
    f.bus.map(PhysAddr(DEVICE), 0x1000, Box::new(Register(0x8877_6655_4433_2211))).unwrap();
    f.map(LEFT, 0, LEFT_PA, RWX);
    f.map(RIGHT, 0, RIGHT_PA, RWX);
    f.map(READ_ONLY, 0, RAM_BASE, Pte::V | Pte::R | Pte::A | Pte::D);
    f.map(MMIO, 0, DEVICE, RWX);
    f.map(NOTHING, 0, 0x4000_0000, RWX);
    f
}

fn page_fault(access: Access, va: u64) -> Exception {
    Exception::PageFault(access, VirtAddr(va))
}

fn access_fault(access: Access, va: u64) -> Exception {
    Exception::AccessFault(access, VirtAddr(va))
}

type Spoil = fn(&mut Fixture);
type Fault = fn(Access, u64) -> Exception;
const PAGE: Option<Fault> = Some(page_fault);
const ACCESS: Option<Fault> = Some(access_fault);
const WIDTHS: [Width; 4] = [Width::Byte, Width::Half, Width::Word, Width::Double];
const VALUE: u64 = 0x8877_6655_4433_2211;

#[test]
fn every_width_at_every_alignment_also_across_pages() {
    for width in WIDTHS {
        for va in (LEFT..LEFT + 16).chain(RIGHT - 8..RIGHT + 8) {
            let mut f = fixture();
            let (bus, va) = (&mut f.bus, VirtAddr(va));
            f.mmu.store(bus, va, width, VALUE).unwrap();
            assert_eq!(f.mmu.load(bus, va, width), Ok(VALUE & width.mask()), "{va} {width:?}");
            // Byte for byte where it belongs, and nothing around it.
            for i in -8..16_u64 as i64 {
                let at = va.wrapping_add(i as u64);
                let inside = (0..width.bytes() as i64).contains(&i);
                let expected = if inside { VALUE >> (8 * i) & 0xff } else { 0 };
                let page = if at.0 < RIGHT { LEFT_PA } else { RIGHT_PA };
                if (LEFT..RIGHT + 0x1000).contains(&at.0) {
                    let got = bus.load(PhysAddr(page + at.page_offset()), Width::Byte);
                    assert_eq!(got, Ok(expected), "{va} {width:?} byte {i}");
                }
            }
        }
    }
}

#[test]
fn faults_of_loads_and_stores_name_the_page_at_fault() {
    use Width::{Double, Half};
    let crossing = 0xffd;
    for (va, width, load, store) in [
        (UNMAPPED, Double, PAGE, Some(UNMAPPED)),
        (UNMAPPED + 0xfff, Half, PAGE, Some(UNMAPPED + 0xfff)),
        // The second page is at fault: its start is named.
        (RIGHT + crossing, Double, PAGE, Some(RIGHT + 0x1000)),
        (MMIO - 1, Half, PAGE, Some(MMIO - 1)),
        // Devices take no misaligned accesses, in their page or across its edges.
        (MMIO + 1, Half, ACCESS, Some(MMIO + 1)),
        (MMIO + crossing, Double, ACCESS, Some(MMIO + crossing)),
        // Nothing answers.
        (NOTHING + 8, Double, ACCESS, Some(NOTHING + 8)),
        (NOTHING + 1, Double, ACCESS, Some(NOTHING + 1)),
        (NOTHING + crossing, Double, ACCESS, Some(NOTHING + crossing)),
        (MMIO + 8, Double, None, None),
        (LEFT + crossing, Double, None, None),
    ] {
        let mut f = fixture();
        let expected = |access| load.zip(store).map(|(fault, at)| fault(access, at));
        let got = f.mmu.load(&mut f.bus, VirtAddr(va), width);
        assert_eq!(got.err(), expected(Access::Load), "load {va:#x}");
        let got = f.mmu.store(&mut f.bus, VirtAddr(va), width, VALUE);
        assert_eq!(got.err(), expected(Access::Store), "store {va:#x}");
    }
}

#[test]
fn an_access_may_wrap_around_the_address_space() {
    let mut f = fixture();
    f.map(0, 0, RIGHT_PA, RWX);
    f.map(0xffff_ffff_ffff_f000, 0, LEFT_PA, RWX);
    let va = VirtAddr(u64::MAX - 2);
    f.mmu.store(&mut f.bus, va, Width::Double, VALUE).unwrap();
    assert_eq!(f.mmu.load(&mut f.bus, va, Width::Double), Ok(VALUE));
    assert_eq!(f.word(RIGHT_PA), VALUE >> 24);
}

#[test]
fn a_store_that_faults_in_its_second_page_writes_nothing() {
    let devices = |f: &mut Fixture| f.map(RIGHT, 0, DEVICE, RWX);
    let absent = |f: &mut Fixture| f.map(RIGHT, 0, 0x4000_0000, RWX);
    let unmapped = |f: &mut Fixture| f.map(RIGHT, 0, 0, 0);
    let read_only = |f: &mut Fixture| f.map(RIGHT, 0, RIGHT_PA, Pte::V | Pte::R | Pte::A | Pte::D);
    let clean = |f: &mut Fixture| f.map(RIGHT, 0, RIGHT_PA, RWX & !Pte::D);
    let protected = |f: &mut Fixture| {
        let rights = crate::addr::Rights { write: false, ..ALL_MEMORY.rights };
        let (first, last) = (PhysAddr(RIGHT_PA), PhysAddr(RIGHT_PA + 3));
        f.mmu.set_pmp(vec![
            crate::addr::PmpRegion { first, last, rights, locked: false },
            ALL_MEMORY,
        ]);
    };
    let rows: [(Spoil, Fault); 6] = [
        (devices, access_fault),
        (absent, access_fault),
        (protected, access_fault),
        (unmapped, page_fault),
        (read_only, page_fault),
        (clean, page_fault),
    ];
    for (row, (spoil, fault)) in rows.into_iter().enumerate() {
        for distance in 1..8 {
            let mut f = fixture();
            spoil(&mut f);
            let va = VirtAddr(RIGHT - distance);
            let got = f.mmu.store(&mut f.bus, va, Width::Double, u64::MAX);
            assert_eq!(got, Err(fault(Access::Store, RIGHT)), "row {row}");
            assert_eq!((f.word(LEFT_PA + 0xff8), f.word(RIGHT_PA)), (0, 0), "row {row}");
        }
    }
}

#[test]
fn devices_are_reached_through_the_bus_every_time() {
    let mut f = fixture();
    for width in WIDTHS {
        assert_eq!(f.mmu.load(&mut f.bus, VirtAddr(MMIO), width), Ok(VALUE & width.mask()));
    }
    f.mmu.store(&mut f.bus, VirtAddr(MMIO + 4), Width::Half, 0xffff_1234).unwrap();
    assert_eq!(f.mmu.load(&mut f.bus, VirtAddr(MMIO), Width::Double), Ok(0x1234));
    assert!(!f.hits(MMIO, Access::Load) && !f.hits(MMIO, Access::Store));
}

#[test]
fn stores_of_every_kind_pass_the_write_tracker() {
    let mut f = fixture();
    f.bus.ram.track(RamOffset(LEFT_PA - RAM_BASE), 0x1000);
    f.bus.ram.track(RamOffset(RIGHT_PA - RAM_BASE), 0x1000);
    let (mmu, bus) = (&mut f.mmu, &mut f.bus);
    let (left, right) = (PhysAddr(LEFT_PA), PhysAddr(RIGHT_PA));
    mmu.store(bus, VirtAddr(LEFT), Width::Double, 1).unwrap();
    assert_eq!(bus.ram.take_hits(), [left]);
    mmu.store(bus, VirtAddr(RIGHT - 1), Width::Half, 1).unwrap();
    assert_eq!(bus.ram.take_hits(), [left.wrapping_add(0xfc0), right]);
    mmu.amo(bus, VirtAddr(RIGHT), Width::Word, |old| old).unwrap();
    assert_eq!(bus.ram.take_hits(), [right]);
    mmu.zero_block(bus, VirtAddr(RIGHT)).unwrap();
    assert_eq!(bus.ram.take_hits(), [right]);
    mmu.store_conditional(bus, VirtAddr(LEFT), Width::Word, 1, Some(left)).unwrap();
    assert_eq!(bus.ram.take_hits(), [left]);
    mmu.store_conditional(bus, VirtAddr(LEFT), Width::Word, 1, None).unwrap();
    assert!(!bus.ram.has_hits());
}

/// The faults that LR, SC and AMO share; the alignment is looked at before anything else.
#[test]
fn faults_of_atomics() {
    for (va, width, load, store) in [
        (LEFT + 4, Width::Double, ACCESS, ACCESS),
        (LEFT + 2, Width::Word, ACCESS, ACCESS),
        (UNMAPPED + 1, Width::Word, ACCESS, ACCESS),
        (UNMAPPED, Width::Word, PAGE, PAGE),
        (READ_ONLY, Width::Word, None, PAGE),
        (MMIO, Width::Word, ACCESS, ACCESS),
        (NOTHING, Width::Double, ACCESS, ACCESS),
        (LEFT, Width::Double, None, None),
    ] {
        let mut f = fixture();
        let (mmu, bus, at) = (&mut f.mmu, &mut f.bus, VirtAddr(va));
        let load = load.map(|fault| fault(Access::Load, va));
        let store = store.map(|fault| fault(Access::Store, va));
        assert_eq!(mmu.load_reserved(bus, at, width).err(), load, "lr {va:#x}");
        assert_eq!(mmu.amo(bus, at, width, |old| old + 1).err(), store, "amo {va:#x}");
        // With and without a reservation.
        for reservation in [None, Some(PhysAddr(LEFT_PA))] {
            let got = mmu.store_conditional(bus, at, width, 0, reservation);
            assert_eq!(got.err(), store, "sc {va:#x}");
        }
    }
}

#[test]
fn store_conditional_needs_the_reservation_of_the_same_physical_address() {
    let mut f = fixture();
    // A second name for the same page.
    f.map(0x6_0000, 0, LEFT_PA, RWX);
    let (mmu, bus) = (&mut f.mmu, &mut f.bus);
    let (old, reserved) = mmu.load_reserved(bus, VirtAddr(LEFT + 8), Width::Word).unwrap();
    assert_eq!((old, reserved), (0, PhysAddr(LEFT_PA + 8)));
    for (va, reservation, stored) in [
        (LEFT + 8, None, false),
        (LEFT + 8, Some(PhysAddr(LEFT_PA)), false),
        (LEFT + 12, Some(reserved), false),
        (RIGHT + 8, Some(reserved), false),
        (LEFT + 8, Some(reserved), true),
        (0x6_0008, Some(reserved), true),
    ] {
        bus.store(reserved, Width::Double, 0).unwrap();
        let got = mmu.store_conditional(bus, VirtAddr(va), Width::Word, VALUE, reservation);
        assert_eq!(got, Ok(stored), "{va:#x} {reservation:?}");
        let expected = if stored { VALUE & 0xffff_ffff } else { 0 };
        assert_eq!(bus.load(reserved, Width::Double), Ok(expected));
    }
}

#[test]
fn amo_returns_the_old_value_and_stores_the_low_bits() {
    for (width, old, new) in [
        (Width::Word, 0xffff_fff0, 0x8877_6655_0000_0000),
        (Width::Double, 0x8877_6655_ffff_fff0, 0x8877_6656_0000_0000),
    ] {
        let mut f = fixture();
        f.set_word(LEFT_PA, 0x8877_6655_ffff_fff0);
        assert_eq!(f.mmu.amo(&mut f.bus, VirtAddr(LEFT), width, |v| v + 16), Ok(old));
        assert_eq!(f.word(LEFT_PA), new);
    }
}

#[test]
fn zero_block_clears_64_bytes_and_names_the_block() {
    let mut f = fixture();
    for word in 0..16 {
        f.set_word(LEFT_PA + 8 * word, u64::MAX);
    }
    f.mmu.zero_block(&mut f.bus, VirtAddr(LEFT + 0x7f)).unwrap();
    let words: Vec<_> = (0..16).map(|word| f.word(LEFT_PA + 8 * word)).collect();
    assert_eq!(words, [[u64::MAX; 8], [0; 8]].concat());
    for (va, fault) in [
        (UNMAPPED + 0x7f, page_fault(Access::Store, UNMAPPED + 0x40)),
        (READ_ONLY + 0x47, page_fault(Access::Store, READ_ONLY + 0x40)),
        (MMIO + 1, access_fault(Access::Store, MMIO)),
    ] {
        assert_eq!(f.mmu.zero_block(&mut f.bus, VirtAddr(va)), Err(fault));
    }
}

#[test]
fn check_block_needs_the_access_and_reports_a_store() {
    let mut f = fixture();
    for (va, access, fault) in [
        (LEFT + 5, Access::Load, None),
        (READ_ONLY + 5, Access::Load, None),
        (READ_ONLY + 5, Access::Store, Some(page_fault(Access::Store, READ_ONLY + 5))),
        (UNMAPPED + 5, Access::Load, Some(page_fault(Access::Store, UNMAPPED + 5))),
        (MMIO + 5, Access::Load, Some(access_fault(Access::Store, MMIO + 5))),
    ] {
        assert_eq!(f.mmu.check_block(&mut f.bus, VirtAddr(va), access).err(), fault, "{va:#x}");
    }
}

#[test]
fn code_is_fetched_from_ram_only() {
    let mut f = fixture();
    for (va, expected) in [
        (RIGHT + 0xffe, Ok(PhysAddr(RIGHT_PA + 0xffe))),
        (READ_ONLY, Err(page_fault(Access::Fetch, READ_ONLY))),
        (UNMAPPED + 2, Err(page_fault(Access::Fetch, UNMAPPED + 2))),
        (MMIO, Err(access_fault(Access::Fetch, MMIO))),
        (NOTHING + 2, Err(access_fault(Access::Fetch, NOTHING + 2))),
    ] {
        assert_eq!(f.mmu.fetch(&mut f.bus, VirtAddr(va)), expected, "{va:#x}");
    }
    f.enter(Context { privilege: Privilege::Machine, ..Context::RESET });
    let beyond = f.mmu.fetch(&mut f.bus, VirtAddr(u64::MAX - 1));
    assert_eq!(beyond, Err(access_fault(Access::Fetch, u64::MAX - 1)));
}

#[test]
fn hits_do_what_loads_and_stores_in_full_do() {
    let mut f = Fixture::new();
    f.map(0x5000, 0, RAM_BASE + 0x3000, RWX);
    let va = VirtAddr(0x5008);
    f.mmu.attach(&f.bus.ram);
    for width in [Width::Byte, Width::Half, Width::Word, Width::Double] {
        f.mmu.sfence_vma(None, None);
        assert_eq!(f.mmu.load_hit(&f.bus.ram, va, width), None);
        assert_eq!(f.mmu.store_hit(&mut f.bus.ram, va, width, 0), None);
        f.mmu.store(&mut f.bus, va, width, u64::MAX).expect("mapped");
        assert_eq!(f.mmu.load_hit(&f.bus.ram, va, width), None, "only stores are known");
        assert_eq!(f.mmu.store_hit(&mut f.bus.ram, va, width, 0x1122_3344_5566_7788), Some(()));
        let got = f.mmu.load(&mut f.bus, va, width).expect("mapped");
        assert_eq!(got, 0x1122_3344_5566_7788 & width.mask());
        assert_eq!(f.mmu.load_hit(&f.bus.ram, va, width), Some(got));
        let odd = va.wrapping_add(1);
        assert_eq!(f.mmu.load_hit(&f.bus.ram, odd, width).is_some(), width == Width::Byte);
    }
}

#[test]
fn nothing_leads_to_a_ram_that_was_replaced() {
    let machine = Context { privilege: Privilege::Machine, ..Context::RESET };
    let mut f = Fixture::new();
    let home = f.cx;
    let va = VirtAddr(RAM_BASE + 0x3000);
    for attach in [true, false] {
        for cx in [machine, home] {
            f.enter(cx);
            if cx == home {
                f.map(va.0, 0, va.0, RWX);
            }
            f.mmu.store(&mut f.bus, va, Width::Word, 1).expect("RAM");
            f.mmu.load(&mut f.bus, va, Width::Word).expect("RAM");
            assert_eq!(f.mmu.load_hit(&f.bus.ram, va, Width::Word), Some(1));
        }
        let len_bytes = f.bus.ram.len_bytes();
        // Here the new one begins elsewhere; where it begins in the same place, its number differs.
        let old = std::mem::replace(&mut f.bus.ram, Ram::new(PhysAddr(RAM_BASE), len_bytes));
        f.bus.ram.write(RamOffset(0x30_0000), old.slice(RamOffset(0x30_0000), 0x10_0000));
        drop(old);
        if attach {
            f.mmu.attach(&f.bus.ram);
            assert_eq!(f.mmu.tlb_entries().count(), 0);
        }
        // Banks that are not selected follow when they are.
        for cx in [home, machine] {
            f.enter(cx);
            assert_eq!(f.mmu.load(&mut f.bus, va, Width::Word), Ok(0), "{attach} {cx:?}");
            f.mmu.store(&mut f.bus, va, Width::Word, 0).expect("RAM");
            assert_eq!(f.mmu.load_hit(&f.bus.ram, va, Width::Word), Some(0));
        }
    }
}
