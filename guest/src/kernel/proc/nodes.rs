//! Building blocks of /proc: directories that are tables, texts and bytes that are functions.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use guest::errno::Errno;

use crate::fs::OpenFile;
use crate::fs::synthetic::{Bytes, Directory, Node, Text};

/// Permission bits of a directory.
pub(super) const DIRECTORY: u16 = 0o555;
/// Of a file that everybody may read.
pub(super) const READ: u16 = 0o444;
/// Of one that its owner may also write.
pub(super) const READ_WRITE: u16 = 0o644;

/// A directory with always the same names in it.
struct Table(&'static [(&'static str, fn() -> Node)]);

impl Directory for Table {
    fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| (*name).to_owned()).collect()
    }

    fn lookup(&self, name: &str) -> Option<Node> {
        self.0.iter().find(|(own, _)| *own == name).map(|(_, node)| node())
    }
}

/// A directory with always the same names in it.
pub(super) fn directory(entries: &'static [(&'static str, fn() -> Node)]) -> Node {
    Node::Directory(DIRECTORY, Arc::new(Table(entries)))
}

/// Writes a text.
pub(super) type Show = fn(&mut String) -> Result<(), Errno>;
/// Takes what was written.
pub(super) type Store = fn(&str) -> Result<(), Errno>;

struct Plain {
    show: Show,
    store: Option<Store>,
}

impl Text for Plain {
    fn show(&self, out: &mut String) -> Result<(), Errno> {
        (self.show)(out)
    }

    fn store(&self, text: &str) -> Result<(), Errno> {
        self.store.map_or(Err(Errno::EACCES), |store| store(text))
    }
}

/// A text that everybody may read.
pub(super) fn text(show: Show) -> Node {
    Node::Text(READ, Arc::new(Plain { show, store: None }))
}

/// A text that its owner may write.
pub(super) fn switch(show: Show, store: Store) -> Node {
    Node::Text(READ_WRITE, Arc::new(Plain { show, store: Some(store) }))
}

/// A text made of values that are captured.
struct Closure<F>(F);

impl<F: Fn(&mut String) -> Result<(), Errno> + Send + Sync> Text for Closure<F> {
    fn show(&self, out: &mut String) -> Result<(), Errno> {
        (self.0)(out)
    }
}

/// A text made of values that are captured.
pub(super) fn text_of(
    mode: u16,
    show: impl Fn(&mut String) -> Result<(), Errno> + Send + Sync + 'static,
) -> Node {
    Node::Text(mode, Arc::new(Closure(show)))
}

/// A text made of values that are captured, which may be written.
struct Pair<F, G>(F, G);

impl<F, G> Text for Pair<F, G>
where
    F: Fn(&mut String) -> Result<(), Errno> + Send + Sync,
    G: Fn(&str) -> Result<(), Errno> + Send + Sync,
{
    fn show(&self, out: &mut String) -> Result<(), Errno> {
        (self.0)(out)
    }

    fn store(&self, text: &str) -> Result<(), Errno> {
        (self.1)(text)
    }
}

/// A text made of values that are captured, which may be written.
pub(super) fn switch_of(
    mode: u16,
    show: impl Fn(&mut String) -> Result<(), Errno> + Send + Sync + 'static,
    store: impl Fn(&str) -> Result<(), Errno> + Send + Sync + 'static,
) -> Node {
    Node::Text(mode, Arc::new(Pair(show, store)))
}

/// All bytes at once, made anew for each read: for what is short.
struct Whole<F>(F);

impl<F: Fn() -> Result<Vec<u8>, Errno> + Send + Sync> Bytes for Whole<F> {
    fn read_at(&self, offset: u64, to: &mut [u8]) -> Result<usize, Errno> {
        let bytes = (self.0)()?;
        let from = bytes.get(offset as usize..).unwrap_or_default();
        let count = from.len().min(to.len());
        to[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }
}

/// Bytes that need not be a text; short, since all are made for each read.
pub(super) fn bytes_of(
    mode: u16,
    make: impl Fn() -> Result<Vec<u8>, Errno> + Send + Sync + 'static,
) -> Node {
    Node::Bytes(mode, Arc::new(Whole(make)))
}

/// A symbolic link.
pub(super) fn link(target: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> Node {
    Node::Link(Arc::new(target))
}

/// A link straight to an open file.
pub(super) fn open(file: impl Fn() -> Option<Arc<OpenFile>> + Send + Sync + 'static) -> Node {
    Node::Open(Arc::new(file))
}

/// A text that says so if the heap has no room for more of it.
struct Growing<'a>(&'a mut String);

impl fmt::Write for Growing<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.0.try_reserve(part.len()).map_err(|_| fmt::Error)?;
        self.0.push_str(part);
        Ok(())
    }
}

/// Appends to a text that is being made.
///
/// # Errors
/// ENOMEM: the heap has no room for it.
pub(super) fn append(out: &mut String, what: fmt::Arguments<'_>) -> Result<(), Errno> {
    fmt::Write::write_fmt(&mut Growing(out), what).map_err(|fmt::Error| Errno::ENOMEM)
}

/// Appends to a text that is being made; the heap is what limits it.
macro_rules! put {
    ($out:expr, $($arguments:tt)*) => {
        $crate::proc::nodes::append($out, format_args!($($arguments)*))
    };
}
pub(super) use put;
