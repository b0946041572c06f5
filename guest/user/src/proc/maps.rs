//! `/proc/PID/maps` and `/proc/PID/smaps`: the areas of an address space and how much of each is
//! in memory.
//!
//! Source: Linux, "proc_pid_maps(5)" and "proc_pid_smaps(5)".

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::bytes::{self, Bytes};

/// Width of an address: the user half of Sv39 has 38 bits.
const ADDRESS_DIGITS: usize = 10;

/// An area.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Area<'a> {
    /// The first address.
    pub start: u64,
    /// The address behind the last one.
    pub end: u64,
    /// `rwxp`
    pub permissions: &'a [u8],
    /// What is mapped; empty: memory without a name.
    pub name: &'a [u8],
    /// Of the area, in KiB.
    pub figures: Figures,
}

/// How much of an area is where, in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// In memory.
    pub resident: u64,
    /// Of that, what others have mapped, too.
    pub shared: u64,
    /// Of that, what only this process has mapped.
    pub private: u64,
    /// On a swap device.
    pub swapped: u64,
}

/// Reads maps or smaps; of maps all figures are 0.
pub fn parse(text: &[u8]) -> Vec<Area<'_>> {
    let mut areas: Vec<Area<'_>> = Vec::new();
    for line in bytes::lines(text) {
        if let Some(area) = parse_header(line) {
            areas.push(area);
        } else if let Some(area) = areas.last_mut() {
            add_figure(&mut area.figures, line);
        }
    }
    areas
}

/// `START-END PERMISSIONS OFFSET DEVICE INODE NAME`
fn parse_header(line: &[u8]) -> Option<Area<'_>> {
    let mut rest = line;
    let mut field = || {
        let start = rest.trim_ascii_start();
        let length = start.iter().position(u8::is_ascii_whitespace).unwrap_or(start.len());
        rest = &start[length..];
        &start[..length]
    };
    let (start, end) = bytes::split_once(field(), b'-')?;
    let permissions = field();
    let (_offset, _device, inode) = (field(), field(), field());
    bytes::decimal(inode)?;
    Some(Area {
        start: bytes::number(start, 16)?,
        end: bytes::number(end, 16)?,
        permissions,
        // The rest of the line, blanks included.
        name: rest.trim_ascii(),
        figures: Figures::default(),
    })
}

fn add_figure(figures: &mut Figures, line: &[u8]) {
    let mut fields = bytes::fields(line);
    let Some(name) = fields.next() else { return };
    let target = match name {
        b"Rss:" => &mut figures.resident,
        b"Shared_Clean:" | b"Shared_Dirty:" => &mut figures.shared,
        b"Private_Clean:" | b"Private_Dirty:" => &mut figures.private,
        b"Swap:" => &mut figures.swapped,
        _ => return,
    };
    *target += fields.next().and_then(bytes::decimal).unwrap_or(0);
}

/// The table of `maps`: a line an area, and their sums.
pub fn table(areas: &[Area<'_>]) -> String {
    let range_columns = 2 * ADDRESS_DIGITS + 1;
    let mut text = format!(
        "{:range_columns$} {:4} {:>8} {:>8} {:>8} {:>8} {:>8}  {}\n",
        "ADDRESSES", "MODE", "SIZE", "RSS", "SHARED", "PRIVATE", "SWAP", "MAPPING"
    );
    let mut total = Figures::default();
    let mut total_size = 0;
    for Area { start, end, permissions, name, figures } in areas {
        let size = end.saturating_sub(*start) >> 10;
        let range = format!("{start:0ADDRESS_DIGITS$x}-{end:0ADDRESS_DIGITS$x}");
        let name = if name.is_empty() { b"[anon]" } else { *name };
        text += &row(&range, permissions, size, figures);
        text += &format!("  {}\n", Bytes(name));
        total_size += size;
        total.resident += figures.resident;
        total.shared += figures.shared;
        total.private += figures.private;
        total.swapped += figures.swapped;
    }
    text += &row("total KiB", b"", total_size, &total);
    text.push('\n');
    text
}

fn row(range: &str, permissions: &[u8], size: u64, figures: &Figures) -> String {
    let range_columns = 2 * ADDRESS_DIGITS + 1;
    let Figures { resident, shared, private, swapped } = figures;
    format!(
        "{range:range_columns$} {:4} {size:8} {resident:8} {shared:8} {private:8} {swapped:8}",
        Bytes(permissions)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &[u8] = b"\
00010000-00014000 r-xp 00000000 00:02 17 /bin/a b
Size:                 16 kB
Rss:                  12 kB
Shared_Clean:          8 kB
Shared_Dirty:          0 kB
Private_Clean:         4 kB
Private_Dirty:         0 kB
Swap:                  0 kB
VmFlags: rd ex
3ffffff000-4000000000 rw-p 00000000 00:00 0
Rss: 4 kB
Private_Dirty: 4 kB
Swap: 8 kB
";

    #[test]
    fn areas_are_read() {
        let areas = parse(SMAPS);
        assert_eq!(areas.len(), 2);
        assert_eq!((areas[0].start, areas[0].end), (0x10000, 0x14000));
        assert_eq!((areas[0].permissions, areas[0].name), (&b"r-xp"[..], &b"/bin/a b"[..]));
        let figures = Figures { resident: 12, shared: 8, private: 4, swapped: 0 };
        assert_eq!(areas[0].figures, figures);
        assert_eq!(areas[1].figures, Figures { resident: 4, shared: 0, private: 4, swapped: 8 });
    }

    #[test]
    fn areas_are_shown_with_their_sums() {
        let want = "\
ADDRESSES             MODE     SIZE      RSS   SHARED  PRIVATE     SWAP  MAPPING
0000010000-0000014000 r-xp       16       12        8        4        0  /bin/a b
3ffffff000-4000000000 rw-p        4        4        0        4        8  [anon]
total KiB                        20       16        8        8        8
";
        assert_eq!(table(&parse(SMAPS)), want);
    }
}
