//! The end: one screen that says what happened, where, and what came before; then the machine
//! ends with exit code 101.

use alloc::sync::Arc;
use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arrayvec::ArrayVec;
use guest::log::Line;
use guest::symbols::Search;

use super::LOG;
use crate::arch::hart::{self, HartMask};
use crate::arch::ipi::{self, Message};
use crate::arch::trap::TrapFrame;
use crate::arch::{backtrace, cpu, image};
use crate::fs::OpenFile;
use crate::sync::Once;
use crate::{dev, sched, time};

/// What the machine ends with.
const EXIT_PANIC: u16 = 101;
/// Return addresses that are shown.
const MAX_CALLERS: usize = 24;
/// Lines of the log that are shown.
const LOG_LINES: u64 = 12;
/// Longest name of a symbol.
const NAME_BYTES: usize = 160;
/// How much of the map of symbols is read at a time.
const PIECE_BYTES: usize = 512;

static IS_PANICKING: AtomicBool = AtomicBool::new(false);
/// The hart that panics.
static PANICKING_HART: AtomicUsize = AtomicUsize::new(usize::MAX);
/// The map of symbols, once it is there.
static SYMBOLS: Once<Arc<OpenFile>> = Once::new();

/// The serial line, without its lock.
struct Screen;

impl Write for Screen {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.split_inclusive('\n') {
            match piece.strip_suffix('\n') {
                Some(line) => {
                    dev::panic_write(line.as_bytes());
                    dev::panic_write(b"\r\n");
                }
                None => dev::panic_write(piece.as_bytes()),
            }
        }
        Ok(())
    }
}

macro_rules! screen {
    ($($argument:tt)*) => {
        // The screen takes everything.
        let _ = writeln!(Screen, $($argument)*);
    };
}

/// Whether the end has begun: then nobody may wait for anybody.
pub(crate) fn is_panicking() -> bool {
    IS_PANICKING.load(Ordering::Relaxed)
}

/// Where the panic screen finds names: a file in the format of `nm`.
pub(crate) fn set_symbols(file: Arc<OpenFile>) {
    SYMBOLS.set(file);
}

/// Stops this hart for good: another one has panicked.
pub(crate) fn stop_hart() -> ! {
    cpu::interrupts_off();
    loop {
        cpu::wait_for_interrupt();
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let from = backtrace::frame_pointer();
    match info.location() {
        Some(place) => die(format_args!("{}\n  at {place}", info.message()), None, from),
        None => die(format_args!("{}", info.message()), None, from),
    }
}

/// An exception of the kernel itself.
pub(crate) fn kernel_exception(frame: &TrapFrame, scause: u64, stval: u64) -> ! {
    let what = exception_name(scause);
    let message = format_args!("{what} (scause {scause}) at {:#x}, stval {stval:#x}", frame.pc());
    die(message, Some(frame), backtrace::frame_pointer())
}

/// A kernel stack that was too small.
pub(crate) fn kernel_stack_overflow(frame: &TrapFrame, scause: u64, stval: u64) -> ! {
    let what = exception_name(scause);
    let (pc, sp) = (frame.pc(), frame.x[2]);
    let message =
        format_args!("kernel stack overflow: {what} at {pc:#x}, stval {stval:#x}, sp {sp:#x}");
    die(message, Some(frame), frame.x[8])
}

/// Source: Privileged ISA, "Supervisor Cause Register".
fn exception_name(scause: u64) -> &'static str {
    const NAMES: [&str; 16] = [
        "instruction address misaligned",
        "instruction access fault",
        "illegal instruction",
        "breakpoint",
        "load address misaligned",
        "load access fault",
        "store address misaligned",
        "store access fault",
        "call from U-mode",
        "call from S-mode",
        "reserved",
        "reserved",
        "instruction page fault",
        "load page fault",
        "reserved",
        "store page fault",
    ];
    NAMES.get(scause as usize).copied().unwrap_or("interrupt")
}

fn die(message: fmt::Arguments<'_>, frame: Option<&TrapFrame>, from: u64) -> ! {
    cpu::interrupts_off();
    let me = hart::index();
    if IS_PANICKING.swap(true, Ordering::AcqRel) {
        if PANICKING_HART.load(Ordering::Acquire) != me {
            stop_hart();
        }
        screen!("*** and another one on the way out: {message}");
        dev::finisher::power_off(EXIT_PANIC);
    }
    PANICKING_HART.store(me, Ordering::Release);
    ipi::send(HartMask::online().without(me), Message::Stop);
    // Locks that this hart holds stay held; nothing below waits for one.
    hart::this().spin_depth.store(0, Ordering::Relaxed);
    screen!("\n*** kernel panic: {message}");
    let task = sched::current_or_none();
    let name = task.map_or("none yet", |task| task.name());
    screen!("hart {me}, task {name}, {} ns after boot", time::now().0);
    if let Some(frame) = frame {
        show_registers(frame);
    }
    show_log();
    show_callers(&callers(frame, from));
    dev::finisher::power_off(EXIT_PANIC)
}

fn show_registers(frame: &TrapFrame) {
    const NAMES: [&str; 32] = [
        "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4",
        "a5", "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4",
        "t5", "t6",
    ];
    screen!("registers: pc {:#018x} sstatus {:#018x}", frame.pc(), frame.status);
    for row in (1..32).step_by(4) {
        for index in row..(row + 4).min(32) {
            let _ = write!(Screen, "  {:>4} {:016x}", NAMES[index], frame.x[index]);
        }
        screen!("");
    }
}

fn show_log() {
    let Some(log) = LOG.try_lock() else { return };
    screen!("last lines of the log:");
    let mut line = Line::new();
    let mut sequence = log.next().saturating_sub(LOG_LINES);
    while let Some(record) = log.read(sequence, &mut line) {
        let _ = Screen.write_str("  ");
        let _ = super::write_stamp(&mut Screen, record.ns);
        dev::panic_write(line.as_bytes());
        screen!("");
        sequence = record.sequence + 1;
    }
}

/// A place in the code: its address, and one of the instruction that is meant, which for a return
/// address is the call before it.
type Place = (u64, u64);

/// Where it happened, and who called.
fn callers(frame: Option<&TrapFrame>, from: u64) -> ArrayVec<Place, MAX_CALLERS> {
    let mut callers: ArrayVec<Place, MAX_CALLERS> =
        frame.map(|f| (f.pc(), f.pc())).into_iter().collect();
    let stack = match sched::current_or_none() {
        Some(task) => task.stack_range(),
        None => image::boot_stack(),
    };
    backtrace::walk(from, stack.start, stack.end, |caller| {
        // More are of no use.
        let _ = callers.try_push((caller, caller - 1));
    });
    callers
}

fn show_callers(callers: &[Place]) {
    screen!("called from:");
    for row in callers.chunks(4) {
        for (address, _) in row {
            let _ = write!(Screen, "  {address:#018x}");
        }
        screen!("");
    }
    // From here on a lock that somebody holds may end this; everything else has been said.
    let Some(map) = SYMBOLS.get() else { return };
    for (address, meant) in callers {
        let mut search = Search::<NAME_BYTES>::new(*meant);
        let (mut piece, mut offset) = ([0; PIECE_BYTES], 0);
        while let Ok(count @ 1..) = map.read_at(offset, &mut piece) {
            search.feed(&piece[..count]);
            offset += count as u64;
            if search.is_done() {
                break;
            }
        }
        let Some(symbol) = search.result() else { continue };
        let _ = write!(Screen, "  {address:#018x} ");
        dev::panic_write(symbol.name);
        screen!("+{:#x}", symbol.offset + (address - meant));
    }
}
