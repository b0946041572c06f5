//! Where a debugger wants harts to stop: [`Stops`], handed to an engine before it runs; and
//! [`Listening`], which stands between the engine and its observer and notices what is hit.
//!
//! Execution is as fast as without breakpoints, but for the blocks at them. Virtual and physical
//! addresses share the offset within a page: at every offset that a breakpoint has, blocks end,
//! and none that begins there is kept. So whoever comes there comes through the slow way of
//! finding a block, and that is where the whole address is compared. While memory is watched, for
//! which the observer must be active, and while a hart steps, blocks have one instruction.

use std::collections::BTreeSet;
use std::io;

use super::Exit;
use crate::addr::{Access, PAGE_SIZE_BYTES, Privilege, VirtAddr, Width};
use crate::csr::CsrAddr;
use crate::hart::FenceOrigin;
use crate::hart::Hart;
use crate::hart::observe::Observer;
use crate::mmu::{Fence, WalkRecord};
use crate::trap::{Exception, Interrupt};

/// Which accesses a watchpoint stops at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchKind {
    /// Loads.
    Read,
    /// Stores.
    Write,
    /// Both.
    Access,
}

impl WatchKind {
    fn covers(self, access: Access) -> bool {
        match access {
            Access::Fetch => false,
            Access::Load => self != Self::Write,
            Access::Store => self != Self::Read,
        }
    }
}

/// Bytes whose use by an instruction stops the hart, after that instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watchpoint {
    /// The first byte.
    pub start: VirtAddr,
    /// Number of bytes.
    pub len_bytes: u64,
    /// What is watched for.
    pub kind: WatchKind,
}

impl Watchpoint {
    /// The first byte of this watchpoint that an access to `width` bytes at `va` touches.
    fn touched(&self, va: VirtAddr, width: Width, access: Access) -> Option<VirtAddr> {
        if !self.kind.covers(access) {
            return None;
        }
        let into_watched = va.0.wrapping_sub(self.start.0);
        let into_access = self.start.0.wrapping_sub(va.0);
        if into_watched < self.len_bytes {
            Some(va)
        } else {
            (self.len_bytes > 0 && into_access < width.bytes()).then_some(self.start)
        }
    }
}

/// A hart that has not moved since somebody looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    hart: u64,
    pc: VirtAddr,
    insns: u64,
}

impl Place {
    /// Where `hart` is.
    pub fn of(hart: &Hart) -> Self {
        Self { hart: hart.id(), pc: hart.pc, insns: hart.insns }
    }
}

/// What a debugger wants harts to stop at. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stops {
    /// Virtual addresses of instructions before which a hart stops, in any address space.
    pub breakpoints: BTreeSet<VirtAddr>,
    /// Memory whose use stops a hart.
    pub watchpoints: Vec<Watchpoint>,
    /// Ids of the harts that stop after one instruction or trap. They take no interrupts: whoever
    /// follows a piece of code does not want to find himself in a timer's handler.
    pub stepping: Vec<u64>,
    /// Where harts stand as they set out: a breakpoint there does not keep them.
    pub leaving: Vec<Place>,
}

impl Stops {
    /// Whether no hart ever stops.
    pub fn is_empty(&self) -> bool {
        self.breakpoints.is_empty() && self.watchpoints.is_empty() && self.stepping.is_empty()
    }
}

/// How decoded blocks are to be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// As they are.
    AsBefore,
    /// They must be decoded anew.
    Otherwise,
}

/// Instructions that are at least two bytes long have this many places in a page.
const PLACES: usize = PAGE_SIZE_BYTES as usize / 2;

/// A set of places in a page where instructions may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cuts([u64; PLACES / 64]);

impl Cuts {
    fn at(stops: &Stops) -> Self {
        let mut cuts = Self([0; PLACES / 64]);
        for at in &stops.breakpoints {
            let place = at.page_offset() as usize / 2;
            cuts.0[place / 64] |= 1 << (place % 64);
        }
        cuts
    }

    #[inline]
    fn has(&self, page_offset: u64) -> bool {
        let place = page_offset as usize / 2;
        self.0[place / 64] >> (place % 64) & 1 != 0
    }
}

/// An observer, and beside it the look-out for stops.
#[derive(Debug)]
pub(super) struct Listening<O> {
    pub(super) observer: O,
    stops: Stops,
    cuts: Cuts,
    /// A hart that steps has its turn.
    is_stepping: bool,
    /// What has been hit, until taken.
    hit: Option<Exit>,
}

impl<O> Listening<O> {
    pub(super) fn new(observer: O) -> Self {
        let stops = Stops::default();
        Self { observer, cuts: Cuts::at(&stops), stops, is_stepping: false, hit: None }
    }

    /// From now on, looks out for `stops`.
    pub(super) fn set(&mut self, stops: Stops) -> Cut {
        let cuts = Cuts::at(&stops);
        let watches = |stops: &Stops| !stops.watchpoints.is_empty();
        let fit = cuts == self.cuts && watches(&stops) == watches(&self.stops);
        (self.stops, self.cuts, self.hit) = (stops, cuts, None);
        if fit { Cut::AsBefore } else { Cut::Otherwise }
    }

    /// Whether a breakpoint is at this offset in some page.
    pub(super) fn is_cut(&self, page_offset: u64) -> bool {
        self.cuts.has(page_offset)
    }

    /// Whether a block must end before an instruction at this offset in its page.
    pub(super) fn ends_before(&self, page_offset: u64) -> bool {
        self.is_stepping || !self.stops.watchpoints.is_empty() || self.is_cut(page_offset)
    }

    /// A hart that steps has its turn from here on, or its turn is over.
    pub(super) fn change_pace(&mut self) {
        self.is_stepping = !self.is_stepping;
    }

    /// Whether `hart` goes one instruction at a time.
    #[inline(always)]
    pub(super) fn steps(&self, hart: &Hart) -> bool {
        !self.stops.stepping.is_empty() && self.stops.stepping.contains(&hart.id())
    }

    /// Notes it if `hart`, about to execute what is at its pc, stands at a breakpoint. Whether it
    /// does.
    pub(super) fn meets_breakpoint(&mut self, hart: &Hart) -> bool {
        let meets = self.is_cut(hart.pc.page_offset())
            && self.stops.breakpoints.contains(&hart.pc)
            && !self.stops.leaving.contains(&Place::of(hart));
        if meets {
            self.hit = Some(Exit::Breakpoint);
        }
        meets
    }

    /// Whether something has been hit.
    #[inline(always)]
    pub(super) fn has_hit(&self) -> bool {
        self.hit.is_some()
    }

    /// What has been hit since the last call.
    #[inline(always)]
    pub(super) fn take_hit(&mut self) -> Option<Exit> {
        self.hit.take()
    }

    #[inline]
    fn note(&mut self, va: VirtAddr, width: Width, access: Access) {
        if self.stops.watchpoints.is_empty() || self.hit.is_some() {
            return;
        }
        let hit = |watchpoint: &Watchpoint| {
            let at = watchpoint.touched(va, width, access)?;
            Some(Exit::Watchpoint { at, kind: watchpoint.kind })
        };
        self.hit = self.stops.watchpoints.iter().find_map(hit);
    }
}

impl<O: Observer> Observer for Listening<O> {
    const ACTIVE: bool = O::ACTIVE;

    #[inline(always)]
    fn x(&mut self, r: u8, value: u64) {
        self.observer.x(r, value);
    }

    #[inline(always)]
    fn f(&mut self, r: u8, value: u64) {
        self.observer.f(r, value);
    }

    #[inline(always)]
    fn csr(&mut self, addr: CsrAddr, value: u64) {
        self.observer.csr(addr, value);
    }

    #[inline(always)]
    fn load(&mut self, va: VirtAddr, width: Width) {
        self.note(va, width, Access::Load);
        self.observer.load(va, width);
    }

    #[inline(always)]
    fn store(&mut self, va: VirtAddr, width: Width, value: u64) {
        self.note(va, width, Access::Store);
        self.observer.store(va, width, value);
    }

    #[inline(always)]
    fn retire(&mut self, privilege: Privilege, pc: VirtAddr, bits: u32) {
        self.observer.retire(privilege, pc, bits);
    }

    #[inline(always)]
    fn exception(&mut self, exception: &Exception, from: Privilege, epc: VirtAddr) {
        self.observer.exception(exception, from, epc);
    }

    #[inline(always)]
    fn interrupt(&mut self, interrupt: Interrupt, from: Privilege, epc: VirtAddr) {
        self.observer.interrupt(interrupt, from, epc);
    }

    fn turn(&mut self, hart: u64) {
        self.observer.turn(hart);
    }

    fn pause(&mut self) {
        self.observer.pause();
    }

    fn begin(&mut self, privilege: Privilege, pc: VirtAddr, bits: u32) {
        self.observer.begin(privilege, pc, bits);
    }

    fn decoded(&mut self, privilege: Privilege, pc: VirtAddr, code: &[u8]) {
        self.observer.decoded(privilege, pc, code);
    }

    fn lookup(&mut self, access: Access, va: VirtAddr, len_bytes: u64) {
        self.observer.lookup(access, va, len_bytes);
    }

    fn walk(&mut self, walk: &WalkRecord, privilege: Privilege, pc: VirtAddr) {
        self.observer.walk(walk, privilege, pc);
    }

    fn fence(&mut self, fence: &Fence, origin: FenceOrigin) {
        self.observer.fence(fence, origin);
    }

    fn finish(&mut self) -> io::Result<()> {
        self.observer.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watchpoints_are_touched_by_what_overlaps_them() {
        use Access::{Fetch, Load, Store};
        use WatchKind::{Read, Write};
        let end = u64::MAX;
        for (start, len_bytes, kind, at, width, access, touched) in [
            (0x100, 8, Read, 0x100, Width::Byte, Load, Some(0x100)),
            (0x100, 8, Read, 0x107, Width::Byte, Load, Some(0x107)),
            (0x100, 8, Read, 0x108, Width::Byte, Load, None),
            (0x100, 8, Read, 0xff, Width::Byte, Load, None),
            (0x100, 8, Read, 0xfe, Width::Word, Load, Some(0x100)),
            (0x103, 1, Read, 0x100, Width::Word, Load, Some(0x103)),
            (0x104, 1, Read, 0x100, Width::Word, Load, None),
            (0x100, 8, Read, 0x100, Width::Byte, Store, None),
            (0x100, 8, Write, 0x100, Width::Byte, Load, None),
            (0x100, 8, Write, 0x100, Width::Byte, Store, Some(0x100)),
            (0x100, 8, WatchKind::Access, 0x100, Width::Byte, Load, Some(0x100)),
            (0x100, 8, WatchKind::Access, 0x100, Width::Byte, Store, Some(0x100)),
            (0x100, 8, WatchKind::Access, 0x100, Width::Byte, Fetch, None),
            (0x100, 0, WatchKind::Access, 0x100, Width::Double, Load, None),
            (end, 1, Write, end - 1, Width::Half, Store, Some(end)),
            (end, 2, Write, 0, Width::Byte, Store, Some(0)),
            (0, end, Write, end - 1, Width::Byte, Store, Some(end - 1)),
        ] {
            let watchpoint = Watchpoint { start: VirtAddr(start), len_bytes, kind };
            let found = watchpoint.touched(VirtAddr(at), width, access);
            assert_eq!(found, touched.map(VirtAddr), "{watchpoint:x?}, {access:?} at {at:#x}");
        }
    }

    #[test]
    fn blocks_are_cut_where_breakpoints_are() {
        let mut listening = Listening::new(());
        let breakpoints = [0x1002, 0x8000_0002, u64::MAX - 1].map(VirtAddr);
        let stops = Stops { breakpoints: breakpoints.into(), ..Stops::default() };
        assert_eq!(listening.set(stops.clone()), Cut::Otherwise);
        let cut: Vec<u64> = (0..4096).step_by(2).filter(|at| listening.is_cut(*at)).collect();
        assert_eq!(cut, [2, 0xffe]);
        let stops = Stops { stepping: vec![0], ..stops };
        assert_eq!(listening.set(stops), Cut::AsBefore, "steps do not change blocks");
        assert_eq!(listening.set(Stops::default()), Cut::Otherwise);
        let watchpoint = Watchpoint { start: VirtAddr(0), len_bytes: 1, kind: WatchKind::Read };
        let stops = Stops { watchpoints: vec![watchpoint], ..Stops::default() };
        assert_eq!(listening.set(stops.clone()), Cut::Otherwise);
        assert!(listening.ends_before(2) && !listening.is_cut(2));
        assert_eq!(listening.set(stops), Cut::AsBefore);
    }
}
