//! What page faults cost, by kind.

use alloc::vec::Vec;

use guest_user::bytes::{self, Bytes};
use guest_user::proc::faults::Record;
use guest_user::status::Status;
use guest_user::sys::mapping::{Mapping, PAGE_SIZE_BYTES};

use crate::look;
use crate::partner::Partner;
use crate::stage::{Played, Scene, Stage, Trouble};

pub(crate) const FAULT_COST: Scene = Scene {
    name: "fault-cost",
    title: "what each kind of page fault costs",
    text: "\
A page fault is a detour through the kernel: find the area, find or make the page,
enter it in the table, go on. What that takes depends on what is to be done: the
frame of zeros is only entered, a new frame must be cleared, a shared page copied,
and a page that nobody else has any more only becomes writable again.",
    play: fault_cost,
};

const PAGES: usize = 8;
const SWITCH: &str = "/proc/self/faults";

/// What must be among the faults.
const EXPECTED: [&[u8]; 5] = [b"zero-page", b"zero-fill", b"shared-map", b"cow-copy", b"cow-reuse"];

fn read(area: &Mapping) {
    (0..PAGES).for_each(|page| {
        area.read(page * PAGE_SIZE_BYTES);
    });
}

fn write(area: &Mapping) {
    (0..PAGES).for_each(|page| area.write(page * PAGE_SIZE_BYTES, 1));
}

/// Faults of every kind.
fn cause_faults(stage: &mut Stage) -> Played {
    let areas = [(); 3].map(|()| Mapping::private(PAGES * PAGE_SIZE_BYTES));
    let [first, second, third] = areas;
    let (first, second, third) = (first?, second?, third?);
    read(&first);
    write(&first);
    write(&second);
    write(&third);
    write(&Mapping::shared(PAGES * PAGE_SIZE_BYTES)?);
    let child = Partner::start(|parent| parent.hear().map(drop))?;
    // The child has these pages, too.
    write(&second);
    child.tell(0)?;
    stage.check(child.end()? == Status::Exited(0), "the child failed");
    // Nobody else has these any more.
    write(&third);
    Ok(())
}

/// Of a kind: the instructions of each fault.
fn costs(records: &[Record<'_>], action: &[u8]) -> Vec<u64> {
    let of_it = records.iter().filter(|record| record.action == action);
    let mut costs: Vec<u64> = of_it.map(|record| record.instructions).collect();
    costs.sort_unstable();
    costs
}

fn fault_cost(stage: &mut Stage) -> Played {
    look::switch(SWITCH, "1")?;
    let caused = cause_faults(stage);
    look::switch(SWITCH, "0")?;
    caused?;
    let text = look::text(SWITCH)?;
    let records: Vec<Record<'_>> = bytes::lines(&text).filter_map(Record::parse).collect();
    let mut actions: Vec<&[u8]> = Vec::new();
    for record in &records {
        if !actions.contains(&record.action) {
            actions.push(record.action);
        }
    }
    for action in &actions {
        let costs = costs(&records, action);
        let name = Bytes(action);
        stage.show(format_args!("{name}, faults"), costs.len(), "faults");
        stage.show(format_args!("{name}, median cost"), costs[costs.len() / 2], "instructions");
    }
    if records.is_empty() {
        return Err(Trouble::Failed("no fault is recorded".into()));
    }
    for action in EXPECTED {
        let costs = costs(&records, action);
        stage.check(costs.len() >= PAGES, "faults of one kind are missing");
        stage.check(costs.iter().all(|cost| *cost > 0), "a fault cost nothing");
    }
    let median = |action| costs(&records, action).get(PAGES / 2).copied().unwrap_or(0);
    stage.check(median(b"zero-page") < median(b"zero-fill"), "clearing a frame costs nothing");
    stage.check(median(b"cow-reuse") < median(b"cow-copy"), "copying a frame costs nothing");
    Ok(())
}
