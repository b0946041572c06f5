//! The first instructions of a process and its end: [`program!`](crate::program!), the stack as
//! the kernel left it (arguments, environment, auxiliary vector) and the panic handler.
//!
//! Source: Linux, "execve(2)" and the System V ABI, "Process Initialization".

use core::arch::naked_asm;
use core::ffi::{CStr, c_char};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::process;

/// Exit status of a program that panicked.
pub const EXIT_PANIC: i32 = 101;

/// Address of the first word on the stack at the start: argc. 0 before `begin`.
static FIRST_WORD: AtomicUsize = AtomicUsize::new(0);

/// What [`program!`](crate::program!) begins with; the program's `main` is in a1.
#[doc(hidden)]
#[unsafe(naked)]
pub unsafe extern "C" fn process_start() {
    naked_asm!(
        ".option push",
        ".option norelax",
        "la   gp, __global_pointer$",
        ".option pop",
        "mv   a0, sp",
        "andi sp, sp, -16",
        // The debugger's walk up the stack ends here.
        "li   ra, 0",
        "li   s0, 0",
        "tail {begin}",
        begin = sym begin,
    )
}

extern "C" fn begin(first_word: usize, main: extern "C" fn() -> i32) -> ! {
    FIRST_WORD.store(first_word, Ordering::Relaxed);
    process::exit(main())
}

/// The word with this index on the stack of the start.
fn word(index: usize) -> usize {
    let first = FIRST_WORD.load(Ordering::Relaxed);
    assert!(first != 0, "before the start");
    // SAFETY: the callers stay within the vectors: counts and nulls end them. Nobody writes there.
    unsafe { *(first as *const usize).add(index) }
}

/// Number of arguments, the program's name included.
pub(super) fn argument_count() -> usize {
    word(0)
}

/// The argument with this index, which is below [`argument_count`].
pub(super) fn argument(index: usize) -> &'static CStr {
    assert!(index < argument_count());
    text(word(1 + index))
}

/// The environment's entry with this index; none after the last. Entries are asked for in order.
pub(super) fn environment(index: usize) -> Option<&'static CStr> {
    match word(2 + argument_count() + index) {
        0 => None,
        address => Some(text(address)),
    }
}

/// The value of the auxiliary vector's entry of this type (`AT_PAGESZ`, ...).
pub fn auxiliary(kind: u32) -> Option<usize> {
    let mut at = 2 + argument_count();
    while word(at) != 0 {
        at += 1;
    }
    at += 1;
    while word(at) != 0 {
        if word(at) == kind as usize {
            return Some(word(at + 1));
        }
        at += 2;
    }
    None
}

fn text(address: usize) -> &'static CStr {
    // SAFETY: the kernel put a text with its NUL there, and it stays as long as the process.
    unsafe { CStr::from_ptr(address as *const c_char) }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    crate::eprintln!("{info}");
    process::exit_at_once(EXIT_PANIC)
}

/// Makes `fn main() -> i32` what the process runs; its value is the exit status.
#[macro_export]
macro_rules! program {
    ($main:path) => {
        extern "C" fn program_main() -> i32 {
            let main: fn() -> i32 = $main;
            main()
        }

        // SAFETY: the one function of this name, which the linker script makes the entry; nobody
        // calls it.
        #[unsafe(naked)]
        #[unsafe(no_mangle)]
        #[unsafe(link_section = ".text.entry")]
        unsafe extern "C" fn _start() {
            ::core::arch::naked_asm!(
                "lla a1, {main}",
                "tail {start}",
                main = sym program_main,
                start = sym $crate::sys::start::process_start,
            )
        }
    };
}
