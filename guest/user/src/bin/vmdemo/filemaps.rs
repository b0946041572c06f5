//! One file mapped in both ways at once: what is stored goes into the file, or into a copy.

use alloc::format;
use alloc::string::String;

use guest_user::status::Status;
use guest_user::sys::file::{self, File};
use guest_user::sys::mapping::{Mapping, PAGE_SIZE_BYTES};
use guest_user::sys::{probe, process};
use guest_user::{Errno, Result};
use linux_raw_sys::general as g;

use crate::look::{self, Read};
use crate::rights;
use crate::stage::{Played, Scene, Stage};

pub(crate) const FILE_MAPS: Scene = Scene {
    name: "file-maps",
    title: "one file mapped twice, shared and private",
    text: "\
A file that is mapped needs no read(): its pages, in the memory of the kernel, are the
pages of the process. Shared, a store is a store into the file, seen at once by read()
and by everybody who has it mapped; msync makes it last. Private, the first store to
a page copies its frame, and the file stays as it is. When the file is cut short, the
pages behind its new end are taken away, and touching one is SIGBUS.",
    play: file_maps,
};

const PAGES: usize = 4;
const LENGTH_BYTES: usize = PAGES * PAGE_SIZE_BYTES;
/// What is in the file, and what is stored through the mappings.
const CONTENT: u64 = 0x1111;
const SHARED_STORE: u64 = 0x2222;
const PRIVATE_STORE: u64 = 0x3333;
const WRITTEN: u64 = 0x4444;
/// The page that is behind the end when the file was cut.
const CUT_PAGE: usize = 2;

/// The file, which has a name as long as this lives.
struct Scratch {
    path: String,
    file: File,
}

impl Scratch {
    fn new(directory: &str) -> Result<Self> {
        let path = format!("{directory}/vmdemo-{}", process::id());
        let flags = g::O_RDWR | g::O_CREAT | g::O_EXCL;
        let file = File::open_with(path.as_bytes(), flags, 0o600)?;
        let scratch = Self { path, file };
        for page in 0..PAGES {
            let mut content = [0; PAGE_SIZE_BYTES];
            content[..8].copy_from_slice(&(CONTENT + page as u64).to_ne_bytes());
            scratch.file.write_all(&content)?;
        }
        scratch.file.sync()?;
        Ok(scratch)
    }

    /// The first word of a page, as read() says.
    fn word(&self, page: usize) -> Result<u64> {
        let mut word = [0; 8];
        let count = self.file.read_at(&mut word, (page * PAGE_SIZE_BYTES) as u64)?;
        if count == word.len() { Ok(u64::from_ne_bytes(word)) } else { Err(Errno::IO) }
    }

    fn map(&self, flags: u32) -> Result<Mapping> {
        Mapping::of_file(&self.file, LENGTH_BYTES, g::PROT_READ | g::PROT_WRITE, flags)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is seen in the directory.
        let _ = file::unlink(self.path.as_bytes());
    }
}

/// A directory for the file, on a disk if a writable one is there, and the kind of its file system.
fn place() -> Read<(String, String)> {
    let disk = look::disks()?.into_iter().find(|disk| disk.is_writable);
    Ok(disk.map_or_else(|| ("/tmp".into(), "tmpfs".into()), |disk| (disk.at, disk.kind)))
}

fn hex(value: u64) -> String {
    format!("{value:#x}")
}

fn frame(mapping: &Mapping) -> Read<u64> {
    look::frame_of(process::id(), mapping.start())
}

fn file_maps(stage: &mut Stage) -> Played {
    let (directory, kind) = place()?;
    let scratch = Scratch::new(&directory)?;
    stage.show("the file", &scratch.path, &format!("on {kind}"));
    let (shared, private) = (scratch.map(g::MAP_SHARED)?, scratch.map(g::MAP_PRIVATE)?);
    stage.show("address of the shared mapping", hex(shared.start() as u64), "");
    stage.show("address of the private mapping", hex(private.start() as u64), "");
    stage.check(shared.read(0) == CONTENT && private.read(0) == CONTENT, "it is not the file");
    let before = (frame(&shared)?, frame(&private)?);
    stage.show("frame of the shared mapping", hex(before.0), "");
    stage.show("frame of the private mapping", hex(before.1), "");
    stage.check(before.0 == before.1, "the file has been copied for nothing");
    stage.pause();
    store_shared(stage, &scratch, &shared, &private)?;
    stage.pause();
    store_private(stage, &scratch, (&shared, &private), before.0)?;
    stage.pause();
    cut(stage, &scratch, &shared, &private)
}

/// What is stored through the shared mapping is in the file.
fn store_shared(
    stage: &mut Stage,
    scratch: &Scratch,
    shared: &Mapping,
    private: &Mapping,
) -> Played {
    shared.write(0, SHARED_STORE);
    let (read, seen) = (scratch.word(0)?, private.read(0));
    stage.show("stored through the shared mapping", hex(SHARED_STORE), "");
    stage.show("then read() gives", hex(read), "");
    stage.show("and the private mapping, not written yet, shows", hex(seen), "");
    stage.check(read == SHARED_STORE, "a store into a shared mapping is not in the file");
    stage.check(seen == SHARED_STORE, "the private mapping has a copy that nobody asked for");
    let changed = look::counter("nr_dirty")?;
    shared.sync(0, LENGTH_BYTES)?;
    stage.show_if_told("changed pages of files before msync", changed, "pages");
    stage.show_if_told("changed pages of files after msync", look::counter("nr_dirty")?, "pages");
    // Opened anew, as anybody would.
    let again = file::read_file(scratch.path.as_bytes())?;
    let word = again.first_chunk().map_or(0, |word| u64::from_ne_bytes(*word));
    stage.show("the file after msync has", hex(word), "");
    stage.check(word == SHARED_STORE, "the file has not got it");
    scratch.file.write_at(&WRITTEN.to_ne_bytes(), PAGE_SIZE_BYTES as u64)?;
    let seen = shared.read(PAGE_SIZE_BYTES);
    stage.show("written to the next page with write()", hex(WRITTEN), "");
    stage.show("there the shared mapping shows", hex(seen), "");
    stage.check(seen == WRITTEN, "what was written is not in the mapping");
    Ok(())
}

/// What is stored through the private mapping is in a copy.
fn store_private(
    stage: &mut Stage,
    scratch: &Scratch,
    (shared, private): (&Mapping, &Mapping),
    of_file: u64,
) -> Played {
    private.write(0, PRIVATE_STORE);
    let (read, seen) = (scratch.word(0)?, shared.read(0));
    stage.show("stored through the private mapping", hex(PRIVATE_STORE), "");
    stage.show("which then shows", hex(private.read(0)), "");
    stage.show("while the shared mapping shows", hex(seen), "");
    stage.show("and the file has", hex(read), "");
    stage.check(private.read(0) == PRIVATE_STORE, "a store got lost");
    stage.check(seen == SHARED_STORE && read == SHARED_STORE, "a private store changed the file");
    let after = (frame(shared)?, frame(private)?);
    stage.show("frame of the shared mapping now", hex(after.0), "");
    stage.show("frame of the private mapping now", hex(after.1), "");
    stage.check(after.0 == of_file, "the file's page has moved");
    stage.check(after.1 != of_file, "the store went into the file's frame");
    Ok(())
}

/// Pages behind the end of the file are nowhere, copies included.
fn cut(stage: &mut Stage, scratch: &Scratch, shared: &Mapping, private: &Mapping) -> Played {
    let offset = CUT_PAGE * PAGE_SIZE_BYTES;
    private.write(offset, PRIVATE_STORE);
    scratch.file.truncate(PAGE_SIZE_BYTES as u64)?;
    stage.show("pages of the file after ftruncate", 1, "page");
    for (name, mapping) in [("shared", shared), ("private", private)] {
        let report = probe::report(|| {
            probe::read(mapping.start() + offset);
        })?;
        let (signal, details) = rights::signal_text(&report);
        let what = format!("reading page {CUT_PAGE} of the {name} mapping");
        stage.show(what, signal, &details);
        stage.check(report.status == Status::Killed(g::SIGBUS), "a page behind the end is there");
        let address = report.refusal.map(|refusal| refusal.address);
        stage.check(address == Some(mapping.start() + offset), "SIGBUS tells of another address");
    }
    stage.show("the first page of the private mapping still shows", hex(private.read(0)), "");
    stage.check(private.read(0) == PRIVATE_STORE, "a page of the file has gone with the others");
    scratch.file.truncate(LENGTH_BYTES as u64)?;
    let seen = (shared.read(offset), private.read(offset));
    stage.show("the shared mapping there when the file has grown again", seen.0, "");
    stage.show("the private mapping there when the file has grown again", seen.1, "");
    stage.check(seen == (0, 0), "what was cut off has come back");
    Ok(())
}
