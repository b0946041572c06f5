//! `compute.nbody`: the Sun and the four giant planets under gravity in double precision, with
//! square roots and divisions. An operation is what two bodies do to each other in a step.
//!
//! Units: astronomical unit, year, and the mass that makes the gravitational constant 1, of which
//! the Sun has 4 pi^2.

use core::f64::consts::PI;

/// Pairs of bodies whose attraction a round works out.
pub(crate) const PAIRS: u64 = STEPS * (BODIES * (BODIES - 1) / 2) as u64;
/// Steps of a round.
const STEPS: u64 = 100;
const STEP_YEARS: f64 = 0.01;
const BODIES: usize = 5;

const SUN_MASS: f64 = 4.0 * PI * PI;
const YEAR_DAYS: f64 = 365.24;

/// Three coordinates.
type Vector = [f64; 3];

#[derive(Clone, Copy, Debug)]
struct Body {
    place: Vector,
    velocity: Vector,
    mass: f64,
}

type System = [Body; BODIES];

/// Lets time pass for so many rounds; the checksum is made of the energy.
pub(crate) fn run(rounds: u64) -> u64 {
    let mut system = solar_system();
    for _ in 0..rounds * STEPS {
        step(&mut system);
    }
    energy(&system).to_bits()
}

/// Moves all bodies.
#[inline(never)]
fn step(system: &mut System) {
    for first in 0..BODIES {
        let (head, tail) = system.split_at_mut(first + 1);
        let a = &mut head[first];
        for b in tail {
            let apart = difference(a.place, b.place);
            let square = dot(apart, apart);
            let pull = STEP_YEARS / (square * sqrt(square));
            a.velocity = plus(a.velocity, apart, -(b.mass * pull));
            b.velocity = plus(b.velocity, apart, a.mass * pull);
        }
    }
    for body in system {
        body.place = plus(body.place, body.velocity, STEP_YEARS);
    }
}

/// Kinetic and potential energy.
fn energy(system: &System) -> f64 {
    let mut energy = 0.0;
    for (index, a) in system.iter().enumerate() {
        energy += 0.5 * a.mass * dot(a.velocity, a.velocity);
        for b in &system[index + 1..] {
            let apart = difference(a.place, b.place);
            energy -= a.mass * b.mass / sqrt(dot(apart, apart));
        }
    }
    energy
}

fn difference(a: Vector, b: Vector) -> Vector {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// `a + factor * b`.
fn plus(a: Vector, b: Vector, factor: f64) -> Vector {
    [a[0] + factor * b[0], a[1] + factor * b[1], a[2] + factor * b[2]]
}

#[cfg(target_os = "none")]
use guest_runtime::float::sqrt;

#[cfg(not(target_os = "none"))]
fn sqrt(square: f64) -> f64 {
    square.sqrt()
}

/// The Sun, Jupiter, Saturn, Uranus and Neptune, at rest as a whole.
fn solar_system() -> System {
    let mut system = PLANETS.map(|[x, y, z, vx, vy, vz, mass]| Body {
        place: [x, y, z],
        velocity: [vx * YEAR_DAYS, vy * YEAR_DAYS, vz * YEAR_DAYS],
        mass: mass * SUN_MASS,
    });
    let still = [0.0; 3];
    let momentum = system.iter().fold(still, |sum, body| plus(sum, body.velocity, body.mass));
    system[0].velocity = plus(still, momentum, -1.0 / SUN_MASS);
    system
}

/// Places in astronomical units, velocities in these a day, masses in those of the Sun: the state
/// from which the n-body programs of the Computer Language Benchmarks Game start.
#[rustfmt::skip]
const PLANETS: [[f64; 7]; BODIES] = [
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
    [
        4.841_431_442_464_721, -1.160_320_044_027_428_4, -0.103_622_044_471_123_11,
        0.001_660_076_642_744_037, 0.007_699_011_184_197_404, -0.000_069_046_001_697_206_3,
        0.000_954_791_938_424_326_6,
    ],
    [
        8.343_366_718_244_58, 4.124_798_564_124_305, -0.403_523_417_114_321_4,
        -0.002_767_425_107_268_624, 0.004_998_528_012_349_172, 0.000_023_041_729_757_376_393,
        0.000_285_885_980_666_130_8,
    ],
    [
        12.894_369_562_139_131, -15.111_151_401_698_631, -0.223_307_578_892_655_74,
        0.002_964_601_375_647_616, 0.002_378_471_739_594_809_5, -0.000_029_658_956_854_023_756,
        0.000_043_662_440_433_515_63,
    ],
    [
        15.379_697_114_850_916, -25.919_314_609_987_964, 0.179_258_772_950_371_18,
        0.002_680_677_724_903_893, 0.001_628_241_700_382_423, -0.000_095_159_225_451_971_59,
        0.000_051_513_890_204_661_145,
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_energy_is_the_known_one() {
        let mut system = solar_system();
        assert_eq!(format!("{:.9}", energy(&system)), "-0.169075164");
        (0..1000).for_each(|_| step(&mut system));
        assert_eq!(format!("{:.9}", energy(&system)), "-0.169087605");
    }
}
