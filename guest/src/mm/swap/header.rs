//! The header of a swap area, as Linux's mkswap writes it: the area's first page.
//!
//! Source: Linux, "include/linux/swap.h", `union swap_header`; swapon(8) and mkswap(8).

use crate::PAGE_SIZE_BYTES;

/// Bytes of the header.
pub const HEADER_BYTES: usize = PAGE_SIZE_BYTES as usize;
/// Bytes of the identifier.
pub const UUID_BYTES: usize = 16;
/// Bytes of the label.
pub const LABEL_BYTES: usize = 16;

/// What the header ends with.
const MAGIC: [u8; 10] = *b"SWAPSPACE2";
const VERSION: u32 = 1;

/// Offsets of words and texts.
mod offset {
    pub(super) const VERSION: usize = 1024;
    pub(super) const LAST_PAGE: usize = 1028;
    pub(super) const BAD_PAGES: usize = 1032;
    pub(super) const UUID: usize = 1036;
    pub(super) const LABEL: usize = 1052;
    pub(super) const BAD: usize = 1536;
}

const MAGIC_AT: usize = HEADER_BYTES - MAGIC.len();
/// Most bad pages that a header can name.
const BAD_PAGES_MAX: u32 = ((MAGIC_AT - offset::BAD) / size_of::<u32>()) as u32;

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// It is none.
    NoHeader,
    /// Of a version that nobody knows, or of a machine that orders bytes the other way.
    Version(u32),
    /// It names no page, or more bad ones than it has room for.
    Malformed,
}

/// A header that was read.
#[derive(Clone, Copy)]
pub struct Header<'a> {
    bytes: &'a [u8; HEADER_BYTES],
}

fn word(bytes: &[u8; HEADER_BYTES], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

impl<'a> Header<'a> {
    /// Reads the first page of an area.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn read(bytes: &'a [u8; HEADER_BYTES]) -> Result<Self, HeaderError> {
        if bytes[MAGIC_AT..] != MAGIC {
            return Err(HeaderError::NoHeader);
        }
        let header = Self { bytes };
        let version = word(bytes, offset::VERSION);
        if version != VERSION {
            return Err(HeaderError::Version(version));
        }
        if header.last_page() == 0 || word(bytes, offset::BAD_PAGES) > BAD_PAGES_MAX {
            return Err(HeaderError::Malformed);
        }
        Ok(header)
    }

    /// Number of the last page that may be used; the header itself is page 0.
    pub fn last_page(&self) -> u32 {
        word(self.bytes, offset::LAST_PAGE)
    }

    /// Numbers of pages that cannot be used.
    pub fn bad_pages(&self) -> impl Iterator<Item = u32> + 'a {
        let bytes = self.bytes;
        let count = word(bytes, offset::BAD_PAGES) as usize;
        (0..count).map(move |index| word(bytes, offset::BAD + index * size_of::<u32>()))
    }

    /// The identifier.
    pub fn uuid(&self) -> &'a [u8] {
        &self.bytes[offset::UUID..][..UUID_BYTES]
    }

    /// The label, up to its end.
    pub fn label(&self) -> &'a [u8] {
        let label = &self.bytes[offset::LABEL..][..LABEL_BYTES];
        let end = label.iter().position(|byte| *byte == 0);
        &label[..end.unwrap_or(LABEL_BYTES)]
    }
}

impl core::fmt::Debug for Header<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let bad = self.bad_pages().count();
        f.debug_struct("Header").field("last_page", &self.last_page()).field("bad", &bad).finish()
    }
}

/// Writes the header of an area whose last page has this number. What it does not say (boot
/// sectors may be there) stays.
///
/// # Panics
/// Where there is no page behind the header.
pub fn write(bytes: &mut [u8; HEADER_BYTES], last_page: u32, uuid: [u8; UUID_BYTES], label: &[u8]) {
    assert!(last_page > 0, "an area has a page");
    bytes[offset::VERSION..offset::BAD].fill(0);
    for (at, word) in [(offset::VERSION, VERSION), (offset::LAST_PAGE, last_page)] {
        bytes[at..at + size_of::<u32>()].copy_from_slice(&word.to_le_bytes());
    }
    bytes[offset::UUID..][..UUID_BYTES].copy_from_slice(&uuid);
    let length = label.len().min(LABEL_BYTES);
    bytes[offset::LABEL..][..length].copy_from_slice(&label[..length]);
    bytes[MAGIC_AT..].copy_from_slice(&MAGIC);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(last_page: u32) -> [u8; HEADER_BYTES] {
        let mut bytes = [0x55; HEADER_BYTES];
        write(&mut bytes, last_page, [7; UUID_BYTES], b"paging");
        bytes
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = header(1023);
        let header = Header::read(&bytes).unwrap();
        assert_eq!((header.last_page(), header.label()), (1023, &b"paging"[..]));
        assert_eq!((header.uuid(), header.bad_pages().count()), (&[7; UUID_BYTES][..], 0));
        assert_eq!(bytes[..1024], [0x55; 1024], "what comes before it stays");
        let long = &mut [0; HEADER_BYTES];
        write(long, 1, [0; UUID_BYTES], &[b'x'; 40]);
        assert_eq!(Header::read(long).unwrap().label(), [b'x'; LABEL_BYTES]);
    }

    #[test]
    fn it_lies_where_linux_puts_it() {
        let bytes = header(0x0102_0304);
        assert_eq!(bytes[1024..1036], [1, 0, 0, 0, 4, 3, 2, 1, 0, 0, 0, 0]);
        assert_eq!(bytes[4086..], *b"SWAPSPACE2");
    }

    #[test]
    fn bad_pages_are_named() {
        let mut bytes = header(99);
        bytes[offset::BAD_PAGES] = 3;
        for (index, page) in [5_u32, 98, 7].into_iter().enumerate() {
            bytes[offset::BAD + 4 * index..][..4].copy_from_slice(&page.to_le_bytes());
        }
        assert!(Header::read(&bytes).unwrap().bad_pages().eq([5, 98, 7]));
    }

    #[test]
    fn what_is_no_header_is_refused() {
        type Change = fn(&mut [u8; HEADER_BYTES]);
        let cases: [(Change, HeaderError); 5] = [
            (|bytes| bytes[4095] = b'1', HeaderError::NoHeader),
            (|bytes| bytes.fill(0), HeaderError::NoHeader),
            (|bytes| bytes[1024..1028].reverse(), HeaderError::Version(1 << 24)),
            (|bytes| bytes[1028..1032].fill(0), HeaderError::Malformed),
            (
                |bytes| bytes[1032..1036].copy_from_slice(&638_u32.to_le_bytes()),
                HeaderError::Malformed,
            ),
        ];
        for (change, error) in cases {
            let mut bytes = header(99);
            change(&mut bytes);
            assert_eq!(Header::read(&bytes).err(), Some(error));
        }
        assert_eq!(BAD_PAGES_MAX, 637);
    }
}
