//! Memory and activity of the whole machine: the tables of `free` and `vmstat`.
//!
//! Source: procps, "free(1)" and "vmstat(8)"; Linux, "proc_meminfo(5)", "proc_stat(5)".

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::table::Table;
use crate::bytes;

/// Size of a page in KiB.
const PAGE_KIB: u64 = 4;

/// Figures of `/proc/meminfo`, in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    total: u64,
    free: u64,
    available: u64,
    buffers: u64,
    /// Page cache and what else could be given up.
    cache: u64,
    shared: u64,
    active: u64,
    inactive: u64,
    swap_cached: u64,
    swap_total: u64,
    swap_free: u64,
}

impl Memory {
    /// Reads `/proc/meminfo`.
    pub fn parse(text: &[u8]) -> Self {
        let table = Table(text);
        let free = table.number("MemFree");
        Self {
            total: table.number("MemTotal"),
            free,
            available: table.get("MemAvailable").unwrap_or(free),
            buffers: table.number("Buffers"),
            cache: table.number("Cached") + table.number("SReclaimable"),
            shared: table.number("Shmem"),
            active: table.number("Active"),
            inactive: table.number("Inactive"),
            swap_cached: table.number("SwapCached"),
            swap_total: table.number("SwapTotal"),
            swap_free: table.number("SwapFree"),
        }
    }

    fn used(&self) -> u64 {
        self.total.saturating_sub(self.available)
    }

    fn swap_used(&self) -> u64 {
        self.swap_total.saturating_sub(self.swap_free)
    }

    /// The table of `free`, in units of 2^`shift` bytes.
    pub fn table(&self, shift: u32) -> String {
        let scale = |kib: u64| if shift >= 10 { kib >> (shift - 10) } else { kib << (10 - shift) };
        let mut text = format!(
            "{:>20}{:>12}{:>12}{:>12}{:>12}{:>12}\n",
            "total", "used", "free", "shared", "buff/cache", "available"
        );
        let rows: [(&str, &[u64]); 2] = [
            (
                "Mem:",
                &[
                    self.total,
                    self.used(),
                    self.free,
                    self.shared,
                    self.buffers + self.cache,
                    self.available,
                ],
            ),
            ("Swap:", &[self.swap_total, self.swap_used(), self.swap_free]),
        ];
        for (name, figures) in rows {
            text += &format!("{name:<8}");
            figures.iter().for_each(|figure| text += &format!("{:>12}", scale(*figure)));
            text.push('\n');
        }
        text
    }
}

/// The headings of `vmstat`.
pub const VMSTAT_HEADINGS: &str = "\
procs -----------memory---------- ---swap-- -----io---- -system-- ------cpu-----
 r  b   swpd   free   buff  cache   si   so    bi    bo   in   cs us sy id wa st
";

/// Figures of `/proc/stat` and `/proc/vmstat` that only grow, and how many processes run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Ticks of all processors: user, nice, system, idle, waiting, interrupts (2), stolen.
    ticks: [u64; 8],
    running: u64,
    blocked: u64,
    interrupts: u64,
    switches: u64,
    boot_time: u64,
    forks: u64,
    /// In KiB.
    paged_in: u64,
    /// In KiB.
    paged_out: u64,
    /// In pages.
    swapped_in: u64,
    /// In pages.
    swapped_out: u64,
    /// What this kernel counts of faults and copies, with its meaning.
    faults: Vec<(u64, &'static str)>,
}

impl Activity {
    /// Reads `/proc/stat` and `/proc/vmstat`.
    pub fn parse(stat: &[u8], vmstat: &[u8]) -> Self {
        let mut ticks = [0; 8];
        let cpu = bytes::lines(stat).find_map(|line| line.strip_prefix(b"cpu "));
        for (tick, field) in ticks.iter_mut().zip(bytes::fields(cpu.unwrap_or_default())) {
            *tick = bytes::decimal(field).unwrap_or(0);
        }
        let (stat, vmstat) = (Table(stat), Table(vmstat));
        let faults = FAULT_COUNTERS.iter().filter_map(|(name, text)| {
            let count = vmstat.get(name)?;
            Some((count, *text))
        });
        Self {
            ticks,
            running: stat.number("procs_running"),
            blocked: stat.number("procs_blocked"),
            interrupts: stat.number("intr"),
            switches: stat.number("ctxt"),
            boot_time: stat.number("btime"),
            forks: stat.number("processes"),
            paged_in: vmstat.number("pgpgin"),
            paged_out: vmstat.number("pgpgout"),
            swapped_in: vmstat.number("pswpin"),
            swapped_out: vmstat.number("pswpout"),
            faults: faults.collect(),
        }
    }

    /// A line of `vmstat`: what happened since `before`, in this many seconds.
    pub fn line(&self, before: &Self, memory: &Memory, seconds: u64) -> String {
        let seconds = seconds.max(1);
        let rate = |now: u64, then: u64| now.saturating_sub(then).div_ceil(seconds);
        let mut ticks = [0; 8];
        for (index, tick) in ticks.iter_mut().enumerate() {
            *tick = self.ticks[index].saturating_sub(before.ticks[index]);
        }
        let total = ticks.iter().sum::<u64>().max(1);
        let percent = |ticks: u64| (100 * ticks + total / 2) / total;
        let [user, nice, system, idle, waiting, hard, soft, stolen] = ticks;
        format!(
            "{:2} {:2} {:6} {:6} {:6} {:6} {:4} {:4} {:5} {:5} {:4} {:4} {:2} {:2} {:2} {:2} {:2}",
            // This program runs as well, always.
            self.running.saturating_sub(1),
            self.blocked,
            memory.swap_used(),
            memory.free,
            memory.buffers,
            memory.cache,
            rate(self.swapped_in, before.swapped_in) * PAGE_KIB,
            rate(self.swapped_out, before.swapped_out) * PAGE_KIB,
            rate(self.paged_in, before.paged_in),
            rate(self.paged_out, before.paged_out),
            rate(self.interrupts, before.interrupts),
            rate(self.switches, before.switches),
            percent(user + nice),
            percent(system + hard + soft),
            percent(idle),
            percent(waiting),
            percent(stolen),
        )
    }

    /// The list of `vmstat -s`.
    pub fn summary(&self, memory: &Memory) -> String {
        let [user, nice, system, idle, waiting, hard, soft, stolen] = self.ticks;
        let rows = [
            (memory.total, "K total memory"),
            (memory.used(), "K used memory"),
            (memory.active, "K active memory"),
            (memory.inactive, "K inactive memory"),
            (memory.free, "K free memory"),
            (memory.buffers, "K buffer memory"),
            (memory.swap_cached, "K swap cache"),
            (memory.swap_total, "K total swap"),
            (memory.swap_used(), "K used swap"),
            (memory.swap_free, "K free swap"),
            (user, "non-nice user cpu ticks"),
            (nice, "nice user cpu ticks"),
            (system, "system cpu ticks"),
            (idle, "idle cpu ticks"),
            (waiting, "IO-wait cpu ticks"),
            (hard, "IRQ cpu ticks"),
            (soft, "softirq cpu ticks"),
            (stolen, "stolen cpu ticks"),
            (self.paged_in, "K paged in"),
            (self.paged_out, "K paged out"),
            (self.swapped_in, "pages swapped in"),
            (self.swapped_out, "pages swapped out"),
            (self.interrupts, "interrupts"),
            (self.switches, "CPU context switches"),
            (self.boot_time, "boot time"),
            (self.forks, "forks"),
        ];
        let rows = rows.iter().chain(&self.faults);
        rows.map(|(figure, text)| format!("{figure:13} {text}\n")).collect()
    }
}

/// Counters of `/proc/vmstat` about faults and reclaim: Linux's and this kernel's.
const FAULT_COUNTERS: [(&str, &str); 16] = [
    ("pgfault", "page faults"),
    ("pgmajfault", "page faults that waited for a device"),
    ("zero_mapped", "faults that mapped the page of zeros"),
    ("zero_filled", "faults that took a page and cleared it"),
    ("cow_copied", "copy-on-write faults that copied a page"),
    ("cow_reused", "copy-on-write faults that kept the page"),
    ("tlb_flush", "TLB flushes"),
    ("tlb_ipi", "TLB flushes on other harts"),
    ("pgscan", "pages that the pager has passed"),
    ("pgsteal", "frames that were taken from processes"),
    ("soft_rescue", "unmapped pages that came back without a transfer"),
    ("workingset_refault", "pages that came back from swap"),
    ("swap_ra", "pages read ahead from swap"),
    ("swap_ra_hit", "pages read ahead and then used"),
    ("oom_kill", "processes killed for their memory"),
    ("suspend", "processes suspended for lack of memory"),
];

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &[u8] = b"MemTotal: 4096 kB\nMemFree: 1024 kB\nMemAvailable: 2048 kB\n\
        Buffers: 4 kB\nCached: 512 kB\nShmem: 8 kB\nSwapTotal: 100 kB\nSwapFree: 60 kB\n";

    #[test]
    fn free_shows_a_table() {
        let memory = Memory::parse(MEMINFO);
        assert_eq!(
            memory.table(10),
            "               total        used        free      shared  buff/cache   available\n\
             Mem:            4096        2048        1024           8         516        2048\n\
             Swap:            100          40          60\n"
        );
        assert!(memory.table(20).contains("Mem:               4           2           1"));
        assert!(memory.table(0).contains("Mem:         4194304 "));
    }

    #[test]
    fn vmstat_shows_what_happened_between() {
        let stat = |ticks: &str, ctxt: u64| {
            format!("cpu  {ticks}\ncpu0 1 2 3\nintr {ctxt} 0 0\nctxt {ctxt}\nprocs_running 3\n")
        };
        let before = Activity::parse(stat("100 0 50 800 50 0 0 0", 1000).as_bytes(), b"pswpin 10");
        let after = Activity::parse(stat("150 0 60 830 60 0 0 0", 1100).as_bytes(), b"pswpin 30");
        let line = after.line(&before, &Memory::parse(MEMINFO), 2);
        let headings = VMSTAT_HEADINGS.lines().nth(1).expect("two lines");
        assert_eq!(
            line,
            " 2  0     40   1024      4    512   40    0     0     0   50   50 50 10 30 10  0"
        );
        assert_eq!(line.len(), headings.len());
    }

    #[test]
    fn a_summary_has_the_counters_that_there_are() {
        let activity = Activity::parse(b"ctxt 5\n", b"pgfault 7\ncow_copied 3\n");
        let summary = activity.summary(&Memory::parse(MEMINFO));
        for line in [
            "         4096 K total memory",
            "            5 CPU context switches",
            "            7 page faults",
            "            3 copy-on-write faults that copied a page",
        ] {
            assert!(summary.lines().any(|other| other == line), "{line}\n{summary}");
        }
        assert!(!summary.contains("kept"));
    }
}
