//! Tests of the device-tree reader, on trees that a library writes.

use super::*;
use vm_fdt::FdtWriter;

/// A board of two harts, one of which firmware keeps, with one of each device.
fn blob(bootargs: &str) -> Vec<u8> {
    write(bootargs).expect("the tree is well formed")
}

fn write(bootargs: &str) -> Result<Vec<u8>, vm_fdt::Error> {
    let reservation = vm_fdt::FdtReserveEntry::new(0x8000_0000, 0x1_0000).expect("not empty");
    let mut fdt = FdtWriter::new_with_mem_reserv(&[reservation])?;
    let root = fdt.begin_node("")?;
    fdt.property_u32("#address-cells", 2)?;
    fdt.property_u32("#size-cells", 2)?;
    let chosen = fdt.begin_node("chosen")?;
    fdt.property_string("bootargs", bootargs)?;
    fdt.property_u32("linux,initrd-start", 0x8400_0000)?;
    fdt.property_u64("linux,initrd-end", 0x8400_1234)?;
    fdt.end_node(chosen)?;
    let memory = fdt.begin_node("memory@80000000")?;
    fdt.property_string("device_type", "memory")?;
    fdt.property_array_u64("reg", &[0x8000_0000, 0x400_0000])?;
    fdt.end_node(memory)?;
    let reserved = fdt.begin_node("reserved-memory")?;
    fdt.property_u32("#address-cells", 2)?;
    fdt.property_u32("#size-cells", 2)?;
    let firmware = fdt.begin_node("mmode@80010000")?;
    fdt.property_array_u64("reg", &[0x8001_0000, 0x2000])?;
    fdt.end_node(firmware)?;
    fdt.end_node(reserved)?;
    cpus(&mut fdt)?;
    devices(&mut fdt)?;
    fdt.end_node(root)?;
    fdt.finish()
}

fn cpus(fdt: &mut FdtWriter) -> Result<(), vm_fdt::Error> {
    let cpus = fdt.begin_node("cpus")?;
    fdt.property_u32("#address-cells", 1)?;
    fdt.property_u32("#size-cells", 0)?;
    fdt.property_u32("timebase-frequency", 10_000_000)?;
    for (id, status, isa) in [
        (0, "disabled", "rv64imac"),
        (3, "okay", "rv64imafdc_zicboz_sstc_svadu"),
        (5, "okay", "rv64imafdc_zicboz_sstc"),
    ] {
        let cpu = fdt.begin_node(&format!("cpu@{id}"))?;
        fdt.property_string("device_type", "cpu")?;
        fdt.property_string("status", status)?;
        fdt.property_u32("reg", id)?;
        fdt.property_string("riscv,isa", isa)?;
        fdt.property_u32("riscv,cboz-block-size", 64)?;
        fdt.property_u32("phandle", 10 + id)?;
        let controller = fdt.begin_node("interrupt-controller")?;
        fdt.property_string("compatible", "riscv,cpu-intc")?;
        fdt.property_u32("phandle", 20 + id)?;
        fdt.end_node(controller)?;
        fdt.end_node(cpu)?;
    }
    fdt.end_node(cpus)
}

fn devices(fdt: &mut FdtWriter) -> Result<(), vm_fdt::Error> {
    let soc = fdt.begin_node("soc")?;
    fdt.property_u32("#address-cells", 2)?;
    fdt.property_u32("#size-cells", 2)?;
    for (compatible, start, size, interrupt) in [
        ("sifive,test1\0sifive,test0\0syscon", 0x10_0000_u64, 0x1000_u64, 0),
        ("google,goldfish-rtc", 0x10_1000, 0x1000, 11),
        ("ns16550a", 0x1000_0000, 0x100, 10),
        ("virtio,mmio", 0x1000_2000, 0x1000, 2),
        ("virtio,mmio", 0x1000_1000, 0x1000, 1),
        ("sifive,plic-1.0.0\0riscv,plic0", 0xc00_0000, 0x60_0000, 0),
    ] {
        let device = fdt.begin_node(&format!("device@{start:x}"))?;
        let names: Vec<String> = compatible.split('\0').map(str::to_owned).collect();
        fdt.property_string_list("compatible", names)?;
        fdt.property_array_u64("reg", &[start, size])?;
        if interrupt != 0 {
            fdt.property_u32("interrupts", interrupt)?;
        }
        if start == 0xc00_0000 {
            let wires = [20, 11, 23, 11, 23, 9, 25, 11, 25, 9];
            fdt.property_array_u32("interrupts-extended", &wires)?;
        }
        fdt.end_node(device)?;
    }
    fdt.end_node(soc)
}

fn span(start: u64, size_bytes: u64) -> Span {
    Span { start, size_bytes }
}

#[test]
fn a_board_is_read() {
    let blob = blob("quiet init=/bin/sh");
    let board = Board::parse(&blob).expect("a tree");
    assert_eq!(board.memory[..], [span(0x8000_0000, 0x400_0000)]);
    assert_eq!(board.reserved[..], [span(0x8000_0000, 0x1_0000), span(0x8001_0000, 0x2000)]);
    let harts: Vec<_> = board.harts.iter().map(|hart| (hart.id, hart.plic_context)).collect();
    assert_eq!(harts, [(3, Some(2)), (5, Some(4))]);
    let extensions = Extensions { zero_block_bytes: 64, sstc: true, svadu: false };
    assert_eq!((board.extensions, board.timebase_hz), (extensions, 10_000_000));
    assert_eq!(board.arguments, b"quiet init=/bin/sh");
    assert_eq!(board.initrd, Some(span(0x8400_0000, 0x1234)));
    let device = |start, size_bytes, interrupt| {
        Some(Device { registers: span(start, size_bytes), interrupt })
    };
    assert_eq!(board.uart, device(0x1000_0000, 0x100, 10));
    assert_eq!(board.rtc, device(0x10_1000, 0x1000, 11));
    assert_eq!(board.plic, Some(span(0xc00_0000, 0x60_0000)));
    assert_eq!(board.finisher, Some(span(0x10_0000, 0x1000)));
    let slots: Vec<_> = board.virtio.iter().map(|slot| slot.interrupt).collect();
    assert_eq!(slots, [2, 1], "the order of the tree is the one in which disks are numbered");
    assert_eq!(Board::size_bytes(&blob[..HEADER_BYTES]), Some(blob.len()));
}

#[test]
fn what_is_no_tree_is_refused() {
    let whole = blob("");
    assert_eq!(Board::parse(b"").err(), Some(TreeError));
    assert_eq!(Board::parse(&[0; 64]).err(), Some(TreeError));
    // A tree that is cut short anywhere, or whose words lie, is refused or read; never a panic.
    for length in 0..whole.len() {
        assert_eq!(Board::parse(&whole[..length]).err(), Some(TreeError), "{length}");
    }
    for at in (0..whole.len()).step_by(4) {
        for lie in [0_u32, 1, 2, 3, 0x7fff_fffc, u32::MAX] {
            let mut blob = whole.clone();
            blob[at..at + 4].copy_from_slice(&lie.to_be_bytes());
            let _ = Board::parse(&blob);
        }
    }
}
