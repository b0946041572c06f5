//! Swapping: more memory in use than there is RAM, by one process and by many.

use alloc::vec::Vec;

use guest_user::status::Status;
use guest_user::sys::mapping::{Mapping, PAGE_SIZE_BYTES};
use guest_user::sys::process;

use crate::look::{self, Read};
use crate::partner::Partner;
use crate::stage::{Played, Scene, Stage, Trouble};

pub(crate) const BIGGER_THAN_RAM: Scene = Scene {
    name: "bigger-than-ram",
    title: "a program uses more memory than there is RAM",
    text: "\
When frames run short the kernel unmaps pages that were not accessed of late, writes
them to a swap area and gives their frames to others. A page that comes back is read
by a page fault, and the program goes on, only later. So RAM is a cache of memory,
and what a program may use is what there is in RAM and on the disk together.",
    play: bigger_than_ram,
};

pub(crate) const CROWD: Scene = Scene {
    name: "crowd",
    title: "more programs run than fit into RAM",
    text: "\
Many programs have a mebibyte each, together more than there is RAM. Each fills its
memory when it starts, then they look in turn whether all of it is still there. Who
is not running needs no RAM: the pages of the one make room for those of another.",
    play: crowd,
};

/// More RAM takes too long to fill.
const RAM_MAX_PAGES: u64 = (32 << 20) / PAGE_SIZE_BYTES as u64;
const WORDS: usize = PAGE_SIZE_BYTES / size_of::<u64>();
/// Memory of a program of the crowd.
const PROGRAM_PAGES: usize = (1 << 20) / PAGE_SIZE_BYTES;
/// The crowd's programs at most.
const PROGRAMS_MAX: u64 = 40;

/// Sizes that scenes are measured by, in pages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Free RAM.
    pub(crate) free: u64,
    /// Free slots.
    pub(crate) swap: u64,
}

/// What there is, for scenes that need a swap area for so many pages.
///
/// # Errors
/// Skipped: there is none, or too small a one.
pub(crate) fn sizes(swap_min: u64) -> Read<Sizes> {
    let free = look::memory_pages("MemFree")?;
    let swap = look::memory_pages("SwapFree")?;
    let why = if look::memory_pages("SwapTotal")? == 0 {
        "no swap area is on: boot with --swap 64M, for example"
    } else if swap < swap_min {
        "the swap areas are too small: boot with --swap 64M, for example"
    } else {
        return Ok(Sizes { free, swap });
    };
    Err(Trouble::Skipped(why.into()))
}

/// The same for scenes that fill RAM several times.
///
/// # Errors
/// Skipped: also where there is so much RAM that it would take long.
pub(crate) fn sizes_to_fill(swap_min: u64) -> Read<Sizes> {
    let sizes = sizes(swap_min)?;
    if look::memory_pages("MemTotal")? > RAM_MAX_PAGES {
        let why = "RAM is too large to be filled in sensible time: boot with -m 16M, for example";
        return Err(Trouble::Skipped(why.into()));
    }
    Ok(sizes)
}

/// The word at an index of a pattern: no two are the same, nor those of two patterns.
pub(crate) fn word(pattern: u64, index: usize) -> u64 {
    // The finisher of SplitMix64.
    let mut value = (pattern << 40 | index as u64).wrapping_add(1).wrapping_mul(GOLDEN);
    value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value ^ value >> 31
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Fills pages from the first one on with a pattern.
pub(crate) fn fill(area: &Mapping, pages: usize, pattern: u64) {
    (0..pages * WORDS).for_each(|index| area.write(index * 8, word(pattern, index)));
}

/// Words that are not those of the pattern.
pub(crate) fn wrong_words(area: &Mapping, pages: usize, pattern: u64) -> u64 {
    let wrong = |index: &usize| area.read(index * 8) != word(pattern, *index);
    (0..pages * WORDS).filter(wrong).count() as u64
}

/// A checksum that depends on the order of the words.
fn checksum(words: impl Iterator<Item = u64>) -> u64 {
    words.fold(0, |sum: u64, word| (sum ^ word).rotate_left(7).wrapping_mul(GOLDEN))
}

/// Counters of transfers, as they were.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfers {
    read: u64,
    written: u64,
    rescued: u64,
}

impl Transfers {
    /// As they are.
    pub(crate) fn now() -> Read<Self> {
        let text = look::text("/proc/vmstat")?;
        let number = |name| guest_user::proc::table::Table(&text).number(name);
        let (read, written) = (number("pswpin"), number("pswpout"));
        Ok(Self { read, written, rescued: number("soft_rescue") })
    }

    /// What happened since they were so: pages read, pages written, pages that were found in RAM.
    pub(crate) fn since(self) -> Read<(u64, u64, u64)> {
        let now = Self::now()?;
        Ok((now.read - self.read, now.written - self.written, now.rescued - self.rescued))
    }
}

fn bigger_than_ram(stage: &mut Stage) -> Played {
    let Sizes { free, swap } = sizes_to_fill(1 << 10)?;
    // The larger part of swap stays free, so that slots are found in rows.
    let pages = (3 * free).min(free + swap / 4 * 3) as usize;
    stage.show("free RAM", free, "pages");
    stage.show("free slots", swap, "pages");
    let before = Transfers::now()?;
    let area = Mapping::private(pages * PAGE_SIZE_BYTES)?;
    fill(&area, pages, 1);
    let (read, written, _) = before.since()?;
    stage.show("pages filled with a pattern", pages, "pages");
    stage.show("written to swap meanwhile", written, "pages");
    stage.show("read from swap meanwhile", read, "pages");
    stage.check(pages as u64 >= 3 * free / 2, "there is not enough swap for this");
    stage.check(written >= pages as u64 - free, "more is in RAM than fits");
    let resident = look::pages(process::id())?.resident;
    let used = swap.saturating_sub(look::memory_pages("SwapFree")?);
    stage.show("in RAM now, of this process", resident, "pages");
    stage.show("slots in use for it", used, "pages");
    stage.check(used + free >= pages as u64, "pages are neither here nor there");
    stage.pause();
    let before = Transfers::now()?;
    let wrong = wrong_words(&area, pages, 1);
    let (read, _, _) = before.since()?;
    stage.show("words that were looked at again", pages * WORDS, "words");
    stage.show("words that were wrong", wrong, "words");
    stage.show("read from swap for that", read, "pages");
    stage.check(wrong == 0, "memory has changed by itself");
    stage.check(read >= pages as u64 - free, "pages came back without being read");
    drop(area);
    let left = swap.saturating_sub(look::memory_pages("SwapFree")?);
    stage.show("slots in use after munmap", left, "pages");
    stage.check(left < used / 4, "slots are not given back");
    Ok(())
}

fn crowd(stage: &mut Stage) -> Played {
    let Sizes { free, swap } = sizes_to_fill(1 << 10)?;
    let program = PROGRAM_PAGES as u64;
    let count = (5 * free / 2 / program).min((free + swap / 4 * 3) / program).min(PROGRAMS_MAX);
    stage.show("free RAM", free, "pages");
    stage.show("programs", count, "programs");
    stage.show("memory of each", PROGRAM_PAGES, "pages");
    stage.check(count * program > free, "they fit into RAM");
    let before = Transfers::now()?;
    let mut partners = Vec::new();
    for number in 0..count {
        partners.push(Partner::start(|parent| {
            let area = Mapping::private(PROGRAM_PAGES * PAGE_SIZE_BYTES)?;
            fill(&area, PROGRAM_PAGES, number);
            parent.tell(0)?;
            for _ in 0..2 {
                parent.hear()?;
                parent
                    .tell(checksum((0..PROGRAM_PAGES * WORDS).map(|index| area.read(index * 8))))?;
            }
            parent.hear().map(drop)
        })?);
    }
    for partner in &partners {
        partner.hear()?;
    }
    let swapped = partners.iter().map(|partner| look::swapped_pages(partner.pid()));
    let swapped = swapped.sum::<Read<u64>>()?;
    stage.show("of all this in swap when all have filled theirs", swapped, "pages");
    stage.check(swapped + free >= count * program, "more is in RAM than fits");
    let mut right = 0;
    for _ in 0..2 {
        for (number, partner) in (0..).zip(&partners) {
            partner.tell(0)?;
            let words = (0..PROGRAM_PAGES * WORDS).map(|index| word(number, index));
            right += u64::from(partner.hear()? == checksum(words));
        }
    }
    let (read, written, _) = before.since()?;
    stage.show("checksums asked for", 2 * count, "checksums");
    stage.show("checksums that were right", right, "checksums");
    stage.show("written to swap", written, "pages");
    stage.show("read from swap", read, "pages");
    stage.check(right == 2 * count, "memory of a program has changed by itself");
    stage.check(read > 0 && written > 0, "nothing was swapped");
    partners.iter().try_for_each(|partner| partner.tell(0))?;
    let mut ended = 0;
    for partner in partners {
        ended += u64::from(partner.end()? == Status::Exited(0));
    }
    stage.show("programs that ended well", ended, "programs");
    stage.check(ended == count, "a program failed");
    Ok(())
}
