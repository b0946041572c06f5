//! The tree against the machine it describes, the blob there and back, hostile blobs, and how
//! values are printed.

use proptest::prelude::*;

use super::super::config::Config;
use super::*;
use crate::isa::Extensions;

fn config(harts: usize, cpu: &str) -> Config {
    let extensions = Extensions::parse(cpu).unwrap();
    Config { harts, extensions, ..Config::default() }
}

fn described(harts: usize) -> DeviceTree {
    describe(&config(harts, "rv64"), &Chosen::default())
}

/// The cells of a property.
fn cells(node: &Node, name: &str) -> Vec<u32> {
    let value = node.get(name).unwrap_or_else(|| panic!("{}: no {name}", node.name));
    let (cells, rest) = value.as_chunks::<4>();
    assert_eq!(rest, [0; 0], "{}: {name}", node.name);
    cells.iter().map(|cell| u32::from_be_bytes(*cell)).collect()
}

fn texts(node: &Node, name: &str) -> Vec<String> {
    let value = node.get(name).unwrap_or_else(|| panic!("{}: no {name}", node.name));
    let text = std::str::from_utf8(value).unwrap().strip_suffix('\0').unwrap();
    text.split('\0').map(str::to_owned).collect()
}

fn all_nodes(node: &Node) -> Vec<&Node> {
    [node].into_iter().chain(node.children.iter().flat_map(all_nodes)).collect()
}

#[test]
fn devices_are_where_the_map_has_them() {
    let tree = described(2);
    for (path, len_bytes, compatible, source) in [
        ("/soc/test@100000", 0x1000, "sifive,test0", None),
        ("/soc/rtc@101000", 0x1000, "google,goldfish-rtc", Some(11)),
        ("/soc/clint@2000000", 0x1_0000, "sifive,clint0", None),
        ("/soc/plic@c000000", 0x60_0000, "sifive,plic-1.0.0", None),
        ("/soc/serial@10000000", 0x100, "ns16550a", Some(10)),
        ("/soc/virtio_mmio@10001000", 0x1000, "virtio,mmio", Some(1)),
        ("/soc/virtio_mmio@10008000", 0x1000, "virtio,mmio", Some(8)),
    ] {
        let node = tree.node(path).unwrap_or_else(|| panic!("no {path}"));
        let (_, at) = path.split_once('@').unwrap();
        let at = u32::from_str_radix(at, 16).unwrap();
        assert_eq!(cells(node, "reg"), [0, at, 0, len_bytes], "{path}");
        assert!(texts(node, "compatible").contains(&compatible.to_owned()), "{path}");
        assert_eq!(node.get("interrupts").is_some(), source.is_some(), "{path}");
        if let Some(source) = source {
            assert_eq!(cells(node, "interrupts"), [source], "{path}");
            let plic = tree.node("/soc/plic@c000000").unwrap();
            assert_eq!(cells(node, "interrupt-parent"), cells(plic, "phandle"), "{path}");
        }
    }
    assert!(tree.node("/soc/virtio_mmio@10009000").is_none());
    let memory = tree.node("/memory@80000000").unwrap();
    assert_eq!(cells(memory, "reg"), [0, 0x8000_0000, 0, 128 << 20]);
    let large = Config { ram_bytes: 1 << 40, ..Config::default() };
    let large = describe(&large, &Chosen::default());
    assert_eq!(cells(large.node("/memory@80000000").unwrap(), "reg"), [0, 0x8000_0000, 256, 0]);
}

#[test]
fn every_hart_has_its_interrupts() {
    for harts in [1, 2, 5, 64] {
        let tree = described(harts);
        let cpus = tree.node("/cpus").unwrap();
        let (mut clint, mut plic) = (Vec::new(), Vec::new());
        for id in 0..harts {
            let cpu = cpus.child(&format!("cpu@{id:x}")).unwrap();
            assert_eq!(cells(cpu, "reg"), [id as u32]);
            let map = tree.node(&format!("/cpus/cpu-map/cluster0/core{id}")).unwrap();
            assert_eq!(cells(map, "cpu"), cells(cpu, "phandle"));
            let handle = cells(cpu.child("interrupt-controller").unwrap(), "phandle")[0];
            clint.extend([handle, 3, handle, 7]);
            plic.extend([handle, 11, handle, 9]);
        }
        assert_eq!(cpus.children.len(), harts + 1);
        let extended = |path| cells(tree.node(path).unwrap(), "interrupts-extended");
        assert_eq!(extended("/soc/clint@2000000"), clint, "{harts} harts");
        assert_eq!(extended("/soc/plic@c000000"), plic, "{harts} harts");
        let nodes = all_nodes(&tree.root);
        let mut handles: Vec<_> = nodes.iter().filter_map(|node| node.get("phandle")).collect();
        let count = handles.len();
        handles.sort();
        handles.dedup();
        assert_eq!((handles.len(), count), (2 * harts + 2, 2 * harts + 2), "{harts} harts");
    }
}

#[test]
fn extensions_are_told() {
    for (cpu, mmu, base, blocks) in [
        ("rv64", "riscv,sv57", "i m a f d c zicbom", 3),
        ("rv64,sv57=off,zicboz=off", "riscv,sv48", "i m a f d c zicbom", 2),
        ("rv64,sv48=off", "riscv,sv39", "i m a f d c zicbom", 3),
        ("rv64i", "riscv,none", "i", 0),
        ("rv64i,c=on,zbb=on", "riscv,none", "i c zbb", 0),
    ] {
        let config = config(1, cpu);
        let tree = describe(&config, &Chosen::default());
        let hart = tree.node("/cpus/cpu@0").unwrap();
        assert_eq!(texts(hart, "mmu-type"), [mmu], "{cpu}");
        let names = texts(hart, "riscv,isa-extensions").join(" ");
        assert!(names.starts_with(base), "{cpu}: {names}");
        assert!(!names.contains("sv39"), "{cpu}: {names}");
        assert_eq!(texts(hart, "riscv,isa"), [config.extensions.isa_string()]);
        let sizes = hart.properties.iter().filter(|p| p.name.ends_with("-block-size"));
        assert_eq!(sizes.filter(|p| p.value == [0, 0, 0, 64]).count(), blocks, "{cpu}");
    }
}

#[test]
fn power_is_the_finishers() {
    let tree = described(3);
    let finisher = cells(tree.node("/soc/test@100000").unwrap(), "phandle");
    for (path, value) in [("/poweroff", 0x5555), ("/reboot", 0x7777)] {
        let node = tree.node(path).unwrap();
        assert_eq!(cells(node, "regmap"), finisher);
        assert_eq!((cells(node, "offset"), cells(node, "value")), (vec![0], vec![value]));
    }
}

#[test]
fn the_loader_has_its_say() {
    let chosen = Chosen {
        bootargs: Some("root=/dev/vda rw".to_owned()),
        initrd: Some(PhysAddr(0x8420_0000)..PhysAddr(0x8420_0005)),
    };
    let tree = describe(&config(1, "rv64"), &chosen);
    let node = tree.node("/chosen").unwrap();
    assert_eq!(texts(node, "bootargs"), ["root=/dev/vda rw"]);
    assert_eq!(cells(node, "linux,initrd-start"), [0, 0x8420_0000]);
    assert_eq!(cells(node, "linux,initrd-end"), [0, 0x8420_0005]);
    let [path] = &texts(node, "stdout-path")[..] else { panic!("one path") };
    assert!(tree.node(path).is_some(), "{path}");
    assert_eq!(texts(tree.node("/aliases").unwrap(), "serial0"), [path.as_str()]);
    let seeded = |seed| {
        let config = Config { seed, ..Config::default() };
        let tree = describe(&config, &Chosen::default());
        tree.node("/chosen").unwrap().get("rng-seed").unwrap().to_vec()
    };
    assert_eq!((seeded(7), seeded(7).len()), (seeded(7), 32));
    assert_ne!(seeded(7), seeded(8));
    // A tree without the node gets one; what is there already is replaced.
    let mut bare = DeviceTree::default();
    bare.choose(&chosen);
    bare.choose(&Chosen { bootargs: Some("new".to_owned()), initrd: None });
    assert_eq!(texts(bare.node("chosen").unwrap(), "bootargs"), ["new"]);
    assert_eq!(bare.root.children.len(), 1);
}

#[test]
fn there_and_back() {
    let mut tree = described(4);
    tree.boot_hart = 3;
    tree.reservations = vec![Reservation { at: PhysAddr(0x8000_0000), len_bytes: 0x1000 }];
    assert_eq!(DeviceTree::parse(&tree.to_blob().unwrap()).unwrap(), tree);
    let padded = [tree.to_blob().unwrap(), vec![0xff; 9]].concat();
    assert_eq!(DeviceTree::parse(&padded).unwrap(), tree, "with something behind it");
}

#[test]
fn trees_that_cannot_be_written() {
    let mut odd = described(1);
    odd.root.set("a name with blanks", Vec::new());
    assert!(matches!(odd.to_blob(), Err(TreeError::Unwritable(_))));
    let mut large = described(1);
    large.root.set("large", vec![0; MAX_BLOB_BYTES as usize]);
    assert!(matches!(large.to_blob(), Err(TreeError::TooLarge(_))));
}

/// A blob of these words of structure, whose names are `a` at 0 and a long one at 2.
fn blob(structure: &[u32]) -> Vec<u8> {
    let strings = [b"a\0".to_vec(), vec![b'n'; 300], vec![0]].concat();
    let structure_at = 40 + 16;
    let strings_at = structure_at + 4 * structure.len() as u32;
    let total = strings_at + strings.len() as u32;
    let header = [
        0xd00d_feed,
        total,
        structure_at,
        strings_at,
        40,
        17,
        16,
        0,
        strings.len() as u32,
        4 * structure.len() as u32,
    ];
    let words = header.iter().chain(&[0; 4]).chain(structure);
    [words.flat_map(|word| word.to_be_bytes()).collect(), strings].concat()
}

#[test]
fn malformed_structures() {
    const ROOT: [u32; 2] = [1, 0];
    let deep = [vec![ROOT; 65].concat(), vec![2; 65], vec![9]].concat();
    let deepest = [vec![ROOT; 64].concat(), vec![2; 64], vec![9]].concat();
    assert!(DeviceTree::parse(&blob(&deepest)).is_ok());
    assert!(DeviceTree::parse(&blob(&[4, 1, 0, 4, 3, 0, 0, 4, 2, 4, 9])).is_ok());
    for (structure, message) in [
        (&[][..], "truncated: a token ends at byte 4, but there are only 0"),
        (&[9], "malformed at byte 0 of the structure: the end comes before that of the root"),
        (&[2], "malformed at byte 0 of the structure: the end of no node"),
        (&[5], "malformed at byte 0 of the structure: 0x5 is no token"),
        (&[3, 0, 0], "malformed at byte 0 of the structure: a property outside any node"),
        (&[1], "malformed at byte 4 of the structure: a name that is no text of up to 255"),
        (&[1, 0x6161_6161], "malformed at byte 4 of the structure: a name that is no text"),
        (&[1, 0xff00_0000], "malformed at byte 4 of the structure: a name that is no text"),
        (&[1, 0, 3, 8, 0, 0], "truncated: the value of a property ends at byte 28, but there"),
        (&[1, 0, 3, u32::MAX, 0], "truncated: the value of a property ends at byte"),
        (&[1, 0, 3, 0, 2], "malformed at byte 20 of the structure: a name that is no text"),
        (&[1, 0, 3, 0, 9999], "malformed at byte 20 of the structure: a name that is no text"),
        (&[1, 0, 2, 1], "malformed at byte 12 of the structure: 0x1 follows the root"),
        (&[1, 0, 2], "truncated: a token ends at byte 16, but there are only 12"),
        (&deep, "malformed at byte 512 of the structure: more than 64 nodes in each other"),
    ] {
        let text = DeviceTree::parse(&blob(structure)).unwrap_err().to_string();
        assert!(text.starts_with(message), "{structure:x?}: {text}");
    }
}

#[test]
fn malformed_headers() {
    let sound = described(1).to_blob().unwrap();
    let with = |word: usize, value: u32| {
        let mut blob = sound.clone();
        blob[4 * word..][..4].copy_from_slice(&value.to_be_bytes());
        blob
    };
    for (blob, message) in [
        (Vec::new(), "not a device tree blob: it starts with nothing, expected d0 0d fe ed"),
        (vec![0xd0, 0x0d], "not a device tree blob: it starts with d0 0d, expected"),
        (with(0, 0x7f45_4c46), "not a device tree blob: it starts with 7f 45 4c 46, expected"),
        (sound[..39].to_vec(), "truncated: the header ends at byte 40, but there are only 39"),
        (sound[..40].to_vec(), "truncated: the blob ends at byte"),
        (with(1, 3 << 20), "the device tree has 3145728 bytes, at most 2097152 are possible"),
        (with(2, u32::MAX), "truncated: the structure ends at byte"),
        (with(3, u32::MAX), "truncated: the block of names ends at byte"),
        (with(4, u32::MAX), "truncated: the list of reservations ends at byte"),
        (with(5, 16), "the blob has version 16, compatible with 16; expected 17"),
        (with(6, 18), "the blob has version 17, compatible with 18; expected 17"),
        (with(8, u32::MAX), "truncated: the block of names ends at byte"),
        (with(9, u32::MAX), "truncated: the structure ends at byte"),
    ] {
        let text = DeviceTree::parse(&blob).unwrap_err().to_string();
        assert!(text.starts_with(message), "{text}");
    }
}

#[test]
fn values_are_printed_as_what_they_seem() {
    for (value, expect) in [
        (&b""[..], "p"),
        (b"text\0", "p = \"text\""),
        (b"one\0two\0", "p = \"one\", \"two\""),
        (b"say \"\\\"\0", "p = \"say \\\"\\\\\\\"\""),
        (b"\0", "p = [00]"),
        (b"a\0\0b\0", "p = [61 00 00 62 00]"),
        (b"\0\x38\x40\0", "p = <0x384000>"),
        (b"\0\0\0\x01\xff\xff\xff\xff", "p = <0x1 0xffffffff>"),
        (b"\x1b[31m\0", "p = [1b 5b 33 31 6d 00]"),
        (b"no end", "p = [6e 6f 20 65 6e 64]"),
    ] {
        let root = Node::default().bytes("p", value.to_vec());
        let text = DeviceTree { root, ..DeviceTree::default() }.to_string();
        assert_eq!(text, format!("/dts-v1/;\n\n/ {{\n\t{expect};\n}};\n"));
    }
    let reservations = vec![Reservation { at: PhysAddr(0x1000), len_bytes: 0x20 }];
    let root = Node::default().with(Node::new("\x1b[2J"));
    let text = DeviceTree { reservations, root, ..DeviceTree::default() }.to_string();
    let expect = "/dts-v1/;\n\n/memreserve/ 0x1000 0x20;\n\n/ {\n\t\u{fffd}[2J {\n\t};\n};\n";
    assert_eq!(text, expect);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damage_is_survived(changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..8)) {
        let mut blob = described(1).to_blob().unwrap();
        for (at, byte) in changes {
            let at = at % blob.len();
            blob[at] = byte;
        }
        if let Ok(tree) = DeviceTree::parse(&blob) {
            let text = tree.to_string();
            prop_assert!(!text.contains(|c: char| c.is_control() && !"\n\t".contains(c)));
            if let Ok(again) = tree.to_blob() {
                prop_assert_eq!(DeviceTree::parse(&again), Ok(tree));
            }
        }
    }
}
