//! Who may import whom: the rooms of each crate that has arrows, as the README draws them.

/// A crate, or a part of one, with rooms.
#[derive(Debug)]
pub(crate) struct House {
    /// Where its files are.
    folder: &'static str,
    /// Its rooms, each with those that it may import: never a higher one.
    rooms: &'static [(&'static str, &'static [&'static str])],
}

impl House {
    /// Whether it has such a room.
    pub(crate) fn has(&self, room: &str) -> bool {
        self.rooms.iter().any(|(name, _)| *name == room)
    }

    /// What a room may import; `None` where there is no such room.
    pub(crate) fn imports(&self, room: &str) -> Option<&'static [&'static str]> {
        self.rooms.iter().find(|(name, _)| *name == room).map(|(_, allowed)| *allowed)
    }
}

/// The house that a file is in, and the rest of its path.
pub(crate) fn house_of(path: &str) -> Option<(&'static House, &str)> {
    HOUSES.iter().find_map(|house| Some((house, path.strip_prefix(house.folder)?)))
}

/// An inner one comes before what is around it.
const HOUSES: [House; 3] = [EMULATOR, KERNEL, GUEST];

const EMULATOR: House = House {
    folder: "emulator/src/",
    rooms: &[
        ("addr", &[]),
        ("trap", &["addr"]),
        ("bus", &["trap", "addr"]),
        ("device", &["bus", "addr"]),
        ("isa", &["trap", "addr"]),
        ("csr", &["trap", "addr"]),
        ("mmu", &["bus", "trap", "addr"]),
        ("hart", &["csr", "mmu", "bus", "trap", "addr"]),
        ("system", &["hart", "csr", "mmu", "isa", "bus", "trap", "addr"]),
        ("engine", &["system", "hart", "csr", "mmu", "isa", "bus", "trap", "addr"]),
        ("debug", &["system", "hart", "csr", "mmu", "isa", "bus", "trap", "addr"]),
        (
            "machine",
            &[
                "engine", "device", "debug", "system", "hart", "csr", "mmu", "isa", "bus", "trap",
                "addr",
            ],
        ),
        (
            "cli",
            &[
                "machine", "engine", "device", "debug", "system", "hart", "csr", "mmu", "isa",
                "bus", "trap", "addr",
            ],
        ),
    ],
};

/// The kernel. `sync` and `sched` are two sides of one thing, as are `task` and `fs`: a process
/// has files, a terminal signals processes. A task knows, without looking inside, whose thread it
/// is and in which address space it runs. Assembly in `arch` jumps to `boot` and `traps`.
const KERNEL: House = House {
    folder: "guest/src/kernel/",
    rooms: &[
        ("arch", &["boot", "traps", "mm", "sched"]),
        ("time", &["arch", "sched", "sync"]),
        ("sync", &["arch", "sched", "time", "debug"]),
        ("sched", &["arch", "sync", "time", "mm", "task"]),
        ("debug", &["arch", "dev", "sched", "sync", "time", "fs"]),
        ("block", &["sync"]),
        ("mm", &["arch", "sched", "sync", "time", "debug", "block", "task"]),
        ("dev", &["arch", "sched", "sync", "time", "debug", "block", "mm", "fs"]),
        ("fs", &["arch", "sched", "sync", "time", "debug", "block", "dev", "mm", "task", "proc"]),
        ("task", &["arch", "sched", "sync", "time", "debug", "dev", "mm", "fs", "ipc"]),
        ("ipc", &["sync", "time", "mm", "fs", "task"]),
        ("proc", &["arch", "sched", "sync", "time", "debug", "dev", "mm", "fs", "task", "ipc"]),
        (
            "syscall",
            &[
                "arch", "sched", "sync", "time", "debug", "block", "dev", "mm", "fs", "task",
                "ipc", "proc",
            ],
        ),
        ("traps", &["arch", "sched", "sync", "time", "debug", "dev", "mm", "task", "syscall"]),
        (
            "boot",
            &[
                "arch", "sched", "sync", "time", "debug", "dev", "mm", "fs", "task", "ipc", "proc",
                "selftest",
            ],
        ),
        ("selftest", &["arch", "sched", "sync", "time", "debug", "dev", "mm"]),
    ],
};

/// The guest's portable library: it never knows the kernel.
const GUEST: House = House {
    folder: "guest/src/",
    rooms: &[
        ("errno", &[]),
        ("pte", &[]),
        ("table", &["pte"]),
        ("ranges", &["table"]),
        ("walk", &["pte", "table"]),
        ("board", &[]),
        ("boot_options", &[]),
        ("log", &[]),
        ("sched", &[]),
        ("symbols", &[]),
        ("sync", &[]),
        ("timebase", &[]),
        ("timers", &[]),
        ("virtio", &[]),
        ("mm", &["errno", "pte", "table", "walk"]),
        ("locked", &["errno", "mm"]),
        ("ipc", &["errno", "fs", "sync", "task"]),
        ("fs", &["errno"]),
        ("tty", &["errno"]),
        ("task", &["errno", "mm"]),
        ("proc_text", &["errno", "pte", "walk", "mm"]),
        ("first_walk", &[]),
    ],
};
