//! What safe wrappers do not offer: any system call with any arguments, loads and stores at any
//! address, threads, handlers that see the machine's state. All `unsafe` of the tests is here.

use core::arch::asm;
use core::ptr;

use guest_user::errno::{Errno, Result};
use guest_user::status::Status;
pub(crate) use guest_user::sys::probe::{
    PRIVILEGED, SIGINFO_ADDRESS, SIGINFO_CODE, UCONTEXT_REGISTERS, breakpoint, recurse_without_end,
};
pub(crate) use guest_user::sys::signal::Handler;
pub(crate) use guest_user::sys::trial::{meminfo, outcome, start, wait_for};
use guest_user::sys::{file, process, signal};
use linux_raw_sys::general as g;

/// Size of a page.
pub(crate) const PAGE: usize = 4096;
/// Readable and writable.
pub(crate) const RW: u32 = g::PROT_READ | g::PROT_WRITE;
/// Anonymous memory of this process alone.
pub(crate) const PRIVATE: u32 = g::MAP_PRIVATE | g::MAP_ANONYMOUS;

/// A system call with bare arguments. The tests give it addresses of memory that they have mapped
/// themselves, or such as must be refused.
pub(crate) fn call(number: u32, arguments: &[usize]) -> Result<usize> {
    let mut registers = [0; 6];
    registers[..arguments.len()].copy_from_slice(arguments);
    // SAFETY: no Rust object is behind an address that a test passes for the kernel to write to,
    // but for locals of the test that are alive during the call.
    let value = unsafe { guest_user::sys::raw(number, registers) };
    if value > usize::MAX - 4095 { Err(Errno(value.wrapping_neg() as u32)) } else { Ok(value) }
}

/// The error of a call that must fail.
pub(crate) fn error(number: u32, arguments: &[usize]) -> Errno {
    call(number, arguments).expect_err("it must fail")
}

/// mmap at `hint`, of anonymous memory.
pub(crate) fn map_at(hint: usize, length: usize, protection: u32, flags: u32) -> Result<usize> {
    call(g::__NR_mmap, &[hint, length, protection as usize, flags as usize, usize::MAX, 0])
}

/// Private anonymous memory somewhere.
pub(crate) fn map(length: usize) -> usize {
    map_at(0, length, RW, PRIVATE).expect("memory")
}

/// munmap.
pub(crate) fn unmap(start: usize, length: usize) {
    call(g::__NR_munmap, &[start, length]).expect("munmap");
}

/// mprotect.
pub(crate) fn protect(start: usize, length: usize, protection: u32) -> Result<usize> {
    call(g::__NR_mprotect, &[start, length, protection as usize])
}

/// The word at an address.
pub(crate) fn load(at: usize) -> u64 {
    // SAFETY: where the tests have not mapped memory the process is to die of it.
    unsafe { ptr::with_exposed_provenance::<u64>(at).read_volatile() }
}

/// Replaces the word at an address.
pub(crate) fn store(at: usize, value: u64) {
    // SAFETY: the tests only write where they have mapped memory, or must not be able to.
    unsafe { ptr::with_exposed_provenance_mut::<u64>(at).write_volatile(value) };
}

/// The byte at an address.
pub(crate) fn load_byte(at: usize) -> u8 {
    // SAFETY: as for `load`.
    unsafe { ptr::with_exposed_provenance::<u8>(at).read_volatile() }
}

/// Adds to a word that threads share.
pub(crate) fn add(at: usize, value: u64) -> u64 {
    let old;
    // SAFETY: as for `store`.
    unsafe { asm!("amoadd.d.aqrl {}, {}, ({})", out(reg) old, in(reg) value, in(reg) at) };
    old
}

/// Calls the code at an address; what it leaves in a0.
pub(crate) fn execute(at: usize, argument: u64) -> u64 {
    let value;
    // SAFETY: the tests have put code there that returns, or the process is to die of it.
    unsafe {
        asm!("jalr {}", in(reg) at, inlateout("a0") argument => value, clobber_abi("C"));
    }
    value
}

/// `fence.i`.
pub(crate) fn sync_code() {
    // SAFETY: changes no register and no memory.
    unsafe { asm!("fence.i") };
}

/// Pages that a test may take, for which nobody has to end.
pub(crate) fn available() -> usize {
    meminfo("MemFree") + meminfo("SwapFree")
}

/// From now on the stack of this process grows no further than memory reaches.
pub(crate) fn limit_stack() {
    const USUAL_PAGES: usize = (8 << 20) / PAGE;
    let pages = USUAL_PAGES.min(available() / 4);
    process::set_limit(g::RLIMIT_STACK, (pages * PAGE) as u64).expect("setrlimit");
}

/// Signal that must end a child that does this.
pub(crate) fn dies_of(signal: u32, what: &str, work: impl FnOnce()) {
    let status = outcome(work);
    assert_eq!(status, Status::Killed(signal), "{what}");
}

/// The entry of `/proc/self/pagemap` for an address.
pub(crate) fn pagemap(at: usize) -> u64 {
    let map = file::File::open(b"/proc/self/pagemap").expect("/proc/self/pagemap");
    let mut entry = [0; 8];
    let count = map.read_at(&mut entry, (at / PAGE * 8) as u64).expect("an entry");
    assert_eq!(count, 8, "of pagemap, for {at:#x}");
    u64::from_le_bytes(entry)
}

/// Whether a page is in a frame.
pub(crate) fn is_present(at: usize) -> bool {
    pagemap(at) >> 63 == 1
}

/// The frame behind an address; 0 where there is none.
pub(crate) fn frame(at: usize) -> u64 {
    let entry = pagemap(at);
    if entry >> 63 == 1 { entry & ((1 << 55) - 1) } else { 0 }
}

/// Lets `handler` take a signal, with these `SA_` flags besides `SA_SIGINFO`.
pub(crate) fn handle(number: u32, handler: Handler, flags: u32) {
    signal::handle(number, handler, flags).expect("rt_sigaction");
}

/// A thread that runs on a stack of its own; its word turns to 0 when it has ended.
pub(crate) struct Thread {
    word: usize,
}

/// Flags of a thread as C libraries make it.
const THREAD_FLAGS: u32 = g::CLONE_VM
    | g::CLONE_FS
    | g::CLONE_FILES
    | g::CLONE_SIGHAND
    | g::CLONE_THREAD
    | g::CLONE_SYSVSEM
    | g::CLONE_PARENT_SETTID
    | g::CLONE_CHILD_CLEARTID;

/// Runs `work(argument)` in a thread of this process.
pub(crate) fn spawn(work: extern "C" fn(usize), argument: usize) -> Thread {
    const STACK: usize = 16 * PAGE;
    let stack = map(STACK);
    let word = stack;
    let top = stack + STACK;
    let value: usize;
    // SAFETY: the new thread has a stack of its own, runs `work` on it and ends there.
    unsafe {
        asm!(
            "ecall",
            "bnez a0, 1f",
            "mv   a0, {argument}",
            "jalr {work}",
            "li   a0, 0",
            "li   a7, {exit}",
            "ecall",
            "1:",
            argument = in(reg) argument,
            work = in(reg) work as usize,
            exit = const g::__NR_exit,
            in("a7") g::__NR_clone,
            inlateout("a0") THREAD_FLAGS as usize => value,
            in("a1") top,
            in("a2") word,
            in("a3") 0,
            in("a4") word,
        );
    }
    assert!(value < usize::MAX - 4095, "clone: {value:#x}");
    Thread { word }
}

impl Thread {
    /// Waits until it has ended.
    pub(crate) fn join(self) {
        loop {
            let tid = load_word(self.word);
            if tid == 0 {
                return;
            }
            // It may have ended meanwhile; then the word is another.
            let _ = futex_wait(self.word, tid);
        }
    }
}

/// The 32-bit word at an address.
pub(crate) fn load_word(at: usize) -> u32 {
    // SAFETY: as for `load`.
    unsafe { ptr::with_exposed_provenance::<u32>(at).read_volatile() }
}

/// Waits while the word has this value; shared between processes, too.
pub(crate) fn futex_wait(at: usize, value: u32) -> Result<usize> {
    call(g::__NR_futex, &[at, g::FUTEX_WAIT as usize, value as usize, 0])
}

/// Wakes up to `count` who wait; how many.
pub(crate) fn futex_wake(at: usize, count: usize) -> usize {
    call(g::__NR_futex, &[at, g::FUTEX_WAKE as usize, count]).expect("futex")
}
