//! Floating-point state: `fflags`, `frm`, `fcsr` and the tracking of `mstatus.FS`. The engine
//! calls the accessors here for every floating-point instruction; they are the hot part.

use super::bits::status;
use super::{CsrAddr, CsrCx, CsrFile, Effect, table};

/// Accrued exceptions: NV DZ OF UF NX.
const FFLAGS: u64 = 0x1f;
/// Rounding mode; every value can be held, instructions refuse the reserved ones.
const FRM: u64 = 7;
const FRM_SHIFT: u32 = 5;

impl CsrFile {
    /// `mstatus.FS` is not off.
    #[inline(always)]
    pub fn fp_enabled(&self) -> bool {
        self.mstatus.fp_enabled()
    }

    /// `frm`: 3 bits, 5 to 7 are reserved.
    #[inline(always)]
    pub fn frm(&self) -> u64 {
        self.frm.into()
    }

    /// `fflags`: NX 1, UF 2, OF 4, DZ 8, NV 16.
    #[inline(always)]
    pub fn accrued_fflags(&self) -> u8 {
        self.fflags
    }

    /// ORs `flags` (NX 1, UF 2, OF 4, DZ 8, NV 16) into `fflags`; no flags, no write.
    #[inline(always)]
    pub fn accrue_fflags(&mut self, flags: u8) {
        if flags != 0 {
            self.fflags |= flags;
            if !self.fs_settled {
                self.note_fflags();
            }
        }
    }

    /// Whether the floating-point state is dirty already and nobody records, so that writing it
    /// needs no bookkeeping.
    #[inline(always)]
    pub fn fs_settled(&self) -> bool {
        self.fs_settled
    }

    /// Marks the floating-point state dirty.
    #[inline(always)]
    pub fn set_fs_dirty(&mut self) {
        if !self.fs_settled {
            self.dirty_fs();
        }
    }

    #[cold]
    #[inline(never)]
    fn dirty_fs(&mut self) {
        if !self.mstatus.fp_dirty() {
            // FS cannot be part of a translation or an enabled interrupt.
            let _ = self.replace_mstatus(self.mstatus.with(status::FS, status::FS));
            self.note(table::MSTATUS, self.mstatus.0);
        }
    }

    #[cold]
    #[inline(never)]
    fn note_fflags(&mut self) {
        self.dirty_fs();
        self.note(table::FFLAGS, self.fflags.into());
    }

    pub(super) fn settle_fs(&mut self) {
        self.fs_settled = self.mstatus.fp_dirty() && !self.record.is_on();
    }
}

/// FS gates the CSRs as it gates the instructions.
pub(super) fn fs_on(f: &CsrFile, _: CsrAddr, _: &CsrCx) -> bool {
    f.fp_enabled()
}

pub(super) fn fflags(f: &CsrFile, _: CsrAddr, _: &CsrCx) -> u64 {
    f.fflags.into()
}

pub(super) fn frm(f: &CsrFile, _: CsrAddr, _: &CsrCx) -> u64 {
    f.frm.into()
}

pub(super) fn fcsr(f: &CsrFile, _: CsrAddr, _: &CsrCx) -> u64 {
    u64::from(f.frm) << FRM_SHIFT | u64::from(f.fflags)
}

pub(super) fn set_fflags(f: &mut CsrFile, _: CsrAddr, value: u64, _: &CsrCx) -> Effect {
    f.fflags = (value & FFLAGS) as u8;
    f.set_fs_dirty();
    Effect::NONE
}

pub(super) fn set_frm(f: &mut CsrFile, _: CsrAddr, value: u64, _: &CsrCx) -> Effect {
    f.frm = (value & FRM) as u8;
    f.set_fs_dirty();
    Effect::NONE
}

pub(super) fn set_fcsr(f: &mut CsrFile, addr: CsrAddr, value: u64, cx: &CsrCx) -> Effect {
    set_frm(f, addr, value >> FRM_SHIFT, cx).and(set_fflags(f, addr, value, cx))
}

#[cfg(test)]
mod tests {
    use super::super::Recording;
    use super::super::tests::{FS_INITIAL, MSTATUS, file, read, write};
    use super::*;

    fn fs(f: &CsrFile) -> u64 {
        (f.mstatus().0 & status::FS) >> 13
    }

    fn written(f: &mut CsrFile) -> Vec<(CsrAddr, u64)> {
        f.take_written().collect()
    }

    #[test]
    fn whatever_changes_the_state_makes_it_dirty() {
        type Change = fn(&mut CsrFile);
        let changes: &[(&str, Change)] = &[
            ("fflags", |f| write(f, 0x001, 0)),
            ("frm", |f| write(f, 0x002, 0)),
            ("fcsr", |f| write(f, 0x003, 0)),
            ("flags", |f| f.accrue_fflags(1)),
            ("register", CsrFile::set_fs_dirty),
        ];
        for (name, change) in changes {
            let mut f = file();
            write(&mut f, MSTATUS, FS_INITIAL);
            change(&mut f);
            assert_eq!(fs(&f), 3, "{name}");
            assert_eq!(read(&mut f, 0x100) >> 63, 1, "{name}: SD");
            // Clean again: the next change is noticed too.
            write(&mut f, MSTATUS, 2 << 13);
            change(&mut f);
            assert_eq!(fs(&f), 3, "{name} again");
        }
    }

    #[test]
    fn reading_and_raising_nothing_leave_it_clean() {
        let mut f = file();
        write(&mut f, MSTATUS, FS_INITIAL);
        f.accrue_fflags(0);
        assert_eq!((read(&mut f, 0x003), fs(&f)), (0, 1));
    }

    #[test]
    fn flags_accrue_into_fcsr() {
        let mut f = file();
        write(&mut f, MSTATUS, FS_INITIAL);
        write(&mut f, 0x002, 5);
        f.accrue_fflags(0x10);
        f.accrue_fflags(0x01);
        assert_eq!(read(&mut f, 0x003), 5 << 5 | 0x11);
        write(&mut f, 0x003, 3 << 5 | 2);
        assert_eq!((read(&mut f, 0x001), f.frm()), (2, 3));
    }

    #[test]
    fn a_commit_log_hears_flags_and_the_first_dirtying() {
        let mut f = file();
        write(&mut f, MSTATUS, FS_INITIAL);
        f.record(Recording::On);
        f.accrue_fflags(0x01);
        let dirty = 0x8000_000a_0000_6000;
        assert_eq!(written(&mut f), [(table::MSTATUS, dirty), (table::FFLAGS, 1)]);
        f.set_fs_dirty();
        assert_eq!(written(&mut f), []);
        f.accrue_fflags(0x01);
        assert_eq!(written(&mut f), [(table::FFLAGS, 1)]);
        f.record(Recording::Off);
        f.accrue_fflags(0x10);
        assert_eq!((written(&mut f), read(&mut f, 0x001)), (vec![], 0x11));
    }
}
