//! `vmdemo [SCENE...]`, `vmdemo all`: a guided tour of virtual memory, a scene for each concept.
//! Without arguments it lists the scenes. A scene shows what the kernel tells of it, a number a line,
//! `  NAME: VALUE UNIT`, and ends with `scene NAME: ok`, `FAILED WHAT` or `skipped WHY`, judged from
//! those numbers. Exit status 1: a scene failed.
//!
//! `stage` prints and judges, `look` reads /proc, `partner` is the other process of a scene, `others`
//! starts other programs; the other files are the scenes.

#![no_std]
#![no_main]

extern crate alloc;

mod copying;
mod costs;
mod demand;
mod filemaps;
mod growth;
mod isolation;
mod leaving;
mod look;
mod others;
mod overcommit;
mod partner;
mod queues;
mod rights;
mod segments;
mod sharing;
mod shortage;
mod stage;
mod swapping;
mod talking;
mod texts;
mod zeros;

use alloc::vec::Vec;

use guest_user::sys::{args, io};
use guest_user::{complain, println};

use stage::{Scene, Verdict};

guest_user::program!(main);

/// The scenes in the order of the tour.
const SCENES: [Scene; 26] = [
    isolation::ISOLATION,
    isolation::PAGES,
    demand::DEMAND,
    demand::PROGRAM,
    zeros::ZERO,
    zeros::SPARSE,
    copying::COW,
    rights::PROTECT,
    rights::MODES,
    growth::GROW,
    costs::FAULT_COST,
    sharing::SHARED,
    segments::TWO_ADDRESSES,
    filemaps::FILE_MAPS,
    sharing::PIPE,
    talking::CONVERSATION,
    talking::NAMED_PIPE,
    queues::QUEUE,
    texts::SHARED_TEXT,
    overcommit::OVERCOMMIT,
    swapping::BIGGER_THAN_RAM,
    swapping::CROWD,
    leaving::TO_DISK_AND_BACK,
    leaving::FORK_OF_SWAPPED,
    shortage::OVERCOMMIT_REFUSED,
    shortage::WHO_GETS_KILLED,
];

fn main() -> i32 {
    let names: Vec<&[u8]> = args::args().collect();
    match names[..] {
        [] => {
            list();
            return 0;
        }
        [demand::LINGER] => return demand::linger(),
        _ => {}
    }
    let is_known = |wanted: &&[u8]| SCENES.iter().any(|scene| scene.name.as_bytes() == *wanted);
    let all = names == [b"all"];
    if let Some(unknown) = names.iter().find(|name| !all && !is_known(name)) {
        complain!("no scene is called {}", unknown.escape_ascii());
        list();
        return 2;
    }
    let mut verdicts = [0; 3];
    for scene in SCENES.iter().filter(|scene| all || names.contains(&scene.name.as_bytes())) {
        verdicts[stage::play(scene) as usize] += 1;
        // An error is told at the end.
        let _ = io::flush();
    }
    let [ok, failed, skipped] = verdicts;
    if names.len() > 1 || all {
        println!("\n{ok} scenes ok, {failed} failed, {skipped} skipped");
    }
    i32::from(verdicts[Verdict::Failed as usize] > 0)
}

fn list() {
    println!("vmdemo shows how virtual memory works, in scenes:\n");
    SCENES.iter().for_each(|scene| println!("  {:18} {}", scene.name, scene.title));
    println!(
        "\nRun one or some by name, for example `vmdemo cow`, or the whole tour: `vmdemo all`."
    );
}
