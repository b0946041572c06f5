//! Copy-on-write: what fork shares, and what a write takes apart.

use alloc::format;

use guest_user::status::Status;
use guest_user::sys::mapping::{Mapping, PAGE_SIZE_BYTES};
use guest_user::sys::process;

use crate::look::{self, Read};
use crate::partner::Partner;
use crate::stage::{Played, Scene, Stage};

pub(crate) const COW: Scene = Scene {
    name: "cow",
    title: "fork copies nothing until somebody writes",
    text: "\
fork gives the child a copy of the address space without copying memory: both
page tables name the same frames, now read-only. A write by either of them
faults; the kernel copies that one page, and the writer goes on in its copy.
Whoever is left alone with a page simply may write it again: no copy is needed.",
    play: cow,
};

const PAGES: usize = 64;
/// Pages that the child writes.
const WRITTEN: usize = 16;

fn write(area: &Mapping, pages: usize, value: u64) {
    (0..pages).for_each(|page| area.write(page * PAGE_SIZE_BYTES, value));
}

/// Shows how many of the parent's pages are shared and private.
fn show_sharing(stage: &mut Stage, area: &Mapping, when: &str) -> Read<(u64, u64)> {
    let (shared, private) = look::shared_and_private(process::id(), area.start())?;
    stage.show(format_args!("shared {when}"), shared, "pages");
    stage.show(format_args!("private {when}"), private, "pages");
    stage.check(shared + private == PAGES as u64, "a page is not accounted for");
    Ok((shared, private))
}

fn cow(stage: &mut Stage) -> Played {
    let area = Mapping::private(PAGES * PAGE_SIZE_BYTES)?;
    write(&area, PAGES, 1);
    let frames = look::frames(&area)?;
    let sharing = show_sharing(stage, &area, "before fork")?;
    stage.check(sharing == (0, PAGES as u64), "pages are shared before fork");
    let (free, copied) = (look::counter("nr_free_pages")?, look::counter("cow_copied")?);
    let child = Partner::start(|parent| {
        parent.hear()?;
        write(&area, WRITTEN, 2);
        parent.tell(0)?;
        parent.hear().map(drop)
    })?;
    stage.pause();
    let taken = free.zip(look::counter("nr_free_pages")?);
    let taken = taken.map(|(before, now)| before.saturating_sub(now));
    stage.show_if_told("frames that fork took, page tables included", taken, "frames");
    let sharing = show_sharing(stage, &area, "after fork")?;
    stage.check(sharing == (PAGES as u64, 0), "fork did not share all pages");
    let theirs = look::frames_of(child.pid(), area.start(), PAGES)?;
    stage.check(theirs == frames, "fork gave the child other frames");

    stage.pause();
    child.tell(0)?;
    child.hear()?;
    stage.show("pages that the child wrote", WRITTEN, "pages");
    let sharing = show_sharing(stage, &area, "after that")?;
    let expected = ((PAGES - WRITTEN) as u64, WRITTEN as u64);
    stage.check(sharing == expected, "not exactly the written pages were taken apart");
    let theirs = look::frames_of(child.pid(), area.start(), PAGES)?;
    let differing = theirs.iter().zip(&frames).filter(|(own, other)| own != other).count();
    stage.show("pages in which child and parent have different frames", differing, "pages");
    stage.check(differing == WRITTEN, "not exactly the written pages have other frames");
    stage.show("what the parent still reads", area.read(0), "");
    stage.check(area.read(0) == 1, "the parent sees the child's write");
    let copied = look::since("cow_copied", copied)?;
    stage.show_if_told("copies that the kernel made of all kinds of pages", copied, "copies");
    stage.check(copied.is_none_or(|copied| copied >= WRITTEN as u64), "copies are not counted");

    stage.pause();
    let reused = look::counter("cow_reused")?;
    write(&area, WRITTEN, 3);
    let reused = look::since("cow_reused", reused)?;
    let same = look::frames(&area)? == frames;
    stage.show_if_told("pages that the parent wrote without a copy", reused, "pages");
    stage.show("the parent's frames are those of before fork", if same { "yes" } else { "no" }, "");
    stage.check(same, "the parent got copies of pages that it had alone");
    stage.check(reused.is_none_or(|reused| reused >= WRITTEN as u64), "reuse is not counted");
    child.tell(0)?;
    stage.check(child.end()? == Status::Exited(0), "the child failed");
    let first = frames[0].map_or_else(|| "none".into(), |frame| format!("{frame:#x}"));
    stage.show("frame of the first page, all the time", first, "");
    Ok(())
}
