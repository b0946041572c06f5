//! One translation in words: [`Inquiry`] asks the MMU of the current hart, prints the walk level
//! by level and says what denies the access: the bit of the entry, PMP, or that nothing is there.

use super::{mode_letter, size_text, verb};
use crate::addr::{Access, PAGE_SHIFT, PhysAddr, Privilege, VirtAddr};
use crate::debug::view::View;
use crate::mmu::{
    Context, Explanation, PTE_SIZE_BYTES, Pte, Refusal, Step, VPN_BITS, Verdict, WalkFault, leaf,
};
use crate::trap::{Exception, Trap};

/// A question to the MMU, and its answer.
pub(in crate::debug) struct Inquiry<'a> {
    view: View<'a>,
    va: VirtAddr,
    access: Access,
    cx: Context,
    explanation: Explanation,
}

/// What an access that is denied raises, and why, in a few words.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::debug) struct Denial {
    pub(in crate::debug) exception: Exception,
    pub(in crate::debug) why: String,
}

impl<'a> Inquiry<'a> {
    /// Asks how the current hart would come to `va` for `access`; where `privilege` is given, in
    /// that mode.
    pub(in crate::debug) fn new(
        view: &View<'a>,
        va: VirtAddr,
        access: Access,
        privilege: Option<Privilege>,
    ) -> Self {
        let mmu = &view.hart().mmu;
        let now = mmu.context(access);
        let cx = Context { privilege: privilege.unwrap_or(now.privilege), ..*now };
        let explanation = mmu.explain_in(&cx, view.bus, va, access);
        Self { view: *view, va, access, cx, explanation }
    }

    /// What denies the access, if anything does.
    pub(in crate::debug) fn denial(&self) -> Option<Denial> {
        let access_fault = Exception::AccessFault(self.access, self.va);
        let level = |why: String| match self.explanation.steps.last() {
            Some(step) => format!("{why} (level {})", step.level),
            None => why,
        };
        let (exception, why) = match self.explanation.pa {
            Err(Refusal::Walk(fault)) => {
                let page_fault = Exception::PageFault(self.access, self.va);
                let exception = if fault.is_access_fault() { access_fault } else { page_fault };
                (exception, level(self.bit(fault)))
            }
            Err(Refusal::Protection(at)) => {
                (access_fault, protection(&self.view, at, self.access, self.cx.privilege))
            }
            Ok(at) if self.access == Access::Fetch => (access_fault, not_ram(&self.view, at)?),
            Ok(at) if self.view.bus.register_at(at).is_none() => {
                (access_fault, not_ram(&self.view, at)?)
            }
            Ok(_) => return None,
        };
        Some(Denial { exception, why })
    }

    /// Whether physical memory protection denies the access.
    pub(in crate::debug) fn is_protected(&self) -> bool {
        matches!(self.explanation.pa, Err(Refusal::Protection(_)))
    }

    /// Whether page tables are involved.
    pub(in crate::debug) fn translates(&self) -> bool {
        self.cx.translates()
    }

    /// The walk as lines: in which context, the address taken apart, a line for each level, the
    /// outcome.
    pub(in crate::debug) fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.heading()];
        if self.translates() {
            lines.push(self.parts());
        }
        if !self.explanation.steps.is_empty() {
            lines.push(
                "  level  table      + 8 * VPN = pte at       pte                 DAGUXWRV"
                    .to_owned(),
            );
            lines.extend(self.explanation.steps.iter().map(|step| self.step(step)));
        }
        lines.push(match (self.denial(), self.explanation.pa) {
            (Some(Denial { exception, why }), _) => {
                let name = super::cause::trap_name(Trap::Exception(exception));
                format!("  => {name}: {why}")
            }
            (None, Ok(at)) => {
                let place = self.view.bus.register_at(at).unwrap_or_else(|| "RAM".to_owned());
                format!("  => physical address {:#x}, {place}", at.0)
            }
            (None, Err(_)) => unreachable!("what is refused is denied"),
        });
        lines
    }

    fn heading(&self) -> String {
        let Self { va, access, cx, .. } = self;
        let (verb, mode) = (verb(*access), mode_letter(cx.privilege));
        let at = format!("{:#x}{}", va.0, self.view.label(va.0));
        if !cx.translates() {
            let why = if cx.privilege == Privilege::Machine { "" } else { ", satp is Bare" };
            return format!("{verb} at {at} in {mode}-mode: not translated{why}");
        }
        let data = match (access, cx.privilege) {
            (Access::Fetch, _) => String::new(),
            (_, Privilege::User) => format!(", MXR={}", u8::from(cx.mxr)),
            _ => format!(", SUM={} MXR={}", u8::from(cx.sum), u8::from(cx.mxr)),
        };
        let (satp, root) = (&cx.satp, cx.satp.root_ppn << PAGE_SHIFT);
        let (scheme, asid) = (satp.mode, satp.asid.0);
        format!("{verb} at {at} in {mode}-mode: {scheme:?}, ASID {asid}, root {root:#x}{data}")
    }

    fn parts(&self) -> String {
        let levels = (0..self.cx.satp.mode.levels()).rev();
        let parts = levels.map(|level| format!("VPN[{level}] {} | ", vpn(self.va, level)));
        format!("  {}offset {:#x}", parts.collect::<String>(), self.va.page_offset())
    }

    fn step(&self, step: &Step) -> String {
        let vpn = vpn(self.va, step.level.into());
        let table = PhysAddr(step.pte_at.0.wrapping_sub(vpn * PTE_SIZE_BYTES));
        // The manual's letters come last; before them what else is set, after the page number.
        let text = step.pte.to_string();
        let (fields, letters) = text.rsplit_once(' ').unwrap_or(("", &text));
        let others = fields.split_once(' ').map_or(String::new(), |(_, rest)| format!(" {rest}"));
        let remark = self.remark(step);
        format!(
            "  {:<5}  {:#010x} + 8 * {vpn:<3} = {:#010x}   {:#018x}  {letters}{others}  {remark}",
            step.level, table.0, step.pte_at.0, step.pte.0,
        )
    }

    /// What a step has found, in a few words.
    fn remark(&self, step: &Step) -> String {
        match step.verdict {
            Verdict::Pointer => format!("table {:#x}", step.pte.page().0),
            Verdict::Leaf | Verdict::Updated => {
                let leaf = leaf(step.pte, step.pte_at, step.level.into(), false, self.va);
                let (size, page) = (size_text(leaf.size_shift.into()), leaf.pa.page_base().0);
                let sets = if step.verdict == Verdict::Updated { ", sets A or D" } else { "" };
                format!("{size} page, here {page:#x}{sets}")
            }
            Verdict::Raced => "has changed meanwhile".to_owned(),
            Verdict::Fault(fault) => {
                let why = self.bit(fault);
                why.split_once(", ").map_or(why.as_str(), |(bits, _)| bits).to_owned()
            }
        }
    }

    /// The bit that is at fault, and what it means here.
    fn bit(&self, fault: WalkFault) -> String {
        let Some(step) = self.explanation.steps.last() else {
            let high = PAGE_SHIFT + VPN_BITS * self.cx.satp.mode.levels() - 1;
            return format!("not canonical: bits 63..{} differ from bit {high}", high + 1);
        };
        let mode = mode_letter(self.cx.privilege);
        match (fault, self.access) {
            (WalkFault::NotValid, _) => "V=0, nothing is mapped there".to_owned(),
            (WalkFault::Privilege, _) if self.cx.privilege == Privilege::User => {
                "U=0, the page is not for U-mode".to_owned()
            }
            (WalkFault::Privilege, Access::Fetch) => {
                format!("U=1, {mode}-mode never executes pages of U-mode")
            }
            (WalkFault::Privilege, _) => "U=1 and SUM=0, the page is for U-mode only".to_owned(),
            (WalkFault::Permission, Access::Fetch) => "X=0, the page is not executable".to_owned(),
            (WalkFault::Permission, Access::Load) if step.pte.has(Pte::X) => {
                "R=0, and MXR=0 keeps X from standing in".to_owned()
            }
            (WalkFault::Permission, Access::Load) => "R=0, the page is not readable".to_owned(),
            (WalkFault::Permission, Access::Store) => "W=0, the page is not writable".to_owned(),
            (WalkFault::NotAccessed, _) => "A=0, and hardware sets it only with ADUE".to_owned(),
            (WalkFault::NotDirty, _) => "D=0, and hardware sets it only with ADUE".to_owned(),
            (WalkFault::Unreadable, _) => {
                let view = &self.view;
                not_ram(view, step.pte_at).unwrap_or_else(|| {
                    protection(view, step.pte_at, Access::Load, Privilege::Supervisor)
                })
            }
            _ => fault.to_string(),
        }
    }
}

fn vpn(va: VirtAddr, level: u32) -> u64 {
    va.0 >> (PAGE_SHIFT + VPN_BITS * level) & ((1 << VPN_BITS) - 1)
}

/// Why no RAM is at `at`; `None` where it is.
pub(in crate::debug) fn not_ram(view: &View<'_>, at: PhysAddr) -> Option<String> {
    if view.bus.ram.offset_of(at, 1).is_some() {
        return None;
    }
    Some(match view.bus.register_at(at) {
        Some(register) => format!("{:#x} is {register}, a device, not RAM", at.0),
        None => format!("no memory and no device is at physical address {:#x}", at.0),
    })
}

/// Which PMP entry keeps `privilege` from `access` at `at`.
fn protection(view: &View<'_>, at: PhysAddr, access: Access, privilege: Privilege) -> String {
    let mode = mode_letter(privilege);
    let regions = view.hart().csr.pmp_regions();
    match regions.iter().find(|region| region.first <= at && at <= region.last) {
        Some(region) => {
            let (first, last, verb) = (region.first.0, region.last.0, verb(access));
            format!(
                "the PMP entry for {first:#x}..={last:#x} does not allow a {verb} in {mode}-mode"
            )
        }
        None if regions.is_empty() => {
            format!("no PMP entry is set, which keeps {mode}-mode out of all memory")
        }
        None => format!("no PMP entry matches {:#x}, which keeps {mode}-mode out", at.0),
    }
}
