//! A chain of buffers as a backend sees it: two lists of spans of RAM, what the device reads and
//! then what it writes, each to be used as one run of bytes. The queue has checked that every
//! span is RAM.

use std::ops::Range;

use crate::bus::{Ram, RamOffset};

/// What one span costs, in bytes moved in the same time: following its descriptor, and a transfer
/// of its own.
const SPAN_COST_BYTES: u64 = 256;

/// Bytes of RAM next to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub at: RamOffset,
    /// How many.
    pub len_bytes: u64,
}

/// Spans that form one run of bytes.
#[derive(Clone, Debug, Default)]
pub struct Spans {
    spans: Vec<Span>,
    len_bytes: u64,
}

impl Spans {
    /// Bytes in all spans together. They may overlap, so this can be more than RAM has.
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// The spans that make up bytes `range` of the run; what lies behind the end is left out.
    pub fn pieces(&self, range: Range<u64>) -> impl Iterator<Item = Span> {
        let mut start = 0;
        self.spans.iter().filter_map(move |span| {
            let first = range.start.max(start);
            let end = range.end.min(start + span.len_bytes);
            let at = RamOffset(span.at.0 + first.saturating_sub(start));
            start += span.len_bytes;
            (first < end).then(|| Span { at, len_bytes: end - first })
        })
    }

    /// The `N` bytes from byte `from` of the run on; `None` where it ends before.
    pub fn read<const N: usize>(&self, ram: &Ram, from: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        let mut done = 0;
        for piece in self.pieces(from..from.checked_add(N as u64)?) {
            let len = piece.len_bytes as usize;
            bytes[done..done + len].copy_from_slice(ram.slice(piece.at, piece.len_bytes));
            done += len;
        }
        (done == N).then_some(bytes)
    }

    /// Writes `bytes` from byte `from` of the run on, as many as fit.
    pub fn write(&self, ram: &mut Ram, from: u64, bytes: &[u8]) {
        let mut rest = bytes;
        for piece in self.pieces(from..from.saturating_add(bytes.len() as u64)) {
            let (now, later) = rest.split_at(piece.len_bytes as usize);
            ram.write(piece.at, now);
            rest = later;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    pub(super) fn push(&mut self, span: Span) {
        self.len_bytes += span.len_bytes;
        self.spans.push(span);
    }

    fn clear(&mut self) {
        self.spans.clear();
        self.len_bytes = 0;
    }
}

/// One chain of descriptors.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    /// Index of the first descriptor: the chain's name in the used ring.
    head: u16,
    /// What the device reads.
    pub readable: Spans,
    /// What the device writes.
    pub writable: Spans,
}

impl Chain {
    pub(super) fn head(&self) -> u16 {
        self.head
    }

    /// What its spans cost, whatever their length.
    pub(super) fn cost_bytes(&self) -> u64 {
        let spans = self.readable.spans.len() + self.writable.spans.len();
        spans as u64 * SPAN_COST_BYTES
    }

    /// Starts again, keeping the allocations.
    pub(super) fn restart(&mut self, head: u16) {
        self.head = head;
        self.readable.clear();
        self.writable.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::PhysAddr;

    fn spans(list: &[(u64, u64)]) -> Spans {
        let mut spans = Spans::default();
        for (at, len_bytes) in list {
            spans.push(Span { at: RamOffset(*at), len_bytes: *len_bytes });
        }
        spans
    }

    #[test]
    fn pieces_are_cut_to_the_range() {
        let spans = spans(&[(0x100, 4), (0x200, 1), (0x80, 8)]);
        assert_eq!(spans.len_bytes(), 13);
        for (range, want) in [
            (0..13, vec![(0x100, 4), (0x200, 1), (0x80, 8)]),
            (0..0, vec![]),
            (1..3, vec![(0x101, 2)]),
            (3..6, vec![(0x103, 1), (0x200, 1), (0x80, 1)]),
            (4..5, vec![(0x200, 1)]),
            (12..u64::MAX, vec![(0x87, 1)]),
            (13..20, vec![]),
        ] {
            let pieces: Vec<_> =
                spans.pieces(range.clone()).map(|s| (s.at.0, s.len_bytes)).collect();
            assert_eq!(pieces, want, "{range:?}");
        }
    }

    #[test]
    fn bytes_run_across_spans() {
        let mut ram = Ram::new(PhysAddr(0x8000_0000), 0x1000);
        let spans = spans(&[(0x100, 4), (0x200, 1), (0x80, 8)]);
        spans.write(&mut ram, 2, b"abcdef");
        assert_eq!(ram.slice(RamOffset(0x100), 4), [0, 0, b'a', b'b']);
        assert_eq!(ram.slice(RamOffset(0x80), 4), *b"def\0");
        assert_eq!(spans.read(&ram, 3), Some(*b"bcde"));
        assert_eq!(spans.read::<8>(&ram, 5), Some(*b"def\0\0\0\0\0"));
        assert_eq!(spans.read::<8>(&ram, 6), None);
        assert_eq!(spans.read::<1>(&ram, u64::MAX), None);
        spans.write(&mut ram, 12, b"xy");
        assert_eq!(ram.slice(RamOffset(0x87), 2), *b"x\0");
    }
}
