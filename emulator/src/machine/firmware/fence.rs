//! What one hart asks of others: the IPI and the remote fence extension. Both take effect before
//! the call returns, since harts execute one after the other.

use super::hsm::HartState;
use super::pmu::Event;
use super::trap::MIP;
use super::{Answer, Args, Cx, Error, SUCCESS, Sbi};
use crate::addr::{Asid, PAGE_SHIFT, VirtAddr};
use crate::trap::Interrupt;

/// A longer range is fenced as a whole address space: cheaper than page by page, and no call
/// takes long.
const RANGE_MAX_PAGES: u64 = 64;

/// `hart_mask_base`: the mask is ignored, all harts are meant.
pub(super) const ALL_HARTS: u64 = u64::MAX;

/// Harts by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HartSet(u64);

impl HartSet {
    pub(super) fn iter(self) -> impl Iterator<Item = usize> {
        (0..64).filter(move |hart| self.0 >> hart & 1 != 0)
    }
}

/// The harts that a mask names. Stopped ones are left out: they have nothing to be interrupted in,
/// and are fenced when they start.
///
/// Source: "Binary Encoding", "Hart list parameter".
pub(super) fn targets(sbi: &Sbi, mask: u64, base: u64) -> Result<HartSet, Error> {
    let harts = sbi.harts.iter().enumerate().filter(|(_, state)| **state != HartState::Stopped);
    let awake = harts.fold(0, |bits, (hart, _)| bits | 1 << hart);
    if base == ALL_HARTS {
        return Ok(HartSet(awake));
    }
    let mut named = 0;
    for bit in (0..64).filter(|bit| mask >> bit & 1 != 0) {
        let hart = base.checked_add(bit).filter(|hart| *hart < sbi.harts.len() as u64);
        named |= 1 << hart.ok_or(Error::InvalidParam)?;
    }
    Ok(HartSet(named & awake))
}

/// The pages to fence one by one; none where everything is to be fenced.
///
/// Source: "RFENCE Extension": a range is everything where both numbers are 0 or the size is the
/// largest number. One that wraps is fenced as everything too.
fn pages(start: u64, size_bytes: u64) -> Option<Vec<VirtAddr>> {
    if start == 0 && size_bytes == 0 || size_bytes == u64::MAX {
        return None;
    }
    let Some(to_last) = size_bytes.checked_sub(1) else { return Some(Vec::new()) };
    let (first, last) = (start >> PAGE_SHIFT, start.checked_add(to_last)? >> PAGE_SHIFT);
    let is_short = last - first < RANGE_MAX_PAGES;
    is_short.then(|| (first..=last).map(|page| VirtAddr(page << PAGE_SHIFT)).collect())
}

impl Cx<'_> {
    /// Counts what was sent to other harts, and what they have received.
    fn count(&mut self, to: HartSet, sent: Event, received: Event) {
        for hart in to.iter().filter(|hart| *hart != self.caller) {
            self.sbi.pmu.count(self.caller, sent);
            self.sbi.pmu.count(hart, received);
        }
    }

    pub(super) fn interrupt(&mut self, to: HartSet) -> Answer {
        self.count(to, Event::IpiSent, Event::IpiReceived);
        for hart in to.iter() {
            self.platform.change_csr(hart, MIP, 0, Interrupt::SupervisorSoftware.bit());
        }
        SUCCESS
    }

    pub(super) fn fence_code(&mut self, on: HartSet) -> Answer {
        self.count(on, Event::FenceISent, Event::FenceIReceived);
        on.iter().for_each(|hart| self.platform.fence_i(hart));
        SUCCESS
    }

    pub(super) fn fence_translations(
        &mut self,
        on: HartSet,
        start: u64,
        size_bytes: u64,
        asid: Option<Asid>,
    ) -> Answer {
        let (sent, received) = match asid {
            None => (Event::SfenceVmaSent, Event::SfenceVmaReceived),
            Some(_) => (Event::SfenceVmaAsidSent, Event::SfenceVmaAsidReceived),
        };
        self.count(on, sent, received);
        let pages = pages(start, size_bytes);
        for hart in on.iter() {
            match &pages {
                None => self.platform.sfence_vma(hart, None, asid),
                Some(pages) => {
                    pages.iter().for_each(|va| self.platform.sfence_vma(hart, Some(*va), asid));
                }
            }
        }
        SUCCESS
    }
}

pub(super) fn send_ipi(cx: &mut Cx<'_>, &[mask, base, ..]: &Args) -> Answer {
    let to = targets(cx.sbi, mask, base)?;
    cx.interrupt(to)
}

pub(super) fn remote_fence_i(cx: &mut Cx<'_>, &[mask, base, ..]: &Args) -> Answer {
    let on = targets(cx.sbi, mask, base)?;
    cx.fence_code(on)
}

pub(super) fn remote_sfence_vma(cx: &mut Cx<'_>, args: &Args) -> Answer {
    let [mask, base, start, size_bytes, ..] = *args;
    let on = targets(cx.sbi, mask, base)?;
    cx.fence_translations(on, start, size_bytes, None)
}

/// As with the instruction, bits of `asid` beyond its width are ignored.
pub(super) fn remote_sfence_vma_asid(cx: &mut Cx<'_>, args: &Args) -> Answer {
    let [mask, base, start, size_bytes, asid, ..] = *args;
    let on = targets(cx.sbi, mask, base)?;
    cx.fence_translations(on, start, size_bytes, Some(Asid(asid as u16)))
}

/// Fences for guests of a hypervisor: no hart has that extension.
pub(super) fn no_hypervisor(_: &mut Cx<'_>, _: &Args) -> Answer {
    Err(Error::NotSupported)
}
