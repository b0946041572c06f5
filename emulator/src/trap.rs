//! Exceptions and interrupts with their cause numbers and trap values. Knows only addresses;
//! the hart turns a [`Trap`] into CSR writes, the debug room turns it into text.

use crate::addr::{Access, Privilege, VirtAddr};

/// A synchronous trap raised by an instruction.
///
/// Source: Privileged ISA, "Machine Cause (mcause) Register", table of cause values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exception {
    /// The address is not aligned as the access demands.
    Misaligned(Access, VirtAddr),
    /// The physical side refused: no such memory, PMP, or a PTE that cannot be read.
    AccessFault(Access, VirtAddr),
    /// No such instruction, or not allowed here; carries the instruction bits.
    IllegalInstruction(u32),
    /// `ebreak` at this address.
    Breakpoint(VirtAddr),
    /// `ecall` from this mode.
    EnvironmentCall(Privilege),
    /// The translation side refused.
    PageFault(Access, VirtAddr),
}

impl Exception {
    /// The exception code written to `mcause` or `scause`.
    pub const fn cause(self) -> u64 {
        match self {
            Self::Misaligned(Access::Fetch, _) => 0,
            Self::AccessFault(Access::Fetch, _) => 1,
            Self::IllegalInstruction(_) => 2,
            Self::Breakpoint(_) => 3,
            Self::Misaligned(Access::Load, _) => 4,
            Self::AccessFault(Access::Load, _) => 5,
            Self::Misaligned(Access::Store, _) => 6,
            Self::AccessFault(Access::Store, _) => 7,
            Self::EnvironmentCall(from) => 8 + from as u64,
            Self::PageFault(Access::Fetch, _) => 12,
            Self::PageFault(Access::Load, _) => 13,
            Self::PageFault(Access::Store, _) => 15,
        }
    }

    /// The value written to `mtval` or `stval`.
    pub const fn tval(self) -> u64 {
        match self {
            Self::Misaligned(_, at)
            | Self::AccessFault(_, at)
            | Self::PageFault(_, at)
            | Self::Breakpoint(at) => at.0,
            Self::IllegalInstruction(bits) => bits as u64,
            Self::EnvironmentCall(_) => 0,
        }
    }
}

/// An asynchronous trap; the discriminant is the exception code and the bit in `mip` and `mie`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// Software interrupt for S-mode.
    SupervisorSoftware = 1,
    /// Software interrupt for M-mode.
    MachineSoftware = 3,
    /// Timer interrupt for S-mode.
    SupervisorTimer = 5,
    /// Timer interrupt for M-mode.
    MachineTimer = 7,
    /// External interrupt for S-mode.
    SupervisorExternal = 9,
    /// External interrupt for M-mode.
    MachineExternal = 11,
}

impl Interrupt {
    /// All interrupts from the highest to the lowest priority.
    ///
    /// Source: Privileged ISA, "Machine Interrupt (mip and mie) Registers".
    pub const BY_PRIORITY: [Interrupt; 6] = [
        Self::MachineExternal,
        Self::MachineSoftware,
        Self::MachineTimer,
        Self::SupervisorExternal,
        Self::SupervisorSoftware,
        Self::SupervisorTimer,
    ];

    /// The bit of this interrupt in `mip`, `mie` and `mideleg`.
    pub const fn bit(self) -> u64 {
        1 << self as u64
    }
}

/// A transfer of control to a trap handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// Raised by the instruction at the trapping pc.
    Exception(Exception),
    /// Raised from outside, taken before the instruction at the trapping pc.
    Interrupt(Interrupt),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_match_the_manuals_table() {
        use Access::{Fetch, Load, Store};
        let at = VirtAddr(0x1001);
        for (exception, cause, tval) in [
            (Exception::Misaligned(Fetch, at), 0, 0x1001),
            (Exception::AccessFault(Fetch, at), 1, 0x1001),
            (Exception::IllegalInstruction(0xdead), 2, 0xdead),
            (Exception::Breakpoint(at), 3, 0x1001),
            (Exception::Misaligned(Load, at), 4, 0x1001),
            (Exception::AccessFault(Load, at), 5, 0x1001),
            (Exception::Misaligned(Store, at), 6, 0x1001),
            (Exception::AccessFault(Store, at), 7, 0x1001),
            (Exception::EnvironmentCall(Privilege::User), 8, 0),
            (Exception::EnvironmentCall(Privilege::Supervisor), 9, 0),
            (Exception::EnvironmentCall(Privilege::Machine), 11, 0),
            (Exception::PageFault(Fetch, at), 12, 0x1001),
            (Exception::PageFault(Load, at), 13, 0x1001),
            (Exception::PageFault(Store, at), 15, 0x1001),
        ] {
            assert_eq!((exception.cause(), exception.tval()), (cause, tval), "{exception:?}");
        }
    }

    #[test]
    fn priority_lists_every_interrupt_once() {
        let all = Interrupt::BY_PRIORITY.iter().fold(0, |bits, i| bits | i.bit());
        assert_eq!(all, 0b1010_1010_1010);
    }
}
