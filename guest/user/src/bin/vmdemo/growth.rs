//! Memory that grows: the heap by asking, the stack by being used.

use alloc::format;
use alloc::vec::Vec;

use guest_user::proc::maps::{self, Area};
use guest_user::status::Status;
use guest_user::sys::mapping::PAGE_SIZE_BYTES;
use guest_user::sys::{probe, process};
use linux_raw_sys::general as g;

use crate::look::{self, Read};
use crate::stage::{Played, Scene, Stage};

pub(crate) const GROW: Scene = Scene {
    name: "grow",
    title: "the heap grows when asked, the stack when used",
    text: "\
The heap ends at the break, which brk moves up for malloc; the pages up to it are
mere promises again. The stack needs no call: a fault a little below it makes it
larger, page by page, down to its limit. What lies below is left unmapped, so that
a recursion without end meets a fault there, and not somebody else's data.",
    play: grow,
};

const HEAP_PAGES: usize = 64;
/// Frames of a recursion that takes more than a page each.
const DEPTH: usize = 32;
/// Limit of the stack for the recursion without end.
const STACK_LIMIT_BYTES: u64 = 512 << 10;
/// So much at least is left free below a stack.
const GUARD_GAP_PAGES: u64 = 256;

/// Size and resident pages of the area with this name, in pages; 0 where there is none.
fn area_pages(name: &[u8]) -> Read<(u64, u64)> {
    let page = PAGE_SIZE_BYTES as u64;
    let text = look::text("/proc/self/smaps")?;
    let areas = maps::parse(&text);
    let area = areas.iter().find(|area| area.name == name);
    let sizes =
        |area: &Area<'_>| ((area.end - area.start) / page, (area.figures.resident << 10) / page);
    Ok(area.map_or((0, 0), sizes))
}

fn grow(stage: &mut Stage) -> Played {
    heap(stage)?;
    stage.pause();
    stack(stage)
}

fn heap(stage: &mut Stage) -> Played {
    let (before, _) = area_pages(b"[heap]")?;
    let mut block: Vec<u8> = Vec::with_capacity((HEAP_PAGES + 1) * PAGE_SIZE_BYTES);
    let (after, _) = area_pages(b"[heap]")?;
    stage.show("heap before", before, "pages");
    stage.show(format_args!("heap after asking for {HEAP_PAGES}"), after, "pages");
    stage.check(after >= before, "the heap has shrunk");
    // The whole pages of the block.
    let start = (block.as_ptr() as usize).next_multiple_of(PAGE_SIZE_BYTES);
    let head = start - block.as_ptr() as usize;
    let frames = || look::frames_of(process::id(), start, HEAP_PAGES);
    let before = frames()?;
    stage.show("of these in memory from earlier use", look::present(&before), "pages");
    for touched in [HEAP_PAGES / 2, HEAP_PAGES] {
        block.resize(head + touched * PAGE_SIZE_BYTES, 1);
        let now = frames()?;
        stage.show(
            format_args!("of these in memory after {touched} touched"),
            look::present(&now),
            "pages",
        );
        let is_right = |(index, frame): (usize, &Option<u64>)| {
            frame.is_some() == (index < touched || before[index].is_some())
        };
        stage.check(now.iter().enumerate().all(is_right), "not exactly the touched pages came");
    }
    stage.check(look::present(&before) < HEAP_PAGES as u64 / 2, "the new heap is in memory");
    Ok(())
}

/// The stack's sizes when the recursion has come so deep.
#[inline(never)]
fn at_depth(depth: usize) -> Read<(u64, u64)> {
    let room = core::hint::black_box([depth as u8; PAGE_SIZE_BYTES]);
    let sizes = if depth == 0 { area_pages(b"[stack]") } else { at_depth(depth - 1) };
    core::hint::black_box(room);
    sizes
}

/// First and last address of the stack, and how many pages below it nobody has.
fn stack_place() -> Read<(u64, u64, u64)> {
    let text = look::text("/proc/self/maps")?;
    let areas = maps::parse(&text);
    let at = areas.iter().position(|area| area.name == b"[stack]");
    let stack = at.map_or_else(Area::default, |at| areas[at].clone());
    let below = at.and_then(|at| areas.get(at.wrapping_sub(1))).map_or(0, |area| area.end);
    Ok((stack.start, stack.end, (stack.start - below.min(stack.start)) / PAGE_SIZE_BYTES as u64))
}

fn stack(stage: &mut Stage) -> Played {
    let (size, resident) = area_pages(b"[stack]")?;
    let (deep_size, deep_resident) = at_depth(DEPTH)?;
    stage.show("stack before", size, "pages");
    stage.show("of these in memory", resident, "pages");
    stage.show(format_args!("stack at depth {DEPTH}"), deep_size, "pages");
    stage.show("of these in memory then", deep_resident, "pages");
    stage.check(deep_resident >= resident.max(DEPTH as u64), "the recursion's pages are not there");
    stage.check(deep_size >= deep_resident, "the stack has not grown");
    let (_, end, gap) = stack_place()?;
    stage.show("unmapped below the stack", gap, "pages");
    stage.check(gap >= GUARD_GAP_PAGES, "something is mapped close below the stack");
    let report = probe::report(|| {
        if process::set_limit(g::RLIMIT_STACK, STACK_LIMIT_BYTES).is_ok() {
            core::hint::black_box(probe::recurse_without_end(0));
        }
    })?;
    stage.pause();
    stage.show("limit of the stack", STACK_LIMIT_BYTES, "bytes");
    stage.check(
        report.status == Status::Killed(g::SIGSEGV),
        "a recursion without end did not end in SIGSEGV",
    );
    if let Some(refusal) = report.refusal {
        let depth = end.saturating_sub(refusal.address as u64);
        stage.show("address of the access that ended it", format!("{:#x}", refusal.address), "");
        stage.show("depth of that access", depth, "bytes");
        let allowed = STACK_LIMIT_BYTES - PAGE_SIZE_BYTES as u64
            ..=STACK_LIMIT_BYTES + 2 * PAGE_SIZE_BYTES as u64;
        stage.check(allowed.contains(&depth), "the stack did not end at its limit");
    }
    stage.check(report.refusal.is_some(), "no handler was told of the fault");
    Ok(())
}
