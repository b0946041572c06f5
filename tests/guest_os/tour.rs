//! What the numbers of each scene of `vmdemo` must be to each other. The scenes judge themselves;
//! here it is judged from the outside, on a machine on which nothing else happens. Scenes about
//! sharing are `sharing.rs`'s.

use libtest_mimic::Failed;

use crate::output::Scene;
use crate::sharing;

/// Or what is wrong.
pub(crate) type Checked = Result<(), Failed>;

/// Size of a page.
pub(crate) const PAGE_BYTES: u64 = 4096;

/// What is asked of a scene.
type Check = fn(&Scene<'_>) -> Checked;

/// What is asked of each scene besides its own verdict.
const CHECKS: [(&str, Check); 26] = [
    ("isolation", isolation),
    ("pages", pages),
    ("demand", demand),
    ("program", program),
    ("zero", zero),
    ("sparse", sparse),
    ("cow", cow),
    ("protect", protect),
    ("modes", modes),
    ("grow", grow),
    ("fault-cost", fault_cost),
    ("shared", sharing::shared),
    ("two-addresses", sharing::two_addresses),
    ("file-maps", sharing::file_maps),
    ("pipe", sharing::pipe),
    ("conversation", sharing::conversation),
    ("named-pipe", sharing::named_pipe),
    ("queue", sharing::queue),
    ("shared-text", sharing::shared_text),
    ("overcommit", overcommit),
    ("bigger-than-ram", bigger_than_ram),
    ("crowd", crowd),
    ("to-disk-and-back", to_disk_and_back),
    ("fork-of-swapped", fork_of_swapped),
    ("overcommit-refused", overcommit_refused),
    ("who-gets-killed", who_gets_killed),
];

/// Scenes that need a swap area.
const SWAPPING: [&str; 4] = ["bigger-than-ram", "crowd", "to-disk-and-back", "fork-of-swapped"];

/// Whether the machine has a swap area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Swap {
    Absent,
    On,
}

/// Checks a scene.
pub(crate) fn check(scene: &Scene<'_>, swap: Swap) -> Checked {
    if swap == Swap::Absent && SWAPPING.contains(&scene.name) {
        let is_said = scene.verdict.starts_with("skipped no swap area is on");
        return if is_said { Ok(()) } else { Err(scene.verdict.into()) };
    }
    if scene.verdict != "ok" {
        return Err(scene.verdict.into());
    }
    let found = CHECKS.iter().find(|(name, _)| *name == scene.name);
    let (_, check) = found.ok_or("nobody knows what its numbers must be")?;
    check(scene)
}

/// These numbers are the same.
pub(crate) fn same(scene: &Scene<'_>, names: [&str; 2]) -> Checked {
    compare(scene, names, "are not the same", |a, b| a == b)
}

pub(crate) fn different(scene: &Scene<'_>, names: [&str; 2]) -> Checked {
    compare(scene, names, "are the same", |a, b| a != b)
}

/// The first number is smaller.
fn less(scene: &Scene<'_>, names: [&str; 2]) -> Checked {
    compare(scene, names, "are not in order", |a, b| a < b)
}

fn compare(
    scene: &Scene<'_>,
    names: [&str; 2],
    complaint: &str,
    holds: impl Fn(u64, u64) -> bool,
) -> Checked {
    let [a, b] = [scene.number(names[0])?, scene.number(names[1])?];
    if holds(a, b) { Ok(()) } else { Err(format!("{names:?} {complaint}: {a:#x}, {b:#x}").into()) }
}

pub(crate) fn equal(scene: &Scene<'_>, name: &str, want: u64) -> Checked {
    within(scene, name, want..=want)
}

pub(crate) fn within(
    scene: &Scene<'_>,
    name: &str,
    want: std::ops::RangeInclusive<u64>,
) -> Checked {
    let got = scene.number(name)?;
    if want.contains(&got) { Ok(()) } else { Err(format!("{name}: {got}, not {want:?}").into()) }
}

/// This is what is said of it.
pub(crate) fn says(scene: &Scene<'_>, name: &str, want: &str) -> Checked {
    let got = scene.text(name)?;
    if got == want { Ok(()) } else { Err(format!("{name}: {got:?}, not {want:?}").into()) }
}

fn isolation(scene: &Scene<'_>) -> Checked {
    same(scene, ["address in the parent", "address in the child"])?;
    different(scene, ["frame of the parent", "frame of the child"])?;
    equal(scene, "counter in the parent", 3)?;
    equal(scene, "counter in the child", 1000)
}

/// The walk is done again from the entries that are shown.
fn pages(scene: &Scene<'_>) -> Checked {
    let address = scene.number("virtual address")?;
    let offset = scene.number("offset")?;
    let mut indices = 0;
    let mut next = scene.number("level 2 table")?;
    for level in (0..3).rev() {
        equal(scene, &format!("level {level} table"), next)?;
        indices |= scene.number(&format!("VPN[{level}]"))? << (12 + 9 * level);
        let name = format!("level {level} entry");
        let entry = scene.number(&name)?;
        let flags = scene.text(&name)?.split(' ').nth(1).unwrap_or_default();
        for (bit, flag) in "VRWXUGAD".chars().enumerate() {
            if flags.contains(flag) != (entry >> bit & 1 == 1) {
                return Err(format!("{name}: {entry:#x} is not {flags}").into());
            }
        }
        let is_leaf = entry >> 1 & 7 != 0;
        if entry & 1 == 0 || is_leaf != (level == 0) {
            return Err(format!("{name}: {entry:#x} is not what is expected there").into());
        }
        next = (entry >> 10) * PAGE_BYTES;
    }
    if indices | offset != address {
        return Err(format!("{address:#x} is not made of {indices:#x} and {offset:#x}").into());
    }
    equal(scene, "physical address", next | offset)?;
    equal(scene, "frame, says pagemap", next / PAGE_BYTES)
}

fn demand(scene: &Scene<'_>) -> Checked {
    const STEPS: [u64; 4] = [0, 1, 8, 32];
    for step in STEPS {
        equal(scene, &format!("resident growth after {step} touched"), step)?;
        equal(scene, &format!("pages with a frame after {step} touched"), step)?;
    }
    equal(scene, "pages promised", 64)?;
    equal(scene, "page faults of this process", STEPS[3])?;
    equal(scene, "page faults of all processes", STEPS[3])
}

fn program(scene: &Scene<'_>) -> Checked {
    less(scene, ["pages in memory while it waits", "pages of the program"])?;
    same(scene, ["first instruction of the program", "address of the first fault"])?;
    let came = scene.number("pages of the program that came by a fault")?;
    let cleared = scene.number("pages of data that exec had to clear in part")?;
    equal(scene, "pages in memory while it waits", came + cleared)
}

fn zero(scene: &Scene<'_>) -> Checked {
    const PAGES: u64 = 64;
    for (name, want) in [
        ("frames that the child filled with a pattern", PAGES),
        ("pages read", PAGES),
        ("frames behind them", 1),
        ("words that were not zero", 0),
        ("pages written", PAGES),
        ("frames behind them now", PAGES),
        ("other words that are not zero", 0),
    ] {
        equal(scene, name, want)?;
    }
    // Old frames were there to be found, or nothing would have been tested.
    within(scene, "of these, frames that were the child's", 1..=PAGES)?;
    // What the scene itself needs meanwhile is little.
    within(scene, "times that the frame of zeros was mapped", PAGES..=PAGES + 8)?;
    within(scene, "times that a frame was cleared", PAGES..=PAGES + 8)
}

fn sparse(scene: &Scene<'_>) -> Checked {
    equal(scene, "size of the array", (1 << 30) / PAGE_BYTES)?;
    less(scene, ["RAM of this machine", "size of the array"])?;
    same(scene, ["pages written", "pages of it in memory"])?;
    // A root, and for three places far from each other at most two more each.
    within(scene, "page tables that lead to them", 4..=6)
}

fn cow(scene: &Scene<'_>) -> Checked {
    const PAGES: u64 = 64;
    let written = scene.number("pages that the child wrote")?;
    for (when, shared) in
        [("before fork", 0), ("after fork", PAGES), ("after that", PAGES - written)]
    {
        equal(scene, &format!("shared {when}"), shared)?;
        equal(scene, &format!("private {when}"), PAGES - shared)?;
    }
    within(scene, "frames that fork took, page tables included", 1..=PAGES / 2)?;
    equal(scene, "pages in which child and parent have different frames", written)?;
    equal(scene, "what the parent still reads", 1)?;
    // Stacks, heaps and data are copied as well, but not everything.
    within(scene, "copies that the kernel made of all kinds of pages", written..=2 * written)?;
    within(scene, "pages that the parent wrote without a copy", written..=written + 8)
}

fn protect(scene: &Scene<'_>) -> Checked {
    let mut denied = 0;
    for (name, text) in scene.numbers().filter(|(_, text)| !text.starts_with("0x")) {
        if !text.starts_with("SIGSEGV MAPERR at 0x") && !text.starts_with("SIGSEGV ACCERR at 0x") {
            return Err(format!("{name}: {text}").into());
        }
        denied += 1;
    }
    if denied < 8 {
        return Err(format!("only {denied} things are forbidden").into());
    }
    same(scene, ["the neighbour's secret before", "the neighbour's secret after"])
}

fn modes(scene: &Scene<'_>) -> Checked {
    let refused = scene.numbers().filter(|(_, text)| text.starts_with("SIGILL ILLOPC at 0x"));
    if refused.count() < 6 {
        return Err("an instruction was not refused".into());
    }
    less(scene, ["computing, kernel", "computing, user mode"])?;
    within(scene, "getppid, there and back", 1..=1000)
}

fn grow(scene: &Scene<'_>) -> Checked {
    less(scene, ["heap before", "heap after asking for 64"])?;
    equal(scene, "of these in memory after 64 touched", 64)?;
    less(scene, ["of these in memory", "of these in memory then"])?;
    less(scene, ["limit of the stack", "depth of that access"])
}

/// What they cost on one hart `oscost` says; on several, others are told of a page that changes.
fn fault_cost(scene: &Scene<'_>) -> Checked {
    for kind in ["zero-page", "zero-fill", "shared-map", "cow-copy", "cow-reuse"] {
        within(scene, &format!("{kind}, faults"), 8..=64)?;
    }
    less(scene, ["zero-page, median cost", "zero-fill, median cost"])?;
    less(scene, ["cow-reuse, median cost", "cow-copy, median cost"])
}

fn overcommit(scene: &Scene<'_>) -> Checked {
    less(scene, ["RAM of this machine", "asked for here, in four requests"])?;
    same(scene, ["asked for here, in four requests", "growth of what is promised"])?;
    less(scene, ["growth of what is in memory", "RAM of this machine"])?;
    equal(scene, "left of that after munmap", 0)
}

fn bigger_than_ram(scene: &Scene<'_>) -> Checked {
    let (free, pages) = (scene.number("free RAM")?, scene.number("pages filled with a pattern")?);
    within(scene, "pages filled with a pattern", 2 * free..=4 * free)?;
    within(scene, "written to swap meanwhile", pages - free..=2 * pages)?;
    less(scene, ["in RAM now, of this process", "slots in use for it"])?;
    within(scene, "slots in use for it", pages - free..=pages + 100)?;
    equal(scene, "words that were looked at again", pages * PAGE_BYTES / 8)?;
    equal(scene, "words that were wrong", 0)?;
    within(scene, "read from swap for that", pages - free..=2 * pages)?;
    // Those of files in memory, and of other programs.
    within(scene, "slots in use after munmap", 0..=pages / 10)
}

fn crowd(scene: &Scene<'_>) -> Checked {
    let (free, programs) = (scene.number("free RAM")?, scene.number("programs")?);
    let all = programs * scene.number("memory of each")?;
    if all < 2 * free {
        return Err(format!("{all} pages are too few for {free} frames").into());
    }
    // Each has a few pages besides, which they share with their parent.
    let most = all + 100 * programs;
    within(scene, "of all this in swap when all have filled theirs", all - free..=most)?;
    equal(scene, "checksums asked for", 2 * programs)?;
    equal(scene, "checksums that were right", 2 * programs)?;
    within(scene, "read from swap", 2 * (all - free)..=u64::MAX)?;
    within(scene, "written to swap", all - free..=u64::MAX)?;
    equal(scene, "programs that ended well", programs)
}

/// What was done in a step: pages found in RAM, read, and written.
fn step(scene: &Scene<'_>, name: &str, [found, read, written]: [u64; 3]) -> Checked {
    for (what, want) in [("found in RAM", found), ("read", read), ("written", written)] {
        // Of the program itself a few pages may be moved as well.
        let most = if want == 0 { 0 } else { want + 32 };
        within(scene, &format!("{name}, {what}"), want..=most)?;
    }
    Ok(())
}

fn to_disk_and_back(scene: &Scene<'_>) -> Checked {
    let pages = scene.number("memory of a child")?;
    step(scene, "made cold", [0, 0, 0])?;
    step(scene, "looked at", [pages, 0, 0])?;
    step(scene, "pushed out", [0, 0, pages])?;
    equal(scene, "of the child in swap only", pages)?;
    step(scene, "brought back", [0, pages, 0])?;
    equal(scene, "of the child in swap only now", 0)?;
    step(scene, "pushed out again", [0, 0, 0])?;
    step(scene, "brought back again", [0, pages, 0])?;
    equal(scene, "suspended, in swap only", pages)?;
    within(scene, "suspended, in RAM", 0..=pages / 8)?;
    for when in ["looked at", "brought back", "brought back again", "resumed"] {
        equal(scene, &format!("{when}, wrong words"), 0)?;
    }
    Ok(())
}

fn fork_of_swapped(scene: &Scene<'_>) -> Checked {
    const PAGES: u64 = 256;
    equal(scene, "of the parent in swap before fork", PAGES)?;
    equal(scene, "of the child in swap after fork", PAGES)?;
    equal(scene, "read by fork", 0)?;
    equal(scene, "written by fork", 0)?;
    for who in ["the child changes some pages", "the child looks at all", "the parent looks at all"]
    {
        equal(scene, &format!("{who}, wrong words"), 0)?;
    }
    within(scene, "the child looks at all, read", PAGES / 2..=PAGES)?;
    within(scene, "the parent looks at all, read", 0..=16)
}

fn overcommit_refused(scene: &Scene<'_>) -> Checked {
    for (mode, want) in [(0, "refused"), (1, "granted"), (2, "refused")] {
        let answer = scene.text(&format!("mode {mode}, twice as much in one request"))?;
        if answer != want {
            return Err(format!("mode {mode}: {answer}, not {want}").into());
        }
    }
    less(scene, ["mode 2, promised before", "mode 2, promised then"])?;
    less(scene, ["mode 2, promised then", "mode 2, limit"])?;
    let room = scene.number("mode 2, limit")? - scene.number("mode 2, promised before")?;
    within(scene, "mode 2, granted in small requests", room * 8 / 10..=room)
}

fn who_gets_killed(scene: &Scene<'_>) -> Checked {
    equal(scene, "processes killed", 1)?;
    equal(scene, "wrong words in the memory of another one", 0)?;
    let victim = scene.number("process that wants more than that")?;
    let lines = scene.numbers().filter(|(name, _)| name.starts_with("the kernel's line"));
    let lines: Vec<&str> = lines.map(|(_, line)| line.trim_end()).collect();
    same_count(scene, lines.len())?;
    // The columns of the table are known by their headings.
    let headings = lines.get(2).copied().unwrap_or_default();
    let columns: Vec<&str> = headings.split_whitespace().collect();
    if columns[..2] != ["pid", "rss"] {
        return Err(format!("{headings:?} are no headings").into());
    }
    let score = columns.iter().position(|column| *column == "score").ok_or("no scores")?;
    let mut scores = Vec::new();
    for line in &lines[3..lines.len() - 1] {
        let fields: Vec<&str> = line.trim_start_matches('>').split_whitespace().collect();
        let pid: u64 = fields[0].parse()?;
        if line.starts_with('>') != (pid == victim) {
            return Err(format!("{line:?}, and {victim} had to end").into());
        }
        // Who is exempt has none.
        scores.extend(fields[score].parse::<u64>().ok().map(|score| (score, pid)));
    }
    let worst = scores.iter().max().map(|(_, pid)| *pid);
    if worst == Some(victim) { Ok(()) } else { Err(format!("{worst:?} was worse").into()) }
}

fn same_count(scene: &Scene<'_>, lines: usize) -> Checked {
    equal(scene, "lines of the kernel's table", lines as u64)?;
    if lines < 6 { Err(format!("{lines} lines are no table").into()) } else { Ok(()) }
}
