//! [`Board`]: what the device tree says of the machine that the kernel runs on: RAM, harts,
//! devices, the command line. `tree.rs` reads the format, `kernel/boot.rs` asks for it.

mod tree;

use arrayvec::ArrayVec;

use tree::{Token, Tree};

/// Most harts that are looked at; any others stay stopped.
pub const MAX_HARTS: usize = 8;
/// Most ranges of RAM.
pub const MAX_RANGES: usize = 8;
/// Most ranges of RAM that are not ours.
pub const MAX_RESERVED: usize = 16;
/// Most virtio slots.
pub const MAX_VIRTIO: usize = 8;
/// Deepest nesting of nodes.
const MAX_DEPTH: usize = 16;
/// Most interrupt contexts of the PLIC.
const MAX_CONTEXTS: usize = 64;
/// `interrupts-extended` of an interrupt controller: external interrupt of S-mode.
const SUPERVISOR_EXTERNAL: u32 = 9;
/// Bytes that suffice to tell how long a tree is.
pub const HEADER_BYTES: usize = tree::HEADER_BYTES;

/// This is no device tree, or one without RAM or harts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeError;

/// A range of physical addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First address.
    pub start: u64,
    /// How many bytes.
    pub size_bytes: u64,
}

impl Span {
    /// First address behind it.
    pub const fn end(self) -> u64 {
        self.start.saturating_add(self.size_bytes)
    }
}

/// A device with its interrupt source at the PLIC (0: none).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Its registers.
    pub registers: Span,
    /// Its interrupt source.
    pub interrupt: u32,
}

/// One hart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hart {
    /// What firmware calls it.
    pub id: u64,
    /// Context of its S-mode at the PLIC, if it is wired to it.
    pub plic_context: Option<u32>,
    /// Its local interrupt controller.
    phandle: u32,
}

/// What all harts have beyond RV64GC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extensions {
    /// Size of the block that `cbo.zero` zeroes, in bytes; 0 where there is none.
    pub zero_block_bytes: u64,
    /// `stimecmp`.
    pub sstc: bool,
    /// The harts can set A and D themselves, if firmware lets them.
    pub svadu: bool,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Board<'a> {
    /// RAM.
    pub memory: ArrayVec<Span, MAX_RANGES>,
    /// What of it belongs to firmware.
    pub reserved: ArrayVec<Span, MAX_RESERVED>,
    /// Harts that can run, in the order of the tree.
    pub harts: ArrayVec<Hart, MAX_HARTS>,
    /// What they have.
    pub extensions: Extensions,
    /// Ticks of `time` in a second.
    pub timebase_hz: u64,
    /// The kernel's command line.
    pub arguments: &'a [u8],
    /// Bytes for the seed of randomness; may be empty.
    pub seed: &'a [u8],
    /// The archive that becomes the file system.
    pub initrd: Option<Span>,
    /// The serial line.
    pub uart: Option<Device>,
    /// The interrupt controller.
    pub plic: Option<Span>,
    /// The finisher.
    pub finisher: Option<Span>,
    /// The real-time clock.
    pub rtc: Option<Device>,
    /// Virtio slots, in the order of the tree.
    pub virtio: ArrayVec<Device, MAX_VIRTIO>,
}

impl<'a> Board<'a> {
    /// Reads the tree at the start of `blob`.
    ///
    /// # Errors
    /// There is none, or it names no RAM, no hart or no time base.
    pub fn parse(blob: &'a [u8]) -> Result<Self, TreeError> {
        let tree = Tree::new(blob)?;
        let mut reader = Reader::default();
        for span in tree.reservations() {
            // More than fit are left to luck: no board has them.
            let _ = reader.board.reserved.try_push(span);
        }
        for token in tree.tokens() {
            reader.take(token).ok_or(TreeError)?;
        }
        reader.finish()
    }

    /// Size in bytes of the tree whose first [`HEADER_BYTES`] are given; `None` where it is none.
    pub fn size_bytes(header: &[u8]) -> Option<usize> {
        tree::total_size_bytes(header)
    }
}

impl Default for Board<'_> {
    fn default() -> Self {
        Self {
            memory: ArrayVec::new(),
            reserved: ArrayVec::new(),
            harts: ArrayVec::new(),
            extensions: Extensions { zero_block_bytes: u64::MAX, sstc: true, svadu: true },
            timebase_hz: 0,
            arguments: b"",
            seed: b"",
            initrd: None,
            uart: None,
            plic: None,
            finisher: None,
            rtc: None,
            virtio: ArrayVec::new(),
        }
    }
}

/// The properties of one node, as far as anybody asks for them.
#[derive(Clone, Copy, Debug)]
struct Node<'a> {
    name: &'a [u8],
    compatible: &'a [u8],
    device_type: &'a [u8],
    status: &'a [u8],
    reg: &'a [u8],
    interrupts: &'a [u8],
    extended: &'a [u8],
    isa: &'a [u8],
    extensions: &'a [u8],
    zero_block_bytes: u64,
    phandle: u32,
    /// Cells of an address and of a size in the children's `reg`.
    cells: (usize, usize),
}

impl<'a> Node<'a> {
    fn new(name: &'a [u8]) -> Self {
        Self {
            name,
            compatible: b"",
            device_type: b"",
            status: b"",
            reg: b"",
            interrupts: b"",
            extended: b"",
            isa: b"",
            extensions: b"",
            zero_block_bytes: 0,
            phandle: 0,
            cells: (2, 1),
        }
    }

    fn is(&self, compatible: &[u8]) -> bool {
        tree::strings(self.compatible).any(|name| name == compatible)
    }

    fn is_enabled(&self) -> bool {
        self.status.is_empty() || self.status.starts_with(b"ok")
    }

    /// The ranges of `reg`, in cells of the parent.
    fn spans(&self, (address, size): (usize, usize)) -> impl Iterator<Item = Span> + use<'a> {
        let entry_bytes = 4 * (address + size).max(1);
        self.reg.chunks_exact(entry_bytes).map(move |entry| {
            let (start, size) = entry.split_at(4 * address);
            Span { start: tree::cells(start), size_bytes: tree::cells(size) }
        })
    }

    /// Whether the harts' node says that it has the extension.
    fn has_extension(&self, name: &[u8]) -> bool {
        let listed = tree::strings(self.extensions).any(|extension| extension == name);
        let isa = self.isa.strip_suffix(&[0]).unwrap_or(self.isa);
        listed || isa.split(|byte| *byte == b'_').skip(1).any(|extension| extension == name)
    }
}

#[derive(Debug, Default)]
struct Reader<'a> {
    board: Board<'a>,
    open: ArrayVec<Node<'a>, MAX_DEPTH>,
    /// Interrupt contexts of the PLIC: local controller and cause.
    contexts: ArrayVec<(u32, u32), MAX_CONTEXTS>,
    initrd_start: u64,
    initrd_end: u64,
}

impl<'a> Reader<'a> {
    fn take(&mut self, token: Token<'a>) -> Option<()> {
        match token {
            Token::Begin(name) => self.open.try_push(Node::new(name)).ok()?,
            Token::Property(name, value) => self.property(name, value)?,
            Token::End => {
                let node = self.open.pop()?;
                self.close(&node);
            }
        }
        Some(())
    }

    fn property(&mut self, name: &[u8], value: &'a [u8]) -> Option<()> {
        let node = self.open.last_mut()?;
        match name {
            b"compatible" => node.compatible = value,
            b"device_type" => node.device_type = value,
            b"status" => node.status = value,
            b"reg" => node.reg = value,
            b"interrupts" => node.interrupts = value,
            b"interrupts-extended" => node.extended = value,
            b"riscv,isa" => node.isa = value,
            b"riscv,isa-extensions" => node.extensions = value,
            b"riscv,cboz-block-size" => node.zero_block_bytes = tree::cells(value),
            b"phandle" => node.phandle = tree::cells(value) as u32,
            b"#address-cells" => node.cells.0 = tree::cells(value).min(4) as usize,
            b"#size-cells" => node.cells.1 = tree::cells(value).min(4) as usize,
            b"timebase-frequency" => self.board.timebase_hz = tree::cells(value),
            _ if node.name == b"chosen" => self.chosen(name, value),
            _ => {}
        }
        Some(())
    }

    fn chosen(&mut self, name: &[u8], value: &'a [u8]) {
        match name {
            b"bootargs" => self.board.arguments = value.strip_suffix(&[0]).unwrap_or(value),
            b"rng-seed" => self.board.seed = value,
            b"linux,initrd-start" => self.initrd_start = tree::cells(value),
            b"linux,initrd-end" => self.initrd_end = tree::cells(value),
            _ => {}
        }
    }

    /// A node has been read; its parent is the one that is open.
    fn close(&mut self, node: &Node<'a>) {
        let Some(parent) = self.open.last() else { return };
        let mut spans = node.spans(parent.cells);
        let in_reserved = parent.name == b"reserved-memory";
        let in_cpu = parent.name.starts_with(b"cpu@");
        if in_reserved {
            self.board.reserved.extend(spans.take(MAX_RESERVED - self.board.reserved.len()));
        } else if node.device_type == b"memory\0" {
            self.board.memory.extend(spans.take(MAX_RANGES - self.board.memory.len()));
        } else if node.device_type == b"cpu\0" && node.is_enabled() {
            self.close_cpu(node, spans.next());
        } else if in_cpu && node.is(b"riscv,cpu-intc") {
            // The hart itself is closed after this and takes it from here.
            let depth = self.open.len() - 1;
            self.open[depth].phandle = node.phandle;
        } else if let (Some(registers), true) = (spans.next(), node.is_enabled()) {
            self.close_device(node, registers);
        }
    }

    fn close_cpu(&mut self, node: &Node<'a>, reg: Option<Span>) {
        let Some(Span { start: id, .. }) = reg else { return };
        let all = &mut self.board.extensions;
        let block = if node.has_extension(b"zicboz") { node.zero_block_bytes } else { 0 };
        all.zero_block_bytes = all.zero_block_bytes.min(block);
        all.sstc &= node.has_extension(b"sstc");
        all.svadu &= node.has_extension(b"svadu");
        // Harts that do not fit stay stopped.
        let hart = Hart { id, plic_context: None, phandle: node.phandle };
        let _ = self.board.harts.try_push(hart);
    }

    fn close_device(&mut self, node: &Node<'a>, registers: Span) {
        let interrupt = node.interrupts.get(..4).map_or(0, tree::cells) as u32;
        let device = Device { registers, interrupt };
        let board = &mut self.board;
        if node.is(b"ns16550a") || node.is(b"ns16550") {
            board.uart.get_or_insert(device);
        } else if node.is(b"riscv,plic0") || node.is(b"sifive,plic-1.0.0") {
            let pairs = node.extended.chunks_exact(8);
            let pairs = pairs.map(|pair| (tree::cells(&pair[..4]), tree::cells(&pair[4..])));
            let pairs = pairs.map(|(handle, cause)| (handle as u32, cause as u32));
            self.contexts = pairs.take(MAX_CONTEXTS).collect();
            board.plic.get_or_insert(registers);
        } else if node.is(b"sifive,test0") || node.is(b"sifive,test1") {
            board.finisher.get_or_insert(registers);
        } else if node.is(b"google,goldfish-rtc") {
            board.rtc.get_or_insert(device);
        } else if node.is(b"virtio,mmio") {
            // Slots that do not fit are not used.
            let _ = board.virtio.try_push(device);
        }
    }

    fn finish(mut self) -> Result<Board<'a>, TreeError> {
        let board = &mut self.board;
        if board.memory.is_empty() || board.harts.is_empty() || board.timebase_hz == 0 {
            return Err(TreeError);
        }
        for hart in &mut board.harts {
            let wanted = (hart.phandle, SUPERVISOR_EXTERNAL);
            let context = self.contexts.iter().position(|context| *context == wanted);
            hart.plic_context = context.map(|index| index as u32);
        }
        if let Some(size_bytes) = self.initrd_end.checked_sub(self.initrd_start)
            && size_bytes > 0
        {
            board.initrd = Some(Span { start: self.initrd_start, size_bytes });
        }
        Ok(self.board)
    }
}

#[cfg(test)]
mod tests;
