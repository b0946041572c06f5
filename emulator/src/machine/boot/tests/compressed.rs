//! Compressed kernels: what the tools that build Linux make is read; what is cut off, changed or a
//! bomb is refused, and costs neither memory nor a panic.

use std::io::Write as _;

use proptest::prelude::*;

use super::super::PayloadError;
use super::super::compressed::unpack;
use super::{IMAGE_LEN_BYTES, image};

/// Format, the command that made it, and [`image`] as that command leaves it, in hexadecimal.
const MADE: &[(&str, &str, &str)] = &[
    (
        "gzip",
        "gzip -n -9",
        "1f8b0800000000000203cb676060106600010530c960c080029850b90c419ec1ce61203ad899152c\
         c0ce272aa3ac656861cfc62b22ada469606ec7ca232ca5a8a16f66cbc22d24a9a0ae676ac3cc2528\
         21afa66b62cdc429202ea7aa636cc5c8c12f26aba26d6439d0fa019bb5fae800010000",
    ),
    (
        "xz",
        "xz --check=crc32 --lzma2=dict=128MiB",
        "fd377a585a0000016922de36020021011e0000009b075166e000ff005f5d0037803002600d20f06c\
         dcde093c948f5252efb8fbede5befad6bba47609d79a62588e323c430950939bbee47907c43d8267\
         d831b1ff896bcd1fe8daf0a3a1ff0c478fe0fd0d68a0ecfd7790022c1526a3928044cc6730e36d11\
         caba1f62000000009bb5fae80001778002000000bd919dce3e300d8b020000000001595a",
    ),
    (
        "xz",
        "xz -9 --check=crc64",
        "fd377a585a000004e6d6b446020021011c00000010cf58cce000ff005f5d0037803002600d20f06c\
         dcde093c948f5252efb8fbede5befad6bba47609d79a62588e323c430950939bbee47907c43d8267\
         d831b1ff896bcd1fe8daf0a3a1ff0c478fe0fd0d68a0ecfd7790022c1526a3928044cc6730e36d11\
         caba1f6200000000e97d0ab03b767baa00017b8002000000c6515fb9b1c467fb020000000004595a",
    ),
    (
        "zstd",
        "zstd -22 --ultra -q",
        "28b52ffd048855030084056f000000130020003000020052495343565343050000000000070e151c\
         232a31383f060d141b222930373e050c131a21282f363d040b121920272e353c030a11181f262d34\
         3b020910171e252c333a01080f161d242b32390600471f42c677d540c6e030386c8122065ae98a",
    ),
    (
        "bzip2",
        "bzip2 -9",
        "425a6839314159265359c58c3bdd000075ff007fffffffffffffff882019000000a000948efff555\
         1313098984cd2604646098004d1930211a9aa321a6834f51a1a3400001a001a36a3f546977b736d0\
         2443205e0940bc853de81c63d8648181e6c942803a8160d6293d14d51e681e355eaacaeb0b2b4b4b\
         6f67bae2ea0f87caf2fb030b1313e98d9195999da1a57f535b636b73edbdbdf8fd70717f39090302\
         124511a47f7f8bb9229c284862c61dee80",
    ),
    (
        "lz4",
        "lz4 -9 -q",
        "04224d186440a770000000606f00000013000100112006003900300001001a020f00600052495343\
         560800315343051100ff30070e151c232a31383f060d141b222930373e050c131a21282f363d040b\
         121920272e353c030a11181f262d343b020910171e252c333a01080f161d242b3239400068501d24\
         2b3239000000003b8d6e08",
    ),
    (
        "lz4",
        "lz4 -l -9 -q",
        "02214c1870000000606f00000013000100112006003900300001001a020f00600052495343560800\
         315343051100ff30070e151c232a31383f060d141b222930373e050c131a21282f363d040b121920\
         272e353c030a11181f262d343b020910171e252c333a01080f161d242b3239400068501d242b3239",
    ),
    (
        "lzma",
        "lzma -9",
        "5d00000004ffffffffffffffff0037803002600d20f06cdcde093c948f5252efb8fbede5befad6bb\
         a47609d79a62588e323c430950939bbee47907c43d8267d831b1ff896bcd1fe8daf0a3a1ff0c478f\
         e0fd0d68a0ecfd7790022c1526a3928044cc6730e36d11caba2a4aa7fffffa925000",
    ),
];

const LIMIT_BYTES: u64 = 1 << 20;

fn made() -> impl Iterator<Item = (&'static str, &'static str, Vec<u8>)> {
    MADE.iter().map(|(format, command, hex)| {
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (*format, *command, (0..hex.len()).step_by(2).map(byte).collect())
    })
}

fn unpacked(file: Vec<u8>) -> Result<Vec<u8>, PayloadError> {
    unpack(file.into(), LIMIT_BYTES).map(|content| content.to_vec())
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A zboot image around `payload`, which it says has `len` bytes more than it has.
fn zboot(payload: &[u8], len: u32) -> Vec<u8> {
    let mut file = b"MZ\0\0zimg".to_vec();
    for word in [64, payload.len() as u32 + len] {
        file.extend(word.to_le_bytes());
    }
    file.resize(64, 0);
    file.extend(payload);
    file
}

#[test]
fn every_format_is_read() {
    for (format, command, file) in made() {
        assert_eq!(unpacked(file.clone()).unwrap(), image(), "{command}");
        let padded = [file.clone(), IMAGE_LEN_BYTES.to_le_bytes().to_vec()].concat();
        let is_block = command.contains("lz4 -l");
        // The older format of lz4 has no end but that of the file.
        assert_eq!(unpacked(padded).is_ok(), !is_block, "{command}, with its size behind it");
        assert_eq!(unpacked(zboot(&file, 0)).unwrap(), image(), "{format} in zboot");
    }
}

#[test]
fn plain_files_stay_as_they_are() {
    for file in [image(), b"#!/bin/sh".to_vec(), vec![], b"MZ".to_vec(), zboot(b"plain", 0)] {
        let expect = if file.get(4..8) == Some(b"zimg") { b"plain".to_vec() } else { file.clone() };
        assert_eq!(unpacked(file).unwrap(), expect);
    }
}

#[test]
fn layers_are_counted() {
    let (once, twice) = (gzip(&image()), gzip(&gzip(&image())));
    assert_eq!(unpacked(once).unwrap(), image());
    assert_eq!(unpacked(twice.clone()).unwrap(), image());
    let message = unpacked(gzip(&twice)).unwrap_err().to_string();
    assert_eq!(message, "it is compressed more than 2 times over");
}

#[test]
fn the_limit_is_exact() {
    for (format, _, file) in made() {
        let len = image().len() as u64;
        assert!(unpack(file.clone().into(), len).is_ok(), "{format}");
        let error = unpack(file.into(), len - 1).unwrap_err();
        let expect = format!(
            "its {format} data is more than {} bytes when decompressed, more than RAM has",
            len - 1
        );
        assert_eq!(error.to_string(), expect);
    }
}

#[test]
fn bombs_do_not_go_off() {
    let bomb = gzip(&vec![0; 64 << 20]);
    for file in [bomb.clone(), gzip(&bomb), zboot(&bomb, 0)] {
        let error = unpacked(file).unwrap_err();
        assert!(matches!(error, PayloadError::Bomb { format: "gzip", .. }), "{error}");
    }
}

#[test]
fn windows_are_bounded() {
    let changed = |format: &str, at: usize, with: &[u8]| {
        let (_, _, mut file) = made().find(|(name, ..)| *name == format).unwrap();
        file[at..at + with.len()].copy_from_slice(with);
        file
    };
    for (what, file) in [
        ("lzma with a window of 2 GiB", changed("lzma", 1, &[0, 0, 0, 0x80])),
        // A window of 2 TiB, without the flag that the content is its own window.
        ("zstd with a window of 2 TiB", changed("zstd", 4, &[0x00, 0xf8])),
    ] {
        let error = unpacked(file).unwrap_err();
        assert!(matches!(error, PayloadError::Damaged { .. }), "{what}: {error}");
    }
}

#[test]
fn cut_off_files_are_refused() {
    for (format, command, file) in made() {
        let error = unpacked(file[..file.len() / 2].to_vec()).unwrap_err();
        let expect = format!("its {format} data cannot be decompressed");
        assert_eq!(error.to_string(), expect, "{command}");
        // Below six bytes not every format is recognised; where nothing but a checksum is missing
        // not every decoder minds.
        for len in 6..file.len() - 16 {
            assert!(unpacked(file[..len].to_vec()).is_err(), "{command}: {len}");
        }
    }
}

#[test]
fn zboot_headers_are_checked() {
    let payload = gzip(&image());
    for (file, message) in [
        (zboot(&payload, 1), "truncated: the compressed kernel ends at byte {+1}, the file at"),
        (zboot(&payload, u32::MAX - payload.len() as u32), "truncated: the compressed kernel ends"),
        (
            zboot(&payload, 0)[..63].to_vec(),
            "truncated: the header ends at byte 64, the file at byte 63",
        ),
    ] {
        let message = message.replace("{+1}", &(64 + payload.len() + 1).to_string());
        let error = unpacked(file).unwrap_err().to_string();
        assert!(error.starts_with(&message), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damage_is_survived(which in 0..MADE.len(), at in any::<usize>(), bits in 1..=255_u8) {
        let (_, _, mut file) = made().nth(which).unwrap();
        let at = at % file.len();
        file[at] ^= bits;
        if let Ok(content) = unpacked(file) {
            prop_assert!(content.len() as u64 <= LIMIT_BYTES);
        }
    }
}
