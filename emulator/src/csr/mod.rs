//! The control and status registers of one hart: [`CsrFile`] holds them, `table.rs` lists them,
//! [`CsrFile::access`] is the one way in for instructions. A register's behaviour is in the file
//! named for its subject: `status.rs`, `interrupts.rs`, `counters.rs`, `float.rs`, `envcfg.rs`,
//! `pmp.rs`. Knows no hart and no MMU: what a write means for them is a returned [`Effect`].

mod bits;
mod counters;
mod envcfg;
mod float;
mod interrupts;
mod plain;
mod pmp;
mod record;
mod satp;
mod status;
mod table;
mod trap;

use crate::addr::Privilege;
use counters::Counter;
use pmp::Pmp;
use record::Record;

pub use record::Recording;
pub use status::Mstatus;

/// Number of a CSR, 12 bits. Bits 11:10 = 3 mean read-only, bits 9:8 are the lowest privilege.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CsrAddr(pub u16);

impl CsrAddr {
    /// `time`.
    pub const TIME: Self = Self(0xc01);

    /// Width of an address.
    pub(crate) const BITS: u32 = 12;

    /// Whether writes are illegal whoever makes them.
    pub const fn is_read_only(self) -> bool {
        self.0 >> 10 & 3 == 3
    }

    /// Whether `privilege` reaches this address. Encoding 2 belongs to the hypervisor extension.
    pub const fn is_open_to(self, privilege: Privilege) -> bool {
        privilege as u16 >= self.0 >> 8 & 3
    }

    /// The manual's name, where the CSR is known here.
    pub fn name(self) -> Option<String> {
        record::name(self)
    }

    /// The CSR that the manual calls `name`, where it is known here.
    pub fn named(name: &str) -> Option<Self> {
        let numbers = table::ROWS.iter().flat_map(|row| row.first.0..=row.last.0);
        numbers.map(CsrAddr).find(|addr| addr.name().as_deref() == Some(name))
    }
}

/// Which optional parts the CSRs show. The defaults are everything, on hart 0.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are named as the extensions are")]
pub struct CsrConfig {
    /// `mhartid`.
    pub hart_id: u64,
    /// `misa`, with S and U among its letters.
    pub misa: u64,
    pub sv39: bool,
    pub sv48: bool,
    pub sv57: bool,
    pub svade: bool,
    pub svadu: bool,
    pub svpbmt: bool,
    pub sstc: bool,
    pub zicbom: bool,
    pub zicboz: bool,
    pub zicntr: bool,
    pub zihpm: bool,
    /// Bits of an address-space identifier that `satp` keeps, 0 to 16: ASIDLEN.
    pub asid_bits: u32,
}

impl CsrConfig {
    /// Whether `misa` shows `letter`, an upper-case ASCII letter.
    const fn has(&self, letter: u8) -> bool {
        self.misa >> (letter - b'A') & 1 != 0
    }
}

impl Default for CsrConfig {
    fn default() -> Self {
        Self {
            hart_id: 0,
            misa: MISA_RV64IMAFDCBSU,
            sv39: true,
            sv48: true,
            sv57: true,
            svade: true,
            svadu: true,
            svpbmt: true,
            sstc: true,
            zicbom: true,
            zicboz: true,
            zicntr: true,
            zihpm: true,
            asid_bits: ASID_MAX_BITS,
        }
    }
}

/// The widest address-space identifier of RV64: ASIDMAX.
pub const ASID_MAX_BITS: u32 = 16;

/// MXL = 2 (64 bits) and the letters; B stands for Zba, Zbb and Zbs together.
const MISA_RV64IMAFDCBSU: u64 = 0x8000_0000_0014_112f;

/// What an access depends on beside the registers themselves.
#[derive(Clone, Copy, Debug)]
pub struct CsrCx {
    /// Mode that makes the access.
    pub privilege: Privilege,
    /// Time in timebase ticks.
    pub mtime: u64,
    /// Instructions retired before the one that makes the access.
    pub insns: u64,
}

/// What the hart must look at again after a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Effect(u8);

impl Effect {
    /// Nothing.
    pub const NONE: Effect = Effect(0);
    /// Effective privilege or translation of some access may differ: `satp`, `mstatus`, `menvcfg`.
    pub const TRANSLATION: Effect = Effect(1);
    /// The PMP regions differ.
    pub const PROTECTION: Effect = Effect(2);
    /// An interrupt may have become pending and enabled.
    pub const INTERRUPTS: Effect = Effect(4);
    /// The write was dropped: nothing changed and the commit log hears nothing.
    const DROPPED: Effect = Effect(8);

    /// Whether all of `other` is in `self`.
    pub const fn has(self, other: Effect) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both.
    pub const fn and(self, other: Effect) -> Effect {
        Effect(self.0 | other.0)
    }

    const fn when(self, condition: bool) -> Effect {
        if condition { self } else { Effect::NONE }
    }
}

/// The access is an illegal instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IllegalCsr;

/// The CSRs of one hart.
#[derive(Clone, Debug)]
pub struct CsrFile {
    config: CsrConfig,
    mstatus: Mstatus,
    plain: plain::Registers,
    fflags: u8,
    frm: u8,
    /// FS is dirty already and nobody records: a floating-point write needs no bookkeeping.
    fs_settled: bool,
    mideleg: u64,
    mie: u64,
    /// The bits of `mip` that software has written.
    soft_ip: u64,
    /// The bits of `mip` that are driven from outside.
    lines: u64,
    /// Time as last seen, which `stimecmp` is compared with.
    mtime: u64,
    stimecmp: u64,
    satp: u64,
    menvcfg: u64,
    senvcfg: u64,
    mcounteren: u64,
    scounteren: u64,
    mcountinhibit: u64,
    mcycle: Counter,
    minstret: Counter,
    pmp: Pmp,
    record: Record,
}

impl CsrFile {
    /// The state after reset. Registers that the manual leaves unspecified are zero.
    ///
    /// Source: Privileged ISA, "Reset".
    pub fn new(config: CsrConfig) -> Self {
        let menvcfg = envcfg::reset_menvcfg(&config);
        let plain = plain::Registers::new(&config);
        Self {
            config,
            mstatus: Mstatus::RESET,
            plain,
            fflags: 0,
            frm: 0,
            fs_settled: false,
            mideleg: 0,
            mie: 0,
            soft_ip: 0,
            lines: 0,
            mtime: 0,
            stimecmp: 0,
            satp: 0,
            menvcfg,
            senvcfg: 0,
            mcounteren: 0,
            scounteren: 0,
            mcountinhibit: 0,
            mcycle: Counter::default(),
            minstret: Counter::default(),
            pmp: Pmp::default(),
            record: Record::default(),
        }
    }

    /// What the CSRs were built to show.
    pub fn config(&self) -> &CsrConfig {
        &self.config
    }

    /// One CSR instruction: yields the old value and, where `modify` is given, writes what it
    /// makes of that value. `modify` is `None` for an instruction that does not write.
    ///
    /// # Errors
    /// [`IllegalCsr`] where the CSR does not exist, or not for this mode, or not for writing.
    pub fn access(
        &mut self,
        addr: CsrAddr,
        modify: Option<impl FnOnce(u64) -> u64>,
        cx: &CsrCx,
    ) -> Result<(u64, Effect), IllegalCsr> {
        let row = table::row(addr).filter(|row| (row.exists)(&self.config)).ok_or(IllegalCsr)?;
        let closed = !addr.is_open_to(cx.privilege) || !(row.open)(self, addr, cx);
        if closed || modify.is_some() && addr.is_read_only() {
            return Err(IllegalCsr);
        }
        self.mtime = cx.mtime;
        let old = row.read(self, addr, cx);
        let Some(modify) = modify else { return Ok((old, Effect::NONE)) };
        let new = modify(if addr == table::MIP { self.mip_to_modify(old) } else { old });
        let before = self.soft_ip;
        let effect = row.write(self, addr, new, cx);
        if self.record.is_on() && !effect.has(Effect::DROPPED) {
            self.note_write(addr, before, cx);
        }
        Ok((old, Effect(effect.0 & !Effect::DROPPED.0)))
    }

    /// What a CSR holds, whoever may read it at the moment; `None` where it does not exist.
    /// Changes nothing.
    pub fn peek(&self, addr: CsrAddr, cx: &CsrCx) -> Option<u64> {
        let row = table::row(addr).filter(|row| (row.exists)(&self.config))?;
        // To M-mode everything that is there is open, but for floating point that is switched off.
        let cx = CsrCx { privilege: Privilege::Machine, ..*cx };
        let float = (table::FFLAGS..=table::FCSR).contains(&addr);
        (float || (row.open)(self, addr, &cx)).then(|| row.read(self, addr, &cx))
    }
}

#[cfg(test)]
mod tests;
