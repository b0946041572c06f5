//! Lines of /proc/PID/maps and smaps: an area, and what its pages add up to.

use core::fmt::{self, Write};
use core::ops::AddAssign;

use super::escape;
use crate::PAGE_SIZE_BYTES;
use crate::mm::{Charge, Prot, Sharing};

/// Column at which the name of an area stands.
const NAME_COLUMN: usize = 73;
/// Digits behind the binary point in sums of shares.
const SHARE_SHIFT: u32 = 12;

/// An area as it is listed.
#[derive(Clone, Copy, Debug)]
pub struct Area<'a> {
    /// First address.
    pub start: u64,
    /// First address behind it.
    pub end: u64,
    /// What is allowed; `None` for a sum over all areas.
    pub prot: Prot,
    /// Who sees what is written.
    pub sharing: Sharing,
    /// Where in its object it begins, in bytes.
    pub offset: u64,
    /// Number of the object's device, as in `dev_t`.
    pub device: u64,
    /// The object's number.
    pub inode: u64,
    /// Path, or what stands for it.
    pub name: &'a [u8],
}

/// The device's major and minor number.
pub const fn split_device(device: u64) -> (u64, u64) {
    (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xfff00)
}

/// The line of `maps`.
impl fmt::Display for Area<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Columns { out: f, column: 0 };
        let letter = |set: bool, letter: char| if set { letter } else { '-' };
        let (major, minor) = split_device(self.device);
        write!(
            line,
            "{:08x}-{:08x} {}{}{}{} {:08x} {major:02x}:{minor:02x} {} ",
            self.start,
            self.end,
            letter(self.prot.read, 'r'),
            letter(self.prot.write, 'w'),
            letter(self.prot.exec, 'x'),
            if self.sharing == Sharing::Shared { 's' } else { 'p' },
            self.offset,
            self.inode,
        )?;
        if !self.name.is_empty() {
            while line.column < NAME_COLUMN {
                line.write_str(" ")?;
            }
            write!(line, "{}", escape::path(self.name))?;
        }
        line.write_str("\n")
    }
}

/// Counts the columns written.
struct Columns<'a, 'b> {
    out: &'a mut fmt::Formatter<'b>,
    column: usize,
}

impl Write for Columns<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.column += text.len();
        self.out.write_str(text)
    }
}

/// A page that is there.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// PTEs that map it.
    pub mapped: u32,
    /// It was written, through this PTE as far as that is known.
    pub is_dirty: bool,
    /// It was used.
    pub is_accessed: bool,
    /// Whose it is.
    pub kind: PageKind,
}

/// Whose a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageKind {
    /// A process's own.
    Anonymous,
    /// A file's.
    File,
    /// Of memory that only processes share.
    Shared,
}

/// What pages add up to, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    rss: u64,
    pss: u64,
    pss_dirty: u64,
    pss_anonymous: u64,
    pss_file: u64,
    pss_shared: u64,
    shared_clean: u64,
    shared_dirty: u64,
    private_clean: u64,
    private_dirty: u64,
    referenced: u64,
    anonymous: u64,
    swap: u64,
    /// Bytes that are locked; set by who knows.
    pub locked: u64,
}

impl Sums {
    /// One more page is there.
    pub fn add_page(&mut self, page: Page) {
        let size = PAGE_SIZE_BYTES;
        let share = (size << SHARE_SHIFT) / u64::from(page.mapped.max(1));
        self.rss += size;
        self.pss += share;
        match page.kind {
            PageKind::Anonymous => {
                self.anonymous += size;
                self.pss_anonymous += share;
            }
            PageKind::File => self.pss_file += share,
            PageKind::Shared => self.pss_shared += share,
        }
        if page.is_dirty {
            self.pss_dirty += share;
        }
        if page.is_accessed {
            self.referenced += size;
        }
        *match (page.mapped > 1, page.is_dirty) {
            (true, true) => &mut self.shared_dirty,
            (true, false) => &mut self.shared_clean,
            (false, true) => &mut self.private_dirty,
            (false, false) => &mut self.private_clean,
        } += size;
    }

    /// One more page is in swap.
    pub fn add_swapped(&mut self) {
        self.swap += PAGE_SIZE_BYTES;
    }

    /// The lines of `smaps` from Rss on to those that only areas have.
    fn write(&self, f: &mut fmt::Formatter<'_>, is_rollup: bool) -> fmt::Result {
        let share = |sum: u64| sum >> SHARE_SHIFT;
        line(f, "Rss:", self.rss)?;
        line(f, "Pss:", share(self.pss))?;
        line(f, "Pss_Dirty:", share(self.pss_dirty))?;
        if is_rollup {
            line(f, "Pss_Anon:", share(self.pss_anonymous))?;
            line(f, "Pss_File:", share(self.pss_file))?;
            line(f, "Pss_Shmem:", share(self.pss_shared))?;
        }
        for (name, bytes) in [
            ("Shared_Clean:", self.shared_clean),
            ("Shared_Dirty:", self.shared_dirty),
            ("Private_Clean:", self.private_clean),
            ("Private_Dirty:", self.private_dirty),
            ("Referenced:", self.referenced),
            ("Anonymous:", self.anonymous),
            ("KSM:", 0),
            ("LazyFree:", 0),
            ("AnonHugePages:", 0),
            ("ShmemPmdMapped:", 0),
            ("FilePmdMapped:", 0),
            ("Shared_Hugetlb:", 0),
            ("Private_Hugetlb:", 0),
            ("Swap:", self.swap),
            ("SwapPss:", self.swap),
            ("Locked:", self.locked),
        ] {
            line(f, name, bytes)?;
        }
        Ok(())
    }
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        for (sum, more) in [
            (&mut self.rss, other.rss),
            (&mut self.pss, other.pss),
            (&mut self.pss_dirty, other.pss_dirty),
            (&mut self.pss_anonymous, other.pss_anonymous),
            (&mut self.pss_file, other.pss_file),
            (&mut self.pss_shared, other.pss_shared),
            (&mut self.shared_clean, other.shared_clean),
            (&mut self.shared_dirty, other.shared_dirty),
            (&mut self.private_clean, other.private_clean),
            (&mut self.private_dirty, other.private_dirty),
            (&mut self.referenced, other.referenced),
            (&mut self.anonymous, other.anonymous),
            (&mut self.swap, other.swap),
            (&mut self.locked, other.locked),
        ] {
            *sum += more;
        }
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, bytes: u64) -> fmt::Result {
    writeln!(f, "{name:<16}{:>8} kB", bytes / 1024)
}

/// The lines of `smaps` for an area.
#[derive(Clone, Copy, Debug)]
pub struct Detail<'a> {
    /// The area.
    pub area: Area<'a>,
    /// What it may become at most.
    pub max_prot: Prot,
    /// It grows down.
    pub is_stack: bool,
    /// Whether its pages count as promised.
    pub charge: Charge,
    /// Its pages.
    pub sums: Sums,
}

impl fmt::Display for Detail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Area { start, end, prot, sharing, .. } = self.area;
        write!(f, "{}", self.area)?;
        line(f, "Size:", end - start)?;
        line(f, "KernelPageSize:", PAGE_SIZE_BYTES)?;
        line(f, "MMUPageSize:", PAGE_SIZE_BYTES)?;
        self.sums.write(f, false)?;
        writeln!(f, "{:<16}{:>8}", "THPeligible:", 0)?;
        f.write_str("VmFlags: ")?;
        let is_shared = sharing == Sharing::Shared;
        for (is_set, flag) in [
            (prot.read, "rd"),
            (prot.write, "wr"),
            (prot.exec, "ex"),
            (is_shared, "sh"),
            (self.max_prot.read, "mr"),
            (self.max_prot.write, "mw"),
            (self.max_prot.exec, "me"),
            (is_shared, "ms"),
            (self.is_stack, "gd"),
            (self.sums.locked > 0, "lo"),
            (self.charge == Charge::Charged, "ac"),
            (self.charge == Charge::Never, "nr"),
        ] {
            if is_set {
                write!(f, "{flag} ")?;
            }
        }
        f.write_str("\n")
    }
}

/// The text of `smaps_rollup`.
#[derive(Clone, Copy, Debug)]
pub struct Rollup {
    /// First address of the first area, and first behind the last one.
    pub range: (u64, u64),
    /// All pages.
    pub sums: Sums,
}

impl fmt::Display for Rollup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, end) = self.range;
        let (prot, sharing, name) = (Prot::NONE, Sharing::Private, b"[rollup]");
        write!(f, "{}", Area { start, end, prot, sharing, offset: 0, device: 0, inode: 0, name })?;
        self.sums.write(f, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: Area<'_> = Area {
        start: 0x10000,
        end: 0x12000,
        prot: Prot::READ_EXEC,
        sharing: Sharing::Private,
        offset: 0,
        device: 2,
        inode: 17,
        name: b"/bin/cat",
    };

    #[test]
    fn lines_of_maps_are_linuxs() {
        let stack = Area {
            start: 0x3f_ffff_e000,
            end: 0x40_0000_0000,
            prot: Prot::READ_WRITE,
            device: 0,
            inode: 0,
            name: b"[stack]",
            ..TEXT
        };
        let shared = Area { sharing: Sharing::Shared, offset: 0x3000, device: 0xfe01, ..TEXT };
        for (area, want) in [
            (
                TEXT,
                "00010000-00012000 r-xp 00000000 00:02 17                                 /bin/cat\n",
            ),
            (
                stack,
                "3fffffe000-4000000000 rw-p 00000000 00:00 0                              [stack]\n",
            ),
            (
                Area { name: b"", inode: 0, device: 0, ..TEXT },
                "00010000-00012000 r-xp 00000000 00:00 0 \n",
            ),
            (
                Area { name: b"/a b\n", ..shared },
                "00010000-00012000 r-xs 00003000 fe:01 17                                 /a b\\012\n",
            ),
        ] {
            assert_eq!(area.to_string(), want);
        }
    }

    #[test]
    fn devices_split_as_in_dev_t() {
        for (device, want) in [(0x103, (1, 3)), (0xfe01, (254, 1)), (0x10_0441, (4, 0x141))] {
            assert_eq!(split_device(device), want, "{device:#x}");
        }
    }

    #[test]
    fn a_shared_page_counts_by_halves() {
        let page = |mapped, is_dirty, kind| Page { mapped, is_dirty, is_accessed: true, kind };
        let mut sums = Sums::default();
        sums.add_page(page(1, true, PageKind::Anonymous));
        sums.add_page(page(2, false, PageKind::File));
        sums.add_page(page(4, true, PageKind::Shared));
        let charge = Charge::Free;
        let detail = Detail { area: TEXT, max_prot: Prot::ALL, is_stack: false, charge, sums };
        for (charge, flags) in [(Charge::Charged, "ac \n"), (Charge::Never, "nr \n")] {
            assert!(Detail { charge, ..detail }.to_string().ends_with(flags));
        }
        let text = detail.to_string();
        for want in [
            "Size:                  8 kB\n",
            "KernelPageSize:        4 kB\n",
            "Rss:                  12 kB\n",
            "Pss:                   7 kB\n",
            "Pss_Dirty:             5 kB\n",
            "Shared_Clean:          4 kB\n",
            "Shared_Dirty:          4 kB\n",
            "Private_Clean:         0 kB\n",
            "Private_Dirty:         4 kB\n",
            "Anonymous:             4 kB\n",
            "THPeligible:           0\n",
            "VmFlags: rd ex mr mw me \n",
        ] {
            assert!(text.contains(want), "{want:?} in {text}");
        }
        let mut all = Sums::default();
        all += sums;
        all += sums;
        let text = Rollup { range: (0x10000, 0x12000), sums: all }.to_string();
        assert!(text.contains("---p 00000000 00:00 0                                  [rollup]\n"));
        assert!(text.contains("Rss:                  24 kB\n"), "{text}");
        assert!(text.contains("Pss_File:              4 kB\n"), "{text}");
    }
}
