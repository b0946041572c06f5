//! Compressed kernels: the formats in which Linux is built, told apart by how they begin, and the
//! EFI zboot image, a small program around one of them. What comes out is bounded: a hostile file
//! may promise anything.

use std::io::{self, Read};
use std::sync::Arc;

use super::error::PayloadError;

/// Memory that a decoder may take to look back: `xz` and `zstd` at their strongest use as much.
const MAX_WINDOW_BYTES: u64 = 128 << 20;
/// The same for decoders that count in KiB all that they need, the window and their tables.
const MAX_DECODER_KIB: u32 = (MAX_WINDOW_BYTES >> 10) as u32 + 1024;

/// A kernel may be compressed, and again, but not for ever: zboot around a compressed Image is two.
const MAX_LAYERS: usize = 2;

/// What a zboot image begins with, and where.
///
/// Source: the Linux kernel, `drivers/firmware/efi/libstub/zboot-header.S`.
const ZBOOT_MAGICS: [(usize, &[u8]); 2] = [(0, b"MZ"), (4, b"zimg")];
const ZBOOT_PAYLOAD_AT: usize = 8;
const ZBOOT_PAYLOAD_BYTES: usize = 12;
const ZBOOT_HEADER_BYTES: usize = 64;

type Decoder<'a> = Box<dyn Read + 'a>;

struct Format {
    name: &'static str,
    magic: &'static [u8],
    open: for<'a> fn(&'a [u8]) -> io::Result<Decoder<'a>>,
}

/// All formats. What follows the compressed data is ignored: the kernel's build appends its size.
const FORMATS: [Format; 7] = [
    Format {
        name: "gzip",
        magic: b"\x1f\x8b",
        open: |data| Ok(Box::new(flate2::read::GzDecoder::new(data))),
    },
    Format {
        name: "xz",
        magic: b"\xfd7zXZ\0",
        open: |data| {
            Ok(Box::new(lzma_rust2::XzReader::new_mem_limit(data, false, MAX_DECODER_KIB)))
        },
    },
    Format {
        name: "zstd",
        magic: b"\x28\xb5\x2f\xfd",
        open: |data| {
            let decoder = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(
                data,
                MAX_WINDOW_BYTES,
            );
            Ok(Box::new(decoder.map_err(io::Error::other)?))
        },
    },
    Format {
        name: "bzip2",
        magic: b"BZh",
        open: |data| Ok(Box::new(bzip2::read::BzDecoder::new(data))),
    },
    Format {
        name: "lz4",
        magic: b"\x04\x22\x4d\x18",
        open: |data| Ok(Box::new(lz4_flex::frame::FrameDecoder::new(data))),
    },
    Format {
        name: "lz4",
        magic: b"\x02\x21\x4c\x18",
        open: |data| Ok(Box::new(lz4_flex::frame::FrameDecoder::new(data))),
    },
    // No magic, but the properties that everybody uses and the low half of a large window.
    Format {
        name: "lzma",
        magic: b"\x5d\0\0",
        open: |data| {
            let reader = lzma_rust2::LzmaReader::new_mem_limit(data, MAX_DECODER_KIB, None)?;
            Ok(Box::new(reader))
        },
    },
];

/// What is in the file, at most `limit_bytes` of it; the file itself where it is not compressed.
pub(super) fn unpack(file: Arc<Vec<u8>>, limit_bytes: u64) -> Result<Arc<Vec<u8>>, PayloadError> {
    let mut content = file;
    for _ in 0..MAX_LAYERS {
        let Some(inner) = unpack_once(&content, limit_bytes)? else { return Ok(content) };
        content = Arc::new(inner);
    }
    match unpack_once(&content, limit_bytes)? {
        Some(_) => Err(PayloadError::TooManyLayers(MAX_LAYERS)),
        None => Ok(content),
    }
}

fn unpack_once(file: &[u8], limit_bytes: u64) -> Result<Option<Vec<u8>>, PayloadError> {
    let data = zboot_payload(file)?;
    let Some(format) = FORMATS.iter().find(|f| data.unwrap_or(file).starts_with(f.magic)) else {
        // A zboot image may hold its payload as it is.
        return Ok(data.map(<[u8]>::to_vec));
    };
    let (format, data) = (format, data.unwrap_or(file));
    let damaged = |source| PayloadError::Damaged { format: format.name, source };
    let mut content = Vec::new();
    // A byte more tells what just fits from what does not.
    let decoder = (format.open)(data).map_err(damaged)?;
    decoder.take(limit_bytes + 1).read_to_end(&mut content).map_err(damaged)?;
    if content.is_empty() {
        // To lz4's decoder a file that ends between two blocks is complete.
        return Err(damaged(io::ErrorKind::UnexpectedEof.into()));
    }
    if content.len() as u64 > limit_bytes {
        return Err(PayloadError::Bomb { format: format.name, limit_bytes });
    }
    Ok(Some(content))
}

/// The compressed kernel within an EFI zboot image.
fn zboot_payload(file: &[u8]) -> Result<Option<&[u8]>, PayloadError> {
    let is = |(at, magic): &(usize, &[u8])| file.get(*at..at + magic.len()) == Some(*magic);
    if !ZBOOT_MAGICS.iter().all(is) {
        return Ok(None);
    }
    let piece = |what, at: u64, len: u64| {
        let (end, len_bytes) = (at + len, file.len());
        let found = file.get(at as usize..end as usize);
        found.ok_or(PayloadError::Truncated { what, end, len_bytes })
    };
    let header = piece("the header", 0, ZBOOT_HEADER_BYTES as u64)?;
    let word = |at: usize| {
        let word = header[at..].first_chunk().expect("the header is there");
        u64::from(u32::from_le_bytes(*word))
    };
    let (at, len) = (word(ZBOOT_PAYLOAD_AT), word(ZBOOT_PAYLOAD_BYTES));
    piece("the compressed kernel", at, len).map(Some)
}
