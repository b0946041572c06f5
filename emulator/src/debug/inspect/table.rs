//! All mappings of the current address space as QEMU's `info mem` writes them, which other tools
//! parse. Entries that no access could use are left out, as in a walk; a hostile table that points
//! to itself ends the list early.

use super::View;
use crate::addr::{Access, PAGE_SHIFT, PAGE_SIZE_BYTES, PhysAddr, Privilege, VirtAddr};
use crate::mmu::{Context, Mode, PTE_SIZE_BYTES, Pte, VPN_BITS, canonical, defect, leaf};

/// Tables read at most: enough for 32 GiB in base pages.
const MAX_TABLES: usize = 16 << 10;
/// Ranges listed at most.
const MAX_RANGES: usize = 16 << 10;

/// Bits that are shown, with their letters in QEMU's order.
const LETTERS: [(u64, char); 7] = [
    (Pte::R, 'r'),
    (Pte::W, 'w'),
    (Pte::X, 'x'),
    (Pte::U, 'u'),
    (Pte::G, 'g'),
    (Pte::A, 'a'),
    (Pte::D, 'd'),
];

/// Virtual addresses that are mapped to consecutive physical ones with equal attributes.
struct Range {
    va: VirtAddr,
    pa: PhysAddr,
    len_bytes: u64,
    attributes: String,
}

impl Range {
    fn line(&self) -> String {
        let Self { va, pa, len_bytes, attributes } = self;
        format!("{:016x} {:016x} {len_bytes:016x} {attributes}", va.0, pa.0)
    }

    fn leads_to(&self, next: &Self) -> bool {
        self.attributes == next.attributes
            && self.va.wrapping_add(self.len_bytes) == next.va
            && self.pa.wrapping_add(self.len_bytes) == next.pa
    }
}

/// The mappings of the current `satp`, whatever mode the hart is in.
pub(in crate::debug) fn mappings(view: &View<'_>) -> Vec<String> {
    let cx = *view.hart().mmu.context(Access::Fetch);
    if cx.satp.mode == Mode::Bare {
        return vec!["No translation or protection".to_owned()];
    }
    let mut lister =
        Lister { view, cx, tables_left: MAX_TABLES, ranges: Vec::new(), is_cut: false };
    let root = PhysAddr(cx.satp.root_ppn << PAGE_SHIFT);
    lister.table(root, cx.satp.mode.levels() - 1, 0);
    let mut lines = vec![
        "vaddr            paddr            size             attr".to_owned(),
        "---------------- ---------------- ---------------- -------".to_owned(),
    ];
    lines.extend(lister.ranges.iter().map(Range::line));
    if lister.is_cut {
        lines.push(format!("cut: more than {MAX_TABLES} page tables or {MAX_RANGES} ranges"));
    }
    lines
}

/// A list in the making.
struct Lister<'a> {
    view: &'a View<'a>,
    cx: Context,
    tables_left: usize,
    ranges: Vec<Range>,
    /// A limit was reached.
    is_cut: bool,
}

impl<'a> Lister<'a> {
    /// Lists what the table at `at` maps, whose first entry is for `va`.
    fn table(&mut self, at: PhysAddr, level: u32, va: u64) {
        let Some(entries) = self.entries(at) else { return };
        if self.tables_left == 0 {
            self.is_cut = true;
            return;
        }
        self.tables_left -= 1;
        let (entries, _) = entries.as_chunks::<{ PTE_SIZE_BYTES as usize }>();
        for (index, bytes) in (0..).zip(entries) {
            let pte = Pte(u64::from_le_bytes(*bytes));
            if self.is_cut {
                return;
            }
            if defect(pte, level, &self.cx).is_some() {
                continue;
            }
            let va = va | index << (PAGE_SHIFT + VPN_BITS * level);
            if pte.is_leaf() {
                self.leaf(pte, level, VirtAddr(va));
            } else {
                self.table(pte.page(), level - 1, va);
            }
        }
    }

    /// The bytes of the table at `at`, where the hart's walker may read them.
    fn entries(&self, at: PhysAddr) -> Option<&'a [u8]> {
        let rights = self.view.hart().mmu.pmp().page_rights(at, Privilege::Supervisor);
        let offset = self.view.bus.ram.offset_of(at, PAGE_SIZE_BYTES)?;
        let is_readable = rights.is_none_or(|rights| rights.read);
        is_readable.then(|| self.view.bus.ram.slice(offset, PAGE_SIZE_BYTES))
    }

    fn leaf(&mut self, pte: Pte, level: u32, va: VirtAddr) {
        let letter = |(bit, letter)| if pte.has(bit) { letter } else { '-' };
        let range = Range {
            va: canonical(va, self.cx.satp.mode),
            pa: leaf(pte, PhysAddr(0), level, false, va).pa,
            len_bytes: 1 << (PAGE_SHIFT + VPN_BITS * level),
            attributes: LETTERS.into_iter().map(letter).collect(),
        };
        let is_full = self.ranges.len() == MAX_RANGES;
        match self.ranges.last_mut() {
            Some(last) if last.leads_to(&range) => last.len_bytes += range.len_bytes,
            _ if is_full => self.is_cut = true,
            _ => self.ranges.push(range),
        }
    }
}
