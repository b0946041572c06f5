//! What the programs that test the kernel share: children that do something and are waited for, and
//! figures of memory. Whatever the kernel refuses here is a failure, and panics.

use super::mapping::PAGE_SIZE_BYTES;
use super::{file, process};
use crate::proc::table::Table;
use crate::status::Status;

/// A figure of /proc/meminfo, in pages.
pub fn meminfo(name: &str) -> usize {
    let text = file::read_file(b"/proc/meminfo").expect("meminfo");
    Table(&text).get(name).expect("a figure") as usize / (PAGE_SIZE_BYTES / 1024)
}

/// How a child ends that does this.
pub fn outcome(work: impl FnOnce()) -> Status {
    wait_for(start(work))
}

/// A child that does this and exits with 0.
pub fn start(work: impl FnOnce()) -> i32 {
    match process::fork().expect("fork") {
        Some(child) => child,
        None => {
            work();
            process::exit(0)
        }
    }
}

/// How the child ends.
pub fn wait_for(child: i32) -> Status {
    process::wait(child, 0).expect("wait4").expect("it blocks").1
}
