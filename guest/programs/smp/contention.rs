//! Many harts at one place: counters by LR/SC and by AMOs of both widths, locks, and stores that
//! must break another hart's reservation. Every sum is exact.

use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use guest_runtime::check::Checks;
use guest_runtime::harts::{self, together};
use guest_runtime::run::{Mode, run};
use guest_runtime::{frames, snippets};

use crate::crew::{Cell, HARTS, SAID, barrier, wait_until};

/// Operations of each hart on each counter.
const TIMES: u64 = 4000;
/// A ticket lock hands over in turn, which takes a while where harts run in turn too.
const TICKETS: u64 = 100;
const ALL: u64 = HARTS as u64;

static WORD: AtomicU32 = AtomicU32::new(0);
static DOUBLE: AtomicU64 = AtomicU64::new(0);

/// Adds by a loop of LR and SC; yields the value before.
macro_rules! add_by_lr_sc {
    ($cell:expr, $addend:expr) => {{
        let mut old = $cell.load(Ordering::Relaxed);
        while let Err(now) =
            $cell.compare_exchange_weak(old, old + $addend, Ordering::Relaxed, Ordering::Relaxed)
        {
            old = now;
        }
        old
    }};
}

/// Counting: every value before an addition is seen by exactly one hart, so their sum is known.
pub(crate) fn counters(checks: &mut Checks) {
    let total = ALL * TIMES;
    let seen = total * (total - 1) / 2;
    for (name, work) in [
        ("lr.w and sc.w", count::<0> as fn()),
        ("lr.d and sc.d", count::<1>),
        ("amoadd.w", count::<2>),
        ("amoadd.d", count::<3>),
    ] {
        store_all(0);
        together(HARTS, work);
        let (word, double) = unsigned();
        checks.equal(format_args!("{name}: sum"), u64::from(word) + double, total);
        let said = SAID.iter().map(Cell::get).sum();
        checks.equal(format_args!("{name}: values before"), said, seen);
    }
}

fn count<const HOW: usize>() {
    barrier(HARTS);
    let mut seen = 0;
    for _ in 0..TIMES {
        seen += match HOW {
            0 => u64::from(add_by_lr_sc!(WORD, 1)),
            1 => add_by_lr_sc!(DOUBLE, 1),
            2 => u64::from(WORD.fetch_add(1, Ordering::Relaxed)),
            _ => DOUBLE.fetch_add(1, Ordering::Relaxed),
        };
    }
    SAID[harts::id()].set(seen);
    barrier(HARTS);
}

/// An AMO in both widths; what each hart does for a turn, and what must come of all of them.
struct Amo {
    name: &'static str,
    start: u64,
    word: fn(u32),
    double: fn(u64),
    /// What hart and turn put in.
    operand: fn(u64, u64) -> u64,
    /// What is there in the end, in both widths.
    found: fn() -> (u32, u64),
    end: u64,
}

/// Bits of a hart: 4 of every 16.
const fn bits_of(hart: u64) -> u64 {
    0x000f_000f_000f_000f << (4 * hart)
}

/// Distinct numbers of both signs in both widths, the extremes neither first nor last.
fn scattered(hart: u64, turn: u64) -> u64 {
    let number = 1 + (hart * TIMES + turn) * 7919 % (ALL * TIMES);
    let sign = number & 1;
    number | sign << 31 | sign << 63
}

/// Sets all counters.
fn store_all(value: u64) {
    WORD.store(value as u32, Ordering::Relaxed);
    DOUBLE.store(value, Ordering::Relaxed);
    signed::WORD.store(value as i32, Ordering::Relaxed);
    signed::DOUBLE.store(value as i64, Ordering::Relaxed);
}

fn unsigned() -> (u32, u64) {
    (WORD.load(Ordering::Relaxed), DOUBLE.load(Ordering::Relaxed))
}

fn signed() -> (u32, u64) {
    let double = signed::DOUBLE.load(Ordering::Relaxed);
    (signed::WORD.load(Ordering::Relaxed) as u32, double as u64)
}

const AMOS: [Amo; 8] = [
    Amo {
        name: "amoadd, both signs",
        start: 5,
        word: |value| {
            WORD.fetch_add(value, Ordering::Relaxed);
        },
        double: |value| {
            DOUBLE.fetch_add(value, Ordering::Relaxed);
        },
        operand: |hart, turn| if (hart + turn) % 2 == 0 { 3 } else { 3_u64.wrapping_neg() },
        found: unsigned,
        end: 5,
    },
    Amo {
        name: "amoxor",
        start: 0x55,
        word: |value| {
            WORD.fetch_xor(value, Ordering::Relaxed);
        },
        double: |value| {
            DOUBLE.fetch_xor(value, Ordering::Relaxed);
        },
        // An odd number of times in all.
        operand: |hart, turn| if turn == 0 { 0 } else { bits_of(hart) },
        found: unsigned,
        end: 0x55 ^ u64::MAX,
    },
    Amo {
        name: "amoor",
        start: 0,
        word: |value| {
            WORD.fetch_or(value, Ordering::Relaxed);
        },
        double: |value| {
            DOUBLE.fetch_or(value, Ordering::Relaxed);
        },
        operand: |hart, turn| bits_of(hart) & 0x1111_1111_1111_1111 << (turn % 4),
        found: unsigned,
        end: u64::MAX,
    },
    Amo {
        name: "amoand",
        start: u64::MAX,
        word: |value| {
            WORD.fetch_and(value, Ordering::Relaxed);
        },
        double: |value| {
            DOUBLE.fetch_and(value, Ordering::Relaxed);
        },
        operand: |hart, turn| !(bits_of(hart) & 0x1111_1111_1111_1111 << (turn % 4)),
        found: unsigned,
        end: 0,
    },
    Amo {
        name: "amomaxu",
        start: 0,
        word: |value| {
            WORD.fetch_max(value, Ordering::Relaxed);
        },
        double: |value| {
            DOUBLE.fetch_max(value, Ordering::Relaxed);
        },
        operand: scattered,
        found: unsigned,
        end: (ALL * TIMES - 1) | 1 << 31 | 1 << 63,
    },
    Amo {
        name: "amominu",
        start: u64::MAX,
        word: |value| {
            WORD.fetch_min(value, Ordering::Relaxed);
        },
        double: |value| {
            DOUBLE.fetch_min(value, Ordering::Relaxed);
        },
        operand: scattered,
        found: unsigned,
        end: 2,
    },
    Amo {
        name: "amomax",
        start: 1 << 31 | 1 << 63,
        word: |value| {
            signed::WORD.fetch_max(value as i32, Ordering::Relaxed);
        },
        double: |value| {
            signed::DOUBLE.fetch_max(value as i64, Ordering::Relaxed);
        },
        operand: scattered,
        found: signed,
        end: ALL * TIMES,
    },
    Amo {
        name: "amomin",
        start: u64::MAX >> 1 & !(1 << 31),
        word: |value| {
            signed::WORD.fetch_min(value as i32, Ordering::Relaxed);
        },
        double: |value| {
            signed::DOUBLE.fetch_min(value as i64, Ordering::Relaxed);
        },
        operand: scattered,
        found: signed,
        end: 1 | 1 << 31 | 1 << 63,
    },
];

mod signed {
    //! Counters for the AMOs that compare with a sign.
    use core::sync::atomic::{AtomicI32, AtomicI64};

    pub(super) static WORD: AtomicI32 = AtomicI32::new(0);
    pub(super) static DOUBLE: AtomicI64 = AtomicI64::new(0);
}

/// Which of [`AMOS`] runs.
static CHOSEN: AtomicUsize = AtomicUsize::new(0);

pub(crate) fn amos(checks: &mut Checks) {
    for (index, amo) in AMOS.iter().enumerate() {
        CHOSEN.store(index, Ordering::Relaxed);
        store_all(amo.start);
        together(HARTS, || {
            let amo = &AMOS[CHOSEN.load(Ordering::Relaxed)];
            let hart = harts::id() as u64;
            barrier(HARTS);
            for turn in 0..TIMES {
                (amo.word)((amo.operand)(hart, turn) as u32);
                (amo.double)((amo.operand)(hart, turn));
            }
        });
        let (word, double) = (amo.found)();
        checks.equal(format_args!("{}.w", amo.name), word, amo.end as u32);
        checks.equal(format_args!("{}.d", amo.name), double, amo.end);
    }
    swaps(checks);
}

/// A value that goes in by a swap comes out exactly once.
fn swaps(checks: &mut Checks) {
    store_all(0);
    together(HARTS, || {
        let hart = harts::id() as u64;
        let mut out = 0;
        barrier(HARTS);
        for turn in 1..=TIMES {
            out += u64::from(WORD.swap((hart * TIMES + turn) as u32, Ordering::Relaxed));
            out += DOUBLE.swap(hart * TIMES + turn, Ordering::Relaxed);
        }
        SAID[harts::id()].set(out);
    });
    let (word, double) = unsigned();
    let inside = u64::from(word) + double;
    let out: u64 = SAID.iter().map(Cell::get).sum();
    let total = ALL * TIMES;
    checks.equal("amoswap.w and amoswap.d", inside + out, total * (total + 1));
}

static LOCK: Cell = Cell::new();
static SERVED: Cell = Cell::new();
/// Changed by a load and a store of their own, so that only a lock keeps it right.
static GUARDED: [Cell; 2] = [const { Cell::new() }; 2];

fn change_guarded() {
    let [first, second] = &GUARDED;
    first.set(first.get() + 1);
    second.set(second.get() + 1);
}

pub(crate) fn locks(checks: &mut Checks) {
    for (name, work, times) in [
        ("spinlock by amoswap", under_spinlock as fn(), TIMES),
        ("spinlock by lr and sc", under_lr_sc_lock, TIMES),
        ("ticket lock", under_ticket_lock, TICKETS),
    ] {
        GUARDED.iter().chain([&LOCK, &SERVED]).for_each(|cell| cell.set(0));
        together(HARTS, work);
        let guarded = GUARDED.each_ref().map(Cell::get);
        checks.equal(name, guarded, [ALL * times; 2]);
    }
}

fn under_spinlock() {
    barrier(HARTS);
    for _ in 0..TIMES {
        wait_until(|| LOCK.0.swap(1, Ordering::Acquire) == 0);
        change_guarded();
        LOCK.0.store(0, Ordering::Release);
    }
}

fn under_lr_sc_lock() {
    barrier(HARTS);
    for _ in 0..TIMES {
        let take = || LOCK.0.compare_exchange_weak(0, 1, Ordering::Acquire, Ordering::Relaxed);
        wait_until(|| take().is_ok());
        change_guarded();
        LOCK.0.store(0, Ordering::Release);
    }
}

fn under_ticket_lock() {
    barrier(HARTS);
    for _ in 0..TICKETS {
        let ticket = LOCK.0.fetch_add(1, Ordering::Relaxed);
        wait_until(|| SERVED.0.load(Ordering::Acquire) == ticket);
        change_guarded();
        SERVED.0.store(ticket + 1, Ordering::Release);
    }
}

snippets! {
    // Reserves (a1), says so at (a2), waits for the answer there, and only then stores: a0 is
    // what SC says, a5 what was there when it was reserved.
    reserve_double = "lr.d a5, (a1)", "li a0, 1", "fence rw, rw", "sd a0, 0(a2)",
        "1: ld a0, 0(a2)", "addi a0, a0, -2", "bnez a0, 1b", "fence rw, rw", "sc.d a0, a3, (a1)";
    reserve_word = "lr.w a5, (a1)", "li a0, 1", "fence rw, rw", "sd a0, 0(a2)",
        "1: ld a0, 0(a2)", "addi a0, a0, -2", "bnez a0, 1b", "fence rw, rw", "sc.w a0, a3, (a1)";
    // Other harts' stores to (a1).
    store_double = "sd a2, 0(a1)";
    store_word = "sw a2, 0(a1)";
    store_half = "sh a2, 0(a1)";
    store_byte = "sb a2, 0(a1)";
    amo_double = "amoadd.d a0, a2, (a1)";
    amo_word = "amoadd.w a0, a2, (a1)";
    conditional = "1: lr.d a0, (a1)", "sc.d a0, a2, (a1)", "bnez a0, 1b";
    load_double = "ld a0, 0(a1)";
}

const OLD: u64 = 0x0102_0304_0506_0708;
const SC_VALUE: u64 = 99;

/// What the other hart does: its name, code, operand.
type Breaker = (&'static str, fn() -> guest_runtime::run::Code, u64);

const BREAKERS: [Breaker; 9] = [
    ("sd", store_double, OLD + 1),
    ("sw", store_word, 1),
    ("sh", store_half, 1),
    ("sb", store_byte, 1),
    ("amoadd.d", amo_double, 1),
    ("amoadd.w", amo_word, 1),
    ("sc.d", conditional, 7),
    ("sd of the same value", store_double, OLD),
    ("amoadd.d of 0", amo_double, 0),
];
/// The last of them leave the value as it is; a hart that compares values misses them.
const CHANGING: usize = 7;

/// A store of another hart between LR and SC makes SC fail, and nothing is stored.
pub(crate) fn reservations(checks: &mut Checks) {
    let (place, signal) = (frames::at(0), frames::at(1));
    for (index, (name, _, _)) in BREAKERS.iter().enumerate() {
        for (form, reserve) in [("lr.d", reserve_double()), ("lr.w", reserve_word())] {
            frames::write(place, OLD);
            frames::write(signal, 0);
            CHOSEN.store(index, Ordering::Release);
            harts::start(1, || {
                let (_, code, operand) = BREAKERS[CHOSEN.load(Ordering::Acquire)];
                wait_until(|| frames::read(frames::at(1)) == 1);
                run(Mode::Machine, code(), &[0, frames::at(0), operand]);
                core::sync::atomic::fence(Ordering::SeqCst);
                frames::write(frames::at(1), 2);
            });
            let outcome = run(Mode::Machine, reserve, &[0, place, signal, SC_VALUE]);
            wait_until(|| harts::is_idle(1));
            let failed = outcome.a[0] != 0;
            if index >= CHANGING && !failed {
                checks.skip(format_args!("reservations of {form} broken by {name}"));
                continue;
            }
            checks.that(failed, format_args!("{form}, then {name} of another hart, then sc"));
            let kept = frames::read(place) & 0xffff_ffff != SC_VALUE;
            checks.that(kept, format_args!("{form}, {name}: nothing is stored"));
        }
    }
    // One of two harts that have reserved the same place wins.
    frames::write(place, OLD);
    let lost = run(Mode::Machine, conditional(), &[0, place, 5]).a[0];
    checks.equal("undisturbed", (lost, frames::read(place)), (0, 5));
    checks.equal("seen by loads", run(Mode::Machine, load_double(), &[0, place]).a[0], 5);
}
