//! The machine's own firmware: what M-mode does for a kernel in S-mode where no firmware file was
//! given. [`Sbi`] answers calls and serves the other traps that end in M-mode; what it needs of the
//! machine is the trait [`Platform`], so that it runs in tests without one.
//!
//! `table.rs` lists the functions, one row each; their bodies are in the file of their extension.
//! `trap.rs` says which traps come here at all and what becomes of them.
//!
//! Source: RISC-V Supervisor Binary Interface Specification, version 2.0.

mod base;
mod console;
mod fence;
mod hsm;
mod legacy;
mod pmu;
mod power;
mod table;
mod time;
mod trap;

use crate::addr::{Asid, PhysAddr, VirtAddr};
use crate::bus::{PowerRequest, Ram};
use crate::csr::{CsrAddr, CsrConfig};
use crate::trap::Exception;
use hsm::HartState;
use pmu::Pmu;
use trap::Duty;

/// Harts that one firmware serves at most: a bit each in a mask.
pub(crate) const MAX_HARTS: usize = 64;

/// Length of `ecall`, which a call returns behind.
const ECALL_BYTES: u64 = 4;

/// Registers that hold results, and what a hart begins with.
const A0: u8 = 10;
const A1: u8 = 11;

/// What the firmware needs of the machine. Harts are named by their ids, which are below the
/// number given to [`Sbi::new`].
pub(crate) trait Platform {
    /// Integer register `r` of `hart`.
    fn x(&self, hart: usize, r: u8) -> u64;

    /// Writes integer register `r` of `hart`.
    fn set_x(&mut self, hart: usize, r: u8, value: u64);

    /// A CSR of `hart`, as M-mode reads it.
    fn read_csr(&mut self, hart: usize, addr: CsrAddr) -> u64;

    /// Clears and then sets bits of a CSR of `hart` in one instruction of M-mode, with all that
    /// follows for the hart.
    fn change_csr(&mut self, hart: usize, addr: CsrAddr, clear: u64, set: u64);

    /// `mret`: `hart` goes on where `mepc` and `mstatus` say,
    /// once it does not wait any more.
    fn leave(&mut self, hart: usize);

    /// As [`leave`](Self::leave), and there the instruction at `mepc` raises `exception` for
    /// S-mode.
    fn raise(&mut self, hart: usize, exception: Exception);

    /// `hart` goes on in S-mode at `pc`, whatever it did before; it is neither stopped nor waits.
    fn enter(&mut self, hart: usize, pc: PhysAddr);

    /// `hart` executes nothing until [`enter`](Self::enter).
    fn stop(&mut self, hart: usize);

    /// `hart` executes nothing until an interrupt is pending that its `mie` enables, as after
    /// `wfi`. The machine tells [`Sbi::woken`] when that has come.
    fn wait(&mut self, hart: usize);

    /// Writes `mtimecmp` of `hart`, in ticks of the timebase.
    fn set_mtimecmp(&mut self, hart: usize, time: u64);

    /// Clears `msip` of `hart`.
    fn clear_msip(&mut self, hart: usize);

    /// `fence.i` on `hart`.
    fn fence_i(&mut self, hart: usize);

    /// `sfence.vma` on `hart`, for all addresses or address spaces where none is given.
    fn sfence_vma(&mut self, hart: usize, va: Option<VirtAddr>, asid: Option<Asid>);

    /// Loads 64 bits as the code does that `hart` will return to.
    ///
    /// # Errors
    /// The exception that such a load raises.
    fn load(&mut self, hart: usize, va: VirtAddr) -> Result<u64, Exception>;

    /// RAM.
    fn ram(&mut self) -> &mut Ram;

    /// Writes to the console.
    fn print(&mut self, bytes: &[u8]);

    /// The next byte of console input, if one is there.
    fn input(&mut self) -> Option<u8>;

    /// The machine is to stop or to start again before any hart executes another instruction.
    fn power(&mut self, request: PowerRequest);
}

/// A call as its registers tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// `a0` to `a5`.
    pub(crate) args: Args,
    /// Function, in `a6`.
    pub(crate) fid: u64,
    /// Extension, in `a7`.
    pub(crate) eid: u64,
}

/// The arguments of a call.
type Args = [u64; 6];

/// What becomes of the hart that has made a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The call returns these registers; no `a1` where it stays as it is.
    Return {
        /// Error code, or the result of a legacy call.
        a0: u64,
        /// Value.
        a1: Option<u64>,
    },
    /// The call does not return; the platform knows where the hart goes on, if anywhere.
    Elsewhere,
    /// The `ecall` raises this exception for S-mode.
    Raise(Exception),
}

/// What a function yields.
type Answer = Result<Done, Error>;

/// How a function ends well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Value(u64),
    Elsewhere,
    Raise(Exception),
}

/// A function that has nothing to tell but that it is done.
const SUCCESS: Answer = Ok(Done::Value(0));

/// Source: "Binary Encoding", table of standard SBI errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Error {
    NotSupported = -2,
    InvalidParam = -3,
    InvalidAddress = -5,
    AlreadyAvailable = -6,
    AlreadyStarted = -7,
    AlreadyStopped = -8,
    NoShmem = -9,
}

impl Error {
    const fn code(self) -> u64 {
        self as i64 as u64
    }
}

/// What the body of a function may touch.
struct Cx<'a> {
    sbi: &'a mut Sbi,
    platform: &'a mut dyn Platform,
    /// The hart that calls.
    caller: usize,
}

/// The firmware's state.
#[derive(Debug)]
pub(crate) struct Sbi {
    /// What the CSRs of every hart show.
    csrs: CsrConfig,
    harts: Vec<HartState>,
    pmu: Pmu,
}

impl Sbi {
    /// Firmware for `harts` harts whose CSRs show what `csrs` says, all of them stopped.
    ///
    /// # Panics
    /// Where `harts` exceeds [`MAX_HARTS`].
    pub(crate) fn new(harts: usize, csrs: CsrConfig) -> Self {
        assert!(harts <= MAX_HARTS);
        Self { csrs, harts: vec![HartState::Stopped; harts], pmu: Pmu::new(harts) }
    }

    /// After every reset: lets `hart` begin in S-mode at `pc` with its id in `a0` and `opaque`, the
    /// address of the device tree, in `a1`, and stops the others.
    pub(crate) fn boot(
        &mut self,
        platform: &mut dyn Platform,
        hart: usize,
        pc: PhysAddr,
        opaque: u64,
    ) {
        *self = Self::new(self.harts.len(), self.csrs.clone());
        (0..self.harts.len()).filter(|other| *other != hart).for_each(|other| platform.stop(other));
        let mut cx = Cx { sbi: self, platform, caller: hart };
        cx.begin(hart, pc, opaque);
    }

    /// A hart that waited does so no more.
    pub(crate) fn woken(&mut self, hart: usize) {
        if self.harts[hart] == HartState::Suspended {
            self.harts[hart] = HartState::Started;
        }
    }

    /// Serves the trap that has taken `hart` into M-mode; whatever it was, the hart does not
    /// execute in M-mode afterwards.
    pub(crate) fn serve(&mut self, platform: &mut dyn Platform, hart: usize) {
        let cause = platform.read_csr(hart, trap::MCAUSE);
        let value = platform.read_csr(hart, trap::MTVAL);
        match trap::duty(cause, value) {
            Duty::Call => self.answer(platform, hart),
            Duty::Interrupt(interrupt) => {
                trap::serve_interrupt(platform, hart, interrupt);
                platform.leave(hart);
            }
            Duty::Raise(exception) => platform.raise(hart, exception),
        }
    }

    /// Answers the call that `hart` has made.
    fn answer(&mut self, platform: &mut dyn Platform, hart: usize) {
        let args = [10, 11, 12, 13, 14, 15].map(|r| platform.x(hart, r));
        let call = Call { args, fid: platform.x(hart, 16), eid: platform.x(hart, 17) };
        match self.call(platform, hart, call) {
            Outcome::Return { a0, a1 } => {
                platform.set_x(hart, A0, a0);
                if let Some(a1) = a1 {
                    platform.set_x(hart, A1, a1);
                }
                let behind = platform.read_csr(hart, trap::MEPC).wrapping_add(ECALL_BYTES);
                platform.change_csr(hart, trap::MEPC, !0, behind);
                platform.leave(hart);
            }
            Outcome::Elsewhere => {}
            Outcome::Raise(exception) => platform.raise(hart, exception),
        }
    }

    /// Does what `caller` asks for.
    pub(crate) fn call(
        &mut self,
        platform: &mut dyn Platform,
        caller: usize,
        call: Call,
    ) -> Outcome {
        // Who calls does not sleep, even if nobody has told.
        self.woken(caller);
        let function = table::find(call.eid, call.fid);
        let answer = match function {
            Some(function) => (function.run)(&mut Cx { sbi: self, platform, caller }, &call.args),
            None => Err(Error::NotSupported),
        };
        let name = function.map_or("unknown call", |function| function.name);
        log::trace!("hart {caller}: {name} {call:x?}: {answer:x?}");
        let is_legacy = table::is_legacy(call.eid);
        match answer {
            Ok(Done::Value(value)) if is_legacy => Outcome::Return { a0: value, a1: None },
            Ok(Done::Value(value)) => Outcome::Return { a0: 0, a1: Some(value) },
            Ok(Done::Elsewhere) => Outcome::Elsewhere,
            Ok(Done::Raise(exception)) => Outcome::Raise(exception),
            Err(error) => Outcome::Return { a0: error.code(), a1: (!is_legacy).then_some(0) },
        }
    }
}

#[cfg(test)]
mod tests;
