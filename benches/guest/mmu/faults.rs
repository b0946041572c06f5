//! Page faults of U-mode: the kernel finds the entry, repairs it, fences and returns.

use guest::Flags;
use guest_runtime::routine::Routine;
use guest_runtime::user::Vector;
use guest_runtime::{arena, routines, user, vectors};

use crate::measure::{Stopwatch, row};
use crate::space::{
    PAGE_BYTES, READ, SLOTS, STORM, STRIDE_BYTES, Space, WRITE, chain, data, scratch,
};

/// A vector for page faults. It walks the table whose root is the context's first word, in
/// software, and goes on with `t0` = address of the fault, `t1` = where its entry is, `t2` = the
/// entry.
macro_rules! fault_vector {
    ($(#[$meta:meta])* $name:ident = $($line:literal),+) => {
        vectors! { $(#[$meta])* $name =
            // Bits 12, 13 and 15: the three page faults.
            "csrr t0, scause",
            "li t1, 0xb000",
            "srl t1, t1, t0",
            "andi t1, t1, 1",
            "beqz t1, 9f",
            "csrr t0, stval",
            "ld t1, 64(sp)",
            "li t3, 0xff8",
            "srli t2, t0, 27",
            "and t2, t2, t3",
            "add t1, t1, t2",
            "ld t1, 0(t1)",
            "srli t1, t1, 10",
            "slli t1, t1, 12",
            "srli t2, t0, 18",
            "and t2, t2, t3",
            "add t1, t1, t2",
            "ld t1, 0(t1)",
            "srli t1, t1, 10",
            "slli t1, t1, 12",
            "srli t2, t0, 9",
            "and t2, t2, t3",
            "add t1, t1, t2",
            "ld t2, 0(t1)",
            $($line),+;
        }
    };
}

fault_vector! {
    /// Sets V, A and D of an entry without V.
    make_valid =
        "andi t3, t2, 1",
        "bnez t3, 9f",
        "ori t2, t2, 0xc1",
        "sd t2, 0(t1)",
        "sfence.vma t0, zero"
}

fault_vector! {
    /// The same without a fence, which Svvptc makes unnecessary; a hart that sees the old entry
    /// even so faults again, and gets it then.
    make_valid_unfenced =
        "andi t3, t2, 1",
        "beqz t3, 7f",
        "sfence.vma t0, zero",
        "j 8f",
        "7: ori t2, t2, 0xc1",
        "sd t2, 0(t1)",
        "8:"
}

fault_vector! {
    /// Copies the page to the frame that the context's second word names and maps that, writable.
    copy_page =
        "andi t3, t2, 5",
        "addi t3, t3, -1",
        "bnez t3, 9f",
        "sd a0, 32(sp)",
        "sd a1, 40(sp)",
        "sd a2, 48(sp)",
        "sd a3, 56(sp)",
        "srli t2, t2, 10",
        "slli t2, t2, 12",
        "ld t3, 72(sp)",
        "li t0, 64",
        "1: ld a0, 0(t2)",
        "ld a1, 8(t2)",
        "ld a2, 16(t2)",
        "ld a3, 24(t2)",
        "sd a0, 0(t3)",
        "sd a1, 8(t3)",
        "sd a2, 16(t3)",
        "sd a3, 24(t3)",
        "ld a0, 32(t2)",
        "ld a1, 40(t2)",
        "ld a2, 48(t2)",
        "ld a3, 56(t2)",
        "sd a0, 32(t3)",
        "sd a1, 40(t3)",
        "sd a2, 48(t3)",
        "sd a3, 56(t3)",
        "addi t2, t2, 64",
        "addi t3, t3, 64",
        "addi t0, t0, -1",
        "bnez t0, 1b",
        "ld a0, 72(sp)",
        "sd t3, 72(sp)",
        "ld t2, 0(t1)",
        "andi t2, t2, 0x3ff",
        "ori t2, t2, 0x84",
        "srli a0, a0, 2",
        "or t2, t2, a0",
        "sd t2, 0(t1)",
        "csrr t0, stval",
        "sfence.vma t0, zero",
        "ld a0, 32(sp)",
        "ld a1, 40(sp)",
        "ld a2, 48(sp)",
        "ld a3, 56(sp)"
}

routines! {
    /// In U-mode: yields the sum of `a0` words, `a2` apart, from `a1` on.
    load_all =
        "li a6, 0",
        "1: ld t2, 0(a1)",
        "add a1, a1, a2",
        "add a6, a6, t2",
        "addi a0, a0, -1",
        "bnez a0, 1b",
        "mv a0, a6",
        "li a7, 1",
        "ecall";
    /// In U-mode: stores 1, 2, … to `a0` words, `a2` apart, from `a1` on.
    store_all =
        "li a6, 0",
        "1: addi a6, a6, 1",
        "sd a6, 0(a1)",
        "add a1, a1, a2",
        "bne a6, a0, 1b",
        "li a7, 1",
        "ecall";
    /// In U-mode: calls `a1` with 0; yields its result.
    call =
        "li a0, 0",
        "jalr a1",
        "li a7, 1",
        "ecall";
}

/// A kind of storm.
struct Storm {
    name: &'static str,
    /// The frames behind the pages.
    frames: u64,
    flags: Flags,
    vector: Vector,
    /// Address in U-mode.
    code: u64,
}

/// `fault.ACCESS`, `fault.read.svvptc` and `protect-copy`; an operation is a fault.
pub(crate) fn rows(space: &mut Space) {
    let [load_all, store_all, call]: [u64; 3] =
        [load_all(), store_all(), call()].map(|routine: Routine| space.install(routine));
    let (read, write) = (Flags::R | Flags::U, Flags::R | Flags::W | Flags::U);
    let execute = Flags::X | Flags::U;
    let fenced = make_valid();
    for storm in [
        Storm { name: "fault.read", frames: data(), flags: read, vector: fenced, code: load_all },
        Storm {
            name: "fault.write",
            frames: scratch(),
            flags: write,
            vector: fenced,
            code: store_all,
        },
        Storm { name: "fault.exec", frames: chain(), flags: execute, vector: fenced, code: call },
        Storm {
            name: "fault.read.svvptc",
            frames: data(),
            flags: read,
            vector: make_valid_unfenced(),
            code: load_all,
        },
    ] {
        demand(space, &storm);
    }
    protect_copy(space, store_all);
}

/// Entries without V, which become valid page by page. The checksum is what was loaded, stored or
/// run, and the number of pages that have become valid.
fn demand(space: &Space, storm: &Storm) {
    row(storm.name, SLOTS, |operations, watch| {
        let mut sum = 0;
        for _ in 0..operations / SLOTS {
            clear_scratch();
            space.set_storm(storm.frames, storm.flags);
            sum += touch(space, watch, storm, SLOTS, STORM);
            sum += (0..SLOTS).map(|slot| arena::read(scratch() + slot * STRIDE_BYTES)).sum::<u64>();
            sum += space.storm().filter(|pte| pte.is_valid()).count() as u64;
        }
        sum
    });
}

/// Touches `slots` words from `from` on.
fn touch(space: &Space, watch: &mut Stopwatch, storm: &Storm, slots: u64, from: u64) -> u64 {
    let context = [space.root(), scratch(), 0, 0];
    let arguments = [slots, from, STRIDE_BYTES, 0, 0, 0];
    watch.time(|| user::run(storm.code, storm.vector, context, arguments))
}

fn clear_scratch() {
    (0..SLOTS).for_each(|slot| arena::write(scratch() + slot * STRIDE_BYTES, 0));
}

/// Pages that are read-only until they have been copied. The checksum is what is in the copies.
fn protect_copy(space: &Space, store_all: u64) {
    const COPIES: u64 = 1024;
    let flags = READ | Flags::V | Flags::U;
    let vector = copy_page();
    let storm = Storm { name: "protect-copy", frames: data(), flags, vector, code: store_all };
    row(storm.name, COPIES, |operations, watch| {
        let mut sum = 0;
        for _ in 0..operations / COPIES {
            space.set_storm(storm.frames, storm.flags);
            // Next to the words that are copied.
            touch(space, watch, &storm, COPIES, STORM + 8);
            for (slot, pte) in (0..COPIES).zip(space.storm()) {
                assert!(pte.flags().has(WRITE | Flags::V | Flags::U), "{pte:?}");
                let at = pte.ppn().base() + slot * STRIDE_BYTES % PAGE_BYTES;
                sum += arena::read(at) * 3 + arena::read(at + 8);
            }
        }
        sum
    });
}
