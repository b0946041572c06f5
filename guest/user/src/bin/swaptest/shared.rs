//! Memory that processes share, and files in memory, both swapped while they are used; and swapping
//! that is switched off while programs run.

use alloc::vec;
use core::sync::atomic::Ordering;
use core::time::Duration;

use guest_user::errno::Errno;
use guest_user::proc::swaps;
use guest_user::status::Status;
use guest_user::sys::file::{self, File};
use guest_user::sys::mapping::Mapping;
use guest_user::sys::{futex, process, signal, swap};
use linux_raw_sys::{errno as g_errno, general as g};

use crate::large::{fill_records, key, quicksort, records_of};
use crate::world::{
    PAGE, check, fill, kill, meminfo, private, push_out, quarters_of_ram, start, together, verify,
    wait_for, word, write,
};
use crate::{Case, DISK};

pub(crate) const CASES: &[Case] = &[
    ("shared", shared),
    ("page-merge", merge),
    ("files", files),
    ("mapped-files", mapped),
    ("futexes", futexes),
    ("swapoff", switched_off),
    ("swapoff-no-room", no_room),
    ("swapoff-signal", interrupted),
];

/// Three processes write to the same memory, each to pages of its own, and read the others'.
fn shared() {
    const PROCESSES: usize = 3;
    let pages = quarters_of_ram(6);
    let memory = Mapping::shared(pages * PAGE).expect("memory");
    let work = |own: usize| {
        (own..pages).step_by(PROCESSES).for_each(|page| write(&memory, own as u64, page));
        (own..pages).step_by(PROCESSES).for_each(|page| check(&memory, own as u64, page));
    };
    together(PROCESSES, work);
    (0..pages).for_each(|page| check(&memory, (page % PROCESSES) as u64, page));
    together(PROCESSES, |own| {
        (own..pages).step_by(PROCESSES).for_each(|page| write(&memory, 9, page));
    });
    verify(&memory, 9);
}

/// Children sort parts of memory that they share with their parent, which merges them.
fn merge() {
    const PARTS: usize = 4;
    let memory = Mapping::shared(quarters_of_ram(6) * PAGE).expect("memory");
    let records = records_of(&memory) / PARTS * PARTS;
    let part = |own: usize| own * records / PARTS..(own + 1) * records / PARTS;
    together(PARTS, |own| {
        fill_records(&memory, part(own), own as u64);
        quicksort(&memory, part(own).start, part(own).end);
    });
    let mut next: [usize; PARTS] = core::array::from_fn(|own| part(own).start);
    let mut last = 0;
    for _ in 0..records {
        let left = (0..PARTS).filter(|own| next[*own] < part(*own).end);
        let least = left.min_by_key(|own| key(&memory, next[*own])).expect("records are left");
        let found = key(&memory, next[least]);
        assert!(last <= found, "record {} of part {least}", next[least]);
        last = found;
        next[least] += 1;
    }
}

/// A file larger than RAM is written and read, cut and removed.
fn files() {
    /// Where init mounts nothing: files there may be larger than RAM.
    const PATH: &[u8] = b"/large";
    let pages = quarters_of_ram(6);
    let file = File::open_with(PATH, g::O_RDWR | g::O_CREAT, 0o600).expect("a file");
    let mut buffer = vec![0; 3 * PAGE / 2];
    let content = |index: usize| word(6, index) as u8;
    let parts = pages * PAGE / buffer.len();
    for part in 0..parts {
        buffer.fill(content(part));
        file.write_all(&buffer).expect("room");
    }
    let size = parts * buffer.len();
    let expect = |parts: usize, buffer: &mut [u8]| {
        file.seek(0).expect("a file");
        for part in 0..parts {
            let mut done = 0;
            while done < buffer.len() {
                done += file.read(&mut buffer[done..]).expect("it is there");
            }
            let is_same = buffer.iter().all(|byte| *byte == content(part));
            assert!(is_same, "part {part}");
        }
    };
    expect(parts, &mut buffer);
    push_out();
    // The page that is cut through is in swap.
    let half = parts / 2 * buffer.len() - 100;
    file.truncate(half as u64).expect("shorter");
    file.truncate(size as u64).expect("longer");
    expect(parts / 2 - 1, &mut buffer);
    let mut zeros = [1; 200];
    assert_eq!(file.read_at(&mut zeros, half as u64), Ok(200));
    assert_eq!(zeros, [0; 200], "behind the cut");
    drop(file);
    file::unlink(PATH).expect("it is there");
}

/// A file that processes map, some of them privately, while others write to it.
fn mapped() {
    const PATH: &[u8] = b"/mapped";
    let pages = quarters_of_ram(5);
    let file = File::open_with(PATH, g::O_RDWR | g::O_CREAT, 0o600).expect("a file");
    file.truncate((pages * PAGE) as u64).expect("longer");
    let both = g::PROT_READ | g::PROT_WRITE;
    let map = |flags| Mapping::of_file(&file, pages * PAGE, both, flags).expect("memory");
    let (all, own) = (map(g::MAP_SHARED), map(g::MAP_PRIVATE));
    fill(&all, 1);
    let child = start(|| {
        (0..pages).step_by(2).for_each(|page| write(&own, 2, page));
        (0..pages).for_each(|page| check(&own, 1 + (page as u64 + 1) % 2, page));
    });
    let mut words = [0; 8];
    for page in 0..pages {
        let count = file.read_at(&mut words, (page * PAGE) as u64);
        assert_eq!((count, u64::from_le_bytes(words)), (Ok(8), word(1, page)), "page {page}");
    }
    verify(&all, 1);
    assert_eq!(wait_for(child), Status::Exited(0));
    (0..pages).for_each(|page| check(&own, 1, page));
    drop((all, own, file));
    file::unlink(PATH).expect("it is there");
}

/// Processes wait for words whose pages leave RAM meanwhile, and are woken by way of other mappings.
fn futexes() {
    const PATH: &[u8] = b"/words";
    const WAITERS: usize = 3;
    /// Of the word, in the second page.
    const OFFSET: usize = PAGE + 8;
    let file = File::open_with(PATH, g::O_RDWR | g::O_CREAT, 0o600).expect("a file");
    file.truncate(2 * PAGE as u64).expect("longer");
    let both = g::PROT_READ | g::PROT_WRITE;
    let map = || Mapping::of_file(&file, 2 * PAGE, both, g::MAP_SHARED).expect("memory");
    let (one, other) = (map(), map());
    assert_ne!(one.start(), other.start());
    let anonymous = Mapping::shared(2 * PAGE).expect("memory");
    for (here, there) in [(&one, &other), (&anonymous, &anonymous)] {
        let waiters: [i32; WAITERS] = core::array::from_fn(|_| {
            start(|| {
                let word = there.word(OFFSET);
                while word.load(Ordering::SeqCst) == 0 {
                    // It is woken, or has changed.
                    let _ = futex::wait(word, 0);
                }
            })
        });
        push_out();
        here.word(OFFSET).store(1, Ordering::SeqCst);
        push_out();
        assert_eq!(futex::wake(here.word(OFFSET), 2 * WAITERS as u32), Ok(WAITERS));
        for waiter in waiters {
            assert_eq!(wait_for(waiter), Status::Exited(0));
        }
    }
    file::unlink(PATH).expect("it is there");
}

/// Swapping is switched off and on again while programs run that have been swapped, and fit.
fn switched_off() {
    const PROCESSES: usize = 4;
    const TIMES: usize = 3;
    let pages = quarters_of_ram(2) / PROCESSES;
    let turns = Mapping::shared(PAGE).expect("memory");
    let children: [i32; PROCESSES] = core::array::from_fn(|own| {
        start(|| {
            let memory = private(pages);
            let mut seed = own as u64;
            fill(&memory, seed);
            turns.write(8 + own * 8, 1);
            while turns.read(0) == 0 {
                verify(&memory, seed);
                seed += 10;
                fill(&memory, seed);
            }
            verify(&memory, seed);
        })
    });
    while (0..PROCESSES).any(|own| turns.read(8 + own * 8) == 0) {
        process::give_way();
    }
    for time in 0..TIMES {
        push_out();
        swap::switch_off(DISK).unwrap_or_else(|error| panic!("swapoff {time}: {error}"));
        assert_eq!(meminfo("SwapTotal"), 0);
        process::give_way();
        swap::switch_on(DISK, None).unwrap_or_else(|error| panic!("swapon {time}: {error}"));
    }
    turns.write(0, 1);
    for child in children {
        assert_eq!(wait_for(child), Status::Exited(0));
    }
}

/// It is not switched off where there is no room, nor when whoever does it is killed; everything
/// stays where it is.
fn no_room() {
    let memory = private(quarters_of_ram(8));
    fill(&memory, 1);
    assert_eq!(swap::switch_off(DISK), Err(Errno(g_errno::ENOMEM)));
    verify(&memory, 1);
    drop(memory);
    let memory = private(quarters_of_ram(2));
    fill(&memory, 2);
    push_out();
    let child = start(|| {
        // It may be done before it is killed.
        let _ = swap::switch_off(DISK);
        loop {
            process::give_way();
        }
    });
    process::give_way();
    kill(child);
    assert_eq!(wait_for(child), Status::Killed(g::SIGKILL));
    verify(&memory, 2);
    if meminfo("SwapTotal") == 0 {
        swap::switch_on(DISK, None).expect("swapon");
    }
}

extern "C" fn take_note(_: i32, _: usize, _: usize) {}

/// A signal that is handled ends the call, even where others would begin again, and the area is
/// used as before.
fn interrupted() {
    /// Much less than it takes to bring everything home.
    const PERIOD: Duration = Duration::from_micros(50);
    // There has to be room for it, or swapoff does not even begin.
    let memory = private(quarters_of_ram(3).min(meminfo("MemFree") * 3 / 4));
    fill(&memory, 1);
    push_out();
    let areas = || file::read_file(b"/proc/swaps").expect("swaps");
    let size = |text: &[u8]| swaps::parse(text).iter().map(|area| area.size).sum::<u64>();
    let before = size(&areas());
    signal::handle(g::SIGALRM, take_note, g::SA_RESTART).expect("sigaction");
    signal::alarm_every(PERIOD).expect("setitimer");
    assert_eq!(swap::switch_off(DISK), Err(Errno(g_errno::EINTR)));
    signal::alarm_every(Duration::ZERO).expect("setitimer");
    assert_eq!(size(&areas()), before);
    // It gives slots as before.
    push_out();
    verify(&memory, 1);
}
