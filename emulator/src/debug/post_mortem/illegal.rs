//! Why an instruction is illegal: it is none, or it is not allowed at this moment.

use crate::addr::Privilege;
use crate::csr::CsrAddr;
use crate::debug::inspect::mode_letter;
use crate::debug::view::View;
use crate::isa::{self, Extension, Extensions, Insn, Op};

/// Extensions whose instructions need `mstatus.FS`.
const FLOATING_POINT: [Extension; 4] =
    [Extension::F, Extension::D, Extension::Zfh, Extension::Zfhmin];

/// What makes the instruction `bits` illegal in this mode on the current hart, as far as can be
/// seen now.
pub(super) fn reason(view: &View<'_>, bits: u32, privilege: Privilege) -> String {
    let Some(insn) = isa::decode(bits, &Extensions::ALL) else {
        return match bits {
            0 => "memory is zero there, and that is no instruction".to_owned(),
            _ => format!("{bits:#x} is no instruction"),
        };
    };
    let (mode, status) = (mode_letter(privilege), view.hart().csr.mstatus());
    let below = |least: Privilege| privilege < least;
    match insn.op {
        Op::Mret if below(Privilege::Machine) => format!("mret is for M-mode, not {mode}-mode"),
        Op::Sret | Op::Wfi | Op::SfenceVma if below(Privilege::Supervisor) => {
            format!("{} is not for {mode}-mode", insn.op.row().mnemonic)
        }
        Op::Sret if status.tsr() => "mstatus.TSR keeps sret from S-mode".to_owned(),
        Op::Wfi if status.tw() => "mstatus.TW keeps wfi from S-mode".to_owned(),
        Op::SfenceVma if status.tvm() => "mstatus.TVM keeps sfence.vma from S-mode".to_owned(),
        Op::Csrrw | Op::Csrrs | Op::Csrrc | Op::Csrrwi | Op::Csrrsi | Op::Csrrci => {
            csr(view, &insn, privilege)
        }
        op => {
            let extensions = op.row().extensions;
            let is_float = FLOATING_POINT.into_iter().any(|float| extensions.has(float));
            if is_float && !status.fp_enabled() {
                return "floating point is off (mstatus.FS = 0)".to_owned();
            }
            let names = Extension::ALL.iter().filter(|extension| extensions.has(**extension));
            let names: Vec<_> = names.map(|extension| extension.name()).collect();
            format!("this hart has not {}, or it is not enabled for {mode}-mode", names.join("_"))
        }
    }
}

/// What is wrong with an access to a CSR.
fn csr(view: &View<'_>, insn: &Insn, privilege: Privilege) -> String {
    const LOWEST: [&str; 4] = ["U", "S", "HS", "M"];
    let addr = CsrAddr((insn.imm & 0xfff) as u16);
    let mode = mode_letter(privilege);
    let number = addr.0;
    let name = addr.name().unwrap_or_else(|| format!("CSR {number:#x}"));
    if view.csr(addr).is_none() {
        return format!("this hart has no {name}");
    }
    if !addr.is_open_to(privilege) {
        let lowest = LOWEST[usize::from(number >> 8 & 3)];
        return format!("{name} is for {lowest}-mode and above, not for {mode}-mode");
    }
    let is_float = number < 4;
    if is_float && !view.hart().csr.mstatus().fp_enabled() {
        return format!("{name} needs floating point, which is off (mstatus.FS = 0)");
    }
    if addr.is_read_only() {
        return format!("{name} is read-only, or closed to {mode}-mode");
    }
    format!("{name} is closed to {mode}-mode (mstatus.TVM, mcounteren or menvcfg)")
}
