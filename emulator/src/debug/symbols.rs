//! The symbol table of the program that runs: for the HTIF mailbox, for labels in disassembly and
//! for "nearest symbol" in diagnostics. Filled by `machine::elf`.

use std::borrow::Cow;

/// A name longer than this is cut: a hostile table could make every name the whole file.
const MAX_NAME_BYTES: usize = 4096;

/// What a symbol stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SymbolKind {
    /// A function.
    Function,
    /// Data, or a label of unknown kind.
    Other,
}

/// One row: an address and where its name starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) at: u64,
    pub(crate) len_bytes: u64,
    pub(crate) name: u32,
    pub(crate) kind: SymbolKind,
}

/// Symbols sorted by address, functions first where several share one, with their names.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    rows: Vec<Row>,
    names: Vec<u8>,
}

/// One symbol as seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// Name; what a terminal must not see is replaced.
    pub name: Cow<'a, str>,
    /// Virtual address.
    pub at: u64,
    /// Size in bytes; 0 where the table does not tell.
    pub len_bytes: u64,
    /// What it stands for.
    pub kind: SymbolKind,
}

/// The text of a name from a file, with everything replaced that is no text or would command the
/// terminal.
pub(crate) fn printable(bytes: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(bytes);
    if text.contains(char::is_control) {
        return text.replace(char::is_control, "\u{fffd}").into();
    }
    text
}

impl Symbols {
    /// Symbols whose names are zero-terminated strings within `names`.
    pub(crate) fn new(mut rows: Vec<Row>, names: Vec<u8>) -> Self {
        rows.retain(|row| names.get(row.name as usize).is_some_and(|byte| *byte != 0));
        rows.sort_by_key(|row| (row.at, row.kind));
        Self { rows, names }
    }

    fn name_bytes(&self, row: &Row) -> &[u8] {
        let bytes = &self.names[row.name as usize..];
        let bytes = &bytes[..bytes.len().min(MAX_NAME_BYTES)];
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        &bytes[..end]
    }

    fn symbol(&self, row: &Row) -> Symbol<'_> {
        let name = printable(self.name_bytes(row));
        Symbol { name, at: row.at, len_bytes: row.len_bytes, kind: row.kind }
    }

    /// The address of the symbol called `name`.
    pub fn address_of(&self, name: &str) -> Option<u64> {
        let is_named = |row: &&Row| {
            let rest = self.names[row.name as usize..].strip_prefix(name.as_bytes());
            rest.is_some_and(|rest| rest.first().is_none_or(|byte| *byte == 0))
        };
        self.rows.iter().find(is_named).map(|row| row.at)
    }

    /// First and last address of everything called `name`. What has no size of its own ends before
    /// the next address that has a symbol.
    pub fn extents_of(&self, name: &str) -> Vec<(u64, u64)> {
        let extent = |row: &Row| {
            if row.len_bytes != 0 {
                return (row.at, row.at.saturating_add(row.len_bytes - 1));
            }
            let next = self.rows.partition_point(|other| other.at <= row.at);
            (row.at, self.rows.get(next).map_or(u64::MAX, |next| next.at - 1))
        };
        let named = self.rows.iter().filter(|row| self.name_bytes(row) == name.as_bytes());
        named.map(extent).collect()
    }

    /// The symbols at exactly this address, functions first.
    pub fn at(&self, at: u64) -> impl Iterator<Item = Symbol<'_>> {
        let first = self.rows.partition_point(|row| row.at < at);
        self.rows[first..].iter().take_while(move |row| row.at == at).map(|row| self.symbol(row))
    }

    /// The last symbol at or before `at` and the distance from it, functions preferred where
    /// several share an address; none where `at` lies behind the symbol's known end.
    pub fn nearest(&self, at: u64) -> Option<(Symbol<'_>, u64)> {
        let end = self.rows.partition_point(|row| row.at <= at);
        let base = self.rows[..end].last()?.at;
        let first = self.rows[..end].partition_point(|row| row.at < base);
        let row = &self.rows[first];
        let offset = at - base;
        let inside = row.len_bytes == 0 || offset < row.len_bytes;
        inside.then(|| (self.symbol(row), offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Symbols {
        let row = |at, len_bytes, name, kind| Row { at, len_bytes, name, kind };
        let names = b"\0main\0tohost\0alias\0\xff\x1b!".to_vec();
        Symbols::new(
            vec![
                row(0x200, 0, 6, SymbolKind::Other),
                row(0x100, 0x10, 13, SymbolKind::Other),
                row(0x100, 0x10, 1, SymbolKind::Function),
                row(0x300, 0, 19, SymbolKind::Other),
                row(0x400, 0, 0, SymbolKind::Other),
                row(0x400, 0, 9999, SymbolKind::Other),
            ],
            names,
        )
    }

    #[test]
    fn nearest_symbol() {
        for (at, expect) in [
            (0xff, None),
            (0x100, Some(("main", 0))),
            (0x10f, Some(("main", 15))),
            (0x110, None),
            (0x200, Some(("tohost", 0))),
            (0x2ff, Some(("tohost", 0xff))),
            (u64::MAX, Some(("\u{fffd}\u{fffd}!", u64::MAX - 0x300))),
        ] {
            let table = table();
            let found = table.nearest(at).map(|(symbol, offset)| (symbol.name, offset));
            assert_eq!(found.as_ref().map(|(name, o)| (name.as_ref(), *o)), expect, "{at:#x}");
        }
        assert_eq!(Symbols::default().nearest(0), None);
    }

    #[test]
    fn by_name_and_by_address() {
        let table = table();
        assert_eq!(table.address_of("tohost"), Some(0x200));
        assert_eq!(table.address_of("toho"), None);
        let names: Vec<_> = table.at(0x100).map(|symbol| symbol.name.into_owned()).collect();
        assert_eq!(names, ["main", "alias"], "functions first");
        for (name, extents) in [
            ("main", vec![(0x100, 0x10f)]),
            ("tohost", vec![(0x200, 0x2ff)]),
            ("toho", vec![]),
            ("\u{fffd}", vec![]),
        ] {
            assert_eq!(table.extents_of(name), extents, "{name}");
        }
        assert_eq!(table.at(0x101).count(), 0);
        assert_eq!(table.at(0x400).count(), 0, "no name, no symbol");
    }
}
