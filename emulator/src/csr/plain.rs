//! [`Plain`]: the CSRs that hold what software writes and do nothing else, so that an access is a
//! load and a store. Trap handlers use little else, and the engine has a short way to them.
//! `table.rs` says which addresses are theirs.

use super::table::{self, Access};
use super::{CsrAddr, CsrConfig, CsrFile, trap};
use crate::addr::Privilege;

macro_rules! plain {
    ($($name:ident $mask:expr;)*) => {
        /// A register without effects.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Plain { $($name),* }

        const ALL: &[Plain] = &[$(Plain::$name),*];
        const COUNT: usize = ALL.len();

        impl Plain {
            /// The bits that can be written; the others are zero.
            fn mask(self, config: &CsrConfig) -> u64 {
                let mask: fn(&CsrConfig) -> u64 = match self {
                    $(Self::$name => $mask),*
                };
                mask(config)
            }
        }
    };
}

// Bit 1 of a trap vector's MODE is reserved: it reads as zero.
plain! {
    Stvec    |_| !2;
    Sscratch |_| u64::MAX;
    Sepc     trap::epc_mask;
    Scause   |_| u64::MAX;
    Stval    |_| u64::MAX;
    Medeleg  trap::delegable;
    Mtvec    |_| !2;
    Mscratch |_| u64::MAX;
    Mepc     trap::epc_mask;
    Mcause   |_| u64::MAX;
    Mtval    |_| u64::MAX;
}

/// The values of all plain registers.
#[derive(Clone, Debug)]
pub(super) struct Registers {
    values: [u64; COUNT],
    masks: [u64; COUNT],
}

impl Registers {
    pub(super) fn new(config: &CsrConfig) -> Self {
        Self { values: [0; COUNT], masks: std::array::from_fn(|at| ALL[at].mask(config)) }
    }

    #[inline(always)]
    pub(super) fn get(&self, register: Plain) -> u64 {
        self.values[register as usize]
    }

    /// Writes those bits of `value` that can be written.
    #[inline(always)]
    pub(super) fn set(&mut self, register: Plain, value: u64) {
        self.values[register as usize] = value & self.masks[register as usize];
    }
}

/// The plain register at each address.
static BY_ADDR: [Option<Plain>; 1 << CsrAddr::BITS] = {
    let mut by_addr = [None; 1 << CsrAddr::BITS];
    let mut index = 0;
    while index < table::ROWS.len() {
        if let Access::Plain(register) = table::ROWS[index].access {
            by_addr[table::ROWS[index].first.0 as usize] = Some(register);
        }
        index += 1;
    }
    by_addr
};

impl CsrFile {
    /// As [`access`](CsrFile::access), for a register that has no effects and is open to
    /// `privilege`; `None` says nothing about others. Nothing is recorded.
    #[inline(always)]
    pub fn access_plain(
        &mut self,
        addr: CsrAddr,
        modify: Option<impl FnOnce(u64) -> u64>,
        privilege: Privilege,
    ) -> Option<u64> {
        let register = BY_ADDR[usize::from(addr.0) % BY_ADDR.len()]?;
        if !addr.is_open_to(privilege) {
            return None;
        }
        let old = self.plain.get(register);
        if let Some(modify) = modify {
            self.plain.set(register, modify(old));
        }
        Some(old)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::file;
    use super::super::{CsrCx, Effect};
    use super::*;

    #[test]
    fn the_short_way_leads_where_the_long_way_does() {
        let mut plain = 0;
        for addr in (0..1 << CsrAddr::BITS).map(CsrAddr) {
            for privilege in [Privilege::User, Privilege::Supervisor, Privilege::Machine] {
                let cx = CsrCx { privilege, mtime: 0, insns: 0 };
                let (mut short, mut long) = (file(), file());
                for value in [u64::MAX, 0x1234_5678_9abc_def3] {
                    let write = Some(|_| value);
                    let Some(old) = short.access_plain(addr, write, privilege) else { continue };
                    assert_eq!(long.access(addr, write, &cx), Ok((old, Effect::NONE)), "{addr:?}");
                    let read = None::<fn(u64) -> u64>;
                    let now = short.access_plain(addr, read, privilege);
                    assert_eq!(long.access(addr, read, &cx).ok().map(|(now, _)| now), now);
                    plain += 1;
                }
            }
        }
        let open_to_supervisor = ALL.len() - 6;
        assert_eq!(plain, 2 * (ALL.len() + open_to_supervisor), "each was found where it is open");
    }
}
