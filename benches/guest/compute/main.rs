//! `bench-compute`: what a hart does between its translations, one file for each kind of work. On
//! the bare machine it runs in S-mode under Sv39; built for the host, the same code gives the
//! native figures. The checksums are the same everywhere, floating point included: Rust does as
//! IEEE 754 says, and never merges a product and a sum.

#![cfg_attr(target_os = "none", no_std, no_main)]

mod calls;
mod integer;
#[cfg(target_os = "none")]
#[path = "../mapped.rs"]
mod mapped;
mod matrix;
#[path = "../measure.rs"]
mod measure;
mod nbody;
mod random;
mod sha256;
mod sieve;
mod sort;
mod string;

use core::hint::black_box;

/// Some work that can be done any number of times.
struct Kernel {
    row: &'static str,
    /// Operations in one round.
    operations: u64,
    /// Does so many rounds; yields a checksum of them.
    run: fn(rounds: u64) -> u64,
}

const KERNELS: [Kernel; 8] = [
    Kernel { row: "compute.integer", operations: integer::WORDS, run: integer::run },
    Kernel { row: "compute.string", operations: string::BYTES, run: string::run },
    Kernel { row: "compute.sort", operations: sort::ITEMS, run: sort::run },
    Kernel { row: "compute.sha256", operations: sha256::BYTES, run: sha256::run },
    Kernel { row: "compute.sieve", operations: sieve::NUMBERS, run: sieve::run },
    Kernel { row: "compute.calls", operations: calls::CALLS, run: calls::run },
    Kernel { row: "compute.matrix", operations: matrix::PRODUCTS, run: matrix::run },
    Kernel { row: "compute.nbody", operations: nbody::PAIRS, run: nbody::run },
];

fn rows() {
    for Kernel { row, operations: step, run } in &KERNELS {
        measure::row(row, *step, |operations, watch| {
            let rounds = black_box(operations / step);
            watch.time(|| run(rounds))
        });
    }
}

#[cfg(not(target_os = "none"))]
fn main() {
    rows();
}

#[cfg(target_os = "none")]
mod bare {
    use guest_runtime::{entry, exit_by_mailbox};

    use super::{mapped, rows};

    /// The program and its page tables.
    const RAM_BYTES: u64 = 8 << 20;

    entry!(main);

    fn main() {
        mapped::enter(RAM_BYTES, measured)
    }

    extern "C" fn measured() -> ! {
        mapped::turn_on();
        rows();
        exit_by_mailbox(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the emulator's run of the same code gives (`tests/e2e.rs`).
    const GOLDEN: &str = include_str!("../../../tests/golden/bench-compute.txt");

    #[test]
    fn the_checksums_are_those_of_the_bare_machine() {
        let lines = KERNELS.map(|kernel| format!("{} {:#x}\n", kernel.row, (kernel.run)(1)));
        assert_eq!(lines.concat(), GOLDEN);
    }
}
