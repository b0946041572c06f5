//! What processes share because they want to: memory, and pipes.

use alloc::format;
use alloc::vec::Vec;

use guest_user::status::Status;
use guest_user::sys::mapping::{Mapping, PAGE_SIZE_BYTES};
use guest_user::sys::probe;
use guest_user::sys::{file, process};
use linux_raw_sys::general as g;

use crate::look;
use crate::partner::Partner;
use crate::stage::{Played, Scene, Stage};

pub(crate) const SHARED: Scene = Scene {
    name: "shared",
    title: "one frame behind two processes",
    text: "\
Processes may share memory, if they ask for it: of MAP_SHARED, fork makes no copy,
now or later. Both page tables name the same frame with the right to write, so
each sees at once what the other stores, without any system call. A private page
beside it stays private.",
    play: shared,
};

fn shared(stage: &mut Stage) -> Played {
    let common = Mapping::shared(PAGE_SIZE_BYTES)?;
    let private = Mapping::private(PAGE_SIZE_BYTES)?;
    common.write(0, 1);
    private.write(0, 1);
    let child = Partner::start(|parent| {
        common.write(0, 42);
        private.write(0, 42);
        parent.tell(common.read(0))?;
        // The parent answers in the shared page.
        parent.hear()?;
        parent.tell(common.read(0))?;
        parent.hear().map(drop)
    })?;
    let told = child.hear()?;
    stage.show("the child wrote", told, "");
    stage.show("the parent reads, shared page", common.read(0), "");
    stage.show("the parent reads, private page", private.read(0), "");
    stage.check(common.read(0) == told, "the shared page is not shared");
    stage.check(private.read(0) == 1, "the private page is not private");
    common.write(0, 43);
    child.tell(0)?;
    let seen = child.hear()?;
    stage.show("the parent then wrote", common.read(0), "");
    stage.show("the child reads, shared page", seen, "");
    stage.check(seen == 43, "the child does not see the parent's write");
    let (own, other) = (process::id(), child.pid());
    for (name, page, are_same) in
        [("shared page", &common, true), ("private page", &private, false)]
    {
        let frames = (look::frame_of(own, page.start())?, look::frame_of(other, page.start())?);
        stage.show(format_args!("frame in the parent, {name}"), format!("{:#x}", frames.0), "");
        stage.show(format_args!("frame in the child, {name}"), format!("{:#x}", frames.1), "");
        stage.check((frames.0 == frames.1) == are_same, "a frame is not whose it should be");
    }
    child.tell(0)?;
    stage.check(child.end()? == Status::Exited(0), "the child failed");
    stage.show("the parent reads when the child has gone", common.read(0), "");
    stage.check(common.read(0) == 43, "the shared page went with the child");
    Ok(())
}

pub(crate) const PIPE: Scene = Scene {
    name: "pipe",
    title: "data flows from one process to another",
    text: "\
Isolated processes need the kernel to hand data over. A pipe is a small buffer in
the kernel: who writes waits while it is full, who reads waits while it is empty,
so a lot may flow through a little memory. When the writer closes it, the reader
sees the end; a writer whom nobody reads gets SIGPIPE.",
    play: pipe,
};

/// More than a pipe holds.
const STREAM_BYTES: usize = 256 << 10;
const CHUNK_BYTES: usize = 3000;

/// Byte with this index of the stream.
fn stream(index: usize) -> u8 {
    (index % 251) as u8
}

/// A sum that depends on the order.
fn add_up(sum: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(sum, |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()))
}

fn pipe(stage: &mut Stage) -> Played {
    flow(stage)?;
    stage.pause();
    let report = probe::report(|| {
        if let Ok((reader, writer)) = file::pipe() {
            drop(reader);
            let _ = writer.write_all(b"x");
        }
    })?;
    let is_killed = report.status == Status::Killed(g::SIGPIPE);
    stage.show("writing where nobody reads", if is_killed { "SIGPIPE" } else { "no signal" }, "");
    stage.check(is_killed, "a writer whom nobody reads lives on");
    Ok(())
}

fn flow(stage: &mut Stage) -> Played {
    let (reader, writer) = file::pipe()?;
    let sent: Vec<u8> = (0..STREAM_BYTES).map(stream).collect();
    let Some(child) = process::fork()? else {
        drop(reader);
        let ok = sent.chunks(CHUNK_BYTES).all(|chunk| writer.write_all(chunk).is_ok());
        process::exit_at_once(i32::from(!ok))
    };
    drop(writer);
    let (mut count, mut sum) = (0, 0);
    let mut buffer = [0; 1024];
    loop {
        let now = file::retry(|| reader.read(&mut buffer))?;
        if now == 0 {
            break;
        }
        count += now;
        sum = add_up(sum, &buffer[..now]);
    }
    let end = file::retry(|| process::wait(child, 0))?.map(|(_, status)| status);
    let sent_sum = add_up(0, &sent);
    stage.show("bytes sent by the child", sent.len(), "bytes");
    stage.show("bytes received by the parent", count, "bytes");
    stage.show("checksum sent", format!("{sent_sum:#x}"), "");
    stage.show("checksum received", format!("{sum:#x}"), "");
    stage.check(end == Some(Status::Exited(0)), "the child could not write");
    stage.check(count == sent.len() && sum == sent_sum, "what arrived is not what was sent");
    Ok(())
}
