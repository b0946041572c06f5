//! What is loaded where: rules and addresses as QEMU has them, and every way not to fit. The
//! formats of files have tests of their own below.

mod compressed;
mod files;

use super::*;
use crate::addr::PAGE_SIZE_BYTES;

const RAM: u64 = memory_map::RAM.0;
const MIB: u64 = 1 << 20;
/// What [`image`] says that it takes in memory.
const IMAGE_LEN_BYTES: u64 = 0x3000;

/// A small Linux Image: a header and something behind it.
fn image() -> Vec<u8> {
    let mut file = vec![0x6f, 0, 0, 0, 0x13, 0, 0, 0];
    for word in [2 * MIB, IMAGE_LEN_BYTES, 0, 2, 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend(b"RISCV\0\0\0RSC\x05\0\0\0\0");
    file.extend((0..192).map(|byte| (byte * 7 % 64) as u8));
    file
}

/// An ELF file with one segment of these bytes, `len_bytes` long in memory, at `at`.
fn elf(at: u64, bytes: &[u8], len_bytes: u64) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend([2, 0, 243, 0, 1, 0, 0, 0]);
    for word in [at, 64, 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    file.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    for word in [120, at, at, bytes.len() as u64, len_bytes, 1] {
        file.extend(word.to_le_bytes());
    }
    file.extend(bytes);
    file
}

fn config(ram_bytes: u64) -> Config {
    Config { ram_bytes, ..Config::default() }
}

fn boot(kernel: Vec<u8>) -> Boot {
    Boot::of(Payload::new("k", kernel))
}

fn firmware(bytes: Vec<u8>) -> Firmware {
    Firmware::File(Payload::new("fw", bytes))
}

fn initrd(len_bytes: u64) -> Option<Payload> {
    Some(Payload::new("i", vec![0xa5; len_bytes as usize]))
}

/// The bytes at `at` after the plan has been carried out.
fn loaded(plan: &Plan, ram_bytes: u64, at: u64, len_bytes: u64) -> Vec<u8> {
    let mut ram = Ram::new(memory_map::RAM, ram_bytes);
    plan.load_into(&mut ram);
    let at = ram.offset_of(PhysAddr(at), len_bytes).expect("in RAM");
    ram.slice(at, len_bytes).to_vec()
}

/// The device tree that the plan hands over.
fn tree(plan: &Plan, ram_bytes: u64) -> DeviceTree {
    let header = loaded(plan, ram_bytes, plan.a1, 8);
    let len_bytes = u32::from_be_bytes(*header[4..].first_chunk().unwrap());
    DeviceTree::parse(&loaded(plan, ram_bytes, plan.a1, len_bytes.into())).unwrap()
}

fn trouble(boot: &Boot, ram_bytes: u64) -> String {
    let error = boot.plan(&config(ram_bytes)).expect_err("it does not fit");
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    assert!(!text.contains('\n'), "{text}");
    text
}

/// Read off `info roms` of qemu-system-riscv64 7.2 with the same files.
#[test]
fn addresses_are_qemus() {
    for (ram_mib, bios, kernel, initrd_at, tree_at) in [
        (64, true, 0x8020_0000, 0x8220_0000, 0x83e0_0000),
        (96, true, 0x8020_0000, 0x8320_0000, 0x85e0_0000),
        (128, true, 0x8020_0000, 0x8420_0000, 0x87e0_0000),
        (256, true, 0x8020_0000, 0x8820_0000, 0x8fe0_0000),
        (1024, true, 0x8020_0000, 0x8820_0000, 0xbfe0_0000),
        (3072, true, 0x8020_0000, 0x8820_0000, 0xbfe0_0000),
        (16384, true, 0x8020_0000, 0x8820_0000, 0xbfe0_0000),
        (128, false, 0x8000_0000, 0x8400_0000, 0x87e0_0000),
    ] {
        let firmware = if bios { Firmware::BuiltIn } else { Firmware::None };
        let boot = Boot { firmware, initrd: initrd(5_000_000), ..boot(image()) };
        let plan = boot.plan(&config(ram_mib * MIB)).unwrap();
        let at = |index: usize| plan.writes[index].at.0;
        assert_eq!((at(0), at(1), at(2)), (kernel, initrd_at, tree_at), "{ram_mib} MiB");
        assert_eq!((plan.start.pc.0, plan.a1), (kernel, tree_at), "{ram_mib} MiB");
        let behind_firmware = Boot { firmware: self::firmware(vec![1; 0x1c280]), ..boot };
        if bios {
            let plan = behind_firmware.plan(&config(ram_mib * MIB)).unwrap();
            let at = |index: usize| plan.writes[index].at.0;
            let all = (at(0), at(1), at(2), at(3));
            assert_eq!(all, (RAM, kernel, initrd_at, tree_at), "{ram_mib} MiB");
        }
    }
}

#[test]
fn who_starts_where() {
    use Privilege::{Machine, Supervisor};
    let at_base = || boot(elf(RAM, &[1], 1));
    let behind = || boot(elf(RAM + 2 * MIB, &[1], 1));
    let none = |boot| Boot { firmware: Firmware::None, ..boot };
    let flat = |boot| Boot { firmware: firmware(vec![7; 100]), ..boot };
    let from_elf = |boot| Boot { firmware: firmware(elf(RAM + 0x100, &[1], 1)), ..boot };
    let alone = || Boot { kernel: None, ..boot(Vec::new()) };
    for (boot, pc, mode, harts) in [
        (at_base(), RAM, Machine, Harts::All),
        (behind(), RAM + 2 * MIB, Supervisor, Harts::Boot),
        (boot(elf(RAM + 0x1000, &[1], 1)), RAM + 0x1000, Supervisor, Harts::Boot),
        (boot(image()), RAM + 2 * MIB, Supervisor, Harts::Boot),
        (none(at_base()), RAM, Machine, Harts::All),
        (none(behind()), RAM + 2 * MIB, Machine, Harts::All),
        (none(boot(image())), RAM, Machine, Harts::All),
        (flat(behind()), RAM, Machine, Harts::All),
        (flat(boot(image())), RAM, Machine, Harts::All),
        (flat(alone()), RAM, Machine, Harts::All),
        (from_elf(boot(image())), RAM + 0x100, Machine, Harts::All),
    ] {
        let plan = boot.plan(&config(128 * MIB)).unwrap();
        assert_eq!(plan.start, Start { pc: PhysAddr(pc), mode, harts }, "{boot:?}");
        let is_file = matches!(boot.firmware, Firmware::File(_));
        assert_eq!(plan.a2 != 0, is_file, "{boot:?}");
        assert!(tree(&plan, 128 * MIB).node("/memory@80000000").is_some());
    }
}

#[test]
fn dynamic_firmware_is_told_of_the_kernel() {
    for (kernel, next) in [
        (Some(image()), RAM + 2 * MIB),
        (Some(elf(RAM + 4 * MIB, &[1], 1)), RAM + 4 * MIB),
        (None, 0),
    ] {
        let kernel = kernel.map(|bytes| Payload::new("k", bytes));
        let boot = Boot { firmware: firmware(vec![1]), kernel, ..Boot::default() };
        let plan = boot.plan(&config(64 * MIB)).unwrap();
        let info = loaded(&plan, 64 * MIB, plan.a2, 48);
        let (words, _) = info.as_chunks::<8>();
        let words: Vec<_> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        assert_eq!(words, [0x4942_534f, 2, next, 1, 0, 0]);
        assert!(plan.a2.is_multiple_of(8) && plan.a2 > plan.a1);
    }
}

#[test]
fn larger_firmware_pushes_the_kernel() {
    let boot = Boot { firmware: firmware(vec![1; 2 * MIB as usize + 1]), ..boot(image()) };
    let plan = boot.plan(&config(64 * MIB)).unwrap();
    assert_eq!(plan.writes[1].at, PhysAddr(RAM + 4 * MIB));
    let mut far = image();
    far[8..16].copy_from_slice(&(16 * MIB).to_le_bytes());
    let plan = self::boot(far).plan(&config(64 * MIB)).unwrap();
    assert_eq!(plan.start.pc, PhysAddr(RAM + 16 * MIB), "where the kernel's header wants it");
}

#[test]
fn the_ram_disk_gives_way() {
    let kernel = |len_mib: u64| {
        let mut file = image();
        file[16..24].copy_from_slice(&(len_mib * MIB + 1).to_le_bytes());
        file
    };
    for (ram_mib, kernel_mib, len_bytes, expect) in [
        // Behind a kernel that reaches beyond the middle of RAM.
        (64, 40, 100, RAM + 42 * MIB + PAGE_SIZE_BYTES),
        // Below the device tree, where there is too little room behind the middle.
        (64, 10, 40 * MIB, RAM + 22 * MIB),
        (64, 10, 40 * MIB + 1, RAM + 22 * MIB - PAGE_SIZE_BYTES),
        // Below the kernel, where behind it there is no room at all: firmware has no file here.
        (4, 1, MIB, RAM + MIB),
        (4, 1, 2 * MIB, RAM),
    ] {
        let boot = Boot { initrd: initrd(len_bytes), ..boot(kernel(kernel_mib)) };
        let plan = boot.plan(&config(ram_mib * MIB)).unwrap();
        assert_eq!(plan.writes[1].at, PhysAddr(expect), "{len_bytes} bytes");
        let chosen = tree(&plan, ram_mib * MIB);
        let chosen = chosen.node("/chosen").unwrap();
        let end = (expect + len_bytes).to_be_bytes();
        assert_eq!(chosen.get("linux,initrd-start"), Some(&expect.to_be_bytes()[..]));
        assert_eq!(chosen.get("linux,initrd-end"), Some(&end[..]));
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let with_firmware =
        |at, len: u64| Boot { firmware: firmware(vec![1; len as usize]), ..boot(elf(at, &[1], 1)) };
    let mut huge = image();
    huge[16..24].copy_from_slice(&(62 * MIB + 1).to_le_bytes());
    let mut endless = image();
    endless[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut wide = image();
    wide[16..24].copy_from_slice(&(62 * MIB).to_le_bytes());
    for (boot, message) in [
        (
            with_firmware(RAM, 1),
            "the kernel k at 0x0000000080000000..=0x0000000080000000 overlaps the firmware fw at \
             0x0000000080000000..=0x0000000080000000",
        ),
        (
            with_firmware(RAM + 2 * MIB, 2 * MIB + 1),
            "the kernel k at 0x0000000080200000..=0x0000000080200000 overlaps the firmware fw at \
             0x0000000080000000..=0x0000000080200000",
        ),
        (
            with_firmware(RAM + 2 * MIB, 64 * MIB + 1),
            "the firmware fw at 0x0000000080000000..=0x0000000084000000 lies outside RAM, which is \
             0x0000000080000000..=0x0000000083ffffff",
        ),
        (
            boot(huge),
            "the kernel k at 0x0000000080200000..=0x0000000084000000 lies outside RAM, which is \
             0x0000000080000000..=0x0000000083ffffff",
        ),
        (
            boot(endless),
            "the kernel k at 0x0000000080200000..=0xffffffffffffffff lies outside RAM, which is \
             0x0000000080000000..=0x0000000083ffffff",
        ),
        (
            boot(wide),
            "the device tree has {tree} bytes, for which there is no room in RAM, which is \
             0x0000000080000000..=0x0000000083ffffff",
        ),
        (
            Boot { initrd: initrd(62 * MIB), ..boot(image()) },
            "the initrd i at 0x0000000082200000..=0x0000000085ffffff lies outside RAM, which is \
             0x0000000080000000..=0x0000000083ffffff",
        ),
        (
            Boot { initrd: initrd(51 * MIB), ..boot(elf(RAM + 50 * MIB, &[1], 1)) },
            "the initrd i at 0x0000000085200000..=0x00000000884fffff lies outside RAM, which is \
             0x0000000080000000..=0x0000000083ffffff",
        ),
    ] {
        let tree = device_tree::describe(&config(64 * MIB), &Chosen::default());
        let len = tree.to_blob().unwrap().len().to_string();
        let text = trouble(&boot, 64 * MIB);
        assert!(text.starts_with(&message.replace("{tree}", &len)), "{text}");
    }
}

#[test]
fn what_makes_no_sense_is_said() {
    let alone = |len_bytes| Boot {
        kernel: None,
        firmware: firmware(vec![1; len_bytes]),
        ..boot(Vec::new())
    };
    for (boot, message) in [
        (Boot::default(), "there is nothing to run: neither a kernel nor firmware"),
        (
            Boot { initrd: initrd(1), ..alone(1) },
            "an initial RAM disk is for a kernel, and no kernel is given",
        ),
        (
            Boot { append: Some("x".into()), ..alone(1) },
            "a kernel command line is for a kernel, and no kernel is given",
        ),
        (Boot { initrd: initrd(0), ..boot(image()) }, "cannot load i: the file is empty"),
        (
            Boot { append: Some("x".repeat(2 << 20)), ..boot(image()) },
            "cannot make a device tree: the device tree has",
        ),
        (alone(0), "cannot load fw: the file is empty"),
    ] {
        let text = trouble(&boot, 64 * MIB);
        assert!(text.starts_with(message), "{text}");
    }
}

#[test]
fn a_program_may_take_all_of_ram() {
    let (all, config) = (boot(elf(RAM, &[1], 64 * MIB)), config(64 * MIB));
    let plan = all.plan(&config).unwrap();
    assert_eq!((plan.a1, plan.writes.len()), (0, 1), "without a device tree");
    // All but the last pages: the tree has no megapage, but room.
    let most = boot(elf(RAM, &[1], 64 * MIB - 4 * PAGE_SIZE_BYTES));
    let plan = most.plan(&config).unwrap();
    assert!(plan.a1 >= RAM + 64 * MIB - 4 * PAGE_SIZE_BYTES, "{:#x}", plan.a1);
    // Who has something to be told does not go without.
    let told = Boot { append: Some("x".into()), ..all };
    assert!(trouble(&told, 64 * MIB).starts_with("the device tree has "));
}

#[test]
fn smallest_ram() {
    let plan = boot(elf(RAM, &[1], 1)).plan(&config(PAGE_SIZE_BYTES)).unwrap();
    assert_eq!(plan.a1, 0);
    assert_eq!(loaded(&plan, PAGE_SIZE_BYTES, RAM, 2), [1, 0]);
}

#[test]
fn loading_again_gives_the_same() {
    let boot = Boot { initrd: initrd(100), append: Some("quiet".into()), ..boot(image()) };
    let plan = boot.plan(&config(16 * MIB)).unwrap();
    let first = loaded(&plan, 16 * MIB, RAM, 16 * MIB);
    assert_eq!(loaded(&plan, 16 * MIB, RAM, 16 * MIB), first);
    assert_eq!(first[2 * MIB as usize..][..image().len()], image());
    assert_eq!(
        tree(&plan, 16 * MIB).node("/chosen").unwrap().get("bootargs"),
        Some(&b"quiet\0"[..])
    );
}

#[test]
fn ones_own_tree() {
    let mut own = device_tree::describe(&config(MIB), &Chosen::default());
    own.root.set("model", b"mine\0".to_vec());
    let blob = own.to_blob().unwrap();
    let dtb = Some(Payload::new("d", blob.clone()));
    let plain = Boot { dtb: dtb.clone(), ..boot(image()) };
    let plan = plain.plan(&config(64 * MIB)).unwrap();
    assert_eq!(loaded(&plan, 64 * MIB, plan.a1, blob.len() as u64), blob, "byte for byte");
    let told = Boot { append: Some("a b".into()), initrd: initrd(5), ..plain };
    let found = tree(&told.plan(&config(64 * MIB)).unwrap(), 64 * MIB);
    let initrd = PhysAddr(RAM + 34 * MIB)..PhysAddr(RAM + 34 * MIB + 5);
    own.choose(&Chosen { bootargs: Some("a b".into()), initrd: Some(initrd) });
    assert_eq!(found, own);
    let bad = Boot { dtb: Some(Payload::new("d", b"text".to_vec())), ..told };
    let message = "cannot load d: not a device tree blob: it starts with 74 65 78 74, expected";
    assert!(trouble(&bad, 64 * MIB).starts_with(message));
}
