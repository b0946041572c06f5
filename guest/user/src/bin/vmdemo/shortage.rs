//! When promises cannot be kept: they are refused, or somebody has to end.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use guest_user::bytes::{self, Bytes};
use guest_user::status::Status;
use guest_user::sys::mapping::{Mapping, PAGE_SIZE_BYTES};
use guest_user::sys::system;
use linux_raw_sys::general::SIGKILL;

use crate::look::{self, Read};
use crate::partner::Partner;
use crate::stage::{Played, Scene, Stage, Trouble};
use crate::swapping::{fill, wrong_words};

pub(crate) const OVERCOMMIT_REFUSED: Scene = Scene {
    name: "overcommit-refused",
    title: "how much a kernel promises is a choice",
    text: "\
overcommit_memory says what is promised: 0, everything but a single request that could
never be met; 1, everything; 2, never more than CommitLimit, which is all of swap and a
share of RAM. With 2 a program is told no when it asks, and need not be ended later.",
    play: overcommit_refused,
};

pub(crate) const WHO_GETS_KILLED: Scene = Scene {
    name: "who-gets-killed",
    title: "when all memory is in use, the largest has to end",
    text: "\
Promises were made, and now they are all redeemed: RAM and swap are full, and nothing
can be taken from anybody. The kernel then ends the process that has most, shows what
it knew of all of them, and the others go on as if nothing had happened.",
    play: who_gets_killed,
};

const MODE: &str = "/proc/sys/vm/overcommit_memory";
/// By which mode 2 is used up.
const PIECE_PAGES: usize = 64;
/// More memory takes too long to fill.
const MEMORY_MAX_PAGES: u64 = (160 << 20) / PAGE_SIZE_BYTES as u64;
/// Memory of the one that is to survive.
const SURVIVOR_PAGES: usize = 64;

/// Asks for so many pages, and gives them back.
fn ask(pages: u64) -> &'static str {
    match Mapping::private(pages as usize * PAGE_SIZE_BYTES) {
        Ok(_) => "granted",
        Err(_) => "refused",
    }
}

fn overcommit_refused(stage: &mut Stage) -> Played {
    let mode = look::text(MODE)?;
    let played = in_all_modes(stage);
    look::switch(MODE, core::str::from_utf8(&mode).unwrap_or("0").trim())?;
    played
}

fn in_all_modes(stage: &mut Stage) -> Played {
    let all = look::memory_pages("MemTotal")? + look::memory_pages("SwapTotal")?;
    stage.show("RAM and swap together", all, "pages");
    for (mode, wanted) in [("0", "refused"), ("1", "granted"), ("2", "refused")] {
        look::switch(MODE, mode)?;
        let answer = ask(2 * all);
        stage.show(format_args!("mode {mode}, twice as much in one request"), answer, "");
        stage.check(answer == wanted, "a request was not answered as the mode says");
    }
    stage.pause();
    let limit = look::memory_pages("CommitLimit")?;
    let promised = look::memory_pages("Committed_AS")?;
    let room = limit.saturating_sub(promised);
    // Room for the list, whose own growth must not be refused.
    let mut pieces: Vec<Mapping> = Vec::with_capacity(room as usize / PIECE_PAGES + 1);
    let refused = loop {
        match Mapping::private(PIECE_PAGES * PAGE_SIZE_BYTES) {
            Ok(piece) if pieces.len() < pieces.capacity() => pieces.push(piece),
            Ok(_) => break None,
            Err(error) => break Some(error),
        }
    };
    let granted = (pieces.len() * PIECE_PAGES) as u64;
    let most = look::memory_pages("Committed_AS");
    drop(pieces);
    stage.show("mode 2, limit", limit, "pages");
    stage.show("mode 2, promised before", promised, "pages");
    stage.show("mode 2, granted in small requests", granted, "pages");
    stage.show("mode 2, promised then", most?, "pages");
    match refused {
        Some(error) => stage.show("mode 2, the next request", error, ""),
        None => stage.show("mode 2, the next request", "granted", ""),
    }
    stage.check(refused.is_some(), "more was promised than the limit");
    stage.check(granted <= room, "more was promised than the limit");
    stage.check(granted + 4 * PIECE_PAGES as u64 >= room / 10 * 8, "less than the limit is given");
    Ok(())
}

/// The kernel's messages.
fn messages() -> Read<Vec<u8>> {
    const LOG_BYTES: usize = 32 << 10;
    let mut text = alloc::vec![0; LOG_BYTES];
    let count = system::messages(&mut text)?;
    text.truncate(count);
    Ok(text)
}

/// What the kernel said when it chose: from the title of its table to its last line.
fn table_of(messages: &[u8]) -> Vec<String> {
    let without_time = |line: &[u8]| {
        let text = match bytes::split_once(line, b']') {
            Some((before, rest)) if before.contains(&b'[') => rest.to_vec(),
            _ => line.to_vec(),
        };
        format!("{}", Bytes(text.strip_prefix(b" ").unwrap_or(&text)))
    };
    let lines: Vec<String> = bytes::lines(messages).map(without_time).collect();
    let start = lines.iter().rposition(|line| line.starts_with("Out of memory"));
    let rest = start.map_or(&[][..], |start| &lines[start..]);
    let end = rest.iter().position(|line| line.starts_with("Killed process"));
    rest[..end.map_or(0, |end| end + 1)].to_vec()
}

fn who_gets_killed(stage: &mut Stage) -> Played {
    let all = look::memory_pages("MemTotal")? + look::memory_pages("SwapTotal")?;
    if all > MEMORY_MAX_PAGES {
        let why = "RAM and swap are too large to be filled in sensible time: boot with -m 16M";
        return Err(Trouble::Skipped(why.into()));
    }
    let kills = look::counter("oom_kill")?;
    let survivor = Partner::start(|parent| {
        let area = Mapping::private(SURVIVOR_PAGES * PAGE_SIZE_BYTES)?;
        fill(&area, SURVIVOR_PAGES, 1);
        parent.tell(0)?;
        parent.hear()?;
        parent.tell(wrong_words(&area, SURVIVOR_PAGES, 1))
    })?;
    survivor.hear()?;
    let victim = Partner::start(|parent| {
        parent.tell(0)?;
        // All promises come first: where memory is short, a call may be refused one.
        let pieces = all as usize / PIECE_PAGES + 1;
        let areas = (0..pieces).map(|_| Mapping::private(PIECE_PAGES * PAGE_SIZE_BYTES));
        let areas = areas.collect::<guest_user::Result<Vec<Mapping>>>()?;
        for area in &areas {
            (0..PIECE_PAGES).for_each(|page| area.write(page * PAGE_SIZE_BYTES, 1));
        }
        Ok(())
    })?;
    victim.hear()?;
    let pid = victim.pid();
    let end = victim.end()?;
    let kills = look::since("oom_kill", kills)?;
    stage.show("RAM and swap together", all, "pages");
    stage.show("process that wants more than that", pid, "");
    match end {
        Status::Killed(SIGKILL) => stage.show("its end", "SIGKILL", ""),
        other => stage.show("its end", format_args!("{other:?}"), ""),
    }
    stage.check(end == Status::Killed(SIGKILL), "it was not killed");
    stage.show_if_told("processes killed", kills, "processes");
    stage.check(kills.is_none_or(|kills| kills == 1), "not exactly one was killed");
    survivor.tell(0)?;
    let wrong = survivor.hear()?;
    stage.show("wrong words in the memory of another one", wrong, "words");
    stage.check(wrong == 0, "who survives has lost memory");
    stage.check(survivor.end()? == Status::Exited(0), "the other one failed");
    stage.pause();
    let table = table_of(&messages()?);
    for (number, line) in (1..).zip(&table) {
        stage.show(format_args!("the kernel's line {number:2}"), line, "");
    }
    let marked = table.iter().find_map(|line| line.strip_prefix('>'));
    let marked = marked.and_then(|line| bytes::fields(line.as_bytes()).next());
    let is_named = marked.and_then(bytes::decimal) == Some(pid as u64);
    stage.check(table.is_empty() || is_named, "the kernel's table marks another one");
    stage.show("lines of the kernel's table", table.len(), "lines");
    Ok(())
}
