//! What the TLB of the current hart holds, as a table.

use super::{View, size_text, verb};
use crate::addr::{PAGE_SHIFT, PAGE_SIZE_BYTES};
use crate::mmu::{TlbContext, TlbEntry};

/// Neighbouring pages of the same mapping.
struct Run {
    first: TlbEntry,
    pages: u64,
}

/// The entries by context, kind of access and address; neighbouring pages are one line.
pub(in crate::debug) fn entries(view: &View<'_>) -> Vec<String> {
    let mut entries: Vec<_> = view.hart().mmu.tlb_entries().collect();
    if entries.is_empty() {
        return vec!["The TLB is empty".to_owned()];
    }
    entries.sort_by_key(|entry| (context_key(entry.context), entry.access as u8, entry.va));
    let mut runs: Vec<Run> = Vec::new();
    for entry in entries {
        match runs.last_mut().filter(|run| run.leads_to(&entry)) {
            Some(run) => run.pages += 1,
            None => runs.push(Run { first: entry, pages: 1 }),
        }
    }
    let columns = "kind   vaddr            paddr            size             page  mode    asid  \
                   root             attr";
    let dashes = "-----  ---------------- ---------------- ---------------- ----  ------  ----- \
                  ---------------- ----";
    let heading = [columns, dashes].map(str::to_owned);
    let base = view.bus.ram.base().0;
    heading.into_iter().chain(runs.iter().map(|run| run.line(base))).collect()
}

impl Run {
    fn leads_to(&self, next: &TlbEntry) -> bool {
        let (first, bytes) = (&self.first, self.pages * PAGE_SIZE_BYTES);
        let same = |entry: &TlbEntry| (entry.access, entry.context, entry.size_shift, entry.global);
        same(first) == same(next)
            && first.va.wrapping_add(bytes) == next.va
            && first.page.0.wrapping_add(bytes) == next.page.0
    }

    fn line(&self, ram_base: u64) -> String {
        let TlbEntry { access, context, va, page, size_shift, global } = self.first;
        let (mode, asid, root, attributes) = match context {
            TlbContext::Physical { machine: true } => ("M", "-".into(), "-".into(), Vec::new()),
            TlbContext::Physical { machine: false } => ("S/U", "-".into(), "-".into(), Vec::new()),
            TlbContext::Virtual { satp, user, sum, mxr } => (
                if user { "U" } else { "S" },
                satp.asid.0.to_string(),
                format!("{:016x}", satp.root_ppn << PAGE_SHIFT),
                vec![(global, "G"), (sum, "SUM"), (mxr, "MXR")],
            ),
        };
        let scheme = match context {
            TlbContext::Physical { .. } => String::new(),
            TlbContext::Virtual { satp, .. } => format!(" {:?}", satp.mode),
        };
        let set = attributes.iter().filter(|(on, _)| *on).map(|(_, name)| *name);
        let attributes = set.collect::<Vec<_>>().join(" ");
        let line = format!(
            "{:<5}  {:016x} {:016x} {:016x} {:<4}  {:<6}  {asid:<5} {root:<16} {attributes}",
            verb(access),
            va.0,
            ram_base.wrapping_add(page.0),
            self.pages * PAGE_SIZE_BYTES,
            size_text(size_shift.into()),
            format!("{mode}{scheme}"),
        );
        line.trim_end().to_owned()
    }
}

/// An order of contexts: physical ones first, then by address space.
fn context_key(context: TlbContext) -> (u16, u64, u8) {
    match context {
        TlbContext::Physical { machine } => (0, 0, u8::from(!machine)),
        TlbContext::Virtual { satp, user, sum, mxr } => {
            let flags = u8::from(user) << 2 | u8::from(sum) << 1 | u8::from(mxr);
            (satp.asid.0, satp.to_bits(), flags)
        }
    }
}
