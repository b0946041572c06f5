//! The one event hook of execution. Engines are generic over an [`Observer`]: with
//! [`NoObserver`] every call vanishes, with a commit log or a recorder each reports what an
//! instruction did, in the order it did it. Written CSRs come from `csr::Recording`.

use std::io;

use crate::addr::{Privilege, VirtAddr, Width};
use crate::csr::CsrAddr;
use crate::trap::{Exception, Interrupt};

/// Hears what instructions do. Between two of [`retire`](Self::retire) and
/// [`exception`](Self::exception) lie the effects of one instruction; those of an instruction
/// that ends in an exception did not become visible and are to be forgotten.
pub trait Observer {
    /// Whether anybody listens; an engine may skip work that only prepares a call.
    const ACTIVE: bool;

    /// `x[r]` was written; never called for `x0`.
    fn x(&mut self, _r: u8, _value: u64) {}

    /// `f[r]` was written; `value` is NaN-boxed.
    fn f(&mut self, _r: u8, _value: u64) {}

    /// A CSR was written, explicitly or as a side effect, and now holds `value`.
    fn csr(&mut self, _addr: CsrAddr, _value: u64) {}

    /// Memory was loaded from.
    fn load(&mut self, _va: VirtAddr, _width: Width) {}

    /// The low bytes of `value` were stored.
    fn store(&mut self, _va: VirtAddr, _width: Width, _value: u64) {}

    /// The instruction at `pc` completed; `privilege` is the mode it ran in, `bits` are its 16 or
    /// 32 bits as fetched.
    fn retire(&mut self, _privilege: Privilege, _pc: VirtAddr, _bits: u32) {}

    /// The instruction at `epc` raised `exception`, before the trap is taken.
    fn exception(&mut self, _exception: &Exception, _epc: VirtAddr) {}

    /// `interrupt` is about to be taken before the instruction at `epc`.
    fn interrupt(&mut self, _interrupt: Interrupt, _epc: VirtAddr) {}

    /// The run is over: hands on what is held back.
    ///
    /// # Errors
    /// The first failure since the last call to hand anything on.
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Nobody listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    const ACTIVE: bool = false;
}
