//! What the numbers of the scenes about sharing must be to each other: segments, mapped files, pipes,
//! queues, text. As in `tour.rs`, from the outside. And what `v2p` says of a frame that two shells share.

use libtest_mimic::Failed;

use crate::files::Image;
use crate::output::Scene;
use crate::tour::{self, Checked, PAGE_BYTES, Swap, different, equal, same, says, within};
use crate::{boot, check, last_lines};

/// A process that sleeps, as scenes say it.
const ASLEEP: &str = "S, sleeps";

pub(crate) fn shared(scene: &Scene<'_>) -> Checked {
    same(scene, ["the child wrote", "the parent reads, shared page"])?;
    different(scene, ["the child wrote", "the parent reads, private page"])?;
    same(scene, ["the parent then wrote", "the child reads, shared page"])?;
    same(scene, ["frame in the parent, shared page", "frame in the child, shared page"])?;
    different(scene, ["frame in the parent, private page", "frame in the child, private page"])
}

pub(crate) fn two_addresses(scene: &Scene<'_>) -> Checked {
    const PAGES: u64 = 4;
    for way in ["POSIX", "System V"] {
        let name = |what: &str| format!("{way}, {what}");
        let addresses = ["address in the parent", "address in the child"].map(name);
        different(scene, addresses.each_ref().map(String::as_str))?;
        for pair in [
            ["the parent wrote", "the child reads"],
            ["the child wrote", "the parent reads"],
            ["the child wrote", "the child reads when the name is gone"],
            ["frame in the parent", "frame in the child"],
        ] {
            same(scene, pair.map(name).each_ref().map(String::as_str))?;
        }
        equal(scene, &name("pages that all mappings take together"), PAGES)?;
        equal(scene, &name("its pages when both have let go"), 0)?;
        tool(scene, &name("command"), &name("v2p"), &name("frame in the parent"))?;
    }
    Ok(())
}

/// What `v2p` says of the addresses that it was given: for each the frame of its own, mapped by two,
/// and that it is the same.
fn tool(scene: &Scene<'_>, command: &str, said: &str, frame: &str) -> Checked {
    let command = scene.text(command)?.trim_end();
    let words: Vec<&str> = command.split(' ').collect();
    let ["v2p", pairs @ ..] = &words[..] else {
        return Err(format!("{command:?} is another command").into());
    };
    let frame = scene.number(frame)?;
    let lines = scene.numbers().filter(|(name, _)| *name == said);
    let lines: Vec<&str> = lines.map(|(_, line)| line.trim_end()).collect();
    let mut want = Vec::new();
    for pair in pairs.chunks(2) {
        let [pid, address] = pair else { return Err("a process without an address".into()) };
        let address = u64::from_str_radix(address.trim_start_matches("0x"), 16)?;
        let (page, physical) = (address / PAGE_BYTES, frame * PAGE_BYTES + address % PAGE_BYTES);
        want.push(format!(
            "{pid}: {address:#014x} page {page:#x} present frame {frame:#x} physical {physical:#x} \
             file-shared mapped 2"
        ));
    }
    want.push(format!("one frame behind 2 addresses: {frame:#x}"));
    if lines == want { Ok(()) } else { Err(format!("v2p said {lines:?}, not {want:?}").into()) }
}

pub(crate) fn file_maps(scene: &Scene<'_>) -> Checked {
    different(scene, ["address of the shared mapping", "address of the private mapping"])?;
    same(scene, ["frame of the shared mapping", "frame of the private mapping"])?;
    let stored = "stored through the shared mapping";
    for name in [
        "then read() gives",
        "and the private mapping, not written yet, shows",
        "the file after msync has",
        "while the shared mapping shows",
        "and the file has",
    ] {
        same(scene, [stored, name])?;
    }
    equal(scene, "changed pages of files after msync", 0)?;
    same(scene, ["written to the next page with write()", "there the shared mapping shows"])?;
    let own = "stored through the private mapping";
    different(scene, [stored, own])?;
    same(scene, [own, "which then shows"])?;
    same(scene, [own, "the first page of the private mapping still shows"])?;
    same(scene, ["frame of the shared mapping", "frame of the shared mapping now"])?;
    different(scene, ["frame of the private mapping", "frame of the private mapping now"])?;
    for kind in ["shared", "private"] {
        let start = scene.number(&format!("address of the {kind} mapping"))?;
        let want = format!("SIGBUS ADRERR at {:#x}", start + 2 * PAGE_BYTES);
        says(scene, &format!("reading page 2 of the {kind} mapping"), &want)?;
        equal(scene, &format!("the {kind} mapping there when the file has grown again"), 0)?;
    }
    Ok(())
}

pub(crate) fn pipe(scene: &Scene<'_>) -> Checked {
    same(scene, ["bytes sent by the child", "bytes received by the parent"])?;
    same(scene, ["checksum sent", "checksum received"])?;
    says(scene, "writing where nobody reads", "SIGPIPE")
}

pub(crate) fn conversation(scene: &Scene<'_>) -> Checked {
    says(scene, "the child, while nobody asks", ASLEEP)?;
    for question in 1..=5 {
        let name = format!("the parent asks {question}, the child answers");
        equal(scene, &name, question * question)?;
        says(scene, &format!("the parent, waiting for answer {question}"), ASLEEP)?;
    }
    equal(scene, "bytes in the pipe when it sleeps", 64 << 10)?;
    says(scene, "the child, while the pipe is full", ASLEEP)?;
    same(scene, ["bytes that the child writes at once", "bytes that the parent then reads"])
}

pub(crate) fn named_pipe(scene: &Scene<'_>) -> Checked {
    for (first, words) in [("the writer", "first words"), ("the reader", "second words")] {
        says(scene, &format!("{first} alone"), ASLEEP)?;
        equal(scene, &format!("{first} alone, descriptors of the pipe"), 0)?;
        says(scene, &format!("{first} first, what was read"), words)?;
    }
    equal(scene, "length of the file in the end", 0)
}

/// Messages and their priorities, and who has received each: exactly one.
fn receipts(scene: &Scene<'_>, when: &str) -> Result<Vec<[u64; 3]>, Failed> {
    let mut found = Vec::new();
    for (name, reader) in scene.numbers() {
        let Some(message) = name.strip_prefix(&format!("{when}, message ")) else { continue };
        let Some(message) = message.strip_suffix(" went to reader") else { continue };
        let (number, priority) = message.split_once(" of priority ").ok_or("no priority")?;
        found.push([number.parse()?, priority.parse()?, reader.trim_end().parse()?]);
    }
    equal(scene, &format!("{when}, messages sent"), found.len() as u64)?;
    equal(scene, &format!("{when}, messages received"), found.len() as u64)?;
    Ok(found)
}

pub(crate) fn queue(scene: &Scene<'_>) -> Checked {
    for reader in 1..=3 {
        says(scene, &format!("reader {reader} while the queue is empty"), ASLEEP)?;
    }
    let mut readers: Vec<u64> =
        receipts(scene, "readers first")?.iter().map(|receipt| receipt[2]).collect();
    readers.sort_unstable();
    if readers != [1, 2, 3] {
        return Err(format!("readers who waited have got {readers:?}").into());
    }
    let found = receipts(scene, "messages first")?;
    if found.len() != 9 {
        return Err(format!("{} messages", found.len()).into());
    }
    for reader in 1..=3 {
        let mut own: Vec<&[u64; 3]> = found.iter().filter(|receipt| receipt[2] == reader).collect();
        own.sort_by_key(|[number, priority, _]| (u64::MAX - priority, *number));
        let want: Vec<String> = own.iter().map(|receipt| receipt[0].to_string()).collect();
        let want = if want.is_empty() { "nothing".to_owned() } else { want.join(" ") };
        says(scene, &format!("reader {reader} got, in this order"), &want)?;
    }
    Ok(())
}

pub(crate) fn shared_text(scene: &Scene<'_>) -> Checked {
    let mut texts = vec!["its text"];
    if scene.text("a program with a library")?.trim_end() != "none is here" {
        texts.push("the library's text");
    }
    for text in texts {
        let name = |what: &str| format!("{text}, {what}");
        let both = scene.number(&name("in memory of both"))?;
        within(scene, &name("in memory of the first"), both.max(1)..=u64::MAX)?;
        equal(scene, &name("of these in the same frame"), both)?;
        let all = scene.number(&name("in memory of the first"))?
            + scene.number(&name("in memory of the second"))?
            - both;
        equal(scene, &name("frames of all together"), all)?;
        let frames = ["a frame in the first", "that frame in the second"].map(name);
        same(scene, frames.each_ref().map(String::as_str))?;
        within(scene, &name("times that it is mapped"), 2..=u64::MAX)?;
    }
    // What is the second's alone is the rest of its pages, and tables.
    let own = scene.number("pages in memory of the second, all together")?
        - scene.number("its text, in memory of the second")?;
    within(scene, "frames that the second took, page tables included", own..=own + 16)
}

/// Two shells have one frame of their text; `v2p` says so, and finds both by the frame.
pub(crate) fn v2p() -> Checked {
    const LINES: [&str; 2] =
        ["sh -c 'v2p -o $$ 0x10000 2 0x10000; v2p $$ 0x1000; echo status $?'", "exit"];
    let text = boot(&["-smp", "1", "-append", "quiet"], &LINES)?;
    let of_two = |line: &&str| line.ends_with(" file-shared mapped 2");
    let lines: Vec<&str> = text.lines().filter(of_two).collect();
    let [inner, outer] = lines[..] else { return Err(last_lines(&text).into()) };
    let (pid, place) = inner.split_once(": ").ok_or("no process")?;
    let frame = place.split_once(" frame ").and_then(|(_, rest)| rest.split(' ').next());
    let frame = frame.ok_or("no frame")?;
    for wanted in [
        format!("one frame behind 2 addresses: {frame}"),
        format!("frame {frame}: 2 sh at 0x10000"),
        format!("frame {frame}: {pid} sh at 0x10000"),
        "0x000000001000 page 0x1 none".to_owned(),
        "status 1".to_owned(),
    ] {
        let has = text.lines().any(|line| line == wanted);
        check(has, || format!("no line is {wanted:?}:\n{}", last_lines(&text)))?;
    }
    check(outer == format!("2: {place}"), || format!("{inner:?} and {outer:?} are different"))
}

/// The scenes about files, where a disk with Debian's programs is: a file on the disk, and a library.
pub(crate) fn on_disk(image: &Image) -> Checked {
    const LINES: [&str; 4] = [
        "mkdir /mnt; mount -t ext2 /dev/vda /mnt",
        "vmdemo file-maps shared-text",
        "cat /proc/sys/vm/audit | head -n 1",
        "exit",
    ];
    let drive = image.drive();
    let text = boot(&["-m", "64M", "-smp", "4", "-drive", &drive, "-append", "quiet"], &LINES)?;
    let scenes = Scene::read_all(&text)?;
    let [file, library] = &scenes[..] else { return Err(last_lines(&text).into()) };
    for scene in &scenes {
        tour::check(scene, Swap::Absent)?;
    }
    check(file.text("the file")?.ends_with(" on ext2"), || "it is on no disk".to_owned())?;
    within(file, "changed pages of files before msync", 1..=u64::MAX)?;
    says(library, "a program with a library", "/mnt/usr/bin/sleep")?;
    check(text.lines().any(|line| line == "ok"), || "the audit found something".to_owned())?;
    image.expect_clean()
}
