//! A debugger's view of a hart's registers: which there are (`target.xml`), reading and writing
//! them. Numbers are gdb's own for RISC-V: x0 to x31, pc, f0 to f31, the CSRs by their numbers,
//! the privilege mode. `target.rs` answers gdb with what is here.

use std::fmt::Write;

use gdbstub_arch::riscv::reg::id::RiscvRegId;

use crate::addr::{Privilege, VirtAddr};
use crate::bus::Bus;
use crate::csr::{CsrAddr, CsrCx};
use crate::hart::Hart;
use crate::isa::disasm::{F_NAMES, X_NAMES};
use crate::system;

/// A register by gdb's number.
pub(super) type Register = RiscvRegId<u64>;

/// gdb's numbers of the first register of each kind.
const PC: usize = 32;
const FIRST_F: usize = 33;
const FIRST_CSR: usize = 65;
const PRIV: usize = FIRST_CSR + 4096;

/// `fflags`, `frm` and `fcsr`, which gdb counts among the floating-point registers.
const FLOAT_CSRS: std::ops::RangeInclusive<u16> = 1..=3;

/// The register cannot be written, or not with this value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused;

/// Size in bytes of `register` as gdb sees it.
pub(super) fn size_bytes(register: Register) -> usize {
    if matches!(register, Register::Priv) { 1 } else { 8 }
}

/// Everything is open to a debugger, as it is to M-mode.
fn csr_cx(hart: &Hart, bus: &Bus) -> CsrCx {
    CsrCx { privilege: Privilege::Machine, ..hart.csr_cx(bus) }
}

/// What `register` holds; `None` where the hart does not have it.
pub(super) fn read(hart: &Hart, bus: &Bus, register: Register) -> Option<u64> {
    match register {
        Register::Gpr(r) => hart.x[..32].get(usize::from(r)).copied(),
        Register::Fpr(r) => hart.f[..32].get(usize::from(r)).copied(),
        Register::Pc => Some(hart.pc.0),
        Register::Csr(number) => hart.csr.peek(CsrAddr(number), &csr_cx(hart, bus)),
        Register::Priv => Some(hart.privilege as u64),
        _ => None,
    }
}

/// Writes `register`, a CSR as an instruction in M-mode would.
///
/// # Errors
/// [`Refused`] where the hart does not have it, or it is read-only, or the value means nothing.
pub(super) fn write(
    hart: &mut Hart,
    bus: &Bus,
    register: Register,
    value: u64,
) -> Result<(), Refused> {
    match register {
        Register::Gpr(r) => hart.set_x(r, value),
        Register::Fpr(r) => {
            *hart.f[..32].get_mut(usize::from(r)).ok_or(Refused)? = value;
            if hart.csr.fp_enabled() {
                hart.csr.set_fs_dirty();
            }
        }
        // As everywhere, the low bits of a pc are not there.
        Register::Pc => hart.pc = VirtAddr(value & !hart.ialign_mask()),
        Register::Csr(number) => {
            let cx = csr_cx(hart, bus);
            // Debuggers put back what they have saved, of registers too that nobody may write now.
            if hart.csr.peek(CsrAddr(number), &cx) == Some(value) {
                return Ok(());
            }
            let access = hart.csr.access(CsrAddr(number), Some(|_| value), &cx);
            let (_, effect) = access.map_err(|_| Refused)?;
            // What the engine would do next, it does anyway when it runs the hart again.
            let _ = system::apply(hart, effect);
        }
        Register::Priv => {
            let before = hart.privilege;
            hart.privilege = Privilege::from_bits(value).ok_or(Refused)?;
            if hart.is_in_host_firmware() {
                hart.privilege = before;
                return Err(Refused);
            }
            hart.refresh_translation();
        }
        _ => return Err(Refused),
    }
    // No instruction has written it: a commit log must not hear of it with the next one.
    hart.csr.take_written();
    Ok(())
}

/// The target description of `hart`.
///
/// Source: GDB manual, "Target Descriptions", "RISC-V Features".
pub(super) fn description(hart: &Hart, bus: &Bus) -> String {
    const MISA_F: u64 = 1 << 5;
    let mut xml = Xml(String::from(concat!(
        "<?xml version=\"1.0\"?>\n",
        "<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n",
        "<target version=\"1.0\">\n",
        "<architecture>riscv:rv64</architecture>\n",
    )));
    xml.feature("org.gnu.gdb.riscv.cpu", |xml| {
        for (number, name) in X_NAMES.iter().enumerate() {
            let kind = match *name {
                "ra" => "code_ptr",
                "sp" | "gp" | "tp" | "s0" => "data_ptr",
                _ => "int",
            };
            xml.register(name, number, kind);
        }
        xml.register("pc", PC, "code_ptr");
    });
    let cx = csr_cx(hart, bus);
    let csr = |number: u16| {
        hart.csr.peek(CsrAddr(number), &cx)?;
        Some((CsrAddr(number).name()?, FIRST_CSR + usize::from(number)))
    };
    if hart.csr.config().misa & MISA_F != 0 {
        xml.feature("org.gnu.gdb.riscv.fpu", |xml| {
            xml.0.push_str(concat!(
                "<union id=\"riscv_double\">",
                "<field name=\"float\" type=\"ieee_single\"/>",
                "<field name=\"double\" type=\"ieee_double\"/>",
                "</union>\n",
            ));
            for (number, name) in F_NAMES.iter().enumerate() {
                xml.register(name, FIRST_F + number, "riscv_double");
            }
            for (name, number) in FLOAT_CSRS.filter_map(csr) {
                xml.register(&name, number, "int");
            }
        });
    }
    xml.feature("org.gnu.gdb.riscv.csr", |xml| {
        let others = (0..0x1000).filter(|number| !FLOAT_CSRS.contains(number));
        for (name, number) in others.filter_map(csr) {
            xml.register(&name, number, "int");
        }
    });
    xml.feature("org.gnu.gdb.riscv.virtual", |xml| {
        xml.line(format_args!("<reg name=\"priv\" bitsize=\"8\" type=\"int\" regnum=\"{PRIV}\"/>"));
    });
    xml.0.push_str("</target>\n");
    xml.0
}

struct Xml(String);

impl Xml {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("text can always be written to");
    }

    fn feature(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.line(format_args!("<feature name=\"{name}\">"));
        content(self);
        self.line(format_args!("</feature>"));
    }

    fn register(&mut self, name: &str, number: usize, kind: &str) {
        // What gdb saves around a call that the user makes: CSRs are not the callee's to change.
        let saved = if number > FIRST_CSR { " save-restore=\"no\"" } else { "" };
        self.line(format_args!(
            "<reg name=\"{name}\" bitsize=\"64\" type=\"{kind}\" regnum=\"{number}\"{saved}/>"
        ));
    }
}
