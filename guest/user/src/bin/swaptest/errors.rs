//! Disks that fail now and then. What cannot be written stays in RAM, and its slot is never used
//! again; what cannot be read is lost to whoever reads it, and to nobody else.

use alloc::vec::Vec;

use guest_user::errno::Errno;
use guest_user::proc::swaps;
use guest_user::proc::table::Table;
use guest_user::status::Status;
use guest_user::sys::file::{self, File};
use guest_user::sys::process;
use linux_raw_sys::{errno, general as g};

use crate::Case;
use crate::world::{
    PAGE, Random, fill, outcome, private, quarters_of_ram, start, verify, wait_for, word,
};

pub(crate) const CASES: &[Case] = &[
    ("errors", errors),
    ("write-errors", write_errors),
    ("read-errors", read_errors),
    ("file-errors", file_errors),
];

/// What disks have failed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Failures {
    /// Slots that are not used any more.
    retired: u64,
    /// Pages that could not be read.
    lost: u64,
    /// Pages that slots have or could have.
    size: u64,
}

impl Failures {
    fn now() -> Self {
        let text = file::read_file(b"/proc/vmstat").expect("vmstat");
        let [retired, lost] = ["swap_retired", "swap_lost"].map(|name| Table(&text).number(name));
        let text = file::read_file(b"/proc/swaps").expect("swaps");
        let size = swaps::parse(&text).iter().map(|area| area.size).sum::<u64>();
        Self { retired, lost, size: size / (PAGE as u64 / 1024) }
    }

    /// What has failed since: each slot that was retired is one less in /proc/swaps.
    fn since(before: Self) -> Self {
        let now = Self::now();
        let (retired, size) = (now.retired - before.retired, before.size - now.size);
        assert_eq!(retired, size, "slots that are not used any more");
        Self { retired, lost: now.lost - before.lost, size }
    }
}

/// Processes that together have twice RAM; how each of them ends. They know their memory when all
/// have written theirs.
fn crowd() -> Vec<Status> {
    const PROCESSES: usize = 12;
    let (ready, tell) = file::pipe().expect("a pipe");
    let (go, release) = file::pipe().expect("a pipe");
    let (mut tell, mut release) = (Some(tell), Some(release));
    let mut children = Vec::new();
    for own in 0..PROCESSES {
        children.push(start(|| {
            release = None;
            let memory = private(quarters_of_ram(8) / PROCESSES);
            fill(&memory, own as u64);
            tell = None;
            // There is nothing to be read, but an end when all others have come here, or died.
            let _ = go.read(&mut [0]);
            for _ in 0..2 {
                verify(&memory, own as u64);
            }
        }));
    }
    drop(tell);
    assert_eq!(ready.read(&mut [0]), Ok(0));
    drop(release);
    children.into_iter().map(wait_for).collect()
}

/// How many were killed by SIGBUS; all others have found what they had written.
fn killed(ends: &[Status]) -> u64 {
    let is_killed = |end: &Status| match end {
        Status::Exited(0) => false,
        Status::Killed(g::SIGBUS) => true,
        other => panic!("{other:?}"),
    };
    ends.iter().filter(|end| is_killed(end)).count() as u64
}

/// Whoever looks at it needs no disk himself.
fn stay_in_ram() {
    process::lock_present_memory().expect("mlockall");
}

/// Whatever fails, nobody sees anything wrong, and nobody waits for ever.
fn errors() {
    stay_in_ram();
    let before = Failures::now();
    let killed = killed(&crowd());
    let Failures { retired, lost, .. } = Failures::since(before);
    assert!(killed <= lost, "{killed} killed for {lost} pages");
    assert!(lost <= retired, "{lost} pages lost from {retired} slots");
}

/// Where only writing fails, nobody loses anything.
fn write_errors() {
    stay_in_ram();
    let before = Failures::now();
    assert_eq!(killed(&crowd()), 0);
    let Failures { retired, lost, .. } = Failures::since(before);
    assert!(retired > 0, "all has been written");
    assert_eq!(lost, 0, "pages lost");
}

/// Where only reading fails, it harms those who read what is lost, and neither others nor those who
/// share it but do not look.
fn read_errors() {
    stay_in_ram();
    let before = Failures::now();
    let shared = private(quarters_of_ram(2));
    fill(&shared, 99);
    push_out_in_spite_of_errors();
    let reader = outcome(|| verify(&shared, 99));
    assert_eq!(reader, Status::Killed(g::SIGBUS), "who reads all of it");
    let one = Failures::since(before);
    assert!(one.lost > 0 && one.retired == one.lost, "{one:?}");
    // Another one who reads the same pages meets the same end, without any disk.
    let end = outcome(|| verify(&shared, 99));
    assert_eq!(end, Status::Killed(g::SIGBUS), "who reads it again");
    // Who writes all of it needs nothing of what was lost, but does not know that.
    drop(shared);
    let before = Failures::now();
    let killed = killed(&crowd());
    let Failures { retired, lost, .. } = Failures::since(before);
    assert!(killed > 0 && killed <= lost, "{killed} killed for {lost} pages");
    assert_eq!(retired, lost, "slots for pages");
}

/// Has what others have in RAM leave it; whoever does that may lose what it has.
fn push_out_in_spite_of_errors() {
    const ATTEMPTS: usize = 100;
    let take = || fill(&private(quarters_of_ram(4)), 99);
    let ends = (0..ATTEMPTS).map(|_| outcome(take));
    let end = ends.into_iter().find(|end| *end != Status::Killed(g::SIGBUS));
    assert_eq!(end, Some(Status::Exited(0)), "of who takes all RAM");
}

/// Who reads a file whose pages cannot be read is told so, each time, and goes on with the others.
fn file_errors() {
    const PATH: &[u8] = b"/tmp/errors";
    stay_in_ram();
    let before = Failures::now();
    let file = File::open_with(PATH, g::O_RDWR | g::O_CREAT, 0o600).expect("a file");
    let pages = quarters_of_ram(2);
    for page in 0..pages {
        file.write_all(&[word(8, page) as u8; PAGE]).expect("room");
    }
    push_out_in_spite_of_errors();
    let mut random = Random(99);
    let mut bytes = [0; PAGE];
    let mut is_lost = |page: usize| match file.read_at(&mut bytes, (page * PAGE) as u64) {
        Ok(PAGE) => {
            assert_eq!(bytes, [word(8, page) as u8; PAGE], "page {page}");
            false
        }
        Err(Errno(errno::EIO)) => true,
        other => panic!("page {page}: {other:?}"),
    };
    let lost: Vec<usize> = (0..pages).filter(|page| is_lost(*page)).collect();
    assert!(!lost.is_empty(), "all has been read");
    for _ in 0..10 {
        assert!(is_lost(lost[random.below(lost.len())]), "it cannot come back");
    }
    assert!(Failures::since(before).lost >= lost.len() as u64, "{} pages", lost.len());
    drop(file);
    file::unlink(PATH).expect("it is there");
}
