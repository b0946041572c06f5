//! Causes of traps in the manual's words: [`cause_name`], and the numbers of a [`Trap`].

use crate::trap::Trap;

/// The bit of `mcause` and `scause` that tells interrupts from exceptions.
const INTERRUPT: u64 = 1 << 63;

/// Source: Privileged ISA, "Machine Cause (mcause) Register", table of cause values.
#[rustfmt::skip]
const EXCEPTIONS: [&str; 16] = [
    "instruction address misaligned", "instruction access fault", "illegal instruction", "breakpoint",
    "load address misaligned", "load access fault", "store/AMO address misaligned", "store/AMO access fault",
    "environment call from U-mode", "environment call from S-mode", "", "environment call from M-mode",
    "instruction page fault", "load page fault", "", "store/AMO page fault",
];

#[rustfmt::skip]
const INTERRUPTS: [&str; 12] = [
    "", "supervisor software interrupt", "", "machine software interrupt",
    "", "supervisor timer interrupt", "", "machine timer interrupt",
    "", "supervisor external interrupt", "", "machine external interrupt",
];

/// What a value of `mcause` or `scause` means; `None` where it means nothing.
pub fn cause_name(cause: u64) -> Option<&'static str> {
    let names: &[&str] = if cause & INTERRUPT == 0 { &EXCEPTIONS } else { &INTERRUPTS };
    let name = names.get(usize::try_from(cause & !INTERRUPT).ok()?)?;
    (!name.is_empty()).then_some(name)
}

/// What `trap` is called.
pub(in crate::debug) fn trap_name(trap: Trap) -> &'static str {
    let cause = match trap {
        Trap::Exception(exception) => exception.cause(),
        Trap::Interrupt(interrupt) => INTERRUPT | interrupt as u64,
    };
    cause_name(cause).expect("every trap has a name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trap::Interrupt;

    #[test]
    fn names() {
        for (cause, name) in [
            (0, Some("instruction address misaligned")),
            (2, Some("illegal instruction")),
            (7, Some("store/AMO access fault")),
            (10, None),
            (11, Some("environment call from M-mode")),
            (15, Some("store/AMO page fault")),
            (16, None),
            (u64::MAX, None),
            (INTERRUPT, None),
            (INTERRUPT | 7, Some("machine timer interrupt")),
            (INTERRUPT | 12, None),
        ] {
            assert_eq!(cause_name(cause), name, "{cause:#x}");
        }
        for interrupt in Interrupt::BY_PRIORITY {
            assert!(trap_name(Trap::Interrupt(interrupt)).ends_with("interrupt"));
        }
    }
}
