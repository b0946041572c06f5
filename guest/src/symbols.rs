//! Names of addresses, from the text that `nm` prints, sorted by address (System.map).

/// The symbol that an address belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// How far behind its start the address is.
    pub offset: u64,
}

/// Finds a symbol in a map that comes in pieces. Feed every piece in order; then the answer is
/// the last symbol of code that begins at or before the address.
#[derive(Debug)]
pub struct Search<const MAX_BYTES: usize> {
    address: u64,
    line: [u8; MAX_BYTES],
    length: usize,
    best: [u8; MAX_BYTES],
    best_length: usize,
    best_start: u64,
    is_done: bool,
}

impl<const MAX_BYTES: usize> Search<MAX_BYTES> {
    /// Looks for `address`. Lines longer than `MAX_BYTES` are cut.
    pub const fn new(address: u64) -> Self {
        Self {
            address,
            line: [0; MAX_BYTES],
            length: 0,
            best: [0; MAX_BYTES],
            best_length: 0,
            best_start: 0,
            is_done: false,
        }
    }

    /// Takes the next piece of the map.
    pub fn feed(&mut self, piece: &[u8]) {
        for byte in piece {
            if *byte == b'\n' {
                self.end_line();
                self.length = 0;
            } else if self.length < MAX_BYTES {
                self.line[self.length] = *byte;
                self.length += 1;
            }
        }
    }

    fn end_line(&mut self) {
        let line = &self.line[..self.length];
        let mut words = line.splitn(3, |byte| *byte == b' ');
        let (Some(start), Some(kind), Some(name)) = (words.next(), words.next(), words.next())
        else {
            return;
        };
        let start = core::str::from_utf8(start).ok();
        let start = start.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let is_code = matches!(kind, b"t" | b"T" | b"w" | b"W");
        self.is_done |= start.is_some_and(|start| start > self.address);
        if let Some(start) = start
            && is_code
            && (self.best_start..=self.address).contains(&start)
        {
            self.best_start = start;
            self.best_length = name.len();
            self.best[..name.len()].copy_from_slice(name);
        }
    }

    /// Whether the rest of the map, which is sorted, cannot matter.
    pub const fn is_done(&self) -> bool {
        self.is_done
    }

    /// What was found.
    pub fn result(&self) -> Option<Symbol<'_>> {
        let name = &self.best[..self.best_length];
        (!name.is_empty()).then_some(Symbol { name, offset: self.address - self.best_start })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_names() {
        let map = "ffffffff80200000 T _start\n\
                   ffffffff80200100 t <kernel::Task as core::fmt::Debug>::fmt\n\
                   ffffffff80200180 r data\n\
                   nonsense\n\
                   ffffffff80200200 T last\n";
        for (address, want) in [
            (0xffff_ffff_801f_ffff, None),
            (0xffff_ffff_8020_0000, Some(("_start", 0))),
            (0xffff_ffff_8020_0190, Some(("<kernel::Task as core::fmt::Debug>::fmt", 0x90))),
            (0xffff_ffff_9000_0000, Some(("last", 0xfdf_fe00))),
        ] {
            for piece_bytes in [1, 7, map.len()] {
                let mut search = Search::<64>::new(address);
                map.as_bytes().chunks(piece_bytes).for_each(|piece| search.feed(piece));
                let want = want
                    .map(|(name, offset): (&str, u64)| Symbol { name: name.as_bytes(), offset });
                assert_eq!(search.result(), want, "{address:#x}");
            }
        }
    }
}
