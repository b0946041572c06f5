//! What a process may not do, and what comes of trying.

use alloc::format;
use alloc::string::String;
use core::time::Duration;

use guest_user::signals;
use guest_user::status::Status;
use guest_user::sys::counter::Counter;
use guest_user::sys::mapping::{Mapping, PAGE_SIZE_BYTES};
use guest_user::sys::probe::{self, Report};
use guest_user::sys::{process, time};
use linux_raw_sys::general as g;

use crate::partner::Partner;
use crate::stage::{Played, Scene, Stage};

pub(crate) const PROTECT: Scene = Scene {
    name: "protect",
    title: "what is forbidden ends the process, and nobody else",
    text: "\
Each page-table entry says what is allowed, and the hardware checks every access.
Where there is no page (MAPERR) or the page denies the access (ACCERR), the kernel
sends SIGSEGV to the process, which ends. Each attempt below is made by a child of
its own, while a neighbour keeps a secret in its memory, and keeps it to the end.",
    play: protect,
};

const SECRET: u64 = 0x7365_6372_6574;
/// Where the kernel's image is, and its RAM, in the kernel's own half of the address space.
const KERNEL_ADDRESS: usize = 0xffff_ffff_8020_0000;
/// Where RAM begins; as a virtual address, nothing.
const RAM_ADDRESS: usize = 0x8000_0000;
/// The instruction `ret`, as data.
const RETURN: u64 = 0x8067;
/// What matters is in the middle of so many pages: where they are not mapped, something else that
/// the process needs may have the addresses of the first or the last.
const AREA_PAGES: usize = 64;
static CONSTANT: [u64; 4] = [SECRET; 4];

/// A signal and its code in words.
pub(crate) fn signal_text(report: &Report) -> (String, String) {
    let Some(refusal) = report.refusal else { return ("none".into(), String::new()) };
    let code = match (refusal.signal, refusal.code as u32) {
        (g::SIGSEGV, g::SEGV_MAPERR) => "MAPERR",
        (g::SIGSEGV, g::SEGV_ACCERR) => "ACCERR",
        (g::SIGBUS, g::BUS_ADRERR) => "ADRERR",
        (g::SIGILL, g::ILL_ILLOPC) => "ILLOPC",
        _ => "of another kind",
    };
    let name = signals::name(refusal.signal).unwrap_or("unknown");
    (format!("SIG{name}"), format!("{code} at {:#x}", refusal.address))
}

/// Shows what came of an attempt, which must be SIGSEGV with this code.
fn show_denied(stage: &mut Stage, what: &str, code: u32, report: &Report) {
    let (signal, details) = signal_text(report);
    stage.show(what, signal, &details);
    stage.check(report.status == Status::Killed(g::SIGSEGV), "a forbidden access was let through");
    let told = report.refusal.map(|refusal| refusal.code as u32);
    stage.check(told == Some(code), "SIGSEGV came with another code");
}

fn protect(stage: &mut Stage) -> Played {
    let neighbour = Partner::start(|parent| {
        // Large enough for its middle to be nobody's when others map an area there.
        let area = Mapping::private(4 * AREA_PAGES * PAGE_SIZE_BYTES)?;
        let middle = area.len() / 2;
        area.write(middle, SECRET);
        parent.tell((area.start() + middle) as u64)?;
        parent.hear()?;
        parent.tell(area.read(middle))
    })?;
    let secret_at = neighbour.hear()? as usize;
    let area = Mapping::private(AREA_PAGES * PAGE_SIZE_BYTES)?;
    let (middle, at) = (area.len() / 2, area.start() + area.len() / 2);
    area.write(middle, RETURN);
    let code = (protect as fn(&mut Stage) -> Played as usize).next_multiple_of(8);
    let constant = CONSTANT.as_ptr() as usize;
    let read = |at: usize| {
        probe::report(|| {
            probe::read(at);
        })
    };
    let write = |at: usize| probe::report(|| probe::write(at));
    for (what, code, report) in [
        ("read at address 0", g::SEGV_MAPERR, read(0)?),
        ("read of the kernel's memory", g::SEGV_MAPERR, read(KERNEL_ADDRESS)?),
        ("read at RAM's physical address", g::SEGV_MAPERR, read(RAM_ADDRESS)?),
        ("read where only the neighbour has memory", g::SEGV_MAPERR, read(secret_at)?),
        ("write to the program's code", g::SEGV_ACCERR, write(code)?),
        ("write to a constant", g::SEGV_ACCERR, write(constant)?),
        ("execution of data", g::SEGV_ACCERR, probe::execution(at)?),
    ] {
        show_denied(stage, what, code, &report);
    }
    area.protect(middle, PAGE_SIZE_BYTES, g::PROT_READ)?;
    show_denied(stage, "write after mprotect(PROT_READ)", g::SEGV_ACCERR, &write(at)?);
    drop(area);
    show_denied(stage, "read after munmap", g::SEGV_MAPERR, &read(at)?);
    neighbour.tell(0)?;
    let secret = neighbour.hear()?;
    stage.pause();
    stage.show("the neighbour's secret before", format!("{SECRET:#x}"), "");
    stage.show("the neighbour's secret after", format!("{secret:#x}"), "");
    stage.check(secret == SECRET, "the neighbour's memory has changed");
    stage.check(neighbour.end()? == Status::Exited(0), "the neighbour was harmed");
    Ok(())
}

pub(crate) const MODES: Scene = Scene {
    name: "modes",
    title: "user mode asks, the kernel does",
    text: "\
Programs run in user mode, where instructions that rule the machine (here: reading
satp, the register that names the page table) raise an exception; the process gets
SIGILL. The way into the kernel is ecall, a system call: the hart changes to
supervisor mode and to the kernel's own code. Time in both modes is counted apart.",
    play: modes,
};

/// For so long it computes, and for so long it calls.
const SPAN: Duration = Duration::from_millis(100);

/// Does this for [`SPAN`]; how long it was in user mode and in the kernel.
fn times(mut work: impl FnMut()) -> guest_user::Result<(Duration, Duration)> {
    let (user, kernel) = process::times()?;
    let end = time::monotonic() + SPAN;
    while time::monotonic() < end {
        work();
    }
    let (user_after, kernel_after) = process::times()?;
    Ok((user_after.saturating_sub(user), kernel_after.saturating_sub(kernel)))
}

fn compute() {
    (0..100_000_u64).for_each(|step| {
        core::hint::black_box(step);
    });
}

fn call() {
    (0..1000).for_each(|_| {
        process::parent_id();
    });
}

/// Instructions of one system call; none where the counter is the kernel's alone.
fn call_instructions() -> guest_user::Result<Option<u64>> {
    let readable = probe::report(|| {
        Counter::Instructions.read();
    })?;
    if readable.status != Status::Exited(0) {
        return Ok(None);
    }
    let counts = (0..16).map(|_| {
        let from = Counter::Instructions.read();
        process::parent_id();
        Counter::Instructions.read().wrapping_sub(from)
    });
    Ok(counts.min())
}

fn modes(stage: &mut Stage) -> Played {
    for (name, instruction) in probe::PRIVILEGED {
        let report = probe::report(instruction)?;
        let (signal, details) = signal_text(&report);
        stage.show(name, signal, &details);
        stage.check(report.status == Status::Killed(g::SIGILL), "an instruction was let through");
    }
    let (user, kernel) = times(compute)?;
    stage.pause();
    stage.show("computing, user mode", user.as_micros(), "us");
    stage.show("computing, kernel", kernel.as_micros(), "us");
    stage.check(user > kernel, "computing took the kernel's time");
    let (call_user, call_kernel) = times(call)?;
    stage.show("calling, user mode", call_user.as_micros(), "us");
    stage.show("calling, kernel", call_kernel.as_micros(), "us");
    stage.check(call_kernel > kernel, "system calls took no time in the kernel");
    let instructions = call_instructions()?;
    stage.show_if_told("getppid, there and back", instructions, "instructions");
    Ok(())
}
