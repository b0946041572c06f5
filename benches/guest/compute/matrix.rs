//! `compute.matrix`: products of matrices in double precision, each scaled by a Newton iteration. An
//! operation multiplies two numbers and adds the product to a sum.

/// Multiplications of a round, but for the scaling.
pub(crate) const PRODUCTS: u64 = (SIZE * SIZE * SIZE) as u64;
const SIZE: usize = 24;

type Matrix = [[f64; SIZE]; SIZE];

/// Multiplies so many times by a Hilbert matrix.
pub(crate) fn run(rounds: u64) -> u64 {
    let mut hilbert = [[0.0; SIZE]; SIZE];
    for (row, line) in hilbert.iter_mut().enumerate() {
        for (column, value) in line.iter_mut().enumerate() {
            *value = 1.0 / (1 + row + column) as f64;
        }
    }
    let power = (0..rounds).fold(hilbert, |power, _| scaled(&product(&hilbert, &power)));
    let sum = power.iter().flatten().fold(0.0, |sum, value| sum + value);
    f64::to_bits(sum)
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
fn scaled(m: &Matrix) -> Matrix {
    let trace = (0..SIZE).fold(0.0, |sum, at| sum + m[at][at]);
    // Newton's iteration for 1 / trace.
    let mut inverse = 1.0 / (trace + 0.25);
    for _ in 0..4 {
        inverse = inverse * (2.0 - trace * inverse);
    }
    m.map(|row| row.map(|value| value * inverse + value / (trace * 1024.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_meet_columns() {
        let mut a = [[0.0; SIZE]; SIZE];
        let mut b = [[0.0; SIZE]; SIZE];
        (a[2][3], a[2][4], b[3][5], b[4][5]) = (2.0, 3.0, 5.0, 7.0);
        let mut expect = [[0.0; SIZE]; SIZE];
        expect[2][5] = 31.0;
        assert_eq!(product(&a, &b), expect);
    }

    #[test]
    fn scaling_makes_the_trace_about_one() {
        let m = [[4.0; SIZE]; SIZE];
        let scaled = scaled(&m);
        let trace: f64 = (0..SIZE).map(|at| scaled[at][at]).sum();
        assert!((trace - 1.0).abs() < 0.01, "{trace}");
    }
}
