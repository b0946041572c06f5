//! Whether a sound program file can run here: its segments against RAM, its entry point, its
//! mailbox; and whether it is a program for an operating system instead.

use std::ops::Range;

use super::{ElfError, ElfFile, Segment};
use crate::addr::PhysAddr;
use crate::bus::Ram;

/// The bytes of RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RamRange {
    /// First byte.
    pub first: PhysAddr,
    /// Last byte.
    pub last: PhysAddr,
}

impl RamRange {
    /// The range of a RAM of `len_bytes` bytes, at least 1, at `first`.
    pub fn new(first: PhysAddr, len_bytes: u64) -> Self {
        Self { first, last: first.wrapping_add(len_bytes - 1) }
    }

    /// The range of `ram`.
    pub fn of(ram: &Ram) -> Self {
        Self::new(ram.base(), ram.len_bytes())
    }

    /// Size in bytes; none is as large as the address space.
    pub fn len_bytes(self) -> u64 {
        self.last.0 - self.first.0 + 1
    }

    /// Whether all bytes from `first` to `last` are in it.
    pub fn holds(self, first: PhysAddr, last: PhysAddr) -> bool {
        self.first <= first && first <= last && last <= self.last
    }
}

/// Where a program and its host exchange words.
///
/// Source: the `tohost` and `fromhost` symbols of riscv-tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The program writes here.
    pub tohost: PhysAddr,
    /// The host answers here; a program that only exits has none.
    pub fromhost: Option<PhysAddr>,
}

/// A program found fit to run in a RAM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Address of the first instruction.
    pub entry: PhysAddr,
    /// The HTIF mailbox.
    pub mailbox: Option<Mailbox>,
    loads: Vec<Load>,
}

/// A segment, or what is left of it, in RAM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::machine) struct Load {
    pub(in crate::machine) first: PhysAddr,
    pub(in crate::machine) last: PhysAddr,
    /// Where the bytes that come first in it are in the file; the others are zero.
    pub(in crate::machine) file: Range<usize>,
}

impl Program {
    /// Copies the segments of `file`, from which this was made, into `ram`, which is zero
    /// elsewhere.
    pub fn load_into(&self, file: &ElfFile, ram: &mut Ram) {
        for Load { first, file: range, .. } in &self.loads {
            let len_bytes = range.len() as u64;
            let at = ram.offset_of(*first, len_bytes).expect("segments were checked against RAM");
            ram.write(at, &file.bytes[range.clone()]);
        }
    }

    /// The segments.
    pub(in crate::machine) fn loads(&self) -> &[Load] {
        &self.loads
    }
}

impl ElfFile {
    /// Checks that the program can run in `ram`, starting in M-mode.
    ///
    /// # Errors
    /// [`ElfError`] where it cannot.
    pub fn place(&self, ram: RamRange) -> Result<Program, ElfError> {
        if let Some(why) = self.needs_an_operating_system(ram) {
            return Err(ElfError::UserProgram { why, ram: ram.first });
        }
        let loads = self.segments.iter().map(|segment| self.load(segment, ram));
        let loads = loads.collect::<Result<Vec<_>, _>>()?;
        if self.entry == 0 {
            return Err(ElfError::NoEntry);
        }
        if self.entry & 1 != 0 {
            return Err(ElfError::EntryMisaligned(self.entry));
        }
        // Whatever its flags say: M-mode knows none, and linker scripts are careless with them.
        let entry = self.physical(self.entry);
        let entry = entry.ok_or(ElfError::EntryOutside(self.entry))?;
        if entry.0 & 1 != 0 {
            return Err(ElfError::EntryMisaligned(entry.0));
        }
        let mailbox = self.mailbox(ram)?;
        Ok(Program { entry, mailbox, loads })
    }

    /// Where `segment` goes in `ram`, and the bytes of the file that go there.
    fn load(&self, segment: &Segment, ram: RamRange) -> Result<Load, ElfError> {
        let (first, last) = (segment.load_at, segment.last());
        if ram.holds(first, last) {
            return Ok(Load { first, last, file: segment.file.clone() });
        }
        // A linker that is told where the code is to start may put the file's own headers, which
        // the program does not need, into the page before: `-Ttext=0x80000000` does this.
        let before = ram.first.0.saturating_sub(first.0);
        let file = segment.file.clone();
        if ram.holds(ram.first, last) && file.start == 0 && before < file.len() as u64 {
            let cut = before as usize;
            let padding = self.bytes.get(self.headers_end..cut).unwrap_or_default();
            if self.headers_end <= cut && padding.iter().all(|byte| *byte == 0) {
                return Ok(Load { first: ram.first, last, file: cut..file.end });
            }
        }
        if self.is_dynamic {
            return Err(ElfError::Dynamic { first, ram: ram.first });
        }
        let (index, ram_first, ram_last) = (segment.index, ram.first, ram.last);
        Err(ElfError::OutsideRam { index, first, last, ram_first, ram_last })
    }

    /// Whether it is a program for an operating system, and not one for a machine whose RAM begins
    /// at `first`.
    pub fn is_for_an_operating_system(&self, first: PhysAddr) -> bool {
        self.needs_an_operating_system(RamRange::new(first, 1)).is_some()
    }

    /// How the program shows that it expects an operating system below it.
    fn needs_an_operating_system(&self, ram: RamRange) -> Option<String> {
        if let Some(interpreter) = &self.interpreter {
            return Some(format!("it asks for the interpreter {interpreter}"));
        }
        let below = |segment: &Segment| segment.last() < ram.first;
        // A shared library lies at 0 as a program that is moved when it is loaded does: an
        // entry point tells the latter.
        let starts = self.entry != 0 && self.entry < ram.first.0;
        (starts && self.segments.iter().all(below)).then(|| {
            let first = self.segments.iter().map(|s| s.load_at).min().expect("checked: not empty");
            format!("it is linked at {first}, where no RAM is")
        })
    }

    /// Where the segment that holds the address `at` of the program, and is `fit`, puts it.
    fn physical(&self, at: u64) -> Option<PhysAddr> {
        let holds = |s: &&Segment| at.checked_sub(s.at.0).is_some_and(|o| o < s.len_bytes);
        let segment = self.segments.iter().find(holds)?;
        Some(segment.load_at.wrapping_add(at - segment.at.0))
    }

    fn mailbox(&self, ram: RamRange) -> Result<Option<Mailbox>, ElfError> {
        let word = |name| {
            let Some(at) = self.symbols.address_of(name) else { return Ok(None) };
            // Outside the segments the symbol's value is taken as it is, as Spike does.
            let place = self.physical(at).unwrap_or(PhysAddr(at));
            let in_ram = ram.holds(place, place.wrapping_add(7));
            if in_ram { Ok(Some(place)) } else { Err(ElfError::Mailbox { name, at }) }
        };
        let (tohost, fromhost) = (word("tohost")?, word("fromhost")?);
        Ok(tohost.map(|tohost| Mailbox { tohost, fromhost }))
    }
}
