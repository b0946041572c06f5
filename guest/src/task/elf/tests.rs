//! Tests of the ELF reader: files that are as they should be, files that are not, and noise.

use proptest::prelude::*;

use super::*;

const LOWEST: u64 = 0x10000;
const FILE_SIZE: u64 = 0x5000;

/// One program header: kind, flags, offset, address, bytes in the file, bytes in memory.
type Row = (u32, u32, u64, u64, u64, u64);

fn header(kind: u16, machine: u16, entries: u16) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4..7].copy_from_slice(&IDENTITY);
    bytes[16..18].copy_from_slice(&kind.to_le_bytes());
    bytes[18..20].copy_from_slice(&machine.to_le_bytes());
    bytes[24..32].copy_from_slice(&0x10078u64.to_le_bytes());
    bytes[32..40].copy_from_slice(&64u64.to_le_bytes());
    bytes[54..56].copy_from_slice(&56u16.to_le_bytes());
    bytes[56..58].copy_from_slice(&entries.to_le_bytes());
    bytes
}

fn table(rows: &[Row]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for &(kind, flags, offset, va, file, memory) in rows {
        bytes.extend(kind.to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        for word in [offset, va, va, file, memory, 0x1000] {
            bytes.extend(word.to_le_bytes());
        }
    }
    bytes
}

fn read(kind: u16, rows: &[Row]) -> Result<Image, ElfError> {
    let header = Header::read(&header(kind, EM_RISCV, rows.len() as u16))?;
    Image::read(&header, &table(rows), FILE_SIZE, PIE_BASE, LOWEST)
}

const TEXT: Row = (PT_LOAD, PF_R | PF_X, 0, 0x10000, 0x1234, 0x1234);
const DATA: Row = (PT_LOAD, PF_R | PF_W, 0x2e80, 0x13e80, 0x400, 0x3000);

#[test]
fn a_static_program_has_text_data_and_bss() {
    let image = read(ET_EXEC, &[TEXT, DATA, (0x6474_e551, 7, 0, 0, 0, 0)]).unwrap();
    assert_eq!((image.entry, image.table, image.entries), (0x10078, 0x10040, 3));
    assert_eq!(image.end, 0x17000);
    let [text, data] = image.segments[..] else { panic!("{image:?}") };
    assert_eq!((text.start, text.first_page, text.mapped_bytes()), (0x10000, 0, 0x2000));
    assert_eq!(text.access, [true, false, true]);
    assert_eq!((text.partial_zeros(), text.zero_pages()), (None, None));
    assert_eq!((data.start, data.first_page, data.mapped_bytes()), (0x13000, 2, 0x2000));
    assert_eq!(data.partial_zeros(), Some((0x14280, 0xd80)));
    assert_eq!(data.zero_pages(), Some((0x15000, 0x2000)));
}

#[test]
fn a_position_independent_program_is_moved() {
    let rows = [(PT_LOAD, PF_R | PF_X, 0, 0, 0x1000, 0x1000)];
    let image = read(ET_DYN, &rows).unwrap();
    assert_eq!(image.segments[0].start, PIE_BASE);
    assert_eq!((image.entry, image.table), (PIE_BASE + 0x10078, PIE_BASE + 64));
    assert_eq!(PIE_BASE, 0x2a_aaaa_a000);
}

#[test]
fn bss_without_file_is_zero_pages_only() {
    let image = read(ET_EXEC, &[TEXT, (PT_LOAD, PF_R | PF_W, 0, 0x13000, 0, 0x10)]).unwrap();
    let bss = image.segments[1];
    assert_eq!((bss.mapped_bytes(), bss.partial_zeros()), (0, None));
    assert_eq!(bss.zero_pages(), Some((0x13000, 0x1000)));
}

#[test]
fn headers_that_are_not_taken() {
    let good = header(ET_EXEC, EM_RISCV, 1);
    assert!(Header::read(&good).is_ok());
    assert_eq!(Header::read(&good[..63]), Err(ElfError::NotElf));
    assert_eq!(Header::read(b""), Err(ElfError::NotElf));
    for (at, value) in [(4, 1), (5, 2), (6, 0), (16, 1), (16, 4), (18, 62), (54, 55), (57, 255)] {
        let mut bad = good.clone();
        bad[at] = value;
        assert!(matches!(Header::read(&bad), Err(ElfError::Unsuitable(_))), "{at} {value}");
    }
    assert!(Header::read(&header(ET_EXEC, EM_RISCV, 0)).is_err());
}

#[test]
fn segments_that_are_not_taken() {
    let load = |offset, va, file, memory| (PT_LOAD, PF_R, offset, va, file, memory);
    for (rows, reason) in [
        (vec![load(0x10, 0x10000, 1, 1)], "differ within the page"),
        (vec![load(0, 0x10000, 2, 1)], "larger in the file"),
        (vec![load(0x5000, 0x10000, 1, 1)], "behind the end"),
        (vec![load(u64::MAX << 12, 0x10000, 0x1000, 0x1000)], "behind the end"),
        (vec![load(0, LOWEST - 0x1000, 1, 1)], "outside user space"),
        (vec![load(0, USER_END - 0x1000, 1, 0x1001)], "outside user space"),
        (vec![load(0, u64::MAX << 12, 1, 0x1000)], "outside user space"),
        (vec![load(0, 0x10000, 1, u64::MAX)], "outside user space"),
        (vec![load(0, 0x20000, 1, 1), load(0, 0x10000, 1, 1)], "out of order"),
        (vec![load(0, 0x10000, 1, 0x1001), load(0, 0x11000, 1, 1)], "overlap"),
        (vec![(1 << 20, 0, 0, 0, 0, 0)], "nothing"),
    ] {
        let found = read(ET_EXEC, &rows).unwrap_err();
        assert!(found.reason().contains(reason), "{rows:x?}: {}", found.reason());
    }
    assert_eq!(read(ET_EXEC, &[TEXT, (PT_INTERP, 4, 0, 0, 9, 9)]), Err(ElfError::Dynamic));
    let header = Header::read(&header(ET_EXEC, EM_RISCV, 2)).unwrap();
    let cut = Image::read(&header, &table(&[TEXT]), FILE_SIZE, PIE_BASE, LOWEST);
    assert!(cut.unwrap_err().reason().contains("cut off"));
}

/// What must hold for anything that was taken.
fn check(image: &Image, file_size: u64) {
    assert!(image.entry < USER_END);
    let mut end = LOWEST;
    for segment in &image.segments {
        assert!(segment.start.is_multiple_of(PAGE_SIZE_BYTES));
        assert!(segment.start + PAGE_SIZE_BYTES >= end && segment.end() <= USER_END);
        assert!(segment.file_bytes <= segment.total_bytes);
        if segment.file_bytes != 0 {
            let from = segment.first_page * PAGE_SIZE_BYTES;
            assert!(from + segment.file_bytes <= file_size);
        }
        end = segment.end();
    }
    assert_eq!(image.end, end);
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..0x6000u64, 0x10000..0x20000u64, (0u64..64).prop_map(|n| 1 << n), any::<u64>()]
}

fn row() -> impl Strategy<Value = Row> {
    let aligned = || number().prop_map(|n| n & !0xfff);
    let kind = prop_oneof![8 => Just(PT_LOAD), 1 => Just(PT_INTERP), 4 => any::<u32>()];
    (kind, 0..8u32, prop_oneof![number(), aligned()], prop_oneof![number(), aligned()])
        .prop_flat_map(|(kind, flags, offset, va)| {
            (Just((kind, flags, offset, va)), number(), number())
        })
        .prop_map(|((kind, flags, offset, va), file, memory)| {
            (kind, flags, offset, va, file, memory)
        })
}

proptest! {
    #[test]
    fn no_noise_gets_in(rows in prop::collection::vec(row(), 1..6), kind in 2..4u16, size: u64) {
        let header = Header::read(&header(kind, EM_RISCV, rows.len() as u16)).unwrap();
        if let Ok(image) = Image::read(&header, &table(&rows), size, PIE_BASE, LOWEST) {
            check(&image, size);
        }
    }

    #[test]
    fn no_bytes_panic(start in prop::collection::vec(any::<u8>(), 0..80), size: u64) {
        let mut bytes = header(ET_EXEC, EM_RISCV, 1);
        let length = bytes.len().min(start.len());
        bytes[8..length.max(8)].copy_from_slice(&start[8.min(length)..length]);
        if let Ok(header) = Header::read(&bytes) {
            let image = Image::read(&header, &start, size, PIE_BASE, LOWEST);
            let _ = image.map(|image| check(&image, size));
        }
    }
}
