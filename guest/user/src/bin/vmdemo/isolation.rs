//! An address space of one's own, and how one address of it becomes a physical one.

use alloc::format;

use guest_user::proc::pagetable;
use guest_user::status::Status;
use guest_user::sys::mapping::{Mapping, PAGE_SIZE_BYTES};
use guest_user::sys::process;

use crate::look;
use crate::partner::Partner;
use crate::stage::{Played, Scene, Stage, Trouble};

pub(crate) const ISOLATION: Scene = Scene {
    name: "isolation",
    title: "one address, two processes, two contents",
    text: "\
Every process has an address space of its own: the same virtual address leads to
different physical memory in each. A parent and its child count here at the very
same address, and neither sees the other's counter, because their page tables
name different frames (4 KiB pieces of RAM).",
    play: isolation,
};

/// How far each of them counts.
const PARENT_COUNTS_TO: u64 = 3;
const CHILD_COUNTS_TO: u64 = 1000;

fn count_to(page: &Mapping, end: u64) {
    while page.read(0) < end {
        page.write(0, page.read(0) + 1);
    }
}

fn isolation(stage: &mut Stage) -> Played {
    let page = Mapping::private(PAGE_SIZE_BYTES)?;
    page.write(0, 0);
    let child = Partner::start(|parent| {
        count_to(&page, CHILD_COUNTS_TO);
        parent.tell(page.start() as u64)?;
        parent.hear()?;
        parent.tell(page.read(0))
    })?;
    let address = child.hear()?;
    count_to(&page, PARENT_COUNTS_TO);
    let own_frame = look::frame_of(process::id(), page.start())?;
    let other_frame = look::frame_of(child.pid(), page.start())?;
    child.tell(0)?;
    let other_count = child.hear()?;
    stage.show("address in the parent", format!("{:#x}", page.start()), "");
    stage.show("address in the child", format!("{address:#x}"), "");
    stage.show("counter in the parent", page.read(0), "");
    stage.show("counter in the child", other_count, "");
    stage.show("frame of the parent", format!("{own_frame:#x}"), "");
    stage.show("frame of the child", format!("{other_frame:#x}"), "");
    stage.check(address == page.start() as u64, "the addresses differ");
    stage.check(page.read(0) == PARENT_COUNTS_TO, "the parent's counter is wrong");
    stage.check(other_count == CHILD_COUNTS_TO, "the child's counter is wrong");
    stage.check(own_frame != other_frame, "both are in the same frame");
    stage.check(child.end()? == Status::Exited(0), "the child failed");
    Ok(())
}

pub(crate) const PAGES: Scene = Scene {
    name: "pages",
    title: "a virtual address taken apart",
    text: "\
The MMU translates by page. With Sv39, the upper 27 bits of a virtual address are
three indices, VPN[2], VPN[1] and VPN[0], into tables of 512 entries each; the
lower 12 bits are the offset in the page and stay as they are. Each entry names
the next table, and the last one, a leaf, names the frame and says what is
allowed: Read, Write, eXecute, User (and Accessed, Dirty, Global, Valid).",
    play: pages,
};

/// Where in its page the address is that is taken apart.
const OFFSET: usize = 0x128;

fn pages(stage: &mut Stage) -> Played {
    let page = Mapping::private(PAGE_SIZE_BYTES)?;
    page.write(OFFSET, 1);
    let address = (page.start() + OFFSET) as u64;
    let text = look::text("/proc/self/pagetable")?;
    let records = pagetable::parse(&text);
    let covers = |record: &&pagetable::Record<'_>| {
        record.va <= address && address - record.va < record.size()
    };
    stage.show("virtual address", format!("{address:#x}"), "");
    let mut physical = None;
    let mut expected_table = records.first().map(|record| record.table);
    let root = records.first().map_or(0, |record| record.level);
    for level in (0..=root).rev() {
        let vpn = address >> (12 + 9 * level) & 0x1ff;
        let entry = records.iter().filter(|record| record.level == level).find(covers);
        let Some(entry) = entry else {
            return Err(Trouble::Failed(format!("no valid entry at level {level}")));
        };
        let flags = core::str::from_utf8(entry.flags).unwrap_or("?");
        stage.show(format_args!("VPN[{level}]"), vpn, "");
        stage.show(format_args!("level {level} table"), format!("{:#x}", entry.table), "");
        stage.show(format_args!("level {level} entry"), format!("{:#018x}", entry.pte), flags);
        stage.check(entry.index == vpn, "an index is not that of the address");
        stage.check(Some(entry.table) == expected_table, "a table is not where it should be");
        expected_table = Some(entry.target());
        if entry.is_leaf() {
            physical = Some(entry.target() + (address - entry.va));
            break;
        }
    }
    let physical = physical.ok_or_else(|| Trouble::Failed("the walk found no leaf".into()))?;
    let frame = look::frame_of(process::id(), page.start())?;
    stage.show("offset", format!("{:#x}", address % PAGE_SIZE_BYTES as u64), "");
    stage.show("physical address", format!("{physical:#x}"), "");
    stage.show("frame, says pagemap", format!("{frame:#x}"), "");
    stage.check(
        physical == frame * PAGE_SIZE_BYTES as u64 + OFFSET as u64,
        "the walk and pagemap do not agree",
    );
    Ok(())
}
