//! /proc: everything that the kernel shows of itself and of processes. Formats that follow from
//! plain values are in `guest::proc_text`; here the values are collected.
//!
//! `nodes.rs` has the building blocks, `process.rs` the directories of processes with `status.rs`,
//! `memory.rs` and `load.rs` behind them, `system.rs` what concerns all, `extents.rs` maps of RAM and
//! swap areas, `sysctl.rs` /proc/sys with `audit.rs`, `sysvipc.rs` what is about queues and segments,
//! `uts.rs` names.

pub(crate) mod audit;
mod extents;
mod load;
mod memory;
mod nodes;
mod process;
mod status;
mod sysctl;
mod system;
mod sysvipc;
pub(crate) mod uts;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use self::nodes::{DIRECTORY, directory, link, text};
use crate::fs::synthetic::{Directory, Node};
use crate::{sched, task};

/// What is there besides processes.
const ENTRIES: [(&str, fn() -> Node); 22] = [
    ("self", || link(|| task::current_process().pid.to_string().into_bytes())),
    ("thread-self", || {
        link(|| {
            let thread = sched::current_thread();
            format!("{}/task/{}", thread.process.pid, thread.tid).into_bytes()
        })
    }),
    ("meminfo", || text(system::meminfo)),
    ("vmstat", || text(system::vmstat)),
    ("stat", || text(system::stat)),
    ("interrupts", || text(system::interrupts)),
    ("uptime", || text(system::uptime)),
    ("loadavg", || text(system::loadavg)),
    ("pressure", || directory(&[("memory", || text(system::pressure_memory))])),
    ("cpuinfo", || text(system::cpuinfo)),
    ("version", || text(system::version)),
    ("mounts", || link(|| b"self/mounts".to_vec())),
    ("filesystems", || text(system::filesystems)),
    ("swaps", || text(system::swaps)),
    ("swapmap", || text(extents::swapmap)),
    ("frames", || text(extents::frames)),
    ("kpagecount", extents::mapped),
    ("buddyinfo", || text(system::buddyinfo)),
    ("cmdline", || text(system::cmdline)),
    ("kmsg", || text(system::kmsg)),
    ("sys", sysctl::root),
    ("sysvipc", sysvipc::root),
];

/// The root: figures of the system, and a directory for each process.
struct Root;

impl Directory for Root {
    fn names(&self) -> Vec<String> {
        let processes = task::processes();
        let fixed = ENTRIES.iter().map(|(name, _)| String::from(*name));
        fixed.chain(processes.iter().map(|process| process.pid.to_string())).collect()
    }

    fn lookup(&self, name: &str) -> Option<Node> {
        match ENTRIES.iter().find(|(own, _)| *own == name) {
            Some((_, node)) => Some(node()),
            None => process::directory(process::number(name)?),
        }
    }
}

/// Its root directory, to be mounted by `fs`.
pub(crate) fn root() -> Node {
    Node::Directory(DIRECTORY, Arc::new(Root))
}
