//! Where even swap is full: who is killed, and who is not; the kernel's own memory.

use alloc::format;
use alloc::vec::Vec;

use guest_user::status::Status;
use guest_user::sys::file::{self, File};
use guest_user::sys::mapping::Mapping;
use guest_user::sys::process;
use linux_raw_sys::general as g;

use crate::Case;
use crate::world::{
    PAGE, adjust_oom_score, fill, kill, meminfo, outcome, private, quarters_of_ram, start, verify,
    wait_for,
};

pub(crate) const CASES: &[Case] = &[
    ("oom", worst_is_killed),
    ("oom-many", many_are_killed),
    ("oom-sleeper", sleeper),
    ("storm-forks", forks),
    ("storm-pipes", pipes),
    ("storm-files", names),
];

/// Takes memory until there is none. It has been promised far more from the beginning: where little
/// is left mmap may refuse, and nobody is killed for that.
fn take_all() {
    const PROTECTION: u32 = g::PROT_READ | g::PROT_WRITE;
    const FLAGS: u32 = g::MAP_PRIVATE | g::MAP_ANONYMOUS | g::MAP_NORESERVE;
    let all = Mapping::new(1 << 30, PROTECTION, FLAGS, None).expect("addresses");
    fill(&all, 1);
}

/// Who takes everything is killed; who has little goes on.
fn worst_is_killed() {
    let memory = private(quarters_of_ram(1) / 4);
    fill(&memory, 1);
    assert_eq!(outcome(take_all), Status::Killed(g::SIGKILL));
    verify(&memory, 1);
}

/// Several take everything at once.
fn many_are_killed() {
    let witness = private(quarters_of_ram(1) / 4);
    fill(&witness, 1);
    let children: [i32; 4] = core::array::from_fn(|_| start(take_all));
    for child in children {
        assert_eq!(wait_for(child), Status::Killed(g::SIGKILL));
    }
    verify(&witness, 1);
}

/// The worst one sleeps in a call, for ever, when it is another's turn to take everything.
fn sleeper() {
    let (read, write) = file::pipe().expect("a pipe");
    let (ready, tell) = file::pipe().expect("a pipe");
    let pages = meminfo("SwapTotal") * 3 / 4;
    let child = start(|| {
        fill(&private(pages), 1);
        let memory = private(pages);
        fill(&memory, 2);
        tell.write_all(b"r").expect("somebody reads");
        let _ = read.read(&mut [0]);
        verify(&memory, 2);
    });
    assert_eq!(ready.read(&mut [0]), Ok(1));
    let other = start(|| {
        let memory = private(meminfo("SwapTotal") / 2);
        fill(&memory, 3);
        verify(&memory, 3);
    });
    assert_eq!(wait_for(child), Status::Killed(g::SIGKILL), "who has most");
    assert_eq!(wait_for(other), Status::Exited(0), "who has less");
    drop((write, tell));
}

/// Processes until there can be no more.
fn forks() {
    const MOST: usize = 600;
    let mut children = Vec::new();
    while children.len() < MOST {
        match process::fork() {
            Ok(Some(child)) => children.push(child),
            Ok(None) => loop {
                // Until it is killed.
                let _ = process::wait(-1, 0);
                let (read, _write) = file::pipe().unwrap_or_else(|_| process::exit(0));
                let _ = read.read(&mut [0]);
            },
            Err(_) => break,
        }
    }
    assert!(children.len() > 20, "{} children", children.len());
    for child in &children {
        kill(*child);
    }
    for child in children {
        // One that has found no memory for its pipe has ended by itself.
        assert!(matches!(wait_for(child), Status::Killed(g::SIGKILL) | Status::Exited(0)));
    }
}

/// Pipes that are full, until there can be no more.
fn pipes() {
    let status = outcome(|| {
        // What it takes is the kernel's and counts for nobody: it must not be the test who goes.
        adjust_oom_score(b"1000");
        let bytes = [7; PAGE];
        let mut ends = Vec::new();
        while let Ok((read, write)) = file::pipe() {
            for _ in 0..16 {
                if write.write_all(&bytes).is_err() {
                    break;
                }
            }
            ends.push((read, write));
        }
        assert!(ends.len() > 8, "{} pipes", ends.len());
    });
    // It may be the one who has to go.
    assert!(matches!(status, Status::Exited(0) | Status::Killed(g::SIGKILL)), "{status:?}");
}

/// Empty files, until there is no memory or there are very many.
fn names() {
    const MOST: usize = 20_000;
    let path = |number: usize| format!("/tmp/{number:0>100}");
    let mut made = 0;
    while made < MOST && File::create(path(made).as_bytes()).is_ok() {
        made += 1;
    }
    assert!(made > 100, "{made} files");
    for number in 0..made {
        file::unlink(path(number).as_bytes()).expect("it is there");
    }
}
