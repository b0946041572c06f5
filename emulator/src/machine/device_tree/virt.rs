//! This machine as a device tree: what QEMU's `virt` tells of itself, without what is not here
//! (flash, PCI, fw-cfg). Everything comes from the machine's [`Config`], the memory map and the
//! devices' own constants.
//!
//! Sources: Devicetree Specification; the Linux kernel's bindings (`riscv/cpus.yaml`,
//! `riscv/extensions.yaml`, `sifive,plic-1.0.0.yaml`, `sifive,clint.yaml`); what QEMU dumps with
//! `-M virt,dumpdtb=`.

use super::super::config::Config;
use super::super::memory_map as map;
use super::super::random::SplitMix;
use super::{CHOSEN, Chosen, DeviceTree, Node};
use crate::device::{clint, finisher, goldfish_rtc, plic, uart16550};
use crate::isa::{Extension, Extensions};
use crate::mmu::BLOCK_SIZE_BYTES;
use crate::trap::Interrupt;

/// Words of 64 bits in the seed for the kernel's random numbers.
const RNG_SEED_WORDS: usize = 4;

/// Extensions with what they mean for cache blocks, by the property that tells the block's size.
const BLOCK_SIZES: [(&str, Extension); 3] = [
    ("riscv,cbom-block-size", Extension::Zicbom),
    ("riscv,cbop-block-size", Extension::Zicbop),
    ("riscv,cboz-block-size", Extension::Zicboz),
];

/// Translation modes from the widest to the narrowest, by the word for `mmu-type`.
const MMU_TYPES: [(&str, Extension); 3] = [
    ("riscv,sv57", Extension::Sv57),
    ("riscv,sv48", Extension::Sv48),
    ("riscv,sv39", Extension::Sv39),
];

/// The numbers by which nodes name each other.
///
/// Source: Devicetree Specification, "phandle".
struct Handles {
    harts: u32,
}

impl Handles {
    fn hart(&self, id: u32) -> u32 {
        1 + 2 * id
    }

    /// The interrupt controller within a hart.
    fn hart_interrupts(&self, id: u32) -> u32 {
        2 + 2 * id
    }

    fn plic(&self) -> u32 {
        1 + 2 * self.harts
    }

    fn finisher(&self) -> u32 {
        2 + 2 * self.harts
    }

    /// Which interrupt of each hart a device drives: `kinds` of every hart in turn.
    fn interrupts(&self, kinds: [Interrupt; 2]) -> Vec<u32> {
        let hart = |id| kinds.map(|kind| [self.hart_interrupts(id), kind as u32]);
        (0..self.harts).flat_map(hart).flatten().collect()
    }
}

/// The tree of a machine built from `config`, with what the boot loader has to say in it.
pub fn describe(config: &Config, chosen: &Chosen) -> DeviceTree {
    let handles = Handles { harts: config.harts as u32 };
    let serial = Node::device("serial", map::UART, uart16550::LEN_BYTES);
    let console = format!("/soc/{}", serial.name);
    let root = Node::default()
        .cells("#address-cells", &[2])
        .cells("#size-cells", &[2])
        .texts("compatible", &["riscv-virtio"])
        .texts("model", &["riscv-virtio,pagewalk"])
        .with(
            Node::new(CHOSEN)
                .texts("stdout-path", &[&console])
                .doubles("rng-seed", &random(config.seed)),
        )
        .with(Node::new("aliases").texts("serial0", &[&console]))
        .with(Node::device("memory", map::RAM, config.ram_bytes).texts("device_type", &["memory"]))
        .with(harts(config, &handles))
        .with(devices(serial, &handles))
        .with(power("poweroff", "syscon-poweroff", finisher::PASS, &handles))
        .with(power("reboot", "syscon-reboot", finisher::RESET, &handles));
    let mut tree = DeviceTree { root, ..DeviceTree::default() };
    tree.choose(chosen);
    tree
}

/// Bits that look random and follow from `seed` alone.
fn random(seed: u64) -> [u64; RNG_SEED_WORDS] {
    let mut sequence = SplitMix::new(seed);
    [(); RNG_SEED_WORDS].map(|()| sequence.draw())
}

fn harts(config: &Config, handles: &Handles) -> Node {
    let mut cpus = Node::new("cpus")
        .cells("#address-cells", &[1])
        .cells("#size-cells", &[0])
        .cells("timebase-frequency", &[map::TIMEBASE_HZ as u32]);
    let mut cluster = Node::new("cluster0");
    for id in 0..handles.harts {
        cpus = cpus.with(hart(id, config.extensions, handles));
        cluster = cluster.with(Node::new(format!("core{id}")).cells("cpu", &[handles.hart(id)]));
    }
    cpus.with(Node::new("cpu-map").with(cluster))
}

fn hart(id: u32, extensions: Extensions, handles: &Handles) -> Node {
    let has = |extension| extensions.has(extension);
    let mmu = MMU_TYPES.iter().find(|(_, mode)| has(*mode));
    let names: Vec<_> = extensions.names().collect();
    let mut node = Node::new(format!("cpu@{id:x}"))
        .texts("device_type", &["cpu"])
        .cells("reg", &[id])
        .texts("status", &["okay"])
        .texts("compatible", &["riscv"])
        .texts("riscv,isa", &[&extensions.isa_string()])
        .texts("riscv,isa-base", &["rv64i"])
        .texts("riscv,isa-extensions", &names)
        .texts("mmu-type", &[mmu.map_or("riscv,none", |(name, _)| name)]);
    for (name, _) in BLOCK_SIZES.iter().filter(|(_, extension)| has(*extension)) {
        node = node.cells(name, &[BLOCK_SIZE_BYTES as u32]);
    }
    node.cells("phandle", &[handles.hart(id)]).with(
        Node::new("interrupt-controller")
            .cells("#address-cells", &[0])
            .cells("#interrupt-cells", &[1])
            .flag("interrupt-controller")
            .texts("compatible", &["riscv,cpu-intc"])
            .cells("phandle", &[handles.hart_interrupts(id)]),
    )
}

fn devices(serial: Node, handles: &Handles) -> Node {
    let wired = |node: Node, source| {
        node.cells("interrupts", &[source]).cells("interrupt-parent", &[handles.plic()])
    };
    let rtc = Node::device("rtc", map::RTC, goldfish_rtc::LEN_BYTES)
        .texts("compatible", &["google,goldfish-rtc"]);
    let serial = serial
        .texts("compatible", &["ns16550a"])
        .cells("clock-frequency", &[uart16550::CLOCK_HZ as u32]);
    let mut soc = Node::new("soc")
        .cells("#address-cells", &[2])
        .cells("#size-cells", &[2])
        .texts("compatible", &["simple-bus"])
        .flag("ranges")
        .with(
            Node::device("test", map::FINISHER, finisher::LEN_BYTES)
                .texts("compatible", &["sifive,test1", "sifive,test0", "syscon"])
                .cells("phandle", &[handles.finisher()]),
        )
        .with(wired(rtc, map::RTC_SOURCE))
        .with(clint_node(handles))
        .with(plic_node(handles))
        .with(wired(serial, map::UART_SOURCE));
    for slot in 0..map::VIRTIO_SLOTS {
        let node = Node::device("virtio_mmio", map::virtio(slot), map::VIRTIO_LEN_BYTES)
            .texts("compatible", &["virtio,mmio"]);
        soc = soc.with(wired(node, map::virtio_source(slot)));
    }
    soc
}

fn clint_node(handles: &Handles) -> Node {
    let interrupts = handles.interrupts([Interrupt::MachineSoftware, Interrupt::MachineTimer]);
    Node::device("clint", map::CLINT, clint::LEN_BYTES)
        .texts("compatible", &["sifive,clint0", "riscv,clint0"])
        .cells("interrupts-extended", &interrupts)
}

fn plic_node(handles: &Handles) -> Node {
    // The order is that of the contexts: M-mode, then S-mode of each hart.
    let interrupts =
        handles.interrupts([Interrupt::MachineExternal, Interrupt::SupervisorExternal]);
    Node::device("plic", map::PLIC, plic::LEN_BYTES)
        .texts("compatible", &["sifive,plic-1.0.0", "riscv,plic0"])
        .cells("#address-cells", &[0])
        .cells("#interrupt-cells", &[1])
        .flag("interrupt-controller")
        .cells("interrupts-extended", &interrupts)
        .cells("riscv,ndev", &[plic::MAX_SOURCE])
        .cells("phandle", &[handles.plic()])
}

/// What is written to the finisher to end or start again.
fn power(name: &str, compatible: &str, value: u64, handles: &Handles) -> Node {
    Node::new(name)
        .texts("compatible", &[compatible])
        .cells("regmap", &[handles.finisher()])
        .cells("offset", &[0])
        .cells("value", &[value as u32])
}
