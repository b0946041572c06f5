//! What assembly that calls Rust, or is called by it, says more than once: which registers a
//! function keeps.

/// Loads or stores (`"ld"`, `"sd"`) at sp what a function must keep for its caller, and the
/// registers that are set once: 15 doublewords.
macro_rules! kept_registers {
    ($insn:literal) => {
        concat!(
            $insn,
            " ra, 0(sp)\n",
            $insn,
            " s0, 8(sp)\n",
            $insn,
            " s1, 16(sp)\n",
            $insn,
            " s2, 24(sp)\n",
            $insn,
            " s3, 32(sp)\n",
            $insn,
            " s4, 40(sp)\n",
            $insn,
            " s5, 48(sp)\n",
            $insn,
            " s6, 56(sp)\n",
            $insn,
            " s7, 64(sp)\n",
            $insn,
            " s8, 72(sp)\n",
            $insn,
            " s9, 80(sp)\n",
            $insn,
            " s10, 88(sp)\n",
            $insn,
            " s11, 96(sp)\n",
            $insn,
            " gp, 104(sp)\n",
            $insn,
            " tp, 112(sp)\n",
        )
    };
}
pub(crate) use kept_registers;
