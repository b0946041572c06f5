//! [`Tree`]: cells by page number, in a radix tree that is as high as the largest number needs.
//! Nodes come from the heap, and a heap that is exhausted is an error, not a panic.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;
use core::num::NonZeroU32;
use core::ops::RangeInclusive;

use super::super::{CellId, OutOfMemory};

/// Bits of a page number that one node decides.
const NODE_BITS: u32 = 6;
/// Entries of a node.
const NODE_ENTRIES: usize = 1 << NODE_BITS;
/// In a leaf: no cell.
const HOLE: u32 = 0;

#[derive(Debug)]
enum Node {
    Inner(Box<[Option<Node>]>),
    Leaf(Box<[u32]>),
}

/// Cells by page number.
#[derive(Debug, Default)]
pub(super) struct Tree {
    root: Option<Node>,
    /// Levels below the root.
    height: u32,
    count: u64,
}

impl Tree {
    /// The cell with this number.
    pub(super) fn get(&self, index: u64) -> Option<CellId> {
        self.leaf(index).and_then(|cells| named(cells[digit(index, 0)]))
    }

    /// Calls `visit` with the cells that there are of `count` from `first` on, upwards, and with how
    /// far each is behind the first.
    pub(super) fn each(&self, first: u64, count: usize, mut visit: impl FnMut(usize, CellId)) {
        let mut done = 0;
        while done < count {
            let index = first + done as u64;
            let start = digit(index, 0);
            let here = (NODE_ENTRIES - start).min(count - done);
            let cells = self.leaf(index).map_or(&[][..], |cells| &cells[start..start + here]);
            for (place, entry) in (done..).zip(cells) {
                if let Some(cell) = named(*entry) {
                    visit(place, cell);
                }
            }
            done += here;
        }
    }

    /// The leaf that has this number.
    fn leaf(&self, index: u64) -> Option<&[u32]> {
        if self.is_beyond(index) {
            return None;
        }
        let mut node = self.root.as_ref()?;
        let mut height = self.height;
        loop {
            match node {
                Node::Leaf(cells) => return Some(cells),
                Node::Inner(children) => node = children[digit(index, height)].as_ref()?,
            }
            height -= 1;
        }
    }

    /// Puts a cell where none is.
    pub(super) fn insert(&mut self, index: u64, cell: CellId) -> Result<(), OutOfMemory> {
        while self.is_beyond(index) {
            if let Some(root) = self.root.take() {
                match inner() {
                    Ok(mut children) => {
                        children[0] = Some(root);
                        self.root = Some(Node::Inner(children));
                    }
                    Err(error) => {
                        self.root = Some(root);
                        return Err(error);
                    }
                }
            }
            self.height += 1;
        }
        let mut place = &mut self.root;
        for height in (1..=self.height).rev() {
            if place.is_none() {
                *place = Some(Node::Inner(inner()?));
            }
            let Some(Node::Inner(children)) = place else { unreachable!("leaves are lowest") };
            place = &mut children[digit(index, height)];
        }
        if place.is_none() {
            *place = Some(Node::Leaf(filled(|| HOLE)?));
        }
        let Some(Node::Leaf(cells)) = place else { unreachable!("only leaves are lowest") };
        let old = mem::replace(&mut cells[digit(index, 0)], cell.0.get());
        assert!(old == HOLE, "page {index} is no hole");
        self.count += 1;
        Ok(())
    }

    /// Takes out all cells with these numbers, and calls `removed` with each, upwards.
    pub(super) fn remove(&mut self, which: RangeInclusive<u64>, removed: &mut dyn FnMut(CellId)) {
        let count = &mut self.count;
        let mut removed = |cell| {
            *count -= 1;
            removed(cell);
        };
        if let Some(root) = &mut self.root
            && prune(root, self.height, 0, &which, &mut removed)
        {
            (self.root, self.height) = (None, 0);
        }
    }

    /// How many cells there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Calls `visit` with each number and cell, upwards.
    pub(super) fn for_each(&self, visit: &mut dyn FnMut(u64, CellId)) {
        if let Some(root) = &self.root {
            walk(root, self.height, 0, visit);
        }
    }

    /// The first page from `first` on of which `is_it` is true.
    pub(super) fn find(&self, first: u64, is_it: &mut dyn FnMut(CellId) -> bool) -> Option<u64> {
        let root = self.root.as_ref().filter(|_| !self.is_beyond(first))?;
        find_in(root, self.height, 0, first, is_it)
    }

    /// Whether a tree of this height has no place for the number.
    fn is_beyond(&self, index: u64) -> bool {
        index.checked_shr(NODE_BITS * (self.height + 1)).unwrap_or(0) != 0
    }
}

/// What an entry of a leaf names.
fn named(entry: u32) -> Option<CellId> {
    NonZeroU32::new(entry).map(CellId)
}

/// What of a page number selects the entry of a node at this height.
fn digit(index: u64, height: u32) -> usize {
    (index >> (NODE_BITS * height)) as usize % NODE_ENTRIES
}

fn filled<T>(entry: impl FnMut() -> T) -> Result<Box<[T]>, OutOfMemory> {
    let mut entries = Vec::new();
    entries.try_reserve_exact(NODE_ENTRIES).map_err(|_| OutOfMemory)?;
    entries.resize_with(NODE_ENTRIES, entry);
    Ok(entries.into_boxed_slice())
}

fn inner() -> Result<Box<[Option<Node>]>, OutOfMemory> {
    filled(|| None)
}

/// Number of the first page below entry `entry` of the node that begins with page `base`.
fn child_base(base: u64, height: u32, entry: usize) -> u64 {
    base | (entry as u64) << (NODE_BITS * height)
}

/// Takes out what [`Tree::remove`] says; whether nothing is left in the node.
fn prune(
    node: &mut Node,
    height: u32,
    base: u64,
    which: &RangeInclusive<u64>,
    removed: &mut dyn FnMut(CellId),
) -> bool {
    let (first, last) = (*which.start(), *which.end());
    let from = if first > base { digit_within(first, base, height) } else { 0 };
    let to = digit_within(last, base, height).saturating_add(1);
    match node {
        Node::Leaf(cells) => {
            for entry in cells.iter_mut().take(to).skip(from) {
                if let Some(cell) = named(mem::replace(entry, HOLE)) {
                    removed(cell);
                }
            }
            cells.iter().all(|entry| *entry == HOLE)
        }
        Node::Inner(children) => {
            for (entry, child) in children.iter_mut().enumerate().take(to).skip(from) {
                let base = child_base(base, height, entry);
                if let Some(node) = child
                    && prune(node, height - 1, base, which, removed)
                {
                    *child = None;
                }
            }
            children.iter().all(Option::is_none)
        }
    }
}

/// The entry of a node that holds this page, which does not lie before the node.
fn digit_within(page: u64, base: u64, height: u32) -> usize {
    let entry = (page - base) >> (NODE_BITS * height);
    usize::try_from(entry).map_or(NODE_ENTRIES, |entry| entry.min(NODE_ENTRIES))
}

/// The first page of a node, which does not end before `first`, from there on, of which `is_it` is
/// true.
fn find_in(
    node: &Node,
    height: u32,
    base: u64,
    first: u64,
    is_it: &mut dyn FnMut(CellId) -> bool,
) -> Option<u64> {
    let from = if first > base { digit_within(first, base, height) } else { 0 };
    match node {
        Node::Leaf(cells) => {
            let mut behind = (base..).zip(cells).skip(from);
            let found = behind.find(|(_, entry)| named(**entry).is_some_and(&mut *is_it));
            found.map(|(index, _)| index)
        }
        Node::Inner(children) => {
            children.iter().enumerate().skip(from).find_map(|(entry, child)| {
                let base = child_base(base, height, entry);
                find_in(child.as_ref()?, height - 1, base, first, is_it)
            })
        }
    }
}

fn walk(node: &Node, height: u32, base: u64, visit: &mut dyn FnMut(u64, CellId)) {
    match node {
        Node::Leaf(cells) => {
            for (index, entry) in (base..).zip(cells) {
                if let Some(cell) = named(*entry) {
                    visit(index, cell);
                }
            }
        }
        Node::Inner(children) => {
            for (entry, child) in children.iter().enumerate() {
                if let Some(node) = child {
                    walk(node, height - 1, child_base(base, height, entry), visit);
                }
            }
        }
    }
}
