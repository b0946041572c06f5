//! The functions that the firmware offers, one aligned row each: extension, number within it, the
//! specification's name, body. Probing looks here too.

use super::{Answer, Args, Cx};
use super::{base, console, fence, hsm, legacy, pmu, power, time};

/// The body of a function.
type Body = fn(&mut Cx<'_>, &Args) -> Answer;

/// One function.
#[derive(Debug)]
pub(super) struct Function {
    eid: u64,
    /// Ignored where the extension is a legacy one.
    fid: u64,
    /// The specification's name.
    pub(super) name: &'static str,
    pub(super) run: Body,
}

#[cfg(test)]
impl Function {
    /// Extension and function.
    pub(super) fn number(&self) -> (u64, u64) {
        (self.eid, self.fid)
    }
}

/// Extensions of which each is a single function, whatever `a6` says.
const LAST_LEGACY: u64 = 0x0f;
const BASE: u64 = 0x10;
// The letters of their names.
const TIME: u64 = 0x5449_4d45;
const IPI: u64 = 0x0073_5049;
const RFENCE: u64 = 0x5246_4e43;
const HSM: u64 = 0x0048_534d;
const SRST: u64 = 0x5352_5354;
const PMU: u64 = 0x0050_4d55;
const DBCN: u64 = 0x4442_434e;

const fn row(eid: u64, fid: u64, name: &'static str, run: Body) -> Function {
    Function { eid, fid, name, run }
}

/// All functions.
///
/// Source: the function listing of each extension's chapter.
#[rustfmt::skip]
pub(super) static FUNCTIONS: &[Function] = &[
    row(0x00,   0, "legacy sbi_set_timer",              time::set_timer),
    row(0x01,   0, "sbi_console_putchar",               console::write_byte),
    row(0x02,   0, "sbi_console_getchar",               legacy::console_getchar),
    row(0x03,   0, "sbi_clear_ipi",                     legacy::clear_ipi),
    row(0x04,   0, "legacy sbi_send_ipi",               legacy::send_ipi),
    row(0x05,   0, "legacy sbi_remote_fence_i",         legacy::remote_fence_i),
    row(0x06,   0, "legacy sbi_remote_sfence_vma",      legacy::remote_sfence_vma),
    row(0x07,   0, "legacy sbi_remote_sfence_vma_asid", legacy::remote_sfence_vma_asid),
    row(0x08,   0, "sbi_shutdown",                      power::shutdown),
    row(BASE,   0, "sbi_get_spec_version",              base::spec_version),
    row(BASE,   1, "sbi_get_impl_id",                   base::impl_id),
    row(BASE,   2, "sbi_get_impl_version",              base::impl_version),
    row(BASE,   3, "sbi_probe_extension",               base::probe_extension),
    row(BASE,   4, "sbi_get_mvendorid",                 base::mvendorid),
    row(BASE,   5, "sbi_get_marchid",                   base::marchid),
    row(BASE,   6, "sbi_get_mimpid",                    base::mimpid),
    row(TIME,   0, "sbi_set_timer",                     time::set_timer),
    row(IPI,    0, "sbi_send_ipi",                      fence::send_ipi),
    row(RFENCE, 0, "sbi_remote_fence_i",                fence::remote_fence_i),
    row(RFENCE, 1, "sbi_remote_sfence_vma",             fence::remote_sfence_vma),
    row(RFENCE, 2, "sbi_remote_sfence_vma_asid",        fence::remote_sfence_vma_asid),
    row(RFENCE, 3, "sbi_remote_hfence_gvma_vmid",       fence::no_hypervisor),
    row(RFENCE, 4, "sbi_remote_hfence_gvma",            fence::no_hypervisor),
    row(RFENCE, 5, "sbi_remote_hfence_vvma_asid",       fence::no_hypervisor),
    row(RFENCE, 6, "sbi_remote_hfence_vvma",            fence::no_hypervisor),
    row(HSM,    0, "sbi_hart_start",                    hsm::hart_start),
    row(HSM,    1, "sbi_hart_stop",                     hsm::hart_stop),
    row(HSM,    2, "sbi_hart_get_status",               hsm::hart_get_status),
    row(HSM,    3, "sbi_hart_suspend",                  hsm::hart_suspend),
    row(SRST,   0, "sbi_system_reset",                  power::system_reset),
    row(PMU,    0, "sbi_pmu_num_counters",              pmu::num_counters),
    row(PMU,    1, "sbi_pmu_counter_get_info",          pmu::counter_get_info),
    row(PMU,    2, "sbi_pmu_counter_config_matching",   pmu::counter_config_matching),
    row(PMU,    3, "sbi_pmu_counter_start",             pmu::counter_start),
    row(PMU,    4, "sbi_pmu_counter_stop",              pmu::counter_stop),
    row(PMU,    5, "sbi_pmu_counter_fw_read",           pmu::counter_fw_read),
    row(PMU,    6, "sbi_pmu_counter_fw_read_hi",        pmu::counter_fw_read_hi),
    row(DBCN,   0, "sbi_debug_console_write",           console::write),
    row(DBCN,   1, "sbi_debug_console_read",            console::read),
    row(DBCN,   2, "sbi_debug_console_write_byte",      console::write_byte),
];

/// Whether `eid` is one of the extensions from before functions had numbers.
pub(super) fn is_legacy(eid: u64) -> bool {
    eid <= LAST_LEGACY
}

/// Whether any function of the extension `eid` is offered.
pub(super) fn offers(eid: u64) -> bool {
    FUNCTIONS.iter().any(|function| function.eid == eid)
}

/// The function `fid` of the extension `eid`, where it is offered.
pub(super) fn find(eid: u64, fid: u64) -> Option<&'static Function> {
    let is_it = |f: &&Function| f.eid == eid && (f.fid == fid || is_legacy(eid));
    FUNCTIONS.iter().find(is_it)
}
