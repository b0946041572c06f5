//! [`Tracer`]: an [`Observer`] that writes what QEMU writes with `-d int,mmu,in_asm,exec`, line by
//! line. `trace/options.rs` says what can be asked for.
//!
//! `int`, a line for each trap, before it is taken:
//! ```text
//! riscv_cpu_do_interrupt: hart:0, async:0, cause:000000000000000d, epc:0x0000000080000084, tval:0x0000000000000000, desc=load_page_fault
//! ```
//! `mmu`, some lines for each TLB miss: what is to be translated (`rw` 0 load, 1 store, 2 fetch;
//! `mmu_idx` the effective mode); what the page tables say (`ret` 0 translated, 1 page fault, 2
//! access fault; `prot` the sum of 1 read, 2 write, 4 execute); below it, which QEMU does not
//! have, the entries looked at; what PMP says, where there is something to protect:
//! ```text
//! riscv_cpu_tlb_fill ad 80001000 rw 0 mmu_idx 1
//! riscv_cpu_tlb_fill address=80001000 ret 0 physical 0000000080001000 prot 7
//!   level 2 at 0000000080002010: 00000000200000cf ppn=0x80000 DA--XWRV, leaf
//! riscv_cpu_tlb_fill PMP address=0000000080001000 ret 0 prot 7 tlb_size 4096
//! ```
//! `in_asm`, the instructions of a block when it is decoded (again, after its code was written):
//! ```text
//! ----------------
//! IN: main
//! Priv: 1; Virt: 0
//! 0x0000000080000088:  0385              addi                    t2, t2, 1
//! ```
//! `exec`, a line for each instruction before it is executed, where QEMU has one for each block of
//! host code. The bits of the instruction stand in place of the host's address, the mode in that of
//! the flags:
//! ```text
//! Trace 0: 0x00000385 [0000000000000000/0000000080000088/00000001/00000001] main
//! ```

mod options;

use std::io::{self, Write};

pub use options::{Filter, Modes, Region, TraceError, TraceItems, TraceOptions};

use super::causes;
use super::inspect::assembly;
use super::sink::Sink;
use super::symbols::Symbols;
use crate::addr::{Access, Privilege, Rights, VirtAddr};
use crate::hart::observe::Observer;
use crate::isa::{self, Extensions};
use crate::mmu::{Pte, Refusal, Step, Verdict, WalkRecord};
use crate::trap::{Exception, Interrupt};
use options::Scope;

/// Where a trace or a log goes.
pub type Output = Box<dyn Write + Send>;

/// `ret` of QEMU's lines.
const SUCCESS: u8 = 0;
const PAGE_FAULT: u8 = 1;
const ACCESS_FAULT: u8 = 2;

/// Writes what it is asked for.
#[derive(Debug)]
pub struct Tracer {
    items: TraceItems,
    scope: Scope,
    symbols: Symbols,
    sink: Sink<Output>,
    /// The hart whose turn it is.
    hart: u64,
}

impl Tracer {
    /// A trace on `out`, which need not be buffered, of a program with these symbols.
    ///
    /// # Errors
    /// [`TraceError::Symbol`] where the filter names one that the program does not have.
    pub fn new(options: &TraceOptions, symbols: Symbols, out: Output) -> Result<Self, TraceError> {
        let scope = Scope::new(&options.filter, &symbols)?;
        Ok(Self { items: options.items, scope, symbols, sink: Sink::new(out), hart: 0 })
    }

    /// Whether to show `item` of a hart at `pc` in mode `privilege`.
    fn shows(&self, item: TraceItems, privilege: Privilege, pc: VirtAddr) -> bool {
        self.items.has(item) && self.scope.has(privilege, pc.0)
    }

    fn trap(&mut self, cause: u64, is_async: u8, epc: VirtAddr, tval: u64, name: &str) {
        let hart = self.hart;
        self.sink.line(format_args!(
            "riscv_cpu_do_interrupt: hart:{hart}, async:{is_async}, cause:{cause:016x}, \
             epc:{epc}, tval:{tval:#018x}, desc={name}"
        ));
    }

    /// A line with the name of what `pc` belongs to behind `text`, if there is one.
    fn named_line(&mut self, text: std::fmt::Arguments<'_>, pc: VirtAddr) {
        match self.symbols.nearest(pc.0) {
            Some((symbol, _)) => self.sink.line(format_args!("{text} {}", symbol.name)),
            None => self.sink.line(text),
        }
    }

    /// The line of the instruction at `pc` within a block.
    fn instruction(&mut self, pc: u64, bits: u32, len_bytes: usize) {
        let digits = format!("{bits:0width$x}", width = 2 * len_bytes);
        let text = match isa::decode(bits, &Extensions::ALL) {
            Some(insn) => {
                let text = assembly(&insn, pc, &self.symbols);
                let (mnemonic, operands) = text.split_once(' ').unwrap_or((&text, ""));
                format!("{mnemonic:<24}{operands}")
            }
            None => "illegal".to_owned(),
        };
        self.sink.line(format_args!("0x{pc:016x}:  {digits:<18}{}", text.trim_end()));
    }
}

impl Observer for Tracer {
    const ACTIVE: bool = true;

    fn turn(&mut self, hart: u64) {
        self.hart = hart;
    }

    fn pause(&mut self) {
        // Whoever follows the trace of a machine that sleeps wants to see all of it.
        self.sink.hand_on();
    }

    fn begin(&mut self, privilege: Privilege, pc: VirtAddr, bits: u32) {
        if !self.shows(TraceItems::EXEC, privilege, pc) {
            return;
        }
        let (hart, mode, at) = (self.hart, privilege as u8, pc.0);
        // QEMU counts the instructions of a block in the last field.
        let line =
            format_args!("Trace {hart}: 0x{bits:08x} [{:016x}/{at:016x}/{mode:08x}/{:08x}]", 0, 1);
        self.named_line(line, pc);
    }

    fn decoded(&mut self, privilege: Privilege, pc: VirtAddr, code: &[u8]) {
        if !self.items.has(TraceItems::IN_ASM) {
            return;
        }
        let (mut at, mut rest, mut has_begun) = (pc, code, false);
        while let Some((bits, len)) = first_insn(rest) {
            if self.scope.has(privilege, at.0) {
                if !has_begun {
                    self.sink.line(format_args!("----------------"));
                    self.named_line(format_args!("IN:"), at);
                    self.sink.line(format_args!("Priv: {}; Virt: 0", privilege as u8));
                    has_begun = true;
                }
                self.instruction(at.0, bits, len);
            }
            (at, rest) = (at.wrapping_add(len as u64), &rest[len..]);
        }
        if has_begun {
            self.sink.end_line();
        }
    }

    fn walk(&mut self, walk: &WalkRecord, privilege: Privilege, pc: VirtAddr) {
        if !self.shows(TraceItems::MMU, privilege, pc) {
            return;
        }
        let VirtAddr(va) = walk.va;
        let rw = match walk.access {
            Access::Load => 0,
            Access::Store => 1,
            Access::Fetch => 2,
        };
        let mode = walk.cx.privilege as u8;
        self.sink.line(format_args!("riscv_cpu_tlb_fill ad {va:x} rw {rw} mmu_idx {mode}"));
        let (ret, pa) = match walk.explanation.pa {
            Ok(pa) | Err(Refusal::Protection(pa)) => (SUCCESS, pa.0),
            Err(Refusal::Walk(fault)) if fault.is_access_fault() => (ACCESS_FAULT, 0),
            Err(Refusal::Walk(_)) => (PAGE_FAULT, 0),
        };
        let prot = if ret == SUCCESS { mapped_rights(walk) } else { 0 };
        self.sink.line(format_args!(
            "riscv_cpu_tlb_fill address={va:x} ret {ret} physical {pa:016x} prot {prot}"
        ));
        for step in &walk.explanation.steps {
            self.sink.line(format_args!("  {}", level(step)));
        }
        match (walk.explanation.pa, walk.explanation.steps.as_slice()) {
            (Err(Refusal::Walk(fault)), []) => self.sink.line(format_args!("  no walk: {fault}")),
            (Err(Refusal::Walk(_)), _) => {}
            (found, _) => {
                let (ret, prot, size) = match (found, walk.page_rights) {
                    (Err(_), _) => (ACCESS_FAULT, 0, 4096),
                    (Ok(_), Some(rights)) => (SUCCESS, rights_bits(rights), 4096),
                    // Bytes of the page differ: QEMU keeps no more than the one asked for.
                    (Ok(_), None) => (SUCCESS, access_bit(walk.access), 1),
                };
                self.sink.line(format_args!(
                    "riscv_cpu_tlb_fill PMP address={pa:016x} ret {ret} prot {prot} tlb_size {size}"
                ));
            }
        }
    }

    fn exception(&mut self, exception: &Exception, from: Privilege, epc: VirtAddr) {
        if self.shows(TraceItems::INT, from, epc) {
            let cause = exception.cause();
            self.trap(cause, 0, epc, exception.tval(), causes::EXCEPTIONS[cause as usize]);
        }
    }

    fn interrupt(&mut self, interrupt: Interrupt, from: Privilege, epc: VirtAddr) {
        if self.shows(TraceItems::INT, from, epc) {
            let cause = interrupt as u64;
            self.trap(cause, 1, epc, 0, causes::INTERRUPTS[cause as usize]);
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.sink.finish()
    }
}

/// The bits of the first instruction in `code` and its length in bytes.
fn first_insn(code: &[u8]) -> Option<(u32, usize)> {
    match *code {
        [a, b, c, d, ..] if a & 3 == 3 => Some((u32::from_le_bytes([a, b, c, d]), 4)),
        [a, b, ..] => Some((u32::from_le_bytes([a, b, 0, 0]), 2)),
        _ => None,
    }
}

/// One entry of a walk, and what came of it.
fn level(step: &Step) -> String {
    let Step { level, pte_at, pte, verdict } = step;
    let verdict = match verdict {
        Verdict::Pointer => "pointer",
        Verdict::Leaf => "leaf",
        Verdict::Updated => "leaf, A or D set",
        Verdict::Raced => "changed meanwhile",
        Verdict::Fault(fault) => &format!("denied: {fault}"),
    };
    format!("level {level} at {:016x}: {:016x} {pte}, {verdict}", pte_at.0, pte.0)
}

/// What the page tables let be done with the page, in QEMU's bits. A page that is not dirty is
/// not mapped for stores until one comes.
fn mapped_rights(walk: &WalkRecord) -> u8 {
    let Some(Step { pte, .. }) = walk.explanation.steps.last() else {
        return rights_bits(Rights::ALL);
    };
    rights_bits(Rights {
        read: pte.has(Pte::R) || walk.cx.mxr && pte.has(Pte::X),
        write: pte.has(Pte::W) && (pte.has(Pte::D) || walk.access == Access::Store),
        execute: pte.has(Pte::X),
    })
}

fn rights_bits(rights: Rights) -> u8 {
    let bit = |access| if rights.allows(access) { access_bit(access) } else { 0 };
    Access::ALL.into_iter().map(bit).sum()
}

const fn access_bit(access: Access) -> u8 {
    match access {
        Access::Load => 1,
        Access::Store => 2,
        Access::Fetch => 4,
    }
}

#[cfg(test)]
mod tests;
