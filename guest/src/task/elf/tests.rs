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
    parts(kind, rows)?.place(FILE_SIZE, PIE_BASE, LOWEST)
}

fn parts(kind: u16, rows: &[Row]) -> Result<Parts, ElfError> {
    Parts::read(Header::read(&header(kind, EM_RISCV, rows.len() as u16))?, &table(rows))
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
    let header = Header::read(&header(ET_EXEC, EM_RISCV, 2)).unwrap();
    let cut = Parts::read(header, &table(&[TEXT]));
    assert!(cut.unwrap_err().reason().contains("cut off"));
}

#[test]
fn a_program_names_its_interpreter() {
    let interpreter = |length| (PT_INTERP, PF_R, 0x270, 0x270, length, length);
    for (length, want) in [
        (0, None),
        (1, None),
        (2, Some(2)),
        (33, Some(33)),
        (4096, Some(4096)),
        (4097, None),
        (u64::MAX, None),
    ] {
        let found = parts(ET_DYN, &[TEXT, interpreter(length)]).unwrap().interpreter();
        assert_eq!(found.ok(), want.map(|length| Some((0x270, length))), "{length}");
    }
    let first = parts(ET_DYN, &[interpreter(9), TEXT, interpreter(0)]).unwrap().interpreter();
    assert_eq!(first, Ok(Some((0x270, 9))));
    assert_eq!(parts(ET_EXEC, &[TEXT]).unwrap().interpreter(), Ok(None));
}

#[test]
fn the_path_of_an_interpreter_ends() {
    for (bytes, want) in [
        (&b"/lib/ld.so\0"[..], Some(&b"/lib/ld.so"[..])),
        (b"/lib/ld.so\0more\0", Some(b"/lib/ld.so")),
        (b"\0\0", Some(b"")),
        (b"/lib/ld.so", None),
        (b"/lib\0ld.so", None),
        (b"", None),
    ] {
        assert_eq!(interpreter_path(bytes).ok(), want, "{bytes:?}");
    }
}

#[test]
fn the_first_page_goes_to_the_base() {
    // As if linked for an address: the whole moves, upwards or downwards.
    for first in [0, 0x1000, 0x10_0000, PIE_BASE, USER_END - 0x10000, 0u64.wrapping_sub(0x10000)] {
        let data = first.wrapping_add(0x1e80);
        let rows = [
            (PT_LOAD, PF_R, 0x40, first | 0x40, 0x1000, 0x1000),
            (PT_LOAD, PF_R | PF_W, 0x2e80, data, 0x400, 0x3000),
        ];
        let mut header = header(ET_DYN, EM_RISCV, 2);
        header[24..32].copy_from_slice(&data.to_le_bytes());
        let parts = Parts::read(Header::read(&header).unwrap(), &table(&rows)).unwrap();
        let image = parts.place(FILE_SIZE, PIE_BASE, LOWEST).unwrap();
        assert_eq!((image.segments[0].start, image.entry), (PIE_BASE, PIE_BASE + 0x1e80));
        assert_eq!(image.bias, PIE_BASE.wrapping_sub(first));
        assert_eq!((image.end, parts.extent_bytes()), (PIE_BASE + 0x5000, Ok(0x5000)));
        assert_eq!(image.table, PIE_BASE + 0x40);
    }
}

#[test]
fn absurd_extents_are_errors() {
    let load = |va, memory| (PT_LOAD, PF_R, 0, va, 1, memory);
    for (rows, want) in [
        (vec![load(0x1000, 1), load(0x3fff, 1)], Some(0x3000)),
        (vec![load(0, USER_END)], Some(USER_END)),
        (vec![load(0, USER_END + 1)], None),
        (vec![load(0, 1), load(u64::MAX, 1)], None),
        (vec![load(0x5000, 1), load(0x1000, 1)], None),
        (vec![load(0, 0)], None),
        (vec![], None),
    ] {
        let rows = [&rows[..], &[(1 << 20, 0, 0, 0, 0, 0)]].concat();
        assert_eq!(parts(ET_DYN, &rows).unwrap().extent_bytes().ok(), want, "{rows:x?}");
    }
}

#[test]
fn the_largest_power_of_two_is_the_alignment() {
    for (alignments, want) in
        [(&[0x1000, 0x20_0000][..], 0x20_0000), (&[0, 3, 12], 1), (&[1 << 63, 5], 1 << 63)]
    {
        let rows = vec![TEXT; alignments.len()];
        let mut table = table(&rows);
        for (entry, alignment) in table.chunks_exact_mut(ENTRY_BYTES).zip(alignments) {
            entry[48..].copy_from_slice(&u64::to_le_bytes(*alignment));
        }
        let header = Header::read(&header(ET_DYN, EM_RISCV, rows.len() as u16)).unwrap();
        assert_eq!(Parts::read(header, &table).unwrap().alignment_bytes(), want);
    }
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
        let parts = parts(kind, &rows).unwrap();
        let _ = parts.interpreter();
        if let Ok(image) = parts.place(size, PIE_BASE, LOWEST) {
            check(&image, size);
            assert!(parts.extent_bytes().unwrap() >= image.end - image.segments[0].start);
        }
    }

    #[test]
    fn no_bytes_panic(start in prop::collection::vec(any::<u8>(), 0..80), size: u64) {
        let mut bytes = header(ET_EXEC, EM_RISCV, 1);
        let length = bytes.len().min(start.len());
        bytes[8..length.max(8)].copy_from_slice(&start[8.min(length)..length]);
        if let Ok(header) = Header::read(&bytes) {
            let parts = Parts::read(header, &start);
            let image = parts.and_then(|parts| parts.place(size, PIE_BASE, LOWEST));
            let _ = image.map(|image| check(&image, size));
        }
    }
}
