//! `bench-float`: double-precision matrix products and a Newton iteration in S-mode under Sv39:
//! adds, multiplies, and some divisions between loads and stores. Prints a checksum, which is the
//! same on every machine with IEEE arithmetic. Timed from outside, as `integer.rs` is.

#![no_std]
#![no_main]

#[path = "paged.rs"]
mod paged;

use guest_runtime::{csr, entry, exit, println};

entry!(main);

const ROUNDS: u64 = 1200;
const SIZE: usize = 24;

type Matrix = [[f64; SIZE]; SIZE];

fn main() {
    const FS_INITIAL: u64 = 1 << 13;
    csr::set::<{ csr::MSTATUS }>(FS_INITIAL);
    paged::enter(measured)
}

extern "C" fn measured() -> ! {
    paged::turn_on();
    let mut a = [[0.0; SIZE]; SIZE];
    for (row, line) in a.iter_mut().enumerate() {
        for (column, value) in line.iter_mut().enumerate() {
            *value = 1.0 / (1 + row + column) as f64;
        }
    }
    let mut b = a;
    for _ in 0..ROUNDS {
        b = normalised(&product(&a, &b));
    }
    let sum: f64 = b.iter().flatten().sum();
    println!("bench-float: checksum {:#018x}", sum.to_bits());
    exit(0)
}

#[inline(never)]
fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let mut c = [[0.0; SIZE]; SIZE];
    for row in 0..SIZE {
        for column in 0..SIZE {
            let mut sum = 0.0;
            for k in 0..SIZE {
                sum += a[row][k] * b[k][column];
            }
            c[row][column] = sum;
        }
    }
    c
}

/// `m` scaled so that its entries stay of order one.
#[inline(never)]
fn normalised(m: &Matrix) -> Matrix {
    let trace: f64 = (0..SIZE).map(|i| m[i][i]).sum();
    // Newton's iteration for 1 / trace.
    let mut inverse = 1.0 / (trace + 0.25);
    for _ in 0..4 {
        inverse = inverse * (2.0 - trace * inverse);
    }
    m.map(|row| row.map(|value| value * inverse + value / (trace * 1024.0)))
}
