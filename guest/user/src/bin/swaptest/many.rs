//! Many processes that do not fit into RAM together: in parallel, in a crowd, copies of one that is
//! swapped, programs that are executed, and such as are killed at any moment.

use alloc::ffi::CString;
use alloc::format;
use core::sync::atomic::Ordering;

use guest_user::status::Status;
use guest_user::sys::mapping::Mapping;
use guest_user::sys::process;
use guest_user::sys::spawn;
use linux_raw_sys::general as g;

use crate::Case;
use crate::world::{
    Barrier, PAGE, Random, check, fill, kill, meminfo, private, push_out, quarters_of_ram, ram,
    start, together, verify, wait_for, write,
};

pub(crate) const CASES: &[Case] = &[
    ("page-parallel", parallel),
    ("crowd", crowd),
    ("crowd-programs", programs),
    ("cow", copies),
    ("fork-chain", chain),
    ("kills", kills),
];

/// Each of these knows its own memory, together four times RAM.
fn parallel() {
    const PROCESSES: usize = 8;
    let pages = quarters_of_ram(16) / PROCESSES;
    let barrier = Barrier::new(PROCESSES);
    together(PROCESSES, |own| {
        let memory = private(pages);
        fill(&memory, own as u64);
        barrier.wait();
        verify(&memory, own as u64);
        (0..pages).step_by(3).for_each(|page| write(&memory, 100, page));
        (0..pages).rev().for_each(|page| {
            check(&memory, if page % 3 == 0 { 100 } else { own as u64 }, page);
        });
    });
}

/// Forty with a mebibyte each, or as many as have room.
fn crowd() {
    const MOST: usize = 40;
    const PAGES: usize = (1 << 20) / PAGE;
    /// Stack, tables, and what the kernel has for it.
    const MORE_PAGES: usize = 32;
    let room = ram() / 2 + meminfo("SwapTotal");
    let processes = MOST.min(room / (PAGES + MORE_PAGES));
    let barrier = Barrier::new(processes);
    together(processes, |own| {
        let memory = private(PAGES);
        fill(&memory, own as u64);
        for _ in 0..3 {
            barrier.wait();
            verify(&memory, own as u64);
        }
    });
}

/// As many programs that are executed, by somebody whose own memory is swapped.
fn programs() {
    const PROGRAMS: usize = 24;
    let memory = private(quarters_of_ram(2));
    fill(&memory, 1);
    push_out();
    let path = c"/proc/self/exe";
    let mut started = 0;
    for program in 0..PROGRAMS {
        let seed = CString::new(format!("{program}")).expect("no zero byte");
        let arguments = [c"swaptest", c"verify", seed.as_c_str()];
        spawn::spawn(path, arguments.into_iter(), [].into_iter()).expect("a child");
        started += 1;
    }
    for _ in 0..started {
        let (child, status) = process::wait(-1, 0).expect("wait4").expect("it blocks");
        assert_eq!(status, Status::Exited(0), "program {child}");
    }
    verify(&memory, 1);
}

/// Copies of somebody who is swapped: each changes other pages, and the first one none.
fn copies() {
    let memory = private(quarters_of_ram(6));
    let pages = memory.len() / PAGE;
    fill(&memory, 1);
    push_out();
    let work = |own: usize| {
        (own..pages).step_by(4).for_each(|page| write(&memory, 10 + own as u64, page));
        for page in 0..pages {
            let seed = if page % 4 == own { 10 + own as u64 } else { 1 };
            check(&memory, seed, page);
        }
    };
    together(3, work);
    verify(&memory, 1);
    // What nobody else has any more is written where it is.
    fill(&memory, 2);
    verify(&memory, 2);
}

/// Children of children, each of which changes some of what it has from its parent.
fn chain() {
    const LENGTH: usize = 6;
    let memory = private(quarters_of_ram(2));
    let pages = memory.len() / PAGE;
    fill(&memory, 0);
    fn link(memory: &Mapping, pages: usize, own: usize) {
        // Page `n` was changed by ancestor `n` modulo the length, if there is one yet.
        let seed = |page: usize, own: usize| match page % LENGTH {
            digit if digit < own => digit as u64 + 1,
            _ => 0,
        };
        (0..pages).for_each(|page| check(memory, seed(page, own), page));
        if own == LENGTH {
            return;
        }
        let child = start(|| {
            (own..pages).step_by(LENGTH).for_each(|page| write(memory, own as u64 + 1, page));
            link(memory, pages, own + 1);
        });
        (0..pages).rev().for_each(|page| check(memory, seed(page, own), page));
        assert_eq!(wait_for(child), Status::Exited(0), "link {own}");
    }
    link(&memory, pages, 0);
}

/// Some are killed at any moment, while others go on.
fn kills() {
    const ROUNDS: usize = 30;
    let mut random = Random(4711);
    let witness = start(|| {
        let memory = private(quarters_of_ram(1));
        fill(&memory, 77);
        for _ in 0..6 {
            verify(&memory, 77);
        }
    });
    let done = Mapping::shared(PAGE).expect("memory");
    let done = done.word(0);
    for round in 0..ROUNDS {
        let pages = quarters_of_ram(2);
        let children: [i32; 3] = core::array::from_fn(|child| {
            start(|| {
                let memory = private(pages);
                for seed in 0.. {
                    for page in 0..pages {
                        write(&memory, seed, page);
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    let grandchild = start(|| verify(&memory, seed));
                    assert_eq!(wait_for(grandchild), Status::Exited(0), "{round} {child}");
                }
            })
        });
        for child in children {
            let until = done.load(Ordering::Relaxed) + random.below(pages) as u32;
            while done.load(Ordering::Relaxed) < until {
                process::give_way();
            }
            kill(child);
        }
        for child in children {
            assert_eq!(wait_for(child), Status::Killed(g::SIGKILL));
        }
    }
    assert_eq!(wait_for(witness), Status::Exited(0));
}
