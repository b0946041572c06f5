//! /proc/PID/status, stat and statm.

use core::fmt;

use super::escape;
use crate::PAGE_SIZE_BYTES;

/// The memory of a process, in pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// All areas, and the most that they ever were.
    pub size: u64,
    /// See [`size`](Self::size).
    pub peak: u64,
    /// Locked.
    pub locked: u64,
    /// There, of the process's own.
    pub anonymous: u64,
    /// There, of files.
    pub file: u64,
    /// There, of memory that only processes share.
    pub shared: u64,
    /// Most that were ever there.
    pub peak_resident: u64,
    /// Private and writable, stacks not counted.
    pub data: u64,
    /// Stacks.
    pub stack: u64,
    /// Of the program that are executed, and of others.
    pub exec: u64,
    /// Page tables.
    pub tables: u64,
    /// In swap.
    pub swapped: u64,
}

impl Memory {
    /// Pages that are there.
    pub const fn resident(&self) -> u64 {
        self.anonymous + self.file + self.shared
    }
}

/// `size resident shared text lib data dt`, in pages.
pub fn statm(memory: &Memory) -> impl fmt::Display {
    let Memory { size, file, shared, exec, data, stack, .. } = *memory;
    let resident = memory.resident();
    fmt::from_fn(move |f| {
        writeln!(f, "{size} {resident} {} {exec} 0 {} 0", file + shared, data + stack)
    })
}

/// Signals as sets of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// Sent to this thread and not delivered.
    pub pending: u64,
    /// Sent to the process.
    pub shared_pending: u64,
    /// Blocked.
    pub blocked: u64,
    /// Ignored.
    pub ignored: u64,
    /// With handlers.
    pub caught: u64,
}

/// What `status` and `stat` say of a thread and its process.
#[derive(Clone, Debug, Default)]
pub struct Process<'a> {
    /// Name.
    pub name: &'a [u8],
    /// One letter.
    pub state: char,
    /// Number of the process, and of the thread.
    pub tgid: u32,
    /// See [`tgid`](Self::tgid).
    pub tid: u32,
    /// Number of the parent.
    pub parent: u32,
    /// Number of the group.
    pub group: u32,
    /// Number of the session.
    pub session: u32,
    /// Device number of the terminal; 0: none.
    pub terminal: u64,
    /// The terminal's group; -1: none.
    pub foreground: i64,
    /// Bits of files that are made.
    pub umask: u32,
    /// Real, effective, saved user.
    pub users: [u32; 3],
    /// Real, effective, saved group.
    pub groups: [u32; 3],
    /// Other groups.
    pub other_groups: &'a [u32],
    /// Room for descriptors.
    pub descriptors: u64,
    /// How many threads.
    pub threads: u64,
    /// Signals.
    pub signals: Signals,
    /// Signals that wait in queues, and how many may.
    pub queued: (u64, u64),
    /// A bit for each hart that it may run on.
    pub harts: u64,
    /// Faults without and with a device, of the process and of children that were waited for.
    pub faults: [u64; 4],
    /// Time in user mode, in the kernel, and both of children that were waited for, in 1/100 s.
    pub times: [u64; 4],
    /// When it began, in 1/100 s.
    pub started: u64,
    /// -20 to 19.
    pub nice: i8,
    /// `RLIMIT_RSS`.
    pub resident_limit: u64,
    /// Its memory; `None` for a thread of the kernel and for what has ended.
    pub memory: Option<Memory>,
    /// Addresses, as far as they are the reader's business.
    pub addresses: Addresses,
    /// The hart that it ran on last.
    pub hart: u64,
    /// What its parent hears when it ends.
    pub exit_signal: u8,
    /// How it ended, as `wait` tells.
    pub exit_code: u32,
}

/// Addresses in a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Program: first and last of its code.
    pub code: (u64, u64),
    /// Bottom of the stack.
    pub stack: u64,
    /// First and last of its data.
    pub data: (u64, u64),
    /// Where the heap begins.
    pub heap: u64,
    /// First and last of the arguments.
    pub arguments: (u64, u64),
    /// First and last of the environment.
    pub environment: (u64, u64),
}

/// What a state's letter means, as status says it.
fn state_name(state: char) -> &'static str {
    match state {
        'R' => "R (running)",
        'S' => "S (sleeping)",
        'D' => "D (disk sleep)",
        'T' => "T (stopped)",
        't' => "t (tracing stop)",
        'W' => "W (suspended)",
        'Z' => "Z (zombie)",
        _ => "X (dead)",
    }
}

/// All capabilities that Linux knows: what the superuser has.
const ALL_CAPABILITIES: u64 = (1 << 41) - 1;

/// The text of `status`.
pub fn status<'a>(process: &'a Process<'a>) -> impl fmt::Display + 'a {
    fmt::from_fn(move |f| {
        let p = process;
        writeln!(f, "Name:\t{}", escape::name(p.name))?;
        writeln!(f, "Umask:\t{:04o}", p.umask)?;
        writeln!(f, "State:\t{}", state_name(p.state))?;
        writeln!(f, "Tgid:\t{}\nNgid:\t0\nPid:\t{}\nPPid:\t{}", p.tgid, p.tid, p.parent)?;
        writeln!(f, "TracerPid:\t0")?;
        for (name, [real, effective, saved]) in [("Uid", p.users), ("Gid", p.groups)] {
            writeln!(f, "{name}:\t{real}\t{effective}\t{saved}\t{effective}")?;
        }
        write!(f, "FDSize:\t{}\nGroups:\t", p.descriptors)?;
        p.other_groups.iter().try_for_each(|group| write!(f, "{group} "))?;
        writeln!(f)?;
        for (name, number) in
            [("NStgid", p.tgid), ("NSpid", p.tid), ("NSpgid", p.group), ("NSsid", p.session)]
        {
            writeln!(f, "{name}:\t{number}")?;
        }
        writeln!(f, "Kthread:\t0")?;
        if let Some(memory) = &p.memory {
            write_memory(f, memory)?;
        }
        writeln!(f, "Threads:\t{}\nSigQ:\t{}/{}", p.threads, p.queued.0, p.queued.1)?;
        let signals = p.signals;
        let capabilities = if p.users[1] == 0 { ALL_CAPABILITIES } else { 0 };
        for (name, bits) in [
            ("SigPnd", signals.pending),
            ("ShdPnd", signals.shared_pending),
            ("SigBlk", signals.blocked),
            ("SigIgn", signals.ignored),
            ("SigCgt", signals.caught),
            ("CapInh", 0),
            ("CapPrm", capabilities),
            ("CapEff", capabilities),
            ("CapBnd", ALL_CAPABILITIES),
            ("CapAmb", 0),
        ] {
            writeln!(f, "{name}:\t{bits:016x}")?;
        }
        writeln!(f, "NoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t0")?;
        let last = 63 - p.harts.max(1).leading_zeros();
        writeln!(f, "Cpus_allowed:\t{:x}", p.harts)?;
        match last {
            0 => writeln!(f, "Cpus_allowed_list:\t0")?,
            _ => writeln!(f, "Cpus_allowed_list:\t0-{last}")?,
        }
        writeln!(f, "Mems_allowed:\t1\nMems_allowed_list:\t0")?;
        writeln!(f, "voluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0")
    })
}

fn write_memory(f: &mut fmt::Formatter<'_>, memory: &Memory) -> fmt::Result {
    let rows = [
        ("VmPeak", memory.peak),
        ("VmSize", memory.size),
        ("VmLck", memory.locked),
        ("VmPin", 0),
        ("VmHWM", memory.peak_resident.max(memory.resident())),
        ("VmRSS", memory.resident()),
        ("RssAnon", memory.anonymous),
        ("RssFile", memory.file),
        ("RssShmem", memory.shared),
        ("VmData", memory.data),
        ("VmStk", memory.stack),
        ("VmExe", memory.exec),
        ("VmLib", 0),
        ("VmPTE", memory.tables),
        ("VmSwap", memory.swapped),
        ("HugetlbPages", 0),
    ];
    for (name, pages) in rows {
        writeln!(f, "{name}:\t{:>8} kB", pages * PAGE_SIZE_BYTES / 1024)?;
    }
    writeln!(f, "CoreDumping:\t0\nTHP_enabled:\t0")
}

/// Flag in `stat`: the thread has ended (PF_EXITING).
const FLAG_EXITING: u32 = 4;

/// The text of `stat`.
pub fn stat<'a>(process: &'a Process<'a>) -> impl fmt::Display + 'a {
    fmt::from_fn(move |f| {
        let p = process;
        let memory = p.memory.unwrap_or_default();
        let name = name_in_stat(p.name);
        write!(f, "{} ({name}) {} {} {} {}", p.tid, p.state, p.parent, p.group, p.session)?;
        let flags = if p.state == 'Z' { FLAG_EXITING } else { 0 };
        write!(f, " {} {} {flags}", p.terminal, p.foreground)?;
        let [minor, major, child_minor, child_major] = p.faults;
        write!(f, " {minor} {child_minor} {major} {child_major}")?;
        p.times.iter().try_for_each(|time| write!(f, " {time}"))?;
        let priority = 20 + i64::from(p.nice);
        write!(f, " {priority} {} {} 0 {}", p.nice, p.threads, p.started)?;
        let size_bytes = memory.size * PAGE_SIZE_BYTES;
        write!(f, " {size_bytes} {} {}", memory.resident(), p.resident_limit)?;
        let places = p.addresses;
        write!(f, " {} {} {} 0 0", places.code.0, places.code.1, places.stack)?;
        let signals = p.signals;
        for bits in [signals.pending, signals.blocked, signals.ignored, signals.caught] {
            // Only those below 32 have ever been shown here.
            write!(f, " {}", bits & 0x7fff_ffff)?;
        }
        write!(f, " 0 0 0 {} {} 0 0 0 0 0", p.exit_signal, p.hart)?;
        write!(f, " {} {} {}", places.data.0, places.data.1, places.heap)?;
        write!(f, " {} {}", places.arguments.0, places.arguments.1)?;
        write!(f, " {} {}", places.environment.0, places.environment.1)?;
        writeln!(f, " {}", p.exit_code)
    })
}

/// The name between parentheses: readers look for the last one, so only its bytes matter.
fn name_in_stat(name: &[u8]) -> impl fmt::Display {
    escape::name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process() -> Process<'static> {
        let memory = Memory {
            size: 100,
            peak: 120,
            anonymous: 10,
            file: 5,
            shared: 1,
            peak_resident: 20,
            data: 30,
            stack: 33,
            exec: 4,
            tables: 5,
            ..Memory::default()
        };
        Process {
            name: b"a) b",
            state: 'S',
            tgid: 7,
            tid: 8,
            parent: 1,
            group: 7,
            session: 3,
            terminal: 1088,
            foreground: 7,
            umask: 0o22,
            users: [1000, 0, 1000],
            groups: [1, 2, 3],
            other_groups: &[4, 5],
            descriptors: 64,
            threads: 2,
            harts: 0xf,
            faults: [11, 12, 13, 14],
            times: [21, 22, 23, 24],
            started: 31,
            nice: -5,
            resident_limit: u64::MAX,
            memory: Some(memory),
            exit_signal: 17,
            ..Process::default()
        }
    }

    #[test]
    fn stat_has_linuxs_52_fields() {
        let text = stat(&process()).to_string();
        let (head, tail) = text.trim_end().rsplit_once(") ").expect("a name");
        assert_eq!(head, "8 (a) b");
        let fields: Vec<&str> = tail.split(' ').collect();
        assert_eq!(fields.len(), 50, "{text}");
        // Numbers of fields as in proc(5); the first behind the name is 3.
        for (number, want) in [
            (3, "S"),
            (4, "1"),
            (5, "7"),
            (6, "3"),
            (7, "1088"),
            (8, "7"),
            (10, "11"),
            (11, "13"),
            (12, "12"),
            (13, "14"),
            (14, "21"),
            (17, "24"),
            (18, "15"),
            (19, "-5"),
            (20, "2"),
            (22, "31"),
            (23, "409600"),
            (24, "16"),
            (25, "18446744073709551615"),
            (38, "17"),
            (39, "0"),
            (52, "0"),
        ] {
            assert_eq!(fields[number - 3], want, "field {number}");
        }
    }

    #[test]
    fn status_has_the_lines_that_programs_look_for() {
        let text = status(&process()).to_string();
        for want in [
            "Name:\ta) b\n",
            "Umask:\t0022\n",
            "State:\tS (sleeping)\n",
            "Tgid:\t7\nNgid:\t0\nPid:\t8\nPPid:\t1\n",
            "Uid:\t1000\t0\t1000\t0\n",
            "Groups:\t4 5 \n",
            "VmPeak:\t     480 kB\nVmSize:\t     400 kB\n",
            "VmHWM:\t      80 kB\nVmRSS:\t      64 kB\n",
            "RssAnon:\t      40 kB\nRssFile:\t      20 kB\nRssShmem:\t       4 kB\n",
            "VmPTE:\t      20 kB\n",
            "Threads:\t2\n",
            "CapEff:\t000001ffffffffff\n",
            "Cpus_allowed:\tf\nCpus_allowed_list:\t0-3\n",
        ] {
            assert!(text.contains(want), "{want:?} in {text}");
        }
        let text = status(&Process { memory: None, ..process() }).to_string();
        assert!(!text.contains("Vm"), "what has ended has no memory");
    }

    #[test]
    fn statm_is_in_pages() {
        let memory = process().memory.expect("set");
        assert_eq!(statm(&memory).to_string(), "100 16 6 4 0 63 0\n");
    }
}
