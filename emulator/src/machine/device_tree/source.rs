//! A device tree as source text, which people read and `dtc` compiles. What a value is, numbers or
//! text, the flattened form does not tell: it is guessed as `dtc` guesses it.
//!
//! Source: Devicetree Specification, "Devicetree Source (DTS) Format (version 1)".

use std::fmt::{self, Display, Formatter, Write};

use super::{DeviceTree, Node, Property, Reservation};
use crate::debug::symbols::printable;

impl Display for DeviceTree {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "/dts-v1/;\n")?;
        for Reservation { at, len_bytes } in &self.reservations {
            writeln!(f, "/memreserve/ {:#x} {len_bytes:#x};", at.0)?;
        }
        if !self.reservations.is_empty() {
            writeln!(f)?;
        }
        node(f, &self.root, 0)
    }
}

fn node(f: &mut Formatter<'_>, node_: &Node, depth: usize) -> fmt::Result {
    let indent = "\t".repeat(depth);
    let name = if depth == 0 { "/".into() } else { printable(node_.name.as_bytes()) };
    writeln!(f, "{indent}{name} {{")?;
    for property in &node_.properties {
        write!(f, "{indent}\t{}", printable(property.name.as_bytes()))?;
        value(f, property)?;
        writeln!(f, ";")?;
    }
    for (index, child) in node_.children.iter().enumerate() {
        if index > 0 || !node_.properties.is_empty() {
            writeln!(f)?;
        }
        node(f, child, depth + 1)?;
    }
    writeln!(f, "{indent}}};")
}

fn value(f: &mut Formatter<'_>, property: &Property) -> fmt::Result {
    let value = &property.value[..];
    if value.is_empty() {
        return Ok(());
    }
    f.write_str(" = ")?;
    if let Some(texts) = texts(value) {
        for (index, text) in texts.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{}", Quoted(text))?;
        }
        return Ok(());
    }
    let (cells, rest) = value.as_chunks::<4>();
    if rest.is_empty() {
        let cells = cells.iter().map(|cell| format!("{:#x}", u32::from_be_bytes(*cell)));
        return list(f, '<', cells, '>');
    }
    list(f, '[', value.iter().map(|byte| format!("{byte:02x}")), ']')
}

fn list(
    f: &mut Formatter<'_>,
    open: char,
    items: impl Iterator<Item = String>,
    close: char,
) -> fmt::Result {
    f.write_char(open)?;
    for (index, item) in items.enumerate() {
        let blank = if index > 0 { " " } else { "" };
        write!(f, "{blank}{item}")?;
    }
    f.write_char(close)
}

/// The strings of a value that consists of such: each has a character, all can be printed, and
/// each ends with a zero byte.
fn texts(value: &[u8]) -> Option<Vec<&str>> {
    let texts = std::str::from_utf8(value.strip_suffix(&[0])?).ok()?;
    let texts: Vec<_> = texts.split('\0').collect();
    let is_text = |text: &&str| !text.is_empty() && text.bytes().all(|b| matches!(b, b' '..=b'~'));
    texts.iter().all(is_text).then_some(texts)
}

struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            if matches!(c, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(c)?;
        }
        f.write_char('"')
    }
}
