//! Signals over faults: handlers that repair, alternate stacks, masks, restarted calls.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;

use guest_user::errno::Errno;
use guest_user::status::Status;
use guest_user::sys::{file, process, time};
use linux_raw_sys::general as g;

use crate::Case;
use crate::world::{
    Handler, PAGE, SIGINFO_ADDRESS, SIGINFO_CODE, UCONTEXT_REGISTERS, call, dies_of, handle,
    limit_stack, load, load_word, map, outcome, protect, recurse_without_end, spawn, start, store,
    unmap, wait_for,
};

pub(crate) const CASES: &[Case] = &[
    ("signal-repairs-fault", repairs),
    ("signal-codes", codes),
    ("signal-skips-instruction", skips),
    ("signal-alternate-stack", alternate_stack),
    ("signal-no-stack", no_stack),
    ("signal-mask", mask),
    ("signal-nested", nested),
    ("signal-interrupts", interrupts),
    ("signal-restarts", restarts),
    ("signal-child", child_signal),
    ("signal-stop-continue", stop_continue),
    ("signal-float", float_registers),
    ("signal-bad-frame", bad_frame),
    ("signal-thread", to_thread),
    ("signal-pipe", broken_pipe),
];

static COUNT: AtomicU64 = AtomicU64::new(0);
static SEEN: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_: i32, _: usize, _: usize) {
    COUNT.fetch_add(1, Relaxed);
}

/// Makes the page that was missing.
fn repairs() {
    extern "C" fn repair(_: i32, info: usize, _: usize) {
        let at = load(info + SIGINFO_ADDRESS) as usize;
        SEEN.store(at as u64, Relaxed);
        COUNT.fetch_add(1, Relaxed);
        protect(at & !(PAGE - 1), PAGE, crate::world::RW).expect("mprotect");
    }
    let area = map(16 * PAGE);
    protect(area, 16 * PAGE, g::PROT_NONE).expect("mprotect");
    handle(g::SIGSEGV, repair, 0);
    for page in 0..16 {
        let at = area + page * PAGE + 8 * page;
        store(at, page as u64);
        assert_eq!(SEEN.load(Relaxed), at as u64, "si_addr");
        assert_eq!(COUNT.load(Relaxed), page as u64 + 1, "once a page");
        assert_eq!(load(at), page as u64);
    }
}

/// Lets the handler end the process after it has looked.
extern "C" fn note_and_exit(signal: i32, info: usize, _: usize) {
    let code = load_word(info + SIGINFO_CODE);
    process::exit_at_once(signal << 3 | code as i32);
}

fn codes() {
    const SEGV_MAPERR: i32 = 1;
    const SEGV_ACCERR: i32 = 2;
    const ILL_ILLOPC: i32 = 1;
    const TRAP_BRKPT: i32 = 1;
    let read_only = map(PAGE);
    protect(read_only, PAGE, g::PROT_READ).expect("mprotect");
    let hole = map(PAGE);
    unmap(hole, PAGE);
    let ends = |signal: u32, code: i32, work: &dyn Fn()| {
        let status = outcome(|| {
            handle(signal, note_and_exit, 0);
            work();
        });
        assert_eq!(status, Status::Exited((signal as i32) << 3 | code));
    };
    ends(g::SIGSEGV, SEGV_MAPERR, &|| store(hole, 1));
    ends(g::SIGSEGV, SEGV_MAPERR, &|| store(0, 1));
    ends(g::SIGSEGV, SEGV_ACCERR, &|| store(read_only, 1));
    ends(g::SIGILL, ILL_ILLOPC, &crate::world::PRIVILEGED[0].1);
    ends(g::SIGTRAP, TRAP_BRKPT, &crate::world::breakpoint);
}

/// The handler moves the program counter on.
fn skips() {
    extern "C" fn skip(_: i32, _: usize, context: usize) {
        let pc = load(context + UCONTEXT_REGISTERS);
        let length = if load_word(pc as usize & !3) >> (8 * (pc & 2)) & 3 == 3 { 4 } else { 2 };
        store(context + UCONTEXT_REGISTERS, pc + length);
        COUNT.fetch_add(1, Relaxed);
    }
    handle(g::SIGSEGV, skip, 0);
    store(0, 1);
    store(8, 1);
    assert_eq!(COUNT.load(Relaxed), 2);
}

fn set_alternate_stack(start: usize, length: usize) {
    let stack = [start as u64, 0, length as u64];
    call(g::__NR_sigaltstack, &[stack.as_ptr() as usize, 0]).expect("sigaltstack");
}

/// A stack that has overflown cannot hold the handler: the other one does.
fn alternate_stack() {
    let status = outcome(|| {
        set_alternate_stack(map(8 * PAGE), 8 * PAGE);
        handle(g::SIGSEGV, note_and_exit, g::SA_ONSTACK);
        limit_stack();
        core::hint::black_box(recurse_without_end(0));
    });
    let Status::Exited(code) = status else { panic!("{status:?}") };
    assert_eq!(code >> 3, g::SIGSEGV as i32);
    let too_small = [map(PAGE) as u64, 0, 64];
    let refused = call(g::__NR_sigaltstack, &[too_small.as_ptr() as usize, 0]);
    assert_eq!(refused, Err(Errno::NOMEM));
}

/// Without one, the fault kills.
fn no_stack() {
    dies_of(g::SIGSEGV, "no room for the handler's frame", || {
        handle(g::SIGSEGV, note_and_exit, 0);
        limit_stack();
        core::hint::black_box(recurse_without_end(0));
    });
}

fn set_mask(how: u32, signals: u64) {
    let set = signals;
    let at = core::ptr::from_ref(&set) as usize;
    call(g::__NR_rt_sigprocmask, &[how as usize, at, 0, 8]).expect("sigprocmask");
}

/// A blocked signal waits; several of one kind are one; a fault does not wait.
fn mask() {
    let bit = 1 << (g::SIGUSR1 - 1);
    handle(g::SIGUSR1, count, 0);
    set_mask(g::SIG_BLOCK, bit);
    for _ in 0..3 {
        process::kill(process::id(), g::SIGUSR1).expect("kill");
    }
    assert_eq!(COUNT.load(Relaxed), 0);
    set_mask(g::SIG_UNBLOCK, bit);
    assert_eq!(COUNT.load(Relaxed), 1);
    dies_of(g::SIGSEGV, "a fault whose signal is blocked", || {
        handle(g::SIGSEGV, count, 0);
        set_mask(g::SIG_BLOCK, 1 << (g::SIGSEGV - 1));
        store(0, 1);
    });
    assert_eq!(call(g::__NR_rt_sigaction, &[g::SIGKILL as usize, 0, 0, 8]), Ok(0));
    let action = [1_u64, 0, 0];
    let refused = [g::SIGKILL as usize, action.as_ptr() as usize, 0, 8];
    assert_eq!(call(g::__NR_rt_sigaction, &refused), Err(Errno::INVAL));
}

/// A handler is itself interrupted by another signal, and both return.
fn nested() {
    extern "C" fn outer(_: i32, _: usize, _: usize) {
        process::kill(process::id(), g::SIGUSR2).expect("kill");
        // The inner one has run when the call returns.
        COUNT.fetch_add(10 * COUNT.load(Relaxed), Relaxed);
    }
    handle(g::SIGUSR1, outer, 0);
    handle(g::SIGUSR2, count, 0);
    process::kill(process::id(), g::SIGUSR1).expect("kill");
    assert_eq!(COUNT.load(Relaxed), 11);
}

/// Sends this process a signal in a moment.
fn signal_soon(signal: u32) -> i32 {
    let me = process::id();
    start(move || {
        let _ = time::sleep(Duration::from_millis(5));
        process::kill(me, signal).expect("kill");
    })
}

/// A call that waits ends with EINTR.
fn interrupts() {
    handle(g::SIGUSR1, count, 0);
    let (reader, _writer) = file::pipe().expect("pipe");
    let child = signal_soon(g::SIGUSR1);
    let room = map(PAGE);
    assert_eq!(call(g::__NR_read, &[reader.fd() as usize, room, 1]), Err(Errno::INTR));
    assert_eq!(wait_for(child), Status::Exited(0));
    let child = signal_soon(g::SIGUSR1);
    let (long, left) = ([100_u64, 0], [0_u64; 2]);
    let sleep = [long.as_ptr() as usize, left.as_ptr() as usize];
    assert_eq!(call(g::__NR_nanosleep, &sleep), Err(Errno::INTR));
    assert_eq!(load(left.as_ptr() as usize), 99, "what is left of it");
    assert_eq!(wait_for(child), Status::Exited(0));
}

/// With SA_RESTART, it goes on waiting.
fn restarts() {
    handle(g::SIGUSR1, count, g::SA_RESTART);
    let (reader, writer) = file::pipe().expect("pipe");
    let me = process::id();
    let child = start(move || {
        for _ in 0..3 {
            let _ = time::sleep(Duration::from_millis(3));
            process::kill(me, g::SIGUSR1).expect("kill");
        }
        let _ = time::sleep(Duration::from_millis(3));
        writer.write_all(b"x").expect("the pipe");
    });
    let room = map(PAGE);
    assert_eq!(call(g::__NR_read, &[reader.fd() as usize, room, 1]), Ok(1));
    assert_eq!(COUNT.load(Relaxed), 3);
    assert_eq!(wait_for(child), Status::Exited(0));
}

fn child_signal() {
    handle(g::SIGCHLD, count, g::SA_RESTART);
    let child = start(|| ());
    assert_eq!(wait_for(child), Status::Exited(0));
    assert_eq!(COUNT.load(Relaxed), 1);
}

fn stop_continue() {
    let child = start(|| {
        loop {
            core::hint::spin_loop();
        }
    });
    process::kill(child, g::SIGSTOP).expect("kill");
    let stopped = process::wait(child, g::WUNTRACED).expect("wait4").expect("it blocks");
    assert_eq!(stopped, (child, Status::Stopped(g::SIGSTOP)));
    process::kill(child, g::SIGCONT).expect("kill");
    let continued = process::wait(child, g::WCONTINUED).expect("wait4").expect("it blocks");
    assert_eq!(continued, (child, Status::Continued));
    process::kill(child, g::SIGSTOP).expect("kill");
    process::kill(child, g::SIGKILL).expect("kill");
    assert_eq!(wait_for(child), Status::Killed(g::SIGKILL), "stopped or not");
}

/// A handler may compute without disturbing who computes.
fn float_registers() {
    extern "C" fn compute(_: i32, _: usize, _: usize) {
        let mut x = core::hint::black_box(1.5_f64);
        for _ in 0..100 {
            x = x * 1.25 + 0.5;
        }
        core::hint::black_box(x);
        COUNT.fetch_add(1, Relaxed);
    }
    fn sum(disturb: &dyn Fn()) -> u64 {
        let mut values = [0.1_f64, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8];
        for round in 0..200 {
            values.iter_mut().for_each(|x| *x = *x * 1.0001 + 0.25);
            if round % 20 == 0 {
                disturb();
            }
        }
        values.iter().sum::<f64>().to_bits()
    }
    let alone = sum(&|| ());
    handle(g::SIGUSR1, compute, 0);
    let me = process::id();
    assert_eq!(sum(&|| process::kill(me, g::SIGUSR1).expect("kill")), alone);
    assert_eq!(COUNT.load(Relaxed), 10);
    let others = [(); 3].map(|()| start(move || assert_eq!(sum(&process::give_way), alone)));
    others.into_iter().for_each(|child| assert_eq!(wait_for(child), Status::Exited(0)));
}

/// sigreturn from a frame that nobody has made, or that a handler has spoilt: the process dies, or
/// goes on as user mode; nothing else.
fn bad_frame() {
    dies_of(g::SIGSEGV, "sigreturn without a frame", || {
        let hole = map(PAGE);
        unmap(hole, PAGE);
        let _ = call(g::__NR_rt_sigreturn, &[]);
    });
    extern "C" fn spoil(_: i32, _: usize, context: usize) {
        // The kernel's half as program counter.
        store(context + UCONTEXT_REGISTERS, 0xffff_ffff_8020_0000);
    }
    dies_of(g::SIGSEGV, "a return into the kernel", || {
        handle(g::SIGUSR1, spoil, 0);
        process::kill(process::id(), g::SIGUSR1).expect("kill");
    });
}

/// tgkill reaches the thread that is meant.
fn to_thread() {
    static TID: AtomicU64 = AtomicU64::new(0);
    extern "C" fn note(_: i32, _: usize, _: usize) {
        SEEN.store(call(g::__NR_gettid, &[]).expect("a number") as u64, Relaxed);
    }
    extern "C" fn wait(_: usize) {
        TID.store(call(g::__NR_gettid, &[]).expect("a number") as u64, Relaxed);
        while SEEN.load(Relaxed) == 0 {
            process::give_way();
        }
    }
    let handler: Handler = note;
    handle(g::SIGUSR1, handler, 0);
    let thread = spawn(wait, 0);
    while TID.load(Relaxed) == 0 {
        process::give_way();
    }
    let tid = TID.load(Relaxed) as usize;
    call(g::__NR_tgkill, &[process::id() as usize, tid, g::SIGUSR1 as usize]).expect("tgkill");
    thread.join();
    assert_eq!(SEEN.load(Relaxed), tid as u64);
}

/// A write to a pipe that nobody reads signals the thread that writes, and no other: who blocks the
/// signal keeps it, though another thread would take it.
fn broken_pipe() {
    extern "C" fn wait(_: usize) {
        while SEEN.load(Relaxed) == 0 {
            process::give_way();
        }
    }
    let (reader, writer) = file::pipe().expect("a pipe");
    drop(reader);
    handle(g::SIGPIPE, count, 0);
    let other = spawn(wait, 0);
    let bit = 1 << (g::SIGPIPE - 1);
    set_mask(g::SIG_BLOCK, bit);
    assert_eq!(file::write(writer.fd(), b"?"), Err(Errno::PIPE));
    SEEN.store(1, Relaxed);
    other.join();
    assert_eq!(COUNT.load(Relaxed), 0);
    set_mask(g::SIG_UNBLOCK, bit);
    assert_eq!(COUNT.load(Relaxed), 1);
}
