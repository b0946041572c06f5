//! /proc/frames and /proc/swapmap: whose each frame of RAM and each page of the swap areas is, a
//! line for each run of neighbours that are alike. /proc/kpagecount: how many page-table entries map
//! each frame. The books are looked at a few entries at a time,
//! so what changes meanwhile is shown partly as it was.

use alloc::string::String;
use alloc::sync::Arc;

use arrayvec::ArrayVec;
use guest::Ppn;
use guest::errno::Errno;
use guest::mm::cells::State;
use guest::mm::frames::{Kind, List};
use guest::mm::swap::{AREAS, Content};
use guest::mm::{CellId, Memory};
use guest::proc_text::runs::{Run, Runs};

use super::nodes::put;
use crate::fs::synthetic::{Bytes, Node};
use crate::mm::memory;

/// Entries that are looked at with the books locked.
const CHUNK: u64 = 64;
/// Longest line.
const LINE_MAX_BYTES: usize = 80;

/// A frame: its owner, and what becomes of it.
type Frame = (&'static str, &'static str);

/// In the place of a state where there is none to tell.
const NO_STATE: &str = "-";

fn frame(memory: &Memory, frame: Ppn) -> Frame {
    let owner = memory.frames.owner(frame);
    let state = owner.cell().map_or(NO_STATE, |cell| cell_state(memory, cell, frame));
    (owner.kind().name(), state)
}

/// What becomes of a frame that is a cell's.
fn cell_state(memory: &Memory, cell: CellId, frame: Ppn) -> &'static str {
    let meta = memory.frames.look(frame);
    match (memory.cells.state(cell), memory.frames.list_of(frame)) {
        (State::Reading, _) => "reading",
        (State::Writing, _) => "writing",
        (_, Some(List::Modified)) => "modified",
        (_, Some(List::Standby)) => "standby",
        (_, Some(List::Changed)) => "changed",
        _ if meta.mapped() > 1 => "shared",
        _ if meta.mapped() == 1 => "mapped",
        _ if meta.is_pinned() => "pinned",
        _ => "kept",
    }
}

/// Makes room for lines.
///
/// # Errors
/// `ENOMEM`.
fn reserve(out: &mut String, lines: u64) -> Result<(), Errno> {
    out.try_reserve(lines as usize * LINE_MAX_BYTES).map_err(|_| Errno::ENOMEM)
}

/// The text of frames: `PPN COUNT OWNER STATE`.
pub(super) fn frames(out: &mut String) -> Result<(), Errno> {
    let range = memory(|memory| memory.frames.range());
    let mut runs = Runs::default();
    let line = |out: &mut String, Run { first, count, like: (owner, state) }: Run<Frame>| {
        put!(out, "{first:#x} {count} {owner} {state}\n")
    };
    let mut at = range.start.0;
    while at < range.end.0 {
        let chunk = at..(at + CHUNK).min(range.end.0);
        at = chunk.end;
        reserve(out, CHUNK)?;
        let done: ArrayVec<Run<Frame>, { CHUNK as usize }> = memory(|memory| {
            chunk.filter_map(|number| runs.push(number, frame(memory, Ppn(number)))).collect()
        });
        done.into_iter().try_for_each(|run| line(out, run))?;
    }
    runs.end().map_or(Ok(()), |run| line(out, run))
}

/// What is said of a page of a swap area.
fn content(memory: &Memory, content: Content) -> &'static str {
    match content {
        Content::Header => "header",
        Content::Nothing => Kind::Free.name(),
        Content::Bad => "bad",
        Content::Of(cell) => match memory.cells.state(cell) {
            State::Writing => "writing",
            State::Reading => "reading",
            State::Resident => "cached",
            State::Swapped | State::Lost | State::Home | State::Dead => "swapped",
        },
    }
}

/// The text of swapmap: `AREA PAGE COUNT STATE`.
pub(super) fn swapmap(out: &mut String) -> Result<(), Errno> {
    for area in 0..AREAS {
        let mut runs = Runs::default();
        let line = |out: &mut String, Run { first, count, like }: Run<&str>| {
            put!(out, "{area} {first} {count} {like}\n")
        };
        let mut at = 0;
        loop {
            reserve(out, CHUNK)?;
            let (mut done, mut is_end) = (ArrayVec::<Run<&str>, { CHUNK as usize }>::new(), false);
            memory(|memory| {
                for page in at..at + CHUNK {
                    let area = memory.slots.area(area);
                    let found = area.and_then(|area| area.content(page as u32));
                    match found {
                        Some(found) => done.extend(runs.push(page, content(memory, found))),
                        None => is_end = true,
                    }
                }
            });
            done.into_iter().try_for_each(|run| line(out, run))?;
            if is_end {
                break;
            }
            at += CHUNK;
        }
        runs.end().map_or(Ok(()), |run| line(out, run))?;
    }
    Ok(())
}

/// A word for each frame, the first one's being at 0.
struct Mapped;

impl Bytes for Mapped {
    fn read_at(&self, offset: u64, to: &mut [u8]) -> Result<usize, Errno> {
        const WORD: usize = size_of::<u64>();
        if !offset.is_multiple_of(WORD as u64) || !to.len().is_multiple_of(WORD) {
            return Err(Errno::EINVAL);
        }
        let first = offset / WORD as u64;
        let end = memory(|memory| memory.frames.range().end.0);
        let frames = (to.len() / WORD).min(end.saturating_sub(first) as usize);
        let (words, _) = to[..frames * WORD].as_chunks_mut::<WORD>();
        let starts = (first..).step_by(CHUNK as usize);
        for (start, words) in starts.zip(words.chunks_mut(CHUNK as usize)) {
            memory(|memory| {
                for (frame, word) in (start..).zip(words) {
                    *word = u64::from(memory.frames.mapped(Ppn(frame))).to_le_bytes();
                }
            });
        }
        Ok(frames * WORD)
    }
}

/// The file of how often frames are mapped, for the superuser.
pub(super) fn mapped() -> Node {
    const OWNER_READ: u16 = 0o400;
    Node::Bytes(OWNER_READ, Arc::new(Mapped))
}
