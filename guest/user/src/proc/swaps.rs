//! `/proc/swaps`: the swap areas that are on.
//!
//! Source: Linux, "proc_swaps(5)"; util-linux, "swapon(8)".

use alloc::vec::Vec;

use crate::bytes;

/// A swap area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area<'a> {
    /// The disk.
    pub path: &'a [u8],
    /// In KiB.
    pub size: u64,
    /// In KiB.
    pub used: u64,
}

/// The areas, in order.
pub fn parse(text: &[u8]) -> Vec<Area<'_>> {
    let areas = bytes::lines(text).skip(1).filter_map(|line| {
        let mut fields = bytes::fields(line);
        let path = fields.next()?;
        let mut numbers = fields.skip(1).map(bytes::decimal);
        Some(Area { path, size: numbers.next()??, used: numbers.next()?? })
    });
    areas.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_read() {
        let text = b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n\
            /dev/vda                                partition\t65532\t\t128\t\t-2\n\
            /dev/vdb                                partition\t1020\t\t0\t\t5\n";
        let areas = parse(text);
        assert_eq!(areas[0], Area { path: b"/dev/vda", size: 65532, used: 128 });
        assert_eq!(areas[1], Area { path: b"/dev/vdb", size: 1020, used: 0 });
        assert_eq!(areas.len(), 2);
        assert_eq!(parse(b"Filename Type Size Used Priority\n"), []);
    }
}
