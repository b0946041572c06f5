//! Instructions of the kernel that may fault, and where to go on if they do.

/// One row of the table: a fault at an address from `start` up to `end` goes on at `target`.
#[repr(C)]
#[derive(Debug)]
struct Row {
    start: u64,
    end: u64,
    target: u64,
}

/// In assembly: faults between two labels go on at a third one.
macro_rules! fixup_section {
    ($start:literal, $end:literal, $target:literal) => {
        concat!(
            ".pushsection .fixups, \"a\"\n",
            ".balign 8\n.dword ",
            $start,
            ", ",
            $end,
            ", ",
            $target,
            "\n.popsection"
        )
    };
}
pub(super) use fixup_section;

unsafe extern "C" {
    static _fixups_start: Row;
    static _fixups_end: Row;
}

/// Where the kernel goes on after a fault of the instruction at `pc`; `None`: it does not.
pub(crate) fn target(pc: u64) -> Option<u64> {
    let (start, end) = (&raw const _fixups_start, &raw const _fixups_end);
    // SAFETY: the linker puts the rows, and nothing else, between the symbols.
    let rows = unsafe { core::slice::from_raw_parts(start, end.offset_from_unsigned(start)) };
    rows.iter().find(|row| row.start <= pc && pc < row.end).map(|row| row.target)
}
