//! `misaligned`: loads and stores of every width at every offset around a page boundary, with
//! translation off; reservations; what a jump and a compressed instruction across a page do.

#![no_std]
#![no_main]

use guest_runtime::check::Checks;
use guest_runtime::run::{Code, Mode, cause, run};
use guest_runtime::{csr, entry, frames, snippets};

entry!(main);

snippets! {
    lb = "lb a0, 0(a1)";
    lbu = "lbu a0, 0(a1)";
    lh = "lh a0, 0(a1)";
    lhu = "lhu a0, 0(a1)";
    lw = "lw a0, 0(a1)";
    lwu = "lwu a0, 0(a1)";
    ld = "ld a0, 0(a1)";
    fld = "fld f0, 0(a1)", "fmv.x.d a0, f0";
    sb = "sb a2, 0(a1)";
    sh = "sh a2, 0(a1)";
    sw = "sw a2, 0(a1)";
    sd = "sd a2, 0(a1)";
    fsd = "fmv.d.x f0, a2", "fsd f0, 0(a1)";
    // a0 = result of the first pair, a3 of the second.
    reserve = "lr.d a0, (a1)", "sc.d a0, a2, (a1)", "sc.d a3, a2, (a1)";
    reserve_word = "lr.w a0, (a1)", "sc.w a0, a2, (a1)", "sc.w a3, a2, (a1)";
    without = "sc.d a0, a2, (a1)";
    elsewhere = "lr.d a0, (a1)", "addi a1, a1, 1024", "sc.d a0, a2, (a1)";
}

/// Around the boundary between frames 0 and 1.
const WINDOW_BYTES: u64 = 16;

fn main() {
    let mut checks = Checks::new("misaligned");
    csr::set::<{ csr::MSTATUS }>(csr::MSTATUS_FS);
    checks.section("loads");
    loads(&mut checks);
    checks.section("stores");
    stores(&mut checks);
    checks.section("reservations");
    reservations(&mut checks);
    checks.section("instructions across a page");
    straddling(&mut checks);
    checks.finish()
}

fn window() -> u64 {
    frames::at(1) - WINDOW_BYTES
}

/// Byte `index` of the pattern: all differ, every second one has its sign bit set.
fn pattern(index: u64) -> u8 {
    (index * 0x35 + 0x81 * (index & 1) + 7) as u8
}

fn fill(byte: impl Fn(u64) -> u8) {
    for word in 0..WINDOW_BYTES / 4 {
        let bytes: [u8; 8] = core::array::from_fn(|i| byte(8 * word + i as u64));
        frames::write(window() + 8 * word, u64::from_le_bytes(bytes));
    }
}

fn byte_at(index: u64) -> u8 {
    frames::read(window() + index / 8 * 8).to_le_bytes()[index as usize % 8]
}

/// The pattern's `width` bytes from `offset` on.
fn expected(offset: u64, width: u64) -> u64 {
    (0..width).rev().fold(0, |value, i| value << 8 | u64::from(pattern(offset + i)))
}

fn sign_extend(value: u64, width: u64) -> u64 {
    let unused = 64 - 8 * width;
    ((value << unused) as i64 >> unused) as u64
}

fn loads(checks: &mut Checks) {
    fill(pattern);
    for mode in [Mode::User, Mode::Machine] {
        for (name, code, width, signed) in [
            ("lb", lb(), 1, true),
            ("lbu", lbu(), 1, false),
            ("lh", lh(), 2, true),
            ("lhu", lhu(), 2, false),
            ("lw", lw(), 4, true),
            ("lwu", lwu(), 4, false),
            ("ld", ld(), 8, false),
            ("fld", fld(), 8, false),
        ] {
            for offset in 0..=2 * WINDOW_BYTES - width {
                let value = expected(offset, width);
                let value = if signed { sign_extend(value, width) } else { value };
                let outcome = run(mode, code, &[0, window() + offset]);
                checks.equal(format_args!("{name} at +{offset}"), outcome.a[0], value);
            }
        }
    }
}

fn stores(checks: &mut Checks) {
    const VALUE: u64 = 0xf8e7_d6c5_b4a3_9281;
    for (name, code, width) in
        [("sb", sb(), 1), ("sh", sh(), 2), ("sw", sw(), 4), ("sd", sd(), 8), ("fsd", fsd(), 8)]
    {
        for offset in 0..=2 * WINDOW_BYTES - width {
            fill(|_| 0x5a);
            run(Mode::Machine, code, &[0, window() + offset, VALUE]);
            let right = (0..2 * WINDOW_BYTES).all(|index| {
                let written = (offset..offset + width).contains(&index);
                let byte = (VALUE >> (8 * (index.wrapping_sub(offset) % 8))) as u8;
                byte_at(index) == if written { byte } else { 0x5a }
            });
            checks.that(right, format_args!("{name} at +{offset}"));
        }
    }
}

fn reservations(checks: &mut Checks) {
    let at = frames::at(0);
    frames::write(at, 1);
    let outcome = run(Mode::Machine, reserve(), &[0, at, 2, 9]);
    checks.equal("the first sc.d succeeds, the second fails", [outcome.a[0], outcome.a[3]], [0, 1]);
    checks.equal("stored", frames::read(at), 2);
    let outcome = run(Mode::Machine, reserve_word(), &[0, at + 4, 3, 9]);
    checks.equal("sc.w likewise", [outcome.a[0], outcome.a[3]], [0, 1]);
    checks.equal("stored", frames::read(at), 3 << 32 | 2);
    let outcome = run(Mode::Machine, without(), &[9, at, 7]);
    checks.equal("sc.d without a reservation", outcome.a[0], 1);
    let outcome = run(Mode::Machine, elsewhere(), &[9, at, 7]);
    checks.equal("sc.d far from the reservation", outcome.a[0], 1);
    checks.equal("nothing stored", frames::read(at), 3 << 32 | 2);
}

/// A 4-byte instruction whose halves lie in two pages, at every even distance.
fn straddling(checks: &mut Checks) {
    const ADDI_1: u64 = 0x0015_0513;
    const ECALL: u64 = 0x73;
    const C_NOP: u64 = 0x0001;
    for distance in [2, 4, 6, 8] {
        let start = frames::at(1) - distance;
        for offset in (0..32).step_by(2) {
            put_half(frames::at(1) - 16 + offset, C_NOP);
        }
        for (at, insn) in [(start, ADDI_1), (start + 4, ADDI_1), (start + 8, ECALL)] {
            put_half(at, insn);
            put_half(at + 2, insn >> 16);
        }
        csr::write::<{ csr::SATP }>(0);
        for mode in [Mode::User, Mode::Supervisor, Mode::Machine] {
            for _ in 0..2 {
                run(Mode::Machine, fence_i(), &[]);
                let outcome = run(mode, Code::at(start), &[40]);
                let case = format_args!("{distance} bytes before the page in {mode:?}");
                checks.equal(case, (outcome.a[0], outcome.epc), (42, start + 8));
                checks.that(outcome.cause >= cause::ECALL_U, case);
            }
        }
    }
}

snippets! {
    fence_i = "fence.i";
}

fn put_half(at: u64, value: u64) {
    let (base, shift) = (at & !7, 8 * (at & 7));
    let rest = frames::read(base) & !(0xffff << shift);
    frames::write(base, rest | (value & 0xffff) << shift);
}
