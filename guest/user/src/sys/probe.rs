//! What a program may not do, and what comes of it: [`report`] lets a child try something, and says
//! which exception ended it; the functions beside it are what there is to try.
//!
//! Handlers of signals that look at the machine's state are here, too.

use core::arch::asm;
use core::sync::atomic::{AtomicI32, Ordering};

use linux_raw_sys::general as g;

use super::file::{self, File};
use super::mapping::Mapping;
use super::{process, signal};
use crate::errno::{Errno, Result};
use crate::status::Status;

/// Where in `siginfo_t` the code is: `SEGV_MAPERR` and others.
pub const SIGINFO_CODE: usize = 8;
/// Where in `siginfo_t` the address is that could not be used.
pub const SIGINFO_ADDRESS: usize = 16;
/// Where in `ucontext_t` the registers begin, the program counter first.
pub const UCONTEXT_REGISTERS: usize = 176;

/// Room for a handler of its own, where the stack may be what is at fault.
const ALTERNATE_STACK_BYTES: usize = 16 << 10;
/// Bytes of what a child says: signal, code, address.
const WORD_BYTES: usize = size_of::<u64>();
const NOTE_BYTES: usize = 3 * WORD_BYTES;
/// Length of an instruction that is not compressed.
const INSTRUCTION_BYTES: usize = 4;

/// How a child ended that tried something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its end.
    pub status: Status,
    /// The signal's details, where one came from an exception.
    pub refusal: Option<Refusal>,
}

/// What a signal says about the exception behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `SIGSEGV` and others.
    pub signal: u32,
    /// `SEGV_MAPERR` and others, of the signal.
    pub code: i32,
    /// The address that could not be used; of an instruction, its own.
    pub address: usize,
}

/// Lets a child do this, in its own copy of memory.
pub fn report(work: impl FnOnce()) -> Result<Report> {
    let (reader, writer) = file::pipe()?;
    let Some(child) = process::fork()? else {
        let prepared = prepare(writer);
        if prepared.is_ok() {
            work();
        }
        process::exit(i32::from(prepared.is_err()))
    };
    drop(writer);
    let mut note = [0; NOTE_BYTES];
    let count = file::retry(|| reader.read(&mut note))?;
    let (_, status) = file::retry(|| process::wait(child, 0))?.ok_or(Errno::CHILD)?;
    let word = |index: usize| {
        let bytes = note[index * WORD_BYTES..].first_chunk();
        bytes.map_or(0, |bytes| u64::from_ne_bytes(*bytes))
    };
    let refusal = (count == NOTE_BYTES).then(|| Refusal {
        signal: word(0) as u32,
        code: word(1) as i32,
        address: word(2) as usize,
    });
    Ok(Report { status, refusal })
}

/// Where [`tell`] writes.
static NOTES: AtomicI32 = AtomicI32::new(-1);

/// Lets exceptions be told before they end this process.
fn prepare(notes: File) -> Result<()> {
    NOTES.store(notes.into_fd(), Ordering::Relaxed);
    signal::set_stack(Mapping::private(ALTERNATE_STACK_BYTES)?)?;
    for number in [g::SIGSEGV, g::SIGBUS, g::SIGILL, g::SIGTRAP] {
        signal::handle(number, tell, g::SA_RESETHAND | g::SA_ONSTACK)?;
    }
    Ok(())
}

/// Tells of an exception. When it returns, the same instruction raises the same exception again,
/// which no handler takes any more, and so it ends the process as if nobody had looked.
extern "C" fn tell(number: i32, info: usize, _context: usize) {
    // SAFETY: the kernel put a `siginfo_t` there, for as long as the handler runs.
    let (code, address) = unsafe {
        let code = *((info + SIGINFO_CODE) as *const i32);
        (code, *((info + SIGINFO_ADDRESS) as *const u64))
    };
    let mut note = [0; NOTE_BYTES];
    for (room, word) in note.chunks_mut(WORD_BYTES).zip([number as u64, code as u64, address]) {
        room.copy_from_slice(&word.to_ne_bytes());
    }
    // The parent sees it where it does not arrive.
    let _ = file::write(NOTES.load(Ordering::Relaxed), &note);
}

/// Lets an access that is denied be passed over: SIGSEGV goes on behind the instruction, which must
/// be [`read`] or [`write`].
pub fn pass_over_faults() -> Result<()> {
    extern "C" fn pass_over(_number: i32, _info: usize, context: usize) {
        let pc = (context + UCONTEXT_REGISTERS) as *mut usize;
        // SAFETY: the kernel put a `ucontext_t` there, for as long as the handler runs; behind the
        // instruction is the rest of `read` or `write`.
        unsafe { *pc += INSTRUCTION_BYTES };
    }
    signal::handle(g::SIGSEGV, pass_over, 0)
}

/// The word at an address, which is a multiple of 8; where there is none, an exception.
pub fn read(at: usize) -> u64 {
    let mut value = 0;
    // SAFETY: a load changes no memory, and is made by hand: Rust assumes nothing about it.
    unsafe {
        asm!(
            ".option push",
            ".option norvc",
            "ld {value}, ({at})",
            ".option pop",
            value = inout(reg) value,
            at = in(reg) at,
            options(nostack, readonly),
        );
    }
    value
}

/// Writes a word, which is the one that is there already: all that changes is how the page is
/// mapped. Where it may not be written, an exception.
pub fn write(at: usize) {
    // SAFETY: the atomic "or" with nothing leaves every value as it is.
    unsafe {
        asm!(
            ".option push",
            ".option norvc",
            "amoor.d zero, zero, ({at})",
            ".option pop",
            at = in(reg) at,
            options(nostack),
        );
    }
}

/// What comes of calling code at an address.
pub fn execution(at: usize) -> Result<Report> {
    report(|| {
        // SAFETY: the process has nothing but copies of its parent's memory, and ends here.
        unsafe { asm!("jalr {at}", at = in(reg) at, clobber_abi("C")) };
    })
}

/// Instructions that user mode must not execute, by name.
pub const PRIVILEGED: [(&str, fn()); 6] = [
    // SAFETY: each raises an exception and does nothing else.
    ("csrr satp", || unsafe { asm!("csrr t0, satp", out("t0") _) }),
    // SAFETY: as above.
    ("csrw sepc", || unsafe { asm!("csrw sepc, zero") }),
    // SAFETY: as above.
    ("csrr mstatus", || unsafe { asm!("csrr t0, mstatus", out("t0") _) }),
    // SAFETY: as above.
    ("sret", || unsafe { asm!("sret") }),
    // SAFETY: as above.
    ("sfence.vma", || unsafe { asm!("sfence.vma") }),
    // SAFETY: as above.
    ("all zeros", || unsafe { asm!(".word 0") }),
];

/// `ebreak`.
pub fn breakpoint() {
    // SAFETY: raises an exception and does nothing else.
    unsafe { asm!("ebreak") };
}

/// Calls itself until the stack ends; where `depth` reaches `u64::MAX` it would not.
#[inline(never)]
pub fn recurse_without_end(depth: u64) -> u64 {
    let local = core::hint::black_box([depth; 128]);
    if depth == u64::MAX { 0 } else { recurse_without_end(depth + 1) + local[depth as usize % 128] }
}
