//! Pages that leave RAM and come back: of a process that is pushed out, and behind a fork.

use alloc::format;

use guest_user::status::Status;
use guest_user::sys::mapping::{Mapping, PAGE_SIZE_BYTES};
use guest_user::sys::process;
use linux_raw_sys::general::{MADV_COLD, MADV_PAGEOUT};

use crate::look;
use crate::partner::Partner;
use crate::stage::{Played, Scene, Stage};
use crate::swapping::{self, Sizes, Transfers, fill, wrong_words};

pub(crate) const TO_DISK_AND_BACK: Scene = Scene {
    name: "to-disk-and-back",
    title: "a page leaves RAM in steps, and may come back at each",
    text: "\
A page that is to leave is first unmapped; whoever touches it then gets it back from
its frame, without a transfer. Next it is written to a slot, and then the frame may be
taken: from there on it must be read. It keeps its slot until somebody changes it, so
a page that was only read can leave once more without being written.",
    play: to_disk_and_back,
};

pub(crate) const FORK_OF_SWAPPED: Scene = Scene {
    name: "fork-of-swapped",
    title: "fork copies nothing, not even what is on a disk",
    text: "\
The memory of a process is pushed out, and then it forks. The child gets the names of
the pages, which lead to the same slots: nothing is read. What one of them reads both
have then, in one frame; what one of them changes becomes its own.",
    play: fork_of_swapped,
};

const PAGES: usize = 256;
const LENGTH_BYTES: usize = PAGES * PAGE_SIZE_BYTES;
/// Pages that the child of a fork changes.
const CHANGED: usize = 16;

/// What a child is told to do.
const READ: u64 = 0;
const COOL: u64 = 1;
const PUSH_OUT: u64 = 2;
const END: u64 = 3;

/// A child with a pattern in its memory, which it gives away or looks at; it answers with the
/// number of wrong words.
fn start_child() -> guest_user::Result<Partner> {
    Partner::start(|parent| {
        let area = Mapping::private(LENGTH_BYTES)?;
        fill(&area, PAGES, 1);
        parent.tell(area.start() as u64)?;
        loop {
            let wrong = match parent.hear()? {
                READ => wrong_words(&area, PAGES, 1),
                COOL => area.advise(0, LENGTH_BYTES, MADV_COLD).map(|()| 0)?,
                PUSH_OUT => area.advise(0, LENGTH_BYTES, MADV_PAGEOUT).map(|()| 0)?,
                _ => return Ok(()),
            };
            parent.tell(wrong)?;
        }
    })
}

/// Has the child do this, and shows what was transferred.
fn step(stage: &mut Stage, child: &Partner, order: u64, name: &str) -> look::Read<(u64, u64, u64)> {
    let before = Transfers::now()?;
    child.tell(order)?;
    let wrong = child.hear()?;
    let (read, written, rescued) = before.since()?;
    // What was read is found there, too.
    let rescued = rescued.saturating_sub(read);
    stage.show(format_args!("{name}, found in RAM"), rescued, "pages");
    stage.show(format_args!("{name}, read"), read, "pages");
    stage.show(format_args!("{name}, written"), written, "pages");
    if order == READ {
        stage.show(format_args!("{name}, wrong words"), wrong, "words");
        stage.check(wrong == 0, "memory has changed by itself");
    }
    Ok((read, written, rescued))
}

/// Has all of the child leave, and come back, without its doing anything.
fn suspend(stage: &mut Stage, child: &Partner, at: usize) -> Played {
    let switch = format!("/proc/{}/suspend", child.pid());
    if look::text(&switch).is_err() {
        stage.show("suspended from outside", "not told", "by this kernel");
        return Ok(());
    }
    look::switch(&switch, "1")?;
    let (resident, swapped) =
        (look::pages(child.pid())?.resident, look::swapped_of(child.pid(), at)?);
    stage.show("suspended, in RAM", resident, "pages");
    stage.show("suspended, in swap only", swapped, "pages");
    stage.check(swapped >= PAGES as u64, "a suspended process is still in RAM");
    stage.check(resident < PAGES as u64 / 4, "a suspended process is still in RAM");
    look::switch(&switch, "0")?;
    step(stage, child, READ, "resumed").map(drop)
}

fn to_disk_and_back(stage: &mut Stage) -> Played {
    let Sizes { free, .. } = swapping::sizes(2 * PAGES as u64)?;
    let pages = PAGES as u64;
    let child = start_child()?;
    let at = child.hear()? as usize;
    stage.show("memory of a child", PAGES, "pages");
    stage.check(free > 2 * pages, "RAM is short from the beginning");

    // What it runs for that need not come from the disk any more.
    child.tell(READ)?;
    child.hear()?;
    step(stage, &child, COOL, "made cold")?;
    let (read, _, rescued) = step(stage, &child, READ, "looked at")?;
    stage.check(rescued >= pages, "pages that were unmapped were not found again");
    stage.check(read == 0, "pages were read that were in RAM");

    stage.pause();
    let (_, written, _) = step(stage, &child, PUSH_OUT, "pushed out")?;
    stage.check(written >= pages, "pages have left without being written");
    let swapped = look::swapped_of(child.pid(), at)?;
    stage.show("of the child in swap only", swapped, "pages");
    stage.check(swapped >= pages, "pages are still in RAM");

    stage.pause();
    let (read, written, _) = step(stage, &child, READ, "brought back")?;
    stage.check(read >= pages, "pages came back without being read");
    stage.check(written == 0, "pages were written for being read");
    let swapped = look::swapped_of(child.pid(), at)?;
    stage.show("of the child in swap only now", swapped, "pages");

    stage.pause();
    let (_, written, _) = step(stage, &child, PUSH_OUT, "pushed out again")?;
    stage.check(written == 0, "pages were written that were in their slots already");
    let (read, ..) = step(stage, &child, READ, "brought back again")?;
    stage.check(read >= pages, "pages came back without being read");
    stage.pause();
    suspend(stage, &child, at)?;
    child.tell(END)?;
    stage.check(child.end()? == Status::Exited(0), "the child failed");
    Ok(())
}

fn fork_of_swapped(stage: &mut Stage) -> Played {
    swapping::sizes(2 * PAGES as u64)?;
    let pages = PAGES as u64;
    let area = Mapping::private(LENGTH_BYTES)?;
    fill(&area, PAGES, 1);
    area.advise(0, LENGTH_BYTES, MADV_PAGEOUT)?;
    let swapped = look::swapped_of(process::id(), area.start())?;
    stage.show("of the parent in swap before fork", swapped, "pages");
    stage.check(swapped >= pages, "pages are still in RAM");
    let before = Transfers::now()?;
    let child = Partner::start(|parent| {
        parent.hear()?;
        // A write to a page that both have.
        fill(&area, CHANGED, 2);
        parent.tell(wrong_words(&area, CHANGED, 2))?;
        parent.hear()?;
        let rest = wrong_words(&area, PAGES, 1);
        // Those that were changed are all wrong now.
        parent.tell(rest - (CHANGED * PAGE_SIZE_BYTES / size_of::<u64>()) as u64)?;
        parent.hear().map(drop)
    })?;
    let (read, written, _) = before.since()?;
    let swapped = look::swapped_of(child.pid(), area.start())?;
    stage.show("of the child in swap after fork", swapped, "pages");
    stage.show("read by fork", read, "pages");
    stage.show("written by fork", written, "pages");
    stage.check(swapped >= pages, "the child has less than its parent");
    stage.check(read == 0, "fork has read pages");
    stage.pause();
    for (name, least) in [("changes some pages", CHANGED), ("looks at all", PAGES - CHANGED)] {
        let before = Transfers::now()?;
        child.tell(0)?;
        let wrong = child.hear()?;
        let (read, ..) = before.since()?;
        stage.show(format_args!("the child {name}, wrong words"), wrong, "words");
        stage.show(format_args!("the child {name}, read"), read, "pages");
        stage.check(wrong == 0, "the child's memory is not the parent's");
        stage.check(least == CHANGED || read > 0, "pages came back without being read");
    }
    stage.pause();
    let before = Transfers::now()?;
    let wrong = wrong_words(&area, PAGES, 1);
    let (read, ..) = before.since()?;
    stage.show("the parent looks at all, wrong words", wrong, "words");
    stage.show("the parent looks at all, read", read, "pages");
    stage.check(wrong == 0, "the parent sees what its child has changed");
    stage.check(read <= CHANGED as u64, "pages were read that the child had brought in");
    child.tell(0)?;
    stage.check(child.end()? == Status::Exited(0), "the child failed");
    Ok(())
}
