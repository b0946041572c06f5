//! Short names of trap causes, those that QEMU prints: trace and statistics use the same.

/// Exceptions by cause number.
pub(super) const EXCEPTIONS: [&str; 16] = [
    "misaligned_fetch",
    "fault_fetch",
    "illegal_instruction",
    "breakpoint",
    "misaligned_load",
    "fault_load",
    "misaligned_store",
    "fault_store",
    "user_ecall",
    "supervisor_ecall",
    "hypervisor_ecall",
    "machine_ecall",
    "exec_page_fault",
    "load_page_fault",
    "reserved",
    "store_page_fault",
];

/// Interrupts by cause number.
pub(super) const INTERRUPTS: [&str; 12] = [
    "u_software",
    "s_software",
    "vs_software",
    "m_software",
    "u_timer",
    "s_timer",
    "vs_timer",
    "m_timer",
    "u_external",
    "s_external",
    "vs_external",
    "m_external",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::{Access, Privilege, VirtAddr};
    use crate::trap::{Exception, Interrupt};

    #[test]
    fn every_cause_has_a_name_of_its_own() {
        let at = VirtAddr(0);
        let accesses = Access::ALL.into_iter().flat_map(|access| {
            [Exception::Misaligned(access, at), Exception::AccessFault(access, at)]
                .into_iter()
                .chain([Exception::PageFault(access, at)])
        });
        let modes = [Privilege::User, Privilege::Supervisor, Privilege::Machine];
        let calls = modes.into_iter().map(Exception::EnvironmentCall);
        let others = [Exception::IllegalInstruction(0), Exception::Breakpoint(at)];
        let mut names: Vec<_> = accesses
            .chain(calls)
            .chain(others)
            .map(|exception| EXCEPTIONS[exception.cause() as usize])
            .chain(Interrupt::BY_PRIORITY.map(|interrupt| INTERRUPTS[interrupt as usize]))
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!((names.len(), all), (20, 20), "{names:?}");
        assert!(!names.contains(&"reserved") && !names.contains(&"hypervisor_ecall"));
    }
}
