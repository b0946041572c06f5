//! Spaces on the toy machine: [`Rig`] is a machine with processes in it, `exact.rs` counts what
//! single operations cost, `errors.rs` asks for what is not granted, `remap.rs` moves, `model.rs`
//! says what any sequence of operations should show, `sequences.rs` tries many, `swap.rs` has pages
//! leave RAM, and `away.rs` whole spaces.

use std::vec::Vec;

use super::*;
use crate::mm::audit::Audit;
use crate::mm::memory::Census;
use crate::mm::toy::{ToyMachine, ToyObject, ToyOptions};

mod away;
mod errors;
mod exact;
mod model;
mod remap;
mod sequences;
mod swap;

const LIMITS: Limits = Limits {
    min_address: 0x1_0000,
    total_bytes: u64::MAX,
    data_bytes: u64::MAX,
    stack_bytes: 8 << 20,
    areas: 1000,
    fault_around_pages: 0,
};
/// Where the tests map: a page below a gigabyte's end, so that tables of all levels change there.
const BASE: u64 = (1 << 30) - PAGE_SIZE_BYTES;
const PAGE: u64 = PAGE_SIZE_BYTES;

/// One process: its view of the machine and its space.
struct Process {
    machine: ToyMachine,
    space: Space<ToyMachine>,
}

impl Process {
    fn new(machine: &ToyMachine, limits: Limits) -> Self {
        let space = Space::new(machine, machine.kernel_root(), limits).expect("frames");
        Self { machine: machine.sibling(), space }
    }

    /// Does an access until it succeeds, with the repairs it took.
    fn access(
        &mut self,
        va: u64,
        access: Access,
        value: u64,
    ) -> Result<(u64, Vec<Repair>), Trouble> {
        let mut repairs = Vec::new();
        loop {
            let root = self.space.root();
            let done = match access {
                Access::Load => self.machine.load(root, va),
                Access::Fetch => self.machine.fetch(root, va),
                Access::Store => self.machine.store(root, va, value).map(|()| value),
            };
            match done {
                Ok(value) => return Ok((value, repairs)),
                Err(fault) => match self.space.fault(&self.machine, fault.va, fault.access) {
                    Ok(repair) => repairs.push(repair),
                    Err(trouble) => self.bring_in(fault.va, trouble)?,
                },
            }
            assert!(repairs.len() < 4, "{access:?} {va:#x} is repaired for ever: {repairs:?}");
        }
    }

    fn load(&mut self, va: u64) -> Result<u64, Trouble> {
        self.access(va, Access::Load, 0).map(|(value, _)| value)
    }

    fn store(&mut self, va: u64, value: u64) -> Result<(), Trouble> {
        self.access(va, Access::Store, value).map(|_| ())
    }

    /// The repairs that an access takes.
    fn repairs(&mut self, va: u64, access: Access) -> Vec<Repair> {
        self.access(va, access, va).expect("it can be repaired").1
    }

    fn map(&mut self, request: Request<ToyObject>) -> Result<u64, Errno> {
        self.space.map(&self.machine, request)
    }

    fn fork(&mut self) -> Result<Self, Errno> {
        let space = self.space.fork(&self.machine)?;
        Ok(Self { machine: self.machine.sibling(), space })
    }

    fn end(mut self) {
        self.space.destroy(&self.machine);
    }
}

/// Private anonymous memory, to be read and written, exactly there.
fn anonymous(start: u64, pages: u64) -> Request<ToyObject> {
    Request {
        place: Place::Fixed(start),
        length_bytes: pages * PAGE,
        prot: Prot::READ_WRITE,
        max_prot: Prot::ALL,
        sharing: Sharing::Private,
        backing: Backing::Anonymous,
        purpose: Purpose::Mapping,
        no_reserve: false,
    }
}

/// An object's pages from 0 on.
fn object(start: u64, pages: u64, object: &ToyObject, sharing: Sharing) -> Request<ToyObject> {
    let backing = Backing::Object { object: object.clone(), first: 0 };
    Request { backing, sharing, ..anonymous(start, pages) }
}

/// What the audit finds wrong.
fn audit(machine: &ToyMachine, processes: &[&Process], objects: &[ToyObject]) -> Vec<String> {
    let mut audit = Audit::begin(machine.memory(|memory| memory.extent())).expect("a heap");
    audit.kernel(machine, 0, machine.kernel_root());
    for (id, process) in (1..).zip(processes) {
        audit.space(machine, id, &process.space);
        audit.kernel_half(machine, id, process.space.root(), machine.kernel_root());
    }
    for cell in objects.iter().flat_map(ToyObject::cells) {
        audit.object_page(cell);
    }
    machine.memory(|memory| audit.judge(memory));
    audit.finish().iter().map(ToString::to_string).collect()
}

/// A machine, and what there was before anybody ran.
struct Rig {
    machine: ToyMachine,
    before: Census,
}

impl Rig {
    fn new(options: ToyOptions) -> Self {
        let machine = ToyMachine::new(options);
        let before = machine.memory(|memory| memory.census());
        Self { machine, before }
    }

    fn process(&self) -> Process {
        Process::new(&self.machine, LIMITS)
    }

    fn free_frames(&self) -> u64 {
        self.machine.memory(|memory| memory.frames.free_frames())
    }

    /// Frames that `f` takes, or gives back if negative.
    fn takes<R>(&self, f: impl FnOnce() -> R) -> (R, i64) {
        let before = self.free_frames();
        let result = f();
        (result, before as i64 - self.free_frames() as i64)
    }

    fn assert_sound(&self, processes: &[&Process], objects: &[ToyObject]) {
        assert_eq!(audit(&self.machine, processes, objects), [""; 0]);
    }

    /// Ends the processes and the objects, and sees that nothing is left.
    fn end(self, processes: Vec<Process>, objects: &[ToyObject]) {
        processes.into_iter().for_each(Process::end);
        objects.iter().for_each(|object| object.set_length(&self.machine, 0));
        assert_eq!(self.machine.committed_pages(), 0);
        assert_eq!(self.machine.memory(|memory| memory.census()), self.before);
    }
}
