//! The one event hook of execution. Engines are generic over an [`Observer`]: with
//! [`NoObserver`] every call vanishes, with a commit log or a recorder each reports what an
//! instruction did, in the order it did it. Written CSRs come from `csr::Recording`, misses and
//! fences from the MMU's probe.

use std::io;

use crate::addr::{Access, Privilege, VirtAddr, Width};
use crate::csr::CsrAddr;
use crate::mmu::{Fence, WalkRecord};
use crate::trap::{Exception, Interrupt};

/// Who has asked for a fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FenceOrigin {
    /// The hart, by `sfence.vma`.
    Sfence,
    /// The hart, by `sinval.vma`.
    Sinval,
    /// Somebody else, between two turns of the hart.
    Remote,
}

/// Hears what instructions do. Between [`begin`](Self::begin) and one of
/// [`retire`](Self::retire) and [`exception`](Self::exception) lie the effects of one instruction;
/// those of an instruction that ends in an exception did not become visible and are to be
/// forgotten. Its fetch comes before `begin`, and what is found out fetching stays true for
/// whatever executes next.
pub trait Observer {
    /// Whether anybody listens; an engine may skip work that only prepares a call.
    const ACTIVE: bool;

    /// Events from now on are those of the hart with this id.
    fn turn(&mut self, _hart: u64) {}

    /// The hart's turn is over; it may be long before the next.
    fn pause(&mut self) {}

    /// The instruction at `pc` begins, in mode `privilege`; `bits` are its 16 or 32 bits.
    fn begin(&mut self, _privilege: Privilege, _pc: VirtAddr, _bits: u32) {}

    /// Instructions from `pc` on were decoded for the first time since anything was forgotten
    /// about them; `code` are their bytes. What is no instruction comes alone.
    fn decoded(&mut self, _privilege: Privilege, _pc: VirtAddr, _code: &[u8]) {}

    /// The TLB was asked for the translation of the `len_bytes` bytes at `va`, for each of their
    /// pages once. Told before a fetch; of other accesses only if they succeed.
    fn lookup(&mut self, _access: Access, _va: VirtAddr, _len_bytes: u64) {}

    /// The TLB did not have what the instruction at `pc`, in mode `privilege`, needed.
    fn walk(&mut self, _walk: &WalkRecord, _privilege: Privilege, _pc: VirtAddr) {}

    /// Translations were dropped.
    fn fence(&mut self, _fence: &Fence, _origin: FenceOrigin) {}

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

    /// The instruction at `epc`, in mode `from`, raised `exception`, before the trap is taken.
    fn exception(&mut self, _exception: &Exception, _from: Privilege, _epc: VirtAddr) {}

    /// `interrupt` is about to be taken in mode `from`, before the instruction at `epc`.
    fn interrupt(&mut self, _interrupt: Interrupt, _from: Privilege, _epc: VirtAddr) {}

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
