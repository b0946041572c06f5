//! A disk in the host's memory, which ends with the machine: [`Scratch`]. It takes memory for what
//! has been written, no more. It is made for swapping, and carries the header of a swap area.

use std::io;

use super::check_end;
use super::overlay::{self, BLOCK_BYTES, Overlay};
use crate::device::virtio::block::Storage;

/// A disk in memory.
#[derive(Debug)]
pub struct Scratch {
    len_bytes: u64,
    written: Overlay,
}

impl Scratch {
    /// A swap area of `len_bytes` in all, ready to be switched on.
    ///
    /// # Panics
    /// Where that is not whole pages, at least two, or more than the header can count.
    pub fn swap_area(len_bytes: u64) -> Self {
        let mut disk = Self { len_bytes, written: Overlay::default() };
        disk.write_at(0, &swap_header(len_bytes)).expect("an area is larger than its header");
        disk
    }
}

impl Storage for Scratch {
    fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn read_at(&mut self, offset: u64, to: &mut [u8]) -> io::Result<()> {
        check_end(self.len_bytes, offset, to.len() as u64)?;
        to.fill(0);
        self.written.apply(offset, to);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, from: &[u8]) -> io::Result<()> {
        check_end(self.len_bytes, offset, from.len() as u64)?;
        self.written.write(offset, from, |_| Ok(overlay::empty()))
    }

    /// Whole blocks give their memory back.
    fn write_zeroes(&mut self, offset: u64, len_bytes: u64) -> io::Result<()> {
        self.discard(offset, len_bytes)?;
        let (end, block) = (offset + len_bytes, BLOCK_BYTES as u64);
        let first = end.min(offset.next_multiple_of(block));
        let last = first.max(end - end % block);
        for (from, to) in [(offset, first), (last, end)] {
            self.write_at(from, &overlay::empty()[..(to - from) as usize])?;
        }
        Ok(())
    }

    fn discard(&mut self, offset: u64, len_bytes: u64) -> io::Result<()> {
        check_end(self.len_bytes, offset, len_bytes)?;
        self.written.discard(offset, len_bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Pages in which a swap area is counted.
const PAGE_BYTES: usize = 4096;

/// The first page of a swap area of `len_bytes`. Its identifier is always the same, as all the rest
/// of a machine is.
///
/// Source: Linux, "include/linux/swap.h", `union swap_header`.
fn swap_header(len_bytes: u64) -> [u8; PAGE_BYTES] {
    const VERSION: u32 = 1;
    const UUID: [u8; 16] = *b"pagewa\x8bk\x80scratch";
    const LABEL: &[u8] = b"pagewalk";
    const MAGIC: &[u8] = b"SWAPSPACE2";
    let pages = len_bytes / PAGE_BYTES as u64;
    assert!(pages > 1 && len_bytes.is_multiple_of(PAGE_BYTES as u64), "a header and pages");
    let last_page = u32::try_from(pages - 1).expect("a page's number has 32 bits");
    let mut header = [0; PAGE_BYTES];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(1024, &VERSION.to_le_bytes());
    put(1028, &last_page.to_le_bytes());
    // No bad pages.
    put(1032, &0_u32.to_le_bytes());
    put(1036, &UUID);
    put(1052, LABEL);
    put(PAGE_BYTES - MAGIC.len(), MAGIC);
    header
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_swap_area_has_its_header() {
        let mut disk = Scratch::swap_area(64 << 20);
        assert_eq!((disk.len_bytes(), disk.is_read_only()), (64 << 20, false));
        let mut page = [1; PAGE_BYTES];
        disk.read_at(0, &mut page).unwrap();
        assert_eq!(page[1024..1036], [1, 0, 0, 0, 0xff, 0x3f, 0, 0, 0, 0, 0, 0]);
        assert_eq!(page[4086..], *b"SWAPSPACE2");
        assert_eq!(disk.written.kept(), [0], "nothing else takes memory");
    }

    #[test]
    fn nothing_lies_past_the_end() {
        let mut disk = Scratch::swap_area(8192);
        for (offset, len) in [(8192, 1), (8191, 2), (0, 8193), (u64::MAX, 1), (u64::MAX - 1, 2)] {
            let mut bytes = vec![7; len];
            assert!(disk.read_at(offset, &mut bytes).is_err(), "{offset}+{len}");
            assert_eq!(bytes, vec![7; len], "not even in part");
            assert!(disk.write_at(offset, &bytes).is_err(), "{offset}+{len}");
            assert!(disk.discard(offset, len as u64).is_err(), "{offset}+{len}");
            assert!(disk.write_zeroes(offset, len as u64).is_err(), "{offset}+{len}");
        }
        assert!(disk.write_zeroes(8192, 0).is_ok() && disk.flush().is_ok());
    }

    #[test]
    fn what_is_cleared_gives_memory_back() {
        let mut disk = Scratch::swap_area(16 * 4096);
        disk.write_at(4096, &[1; 8 * 4096]).unwrap();
        disk.discard(2 * 4096, 4096).unwrap();
        disk.write_zeroes(3 * 4096 + 512, 2 * 4096).unwrap();
        assert_eq!(disk.written.kept(), [0, 1, 3, 5, 6, 7, 8]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// It is a plain array but for its memory, whatever the edges.
        #[test]
        fn it_keeps_what_is_written(
            acts in prop::collection::vec((0..20_480_u64, 0..9000_usize, any::<u8>(), 0..3_u8), 1..30),
        ) {
            let mut disk = Scratch::swap_area(5 * 4096);
            let mut model = vec![0; 5 * 4096];
            disk.read_at(0, &mut model).unwrap();
            for (offset, len, byte, act) in acts {
                let len = len.min(model.len() - offset as usize);
                let range = offset as usize..offset as usize + len;
                match act {
                    0 => {
                        disk.write_at(offset, &vec![byte; len]).unwrap();
                        model[range].fill(byte);
                    }
                    1 => {
                        disk.write_zeroes(offset, len as u64).unwrap();
                        model[range].fill(0);
                    }
                    _ => {
                        let mut read = vec![9; len];
                        disk.read_at(offset, &mut read).unwrap();
                        prop_assert_eq!(&read, &model[range]);
                    }
                }
            }
        }
    }
}
