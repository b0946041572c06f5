//! Processes: many of them, their ends, their orphans, and programs that replace each other.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::time::Duration;

use guest_user::errno::Errno;
use guest_user::status::Status;
use guest_user::sys::{args, file, process, time};
use linux_raw_sys::general as g;

use crate::Case;
use crate::world::{PAGE, call, load, map, outcome, start, store, wait_for};

pub(crate) const CASES: &[Case] = &[
    ("exit-codes", exit_codes),
    ("wait-errors", wait_errors),
    ("wait-any-order", any_order),
    ("orphans", orphans),
    ("fork-storm", fork_storm),
    ("exec-storm", exec_storm),
    ("exec-arguments", exec_arguments),
    ("exec-errors", exec_errors),
    ("exec-forgets", exec_forgets),
    ("preemption", preemption),
    ("kill-anywhere", kill_anywhere),
    ("vfork", vfork),
    ("out-of-processes-memory", limit_of_memory),
];

fn exit_codes() {
    for code in [0, 1, 42, 127, 255] {
        assert_eq!(outcome(|| process::exit(code)), Status::Exited(code));
    }
    for signal in [g::SIGTERM, g::SIGKILL, g::SIGUSR1, g::SIGABRT] {
        let status = outcome(|| {
            process::kill(process::id(), signal).expect("kill");
        });
        assert_eq!(status, Status::Killed(signal));
    }
}

fn wait_errors() {
    assert_eq!(process::wait(-1, 0), Err(Errno::CHILD));
    let child = start(|| {
        loop {
            let _ = time::sleep(Duration::from_secs(100));
        }
    });
    assert_eq!(process::wait(child, g::WNOHANG), Ok(None), "it runs");
    assert_eq!(process::wait(child + 100_000, 0), Err(Errno::CHILD));
    assert_eq!(call(g::__NR_wait4, &[child as usize, 0, 0x1000, 0]), Err(Errno::INVAL));
    process::kill(child, g::SIGKILL).expect("kill");
    assert_eq!(wait_for(child), Status::Killed(g::SIGKILL));
    assert_eq!(process::wait(child, 0), Err(Errno::CHILD), "it is gone");
    assert_eq!(process::kill(child, 0), Err(Errno::SRCH));
}

fn any_order() {
    let children: Vec<i32> = (0..20).map(|index| start(move || process::exit(index))).collect();
    let mut seen = [false; 20];
    for _ in 0..20 {
        let (child, status) = process::wait(-1, 0).expect("a child").expect("it blocks");
        let index = children.iter().position(|one| *one == child).expect("one of ours");
        assert_eq!(status, Status::Exited(index as i32));
        assert!(!core::mem::replace(&mut seen[index], true), "only once");
    }
}

/// Children whose parents have gone get another one, and do not stay as zombies.
fn orphans() {
    let (reader, writer) = file::pipe().expect("pipe");
    let status = outcome(|| {
        let parent = process::id();
        for _ in 0..10 {
            start(|| {
                while process::parent_id() == parent {
                    let _ = time::sleep(Duration::from_millis(1));
                }
                writer.write_all(&[1]).expect("the pipe");
            });
        }
    });
    assert_eq!(status, Status::Exited(0));
    let mut count = 0;
    let mut bytes = [0; 16];
    while count < 10 {
        count += reader.read(&mut bytes).expect("the pipe");
    }
}

fn fork_storm() {
    for _ in 0..20 {
        let children: Vec<i32> = (0..20).map(|_| start(|| ())).collect();
        for child in children {
            assert_eq!(wait_for(child), Status::Exited(0));
        }
    }
}

/// This program, with other arguments.
fn run_self(arguments: &[&CStr]) -> Errno {
    process::exec(c"/proc/self/exe", arguments.iter().copied(), core::iter::empty())
}

fn exec_storm() {
    for _ in 0..50 {
        let status = outcome(|| {
            file::duplicate_to(file::open(b"/dev/null", g::O_WRONLY, 0).expect("null"), 1)
                .expect("dup");
            run_self(&[c"vmtest", c"-l"]);
            process::exit(9)
        });
        assert_eq!(status, Status::Exited(0));
    }
}

/// Long arguments arrive, and such as are too long are refused.
fn exec_arguments() {
    let unknown = CString::new(alloc::vec![b'x'; 20_000]).expect("no NUL");
    let status = outcome(|| {
        file::duplicate_to(file::open(b"/dev/null", g::O_WRONLY, 0).expect("null"), 2)
            .expect("dup");
        run_self(&[c"vmtest", &unknown]);
        process::exit(9)
    });
    assert_eq!(status, Status::Exited(2), "an unknown test");
    let huge = CString::new(alloc::vec![b'x'; 200_000]).expect("no NUL");
    assert_eq!(run_self(&[c"vmtest", &huge]), Errno::TOO_BIG);
    assert!(args::args().count() < 100);
}

fn exec_errors() {
    file::unlink(b"/tmp/vmtest-program").unwrap_or(());
    let exec = |path: &CStr| process::exec(path, [path].into_iter(), core::iter::empty());
    assert_eq!(exec(c"/no/such/program"), Errno::NOENT);
    assert_eq!(exec(c"/proc"), Errno::ACCES);
    let write = |bytes: &[u8], mode| {
        let path = b"/tmp/vmtest-program";
        let _ = file::unlink(path);
        let flags = g::O_WRONLY | g::O_CREAT | g::O_TRUNC;
        let file = file::File::open_with(path, flags, mode).expect("a file in /tmp");
        file.write_all(bytes).expect("room");
    };
    let program = file::read_file(b"/proc/self/exe").expect("this program");
    write(&program, 0o644);
    assert_eq!(exec(c"/tmp/vmtest-program"), Errno::ACCES);
    for (what, bytes) in [
        ("nothing", &b""[..]),
        ("a text", b"hello\n"),
        ("only the magic number", b"\x7fELF"),
        ("half a header", &program[..40]),
    ] {
        write(bytes, 0o755);
        let error = exec(c"/tmp/vmtest-program");
        assert!(error == Errno::NOEXEC, "{what}: {error:?}");
    }
    // Headers with every byte turned over, one at a time: an error or the end of the child, and
    // the kernel lives.
    for at in (0..64 + 2 * 56).step_by(3) {
        let mut bytes = program.clone();
        bytes[at] ^= 0xff;
        write(&bytes, 0o755);
        outcome(|| {
            file::duplicate_to(file::open(b"/dev/null", g::O_WRONLY, 0).expect("null"), 1)
                .expect("dup");
            process::exec(
                c"/tmp/vmtest-program",
                [c"vmtest", c"-l"].into_iter(),
                core::iter::empty(),
            );
        });
    }
    file::unlink(b"/tmp/vmtest-program").expect("it was there");
}

/// Nothing of the old address space is there in the new one; files stay but for those that close.
fn exec_forgets() {
    let area = map(64 * PAGE);
    (0..64).for_each(|page| store(area + page * PAGE, 1));
    let status = outcome(|| {
        let fd = file::open(b"/dev/null", g::O_WRONLY | g::O_CLOEXEC, 0).expect("null");
        file::duplicate_to(fd, 1).expect("dup");
        run_self(&[c"vmtest", c"-l"]);
        process::exit(9)
    });
    assert_eq!(status, Status::Exited(0));
    assert_eq!(load(area), 1);
}

/// Processes that never wait for anything do not keep others from running.
fn preemption() {
    let busy: Vec<i32> = (0..6)
        .map(|_| {
            start(|| {
                loop {
                    core::hint::spin_loop();
                }
            })
        })
        .collect();
    let (reader, writer) = file::pipe().expect("pipe");
    let child = start(|| writer.write_all(b"x").expect("the pipe"));
    let mut byte = [0];
    assert_eq!(reader.read(&mut byte), Ok(1));
    assert_eq!(wait_for(child), Status::Exited(0));
    for child in busy {
        process::kill(child, g::SIGKILL).expect("kill");
        assert_eq!(wait_for(child), Status::Killed(g::SIGKILL));
    }
}

/// A process can be killed wherever it is: running, faulting, forking, waiting.
fn kill_anywhere() {
    for round in 0..40_u64 {
        let child = start(|| {
            let area = map(64 * PAGE);
            loop {
                (0..64).for_each(|page| store(area + page * PAGE, 1));
                let grandchild = start(|| (0..64).for_each(|page| store(area + page * PAGE, 2)));
                wait_for(grandchild);
            }
        });
        time::sleep(Duration::from_micros(137 * (round % 13))).expect("no signal");
        process::kill(child, g::SIGKILL).expect("kill");
        assert_eq!(wait_for(child), Status::Killed(g::SIGKILL));
    }
}

/// The parent waits until the child has another program, or none.
fn vfork() {
    let shared = crate::world::map_at(0, PAGE, crate::world::RW, g::MAP_SHARED | g::MAP_ANONYMOUS)
        .expect("shared memory");
    // Not CLONE_VM: the child has a stack of its own, only the waiting is looked at.
    let flags = (g::CLONE_VFORK | g::SIGCHLD) as usize;
    match call(g::__NR_clone, &[flags, 0, 0, 0, 0]).expect("clone") {
        0 => {
            for _ in 0..100 {
                process::give_way();
            }
            store(shared, 1);
            process::exit_at_once(3)
        }
        child => {
            assert_eq!(load(shared), 1, "the parent has waited");
            assert_eq!(wait_for(child as i32), Status::Exited(3));
        }
    }
}

/// RLIMIT_AS refuses what goes beyond it, with ENOMEM.
fn limit_of_memory() {
    let limit = [64_u64 << 20, 64 << 20];
    call(g::__NR_prlimit64, &[0, g::RLIMIT_AS as usize, limit.as_ptr() as usize, 0])
        .expect("limit");
    let mut count = 0;
    let refused = loop {
        match crate::world::map_at(0, 1 << 20, crate::world::RW, crate::world::PRIVATE) {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
        assert!(count < 64, "the limit does not hold");
    };
    assert_eq!(refused, Errno::NOMEM);
    assert!(count > 32, "only {count}");
}
