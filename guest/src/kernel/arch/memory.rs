//! Copying and filling, in assembly: what the compiler calls by name for its own copies, and the
//! same loop with faults forgiven for user memory. About 2.1 instructions for eight bytes where
//! both ends are aligned alike.

use core::arch::{global_asm, naked_asm};

/// Copies a2 bytes from a1 to a0, upwards: in blocks of 512 bytes, in words, in bytes. Words that
/// are not aligned alike are put together from aligned ones, so nothing is loaded or stored
/// misaligned, and nothing outside the words that hold the bytes. Uses t0 to t6 and a4 to a6.
///
/// What is left of a block is copied by the end of a row of instructions: eight bytes of them for
/// eight bytes of data, so that the place to jump to is as far before the row's end.
///
/// At any load and store but those of the row a0 to a2 say what is not copied for sure, and there,
/// too, once t1 is subtracted from a0 and a1: after a fault the copy may go on at 35 from a block,
/// at 34 from the row, at 60 from a word, and so come to the very byte.
macro_rules! copy_loop {
    () => {
        "or   t1, a0, a1
         andi t1, t1, 7
         bnez t1, 50f
        10:
         li   t1, 512
         bgeu t1, a2, 20f
        11:
         .irp at, 0, 64, 128, 192, 256, 320, 384, 448
         ld   t0, \\at(a1)
         ld   t2, \\at + 8(a1)
         ld   t3, \\at + 16(a1)
         ld   t4, \\at + 24(a1)
         ld   t5, \\at + 32(a1)
         ld   t6, \\at + 40(a1)
         ld   a4, \\at + 48(a1)
         ld   a5, \\at + 56(a1)
         sd   t0, \\at(a0)
         sd   t2, \\at + 8(a0)
         sd   t3, \\at + 16(a0)
         sd   t4, \\at + 24(a0)
         sd   t5, \\at + 32(a0)
         sd   t6, \\at + 40(a0)
         sd   a4, \\at + 48(a0)
         sd   a5, \\at + 56(a0)
         .endr
         addi a2, a2, -512
         addi a1, a1, 512
         addi a0, a0, 512
         bltu t1, a2, 11b
         j    20f
        34:
         sub  a1, a1, t1
         sub  a0, a0, t1
        35:
         li   t1, 8
         bltu a2, t1, 60f
        36:
         ld   t0, 0(a1)
         sd   t0, 0(a0)
         addi a2, a2, -8
         addi a1, a1, 8
         addi a0, a0, 8
         bgeu a2, t1, 36b
         j    60f
        40:
         slli t3, t2, 3
         neg  t4, t3
         li   t1, 8
         andi a4, a1, -8
         ld   t5, 0(a4)
        41:
         ld   t6, 8(a4)
         srl  a5, t5, t3
         sll  a6, t6, t4
         or   a5, a5, a6
         sd   a5, 0(a0)
         mv   t5, t6
         addi a4, a4, 8
         addi a2, a2, -8
         addi a1, a1, 8
         addi a0, a0, 8
         bgeu a2, t1, 41b
         j    60f
        50:
         li   t1, 16
         bltu a2, t1, 60f
        51:
         andi t2, a0, 7
         beqz t2, 53f
        52:
         lb   t3, 0(a1)
         sb   t3, 0(a0)
         addi a0, a0, 1
         addi a1, a1, 1
         addi a2, a2, -1
         j    51b
        53:
         andi t2, a1, 7
         bnez t2, 40b
         j    10b
        20:
         andi t1, a2, -8
         lla  t2, 22f
         sub  t2, t2, t1
         add  a1, a1, t1
         add  a0, a0, t1
         jr   t2
        21:
         .option push
         .option norvc
         .irp at, 512, 448, 384, 320, 256, 192, 128, 64
         ld   t0, -\\at(a1)
         sd   t0, -\\at(a0)
         ld   t0, 8 - \\at(a1)
         sd   t0, 8 - \\at(a0)
         ld   t0, 16 - \\at(a1)
         sd   t0, 16 - \\at(a0)
         ld   t0, 24 - \\at(a1)
         sd   t0, 24 - \\at(a0)
         ld   t0, 32 - \\at(a1)
         sd   t0, 32 - \\at(a0)
         ld   t0, 40 - \\at(a1)
         sd   t0, 40 - \\at(a0)
         ld   t0, 48 - \\at(a1)
         sd   t0, 48 - \\at(a0)
         ld   t0, 56 - \\at(a1)
         sd   t0, 56 - \\at(a0)
         .endr
         .option pop
        22:
         andi a2, a2, 7
        60:
         beqz a2, 70f
        61:
         lb   t2, 0(a1)
         sb   t2, 0(a0)
         addi a2, a2, -1
         addi a1, a1, 1
         addi a0, a0, 1
         bnez a2, 61b
        70:"
    };
}
pub(super) use copy_loop;

/// Behind [`copy_loop`]: where it goes on after a fault. One of a single byte ends the copy, at the
/// label `$end`; one of a larger piece lets it go on by smaller ones, up to the very byte.
macro_rules! copy_fixups {
    ($end:literal) => {
        concat!(
            $crate::arch::fixup::fixup_section!("11b", "34b", "35b"),
            "\n",
            $crate::arch::fixup::fixup_section!("21b", "22b", "34b"),
            "\n",
            $crate::arch::fixup::fixup_section!("36b", "50b", "60b"),
            "\n",
            $crate::arch::fixup::fixup_section!("52b", "53b", $end),
            "\n",
            $crate::arch::fixup::fixup_section!("61b", "70b", $end),
        )
    };
}
pub(super) use copy_fixups;

global_asm!(
    ".pushsection .text.memcpy, \"ax\"",
    ".globl memcpy",
    ".balign 4",
    "memcpy:",
    "mv   a7, a0",
    copy_loop!(),
    "mv   a0, a7",
    "ret",
    ".popsection",
);

/// Copies bytes between places that may overlap, as C's `memmove`; the compiler calls it. Downwards
/// only where the upwards copy would overwrite what it has not read yet.
///
/// # Safety
/// All `length_bytes` at `to` may be written, and as many at `from` read.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, length_bytes: usize) -> *mut u8 {
    naked_asm!(
        // Vectors often move what is behind their last element.
        "beqz a2, 6f",
        "sub  t0, a0, a1",
        "bltu t0, a2, 1f",
        "tail memcpy",
        "1:",
        "add  a3, a0, a2",
        "add  a1, a1, a2",
        "or   t0, a3, a1",
        "or   t0, t0, a2",
        "andi t0, t0, 7",
        "bnez t0, 5f",
        "li   t1, 32",
        "bltu a2, t1, 3f",
        "2:",
        "ld   t0, -8(a1)",
        "ld   t2, -16(a1)",
        "ld   t3, -24(a1)",
        "ld   t4, -32(a1)",
        "sd   t0, -8(a3)",
        "sd   t2, -16(a3)",
        "sd   t3, -24(a3)",
        "sd   t4, -32(a3)",
        "addi a2, a2, -32",
        "addi a1, a1, -32",
        "addi a3, a3, -32",
        "bgeu a2, t1, 2b",
        "3:",
        "beqz a2, 6f",
        "4:",
        "ld   t0, -8(a1)",
        "sd   t0, -8(a3)",
        "addi a1, a1, -8",
        "addi a3, a3, -8",
        "bne  a3, a0, 4b",
        "ret",
        // Bytes: rare, and short.
        "5:",
        "lb   t0, -1(a1)",
        "sb   t0, -1(a3)",
        "addi a1, a1, -1",
        "addi a3, a3, -1",
        "bne  a3, a0, 5b",
        "6:",
        "ret",
    )
}

/// Sets bytes, as C's `memset`; the compiler calls it.
///
/// # Safety
/// All `length_bytes` at `to` may be written.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, length_bytes: usize) -> *mut u8 {
    naked_asm!(
        "mv   t0, a0",
        "andi a1, a1, 255",
        "beqz a1, 1f",
        // Eight times the byte.
        "slli t2, a1, 8",
        "or   a1, a1, t2",
        "slli t2, a1, 16",
        "or   a1, a1, t2",
        "slli t2, a1, 32",
        "or   a1, a1, t2",
        "1:",
        "andi t2, t0, 7",
        "bnez t2, 5f",
        "2:",
        "li   t1, 128",
        "bgeu t1, a2, 4f",
        "3:",
        ".irp at, 0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120",
        "sd   a1, \\at(t0)",
        ".endr",
        "addi a2, a2, -128",
        "addi t0, t0, 128",
        "bltu t1, a2, 3b",
        // The rest by the end of a row, as above: four bytes of it for eight of memory.
        "4:",
        "andi t1, a2, -8",
        "srli t2, t1, 1",
        "lla  t3, 6f",
        "sub  t3, t3, t2",
        "add  t0, t0, t1",
        "jr   t3",
        // Not aligned: bytes up to a word, or to the end.
        "5:",
        "beqz a2, 8f",
        "sb   a1, 0(t0)",
        "addi a2, a2, -1",
        "addi t0, t0, 1",
        "andi t2, t0, 7",
        "bnez t2, 5b",
        "j    2b",
        ".option push",
        ".option norvc",
        ".irp at, 128, 120, 112, 104, 96, 88, 80, 72, 64, 56, 48, 40, 32, 24, 16, 8",
        "sd   a1, -\\at(t0)",
        ".endr",
        ".option pop",
        "6:",
        "andi a2, a2, 7",
        "beqz a2, 8f",
        "7:",
        "sb   a1, 0(t0)",
        "addi a2, a2, -1",
        "addi t0, t0, 1",
        "bnez a2, 7b",
        "8:",
        "ret",
    )
}
