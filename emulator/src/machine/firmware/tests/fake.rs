//! A platform for tests: CSRs and RAM are real, everything else is written down.

use std::collections::VecDeque;

use super::super::{Call, hsm::HartState};
use super::super::{Outcome, Platform, Sbi, table};
use crate::addr::{Asid, PhysAddr, Privilege, VirtAddr};
use crate::bus::{PowerRequest, Ram};
use crate::csr::{CsrAddr, CsrConfig, CsrCx, CsrFile};
use crate::trap::Exception;

pub(super) const RAM: u64 = 0x8000_0000;
pub(super) const RAM_BYTES: u64 = 0x3000;

/// Something that the firmware has asked of the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Did {
    Leave(usize),
    Raise(usize, Exception),
    Enter(usize, u64),
    Stop(usize),
    Wait(usize),
    Mtimecmp(usize, u64),
    ClearMsip(usize),
    FenceI(usize),
    Sfence(usize, Option<u64>, Option<u16>),
    Power(PowerRequest),
}

/// Harts that exist as far as firmware sees them.
pub(super) struct Fake {
    pub(super) x: Vec<[u64; 32]>,
    csrs: Vec<CsrFile>,
    ram: Ram,
    pub(super) did: Vec<Did>,
    /// What a load answers.
    pub(super) mask: Result<u64, Exception>,
    pub(super) input: VecDeque<u8>,
    pub(super) output: Vec<u8>,
}

impl Fake {
    pub(super) fn new(harts: usize, config: &CsrConfig) -> Self {
        let csrs = (0..harts as u64).map(|hart_id| CsrConfig { hart_id, ..config.clone() });
        Self {
            x: vec![[0; 32]; harts],
            csrs: csrs.map(CsrFile::new).collect(),
            ram: Ram::new(PhysAddr(RAM), RAM_BYTES),
            did: Vec::new(),
            mask: Ok(0),
            input: VecDeque::new(),
            output: Vec::new(),
        }
    }

    pub(super) fn csr(&mut self, hart: usize, addr: u16) -> u64 {
        self.read_csr(hart, CsrAddr(addr))
    }

    pub(super) fn set_csr(&mut self, hart: usize, addr: u16, value: u64) {
        self.change_csr(hart, CsrAddr(addr), !0, value);
    }

    fn access(&mut self, hart: usize, addr: CsrAddr, change: Option<(u64, u64)>) -> u64 {
        let cx = CsrCx { privilege: Privilege::Machine, mtime: 0, insns: 0 };
        let modify = change.map(|(clear, set)| move |old| old & !clear | set);
        self.csrs[hart].access(addr, modify, &cx).expect("a CSR that M-mode has").0
    }
}

impl Platform for Fake {
    fn x(&self, hart: usize, r: u8) -> u64 {
        self.x[hart][usize::from(r)]
    }

    fn set_x(&mut self, hart: usize, r: u8, value: u64) {
        self.x[hart][usize::from(r)] = value;
    }

    fn read_csr(&mut self, hart: usize, addr: CsrAddr) -> u64 {
        self.access(hart, addr, None)
    }

    fn change_csr(&mut self, hart: usize, addr: CsrAddr, clear: u64, set: u64) {
        self.access(hart, addr, Some((clear, set)));
    }

    fn leave(&mut self, hart: usize) {
        self.did.push(Did::Leave(hart));
    }

    fn raise(&mut self, hart: usize, exception: Exception) {
        self.did.push(Did::Raise(hart, exception));
    }

    fn enter(&mut self, hart: usize, pc: PhysAddr) {
        self.did.push(Did::Enter(hart, pc.0));
    }

    fn stop(&mut self, hart: usize) {
        self.did.push(Did::Stop(hart));
    }

    fn wait(&mut self, hart: usize) {
        self.did.push(Did::Wait(hart));
    }

    fn set_mtimecmp(&mut self, hart: usize, time: u64) {
        self.did.push(Did::Mtimecmp(hart, time));
    }

    fn clear_msip(&mut self, hart: usize) {
        self.did.push(Did::ClearMsip(hart));
    }

    fn fence_i(&mut self, hart: usize) {
        self.did.push(Did::FenceI(hart));
    }

    fn sfence_vma(&mut self, hart: usize, va: Option<VirtAddr>, asid: Option<Asid>) {
        self.did.push(Did::Sfence(hart, va.map(|va| va.0), asid.map(|asid| asid.0)));
    }

    fn load(&mut self, _: usize, _: VirtAddr) -> Result<u64, Exception> {
        self.mask
    }

    fn ram(&mut self) -> &mut Ram {
        &mut self.ram
    }

    fn print(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    fn input(&mut self) -> Option<u8> {
        self.input.pop_front()
    }

    fn power(&mut self, request: PowerRequest) {
        self.did.push(Did::Power(request));
    }
}

/// Firmware and a platform of four harts: 0 and 1 run, 2 is stopped, 3 sleeps.
pub(super) struct World {
    pub(super) sbi: Sbi,
    pub(super) fake: Fake,
}

impl World {
    pub(super) fn new(config: &CsrConfig) -> Self {
        let mut fake = Fake::new(4, config);
        let mut sbi = Sbi::new(4, config.clone());
        sbi.boot(&mut fake, 0, PhysAddr(RAM), 0);
        let mut world = Self { sbi, fake };
        for hart in [1, 3] {
            world.call_from(0, "sbi_hart_start", &[hart, RAM, 0]);
        }
        world.call_from(3, "sbi_hart_suspend", &[0]);
        let states =
            [HartState::Started, HartState::Started, HartState::Stopped, HartState::Suspended];
        assert_eq!(world.sbi.harts, states);
        world.fake.did.clear();
        world
    }

    /// Calls the function with this name; arguments that are not given are garbage.
    pub(super) fn call_from(&mut self, hart: usize, name: &str, given: &[u64]) -> Outcome {
        let function = table::FUNCTIONS.iter().find(|function| function.name == name);
        let (eid, fid) = function.unwrap_or_else(|| panic!("no function {name}")).number();
        let mut args = [0xdead_beef_dead_beef; 6];
        args[..given.len()].copy_from_slice(given);
        self.sbi.call(&mut self.fake, hart, Call { args, fid, eid })
    }
}
