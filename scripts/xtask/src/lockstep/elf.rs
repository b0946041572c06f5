//! A minimal ELF writer: an executable of segments and symbols, as emulators load it.

/// Bytes to be loaded at a physical address.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) address: u64,
    pub(crate) bytes: Vec<u8>,
}

const HEADER_BYTES: u64 = 64;
const PROGRAM_HEADER_BYTES: u64 = 56;
const SECTION_HEADER_BYTES: u64 = 64;
const SYMBOL_BYTES: u64 = 24;

const PT_LOAD: u32 = 1;
const READ_WRITE_EXECUTE: u32 = 7;
const SHT_SYMTAB: u32 = 2;
const SHT_STRTAB: u32 = 3;
const STB_GLOBAL_NOTYPE: u8 = 1 << 4;
const SHN_ABS: u16 = 0xfff1;

/// A little-endian file in the making.
#[derive(Default)]
struct File(Vec<u8>);

impl File {
    fn half(&mut self, value: u16) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn word(&mut self, value: u32) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn double(&mut self, value: u64) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn at(&self) -> u64 {
        self.0.len() as u64
    }

    /// A section header; what is missing is zero.
    fn section(&mut self, name: u32, kind: u32, offset: u64, size: u64) -> &mut Self {
        self.word(name).word(kind).double(0).double(0).double(offset).double(size)
    }
}

/// The file: a RISC-V executable that starts at `entry`.
pub(crate) fn write(entry: u64, segments: &[Segment], symbols: &[(&str, u64)]) -> Vec<u8> {
    let mut strings = b"\0".to_vec();
    let mut symbol_table = File::default();
    symbol_table.0.resize(SYMBOL_BYTES as usize, 0);
    for &(name, value) in symbols {
        symbol_table.word(strings.len() as u32);
        symbol_table.0.extend([STB_GLOBAL_NOTYPE, 0]);
        symbol_table.half(SHN_ABS).double(value).double(0);
        strings.extend(name.bytes().chain([0]));
    }
    let section_names = b"\0.symtab\0.strtab\0.shstrtab\0";

    let mut file = File::default();
    let segments_at = HEADER_BYTES + PROGRAM_HEADER_BYTES * segments.len() as u64;
    let segments_bytes: u64 = segments.iter().map(|s| s.bytes.len() as u64).sum();
    let symbols_at = (segments_at + segments_bytes).next_multiple_of(8);
    let strings_at = symbols_at + symbol_table.at();
    let names_at = strings_at + strings.len() as u64;
    let sections_at = (names_at + section_names.len() as u64).next_multiple_of(8);

    file.0.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    file.half(2).half(243).word(1).double(entry).double(HEADER_BYTES).double(sections_at);
    file.word(0).half(HEADER_BYTES as u16).half(PROGRAM_HEADER_BYTES as u16);
    file.half(segments.len() as u16).half(SECTION_HEADER_BYTES as u16).half(4).half(3);

    let mut offset = segments_at;
    for segment in segments {
        let size = segment.bytes.len() as u64;
        file.word(PT_LOAD).word(READ_WRITE_EXECUTE).double(offset);
        file.double(segment.address).double(segment.address).double(size).double(size).double(1);
        offset += size;
    }
    for segment in segments {
        file.0.extend(&segment.bytes);
    }
    file.0.resize(symbols_at as usize, 0);
    file.0.extend(&symbol_table.0);
    file.0.extend(&strings);
    file.0.extend(section_names);
    file.0.resize(sections_at as usize, 0);

    file.0.resize(file.0.len() + SECTION_HEADER_BYTES as usize, 0);
    // The string table that the symbols use, the index of the first global one.
    file.section(1, SHT_SYMTAB, symbols_at, symbol_table.at());
    file.word(2).word(1).double(8).double(SYMBOL_BYTES);
    file.section(9, SHT_STRTAB, strings_at, strings.len() as u64);
    file.word(0).word(0).double(1).double(0);
    file.section(17, SHT_STRTAB, names_at, section_names.len() as u64);
    file.word(0).word(0).double(1).double(0);
    file.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_emulator_reads_it_back() {
        let segments = [
            Segment { address: 0x8000_0000, bytes: vec![1, 2, 3] },
            Segment { address: 0x8000_1000, bytes: vec![4; 5] },
        ];
        let file = write(0x8000_0000, &segments, &[("tohost", 0x8000_1000), ("end", 7)]);
        let u64_at = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap());
        assert_eq!(u64_at(24), 0x8000_0000, "entry");
        // The second program header: offset, address, sizes.
        let second = 64 + 56;
        assert_eq!(u64_at(second + 24), 0x8000_1000);
        assert_eq!(u64_at(second + 32), 5);
        let offset = u64_at(second + 8) as usize;
        assert_eq!(file[offset..offset + 5], [4; 5]);
        // The symbol table: the first symbol after the empty one.
        let sections = u64_at(40) as usize;
        let symbols = u64_at(sections + 64 + 24) as usize;
        let strings = u64_at(sections + 128 + 24) as usize;
        assert_eq!(u64_at(symbols + 24 + 8), 0x8000_1000);
        assert_eq!(file[strings..strings + 12], *b"\0tohost\0end\0");
        assert_eq!(file.len(), sections + 4 * 64);
    }
}
