//! Device trees: what a kernel is told of the machine. [`DeviceTree`] is the tree as values;
//! `virt.rs` describes this machine by one, `blob.rs` reads and writes the flattened form that
//! kernels take, `source.rs` prints the form that people read. Placed in RAM by
//! [`boot`](super::boot).

mod blob;
mod source;
mod virt;

#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::addr::PhysAddr;
pub use blob::{MAX_BLOB_BYTES, TreeError};
pub use virt::describe;

/// The node through which a boot loader speaks to the kernel.
///
/// Source: Devicetree Specification, "/chosen Node".
const CHOSEN: &str = "chosen";

/// A property of a node: a name and bytes, whose meaning the name tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Name.
    pub name: String,
    /// Value; numbers in it are big-endian cells of four bytes.
    pub value: Vec<u8>,
}

/// A node: properties, then the nodes below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Name, with the unit address behind `@`; empty for the root.
    pub name: String,
    /// Properties.
    pub properties: Vec<Property>,
    /// Nodes below.
    pub children: Vec<Node>,
}

/// Memory that the kernel is to leave alone: address and size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// First byte.
    pub at: PhysAddr,
    /// Size in bytes.
    pub len_bytes: u64,
}

/// A whole tree. Its [`Display`](std::fmt::Display) is its source text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceTree {
    /// Memory reservations.
    pub reservations: Vec<Reservation>,
    /// Id of the hart that boots.
    pub boot_hart: u32,
    /// The root.
    pub root: Node,
}

/// What a boot loader tells the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// The kernel's command line.
    pub bootargs: Option<String>,
    /// The initial RAM disk: its first byte and the one behind its last.
    pub initrd: Option<Range<PhysAddr>>,
}

impl Node {
    /// A node without anything in it.
    fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// A node named after its device and the address of its registers, which it has `len_bytes`
    /// of.
    fn device(kind: &str, at: PhysAddr, len_bytes: u64) -> Self {
        Self::new(format!("{kind}@{:x}", at.0)).doubles("reg", &[at.0, len_bytes])
    }

    /// Sets a property; one of this name that is there already is replaced.
    pub fn set(&mut self, name: &str, value: Vec<u8>) {
        match self.properties.iter_mut().find(|property| property.name == name) {
            Some(property) => property.value = value,
            None => self.properties.push(Property { name: name.to_owned(), value }),
        }
    }

    /// The value of a property.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let property = self.properties.iter().find(|property| property.name == name)?;
        Some(&property.value)
    }

    /// The child of this name.
    pub fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name == name)
    }

    fn bytes(mut self, name: &str, value: Vec<u8>) -> Self {
        self.set(name, value);
        self
    }

    /// A property that says all by being there.
    fn flag(self, name: &str) -> Self {
        self.bytes(name, Vec::new())
    }

    fn cells(self, name: &str, cells: &[u32]) -> Self {
        self.bytes(name, cells.iter().flat_map(|cell| cell.to_be_bytes()).collect())
    }

    fn doubles(self, name: &str, doubles: &[u64]) -> Self {
        self.bytes(name, doubles.iter().flat_map(|double| double.to_be_bytes()).collect())
    }

    fn texts(self, name: &str, texts: &[&str]) -> Self {
        self.bytes(name, texts.iter().flat_map(|text| terminated(text)).collect())
    }

    fn with(mut self, child: Node) -> Self {
        self.children.push(child);
        self
    }
}

/// A string as a property holds it: a zero byte ends it.
fn terminated(text: &str) -> Vec<u8> {
    text.bytes().chain([0]).collect()
}

impl DeviceTree {
    /// The node at this path from the root, whose parts `/` separates.
    pub fn node(&self, path: &str) -> Option<&Node> {
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        parts.try_fold(&self.root, |node, name| node.child(name))
    }

    /// Tells the kernel what `chosen` says; what it leaves open stays as it is.
    pub fn choose(&mut self, chosen: &Chosen) {
        let children = &mut self.root.children;
        let at = children.iter().position(|child| child.name == CHOSEN).unwrap_or_else(|| {
            children.push(Node::new(CHOSEN));
            children.len() - 1
        });
        let node = &mut children[at];
        if let Some(bootargs) = &chosen.bootargs {
            node.set("bootargs", terminated(bootargs));
        }
        if let Some(Range { start, end }) = &chosen.initrd {
            node.set("linux,initrd-start", start.0.to_be_bytes().to_vec());
            node.set("linux,initrd-end", end.0.to_be_bytes().to_vec());
        }
    }
}
