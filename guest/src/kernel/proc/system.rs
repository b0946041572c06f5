//! /proc/meminfo, vmstat, stat and the other figures of the whole system.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use guest::errno::Errno;
use guest::fs::layout::device_parts;
use guest::log::Line;
use guest::mm::cells::State;
use guest::mm::counters::Event;
use guest::mm::frames::Kind;
use guest::proc_text::counts::{Interrupt, interrupts_head};
use guest::proc_text::escape;
use guest::proc_text::load::LoadAverage;
use guest::proc_text::system::{self as text, Activity, Frames, HartTime, SwapKind};

use super::nodes::put;
use super::uts;
use crate::arch::{hart, tlb};
use crate::fs::mount::{self, Mounted};
use crate::fs::{FsContext, ext2};
use crate::mm::{self, commit, events, heap, memory, write_back};
use crate::sync::SpinLock;
use crate::task::{Process, Thread};
use crate::{debug, dev, sched, task, time};

/// How busy the harts were, as far as somebody looked.
static LOAD: SpinLock<LoadAverage> = SpinLock::new(LoadAverage::new());

/// What /proc/cpuinfo says of every hart: the base that the kernel and its programs are built for.
const ISA: &str = "rv64imafdc_zicntr_zicsr_zifencei";
const NANOSECONDS: u64 = 1_000_000_000;
const KIB: u64 = 1 << 10;
/// Nanoseconds in 1/100 s, in which /proc counts time.
const CENTISECOND_NS: u64 = 10_000_000;

/// The text of meminfo.
pub(super) fn meminfo(out: &mut String) -> Result<(), Errno> {
    let mut locked = 0;
    for process in task::processes() {
        locked += process.space().map_or(0, |space| space.locked().pages());
    }
    let in_use = heap::in_use();
    let frames = memory(|memory| {
        let frames = &memory.frames;
        let files = memory.cells.files();
        Frames {
            total: frames.total_frames(),
            free: frames.free_frames(),
            reserve: frames.watermarks().low,
            object: frames.count(Kind::Object),
            shared: frames.count(Kind::Object) - u64::from(files.resident),
            anonymous: frames.count(Kind::Anon),
            mapped: 0,
            tables: frames.count(Kind::Table),
            stacks: 0,
            slabs: in_use.object_frames,
            locked,
            committed: 0,
            commit_limit: 0,
            swap: memory.slots.total(),
            swap_free: memory.slots.total() - memory.slots.used(),
            swap_cached: memory.slots.used().saturating_sub(memory.cells.count(State::Swapped)),
            dirty: files.changed.into(),
            in_writing: write_back::in_writing(),
        }
    });
    let frames = Frames {
        mapped: mapped_object_pages(),
        stacks: mm::stack_frames().0,
        committed: commit::committed_pages(),
        commit_limit: commit::limit_pages(),
        ..frames
    };
    put!(out, "{}", text::meminfo(&frames))
}

/// Pages of objects that some process maps.
fn mapped_object_pages() -> u64 {
    let mut mapped = 0;
    mm::for_each_object(|object| {
        object.for_each_page(&mut |_, cell| {
            let is_mapped = memory(|memory| {
                let frame = memory.cells.frame(cell);
                frame.is_some_and(|frame| memory.frames.mapped(frame) > 0)
            });
            mapped += u64::from(is_mapped);
        });
    });
    mapped
}

/// The text of vmstat.
pub(super) fn vmstat(out: &mut String) -> Result<(), Errno> {
    let ([free, anon, object, tables], files) = memory(|memory| {
        let kinds = [Kind::Free, Kind::Anon, Kind::Object, Kind::Table];
        (kinds.map(|kind| memory.frames.count(kind)), memory.cells.files())
    });
    let slabs = heap::in_use().object_frames;
    let [read_bytes, written_bytes] = dev::disk_bytes();
    let rows = [
        ("nr_free_pages", free),
        ("nr_zone_inactive_anon", 0),
        ("nr_zone_active_anon", anon),
        ("nr_zone_inactive_file", 0),
        ("nr_zone_active_file", object),
        ("nr_page_table_pages", tables),
        ("nr_anon_pages", anon),
        ("nr_mapped", mapped_object_pages()),
        ("nr_file_pages", object),
        ("nr_dirty", files.changed.into()),
        ("nr_writeback", write_back::in_writing()),
        ("nr_shmem", object - u64::from(files.resident)),
        ("nr_slab_reclaimable", 0),
        ("nr_slab_unreclaimable", slabs),
        ("nr_kernel_stack", mm::stack_frames().0 * 4),
        ("pgpgin", read_bytes / KIB),
        ("pgpgout", written_bytes / KIB),
    ];
    rows.iter().try_for_each(|(name, value)| put!(out, "{name} {value}\n"))?;
    let (flushes, remote) = tlb::counters();
    for event in Event::ALL {
        let value = match event {
            Event::TlbFlush => flushes,
            Event::TlbIpi => remote,
            event => events(event),
        };
        put!(out, "{} {value}\n", event.name())?;
    }
    Ok(())
}

/// The text of stat.
pub(super) fn stat(out: &mut String) -> Result<(), Errno> {
    let harts = hart_times();
    let boot_time = (time::real_now() - time::now().0) / NANOSECONDS;
    let running = sched::runnable() as u64;
    let (switches, forks) = (sched::switches(), u64::from(task::table::counts().1));
    let interrupts = interrupt_rows().iter().flat_map(|row| &row.counts).sum();
    let blocked = blocked_threads();
    let activity = Activity { interrupts, switches, boot_time, forks, running, blocked };
    put!(out, "{}", text::stat(&harts, &activity))
}

/// Threads of processes that wait for something that no signal ends, such as a disk.
fn blocked_threads() -> u64 {
    let is_blocked = |thread: &Arc<Thread>| thread.task().is_some_and(|task| task.state() == 'D');
    let of_process = |process: &Arc<Process>| {
        process.threads().iter().filter(|thread| is_blocked(thread)).count()
    };
    task::processes().iter().map(of_process).sum::<usize>() as u64
}

/// A line of /proc/interrupts.
struct InterruptRow {
    label: String,
    counts: Vec<u64>,
    text: String,
}

/// What interrupts there are, and how often each hart took them.
fn interrupt_rows() -> Vec<InterruptRow> {
    /// Number of the clock's interrupt at a hart.
    const CLOCK: u32 = 5;
    let of_harts = |count: fn(&hart::Hart) -> &AtomicU64| -> Vec<u64> {
        (0..hart::online()).map(|index| count(hart::get(index)).load(Ordering::Relaxed)).collect()
    };
    let mut rows = Vec::from([InterruptRow {
        label: format!("{CLOCK}"),
        counts: of_harts(|hart| &hart.clock_interrupts),
        text: format!("RISC-V INTC {CLOCK:>3} Edge      riscv-timer"),
    }]);
    dev::for_each_source(|source, name, taken, server| {
        let mut counts = alloc::vec![0; hart::online()];
        counts[server] = taken;
        let text = format!("SiFive PLIC {source:>3} Edge      {name}");
        rows.push(InterruptRow { label: format!("{source}"), counts, text });
    });
    rows.push(InterruptRow {
        label: String::from("IPI0"),
        counts: of_harts(|hart| &hart.hart_interrupts),
        text: String::from("Rescheduling interrupts"),
    });
    rows
}

/// The text of interrupts.
pub(super) fn interrupts(out: &mut String) -> Result<(), Errno> {
    put!(out, "{}", interrupts_head(hart::online()))?;
    interrupt_rows().iter().try_for_each(|InterruptRow { label, counts, text }| {
        put!(out, "{}", Interrupt { label, counts, text })
    })
}

/// What each hart did. Who ran on which hart nobody counts, so its busy time is shared out between
/// user mode and the kernel like that of all processes.
fn hart_times() -> Vec<HartTime> {
    let (mut user, mut kernel) = (0, 0);
    for process in task::processes() {
        for usage in [process.usage(), process.children_usage()] {
            user += usage.user_ns / CENTISECOND_NS;
            kernel += usage.kernel_ns / CENTISECOND_NS;
        }
    }
    let elapsed = time::now().0 / CENTISECOND_NS;
    let time = |hart| {
        let idle = (sched::idle_ns(hart) / CENTISECOND_NS).min(elapsed);
        let busy = elapsed - idle;
        let in_user = busy * user / (user + kernel).max(1);
        HartTime { user: in_user, system: busy - in_user, idle }
    };
    (0..hart::online()).map(time).collect()
}

/// The text of uptime.
pub(super) fn uptime(out: &mut String) -> Result<(), Errno> {
    let idle = Duration::from_nanos((0..hart::online()).map(sched::idle_ns).sum());
    put!(out, "{}", text::uptime(Duration::from_nanos(time::now().0), idle))
}

/// The text of loadavg.
pub(super) fn loadavg(out: &mut String) -> Result<(), Errno> {
    let running = sched::runnable() as u64;
    let loads = {
        let mut average = LOAD.lock();
        average.advance(time::now().0, running);
        average.loads()
    };
    for load in loads {
        put!(out, "{load} ")?;
    }
    let threads: usize = task::processes().iter().map(|process| process.threads().len()).sum();
    let (_, newest) = task::table::counts();
    put!(out, "{running}/{threads} {newest}\n")
}

/// The text of pressure/memory.
pub(super) fn pressure_memory(out: &mut String) -> Result<(), Errno> {
    put!(out, "{}", sched::memory_pressure())
}

/// The text of cpuinfo.
pub(super) fn cpuinfo(out: &mut String) -> Result<(), Errno> {
    (0..hart::online()).try_for_each(|hart| {
        put!(out, "processor\t: {hart}\nhart\t\t: {hart}\nisa\t\t: {ISA}\nmmu\t\t: sv39\n\n")
    })
}

/// The text of version.
pub(super) fn version(out: &mut String) -> Result<(), Errno> {
    put!(out, "{} version {} (pagewalk) {}\n", uts::OSTYPE, uts::OSRELEASE, uts::VERSION)
}

/// What is mounted below the root of somebody, with the paths that it has from there.
fn mounted(context: &FsContext) -> impl Iterator<Item = (Mounted, Vec<u8>)> {
    let seen = |mut mount: Mounted| {
        let path = context.seen(core::mem::take(&mut mount.path)).ok()?;
        Some((mount, path))
    };
    mount::mounts().into_iter().filter_map(seen)
}

/// The text of mounts.
pub(super) fn mounts(context: &FsContext, out: &mut String) -> Result<(), Errno> {
    mounted(context).try_for_each(|(mount, path)| {
        let (source, path) = (escape::word(&mount.source), escape::word(&path));
        let options = escape::word(&mount.options);
        put!(out, "{source} {path} {} {options} 0 0\n", mount.kind)
    })
}

/// The text of mountinfo.
pub(super) fn mountinfo(context: &FsContext, out: &mut String) -> Result<(), Errno> {
    mounted(context).try_for_each(|(mount, path)| {
        let (source, path) = (escape::word(&mount.source), escape::word(&path));
        let (major, minor) = device_parts(mount.device);
        let options = escape::word(&mount.options);
        let (id, around) = (mount.id, mount.around);
        put!(out, "{id} {around} {major}:{minor} / {path} {options} - {} ", mount.kind)?;
        put!(out, "{source} {options}\n")
    })
}

/// The text of filesystems.
pub(super) fn filesystems(out: &mut String) -> Result<(), Errno> {
    for kind in ["tmpfs", "ramfs", "devtmpfs", "proc", "mqueue"] {
        put!(out, "nodev\t{kind}\n")?;
    }
    put!(out, "\t{}\n", ext2::KIND)
}

/// The text of swaps: there are none.
pub(super) fn swaps(out: &mut String) -> Result<(), Errno> {
    put!(out, "{}", text::SWAPS)?;
    for area in mm::swap::list() {
        let [size, used] = [area.total_pages, area.used_pages];
        let (path, kind) = match area.disk.path() {
            Some(path) => (String::from_utf8_lossy(&path).into_owned(), SwapKind::File),
            None => (format!("/dev/{}", area.disk.name()), SwapKind::Partition),
        };
        put!(out, "{}", text::swap_area((&path, kind), [size, used], area.priority))?;
    }
    Ok(())
}

/// The text of buddyinfo.
pub(super) fn buddyinfo(out: &mut String) -> Result<(), Errno> {
    let blocks = memory(|memory| memory.frames.free_blocks());
    put!(out, "{}", text::buddyinfo(&blocks))
}

/// The text of cmdline.
pub(super) fn cmdline(out: &mut String) -> Result<(), Errno> {
    put!(out, "{}\n", dev::board().arguments.escape_ascii())
}

/// The text of kmsg: the lines of the log that are still there.
pub(super) fn kmsg(out: &mut String) -> Result<(), Errno> {
    let mut line = Line::new();
    let (mut next, end) = debug::log_bounds();
    while next < end {
        let Some(record) = debug::read_log(next, &mut line) else { break };
        let micros = record.ns / 1000;
        let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
        let text = String::from_utf8_lossy(line.as_bytes());
        put!(out, "<{}>[{seconds:5}.{micros:06}] {text}\n", record.level)?;
        next = record.sequence + 1;
    }
    Ok(())
}
