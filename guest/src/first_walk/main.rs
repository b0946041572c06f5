//! `first-walk`: a hart turns Sv39 on, touches pages that are not there, not writable or not yet
//! dirty, and repairs each in its page-fault handler. Every walk is printed level by level, as the
//! handler finds it and as it leaves it. Runs on QEMU's `virt` board as well.

#![no_std]
#![no_main]

mod frames;

use frames::Frames;
use guest::{
    Access, Finding, Flags, FrameMemory, FramePool, Page, PageTable, Ppn, Pte, Walk, WalkOptions,
    vpn,
};
use guest_runtime::supervisor::{self, Trap};
use guest_runtime::{Global, board, entry, exit, print, println};

entry!(main);

/// The page of scenes 1, 2 and 4: three different indices, so that they can be told apart.
const UNMAPPED_VA: u64 = 5 << 30 | 6 << 21 | 7 << 12;
/// The page of scene 3, next to it.
const CLEAN_VA: u64 = UNMAPPED_VA + 0x1000;
/// What the frame that the handler maps holds.
const GREETING: u64 = u64::from_le_bytes(*b"Sv39 ok!");
/// A handler that has not helped after so many faults never will.
const MAX_FAULTS: u32 = 16;

/// Everything the kernel of this demo owns.
struct Kernel {
    memory: Frames,
    pool: FramePool,
    table: PageTable,
    faults: u32,
}

static KERNEL: Global<Kernel> = Global::empty();

fn main() {
    println!("first-walk: three levels, four scenes");
    println!();
    println!("M-mode  opens all memory with one PMP entry, delegates exceptions, drops to S-mode");
    supervisor::enter(supervisor_main, on_trap)
}

extern "C" fn supervisor_main() -> ! {
    let table = build_tables();
    let root = table.root();
    println!("S-mode  maps program and devices to themselves; root table in frame {:#x}", root.0);
    let satp = frames::turn_on(table);
    println!("        satp = {satp:#018x}: MODE 8 (Sv39), ASID 0, PPN {:#x}", root.0);
    println!("        translation is on, and this line went through it:");
    print_walk(board::UART, Access::Store);
    println!();

    scene_unmapped();
    scene_read_only();
    scene_clean();
    scene_stale();

    let faults = KERNEL.with(|kernel| kernel.faults);
    println!("done: {faults} page faults taken, {faults} repaired");
    exit(0)
}

/// Identity mappings: 2 MiB of RAM as one megapage, a page each for UART and finisher.
fn build_tables() -> PageTable {
    const ACCESSED: Flags = Flags::A.with(Flags::D).with(Flags::R).with(Flags::W);
    let mut memory = Frames;
    let mut pool = Frames::pool();
    let table = PageTable::new(&mut memory, &mut pool).expect("frames are free");
    for (va, level, flags) in [
        (board::RAM, 1, ACCESSED | Flags::X),
        (board::UART, 0, ACCESSED),
        (board::FINISHER, 0, ACCESSED),
    ] {
        let page = Page { va, level };
        table.map(&mut memory, &mut pool, page, Ppn::of(va), flags).expect("frames are free");
    }
    KERNEL.set(Kernel { memory, pool, table, faults: 0 });
    table
}

fn scene_unmapped() {
    println!("Scene 1: load from a page that nobody has mapped");
    let value = frames::load(UNMAPPED_VA);
    assert_eq!(value, GREETING);
    print!("  load = {value:#018x}, the text \"");
    value.to_le_bytes().iter().for_each(|byte| print!("{}", char::from(*byte)));
    println!("\"\n");
}

fn scene_read_only() {
    println!("Scene 2: store to the same page, which is read-only");
    frames::store(UNMAPPED_VA, !GREETING);
    let value = frames::load(UNMAPPED_VA);
    assert_eq!(value, !GREETING);
    println!("  load = {value:#018x}: the store has happened, once\n");
}

fn scene_clean() {
    println!("Scene 3: load and store on a page with A=0 and D=0");
    let faults = KERNEL.with(|kernel| {
        let frame = kernel.pool.take().expect("frames are free");
        let flags = Flags::R | Flags::W;
        let page = Page { va: CLEAN_VA, level: 0 };
        kernel.table.map(&mut kernel.memory, &mut kernel.pool, page, frame, flags).expect("free");
        kernel.faults
    });
    supervisor::sfence_vma_page(CLEAN_VA);
    frames::load(CLEAN_VA);
    frames::store(CLEAN_VA, 1);
    let by_handler = KERNEL.with(|kernel| kernel.faults) != faults;
    let who = if by_handler { "the handler (Svade)" } else { "the hart itself (Svadu)" };
    print_walk(CLEAN_VA, Access::Store);
    println!("  A and D were set by {who}\n");
}

fn scene_stale() {
    println!("Scene 4: unmap the page of scene 1, with and without sfence.vma");
    let faults = KERNEL.with(|kernel| {
        let (memory, table) = (&mut kernel.memory, kernel.table);
        let walk = Walk::new(memory, table, UNMAPPED_VA, Access::Load, WalkOptions::default());
        let leaf = *walk.steps().last().expect("canonical");
        memory.write_pte(leaf.table, vpn(UNMAPPED_VA, 0), Pte::default());
        kernel.faults
    });
    print_walk(UNMAPPED_VA, Access::Load);
    let value = frames::load(UNMAPPED_VA);
    if KERNEL.with(|kernel| kernel.faults) == faults {
        println!("  load = {value:#018x}: no fault, the TLB still holds the old translation");
        println!("  now sfence.vma, and the same load again");
    } else {
        println!("  load = {value:#018x}: this hart had dropped the old translation already");
    }
    supervisor::sfence_vma_page(UNMAPPED_VA);
    let value = frames::load(UNMAPPED_VA);
    assert_eq!(value, GREETING);
    println!("  load = {value:#018x}: a fresh frame\n");
}

/// The page-fault handler: walks, lets the walk say what is missing, provides it, tries again.
extern "C" fn on_trap(trap: &mut Trap) {
    let (access, name) = match trap.scause {
        13 => (Access::Load, "load page fault"),
        15 => (Access::Store, "store page fault"),
        _ => panic!("unexpected trap into S-mode: {trap:x?}"),
    };
    println!("  trap: {name}, scause {}, stval {:#x}", trap.scause, trap.stval);
    print_walk(trap.stval, access);
    KERNEL.with(|kernel| {
        kernel.faults += 1;
        assert!(kernel.faults <= MAX_FAULTS, "the repairs do not help");
        kernel.repair(trap.stval, access);
    });
    supervisor::sfence_vma_page(trap.stval);
    print_walk(trap.stval, access);
    println!("  sfence.vma, sret: the instruction at sepc {:#x} runs again", trap.sepc);
}

impl Kernel {
    fn repair(&mut self, va: u64, access: Access) {
        let page = Page { va: va & !0xfff, level: 0 };
        assert!(page.va == UNMAPPED_VA || page.va == CLEAN_VA, "stray access to {va:#x}");
        match Walk::new(&self.memory, self.table, va, access, WalkOptions::default()).finding() {
            Some(Finding::Invalid) => {
                let frame = self.pool.take().expect("frames are free");
                self.memory.write_doubleword(frame, 0, GREETING);
                let flags = Flags::R | Flags::A;
                self.table
                    .map(&mut self.memory, &mut self.pool, page, frame, flags)
                    .expect("frames are free, and nothing is in the way");
                println!("  fix:  map frame {:#x} there, read-only", frame.0);
            }
            Some(Finding::Needs(bit)) => {
                // A store that is let through at last also dirties the page.
                let bits = if bit == Flags::W { Flags::W | Flags::D } else { bit };
                self.table
                    .change_flags(&mut self.memory, va, |flags| flags | bits)
                    .expect("the walk found a leaf");
                let also = if bit == Flags::W { ", and D with it" } else { "" };
                println!("  fix:  set the missing bit{also}");
            }
            other => panic!("nothing to repair at {va:#x}: {other:?}"),
        }
    }
}

fn print_walk(va: u64, access: Access) {
    KERNEL.with(|kernel| {
        let options = WalkOptions::default();
        print!("{}", Walk::new(&kernel.memory, kernel.table, va, access, options));
    });
}
