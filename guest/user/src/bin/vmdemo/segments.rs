//! Segments of shared memory that are found by a name, at an address of each one's own.

use alloc::format;
use alloc::string::String;

use guest_user::Result;
use guest_user::bytes::{self, Bytes};
use guest_user::status::Status;
use guest_user::sys::file::{self, File};
use guest_user::sys::ipc::{self, Kind};
use guest_user::sys::mapping::{Mapping, PAGE_SIZE_BYTES};
use guest_user::sys::process;
use linux_raw_sys::general as g;

use crate::look;
use crate::others;
use crate::partner::{Director, Partner};
use crate::stage::{Played, Scene, Stage};

pub(crate) const TWO_ADDRESSES: Scene = Scene {
    name: "two-addresses",
    title: "one segment, two processes, two addresses",
    text: "\
Processes that have nothing in common can share memory by a name: a file in /dev/shm
is POSIX's way, a segment with a number for a key System V's. Each maps the segment
where it has room, so the same word has another address in each; a pointer of one
means nothing to the other. Both page tables lead to one frame, which counts once,
and stays until the last one has let go, even when the name is gone.",
    play: two_addresses,
};

/// Size of a segment.
const PAGES: usize = 4;
const LENGTH_BYTES: usize = PAGES * PAGE_SIZE_BYTES;
/// What the child maps first, so that the segment finds its place elsewhere.
const OWN_PAGES: usize = 7;
/// Where the word is that is looked at: in the second page.
const WORD: usize = PAGE_SIZE_BYTES + 8;
/// Added to a process's number, this is a key that is hardly in use.
const KEY: i32 = 0x7600_0000;

/// A way to share a segment by its name.
struct Way {
    name: &'static str,
    create: fn() -> Result<()>,
    open: fn(i32) -> Result<Mapping>,
    remove: fn() -> Result<()>,
}

/// Where the file is that a process has made.
fn path(creator: i32) -> String {
    format!("/dev/shm/vmdemo-{creator}")
}

const WAYS: [Way; 2] = [
    Way {
        name: "POSIX",
        create: || {
            let flags = g::O_RDWR | g::O_CREAT | g::O_EXCL;
            let file = File::open_with(path(process::id()).as_bytes(), flags, 0o600)?;
            file.truncate(LENGTH_BYTES as u64)
        },
        open: |creator| {
            let file = File::open_with(path(creator).as_bytes(), g::O_RDWR, 0)?;
            let protection = g::PROT_READ | g::PROT_WRITE;
            Mapping::of_file(&file, LENGTH_BYTES, protection, g::MAP_SHARED)
        },
        remove: || file::unlink(path(process::id()).as_bytes()),
    },
    Way {
        name: "System V",
        create: || ipc::create(Kind::Segment, KEY + process::id(), LENGTH_BYTES).map(drop),
        open: |creator| {
            let id = ipc::find(Kind::Segment, KEY + creator)?;
            Mapping::of_segment(id, LENGTH_BYTES)
        },
        remove: || {
            let id = ipc::find(Kind::Segment, KEY + process::id())?;
            ipc::remove(Kind::Segment, id)
        },
    },
];

fn two_addresses(stage: &mut Stage) -> Played {
    let [posix, system_v] = &WAYS;
    share(stage, posix)?;
    stage.pause();
    share(stage, system_v)
}

/// The child: maps the segment, says where, and reads and writes when it is told to.
fn partner(way: &Way, creator: i32, parent: &Director) -> Result<()> {
    let _own = Mapping::private(OWN_PAGES * PAGE_SIZE_BYTES)?;
    parent.hear()?;
    let segment = (way.open)(creator)?;
    parent.tell(segment.start() as u64)?;
    // The parent has written.
    let add = parent.hear()?;
    let seen = segment.read(WORD);
    segment.write(WORD, seen + add);
    parent.tell(seen)?;
    // The name has gone.
    parent.hear()?;
    parent.tell(segment.read(WORD))
}

fn share(stage: &mut Stage, way: &Way) -> Played {
    let Way { name, .. } = way;
    let (own, before) = (process::id(), look::memory_pages("Shmem")?);
    let child = Partner::start(|parent| partner(way, own, parent))?;
    (way.create)()?;
    let segment = (way.open)(own);
    let played =
        segment.map_err(Into::into).and_then(|segment| use_it(stage, way, &child, &segment));
    if let Err(trouble) = played {
        // Nobody is to find it later; why it failed is what matters.
        let _ = (way.remove)();
        return Err(trouble);
    }
    let left = look::memory_pages("Shmem")?.saturating_sub(before);
    stage.show(format_args!("{name}, its pages when both have let go"), left, "pages");
    stage.check(left == 0, "the segment is there for nobody");
    stage.check(child.end()? == Status::Exited(0), "the child failed");
    Ok(())
}

/// Writes, reads and looks at a segment, in which nobody has written yet, and takes its name away.
fn use_it(stage: &mut Stage, way: &Way, child: &Partner, segment: &Mapping) -> Played {
    let Way { name, .. } = way;
    let before = look::memory_pages("Shmem")?;
    child.tell(0)?;
    let theirs = child.hear()? as usize;
    stage.show(format_args!("{name}, address in the parent"), hex(segment.start()), "");
    stage.show(format_args!("{name}, address in the child"), hex(theirs), "");
    stage.check(theirs != segment.start(), "both have it at the same address");
    (0..PAGES).for_each(|page| segment.write(page * PAGE_SIZE_BYTES + 8, 40 + page as u64));
    child.tell(1)?;
    let seen = child.hear()?;
    stage.show(format_args!("{name}, the parent wrote"), 41, "");
    stage.show(format_args!("{name}, the child reads"), seen, "");
    stage.show(format_args!("{name}, the child wrote"), seen + 1, "");
    stage.show(format_args!("{name}, the parent reads"), segment.read(WORD), "");
    stage.check(seen == 41, "the child does not see the parent's write");
    stage.check(segment.read(WORD) == 42, "the parent does not see the child's write");
    show_frames(stage, name, segment, (child.pid(), theirs))?;
    let pages = look::memory_pages("Shmem")? - before;
    stage.show(format_args!("{name}, pages that all mappings take together"), pages, "pages");
    stage.check(pages == PAGES as u64, "a page does not count once");
    (way.remove)()?;
    child.tell(0)?;
    let seen = child.hear()?;
    stage.show(format_args!("{name}, the child reads when the name is gone"), seen, "");
    stage.check(seen == 42, "the segment went with its name");
    Ok(())
}

fn hex(value: usize) -> String {
    format!("{value:#x}")
}

/// The frame behind the word, in both; those of the first page may be in the child's table already.
fn show_frames(stage: &mut Stage, name: &str, segment: &Mapping, child: (i32, usize)) -> Played {
    let (pid, theirs) = child;
    let (ours, theirs) = ((segment.start() + WORD) as u64, (theirs + WORD) as u64);
    let own = process::id();
    let frames = (look::frame_of(own, ours as usize)?, look::frame_of(pid, theirs as usize)?);
    stage.show(format_args!("{name}, frame in the parent"), hex(frames.0 as usize), "");
    stage.show(format_args!("{name}, frame in the child"), hex(frames.1 as usize), "");
    stage.check(frames.0 == frames.1, "there are two frames");
    // What the tool says of it, where there is one.
    let words = [format!("{own}"), format!("{ours:#x}"), format!("{pid}"), format!("{theirs:#x}")];
    let [first, second, third, fourth] = words.each_ref().map(|word| word.as_bytes());
    let (text, status) = others::run(&[b"/bin/v2p", first, second, third, fourth])?;
    if status != Status::Exited(guest_user::sys::spawn::EXIT_NOT_STARTED) {
        stage.show(format_args!("{name}, command"), format_args!("v2p {}", words.join(" ")), "");
        for line in bytes::lines(&text) {
            stage.show(format_args!("{name}, v2p"), Bytes(line), "");
        }
        let is_one = text.windows(9).any(|window| window == b"one frame");
        stage.check(status == Status::Exited(0) && is_one, "v2p does not see one frame");
    }
    Ok(())
}
