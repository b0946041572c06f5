//! The flattened form of a device tree, which kernels take: [`DeviceTree::to_blob`] writes it,
//! [`DeviceTree::parse`] reads it. A blob may come from anybody: every offset is checked, names
//! and depth are bounded, and nothing is allocated beyond a small multiple of the blob's size.
//!
//! Source: Devicetree Specification, "Flattened Devicetree (DTB) Format".

use vm_fdt::{FdtReserveEntry, FdtWriter};

use super::{DeviceTree, Node, Property, Reservation};
use crate::addr::PhysAddr;

/// A larger blob is refused: Linux maps no more than this for it.
pub const MAX_BLOB_BYTES: u64 = 2 << 20;

/// Nodes may lie within each other as deep as this, the root counted.
const MAX_DEPTH: usize = 64;
/// A longer name is refused: a hostile blob could give all properties the same long name.
const MAX_NAME_BYTES: usize = 255;

const MAGIC: [u8; 4] = [0xd0, 0x0d, 0xfe, 0xed];
const HEADER_BYTES: usize = 40;
/// The version of the format, which is also compatible with readers of 16.
const VERSION: u32 = 17;

/// Words of the header, by their number.
const TOTAL_SIZE: usize = 1;
const STRUCTURE_AT: usize = 2;
const STRINGS_AT: usize = 3;
const RESERVATIONS_AT: usize = 4;
const WRITERS_VERSION: usize = 5;
const COMPATIBLE_VERSION: usize = 6;
const BOOT_HART: usize = 7;
const STRINGS_BYTES: usize = 8;
const STRUCTURE_BYTES: usize = 9;

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;

/// A device tree blob cannot be used, or a tree cannot be written as one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// No magic.
    #[error("not a device tree blob: it starts with {found}, expected d0 0d fe ed")]
    NoMagic {
        /// The first bytes in hexadecimal.
        found: String,
    },
    /// More bytes than [`MAX_BLOB_BYTES`].
    #[error("the device tree has {0} bytes, at most {MAX_BLOB_BYTES} are possible")]
    TooLarge(u64),
    /// A format that is not read here.
    #[error("the blob has version {version}, compatible with {compatible}; expected 17")]
    Version {
        /// What its writer wrote.
        version: u32,
        /// The oldest reader that can read it.
        compatible: u32,
    },
    /// Something lies behind the end of what holds it.
    #[error("truncated: {what} ends at byte {end}, but there are only {len_bytes}")]
    Truncated {
        /// What was to be read.
        what: &'static str,
        /// Where it would have ended.
        end: u64,
        /// The bytes that there are.
        len_bytes: usize,
    },
    /// The structure says something that cannot be.
    #[error("malformed at byte {at} of the structure: {what}")]
    Malformed {
        /// Where in the structure block.
        at: usize,
        /// What is wrong.
        what: String,
    },
    /// The writer refuses.
    #[error("a node or a reservation of the device tree cannot be written: {0}")]
    Unwritable(vm_fdt::Error),
}

impl From<vm_fdt::Error> for TreeError {
    fn from(error: vm_fdt::Error) -> Self {
        Self::Unwritable(error)
    }
}

impl DeviceTree {
    /// The tree in its flattened form.
    ///
    /// # Errors
    /// [`TreeError::Unwritable`] where a name is none by the specification or reservations
    /// overlap; neither happens to a tree of [`describe`](super::describe). [`TreeError::TooLarge`]
    /// where a value is too long.
    pub fn to_blob(&self) -> Result<Vec<u8>, TreeError> {
        let reservations = self.reservations.iter();
        let reservations = reservations.map(|r| FdtReserveEntry::new(r.at.0, r.len_bytes));
        let reservations = reservations.collect::<Result<Vec<_>, _>>()?;
        let mut writer = FdtWriter::new_with_mem_reserv(&reservations)?;
        writer.set_boot_cpuid_phys(self.boot_hart);
        write_node(&self.root, &mut writer)?;
        let blob = writer.finish()?;
        let len_bytes = blob.len() as u64;
        if len_bytes <= MAX_BLOB_BYTES { Ok(blob) } else { Err(TreeError::TooLarge(len_bytes)) }
    }

    /// Reads a tree in its flattened form.
    ///
    /// # Errors
    /// [`TreeError`] tells what is wrong with it.
    pub fn parse(blob: &[u8]) -> Result<Self, TreeError> {
        let start = &blob[..blob.len().min(MAGIC.len())];
        if start != MAGIC {
            let found: Vec<_> = start.iter().map(|byte| format!("{byte:02x}")).collect();
            let nothing = found.is_empty();
            let found = if nothing { "nothing".to_owned() } else { found.join(" ") };
            return Err(TreeError::NoMagic { found });
        }
        let header = range(blob, "the header", 0, HEADER_BYTES as u32)?;
        let word = |number: usize| be32(&header[4 * number..]);
        let total = word(TOTAL_SIZE);
        if u64::from(total) > MAX_BLOB_BYTES {
            return Err(TreeError::TooLarge(total.into()));
        }
        let (version, compatible) = (word(WRITERS_VERSION), word(COMPATIBLE_VERSION));
        if version < VERSION || compatible > VERSION {
            return Err(TreeError::Version { version, compatible });
        }
        let blob = range(blob, "the blob", 0, total)?;
        let structure = range(blob, "the structure", word(STRUCTURE_AT), word(STRUCTURE_BYTES))?;
        let strings = range(blob, "the block of names", word(STRINGS_AT), word(STRINGS_BYTES))?;
        Ok(Self {
            reservations: reservations(blob, word(RESERVATIONS_AT))?,
            boot_hart: word(BOOT_HART),
            root: Reader { structure, strings, at: 0 }.tree()?,
        })
    }
}

fn write_node(node: &Node, writer: &mut FdtWriter) -> Result<(), vm_fdt::Error> {
    let open = writer.begin_node(&node.name)?;
    for Property { name, value } in &node.properties {
        writer.property(name, value)?;
    }
    node.children.iter().try_for_each(|child| write_node(child, writer))?;
    writer.end_node(open)
}

/// The big-endian word at the start of `bytes`, which holds one.
fn be32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(*bytes.first_chunk().expect("the caller has checked the length"))
}

fn be64(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(*bytes.first_chunk().expect("the caller has checked the length"))
}

/// The `len` bytes at `at`, if there are so many.
fn range<'a>(
    bytes: &'a [u8],
    what: &'static str,
    at: u32,
    len: u32,
) -> Result<&'a [u8], TreeError> {
    let end = u64::from(at) + u64::from(len);
    let found = usize::try_from(end).ok().and_then(|end| bytes.get(at as usize..end));
    found.ok_or(TreeError::Truncated { what, end, len_bytes: bytes.len() })
}

/// The list at `at`, which ends with an entry of zeroes.
fn reservations(blob: &[u8], mut at: u32) -> Result<Vec<Reservation>, TreeError> {
    let mut found = Vec::new();
    loop {
        let entry = range(blob, "the list of reservations", at, 16)?;
        let (first, len_bytes) = (be64(entry), be64(&entry[8..]));
        if (first, len_bytes) == (0, 0) {
            return Ok(found);
        }
        found.push(Reservation { at: PhysAddr(first), len_bytes });
        at = at.saturating_add(16);
    }
}

/// The structure block, read token by token.
struct Reader<'a> {
    structure: &'a [u8],
    strings: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn tree(mut self) -> Result<Node, TreeError> {
        // Nodes that have begun and not ended, from the root.
        let mut open: Vec<Node> = Vec::new();
        loop {
            let at = self.at;
            let malformed = |what: &str| TreeError::Malformed { at, what: what.to_owned() };
            match self.word()? {
                BEGIN_NODE if open.len() == MAX_DEPTH => {
                    return Err(malformed(&format!("more than {MAX_DEPTH} nodes in each other")));
                }
                BEGIN_NODE => open.push(Node { name: self.node_name()?, ..Node::default() }),
                END_NODE => {
                    let node = open.pop().ok_or_else(|| malformed("the end of no node"))?;
                    match open.last_mut() {
                        Some(parent) => parent.children.push(node),
                        None => return self.end(node),
                    }
                }
                PROPERTY => {
                    let property = self.property()?;
                    let node = open.last_mut();
                    let node = node.ok_or_else(|| malformed("a property outside any node"))?;
                    node.properties.push(property);
                }
                NOP => {}
                END => return Err(malformed("the end comes before that of the root")),
                other => return Err(malformed(&format!("{other:#x} is no token"))),
            }
        }
    }

    /// What follows the root: nothing.
    fn end(mut self, root: Node) -> Result<Node, TreeError> {
        loop {
            let at = self.at;
            match self.word()? {
                NOP => {}
                END => return Ok(root),
                other => {
                    let what = format!("{other:#x} follows the root, expected the end");
                    return Err(TreeError::Malformed { at, what });
                }
            }
        }
    }

    /// The next `len` bytes, and what fills them up to a multiple of four.
    fn take(&mut self, what: &'static str, len: usize) -> Result<&'a [u8], TreeError> {
        let end = self.at.saturating_add(len);
        let taken = self.structure.get(self.at..end);
        let len_bytes = self.structure.len();
        let taken = taken.ok_or(TreeError::Truncated { what, end: end as u64, len_bytes })?;
        self.at = end.next_multiple_of(4);
        Ok(taken)
    }

    fn word(&mut self) -> Result<u32, TreeError> {
        self.take("a token", 4).map(be32)
    }

    fn node_name(&mut self) -> Result<String, TreeError> {
        let rest = self.structure.get(self.at..).unwrap_or_default();
        let name = self.name(rest)?;
        self.take("the name of a node", name.len() + 1)?;
        Ok(name)
    }

    fn property(&mut self) -> Result<Property, TreeError> {
        let (len, name_at) = (self.word()?, self.word()?);
        let name = self.name(self.strings.get(name_at as usize..).unwrap_or_default())?;
        let value = self.take("the value of a property", len as usize)?.to_vec();
        Ok(Property { name, value })
    }

    /// The string that `bytes` begin with, up to a zero byte.
    fn name(&self, bytes: &[u8]) -> Result<String, TreeError> {
        let bytes = &bytes[..bytes.len().min(MAX_NAME_BYTES + 1)];
        let end = bytes.iter().position(|byte| *byte == 0);
        let name = end.and_then(|end| std::str::from_utf8(&bytes[..end]).ok());
        let what = || format!("a name that is no text of up to {MAX_NAME_BYTES} bytes");
        let name = name.ok_or_else(|| TreeError::Malformed { at: self.at, what: what() })?;
        Ok(name.to_owned())
    }
}
