//! /proc/meminfo and other figures of the whole system.

use core::fmt;
use core::time::Duration;

use crate::PAGE_SIZE_BYTES;

/// Frames by use, for /proc/meminfo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frames {
    /// All that the kernel knows of.
    pub total: u64,
    /// Nobody's.
    pub free: u64,
    /// Kept free for those who need them more.
    pub reserve: u64,
    /// Of files and shared memory.
    pub object: u64,
    /// Of shared memory, which needs swap to be given up; all of tmpfs's.
    pub shared: u64,
    /// Of processes.
    pub anonymous: u64,
    /// Of objects, mapped by processes.
    pub mapped: u64,
    /// Of page tables.
    pub tables: u64,
    /// Of kernel stacks.
    pub stacks: u64,
    /// Of the heap's small objects.
    pub slabs: u64,
    /// Locked.
    pub locked: u64,
    /// Promised to processes, and how many may be.
    pub committed: u64,
    /// See [`committed`](Self::committed).
    pub commit_limit: u64,
    /// Pages of swap areas.
    pub swap: u64,
    /// Those without content.
    pub swap_free: u64,
    /// Frames whose content is in a slot, too.
    pub swap_cached: u64,
    /// Of files, changed, to be written.
    pub dirty: u64,
    /// Of files, being written.
    pub in_writing: u64,
}

/// The text of /proc/meminfo.
pub fn meminfo(frames: &Frames) -> impl fmt::Display {
    let Frames { total, free, reserve, object, shared, anonymous, .. } = *frames;
    let frames = *frames;
    fmt::from_fn(move |f| {
        let cached = object;
        let file = object.saturating_sub(shared);
        let available = (free + file).saturating_sub(reserve);
        for (name, frames) in [
            ("MemTotal", total),
            ("MemFree", free),
            ("MemAvailable", available),
            ("Buffers", 0),
            ("Cached", cached),
            ("SwapCached", frames.swap_cached),
            ("Active", anonymous + object),
            ("Inactive", 0),
            ("Active(anon)", anonymous + shared),
            ("Inactive(anon)", 0),
            ("Active(file)", file),
            ("Inactive(file)", 0),
            ("Unevictable", frames.locked),
            ("Mlocked", frames.locked),
            ("SwapTotal", frames.swap),
            ("SwapFree", frames.swap_free),
            ("Dirty", frames.dirty),
            ("Writeback", frames.in_writing),
            ("AnonPages", anonymous),
            ("Mapped", frames.mapped),
            ("Shmem", shared),
            ("KReclaimable", 0),
            ("Slab", frames.slabs),
            ("SReclaimable", 0),
            ("SUnreclaim", frames.slabs),
        ] {
            size(f, name, frames)?;
        }
        let stack_kib = frames.stacks * PAGE_SIZE_BYTES / 1024;
        writeln!(f, "{:<16}{stack_kib:>8} kB", "KernelStack:")?;
        for (name, frames) in [
            ("PageTables", frames.tables),
            ("SecPageTables", 0),
            ("NFS_Unstable", 0),
            ("Bounce", 0),
            ("WritebackTmp", 0),
            ("CommitLimit", frames.commit_limit),
            ("Committed_AS", frames.committed),
        ] {
            size(f, name, frames)?;
        }
        Ok(())
    })
}

fn size(f: &mut fmt::Formatter<'_>, name: &str, frames: u64) -> fmt::Result {
    let kib = frames * PAGE_SIZE_BYTES / 1024;
    // The name, its colon and blanks take sixteen columns.
    let width = 15_usize.saturating_sub(name.len());
    writeln!(f, "{name}:{:width$}{kib:>8} kB", "")
}

/// The text of /proc/uptime: seconds since boot, and seconds that all harts were idle.
pub fn uptime(since_boot: Duration, idle: Duration) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        let hundredths = |time: Duration| time.subsec_millis() / 10;
        write!(f, "{}.{:02}", since_boot.as_secs(), hundredths(since_boot))?;
        writeln!(f, " {}.{:02}", idle.as_secs(), hundredths(idle))
    })
}

/// Free blocks of each order, as /proc/buddyinfo shows them.
pub fn buddyinfo(blocks: &[u64]) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        write!(f, "Node 0, zone {:>8}", "Normal")?;
        blocks.iter().try_for_each(|blocks| write!(f, " {blocks:>6}"))?;
        writeln!(f)
    })
}

/// Busy and idle time of a hart in 1/100 s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HartTime {
    /// In user mode.
    pub user: u64,
    /// In the kernel.
    pub system: u64,
    /// Without a task.
    pub idle: u64,
}

/// What /proc/stat says beside the harts' times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Interrupts taken.
    pub interrupts: u64,
    /// Switches from one task to another.
    pub switches: u64,
    /// When it was booted, in seconds since 1970.
    pub boot_time: u64,
    /// Processes made so far.
    pub forks: u64,
    /// Tasks that run or could.
    pub running: u64,
    /// Tasks that wait for a device.
    pub blocked: u64,
}

/// The text of /proc/stat.
pub fn stat<'a>(harts: &'a [HartTime], activity: &'a Activity) -> impl fmt::Display + 'a {
    fn cpu(f: &mut fmt::Formatter<'_>, time: HartTime) -> fmt::Result {
        writeln!(f, " {} 0 {} {} 0 0 0 0 0 0", time.user, time.system, time.idle)
    }
    fmt::from_fn(move |f| {
        let sum = harts.iter().fold(HartTime::default(), |sum, hart| HartTime {
            user: sum.user + hart.user,
            system: sum.system + hart.system,
            idle: sum.idle + hart.idle,
        });
        f.write_str("cpu ")?;
        cpu(f, sum)?;
        for (hart, time) in harts.iter().enumerate() {
            write!(f, "cpu{hart}")?;
            cpu(f, *time)?;
        }
        let Activity { interrupts, switches, boot_time, forks, running, blocked } = activity;
        writeln!(f, "intr {interrupts}\nctxt {switches}\nbtime {boot_time}")?;
        writeln!(f, "processes {forks}\nprocs_running {running}\nprocs_blocked {blocked}")?;
        writeln!(f, "softirq 0 0 0 0 0 0 0 0 0 0 0")
    })
}

/// The head of /proc/swaps.
pub const SWAPS: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";

/// What is used for swapping, as /proc/swaps tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwapKind {
    /// A disk.
    Partition,
    /// A file on one.
    File,
}

/// A line of /proc/swaps: what it is, and how many pages it has and how many of them are used.
pub fn swap_area(
    (path, kind): (&str, SwapKind),
    pages: [u64; 2],
    priority: i16,
) -> impl fmt::Display {
    const NAME_WIDTH: usize = 39;
    fmt::from_fn(move |f| {
        let [size, used] = pages.map(|pages| pages * PAGE_SIZE_BYTES / 1024);
        let kind = if kind == SwapKind::File { "file\t" } else { "partition" };
        write!(f, "{path:<width$} {kind}", width = NAME_WIDTH)?;
        writeln!(f, "\t{size}\t\t{used}\t\t{priority}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_areas_line_up_like_linuxs() {
        for (area, pages, priority, expect) in [
            (
                ("/dev/vda", SwapKind::Partition),
                [16383, 32],
                -2,
                "/dev/vda                                partition\t65532\t\t128\t\t-2\n",
            ),
            (
                ("/swap/file", SwapKind::File),
                [255, 0],
                5,
                "/swap/file                              file\t\t1020\t\t0\t\t5\n",
            ),
        ] {
            assert_eq!(swap_area(area, pages, priority).to_string(), expect);
        }
    }

    #[test]
    fn meminfo_lines_up_like_linuxs() {
        let frames = Frames {
            total: 1000,
            free: 400,
            reserve: 20,
            object: 100,
            shared: 40,
            anonymous: 300,
            commit_limit: 500,
            ..Frames::default()
        };
        let text = meminfo(&frames).to_string();
        for want in [
            "MemTotal:           4000 kB\n",
            "MemAvailable:       1760 kB\n",
            "Cached:              400 kB\n",
            "Active(anon):       1360 kB\n",
            "KernelStack:           0 kB\n",
            "CommitLimit:        2000 kB\n",
        ] {
            assert!(text.contains(want), "{want:?} in {text}");
        }
        assert!(text.lines().all(|line| line.len() == 27), "{text}");
    }

    #[test]
    fn times_have_two_decimals() {
        let text = uptime(Duration::from_millis(12_345), Duration::from_millis(60)).to_string();
        assert_eq!(text, "12.34 0.06\n");
    }

    #[test]
    fn stat_sums_the_harts() {
        let harts =
            [HartTime { user: 1, system: 2, idle: 3 }, HartTime { user: 10, system: 20, idle: 30 }];
        let activity = Activity { switches: 5, running: 1, ..Activity::default() };
        let text = stat(&harts, &activity).to_string();
        assert!(text.starts_with(
            "cpu  11 0 22 33 0 0 0 0 0 0\ncpu0 1 0 2 3 0 0 0 0 0 0\ncpu1 10 0 20 30 0 0 0 0 0 0\n"
        ));
        assert!(text.contains("\nctxt 5\n") && text.contains("\nprocs_running 1\n"));
    }

    #[test]
    fn buddyinfo_is_one_line() {
        assert_eq!(buddyinfo(&[1, 20]).to_string(), "Node 0, zone   Normal      1     20\n");
    }
}
