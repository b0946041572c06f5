//! Litmus tests: small programs for two to four harts whose outcomes the memory model RVWMO
//! limits (unprivileged manual, "RVWMO Memory Consistency Model"; names as in the herd7 and
//! litmus7 tools). Every shape runs many times; only a forbidden outcome is a failure.

use core::sync::atomic::{AtomicU64, Ordering, fence};

use guest_runtime::check::Checks;
use guest_runtime::harts;

use crate::crew::{Cell, HARTS, barrier, dawdle};

/// Times that a shape runs between two barriers, on memory of its own each time.
const INSTANCES: usize = 128;
const ROUNDS: u64 = 16;

/// The memory of an instance.
struct Memory {
    x: Cell,
    y: Cell,
    /// What each hart has read.
    read: [[AtomicU64; 2]; HARTS],
}

static MEMORY: [Memory; INSTANCES] = [const {
    Memory {
        x: Cell::new(),
        y: Cell::new(),
        read: [const { [const { AtomicU64::new(0) }; 2] }; HARTS],
    }
}; INSTANCES];

/// What one hart does; yields what it has read.
type Part = fn(&Memory) -> [u64; 2];

/// What was read, by hart, and the final values of x and y.
type Forbidden = fn(&[[u64; 2]; HARTS], u64, u64) -> bool;

struct Shape {
    name: &'static str,
    parts: &'static [Part],
    forbidden: Forbidden,
}

const NOTHING: [u64; 2] = [0, 0];

const SHAPES: [Shape; 11] = [
    Shape {
        name: "MP+fence.w.w+fence.r.r",
        parts: &[
            |m| {
                m.x.set(1);
                fence(Ordering::Release);
                m.y.set(1);
                NOTHING
            },
            |m| {
                let y = m.y.get();
                fence(Ordering::Acquire);
                [y, m.x.get()]
            },
        ],
        forbidden: |read, _, _| read[1] == [1, 0],
    },
    Shape {
        name: "MP+amoswap.rl+amoswap.aq",
        parts: &[
            |m| {
                m.x.set(1);
                m.y.0.swap(1, Ordering::Release);
                NOTHING
            },
            |m| [m.y.0.swap(2, Ordering::Acquire), m.x.get()],
        ],
        forbidden: |read, _, _| read[1] == [1, 0],
    },
    Shape {
        name: "MP+sc.rl+lr.aq",
        parts: &[
            |m| {
                m.x.set(1);
                while m.y.0.compare_exchange(0, 1, Ordering::Release, Ordering::Relaxed).is_err() {}
                NOTHING
            },
            |m| {
                let y = m.y.0.compare_exchange(2, 2, Ordering::Acquire, Ordering::Acquire);
                [y.unwrap_or_else(|found| found), m.x.get()]
            },
        ],
        forbidden: |read, _, _| read[1] == [1, 0],
    },
    Shape {
        name: "SB+fences",
        parts: &[
            |m| {
                m.x.set(1);
                fence(Ordering::SeqCst);
                [m.y.get(), 0]
            },
            |m| {
                m.y.set(1);
                fence(Ordering::SeqCst);
                [m.x.get(), 0]
            },
        ],
        forbidden: |read, _, _| read[0][0] == 0 && read[1][0] == 0,
    },
    Shape {
        name: "SB+amoswap.aqrl",
        parts: &[
            |m| {
                m.x.0.swap(1, Ordering::SeqCst);
                [m.y.0.fetch_add(0, Ordering::SeqCst), 0]
            },
            |m| {
                m.y.0.swap(1, Ordering::SeqCst);
                [m.x.0.fetch_add(0, Ordering::SeqCst), 0]
            },
        ],
        forbidden: |read, _, _| read[0][0] == 0 && read[1][0] == 0,
    },
    Shape {
        name: "LB+fences",
        parts: &[
            |m| {
                let x = m.x.get();
                fence(Ordering::SeqCst);
                m.y.set(1);
                [x, 0]
            },
            |m| {
                let y = m.y.get();
                fence(Ordering::SeqCst);
                m.x.set(1);
                [y, 0]
            },
        ],
        forbidden: |read, _, _| read[0][0] == 1 && read[1][0] == 1,
    },
    Shape {
        name: "2+2W+fences",
        parts: &[
            |m| {
                m.x.set(1);
                fence(Ordering::SeqCst);
                m.y.set(2);
                NOTHING
            },
            |m| {
                m.y.set(1);
                fence(Ordering::SeqCst);
                m.x.set(2);
                NOTHING
            },
        ],
        forbidden: |_, x, y| x == 1 && y == 1,
    },
    Shape {
        name: "CoRR",
        parts: &[
            |m| {
                m.x.set(1);
                NOTHING
            },
            |m| [m.x.get(), m.x.get()],
        ],
        forbidden: |read, _, _| read[1] == [1, 0],
    },
    Shape {
        name: "CoWR",
        parts: &[
            |m| {
                m.x.set(1);
                [m.x.get(), 0]
            },
            |m| {
                m.x.set(2);
                [m.x.get(), 0]
            },
        ],
        // A hart that reads the other's value has lost; both cannot have lost.
        forbidden: |read, x, _| {
            let [first, second] = [read[0][0], read[1][0]];
            first == 0 || second == 0 || (first == 2 && x == 1) || (second == 1 && x == 2)
        },
    },
    Shape {
        name: "WRC+fences",
        parts: &[
            |m| {
                m.x.set(1);
                NOTHING
            },
            |m| {
                let x = m.x.get();
                fence(Ordering::SeqCst);
                m.y.set(1);
                [x, 0]
            },
            |m| {
                let y = m.y.get();
                fence(Ordering::SeqCst);
                [y, m.x.get()]
            },
        ],
        forbidden: |read, _, _| read[1][0] == 1 && read[2] == [1, 0],
    },
    Shape {
        name: "IRIW+fences",
        parts: &[
            |m| {
                m.x.set(1);
                NOTHING
            },
            |m| {
                m.y.set(1);
                NOTHING
            },
            |m| {
                let x = m.x.get();
                fence(Ordering::SeqCst);
                [x, m.y.get()]
            },
            |m| {
                let y = m.y.get();
                fence(Ordering::SeqCst);
                [y, m.x.get()]
            },
        ],
        forbidden: |read, _, _| read[2] == [1, 0] && read[3] == [1, 0],
    },
];

pub(crate) fn shapes(checks: &mut Checks) {
    // The harts stay together from here to the end; hart 0 judges while the others wait.
    (1..HARTS).for_each(|hart| harts::start(hart, || each_round(|_, _| {})));
    let mut forbidden = [0; SHAPES.len()];
    each_round(|index, shape| {
        let hits = MEMORY.iter().filter(|memory| is_forbidden(memory, shape)).count();
        forbidden[index] += hits;
    });
    for (shape, hits) in SHAPES.iter().zip(forbidden) {
        checks.equal(shape.name, hits, 0);
    }
    (1..HARTS).for_each(|hart| crate::crew::wait_until(|| harts::is_idle(hart)));
}

/// Takes part in every round of every shape; `judge` runs on the memory of each round.
fn each_round(mut judge: impl FnMut(usize, &Shape)) {
    let hart = harts::id();
    for (index, shape) in SHAPES.iter().enumerate() {
        for round in 0..ROUNDS {
            if hart == 0 {
                MEMORY.iter().for_each(clear);
            }
            barrier(HARTS);
            // Which hart plays which part changes too.
            if let Some(part) = shape.parts.get((hart + round as usize) % HARTS) {
                take_part((hart + round as usize) % HARTS, *part, round << 8 | hart as u64);
            }
            barrier(HARTS);
            judge(index, shape);
        }
    }
}

fn take_part(number: usize, part: Part, seed: u64) {
    for (instance, memory) in MEMORY.iter().enumerate() {
        dawdle(seed << 16 | instance as u64);
        let read = part(memory);
        for (slot, value) in memory.read[number].iter().zip(read) {
            slot.store(value, Ordering::Relaxed);
        }
    }
}

fn clear(memory: &Memory) {
    memory.x.set(0);
    memory.y.set(0);
    memory.read.iter().flatten().for_each(|slot| slot.store(0, Ordering::Relaxed));
}

fn is_forbidden(memory: &Memory, shape: &Shape) -> bool {
    let read = memory.read.each_ref().map(|pair| {
        let [first, second] = pair;
        [first.load(Ordering::Relaxed), second.load(Ordering::Relaxed)]
    });
    (shape.forbidden)(&read, memory.x.get(), memory.y.get())
}
