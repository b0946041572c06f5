//! The Linux `Image`: a flat binary whose first 64 bytes, a header, say where it goes and how much
//! memory it takes.
//!
//! Source: Linux kernel documentation, "Boot image header in RISC-V Linux" and "RISC-V Kernel Boot
//! Requirements and Constraints".

use std::sync::Arc;

use super::error::PayloadError;

/// Kernels begin at multiples of this: the smallest megapage.
pub(super) const ALIGN_BYTES: u64 = 2 << 20;

const HEADER_BYTES: usize = 64;
const TEXT_OFFSET: usize = 8;
const IMAGE_SIZE: usize = 16;
const FLAGS: usize = 24;
const BIG_ENDIAN: u64 = 1;

/// Both magics, with their place; a kernel has at least one. The first is deprecated.
const MAGICS: [(usize, &[u8]); 2] = [(48, b"RISCV\0\0\0"), (56, b"RSC\x05")];

/// How kernels for other machines show themselves.
const FOREIGN: [(usize, &[u8], &str); 4] = [
    (56, b"ARMd", "arm64"),
    (36, b"\x18\x28\x6f\x01", "arm"),
    (514, b"HdrS", "x86"),
    (56, b"\xcd\x23\x82\x81", "loongarch"),
];

/// An Image, uncompressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Image {
    /// The file.
    pub(super) bytes: Arc<Vec<u8>>,
    /// Where it wants to be, counted in bytes from the start of RAM.
    pub(super) text_offset: u64,
    /// Memory that it takes, what follows the file included.
    pub(super) len_bytes: u64,
}

/// Whether a file that starts with these bytes is an Image, sound or not.
pub(super) fn is_image(start: &[u8]) -> bool {
    MAGICS.iter().any(|(at, magic)| is(start, *at, magic))
}

/// The other machine that a kernel is for.
pub(super) fn foreign(start: &[u8]) -> Option<&'static str> {
    FOREIGN.iter().find(|(at, magic, _)| is(start, *at, magic)).map(|(.., name)| *name)
}

fn is(start: &[u8], at: usize, magic: &[u8]) -> bool {
    start.get(at..at + magic.len()) == Some(magic)
}

impl Image {
    /// Reads the header of a file of which [`is_image`] holds.
    pub(super) fn parse(bytes: Arc<Vec<u8>>) -> Result<Self, PayloadError> {
        let (end, len_bytes) = (HEADER_BYTES as u64, bytes.len());
        if len_bytes < HEADER_BYTES {
            return Err(PayloadError::Truncated { what: "the header", end, len_bytes });
        }
        let word = |at: usize| {
            let word = bytes[at..].first_chunk().expect("the header is there");
            u64::from_le_bytes(*word)
        };
        let wrong = |field, value: u64, expected| {
            Err(PayloadError::ImageHeader { field, found: format!("{value:#x}"), expected })
        };
        let (text_offset, image_size, flags) = (word(TEXT_OFFSET), word(IMAGE_SIZE), word(FLAGS));
        if flags & BIG_ENDIAN != 0 {
            return wrong("flags", flags, "bit 0 clear: this machine is little-endian");
        }
        if !text_offset.is_multiple_of(ALIGN_BYTES) {
            return wrong("text_offset", text_offset, "a multiple of 2 MiB");
        }
        // The size may have been left out; the file is there in any case.
        let len_bytes = image_size.max(bytes.len() as u64);
        Ok(Self { bytes, text_offset, len_bytes })
    }
}
