//! Reader of flattened device trees: [`Tokens`], one after the other as they lie in memory. It
//! knows the format; what nodes mean is known to `mod.rs`.

use super::Span;
use super::TreeError;

/// First word of a tree.
///
/// Source: Devicetree Specification, "Flattened Devicetree (DTB) Format".
const MAGIC: u32 = 0xd00d_feed;
const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;
/// Size of the header.
pub(super) const HEADER_BYTES: usize = 40;

/// One token of the structure block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A node with this name begins.
    Begin(&'a [u8]),
    /// The node that began last ends.
    End,
    /// A property of the node that began last: name and value.
    Property(&'a [u8], &'a [u8]),
}

/// A tree whose header is right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tree<'a> {
    blob: &'a [u8],
    structures: usize,
    strings: usize,
    reservations: usize,
}

impl<'a> Tree<'a> {
    /// Checks the header of a tree that lies at the start of `blob`.
    pub(super) fn new(blob: &'a [u8]) -> Result<Self, TreeError> {
        let size_bytes = total_size_bytes(blob).ok_or(TreeError)?;
        let blob = blob.get(..size_bytes).ok_or(TreeError)?;
        let field = |offset| word(blob, offset).map(|value| value as usize).ok_or(TreeError);
        Ok(Self { blob, structures: field(8)?, strings: field(12)?, reservations: field(16)? })
    }

    /// Its memory reservation block.
    pub(super) fn reservations(self) -> impl Iterator<Item = Span> {
        let entries = self.blob.get(self.reservations..).unwrap_or_default().chunks_exact(16);
        let spans = entries.map(|entry| {
            let half = |at: usize| cells(&entry[at..at + 8]);
            Span { start: half(0), size_bytes: half(8) }
        });
        spans.take_while(|span| span.start != 0 || span.size_bytes != 0)
    }

    /// Its nodes and properties.
    pub(super) fn tokens(self) -> Tokens<'a> {
        Tokens { tree: self, at: self.structures }
    }

    fn string(self, offset: u32) -> Option<&'a [u8]> {
        terminated(self.blob.get(self.strings.checked_add(offset as usize)?..)?)
    }
}

/// Size of the tree that begins with `header`; `None` where none does.
pub(super) fn total_size_bytes(header: &[u8]) -> Option<usize> {
    (word(header, 0)? == MAGIC).then_some(word(header, 4)? as usize)
}

/// Tokens in their order; ends at the first one that is not right.
#[derive(Clone, Debug)]
pub(super) struct Tokens<'a> {
    tree: Tree<'a>,
    at: usize,
}

impl<'a> Tokens<'a> {
    fn take(&mut self) -> Option<u32> {
        let value = word(self.tree.blob, self.at)?;
        self.at += 4;
        Some(value)
    }

    fn advance(&mut self, length_bytes: usize) -> Option<()> {
        self.at = self.at.checked_add(length_bytes)?.checked_next_multiple_of(4)?;
        Some(())
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            match self.take()? {
                NOP => {}
                END_NODE => return Some(Token::End),
                BEGIN_NODE => {
                    let name = terminated(self.tree.blob.get(self.at..)?)?;
                    self.advance(name.len() + 1)?;
                    return Some(Token::Begin(name));
                }
                PROPERTY => {
                    let (length, name) = (self.take()? as usize, self.take()?);
                    let value = self.tree.blob.get(self.at..self.at.checked_add(length)?)?;
                    self.advance(length)?;
                    return Some(Token::Property(self.tree.string(name)?, value));
                }
                END => return None,
                _ => return None,
            }
        }
    }
}

/// Value of a big-endian number that fills `bytes`; only its last eight count.
pub(super) fn cells(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// The strings of a list, each of which ends in 0.
pub(super) fn strings(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == 0).filter(|string| !string.is_empty())
}

fn word(blob: &[u8], offset: usize) -> Option<u32> {
    let bytes = blob.get(offset..offset.checked_add(4)?)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

fn terminated(bytes: &[u8]) -> Option<&[u8]> {
    bytes.iter().position(|byte| *byte == 0).map(|end| &bytes[..end])
}
