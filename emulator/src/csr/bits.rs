//! Bit positions of CSR fields, by the manual's names. Neighbours: `status.rs`, `interrupts.rs`
//! and `envcfg.rs` read and legalise with them.

/// Fields of `mstatus` and `sstatus`.
pub(super) mod status {
    pub(in crate::csr) const SIE: u64 = 1 << 1;
    pub(in crate::csr) const MIE: u64 = 1 << 3;
    pub(in crate::csr) const SPIE: u64 = 1 << 5;
    pub(in crate::csr) const MPIE: u64 = 1 << 7;
    pub(in crate::csr) const SPP: u64 = 1 << 8;
    pub(in crate::csr) const MPP: u64 = 3 << MPP_SHIFT;
    pub(in crate::csr) const MPP_SHIFT: u32 = 11;
    /// Floating-point state: 0 off, 1 initial, 2 clean, 3 dirty.
    pub(in crate::csr) const FS: u64 = 3 << 13;
    pub(in crate::csr) const MPRV: u64 = 1 << 17;
    pub(in crate::csr) const SUM: u64 = 1 << 18;
    pub(in crate::csr) const MXR: u64 = 1 << 19;
    pub(in crate::csr) const TVM: u64 = 1 << 20;
    pub(in crate::csr) const TW: u64 = 1 << 21;
    pub(in crate::csr) const TSR: u64 = 1 << 22;
    /// UXL = 2: U-mode is 64 bits wide, always.
    pub(in crate::csr) const UXL_64: u64 = 2 << 32;
    /// SXL = 2: S-mode is 64 bits wide, always.
    pub(in crate::csr) const SXL_64: u64 = 2 << 34;
    /// Summary: some extension's state is dirty.
    pub(in crate::csr) const SD: u64 = 1 << 63;
}

/// Fields of `menvcfg` and `senvcfg`.
pub(super) mod envcfg {
    pub(in crate::csr) const FIOM: u64 = 1 << 0;
    pub(in crate::csr) const CBIE: u64 = 3 << CBIE_SHIFT;
    pub(in crate::csr) const CBIE_SHIFT: u32 = 4;
    pub(in crate::csr) const CBCFE: u64 = 1 << 6;
    pub(in crate::csr) const CBZE: u64 = 1 << 7;
    pub(in crate::csr) const ADUE: u64 = 1 << 61;
    pub(in crate::csr) const PBMTE: u64 = 1 << 62;
    pub(in crate::csr) const STCE: u64 = 1 << 63;
}

/// Bits of `mcounteren`, `scounteren` and `mcountinhibit`.
pub(super) mod counter {
    pub(in crate::csr) const CY: u64 = 1 << 0;
    pub(in crate::csr) const TM: u64 = 1 << 1;
    pub(in crate::csr) const IR: u64 = 1 << 2;
    pub(in crate::csr) const HPM: u64 = 0xffff_fff8;
}
