//! From the firmware to the first process: what `main.rs` would be if it had a body.

use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::Ordering;

use arrayvec::ArrayVec;
use guest::board::{Board, MAX_HARTS, MAX_RANGES, MAX_RESERVED, Span};
use guest::boot_options::{BootOptions, INITIAL_INIT, ROOT_INITS, Stdio};

use crate::arch::{cpu, entry, hart, image, tlb, trap};
use crate::debug::{self, Level, klog};
use crate::mm::{self, boot::MemoryMap};
use crate::{dev, fs, ipc, proc, sched, task, time};

/// Names for the panic screen.
const SYMBOLS_PATH: &[u8] = b"/boot/System.map";
/// Highest identifier of a hart plus one: SBI calls take masks of this many bits.
const HART_ID_END: u64 = 64;
/// How long the others have to come, in nanoseconds.
const HART_PATIENCE_NS: u64 = time::SECOND_NS;

/// The boot hart's way, in S-mode with the early page table, on the boot stack.
pub(crate) extern "C" fn boot(hart_id: u64, device_tree: u64) -> ! {
    image::mark_boot_stack();
    let tree = entry::device_tree(device_tree).expect("firmware passes a device tree");
    let board = Board::parse(tree).expect("the device tree has RAM, harts and a time base");
    hart::this().id.store(hart_id, Ordering::Relaxed);
    hart::this().set_stack(image::boot_stack().start);
    time::begin(board.timebase_hz);
    dev::begin(board);
    let board = dev::board();
    let options = options();
    debug::set_console_level(options.console_level);
    klog!(Level::Info, "Pagewalk, {} harts", board.harts.len());
    let _ = BootOptions::parse(board.arguments, |word| {
        klog!(Level::Notice, "{}: no option of this kernel", word.escape_ascii());
    });
    trap::catch();
    cpu::probe(board.extensions);
    tlb::probe_asid_bits();
    start_memory(board, device_tree..device_tree + tree.len() as u64);
    tlb::publish_kernel_satp();
    sched::prepare(hart::index()).expect("memory for the idle task");
    sched::spawn_kernel("boot", go_on, 0);
    fs::begin_console();
    dev::start();
    cpu::listen();
    entry::leave_stack(hart::this().first_stack.load(Ordering::Relaxed), first_idle)
}

extern "C" fn first_idle() -> ! {
    sched::idle()
}

/// The rest of the boot, in a thread of the kernel: everything that may sleep.
fn go_on(_: usize) {
    assert!(image::is_boot_stack_whole(), "the boot stack has overflowed into what lies below it");
    start_harts(dev::board());
    let options = options();
    let files = fs::init(mm::boot::take_initrd()).expect("memory for the file system");
    ipc::mqueue::init().expect("memory for the file system of queues");
    mm::tunables::choose_reserves();
    dev::listen();
    fs::add_disks().expect("memory for the nodes of disks");
    klog!(Level::Info, "{files} files, {} harts run", hart::online());
    if let Ok(map) = fs::open_for_kernel(SYMBOLS_PATH) {
        debug::set_symbols(map);
    }
    #[cfg(feature = "selftest")]
    if let Some(which) = options.selftest {
        dev::finisher::power_off(crate::selftest::run(which));
    }
    if options.stdio == Stdio::Ports {
        task::treat_init_as_others();
    }
    mm::pager::start();
    if options.uses_swap {
        mm::swap::switch_on_all();
    }
    mm::load::start();
    proc::audit::record();
    start_init(&options);
}

/// The kernel's command line.
fn options() -> BootOptions<'static> {
    BootOptions::parse(dev::board().arguments, |_| {})
}

fn range(span: Span) -> Range<u64> {
    span.start..span.end()
}

/// Page table, books on frames, heap. What it needs of the stack is not the caller's.
#[inline(never)]
fn start_memory(board: &Board<'_>, tree: Range<u64>) {
    let ram: ArrayVec<Range<u64>, MAX_RANGES> = board.memory.iter().copied().map(range).collect();
    let mut reserved: ArrayVec<Range<u64>, { MAX_RESERVED + 1 }> =
        board.reserved.iter().copied().map(range).collect();
    reserved.push(tree);
    let single = [board.finisher, board.plic];
    let devices = [board.rtc, board.uart].map(|device| device.map(|device| device.registers));
    let virtio = board.virtio.iter().map(|device| device.registers);
    let devices: ArrayVec<Range<u64>, 16> =
        single.into_iter().chain(devices).flatten().chain(virtio).map(range).collect();
    mm::boot::init(&MemoryMap {
        ram: &ram,
        reserved: &reserved,
        devices: &devices,
        initrd: board.initrd.map(range),
        image: mm::boot::Image {
            text: image::physical(&image::text()),
            rodata: image::physical(&image::rodata()),
            data: image::physical(&image::data()),
        },
    });
}

/// Starts every other hart, one after the other: each takes the next number.
fn start_harts(board: &Board<'_>) {
    let mine = hart::get(0).id.load(Ordering::Relaxed);
    let others = board.harts.iter().map(|hart| hart.id).filter(|id| *id != mine);
    for id in others.filter(|id| *id < HART_ID_END) {
        let index = hart::online();
        if index == MAX_HARTS {
            return;
        }
        if sched::prepare(index).is_err() {
            return klog!(Level::Warning, "no memory for hart {id} and those after it");
        }
        let other = hart::get(index);
        other.id.store(id, Ordering::Relaxed);
        if let Err(error) = entry::start_hart(id, other).ok() {
            klog!(Level::Warning, "hart {id} does not start: SBI error {error}");
            return;
        }
        let deadline = time::now().after(HART_PATIENCE_NS);
        while hart::online() == index {
            if time::now() > deadline {
                return klog!(Level::Warning, "hart {id} does not come");
            }
            sched::yield_now();
        }
        klog!(Level::Debug, "hart {id} runs, as number {index}");
    }
}

/// The way of every other hart, on its idle task's stack, with the kernel's page table.
pub(crate) extern "C" fn secondary() -> ! {
    trap::catch();
    cpu::listen();
    hart::came_online();
    sched::idle()
}

/// The path of the first process. Where the initial files do not have it, the disk that the command
/// line names becomes the root of all files, as on Linux.
fn init_path<'a>(options: &BootOptions<'a>) -> &'a [u8] {
    let Some(root) = options.root else { return options.init.unwrap_or(INITIAL_INIT) };
    if fs::is_program(INITIAL_INIT) {
        return INITIAL_INIT;
    }
    if let Err(error) = fs::mount_root(&root) {
        panic!("cannot mount {} as root: {error:?}", root.device.escape_ascii());
    }
    let usual = || ROOT_INITS.into_iter().find(|path| fs::is_program(path));
    options.init.or_else(usual).unwrap_or_else(|| panic!("the root has no init"))
}

/// The first process, as the command line wants it.
fn start_init(options: &BootOptions<'_>) {
    let init = init_path(options);
    let list = |file: Option<&[u8]>| -> Option<Vec<u8>> {
        let path = file?;
        Some(
            fs::read_file(path)
                .unwrap_or_else(|error| panic!("{}: {error:?}", path.escape_ascii())),
        )
    };
    let (arguments, environment) = (list(options.arguments_file), list(options.environment_file));
    let mut arguments = arguments.as_deref().map_or_else(|| Vec::from([init]), strings);
    arguments.extend(options.arguments());
    let environment = environment.as_deref().map_or_else(default_environment, strings);
    if let Err(error) = task::start_init(init, &arguments, &environment) {
        panic!("cannot start {}: {error:?}", init.escape_ascii());
    }
}

/// The strings of a file, each of which ends in 0.
fn strings(file: &[u8]) -> Vec<&[u8]> {
    let file = file.strip_suffix(&[0]).unwrap_or(file);
    if file.is_empty() { Vec::new() } else { file.split(|byte| *byte == 0).collect() }
}

fn default_environment<'a>() -> Vec<&'a [u8]> {
    Vec::from([&b"HOME=/root"[..], b"PATH=/bin", b"TERM=vt100"])
}
