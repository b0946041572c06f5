//! Text of programs and libraries: one set of frames behind all processes that run it.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use guest_user::bytes::Bytes;
use guest_user::proc::maps;
use guest_user::status::Status;
use guest_user::sys::mapping::PAGE_SIZE_BYTES;
use guest_user::sys::{file, pages, process};
use linux_raw_sys::general as g;

use crate::demand;
use crate::look::{self, Read};
use crate::others;
use crate::stage::{Played, Scene, Stage};

pub(crate) const SHARED_TEXT: Scene = Scene {
    name: "shared-text",
    title: "a program that runs twice is in memory once",
    text: "\
Code and constants are pages of a file that nobody may write, so all who run a program
have the same frames of them; only data and stacks are each one's own. The second
process of a program costs little more than its stack. The same holds for a library
that programs are linked to when they start: one libc is enough for all of them.",
    play: shared_text,
};

/// Pages of a file that a process has in memory and may not write: their frames by page of the file.
/// Those that were changed before they became read-only are the process's own, and not among them.
type Text = BTreeMap<u64, u64>;

/// Of the files that end with this name, mapped by a process. The pages are counted from the lowest
/// address at which the process has the file.
fn text_of(pid: i32, name: &[u8]) -> Read<Text> {
    let content = look::text(&format!("/proc/{pid}/maps"))?;
    let areas = maps::parse(&content);
    let mut base = None;
    let mut text = Text::new();
    for area in areas.iter().filter(|area| area.name.ends_with(name)) {
        let start = *base.get_or_insert(area.start);
        if area.permissions.contains(&b'w') {
            continue;
        }
        let count = (area.end - area.start) as usize / PAGE_SIZE_BYTES;
        let frames = look::file_frames_of(pid, area.start as usize, count)?;
        let first = (area.start - start) / PAGE_SIZE_BYTES as u64;
        text.extend((first..).zip(frames).filter_map(|(page, frame)| Some((page, frame?))));
    }
    Ok(text)
}

/// Holds the text of two processes against each other.
fn compare(stage: &mut Stage, what: &str, [first, second]: [&Text; 2]) {
    let both: Vec<(u64, u64)> =
        first.iter().filter_map(|(page, frame)| Some((*frame, *second.get(page)?))).collect();
    let same = both.iter().filter(|(one, other)| one == other).count();
    let mut frames: Vec<u64> = first.values().chain(second.values()).copied().collect();
    frames.sort_unstable();
    frames.dedup();
    stage.show(format_args!("{what}, in memory of the first"), first.len(), "pages");
    stage.show(format_args!("{what}, in memory of the second"), second.len(), "pages");
    stage.show(format_args!("{what}, in memory of both"), both.len(), "pages");
    stage.show(format_args!("{what}, of these in the same frame"), same, "pages");
    stage.show(format_args!("{what}, frames of all together"), frames.len(), "frames");
    let count = both.first().map(|(frame, _)| pages::mappings(*frame));
    if let (Some((one, other)), Some(count)) = (both.first(), count) {
        stage.show(format_args!("{what}, a frame in the first"), format!("{one:#x}"), "");
        stage.show(format_args!("{what}, that frame in the second"), format!("{other:#x}"), "");
        stage.show_if_told(&format!("{what}, times that it is mapped"), count.ok(), "times");
        stage.check(count.is_ok_and(|count| count >= 2), "a frame is not mapped by both");
    }
    stage.check(!both.is_empty(), "no page is in memory of both");
    stage.check(same == both.len(), "a page of the file is in two frames");
}

fn shared_text(stage: &mut Stage) -> Played {
    let first = demand::start_lingering(|| ())?;
    let free = look::counter("nr_free_pages")?;
    let second = demand::start_lingering(|| ())?;
    let taken = free.zip(look::counter("nr_free_pages")?);
    let taken = taken.map(|(before, now)| before.saturating_sub(now));
    let path = file::read_link(format!("/proc/{}/exe", first.pid()).as_bytes())?;
    let name = guest_user::bytes::file_name(&path);
    stage.show("the program", Bytes(&path), "");
    let texts = [text_of(first.pid(), name)?, text_of(second.pid(), name)?];
    compare(stage, "its text", texts.each_ref());
    let resident = look::pages(second.pid())?.resident;
    stage.show("pages in memory of the second, all together", resident, "pages");
    stage.show_if_told("frames that the second took, page tables included", taken, "frames");
    let ends = [first.end()?, second.end()?];
    stage.check(ends == [Status::Exited(0); 2], "a program failed");
    stage.pause();
    library(stage)
}

/// A program that may be there, below the root or on a disk that could be one; it is linked to a C
/// library when it starts, and does nothing for long.
const DYNAMIC: [&[u8]; 2] = [b"/usr/bin/sleep", b"1000"];
/// What the name of that library ends with.
const LIBRARY: &[u8] = b"libc.so.6";

/// Starts that program below this root; its number, if it is there and has the library.
fn start_dynamic(root: &[u8]) -> Read<Option<i32>> {
    if file::access(&[root, DYNAMIC[0]].concat(), g::X_OK).is_err() {
        return Ok(None);
    }
    let child = others::start(&DYNAMIC, None, None, || {
        if !root.is_empty() {
            // Without it, another program is started, or none.
            let _ = file::change_root(root).and_then(|()| file::change_directory(b"/"));
        }
    })?;
    if others::state_at_rest(child)? == others::ASLEEP && !text_of(child, LIBRARY)?.is_empty() {
        return Ok(Some(child));
    }
    end_dynamic(child)?;
    Ok(None)
}

fn end_dynamic(child: i32) -> Read<()> {
    process::kill(child, g::SIGKILL)?;
    others::end(child)?;
    Ok(())
}

/// The same for a library, where there is a program that has one.
fn library(stage: &mut Stage) -> Played {
    let disks = look::disks()?.into_iter().map(|disk| disk.at.into_bytes());
    for root in core::iter::once(Vec::new()).chain(disks) {
        let Some(first) = start_dynamic(&root)? else { continue };
        let second = start_dynamic(&root)?;
        if let Some(second) = second {
            let path = [&root, DYNAMIC[0]].concat();
            stage.show("a program with a library", Bytes(&path), "");
            let texts = [text_of(first, LIBRARY)?, text_of(second, LIBRARY)?];
            compare(stage, "the library's text", texts.each_ref());
            end_dynamic(second)?;
        }
        end_dynamic(first)?;
        return Ok(());
    }
    stage.show("a program with a library", "none", "is here");
    Ok(())
}
