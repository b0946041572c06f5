//! [`CommitLog`]: an [`Observer`] that writes a line for every retired instruction and for every
//! trap, byte for byte what Spike writes with `-l --log-commits` once its disassembly lines
//! (`core   0: 0x…`, `core   0: >>>>…` and `Executed … times`) are left out.
//!
//! ```text
//! core   0: 3 0x0000000080000008 (0x30529073) c773_mtvec 0x0000000080000280
//! core   0: 3 0x000000008000000c (0x4501) x10 0x0000000000000000
//! core   0: exception trap_load_page_fault, epc 0x0000000080000010
//! core   0:           tval 0x0000000000001000
//! ```

use std::io::{self, Write};

use super::sink::Sink;
use crate::addr::{Access, Privilege, VirtAddr, Width};
use crate::csr::CsrAddr;
use crate::hart::observe::Observer;
use crate::trap::{Exception, Interrupt};

/// A register of which a commit log can tell, ordered as Spike orders them within a line: by
/// number first, and `x` before `f` before CSRs of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Register {
    X(u8),
    F(u8),
    Csr(CsrAddr),
}

impl Register {
    /// `fflags` is CSR 1, so it comes after `f1` and before `x2`.
    fn key(self) -> (u16, Self) {
        match self {
            Self::X(r) | Self::F(r) => (r.into(), self),
            Self::Csr(addr) => (addr.0, self),
        }
    }
}

/// Effects of the instruction in execution, and the text not yet handed on.
#[derive(Debug)]
pub struct CommitLog<W> {
    sink: Sink<W>,
    hart: u64,
    /// `core   0: `, which every line begins with.
    prefix: String,
    registers: Vec<(Register, u64)>,
    loads: Vec<VirtAddr>,
    stores: Vec<(VirtAddr, Width, u64)>,
}

impl<W: Write> CommitLog<W> {
    /// A log on `out`, which need not be buffered; of the hart with number `hart_id`, until it is
    /// another one's turn.
    pub fn new(out: W, hart_id: u64) -> Self {
        Self {
            sink: Sink::new(out),
            hart: hart_id,
            prefix: prefix(hart_id),
            registers: Vec::new(),
            loads: Vec::new(),
            stores: Vec::new(),
        }
    }

    fn register(&mut self, register: Register, value: u64) {
        match self.registers.iter_mut().find(|(written, _)| *written == register) {
            Some((_, last)) => *last = value,
            None => self.registers.push((register, value)),
        }
    }

    fn begin_line(&mut self) {
        self.sink.text().extend_from_slice(self.prefix.as_bytes());
    }

    fn end_line(&mut self) {
        self.sink.end_line();
        self.registers.clear();
        self.loads.clear();
        self.stores.clear();
    }

    fn trap(&mut self, name: &str, epc: VirtAddr) {
        self.begin_line();
        let text = self.sink.text();
        text.extend_from_slice(b"exception ");
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b", epc ");
        hex(text, epc.0, 16);
        self.end_line();
    }
}

impl<W: Write> Observer for CommitLog<W> {
    const ACTIVE: bool = true;

    fn finish(&mut self) -> io::Result<()> {
        self.sink.finish()
    }

    fn turn(&mut self, hart: u64) {
        if self.hart != hart {
            (self.hart, self.prefix) = (hart, prefix(hart));
        }
    }

    fn x(&mut self, r: u8, value: u64) {
        self.register(Register::X(r), value);
    }

    fn f(&mut self, r: u8, value: u64) {
        self.register(Register::F(r), value);
    }

    fn csr(&mut self, addr: CsrAddr, value: u64) {
        self.register(Register::Csr(addr), value);
    }

    fn load(&mut self, va: VirtAddr, _width: Width) {
        self.loads.push(va);
    }

    fn store(&mut self, va: VirtAddr, width: Width, value: u64) {
        self.stores.push((va, width, value));
    }

    fn retire(&mut self, privilege: Privilege, pc: VirtAddr, bits: u32) {
        self.begin_line();
        let text = self.sink.text();
        text.push(b'0' + privilege as u8);
        text.push(b' ');
        hex(text, pc.0, 16);
        text.extend_from_slice(b" (");
        hex(text, bits.into(), if bits & 3 == 3 { 8 } else { 4 });
        text.push(b')');
        self.registers.sort_unstable_by_key(|(register, _)| register.key());
        for &(register, value) in &self.registers {
            put_register(text, register);
            hex(text, value, 16);
        }
        for va in &self.loads {
            text.extend_from_slice(b" mem ");
            hex(text, va.0, 16);
        }
        for &(va, width, value) in &self.stores {
            text.extend_from_slice(b" mem ");
            hex(text, va.0, 16);
            text.push(b' ');
            hex(text, value, 2 * width.bytes() as usize);
        }
        self.end_line();
    }

    fn exception(&mut self, exception: &Exception, _from: Privilege, epc: VirtAddr) {
        self.trap(exception_name(*exception), epc);
        if !matches!(exception, Exception::EnvironmentCall(_)) {
            self.begin_line();
            let text = self.sink.text();
            text.extend_from_slice(b"          tval ");
            hex(text, exception.tval(), 16);
            self.end_line();
        }
    }

    fn interrupt(&mut self, interrupt: Interrupt, _from: Privilege, epc: VirtAddr) {
        self.trap(&format!("interrupt #{}", interrupt as u64), epc);
    }
}

/// What the lines of the hart with this id begin with.
fn prefix(hart: u64) -> String {
    format!("core{hart:4}: ")
}

/// A blank, the register's name as Spike pads it, a blank.
fn put_register(text: &mut Vec<u8>, register: Register) {
    let (letter, r) = match register {
        Register::X(r) => (b'x', r),
        Register::F(r) => (b'f', r),
        Register::Csr(addr) => {
            let name = addr.name().unwrap_or_else(|| "unknown".to_owned());
            text.extend_from_slice(format!(" c{}_{name} ", addr.0).as_bytes());
            return;
        }
    };
    text.extend_from_slice(&[b' ', letter]);
    if r < 10 {
        text.extend_from_slice(&[b'0' + r, b' ', b' ']);
    } else {
        text.extend_from_slice(&[b'0' + r / 10, b'0' + r % 10, b' ']);
    }
}

/// `0x` and the low `digits` hexadecimal digits of `value`.
fn hex(text: &mut Vec<u8>, value: u64, digits: usize) {
    text.extend_from_slice(b"0x");
    for digit in (0..digits).rev() {
        text.push(b"0123456789abcdef"[(value >> (4 * digit) & 15) as usize]);
    }
}

fn exception_name(exception: Exception) -> &'static str {
    match exception {
        Exception::Misaligned(Access::Fetch, _) => "trap_instruction_address_misaligned",
        Exception::Misaligned(Access::Load, _) => "trap_load_address_misaligned",
        Exception::Misaligned(Access::Store, _) => "trap_store_address_misaligned",
        Exception::AccessFault(Access::Fetch, _) => "trap_instruction_access_fault",
        Exception::AccessFault(Access::Load, _) => "trap_load_access_fault",
        Exception::AccessFault(Access::Store, _) => "trap_store_access_fault",
        Exception::PageFault(Access::Fetch, _) => "trap_instruction_page_fault",
        Exception::PageFault(Access::Load, _) => "trap_load_page_fault",
        Exception::PageFault(Access::Store, _) => "trap_store_page_fault",
        Exception::IllegalInstruction(_) => "trap_illegal_instruction",
        Exception::Breakpoint(_) => "trap_breakpoint",
        Exception::EnvironmentCall(Privilege::User) => "trap_user_ecall",
        Exception::EnvironmentCall(Privilege::Supervisor) => "trap_supervisor_ecall",
        Exception::EnvironmentCall(Privilege::Machine) => "trap_machine_ecall",
    }
}

#[cfg(test)]
mod tests;
