//! More memory promised than there is.

use alloc::vec::Vec;

use guest_user::bytes;
use guest_user::sys::mapping::{Mapping, PAGE_SIZE_BYTES};
use guest_user::sys::process;

use crate::look;
use crate::stage::{Played, Scene, Stage, Trouble};

pub(crate) const OVERCOMMIT: Scene = Scene {
    name: "overcommit",
    title: "more memory promised than there is",
    text: "\
Most programs ask for more memory than they use, so a kernel may promise more than
it has, and keep count (Committed_AS). By default (overcommit_memory 0) only a
single request that could never be met is refused. The risk is the kernel's: if
all promises were redeemed at once, it would have to end somebody.",
    play: overcommit,
};

const MODE: &str = "/proc/sys/vm/overcommit_memory";

fn overcommit(stage: &mut Stage) -> Played {
    let mode = bytes::decimal(look::text(MODE)?.trim_ascii());
    if mode != Some(0) {
        return Err(Trouble::Skipped("overcommit_memory is not 0".into()));
    }
    let ram = look::memory_pages("MemTotal")?;
    let committed = look::memory_pages("Committed_AS")?;
    let resident = look::pages(process::id())?.resident;
    stage.show("overcommit_memory", 0, "");
    stage.show("RAM of this machine", ram, "pages");
    stage.show("promised to all processes before", committed, "pages");
    let half = ram as usize / 2 * PAGE_SIZE_BYTES;
    let mut areas: Vec<Mapping> = Vec::new();
    for _ in 0..4 {
        areas.push(Mapping::private(half)?);
    }
    areas.iter().for_each(|area| area.write(0, 1));
    let promised: usize = areas.iter().map(|area| area.len() / PAGE_SIZE_BYTES).sum();
    let grown = look::memory_pages("Committed_AS")?.saturating_sub(committed);
    let touched = look::pages(process::id())?.resident.saturating_sub(resident);
    stage.show("asked for here, in four requests", promised, "pages");
    stage.show("growth of what is promised", grown, "pages");
    stage.show("growth of what is in memory", touched, "pages");
    stage.check(grown >= promised as u64, "promises are not counted");
    stage.check(touched < ram / 4, "promised pages are in memory");
    drop(areas);
    let left = look::memory_pages("Committed_AS")?.saturating_sub(committed);
    stage.show("left of that after munmap", left, "pages");
    stage.check(left < promised as u64 / 4, "promises are not given back");
    let all = ram + look::memory_pages("SwapTotal")?;
    let refused = Mapping::private(2 * all as usize * PAGE_SIZE_BYTES).err();
    match refused {
        Some(error) => stage.show("one request for twice RAM and swap", error, ""),
        None => stage.show("one request for twice RAM and swap", "granted", ""),
    }
    stage.check(refused.is_some(), "a request that cannot be met was granted");
    Ok(())
}
