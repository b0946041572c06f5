//! Functions in assembly that safe code may call: [`routines!`](crate::routines!) defines them,
//! [`Routine`] is what they are. Benchmarks keep their loops there, so that no compiler changes
//! what is measured.

use crate::arena;

/// A function in assembly. It keeps to the calling convention and its hands off the memory of Rust
/// objects, and leaves CSRs that Rust code runs by as they were; it does not depend on where it is.
#[derive(Clone, Copy, Debug)]
pub struct Routine {
    start: u64,
    end: u64,
}

impl Routine {
    /// The code between two addresses; only [`routines!`](crate::routines!) says this.
    #[doc(hidden)]
    pub const fn new(start: u64, end: u64) -> Self {
        Self { start, end }
    }

    /// Its address.
    pub const fn address(self) -> u64 {
        self.start
    }

    /// Calls it with `a0` to `a5`; yields `a0`.
    pub fn call(self, arguments: [u64; 6]) -> u64 {
        type Function = extern "C" fn(u64, u64, u64, u64, u64, u64) -> u64;
        // SAFETY: the code of a routine, which is a function by its contract.
        let function: Function = unsafe { core::mem::transmute(self.start) };
        let [a, b, c, d, e, f] = arguments;
        function(a, b, c, d, e, f)
    }

    /// Copies it to physical address `to` of the arena; yields the address after the copy. What runs
    /// there needs a `fence.i` first.
    pub fn copy_to(self, to: u64) -> u64 {
        for offset in (0..self.end - self.start).step_by(8) {
            // SAFETY: the program's own code, which is padded to doublewords, and which nobody
            // writes to.
            let word = unsafe { ((self.start + offset) as *const u64).read_volatile() };
            arena::write(to + offset, word);
        }
        to + (self.end - self.start)
    }
}

/// Defines functions that yield [`Routine`](crate::routine::Routine)s. No two routines of a program have
/// the same name.
///
/// `routines! { increment = "addi a0, a0, 1", "ret"; }`
#[macro_export]
macro_rules! routines {
    ($($(#[$meta:meta])* $name:ident = $($line:literal),+;)*) => {$(
        ::core::arch::global_asm!(
            concat!(".pushsection .text.routine_", stringify!($name), ",\"ax\""),
            // Link-time optimisation forgets the target's features.
            ".option push",
            ".option arch, +m, +a, +f, +d, +c, +zicsr, +zifencei, +svinval",
            ".balign 64",
            concat!("routine_", stringify!($name), ":"),
            $($line,)+
            ".balign 8",
            concat!("routine_end_", stringify!($name), ":"),
            ".option pop",
            ".popsection",
        );

        $(#[$meta])*
        fn $name() -> $crate::routine::Routine {
            let (start, end);
            // SAFETY: computes the addresses of the labels above.
            unsafe {
                ::core::arch::asm!(
                    concat!("la {}, routine_", stringify!($name)),
                    concat!("la {}, routine_end_", stringify!($name)),
                    out(reg) start, out(reg) end,
                    options(pure, nomem, nostack),
                );
            }
            $crate::routine::Routine::new(start, end)
        }
    )*};
}
