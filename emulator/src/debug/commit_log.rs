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

use crate::addr::{Access, Privilege, VirtAddr, Width};
use crate::csr::CsrAddr;
use crate::hart::observe::Observer;
use crate::trap::{Exception, Interrupt};

/// Text is handed to the writer in pieces of about this size.
const BUFFER_BYTES: usize = 64 << 10;

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
    out: W,
    /// `core   0: `, which every line begins with.
    prefix: String,
    text: Vec<u8>,
    registers: Vec<(Register, u64)>,
    loads: Vec<VirtAddr>,
    stores: Vec<(VirtAddr, Width, u64)>,
    /// The first failure to write; nothing is written after it.
    failure: Option<io::Error>,
}

impl<W: Write> CommitLog<W> {
    /// A log of the hart with number `hart_id` on `out`, which need not be buffered.
    pub fn new(out: W, hart_id: u64) -> Self {
        Self {
            out,
            prefix: format!("core{hart_id:4}: "),
            text: Vec::with_capacity(2 * BUFFER_BYTES),
            registers: Vec::new(),
            loads: Vec::new(),
            stores: Vec::new(),
            failure: None,
        }
    }

    fn hand_on(&mut self) {
        if self.failure.is_none() {
            self.failure = self.out.write_all(&self.text).err();
        }
        self.text.clear();
    }

    fn register(&mut self, register: Register, value: u64) {
        match self.registers.iter_mut().find(|(written, _)| *written == register) {
            Some((_, last)) => *last = value,
            None => self.registers.push((register, value)),
        }
    }

    fn begin_line(&mut self) {
        self.text.extend_from_slice(self.prefix.as_bytes());
    }

    fn end_line(&mut self) {
        self.text.push(b'\n');
        self.registers.clear();
        self.loads.clear();
        self.stores.clear();
        if self.text.len() >= BUFFER_BYTES {
            self.hand_on();
        }
    }

    fn trap(&mut self, name: &str, epc: VirtAddr) {
        self.begin_line();
        self.text.extend_from_slice(b"exception ");
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b", epc ");
        hex(&mut self.text, epc.0, 16);
        self.end_line();
    }
}

impl<W: Write> Observer for CommitLog<W> {
    const ACTIVE: bool = true;

    fn finish(&mut self) -> io::Result<()> {
        self.hand_on();
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => self.out.flush(),
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
        self.text.push(b'0' + privilege as u8);
        self.text.push(b' ');
        hex(&mut self.text, pc.0, 16);
        self.text.extend_from_slice(b" (");
        hex(&mut self.text, bits.into(), if bits & 3 == 3 { 8 } else { 4 });
        self.text.push(b')');
        self.registers.sort_unstable_by_key(|(register, _)| register.key());
        for &(register, value) in &self.registers {
            put_register(&mut self.text, register);
            hex(&mut self.text, value, 16);
        }
        for va in &self.loads {
            self.text.extend_from_slice(b" mem ");
            hex(&mut self.text, va.0, 16);
        }
        for &(va, width, value) in &self.stores {
            self.text.extend_from_slice(b" mem ");
            hex(&mut self.text, va.0, 16);
            self.text.push(b' ');
            hex(&mut self.text, value, 2 * width.bytes() as usize);
        }
        self.end_line();
    }

    fn exception(&mut self, exception: &Exception, epc: VirtAddr) {
        self.trap(exception_name(*exception), epc);
        if !matches!(exception, Exception::EnvironmentCall(_)) {
            self.begin_line();
            self.text.extend_from_slice(b"          tval ");
            hex(&mut self.text, exception.tval(), 16);
            self.end_line();
        }
    }

    fn interrupt(&mut self, interrupt: Interrupt, epc: VirtAddr) {
        self.trap(&format!("interrupt #{}", interrupt as u64), epc);
    }
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
