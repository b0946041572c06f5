//! The one instruction that enters the kernel, and the arguments it may carry: [`call`] for the
//! wrappers of this room, [`raw`] for programs that test the kernel itself.
//!
//! Source: Linux, "syscall(2)", architecture calling conventions for riscv.

use core::arch::asm;
use core::ffi::CStr;
use core::marker::PhantomData;
use core::mem;

use linux_raw_sys::general::{
    __kernel_timespec, kernel_sigaction, kernel_sigset_t, pollfd, rlimit64, rusage, stat, termios,
    winsize,
};
use linux_raw_sys::system::new_utsname;

use crate::errno::{Errno, Result};

/// Error numbers are the last values below zero.
const ERRNO_MAX: usize = 4095;

/// A type that the kernel may fill with any bytes.
///
/// # Safety
/// Every bit pattern is a value, zero included.
pub unsafe trait Plain: Copy + Sized {
    /// All bytes zero.
    fn zeroed() -> Self {
        // SAFETY: what the trait promises.
        unsafe { mem::zeroed() }
    }
}

macro_rules! plain {
    ($($type:ty),+ $(,)?) => {
        // SAFETY: integers, and structures and arrays of them; a handler of a signal is an
        // optional function pointer, which the kernel gives back as it was set, or empty.
        $(unsafe impl Plain for $type {})+
    };
}

plain!(
    [i16; 3],
    i32,
    u32,
    u64,
    __kernel_timespec,
    kernel_sigaction,
    kernel_sigset_t,
    new_utsname,
    [pollfd; 1],
    [u64; 1],
    [u64; 3],
    [u64; 4],
    [u64; 8],
    [u64; 9],
    rlimit64,
    rusage,
    stat,
    termios,
    winsize,
);

/// One or two registers of arguments: a number, the address of a structure or text, or the
/// address and the length of a buffer, which stay borrowed.
#[derive(Debug)]
pub(super) struct Arg<'a> {
    registers: [usize; 2],
    count: usize,
    borrowed: PhantomData<&'a mut [u8]>,
}

impl Arg<'_> {
    #[inline(always)]
    const fn one(register: usize) -> Self {
        Self { registers: [register, 0], count: 1, borrowed: PhantomData }
    }

    #[inline(always)]
    const fn two(address: usize, length: usize) -> Self {
        Self { registers: [address, length], count: 2, borrowed: PhantomData }
    }
}

impl From<usize> for Arg<'_> {
    #[inline(always)]
    fn from(value: usize) -> Self {
        Self::one(value)
    }
}

impl From<u32> for Arg<'_> {
    #[inline(always)]
    fn from(value: u32) -> Self {
        Self::one(value as usize)
    }
}

impl From<i32> for Arg<'_> {
    #[inline(always)]
    fn from(value: i32) -> Self {
        Self::one(value as usize)
    }
}

impl<'a> From<&'a CStr> for Arg<'a> {
    #[inline(always)]
    fn from(text: &'a CStr) -> Self {
        Self::one(text.as_ptr() as usize)
    }
}

impl<'a> From<&'a [u8]> for Arg<'a> {
    #[inline(always)]
    fn from(buffer: &'a [u8]) -> Self {
        Self::two(buffer.as_ptr() as usize, buffer.len())
    }
}

impl<'a> From<&'a mut [u8]> for Arg<'a> {
    #[inline(always)]
    fn from(buffer: &'a mut [u8]) -> Self {
        Self::two(buffer.as_mut_ptr() as usize, buffer.len())
    }
}

impl<'a, T: Plain> From<&'a T> for Arg<'a> {
    #[inline(always)]
    fn from(structure: &'a T) -> Self {
        Self::one(core::ptr::from_ref(structure) as usize)
    }
}

impl<'a, T: Plain> From<&'a mut T> for Arg<'a> {
    #[inline(always)]
    fn from(structure: &'a mut T) -> Self {
        Self::one(core::ptr::from_mut(structure) as usize)
    }
}

/// The vectors of `execve`: addresses of texts, a null at the end.
impl<'a> From<&'a TextVector<'a>> for Arg<'a> {
    #[inline(always)]
    fn from(vector: &'a TextVector<'a>) -> Self {
        Self::one(vector.as_ptr() as usize)
    }
}

/// Texts as `execve` takes them.
#[derive(Debug)]
pub(super) struct TextVector<'a> {
    pointers: alloc::vec::Vec<usize>,
    borrowed: PhantomData<&'a CStr>,
}

impl<'a> TextVector<'a> {
    /// Of these texts.
    pub(super) fn new(texts: impl Iterator<Item = &'a CStr>) -> Self {
        let pointers = texts.map(|text| text.as_ptr() as usize).chain([0]).collect();
        Self { pointers, borrowed: PhantomData }
    }

    /// Address of the first, for as long as the vector lives.
    pub(super) fn as_ptr(&self) -> *const usize {
        self.pointers.as_ptr()
    }
}

/// The registers that [`call`] fills. Everything is inlined, so that they are filled at compile time
/// as far as they can be, and a wrapper is little more than the `ecall`.
#[derive(Debug)]
pub(super) struct Args<'a> {
    registers: [usize; 6],
    used: usize,
    borrowed: PhantomData<&'a mut [u8]>,
}

impl<'a> Args<'a> {
    /// No arguments.
    pub(super) const NONE: Self = Self { registers: [0; 6], used: 0, borrowed: PhantomData };

    /// One argument more.
    #[inline(always)]
    pub(super) fn with(mut self, argument: impl Into<Arg<'a>>) -> Self {
        let Arg { registers: [first, second], count, .. } = argument.into();
        self.registers[self.used] = first;
        if count == 2 {
            self.registers[self.used + 1] = second;
        }
        self.used += count;
        self
    }
}

/// Arguments for [`call`]; a buffer counts as two.
macro_rules! args {
    ($($argument:expr),* $(,)?) => {
        $crate::sys::call::Args::NONE$(.with($argument))*
    };
}
pub(super) use args;

/// The `ecall` with these registers set, and no others.
macro_rules! ecall {
    ($number:expr $(, $register:tt $argument:expr)*) => {{
        let value: usize;
        asm!(
            "ecall",
            in("a7") $number as usize,
            $(in($register) $argument,)*
            lateout("a0") value,
            options(nostack),
        );
        value
    }};
}

/// Makes the system call `number`. Where it takes memory, the wrapper passes a buffer with its
/// length, or the very structure that the call's manual page names, and so the kernel stays within
/// what is borrowed; calls that change the address space are made in `heap` and `mapping` only.
#[inline(always)]
pub(super) fn call(number: u32, arguments: Args<'_>) -> Result<usize> {
    let [a0, a1, a2, a3, a4, a5] = arguments.registers;
    // SAFETY: see above; the kernel keeps all registers but a0.
    let value = unsafe {
        match arguments.used {
            0 => ecall!(number),
            1 => ecall!(number, "a0" a0),
            2 => ecall!(number, "a0" a0, "a1" a1),
            3 => ecall!(number, "a0" a0, "a1" a1, "a2" a2),
            4 => ecall!(number, "a0" a0, "a1" a1, "a2" a2, "a3" a3),
            _ => ecall!(number, "a0" a0, "a1" a1, "a2" a2, "a3" a3, "a4" a4, "a5" a5),
        }
    };
    result(value)
}

/// The value as a system call means it.
#[inline(always)]
pub(super) fn result(value: usize) -> Result<usize> {
    if value > usize::MAX - ERRNO_MAX { Err(Errno(value.wrapping_neg() as u32)) } else { Ok(value) }
}

/// The bare system call: the value of a0 after it, an error number below zero.
///
/// # Safety
/// What the call does to memory must be what Rust expects of it.
pub unsafe fn raw(number: u32, registers: [usize; 6]) -> usize {
    let [a0, a1, a2, a3, a4, a5] = registers;
    // SAFETY: the kernel keeps all registers but a0; the rest is the caller's promise.
    unsafe { ecall!(number, "a0" a0, "a1" a1, "a2" a2, "a3" a3, "a4" a4, "a5" a5) }
}
