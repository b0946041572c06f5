//! What a kernel or firmware file is, and what is said of one that is nothing.

use std::path::Path;

use super::{IMAGE_LEN_BYTES, MIB, Payload, RAM, boot, config, elf, image, trouble};
use crate::machine::boot::{BootError, Write};

/// An Image with these bytes at `at`.
fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = image();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

#[test]
fn headers_of_images() {
    for (what, file, offset) in [
        ("as it is", image(), 2 * MIB),
        ("the old magic alone", with(56, &[0; 4]), 2 * MIB),
        ("the new magic alone", with(48, &[0; 8]), 2 * MIB),
        ("no size", with(16, &[0; 8]), 2 * MIB),
        ("at the start of RAM", with(8, &[0; 8]), 2 * MIB),
        ("farther up", with(8, &(6 * MIB).to_le_bytes()), 6 * MIB),
        ("nothing but a header", image()[..64].to_vec(), 2 * MIB),
    ] {
        let plan = boot(file.clone()).plan(&config(64 * MIB)).unwrap();
        let kernel = &plan.writes[0];
        assert_eq!((kernel.at.0, kernel.bytes()), (RAM + offset, &file[..]), "{what}");
    }
}

#[test]
fn the_size_in_the_header_counts() {
    // An initial RAM disk that follows the kernel shows where it ends.
    for (len_bytes, end) in [(0, 0x1000), (1, 0x1000), (40 * MIB, 40 * MIB)] {
        let mut boot = boot(with(16, &len_bytes.to_le_bytes()));
        boot.initrd = super::initrd(1);
        let plan = boot.plan(&config(64 * MIB)).unwrap();
        let expect = RAM + 2 * MIB + end.max(32 * MIB);
        assert_eq!(plan.writes[1].at.0, expect, "{len_bytes}");
    }
    assert!(IMAGE_LEN_BYTES > image().len() as u64, "an Image takes more than its file has");
}

#[test]
fn kernels_that_are_none() {
    let gzip = b"\x1f\x8b\x08\0";
    for (file, message) in [
        (Vec::new(), "the file is empty"),
        (b"#!/bin/sh\n".to_vec(), "not an ELF file: it starts with 23 21 2f 62; nor a Linux Image"),
        (b"\x7fEL".to_vec(), "truncated: the ELF header ends at byte 64, the file at byte 3"),
        (elf(0x1000, &[1], 1), "a riscv64 Linux user program"),
        (elf(RAM + 64 * MIB, &[1], 1), "segment 0 at 0x0000000084000000"),
        (image()[..63].to_vec(), "truncated: the header ends at byte 64, the file at byte 63"),
        (
            with(8, &0x1000_u64.to_le_bytes()),
            "the header of the Linux Image has text_offset 0x1000, expected a multiple of 2 MiB",
        ),
        (
            with(24, &[1]),
            "the header of the Linux Image has flags 0x1, expected bit 0 clear: this machine is \
             little-endian",
        ),
        (with(48, b"\0\0\0\0\0\0\0\0ARMd"), "a Linux kernel for arm64, expected one for riscv64"),
        (gzip.to_vec(), "its gzip data cannot be decompressed"),
    ] {
        let text = trouble(&boot(file), 64 * MIB);
        let message = format!("cannot load k: {message}");
        assert!(text.starts_with(&message), "{text}");
    }
}

#[test]
fn files_are_read() {
    let error = |path: &str| Payload::read(Path::new(path)).unwrap_err();
    assert_eq!(error("/nonexistent/x").to_string(), "cannot read /nonexistent/x");
    assert!(matches!(error("/"), BootError::Read { .. }));
    let here = Payload::read(Path::new(file!()).strip_prefix("emulator").unwrap()).unwrap();
    assert!(here.bytes.starts_with(b"//! "));
}

#[test]
fn what_a_file_does_not_fill_is_not_written() {
    let plan = boot(elf(RAM, &[], 0x1000)).plan(&config(64 * MIB)).unwrap();
    assert!(plan.writes.iter().all(|write: &Write| write.at.0 != RAM));
}
